"""Chapter optim: a constant factor, and a plateau."""

from .case import Numbers, golden, named, once
from .optim import CLAUSES, gradients, group, parameters, refused, steps

METRICS = [3.0, 2.5, 2.5, 2.6, 2.4999, 2.4, 2.4, 2.4, 2.4, 2.4]
RISING = [0.25, 0.5, 0.5, 0.4, 0.6, 0.6, 0.6, 0.6, 0.7, 0.7]
LEVEL = [1.0] * 10

PLATEAUS = [
    ("default", {}, METRICS, "Patience of ten steps: nothing falls."),
    ("patience-0", {"patience": 0}, METRICS, "Every step without a better metric counts."),
    ("patience-1", {"patience": 1, "factor": 0.5}, METRICS, "Catches a change one step early."),
    ("threshold", {"patience": 0, "threshold": 0.05}, METRICS, "A little better is not better."),
    ("threshold-abs", {"patience": 0, "threshold": 0.1, "threshold_mode": "abs"}, METRICS,
     "A difference, not a part: catches one for the other."),
    ("cooldown", {"patience": 0, "cooldown": 2, "factor": 0.5}, LEVEL, "Steps that do not count."),
    ("cooldown-patience", {"patience": 1, "cooldown": 1, "factor": 0.5}, LEVEL,
     "The count begins after the cooldown."),
    ("max", {"mode": "max", "patience": 1, "factor": 0.5}, RISING, "Larger is better."),
    ("max-abs", {"mode": "max", "patience": 0, "threshold": 0.1, "threshold_mode": "abs"}, RISING,
     "Larger by a difference."),
    ("min-lr", {"patience": 0, "factor": 0.25, "min_lr": 0.05}, LEVEL, "A least learning rate."),
    ("min-lr-list", {"patience": 0, "factor": 0.25, "min_lr": [0.2]}, LEVEL, "One of each group."),
    ("eps", {"patience": 0, "factor": 0.5, "eps": 0.03}, LEVEL, "A change too small is not made."),
    ("negative", {"patience": 0, "threshold": 0.5}, [-1.0, -1.2, -1.6, -1.4] + [-2.0] * 6,
     "Below zero a part of the best lies above it: a worse metric may count as better."),
    ("nan", {"patience": 1, "factor": 0.5}, ["NaN"] * 5 + LEVEL[:5], "NaN is never better."),
    ("infinite", {"patience": 0, "factor": 0.5}, ["Infinity", "-Infinity"] + LEVEL[:8],
     "Infinity is no better than the start; minus infinity is beaten by nothing."),
]


@golden("optim/plateau.json", "A learning rate that falls at a plateau.")
def plateaus():
    for place, (name, args, metrics, reason) in enumerate(PLATEAUS):
        yield from steps(
            f"ReduceLROnPlateau/{name}", reason, "OPTIM-8 OPTIM-1", "SGD", {"lr": 0.5},
            96100 + place, scheduler=named("ReduceLROnPlateau", **args), metrics=metrics
        )


@golden("optim/exponential.json", "A learning rate that falls at every step.")
def factors():
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
                f"OPTIM-8 {CLAUSES[optimizer]}", optimizer,
                {"lr": 0.5, **more}, 96150 + place, scheduler=named("ExponentialLR", **args)
            )
    numbers = Numbers(96190)
    params = parameters(numbers)
    yield once(
        "optim/ExponentialLR/last-epoch/float32", "Going on: the rate is left alone until a step.",
        "OPTIM-8 OPTIM-6", "optim", "float32", optimizer=named("SGD"),
        groups=[group(*params, lr=0.25, initial_lr=0.5)], state_dict=params,
        gradients=gradients(numbers, params),
        scheduler=named("ExponentialLR", gamma=0.5, last_epoch=3)
    )


@golden("optim/refused_schedules.json", "Schedules that PyTorch refuses.")
def refusals():
    for name, args in (
        ("factor-1", {"factor": 1.0}), ("mode", {"mode": "least"}),
        ("threshold-mode", {"threshold_mode": "relative"}), ("min-lr", {"min_lr": [0.1, 0.2]}),
    ):
        yield refused(
            f"ReduceLROnPlateau/refused-{name}", "OPTIM-8", "SGD", {"lr": 0.5},
            state_dict=parameters(Numbers(96195)), scheduler=named("ReduceLROnPlateau", **args)
        )
    yield refused(
        "ExponentialLR/refused-last-epoch", "OPTIM-8", "SGD", {"lr": 0.5},
        state_dict=parameters(Numbers(96195)),
        scheduler=named("ExponentialLR", gamma=0.5, last_epoch=2)
    )
