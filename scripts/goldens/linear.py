"""Chapter linear: y = x W^T + b."""

import numpy as np

from .case import EXTREMES, INF, NAN, Numbers, golden, linear_weights, run, spoiled


SIZES = {"in_features": 4, "out_features": 3}


def forward(name, reason, clauses, args, value, state):
    yield from run(f"linear/{name}", reason, clauses, "Linear", args, {"input": value}, state)


@golden("linear/forward.json", "Linear.")
def cases():
    """Shapes, sizes, biases and the edges of the number line."""
    shapes = [
        ("1d", (), "A vector gives a vector."),
        ("2d", (3,), "Rows of a matrix."),
        ("3d", (2, 3), "Two leading dimensions, as a recurrent layer's output has."),
        ("4d", (2, 1, 3), "Three leading dimensions."),
        ("5d", (1, 2, 1, 2), "Four leading dimensions."),
        ("empty-batch", (0,), "No rows give no rows."),
        ("empty-3d", (2, 0), "An empty dimension among others."),
    ]
    for place, (name, leading, reason) in enumerate(shapes):
        for bias in (True, False):
            numbers = Numbers(5000 + 2 * place + bias)
            args = SIZES if bias else {**SIZES, "bias": False}
            clauses = "LINEAR-1 LINEAR-2" if bias else "LINEAR-3 LINEAR-2"
            full = name if bias else f"{name}-no-bias"
            text = reason if bias else f"{reason[:-1]}; no bias."
            value = numbers.decimal(*leading, 4)
            yield from forward(full, text, clauses, args, value, linear_weights(numbers, args))
    sizes = [(1, 1), (1, 5), (5, 1), (2, 7), (7, 2), (16, 16), (33, 5), (3, 3)]
    for place, (width, out) in enumerate(sizes):
        numbers = Numbers(5100 + place)
        args = {"in_features": width, "out_features": out}
        yield from forward(
            f"{width}-to-{out}", f"{width} in, {out} out.", "LINEAR-1", args,
            numbers.decimal(3, width), linear_weights(numbers, args)
        )
        yield from forward(
            f"{width}-to-{out}-full-precision",
            f"{width} in, {out} out, numbers that use every bit of a float32.", "LINEAR-1 NUM-2",
            args, numbers.full(2, width), linear_weights(numbers, args, draw=numbers.full)
        )
    numbers = Numbers(5200)
    state = linear_weights(numbers, SIZES)
    value = numbers.decimal(3, 4)
    for name, word, extreme in EXTREMES:
        broken = spoiled(value, (1, 2), extreme)
        yield from forward(
            name, f"{word} in one row stays in it.", "LINEAR-1 NUM-4", SIZES, broken, state
        )
    ones = {"weight": np.ones((3, 4)), "bias": np.zeros(3)}
    zeros = {"weight": np.zeros((3, 4)), "bias": np.array([1.0, 2.0, -0.0])}
    poisoned = {**state, "weight": spoiled(state["weight"], (2, 1), NAN)}
    others = [
        ("inf-minus-inf", "Infinity and -Infinity add up to NaN.", "LINEAR-1 NUM-4",
         spoiled(value, np.s_[0, :2], (INF, -INF)), ones),
        ("inf-times-zero", "Infinity times a zero weight is NaN.", "LINEAR-1 NUM-4",
         spoiled(value, (2, 0), INF), zeros),
        ("zero-weight", "Zero weights leave the bias.", "LINEAR-1", value, zeros),
        ("nan-weight", "NaN in one weight spoils one feature.", "LINEAR-1 NUM-4", value, poisoned),
    ]
    for name, reason, clauses, given, weights in others:
        yield from forward(name, reason, clauses, SIZES, given, weights)
    one = {"in_features": 1, "out_features": 1, "bias": False}
    tiny = np.array([[2.0**-149], [-(2.0**-130)], [2.0**-127], [float(np.finfo(np.float32).max)]])
    for name, reason, weight in (
        ("denormal-and-huge", "Times one: the smallest and the largest pass unchanged.", 1.0),
        ("overflow", "Times two: float32 overflows, float64 does not.", 2.0),
    ):
        given = {"weight": np.full((1, 1), weight)}
        yield from forward(name, reason, "LINEAR-1 NUM-6", one, tiny, given)
