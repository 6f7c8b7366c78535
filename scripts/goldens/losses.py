"""Chapter loss: the losses and their gradients."""

from itertools import product

import numpy as np

from .case import INF, NAN, Numbers, both, golden, integers, once, spoiled

REDUCTIONS = ("none", "mean", "sum")
CROSS, NLL, BINARY = "CrossEntropyLoss", "NLLLoss", "BCEWithLogitsLoss"
SHAPES = [
    ("1d", (4,), integers(2)),
    ("2d", (3, 4), integers([0, 3, 1])),
    ("2d-some-ignored", (3, 4), integers([-100, 3, -100])),
    ("3d", (2, 3, 4), integers([[0, 1, 2, 0], [2, 2, 1, -100]])),
    ("4d", (1, 3, 2, 2), integers([[[0, 2], [1, -100]]])),
    ("5d", (1, 2, 1, 2, 2), integers([[[[0, 1], [1, -100]]]])),
]


def loss(module, name, reason, clauses, args, value, target, grad=None, wrt=None, **weights):
    """One loss in both dtypes; `grad` is the gradient of what follows, needed by `none`."""
    yield from both(
        f"loss/{module}/{name}", reason, clauses, "loss", module=module, args=args,
        inputs={"input": value, "target": target, **weights},
        grad_outputs=None if grad is None else {"output": grad}, wrt=wrt
    )


def refused(module, name, clause, args, value, target, **weights):
    """A loss that PyTorch refuses."""
    yield once(
        f"loss/{module}/{name}/float32", "Refused, in these words.", f"{clause} ERROR-2", "loss",
        "float32", module=module, args=args, inputs={"input": value, "target": target, **weights}
    )


def every(module, reason, clause, seed, *kinds, shapes=SHAPES, wrt=None):
    """
    Every shape and reduction of a loss of classes; a target that is None is one of probabilities.
    A kind is how its ids begin, its arguments, and whether it has weights.
    """
    for turn, (name, shape, target) in enumerate(shapes):
        for reduction, (word, args, has_weights) in product(REDUCTIONS, kinds):
            numbers = Numbers(seed + turn)
            value = numbers.decimal(*shape, limit=3.0)
            wanted = abs(numbers.decimal(*shape)) if target is None else target
            weights = {}
            if any(kind[2] for kind in kinds):  # drawn for all, so that the kinds are alike
                count = shape[0] if len(shape) == 1 else shape[1]
                weights["weight"] = abs(numbers.decimal(count, limit=2.0))
            places = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
            grad = numbers.decimal(*(places if reduction == "none" else ()))
            yield from loss(
                module, f"{word}{name}-{reduction}", reason, clause,
                {"reduction": reduction, **args}, value, wanted, grad, wrt,
                **(weights if has_weights else {})
            )


def regression(module, clause, targets, place):
    """A loss of two tensors of one shape; `targets` draws the second."""
    shapes = [("0d", ()), ("1d", (4,)), ("2d", (3, 2)), ("3d", (2, 3, 1)), ("one", (1, 1))]
    for turn, (name, shape) in enumerate(shapes):
        for reduction in REDUCTIONS:
            numbers = Numbers(70000 + 1000 * place + 10 * turn)
            value, target = numbers.decimal(*shape, limit=2.0), targets(numbers, shape)
            full = shape if reduction == "none" else ()
            yield from loss(
                module, f"{name}-{reduction}",
                "Catches a mean where a sum was due, or the reverse, and a gradient not scaled.",
                clause, {"reduction": reduction}, value, target, numbers.decimal(*full)
            )
    numbers = Numbers(70900 + 1000 * place)
    yield from loss(
        module, "full-precision", "Numbers that use every bit of a float32.", f"{clause} NUM-2", {},
        numbers.full(5, 2), abs(numbers.full(5, 2))
    )
    none = np.zeros((0, 2))
    yield from loss(module, "empty", "The mean of nothing is NaN.", clause, {}, none, none)
    broken = spoiled(numbers.decimal(3, 2), (1, 0), NAN)
    yield from loss(
        module, "nan", "NaN in one element spoils the mean, but no other element's gradient.",
        f"{clause} NUM-4", {}, broken, targets(numbers, (3, 2))
    )


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
        "L1Loss", "same", "Where the error is 0, so is the gradient.", "LOSS-2",
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
            module, f"broadcast-{name}",
            "Every element against every other: the loss is not the one that was meant.", clause,
            {}, numbers.decimal(*first), numbers.decimal(*second)
        )
    yield from unlike(module, clause, "max", ("1d", (3,), (2,)), ("2d", (2, 2), (3, 2)))


def unlike(module, clause, reduction, *shapes):
    """Shapes that do not go together, and no reduction."""
    for name, first, second in shapes:
        yield from refused(module, f"shapes-{name}", clause, {}, np.zeros(first), np.zeros(second))
    pair = np.zeros(2), np.zeros(2)
    yield from refused(module, "reduction", clause, {"reduction": reduction}, *pair)


@golden("loss/BCEWithLogitsLoss.json", "The loss of yes and no.")
def logits():
    """BCEWithLogitsLoss, also far out, where a naive formula overflows."""
    yield from regression(BINARY, "LOSS-4", lambda n, s: abs(n.decimal(*s)), 2)
    far = np.array([-200.0, -30.0, 0.0, 30.0, 200.0])
    for name, target in (("ones", np.ones(5)), ("zeros", np.zeros(5)), ("halves", np.ones(5) / 2)):
        yield from loss(
            BINARY, f"far-{name}", "Catches exp overflowing, and log(0), far from 0.", "LOSS-4",
            {"reduction": "none"}, far, target, np.ones(5)
        )
    yield from unlike(BINARY, "LOSS-4", "", ("2d", (3, 1), (3,)), ("1d", (3,), (2,)))


@golden("loss/CrossEntropyLoss.json", "The loss of classes and its gradient.")
def classes():
    yield from every(
        CROSS, "Catches classes taken from the wrong dimension, and a mean over what is ignored.",
        "LOSS-3", 73000, ("", {}, False),
        shapes=[*SHAPES, ("one-class", (3, 1), integers([0, 0, 0]))]
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
        yield from loss(CROSS, name, reason, "LOSS-3", args, given, target)
    broken = spoiled(spoiled(value, (1, 2), NAN), (2, 0), INF)
    yield from loss(
        CROSS, "nan", "NaN or infinity in one row's logits spoils no other row.", "LOSS-3 NUM-4",
        {"reduction": "none"}, broken, integers([0, 1, 2]), np.ones(3)
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
        yield from refused(CROSS, name, "LOSS-3", {}, np.zeros(shape), target)


@golden("loss/repr.json", "print(loss).")
def representations():
    for module, clause in (
        ("MSELoss", "LOSS-1"),
        ("L1Loss", "LOSS-2"),
        (CROSS, "LOSS-3"),
        (NLL, "LOSS-3"),
        (BINARY, "LOSS-4"),
    ):
        yield once(
            f"loss/{module}/repr", "The reduction is not printed.", f"{clause} PRINT-6",
            "repr", module=module, args={"reduction": "sum"}
        )
