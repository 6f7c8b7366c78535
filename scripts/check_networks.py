"""
Convert real trained networks to ONNX and hold ONNX Runtime's results against PyTorch's: the LSTM of
silero-vad, the three layers of Resemblyzer and the two GRUs of g2p-en, with the weights that these
packages bring along. The packages are only looked into, never imported, so that they need none of
their dependencies. In an environment of its own, outside this folder:

    uv venv networks && . networks/bin/activate
    uv pip install torch==2.15.0 numpy onnxruntime safetensors
    uv pip install --no-deps silero-vad==6.2.3 Resemblyzer==0.1.4 g2p-en==2.1.0
    python scripts/check_networks.py --deno "npx --yes deno@2.9.6"

Each is converted by `deno task convert`, which checks it in ONNX Runtime by itself. Then PyTorch and
ONNX Runtime run it on the same random sequence, and both are held against PyTorch in float64.
"""

import argparse
import importlib.util
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

HERE = Path(__file__).resolve().parent
# So many times further from the truth than PyTorch's float32 a result may be.
MARGIN = 10


def package(name):
    """The folder of an installed package, which is not imported."""
    found = importlib.util.find_spec(name)
    if found is None:
        sys.exit(f"the package {name} is not installed")
    return Path(found.submodule_search_locations[0])


def silero():
    """The file, flags, and the same in PyTorch: a cell, here as a layer."""
    import safetensors.torch

    file = package("silero_vad") / "data" / "silero_vad_16k.safetensors"
    weights = safetensors.torch.load_file(file)
    layer = nn.LSTM(128, 128)
    layer.load_state_dict(
        {f"{name.split('.')[1]}_l0": x for name, x in weights.items() if name.startswith("lstm_cell.")}
    )
    return file, ["--ignore-others"], layer, None


def resemblyzer(folder):
    """An older file, saved again; three layers, the Linear reads the last state of the last one."""
    old = package("resemblyzer") / "pretrained.pt"
    weights = torch.load(old, map_location="cpu", weights_only=False)["model_state"]
    file = folder / "resemblyzer.pt"
    torch.save({"model_state": weights}, file)
    layer, head = nn.LSTM(40, 256, num_layers=3, batch_first=True), nn.Linear(256, 256)
    layer.load_state_dict({k.removeprefix("lstm."): x for k, x in weights.items() if k.startswith("lstm.")})
    head.load_state_dict({k.removeprefix("linear."): x for k, x in weights.items() if k.startswith("linear.")})
    return file, ["--at", "model_state", "--batch-first", "--ignore-others"], layer, head


def g2p(folder, part):
    """Weights in NumPy's format; the decoder has a Linear, which reads every step."""
    arrays = np.load(package("g2p_en") / "checkpoint20.npz")
    names = ("w_ih", "w_hh", "b_ih", "b_hh")
    own = {
        name.replace("w_", "weight_").replace("b_", "bias_"): torch.tensor(arrays[f"{part}_{name}"])
        for name in names
    }
    layer = nn.GRU(256, 256, batch_first=True)
    layer.load_state_dict({f"{name}_l0": x for name, x in own.items()})
    saved = {f"gru.{name}": x for name, x in own.items()}
    flags, head = ["--batch-first"], None
    if part == "dec":
        head = nn.Linear(256, 74)
        head.load_state_dict({"weight": torch.tensor(arrays["fc_w"]), "bias": torch.tensor(arrays["fc_b"])})
        saved |= {f"fc.{name}": x for name, x in head.state_dict().items()}
        flags.append("--every-step")
    file = folder / f"g2p_{part}.pt"
    torch.save(saved, file)
    return file, flags, layer, head


def run(layer, head, every, value):
    """What PyTorch computes, in the dtype of the input."""
    with torch.no_grad():
        output, state = layer.to(value.dtype)(value)
        states = state if isinstance(state, tuple) else (state,)
        if head is not None:
            output = head.to(value.dtype)(output if every else output[:, -1])
    return [output, *states]


def distance(given, truth):
    """The largest difference, in units of torch.testing.assert_close's tolerance for float32."""
    worst = 0.0
    for one, other in zip(given, truth, strict=True):
        other = other.numpy()
        worst = max(worst, float((abs(np.asarray(one) - other) / (1e-5 + 1.3e-6 * abs(other))).max()))
    return worst


def check(name, case, deno, folder):
    """Convert one network and run it; whether it computes the same."""
    file, flags, layer, head = case
    target = folder / f"{name}.onnx"
    command = [*shlex.split(deno), "task", "--quiet", "convert", str(file), "--to", "onnx", *flags]
    done = subprocess.run(
        [*command, "-o", str(target)], cwd=HERE.parent, capture_output=True, text=True
    )
    if done.returncode != 0:
        print(f"{name}: not converted: {done.stderr.strip().splitlines()[-1]}")
        return False
    torch.manual_seed(0)
    features = layer.input_size
    value = torch.rand(3, 100, features) * 2 - 1
    if not layer.batch_first:
        value = value.transpose(0, 1).contiguous()
    every = "--every-step" in flags
    session = onnxruntime.InferenceSession(str(target))
    ours = session.run(None, {"input": value.numpy()})
    theirs = run(layer, head, every, value)
    truth = run(layer, head, every, value.double())
    here, there = distance(ours, truth), distance([x.numpy() for x in theirs], truth)
    fine = here <= max(1, MARGIN * there)
    print(f"{name}: {done.stdout.strip().splitlines()[-1]}")
    print(
        f"  on 3 × 100 steps ONNX Runtime is {here:.2f} tolerances from float64, PyTorch's float32 "
        f"{there:.2f}: {'the same' if fine else 'SOMETHING ELSE'}"
    )
    return fine


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deno", default="deno", help="the command that starts Deno")
    deno = parser.parse_args().deno
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = {
            "silero-vad": silero(), "Resemblyzer": resemblyzer(folder),
            "g2p-en encoder": g2p(folder, "enc"), "g2p-en decoder": g2p(folder, "dec")
        }
        fine = [check(name, case, deno, folder) for name, case in cases.items()]
    print(f"{sum(fine)} of {len(fine)} compute in ONNX Runtime what PyTorch computes")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
