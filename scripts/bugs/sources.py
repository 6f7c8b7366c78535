# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "numpy==2.4.6",
#   "torch==2.15.0",
# ]
# ///
"""Answers the question of each reproduction in spec/bugs/ twice, with PyTorch and with float64 arithmetic
written out, and writes both numbers into the file, so that our own error is looked for first.

uv run scripts/bugs/sources.py           writes
uv run scripts/bugs/sources.py --check   only compares; the status is 1 where a file says otherwise
"""

import re
import sys
from math import exp, inf, isnan, log1p, nan, tanh
from pathlib import Path

import torch
from torch import nn

BUGS = Path(__file__).resolve().parents[2] / "spec/bugs"


def sigmoid(x):
    return 0.0 if x < -700 else 1 / (1 + exp(-x))  # where exp would overflow


def relu(x):
    return x if isnan(x) or x > 0 else 0.0


def own(kind, x, *state, bias=False, relu=False, ih=None, hh=None, lengths=None):
    """PyTorch's layer of one unit, all weights 1 where not said; the last state of a sequence."""
    more = {"nonlinearity": "relu" if relu else "tanh"} if kind == "RNN" else {}
    layer = getattr(nn, kind)(1, 1, bias=bias, **more)
    with torch.no_grad():
        for name, p in layer.named_parameters():
            p.fill_(0 if "bias" in name else 1)
        if ih is not None:
            layer.bias_ih_l0.copy_(torch.tensor(ih))
            layer.bias_hh_l0.copy_(torch.tensor(hh))
        x = torch.tensor(x).reshape(-1, 1, 1)
        state = [torch.tensor(s).reshape(1, 1, 1) for s in state]
        given = (state[0] if len(state) == 1 else tuple(state)) if state else None
        if lengths:
            x = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        final = layer(x, given)[1]
        return (final[0] if kind == "LSTM" else final).item()


def past_end():
    """What PyTorch's LSTM with a projection has past the end of a sequence of length 1, padded to 2."""
    x = nn.utils.rnn.pack_padded_sequence(torch.ones(2, 1, 1), [1])
    return nn.utils.rnn.pad_packed_sequence(nn.LSTM(1, 2, proj_size=1)(x)[0], total_length=2)[0][1].item()


def gru(x, h=0.0, b_hn=0.0):
    """One step of a GRU of one unit, all weights 1."""
    r = z = sigmoid(x + h)
    return (1 - z) * tanh(x + r * (h + b_hn)) + z * h


def lstm(x, h=0.0, c=0.0):
    """One step of an LSTM of one unit, all weights 1: h."""
    s = sigmoid(x + h)
    return s * tanh(s * c + s * tanh(x + h))


def linear():
    layer = nn.Linear(2, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1 / 3, 1 / 7]], dtype=torch.float64))
        return layer(torch.tensor([[0.1, 0.2]], dtype=torch.float64)).item()


def gru_of_two():
    """The last state's first number of a GRU of two units, all weights 1, over the gonnx file's input."""
    layer = nn.GRU(2, 2, bias=False)
    with torch.no_grad():
        for p in layer.parameters():
            p.fill_(1)
        return layer(torch.tensor([[[-1e10, 0.0], [-1e10, 0.0]]]))[1][0, 0, 0].item()


def layers_without_bias():
    return len(list(nn.LSTM(2, 3, num_layers=2, bias=False).parameters()))


