"""
Numbers of a request that need more than a draw: sines, and the states that a recurrence reaches.

Decimal arithmetic with forty digits, so that a request is the same on every machine and holds no
number that PyTorch, numpy or a C library has computed. Results are rounded once, to float32.
"""

from decimal import Decimal, localcontext

import numpy as np

DIGITS = 40
PI = Decimal("3.141592653589793238462643383279502884197169399375")


def series(first, factor):
    """The sum of a power series from its first term; term k is the one before by factor(k)."""
    total, term, k = Decimal(0), first, 0
    while total + term != total:
        total, k = total + term, k + 1
        term = term * factor(k)
    return total


def sine(x):
    x = x - (x / (2 * PI)).to_integral_value() * 2 * PI
    return series(x, lambda k: -x * x / (2 * k * (2 * k + 1)))


def tanh(x):
    shrunk = (-2 * abs(x)).exp()
    return ((1 - shrunk) / (1 + shrunk)).copy_sign(x)


def sigmoid(x):
    return 1 / (1 + (-x).exp())


def relu(x):
    return max(x, Decimal(0))


def each(function, values):
    """`function` of every element, whatever the shape."""
    return np.vectorize(function, otypes=[object])(values)


def decimals(values):
    """Floats, exactly."""
    return each(lambda x: Decimal(float(x)), values)


def rounded(values):
    """Decimals rounded to float32, as float64 holds them."""
    return values.astype(np.float64).astype(np.float32).astype(np.float64)


def sines(angles):
    """The sine of each float64, rounded to float32."""
    with localcontext(prec=DIGITS):
        return rounded(each(lambda x: sine(Decimal(float(x))), angles))


def linear(weights, value):
    """A fully connected layer, rounded to float32."""
    with localcontext(prec=DIGITS):
        weight, bias = decimals(weights["weight"]), decimals(weights["bias"])
        return rounded(decimals(value) @ weight.T + bias)


def step(module, args, weights, x, states):
    """The states after one step of a cell, as decimals; `states` are those before, or nothing."""
    size = args["hidden_size"]
    zero = np.full((*x.shape[:-1], size), Decimal(0), dtype=object)
    h, *cell = states or [zero, zero]
    sides = [value @ decimals(weights[f"weight_{side}"]).T for side, value in (("ih", x), ("hh", h))]
    if args.get("bias", True):
        sides = [
            product + decimals(weights[f"bias_{side}"])
            for side, product in zip(("ih", "hh"), sides, strict=True)
        ]
    if module == "RNNCell":
        return [each(relu if args.get("nonlinearity") == "relu" else tanh, sides[0] + sides[1])]
    ours, theirs = ([side[..., k * size :][..., :size] for k in range(4)] for side in sides)
    if module == "LSTMCell":
        i, f, o = (each(sigmoid, ours[k] + theirs[k]) for k in (0, 1, 3))
        c = f * cell[0] + i * each(tanh, ours[2] + theirs[2])
        return [o * each(tanh, c), c]
    r, z = (each(sigmoid, ours[k] + theirs[k]) for k in (0, 1))
    n = each(tanh, ours[2] + r * theirs[2])
    return [(1 - z) * n + z * h]


def next_states(module, args, weights, x, states):
    """The states after one step of a cell, rounded to float32."""
    with localcontext(prec=DIGITS):
        before = [decimals(state) for state in states]
        return [rounded(s) for s in step(module, args, weights, decimals(x), before)]


def outputs(args, weights, x):
    """What an RNN of one layer, batch first, puts out from a state of zeros, rounded to float32."""
    with localcontext(prec=DIGITS):
        cell = {name.removesuffix("_l0"): weight for name, weight in weights.items()}
        found, states = [], []
        for t in range(x.shape[1]):
            states = step("RNNCell", args, cell, decimals(x[:, t]), states)
            found.append(states[0])
        return rounded(np.stack(found, 1))
