"""Chapter loss: weights, smoothing, class probabilities, and dtypes and shapes that are rare."""

import numpy as np

from .case import INF, NAN, Numbers, golden, integers, of_dtype, once
from .losses import REDUCTIONS, asked

CROSS, NLL, BINARY = "CrossEntropyLoss", "NLLLoss", "BCEWithLogitsLoss"


def refused(module, name, clause, args, **inputs):
    """A loss that PyTorch refuses."""
    yield once(
        f"loss/{module}/{name}/float32", "Refused, in these words.", f"{clause} ERROR-2",
        "loss", "float32", module=module, args=args, inputs=inputs
    )


def positions(shape, target, reduction):
    """The shape of what a class loss gives."""
    if reduction != "none":
        return ()
    return () if len(shape) == 1 else target.shape


SHAPES = [
    ("1d", (4,), integers(2)),
    ("2d", (3, 4), integers([0, 3, 1])),
    ("2d-some-ignored", (3, 4), integers([-100, 3, -100])),
    ("3d", (2, 3, 4), integers([[0, 1, 2, 0], [2, 2, 1, -100]])),
    ("4d", (1, 3, 2, 2), integers([[[0, 2], [1, -100]]])),
    ("5d", (1, 2, 1, 2, 2), integers([[[[0, 1], [1, -100]]]])),
]


def class_count(shape):
    """How many classes an input of this shape has."""
    return shape[0] if len(shape) == 1 else shape[1]


def weighted(module, place):
    """Weights for classes, with every shape and reduction."""
    for turn, (name, shape, target) in enumerate(SHAPES):
        for reduction in REDUCTIONS:
            numbers = Numbers(74000 + 1000 * place + turn)
            value = numbers.decimal(*shape, limit=3.0)
            weight = abs(numbers.decimal(class_count(shape), limit=2.0))
            grad = numbers.decimal(*positions(shape, target, reduction))
            yield from asked(
                module, f"weight-{name}-{reduction}",
                "Catches a mean that divides by the count instead of by the weights.", "LOSS-3",
                {"reduction": reduction}, {"input": value, "target": target, "weight": weight}, grad
            )


@golden("loss/NLLLoss.json", "The loss of classes without a softmax.")
def likelihoods():
    yield from weighted(NLL, 0)
    for turn, (name, shape, target) in enumerate(SHAPES):
        for reduction in REDUCTIONS:
            numbers = Numbers(74500 + turn)
            value = numbers.decimal(*shape, limit=3.0)
            grad = numbers.decimal(*positions(shape, target, reduction))
            yield from asked(
                NLL, f"{name}-{reduction}", "Catches a softmax where none is due.", "LOSS-3",
                {"reduction": reduction}, {"input": value, "target": target}, grad
            )
    for reduction in REDUCTIONS:
        yield from asked(
            NLL, f"1d-one-class-target-1-{reduction}",
            "With one class a target of one element fits its row, backward, too.", "LOSS-3",
            {"reduction": reduction}, {"input": np.array([-0.5]), "target": integers([0])},
            np.array(2.0)
        )
    value = Numbers(74600).decimal(3, 4)
    yield from asked(
        NLL, "ignore-index", "The weight of an ignored class divides nothing.", "LOSS-3",
        {"ignore_index": 1},
        {"input": value, "target": integers([1, 0, 3]), "weight": np.array([1.0, 8.0, 1.0, 2.0])}
    )
    yield from refused(
        NLL, "own-shape", "LOSS-3", {}, input=np.zeros((2, 3)), target=np.zeros((2, 3))
    )
    yield from refused(
        NLL, "out-of-bounds", "LOSS-3", {}, input=np.zeros((2, 3)), target=integers([0, 3])
    )


