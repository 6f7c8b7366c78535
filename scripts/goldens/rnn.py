"""Chapter rnn: the Elman recurrence over all arguments and shapes."""

from functools import partial
from itertools import product

import numpy as np

from .case import GoldenFile, Numbers, both, rnn_weights


def forward(name, reason, clauses, args, inputs, state, module="RNN"):
    """One forward case in both dtypes."""
    yield from both(
        f"rnn/{name}",
        reason,
        clauses,
        "forward",
        module=module,
        args=args,
        training=False,
        state_dict=state,
        inputs=inputs,
    )


def shape_of(args, batch, length):
    """The input's shape: time first, or batch first where `args` say so; no batch if None."""
    if batch is None:
        return (length, args["input_size"])
    pair = (batch, length) if args.get("batch_first") else (length, batch)
    return (*pair, args["input_size"])


def state_shape(args, batch):
    """The state's shape: batch_first does not touch it."""
    rows = args.get("num_layers", 1) * (2 if args.get("bidirectional") else 1)
    return (rows, args["hidden_size"]) if batch is None else (rows, batch, args["hidden_size"])


def grid():
    """Every combination of the arguments that change what is computed."""
    combinations = product(("tanh", "relu"), (1, 2, 3), (True, False), (False, True), (False, True))
    for place, (nonlinearity, layers, bias, batch_first, bidirectional) in enumerate(combinations):
        numbers = Numbers(1000 + place)
        args = {"input_size": 2, "hidden_size": 3}
        words, clauses = [nonlinearity], ["RNN-1" if nonlinearity == "tanh" else "RNN-2"]
        if layers > 1:
            args["num_layers"] = layers
            words.append(f"layers-{layers}")
            clauses.append("STACK-2")
        if nonlinearity == "relu":
            args["nonlinearity"] = "relu"
        if not bias:
            args["bias"] = False
            words.append("no-bias")
            clauses.append("RNN-3")
        if batch_first:
            args["batch_first"] = True
            words.append("batch-first")
            clauses += ["BATCH-1", "BATCH-2"]
        if bidirectional:
            args["bidirectional"] = True
            words.append("bidirectional")
            clauses += ["STACK-3", "STACK-4", "STACK-5"]
        state = rnn_weights(numbers, args)
        inputs = {"input": numbers.dyadic(*shape_of(args, 2, 4))}
        with_state = bin(place).count("1") % 2 == 0
        if with_state:
            inputs["h_0"] = numbers.dyadic(*state_shape(args, 2))
        words.append("h0" if with_state else "no-h0")
        clauses.append("STACK-6" if with_state else "STACK-7")
        combination = " and ".join(words).replace("-", " ")
        yield from forward(
            "-".join(words), f"The combination {combination}.", clauses, args, inputs, state
        )


