"""Chapter repr: print(module)."""

from .case import Case, GoldenFile, request

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
            "num_layers": 3,
            "nonlinearity": "relu",
            "bias": False,
            "batch_first": True,
            "dropout": 0.1,
            "bidirectional": True,
        },
        "The order of the names.",
    ),
]


def cases():
    """RNN, Linear, SimpleRNN."""
    for name, args, reason in RNN:
        yield Case(
            f"repr/RNN/{name}",
            reason,
            ["PRINT-6"],
            request("repr", module="RNN", args={**BASE, **args}),
        )
    for name, args, reason in (
        ("default", {}, "All three arguments, always."),
        ("no-bias", {"bias": False}, "Without a bias."),
        ("wide", {"in_features": 1000}, "No separators in large numbers."),
    ):
        args = {"in_features": 5, "out_features": 1, **args}
        yield Case(
            f"repr/Linear/{name}", reason, ["PRINT-6"], request("repr", module="Linear", args=args)
        )
    for width, hidden, layers in ((1, 5, 1), (3, 8, 2)):
        args = {"input_size": width, "hidden_size": hidden, "num_layers": layers}
        yield Case(
            f"repr/SimpleRNN/{width}-{hidden}-{layers}",
            "A module within a module is indented and named.",
            ["PRINT-6", "FC-1"],
            request("repr", module="SimpleRNN", args=args),
        )


FILES = [GoldenFile("repr/modules.json", "print(module).", cases)]
