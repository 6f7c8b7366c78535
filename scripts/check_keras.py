# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "keras==3.15.1", "h5py"]
# ///
"""
Load with Keras what `deno task convert --to keras` writes of the golden checkpoints, and compare what
Keras computes with what PyTorch computed.

    uv run scripts/check_keras.py --deno "npx --yes deno@2.9.6"
"""

import argparse
import base64
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras  # noqa: E402
import numpy as np  # noqa: E402

HERE = Path(__file__).resolve().parent


def program(deno, case, folder):
    """The lines of Python that the conversion prints; None where it refuses."""
    source, target = folder / "model.pt", folder / "model.weights.h5"
    source.write_bytes(base64.b64decode(case["request"]["file"]["base64"]))
    args = [*shlex.split(deno), "run", "-A", str(HERE / "convert.ts"), str(source)]
    args += ["--to", "keras", "-o", str(target), "--batch-first"]
    if case["request"]["args"].get("nonlinearity"):
        args += ["--nonlinearity", case["request"]["args"]["nonlinearity"]]
    found = subprocess.run(args, capture_output=True, text=True, cwd=HERE.parent)
    if found.returncode:
        print(f"{case['id']}: {found.stderr.strip()}")
        return None
    return found.stdout.split("In Python:\n")[1].replace("\n  ", "\n")[2:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deno", default="deno", help="the command that starts Deno")
    options = parser.parse_args()
    golden = HERE.parent / "golden" / "checkpoints" / "torch.json"
    wrong = compared = 0
    for case in json.loads(golden.read_text("ascii"))["cases"]:
        request = case["request"]
        plain = request["file"].keys() == {"format", "base64"}
        if request.get("module") not in ("RNN", "LSTM", "GRU", "SimpleRNN") or not plain:
            continue
        with tempfile.TemporaryDirectory() as folder:
            lines = program(options.deno, case, Path(folder))
            if lines is None:
                continue
            scope = {"keras": keras}
            exec(lines, scope)
        first = request["module"] == "SimpleRNN" or request["args"].get("batch_first")
        value, wanted = (
            np.array(one["data"], np.float32).reshape(one["shape"])
            for one in (request["inputs"]["input"], case["expect"]["outputs"]["output"])
        )
        given = scope["model"].predict(value if first else value.swapaxes(0, 1), verbose=0)
        given = given if first else given.swapaxes(0, 1)
        difference = float(np.abs(given - wanted).max())
        compared += 1
        wrong += not np.allclose(given, wanted, rtol=1.3e-6, atol=1e-5)
        print(f"{case['id']}: largest difference {difference:.1e}")
    print(f"{compared} models in Keras {keras.__version__}: {wrong} differ")
    return 1 if wrong or not compared else 0


if __name__ == "__main__":
    sys.exit(main())
