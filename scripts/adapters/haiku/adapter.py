# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "dm-haiku==0.0.17",
#   "jax==0.10.2",
#   "numpy==2.4.6",
# ]
# ///
"""Haiku's cores, put to the goldens: deno task conform -- uv run scripts/adapters/haiku/adapter.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import haiku as hk
import jax
import numpy as np
from rnn_spec_adapter import Unsupported, run

jax.config.update("jax_enable_x64", True)


def layer(kind, x, state, w):
    """hk.LSTM, which adds 1 to its forget gate, and hk.VanillaRNN, which has relu."""
    if kind == "GRU" or kind == "RNN" and w.activation == "tanh":
        raise Unsupported("RNN: relu only" if kind == "RNN" else "GRU: reset before the product")
    w = w.order("igfo") if kind == "LSTM" else w
    bias = np.zeros(len(w.ih), x.dtype) if w.bias is None else w.bias
    if kind == "LSTM":
        bias[2 * w.size : 3 * w.size] -= 1
        own = {"lstm/linear": {"w": np.concatenate([w.ih, w.hh], 1).T, "b": bias}}
        core, state = hk.LSTM, hk.LSTMState(*state)
    else:
        own = {"vanilla_rnn/linear": {"w": w.ih.T, "b": bias}}
        own["vanilla_rnn/linear_1"] = {"w": w.hh.T, "b": 0 * bias}
        core, [state] = hk.VanillaRNN, state
    unroll = hk.transform(lambda x, state: hk.dynamic_unroll(core(w.size), x, state))
    output, final = unroll.apply(own, None, x, state)
    return (output, *final) if kind == "LSTM" else (output, final)


def linear(x, weight, bias):
    own = hk.transform(lambda x: hk.Linear(len(weight), with_bias=bias is not None)(x))
    return own.apply({"linear": {"w": weight.T, "b": bias}}, None, x)


run(layer, linear=linear, name="Haiku", version=hk.__version__, dtypes=["float32", "float64"])
