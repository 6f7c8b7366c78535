# /// script
# requires-python = ">=3.8"
# dependencies = ["torch==2.15.0", "numpy==2.4.6"]
# ///
"""
PyTorch's side of the conformance protocol, whatever version is installed: requests as lines of
JSON on standard input, answers as lines of JSON on standard output.

    python3 scripts/adapters/pytorch.py    the PyTorch that is there
    uv run scripts/adapters/pytorch.py     the PyTorch that made the goldens
"""

import importlib
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import torch  # noqa: E402

from goldens.encode import encode  # noqa: E402
from goldens.execute import Unsupported, execute  # noqa: E402

# Operations that these modules add, each where the PyTorch at hand is able to.
for name in ("execute_functions", "execute_inplace", "execute_training", "checkpoint_load"):
    try:
        importlib.import_module(f"goldens.{name}")
    except (ImportError, AttributeError) as error:
        print(f"without {name}: {error}", file=sys.stderr)


def answer(request):
    """What PyTorch answers, or why it cannot."""
    try:
        return execute(request)
    except Unsupported as why:
        return {"unsupported": str(why)}


def main():
    """Answer until the input ends."""
    if "--version" in sys.argv:
        print("PyTorch", torch.__version__.split("+")[0])
        return
    torch.set_num_threads(1)
    torch.backends.cudnn.enabled = False
    for line in sys.stdin:
        if line.strip():
            request = json.loads(line)
            print(encode({"id": request.pop("id"), **answer(request)}), flush=True)


if __name__ == "__main__":
    main()
