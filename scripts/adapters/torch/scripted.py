# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.15.0",
#   "numpy==2.4.6",
# ]
# ///
"""torch.jit.script, put to the goldens: deno task conform -- uv run scripts/adapters/torch/scripted.py"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from modules import Net, Packed, main


class LSTM(nn.Module):
    """An LSTM whose states come one by one, with types that a script can know."""

    def __init__(self, own):
        super().__init__()
        self.own = own

    def forward(self, x: Tensor, h: Tensor, c: Tensor):
        output, (h, c) = self.own(x, (h, c))
        return output, h, c


class Other(LSTM):
    """An RNN or a GRU."""

    def forward(self, x: Tensor, h: Tensor):
        return self.own(x, h)


class PackedLSTM(LSTM):
    """An LSTM over packed sequences."""

    def forward(self, x: Tensor, lengths: Tensor, h: Tensor, c: Tensor):
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, (h, c) = self.own(packed, (h, c))
        return pad_packed_sequence(output)[0], h, c


class PackedOther(LSTM):
    """An RNN or a GRU over packed sequences."""

    def forward(self, x: Tensor, lengths: Tensor, h: Tensor):
        packed = pack_padded_sequence(x, lengths, enforce_sorted=False)
        output, h = self.own(packed, h)
        return pad_packed_sequence(output)[0], h


def transform(net, args):
    """Scripts the layer in a module whose arguments have types."""
    if isinstance(net, Net):
        lstm, packed = isinstance(net.own, nn.LSTM), isinstance(net, Packed)
        typed = (PackedLSTM if lstm else PackedOther) if packed else (LSTM if lstm else Other)
        net = typed(net.own)
    return torch.jit.script(net.eval())


main("torch.jit.script", transform)
