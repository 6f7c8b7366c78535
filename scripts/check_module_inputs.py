# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "safetensors==0.8.0", "expecttest==0.3.0"]
# ///
"""
Put PyTorch's own test inputs (torch.testing._internal: common_modules, common_optimizers) to this
implementation, where Python, PyTorch and Deno are installed.

    uv run scripts/check_module_inputs.py --deno "npx --yes deno@2.9.6"
    uv run scripts/check_module_inputs.py --adapter "deno run my_adapter.ts" --filter LSTM

Each input becomes requests of the pair's protocol: the module's outputs, its gradients, its printing;
ten steps of an optimiser, with each schedule that it is tested with; and each input that PyTorch
refuses. The answers are compared with PyTorch's, within the closeness. The status is 1 where one
differs. What the protocol cannot say is listed with the reason.
"""

import argparse
import collections
import json
import math
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

sys.dont_write_bytecode = True

import numpy as np  # noqa: E402
import torch  # noqa: E402
from goldens import execute_training  # noqa: E402, F401
from goldens.compare import difference  # noqa: E402
from goldens.encode import encode, exact  # noqa: E402
from goldens.execute import default_dtype, execute  # noqa: E402
from goldens.verify import short  # noqa: E402
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence  # noqa: E402
from torch.testing._internal import common_modules, common_optimizers  # noqa: E402

HERE = Path(__file__).resolve().parent
SEQUENCE = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
POSITIONS = {
    "RNN": (*SEQUENCE[:3], "nonlinearity", *SEQUENCE[3:]),
    "GRU": SEQUENCE,
    "LSTM": (*SEQUENCE, "proj_size"),
    "RNNCell": ("input_size", "hidden_size", "bias", "nonlinearity"),
    "GRUCell": ("input_size", "hidden_size", "bias"),
    "LSTMCell": ("input_size", "hidden_size", "bias"),
    "Linear": ("in_features", "out_features", "bias"),
    **dict.fromkeys(("L1Loss", "MSELoss"), ("size_average", "reduce", "reduction")),
    **dict.fromkeys(("NLLLoss", "CrossEntropyLoss", "BCEWithLogitsLoss"), ("weight",)),
}
LOSSES = {name for name in POSITIONS if name.endswith("Loss")}
OPTIMIZERS = ("SGD", "Adam", "AdamW", "RMSprop")
SCHEDULES = {"StepLR": ("step_size", "gamma"), "CosineAnnealingLR": ("T_max", "eta_min")}
DTYPES = {torch.float32: "float32", torch.float64: "float64", torch.int64: "int64"}
INTEGRAL = re.compile(r"(?<=\d)\.0\b")
SIZES = {"input_size", "hidden_size", "num_layers", "proj_size", "in_features", "out_features"}


class Unsayable(Exception):
    """The protocol has no words for this input."""


def tensor(value, dtype):
    """A tensor as a request has it."""
    kind = DTYPES.get(value.dtype)
    if kind is None:
        raise Unsayable(f"a tensor of {value.dtype}")
    data = encode(value.detach().numpy().reshape(-1))
    shaped = {"shape": list(value.shape), "data": json.loads(data)["data"]}
    return shaped if kind == dtype else {**shaped, "dtype": kind}


def arguments(name, given):
    """A constructor's arguments by name; its tensors apart."""
    args = {**dict(zip(POSITIONS[name], given.args, strict=False)), **given.kwargs}
    for place in ("device", "dtype"):
        args.pop(place, None)
    for option, value in args.items():
        if option in SIZES and isinstance(value, float) and value.is_integer():
            raise Unsayable("a float for an integer, which JavaScript cannot tell apart")
    if name.endswith("Cell") and isinstance(args.get("bias"), str):
        raise Unsayable("text for a truth value, which is refused here and taken by PyTorch")
    tensors = {k: v for k, v in args.items() if isinstance(v, torch.Tensor)}
    return {k: v for k, v in args.items() if k not in tensors}, tensors


def inputs(name, given, args, dtype):
    """The inputs of a forward pass by the protocol's names."""
    found = [*given.args, *given.kwargs.values()]
    if name in LOSSES:
        return dict(zip(("input", "target"), (tensor(x, dtype) for x in found), strict=True))
    value, *state = found
    made = {}
    if isinstance(value, PackedSequence):
        value, lengths = pad_packed_sequence(value, args.get("batch_first", False))
        made["lengths"] = lengths.tolist()
    made["input"] = tensor(value, dtype)
    for one in state:
        pair = one if isinstance(one, tuple) else (one,)
        made.update(zip(("h_0", "c_0"), (tensor(x, dtype) for x in pair), strict=False))
    return made


