"""Cases, files of cases, and the numbers they are made of."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

DTYPES = ("float32", "float64")
INF, NAN = float("inf"), float("nan")
# How an id has them, how a sentence, and the numbers.
EXTREMES = [("nan", "NaN", NAN), ("inf", "Infinity", INF), ("minus-inf", "-Infinity", -INF)]


class Case(NamedTuple):
    """One request, why it is asked, and the clauses it bears on."""

    id: str
    reason: str
    clauses: list
    request: dict


class Drawn(NamedTuple):
    """
    A big tensor of a request: not its numbers, but what they are drawn from. Element k, row by row,
    is ((x >> 16) mod 2001 - 1000) / divisor, where x is the (k + 1)th state after `seed` of
    x -> (1664525 x + 1013904223) mod 2^32.
    """

    shape: tuple
    seed: int
    divisor: int


def drawn(count, seed, divisor):
    """The numbers of a drawn tensor."""
    x, found = seed, []
    for _ in range(count):
        x = (1664525 * x + 1013904223) & 0xFFFFFFFF
        found.append(((x >> 16) % 2001 - 1000) / divisor)
    return found


class GoldenFile(NamedTuple):
    """One file below golden/ and the function that yields its cases."""

    path: str
    about: str
    cases: Callable[[], Iterable[Case]]

    @property
    def chapter(self):
        """The directory's name, also the first part of every id in the file."""
        return self.path.split("/")[0]


FILES = []


def golden(path, about):
    """Decorates the function that yields the cases of a file."""

    def add(cases):
        FILES.append(GoldenFile(path, about, cases))
        return cases

    return add


def cast(value, dtype):
    """`value`, every numpy number inside it rounded to `dtype`, whose range must hold it."""
    if isinstance(value, (np.ndarray, np.floating)):
        if value.dtype in (np.int64, np.bool_):  # indices, lengths and masks
            return value
        with np.errstate(over="ignore"):
            narrowed = value.astype(dtype)
        assert np.array_equal(np.isfinite(narrowed), np.isfinite(value)), value
        return narrowed
    if isinstance(value, dict):
        return {k: cast(v, dtype) for k, v in value.items()}
    if isinstance(value, list):
        return [cast(v, dtype) for v in value]
    return value


def tensors(value):
    """`value` with numpy's single numbers as arrays of no dimension."""
    if isinstance(value, list):
        return [tensors(v) for v in value]
    return np.asarray(value) if isinstance(value, np.floating) else value


def request(op, dtype=None, module=None, args=None, **rest):
    """A request with its keys in the order every golden uses."""
    fields = {"op": op}
    if module is not None:
        fields["module"] = module
    if args is not None:
        fields["args"] = args
    if dtype is not None:
        fields["dtype"] = dtype
    for key, value in rest.items():
        if value is not None:
            if key == "inputs":
                value = {name: tensors(one) for name, one in value.items()}
            fields[key] = value if dtype is None else cast(value, dtype)
    return fields


def once(id, reason, clauses, op, dtype=None, **fields):
    """A case; the clauses stand in one text, each counts once."""
    return Case(id, reason, list(dict.fromkeys(clauses.split())), request(op, dtype, **fields))


def both(id, reason, clauses, op, dtypes=DTYPES, **fields):
    """The same case in float32 and in float64: the same decimals, rounded to each."""
    for dtype in dtypes:
        yield once(f"{id}/{dtype}", reason, clauses, op, dtype, **fields)


def run(
    id, reason, clauses, module, args, inputs, state=None, grads=None, dtypes=DTYPES, training=False
):
    """A pass of a module, forward, or backward from the gradients of its outputs."""
    yield from both(
        id, reason, clauses, "vjp" if grads else "forward", dtypes, module=module, args=args,
        training=training, state_dict=state, inputs=inputs, grad_outputs=grads
    )


def call_of(chapter, more="", dtypes=DTYPES):
    """What makes a chapter's cases of one call of a function, on which these clauses bear, too."""

    def call(function, name, reason, clauses, args=None, **inputs):
        yield from both(
            f"{chapter}/{function}/{name}", reason, f"{more} {clauses}", "call", dtypes,
            function=function, args=args or {}, inputs=inputs or None
        )

    return call


def named(name, /, **args):
    """A class or function of PyTorch's, with its arguments, inside a request."""
    return {"name": name, "args": args}


def spoiled(values, place, number):
    """A copy of an array with another number, or numbers, in one place."""
    values = values.copy()
    values[place] = number
    return values


