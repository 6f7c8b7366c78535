"""Chapter errors, packing: lengths and sequences that do not fit, and packed batches."""

from functools import partial

import numpy as np

from .case import Numbers, call_of, golden, rnn_weights
from .errors import refusals
from .pack_functions import packed


@golden("errors/packing.json", "What packing and padding refuse.")
def functions():
    numbers = Numbers(7500)
    value = numbers.dyadic(4, 3, 2)
    loose = {"enforce_sorted": False}

    case = call_of("errors")
    lengths = [
        ("unsorted", {}, [1, 2, 3], "Unsorted lengths where sorted ones are asked for."),
        ("unsorted-end", {}, [4, 2, 3], "Only the last two are not sorted."),
        ("zero", {}, [3, 2, 0], "A sequence of no steps."),
        ("negative", {}, [3, 2, -1], "Fewer than no steps."),
        ("zero-loose", loose, [0, 2, 1], "A sequence of no steps, found after sorting."),
        ("negative-loose", loose, [3, -2, 1], "Fewer than no steps, found after sorting."),
        ("all-zero", {}, [0, 0, 0], "No steps in any."),
        ("unsorted-and-zero", {}, [1, 0, 2], "Both: the order is looked at first."),
        ("unsorted-end-zero", {}, [1, 3, 0], "Unsorted, the last zero: that is looked at first."),
        ("unsorted-end-negative", {}, [1, 3, -1], "The same, below zero."),
        ("beyond-end-zero", {}, [9, 3, 0], "Too long, the last zero: that is looked at first."),
        ("too-few", {}, [3, 2], "Two lengths for three rows."),
        ("too-many", {}, [3, 2, 1, 1], "Four lengths for three rows."),
        ("too-many-loose", loose, [3, 2, 1, 1], "Four lengths for three rows, to be sorted."),
        ("none", {}, [], "No lengths."),
        ("too-few-unsorted", {}, [1, 2], "Too few, and unsorted: the number is looked at first."),
    ]
    for name, args, of, reason in lengths:
        yield from case(
            "pack_padded_sequence", name, reason, "ERROR-4", args, input=value, lengths=of
        )
        first = {"batch_first": True, **args}
        turned = value.transpose(1, 0, 2).copy()
        reason = f"{reason[:-1]}, rows first."
        yield from case(
            "pack_padded_sequence", f"{name}-batch-first", reason, "ERROR-4", first, input=turned,
            lengths=of
        )
    inputs = [
        ("input-1d", {}, numbers.dyadic(3), [3], "No batch."),
        ("input-1d-batch-first", {"batch_first": True}, numbers.dyadic(3), [3], "No batch."),
        ("batch-0", {}, np.zeros((4, 0, 2)), [], "No rows."),
        ("length-0", {}, np.zeros((0, 3, 2)), [0, 0, 0], "No steps."),
        ("length-0-too-few", {}, np.zeros((0, 3, 2)), [1, 3], "No steps, and too few lengths."),
        ("batch-0-loose", loose, np.zeros((4, 0, 2)), [1], "No rows, and a length to sort by."),
        ("empty-vector", {}, np.zeros(0), [1], "Neither a batch nor elements."),
        ("features-0", {}, np.zeros((4, 2, 0)), [4, 2], "No features."),
    ]
    for name, args, input, of, reason in inputs:
        yield from case(
            "pack_padded_sequence", name, reason, "ERROR-4", args, input=input, lengths=of
        )
    for total in (2, 0, -1):
        yield from case(
            "pad_packed_sequence", f"total-length-{total}", "A total length below the longest's.",
            "ERROR-4", {"total_length": total}, **packed(numbers, [3, 1, 2], 2)
        )
    lists = [
        ("empty", {}, [], "No sequences."),
        ("features", {}, [(2, 3), (3, 2)], "Another number of features."),
        ("features-equal-lengths", {}, [(2, 3), (2, 2)], "The same with equal lengths."),
        ("features-second", {}, [(2, 3, 2), (3, 3, 4)], "Only the second extent of features."),
        ("features-third-sequence", {}, [(2, 3), (3, 3), (1, 4)], "Only the third sequence."),
        ("padding-side", {"padding_side": "middle"}, [(2, 3), (3, 3)], "Neither left nor right."),
        ("features-left", {"padding_side": "left"}, [(2, 3), (3, 2)],
         "Another number of features, padded on the left."),
    ]
    for name, args, shapes, reason in lists:
        given = [numbers.dyadic(*shape) for shape in shapes]
        yield from case("pad_sequence", name, reason, "ERROR-4", args, sequences=given)
    lists = [
        ("unsorted", {}, [(1,), (2,)], "Unsorted sequences where sorted ones are asked for."),
        ("empty", {}, [], "No sequences."),
        ("length-0", {}, [(2,), (0,)], "A sequence of no steps."),
        ("length-0-loose", loose, [(0,), (2,)], "The same, to be sorted."),
        ("scalar", {}, [()], "A single number is no sequence."),
        ("features", {}, [(3, 3), (2, 2)], "Another number of features."),
    ]
    for name, args, shapes, reason in lists:
        given = [numbers.dyadic(*shape) for shape in shapes]
        yield from case("pack_sequence", name, reason, "ERROR-4", args, sequences=given)
    for name, of, reason in (
        ("too-few", [1, 2], "Two lengths for three rows."),
        ("too-many", [1, 2, 3, 4], "Four lengths for three rows."),
    ):
        yield from case(
            "unpad_sequence", name, reason, "ERROR-4", {}, padded_sequences=value, lengths=of
        )
    spread = [
        ("features-one", [(4, 1), (2, 3)], "One feature first, more in the second."),
        ("features-one-inner", [(4, 1, 3), (2, 2, 3)], "The same, before the last extent."),
        ("features-missing", [(4, 3), (2,)], "A second sequence without features."),
        ("features-added", [(4,), (2, 3)], "Features in the second sequence alone."),
        ("scalar-first", [(), (4,)], "A single number first."),
        ("scalar-second", [(4,), ()], "A single number second."),
    ]
    for name, shapes, reason in spread:
        given = [numbers.dyadic(*shape) for shape in shapes]
        yield from case("pad_sequence", name, reason, "ERROR-4", {}, sequences=given)


