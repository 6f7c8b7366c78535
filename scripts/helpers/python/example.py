# /// script
# requires-python = ">=3.9"
# dependencies = ["numpy==2.4.6"]
# ///
"""The three layers by hand: an example of an adapter, and the test of the helper."""

import numpy as np

from rnn_spec_adapter import run


def sigmoid(x):
    """exp would overflow."""
    return 0.5 * (np.tanh(0.5 * x) + 1)


def layer(kind, x, state, w, lengths):
    """One step after another; a row whose sequence has ended keeps its state."""
    zero = np.zeros(len(w.ih), x.dtype)
    b_ih, b_hh = (zero, zero) if w.b_ih is None else (w.b_ih, w.b_hh)
    output = np.zeros((len(x), x.shape[1], state[0].shape[-1]), x.dtype)
    for t, xt in enumerate(x):
        (h, *c), a, b = state, xt @ w.ih.T + b_ih, state[0] @ w.hh.T + b_hh
        if kind == "RNN":
            h = np.maximum(a + b, 0) if w.activation == "relu" else np.tanh(a + b)
        elif kind == "GRU":
            (xr, xz, xn), (hr, hz, hn) = np.split(a, 3, -1), np.split(b, 3, -1)
            r, z = sigmoid(xr + hr), sigmoid(xz + hz)
            h = (1 - z) * np.tanh(xn + r * hn) + z * h
        else:
            i, f, g, o = np.split(a + b, 4, -1)
            c = [sigmoid(f) * c[0] + sigmoid(i) * np.tanh(g)]
            h = sigmoid(o) * np.tanh(c[0])
            h = h if w.hr is None else h @ w.hr.T
        goes_on = np.ones((len(xt), 1), bool) if lengths is None else t < np.array(lengths)[:, None]
        state = [np.where(goes_on, new, old) for new, old in zip([h, *c], state)]
        output[t] = state[0]
    return output, *state


def linear(x, weight, bias):
    """x W^T + b."""
    return x @ weight.T + (0 if bias is None else bias)


if __name__ == "__main__":
    run(layer, linear=linear, name="plain NumPy", version=np.__version__,
        dtypes=["float32", "float64"], projection=True)
