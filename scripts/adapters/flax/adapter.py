# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "flax==0.12.8",
#   "numpy==2.4.6",
# ]
# ///
"""Flax's cells (nnx), put to the goldens: deno task conform -- uv run scripts/adapters/flax/adapter.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx, version

from rnn_spec_adapter import run

jax.config.update("jax_enable_x64", True)


def fill(dense, weight, bias):
    """Weights into an nnx.Linear."""
    dense.kernel[...] = jnp.asarray(weight.T)
    if dense.bias is not None:
        dense.bias[...] = jnp.zeros(len(weight), weight.dtype) if bias is None else bias


def layer(kind, x, state, w, reverse, lengths):
    """SimpleCell, OptimizedLSTMCell or GRUCell in nnx.RNN; each has one bias."""
    sizes, options = (x.shape[-1], w.size), dict(rngs=nnx.Rngs(0), param_dtype=x.dtype, dtype=x.dtype)
    if kind == "RNN":
        act = jax.nn.relu if w.activation == "relu" else jnp.tanh
        own = nnx.SimpleCell(*sizes, activation_fn=act, **options)
    elif kind == "LSTM":
        own = nnx.OptimizedLSTMCell(*sizes, **options)
    else:
        own = nnx.GRUCell(*sizes, **options)
    # Where a cell has one bias only, it gets the sum of PyTorch's two.
    only = own.dense_i if own.dense_i.bias is not None else own.dense_h
    for dense, weight in ((own.dense_i, w.ih), (own.dense_h, w.hh)):
        fill(dense, weight, w.bias if dense is only else None)
    carry = tuple(state[::-1]) if kind == "LSTM" else state[0]
    final, output = nnx.RNN(own)(
        x.swapaxes(0, 1), initial_carry=carry, reverse=reverse, keep_order=True, return_carry=True,
        seq_lengths=None if lengths is None else jnp.array(lengths),
    )
    final = final[::-1] if kind == "LSTM" else [final]
    return np.asarray(output).swapaxes(0, 1), *final


def linear(x, weight, bias):
    """nnx.Linear."""
    own = nnx.Linear(weight.shape[1], len(weight), use_bias=bias is not None, rngs=nnx.Rngs(0),
                     param_dtype=x.dtype, dtype=x.dtype)
    fill(own, weight, bias)
    return own(x)


run(layer, linear=linear, name="Flax", version=version.__version__, dtypes=["float32", "float64"])
