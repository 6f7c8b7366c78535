"""Write golden/: the cases, the schema, the manifest and the module that imports them all."""

import hashlib
import json
import os
import platform
from importlib import import_module
from pathlib import Path
from textwrap import wrap

import numpy as np
import torch

from .compare import difference
from .encode import encode, exact
from .execute import execute
from .guard import made
from .level import level
from .onnx_witness import VERSIONS, check_agreement, complain_if_missing, sources
from .schema import SCHEMA
from .settings import recorded

for part in ("examples", "functions", "inplace", "lines", "modules", "training"):
    import_module(f".execute_{part}", __package__)  # it joins execute's operations

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
# What PyTorch raises where a request is at fault; another type would be a fault of this script.
ERRORS = {
    *("AttributeError", "NotImplementedError", "RuntimeError", "ValueError", "IndexError"),
    *("TypeError", "KeyError", "ZeroDivisionError", "AssertionError"),
}
# How far, in tolerances, PyTorch's float32 answer to a case may be from its float64 answer.
FAIR = 0.25
COMMAND = "uv run scripts/generate_golden.py"


def capability():
    """The vector instructions that PyTorch uses here; older versions do not say."""
    try:
        return torch.backends.cpu.get_cpu_capability()
    except AttributeError:
        return "unknown"


def system():
    return f"{platform.system()} {platform.machine()}"


def request_text(case):
    """The part of a case's line that is ours: all but what PyTorch answers."""
    head = {
        "id": case.id, "reason": case.reason, "level": level(case), "clauses": case.clauses,
        **({"sources": sources(case.request)} if case.request["op"] == "node" else {}),
        "request": case.request
    }
    return encode(head)[:-1]


def case_text(case):
    """One line of a golden file. The request goes through its JSON text before PyTorch sees it."""
    asked = request_text(case)
    parsed = json.loads(asked + "}")["request"]
    answer = execute(parsed)
    if case.request["op"] == "node":
        check_agreement(case.id, parsed, answer)
    meant = any(clause.startswith("ERROR-") for clause in case.clauses)
    if case.request["op"] == "inplace" and "error" in answer:
        assert "modified by an inplace operation" in answer["error"]["message"], (case.id, answer)
        meant = True
    assert ("error" in answer) == meant, (case.id, answer)
    assert not meant or answer["error"]["type"] in ERRORS, (case.id, answer)
    return f'{asked},"expect":{encode(answer)}}}'


def widened(value):
    """A request's numbers as float32 holds them, written for float64."""
    if isinstance(value, dict) and value.keys() == {"shape", "data"}:
        return {**value, "data": [float(np.float32(float(x))) for x in value["data"]]}
    if isinstance(value, dict):
        return {k: widened(v) for k, v in value.items()}
    if isinstance(value, list):
        return [widened(v) for v in value]
    return value


def check_fair(line):
    """
    Assert that float32's own rounding leaves PyTorch's float32 answer near its float64 answer to the
    same numbers: a case that it moves away would refuse implementations nearer to the truth than
    PyTorch. Overflow is exempt.
    """
    case = json.loads(line)
    asked = case["request"]
    if asked.get("dtype") != "float32" or asked["op"] not in ("forward", "call", "vjp"):
        return
    if "error" in case["expect"] or "NUM-6" in case["clauses"]:
        return
    if case["id"].startswith("chance/"):  # what is drawn is another in each dtype
        return
    if "seed" in asked.get("args", {}):  # what a generator draws for float64 are other numbers
        return
    truth = exact(encode(execute({**widened(asked), "dtype": "float64"})))
    units = difference(truth, exact(line)["expect"], "float32")
    assert units < FAIR, f"{case['id']}: float32 is {units} tolerances from float64"


def file_text(golden, progress):
    """A golden file: a case a line."""
    lines = []
    for case in made(golden.cases()):
        assert case.id.startswith(golden.chapter + "/"), case.id
        lines.append(case_text(case))
        progress(case.id)
    assert lines, f"{golden.path} has no case"
    for line in lines:
        check_fair(line)
    head = f'{{"chapter":{encode(golden.chapter)},"about":{encode(golden.about)},"cases":[\n'
    return head + ",\n".join(lines) + "\n]}\n"


def put(path, text):
    """Write the file whole or not at all; leave it alone where nothing changes."""
    data = text.encode("ascii" if path.suffix == ".json" else "utf-8")
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(data)
    os.replace(draft, path)