def magnitudes(arrays):
    """Arrays by name without their signs: what relu leaves nothing of, or what cancels."""
    return {name: abs(values) for name, values in arrays.items()}


def integers(values):
    return np.array(values, dtype=np.int64)


def bools(values):
    return np.array(values, dtype=np.bool_)


def of_dtype(values, dtype="float64"):
    """A tensor of one dtype, whatever the request's: by default a float64 one in a float32 request."""
    values = np.asarray(values)
    data = [float(value) for value in values.reshape(-1)]
    return {"shape": list(values.shape), "data": data, "dtype": dtype}


def spelled(names, rows):
    """For each row of values what an id has of it, and the arguments by these names."""
    for row in rows:
        args = dict(zip(names.split(), row, strict=True))
        yield "-".join(f"{name.rstrip('01')}{value}" for name, value in args.items()), args


class Numbers:
    """
    A small generator of its own (64-bit linear congruential, Knuth's constants), so that the inputs
    of a golden depend on no library's stream.
    """

    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 1) % 2**64
        for _ in range(4):
            self._bits(1)

    def _bits(self, count):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return self.state >> (64 - count)

    def dyadic(self, *shape, denominator=64, limit=1.0):
        """Multiples of 1/denominator in [-limit, limit], a power of two: exact in both dtypes."""
        top = int(limit * denominator)
        count = int(np.prod(shape))
        values = [(self._bits(32) % (2 * top + 1) - top) / denominator for _ in range(count)]
        return np.array(values, dtype=np.float64).reshape(shape)

    def decimal(self, *shape, limit=1.0):
        """
        Multiples of 1/1000 in [-limit, limit]: short to write, and but for a few no dtype holds them
        exactly, so that arithmetic of fewer bits than the dtype's shows at the first product.
        """
        top = int(limit * 1000)
        count = int(np.prod(shape))
        values = [(self._bits(32) % (2 * top + 1) - top) / 1000 for _ in range(count)]
        return np.array(values, dtype=np.float64).reshape(shape)

    def full(self, *shape, limit=1.0):
        """Numbers within [-limit, limit) that use all 24 bits of a float32."""
        count = int(np.prod(shape))
        values = [(self._bits(24) - 2**23) / 2**23 * limit for _ in range(count)]
        return np.array(values, dtype=np.float32).astype(np.float64).reshape(shape)


GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def rnn_weights(numbers, args, module="RNN", scale=1.0, draw=None):
    """A recurrent module's state_dict, in PyTorch's order: short decimals, or what `draw` gives."""
    draw = draw or (lambda *shape: numbers.decimal(*shape, limit=0.5))
    rows = GATES[module] * args["hidden_size"]
    directions = 2 if args.get("bidirectional") else 1
    out = args.get("proj_size") or args["hidden_size"]
    state = {}
    for layer in range(args.get("num_layers", 1)):
        width = args["input_size"] if layer == 0 else out * directions
        for suffix in ("", "_reverse")[:directions]:
            end = f"_l{layer}{suffix}"
            state["weight_ih" + end] = draw(rows, width) * scale
            state["weight_hh" + end] = draw(rows, out) * scale
            if args.get("bias", True):
                state["bias_ih" + end] = draw(rows) * scale
                state["bias_hh" + end] = draw(rows) * scale
            if args.get("proj_size"):
                state["weight_hr" + end] = draw(out, args["hidden_size"]) * scale
    return state


def cell_weights(numbers, module, args, **how):
    """A cell's state_dict: that of its sequence module's only layer, by the cell's names."""
    state = rnn_weights(numbers, args, module.removesuffix("Cell"), **how)
    return {name.removesuffix("_l0"): weight for name, weight in state.items()}


def linear_weights(numbers, args, draw=None):
    draw = draw or (lambda *shape: numbers.decimal(*shape, limit=0.5))
    state = {"weight": draw(args["out_features"], args["in_features"])}
    if args.get("bias", True):
        state["bias"] = draw(args["out_features"])
    return state


def headed_weights(numbers, args, head, module="RNN", draw=None):
    """A state_dict for a recurrent module, rnn, with a Linear, fc, on what it puts out."""
    state = {f"rnn.{k}": v for k, v in rnn_weights(numbers, args, module, draw=draw).items()}
    return state | {f"fc.{k}": v for k, v in linear_weights(numbers, head, draw=draw).items()}


def simple_weights(numbers, args, draw=None):
    """A state_dict for the notebook's SimpleRNN."""
    head = {"in_features": args["hidden_size"], "out_features": 1}
    return headed_weights(numbers, args, head, draw=draw)
