"""Chapter examples: the programs of scripts/examples/, their first twenty steps."""

from pathlib import Path

import numpy as np

from . import exact
from .case import both, golden

PROGRAMS = Path(__file__).resolve().parents[1] / "examples" / "programs"


def text():
    """The text that is shipped, a paragraph a line."""
    paragraphs = (PROGRAMS / "characters.txt").read_text("utf-8").strip().split("\n\n")
    return "\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def sentences():
    """Four sentences of five."""
    lines = (PROGRAMS / "sentences.txt").read_text("utf-8").strip().split("\n")
    return [line for k, line in enumerate(lines) if k % 5 != 4]


def series():
    """Two waves, in thousandths."""
    t = np.arange(400.0)
    values = 0.6 * exact.sines(t / 3) + 0.35 * exact.sines(t / 7.5)
    return [int(np.floor(1000 * value + 0.5)) / 1000 for value in values]


@golden("examples/curves.json", "Whole programs, twenty steps each.")
def cases():
    """Each program, from the seed of its command and from another."""
    for name, data, clauses, reason in (
        ("characters", {"text": text()}, "TRAIN-4 EMBED-1 NORM-1 LSTM-2 OPTIM-5",
         "A character model: catches a state that is dropped between windows."),
        (
            "tagger", {"sentences": sentences()},
            "DATA-1 EMBED-2 GRU-2 PACK-5 LOSS-3 OPTIM-8",
            "A tagger on padded batches: catches padding that counts, and another order of the items.",
        ),
        ("forecaster", {"series": series()}, "DATA-1 LSTM-2 LOSS-1 OPTIM-8",
         "A forecaster on windows of a series: catches a last batch that is kept."),
    ):
        for seed in (0, 3):
            yield from both(
                f"examples/{name}/seed-{seed}", reason, f"TRAIN-5 TRAIN-1 {clauses}", "example",
                function=name, args={**data, "seed": seed}, steps=20
            )
