"""Chapter errors, tensors: what functions on them refuse, and the generator."""

import numpy as np

from .case import Numbers, both, call_of, golden, spelled


@golden("errors/tensors.json", "What functions on tensors refuse.")
def tensors():
    x = Numbers(7300).dyadic(2, 3, 4)

    case = call_of("errors", "ERROR-5")
    reason = "An index past either end."
    for name, args in spelled("dim index", ((0, 2), (0, -3), (1, 3), (-1, 4), (2, -5))):
        yield from case("select", name, reason, "TENSOR-3", args, input=x)
    for dim in (3, -4):
        yield from case(
            "select", f"dim{dim}", "A dimension past either end.", "TENSOR-3",
            {"dim": dim, "index": 0}, input=x
        )
    yield from case(
        "select", "scalar", "A single number has no dimension.", "TENSOR-3", {"dim": 0, "index": 0},
        input=x[0, 0, 0]
    )
    ranges = (
        (0, 1, 2), (1, 0, 4), (1, 4, 0), (1, -4, 1), (2, 0, -1), (3, 0, 1), (-4, 0, 1), (1, -1, 2)
    )
    for name, args in spelled("dim start length", ranges):
        yield from case("narrow", name, "A range past either end.", "TENSOR-4", args, input=x)
    yield from case(
        "narrow", "scalar", "A single number has no dimension.", "TENSOR-4",
        {"dim": 0, "start": 0, "length": 1}, input=x[0, 0, 0]
    )
    shapes = [
        ("size", [5, 5], "Another number of elements."),
        ("empty-shape", [], "Twenty-four elements are not one."),
        ("two-unknown", [-1, -1], "Two unknown extents."),
        ("not-divisible", [5, -1], "No whole number fits the unknown extent."),
        ("negative", [-2, 12], "Less than -1."),
        ("zero", [0], "Elements do not vanish."),
        ("zero-unknown", [0, -1], "Nor does an unknown extent make up for zero."),
    ]
    for name, shape, reason in shapes:
        yield from case("reshape", name, reason, "TENSOR-4", {"shape": shape}, input=x)
    yield from case(
        "reshape", "empty-unknown", "With no elements an unknown extent could be anything.",
        "TENSOR-4", {"shape": [0, -1]}, input=np.zeros((0, 2))
    )
    reason = "A dimension past either end."
    for name, args in spelled("dim0 dim1", ((0, 3), (3, 0), (-4, 0), (1, -4))):
        yield from case("transpose", name, reason, "TENSOR-4", args, input=x)
    for name, value in (("many", x), ("two", x[0, 0, :2]), ("none", np.zeros(0))):
        yield from case("item", name, "More or less than one element.", "TENSOR-3", {}, input=value)
    data = [
        ("ragged", [[1, 2], [3]], "Rows of different lengths."),
        ("ragged-longer", [[1], [2, 3]], "A later row that is longer."),
        ("ragged-deep", [[[1, 2], [3, 4]], [[5, 6], [7]]], "Deeper down."),
        ("ragged-middle", [[[1], [2]], [[3]]], "In the middle."),
        ("number-then-list", [1, [2]], "A list where a number should be."),
        ("list-then-number", [[1], 2], "A number where a list should be."),
        ("full-then-empty", [[1], []], "An empty row after a full one."),
        ("none", [None], "Nothing is no number."),
    ]
    for name, value, reason in data:
        yield from case("tensor", name, reason, "TENSOR-2", {"data": value})
    yield from case(
        "linspace", "negative", "Fewer than no steps.", "TENSOR-5",
        {"start": 0, "end": 1, "steps": -1}
    )
    joins = [
        ("cat", "empty", "Nothing to join.", {}, []),
        ("cat", "rows", "Another extent off the joined dimension.", {"dim": 0}, [x, x[:, :2]]),
        ("cat", "second", "The second of three differs.", {"dim": 2}, [x, x[:1], x]),
        ("cat", "rank", "Other numbers of dimensions.", {"dim": 0}, [x, x[0]]),
        ("cat", "scalars", "Single numbers cannot be joined.", {}, [x[0, 0, 0], x[0, 0, 1]]),
        ("cat", "dim", "A dimension past the end.", {"dim": 3}, [x, x]),
        ("cat", "dim-negative", "Or before the start.", {"dim": -4}, [x, x]),
        ("stack", "empty", "Nothing to stack.", {}, []),
        ("stack", "size", "Another size.", {"dim": 0}, [x, x[:1]]),
        ("stack", "rank", "Another number of dimensions.", {"dim": 0}, [x, x[0]]),
        ("stack", "dim", "The new dimension past the end.", {"dim": 4}, [x, x]),
        ("stack", "dim-negative", "Or before the start.", {"dim": -5}, [x, x]),
    ]
    for function, name, reason, args, list_ in joins:
        yield from case(function, name, reason, "TENSOR-4", args, tensors=list_)


@golden("errors/generator.json", "Seeds and sizes that the generator refuses.")
def generator():
    for seed in ("18446744073709551616", "-9223372036854775809"):
        yield from both(
            f"errors/rand/seed-{seed}", "One past what manual_seed takes.", "ERROR-5 INIT-4",
            "rand", args={"size": [1]}, seed=seed
        )
    for name, size in (("negative", [-1]), ("negative-second", [2, -3])):
        yield from both(
            f"errors/rand/{name}", "Fewer than no elements.", "ERROR-5 INIT-3", "rand",
            args={"size": size}, seed=0
        )
