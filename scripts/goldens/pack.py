"""Chapter pack: batches of sequences of different lengths through RNN, LSTM and GRU."""

from itertools import product

import numpy as np

from .case import EXTREMES, NAN, Numbers, golden, rnn_weights, spoiled
from .family import GRU, LSTM, PROJ, RNN, clauses_of, combined, forward, initial, input_shape

KINDS = [
    ("rnn-tanh", RNN, {}),
    ("rnn-relu", RNN, {"nonlinearity": "relu"}),
    ("lstm", LSTM, {}),
    ("gru", GRU, {}),
    ("proj", PROJ, {"proj_size": 2}),
]
LENGTHS = [
    ("sorted", [5, 3, 1], "Longest first: already in the order of a packed batch."),
    ("reversed", [1, 3, 5], "Longest last: the answer comes back in the order that was given."),
    ("unsorted", [2, 5, 1, 3],
     "Neither: the order back is the inverse of the sorting, not the sorting again."),
    ("all-full", [5, 5, 5], "No padding: as if it had not been packed."),
    ("all-equal", [3, 3, 3], "One length, less than the input's: the output ends there."),
    ("all-1", [1, 1, 1], "Single steps: the first is the last, in both directions."),
    ("ties", [3, 5, 3, 5, 3], "Equal lengths keep their order."),
    ("shorter", [2, 4, 3],
     "None reaches the end of the input: the output is as long as the longest."),
    ("one-row", [3], "A batch of one, padded."),
]


def packed(name, kind, reason, clauses, args, inputs, state):
    """One forward case in both dtypes, of the chapter pack."""
    asked = kind._replace(chapter="pack")
    yield from forward(
        asked, name, reason, f"{clauses_of(kind, args)} {clauses}", args, inputs, state
    )


@golden("pack/lengths.json", "Packed batches with every kind of lengths.")
def lengths():
    for place, (word, kind, extra) in enumerate(KINDS):
        for turn, (name, of, reason) in enumerate(LENGTHS):
            numbers = Numbers(50000 + 100 * place + turn)
            args = {"input_size": 2, "hidden_size": 3, **extra, "bidirectional": True}
            state = rnn_weights(numbers, args, kind.module)
            inputs = {"input": numbers.decimal(*input_shape(args, len(of), 5))}
            if turn % 2:
                inputs |= initial(kind, numbers, args, len(of))
            inputs["lengths"] = of
            clauses = "PACK-2 PACK-3 PACK-4 PACK-5"
            yield from packed(f"{word}/{name}", kind, reason, clauses, args, inputs, state)


@golden("pack/arguments.json", "Packed batches with every combination of arguments.")
def arguments():
    for place, (word, kind, extra) in enumerate(KINDS):
        choices = product((1, 2), (False, True), (False, True), (False, True))
        for turn, (layers, batch_first, bidirectional, with_state) in enumerate(choices):
            numbers = Numbers(51050 + 100 * place + turn)
            args, name, slips, clauses = combined(
                (True, {"input_size": 2, "hidden_size": 3, **extra}, "",
                 "an output beyond a sequence's end", "PACK-4 PACK-5"),
                (layers > 1, {"num_layers": layers}, "layers-2",
                 "a second layer that reads padding", "STACK-2"),
                (batch_first, {"batch_first": True}, "batch-first", "rows taken for steps",
                 "BATCH-1 PACK-3"),
                (bidirectional, {"bidirectional": True}, "bidirectional",
                 "a reverse direction that starts in the padding", "STACK-3 STACK-6"),
                (with_state, {}, "state", "a state not sorted with its row", "PACK-2"),
                (not with_state, {}, "no-state", "", "STACK-7")
            )
            state = rnn_weights(numbers, args, kind.module)
            inputs = {"input": numbers.decimal(*input_shape(args, 3, 5))}
            if with_state:
                inputs |= initial(kind, numbers, args, 3)
            inputs["lengths"] = [2, 5, 3]
            reason = f"Catches {', '.join(slips)}."
            yield from packed(f"{word}/{name}", kind, reason, clauses, args, inputs, state)


@golden("pack/contents.json", "What stands in the padding; each sequence alone.")
def contents():
    """What stands in the padding, and what each sequence gives alone."""
    for place, (word, kind, extra) in enumerate(KINDS):
        numbers = Numbers(52000 + 100 * place)
        args = {"input_size": 2, "hidden_size": 3, **extra, "num_layers": 2, "bidirectional": True}
        state = rnn_weights(numbers, args, kind.module)
        value, of = numbers.decimal(*input_shape(args, 3, 5)), [3, 5, 2]

        def ask(name, reason, clauses, input, **lengths):
            inputs, id = {"input": input, **lengths}, f"{word}/{name}"  # noqa: B023
            yield from packed(id, kind, reason, clauses, args, inputs, state)  # noqa: B023

        for name, text, number in (*EXTREMES[:2], ("huge", "A huge number", 2.0**120)):
            full = spoiled(spoiled(value, np.s_[3:, 0], number), np.s_[2:, 2], number)
            reason = f"{text} in the padding reaches nothing."
            yield from ask(f"{name}-in-padding", reason, "PACK-4 PACK-5 NUM-4", full, lengths=of)
        yield from ask(
            "nan-in-a-step", "NaN in one step of one sequence reaches no other, and no padding.",
            "PACK-4 NUM-4 BATCH-4", spoiled(value, (1, 0, 0), NAN), lengths=of
        )
        reason = "Three sequences in a batch; alone they are asked below."
        yield from ask("together", reason, "PACK-4 PACK-5", value, lengths=of)
        for row, length in enumerate(of):
            reason = f"Sequence {row} of the batch above, alone: the same numbers."
            yield from ask(f"alone-{row}", reason, "PACK-4 PACK-5 BATCH-3", value[:length, row])
        args = {"input_size": 1, "hidden_size": 4, **extra, "bias": False, "batch_first": True}
        value, of = numbers.decimal(*input_shape(args, 12, 9)), [4, 1, 9, 4, 2, 7, 9, 1, 3, 4, 8, 2]
        state = rnn_weights(numbers, args, kind.module)
        yield from ask(
            "many", "Twelve rows of seven lengths: the sorting has to be stable and complete.",
            "PACK-2 PACK-4", value, lengths=of
        )
