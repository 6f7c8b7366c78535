"""Chapter lines: what a line of PyTorch prints, for spec/pytorch.md to have ours beside it."""

import re
from pathlib import Path

from .case import golden, once

FIRST = "Before each line"


def topics():
    """The lines of lines.txt in PyTorch's words, by topic."""
    found = {}
    for line in Path(__file__).with_name("lines.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            found[line[2:]] = lines = []
        elif line:
            lines.append(line.split("  ::  ")[0])
    return found


def slug(text):
    """A text as a part of an id."""
    return re.sub("[^A-Za-z0-9_]+", "-", text).strip("-")


@golden("lines/lines.json", "What a line prints.")
def cases():
    """Each line, after those that come before each."""
    found = topics()
    before = found.pop(FIRST)
    for topic, lines in found.items():
        for place, line in enumerate(lines):
            yield once(
                f"lines/{slug(topic).lower()}/{place:02}-{slug(line)[:40].strip('-')}",
                "A user of PyTorch writes this.", "LINE-1",
                "line", args={"before": before, "line": line}
            )
