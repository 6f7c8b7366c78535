"""Chapters rnn, lstm, gru and proj: the recurrences over all arguments, shapes and numbers."""

from . import family, family_numerics, family_shapes
from .case import golden
from .family import GRU, LSTM, PROJ, RNN

NAMES = [(RNN, "RNN"), (LSTM, "LSTM"), (GRU, "GRU"), (PROJ, "LSTM with a projection")]
TOPICS = [
    ("forward", family.grid, "over every combination of its arguments"),
    ("shapes", family_shapes.shapes, "at the edges of its shapes; the state"),
    ("numerics", family_numerics.numerics, "at the ends of the number line"),
    ("long", family_shapes.long, "over long sequences"),
]
for kind, name in NAMES:
    for topic, cases, about in TOPICS:
        ask = golden(f"{kind.chapter}/{topic}.json", f"{name} {about}.")
        ask(lambda kind=kind, cases=cases: cases(kind))
