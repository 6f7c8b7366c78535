# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "numpy==2.4.6",
#   "onnx==1.23.2",
#   "safetensors==0.7.0",
# ]
# ///
"""Reads a folder of deno task vectors with NumPy, safetensors or onnx, and holds it against golden/*.json.

uv run scripts/vectors/check.py DIR
"""

import json
import sys
from pathlib import Path

import numpy as np

root = Path(__file__).resolve().parents[2] / "golden"


def drawn(shape, draw):
    """The numbers of a tensor that its file only says how to draw."""
    x, numbers = draw["seed"], []
    for _ in range(int(np.prod(shape))):
        x = (1664525 * x + 1013904223) % 2**32
        numbers.append(((x >> 16) % 2001 - 1000) / draw["divisor"])
    return numbers


def array(value, dtype):
    """A golden tensor, or a list of integers."""
    if isinstance(value, list):
        return np.array(value, "int64")
    data = value["data"] if "data" in value else drawn(value["shape"], value["draw"])
    return np.array([float(x) for x in data]).astype(value.get("dtype", dtype)).reshape(value["shape"])


def wanted(case):
    """All arrays of a golden case, by name."""
    request, dtype = case["request"], case["request"].get("dtype", "float32")
    parts = {part: request.get(part, {}) for part in ("state_dict", "inputs")}
    parts["outputs"] = case["expect"]["outputs"]
    return {f"{part}.{n}": array(x, dtype) for part, named in parts.items() for n, x in named.items()}


def same(name, given, own):
    assert given.dtype == own.dtype and given.shape == own.shape, f"{name}: {given.dtype} {given.shape}"
    numbers = own == own  # not NaN, of which any will do
    assert np.array_equal(given == given, numbers), name
    assert given[numbers].tobytes() == own[numbers].tobytes(), name  # -0 is another number than 0


def check_onnx(own, case):
    """One folder of a model, as ONNX's backend tests have it."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(own / "model.onnx")
    onnx.checker.check_model(model)
    for kind, infos in (("input", model.graph.input), ("output", model.graph.output)):
        files = sorted((own / "test_data_set_0").glob(f"{kind}_*.pb"))
        assert len(files) == len(infos), f"{own}: {len(files)} {kind}s"
        for k, info in enumerate(infos):
            tensor = onnx.load_tensor(own / f"test_data_set_0/{kind}_{k}.pb")
            assert tensor.name == info.name, f"{own}: {tensor.name} is not {info.name}"
            golden = case[f"{kind}s.{info.name}"]
            given = numpy_helper.to_array(tensor)
            if info.name == "lengths":
                golden = golden.astype("int32")
            if given.shape != golden.shape:  # packed: the input is cut to the longest sequence
                golden = golden[tuple(slice(extent) for extent in given.shape)]
            same(f"{own} {info.name}", given, golden)


def main(folder):
    files = [json.loads(p.read_text()) for p in root.glob("*/*.json")]
    cases = {case["id"]: case for file in files if "cases" in file for case in file["cases"]}
    if not (folder / "manifest.json").exists():
        models = list(folder.iterdir())
        for own in models:
            check_onnx(own, wanted(cases[own.name.replace("__", "/")]))
        return len(models)
    from safetensors.numpy import load_file

    entries = json.loads((folder / "manifest.json").read_text())["cases"]
    assert {one["file"] for one in entries} | {"manifest.json"} == {p.name for p in folder.iterdir()}
    for one in entries:
        path = folder / one["file"]
        given = dict(np.load(path)) if path.suffix == ".npz" else load_file(path)
        own = wanted(cases[one["id"]])
        assert given.keys() == own.keys(), f"{path}: {sorted(given)}"
        for name, x in own.items():
            same(f"{path} {name}", given[name], x)
        request = cases[one["id"]]["request"]
        for key in ("op", "module", "args"):
            assert one.get(key) == request.get(key, {} if key == "args" else None), f"{path}: {key}"
    return len(entries)


if __name__ == "__main__":
    print(f"{main(Path(sys.argv[1]))} cases are the goldens'")
