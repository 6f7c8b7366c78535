"""Chapter tensor: arithmetic, reductions, softmax, products, and int64 and bool."""

import numpy as np

from .case import INF, NAN, Numbers, bools, call_of, golden, integers, of_dtype, once


call = call_of("tensor")


def single(function, name, reason, clauses, args=None, **inputs):
    """One call that has nothing of the request's dtype."""
    yield once(
        f"tensor/{function}/{name}", reason, clauses, "call", "float32", function=function,
        args=args or {}, inputs=inputs
    )


def shown(name, reason, clauses, function, args=None, wanted=None, **inputs):
    """The text of what a function gives; the wanted inputs require a gradient."""
    yield once(
        f"tensor/{name}", reason, clauses, "print", "float32", function=function, args=args or {},
        inputs=inputs, requires_grad=wanted
    )


@golden("tensor/arithmetic.json", "Functions of each element, and broadcasting.")
def arithmetic():
    """Functions of each element, and of two that are broadcast."""
    numbers = Numbers(9000)
    plain = numbers.decimal(2, 3, limit=4.0)
    positive = numbers.decimal(2, 3, limit=2.0) + 2.5
    edges = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 3.0])
    specials = np.array([NAN, INF, -INF])
    for name in ("exp", "log", "neg", "abs", "relu", "tanh", "sigmoid"):
        cases = [
            ("matrix", positive if name == "log" else plain, "Element by element."),
            ("edges", edges, "Zeros of both signs, and around them."),
            ("specials", specials, "NaN and infinities."),
            ("scalar", np.array(0.75), "A single number."),
            ("empty", np.zeros((2, 0)), "No numbers."),
        ]
        for label, value, reason in cases:
            yield from call(name, label, reason, "TENSOR-5", input=value)
    shapes = [
        ("alike", (2, 3), (2, 3), "No broadcasting."),
        ("row", (2, 3), (3,), "A row goes with each row."),
        ("column", (2, 3), (2, 1), "A column goes with each column."),
        ("outer", (2, 1), (1, 3), "Each of the two is broadcast."),
        ("leading", (3,), (2, 1, 3), "New dimensions come before the others."),
        ("scalar", (2, 3), (), "A single number goes with all."),
        ("ones", (1, 1), (1,), "Extents of one everywhere."),
        ("empty", (0, 3), (1, 3), "Nothing goes with something: nothing."),
        ("four", (2, 1, 2, 1), (3, 1, 2), "Both, in several dimensions."),
    ]
    for name in ("add", "sub", "mul", "div"):
        for label, a, b, reason in shapes:
            own = numbers.decimal(*b, limit=2.0) + 2.5 if name == "div" else numbers.decimal(*b)
            yield from call(
                name, label, reason, "TENSOR-8", input=numbers.decimal(*a), other=np.asarray(own)
            )
        yield from call(name, "number", "A number.", "TENSOR-5", {"other": 2.5}, input=plain)
    zeros = np.array([0.0, -0.0, 0.0, 1.0, -1.0])
    yield from call(
        "div", "by-zero", "Infinities with the signs of both, and NaN.", "TENSOR-5",
        input=np.array([1.0, 1.0, 0.0, 0.0, INF]), other=zeros
    )


@golden("tensor/dtypes.json", "Which dtype a result has, as printed.")
def kinds():
    """Two dtypes in one operation, as printed: the text tells the result's dtype."""
    values = {
        "bool": bools([True, False]), "bool-0d": bools(True), "int64": integers([3, -2]),
        "int64-0d": integers(3), "float32": np.array([0.5, 4.0]), "float32-0d": np.array(0.5),
        "float64": of_dtype([0.25, 8.0]), "float64-0d": of_dtype(0.25)
    }
    reason = "The dtype of the result: the higher, but for what has no dimension."
    for place, (a, x) in enumerate(values.items()):
        for b, y in list(values.items())[place:]:
            for function in ("mul", "div") if "0d" in a + b else ("add", "mul", "div"):
                yield from shown(
                    f"dtype/{function}/{a}-{b}", reason, "TENSOR-8 PRINT-4", function, input=x,
                    other=y
                )
    for a, x in values.items():
        for number in (2, 2.5):
            yield from shown(
                f"dtype/mul/{a}-number-{number}", "A whole number is an integer.",
                "TENSOR-8 PRINT-4", "mul", {"other": number}, input=x
            )
    reason = "Which dtype a function of integers has."
    for function in ("exp", "tanh", "sigmoid", "neg", "abs", "relu", "sum", "clone"):
        for a in ("bool", "int64"):
            if a == "int64" or function not in ("neg", "abs", "relu"):
                name = f"dtype/{function}/{a}"
                yield from shown(name, reason, "TENSOR-8 TENSOR-9", function, input=values[a])


