"""
Carry out the requests that name a function of tensors: op call, and with a function also op vjp and
op print. What is drawn by chance answers, besides, with what the generator draws next.
"""

import hashlib
import inspect

import torch
import torch.nn.functional as F
from torch.nn.utils import rnn as sequences

from .execute import (
    DTYPES, FUNCTIONS, OPERATIONS, Unsupported, array, default_dtype, inputs_of, packed, tensor
)


def binary(function):
    """A function of two tensors, or of a tensor and a number."""
    return lambda inputs, args, dtype: function(
        inputs["input"], inputs["other"] if "other" in inputs else args["other"]
    )


def largest(inputs, args, dtype):
    """The largest of all, or along a dimension with its indices."""
    found = torch.max(inputs["input"], **args)
    return found if isinstance(found, torch.Tensor) else dict(zip(("values", "indices"), found))


def drawn(draw):
    """What is drawn, and what would be drawn next."""

    def function(inputs, args, dtype):
        output = draw(inputs, args)
        return {"output": output, "next": torch.randint(0, 2**20, (1,))}

    return function


def get_state(inputs, args, dtype):
    """The bytes of the generator after some draws, in short: a hash, the first and the last."""
    torch.rand(args["rand"])
    torch.randn(args["randn"], dtype=dtype)
    state = torch.get_rng_state()
    hashed = hashlib.sha256(state.numpy().tobytes()).digest()
    parts = {"sha256": list(hashed), "first": state[:32].tolist(), "last": state[-40:].tolist()}
    return {name: torch.tensor(part, dtype=torch.int64) for name, part in parts.items()}


def set_state(inputs, args, dtype):
    """What is drawn after the generator took its bytes."""
    torch.set_rng_state(inputs["state"].to(torch.uint8))
    return {"randn": torch.randn(3, dtype=dtype), "rand": torch.rand(700, dtype=dtype)[-5:]}


def pad_sequence(inputs, args, dtype):
    """Also from a PyTorch that knows one side only."""
    if args.keys() - inspect.signature(sequences.pad_sequence).parameters.keys():
        raise Unsupported("this PyTorch's pad_sequence has no padding_side")
    return sequences.pad_sequence(inputs["sequences"], **args)


def pad_packed_sequence(inputs, args, dtype):
    """The output, and the lengths."""
    found = sequences.pad_packed_sequence(packed(inputs), **args)
    return dict(zip(("output", "lengths"), found, strict=True))


def unpad_sequence(inputs, args, dtype):
    """The lengths have to be a tensor."""
    lengths = torch.tensor(inputs["lengths"], dtype=torch.int64)
    return {"sequences": sequences.unpad_sequence(inputs["padded_sequences"], lengths, **args)}


def of_inputs(function, *names):
    """A function of inputs, by their names here, and of arguments by name."""
    return lambda inputs, args, dtype: function(*(inputs[name] for name in names), **args)


UNARY = (
    *("tanh", "sigmoid", "relu", "neg", "abs", "exp", "log", "sin", "clone", "flip", "sum", "mean"),
    *("argmax", "select", "narrow", "transpose"),
)
FUNCTIONS.update(
    {
        **{name: of_inputs(getattr(torch, name), "input") for name in UNARY},
        **{name: of_inputs(getattr(F, name), "input") for name in ("softmax", "log_softmax")},
        "one_hot": of_inputs(F.one_hot, "input"),
        **{name: binary(getattr(torch, name)) for name in ("add", "sub", "mul", "div", "rsub")},
        **{name: of_inputs(getattr(torch, name), "tensors") for name in ("cat", "stack")},
        "matmul": binary(torch.matmul), "max": largest,
        "expand": of_inputs(lambda x, size: x.expand(size), "input"),
        "reshape": of_inputs(lambda x, shape: x.reshape(shape), "input"),
        "to": of_inputs(lambda x, dtype: x.to(DTYPES[dtype]), "input"),
        "embedding": of_inputs(F.embedding, "input", "weight"),
        "index_select": of_inputs(
            lambda x, index, dim: torch.index_select(x, dim, index), "input", "index"
        ),
        "item": lambda inputs, args, dtype: torch.tensor(inputs["input"].item(), dtype=dtype),
        "linspace": lambda inputs, args, dtype: torch.linspace(**args, dtype=dtype),
        "tensor": lambda inputs, args, dtype: torch.tensor(
            args["data"], dtype=DTYPES[args["dtype"]] if "dtype" in args else dtype
        ),
        "pack_padded_sequence": of_inputs(sequences.pack_padded_sequence, "input", "lengths"),
        "pack_sequence": of_inputs(sequences.pack_sequence, "sequences"),
        "pad_packed_sequence": pad_packed_sequence, "pad_sequence": pad_sequence,
        "unpack_sequence": lambda inputs, args, dtype: {
            "sequences": sequences.unpack_sequence(packed(inputs))
        },
        "unpad_sequence": unpad_sequence,
        "get_state": get_state, "set_state": set_state,
        "randint": drawn(lambda inputs, args: torch.randint(**args)),
        "randperm": drawn(lambda inputs, args: torch.randperm(args["n"])),
        "multinomial": drawn(lambda inputs, args: torch.multinomial(inputs["input"], *args.values()))
    }
)


def compute(request, inputs):
    """What the request's function makes of tensors."""
    function = FUNCTIONS[request["function"]]
    return function(inputs, request.get("args", {}), DTYPES[request["dtype"]])


def call(request):
    """A function, after the seed where there is one."""
    if "seed" in request:
        torch.manual_seed(int(request["seed"]))
    return plain["call"](request)


def vjp(request):
    """The gradients of a function's inputs, or of a module's."""
    if "function" not in request:
        return plain["vjp"](request)
    inputs = inputs_of(request)
    leaves = {k: v.requires_grad_() for k, v in inputs.items() if v.is_floating_point()}
    outputs = compute(request, inputs)
    outputs = outputs if isinstance(outputs, dict) else {"output": outputs}
    wanted = {k: tensor(v, request["dtype"]) for k, v in request["grad_outputs"].items()}
    torch.autograd.backward([outputs[k] for k in wanted], list(wanted.values()))
    found = {k: array(v.grad) for k, v in leaves.items() if v.grad is not None}
    return {"grads": {"inputs": found, "state_dict": {}}}


def printed(request):
    """print(tensor), the tensor being what a function gave."""
    if "function" not in request:
        return plain["print"](request)
    inputs = inputs_of(request)
    for name in request.get("requires_grad", []):
        inputs[name].requires_grad_()
    with default_dtype("float32"):
        result = compute(request, inputs)
    return {"print": str(result["values"] if isinstance(result, dict) else result)}


plain = {name: OPERATIONS[name] for name in ("call", "vjp", "print")}
OPERATIONS.update({"call": call, "vjp": vjp, "print": printed})