@golden("errors/packed.json", "Packed batches that RNN, LSTM and GRU refuse.")
def modules():
    for place, module in enumerate(("RNN", "LSTM", "GRU")):
        numbers = Numbers(7600 + place)
        pair = module == "LSTM"

        refused = refusals(module, numbers, partial(rnn_weights, numbers, module=module))

        def case(name, reason, clause, *rest, of=(2, 5, 3), **more):
            bears = f"ERROR-4 {clause}".strip()
            yield from refused(f"packed-{name}", reason, bears, *rest, of=of, **more)

        full = (5, 3, 3)
        yield from case("length-0", "A sequence of no steps.", "", full, of=[2, 0, 3])
        yield from case("lengths-too-many", "Four lengths for three rows.", "", full, of=[1] * 4)
        reason = "Steps that are single numbers."
        yield from case("input-2d", reason, "ERROR-2", (5, 3))
        if not pair:
            yield from case("input-4d", "Steps that are matrices.", "ERROR-2", (5, 3, 3, 3))
        reason = "Another number of features: LSTM finds out in its first product."
        yield from case("input-size", reason, "ERROR-2", (5, 3, 2))
        yield from case("input-size-no-bias", reason, "ERROR-2", (5, 3, 2), bias=False)
        reason = "The input's dtype is not the weights'."
        yield from case("input-dtype", reason, "ERROR-2", full, odd=["input"])
        yield from case("input-dtype-no-bias", reason, "ERROR-2", full, odd=["input"], bias=False)
        states = [
            ("state-batch-1", "A state for one row of three: sorting it fails.", (1, 1, 4)),
            ("state-batch-2", "A state for two rows of three: the message names the third.",
             (1, 2, 4)),
            ("state-hidden", "A state of another size.", (1, 3, 5)),
            ("state-layers", "Two states for one layer.", (2, 3, 4)),
            ("state-layers-3", "Three states for one layer.", (3, 3, 4)),
            ("state-2d", "A state without layers.", (3, 4)),
            ("state-1d", "A state of one dimension.", (4,)),
        ]
        for name, reason, h_0 in states:
            yield from case(name, reason, "ERROR-3", full, h_0)
        for name, args in (("layers", {"num_layers": 2}), ("directions", {"bidirectional": True})):
            reason = "One state where two are needed."
            yield from case(f"state-{name}-missing", reason, "ERROR-3", full, (1, 3, 4), **args)
        parts = ["h_0", "c_0"] if pair else ["h_0"]
        reason = "The state's dtype is not the weights'."
        yield from case("state-dtype", reason, "ERROR-3", full, (1, 3, 4), odd=parts)
        if pair:
            reason = "c_0 alone of another size."
            yield from case("state-c-hidden", reason, "ERROR-3", full, (1, 3, 4), (1, 3, 5))
