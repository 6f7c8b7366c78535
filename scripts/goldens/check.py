"""Compute golden/ again, in memory, and say whether the bytes are those that are committed."""

import subprocess
from itertools import islice
from pathlib import Path

from .guard import made
from .write import GOLDEN, case_text, derived, file_text

ROOT = GOLDEN.parent


def changed_chapters(since, files):
    """
    The chapters that differ from a commit: those whose files below golden/ do, and those of the
    modules of this folder that do; all, where another part of this folder does.
    """
    command = ["git", "-C", str(ROOT), "diff", "--name-only", since, "--", "golden", "scripts"]
    found = set()
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split():
        path = Path(line)
        if path.parts[0] == "golden":
            found |= {path.parts[1]} if len(path.parts) > 2 else set()
        elif path.parts[1] == "goldens":
            own = {one.chapter for one in files if one.cases.__module__ == f"goldens.{path.stem}"}
            if not own:
                return {one.chapter for one in files}
            found |= own
    return found


def differing(golden, every, progress):
    """How many cases of one file were computed, and the ids of those whose line is another."""
    path = GOLDEN / golden.path
    text = path.read_text("ascii") if path.exists() else ""
    if every == 1:
        now = file_text(golden, progress)
        same = now == text
        pairs = list(zip(now.splitlines()[1:-1], text.splitlines()[1:-1], strict=False))
        wrong = [a[:80] for a, b in pairs if a.rstrip(",") != b.rstrip(",")]
        return now.count("\n") - 2, [] if same else wrong or ["the cases are not the same"]
    committed = [line.rstrip(",") for line in text.splitlines()[1:-1]]
    count, wrong = 0, []
    for place, case in islice(enumerate(made(golden.cases())), 0, None, every):
        progress(case.id)
        count += 1
        if place >= len(committed) or case_text(case) != committed[place]:
            wrong.append(case.id)
    return count, wrong


def check(files, selected, every, progress):
    """Print the report; the exit status: 1 where any byte is another."""
    total, failed = 0, False
    for golden in filter(selected, files):
        count, wrong = differing(golden, every, progress)
        total += count
        if wrong:
            failed = True
            progress("")
            print(f"{golden.path}: {len(wrong)} of {count} cases differ: {', '.join(wrong[:3])}")
    if all(map(selected, files)):
        for name, text in derived(files).items():
            if (GOLDEN / name).read_text("utf-8") != text:
                failed = True
                print(f"{name} differs")
    progress("")
    print(f"{total} cases computed again: {'FAILED' if failed else 'the committed bytes'}")
    return 1 if failed else 0
