"""Functions of tensors, of chapter tensor: their gradients, and what they refuse."""

import numpy as np

from .case import NAN, Numbers, bools, both, call_of, golden, integers, of_dtype


@golden("vjp/functions.json", "Gradients behind functions of tensors.")
def gradients():
    """The gradients of functions, with a cotangent for what each gives."""
    numbers = Numbers(9500)

    def case(function, name, reason, clauses, output, args=None, outputs="output", **inputs):
        yield from both(
            f"vjp/{function}/{name}", reason, f"GRAD-1 {clauses}", "vjp", function=function,
            args=args or {}, inputs=inputs, grad_outputs={outputs: numbers.decimal(*output)}
        )

    plain = numbers.decimal(2, 3)
    for name in ("exp", "log", "tanh", "sigmoid", "neg"):
        value = plain + 2.5 if name == "log" else plain
        yield from case(name, "matrix", "Its derivative, element by element.", "TENSOR-5", (2, 3), input=value)
    for name in ("abs", "relu"):
        yield from case(name, "kink", "0 at the kink, for zeros of both signs.", "TENSOR-5", (5,),
                        input=np.array([0.0, -0.0, 1.5, -2.0, 0.25]))
    shapes = [
        ("alike", (2, 3), (2, 3), (2, 3)), ("row", (2, 3), (3,), (2, 3)),
        ("column", (2, 3), (2, 1), (2, 3)), ("outer", (2, 1), (1, 3), (2, 3)),
        ("leading", (3,), (2, 1, 3), (2, 1, 3)), ("scalar", (2, 2), (), (2, 2)),
    ]
    for name in ("add", "sub", "mul", "div"):
        for label, a, b, output in shapes:
            other = np.asarray(numbers.decimal(*b, limit=2.0) + 2.5)
            yield from case(name, label, "What was broadcast is summed over.", "TENSOR-8", output,
                            input=numbers.decimal(*a), other=other)
        yield from case(name, "number", "A number has no gradient.", "TENSOR-8", (2, 3), {"other": 2.5},
                        input=plain)
    mask = bools([[True], [False]])
    yield from case("mul", "bool", "A mask lets through or not, and has no gradient.", "TENSOR-8", (2, 3),
                    input=plain, other=mask)
    x = numbers.decimal(2, 3, 2)
    for name in ("sum", "mean"):
        for label, args, output in (
            ("all", {}, ()), ("dim", {"dim": 1}, (2, 2)), ("keepdim", {"dim": -1, "keepdim": True}, (2, 3, 1)),
            ("two", {"dim": [0, 2]}, (3,)),
        ):
            yield from case(name, label, "Each element gets its share.", "TENSOR-9", output, args, input=x)
    ties = np.array([[2.0, 5.0, 5.0], [5.0, 1.0, 5.0]])
    yield from case("max", "all", "One element gets all.", "TENSOR-9", (), input=x)
    yield from case("max", "ties", "Those as large share it.", "TENSOR-9", (), input=ties)
    yield from case("max", "nan", "NaNs share it.", "TENSOR-9", (), input=np.array([NAN, 1.0, NAN]))
    for label, args, output in (("dim", {"dim": 1}, (2, 2)), ("keepdim", {"dim": 2, "keepdim": True}, (2, 3, 1))):
        yield from case("max", label, "The element that the index names.", "TENSOR-9", output, args,
                        "values", input=x)
    yield from case("max", "ties-dim", "Only the first of several.", "TENSOR-9", (2,), {"dim": 1}, "values",
                    input=ties)
    for name in ("softmax", "log_softmax"):
        for label, dim in (("first", 0), ("middle", 1), ("last", -1)):
            yield from case(name, label, "All along the dimension depend on each other.", "TENSOR-10",
                            (2, 3, 2), {"dim": dim}, input=x)
        yield from case(name, "large", "Saturated: no gradient left.", "TENSOR-10", (3,), {"dim": 0},
                        input=np.array([200.0, -200.0, 0.0]))
    for label, a, b, output in (
        ("dot", (3,), (3,), ()), ("row", (3,), (3, 2), (2,)), ("column", (2, 3), (3,), (2,)),
        ("matrices", (2, 3), (3, 2), (2, 2)), ("batch", (2, 2, 3), (2, 3, 2), (2, 2, 2)),
        ("broadcast", (2, 1, 2, 3), (3, 3, 2), (2, 3, 2, 2)), ("batch-matrix", (2, 2, 3), (3, 2), (2, 2, 2)),
        ("matrix-batch", (2, 3), (2, 3, 2), (2, 2, 2)), ("batch-vector", (2, 2, 3), (3,), (2, 2)),
        ("vector-batch", (3,), (2, 3, 2), (2, 2)),
    ):
        yield from case("matmul", label, "Each of the two gets the other's transpose.", "TENSOR-11", output,
                        input=numbers.decimal(*a), other=numbers.decimal(*b))
    yield from case("flip", "two", "Back to where it came from.", "TENSOR-4", (2, 3, 2), {"dims": [0, 2]}, input=x)
    yield from case("clone", "matrix", "Through, unchanged.", "TENSOR-4", (2, 3), input=plain)
    yield from case("expand", "both", "Summed over what was repeated.", "TENSOR-4", (4, 2, 3),
                    {"size": [4, 2, 3]}, input=plain[:, :1])
    yield from case("index_select", "repeats", "Repeated slices add up.", "TENSOR-4", (3, 3), {"dim": 0},
                    input=plain, index=integers([1, 1, 0]))


