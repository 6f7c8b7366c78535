# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "safetensors==0.8.0"]
# ///
"""
Hold this library's checkpoints against Python's, where Python, PyTorch and Deno are installed.

    uv run scripts/check_checkpoints.py --deno "npx --yes deno@2.9.6"
    deno task hostile --keep kept.jsonl && uv run scripts/check_checkpoints.py --kept kept.jsonl

The first makes random tensors, has both libraries write them, and compares the files byte for byte,
and what Python loads from ours with what was saved; then it has PyTorch save random values of every
type, in lists and dicts, has them read and written here, and compares what torch.load (weights_only)
finds in our file with what was saved, tensors bit for bit. The second loads with Python every broken file
that this library loads nevertheless, and compares what both found in it.
"""

import argparse
import base64
import collections
import io
import json
import random
import shlex
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import safetensors.torch as library  # noqa: E402
import torch  # noqa: E402
from goldens.checkpoint_load import answer, name_of, read  # noqa: E402

HERE = Path(__file__).resolve().parent
DTYPES = [
    *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool, torch.uint8),
    *(torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64),
    *(torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64),
]
LETTERS = 'abz.AZ09_- "\\/\n\x01\x7fé中\u2028\uffff\U0001f600'


def name(choices):
    return "".join(choices.choice(LETTERS) for _ in range(choices.randrange(12)))


def tensors(choices):
    """Tensors of random dtypes, shapes and bytes by random names."""
    made = {}
    for _ in range(choices.randrange(12)):
        dtype = choices.choice(DTYPES)
        shape = [choices.randrange(5) for _ in range(choices.randrange(4))]
        count = torch.Size(shape).numel() * dtype.itemsize
        data = bytearray(choices.randbytes(count))
        if dtype == torch.bool:
            data = bytearray(byte & 1 for byte in data)
        empty = torch.empty(shape, dtype=dtype)
        made[name(choices)] = torch.frombuffer(data, dtype=dtype).reshape(shape) if data else empty
    return made


def raw_bytes(value):
    """The bytes of a tensor's elements, row-major."""
    flat = value.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if value.numel() else b""


def bits(value):
    return value.dtype, value.shape, raw_bytes(value)


def raw(value):
    """A tensor's dtype, size and bytes, as JSON."""
    return {"dtype": name_of(value.dtype), "size": list(value.shape), "hex": raw_bytes(value).hex()}


def rewritten(deno, files):
    """The same files, read and written by this library."""
    command = [*shlex.split(deno), "run", str(HERE / "checkpoints" / "rewrite.ts")]
    asked = "\n".join(json.dumps({"base64": base64.b64encode(file).decode()}) for file in files)
    found = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    answers = [base64.b64decode(json.loads(line)["base64"]) for line in found.stdout.splitlines()]
    assert len(answers) == len(files), found.stderr
    return answers


def check_written(deno, count, seed):
    """Compare files byte for byte; how many differ."""
    choices = random.Random(seed)
    made = [tensors(choices) for _ in range(count)]
    # With several metadata the library's order changes from run to run; with none at all and no
    # tensor it writes no JSON.
    notes = [choices.choice([None, {name(choices): name(choices)}]) for _ in made]
    files = [library.save(state, metadata=note) for state, note in zip(made, notes, strict=True)]
    answers = rewritten(deno, files)
    wrong = 0
    for state, file, ours in zip(made, files, answers, strict=True):
        loaded = library.load(ours)
        same = loaded.keys() == state.keys() and all(
            bits(loaded[key]) == bits(state[key]) for key in state
        )
        if file != ours or not same:
            wrong += 1
            print(f"differs:\n  Python {file[:300]}\n  ours   {ours[:300]}")
    print(f"{count} safetensors files written by both: {wrong} differ")
    return wrong


def values(choices, depth=0):
    """A random value that PyTorch's careful reader takes, with lists and dicts in each other."""
    made = choices.randrange(12 if depth < 4 else 8)
    if made == 0:
        return choices.choice([None, True, False])
    if made == 1:
        return choices.choice([0, 1, -1, 255, 256, 65535, 65536, 2**31, -(2**31), 2**53 - 1, 10**40])
    if made == 2:
        return choices.choice([0.5, -0.0, 1e-300, float("nan"), float("inf"), choices.random()])
    if made == 3:
        return name(choices)
    if made < 8:
        found = list(tensors(choices).values()) or [torch.ones(2, 3)]
        value = choices.choice(found)
        return value.t() if value.dim() == 2 and choices.random() < 0.3 else value
    items = [values(choices, depth + 1) for _ in range(choices.randrange(6))]
    if made == 8:
        return items
    if made == 9:
        return tuple(items)
    if made == 10:
        return collections.OrderedDict(tensors(choices))
    keys = [choices.choice([name(choices), choices.randrange(2, 99), None, True]) for _ in items]
    return dict(zip(keys, items, strict=True))


def told(value):
    """A value with its types, tensors by their bits; a dict of tensors alone is an OrderedDict."""
    if isinstance(value, torch.Tensor):
        return "tensor", *bits(value)
    if isinstance(value, dict):
        return "dict", [(told(key), told(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [told(item) for item in value]
    return type(value).__name__, repr(value)


def check_torch(deno, count, seed):
    """Compare what PyTorch finds in files written here; how many differ."""
    choices = random.Random(seed)
    made = [values(choices) for _ in range(count)]
    files = []
    for value in made:
        buffer = io.BytesIO()
        torch.save(value, buffer)
        files.append(buffer.getvalue())
    answers = rewritten(deno, files)
    wrong = 0
    for value, file in zip(made, answers, strict=True):
        again = torch.load(io.BytesIO(file), weights_only=True)
        if told(again) != told(value):
            wrong += 1
            print(f"differs:\n  Python {str(told(value))[:300]}\n  ours   {str(told(again))[:300]}")
    print(f"{count} files of torch.save read and written here: {wrong} differ in torch.load")
    return wrong


def check_kept(path):
    """Compare what both find in broken files; how many differ."""
    wrong, refused = 0, []
    lines = Path(path).read_text("utf-8").strip("\n").split("\n")
    for line in lines:
        case = json.loads(line)
        try:
            value, _ = read(case)
        except Exception as error:
            reason = str(error).split("WeightsUnpickler error:")[-1]
            refused.append(reason.strip().split("\n")[0][:160])
            continue
        ours, theirs = normal(case["value"]), normal(answer(value, raw))
        if ours != theirs:
            wrong += 1
            print(f"differs:\n  Python {str(theirs)[:400]}\n  ours   {str(ours)[:400]}")
    print(f"{len(lines)} broken files loaded here: {wrong} differ, {len(refused)} Python refuses:")
    for reason, count in collections.Counter(refused).most_common():
        print(f"  {count:6} {reason}")
    return wrong


def normal(value):
    """The same for both: floats by their text as Python writes it, no difference of 1 and 1.0."""
    if isinstance(value, dict) and "real" in value:
        return str(float(value["real"].replace("Infinity", "inf")))
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else str(value)
    return value


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deno", default="deno", help="the command that starts Deno")
    parser.add_argument("--count", type=int, default=2000, help="how many files to write")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kept", help="broken files that this library loads")
    options = parser.parse_args()
    if options.kept:
        return 1 if check_kept(options.kept) else 0
    wrong = check_written(options.deno, options.count, options.seed)
    return 1 if wrong + check_torch(options.deno, options.count, options.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
