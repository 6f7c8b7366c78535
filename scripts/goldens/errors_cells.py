"""Chapter errors, cells and Dropout: inputs and states that do not fit."""

from functools import partial

from .case import Numbers, cell_weights, golden
from .errors import refusals

INPUTS = [
    ("input-0d", "A single number.", ()),
    ("input-3d", "A sequence: a cell takes one step.", (5, 2, 3)),
    ("input-4d", "Two dimensions too many.", (1, 5, 2, 3)),
    ("input-size", "Another number of features.", (2, 7)),
    ("input-size-unbatched", "The same without a batch.", (7,)),
    ("input-empty-unbatched", "No features at all.", (0,)),
]
# (name, reason, the input's shape, the state's)
STATES = [
    ("state-0d", "A state that is a single number.", (2, 3), ()),
    ("state-0d-unbatched", "The same without a batch.", (3,), ()),
    ("state-3d", "A layer's state: a cell's has no layers.", (2, 3), (1, 2, 4)),
    ("state-1d", "A batch, and a state without one.", (2, 3), (4,)),
    ("state-2d-unbatched", "No batch, and a state with one: the message counts it.", (3,), (1, 4)),
    ("state-batch", "A state for another batch.", (2, 3), (3, 4)),
    ("state-batch-1", "A state for a batch of one is not spread.", (2, 3), (1, 4)),
    ("state-hidden", "A state of another size.", (2, 3), (2, 5)),
    ("state-hidden-unbatched", "The same without a batch.", (3,), (5,)),
    ("state-batch-and-hidden", "Both extents wrong: the batch is named.", (2, 3), (3, 5)),
    ("state-and-input", "Input and state both wrong: the input is named.", (2, 7), (2, 5)),
    ("state-rank-and-input", "The state's rank comes before the input's size.", (2, 7), (1, 2, 4)),
]
# (name, reason, h_0's shape, c_0's), for an input of shape (2, 3)
PAIRS = [
    ("state-c-0d", "Only c_0 is a single number.", (2, 4), ()),
    ("state-c-3d", "Only c_0 has layers.", (2, 4), (1, 2, 4)),
    ("state-c-1d", "Only c_0 lacks the batch.", (2, 4), (4,)),
    ("state-c-batch", "Only c_0 is for another batch.", (2, 4), (3, 4)),
    ("state-c-hidden", "Only c_0 is of another size.", (2, 4), (2, 5)),
    ("state-h-before-c", "Both of another size: h_0 is named.", (2, 5), (2, 6)),
    ("state-c-rank-before-h-size", "c_0's rank comes before h_0's size.", (2, 5), (1, 2, 4)),
]


@golden("errors/cells.json", "Inputs and states that the cells refuse.")
def cases():
    for place, module in enumerate(("RNNCell", "LSTMCell", "GRUCell")):
        numbers = Numbers(7400 + place)
        pair = module == "LSTMCell"

        case = refusals(module, numbers, partial(cell_weights, numbers, module))

        for name, reason, shape in INPUTS:
            yield from case(name, reason, "ERROR-2", shape)
        reason = "The input's dtype is not the weights'."
        for end, shape in (("", (2, 3)), ("-unbatched", (3,))):
            yield from case(f"input-dtype{end}", reason, "ERROR-2", shape, odd=["input"])
            yield from case(
                f"input-dtype{end}-no-bias", reason, "ERROR-2", shape, odd=["input"], bias=False
            )
        reason = "The number of features is looked at before the dtype."
        yield from case("input-size-before-dtype", reason, "ERROR-2", (2, 7), odd=["input"])
        for name, reason, shape, h_0 in STATES:
            yield from case(name, reason, "ERROR-3", shape, h_0)
        if pair:
            for name, reason, h_0, c_0 in PAIRS:
                yield from case(name, reason, "ERROR-3", (2, 3), h_0, c_0)
        reason = "The state's dtype is not the weights'."
        for end, shape, h_0 in (("", (2, 3), (2, 4)), ("-unbatched", (3,), (4,))):
            yield from case(f"state-dtype{end}", reason, "ERROR-3", shape, h_0, odd=["h_0"])
        yield from case(
            "state-dtype-no-bias", reason, "ERROR-3", (2, 3), (2, 4), odd=["h_0"], bias=False
        )
        if module == "RNNCell":
            reason = "Neither tanh nor relu: the constructor does not look, the first step does."
            yield from case("nonlinearity", reason, "ERROR-1", (2, 3), nonlinearity="gelu")
