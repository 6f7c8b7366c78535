"""Chapter pack: packing and padding themselves."""


from functools import partial

from .case import Numbers, call_of, golden, integers


call = call_of("pack")


def order(lengths):
    """The rows by falling length, those of one length in their order."""
    return sorted(range(len(lengths)), key=lambda row: -lengths[row])


def packed(numbers, lengths, *features, is_sorted=False):
    """The fields of a PackedSequence, its data drawn."""
    fields = {
        "data": numbers.decimal(sum(lengths), *features),
        "batch_sizes": integers([sum(n > t for n in lengths) for t in range(max(lengths))]),
    }
    if not is_sorted:
        rows = order(lengths)
        fields["sorted_indices"] = integers(rows)
        fields["unsorted_indices"] = integers([rows.index(row) for row in range(len(rows))])
    return fields


def packing():
    """pack_padded_sequence and pack_sequence."""
    numbers = Numbers(53000)
    value = numbers.decimal(5, 4, 2)
    loose = {"enforce_sorted": False}
    first = {"batch_first": True}
    cases = [
        ("sorted", {}, [5, 3, 3, 1], "Sorted, as is asked for by default: no indices."),
        ("sorted-loose", loose, [5, 3, 3, 1], "Sorted, not asked for: indices all the same."),
        ("unsorted", loose, [2, 5, 1, 3], "Two permutations, each the other's inverse."),
        ("reversed", loose, [1, 2, 3, 4], "Longest last; the last step of the input is not read."),
        ("ties", loose, [3, 5, 3, 5], "Equal lengths keep their order."),
        ("all-full", {}, [5, 5, 5, 5], "No padding: the steps one after the other."),
        ("all-1", {}, [1, 1, 1, 1], "The first step alone."),
    ]
    pack, turned = partial(call, "pack_padded_sequence"), value.transpose(1, 0, 2).copy()
    for name, args, lengths, reason in cases:
        clauses = "PACK-1 PACK-2"
        yield from pack(name, reason, clauses, args, input=value, lengths=lengths)
        reason, args = f"{reason[:-1]}, rows first.", {**first, **args}
        name = f"{name}-batch-first"
        yield from pack(name, reason, clauses, args, input=turned, lengths=lengths)
    shapes = [
        ("no-features", numbers.decimal(4, 3), [4, 2, 1], "Steps that are single numbers."),
        ("two-features", numbers.decimal(3, 2, 2, 2), [3, 2], "Steps that are matrices."),
        ("one-row", numbers.decimal(4, 1, 2), [3], "A batch of one."),
        ("one-step", numbers.decimal(1, 3, 2), [1, 1, 1], "One step."),
    ]
    for name, input, lengths, reason in shapes:
        yield from pack(name, reason, "PACK-1", {}, input=input, lengths=lengths)
    lists = [
        ("sorted", {}, [3, 2, 1], "Sorted, as is asked for by default."),
        ("unsorted", loose, [2, 3, 1], "Unsorted: the indices say how."),
        ("equal", {}, [2, 2], "Equal lengths."),
        ("one", {}, [3], "One sequence."),
    ]
    for name, args, lengths, reason in lists:
        for features in ((), (2,)):
            given = [numbers.decimal(length, *features) for length in lengths]
            id = f"{name}-{'features' if features else 'numbers'}"
            yield from call("pack_sequence", id, reason, "PACK-6 PACK-1", args, sequences=given)


def unpacking():
    """pad_packed_sequence and unpack_sequence."""
    numbers = Numbers(53100)
    batches = [
        ("sorted", packed(numbers, [4, 2, 1], 2, is_sorted=True), "No indices: as it stands."),
        ("unsorted", packed(numbers, [2, 4, 1, 3], 2), "Rows and lengths go back to their places."),
        ("ties", packed(numbers, [2, 3, 2, 3], 1), "Equal lengths keep their order."),
        ("equal", packed(numbers, [3, 3], 2, is_sorted=True), "Nothing to pad."),
        ("no-features", packed(numbers, [1, 3]), "Steps that are single numbers."),
        ("matrices", packed(numbers, [1, 2], 2, 2), "Steps that are matrices."),
    ]
    options = [
        ("default", {}, ""),
        ("batch-first", {"batch_first": True}, ", rows first"),
        ("padding", {"padding_value": -1.5}, ", padded with a number"),
        ("total-length", {"total_length": 6}, ", padded beyond the longest"),
        ("everything", {"batch_first": True, "padding_value": 7, "total_length": 5},
         ", all arguments at once"),
    ]
    for name, fields, reason in batches:
        for word, args, addition in options:
            told = f"{reason[:-1]}{addition}."
            yield from call("pad_packed_sequence", f"{name}-{word}", told, "PACK-3", args, **fields)
        yield from call("unpack_sequence", name, reason, "PACK-6", {}, **fields)
    longest = packed(numbers, [3, 1], 2)
    yield from call(
        "pad_packed_sequence", "total-length-exact",
        "A total length that is the longest's changes nothing.", "PACK-3", {"total_length": 3},
        **longest
    )


def padding():
    """pad_sequence and unpad_sequence."""
    numbers = Numbers(53200)
    lists = [
        ("growing", [1, 2, 4], (2,), "The longest last."),
        ("falling", [3, 2, 1], (), "The longest first, of single numbers."),
        ("mixed", [2, 4, 1], (2, 2), "The longest between, of matrices."),
        ("equal", [2, 2], (2,), "Nothing to pad."),
        ("one", [3], (2,), "One sequence."),
        ("empty-among", [2, 0, 1], (2,), "A sequence of no steps is padding alone."),
    ]
    options = [
        ("default", {}, ""),
        ("batch-first", {"batch_first": True}, ", rows first"),
        ("left", {"padding_side": "left"}, ", padded on the left"),
        ("right", {"padding_side": "right"}, ", padded on the right, as by default"),
        ("everything", {"batch_first": True, "padding_value": -0.5, "padding_side": "left"},
         ", all arguments at once"),
        ("padding", {"padding_value": 9}, ", padded with a number"),
    ]
    for name, lengths, features, reason in lists:
        given = [numbers.decimal(length, *features) for length in lengths]
        for word, args, addition in options:
            told = f"{reason[:-1]}{addition}."
            yield from call("pad_sequence", f"{name}-{word}", told, "PACK-6", args, sequences=given)
    value = numbers.decimal(4, 3, 2)
    cases = [
        ("unsorted", [2, 4, 1], "Each row up to its length."),
        ("full", [4, 4, 4], "Whole rows."),
        ("zero", [0, 2, 3], "A length of zero leaves no step."),
        ("beyond", [2, 9, 4], "A length beyond the end ends there."),
    ]
    turned = value.transpose(1, 0, 2).copy()
    for name, lengths, reason in cases:
        for end, args, rows, more in (
            ("", {}, value, "."), ("-batch-first", {"batch_first": True}, turned, ", rows first.")
        ):
            yield from call(
                "unpad_sequence", name + end, reason[:-1] + more, "PACK-6", args,
                padded_sequences=rows, lengths=lengths
            )


@golden("pack/functions.json", "Packing, padding and their inverses.")
def calls():
    for group in (packing, unpacking, padding):
        yield from group()
