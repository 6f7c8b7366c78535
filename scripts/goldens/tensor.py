"""Chapter tensor: the functions on tensors that the notebook and the recurrence need."""

import math

import numpy as np

from .case import INF, NAN, Numbers, call_of, golden, spelled

call = call_of("tensor")


def select_and_narrow():
    """One index of a dimension; a range of it."""
    x = Numbers(6000).decimal(2, 3, 4)
    indices = ((0, 0), (1, 2), (2, 3), (-1, -1), (1, -3), (-3, 1))
    for name, args in spelled("dim index", indices):
        reason = "An index, from either end."
        yield from call("select", name, reason, "TENSOR-3 TENSOR-4", args, input=x)
    yield from call(
        "select", "vector", "A vector's element has no dimension.", "TENSOR-4",
        {"dim": 0, "index": 1}, input=x[0, 0]
    )
    ranges = ((0, 0, 2), (1, 1, 2), (2, 3, 1), (-1, -2, 2), (1, 3, 0), (2, 0, 0))
    for name, args in spelled("dim start length", ranges):
        yield from call("narrow", name, "A range of one dimension.", "TENSOR-4", args, input=x)


def reshape_and_transpose():
    """The same numbers in another shape; two dimensions exchanged."""
    x = Numbers(6001).decimal(2, 3, 4)
    for shape in ([24], [6, 4], [-1], [4, -1], [2, 3, 4], [-1, 1, 8], [1, 2, 3, 4, 1]):
        name = "x".join(str(extent) for extent in shape)
        reason = "Row-major order is kept."
        yield from call("reshape", name, reason, "TENSOR-4", {"shape": shape}, input=x)
    for name, value, shape, reason in (
        ("to-scalar", x[:1, 0, 0], [], "One element, no dimension."),
        ("from-scalar", x[0, 0, 0], [1, 1], "The other way."),
        ("empty", np.zeros((0, 5)), [3, 0], "No elements fit any shape with a zero."),
    ):
        yield from call("reshape", name, reason, "TENSOR-4", {"shape": shape}, input=value)
    for name, args in spelled("dim0 dim1", ((0, 1), (1, 2), (0, 2), (-1, -2), (1, 1), (2, 0))):
        reason = "Two dimensions change places."
        yield from call("transpose", name, reason, "TENSOR-4", args, input=x)
    yield from call(
        "transpose", "scalar", "A single number takes dimensions 0 and -1.", "TENSOR-4",
        {"dim0": 0, "dim1": -1}, input=x[0, 0, 0]
    )


def item():
    """tensor.item()."""
    x = Numbers(6002).decimal(2, 5, 3)
    for name, value in (("scalar", x[0, 0, 0]), ("one-element", x[:1, :1, :1])):
        yield from call("item", name, "The number itself.", "TENSOR-3", {}, input=value)


def creation():
    """torch.tensor and torch.linspace."""
    cases = [
        ("number", 2.5, "A number has no dimension."),
        ("vector", [1, -2.5, 0], "A list."),
        ("matrix", [[1, 2], [3, 4], [5, 6]], "Lists of one length."),
        ("rank-3", [[[1], [2]], [[3], [4]]], "Deeper."),
        ("empty", [], "An empty list has one dimension."),
        ("empty-rows", [[], []], "Two empty rows."),
    ]
    for name, data, reason in cases:
        yield from call("tensor", name, reason, "TENSOR-1 TENSOR-2", {"data": data})
    ranges = [
        ("notebook", 0, math.pi, 10, "The notebook's steps."),
        ("unit-5", 0, 1, 5, "Ends included."),
        ("unit-11", 0, 1, 11, "Steps of a tenth."),
        ("down", 1, -1, 7, "Downwards."),
        ("one", 3, 9, 1, "One step: the start."),
        ("two", 3, 9, 2, "Two steps: both ends."),
        ("none", 3, 9, 0, "No steps."),
        ("flat", 2.5, 2.5, 4, "The same number again and again."),
        ("long", -10, 10, 100, "A hundred steps."),
        ("odd", 0.1, 0.7, 9, "Ends that binary does not hold."),
        ("large", 0, 1e10, 6, "Large numbers."),
    ]
    for name, start, end, steps, reason in ranges:
        yield from call(
            "linspace", name, reason, "TENSOR-5", {"start": start, "end": end, "steps": steps}
        )


def sine():
    """torch.sin."""
    numbers = Numbers(6003)
    edges = [0.0, -0.0, 0.5, -0.5, 1.0, 1.5, 2.0, 3.0, 3.140625, 6.28125, 100.0, -1000.0]
    cases = [
        ("edges", np.array(edges), "Around the quarters of a turn, and far from them."),
        ("matrix", numbers.decimal(3, 4, limit=4.0), "Element by element."),
        ("full-precision", numbers.full(20, limit=4.0), "Numbers that use every bit of a float32."),
        ("specials", np.array([NAN, INF, -INF]), "Infinity has no sine."),
        ("tiny", np.array([2.0**-149, -(2.0**-127), 2.0**-40]), "A small angle is its own sine."),
        ("scalar", np.array(0.75), "A single number."),
        ("empty", np.zeros((2, 0)), "No numbers."),
    ]
    for name, value, reason in cases:
        yield from call("sin", name, reason, "TENSOR-5", {}, input=value)


def joining():
    """torch.cat and torch.stack."""
    numbers = Numbers(6004)
    a, b, c = numbers.decimal(2, 3), numbers.decimal(2, 3), numbers.decimal(1, 3)
    cases = [
        ("rows", {"dim": 0}, [a, c], "Below each other; other extents may differ there."),
        ("columns", {"dim": 1}, [a, b], "Beside each other."),
        ("last", {"dim": -1}, [a, b, a], "Three, on the last dimension."),
        ("default", {}, [a, b], "Dimension 0 where none is given."),
        ("one", {"dim": 1}, [a], "One tensor is itself."),
        ("empty-among", {"dim": 0}, [a, np.zeros((0, 3)), b], "An empty one adds nothing."),
    ]
    for name, args, tensors, reason in cases:
        yield from call("cat", name, reason, "TENSOR-4", args, tensors=tensors)
    cases = [
        ("first", {"dim": 0}, [a, b], "A new first dimension."),
        ("middle", {"dim": 1}, [a, b], "A new dimension between."),
        ("last", {"dim": -1}, [a, b, a], "A new last dimension."),
        ("default", {}, [a, b], "Dimension 0 where none is given."),
        ("scalars", {"dim": 0}, [a[0, 0], b[0, 0]], "Single numbers make a vector."),
        ("one", {"dim": 2}, [a], "One tensor gains a dimension of one."),
    ]
    for name, args, tensors, reason in cases:
        yield from call("stack", name, reason, "TENSOR-4", args, tensors=tensors)


@golden("tensor/calls.json", "Functions on tensors.")
def calls():
    for group in (creation, item, select_and_narrow, reshape_and_transpose, sine, joining):
        yield from group()
