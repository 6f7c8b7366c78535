"""What the chapters rnn, lstm, gru and proj ask at the ends of the number line."""

import numpy as np

from .case import EXTREMES, GATES, NAN, Numbers, magnitudes, rnn_weights, spoiled
from .family import PROJ, clauses_of, forward, initial


def numerics(kind):
    """Saturation, zeros, denormals, huge numbers, NaN and infinity."""
    for place, variant in enumerate(kind.variants):
        args = {"input_size": 2, "hidden_size": 3, **variant.args}
        groups = [weights(kind, place, args), in_one_place(kind, place, args)]
        if kind is not PROJ:
            groups.insert(1, numbers_themselves(kind))
        if kind.module != "RNN":
            groups.append(gates(kind, place, args))
        for group in groups:
            for name, reason, clauses, inputs, state, *other in group:
                yield from forward(
                    kind, f"{variant.word}-{name}".removeprefix("-"), reason,
                    f"{clauses_of(kind, args)} {clauses}", other[0] if other else args,
                    inputs, state
                )


def drawn(kind, place, args):
    """The numbers, the weights and the inputs that most cases start from."""
    numbers = Numbers(3000 + kind.seed + place)
    state = rnn_weights(numbers, args, kind.module)
    return numbers, state, {"input": numbers.decimal(4, 2, 2), **initial(kind, numbers, args, 2)}


def weights(kind, place, args):
    """Large weights, zero weights, zero input."""
    _, state, inputs = drawn(kind, place, args)
    large = rnn_weights(Numbers(3100 + kind.seed + place), args, kind.module, scale=50.0)
    if "nonlinearity" in args or kind is PROJ:  # what is large and cancels leaves but rounding
        large = magnitudes(large)
    reason = "Weights fifty times larger: tanh and sigmoid saturate, relu grows without bound."
    yield "weights-x50", reason, "NUM-2", inputs, large
    zero = {name: np.zeros_like(weight) for name, weight in state.items()}
    reason = "Zero weights: every gate is at its middle, and nothing is read."
    yield "weights-zero", reason, "NUM-2", inputs, zero
    biases = {name: state[name] if name.startswith("bias") else zero[name] for name in state}
    if "nonlinearity" in args:  # relu would leave nothing of what is negative
        biases = magnitudes(biases)
    yield "biases-alone", "Zero weights leave the biases.", "NUM-2", inputs, biases
    for side in ("ih", "hh"):
        one = {**zero, f"bias_{side}_l0": state[f"bias_{side}_l0"]}
        reason = f"bias_{side} alone: it may not be dropped, nor counted twice."
        yield f"bias-{side}-alone", reason, "NUM-2", inputs, one
    silent = {**inputs, "input": np.zeros_like(inputs["input"])}
    yield "input-zero", "Zero input: biases and state drive it.", "NUM-2", silent, state


OPEN = 200.0
"""A bias that opens a gate all the way in both dtypes: sigmoid is 1, and 0 of its negative."""


def gate_biases(module, hidden, **levels):
    """bias_ih of a module whose gates, by name, are at these levels; others at 0."""
    names = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}[module]
    return np.concatenate([np.full(hidden, levels.get(name, 0.0)) for name in names])


def identity(kind, scale=1.0):
    """Weights that hand the input on: gates held open by their biases, the new value is x."""
    rows = GATES[kind.module] * 3
    weight = np.zeros((rows, 2))
    new = {"RNN": 0, "LSTM": 6, "GRU": 6}[kind.module]
    weight[new, 0] = weight[new + 1, 1] = scale
    levels = {"LSTM": {"i": OPEN, "f": -OPEN, "o": OPEN}, "GRU": {"z": -OPEN}, "RNN": {}}
    return {
        "weight_ih_l0": weight, "weight_hh_l0": np.zeros((rows, 3)),
        "bias_ih_l0": gate_biases(kind.module, 3, **levels[kind.module]),
        "bias_hh_l0": np.zeros(rows)
    }