@golden("errors/functions.json", "What functions of tensors refuse.")
def errors():
    x = Numbers(9600).dyadic(2, 3)
    column = x[:, :1]

    case = call_of("errors", "ERROR-5", ("float32",))
    three, four = np.ones(3), np.ones((4, 3))
    whole_, mask = integers([1, 2]), bools([True, False])
    for name in ("add", "sub", "mul", "div"):
        yield from case(name, "last", "Other extents in the last dimension.", "TENSOR-8", input=x, other=np.ones(2))
        yield from case(name, "first", "Other extents in the first.", "TENSOR-8", input=x, other=four)
        yield from case(name, "leading", "Other extents behind new ones.", "TENSOR-8", input=column,
                        other=np.ones((2, 3, 4)))
    for label, a, b in (("bools", mask, mask), ("bool-int64", mask, whole_), ("float-bool", np.ones(2), mask)):
        yield from case("sub", label, "Truth values are not subtracted.", "TENSOR-8", input=a, other=b)
    yield from case("sub", "bool-number", "Nor a number from them.", "TENSOR-8", {"other": 1}, input=mask)
    yield from case("rsub", "bool", "Nor they from a number.", "TENSOR-8", {"other": 1}, input=mask)
    for name in ("neg", "abs", "relu"):
        yield from case(name, "bool", "Not of truth values.", "TENSOR-8", input=mask)
    for name in ("sum", "mean", "max", "argmax", "softmax", "log_softmax"):
        yield from case(name, "dim", "A dimension past the end.", "TENSOR-9 TENSOR-10", {"dim": 2}, input=x)
        yield from case(name, "dim-negative", "Or before the start.", "TENSOR-9 TENSOR-10", {"dim": -3}, input=x)
    for name in ("sum", "mean"):
        yield from case(name, "twice", "A dimension named twice.", "TENSOR-9", {"dim": [0, -2]}, input=x)
    for label, value in (("int64", whole_), ("bool", mask)):
        yield from case("mean", label, "A mean is no integer.", "TENSOR-9", input=value)
        yield from case("mean", f"{label}-dim", "Nor along a dimension.", "TENSOR-9", {"dim": 0}, input=value)
        for name in ("softmax", "log_softmax"):
            yield from case(name, label, "Shares are no integers.", "TENSOR-10", {"dim": 0}, input=value)
            yield from case(name, f"{label}-first", "PyTorch names another function here.", "TENSOR-10",
                            {"dim": 0}, input=np.stack([value, value]))
    yield from case("argmax", "bool", "No largest truth value.", "TENSOR-9", input=mask)
    empty = np.zeros((0, 3))
    for name in ("max", "argmax"):
        yield from case(name, "empty", "No largest of nothing.", "TENSOR-9", input=empty)
        yield from case(name, "empty-dim", "Nor along a dimension of nothing.", "TENSOR-9", {"dim": -2}, input=empty)
    pairs = [
        ("matrices", x, x, "Rows and columns of other lengths."),
        ("vector-matrix", np.ones(2), x.T, "A row of another length."),
        ("matrix-vector", x, np.ones(2), "A column of another length."),
        ("vectors", np.ones(2), three, "Two vectors of other lengths."),
        ("scalar-left", np.array(1.0), x, "A single number."),
        ("scalar-right", x, np.array(1.0), "A single number on the right."),
        ("batches", np.ones((2, 2, 3)), np.ones((3, 3, 2)), "Batches of other lengths."),
        ("batch-terms", np.ones((2, 2, 3)), np.ones((2, 4, 2)),
         "Sums of other lengths in a batch."),
        ("two-batches-terms", np.ones((5, 2, 2, 3)), np.ones((2, 4, 2)),
         "In two dimensions of a batch."),
        ("batch-matrix", np.ones((2, 2, 3)), np.ones((4, 2)), "A batch and a matrix."),
        ("batch-vector", np.ones((2, 2, 3)), np.ones(4), "A batch and a vector."),
        ("vector-batch", three, np.ones((2, 4, 2)), "A vector and a batch."),
        ("dtype", x, of_dtype(np.ones((3, 2))), "Two dtypes."),
        ("dtype-vector", x, of_dtype(np.ones(3)), "Two dtypes, a vector."),
        ("dtype-vectors", three, of_dtype(np.ones(3)), "Two dtypes, two vectors."),
        ("dtype-batch", np.ones((2, 2, 3)), of_dtype(np.ones((2, 3, 2))), "Two dtypes in a batch."),
        ("dtype-before-shape", three, of_dtype(np.ones(2)),
         "Of vectors the dtype is looked at first."),
        ("shape-before-dtype", x, of_dtype(np.ones((2, 2))), "Of matrices the shape."),
        ("bools", bools(np.ones((2, 2))), bools(np.ones((2, 2))), "Of truth values."),
        ("bool-vectors", mask, mask, "Of vectors of truth values."),
        ("bool-vector", bools(np.ones((2, 2))), mask, "With a vector of them."),
        ("bool-batch", bools(np.ones((1, 2, 2))), bools(np.ones((1, 2, 2))), "In a batch of them."),
    ]
    for label, a, b, reason in pairs:
        yield from case("matmul", label, reason, "TENSOR-11", input=a, other=b)
    for label, dims in (("dim", [2]), ("dim-negative", [-3]), ("twice", [0, -2])):
        yield from case("flip", label, "No such dimension, or twice.", "TENSOR-4", {"dims": dims}, input=x)
    for label, value, args in (
        ("float", np.ones(2), {}), ("bool", mask, {}), ("negative", integers([-1]), {}),
        ("negative-with-classes", integers([-1]), {"num_classes": 3}), ("too-few", whole_, {"num_classes": 2}),
        ("none", whole_, {"num_classes": 0}), ("minus-two", whole_, {"num_classes": -2}),
        ("empty", integers([]), {}),
    ):
        yield from case("one_hot", label, "What is no class, or none of so many.", "TENSOR-11", args, input=value)
    for label, size in (("fewer", [3]), ("other", [4, 3]), ("leading", [2, 4, 3])):
        yield from case("expand", label, "Only extents of one are repeated.", "TENSOR-4", {"size": size}, input=x)
    yield from case("expand", "int64", "The dtype is in the message.", "TENSOR-4 TENSOR-7", {"size": []},
                    input=whole_)
    yield from case("index_select", "float", "Indices are integers.", "TENSOR-4 TENSOR-7", {"dim": 0},
                    input=x, index=np.ones(1))
    yield from case("index_select", "matrix", "Indices are a vector.", "TENSOR-4 TENSOR-7", {"dim": 0},
                    input=x, index=integers([[0]]))
    yield from case("index_select", "past", "No such slice.", "TENSOR-4 TENSOR-7", {"dim": 0},
                    input=x, index=integers([2]))
