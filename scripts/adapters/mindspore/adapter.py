# /// script
# requires-python = ">=3.11,<3.12"
# dependencies = [
#   "mindspore==2.10.0",
#   "numpy==1.26.4",
# ]
# ///
"""MindSpore's layers: deno task conform -- uv run scripts/adapters/mindspore/adapter.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import mindspore as ms
from mindspore import Tensor, nn

from rnn_spec_adapter import run


def network(kind, x, state, layers, lengths):
    """RNN, LSTM or GRU as a whole; its parameters have PyTorch's names and layout."""
    first = layers[0][0]
    options = dict(num_layers=len(layers), bidirectional=len(layers[0]) == 2)
    options.update(has_bias=first.b_ih is not None)
    if kind == "RNN":
        options.update(nonlinearity=first.activation)
    own = getattr(nn, kind)(x.shape[-1], first.size, **options)
    parameters = {p.name.split(".")[-1]: p for p in own.get_parameters()}
    for k, directions in enumerate(layers):
        for w, end in zip(directions, (f"l{k}", f"l{k}_reverse")):
            given = dict(weight_ih=w.ih, weight_hh=w.hh, bias_ih=w.b_ih, bias_hh=w.b_hh)
            for name, value in given.items():
                if value is not None:
                    parameters[f"{name}_{end}"].set_data(Tensor(value))
    state = tuple(map(Tensor, state)) if kind == "LSTM" else Tensor(state[0])
    ends = None if lengths is None else Tensor(lengths, ms.int32)
    output, final = own(Tensor(x), state, ends)
    final = final if kind == "LSTM" else [final]
    return output.asnumpy(), *(part.asnumpy() for part in final)


def linear(x, weight, bias):
    """The operator behind mint.nn.Linear."""
    bias = None if bias is None else Tensor(bias)
    return ms.mint.nn.functional.linear(Tensor(x), Tensor(weight), bias).asnumpy()


run(network=network, linear=linear, name="MindSpore", version=ms.__version__)
