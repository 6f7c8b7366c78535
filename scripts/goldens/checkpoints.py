"""Chapter checkpoints: files that PyTorch and the safetensors library write, and what they hold."""

import base64
import collections
import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .case import Case, Numbers, golden, linear_weights, once, rnn_weights, simple_weights
from .checkpoint_load import library
from .execute import build

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
GOLDEN_PATHS = {"torch": "checkpoints/torch.json", "safetensors": "checkpoints/safetensors.json"}


def filled(state):
    """Weights as PyTorch's tensors of float32."""
    return {name: torch.tensor(value).float() for name, value in state.items()}


def saved(value, **options):
    """The bytes that torch.save writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def without_checksums(value):
    """As a caller in a hurry saves."""
    with torch.utils.serialization.config.patch("save.compute_crc32", False):
        return saved(value)


def changed(value, change):
    """The file that torch.save writes, what is in each of its entries changed."""
    source = zipfile.ZipFile(io.BytesIO(saved(value)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            target.writestr(entry, change(name, source.read(name)))
    return buffer.getvalue()


def big_endian(value, widths):
    """
    The file that a machine with the other byte order writes: each storage's numbers, of so many
    bytes, reversed, and a byteorder that says so.
    """

    def turned(name, data):
        if "/data/" not in name:
            return b"big" if name.endswith("/byteorder") else data
        width = widths[name.rsplit("/")[-1]]
        return np.frombuffer(data, np.uint8).reshape(-1, width)[:, ::-1].tobytes()

    return changed(value, turned)


def odd_bools():
    """Bools whose bytes are not only 0 and 1, as a program in C may leave them."""
    odd, value = b"\x01\x00\x37\xff", {"x": torch.tensor([True, False, True, True])}
    return changed(value, lambda name, data: odd if name.endswith("/data/0") else data)


def optimiser():
    """A model in the middle of its training by Adam, as people save it; all its numbers are drawn."""
    args = {"input_size": 2, "hidden_size": 3, "num_layers": 1}
    with torch.device("meta"):  # no weights of PyTorch's own drawing
        model = build({"module": "SimpleRNN", "args": args, "dtype": "float32"})
    model.load_state_dict(filled(simple_weights(Numbers(7100), args)), assign=True)
    adam = torch.optim.Adam(model.parameters(), lr=0.125)
    scheduler = torch.optim.lr_scheduler.StepLR(adam, 10)
    numbers, found = Numbers(7101), adam.state_dict()
    for place, value in enumerate(model.parameters()):
        mean, square = numbers.dyadic(*value.shape), abs(numbers.dyadic(*value.shape))
        found["state"][place] = {
            "step": torch.tensor(2.0), "exp_avg": torch.tensor(mean).float(),
            "exp_avg_sq": torch.tensor(square).float()
        }
    return {
        "epoch": 2, "model_state_dict": model.state_dict(), "optimizer_state_dict": found,
        "scheduler": scheduler.state_dict(), "loss": 0.3125,
        "history": [1.5, 0.75, float("inf"), float("-inf")], "name": "épreuve n° 1", "best": None,
        "done": False
    }


def torch_files():
    """(name, reason, clauses, bytes) of each file of torch.save that is read whole."""
    plain = filled(rnn_weights(Numbers(7000), {"input_size": 2, "hidden_size": 3}))
    yield "state-dict", "The state_dict of an RNN.", "CKPT-5", saved(plain)
    numbers = Numbers(7001)
    values = torch.tensor(numbers.dyadic(2, 3))
    whole = torch.tensor([[0, 1, 100], [7, 2, 127]])
    dtypes = {
        "float32": values.float(), "float64": values,
        "float16": torch.cat([values, torch.tensor([[65504.0, 2.0**-24, -(2.0**-14)]])]).half(),
        "bfloat16": torch.cat([values, torch.tensor([[2.0**120, 2.0**-130, -3.0]])]).bfloat16(),
        "bool": torch.tensor([[False, False, True], [True, True, True]]),
        "complex64": torch.complex(values.float(), values.float()),
        "complex128": torch.complex(values, values)
    }
    names = ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"]
    for name in [*names, "float8_e4m3fn", "float8_e5m2"]:
        dtypes[name] = whole.to(getattr(torch, name))
    for name, value in dtypes.items():
        yield f"dtype-{name}", f"A tensor of {name}.", "CKPT-4 CKPT-5", saved({"x": value})
    special = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 2.0**-149])
    # By their bits: processors differ in the NaN that a conversion makes.
    half = torch.tensor([0x7E00, 0x7C00, -0x0400, -0x8000, 0], dtype=torch.int16)
    brain = torch.tensor([-1, 0x7F80, -0x0080, -0x8000, 0], dtype=torch.int16)
    tiny = {
        "single": special, "half": half.view(torch.float16), "brain": brain.view(torch.bfloat16)
    }
    yield "special-numbers", "What is not finite, and a denormal.", "CKPT-4", saved(tiny)
    base = torch.tensor(numbers.dyadic(4, 6)).float()
    views = {
        "whole": base, "transposed": base.t(), "row": base[2], "column": base[:, 1],
        "stepped": base[::2, 1::3], "block": base[1:3, 2:5],
        "cube": base.reshape(2, 2, 6).permute(2, 0, 1), "empty": base[:0],
        "expanded": base[0, :3].expand(5, 3), "element": base[3, 5]
    }
    yield "views", "Ten views of one storage.", "CKPT-7", saved(views)
    tied = {"encoder.weight": base, "decoder.weight": base, "other": base.clone()}
    yield "tied", "Two names of one tensor.", "CKPT-7", saved(tied)
    large = torch.arange(1000, dtype=torch.float32)
    yield "part", "A small part of a storage brings all of it.", "CKPT-7", saved(large[500:502])
    scalars = {"tensor": torch.tensor(2.5), "long": torch.tensor(3), "number": 4, "real": 0.5}
    yield "scalars", "Tensors of no dimension, and numbers.", "CKPT-7", saved(scalars)
    integers = [0, 255, 256, 65535, 65536, -1, 2**31 - 1, 2**31, -(2**31) - 1, 2**53 - 1, 2**70]
    yield "integers", "Integers of every width.", "CKPT-6", saved([*integers, -(2**70)])
    nested = collections.OrderedDict(a={"b": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)]}, c={})
    nested["d"] = [torch.Size([2, 3]), torch.float32, torch.device("cpu"), True, None, "", 1e-300]
    yield "nested", "Dicts, lists and tuples in each other.", "CKPT-6", saved(nested)
    parameter = nn.Parameter(base[0].clone())
    both = {"parameter": parameter, "grad": base[1].clone().requires_grad_()}
    yield "parameters", "Tensors that require gradients.", "CKPT-6", saved(both)
    yield "optimiser", "A model, its optimiser, and notes.", "CKPT-6 CKPT-8", saved(optimiser())
    many = {f"layers.{k}.weight": torch.full((1,), float(k)) for k in range(150)}
    yield "many", "More values than one byte counts.", "CKPT-6", saved(many)
    yield "no-checksums", "Saved without checksums.", "CKPT-5", without_checksums(plain)
    mixed = {"x": base.t(), "y": values.half(), "z": whole, "c": dtypes["complex64"]}
    data = big_endian(mixed, {"0": 4, "1": 2, "2": 8, "3": 4})
    yield "big-endian", "From a machine of the other byte order.", "CKPT-5 CKPT-7", data
    yield "empty", "A dict of nothing.", "CKPT-5", saved({})
    odd = {"__proto__": base[0], "constructor": base[1], "toString": base[2], "": base[3], "1": base}
    yield "names", "Names that mean something to JavaScript.", "CKPT-6", saved(odd)
    keys = {True: base[0], None: base[1], 5: base[2], "5": base[3], 0.5: 1, False: 2}
    yield "keys", "Keys of every type; 5 and '5' are two.", "CKPT-6", saved(keys)
    slices = {"rows": torch.zeros(3, 0)[1:], "beyond": torch.ones(4)[4:], "columns": base[:, 6:]}
    yield "empty-slices", "Slices of nothing, that begin behind the end.", "CKPT-7", saved(slices)
    attributed = base[1].clone()
    attributed.note = "kept with the tensor"
    stateful = nn.Parameter(base[2].clone())
    stateful.note = "kept with the parameter"
    buffers = {"buffer": nn.Buffer(base[0].clone()), "tensor": attributed, "parameter": stateful}
    yield "buffers", "A buffer, and tensors with attributes.", "CKPT-6", saved(buffers)
    beside = {
        "weight": base[:2], "set": {1, 2}, "bytes": b"ab\xff", "bytearray": bytearray(b"ab"),
        "complex": 1 + 2j, "counter": collections.Counter({"a": 2, "b": 1}), "bias": base[2]
    }
    yield "beside", "Entries that are no tensors, beside tensors.", "CKPT-6", saved(beside)
    yield "bools", "Any byte but 0 is true.", "CKPT-4", odd_bools()
    yield "device", "Devices by their type, and by their number.", "CKPT-6", saved(
        [torch.device("cpu"), torch.device("cuda", 1), torch.strided, torch.Size([])]
    )
    halves = base.half()
    shared = {f"view{k}": halves[k : k + 2] for k in range(3)} | {"whole": halves}
    yield "shared-halves", "Views of one storage of half precision.", "CKPT-7", saved(shared)


MODELS = [
    ("RNN", "rnn", {}),
    ("RNN", "rnn-relu", {"nonlinearity": "relu"}),
    ("RNN", "rnn-no-bias-2-layers", {"bias": False, "num_layers": 2}),
    ("LSTM", "lstm", {}),
    ("LSTM", "lstm-bidirectional-2-layers", {"bidirectional": True, "num_layers": 2}),
    ("LSTM", "lstm-projection", {"proj_size": 2, "bidirectional": True}),
    ("GRU", "gru", {}),
    ("GRU", "gru-batch-first-3-layers", {"batch_first": True, "num_layers": 3}),
]


def models():
    """(name, reason, module, args, weights) of each that is run."""
    shape = {"input_size": 2, "hidden_size": 3}
    for place, (module, name, more) in enumerate(MODELS):
        args = {**shape, **more}
        state = rnn_weights(Numbers(7200 + place), args, module)
        yield name, f"A trained {module} from its file.", module, args, filled(state)
    args = {**shape, "num_layers": 2}
    state = filled(simple_weights(Numbers(7300), args))
    yield "simple-rnn", "The notebook's model from its file.", "SimpleRNN", args, state
    args = {"in_features": 2, "out_features": 4}
    state = filled(linear_weights(Numbers(7301), args))
    yield "linear", "A fully connected layer from its file.", "Linear", args, state


def load(format, name, reason, clauses, data, options=None, **fields):
    """One case of a file, which is asked for with options."""
    text = base64.b64encode(data).decode("ascii")
    return once(
        f"checkpoints/{format}/{name}", reason, clauses, "load", **fields,
        file={"format": format, **(options or {}), "base64": text}
    )


def wrapped(state, format, write):
    """(name, reason, clauses, bytes, options) of files that hold weights, and something else."""
    inside = {f"module.{k}": v for k, v in state.items()} | {"head.bias": torch.ones(2)}
    yield "prefix", "Saved from inside DataParallel.", "CKPT-8", write(inside), {
        "prefix": "module."
    }
    half = {k: v.half() for k, v in state.items()}
    yield "half", "Half precision, widened.", "CKPT-4", write(half), {"widen": True}
    if format == "torch":
        beside = {"scores": [np.float64(0.5), np.int64(3)], "best": frozenset([1])}
        mixed = saved({"model": state, **beside}, pickle_protocol=4)
        reason = "The weights are beside NumPy's numbers and a set."
        yield "beside", reason, "CKPT-6 CKPT-8", mixed, {"at": ["model"], "protocol": 4}
        deep = write({"epoch": 3, "nets": [{"state_dict": state}]})
        reason = "The weights are a part of the checkpoint."
        yield "nested", reason, "CKPT-8", deep, {"at": ["nets", 0, "state_dict"]}


def run_cases(format, write):
    """Models whose weights come in a file that `write` makes."""
    for place, (name, reason, module, args, state) in enumerate(models()):
        fields = {
            "module": module, "args": args, "dtype": "float32", "training": False,
            "inputs": {"input": Numbers(7400 + place).dyadic(2, 4, 2)}
        }
        clauses = f"CKPT-{2 if format == 'safetensors' else 5} CKPT-9"
        yield load(format, f"run-{name}", reason, clauses, write(state), **fields)
        if name == "gru":
            for word, *told in wrapped(state, format, write):
                yield load(format, f"run-{name}-{word}", *told, **fields)


def committed(format):
    """The files as they are in golden/: for a PyTorch, or a library, that would write others."""
    text = (GOLDEN / GOLDEN_PATHS[format]).read_text("ascii")
    for case in json.loads(text)["cases"]:
        fields = {key: case[key] for key in ("id", "reason", "clauses", "request")}
        if "inputs" in fields["request"]:
            inputs = fields["request"]["inputs"]["input"]
            value = np.array(inputs["data"], np.float32).reshape(inputs["shape"])
            fields["request"]["inputs"] = {"input": value}
        yield Case(**fields)


def elsewhere():
    """Whether another PyTorch than the one that made golden/ only verifies it."""
    made = json.loads((GOLDEN / "manifest.json").read_text("ascii"))["pytorch"]
    return "--verify" in sys.argv and made.split("+")[0] != torch.__version__.split("+")[0]


@golden(GOLDEN_PATHS["torch"], "Files of torch.save.")
def torch_cases():
    if elsewhere():
        yield from committed("torch")
        return
    for told in torch_files():
        yield load("torch", *told)
    for protocol in (3, 4, 5):
        data = saved({"x": torch.ones(2, 3), "y": [1, 2**40]}, pickle_protocol=protocol)
        reason = "A later pickle protocol."
        yield load("torch", f"protocol-{protocol}", reason, "CKPT-6", data, {"protocol": protocol})
    yield from run_cases("torch", saved)


def safetensors_files():
    """(name, reason, clauses, tensors, metadata) of each safetensors file."""
    numbers = Numbers(7500)
    drawn = numbers.dyadic(2, 3)
    values = torch.tensor(drawn)
    single = values.float()
    plain = {"b": single, "a": torch.tensor(-drawn).float()}
    yield "plain", "Two tensors, no metadata.", "CKPT-2", plain, None
    yield "metadata", "With metadata.", "CKPT-2", {"x": single}, {"format": "pt"}
    note = {"note": 'a "quote", a \\, a tab\t, é, 中, 😀'}
    yield "metadata-text", "Metadata that JSON must escape.", "CKPT-2", {"x": single}, note
    yield "empty", "No tensor at all.", "CKPT-2", {}, None
    shapes = {"scalar": torch.tensor(1.5), "none": torch.zeros(0, 3), "row": torch.ones(1, 1, 4)}
    yield "shapes", "Tensors of no dimension and of no element.", "CKPT-2", shapes, None
    names = ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "bool"]
    whole = torch.tensor([[0, 1, 100], [7, 2, 127]])
    dtypes = {name: whole.to(getattr(torch, name)) for name in names}
    dtypes |= {"float64": values, "float32": single, "float16": single.half()}
    dtypes |= {"bfloat16": single.bfloat16(), "complex64": torch.complex(single, single)}
    dtypes |= {n: single.to(getattr(torch, n)) for n in ("float8_e4m3fn", "float8_e5m2")}
    yield "dtypes", "One of each, sorted by dtype.", "CKPT-3 CKPT-4", dtypes, None
    odd = ["z", "a", "Z", "é", "\uffff", "\U0001f600", "a.b", "a b", 'q"\\/\n\x01\x7f\u2028', "10", "9"]
    odd += ["__proto__", "constructor", ""]
    named = {name: torch.full((1,), float(k)) for k, name in enumerate(odd)}
    yield "names", "Sorted by code point; escapes.", "CKPT-2 CKPT-3", named, None
    widths = {f"w{k}": torch.ones(k, dtype=torch.uint8) for k in range(9)}
    yield "unaligned", "Tensors that begin anywhere.", "CKPT-2", {**widths, "x": single}, None
    mixed = {"a": torch.ones(3, dtype=torch.uint8), "b": values, "c": single.half()}
    yield "padding", "A header padded to eight bytes.", "CKPT-3", mixed, {"k": "v"}


@golden(GOLDEN_PATHS["safetensors"], "Files of the safetensors library.")
def safetensors_cases():
    if library is None or elsewhere():
        yield from committed("safetensors")
        return
    for name, reason, clauses, tensors, metadata in safetensors_files():
        data = library.save(tensors, metadata=metadata)
        yield load("safetensors", name, reason, clauses, data)
    yield from run_cases("safetensors", library.save)
