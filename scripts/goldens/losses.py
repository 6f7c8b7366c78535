"""Chapter loss: the losses and their gradients."""

import numpy as np

from .case import INF, NAN, Numbers, both, golden, integers, once

REDUCTIONS = ("none", "mean", "sum")


def asked(module, name, reason, clauses, args, inputs, grad=None, wrt=None):
    """One loss in both dtypes; `grad` is the gradient of what follows, needed by `none`."""
    yield from both(
        f"loss/{module}/{name}", reason, clauses, "loss", module=module, args=args, inputs=inputs,
        grad_outputs=None if grad is None else {"output": grad}, wrt=wrt
    )


def loss(name, reason, clauses, module, args, value, target, grad=None):
    """One loss of an input and a target."""
    inputs = {"input": value, "target": target}
    yield from asked(module, name, reason, clauses, args, inputs, grad)


def regression(module, clause, targets, place):
    """A loss of two tensors of one shape; `targets` draws the second."""
    shapes = [("0d", ()), ("1d", (4,)), ("2d", (3, 2)), ("3d", (2, 3, 1)), ("one", (1, 1))]
    for turn, (name, shape) in enumerate(shapes):
        for reduction in REDUCTIONS:
            numbers = Numbers(70000 + 1000 * place + 10 * turn)
            value, target = numbers.decimal(*shape, limit=2.0), targets(numbers, shape)
            full = shape if reduction == "none" else ()
            yield from loss(
                f"{name}-{reduction}",
                "Catches a mean where a sum was due, or the reverse, and a gradient not scaled.",
                clause, module, {"reduction": reduction}, value, target, numbers.decimal(*full)
            )
    numbers = Numbers(70900 + 1000 * place)
    yield from loss(
        "full-precision", "Numbers that use every bit of a float32.", f"{clause} NUM-2", module, {},
        numbers.full(5, 2), abs(numbers.full(5, 2))
    )
    yield from loss("empty", "The mean of nothing is NaN.", clause, module, {}, *empty())
    spoiled = numbers.decimal(3, 2)
    spoiled[1, 0] = NAN
    yield from loss(
        "nan", "NaN in one element spoils the mean, but no other element's gradient.",
        f"{clause} NUM-4", module, {}, spoiled, targets(numbers, (3, 2))
    )


def empty():
    """No input and no target."""
    return np.zeros((0, 2)), np.zeros((0, 2))


@golden("loss/MSELoss.json", "The squared error and its gradient.")
def squares():
    yield from regression("MSELoss", "LOSS-1", lambda n, s: n.decimal(*s, limit=2.0), 0)
    yield from broadcasts("MSELoss", "LOSS-1")


@golden("loss/L1Loss.json", "The absolute error and its gradient.")
def absolutes():
    """L1Loss, also where input and target are the same."""
    yield from regression("L1Loss", "LOSS-2", lambda n, s: n.decimal(*s, limit=2.0), 1)
    value = np.array([1.0, -2.0, 0.5, 0.0])
    yield from loss(
        "same", "Where the error is 0, so is the gradient.", "LOSS-2", "L1Loss",
        {"reduction": "sum"}, value, np.array([1.0, 2.0, 0.5, -0.0])
    )
    yield from broadcasts("L1Loss", "LOSS-2")


def broadcasts(module, clause):
    """Shapes that differ: PyTorch warns and broadcasts, which is rarely meant."""
    numbers = Numbers(70950)
    for name, first, second in (
        ("column-against-row", (3, 1), (3,)),
        ("row-against-matrix", (2,), (3, 2)),
        ("more-dimensions", (2, 1), (3, 1, 2)),
    ):
        yield from loss(
            f"broadcast-{name}",
            "Every element against every other: the loss is not the one that was meant.", clause,
            module, {}, numbers.decimal(*first), numbers.decimal(*second)
        )
    for name, first, second in (("1d", (3,), (2,)), ("2d", (2, 2), (3, 2))):
        yield from refused(
            f"{module}/shapes-{name}", clause, module, {}, np.zeros(first), np.zeros(second)
        )
    yield from refused(f"{module}/reduction", clause, module, {"reduction": "max"}, *pair())


def pair():
    """An input and a target that fit."""
    return np.zeros(2), np.zeros(2)


def refused(name, clause, module, args, value, target):
    """A loss that PyTorch refuses."""
    fields = {"module": module, "args": args, "inputs": {"input": value, "target": target}}
    yield once(
        f"loss/{name}/float32", "Refused, in these words.", f"{clause} ERROR-2",
        "loss", "float32", **fields
    )