def pretty(value):
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=True) + "\n"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def manifest(paths):
    """Who made the files, under which settings, and a hash for each: no word of the machine."""
    files = {}
    for path in paths:
        cases = json.loads((GOLDEN / path).read_text("ascii"))["cases"]
        files[path] = {"cases": len(cases), "sha256": sha256(GOLDEN / path)}
    notebook = GOLDEN / "notebook" / "notebook.txt"
    return {
        "pytorch": torch.__version__.split("+")[0],
        "witnesses": VERSIONS,
        "settings": recorded(),
        "command": COMMAND,
        "cases": sum(entry["cases"] for entry in files.values()),
        "files": files,
        "inputs": {"notebook/notebook.txt": {"sha256": sha256(notebook)}},
    }


def comment(about, name, check, claim, *tags):
    """A comment of golden/mod.ts, with an example that runs."""
    lines = [
        *wrap(about, 98), "", "@example", "```ts",
        f'import {{ {name} }} from "@rnn-spec/rnn-spec/golden";',
        f'import {{ {check} }} from "@std/assert";', "", f"{check}({claim});", "```", *tags
    ]
    return "\n".join(["/**", *(f" * {line}".rstrip() for line in lines), " */"])


HEADER = comment(
    "The goldens as text: pairs of a request and what PyTorch answers, one JSON file a group of "
    "cases. Imported as text, so that no file permission is needed and no data is type-checked. "
    "Generated by `scripts/generate_golden.py`; do not edit.",
    "files", "assertEquals", 'JSON.parse(files["rnn/forward.json"]).chapter, "rnn"', "", "@module"
)
FILES_DOC = comment(
    "The text of every golden file by its path below `golden/`; `schema.json` there describes "
    "them.",
    "files", "assert", 'Object.keys(files).includes("notebook/printed.json")'
)
MANIFEST_DOC = comment(
    "Which PyTorch made the goldens, where, and a SHA-256 for each file: JSON text.",
    "manifest", "assert", '"rnn/forward.json" in JSON.parse(manifest).files'
)
NOTEBOOK_DOC = comment(
    "The notebook that the project starts from: its cells and what they printed.",
    "notebook", "assert", 'notebook.includes("class SimpleRNN(nn.Module):")'
)


def module_text(paths):
    """golden/mod.ts."""
    names = {}
    for path in paths:
        first, *others = path.removesuffix(".json").replace("/", "_").replace("-", "_").split("_")
        names[path] = first + "".join(word.capitalize() for word in others)
    texts = {"manifest.json": "manifestText", "notebook/notebook.txt": "notebookText", **names}
    return "\n".join(
        [
            f"{HEADER}\n",
            *(f'import {n} from "./{path}" with {{ type: "text" }};' for path, n in texts.items()),
            f"\n{FILES_DOC}\nexport const files: Readonly<Record<string, string>> = {{",
            *(f'  "{path}": {name},' for path, name in names.items()),
            "};",
            f"\n{MANIFEST_DOC}\nexport const manifest: string = manifestText;",
            f"\n{NOTEBOOK_DOC}\nexport const notebook: string = notebookText;\n",
        ]
    )


def derived(files):
    """The texts that are made of the files of golden/ as they are on the disk, by name."""
    paths = sorted(golden.path for golden in files if (GOLDEN / golden.path).exists())
    return {
        "schema.json": pretty(SCHEMA), "manifest.json": pretty(manifest(paths)),
        "mod.ts": module_text(paths)
    }


def write(files, selected, progress):
    """
    Compute the selected files, then write them and all that is derived from the whole of golden/.

    Files that no chapter produces any more are removed. Returns (path, cases) of what was computed.
    """
    if any(golden.chapter == "onnx" for golden in files if selected(golden)):
        complain_if_missing()
    texts = {golden.path: file_text(golden, progress) for golden in files if selected(golden)}
    for path, text in texts.items():
        put(GOLDEN / path, text)
    for stale in sorted(GOLDEN.glob("*/**/*.json")):
        if stale.relative_to(GOLDEN).as_posix() not in {golden.path for golden in files}:
            stale.unlink()
    for name, text in derived(files).items():
        put(GOLDEN / name, text)
    return [(path, text.count("\n") - 2) for path, text in texts.items()]
