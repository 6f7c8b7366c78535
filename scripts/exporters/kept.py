# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "onnx==1.23.2", "onnxscript==0.7.2", "safetensors==0.8.0"]
# ///
"""
Write spec/tests/judged/files.json: small ONNX files with what is to be said of each.

    uv run scripts/exporters/kept.py          write it
    uv run scripts/exporters/kept.py --check  make it in memory and compare

The right files are PyTorch's, by both exporters. A wrong one is a right one with a single change, the mistake
that it is named after: in the weights that the exporter would have read, in what a node is told, or in what
lies between the nodes.
"""

import argparse
import base64
import json
import logging
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from mistakes import in_two, mistakes, within
from right_files import BASES, File

TARGET = Path(__file__).resolve().parents[2] / "spec" / "tests" / "judged" / "files.json"


def line(name, file, mistake, mendable):
    return {
        "name": name, "base": file.base, "mistake": mistake, "mendable": mendable,
        "onnx": base64.b64encode(file.bytes()).decode(),
    }  # fmt: skip


def made():
    bases, files = {}, []
    for name, asked in BASES.items():
        file = File(name)
        state = {
            key: {"shape": list(x.shape), "data": [float(np.format_float_positional(v, unique=True)) for v in x.flat]}
            for key, x in file.state.items()
        }
        bases[name] = {"module": asked["module"], "args": asked["args"], "state_dict": state}
        files.append(line(name, file, None, False))
    for op in ("If", "function"):
        for name in ("gru", "lstm"):
            file = File(name)
            within(file, op)
            files.append(line(f"{name}-in-{op.lower()}", file, None, False))
    for name in ("rnn-both", "lstm-packed"):
        file = File(name)
        in_two(file)
        files.append(line(f"{name}-in-two", file, None, False))
    for op in ("If", "function"):
        file = File("gru")
        file.tell(linear_before_reset=0)
        within(file, op)
        files.append(line(f"gru-in-{op.lower()}/reset-before", file, "reset-before", True))
    for mistake, name, change, mendable in mistakes():
        file = File(name)
        change(file)
        again = sum(entry["name"].startswith(f"{name}/{mistake}") for entry in files)
        files.append(line(f"{name}/{mistake}{f'-{again + 1}' if again else ''}", file, mistake, mendable))
    for entry in files:
        onnx.checker.check_model(onnx.load_from_string(base64.b64decode(entry["onnx"])))
    text = ",\n".join(json.dumps(entry) for entry in files)
    states = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in bases.items())
    return f'{{"made": {{"pytorch": "2.15.0"}},\n"bases": {{\n{states}\n}},\n"files": [\n{text}\n]}}\n'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    text = made()
    if options.check:
        same = TARGET.read_text() == text
        print("the same bytes" if same else "other bytes")
        sys.exit(0 if same else 1)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(text)
    print(f"{len(json.loads(text)['files'])} files, {len(text)} bytes")


if __name__ == "__main__":
    main()
