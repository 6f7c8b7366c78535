"""Chapter optim: a constant factor, and a plateau."""

from .case import Case, GoldenFile, Numbers, request
from .optim import gradients, parameters, refusal, steps

METRICS = [3.0, 2.5, 2.5, 2.6, 2.4999, 2.4, 2.4, 2.4, 2.4, 2.4]
RISING = [0.25, 0.5, 0.5, 0.4, 0.6, 0.6, 0.6, 0.6, 0.7, 0.7]
LEVEL = [1.0] * 10

PLATEAUS = [
    ("default", {}, METRICS, "Patience of ten steps: nothing falls."),
    ("patience-0", {"patience": 0}, METRICS, "Every step without a better metric counts."),
    ("patience-1", {"patience": 1, "factor": 0.5}, METRICS, "Catches a change one step early."),
    ("threshold", {"patience": 0, "threshold": 0.05}, METRICS, "A little better is not better."),
    (
        "threshold-abs", {"patience": 0, "threshold": 0.1, "threshold_mode": "abs"}, METRICS,
        "A difference, not a part: catches one for the other.",
    ),
    ("cooldown", {"patience": 0, "cooldown": 2, "factor": 0.5}, LEVEL, "Steps that do not count."),
    (
        "cooldown-patience", {"patience": 1, "cooldown": 1, "factor": 0.5}, LEVEL,
        "The count begins after the cooldown.",
    ),
    ("max", {"mode": "max", "patience": 1, "factor": 0.5}, RISING, "Larger is better."),
    (
        "max-abs", {"mode": "max", "patience": 0, "threshold": 0.1, "threshold_mode": "abs"}, RISING,
        "Larger by a difference.",
    ),
    ("min-lr", {"patience": 0, "factor": 0.25, "min_lr": 0.05}, LEVEL, "A least learning rate."),
    ("min-lr-list", {"patience": 0, "factor": 0.25, "min_lr": [0.2]}, LEVEL, "One of each group."),
    ("eps", {"patience": 0, "factor": 0.5, "eps": 0.03}, LEVEL, "A change too small is not made."),
    (
        "negative", {"patience": 0, "threshold": 0.5}, [-1.0, -1.2, -1.6, -1.4] + [-2.0] * 6,
        "Below zero a part of the best lies above it: a worse metric may count as better.",
    ),
    ("nan", {"patience": 1, "factor": 0.5}, ["NaN"] * 5 + LEVEL[:5], "NaN is never better."),
    (
        "infinite", {"patience": 0, "factor": 0.5}, ["Infinity", "-Infinity"] + LEVEL[:8],
        "Infinity is no better than the start; minus infinity is beaten by nothing.",
    ),
]


def plateaus():
    """Ten steps, a metric each."""
    for place, (name, args, metrics, reason) in enumerate(PLATEAUS):
        yield from steps(
            f"ReduceLROnPlateau/{name}", reason, ["OPTIM-8", "OPTIM-1"], "SGD", {"lr": 0.5},
            96100 + place, scheduler={"name": "ReduceLROnPlateau", "args": args}, metrics=metrics
        )


def factors():
    """A factor at every step."""
    for place, (name, args, reason) in enumerate(
        [
            ("half", {"gamma": 0.5}, "Catches a first step that leaves the rate alone."),
            ("slow", {"gamma": 0.97}, "A factor that no dtype holds exactly."),
            ("rising", {"gamma": 1.25}, "A rate that rises."),
            ("zero", {"gamma": 0.0}, "Nothing is left."),
        ]
    ):
        for optimizer, more in (("SGD", {"momentum": 0.5}), ("Adam", {})):
            yield from steps(
                f"ExponentialLR/{name}-{optimizer}", reason,
                ["OPTIM-8", "OPTIM-1" if optimizer == "SGD" else "OPTIM-2"], optimizer,
                {"lr": 0.5, **more}, 96150 + place, scheduler={"name": "ExponentialLR", "args": args}
            )
    numbers = Numbers(96190)
    params = parameters(numbers)
    yield Case(
        "optim/ExponentialLR/last-epoch/float32", "Going on: the rate is left alone until a step.",
        ["OPTIM-8", "OPTIM-6"],
        request(
            "optim", "float32", optimizer={"name": "SGD", "args": {}},
            groups=[{"params": list(params), "args": {"lr": 0.25, "initial_lr": 0.5}}],
            state_dict=params, gradients=gradients(numbers, params),
            scheduler={"name": "ExponentialLR", "args": {"gamma": 0.5, "last_epoch": 3}}
        )
    )


def refusals():
    """Schedules that PyTorch does not make."""
    for name, args in (
        ("factor-1", {"factor": 1.0}), ("mode", {"mode": "least"}),
        ("threshold-mode", {"threshold_mode": "relative"}), ("min-lr", {"min_lr": [0.1, 0.2]}),
    ):
        case = refusal(
            f"ReduceLROnPlateau/refused-{name}", "SGD", {"lr": 0.5}, parameters(Numbers(96195)),
            scheduler={"name": "ReduceLROnPlateau", "args": args}
        )
        yield case._replace(clauses=["OPTIM-8", "ERROR-1"])
    case = refusal(
        "ExponentialLR/refused-last-epoch", "SGD", {"lr": 0.5}, parameters(Numbers(96195)),
        scheduler={"name": "ExponentialLR", "args": {"gamma": 0.5, "last_epoch": 2}}
    )
    yield case._replace(clauses=["OPTIM-8", "ERROR-1"])


FILES = [
    GoldenFile("optim/plateau.json", "A learning rate that falls at a plateau.", plateaus),
    GoldenFile("optim/exponential.json", "A learning rate that falls at every step.", factors),
    GoldenFile("optim/refused_schedules.json", "Schedules that PyTorch refuses.", refusals),
]
