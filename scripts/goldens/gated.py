"""Chapters lstm, gru and proj: the gated recurrences over all arguments, shapes and numbers."""

from functools import partial

from . import family, family_numerics, family_shapes
from .case import GoldenFile
from .family import GRU, LSTM, PROJ

NAMES = [(LSTM, "LSTM"), (GRU, "GRU"), (PROJ, "LSTM with a projection")]
TOPICS = [
    ("forward", family.grid, "over every combination of its arguments"),
    ("shapes", family_shapes.shapes, "at the edges of its shapes; the state"),
    ("numerics", family_numerics.numerics, "at the ends of the number line"),
    ("long", family_shapes.long, "over long sequences"),
]
FILES = [
    GoldenFile(f"{kind.chapter}/{topic}.json", f"{name} {about}.", partial(cases, kind))
    for kind, name in NAMES
    for topic, cases, about in TOPICS
]