@golden("loss/weights.json", "Weights for classes, and label smoothing.")
def smoothed():
    yield from weighted(CROSS, 1)
    for turn, (name, shape, target) in enumerate(SHAPES):
        for reduction in REDUCTIONS:
            for more in ("", "-weight"):
                numbers = Numbers(75500 + turn)
                value = numbers.decimal(*shape, limit=3.0)
                weight = abs(numbers.decimal(class_count(shape), limit=2.0))
                grad = numbers.decimal(*positions(shape, target, reduction))
                yield from asked(
                    CROSS, f"smooth{more}-{name}-{reduction}",
                    "Catches a share that ignored positions get, too, or a mean over all.",
                    "LOSS-5", {"reduction": reduction, "label_smoothing": 0.125},
                    {"input": value, "target": target, **({"weight": weight} if more else {})}, grad
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
        inputs = {"input": given, "target": target}
        if by is not None:
            inputs["weight"] = by
        yield from asked(CROSS, name, reason, "LOSS-3 LOSS-5", args, inputs)
    yield from class_refusals()


def class_refusals():
    """Weights, smoothing and targets that do not fit."""
    two, at = np.zeros((2, 3)), integers([0, 1])
    ones = np.ones(3)
    cases = [
        ("weight-size", {}, {"input": two, "target": at, "weight": np.ones(2)}),
        ("weight-rank", {}, {"input": two, "target": at, "weight": np.ones((1, 3))}),
        (
            "weight-size-3d", {},
            {
                "input": np.zeros((2, 3, 1)), "target": integers(np.zeros((2, 1))),
                "weight": np.ones(2)
            }
        ),
        ("weight-dtype", {}, {"input": two, "target": at, "weight": of_dtype(ones)}),
        ("smooth-weight-size", {"label_smoothing": 0.5}, {"input": two, "target": at, "weight": ones[:2]}),
        ("smooth-above-1", {"label_smoothing": 1.5}, {"input": two, "target": at}),
        ("smooth-batch", {"label_smoothing": 0.5}, {"input": two, "target": integers([0])}),
        ("smooth-1d-target", {"label_smoothing": 0.5}, {"input": ones, "target": integers([0])}),
        ("1d-target-1", {}, {"input": ones, "target": integers([2])}),
        ("own-shape", {}, {"input": two, "target": integers(np.zeros((2, 3)))}),
        ("own-shape-1d", {}, {"input": ones[:1], "target": integers([0])}),
        ("0d", {}, {"input": np.array(1.0), "target": integers(0)}),
        ("0d-1d-target", {}, {"input": np.array(1.0), "target": integers([0])}),
        ("batch-floats", {}, {"input": two, "target": np.zeros(3)}),
    ]
    for name, args, inputs in cases:
        yield from refused(CROSS, name, "LOSS-3", args, **inputs)


@golden("loss/probabilities.json", "A probability for each class.")
def probabilities():
    """CrossEntropyLoss with a probability for each class."""
    shapes = [("1d", (4,)), ("2d", (3, 4)), ("3d", (2, 3, 4)), ("4d", (1, 3, 2, 2))]
    for turn, (name, shape) in enumerate(shapes):
        for reduction in REDUCTIONS:
            for more in ("", "-weight", "-smooth"):
                numbers = Numbers(76000 + turn)
                value = numbers.decimal(*shape, limit=3.0)
                target = abs(numbers.decimal(*shape))
                weight = abs(numbers.decimal(class_count(shape), limit=2.0))
                out = () if reduction != "none" else (*shape[:1], *shape[2:])
                grad = numbers.decimal(*(() if len(shape) == 1 else out))
                inputs = {"input": value, "target": target}
                if more:
                    inputs["weight"] = weight
                yield from asked(
                    CROSS, f"probabilities{more}-{name}-{reduction}",
                    "Catches a mean that divides by the weights: here it is the positions.",
                    "LOSS-5",
                    {"reduction": reduction, **({"label_smoothing": 0.25} if more == "-smooth" else {})},
                    inputs, grad, ["input", "target"]
                )
    spoiled = np.array([[1.0, -INF, 2.0], [0.5, 1.0, 0.0]])
    target = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, -1.0]])
    yield from asked(
        CROSS, "probabilities-infinite",
        "Nothing of an infinite loss is NaN, not 0; what is no probability is not refused.",
        "LOSS-5 NUM-4", {"reduction": "none"}, {"input": spoiled, "target": target}, np.ones(2)
    )
    for name, shape in (("0-rows", (0, 3)), ("0-classes", (2, 0)), ("0-places", (2, 3, 0))):
        for reduction in REDUCTIONS:
            out = () if reduction != "none" else (*shape[:1], *shape[2:])
            yield from asked(
                CROSS, f"probabilities-{name}-{reduction}",
                "The mean of nothing is NaN, the sum 0.", "LOSS-5", {"reduction": reduction},
                {"input": np.zeros(shape), "target": np.zeros(shape)}, np.ones(out)
            )
    two = np.zeros((2, 3))
    for name, args, inputs in (
        ("ignored", {"ignore_index": 0}, {"input": two, "target": two}),
        ("weight-size", {}, {"input": two, "target": two, "weight": np.ones(2)}),
        ("smooth-above-1", {"label_smoothing": 2.5}, {"input": two, "target": two}),
        ("0d", {}, {"input": np.array(1.0), "target": np.array(1.0)}),
    ):
        yield from refused(CROSS, f"probabilities-{name}", "LOSS-5", args, **inputs)


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
                yield from asked(
                    module, f"empty-{name}-{reduction}",
                    "A target that nested lists cannot say: the mean is NaN, the sum 0.",
                    "LOSS-3", {"reduction": reduction},
                    {"input": np.zeros(shape), "target": integers(np.zeros(target))},
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
                yield from asked(
                    BINARY, f"{kind.replace('_', '-')}-{name}-{reduction}",
                    "Catches a mean that divides by the weights, or a weight of the no as well.",
                    "LOSS-4", {"reduction": reduction},
                    {
                        "input": value, "target": target,
                        kind: abs(numbers.decimal(*shape, limit=4.0))
                    },
                    grad, ["input", "target"]
                )
    numbers = Numbers(77100)
    far = np.array([-200.0, -30.0, 0.0, 30.0, 200.0, INF, -INF])
    for name, target in (("ones", np.ones(7)), ("zeros", np.zeros(7)), ("halves", np.ones(7) / 2)):
        yield from asked(
            BINARY, f"weights-far-{name}", "Catches exp overflowing, and log(0), far from 0.",
            "LOSS-4", {"reduction": "none"},
            {"input": far, "target": target, "weight": np.array(0.5), "pos_weight": np.array(3.0)},
            np.ones(7), ["input", "target"]
        )
    yield from asked(
        BINARY, "weights-full-precision", "Numbers that use every bit of a float32.",
        "LOSS-4 NUM-2", {},
        {
            "input": numbers.full(4, 3, limit=4.0), "target": abs(numbers.full(4, 3)),
            "weight": abs(numbers.full(4, 1)), "pos_weight": abs(numbers.full(3, limit=4.0))
        },
        None, ["input", "target"]
    )
    fits = {"input": np.zeros((2, 3)), "target": np.zeros((2, 3))}
    for name, more in (
        ("weight-size", {"weight": np.ones(2)}),
        ("weight-rank", {"weight": np.ones((1, 2, 3))}),
        ("pos-weight-size", {"pos_weight": np.ones(2)}),
        ("pos-weight-rank", {"pos_weight": np.ones((2, 2, 3))}),
    ):
        yield from refused(BINARY, name, "LOSS-4", {}, **fits, **more)
    yield from refused(
        BINARY, "weight-0d", "LOSS-4", {}, input=np.array(0.0), target=np.array(1.0),
        weight=np.ones(1)
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
