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
    (
        "everything",
        {
            "num_layers": 3, "nonlinearity": "relu", "bias": False, "batch_first": True,
            "dropout": 0.1, "bidirectional": True
        },
        "The order of the names.",
    ),
]


PROJECTED = [
    ("proj-2", {"proj_size": 2}, "A projection comes right after the sizes."),
    ("proj-0", {"proj_size": 0}, "No projection, given, is not named."),
    (
        "proj-everything",
        {
            "num_layers": 2, "bias": False, "batch_first": True, "dropout": 0.5,
            "bidirectional": True, "proj_size": 1
        },
        "The order of the names, with a projection.",
    ),
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
    ("default", {}, "The probability and inplace, always."),
    ("0.3", {"p": 0.3}, "Another probability."),
    ("0", {"p": 0}, "A whole number stays as it was given, without a point."),
    ("1", {"p": 1}, "The other end."),
    ("third", {"p": 1 / 3}, "All the digits that are needed."),
    ("1e-4", {"p": 0.0001}, "The last number that Python does not print scientifically."),
    ("small", {"p": 0.00001}, "Python turns scientific below 1e-4."),
]


def recurrent():
    """(module, name, args, reason) of the modules that have BASE."""
    for name, args, reason in RNN:
        yield "RNN", name, args, reason
    for module in ("LSTM", "GRU"):
        for name, args, reason in RNN:
            if args.keys() != {"nonlinearity"}:
                args = {key: value for key, value in args.items() if key != "nonlinearity"}
                yield module, name, args, reason
    for name, args, reason in PROJECTED:
        yield "LSTM", name, args, reason
    for module in ("RNNCell", "LSTMCell", "GRUCell"):
        for name, args, reason in CELL + (RNN_CELL if module == "RNNCell" else []):
            yield module, name, args, reason


@golden("repr/modules.json", "print(module).")
def cases():
    for module, name, args, reason in recurrent():
        yield once(
            f"repr/{module}/{name}", reason, "PRINT-6", "repr", module=module, args={**BASE, **args}
        )
    for name, args, reason in DROPOUT:
        yield once(f"repr/Dropout/p-{name}", reason, "PRINT-6", "repr", module="Dropout", args=args)
    for name, args, reason in (
        ("default", {}, "All three arguments, always."),
        ("no-bias", {"bias": False}, "Without a bias."),
        ("wide", {"in_features": 1000}, "No separators in large numbers."),
    ):
        args = {"in_features": 5, "out_features": 1, **args}
        yield once(f"repr/Linear/{name}", reason, "PRINT-6", "repr", module="Linear", args=args)
    for width, hidden, layers in ((1, 5, 1), (3, 8, 2)):
        args = {"input_size": width, "hidden_size": hidden, "num_layers": layers}
        yield once(
            f"repr/SimpleRNN/{width}-{hidden}-{layers}",
            "A module within a module is indented and named.", "PRINT-6 FC-1",
            "repr", module="SimpleRNN", args=args
        )
