"""Chapter cells: one step of RNNCell, LSTMCell and GRUCell, and several in a row."""

from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np

from .case import EXTREMES, Numbers, cell_weights, golden, magnitudes, run, spoiled
from .exact import next_states
from .family import combined
from .family_numerics import OPEN, gate_biases


class Cell(NamedTuple):
    """A cell as the chapter asks it."""

    name: str
    module: str
    args: dict
    clauses: str
    """The clauses of the equation; the one of shapes and states."""
    state: list


CELLS = [
    Cell("rnn-tanh", "RNNCell", {}, "RNN-1 RNN-4", ["h_0"]),
    Cell("rnn-relu", "RNNCell", {"nonlinearity": "relu"}, "RNN-2 RNN-4", ["h_0"]),
    Cell("lstm", "LSTMCell", {}, "LSTM-1 LSTM-2 LSTM-4", ["h_0", "c_0"]),
    Cell("gru", "GRUCell", {}, "GRU-1 GRU-2 GRU-4", ["h_0"]),
]


def forward(cell, name, reason, clauses, args, inputs, state):
    bears = f"{cell.clauses} {clauses}"
    yield from run(f"cells/{cell.name}/{name}", reason, bears, cell.module, args, inputs, state)


def initial(cell, numbers, args, batch, draw=None):
    """An initial state by the names of its parts; without a batch where that is None."""
    lead = () if batch is None else (batch,)
    draw = draw or numbers.decimal
    return {part: draw(*lead, args["hidden_size"]) for part in cell.state}


def no_bias_clause(cell):
    """The clause that a cell without biases bears on."""
    return "RNN-3" if cell.module == "RNNCell" else ""


def combinations(cell, place):
    """Biases or none, a batch or none, a state or none."""
    choices = product((True, False), (2, None), (True, False))
    for turn, (bias, batch, with_state) in enumerate(choices):
        numbers = Numbers(40000 + 100 * place + turn)
        args, name, slips, clauses = combined(
            (True, {"input_size": 3, "hidden_size": 4, **cell.args}, "", "", ""),
            (not bias, {"bias": False}, "no-bias", "a bias where there is none",
             no_bias_clause(cell)),
            (batch is None, {}, "unbatched", "a batch dimension left in the answer", "BATCH-3"),
            (with_state, {}, "state", "a state not read", ""),
            (not with_state, {}, "no-state", "a state that is not zero where left out", "")
        )
        lead = () if batch is None else (batch,)
        inputs = {"input": numbers.decimal(*lead, 3)}
        if with_state:
            inputs |= initial(cell, numbers, args, batch)
        yield from forward(
            cell, name, f"Catches {' and '.join(slips)}.", clauses, args, inputs,
            cell_weights(numbers, cell.module, args)
        )


def sizes(cell, place):
    """Each extent at one, at zero, and the wide against the narrow."""
    cases = [
        ("all-1", "Every extent at one: every product is a single number.", 1, 1, 1),
        ("batch-1", "A batch of one keeps its dimension.", 3, 4, 1),
        ("batch-0", "An empty batch gives an empty state.", 3, 4, 0),
        ("hidden-1", "One feature in the state: each gate is a single row.", 3, 1, 2),
        ("input-1", "One feature in: W_ih is a single column.", 1, 4, 2),
        ("wide", "More features in than out: W_ih and W_hh may not be exchanged.", 7, 2, 2),
        ("narrow", "Fewer features in than out: nor the other way round.", 2, 7, 2),
        ("square", "Batch, input and state of one size: no extent may be taken for another.", 3, 3,
         3),
        ("input-0", "No features in, which a cell, unlike a layer, accepts: state and biases.", 0,
         3, 2),
        ("hidden-0", "No features in the state, which a cell accepts.", 2, 0, 2),
    ]
    for turn, (name, reason, width, hidden, batch) in enumerate(cases):
        numbers = Numbers(41000 + 100 * place + turn)
        args = {"input_size": width, "hidden_size": hidden, **cell.args}
        inputs = {"input": numbers.decimal(batch, width), **initial(cell, numbers, args, batch)}
        state = cell_weights(numbers, cell.module, args)
        if cell.args:  # relu would leave nothing of what is negative
            inputs, state = magnitudes(inputs), magnitudes(state)
        yield from forward(cell, name, reason, "BATCH-4", args, inputs, state)


