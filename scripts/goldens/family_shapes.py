"""What chapters rnn, lstm, gru and proj ask alike: shapes, states, long sequences."""

from functools import partial

import numpy as np

from .case import Numbers, rnn_weights
from .family import PROJ, RNN, clauses_of, forward, initial, input_shape


def edges(kind):
    """(name, reason, args, batch, length, clauses): each extent at one, and unbatched input."""
    base = {"input_size": 3, "hidden_size": 4, **kind.variants[-1 if kind is PROJ else 0].args}
    layered = {**base, "hidden_size": 3, "num_layers": 3}
    tiny = {**base, "input_size": 1, "hidden_size": 1}
    smallest = [
        ("hidden-1", "One feature in the state: each gate is a single row.",
         {**base, "hidden_size": 1}, 2, 5, ""),
        (
            "all-1", "Every extent at one: every product is a single number.", tiny, 1, 1,
            "RNN-4" if kind is RNN else ""
        ),
        ("all-1-bidirectional", "Every extent at one: both directions see the same step.",
         {**tiny, "bidirectional": True}, 1, 1, "STACK-3 STACK-6"),
    ]
    if kind is PROJ:
        smallest = [
            ("all-1-but-hidden", "The smallest projection: two features to one.",
             {"input_size": 1, "hidden_size": 2, "proj_size": 1}, 1, 1, ""),
            ("hidden-minus-1", "The largest projection: one feature fewer than the cell has.",
             {**base, "hidden_size": 5, "proj_size": 4}, 2, 3, ""),
            ("as-wide-as-input",
             "Input and projection of one size: W_ih of no layer may be taken for another's.",
             {**base, "input_size": 2, "num_layers": 2}, 2, 3, "STACK-2"),
        ]
    return [
        ("length-1", "One step: the recurrence is a single cell.", base, 2, 1, "STACK-1"),
        ("batch-1", "A batch of one: its dimension stays.", base, 1, 5, "BATCH-4"),
        ("input-1", "One feature in: W_ih is a single column.", {**base, "input_size": 1}, 2, 5,
         ""),
        *smallest,
        ("wide", "More features in than out: W_ih and W_hh may not be exchanged.",
         {**base, "input_size": 7, "hidden_size": 3 if kind is PROJ else 2}, 2, 3, ""),
        ("narrow", "Fewer features in than out: nor the other way round.",
         {**base, "input_size": 2, "hidden_size": 7}, 2, 3, ""),
        ("long", "Fifty steps: each reads the state of the one before.",
         {**base, "input_size": 1, "hidden_size": 3 if kind is PROJ else 2}, 1, 50, "STACK-1"),
        ("batch-7", "More rows than anything else: none may read another's.", base, 7, 2,
         "BATCH-4"),
        ("square",
         "Length, batch, input and state of one size: no extent may be taken for another.",
         layered, 3, 3, "BATCH-2 STACK-5"),
        ("square-batch-first",
         "The same with batch_first: input and output are transposed, the state is not.",
         {**layered, "batch_first": True}, 3, 3, "BATCH-1 BATCH-2 STACK-5"),
        ("unbatched", "No batch dimension: none in the answer, either.", base, None, 4, "BATCH-3"),
        ("unbatched-batch-first", "batch_first means nothing without a batch.",
         {**base, "batch_first": True}, None, 4, "BATCH-1 BATCH-3"),
        ("unbatched-layers-2-bidirectional",
         "No batch dimension, four states: they stand by layer, then direction.",
         {**base, "num_layers": 2, "bidirectional": True}, None, 4, "BATCH-3 STACK-5"),
        ("unbatched-no-bias", "No batch dimension, no biases: neither may be asked for.",
         {**base, **kind.variants[-1].args, "bias": False}, None, 4, "BATCH-3"),
        ("batch-0", "An empty batch gives empty outputs.", base, 0, 3, "BATCH-4"),
        ("batch-0-layers-2-bidirectional", "An empty batch keeps every other extent.",
         {**base, "num_layers": 2, "bidirectional": True}, 0, 2, "BATCH-4 STACK-5"),
    ]


