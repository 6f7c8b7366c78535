# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6"]
# ///
"""
Opens what the examples leave behind in PyTorch, and compares the outputs of their models.

    deno task characters --steps 50 --out out/characters     (so tagger and forecaster)
    uv run scripts/check_examples.py out

Each checkpoint holds its model's weights, its optimiser's state, an input, and what the model put
out for it here.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True

import torch  # noqa: E402

from goldens.execute_examples import CharacterModel, Forecaster, Tagger  # noqa: E402

MODELS = {
    "characters": lambda saved: CharacterModel(len(saved["alphabet"])),
    "tagger": lambda saved: Tagger(len(saved["words"]), len(saved["tags"])),
    "forecaster": lambda saved: Forecaster(),
}


def check(name, folder):
    """Load one checkpoint, and run its model."""
    saved = torch.load(folder / name / "checkpoint.pt")
    model = MODELS[name](saved)
    print(f"{name}: {model.load_state_dict(saved['model'])}")
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.load_state_dict(saved["optimizer"])
    given = [saved["input"]]
    if "lengths" in saved:
        given.append(torch.tensor(saved["lengths"]))
    with torch.no_grad():
        output = model.eval()(*given)
    output = output[0] if isinstance(output, tuple) else output
    torch.testing.assert_close(saved["output"], output)
    print(f"{name}: {len(saved['losses'])} losses, the same output of shape {tuple(output.shape)}")


if __name__ == "__main__":
    for name in MODELS:
        check(name, Path(sys.argv[1]))
