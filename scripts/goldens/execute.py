"""
Carry out a request with PyTorch: the body of the goldens, and of any adapter around PyTorch.

`execute(request)` takes a request as JSON gives it and returns what PyTorch answers; tensors in the
answer are numpy arrays.
"""

import contextlib
import hashlib
import io
import math
import re
import warnings

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from . import notebook_text
from .case import drawn

DTYPES = {
    **{"float32": torch.float32, "float64": torch.float64},
    **{"int64": torch.int64, "bool": torch.bool},
}


class Unsupported(Exception):
    """The request asks for something that the installed PyTorch has no name for."""


def execute(request):
    """What PyTorch answers to `request`; an exception it raises becomes {"error": ...}."""
    operation = OPERATIONS.get(request["op"])
    if operation is None:
        raise Unsupported(f"op {request['op']}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return operation(request)
        except Unsupported:
            raise
        except Exception as error:  # whatever PyTorch raises is the answer
            return {"error": {"type": type(error).__name__, "message": str(error)}}


# Reading a request


def tensor(value, dtype):
    """A tensor of the request; one of its own dtype says so."""
    kind = DTYPES[value.get("dtype", dtype)]
    if "draw" in value:
        data = drawn(math.prod(value["shape"]), **value["draw"])
        return torch.tensor(data, dtype=kind).reshape(value["shape"])
    data = [float(element) for element in value["data"]]  # also "NaN", "Infinity", "-Infinity"
    return torch.tensor(data, dtype=kind).reshape(value["shape"])


def inputs_of(request):
    """The request's input tensors by name; a list of tensors stays a list."""
    found = {}
    for name, value in request.get("inputs", {}).items():
        if name == "lengths":
            found[name] = value
        elif isinstance(value, list):
            found[name] = [tensor(one, request["dtype"]) for one in value]
        else:
            found[name] = tensor(value, request["dtype"])
    return found


def packed(inputs):
    """The PackedSequence whose fields are among the inputs."""
    return PackedSequence(
        inputs["data"], inputs["batch_sizes"], inputs.get("sorted_indices"),
        inputs.get("unsorted_indices")
    )


def array(value):
    """A tensor of the answer, as numpy; a list of tensors stays a list."""
    if isinstance(value, list):
        return [array(one) for one in value]
    return value.detach().cpu().contiguous().numpy()


def arrays(outputs):
    """The answer's tensors by name: a dictionary, the fields of a PackedSequence, or one tensor."""
    if isinstance(outputs, PackedSequence):
        outputs = {k: v for k, v in outputs._asdict().items() if v is not None}
    if not isinstance(outputs, dict):
        outputs = {"output": outputs}
    return {name: array(value) for name, value in outputs.items()}


@contextlib.contextmanager
def default_dtype(name):
    """Construct and run in this dtype, also where a module (the notebook's) names none."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(DTYPES[name])
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def simple_rnn():
    """The notebook's own class, from the notebook's own text."""
    scope = {}
    exec(notebook_text.cell_with("import torch").code, scope)
    exec(notebook_text.cell_with("class SimpleRNN").code, scope)
    return scope["SimpleRNN"]


# Modules that are not made by their name in torch.nn alone: from a request, by name.
BUILDERS = {}


def build(request):
    """The module that the request describes, with freshly drawn weights."""
    name = request["module"]
    if name in BUILDERS:
        return BUILDERS[name](request)
    kind = simple_rnn() if name == "SimpleRNN" else getattr(nn, name, None)
    if kind is None:
        raise Unsupported(f"module {name}")
    return kind(**request["args"])


def loaded(request):
    """The module with the request's weights and mode."""
    module = build(request)
    dtype = request["dtype"]
    if "state_dict" in request:
        state = {name: tensor(value, dtype) for name, value in request["state_dict"].items()}
        module.load_state_dict(state)
    module.train(request.get("training", False))
    return module


# Running a module


def run(module, name, inputs):
    """Call `module` as its kind is called; the outputs by PyTorch's names for them."""
    if name in ("RNN", "GRU", "LSTM"):
        return run_sequence(module, name, inputs)
    if name in ("RNNCell", "GRUCell", "LSTMCell"):
        state = state_of(name == "LSTMCell", inputs)
        result = module(inputs["input"], *state)
        return dict(zip(("h_1", "c_1"), result)) if name == "LSTMCell" else {"h_1": result}
    return {"output": module(inputs["input"])}


def state_of(pair, inputs):
    """The initial state as the call's remaining arguments: none, or one."""
    if "h_0" not in inputs:
        return ()
    return ((inputs["h_0"], inputs["c_0"]),) if pair else (inputs["h_0"],)


def run_sequence(module, name, inputs):
    """RNN, GRU and LSTM; with `lengths` the input goes in packed, the output comes out padded."""
    value = inputs["input"]
    if "lengths" in inputs:
        lengths = torch.tensor(inputs["lengths"])
        value = pack_padded_sequence(value, lengths, module.batch_first, enforce_sorted=False)
    output, state = module(value, *state_of(name == "LSTM", inputs))
    if "lengths" in inputs:
        output, _ = pad_packed_sequence(output, module.batch_first)
    states = dict(zip(("h_n", "c_n"), state)) if name == "LSTM" else {"h_n": state}
    return {"output": output, **states}


# Operations


def portable(request):
    """
    Without oneDNN where LSTM gets a state of another dtype: oneDNN refuses it in words of its own,
    on the processors that have it; everywhere else PyTorch's own product refuses it.
    """
    inputs = request["inputs"]
    mixed = any("dtype" in inputs.get(name, {}) for name in ("h_0", "c_0"))
    if request["module"] == "LSTM" and mixed:
        return torch.backends.mkldnn.flags(enabled=False)
    return contextlib.nullcontext()


def forward(request):
    """The module's outputs."""
    with default_dtype(request["dtype"]), portable(request):
        if "seed" in request:
            torch.manual_seed(int(request["seed"]))
        outputs = run(loaded(request), request["module"], inputs_of(request))
    return {"outputs": arrays(outputs)}


def vjp(request):
    """The gradients of sum(output * grad_output) in every input and every parameter."""
    dtype = request["dtype"]
    with default_dtype(dtype):
        module = loaded(request)
        inputs = inputs_of(request)
        leaves = {
            k: v.requires_grad_()
            for k, v in inputs.items()
            if k != "lengths" and v.is_floating_point()
        }
        outputs = run(module, request["module"], {**inputs, **leaves})
        wanted = {k: tensor(v, dtype) for k, v in request["grad_outputs"].items()}
        torch.autograd.backward([outputs[k] for k in wanted], list(wanted.values()))
    grads = {
        "inputs": {k: v.grad for k, v in leaves.items()},
        "state_dict": {k: v.grad for k, v in module.named_parameters()},
    }
    filled = {
        part: {k: array(g) for k, g in of.items() if g is not None} for part, of in grads.items()
    }
    return {"grads": filled}


def init(request):
    """The weights that manual_seed and the constructor, run `constructions` times, leave."""
    with default_dtype(request["dtype"]):
        torch.manual_seed(int(request["seed"]))
        for _ in range(request.get("constructions", 1)):
            module = build(request)
    state = {name: array(value) for name, value in module.state_dict().items()}
    if request.get("digest"):
        state = {name: digest(value) for name, value in state.items()}
    return {"state_dict": state}


def digest(value):
    """A big tensor in three facts: its shape, a hash of its little-endian bytes, its start."""
    little = value.astype(value.dtype.newbyteorder("<"))
    sha256 = hashlib.sha256(little.tobytes()).hexdigest()
    return {"shape": list(value.shape), "sha256": sha256, "first": list(value.reshape(-1)[:4])}


def draw(request):
    """Numbers straight from the generator: op rand or randn."""
    torch.manual_seed(int(request["seed"]))
    function = getattr(torch, request["op"])
    return {"outputs": arrays(function(request["args"]["size"], dtype=DTYPES[request["dtype"]]))}


def representation(request):
    """print(module)."""
    return {"repr": repr(build(request))}


def size(request):
    """print(torch.Size(...))."""
    return {"print": str(torch.Size(request["args"]["size"]))}


def printed(request):
    """print(tensor), the tensor made to look as if an operation had produced it where asked."""
    value = inputs_of(request)["input"]
    args = request.get("args", {})
    if "grad_fn" in args:
        value = with_grad_fn(value, args["grad_fn"])
    elif args.get("requires_grad"):
        value.requires_grad_()
    return {"print": str(value)}


# One way to a grad_fn of each name. What is computed is of no matter: the data is put in after.
GRAD_FNS = {
    "AddBackward0": lambda x: x + x,
    "AddmmBackward0": lambda x: torch.addmm(x[0], x[:, :1], x[:1]),
    "CatBackward0": lambda x: torch.cat([x]),
    "MeanBackward0": lambda x: x.unsqueeze(0).mean(),
    "MulBackward0": lambda x: x * x,
    "ReluBackward0": lambda x: torch.relu(x),
    "SelectBackward0": lambda x: x.unsqueeze(0).select(0, 0),
    "SinBackward0": lambda x: torch.sin(x),
    "SliceBackward0": lambda x: x[0:],
    "SqueezeBackward1": lambda x: x.unsqueeze(0).squeeze(0),
    "StackBackward0": lambda x: torch.stack(list(x)),
    "SumBackward0": lambda x: x.unsqueeze(0).sum(),
    "TanhBackward0": lambda x: torch.tanh(x),
    "TBackward0": lambda x: x.t().t(),
    "TransposeBackward0": lambda x: x.transpose(0, -1).transpose(0, -1),
    "TransposeBackward1": lambda x: x.clone().transpose_(0, -1).transpose_(0, -1),
    "ViewBackward0": lambda x: x.view(x.shape),
}


def with_grad_fn(value, name):
    """`value` as the result of an operation whose grad_fn has this name."""
    if name not in GRAD_FNS:
        raise Unsupported(f"grad_fn {name}")
    result = GRAD_FNS[name](value.clone().requires_grad_())
    assert type(result.grad_fn).__name__ == name, type(result.grad_fn).__name__
    result.data = value
    return result


def notebook(request):
    """
    All that the notebook's cells print.

    They run in order after manual_seed; the cell that makes the model runs `constructions` times,
    and only its last output counts. `args` replaces the numbers that the third cell sets.
    """
    torch.manual_seed(int(request["seed"]))
    scope, pieces = {}, []
    for cell in notebook_text.cells():
        code = cell.code
        for name, value in request.get("args", {}).items():
            code = re.sub(rf"^{name} = \S+", f"{name} = {value}", code, flags=re.MULTILINE)
        makes_model = re.search(r"^model = SimpleRNN\(", code, flags=re.MULTILINE)
        for _ in range(request.get("constructions", 1) if makes_model else 1):
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(code, scope)
        pieces.append(output.getvalue())
    return {"print": "".join(pieces)}


# Functions on tensors, of inputs and arguments by name and a dtype: op "call"
FUNCTIONS = {}


def call(request):
    """One function by name; its outputs by name, or its only one as "output"."""
    function = FUNCTIONS.get(request["function"])
    if function is None:
        raise Unsupported(f"function {request['function']}")
    outputs = function(inputs_of(request), request.get("args", {}), DTYPES[request["dtype"]])
    return {"outputs": arrays(outputs)}


OPERATIONS = {
    "call": call, "forward": forward, "init": init, "notebook": notebook, "print": printed,
    "rand": draw, "randn": draw, "repr": representation, "size": size, "vjp": vjp
}
