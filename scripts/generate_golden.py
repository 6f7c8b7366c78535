# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "safetensors==0.8.0"]
# ///
"""
Write golden/: what PyTorch answers to every case of every chapter. The only writer of golden/.

    uv run scripts/generate_golden.py                  write everything
    uv run scripts/generate_golden.py --chapter rnn    compute one chapter, leave the others
    python3 scripts/generate_golden.py --verify        compare golden/ with the installed PyTorch

golden/notebook/notebook.txt is an input: the notebook's own text. A second run changes no byte, on
any x86-64 processor with AVX2 and FMA: goldens/settings.py makes PyTorch compute the same everywhere.
--verify writes nothing; its status is 0 when every number is within torch.testing.assert_close's
default tolerance and the bitwise chapters are equal bit for bit.
"""

import argparse
import sys

sys.dont_write_bytecode = True

from goldens import settings  # noqa: E402

if not {"--verify", "--help", "-h"} & set(sys.argv):
    settings.prepare()

import torch  # noqa: E402

from goldens import (  # noqa: E402
    cells,
    checkpoints,
    dropout,
    errors,
    errors_cells,
    errors_pack,
    errors_sequence,
    errors_tensor,
    gated,
    init,
    inplace,
    linear,
    losses,
    losses_options,
    notebook,
    optim,
    pack,
    pack_functions,
    printing,
    rand,
    representation,
    rnn,
    tensor,
    training,
    vjp,
)
from goldens.verify import verify  # noqa: E402
from goldens.write import write  # noqa: E402

PYTORCH = "2.15.0"

CHAPTERS = (
    notebook,
    printing,
    rand,
    init,
    tensor,
    linear,
    rnn,
    gated,
    cells,
    pack,
    pack_functions,
    dropout,
    checkpoints,
    representation,
    errors,
    errors_sequence,
    errors_cells,
    errors_pack,
    errors_tensor,
    vjp,
    inplace,
    losses,
    losses_options,
    optim,
    training,
)
FILES = [golden for chapter in CHAPTERS for golden in chapter.FILES]


def progress(id):
    """Where the work is, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{id}")
        sys.stderr.flush()


def main():
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--verify", action="store_true", help="compare, write nothing")
    chapters = sorted({golden.chapter for golden in FILES})
    parser.add_argument("--chapter", choices=chapters, help="only this chapter")
    options = parser.parse_args()

    def selected(golden):
        return options.chapter in (None, golden.chapter)

    if options.verify:
        torch.set_num_threads(1)
        torch.backends.cudnn.enabled = False
        return verify(FILES, selected, PYTORCH, progress)
    if torch.__version__.split("+")[0] != PYTORCH:
        parser.error(f"golden/ is made by PyTorch {PYTORCH}, this is {torch.__version__}")
    reason = settings.lacking(torch)
    if reason:
        parser.error(reason)
    settings.apply(torch)
    for path, cases in write(FILES, selected, progress):
        progress("")
        print(f"{path}: {cases} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