# Of each function, arguments, and a shape to differentiate it at.
NODES = {
    "exp": ({}, (2,)), "log": ({}, (2,)), "clone": ({}, (2,)), "neg": ({}, (2,)), "abs": ({}, (2,)),
    "sigmoid": ({}, (2,)), "flip": ({"dims": [0]}, (2,)), "softmax": ({"dim": 0}, (2,)),
    "log_softmax": ({"dim": 0}, (2,)), "max": ({}, (2,)), "sum": ({"dim": 0}, (2, 2)),
    "mean": ({"dim": [1]}, (2, 2)), "expand": ({"size": [2, 2]}, (2,)), "to": ({"dtype": "float64"}, (2,)),
}


@golden("tensor/nodes.json", "The names of nodes, as printed.")
def nodes():
    def node(name, function, args=None, **inputs):
        reason = "The name of the node in the graph is part of the text."
        yield from shown(
            f"node/{name}", reason, "PRINT-4 GRAD-1", function, args,
            list(inputs) if function == "matmul" else ["input"], **inputs
        )

    for name, (args, shape) in NODES.items():
        value = np.arange(1, 1 + int(np.prod(shape)), dtype=np.float64).reshape(shape) / 4
        yield from node(name, name, args, input=value)
    value = np.array([[1.0, 2.0]])
    yield from node("max-dim", "max", {"dim": 1}, input=value)
    for name in ("add", "sub", "mul", "div"):
        yield from node(f"{name}-tensor", name, input=value, other=value)
        yield from node(f"{name}-number", name, {"other": 2.0}, input=value)
    for a, b in (((2,), (2,)), ((2,), (2, 3)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((2, 2, 3), (3, 2)),
                 ((2, 2, 3), (2, 3, 2)), ((2, 2, 3), (3,)), ((3,), (2, 3, 2))):
        name = f"matmul-{len(a)}d-{len(b)}d"
        yield from node(name, "matmul", input=np.ones(a), other=np.ones(b) / 2)


@golden("tensor/reductions.json", "Sums, means, and the largest.")
def reductions():
    numbers = Numbers(9100)
    x = numbers.decimal(2, 3, 4)
    dims = [
        ("all", {}, "All elements."),
        ("first", {"dim": 0}, "Along the first dimension."),
        ("middle", {"dim": 1}, "Along a dimension between."),
        ("last", {"dim": -1}, "Along the last, counted from the end."),
        ("keepdim", {"dim": 1, "keepdim": True}, "The dimension stays."),
    ]
    several = [
        ("two", {"dim": [0, 2]}, "Along two that are apart."),
        ("two-keepdim", {"dim": [-1, 0], "keepdim": True}, "Both stay."),
        ("listed", {"dim": [0, 1, 2]}, "All, each by name."),
        ("none", {"dim": []}, "No dimension named: all."),
    ]
    for name in ("sum", "mean", "max", "argmax"):
        for label, args, reason in dims + (several if name in ("sum", "mean") else []):
            yield from call(name, label, reason, "TENSOR-9", args, input=x)
        yield from call(
            name, "scalar", "A single number has dimensions 0 and -1.", "TENSOR-9", {"dim": 0},
            input=np.array(0.75)
        )
        if name in ("sum", "mean"):
            yield from call(name, "nothing", "Nothing along the dimension.", "TENSOR-9", {"dim": 0},
                            input=np.zeros((0, 3)))
            yield from call(name, "nothing-at-all", "No element.", "TENSOR-9", {}, input=np.zeros(0))
        yield from call(
            name, "no-rows", "No result, with something along the dimension.", "TENSOR-9", {"dim": 1},
            input=np.zeros((0, 3))
        )
        yield from call(
            name, "nan", "NaN wins, the first one.", "TENSOR-9", {"dim": 1},
            input=np.array([[1.0, NAN, 3.0, NAN], [INF, -INF, 0.0, 1.0]])
        )
    ties = np.array([[2.0, 5.0, 5.0], [-0.0, 0.0, -1.0], [7.0, 7.0, 7.0]])
    for name in ("max", "argmax"):
        yield from call(name, "ties", "The first of several.", "TENSOR-9", {"dim": 1}, input=ties)
        yield from call(name, "ties-all", "The first of several, in all.", "TENSOR-9", {}, input=ties)
    whole = integers([[1, -5, 7], [7, 0, -2]])
    mask = bools([[True, False], [True, True]])
    for name, args in (("sum", {}), ("sum", {"dim": 0}), ("max", {}), ("max", {"dim": 1}),
                       ("argmax", {"dim": 1}), ("argmax", {})):
        label = "dim" if args else "all"
        yield from single(name, f"int64-{label}", "Integers stay integers.", "TENSOR-9", args,
                        input=whole)
        if name != "argmax":
            yield from single(
                name, f"bool-{label}", "Bools are counted by a sum.", "TENSOR-9", args, input=mask
            )


@golden("tensor/softmax.json", "Shares, and their logarithms.")
def shares():
    numbers = Numbers(9200)
    cases = [
        ("first", 0, numbers.decimal(3, 4, limit=4.0), "Along the first dimension."),
        ("middle", 1, numbers.decimal(2, 3, 2, limit=4.0), "Along a dimension between."),
        ("last", -1, numbers.decimal(2, 5, limit=4.0), "Along the last."),
        ("scalar", 0, np.array(2.0), "A single number is all there is: 1."),
        ("one", 1, numbers.decimal(3, 1), "One element to a row: 1."),
        ("large", 0, np.array([1000.0, 999.0, -1000.0]), "e to the power of these overflows."),
        ("equal", 0, np.full(7, 0.25), "Sevenths."),
        ("infinite", 1, np.array([[-INF, 0.0, 1.0], [-INF, -INF, -INF], [INF, 0.0, 1.0]]),
         "-∞ has no share; nothing but -∞, and ∞, make NaN."),
        ("nan", 0, np.array([NAN, 1.0]), "NaN makes all NaN."),
        ("empty", 0, np.zeros((0, 3)), "Nothing to share."),
        ("full-precision", 1, numbers.full(2, 6, limit=4.0), "Numbers that use every bit."),
    ]
    for name in ("softmax", "log_softmax"):
        for label, dim, value, reason in cases:
            yield from call(name, label, reason, "TENSOR-10", {"dim": dim}, input=value)


@golden("tensor/products.json", "Products of matrices; one_hot, flip, clone and expand.")
def products():
    numbers = Numbers(9300)
    shapes = [
        ("dot", (4,), (4,), "Two vectors: a single number."),
        ("row", (3,), (3, 4), "A vector on the left is a row."),
        ("column", (3, 4), (4,), "A vector on the right is a column."),
        ("matrices", (2, 3), (3, 4), "Two matrices."),
        ("batch", (2, 2, 3), (2, 3, 2), "Matrix by matrix."),
        ("batch-of-one", (1, 2, 3), (4, 3, 2), "One matrix goes with each."),
        ("two-batches", (2, 1, 2, 3), (3, 3, 2), "Two dimensions of a batch, broadcast."),
        ("batch-matrix", (2, 2, 3), (3, 4), "A matrix goes with each."),
        ("matrix-batch", (2, 3), (4, 3, 2), "A matrix goes with each, on the left."),
        ("batch-vector", (2, 2, 3), (3,), "A column goes with each."),
        ("vector-batch", (3,), (2, 3, 2), "A row goes with each."),
        ("no-terms", (2, 0), (0, 3), "Sums of nothing are 0."),
        ("no-rows", (0, 3), (3, 2), "No rows."),
        ("long", (1, 50), (50, 1), "A longer sum."),
    ]
    for label, a, b, reason in shapes:
        yield from call("matmul", label, reason, "TENSOR-11", input=numbers.decimal(*a),
                        other=numbers.decimal(*b))
    classes = [
        ("vector", integers([1, 0, 2]), {}, "As many classes as the largest number, and one."),
        ("more", integers([1, 0]), {"num_classes": 4}, "More classes than are there."),
        ("matrix", integers([[0, 1], [2, 2]]), {"num_classes": 3}, "A new last dimension."),
        ("scalar", integers(2), {}, "A single class."),
        ("empty", integers([]), {"num_classes": 3}, "No class."),
    ]
    for label, value, args, reason in classes:
        yield from single("one_hot", label, reason, "TENSOR-11", args, input=value)
    x = numbers.decimal(2, 3, 2)
    for label, dims in (("first", [0]), ("last", [-1]), ("two", [0, 2]), ("all", [2, 1, 0]), ("none", [])):
        yield from call("flip", label, "The order of the indices turned.", "TENSOR-4", {"dims": dims},
                        input=x)
    yield from call("flip", "scalar", "A single number.", "TENSOR-4", {"dims": [0]}, input=np.array(0.5))
    yield from call("clone", "matrix", "A copy.", "TENSOR-4", input=x[0])
    for label, value, size in (("column", x[0, :, :1], [3, 4]), ("leading", x[0, 0], [2, 1, 2]),
                               ("scalar", np.array(0.5), [2, 2]), ("empty", x[0, :1, :1], [0, 3])):
        yield from call("expand", label, "Extents of one repeated, new ones before.", "TENSOR-4 TENSOR-8",
                        {"size": size}, input=value)


@golden("tensor/whole.json", "int64 and bool.")
def whole():
    """int64 and bool: made, converted, taken apart, put together."""
    made = [
        ("ints", [3, -1, 0], "int64", "Whole numbers."),
        ("fractions", [1.75, -1.75, 0.5, -0.5], "int64", "The fraction is dropped, towards zero."),
        ("largest", [2**53 - 1, -(2**53) + 1], "int64", "The ends of what a double holds exactly."),
        ("nested", [[1, 2], [3, 4]], "int64", "Lists of one length."),
        ("bools", [True, False], "bool", "Truth values."),
        ("numbers-as-bools", [0.0, 0.5, -3, 0], "bool", "Anything but 0 is true."),
        ("bools-as-ints", [True, False], "int64", "True is 1."),
        ("empty", [], "int64", "No element."),
    ]
    for label, data, dtype, reason in made:
        yield from single("tensor", label, reason, "TENSOR-7", {"data": data, "dtype": dtype})
    floats = np.array([1.75, -1.75, 0.0, -0.5, 1e6])
    masked = bools([[True], [False]])
    indices = integers([[4, -3], [0, 2**40]])
    for dtype in ("int64", "bool"):
        yield from call("to", f"float-{dtype}", "From floats.", "TENSOR-7", {"dtype": dtype}, input=floats)
        yield from single(
            "to", f"bool-{dtype}", "From bools.", "TENSOR-7", {"dtype": dtype}, input=masked
        )
        yield from single("to", f"int64-{dtype}", "From integers.", "TENSOR-7", {"dtype": dtype},
                        input=indices)
    for dtype in ("float32", "float64"):
        yield from single("to", f"int64-{dtype}", "To floats.", "TENSOR-7",
                        {"dtype": dtype}, input=indices)
        yield from single(
            "to", f"bool-{dtype}", "0 and 1.", "TENSOR-7", {"dtype": dtype}, input=masked
        )
    x, m = integers([[1, 2, 3], [4, 5, 6]]), bools([[True, False, True], [False, False, True]])
    reason = "What takes apart and puts together keeps the dtype."
    for label, value in (("int64", x), ("bool", m)):
        for name, args in (
            ("select", {"dim": 1, "index": -1}), ("narrow", {"dim": 1, "start": 1, "length": 2}),
            ("reshape", {"shape": [3, -1]}), ("transpose", {"dim0": 0, "dim1": 1}),
            ("flip", {"dims": [1]}), ("clone", {}), ("expand", {"size": [2, 2, 3]}),
        ):
            yield from single(name, label, reason, "TENSOR-7 TENSOR-4", args, input=value)
        yield from single(
            "cat", label, reason, "TENSOR-7 TENSOR-4", {"dim": 1}, tensors=[value, value]
        )
        yield from single(
            "stack", label, reason, "TENSOR-7 TENSOR-4", {"dim": 0}, tensors=[value, value]
        )
    numbers = Numbers(9400)
    for label, index, dim in (("rows", [1, 0, 1], 0), ("columns", [2, 2], -1), ("none", [], 0)):
        yield from call(
            "index_select", label, "An int64 tensor says which.", "TENSOR-4 TENSOR-7", {"dim": dim},
            input=numbers.decimal(2, 3), index=integers(index)
        )


@golden("print/whole.json", "The text of int64 and bool tensors.")
def texts():
    cases = [
        ("int64-scalar", integers(7), "No brackets, no point."),
        ("int64-columns", integers([[1, -20], [300, 0]]), "Right on the widest, sign included."),
        ("int64-zero", integers([0, 0]), "Zeros have a width, too."),
        ("int64-large", integers([2**53 - 1, -(2**53) + 1, 0]), "Never scientific."),
        ("int64-lines", integers(np.arange(60) - 30), "A row past 80 columns breaks."),
        ("int64-empty", integers([]), "Only here the dtype is told."),
        ("int64-empty-matrix", integers(np.zeros((2, 0))), "Size, then dtype."),
        ("int64-summary", integers(np.arange(1200) % 7), "3 at each edge."),
        ("int64-summary-width", integers(np.where(np.arange(1200) == 600, 123456, 1)),
         "The width comes from what is shown."),
        ("bool-scalar", bools(True), "Python's word."),
        ("bool-columns", bools([[True, False], [True, True]]), "True is padded to False."),
        ("bool-true", bools([True, True]), "No padding where none is False."),
        ("bool-lines", bools(np.arange(30) % 2 == 0), "Seven columns each."),
        ("bool-empty", bools(np.zeros((0, 3))), "Size, then dtype."),
        ("bool-summary", bools((np.arange(1200) % 3 == 0).reshape(30, 40)), "Both dimensions shortened."),
    ]
    for label, value, reason in cases:
        yield once(
            f"print/{label}", reason, "PRINT-1 PRINT-2 PRINT-4 TENSOR-7",
            "print", "float32", args={}, inputs={"input": value},
        )
