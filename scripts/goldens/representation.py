"""Chapter repr: print(module)."""

from .case import golden, once

BASE = {"input_size": 3, "hidden_size": 4}
RNN = [
    ("default", {}, "Sizes alone."),
    ("layers-2", {"num_layers": 2}, "More than one layer is named."),
    ("layers-1", {"num_layers": 1}, "One layer, given, is not."),
    ("relu", {"nonlinearity": "relu"}, "The non-linearity is not named."),
    ("no-bias", {"bias": False}, "A bias left out is."),
    ("bias", {"bias": True}, "A bias, given, is not."),
    ("batch-first", {"batch_first": True}, "As the notebook's."),
    ("dropout-0.5", {"num_layers": 2, "dropout": 0.5}, "A probability."),
    ("dropout-1", {"num_layers": 2, "dropout": 1}, "A whole number prints with its point."),
    ("dropout-0", {"num_layers": 2, "dropout": 0}, "Zero is the default, however written."),
    ("dropout-small", {"num_layers": 2, "dropout": 0.00001}, "Python turns scientific below 1e-4."),
    ("dropout-1e-4", {"num_layers": 2, "dropout": 0.0001}, "But not at it."),
    ("dropout-third", {"num_layers": 2, "dropout": 1 / 3}, "All the digits that are needed."),
    ("dropout-one-layer", {"dropout": 0.25}, "Of no use with one layer, but named."),
    ("bidirectional", {"bidirectional": True}, "Both directions."),
    ("everything",
     {"num_layers": 3, "nonlinearity": "relu", "bias": False, "batch_first": True, "dropout": 0.1,
      "bidirectional": True},
     "The order of the names."),
]


PROJECTED = [
    ("proj-2", {"proj_size": 2}, "A projection comes right after the sizes."),
    ("proj-0", {"proj_size": 0}, "No projection, given, is not named."),
    ("proj-everything",
     {"num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.5, "bidirectional": True,
      "proj_size": 1},
     "The order of the names, with a projection."),
]
CELL = [
    ("default", {}, "Sizes alone."),
    ("no-bias", {"bias": False}, "A bias left out is named."),
    ("bias", {"bias": True}, "A bias, given, is not."),
    ("wide", {"input_size": 1000}, "No separators in large numbers."),
]
RNN_CELL = [
    ("relu", {"nonlinearity": "relu"}, "The cell names its non-linearity, unlike the layer."),
    ("tanh", {"nonlinearity": "tanh"}, "But not the default one."),
    ("relu-no-bias", {"nonlinearity": "relu", "bias": False}, "The order of the names."),
]
DROPOUT = [
    ("p-default", {}, "The probability and inplace, always."),
    ("p-0.3", {"p": 0.3}, "Another probability."),
    ("p-0", {"p": 0}, "A whole number stays as it was given, without a point."),
    ("p-1", {"p": 1}, "The other end."),
    ("p-third", {"p": 1 / 3}, "All the digits that are needed."),
    ("p-1e-4", {"p": 0.0001}, "The last number that Python does not print scientifically."),
    ("p-small", {"p": 0.00001}, "Python turns scientific below 1e-4."),
]


LINEAR = [
    ("default", {}, "All three arguments, always."),
    ("no-bias", {"bias": False}, "Without a bias."),
    ("wide", {"in_features": 1000}, "No separators in large numbers."),
]
GATED = [
    (name, {key: value for key, value in args.items() if key != "nonlinearity"}, reason)
    for name, args, reason in RNN
    if args.keys() != {"nonlinearity"}
]
ALL = [
    ("RNN", BASE, RNN), ("LSTM", BASE, GATED), ("GRU", BASE, GATED), ("LSTM", BASE, PROJECTED),
    ("RNNCell", BASE, CELL + RNN_CELL), ("LSTMCell", BASE, CELL), ("GRUCell", BASE, CELL),
    ("Dropout", {}, DROPOUT), ("Linear", {"in_features": 5, "out_features": 1}, LINEAR),
]


@golden("repr/modules.json", "print(module).")
def cases():
    for module, base, rows in ALL:
        for name, args, reason in rows:
            args = {**base, **args}
            yield once(f"repr/{module}/{name}", reason, "PRINT-6", "repr", module=module, args=args)
    for width, hidden, layers in ((1, 5, 1), (3, 8, 2)):
        yield once(
            f"repr/SimpleRNN/{width}-{hidden}-{layers}",
            "A module within a module is indented and named.", "PRINT-6 FC-1", "repr",
            module="SimpleRNN",
            args={"input_size": width, "hidden_size": hidden, "num_layers": layers}
        )
