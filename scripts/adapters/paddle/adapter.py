# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "paddlepaddle==3.3.1",
#   "numpy==2.4.6",
#   "setuptools==80.9.0",
# ]
# ///
"""PaddlePaddle's layers, put to the goldens: deno task conform -- uv run scripts/adapters/paddle/adapter.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import paddle

from rnn_spec_adapter import run


def network(kind, x, state, layers, lengths):
    """SimpleRNN, LSTM or GRU as a whole; the parameters of its cells have PyTorch's layout."""
    paddle.set_default_dtype(str(x.dtype))
    first = layers[0][0]
    options = dict(time_major=True, direction="bidirect" if len(layers[0]) == 2 else "forward")
    if first.b_ih is None:
        options.update(bias_ih_attr=False, bias_hh_attr=False)
    if kind == "RNN":
        options.update(activation=first.activation)
    if first.hr is not None:
        options.update(proj_size=first.hr.shape[0])
    own = {"RNN": paddle.nn.SimpleRNN, "LSTM": paddle.nn.LSTM, "GRU": paddle.nn.GRU}[kind](
        x.shape[-1], first.size, num_layers=len(layers), **options
    )
    for part, directions in zip(own, layers):
        cells = [part.cell_fw, part.cell_bw] if len(directions) == 2 else [part.cell]
        for cell, w in zip(cells, directions):
            given = dict(weight_ih=w.ih, weight_hh=w.hh, bias_ih=w.b_ih, bias_hh=w.b_hh)
            given["weight_ho"] = None if w.hr is None else w.hr.T.copy()
            for name, value in given.items():
                if value is not None:
                    getattr(cell, name).set_value(value)
    state = tuple(map(paddle.to_tensor, state)) if kind == "LSTM" else paddle.to_tensor(state[0])
    ends = None if lengths is None else paddle.to_tensor(lengths)
    with paddle.no_grad():
        output, final = own(paddle.to_tensor(x), state, sequence_length=ends)
    final = final if kind == "LSTM" else [final]
    return output.numpy(), *(part.numpy() for part in final)


def linear(x, weight, bias):
    """nn.functional.linear, whose weight is the transpose of PyTorch's."""
    bias = None if bias is None else paddle.to_tensor(bias)
    own = paddle.nn.functional.linear(paddle.to_tensor(x), paddle.to_tensor(weight.T.copy()), bias)
    return own.numpy()


run(network=network, linear=linear, name="PaddlePaddle", version=paddle.__version__,
    dtypes=["float32", "float64"], projection=True)