def shapes():
    """Each extent at one, unbatched input, and the state given or left out."""
    base = {"input_size": 3, "hidden_size": 4}
    cases = [
        ("length-1", "One step: the recurrence is a single cell.", base, 2, 1, ["STACK-1"]),
        ("batch-1", "A batch of one.", base, 1, 5, ["BATCH-4"]),
        ("input-1", "One feature in.", {**base, "input_size": 1}, 2, 5, ["RNN-1"]),
        ("hidden-1", "One feature in the state.", {**base, "hidden_size": 1}, 2, 5, ["RNN-1"]),
        (
            "all-1",
            "Every extent at one.",
            {"input_size": 1, "hidden_size": 1},
            1,
            1,
            ["RNN-1", "RNN-4"],
        ),
        (
            "all-1-bidirectional",
            "Every extent at one: both directions see the same step.",
            {"input_size": 1, "hidden_size": 1, "bidirectional": True},
            1,
            1,
            ["STACK-3", "STACK-6"],
        ),
        (
            "wide",
            "More features in than out.",
            {"input_size": 7, "hidden_size": 2},
            2,
            3,
            ["RNN-1"],
        ),
        (
            "narrow",
            "Fewer features in than out.",
            {"input_size": 2, "hidden_size": 7},
            2,
            3,
            ["RNN-1"],
        ),
        ("long", "Fifty steps.", {"input_size": 1, "hidden_size": 2}, 1, 50, ["STACK-1"]),
        ("batch-7", "More rows than anything else.", base, 7, 2, ["BATCH-4"]),
        (
            "square",
            "Length, batch, input and state of one size: no extent may be taken for another.",
            {"input_size": 3, "hidden_size": 3, "num_layers": 3},
            3,
            3,
            ["BATCH-2", "STACK-5"],
        ),
        (
            "square-batch-first",
            "The same with batch_first.",
            {"input_size": 3, "hidden_size": 3, "num_layers": 3, "batch_first": True},
            3,
            3,
            ["BATCH-1", "BATCH-2", "STACK-5"],
        ),
        ("unbatched", "No batch dimension.", base, None, 4, ["BATCH-3"]),
        (
            "unbatched-batch-first",
            "batch_first means nothing without a batch.",
            {**base, "batch_first": True},
            None,
            4,
            ["BATCH-1", "BATCH-3"],
        ),
        (
            "unbatched-layers-2-bidirectional",
            "No batch dimension, four states.",
            {**base, "num_layers": 2, "bidirectional": True},
            None,
            4,
            ["BATCH-3", "STACK-5"],
        ),
        (
            "unbatched-relu-no-bias",
            "No batch dimension, relu, no biases.",
            {**base, "nonlinearity": "relu", "bias": False},
            None,
            4,
            ["BATCH-3", "RNN-2", "RNN-3"],
        ),
        ("batch-0", "An empty batch gives empty outputs.", base, 0, 3, ["BATCH-4"]),
    ]
    for place, (name, reason, args, batch, length, clauses) in enumerate(cases):
        numbers = Numbers(2000 + place)
        state = rnn_weights(numbers, args)
        inputs = {"input": numbers.dyadic(*shape_of(args, batch, length))}
        yield from forward(name, reason, clauses + ["STACK-7"], args, inputs, state)
        given = {**inputs, "h_0": numbers.dyadic(*state_shape(args, batch))}
        yield from forward(
            f"{name}-h0", f"{reason[:-1]}, from a given state.", clauses, args, given, state
        )
    args = {**base, "num_layers": 2, "bidirectional": True}
    numbers = Numbers(2100)
    state = rnn_weights(numbers, args)
    value = numbers.dyadic(5, 2, 3)
    zeros = np.zeros(state_shape(args, 2))
    for name, inputs in (("left-out", {}), ("zeros", {"h_0": zeros})):
        yield from forward(
            f"state-{name}",
            "A state left out is a state of zeros.",
            ["STACK-7"],
            args,
            {"input": value, **inputs},
            state,
        )
    args = {**base, "num_layers": 2}
    state = rnn_weights(numbers, args)
    value, h_0 = numbers.dyadic(6, 2, 3), numbers.dyadic(2, 2, 4)
    for name, part in (("whole", value), ("head", value[:4])):
        yield from forward(
            f"cut-{name}",
            "The head's h_n, given to the tail, must continue the whole.",
            ["STACK-8"],
            args,
            {"input": part, "h_0": h_0},
            state,
        )
    for name, args in (
        ("full-precision", {**base}),
        ("full-precision-relu-layers-2", {**base, "num_layers": 2, "nonlinearity": "relu"}),
        ("full-precision-bidirectional", {**base, "bidirectional": True, "batch_first": True}),
    ):
        numbers = Numbers(2200 + len(name))
        state = rnn_weights(numbers, args, draw=partial(numbers.full, limit=0.5))
        inputs = {
            "input": numbers.full(*shape_of(args, 2, 6)),
            "h_0": numbers.full(*state_shape(args, 2)),
        }
        yield from forward(
            name,
            "Numbers that use every bit of a float32.",
            ["NUM-1", "NUM-2"],
            args,
            inputs,
            state,
        )


FILES = [
    GoldenFile("rnn/forward.json", "RNN over every combination of its arguments.", grid),
    GoldenFile("rnn/shapes.json", "RNN at the edges of its shapes; the state.", shapes),
]
