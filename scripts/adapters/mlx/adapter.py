# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "mlx[cpu]==0.32.4",
#   "numpy==2.4.6",
# ]
# ///
"""MLX' layers, put to the goldens: deno task conform -- uv run scripts/adapters/mlx/adapter.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import importlib.metadata

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from rnn_spec_adapter import run

mx.set_default_device(mx.cpu)


def layer(kind, x, state, w):
    """RNN, LSTM or GRU with time second; all of them return the states of every step."""
    bias, sizes = w.b_ih is not None, (x.shape[-1], w.size)
    if kind == "RNN":
        own = nn.RNN(*sizes, bias=bias, nonlinearity=nn.relu if w.activation == "relu" else mx.tanh)
        own.Wxh, own.Whh = mx.array(w.ih), mx.array(w.hh)
    else:
        own = (nn.LSTM if kind == "LSTM" else nn.GRU)(*sizes, bias=bias)
        own.Wx, own.Wh = mx.array(w.ih), mx.array(w.hh)
    if bias and kind == "GRU":  # one bias for all gates, and b_hn apart
        both = w.b_ih.copy()
        both[: 2 * w.size] += w.b_hh[: 2 * w.size]
        own.b, own.bhn = mx.array(both), mx.array(w.b_hh[2 * w.size :])
    elif bias:
        own.bias = mx.array(w.bias)
    states = own(mx.array(x.swapaxes(0, 1)), *map(mx.array, state))
    states = [np.array(part) for part in (states if kind == "LSTM" else [states])]
    return states[0].swapaxes(0, 1), *(part[:, -1] for part in states)


def linear(x, weight, bias):
    """nn.Linear."""
    own = nn.Linear(weight.shape[1], len(weight), bias=bias is not None)
    own.weight = mx.array(weight)
    if bias is not None:
        own.bias = mx.array(bias)
    return np.array(own(mx.array(x)))


run(layer, linear=linear, name="MLX", version=importlib.metadata.version("mlx") + ", CPU")
