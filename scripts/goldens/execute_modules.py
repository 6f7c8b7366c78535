"""
Carry out what stands around a recurrent layer: containers of modules, initial weights, batches.

A container's `args` hold `modules`: a list of modules' names and arguments, perhaps each with a `name`
of its own in the container.
`Output` is a module of this project: it takes the output of a recurrent layer's pair.
"""

from collections import OrderedDict

import torch
from torch import nn
from torch.utils.data import DataLoader, default_collate

from .execute import BUILDERS, DTYPES, FUNCTIONS, OPERATIONS, array, build


class Output(nn.Module):
    """What a recurrent layer puts out, of the pair that it returns."""

    def forward(self, pair):
        return pair[0]


def container(kind):
    """Builds a container of what its arguments name."""

    def made(request):
        asked = request["args"].get("modules", [])
        parts = [build(part) if isinstance(part, dict) else part for part in asked]
        if asked and isinstance(asked[0], dict) and "name" in asked[0]:
            names = [part["name"] for part in asked]
            return kind(OrderedDict(zip(names, parts, strict=True)))
        return kind(*parts) if kind is nn.Sequential else kind(parts)

    return made


BUILDERS.update(
    Sequential=container(nn.Sequential), ModuleList=container(nn.ModuleList),
    Output=lambda request: Output()
)


def filled(function, args, dtype):
    """A tensor of a size, filled by a function of torch.nn.init from a seed."""
    if "seed" in args:
        torch.manual_seed(args["seed"])
    value = torch.zeros(args["size"], dtype=DTYPES[args["of"]] if "of" in args else dtype)
    given = {k: v for k, v in args.items() if k in ("gain", "val")}
    return getattr(nn.init, function)(value, **given)


INITS = ("constant_", "orthogonal_", "xavier_normal_", "xavier_uniform_", "zeros_")
init_module = OPERATIONS["init"]


def init(request):
    """Initial weights: a module's, or what a function makes, and what is drawn after it."""
    if "function" not in request:
        return init_module(request)
    dtype = DTYPES[request["dtype"]]
    value = filled(request["function"], {**request["args"], "seed": int(request["seed"])}, dtype)
    return {"state_dict": {"tensor": array(value), "after": array(torch.rand(2, dtype=dtype))}}


def batches(inputs, args, dtype):
    """The order in which a DataLoader gives the numbers from 0 to n - 1, and a draw after it."""
    torch.manual_seed(args["seed"])
    given = {k: v for k, v in args.items() if k in ("batch_size", "shuffle", "drop_last")}
    generator = None
    if "generator" in args:
        generator = torch.Generator()
        generator.manual_seed(args["generator"])
    loader = DataLoader(
        list(range(args["n"])), collate_fn=lambda items: items, generator=generator, **given
    )
    found = [batch for _ in range(args.get("epochs", 1)) for batch in loader]
    return {
        "order": torch.tensor([k for batch in found for k in batch], dtype=torch.int64),
        "sizes": torch.tensor([len(batch) for batch in found], dtype=torch.int64),
        "length": torch.tensor(len(loader)), "after": torch.rand(2, generator=generator)
    }


def collated(inputs, args, dtype):
    """What default_collate makes of tensors, of numbers, or of pairs of both."""
    tensors, numbers = inputs.get("tensors"), args.get("numbers")
    if tensors is None or numbers is None:
        return default_collate(tensors if numbers is None else numbers)
    return dict(zip("xy", default_collate(list(zip(tensors, numbers, strict=True))), strict=True))


FUNCTIONS.update(
    {name: lambda inputs, args, dtype, name=name: filled(name, args, dtype) for name in INITS}
)
FUNCTIONS.update(
    DataLoader=batches, default_collate=collated,
    index=lambda inputs, args, dtype: build(args)[args["index"]] and torch.zeros(()),
    apply=lambda inputs, args, dtype: walked(build(args))
)


def walked(model):
    """The numbers that modules have among model.modules(), in the order in which apply calls."""
    numbers = {module: k for k, module in enumerate(model.modules())}
    order = []
    model.apply(lambda module: order.append(numbers[module]))
    return torch.tensor(order, dtype=torch.int64)


OPERATIONS["init"] = init
