"""Chapter rnn: the ends of the number line, and the notebook's model (SimpleRNN) in other sizes."""

from functools import partial

import numpy as np

from .case import GoldenFile, Numbers, rnn_weights, simple_weights
from .rnn import forward

INF, NAN = float("inf"), float("nan")


def numerics():
    """Saturation, zeros, denormals, huge numbers, NaN and infinity, for tanh and for relu."""
    for place, (kind, extra) in enumerate((("tanh", {}), ("relu", {"nonlinearity": "relu"}))):
        args = {"input_size": 2, "hidden_size": 3, **extra}
        clause = "RNN-2" if extra else "RNN-1"
        groups = (weights(place, args), numbers_themselves(), spoiled(place, args))
        for group in groups:
            for name, reason, clauses, inputs, state, *other in group:
                yield from forward(
                    f"{kind}-{name}",
                    reason,
                    [clause, *clauses.split()],
                    other[0] if other else args,
                    inputs,
                    state,
                )


def drawn(place, args):
    """The numbers, the weights and the inputs that most cases start from."""
    numbers = Numbers(3000 + place)
    state = rnn_weights(numbers, args)
    return numbers, state, {"input": numbers.dyadic(4, 2, 2), "h_0": numbers.dyadic(1, 2, 3)}


def weights(place, args):
    """Large weights, zero weights, zero input."""
    _, state, inputs = drawn(place, args)
    large = rnn_weights(Numbers(3100 + place), args, scale=50.0)
    if "nonlinearity" in args:  # of one sign: large numbers that cancel leave nothing but rounding
        large = {name: abs(weight) for name, weight in large.items()}
    reason = "Weights fifty times larger: tanh saturates, relu grows without bound."
    yield "weights-x50", reason, "NUM-2", inputs, large
    zero = {name: np.zeros_like(weight) for name, weight in state.items()}
    yield "weights-zero", "Zero weights forget everything.", "NUM-2", inputs, zero
    biases = {name: state[name] if name.startswith("bias") else zero[name] for name in state}
    yield "biases-alone", "Zero weights leave the two biases' sum.", "NUM-2", inputs, biases
    silent = {**inputs, "input": np.zeros_like(inputs["input"])}
    yield "input-zero", "Zero input: biases and state drive it.", "NUM-2", silent, state


def numbers_themselves():
    """Weights that hand the input on unchanged, so that the number itself is seen."""
    identity = {
        "weight_ih_l0": np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
        "weight_hh_l0": np.zeros((3, 3)),
        "bias_ih_l0": np.zeros(3),
        "bias_hh_l0": np.zeros(3),
    }
    tiny = 2.0**-149  # the smallest denormal float32
    value = np.array([[[tiny, -tiny]], [[3 * tiny, 2.0**-127]], [[2.0**-126, -(2.0**-130)]]])
    reason = "Denormal float32 numbers are kept, not flushed to zero."
    yield "denormal", reason, "NUM-6", {"input": value}, identity
    largest = float(np.finfo(np.float32).max)
    value = np.array([[[largest, -largest]], [[2.0**99, -(2.0**100)]], [[2.0**64, 2.0**127]]])
    yield "huge", "The largest float32 numbers.", "NUM-6", {"input": value}, identity
    double = {**identity, "weight_ih_l0": identity["weight_ih_l0"] * 2}
    reason = "Twice the largest: float32 overflows, and relu's infinity times zero is NaN."
    yield "overflow", reason, "NUM-6", {"input": value}, double
    value = np.array([[[0.0, -0.0]], [[-0.0, 0.0]]])
    yield "signed-zero", "Zeros of both signs.", "NUM-6", {"input": value}, identity


def spoiled(place, args):
    """NaN and infinity in one place."""
    numbers, state, inputs = drawn(place, args)
    for name, word, number in (
        ("nan", "NaN", NAN),
        ("inf", "Infinity", INF),
        ("minus-inf", "-Infinity", -INF),
    ):
        value, h_0 = inputs["input"].copy(), inputs["h_0"].copy()
        value[2, 1, 0] = number
        reason = f"{word} in one step of one row: that row from that step on, no other."
        yield name, reason, "NUM-4 BATCH-4", {**inputs, "input": value}, state
        h_0[0, 0, 1] = number
        reason = f"{word} in one row's initial state: that row, no other."
        yield f"{name}-h0", reason, "NUM-4 BATCH-4", {**inputs, "h_0": h_0}, state
    both_ways = {**args, "bidirectional": True, "num_layers": 2, "batch_first": True}
    value = numbers.dyadic(3, 4, 2)
    value[1, 2, 1] = NAN
    yield (
        "nan-bidirectional",
        "NaN at step 2 of row 1: forward from it on, reverse before it, then everywhere.",
        "NUM-4 BATCH-4 STACK-3",
        {"input": value},
        rnn_weights(numbers, both_ways),
        both_ways,
    )
    poisoned = {name: weight.copy() for name, weight in state.items()}
    poisoned["weight_hh_l0"][1, 1] = NAN
    reason = "NaN in one recurrent weight spreads from its own row."
    yield "nan-weight", reason, "NUM-4", inputs, poisoned


def simple():
    """The notebook's model in other sizes."""
    sizes = [
        # input, hidden, layers, batch, length
        (1, 1, 1, 1, 1),
        (1, 5, 1, 1, 10),
        (1, 5, 1, 4, 3),
        (1, 8, 2, 3, 6),
        (2, 3, 2, 4, 6),
        (3, 4, 3, 2, 5),
        (5, 2, 1, 2, 1),
        (3, 16, 1, 5, 7),
        (8, 24, 2, 2, 4),
        (1, 5, 1, 0, 3),
    ]
    for place, (width, hidden, layers, batch, length) in enumerate(sizes):
        numbers = Numbers(4000 + place)
        args = {"input_size": width, "hidden_size": hidden, "num_layers": layers}
        yield from forward(
            f"simple-{width}-{hidden}-{layers}-batch-{batch}-length-{length}",
            f"The notebook's model: {width} in, {hidden} hidden, {layers} layer(s), "
            f"{batch} row(s), {length} step(s).",
            ["FC-1", "FC-2", "LINEAR-1", "RNN-1"],
            args,
            {"input": numbers.dyadic(batch, length, width)},
            simple_weights(numbers, args),
            "SimpleRNN",
        )
    numbers = Numbers(4100)
    args = {"input_size": 2, "hidden_size": 4, "num_layers": 2}
    yield from forward(
        "simple-full-precision",
        "Numbers that use every bit of a float32.",
        ["FC-1", "NUM-2"],
        args,
        {"input": numbers.full(3, 5, 2)},
        simple_weights(numbers, args, draw=partial(numbers.full, limit=0.5)),
        "SimpleRNN",
    )
    broken = numbers.dyadic(3, 4, 2)
    broken[1, 1, 0] = NAN
    yield from forward(
        "simple-nan",
        "NaN in one row reaches that row's output alone.",
        ["FC-1", "NUM-4", "BATCH-4"],
        args,
        {"input": broken},
        simple_weights(numbers, args),
        "SimpleRNN",
    )


FILES = [
    GoldenFile("rnn/numerics.json", "RNN at the ends of the number line.", numerics),
    GoldenFile("rnn/simple.json", "The notebook's SimpleRNN in other sizes.", simple),
]
