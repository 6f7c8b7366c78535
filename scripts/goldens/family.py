"""What chapters rnn, lstm, gru and proj ask alike: every combination of arguments."""

from itertools import product
from typing import NamedTuple

from .case import Numbers, rnn_weights, run


class Variant(NamedTuple):
    """One of the equations that a kind computes, with the arguments that choose it."""

    word: str
    args: dict
    clause: str


class Kind(NamedTuple):
    """A sequence module as a chapter asks it."""

    chapter: str
    module: str
    variants: list
    clauses: str
    """The clauses of the equations, the one of the biases last."""
    slip: str
    """A mistake in the equations that every case catches."""
    seed: int
    """Where the chapter's numbers start."""

    @property
    def state(self):
        """The names of the initial state, as an id has them."""
        return "h0-c0" if self.module == "LSTM" else "h0"


RNN = Kind(
    "rnn", "RNN",
    [Variant("tanh", {}, "RNN-1"), Variant("relu", {"nonlinearity": "relu"}, "RNN-2")], "",
    "a recurrent product left out or transposed", 0
)
LSTM = Kind(
    "lstm", "LSTM", [Variant("", {}, "LSTM-2")], "LSTM-1 LSTM-3", "two gates exchanged", 10000
)
GRU = Kind(
    "gru", "GRU", [Variant("", {}, "GRU-2")], "GRU-1 GRU-3",
    "two gates exchanged or the reset gate before the product", 20000
)
PROJ = Kind(
    "proj", "LSTM",
    [Variant("proj-1", {"proj_size": 1}, "PROJ-1"), Variant("proj-2", {"proj_size": 2}, "PROJ-1")],
    "PROJ-2 LSTM-2 LSTM-3", "a cell state projected too", 30000
)


def forward(kind, name, reason, clauses, args, inputs, state, training=False):
    id = f"{kind.chapter}/{name}"
    yield from run(id, reason, clauses, kind.module, args, inputs, state, training=training)


def input_shape(args, batch, length):
    """The input's shape: time first, or batch first where `args` say so; no batch if None."""
    if batch is None:
        return (length, args["input_size"])
    pair = (batch, length) if args.get("batch_first") else (length, batch)
    return (*pair, args["input_size"])


def initial(kind, numbers, args, batch, draw=None):
    """An initial state by the names of its parts: batch_first does not touch it."""
    draw = draw or numbers.decimal
    rows = args.get("num_layers", 1) * (2 if args.get("bidirectional") else 1)
    lead = (rows,) if batch is None else (rows, batch)
    state = {"h_0": draw(*lead, args.get("proj_size") or args["hidden_size"])}
    if kind.module == "LSTM":
        state["c_0"] = draw(*lead, args["hidden_size"])
    return state


def listed(words):
    """Words as a sentence has them."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def equations(kind, variant, bias=True):
    """The clauses of what a step computes."""
    clauses = f"{variant.clause} {kind.clauses}"
    if kind.module == "RNN":
        return clauses if bias else f"{clauses} RNN-3"
    return clauses if bias else clauses.replace("LSTM-3", "")


def clauses_of(kind, args):
    """The clauses of what a step computes with these arguments."""
    fits = [variant for variant in kind.variants if variant.args.items() <= args.items()]
    return equations(kind, fits[-1] if fits else kind.variants[0], args.get("bias", True))


def combined(*options):
    """
    Of options, each whether it is chosen, its arguments, its word in the id, the slip that it
    catches and its clauses: the arguments, words, slips and clauses of all that are chosen.
    """
    args, words, slips, clauses = zip(*(told for chosen, *told in options if chosen), strict=True)
    merged = {name: value for one in args for name, value in one.items()}
    return merged, "-".join(filter(None, words)), list(filter(None, slips)), " ".join(clauses)


def grid(kind):
    """Every combination of the arguments that change what is computed."""
    combinations = product(kind.variants, (1, 2, 3), (True, False), (False, True), (False, True))
    for place, (variant, layers, bias, batch_first, bidirectional) in enumerate(combinations):
        numbers = Numbers(1000 + kind.seed + place)
        with_state = bin(place).count("1") % 2 == 0
        sizes = {"input_size": 2, "hidden_size": 3} | ({"num_layers": layers} if layers > 1 else {})
        args, name, slips, clauses = combined(
            (True, {**sizes, **variant.args}, variant.word, kind.slip,
             equations(kind, variant, bias)),
            (layers > 1, {}, f"layers-{layers}", "a layer that reads the wrong one's output",
             "STACK-2"),
            (not bias, {"bias": False}, "no-bias", "a bias where there is none", ""),
            (batch_first, {"batch_first": True}, "batch-first",
             "a state that batch_first transposes", "BATCH-1 BATCH-2"),
            (bidirectional, {"bidirectional": True}, "bidirectional",
             "a reverse half that is not turned back in time", "STACK-3 STACK-4 STACK-5"),
            (with_state, {}, kind.state, "an initial state given to the wrong layer or direction",
             "STACK-6"),
            (not with_state, {}, f"no-{kind.state}", "", "STACK-7")
        )
        state = rnn_weights(numbers, args, kind.module)
        inputs = {"input": numbers.decimal(*input_shape(args, 2, 4))}
        if with_state:
            inputs |= initial(kind, numbers, args, 2)
        yield from forward(kind, name, f"Catches {listed(slips)}.", clauses, args, inputs, state)
