"""Run a line of Python with PyTorch's names, and say what it prints: op line."""
# ruff: noqa: F401

import io

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load, save
from torch import nn, optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.nn.utils.rnn import (
    pack_padded_sequence, pack_sequence, pad_packed_sequence, pad_sequence, unpack_sequence,
    unpad_sequence
)
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, default_collate

# What is imported above, and no more, is what a line may use.
NAMES = dict(globals())

from .execute import OPERATIONS  # noqa: E402


def line(request):
    """What the last of its statements is."""
    names = dict(NAMES)
    *statements, last = request["args"]["line"].split("; ")
    for seeded in (request["args"]["before"], statements):
        torch.manual_seed(0)
        for statement in seeded:
            exec(statement, names)
    return {"print": str(eval(last, names))}


OPERATIONS["line"] = line