def numbers_themselves(kind):
    """Weights that hand the input on unchanged, so that the number itself is seen."""
    tiny = 2.0**-149  # the smallest denormal float32
    plain = [[0.328, 0.714]]  # a step that no dtype holds exactly
    value = np.array([[[tiny, -tiny]], [[3 * tiny, 2.0**-127]], [[2.0**-126, -(2.0**-130)]], plain])
    reason = "Denormal float32 numbers are kept, not flushed to zero."
    yield "denormal", reason, "NUM-6", {"input": value}, identity(kind)
    largest = float(np.finfo(np.float32).max)
    value = np.array([[[largest, -largest]], [[2.0**99, -(2.0**100)]], [[2.0**64, 2.0**127]], plain])
    reason = "The largest float32 numbers: a naive tanh or sigmoid overflows."
    yield "huge", reason, "NUM-6", {"input": value}, identity(kind)
    reason = "Twice the largest: float32 overflows, and relu's infinity times zero is NaN."
    if kind.module != "RNN":
        reason = "Twice the largest: float32 overflows, and what is bounded stays bounded."
    yield "overflow", reason, "NUM-6", {"input": value}, identity(kind, 2.0)
    if kind.module != "RNN":
        everywhere = identity(kind)
        everywhere["weight_ih_l0"] = np.tile(
            [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], (GATES[kind.module], 1)
        )
        reason = "The largest float32 numbers, of both signs, in every gate."
        yield "huge-gates", reason, "NUM-6", {"input": value}, everywhere
    value = np.array([[[0.0, -0.0]], [[-0.0, 0.0]], plain])
    yield "signed-zero", "Zeros of both signs.", "NUM-6", {"input": value}, identity(kind)


def in_one_place(kind, place, args):
    """NaN and infinity in one place."""
    numbers, state, inputs = drawn(kind, place, args)
    parts = [name for name in inputs if name != "input"]
    for name, word, number in EXTREMES:
        value = spoiled(inputs["input"], (2, 1, 0), number)
        reason = f"{word} in one step of one row: that row from that step on, no other."
        yield name, reason, "NUM-4 BATCH-4", {**inputs, "input": value}, state
        for part in parts:
            broken = spoiled(inputs[part], (0, 0, -1), number)
            reason = f"{word} in one row's initial state: that row, no other."
            name_of = f"{name}-{part.replace('_', '')}"
            yield name_of, reason, "NUM-4 BATCH-4", {**inputs, part: broken}, state
    both_ways = {**args, "bidirectional": True, "num_layers": 2, "batch_first": True}
    value = spoiled(numbers.decimal(3, 4, 2), (1, 2, 1), NAN)
    yield (
        "nan-bidirectional",
        "NaN at step 2 of row 1: forward from it on, reverse before it, then everywhere.",
        "NUM-4 BATCH-4 STACK-3", {"input": value}, rnn_weights(numbers, both_ways, kind.module),
        both_ways
    )
    poisoned = {**state, "weight_hh_l0": spoiled(state["weight_hh_l0"], (1, 0), NAN)}
    reason = "NaN in one recurrent weight spreads from its own row."
    yield "nan-weight", reason, "NUM-4", inputs, poisoned


def gates(kind, place, args):
    """Gates one by one: all the way open or shut, or the only one whose weights are not zero."""
    _, state, inputs = drawn(kind, place, args)
    hidden = args["hidden_size"]
    names = {"LSTM": "ifgo", "GRU": "rzn"}[kind.module]
    order = f"{kind.module}-1"
    for row, name in enumerate(names):
        rows = slice(row * hidden, (row + 1) * hidden)
        alone = {key: np.zeros_like(weight) for key, weight in state.items()}
        for key, weight in state.items():
            if key == "weight_hr_l0":
                alone[key] = weight
            else:
                alone[key][rows] = weight[rows]
        reason = f"Only gate {name} has weights: two gates exchanged show."
        yield f"gate-{name}-alone", reason, order, inputs, alone
        for word, level in (("open", OPEN), ("shut", -OPEN)):
            biases = gate_biases(kind.module, hidden, **{name: level})
            pushed = {**state, "bias_ih_l0": biases}
            reason = f"Gate {name} all the way {word}: no other gate may take its place."
            yield f"gate-{name}-{word}", reason, order, inputs, pushed
    if kind.module == "LSTM":
        keep = gate_biases("LSTM", hidden, i=-OPEN, f=OPEN)
        reason = "Input gate shut, forget gate open: the cell is kept, whatever comes in."
    else:
        keep = gate_biases("GRU", hidden, z=OPEN)
        reason = "Update gate at 1: the state is kept, for z weighs the old state, not the new."
    clause = "LSTM-2" if kind.module == "LSTM" else "GRU-2"
    yield "state-kept", reason, clause, inputs, {**state, "bias_ih_l0": keep}
    if kind.module == "GRU":
        shut = {
            **state, "bias_ih_l0": gate_biases("GRU", hidden, r=-OPEN),
            "bias_hh_l0": gate_biases("GRU", hidden, n=0.75)
        }
        reason = "Reset gate shut: it takes b_hn away too, for it comes after product and bias."
        yield "reset-takes-the-bias", reason, "GRU-3", inputs, shut
        swapped = {
            **shut, "bias_ih_l0": gate_biases("GRU", hidden, r=-OPEN, n=0.75),
            "bias_hh_l0": gate_biases("GRU", hidden)
        }
        reason = "Reset gate shut, the bias on the input's side: the two biases are no one sum."
        yield "reset-leaves-the-other-bias", reason, "GRU-3", inputs, swapped
