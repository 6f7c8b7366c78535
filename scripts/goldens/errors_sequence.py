"""Chapter errors, RNN, LSTM and GRU: inputs and states that do not fit."""

from functools import partial

from .case import Numbers, golden, rnn_weights
from .errors import refusals

INPUTS = [
    ("input-0d", "A single number.", (), {}),
    ("input-1d", "A vector: neither a sequence nor a batch of them.", (3,), {}),
    ("input-4d", "One dimension too many.", (1, 2, 5, 3), {}),
    ("input-size", "Two features where three are expected.", (5, 2, 2), {}),
    ("input-size-batch-first", "The same with batch_first.", (2, 5, 4), {"batch_first": True}),
    ("input-size-unbatched", "The same without a batch.", (5, 2), {}),
    ("input-transposed", "Features where time should be.", (3, 2, 5), {}),
    ("length-0", "No steps.", (0, 2, 3), {}),
    ("length-0-batch-first", "No steps, batch first.", (2, 0, 3), {"batch_first": True}),
    ("length-0-unbatched", "No steps, no batch.", (0, 3), {}),
    ("length-0-batch-0", "Neither steps nor rows.", (0, 0, 3), {}),
    ("length-0-layers-2-bidirectional", "No steps, for two layers in two directions.", (0, 2, 3),
     {"num_layers": 2, "bidirectional": True}),
]
# (name, reason, the input's shape, the state's, arguments)
STATES = [
    ("state-2d", "A batch, and a state without one.", (5, 2, 3), (1, 4), {}),
    ("state-1d", "A state of one dimension.", (5, 2, 3), (4,), {}),
    ("state-0d", "A state of none.", (5, 2, 3), (), {}),
    ("state-4d", "A state of four.", (5, 2, 3), (1, 1, 2, 4), {}),
    ("state-3d-unbatched", "No batch, and a state with one.", (5, 3), (1, 1, 4), {}),
    ("state-1d-unbatched", "No batch, and a state of one dimension.", (5, 3), (4,), {}),
    ("state-layers", "Two states for one layer.", (5, 2, 3), (2, 2, 4), {}),
    ("state-layers-missing", "One state for two layers.", (5, 2, 3), (1, 2, 4), {"num_layers": 2}),
    ("state-directions", "One state for two directions.", (5, 2, 3), (1, 2, 4),
     {"bidirectional": True}),
    ("state-batch", "A state for another batch.", (5, 2, 3), (1, 3, 4), {}),
    ("state-batch-1", "A state for a batch of one is not spread.", (5, 2, 3), (1, 1, 4), {}),
    ("state-hidden", "A state of another size.", (5, 2, 3), (1, 2, 5), {}),
    ("state-batch-first", "batch_first does not move the state's batch.", (2, 5, 3), (2, 1, 4),
     {"batch_first": True}),
    ("state-hidden-unbatched", "No batch: the message counts one.", (5, 3), (1, 5), {}),
    ("state-layers-unbatched", "No batch, two states for one layer.", (5, 3), (2, 4), {}),
    ("state-and-input", "Input and state both wrong: the input is named.", (5, 2, 2), (1, 2, 5),
     {}),
    ("state-rank-and-input", "The state's rank comes before the input's size.", (5, 2, 2), (1, 5),
     {}),
    ("state-and-length-0", "The state's size comes before the missing steps.", (0, 2, 3),
     (1, 2, 5), {}),
]
# (name, reason, h_0's shape, c_0's): what can be wrong with one part of the pair alone
PAIRS = [
    ("state-c-2d", "Only c_0 lacks the batch.", (5, 2, 3), (1, 2, 4), (1, 4), {}),
    ("state-h-2d", "Only h_0 lacks the batch.", (5, 2, 3), (1, 4), (1, 2, 4), {}),
    ("state-c-3d-unbatched", "Only c_0 has a batch.", (5, 3), (1, 4), (1, 1, 4), {}),
    ("state-c-hidden", "h_0 fits, c_0 does not.", (5, 2, 3), (1, 2, 4), (1, 2, 5), {}),
    ("state-c-batch", "c_0 for another batch.", (5, 2, 3), (1, 2, 4), (1, 3, 4), {}),
    ("state-h-before-c", "Both wrong: h_0 is named.", (5, 2, 3), (1, 2, 5), (1, 3, 4), {}),
    ("proj-state-h", "With a projection h_0 has the projection's size, not the cell's.", (5, 2, 3),
     (1, 2, 4), (1, 2, 4), {"proj_size": 2}),
    ("proj-state-c", "With a projection c_0 keeps the cell's size.", (5, 2, 3), (1, 2, 2),
     (1, 2, 2), {"proj_size": 2}),
    ("proj-state-h-unbatched", "The same without a batch.", (5, 3), (1, 4), (1, 4),
     {"proj_size": 2}),
]
MIXED = " (PyTorch's own words; oneDNN, where it is used, has others.)"


def cases(module):
    """What one of the three refuses."""
    numbers = Numbers({"RNN": 7000, "LSTM": 7010, "GRU": 7020}[module])
    pair = module == "LSTM"

    case = refusals(module, numbers, partial(rnn_weights, numbers, module=module))

    for name, reason, shape, args in INPUTS:
        yield from case(name, reason, "ERROR-2", shape, **args)
    if module == "RNN":
        reason = "No steps, relu."
        yield from case("length-0-relu", reason, "ERROR-2", (0, 2, 3), nonlinearity="relu")
    reason = "The input's dtype is not the weights'."
    yield from case("input-dtype", reason, "ERROR-2", (5, 2, 3), odd=["input"])
    yield from case("input-dtype-unbatched", reason, "ERROR-2", (5, 3), odd=["input"])
    reason = "The number of dimensions is looked at before the dtype."
    yield from case("input-dtype-before-rank", reason, "ERROR-2", (3,), odd=["input"])
    reason = "The dtype is looked at before the number of features."
    yield from case("input-dtype-before-size", reason, "ERROR-2", (5, 2, 2), odd=["input"])
    for name, reason, shape, h_0, args in STATES:
        yield from case(name, reason, "ERROR-3", shape, h_0, **args)
    if pair:
        for name, reason, shape, h_0, c_0, args in PAIRS:
            yield from case(name, reason, "ERROR-3", shape, h_0, c_0, **args)
    parts = ["h_0", "c_0"] if pair else ["h_0"]
    note = MIXED if pair else ""
    reason = f"The state's dtype is not the weights'.{note}"
    yield from case("state-dtype", reason, "ERROR-3", (5, 2, 3), (1, 2, 4), odd=parts)
    reason = f"The same without a batch.{note}"
    yield from case("state-dtype-unbatched", reason, "ERROR-3", (5, 3), (1, 4), odd=parts)
    reason = f"The same without biases: another product, other words.{note}"
    yield from case(
        "state-dtype-no-bias", reason, "ERROR-3", (5, 2, 3), (1, 2, 4), odd=parts, bias=False
    )
    if pair:
        reason = f"Only h_0's dtype is another.{note}"
        yield from case("state-h-dtype", reason, "ERROR-3", (5, 2, 3), (1, 2, 4), odd=["h_0"])


for module in ("RNN", "LSTM", "GRU"):
    ask = golden(f"errors/{module.lower()}.json", f"Inputs and states that {module} refuses.")
    ask(lambda module=module: cases(module))
