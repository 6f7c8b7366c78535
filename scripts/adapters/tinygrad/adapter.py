# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "tinygrad==0.14.0",
#   "numpy==2.4.6",
# ]
# ///
"""tinygrad's LSTMCell, put to the goldens: deno task conform -- uv run scripts/adapters/tinygrad/adapter.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import importlib.metadata
import os

os.environ.setdefault("DEV", "PYTHON")  # the device that needs no compiler

import numpy as np  # noqa: E402
from tinygrad import Tensor, nn  # noqa: E402

from rnn_spec_adapter import run  # noqa: E402


def layer(kind, x, state, w):
    """LSTMCell, step by step; its parameters have PyTorch's names and layout."""
    own = nn.LSTMCell(x.shape[-1], w.size, bias=w.b_ih is not None)
    own.weight_ih, own.weight_hh = Tensor(w.ih), Tensor(w.hh)
    if w.b_ih is not None:
        own.bias_ih, own.bias_hh = Tensor(w.b_ih), Tensor(w.b_hh)
    state, output = tuple(map(Tensor, state)), []
    for xt in x:
        state = own(Tensor(xt), state)
        state = tuple(part.realize() for part in state)
        output.append(state[0].numpy())
    return np.stack(output), *(part.numpy() for part in state)


def linear(x, weight, bias):
    """Tensor.linear, whose weight is the transpose of PyTorch's."""
    return Tensor(x).linear(Tensor(weight.T.copy()), None if bias is None else Tensor(bias)).numpy()


run(layer, linear=linear, name="tinygrad", version=importlib.metadata.version("tinygrad"),
    kinds=["LSTM"], dtypes=["float32", "float64"])
