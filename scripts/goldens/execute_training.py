"""
Carry out the requests that need gradients: op loss, optim and train (vjp stands in execute.py).

Arguments, optimisers, schedules and functions go by PyTorch's names.
"""

import base64
import inspect
import io
import math

import torch
from torch import nn, optim
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import lr_scheduler

from .execute import (
    DTYPES, FUNCTIONS, OPERATIONS, Unsupported, array, build, default_dtype, inputs_of, run, tensor
)

CLIPS = {"clip_grad_norm_": clip_grad_norm_, "clip_grad_value_": clip_grad_value_}


def loss(request):
    """A loss, and its gradient in the input, or in what else is asked for."""
    inputs = inputs_of(request)
    weights = {k: v for k, v in inputs.items() if k not in ("input", "target")}
    wanted = request.get("wrt", ["input"])
    measure = build({**request, "args": {**request["args"], **weights}})
    for name in wanted:
        inputs[name].requires_grad_()
    output = measure(inputs["input"], inputs["target"])
    given = request.get("grad_outputs")
    kind = str(output.dtype).removeprefix("torch.")
    output.backward(tensor(given["output"], kind) if given else None)
    return {
        "outputs": {"output": array(output)},
        "grads": {"inputs": {name: array(inputs[name].grad) for name in wanted}, "state_dict": {}},
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


# Options for speed alone, and one that the optimiser's name says: releases differ in them.
LEFT_OUT = {"foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"}


def json_value(value):
    """An option as JSON has it."""
    if isinstance(value, torch.Tensor):
        return array(value)
    return list(value) if isinstance(value, tuple) else value


def remembered(optimizer):
    """What an optimiser remembers, as JSON has it; tensors as numpy."""
    found = optimizer.state_dict()
    state = {}
    for k, own in found["state"].items():
        if "step" in own:  # a plain number, once
            own["step"] = torch.as_tensor(own["step"], dtype=torch.float32)
        state[str(k)] = {name: array(value) for name, value in own.items() if value is not None}
    return {
        "state": {k: state[k] for k in sorted(state, key=int) if state[k]},
        "param_groups": [
            {k: json_value(v) for k, v in group.items() if k not in LEFT_OUT}
            for group in found["param_groups"]
        ],
    }


def arguments(args, dtype):
    """Arguments of an optimiser: numbers that JSON has no numeral for, and tensors, read."""

    def read(value):
        if isinstance(value, list):
            return [read(one) for one in value]
        if isinstance(value, dict):
            return tensor(value, dtype)
        return float(value) if isinstance(value, str) else value

    found = {k: read(v) for k, v in args.items()}
    if "betas" in found:  # floats, though JSON's 1.0 may be written 1
        found["betas"] = tuple(float(b) if isinstance(b, int) else b for b in found["betas"])
    return found


def made(wanted, params, dtype="float32"):
    """The optimiser that the request names, where this PyTorch has its options."""
    kind = named(optim, wanted)
    if kind is optim.SGD and inspect.signature(kind).parameters["lr"].default != 1e-3:
        if "lr" not in wanted.get("args", {}):
            raise Unsupported("this PyTorch's SGD has no default learning rate")
    return kind(params, **arguments(wanted.get("args", {}), dtype))


def groups_of(request, params):
    """The parameters as the request groups them."""
    if "groups" not in request:
        return list(params.values())
    if isinstance(request["groups"], str):
        return params[request["groups"]]

    def given(group):
        named = group.get("named", [False] * len(group["params"]))
        pairs = zip(group["params"], named, strict=True)
        return [(name, params[name]) if with_name else params[name] for name, with_name in pairs]

    return [
        {"params": given(group), **arguments(group["args"], request["dtype"])}
        for group in request["groups"]
    ]


def run_optim(request):
    """An optimiser's steps on gradients that are given: the parameters after each."""
    dtype = request["dtype"]
    params = {k: tensor(v, dtype).requires_grad_() for k, v in request["state_dict"].items()}
    before, change = request.get("before"), request.get("change")
    metrics = request.get("metrics")
    optimizer = made(before["optimizer"] if before else request["optimizer"],
                     groups_of(request, params), dtype)
    scheduler = schedule(request, optimizer)
    if "file" in request:
        saved = torch.load(io.BytesIO(base64.b64decode(request["file"]["base64"])))
        optimizer.load_state_dict(saved["optimizer"])
        if scheduler:
            scheduler.load_state_dict(saved["scheduler"])
    given = {k: tensor(v, dtype) for k, v in request.get("gradients", {}).items()}
    after, rates, norms = {name: [] for name in params}, [], []
    for k in range(next(iter(given.values())).shape[0] if given else 0):
        if before and before["steps"] == k:
            state = optimizer.state_dict()
            optimizer = made(request["optimizer"], groups_of(request, params), dtype)
            optimizer.load_state_dict(state)
        if change and change["at"] == k:
            for group in optimizer.param_groups:
                group.update(change["args"])
        optimizer.zero_grad()
        for name, all_steps in given.items():
            params[name].grad = all_steps[k].clone()
        if "clip" in request:
            norms.append(clip(request["clip"], list(params.values())))
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        if scheduler:
            scheduler.step(*([float(metrics[k])] if metrics else []))
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
    elif metrics:
        answer["scheduler_state"] = scheduler.state_dict()
    return answer


def schedule(request, optimizer):
    """The schedule that the request names, or None."""
    wanted = request.get("scheduler")
    return named(lr_scheduler, wanted)(optimizer, **wanted["args"]) if wanted else None


class Headed(nn.Module):
    """A recurrent module, and a Linear on what it puts out at every step."""

    def __init__(self, module, head):
        """Draw the head after the module."""
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


def errors(module, inputs, measure, request):
    """The loss before each step: of all that goes in, or of one window of time after the other."""
    for _ in range(request["steps"]):
        if "window" not in request:
            yield measure(run(module, "", inputs)["output"], inputs["target"])
            continue
        state = None
        windows = (part.split(request["window"], 1) for part in (inputs["input"], inputs["target"]))
        for x, y in zip(*windows):
            output, state = module.rnn(x, state)
            yield measure(module.fc(output), y)
            # Truncated: gradients do not flow back into the window before.
            pair = isinstance(state, tuple)
            state = tuple(part.detach() for part in state) if pair else state.detach()


def train(request):
    """The loss before each step, and the weights after the last."""
    dtype = request["dtype"]
    with default_dtype(dtype):
        torch.manual_seed(int(request.get("seed", 0)))
        module = model(request)
        if "state_dict" in request:
            module.load_state_dict({k: tensor(v, dtype) for k, v in request["state_dict"].items()})
        inputs = inputs_of(request)
        optimizer = made(request["optimizer"], module.parameters())
        scheduler = schedule(request, optimizer)
        measure = named(nn, request["loss"])(**request["loss"].get("args", {}))
        curve = []
        for error in errors(module, inputs, measure, request):
            optimizer.zero_grad()
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
    optimizer = made(request["optimizer"], [torch.zeros(1, requires_grad=True)])
    scheduler = schedule(request, optimizer)
    for _ in range(request.get("steps", 0)):
        optimizer.step()
        scheduler.step()
    if "decoupled_weight_decay" not in optim.Adam([torch.zeros(1)]).defaults:
        raise Unsupported("this PyTorch's optimisers print other options")
    return {"repr": repr(optimizer)}


def set_grad(inputs, args, dtype):
    """A gradient assigned by hand."""
    given = args.get("value", inputs.get("grad"))
    inputs["input"].grad = inputs["input"] if args.get("own") else given
    return inputs["input"].grad


def set_requires_grad(inputs, args, dtype):
    """The flag of a leaf, or of what an operation made, set by hand."""
    value = inputs["input"].requires_grad_()
    if args.get("made"):
        value = value * 1
    value.requires_grad = args["value"]
    return value


FUNCTIONS.update(
    {
        "grad": lambda inputs, args, dtype: torch.autograd.grad(
            inputs["input"].requires_grad_().sum(), []
        ),
        "set_grad": set_grad, "set_requires_grad": set_requires_grad,
        "train": lambda inputs, args, dtype: nn.Linear(1, 1).train(args["mode"])
    }
)

print_module = OPERATIONS["repr"]
OPERATIONS.update({"loss": loss, "optim": run_optim, "repr": representation, "train": train})