def shapes(kind):
    """Each extent at one, unbatched input, and the state given or left out."""
    for place, (name, reason, args, batch, length, clauses) in enumerate(edges(kind)):
        numbers = Numbers(2000 + kind.seed + place)
        state = rnn_weights(numbers, args, kind.module)
        inputs = {"input": numbers.decimal(*input_shape(args, batch, length))}
        clauses = f"{clauses_of(kind, args)} {clauses}"
        yield from forward(kind, name, reason, f"{clauses} STACK-7", args, inputs, state)
        given = {**inputs, **initial(kind, numbers, args, batch)}
        yield from forward(
            kind, f"{name}-{kind.state}", f"{reason[:-1]}, from a given state.", clauses, args,
            given, state
        )
    base = {"input_size": 3, "hidden_size": 4, **kind.variants[0].args}
    numbers = Numbers(2100 + kind.seed)
    args = {**base, "num_layers": 2, "bidirectional": True}
    state = rnn_weights(numbers, args, kind.module)
    value = numbers.decimal(5, 2, 3)
    zeros = {name: np.zeros_like(part) for name, part in initial(kind, numbers, args, 2).items()}
    for name, inputs in (("left-out", {}), ("zeros", zeros)):
        yield from forward(
            kind, f"state-{name}", "A state left out is a state of zeros.", "STACK-7", args,
            {"input": value, **inputs}, state
        )
    yield from cut(kind, numbers, {**base, "num_layers": 2})
    yield from full_precision(kind, base)


def cut(kind, numbers, args):
    """A sequence whole, and its head alone."""
    state = rnn_weights(numbers, args, kind.module)
    value, given = numbers.decimal(6, 2, 3), initial(kind, numbers, args, 2)
    for name, part in (("whole", value), ("head", value[:4])):
        yield from forward(
            kind, f"cut-{name}",
            "The head's final state, given to the tail, must continue the whole.", "STACK-8",
            args, {"input": part, **given}, state
        )


def full_precision(kind, base):
    """Numbers that no short decimal holds."""
    for name, args in (
        ("full-precision", base),
        ("full-precision-layers-2", {**base, **kind.variants[-1].args, "num_layers": 2}),
        ("full-precision-bidirectional", {**base, "bidirectional": True, "batch_first": True}),
    ):
        numbers = Numbers(2200 + kind.seed + len(name))
        state = rnn_weights(numbers, args, kind.module, draw=partial(numbers.full, limit=0.5))
        inputs = {
            "input": numbers.full(*input_shape(args, 2, 6)),
            **initial(kind, numbers, args, 2, draw=numbers.full),
        }
        yield from forward(
            kind, name,
            "Numbers that use every bit of a float32: a sum or a gate rounded too early shows.",
            f"{clauses_of(kind, args)} NUM-1 NUM-2", args, inputs, state
        )


def sparse(numbers, limit, filled):
    """Draws arrays of which only about `filled` numbers in a row are not zero; short in JSON."""

    def draw(*shape):
        values = numbers.decimal(*shape, limit=limit)
        keep = abs(numbers.dyadic(*shape, denominator=1024)) <= filled / shape[-1]
        return np.where(keep, values, 0.0) if len(shape) > 1 else values / 4

    return draw


def long(kind):
    """Many steps and many features: what small errors grow to."""
    for variant in kind.variants:
        base = {"input_size": 1, "hidden_size": 128, **variant.args}
        if kind is PROJ:
            base["proj_size"] *= 3
            base["hidden_size"] = 64
        elif variant is not kind.variants[0]:
            base["hidden_size"] = 24
        elif kind is RNN:
            base["hidden_size"] = 64
        cases = [
            ("drift", "Two hundred steps of many features: rounding errors add up.", base, 200),
            ("drift-bidirectional-layers-2", "Two hundred steps through two layers, both ways.",
             {**base, "hidden_size": 7, "num_layers": 2, "bidirectional": True}, 200),
        ]
        for place, (name, reason, args, length) in enumerate(cases):
            numbers = Numbers(2300 + kind.seed + place)
            draw = sparse(numbers, 0.5, 6)
            yield from forward(
                kind, f"{variant.word}-{name}".removeprefix("-"), reason,
                f"{clauses_of(kind, args)} STACK-1 NUM-2", args,
                {"input": numbers.decimal(length, 1, 1)},
                rnn_weights(numbers, args, kind.module, draw=draw)
            )
        args = {**base, "input_size": 2, "hidden_size": 24}
        numbers = Numbers(2400 + kind.seed)
        yield from forward(
            kind, f"{variant.word}-drift-full-precision".removeprefix("-"),
            "A hundred steps with numbers that use every bit of a float32.",
            f"{clauses_of(kind, args)} STACK-1 NUM-2", args, {"input": numbers.full(100, 1, 2)},
            rnn_weights(numbers, args, kind.module, draw=partial(numbers.full, limit=0.2))
        )