def numerics(cell, place):
    """The ends of the number line."""
    numbers = Numbers(42000 + 100 * place)
    args = {"input_size": 2, "hidden_size": 3, **cell.args}
    state = cell_weights(numbers, cell.module, args)
    inputs = {"input": numbers.decimal(3, 2), **initial(cell, numbers, args, 3)}
    case = partial(forward, cell)
    large = cell_weights(numbers, cell.module, args, scale=50.0)
    if cell.args:
        large = magnitudes(large)
    reason = "Weights fifty times larger: a gate that saturates must not overflow."
    yield from case("weights-x50", reason, "NUM-2", args, inputs, large)
    zero = {name: np.zeros_like(weight) for name, weight in state.items()}
    reason = "Zero weights: gates at their middle, a new value of zero."
    yield from case("weights-zero", reason, "NUM-2", args, inputs, zero)
    for side in ("ih", "hh"):
        one = {**zero, f"bias_{side}": state[f"bias_{side}"]}
        reason = f"bias_{side} alone: it may not be dropped, nor counted twice."
        yield from case(f"bias-{side}-alone", reason, "NUM-2", args, inputs, one)
    for name, word, number in EXTREMES:
        for part, value in inputs.items():
            broken = spoiled(value, (1, 0), number)
            reason = f"{word} in row 1 of {part} stays in row 1."
            id = f"{name}-{part.replace('_', '')}"
            yield from case(id, reason, "NUM-4 BATCH-4", args, {**inputs, part: broken}, state)
    power = np.array([[2.0**120], [2.0**120], [1.0]])
    huge = {**inputs, "input": inputs["input"] * power}
    yield from case(
        "huge", "Huge inputs in two rows of three saturate, or pass through relu.", "NUM-6", args, huge, state
    )
    power = np.array([[2.0**-143], [2.0**-143], [1.0]])
    tiny = {name: value * power for name, value in inputs.items()}
    bare = {**zero, "weight_ih": np.ones_like(zero["weight_ih"])}
    reason = "Denormal float32 numbers are no error and no NaN."
    yield from case("denormal", reason, "NUM-6", args, tiny, bare)
    full = partial(numbers.full, limit=0.5)
    inputs = {"input": numbers.full(3, 2), **initial(cell, numbers, args, 3, draw=numbers.full)}
    exact = cell_weights(numbers, cell.module, args, draw=full)
    reason = "Numbers that use every bit of a float32: a gate rounded too early shows."
    yield from case("full-precision", reason, "NUM-1 NUM-2", args, inputs, exact)
    if cell.module != "RNNCell":
        yield from gates(cell, numbers, args)


def gates(cell, numbers, args):
    """Gates all the way open or shut."""
    module, hidden = cell.module.removesuffix("Cell"), args["hidden_size"]
    state = cell_weights(numbers, cell.module, args)
    inputs = {"input": numbers.decimal(2, 2), **initial(cell, numbers, args, 2)}
    for name in {"LSTM": "ifgo", "GRU": "rzn"}[module]:
        for word, level in (("open", OPEN), ("shut", -OPEN)):
            pushed = {**state, "bias_ih": gate_biases(module, hidden, **{name: level})}
            reason = f"Gate {name} all the way {word}: no other gate may take its place."
            yield from forward(cell, f"gate-{name}-{word}", reason, "", args, inputs, pushed)
    if module == "GRU":
        shut = {
            **state, "bias_ih": gate_biases("GRU", hidden, r=-OPEN),
            "bias_hh": gate_biases("GRU", hidden, n=0.75)
        }
        reason = "Reset gate shut: it takes b_hn away too, for it comes after product and bias."
        yield from forward(cell, "reset-takes-the-bias", reason, "GRU-3", args, inputs, shut)


@golden("cells/forward.json", "One step of each cell.")
def forwards():
    """Every cell over arguments, sizes and numbers."""
    for place, cell in enumerate(CELLS):
        for group in (combinations, sizes, numerics):
            yield from group(cell, place)


@golden("cells/chain.json", "Each cell over five steps.")
def chains():
    """Several steps: the state of each, rounded to float32, is where the next one starts."""
    for place, cell in enumerate(CELLS):
        for name, batch, bias in (("batched", 2, True), ("unbatched", None, False)):
            numbers = Numbers(43000 + 10 * place + bias)
            args = {"input_size": 2, "hidden_size": 3, **cell.args}
            if not bias:
                args["bias"] = False
            state = cell_weights(numbers, cell.module, args)
            carried = {}
            for step in range(5):
                lead = () if batch is None else (batch,)
                inputs = {"input": numbers.decimal(*lead, 2), **carried}
                reason = f"Step {step}, from the state after the step before: an error would grow."
                if step == 0:
                    reason = "Step 0, from no state: what follows starts here."
                clauses = "STACK-1 STACK-8" + (" BATCH-3" if batch is None else "")
                if not bias:
                    clauses += f" {no_bias_clause(cell)}"
                yield from forward(
                    cell, f"chain-{name}/step-{step}", reason, clauses, args, inputs, state
                )
                states = [inputs[part] for part in cell.state if part in inputs]
                after = next_states(cell.module, args, state, inputs["input"], states)
                carried = dict(zip(cell.state, after, strict=True))
