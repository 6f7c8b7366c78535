"""What every adapter for the rnn-spec conformance kit needs, in one file to copy. Needs NumPy.

An adapter puts a framework's recurrent layers to the goldens. With this file it is one function, which
runs one layer in one direction over a batch of sequences:

    from rnn_spec_adapter import run
    import framework

    def layer(kind, x, state, w):
        cell = framework.LSTM(w.ih.T, w.hh.T, w.bias)
        output, h, c = cell(x, *state)
        return output, h, c

    run(layer, name="framework", version=framework.__version__, kinds=["LSTM"])

    deno run -R -W --allow-run <address>/scripts/conform.ts -- python3 my_adapter.py

`kind` is "RNN", "LSTM" or "GRU"; `x` is (L, N, features), time first; `state` is [h] or [h, c], each
(N, H); `w` holds the weights in PyTorch's layout (see Weights). What is returned is the output,
(L, N, H), then the last h, and c. Numbers come and go as NumPy arrays of the request's dtype, or as
anything that numpy.asarray takes. What the framework cannot do is said with `raise Unsupported("why")`.

The function is given more where it has parameters of these names:

    reverse   whether this is the reverse direction. Without it, time is turned around before and after.
    lengths   how long each sequence is, as integers, or None. Without it, packed sequences are
              unsupported. What comes out past a sequence's end does not matter: zeros are put there.

`w.order("igfo")` has the same weights with the gates in the framework's own order. Frameworks that
compute in float64 say `run(…, dtypes=["float32", "float64"])`, those that have a Linear
`linear=function`, of (x, weight, bias); all else is in `run`.

The rest is done here: the forms of a request (cells, no batch, batch_first, the notebook's SimpleRNN),
states that are left out, layers on top of each other, directions side by side, reading and writing of
JSON, and a standard output that nothing but answers goes to.

A framework that has whole stacks takes `network` in place of `layer`: a function of (kind, x, state,
layers, lengths), where `state` is [h_0] or [h_0, c_0] of (rows, N, H) and `layers[k][direction]` holds
the weights; it returns the output, h_n, and c_n.
"""

import inspect
import json
import os
import sys
import zlib

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402

GATES = {"RNN": "h", "LSTM": "ifgo", "GRU": "rzn"}


class Unsupported(Exception):
    """What the framework cannot do."""


class Weights:
    """The weights of one layer in one direction, as PyTorch has them.

    ih, hh       (gates * H, features), (gates * H, H); the gates of an LSTM stand in the order
                 i, f, g, o, those of a GRU in the order r, z, n
    b_ih, b_hh   (gates * H), or None
    hr           (proj_size, H), or None
    activation   "tanh" or "relu", of an RNN
    size         H
    """

    def __init__(self, kind, activation, ih, hh, b_ih=None, b_hh=None, hr=None):
        self.kind, self.activation = kind, activation
        self.ih, self.hh, self.b_ih, self.b_hh, self.hr = ih, hh, b_ih, b_hh, hr
        self.size = hh.shape[0] // len(GATES[kind])

    @property
    def bias(self):
        """b_ih + b_hh, or None. Not for a GRU, whose reset gate stands between the two."""
        return None if self.b_ih is None else self.b_ih + self.b_hh

    def order(self, letters):
        """The same weights with the gates in another order, such as "iofg" or "zrn"."""
        own = GATES[self.kind]

        def change(x):
            if x is None:
                return None
            gates = x.reshape(len(own), self.size, *x.shape[1:])
            return gates[[own.index(letter) for letter in letters]].reshape(x.shape)

        parts = [change(x) for x in (self.ih, self.hh, self.b_ih, self.b_hh)]
        return Weights(self.kind, self.activation, *parts, self.hr)


def _read(json_tensor, dtype):
    data = np.array([float(x) for x in json_tensor["data"]], json_tensor.get("dtype", dtype))
    return data.reshape(json_tensor["shape"])


def _write(x, dtype):
    x = np.asarray(x)
    x = x.astype(dtype) if x.dtype != dtype else x
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # JSON has none
    data = [names.get(str(v), v) for v in x.reshape(-1).tolist()]
    return {"shape": list(x.shape), "data": data}


def _turn(x, lengths):
    """Time turned around, of each sequence within its own length."""
    if lengths is None:
        return x[::-1].copy()
    turned = x.copy()
    for n, length in enumerate(lengths):
        turned[:length, n] = x[:length, n][::-1]
    return turned


def _stack(layer, kind, x, state, layers, lengths):
    """Layers on top of each other, directions side by side."""
    takes = inspect.signature(layer).parameters
    if lengths is not None and "lengths" not in takes:
        raise Unsupported("packed sequences: there are no lengths")
    finals = []
    for directions in layers:
        halves = []
        for direction, w in enumerate(directions):
            extra, turn = {}, direction == 1 and "reverse" not in takes
            if "reverse" in takes:
                extra["reverse"] = direction == 1
            if "lengths" in takes:
                extra["lengths"] = lengths
            start = [part[len(finals)] for part in state]
            out, *final = layer(kind, _turn(x, lengths) if turn else x, start, w, **extra)
            out = np.array(out)
            out = _turn(out, lengths) if turn else out
            if lengths is not None:
                for n, length in enumerate(lengths):
                    out[length:, n] = 0
            finals.append([np.asarray(part).reshape(part0.shape) for part, part0 in zip(final, start)])
            halves.append(out)
        x = np.concatenate(halves, -1)
    return [x, *(np.stack(parts) for parts in zip(*finals))]


