"""What ports to other frameworks were seen to get wrong, in the chapters rnn, lstm, gru and pack."""

from functools import partial
from itertools import product

import numpy as np

from .case import (
    EXTREMES, GATES, INF, NAN, Drawn, Numbers, golden, magnitudes, rnn_weights, spoiled
)
from .family import GRU, LSTM, RNN, clauses_of, forward, initial
from .family_numerics import gate_biases

KINDS = [RNN, LSTM, GRU]
FAR = 1e30  # exp of it, and of its negative, leaves every dtype


def case(kind, variant, name, reason, clauses, args, inputs, state, chapter=None):
    asked = kind._replace(chapter=chapter or kind.chapter)
    words = [*([kind.chapter] if chapter else []), *([variant.word] if variant.word else [])]
    id = "-".join([*words, name])
    bears = f"{clauses_of(kind, args)} {clauses}"
    yield from forward(asked, f"field/{id}", reason, bears, args, inputs, state)


def ones(kind, variant, seed):
    """Every way in which an extent of one may be squeezed away."""
    for turn, sizes in enumerate(product((1, 2), repeat=4)):
        if 1 not in sizes:
            continue
        width, hidden, batch, length = sizes
        numbers = Numbers(seed + turn)
        args = {"input_size": width, "hidden_size": hidden, **variant.args}
        inputs = {"input": numbers.decimal(length, batch, width)}
        inputs |= initial(kind, numbers, args, batch)
        named = {"features": width, "units": hidden, "rows": batch, "steps": length}
        name = "-".join(f"{word}-{size}" for word, size in named.items())
        of_one = [word for word, size in named.items() if size == 1]
        reason = f"Catches a dimension of one that is squeezed away: {', '.join(of_one)}."
        state = rnn_weights(numbers, args, kind.module)
        if "nonlinearity" in args:  # relu would leave nothing of what is negative
            inputs, state = magnitudes(inputs), magnitudes(state)
        yield from case(kind, variant, name, reason, "BATCH-2", args, inputs, state)


def saturated(kind, variant, seed):
    """Sums of 1e30, one gate at a time."""
    numbers = Numbers(seed)
    args = {"input_size": 2, "hidden_size": 3, **variant.args}
    state = rnn_weights(numbers, args, kind.module)
    inputs = {"input": numbers.decimal(3, 2, 2), **initial(kind, numbers, args, 2)}
    names = {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}[kind.module]
    for gate, (word, level) in product(names, (("plus", FAR), ("minus", -FAR))):
        if "nonlinearity" in args and level > 0:
            continue  # relu would go on to grow
        biases = gate_biases(kind.module, 3, **{gate: level})
        if kind is RNN:  # two of the units stay as they are
            biases[1:] = abs(state["bias_ih_l0"][1:])
        pushed = {**state, "bias_ih_l0": biases}
        reason = f"Sums of {level:.0e} in {gate}: the function's end, not NaN and not the other end."
        name = f"{gate}-{word}-1e30"
        yield from case(kind, variant, name, reason, "NUM-4 NUM-6", args, inputs, pushed)
    if "nonlinearity" not in args:
        far = np.array([[[FAR, 0.0], [0.0, FAR]], [[-FAR, FAR], [0.0, -FAR]], [[0.1, 0.2], [0.3, 0.4]]])
        reason = "Inputs of 1e30: every gate saturates, nothing overflows; then a plain step."
        given = {**inputs, "input": far}
        yield from case(kind, variant, "input-1e30", reason, "NUM-4 NUM-6", args, given, state)


def functions(kind, variant, seed):
    """One step whose sums are the input itself, in every gate: NaN, the infinities, zero."""
    args = {"input_size": 1, "hidden_size": 1, **variant.args}
    rows = GATES[kind.module]
    state = {
        "weight_ih_l0": np.ones((rows, 1)), "weight_hh_l0": np.zeros((rows, 1)),
        "bias_ih_l0": np.zeros(rows), "bias_hh_l0": np.zeros(rows)
    }
    value = np.array([[[NAN], [INF], [-INF], [0.0], [1.4], [-1.3]]])
    reason = "Sums of NaN, ∞ and -∞: relu(NaN) is NaN, relu(-∞) is 0, tanh and σ reach their ends."
    inputs = {"input": value}
    yield from case(kind, variant, "functions", reason, "NUM-4 BATCH-4", args, inputs, state)


