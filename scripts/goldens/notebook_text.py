"""The notebook's text, cut into cells of code and what each printed."""

from pathlib import Path
from typing import NamedTuple

NOTEBOOK = Path(__file__).resolve().parents[2] / "golden" / "notebook" / "notebook.txt"


class Cell(NamedTuple):
    """One code cell, and its printed output without blank lines at either end."""

    code: str
    output: str


def cells(text=None):
    """
    The notebook's code cells in order.

    A cell starts below a line `In [None]:` and ends before the next one or before a heading (`## `
    after a blank line). Its code ends at the first two blank lines in a row; the rest is output.
    """
    text = NOTEBOOK.read_text(encoding="utf-8") if text is None else text
    found = []
    for block in ("\n" + text).split("\nIn [None]:\n")[1:]:
        block = block.split("\n\n## ")[0]
        code, _, output = block.partition("\n\n\n")
        compile(code, "notebook", "exec")  # a wrong cut would hardly leave valid Python
        found.append(Cell(code + "\n", output.strip("\n")))
    return found


def cell_with(fragment):
    """The first cell whose code contains `fragment`."""
    return next(cell for cell in cells() if fragment in cell.code)