class _Adapter:
    def __init__(self, layer, network, linear, kinds, dtypes, projection):
        self.layer, self.network, self.linear = layer, network, linear
        self.kinds, self.dtypes, self.projection = kinds, dtypes, projection

    def answer(self, request):
        """What the framework computes, by the names of its outputs."""
        op, module, dtype = request["op"], request.get("module"), request.get("dtype", "float32")
        if op != "forward":
            raise Unsupported("only forward passes are put to it")
        if dtype not in self.dtypes:
            raise Unsupported(dtype)
        inputs = dict(request["inputs"])
        lengths = inputs.pop("lengths", None)
        given = {name: _read(x, dtype) for name, x in inputs.items()}
        weights = {name: _read(x, dtype) for name, x in request.get("state_dict", {}).items()}
        if module == "Linear":
            if self.linear is None:
                raise Unsupported("module Linear")
            return {"output": self.linear(given["input"], weights["weight"], weights.get("bias"))}
        return self.recurrent(module, request, given, weights, lengths)

    def recurrent(self, module, request, given, weights, lengths):
        """Brings the forms of a request to one, runs the layers, and brings the results back."""
        args, simple = request.get("args", {}), module == "SimpleRNN"
        kind = "RNN" if simple else module[:-4] if module.endswith("Cell") else module
        if kind not in self.kinds or simple and self.linear is None:
            raise Unsupported(f"module {module}")
        if args.get("proj_size") and not self.projection:
            raise Unsupported("proj_size")
        if request.get("training") and args.get("dropout"):
            raise Unsupported("dropout in training")
        x, state = given["input"], [given[name] for name in ("h_0", "c_0") if name in given]
        cell = module.endswith("Cell")
        if simple:
            weights = {k.replace("rnn.", ""): v for k, v in weights.items()}
        if cell:
            weights = {f"{k}_l0": v for k, v in weights.items()}
            x, state = x[None], [part[None] for part in state]
        single = x.ndim == 2
        flip = not single and not cell and (simple or args.get("batch_first", False))
        if single:
            x, state = x[:, None], [part[:, None] for part in state]
        if flip:
            x = x.swapaxes(0, 1)
        layers = self.layers(kind, args.get("nonlinearity", "tanh"), weights)
        if not state:
            rows, batch = sum(map(len, layers)), x.shape[1]
            sizes = [layers[0][0].hh.shape[1], layers[0][0].size]
            count = 2 if kind == "LSTM" else 1
            state = [np.zeros((rows, batch, size), x.dtype) for size in sizes[:count]]
        if lengths is not None:
            x = x[: max(lengths)]
        x, state = np.ascontiguousarray(x), [np.ascontiguousarray(part) for part in state]
        if self.network:
            results = self.network(kind, x, state, layers, lengths)
        else:
            results = _stack(self.layer, kind, x, state, layers, lengths)
        results = [np.asarray(part) for part in results]
        if simple:
            return {"output": self.linear(results[0][-1], weights["fc.weight"], weights["fc.bias"])}
        if single:
            results = [part[:, 0] for part in results]
        if flip:
            results[0] = results[0].swapaxes(0, 1)
        if cell:
            return dict(zip(("h_1", "c_1"), (part[0] for part in results[1:])))
        return dict(zip(("output", "h_n", "c_n"), results))

    def layers(self, kind, activation, weights):
        """The weights by layer and direction."""
        names, found = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"), []
        for k in range(len(weights)):
            suffixes = [f"_l{k}{end}" for end in ("", "_reverse")]
            present = [suffix for suffix in suffixes if f"weight_ih{suffix}" in weights]
            if not present:
                return found
            found.append([
                Weights(kind, activation, *(weights.get(name + suffix) for name in names))
                for suffix in present
            ])
        return found


def run(layer=None, *, network=None, linear=None, name, version="", kinds=("RNN", "LSTM", "GRU"),
        dtypes=("float32",), projection=False):
    """Answers requests on standard input until it ends.

    layer, network   one of the two, as above
    linear           a function of (x, weight, bias), bias perhaps None; none means unsupported
    name, version    what `--version` prints
    kinds, dtypes    what the framework has; the rest is unsupported
    projection       whether weights with `hr` are welcome

    With `--sample N` on the command line about one case in N is answered, always the same ones, and
    the others are unsupported: for frameworks that take seconds a case.
    """
    if "--version" in sys.argv:
        return print(name, version)
    every = int(sys.argv[sys.argv.index("--sample") + 1]) if "--sample" in sys.argv else 1
    # Frameworks greet and warn on standard output, some of them from C: all that goes to the errors.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    adapter = _Adapter(layer, network, linear, kinds, dtypes, projection)
    np.seterr(all="ignore")
    for line in sys.stdin:
        if not line.strip():
            continue
        request = json.loads(line)
        try:
            if zlib.crc32(request["id"].encode()) % every:
                raise Unsupported(f"not among the sample, one in {every}")
            dtype = request.get("dtype", "float32")
            found = adapter.answer(request)
            result = {"outputs": {key: _write(x, dtype) for key, x in found.items()}}
        except Unsupported as why:
            result = {"unsupported": str(why)}
        except Exception as error:  # the framework refuses
            result = {"error": {"type": type(error).__name__, "message": str(error)[:2000]}}
        print(json.dumps({"id": request["id"], **result}), file=out, flush=True)