def drawn(shape, dtype=torch.float64):
    """Numbers that both dtypes hold."""
    return tensor(torch.randn(shape, dtype=dtype).float().double(), "float64")


def module_requests(name, sample, dtype, training):
    """The requests that one input of a module becomes."""
    args, tensors = arguments(name, sample.constructor_input)
    base = {"module": name, "args": args, "dtype": dtype}
    yield {"op": "repr", "module": name, "args": args}
    if sample.forward_input is None:
        return
    given = inputs(name, sample.forward_input, args, dtype)
    if name in LOSSES:
        given.update({k: tensor(v, dtype) for k, v in tensors.items()})
        floating = given["target"].get("dtype") != "int64"
        asked = {"op": "loss", **base, "inputs": given}
        asked["wrt"] = ["input", "target"] if floating else ["input"]
        if args.get("reduction") == "none":
            shape = execute({**asked, "grad_outputs": None, "op": "shape"})
            asked["grad_outputs"] = {"output": drawn(shape)}
        yield asked
        return
    torch.manual_seed(0)
    kind = getattr(torch.nn, name)
    with default_dtype(dtype):
        state = {k: tensor(v, dtype) for k, v in kind(**args).state_dict().items()}
    asked = {"op": "forward", **base, "training": training, "state_dict": state, "inputs": given}
    yield asked
    answer = execute(json.loads(json.dumps(asked)))
    if "error" not in answer:
        wanted = {k: drawn(v.shape) for k, v in answer["outputs"].items()}
        yield {**asked, "op": "vjp", "grad_outputs": wanted}


def shape_of(request):
    """The shape of a loss's elements."""
    given = execute_training.inputs_of(request)
    weights = {k: v for k, v in given.items() if k not in ("input", "target")}
    measure = execute_training.build({**request, "args": {**request["args"], **weights}})
    return measure(given["input"], given["target"]).shape


execute_training.OPERATIONS["shape"] = shape_of


def modules():
    """Every input of every module that is ours: (what, request or the reason why there is none)."""
    for info in common_modules.module_db:
        name = info.module_cls.__name__
        if name not in POSITIONS or info.module_cls.__module__.split(".")[1] != "nn":
            continue
        for kind, dtype in ((torch.float32, "float32"), (torch.float64, "float64")):
            for training in (False, True):
                samples = info.module_inputs_func(
                    info, device="cpu", dtype=kind, requires_grad=False, training=training
                )
                errors = []
                if info.module_error_inputs_func:
                    errors = info.module_error_inputs_func(
                        info, device="cpu", dtype=kind, requires_grad=False, training=training
                    )
                for sample in (*samples, *(one.module_error_input for one in errors)):
                    yield from said(name, lambda: module_requests(name, sample, dtype, training))  # noqa: B023


def said(name, requests):
    """The requests, or the reason why there are none."""
    try:
        for request in requests():
            yield name, request, None
    except Unsayable as why:
        yield name, None, str(why)


def option(value):
    """An optimiser's option as JSON has it."""
    if isinstance(value, torch.Tensor):
        return tensor(value, DTYPES[value.dtype])
    return [option(one) for one in value] if isinstance(value, tuple) else value


def groups_of(params):
    """What an optimiser is made with, as the protocol says it; and the parameters by name."""
    names = {}

    def name(param):
        return names.setdefault(param, f"p{len(names)}")

    def group(given, args):
        given = [given] if isinstance(given, torch.Tensor) else list(given)
        pairs = [one if isinstance(one, tuple) else (None, one) for one in given]
        found = [name(one) for _, one in pairs]
        named = [text is not None for text, _ in pairs]
        said = {"params": found, "args": {k: option(v) for k, v in args.items()}}
        return {**said, "named": named} if any(named) else said

    if isinstance(params, torch.Tensor):
        return name(params), {"p0": tensor(params, "float32")}
    if isinstance(params, set):
        raise Unsayable("a set, which has an order in JavaScript")
    params = list(params)
    if isinstance(params[0], dict):
        groups = [
            group(one["params"], {k: v for k, v in one.items() if k != "params"}) for one in params
        ]
    else:
        groups = [group(params, {})]
    return groups, {text: tensor(param, "float32") for param, text in names.items()}


