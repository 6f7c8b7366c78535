# /// script
# dependencies = ["numpy==2.4.6"]
# ///
"""A minimal adapter: RNN, LSTM, GRU and their cells, with numpy alone. Reads a line of JSON, answers
with a line of JSON, flushes, and says "unsupported" to what it has not."""

import json
import sys

import numpy as np

MODULES = ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")


def sigmoid(x):
    return 0.5 * (np.tanh(0.5 * x) + 1)  # exp would overflow


def step(kind, relu, x, state, p):
    """The equations of spec/rnn.md, lstm.md, gru.md and proj.md; c is there for the LSTM only."""
    h, *c = state
    from_x = x @ p["weight_ih"].T + p.get("bias_ih", 0)
    from_h = h @ p["weight_hh"].T + p.get("bias_hh", 0)
    if kind == "RNN":
        return [np.maximum(from_x + from_h, 0) if relu else np.tanh(from_x + from_h)]
    if kind == "GRU":
        (xr, xz, xn), (hr, hz, hn) = np.split(from_x, 3, -1), np.split(from_h, 3, -1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        return [(1 - z) * np.tanh(xn + r * hn) + z * h]
    i, f, g, o = np.split(from_x + from_h, 4, -1)
    c = sigmoid(f) * c[0] + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return [h @ p["weight_hr"].T if "weight_hr" in p else h, c]


def layers(kind, args, weights, x, start, lengths):
    """A stack of layers over x, time first. A row whose sequence has ended keeps its state."""
    finals = []
    for k in range(args.get("num_layers", 1)):
        halves = []
        for suffix in [f"_l{k}", f"_l{k}_reverse"][: 1 + args.get("bidirectional", False)]:
            p = {k.removesuffix(suffix): v for k, v in weights.items() if k.endswith(suffix)}
            state = [part[len(finals)] for part in start]
            out = np.zeros((*x.shape[:2], state[0].shape[-1]), x.dtype)
            for t in range(len(x))[:: -1 if suffix.endswith("reverse") else 1]:
                going = (t < lengths)[:, None]
                after = step(kind, args.get("nonlinearity") == "relu", x[t], state, p)
                state = [np.where(going, new, old) for new, old in zip(after, state)]
                out[t] = np.where(going, state[0], 0)
            halves, finals = [*halves, out], [*finals, state]
        x = np.concatenate(halves, -1)
    return [x, *(np.stack(parts) for parts in zip(*finals))]


def answer(request):
    """Bring the forms of a request to one, run the layers, and bring the results back."""
    args, inputs, kind = (request.get(key, {}) for key in ("args", "inputs", "module"))
    dropout = args.get("dropout") and request.get("training")
    if kind not in MODULES or request["op"] != "forward" or dropout:
        return {"unsupported": "only RNN, LSTM, GRU and their cells, without dropout"}
    given = {k: v for k, v in {**inputs, **request["state_dict"]}.items() if k != "lengths"}
    given = {k: np.array(v["data"], request["dtype"]).reshape(v["shape"]) for k, v in given.items()}
    x, state = given["input"], [given[name] for name in ("h_0", "c_0") if name in given]
    weights = {name: given[name] for name in request["state_dict"]}
    if cell := kind.endswith("Cell"):
        kind, weights = kind[:-4], {k + "_l0": v for k, v in weights.items()}
        x, state = x[None], [part[None] for part in state]
    if flip := args.get("batch_first") and x.ndim == 3:
        x = x.swapaxes(0, 1)
    if single := x.ndim == 2:
        x, state = x[:, None], [part[:, None] for part in state]
    if not state:
        rows = args.get("num_layers", 1) * (1 + args.get("bidirectional", False))
        sizes = [args.get("proj_size") or args["hidden_size"], args["hidden_size"]]
        state = [np.zeros((rows, x.shape[1], size), x.dtype) for size in sizes]
    lengths = np.array(inputs.get("lengths", [len(x)] * x.shape[1]))
    results = layers(kind, args, weights, x[: max(lengths, default=len(x))], state, lengths)
    results = [part[:, 0] if single else part for part in results]
    results[0] = results[0].swapaxes(0, 1) if flip else results[0]
    results = [part[0] for part in results[1:]] if cell else results
    names = ("h_1", "c_1") if cell else ("output", "h_n", "c_n")
    return {"outputs": {name: write(value) for name, value in zip(names, results)}}


def write(x):
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}  # JSON has none
    data = [names.get(str(v), v) for v in x.reshape(-1).tolist()]
    return {"shape": list(x.shape), "data": data}


np.seterr(all="ignore")
for line in sys.stdin:
    request = json.loads(line)
    try:
        result = answer(request)
    except Exception as error:  # a request that makes no sense; the words will not be PyTorch's
        result = {"error": {"type": type(error).__name__, "message": str(error)}}
    print(json.dumps({"id": request["id"], **result}), flush=True)
