"""Chapter loss: weights, smoothing, class probabilities, and dtypes and shapes that are rare."""

import numpy as np

from .case import INF, NAN, Numbers, golden, integers, of_dtype, once
from .losses import BINARY, CROSS, NLL, REDUCTIONS, every, loss, refused


def weighted(module, seed):
    """Weights for classes, with every shape and reduction."""
    yield from every(
        module, "Catches a mean that divides by the count instead of by the weights.", "LOSS-3",
        seed, ("weight-", {}, True)
    )


@golden("loss/NLLLoss.json", "The loss of classes without a softmax.")
def likelihoods():
    yield from weighted(NLL, 74000)
    yield from every(NLL, "Catches a softmax where none is due.", "LOSS-3", 74500, ("", {}, False))
    for reduction in REDUCTIONS:
        yield from loss(
            NLL, f"1d-one-class-target-1-{reduction}",
            "With one class a target of one element fits its row, backward, too.", "LOSS-3",
            {"reduction": reduction}, np.array([-0.5]), integers([0]), np.array(2.0)
        )
    value = Numbers(74600).decimal(3, 4)
    yield from loss(
        NLL, "ignore-index", "The weight of an ignored class divides nothing.", "LOSS-3",
        {"ignore_index": 1}, value, integers([1, 0, 3]), weight=np.array([1.0, 8.0, 1.0, 2.0])
    )
    two = np.zeros((2, 3))
    yield from refused(NLL, "own-shape", "LOSS-3", {}, two, two)
    yield from refused(NLL, "out-of-bounds", "LOSS-3", {}, two, integers([0, 3]))


@golden("loss/weights.json", "Weights for classes, and label smoothing.")
def smoothed():
    yield from weighted(CROSS, 75000)
    smooth = {"label_smoothing": 0.125}
    yield from every(
        CROSS, "Catches a share that ignored positions get, too, or a mean over all.", "LOSS-5",
        75500, ("smooth-", smooth, False), ("smooth-weight-", smooth, True)
    )
    value = Numbers(75600).decimal(3, 4, limit=3.0)
    weight = np.array([1.0, 0.0, 0.5, 2.0])
    spoiled = value.copy()
    spoiled[1, 2], spoiled[2, 0] = NAN, -INF
    others = [
        ("smooth-all", {"label_smoothing": 1.0}, value, integers([0, 3, 1]), None, "No target."),
        ("smooth-0", {"label_smoothing": 0.0}, value, integers([0, 3, 1]), None, "Nothing shared."),
        ("smooth-negative", {"label_smoothing": -0.5}, value, integers([0, 3, 1]), None,
         "As if 0."),
        ("smooth-ignore-index", {"label_smoothing": 0.25, "ignore_index": 3}, value,
         integers([0, 3, 1]), weight, "An ignored class takes part in the shares of the others."),
        ("smooth-all-ignored", {"label_smoothing": 0.25}, value, integers([-100, -100, -100]),
         None, "The mean of nothing is NaN, its gradient 0."),
        ("smooth-nan", {"label_smoothing": 0.25, "reduction": "sum"}, spoiled,
         integers([0, -100, 2]), None,
         "An ignored row of NaN does not spoil the loss; its own gradient it does."),
        ("weight-0", {}, value, integers([1, 1, 1]), weight, "Weights that sum to 0: NaN."),
        ("weight-infinite", {}, value, integers([0, 3, 2]), np.array([1.0, 1.0, 1.0, INF]),
         "An infinite weight: NaN."),
        ("weight-full-precision", {"label_smoothing": 0.1}, Numbers(75700).full(4, 5, limit=4.0),
         integers([0, 4, 2, 1]), abs(Numbers(75701).full(5)),
         "Numbers that use every bit of a float32."),
    ]
    for name, args, given, target, by, reason in others:
        more = {} if by is None else {"weight": by}
        yield from loss(CROSS, name, reason, "LOSS-3 LOSS-5", args, given, target, **more)
    yield from class_refusals()


