# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "equinox==0.13.8",
#   "numpy==2.4.6",
# ]
# ///
"""Equinox's cells, put to the goldens: deno task conform -- uv run scripts/adapters/equinox/adapter.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import equinox as eqx
import jax

from rnn_spec_adapter import Unsupported, run

jax.config.update("jax_enable_x64", True)


def layer(kind, x, state, w):
    """LSTMCell or GRUCell, scanned over time, vectorised over the batch."""
    bias = w.b_ih is not None
    if kind == "LSTM":
        own = eqx.nn.LSTMCell(x.shape[-1], w.size, use_bias=bias, key=jax.random.key(0))
        own = eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh), own, (w.ih, w.hh))
        own = eqx.tree_at(lambda c: c.bias, own, w.bias) if bias else own
    elif kind == "GRU":  # one bias for all gates, and b_hn apart
        own = eqx.nn.GRUCell(x.shape[-1], w.size, use_bias=bias, key=jax.random.key(0))
        own = eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh), own, (w.ih, w.hh))
        if bias:
            both, n = w.b_ih.copy(), slice(2 * w.size, None)
            both[: 2 * w.size] += w.b_hh[: 2 * w.size]
            own = eqx.tree_at(lambda c: (c.bias, c.bias_n), own, (both, w.b_hh[n]))
    else:
        raise Unsupported("RNN: there is no such cell")

    def step(carry, xt):
        carry = jax.vmap(own)(xt, carry)
        return carry, carry[0] if kind == "LSTM" else carry

    final, output = jax.lax.scan(step, tuple(state) if kind == "LSTM" else state[0], x)
    return output, *(final if kind == "LSTM" else [final])


def linear(x, weight, bias):
    """eqx.nn.Linear, which takes one vector."""
    own = eqx.nn.Linear(
        weight.shape[1], len(weight), use_bias=bias is not None, key=jax.random.key(0)
    )
    own = eqx.tree_at(lambda c: c.weight, own, weight)
    own = own if bias is None else eqx.tree_at(lambda c: c.bias, own, bias)
    flat = x.reshape(-1, x.shape[-1])
    return jax.vmap(own)(flat).reshape(*x.shape[:-1], len(weight))


run(layer, linear=linear, name="Equinox", version=eqx.__version__, dtypes=["float32", "float64"])
