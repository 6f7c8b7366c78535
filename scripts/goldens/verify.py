"""Ask the installed PyTorch every question again, and measure how far it is from golden/."""

import json
import platform

import torch

from .compare import TOLERANCE, difference
from .encode import encode, exact
from .execute import Unsupported, execute
from .write import GOLDEN, capability, request_text, system

# Chapters whose numbers are equal bit for bit, or wrong.
BITWISE = {"init", "rand"}


# What PyTorch 1 was seen to do otherwise, by the beginning of the case's id; 2.8 does it as 2.15 does.
OTHERWISE_IN_1 = {
    "optim/Adam/nan-": "its moments are no interpolation, and keep infinity where that makes NaN",
    "optim/AdamW/nan-": "its moments are no interpolation, and keep infinity where that makes NaN",
    "optim/RMSprop/nan-": "its moments are no interpolation, and keep infinity where that makes NaN",
    "optim/Adam/loaded-AdamW": "its state does not say that the decay is AdamW's",
    "optim/CosineAnnealingLR/last-epoch-": "it goes on with another learning rate",
}


def otherwise(id):
    """Why the installed PyTorch is known to answer this case otherwise; or nothing."""
    if not torch.__version__.startswith("1."):
        return None
    return next((why for start, why in OTHERWISE_IN_1.items() if id.startswith(start)), None)


class Chapter:
    """What was found in one chapter."""

    def __init__(self):
        self.cases = self.equal = 0
        self.worst, self.worst_id = 0.0, ""
        # (id, golden, now): another text of an error; an error there or here alone; another text.
        self.errors, self.refusals, self.texts = [], [], []
        self.skipped, self.bits, self.broken = [], [], []


def compare(found, name, dtype, committed, now):
    """Put one case's comparison where it belongs."""
    if committed == now:
        found.equal += 1
        return
    kinds = [next(iter(answer)) for answer in (committed, now)]
    if kinds == ["error", "error"]:
        found.errors.append((name, committed, now))
    elif "error" in kinds:
        found.refusals.append((name, committed, now))
    elif kinds[1] in ("print", "repr"):
        found.texts.append((name, committed, now))
    else:
        units = difference(committed, now, dtype)
        if name.split("/")[0] in BITWISE:
            found.bits.append(name)
        if units >= found.worst:
            found.worst, found.worst_id = units, name


def without_bytes(value):
    """A request without the bytes of its file."""
    if isinstance(value, dict):
        return {k: without_bytes(v) for k, v in value.items() if k != "base64"}
    return value


def is_asked(case, line, same_version):
    """Whether a committed line asks what the script asks. Another PyTorch writes other files."""
    asked = request_text(case)
    if line.startswith(asked + ',"expect":'):
        return True
    if same_version or "file" not in case.request:
        return False
    committed = {k: v for k, v in exact(line).items() if k != "expect"}
    return without_bytes(exact(asked + "}")) == without_bytes(committed)


def check_file(golden, found, same_version, progress):
    """Compare one committed file with what its chapter asks and the installed PyTorch answers."""
    path = GOLDEN / golden.path
    lines = path.read_text("ascii").splitlines()[1:-1] if path.exists() else []
    committed = {json.loads(line.rstrip(","))["id"]: line.rstrip(",") for line in lines}
    for case in golden.cases():
        progress(case.id)
        found.cases += 1
        line = committed.pop(case.id, None)
        if line is None or not is_asked(case, line, same_version):
            found.broken.append(f"{case.id}: the committed request is not what the script asks")
            continue
        why = otherwise(case.id)
        if why:
            found.skipped.append((case.id, f"PyTorch 1: {why}"))
            continue
        try:
            now = execute(json.loads(line)["request"])
        except Unsupported as why:
            found.skipped.append((case.id, str(why)))
            continue
        dtype = case.request.get("dtype", "float32")
        compare(found, case.id, dtype, exact(line)["expect"], exact(encode(now)))
    found.broken += [f"{name}: committed, but no chapter asks it" for name in committed]


def short(answer, most=300):
    """An answer in one line."""
    text = json.dumps(answer)
    return text if len(text) <= most else text[:most] + "..."


def without_lossy_lstm():
    """
    Switch oneDNN off where it is seen to lose numbers, and say so: on Arm its LSTM makes a finite
    number of NaN (PyTorch 2.15.0, lstm/field/default-state-times-nan). PyTorch's own code keeps it.
    """
    if platform.machine() in ("x86_64", "AMD64") or not hasattr(torch.backends, "mkldnn"):
        return
    torch.backends.mkldnn.set_flags(False)
    print("oneDNN is off: on this kind of processor its LSTM loses NaN")


def verify(files, selected, pinned, progress):
    """
    Print the report; the exit status.

    Not 0 where a number is out of tolerance, a bitwise chapter's bits differ or printed text does.
    Another PyTorch than the pinned one may refuse more or less, in other words: reported, no failure.
    """
    without_lossy_lstm()
    chapters = {}
    same_version = torch.__version__.split("+")[0] == pinned
    for golden in filter(selected, files):
        found = chapters.setdefault(golden.chapter, Chapter())
        check_file(golden, found, same_version, progress)
    progress("")
    made = json.loads((GOLDEN / "manifest.json").read_text("ascii"))
    print(f"golden/: PyTorch {made['pytorch']}, {made['settings']['processor']}")
    print(f"here:    PyTorch {torch.__version__}, {system()}, {capability()}")
    print(f"worst: the largest difference / (atol + rtol * |golden|); (rtol, atol): {TOLERANCE}\n")
    print(f"{'chapter':9} cases bitwise   worst   text  errors  skipped  worst case")
    for name, found in chapters.items():
        print(
            f"{name:9} {found.cases:5} {found.equal:7} {found.worst:7.3g} {len(found.texts):6} "
            f"{len(found.errors) + len(found.refusals):7} {len(found.skipped):8}  {found.worst_id}"
        )
    for found in chapters.values():
        details(found)
    failed = any(
        found.worst > 1 or found.bits or found.broken or found.texts
        or (same_version and (found.errors or found.refusals))
        for found in chapters.values()
    )
    print("\n" + ("FAILED" if failed else "ok"))
    return 1 if failed else 0


def details(found):
    """Print what a chapter's row only counts."""
    for title, entries in (
        ("text differs", found.texts),
        ("error differs", found.errors),
        ("one refuses, the other does not", found.refusals),
    ):
        for id, committed, now in entries:
            print(f"\n{title}: {id}\n  golden: {short(committed)}\n  now:    {short(now)}")
    for id, why in found.skipped:
        print(f"\nskipped: {id}: {why}")
    for id in found.bits:
        print(f"\nnot bitwise equal: {id}")
    for text in found.broken:
        print(f"\n{text}")
