"""
Carry out the requests that need gradients: op loss, optim and train (vjp stands in execute.py).

Arguments, optimisers, schedules and functions go by PyTorch's names.
"""

import math

import torch
from torch import nn, optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import lr_scheduler

from .execute import (
    DTYPES,
    OPERATIONS,
    Unsupported,
    array,
    build,
    default_dtype,
    inputs_of,
    run,
    tensor,
)

CLIPS = {"clip_grad_norm_": clip_grad_norm_, "clip_grad_value_": clip_grad_value_}


def loss(request):
    """A loss, and its gradient in the input."""
    inputs = inputs_of(request)
    inputs["input"].requires_grad_()
    output = build(request)(inputs["input"], inputs["target"])
    given = request.get("grad_outputs")
    output.backward(tensor(given["output"], request["dtype"]) if given else None)
    return {
        "outputs": {"output": array(output)},
        "grads": {"inputs": {"input": array(inputs["input"].grad)}, "state_dict": {}},
    }


def named(place, wanted):
    """The class that the request names."""
    kind = getattr(place, wanted["name"], None)
    if kind is None:
        raise Unsupported(f"{wanted['name']} in {place.__name__}")
    return kind


def clip(wanted, params):
    """Clip the gradients; the norm before, where one is measured."""
    args = {k: float(v) if k == "norm_type" else v for k, v in wanted["args"].items()}
    return CLIPS[wanted["name"]](params, **args)


def plain(value):
    """A hyperparameter as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def remembered(optimizer):
    """What an optimiser remembers, as JSON has it; tensors as numpy."""
    found = optimizer.state_dict()
    state = {
        str(k): {name: array(value) for name, value in own.items() if value is not None}
        for k, own in found["state"].items()
    }
    groups = [{k: plain(v) for k, v in group.items()} for group in found["param_groups"]]
    return {"state": {k: own for k, own in state.items() if own}, "param_groups": groups}


def run_optim(request):
    """An optimiser's steps on gradients that are given: the parameters after each."""
    dtype = request["dtype"]
    params = {k: tensor(v, dtype).requires_grad_() for k, v in request["state_dict"].items()}
    groups = list(params.values())
    if "groups" in request:
        groups = [
            {"params": [params[name] for name in group["params"]], **group["args"]}
            for group in request["groups"]
        ]
    wanted = request["optimizer"]
    optimizer = named(optim, wanted)(groups, **wanted.get("args", {}))
    scheduler = schedule(request, optimizer)
    given = {k: tensor(v, dtype) for k, v in request.get("gradients", {}).items()}
    after, rates, norms = {name: [] for name in params}, [], []
    for k in range(next(iter(given.values())).shape[0] if given else 0):
        optimizer.zero_grad()
        for name, all_steps in given.items():
            params[name].grad = all_steps[k].clone()
        if "clip" in request:
            norms.append(clip(request["clip"], list(params.values())))
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler:
            scheduler.step()
        for name, values in after.items():
            values.append(params[name].detach().clone())
    outputs = {}
    if scheduler:
        outputs["lr"] = torch.tensor(rates, dtype=torch.float64).numpy()
    if norms and norms[0] is not None:
        outputs["norm"] = array(torch.stack(norms))
    answer = {"outputs": outputs} if outputs else {}
    answer["state_dict"] = {name: array(torch.stack(values)) for name, values in after.items()}
    if not scheduler:
        answer["optimizer_state"] = remembered(optimizer)
    return answer


def schedule(request, optimizer):
    """The schedule that the request names, or None."""
    wanted = request.get("scheduler")
    return named(lr_scheduler, wanted)(optimizer, **wanted["args"]) if wanted else None


class Headed(nn.Module):
    """A recurrent module, and a Linear on what it puts out at every step."""

    def __init__(self, module, head):
        super().__init__()
        self.rnn = module
        self.fc = nn.Linear(**head)

    def forward(self, x):
        output, _ = self.rnn(x)
        return self.fc(output)


def model(request):
    """The module that a training starts from, with freshly drawn weights."""
    module = build(request)
    return Headed(module, request["head"]) if request.get("head") else module


def train(request):
    """The loss before each step, and the weights after the last."""
    dtype = request["dtype"]
    with default_dtype(dtype):
        torch.manual_seed(int(request.get("seed", 0)))
        module = model(request)
        if "state_dict" in request:
            module.load_state_dict({k: tensor(v, dtype) for k, v in request["state_dict"].items()})
        inputs = inputs_of(request)
        wanted = request["optimizer"]
        optimizer = named(optim, wanted)(module.parameters(), **wanted.get("args", {}))
        scheduler = schedule(request, optimizer)
        measure = named(nn, request["loss"])(**request["loss"].get("args", {}))
        curve = []
        for _ in range(request["steps"]):
            optimizer.zero_grad()
            error = measure(run(module, "", inputs)["output"], inputs["target"])
            assert math.isfinite(error.item()), "the training diverges"
            error.backward()
            if "clip" in request:
                clip(request["clip"], list(module.parameters()))
            optimizer.step()
            if scheduler:
                scheduler.step()
            curve.append(error.detach())
    return {
        "outputs": {"loss": array(torch.stack(curve).to(DTYPES[dtype]))},
        "state_dict": {name: array(value) for name, value in module.state_dict().items()},
    }


def representation(request):
    """print(optimizer), or of a module."""
    if "optimizer" not in request:
        return print_module(request)
    wanted = request["optimizer"]
    params = [torch.zeros(1, requires_grad=True)]
    return {"repr": repr(named(optim, wanted)(params, **wanted.get("args", {})))}


print_module = OPERATIONS["repr"]
OPERATIONS.update(
    {"loss": loss, "optim": run_optim, "repr": representation, "train": train}
)