def optimizer_requests(name, sample, schedules, dtype):
    """The requests that one input of an optimiser becomes."""
    args = {k: option(v) for k, v in sample.kwargs.items()}
    wanted = {"name": name, "args": args}
    base = {"op": "optim", "dtype": dtype, "optimizer": wanted}
    if sample.params is not None:
        groups, state = groups_of(sample.params)
        yield {**base, "groups": groups, "state_dict": state}
        return
    single = torch.float32
    state = {"weight": drawn((3, 2), single), "bias": drawn(3, single)}
    grads = {"weight": drawn((10, 3, 2), single), "bias": drawn((10, 3), single)}
    asked = {**base, "state_dict": state, "gradients": grads}
    yield {"op": "repr", "optimizer": wanted}
    yield asked
    for schedule in schedules:
        yield {**asked, "scheduler": schedule}


def schedules_of(info):
    """The schedules of ours that an optimiser is tested with, alone."""
    found = []
    for makers in info.scheduler_inputs:
        for make in makers:
            made = make(info.optim_cls([torch.zeros(1, requires_grad=True)], lr=0.1))
            name = type(made).__name__
            if name in SCHEDULES:
                schedule = {"name": name, "args": {k: getattr(made, k) for k in SCHEDULES[name]}}
                if schedule not in found:
                    found.append(schedule)
    return found


def optimizers():
    """Every input of every optimiser that is ours."""
    for info in common_optimizers.optim_db:
        name = info.optim_cls.__name__
        if name not in OPTIMIZERS:
            continue
        for kind, dtype in ((torch.float32, "float32"), (torch.float64, "float64")):
            samples = info.optim_inputs_func(device="cpu", dtype=kind)
            errors = info.optim_error_inputs_func("cpu", kind)
            schedules = schedules_of(info)
            for sample in (*samples, *(one.optimizer_error_input for one in errors)):
                yield from said(name, lambda: optimizer_requests(name, sample, schedules, dtype))  # noqa: B023


def judged(request, wanted, found):
    """What kind of case it is and how far the answer is off, in tolerances."""
    dtype = request.get("dtype", "float32")
    units = difference(wanted, found, dtype)
    if "error" in wanted:
        if units > 1 and "error" in found:
            texts = [INTEGRAL.sub("", one["error"]["message"]) for one in (wanted, found)]
            if texts[0] == texts[1] and wanted["error"]["type"] == found["error"]["type"]:
                return "refused but for a .0 that JavaScript has not", 0.0
        return "refused", units
    if 1 < units < math.inf and dtype == "float32":
        truth = exact(encode(execute({**request, "dtype": "float64"})))
        theirs, ours = (difference(truth, one, dtype) for one in (wanted, found))
        if ours <= max(1, theirs):  # no further from the truth than PyTorch's float32
            return f"{request['op']} within float32's rounding", 0.0
    return request["op"], units


def main():
    """Ask, compare, report; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deno", default="deno", help="the command that runs Deno")
    parser.add_argument("--adapter", help="another implementation's command")
    parser.add_argument("--filter", default="", help="only names with this in them")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002

    asked, unsaid = [], collections.Counter()
    for name, request, why in (*modules(), *optimizers()):
        if options.filter in name:
            if request is None:
                unsaid[name, why] += 1
            else:
                asked.append((name, json.loads(json.dumps({"id": len(asked), **request}))))
    command = options.adapter or f"{options.deno} run {HERE / 'adapters' / 'reference.ts'}"
    lines = "".join(json.dumps(request) + "\n" for _, request in asked)
    ran = subprocess.run(  # noqa: S603
        shlex.split(command), input=lines, capture_output=True, text=True, check=True
    )
    given = {}
    for line in ran.stdout.splitlines():
        answer = exact(line)
        given[int(answer.pop("id"))] = answer
    counts, wrong = collections.defaultdict(collections.Counter), []
    for name, request in asked:
        wanted = exact(encode(execute(request)))
        found = given.get(request["id"], {"missing": True})
        kind, units = judged(request, wanted, found)
        counts[name][kind if units <= 1 else "WRONG"] += 1
        if units > 1:
            wrong.append((name, request, wanted, found, units))
    for name, request, wanted, found, units in wrong[:40]:
        question, theirs, ours = (short(one, 400) for one in (request, wanted, found))
        print(f"{name}: {question}\n  PyTorch: {theirs}\n  given:   {ours}  {units:.3g}\n")
    for name, kinds in counts.items():
        print(f"{name:18} " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    for (name, why), count in unsaid.items():
        print(f"not asked: {name}: {count} with {why}")
    print(f"{len(asked)} requests, {len(wrong)} answered otherwise than by PyTorch {torch.__version__}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