def class_refusals():
    """Weights, smoothing and targets that do not fit."""
    two, at, none = np.zeros((2, 3)), integers([0, 1]), integers([0])
    ones, smooth = np.ones(3), {"label_smoothing": 0.5}
    cases = [
        ("weight-size", {}, two, at, np.ones(2)),
        ("weight-rank", {}, two, at, np.ones((1, 3))),
        ("weight-size-3d", {}, np.zeros((2, 3, 1)), integers(np.zeros((2, 1))), np.ones(2)),
        ("weight-dtype", {}, two, at, of_dtype(ones)),
        ("smooth-weight-size", smooth, two, at, ones[:2]),
        ("smooth-above-1", {"label_smoothing": 1.5}, two, at),
        ("smooth-batch", smooth, two, none),
        ("smooth-1d-target", smooth, ones, none),
        ("1d-target-1", {}, ones, integers([2])),
        ("own-shape", {}, two, integers(np.zeros((2, 3)))),
        ("own-shape-1d", {}, ones[:1], none),
        ("0d", {}, np.array(1.0), integers(0)),
        ("0d-1d-target", {}, np.array(1.0), none),
        ("batch-floats", {}, two, np.zeros(3)),
    ]
    for name, args, value, target, *by in cases:
        more = {"weight": by[0]} if by else {}
        yield from refused(CROSS, name, "LOSS-3", args, value, target, **more)


@golden("loss/probabilities.json", "A probability for each class.")
def probabilities():
    """CrossEntropyLoss with a probability for each class."""
    shapes = [("1d", (4,)), ("2d", (3, 4)), ("3d", (2, 3, 4)), ("4d", (1, 3, 2, 2))]
    yield from every(
        CROSS, "Catches a mean that divides by the weights: here it is the positions.", "LOSS-5",
        76000, ("probabilities-", {}, False), ("probabilities-weight-", {}, True),
        ("probabilities-smooth-", {"label_smoothing": 0.25}, True),
        shapes=[(*shape, None) for shape in shapes], wrt=["input", "target"]
    )
    spoiled = np.array([[1.0, -INF, 2.0], [0.5, 1.0, 0.0]])
    target = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, -1.0]])
    yield from loss(
        CROSS, "probabilities-infinite",
        "Nothing of an infinite loss is NaN, not 0; what is no probability is not refused.",
        "LOSS-5 NUM-4", {"reduction": "none"}, spoiled, target, np.ones(2)
    )
    for name, shape in (("0-rows", (0, 3)), ("0-classes", (2, 0)), ("0-places", (2, 3, 0))):
        for reduction in REDUCTIONS:
            out = () if reduction != "none" else (*shape[:1], *shape[2:])
            yield from loss(
                CROSS, f"probabilities-{name}-{reduction}",
                "The mean of nothing is NaN, the sum 0.", "LOSS-5", {"reduction": reduction},
                np.zeros(shape), np.zeros(shape), np.ones(out)
            )
    two = np.zeros((2, 3))
    for name, args, value, more in (
        ("ignored", {"ignore_index": 0}, two, {}),
        ("weight-size", {}, two, {"weight": np.ones(2)}),
        ("smooth-above-1", {"label_smoothing": 2.5}, two, {}),
        ("0d", {}, np.array(1.0), {}),
    ):
        yield from refused(CROSS, f"probabilities-{name}", "LOSS-5", args, value, value, **more)


@golden("loss/empty.json", "Classes for nothing.")
def empties():
    """Targets of classes without an element."""
    for name, shape, target in (
        ("rows", (0, 3), (0,)),
        ("rows-3d", (0, 3, 2), (0, 2)),
        ("places-3d", (2, 3, 0), (2, 0)),
        ("rows-4d", (0, 3, 2, 2), (0, 2, 2)),
    ):
        for reduction in REDUCTIONS:
            for module in (CROSS, NLL):
                yield from loss(
                    module, f"empty-{name}-{reduction}",
                    "A target that nested lists cannot say: the mean is NaN, the sum 0.", "LOSS-3",
                    {"reduction": reduction}, np.zeros(shape), integers(np.zeros(target)),
                    np.ones(target if reduction == "none" else ())
                )