@golden("loss/BCEWithLogitsLoss.json", "The loss of yes and no.")
def logits():
    """BCEWithLogitsLoss, also far out, where a naive formula overflows."""
    module, clause = "BCEWithLogitsLoss", "LOSS-4"
    yield from regression(module, clause, lambda n, s: abs(n.decimal(*s)), 2)
    far = np.array([-200.0, -30.0, 0.0, 30.0, 200.0])
    for name, target in (("ones", np.ones(5)), ("zeros", np.zeros(5)), ("halves", np.ones(5) / 2)):
        yield from loss(
            f"far-{name}", "Catches exp overflowing, and log(0), far from 0.", clause, module,
            {"reduction": "none"}, far, target, np.ones(5)
        )
    for name, first, second in (("2d", (3, 1), (3,)), ("1d", (3,), (2,))):
        yield from refused(
            f"{module}/shapes-{name}", clause, module, {}, np.zeros(first), np.zeros(second)
        )
    yield from refused(f"{module}/reduction", clause, module, {"reduction": ""}, *pair())


@golden("loss/CrossEntropyLoss.json", "The loss of classes and its gradient.")
def classes():
    module, clause = "CrossEntropyLoss", "LOSS-3"
    shapes = [
        ("1d", (4,), integers(2)),
        ("2d", (3, 4), integers([0, 3, 1])),
        ("2d-some-ignored", (3, 4), integers([-100, 3, -100])),
        ("3d", (2, 3, 4), integers([[0, 1, 2, 0], [2, 2, 1, -100]])),
        ("4d", (1, 3, 2, 2), integers([[[0, 2], [1, -100]]])),
        ("5d", (1, 2, 1, 2, 2), integers([[[[0, 1], [1, -100]]]])),
        ("one-class", (3, 1), integers([0, 0, 0])),
    ]
    for place, (name, shape, target) in enumerate(shapes):
        for reduction in REDUCTIONS:
            numbers = Numbers(73000 + place)
            value = numbers.decimal(*shape, limit=3.0)
            full = target.shape if reduction == "none" else ()
            yield from loss(
                f"{name}-{reduction}",
                "Catches classes taken from the wrong dimension, and a mean over what is ignored.",
                clause, module, {"reduction": reduction}, value, target, numbers.decimal(*full)
            )
    numbers = Numbers(73100)
    value = numbers.decimal(3, 4, limit=3.0)
    others = [
        ("ignore-index-1", {"ignore_index": 1}, value, integers([1, 0, 1]),
         "Another ignored class."),
        ("ignore-index-out", {"ignore_index": 9}, value, integers([9, 0, 3]),
         "One that is no class."),
        ("all-ignored", {}, value, integers([-100, -100, -100]), "The mean of nothing is NaN."),
        ("all-ignored-sum", {"reduction": "sum"}, value, integers([-100, -100, -100]),
         "The sum of nothing is 0."),
        ("large", {}, np.array([[1000.0, 0.0], [-1000.0, -999.0], [0.0, -1000.0]]),
         integers([0, 1, 1]), "Catches exp overflowing, and log(0)."),
        ("full-precision", {}, numbers.full(4, 5, limit=4.0), integers([0, 4, 2, 1]), "Every bit."),
    ]
    for name, args, given, target, reason in others:
        yield from loss(name, reason, clause, module, args, given, target)
    spoiled = value.copy()
    spoiled[1, 2], spoiled[2, 0] = NAN, INF
    yield from loss(
        "nan", "NaN or infinity in one row's logits spoils no other row.", f"{clause} NUM-4",
        module, {"reduction": "none"}, spoiled, integers([0, 1, 2]), np.ones(3)
    )
    for name, shape, target in (
        ("batch", (2, 3), integers([0, 1, 2])),
        ("out-of-bounds", (2, 3), integers([0, 3])),
        ("negative", (2, 3), integers([0, -1])),
        ("column", (2, 3), integers([[0], [1]])),
        ("1d-with-two", (3,), integers([0, 1])),
        ("3d-without-time", (2, 3, 4), integers([0, 1])),
        ("3d-time", (2, 3, 4), integers(np.zeros((2, 5)))),
        ("4d-dimensions", (2, 3, 4, 5), integers(np.zeros((2, 4)))),
        ("4d-size", (2, 3, 4, 5), integers(np.zeros((2, 4, 6)))),
        ("floats", (2, 3), np.zeros(2)),
    ):
        yield from refused(f"{module}/{name}", clause, module, {}, np.zeros(shape), target)


@golden("loss/repr.json", "print(loss).")
def representations():
    for module, clause in (
        ("MSELoss", "LOSS-1"),
        ("L1Loss", "LOSS-2"),
        ("CrossEntropyLoss", "LOSS-3"),
        ("NLLLoss", "LOSS-3"),
        ("BCEWithLogitsLoss", "LOSS-4"),
    ):
        yield once(
            f"loss/{module}/repr", "The reduction is not printed.", f"{clause} PRINT-6",
            "repr", module=module, args={"reduction": "sum"}
        )
