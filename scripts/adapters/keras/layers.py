"""Keras' recurrent layers for the kit, whatever its backend."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import keras
import numpy as np

from rnn_spec_adapter import run


def layer(kind, x, state, w, reverse, lengths):
    """SimpleRNN, LSTM or GRU with time second; lengths are a mask."""
    options = dict(return_sequences=True, return_state=True, go_backwards=reverse)
    options.update(use_bias=w.b_ih is not None, dtype=str(x.dtype))
    if kind == "RNN":
        own = keras.layers.SimpleRNN(w.size, activation=w.activation, **options)
    elif kind == "LSTM":  # its gates are i, f, c, o
        own = keras.layers.LSTM(w.size, **options)
    else:
        own, w = keras.layers.GRU(w.size, reset_after=True, **options), w.order("zrn")
    mask = None if lengths is None else np.arange(len(x)) < np.array(lengths)[:, None]
    x = x.swapaxes(0, 1)
    own.build(x.shape)
    bias = [] if w.b_ih is None else [np.stack([w.b_ih, w.b_hh]) if kind == "GRU" else w.bias]
    own.set_weights([w.ih.T, w.hh.T, *bias])
    output, *final = (keras.ops.convert_to_numpy(y) for y in own(x, initial_state=state, mask=mask))
    return (output[:, ::-1] if reverse else output).swapaxes(0, 1), *final


def linear(x, weight, bias):
    """Dense."""
    own = keras.layers.Dense(len(weight), use_bias=bias is not None, dtype=str(x.dtype))
    own.build((None, weight.shape[1]))
    own.set_weights([weight.T] if bias is None else [weight.T, bias])
    flat = keras.ops.convert_to_numpy(own(x.reshape(-1, x.shape[-1])))  # a vector alone is refused
    return flat.reshape(*x.shape[:-1], len(weight))


def main():
    """Answers until the input ends."""
    name = f"Keras {keras.__version__}, {keras.backend.backend()}"
    run(layer, linear=linear, name=name, dtypes=["float32", "float64"])