@golden("loss/yes_no_weights.json", "Weights for the loss of yes and no.")
def binary():
    """BCEWithLogitsLoss with weights for elements and for the wanted yes."""
    shapes = [("same", (2, 3)), ("row", (3,)), ("column", (2, 1)), ("one", ()), ("one-1d", (1,))]
    for turn, (name, shape) in enumerate(shapes):
        for kind in ("weight", "pos_weight"):
            for reduction in REDUCTIONS:
                numbers = Numbers(77000 + turn)
                value = numbers.decimal(2, 3, limit=3.0)
                target = abs(numbers.decimal(2, 3))
                grad = numbers.decimal(*((2, 3) if reduction == "none" else ()))
                yield from loss(
                    BINARY, f"{kind.replace('_', '-')}-{name}-{reduction}",
                    "Catches a mean that divides by the weights, or a weight of the no as well.",
                    "LOSS-4", {"reduction": reduction}, value, target, grad, ["input", "target"],
                    **{kind: abs(numbers.decimal(*shape, limit=4.0))}
                )
    numbers = Numbers(77100)
    far = np.array([-200.0, -30.0, 0.0, 30.0, 200.0, INF, -INF])
    for name, target in (("ones", np.ones(7)), ("zeros", np.zeros(7)), ("halves", np.ones(7) / 2)):
        yield from loss(
            BINARY, f"weights-far-{name}", "Catches exp overflowing, and log(0), far from 0.",
            "LOSS-4", {"reduction": "none"}, far, target, np.ones(7), ["input", "target"],
            weight=np.array(0.5), pos_weight=np.array(3.0)
        )
    yield from loss(
        BINARY, "weights-full-precision", "Numbers that use every bit of a float32.",
        "LOSS-4 NUM-2", {},
        numbers.full(4, 3, limit=4.0), abs(numbers.full(4, 3)), None, ["input", "target"],
        weight=abs(numbers.full(4, 1)), pos_weight=abs(numbers.full(3, limit=4.0))
    )
    fits = np.zeros((2, 3)), np.zeros((2, 3))
    for name, more in (
        ("weight-size", {"weight": np.ones(2)}),
        ("weight-rank", {"weight": np.ones((1, 2, 3))}),
        ("pos-weight-size", {"pos_weight": np.ones(2)}),
        ("pos-weight-rank", {"pos_weight": np.ones((2, 2, 3))}),
    ):
        yield from refused(BINARY, name, "LOSS-4", {}, *fits, **more)
    yield from refused(
        BINARY, "weight-0d", "LOSS-4", {}, np.array(0.0), np.array(1.0), weight=np.ones(1)
    )


@golden("loss/dtypes.json", "Two dtypes in one loss.")
def dtypes():
    """Two dtypes in one loss: PyTorch does not refuse them."""
    numbers = Numbers(78000)
    value, other = numbers.decimal(2, 3, limit=2.0), abs(numbers.decimal(2, 3))
    for module, clause in (
        ("MSELoss", "LOSS-1"),
        ("L1Loss", "LOSS-2"),
        (BINARY, "LOSS-4"),
        (CROSS, "LOSS-5"),
    ):
        for name, inputs in (
            ("target-float64", {"input": value, "target": of_dtype(other)}),
            ("input-float64", {"input": of_dtype(value), "target": other}),
        ):
            yield once(
                f"loss/{module}/{name}/float32", "Each gradient has the dtype of its tensor.",
                clause, "loss", "float32", module=module, args={}, inputs=inputs,
                wrt=["input", "target"]
            )