def defaults(kind, variant, seed):
    """A state left out is multiplied, though it is zero."""
    numbers = Numbers(seed)
    args = {"input_size": 2, "hidden_size": 3, **variant.args}
    state = rnn_weights(numbers, args, kind.module)
    inputs = {"input": numbers.decimal(2, 2, 2)}
    for word, number in (("inf", INF), ("nan", NAN)):
        broken = {**state, "weight_hh_l0": spoiled(state["weight_hh_l0"], (1, 2), number)}
        reason = f"A recurrent weight of {number}, and no state: its zeros are multiplied, 0 · ∞ is NaN."
        name = f"default-state-times-{word}"
        yield from case(kind, variant, name, reason, "NUM-4 STACK-7", args, inputs, broken)
    if kind is LSTM:
        shut = {**state, "bias_ih_l0": gate_biases("LSTM", 3, f=-FAR)}
        infinite = spoiled(np.full((1, 2, 3), INF), (0, 1), 0.5)
        reason = "An infinite c_0 behind a shut forget gate: 0 · ∞ is NaN, in its own row alone."
        given = {**inputs, "h_0": np.zeros((1, 2, 3)), "c_0": infinite}
        yield from case(kind, variant, "c0-inf-shut", reason, "NUM-4 BATCH-4", args, given, shut)
        reason = "An infinite c_0: c stays infinite and h is o, not NaN through a peephole of zero."
        yield from case(kind, variant, "c0-inf", reason, "NUM-4 BATCH-4", args, given, state)


def reverse(kind, variant, seed):
    """A forward direction that is silent, so that the reverse one is all that is seen."""
    numbers = Numbers(seed)
    args = {"input_size": 2, "hidden_size": 2, **variant.args, "bidirectional": True}
    state = rnn_weights(numbers, args, kind.module)
    for name in state:
        if not name.endswith("_reverse"):
            state[name] = np.zeros_like(state[name])
    inputs = {"input": numbers.decimal(4, 2, 2)}
    reason = "The forward half says nothing: catches a reverse direction that runs forwards."
    clauses = "STACK-3 STACK-4 STACK-6"
    yield from case(kind, variant, "reverse-alone", reason, clauses, args, inputs, state)


def packed(kind, variant, seed):
    """Lengths that one direction ignores, padding that a mask multiplies, an output not cut."""
    for turn, (word, more) in enumerate((("", {}), ("bidirectional-", {"bidirectional": True}))):
        numbers = Numbers(seed + turn)
        args = {"input_size": 2, "hidden_size": 3, **variant.args, **more}
        state = rnn_weights(numbers, args, kind.module)
        value, lengths = numbers.decimal(6, 3, 2), [1, 3, 2]
        given = initial(kind, numbers, args, 3)
        ask = partial(case, kind, variant, chapter="pack")
        clauses = "PACK-3 PACK-4 PACK-5" + (" STACK-3" if more else "")
        reason = "Half of the input is padding: catches an output not cut to the longest sequence"
        reason += ", and lengths that one direction does not read." if more else "."
        inputs = {"input": value, **given, "lengths": lengths}
        yield from ask(f"{word}cut", reason, clauses, args, inputs, state)
        for name, _, number in EXTREMES:
            full = value.copy()
            for row, length in enumerate(lengths):
                full[length:, row] = number
            reason = f"{number} in all padding: a mask that multiplies by 0 makes NaN of it."
            inputs = {"input": full, "lengths": lengths}
            yield from ask(f"{word}padding-{name}", reason, f"{clauses} NUM-4", args, inputs, state)


def large(kind):
    """5,000 steps; 1,000 units. Their numbers are drawn from a seed in the request."""
    variant = kind.variants[0]
    args = {"input_size": 1, "hidden_size": 2}
    numbers = Numbers(2600 + kind.seed)
    state = rnn_weights(numbers, args, kind.module)
    reason = "Five thousand steps: a recursion, not a loop, runs out of stack; errors add up."
    inputs = {"input": Drawn((5000, 1, 1), 5, 1000)}
    clauses = "STACK-1 NUM-2"
    yield from case(kind, variant, "steps-5000", reason, clauses, args, inputs, state)
    args = {"input_size": 3, "hidden_size": 1000}
    rows = 1000 * GATES[kind.module]
    state = {
        "weight_ih_l0": Drawn((rows, 3), 1, 4000), "weight_hh_l0": Drawn((rows, 1000), 2, 32000),
        "bias_ih_l0": Drawn((rows,), 3, 32000), "bias_hh_l0": Drawn((rows,), 4, 32000)
    }
    reason = "A thousand units: sums so long that their order, and every bit, shows."
    inputs = {"input": numbers.decimal(2, 1, 3)}
    yield from case(kind, variant, "units-1000", reason, clauses, args, inputs, state)


def field(kind):
    """All that is asked of one kind."""
    for place, variant in enumerate(kind.variants):
        for turn, group in enumerate((ones, saturated, functions, defaults, reverse)):
            yield from group(kind, variant, 95000 + kind.seed + 500 * place + 50 * turn)
    yield from large(kind)


@golden("pack/field.json", "What ports of packing were seen to get wrong.")
def packs():
    for kind in KINDS:
        for place, variant in enumerate(kind.variants):
            yield from packed(kind, variant, 95400 + kind.seed + 500 * place)


for kind in KINDS:
    ask = golden(
        f"{kind.chapter}/field.json", f"What ports of {kind.module} were seen to get wrong."
    )
    ask(lambda kind=kind: field(kind))
