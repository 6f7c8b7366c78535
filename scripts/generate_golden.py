# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.15.0", "numpy==2.4.6", "safetensors==0.8.0", "onnx==1.23.2", "onnxruntime==1.32.0"
# ]
# ///
"""
Write golden/: what PyTorch answers to every case of every chapter. The only writer of golden/.
Chapter onnx, which PyTorch has no name for, is decimal arithmetic that ONNX Runtime agrees with.

    uv run scripts/generate_golden.py                  write everything
    uv run scripts/generate_golden.py --chapter rnn    compute one chapter, leave the others
    uv run scripts/generate_golden.py --check          compute, write nothing: the committed bytes?
    python3 scripts/generate_golden.py --verify        compare with any PyTorch, on any processor

golden/notebook/notebook.txt is an input: the notebook's own text. A second run changes no byte, on
any x86-64 processor with AVX2 and FMA: goldens/settings.py makes PyTorch compute the same everywhere.
--verify takes the installed PyTorch as it is, or with --portable under those settings. It ends well
when every number is within the closeness of NUM-2 and the bitwise chapters are equal bit for bit.
"""

import argparse
import sys
from importlib import import_module

sys.dont_write_bytecode = True

from goldens import settings  # noqa: E402

PORTABLE = "--verify" not in sys.argv or "--portable" in sys.argv
if PORTABLE:
    settings.prepare()

import torch  # noqa: E402

from goldens.case import FILES  # noqa: E402
from goldens.check import changed_chapters, check  # noqa: E402
from goldens.verify import verify  # noqa: E402
from goldens.write import write  # noqa: E402

PYTORCH = "2.15.0"

CHAPTERS = """
    notebook printing rand init chance tensor functions functions_limits around linear rnn gated
    cells pack pack_functions field dropout checkpoints representation errors errors_sequence
    errors_cells errors_pack errors_tensor errors_gradients vjp inplace losses losses_options optim
    optim_edges optim_more training modules data examples lines onnx_nodes
"""
for chapter in CHAPTERS.split():
    import_module(f"goldens.{chapter}")  # it adds to FILES


def progress(id):
    """Where the work is, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{id}")
        sys.stderr.flush()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--verify", action="store_true", help="compare with the installed PyTorch")
    what.add_argument("--check", action="store_true", help="compare bytes, write nothing")
    chapters = sorted({golden.chapter for golden in FILES})
    parser.add_argument("--chapter", choices=chapters, help="only this chapter")
    parser.add_argument("--portable", action="store_true", help="with --verify: golden/'s settings")
    parser.add_argument("--every", type=int, default=1, help="with --check: every Nth case")
    parser.add_argument("--since", help="with --check: the chapters that differ from this commit")
    options = parser.parse_args()
    wanted = {options.chapter} if options.chapter else set(chapters)
    if options.since:
        wanted &= changed_chapters(options.since, FILES)

    def selected(golden):
        return golden.chapter in wanted

    if not PORTABLE:
        torch.set_num_threads(1)
        return verify(FILES, selected, PYTORCH, progress)
    if not options.verify and torch.__version__.split("+")[0] != PYTORCH:
        parser.error(f"golden/ is made by PyTorch {PYTORCH}, this is {torch.__version__}")
    reason = settings.lacking(torch)
    if reason:
        parser.error(reason)
    settings.apply(torch)
    if options.verify:
        return verify(FILES, selected, PYTORCH, progress)
    if options.check:
        return check(FILES, selected, options.every, progress)
    for path, cases in write(FILES, selected, progress):
        progress("")
        print(f"{path}: {cases} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
