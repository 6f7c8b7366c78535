"""Carry out op load: read a checkpoint, answer with what it holds, or run the model it is of."""

import base64
import io
import json

import numpy as np
import torch

from .execute import OPERATIONS, Unsupported, arrays, build, default_dtype, inputs_of, run

try:
    import safetensors.torch as library
except ImportError:  # then the files that it wrote are kept as they are committed
    library = None

# Types that numpy has no numbers for; exact in float32.
WIDENED = (torch.float16, torch.bfloat16)


def name_of(dtype):
    """`float32` of `torch.float32`."""
    return str(dtype).removeprefix("torch.")


def tensor_answer(value):
    """A tensor of any dtype; of the rarest only the size."""
    value = value.detach()
    dtype = name_of(value.dtype)
    if value.dtype in WIDENED:
        value = value.float()
    if value.dtype.is_complex or dtype.startswith("float8"):
        return {"dtype": dtype, "size": list(value.shape)}
    array = value.contiguous().numpy()
    array = array.astype(np.uint8) if array.dtype == np.bool_ else array
    data = list(array.reshape(-1))
    return {"dtype": dtype, "tensor": {"shape": list(value.shape), "data": data}}


def answer(value, tensor=tensor_answer):
    """What a checkpoint holds, as JSON: dicts as pairs, since their keys may be integers."""
    if isinstance(value, torch.Tensor):
        return tensor(value)
    if isinstance(value, dict):
        return {"dict": [[key, answer(item, tensor)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [answer(item, tensor) for item in value]}
    if isinstance(value, (torch.dtype, torch.device, torch.layout)):
        return str(value)
    if isinstance(value, (set, frozenset, bytes, bytearray, complex)):
        return {"object": type(value).__name__}  # read, but no value in JSON
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return {"integer": str(value)}
    return value


# The dtypes of the committed files, for a reader without the library.
NAMES = {
    **{"BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16"},
    **{"F8_E5M2": "float8_e5m2", "F8_E4M3": "float8_e4m3fn", "F16": "float16"},
    **{"BF16": "bfloat16", "I32": "int32", "U32": "uint32", "F32": "float32"},
    **{"C64": "complex64", "F64": "float64", "I64": "int64", "U64": "uint64"},
}


def plain_tensor(data, entry):
    """One tensor from the bytes behind the header."""
    dtype = getattr(torch, NAMES[entry["dtype"]], None)
    if dtype is None:
        raise Unsupported(f"this PyTorch has no {NAMES[entry['dtype']]}")
    begin, end = entry["data_offsets"]
    if begin == end:
        return torch.empty(entry["shape"], dtype=dtype)
    return torch.frombuffer(bytearray(data[begin:end]), dtype=dtype).reshape(entry["shape"])


def read_safetensors(data):
    """The tensors in the order of their bytes (the library's is another every time); metadata."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__", None)
    if library:
        tensors = library.load(data)
    else:
        body = data[8 + length :]
        tensors = {name: plain_tensor(body, entry) for name, entry in header.items()}
    names = sorted(header, key=lambda name: header[name]["data_offsets"])
    return {name: tensors[name] for name in names}, metadata


def read(file):
    """What the file holds, and its metadata."""
    data = base64.b64decode(file["base64"])
    if file["format"] == "safetensors":
        return read_safetensors(data)
    turned = b"/byteorderbig" in data
    if turned and not hasattr(torch.serialization, "LoadEndianness"):
        raise Unsupported("this PyTorch reads every file in its machine's byte order")
    # PyTorch's own careful reader knows protocols 2 and 3 only; these files are ours.
    careful = file.get("protocol", 2) < 4
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=careful), None
    except Exception as error:
        raise Unsupported(f"this PyTorch does not load the file: {error}") from error


def state_dict(file):
    """The weights that the file is asked for."""
    value, _ = read(file)
    for key in file.get("at", []):
        value = value[key]
    prefix = file.get("prefix", "")
    return {k.removeprefix(prefix): v for k, v in value.items() if k.startswith(prefix)}


def load(request):
    """What the file holds; or, of a request that names a module, what that puts out."""
    if "module" not in request:
        value, metadata = read(request["file"])
        return {"value": answer(value), **({"metadata": metadata} if metadata else {})}
    with default_dtype(request["dtype"]):
        module = build(request)
        module.load_state_dict(state_dict(request["file"]))
        module.train(request["training"])
        outputs = run(module, request["module"], inputs_of(request))
    return {"outputs": arrays(outputs)}


OPERATIONS["load"] = load
