"""Carry out op inplace: values changed in place between a forward and a backward pass."""

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.autograd import graph

from .execute import OPERATIONS, Unsupported, array, default_dtype, inputs_of, loaded, run

# Functions that take other arguments than those of torch.nn.functional and torch.
OWN = {
    "max": lambda x, **args: torch.max(x, **args)[0] if args else torch.max(x),
    "cat": lambda *tensors, **args: torch.cat(tensors, **args),
    "stack": lambda *tensors, **args: torch.stack(tensors, **args),
    "expand": lambda x, size: x.expand(size),
    "index_select": lambda x, dim, index: torch.index_select(x, dim, torch.tensor(index)),
    "nll_loss": lambda x, target: F.nll_loss(x, torch.tensor(target)),
    "cross_entropy": lambda x, target: F.cross_entropy(x, torch.tensor(target)),
}


def function_of(name):
    found = OWN.get(name) or getattr(F, name, None) or getattr(torch, name, None)
    if found is None:
        raise Unsupported(f"function {name}")
    return found


def inplace(request):
    """
    Forward; the changes; the gradients of the output's sum. With an optimizer, its step stands
    between that backward pass and another one of the same graph, from the sum of the squares.
    """
    # Without oneDNN, which keeps more than PyTorch's own products do.
    with default_dtype(request["dtype"]), torch.backends.mkldnn.flags(enabled=False):
        inputs = inputs_of(request)
        for name in request["requires_grad"]:
            inputs[name].requires_grad_()
        if "module" in request:
            module = loaded(request)
            outputs = run(module, request["module"], inputs)
        else:
            module = nn.Module()
            outputs = {"output": call(request, inputs)}
        output = next(iter(outputs.values()))
        loss = output.sum()
        if "optimizer" in request:
            wanted = request["optimizer"]
            squares = (output * output).sum()
            loss.backward(retain_graph=True)
            kind = getattr(optim, wanted["name"])
            kind(module.parameters(), **wanted["args"]).step()
            loss = squares
        named = {**inputs, **outputs, **dict(module.named_parameters())}
        for name in request["changes"]:
            if name == "load_state_dict":
                module.load_state_dict(module.state_dict())
            else:
                if not hasattr(graph, "increment_version"):
                    raise Unsupported("this PyTorch cannot count a version on")
                graph.increment_version(named[name])
        loss.backward()
    grads = {"inputs": inputs, "state_dict": dict(module.named_parameters())}
    return {
        "grads": {
            part: {k: array(v.grad) for k, v in of.items() if v.is_leaf and v.grad is not None}
            for part, of in grads.items()
        }
    }


def call(request, inputs):
    """A function of the inputs, the first of which may go through another function before."""
    args = dict(request["args"])
    first, *rest = inputs.values()
    if "through" in args:
        through = args.pop("through")
        first = function_of(through["name"])(first, **through["args"])
    return function_of(request["function"])(first, *rest, **args)


OPERATIONS["inplace"] = inplace