# For each reproduction what PyTorch says, and what the equations say.
SOURCES = {
    "flax_gru_b_hn.py": (
        own("GRU", [1.0], 1.0, bias=True, ih=[0.0] * 3, hh=[0.0, 0.0, 2.0]), gru(1.0, 1.0, 2.0)
    ),
    "gonnx_sigmoid": (gru_of_two(), (1 - sigmoid(-1e10)) * tanh(-1e10)),
    "keras_float64_matmul.py": (linear(), 0.1 / 3 + 0.2 / 7),
    "keras_jax_simplernn_float64.py": (
        str(nn.RNN(2, 2, dtype=torch.float64)(torch.ones(1, 3, 2).double())[0].dtype)[6:],
        "float64"
    ),
    "keras_jax_tanh_float64.py": (
        torch.tanh(torch.tensor(0.1, dtype=torch.float64)).item(), tanh(0.1)
    ),
    "onnx_reference_peephole.py": (own("LSTM", [1.0], 0.0, inf), lstm(1.0, 0.0, inf)),
    "onnx_reference_sequence_lens.py": (own("RNN", [0.5, 100.0], lengths=[1]), tanh(0.5)),
    "onnxruntime_gates_nan.py": (
        own("LSTM", [nan], bias=True) + own("GRU", [nan], bias=True), lstm(nan) + gru(nan)
    ),
    "onnxruntime_lstm_clip.py": (
        (torch.sigmoid(torch.tensor(0.0)) * torch.tanh(torch.tensor(2.0).clamp(-0.5, 0.5))).item(),
        sigmoid(0.0) * tanh(0.5)
    ),
    "onnxruntime_softplus.py": (
        nn.functional.softplus(torch.tensor(100.0)).item(), log1p(exp(100.0))
    ),
    "onnxruntime_thresholded_relu.py": (
        nn.functional.threshold(torch.tensor(0.5), 1.0, 0.0).item(), 0.5 if 0.5 > 1 else 0.0
    ),
    "onnxruntime_relu_nan.py": (own("RNN", [nan], relu=True), relu(nan)),
    "openvino_dynamic_sequence_lens.py": (own("RNN", [0.5, -100.0], lengths=[1]), tanh(0.5)),
    "openvino_float64.py": (torch.tanh(torch.tensor(0.1, dtype=torch.float64)).item(), tanh(0.1)),
    "openvino_relu_nan.py": (torch.relu(torch.tensor(nan)).item(), relu(nan)),
    "paddle_no_bias.py": (f"{layers_without_bias()} parameters", "4 parameters"),
    "paddle_padding_nan.py": (own("RNN", [0.5, nan], lengths=[1]), tanh(0.5)),
    "paddle_past_end.py": (past_end(), 0.0),  # nothing is there
    "paddle_relu_nan.py": (torch.relu(torch.tensor(nan)).item(), relu(nan)),
    "rten_sequence_lens": (own("GRU", [0.5, -100.0], lengths=[1]), gru(0.5)),
    "tract_nan": (own("RNN", [nan]), tanh(nan)),
    "tract_relu": (own("RNN", [2.0], relu=True), relu(2.0)),
}


def source_of(name):
    path = BUGS / name
    return path if path.is_file() else next(p for p in path.rglob("main.*") if "target" not in p.parts)


def with_line(path, line):
    """The file's text with that line at the end of what it says first."""
    text = path.read_text()
    text = re.sub(r"(\n|//!?)*\n?(//!? )?Two sources: .*?\.\n", "\n", text, count=1)
    if path.suffix == ".py":
        start = text.index('"""')
        end = text.index('"""', start + 3)
        return f"{text[:end].rstrip()}\n\n{line}\n{text[end:]}"
    comment = "//!" if path.suffix == ".rs" else "//"
    lines = text.split("\n")
    after = next(k for k, one in enumerate(lines) if not one.startswith("//"))
    return "\n".join([*lines[:after], f"{comment} {line}", *lines[after:]])


def agree(a, b):
    if isinstance(a, str):
        return a == b
    return isnan(a) and isnan(b) or abs(a - b) <= 1e-5 + 1.3e-6 * abs(b)


def main():
    stale = 0
    for name in sorted(p.name for p in BUGS.iterdir() if p.name != "README.md"):
        assert name in SOURCES, f"{name} has no two sources in {Path(__file__).name}"
        given, hand = SOURCES[name]
        assert agree(given, hand), f"{name}: PyTorch {given}, by hand {hand}"
        show = lambda x: x if isinstance(x, str) else repr(x)  # noqa: E731
        line = f"Two sources: PyTorch {torch.__version__.split('+')[0]} {show(given)}, float64 by hand {show(hand)}."
        path = source_of(name)
        text = with_line(path, line)
        stale += text != path.read_text()
        if "--check" not in sys.argv:
            path.write_text(text)
        print(f"{name}: {line}")
    return 1 if stale and "--check" in sys.argv else 0


sys.exit(main())
