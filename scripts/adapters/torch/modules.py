"""PyTorch's own modules, to be put to the goldens after something has been done to them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers/python"))

import torch
from torch import nn

from rnn_spec_adapter import run


class Net(nn.Module):
    """A layer, packed and padded again where there are lengths."""

    def __init__(self, own):
        super().__init__()
        self.own = own

    def forward(self, x, *state):
        """Returns the output and the final states, side by side."""
        state = state if len(state) == 2 else state[0]
        output, final = self.own(x, state)
        return (output, *final) if isinstance(final, tuple) else (output, final)


class Packed(Net):
    """The same over sequences of given lengths."""

    def forward(self, x, lengths, *state):
        """Returns the output and the final states, side by side."""
        state = state if len(state) == 2 else state[0]
        x = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, final = self.own(x, state)
        output, _ = nn.utils.rnn.pad_packed_sequence(output)
        return (output, *final) if isinstance(final, tuple) else (output, final)


def build(kind, x, layers):
    """The module, with the weights of a request."""
    first = layers[0][0]
    options = dict(bias=first.b_ih is not None, bidirectional=len(layers[0]) == 2)
    if kind == "RNN":
        options.update(nonlinearity=first.activation)
    if first.hr is not None:
        options.update(proj_size=len(first.hr))
    options.update(dtype=torch.from_numpy(x).dtype)
    own = getattr(nn, kind)(x.shape[-1], first.size, len(layers), **options)
    state = {}
    for k, directions in enumerate(layers):
        for w, end in zip(directions, ("", "_reverse")):
            parts = dict(weight_ih=w.ih, weight_hh=w.hh, bias_ih=w.b_ih, bias_hh=w.b_hh)
            parts.update(weight_hr=w.hr)
            state.update({f"{n}_l{k}{end}": p for n, p in parts.items() if p is not None})
    own.load_state_dict({name: torch.from_numpy(part) for name, part in state.items()})
    return own.eval()


def main(name, transform, **options):
    """Answers until the input ends; transform takes a module and its arguments, and gives a function."""
    torch.set_num_threads(1)

    def network(kind, x, state, layers, lengths):
        own = build(kind, x, layers)
        args = [torch.from_numpy(part) for part in (x, *state)]
        if lengths is not None:
            args.insert(1, torch.tensor(lengths))
        net = (Net if lengths is None else Packed)(own).eval()
        with torch.no_grad():
            return [part.numpy() if hasattr(part, "numpy") else part
                    for part in transform(net, tuple(args))(*args)]

    def linear(x, weight, bias):
        own = nn.Linear(weight.shape[1], len(weight), bias=bias is not None, dtype=torch.from_numpy(x).dtype)
        own.weight.data = torch.from_numpy(weight)
        if bias is not None:
            own.bias.data = torch.from_numpy(bias)
        with torch.no_grad():
            args = (torch.from_numpy(x.copy()),)
            result = transform(own.eval(), args)(*args)
        result = result[0] if isinstance(result, (list, tuple)) else result
        return result.numpy() if hasattr(result, "numpy") else result

    run(network=network, linear=linear, name=name, version=torch.__version__.split("+")[0],
        dtypes=["float32", "float64"], projection=True, **options)
