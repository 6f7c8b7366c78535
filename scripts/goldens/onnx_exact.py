"""
What ONNX's operators RNN, LSTM and GRU compute: their equations in decimal arithmetic with forty
digits, rounded once, so that the numbers are the same on every processor.

Written from the operators' text (onnx 1.23.2), apart from lib/onnx/, which must come to the same.
"""

from decimal import Decimal, localcontext

import numpy as np

from .exact import DIGITS, decimals, each, relu, sigmoid, tanh

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}

# Each activation as a function of x, alpha, beta; then the defaults of alpha and beta where it has
# such numbers. Attributes are float32, and so are their defaults.
ACTIVATIONS = {
    "Relu": (lambda x, a, b: relu(x),),
    "Tanh": (lambda x, a, b: tanh(x),),
    "Sigmoid": (lambda x, a, b: sigmoid(x),),
    "Affine": (lambda x, a, b: a * x + b, None, None),
    "LeakyRelu": (lambda x, a, b: x if x >= 0 else a * x, 0.01),
    "ThresholdedRelu": (lambda x, a, b: x if x >= a else Decimal(0), 1.0),
    "ScaledTanh": (lambda x, a, b: a * tanh(b * x), None, None),
    "HardSigmoid": (lambda x, a, b: min(max(a * x + b, Decimal(0)), Decimal(1)), 0.2, 0.5),
    "Elu": (lambda x, a, b: x if x >= 0 else a * (x.exp() - 1), 1.0),
    "Softsign": (lambda x, a, b: x / (1 + abs(x)),),
    "Softplus": (lambda x, a, b: (1 + x.exp()).ln(),),
}


def single(x):
    """A number as an attribute holds it: float32."""
    return Decimal(float(np.float32(x)))


def activations(kind, attributes, directions, clip_h=True):
    """For each direction, its activations as functions of an array; each takes its numbers in turn."""
    names = attributes.get("activations", DEFAULTS[kind] * directions)
    numbers = [iter(attributes.get(f"activation_{word}", [])) for word in ("alpha", "beta")]
    limit = attributes.get("clip")
    found = []
    for turn, name in enumerate(names):
        function, *defaults = ACTIVATIONS[name]
        a, b = (
            single(next(given, default)) if default is not None or place < len(defaults) else None
            for place, (given, default) in enumerate(
                zip(numbers, (*defaults, None, None), strict=False)
            )
        )

        clipped = limit is not None and (clip_h or turn % 3 != 2)

        def apply(x, function=function, a=a, b=b, clipped=clipped):
            if clipped:
                x = min(max(x, -single(limit)), single(limit))
            return function(x, a, b)

        found.append(lambda values, apply=apply: each(apply, values))
    size = len(DEFAULTS[kind])
    return [found[d * size :][:size] for d in range(directions)]


def step(kind, attributes, functions, weights, x, h, c):
    """The states after one step of one sequence in one direction."""
    w, r, wb, rb, p = weights
    size = len(h)
    parts = [slice(k * size, (k + 1) * size) for k in range(GATES[kind])]
    ours, theirs = w @ x + wb, r @ h + rb
    if kind == "RNN":
        return functions[0](ours + theirs), c
    if kind == "GRU":
        f, g = functions
        z, reset = (f(ours[part] + theirs[part]) for part in parts[:2])
        last = parts[2]
        if attributes.get("linear_before_reset"):
            state = reset * theirs[last]
        else:
            state = r[last] @ (reset * h) + rb[last]
        return (1 - z) * g(ours[last] + state) + z * h, c
    f, g, out = functions
    i, o, forget, cell = (ours[part] + theirs[part] for part in parts)
    i = f(i + p[parts[0]] * c)
    forget = 1 - i if attributes.get("input_forget") else f(forget + p[parts[2]] * c)
    c = forget * c + i * g(cell)
    return f(o + p[parts[1]] * c) * out(c), c


def zeros(*shape):
    """Decimals of nothing."""
    return np.full(shape, Decimal(0), dtype=object)


def arrays(request, dtype):
    """The request's inputs as numpy arrays."""
    found = {}
    for name, value in request["inputs"].items():
        if name == "sequence_lens":
            found[name] = np.array(value, np.int32)
        else:
            numbers = [float(x) for x in value["data"]]
            found[name] = np.array(numbers, request["dtype"]).astype(dtype).reshape(value["shape"])
    return found


def time_first(inputs):
    """Inputs that have the batch first, in the other layout."""
    turned = ("X", "initial_h", "initial_c")
    return {name: x.swapaxes(0, 1) if name in turned else x for name, x in inputs.items()}


def batch_first(outputs):
    """Outputs that have time first, in the other layout."""
    return {
        name: value.transpose(2, 0, 1, 3) if name == "Y" else value.swapaxes(0, 1)
        for name, value in outputs.items()
    }


def evaluate(kind, attributes, inputs, clip_h=True):
    """
    The node's outputs Y, Y_h and, of an LSTM, Y_c, in decimals. Without `clip_h` it is ONNX Runtime's
    LSTM, which does not clip what h reads.
    """
    turned = attributes.get("layout", 0) == 1
    way = attributes.get("direction", "forward")
    directions = 2 if way == "bidirectional" else 1
    given = {name: decimals(x) for name, x in inputs.items() if name != "sequence_lens"}
    if turned:
        given = time_first(given)
    x, w, r = given["X"], given["W"], given["R"]
    length, batch, size = x.shape[0], x.shape[1], r.shape[2]
    lens = inputs.get("sequence_lens", [length] * batch)
    biases = given.get("B", zeros(directions, 2 * w.shape[1]))
    peepholes = given.get("P", zeros(directions, 3 * size))
    h, c = (
        given.get(name, zeros(directions, batch, size)).copy() for name in ("initial_h", "initial_c")
    )
    y = zeros(length, directions, batch, size)
    for d, functions in enumerate(activations(kind, attributes, directions, clip_h)):
        wb, rb = np.split(biases[d], 2)
        for n in range(batch):
            times = range(lens[n])
            for t in reversed(times) if d == 1 or way == "reverse" else times:
                h[d, n], c[d, n] = step(
                    kind, attributes, functions, (w[d], r[d], wb, rb, peepholes[d]), x[t, n], h[d, n],
                    c[d, n]
                )
                y[t, d, n] = h[d, n]
    outputs = {"Y": y, "Y_h": h, **({"Y_c": c} if kind == "LSTM" else {})}
    return batch_first(outputs) if turned else outputs


def node(request):
    """The outputs, rounded to the request's dtype: the body of op node."""
    dtype = np.dtype(request["dtype"])
    with localcontext(prec=DIGITS):
        found = evaluate(request["module"], request["args"], arrays(request, np.float64))
    return {
        "outputs": {
            name: np.ascontiguousarray(value).astype(np.float64).astype(dtype)
            for name, value in found.items()
        }
    }
