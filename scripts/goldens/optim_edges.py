"""Chapter optim: states that change hands, limits that are no limits, options that are rare."""

import base64
from itertools import product

import numpy as np
import torch

from .case import INF, NAN, Numbers, golden, named, of_dtype, once
from .checkpoints import saved
from .optim import ALL, CLAUSES, clipped, group, own, parameters, refused, steps, unmade

# Gradients of ones for a weight of two elements, two steps.
TWO = {"weight": np.ones((2, 2))}
# Limits that are none.
NONE = [
    ("negative", -1.0), ("nan", "NaN"), ("infinite", "Infinity"),
    ("negative-infinite", "-Infinity"),
]


@golden("optim/interpolation.json", "Means that forget fast, NaN, infinity.")
def interpolations():
    """Means that keep less than half: the way is counted from the other end."""
    cases = [
        ("Adam", {"lr": 0.1, "betas": [0.25, 0.5]}),
        ("Adam", {"lr": 0.1, "betas": [0.5, 0.0009765625]}),
        ("AdamW", {"lr": 0.1, "betas": [0.125, 0.5]}),
        ("RMSprop", {"lr": 0.1, "alpha": 0.25, "centered": True}),
        ("RMSprop", {"lr": 0.1, "alpha": 1.5, "centered": True, "eps": 4.0}),
        ("RMSprop", {"lr": 0.1, "alpha": 2.0, "centered": True, "eps": 4.0}),
    ]
    for place, (optimizer, args) in enumerate(cases):
        yield from own(
            optimizer, f"interpolation-{place}",
            "Catches a mean computed from its start where the end is nearer.", args, 83000 + place
        )
    huge = np.array([[1e8], [1.0], [-3.0]])
    for optimizer, args in (
        ("RMSprop", {"lr": 0.1, "alpha": 0.0, "centered": True, "eps": 1.0}),
        ("Adam", {"lr": 0.1, "betas": [0.03125, 0.03125]}),
    ):
        yield from own(
            optimizer, "interpolation-huge",
            "What a large gradient leaves in a mean that forgets: nothing, not its rounding.", args,
            83100, params={"weight": np.zeros(1)}, gradients={"weight": huge}
        )
    spoiled = np.array([[1.0, 1.0], [NAN, INF], [1.0, 1.0], [2.0, -1.0]])
    for optimizer, args in (
        ("SGD", {"lr": 0.1, "momentum": 0.5}),
        ("Adam", {"lr": 0.1, "amsgrad": True}),
        ("Adam", {"lr": 0.1, "betas": [0.25, 0.5]}),
        ("AdamW", {"lr": 0.1}),
        ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5}),
        ("RMSprop", {"lr": 0.1, "centered": True, "alpha": 0.25}),
    ):
        place = "-".join(sorted(args)[:2])
        yield from own(
            optimizer, f"nan-{place}",
            "NaN and infinity in a gradient stay in what is remembered, the largest mean too.",
            args, 83200, "NUM-4", params={"weight": np.array([1.0, -1.0])},
            gradients={"weight": spoiled}
        )


@golden("optim/limits.json", "Limits and norms of clipping that are rare.")
def limits():
    """Limits of clipping that are negative, infinite or not a number; other norms; two dtypes."""
    row = [3.0, -0.5, NAN, INF, -INF, 0.0, -0.0]
    given = {"weight": np.array([row, row[::-1]])}
    params = {"weight": np.zeros(7)}
    for name, value in (("1", 1.0), ("0", 0.0), *NONE):
        yield from clipped(
            f"value-limit-{name}",
            "Cut from below, then from above: a limit below 0 is what everything becomes.", "NUM-4",
            0.5, 83300, named("clip_grad_value_", clip_value=value), params=params, gradients=given
        )
    pair = {"weight": np.array([[3.0, 4.0], [0.0, 0.0]]), "bias": np.array([[0.0, 1.0], [2.0, -1.0]])}
    zeros = {"weight": np.zeros(2), "bias": np.zeros(2)}

    def norm(name, reason, grads, **args):
        clip = named("clip_grad_norm_", **args)
        yield from clipped(
            f"norm-{name}", reason, "", 0.5, 83310, clip, params=zeros, gradients=grads
        )

    for name, value in NONE:
        reason = "The limit goes into the factor as it is."
        yield from norm(f"limit-{name}", reason, pair, max_norm=value)
    spoiled = {"weight": np.array([[NAN, 1.0], [INF, 1.0]]), "bias": np.array([[1.0, 2.0]] * 2)}
    kinds = {
        "0": 0, "half": 0.5, "minus-1": -1, "minus-2": -2, "minus-infinity": "-Infinity",
        "nan": "NaN"
    }
    for name, kind in kinds.items():
        for more, grads in (("", pair), ("-spoiled", spoiled)):
            reason = "The norm of the gradients' own norms: "
            reason += "the smallest for -∞, a count of counts for 0."
            yield from norm(f"type-{name}{more}", reason, grads, max_norm=1.5, norm_type=kind)

    def refusal(name, weight, kind, **more):
        return refused(
            f"clip/norm-{name}-{str(kind).lower()}", "OPTIM-5", "SGD", {"lr": 0.5},
            state_dict={"weight": np.zeros(len(weight[0]))}, gradients={"weight": weight},
            clip=named("clip_grad_norm_", max_norm=1.0, norm_type=kind, **more)
        )

    for kind in ("Infinity", "-Infinity", -1):
        yield refusal("empty", np.zeros((1, 0)), kind)
    for kind in ("Infinity", "-Infinity", "NaN"):
        yield refusal("nonfinite", np.array([[INF, -INF]]), kind, error_if_nonfinite=True)
    for name, first, second in (("first", of_dtype, np.asarray), ("second", np.asarray, of_dtype)):
        for kind in (2, "Infinity"):
            yield once(
                f"optim/clip/norm-float64-{name}-{str(kind).lower()}/float32",
                "One gradient of float64 makes the norm float64, whichever it is.", "OPTIM-5",
                "optim", "float32", optimizer=named("SGD", lr=0.5),
                state_dict={"weight": first(np.zeros(2)), "bias": second(np.zeros(2))},
                gradients={
                    "weight": first(np.array([[3.0, 4.0], [0.125, 0.5]])),
                    "bias": second(np.array([[0.0, 1.0], [0.25, 0.0]])),
                },
                clip=named("clip_grad_norm_", max_norm=1.0, norm_type=kind)
            )


@golden("optim/hands.json", "States that change hands, options that change.")
def hands():
    """A state that goes from one optimiser to another, and options changed under way."""
    rest = {
        "SGD": {"momentum": 0.5},
        "Adam": {"amsgrad": True},
        "AdamW": {"weight_decay": 0.25},
        "RMSprop": {"momentum": 0.5, "centered": True},
    }
    for place, (optimizer, more) in enumerate(rest.items()):
        plainly = named(optimizer, lr=0.25)
        richly = named(optimizer, lr=0.1, **more)
        yield from own(
            optimizer, "loaded",
            "The options come with the state; what the constructor was told is forgotten.",
            plainly["args"], 84000 + place, before={"optimizer": richly, "steps": 4}
        )
        yield from own(
            optimizer, "loaded-plain", "The same the other way round.", richly["args"],
            84010 + place, before={"optimizer": plainly, "steps": 4}
        )
    reasons = [
        "How the weight decays is one of the options that come with the state.",
        "AdamW stays AdamW, whatever it loads.",
    ]
    pair = ("Adam", "AdamW")
    for place, (optimizer, other, reason) in enumerate(zip(pair, pair[::-1], reasons, strict=True)):
        yield from own(
            optimizer, f"loaded-{other}", reason, {"lr": 0.1}, 84020 + place,
            before={"optimizer": named(other, lr=0.1, weight_decay=0.5), "steps": 4}
        )
    for optimizer, args, change in (
        ("SGD", {"lr": 0.1}, {"momentum": 0.5}),
        ("SGD", {"lr": 0.1, "momentum": 0.5}, {"momentum": 0}),
        ("Adam", {"lr": 0.1, "amsgrad": True}, {"amsgrad": False}),
        ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5}, {"centered": False}),
        ("RMSprop", {"lr": 0.1}, {"lr": 0.5, "alpha": 0.5, "weight_decay": 0.25}),
    ):
        place = "-".join(f"{name}-{str(value).lower()}" for name, value in change.items())
        yield from own(
            optimizer, f"changed-{place}",
            "An option changed between two steps counts from the next.", args, 84100,
            change={"at": 5, "args": change}
        )
    for optimizer, args, change in (
        ("Adam", {"lr": 0.1}, {"amsgrad": True}),
        ("AdamW", {"lr": 0.1}, {"amsgrad": True}),
        ("RMSprop", {"lr": 0.1}, {"centered": True}),
        ("RMSprop", {"lr": 0.1}, {"momentum": 0.5}),
    ):
        yield unmade(
            optimizer, f"changed-{next(iter(change)).replace('_', '-')}", args, "OPTIM-7",
            gradients=TWO, change={"at": 1, "args": change}
        )
    for first in rest:
        for second in rest:
            if first != second and {first, second} != {"Adam", "AdamW"}:
                for more in ("", "-momentum") if first == "SGD" else ("",):
                    args = {"lr": 0.1, **({"momentum": 0.5} if more else {})}
                    yield unmade(
                        second, f"foreign-{first}{more}", {"lr": 0.1}, "OPTIM-7", gradients=TWO,
                        before={"optimizer": named(first, **args), "steps": 1}
                    )


@golden("optim/rare.json", "Rare learning rates and groups; numbers in messages.")
def rare():
    """Learning rates that are tensors, groups of one tensor or with names, a parameter twice."""
    for place, (optimizer, _, clause) in enumerate(ALL):
        yield from own(
            optimizer, "lr-tensor", "A tensor of one number is a learning rate like any other.",
            {"lr": {"shape": [], "data": [0.125]}}, 84200 + place
        )
        yield from own(
            optimizer, "twice",
            "A parameter that stands twice in a group takes two steps with one gradient.",
            {"lr": 0.1, **({"momentum": 0.5} if optimizer in ("SGD", "RMSprop") else {})},
            84210 + place, groups=[group("weight", "weight", "bias")]
        )
        yield from own(
            optimizer, "named",
            "Parameters may be given with their names, which the state then has.", {"lr": 0.1},
            84220 + place,
            groups=[group("bias", named=[True], lr=0.5), group("weight", named=[True])]
        )
        yield unmade(optimizer, "lr-tensor-of-two", {"lr": {"shape": [2], "data": [1, 1]}})
        two = {"weight": np.zeros(1), "bias": np.zeros(1)}
        some = [group("weight"), group("bias", named=[True])]
        yield unmade(optimizer, "named-one-group", {}, state_dict=two, groups=some)
        yield unmade(optimizer, "one-tensor", {}, groups="weight")
        some = [group("weight", "bias", named=[True, False])]
        yield unmade(optimizer, "named-some", {}, state_dict=two, groups=some)
    yield from own(
        "SGD", "lr-tensor-groups", "A group's own learning rate, and one that is not finite.",
        {"lr": 0.1}, 84230,
        groups=[group("bias", lr={"shape": [1], "data": [0.25]}), group("weight", lr="Infinity")]
    )
    small = [("tiny", -1e-5), ("tinier", -1e-7), ("infinite", "-Infinity"), ("nan", "NaN")]
    options = {
        "SGD": "lr momentum weight_decay", "Adam": "lr eps weight_decay",
        "AdamW": "lr eps weight_decay", "RMSprop": "lr eps momentum weight_decay alpha"
    }
    for optimizer, names in options.items():
        for option, (name, value) in product(names.split(), small):
            if optimizer != "SGD" or name != "nan":  # SGD lets NaN pass
                yield unmade(optimizer, f"bad-{option.replace('_', '-')}-{name}", {option: value})
    for optimizer, (name, value) in product(("Adam", "AdamW"), small):
        yield unmade(optimizer, f"bad-beta-{name}", {"betas": [0.5, value]})
    for option in ("momentum", "weight_decay"):
        reason = "SGD refuses what is below 0, and NaN is not."
        name = f"nan-{option.replace('_', '-')}"
        yield from own("SGD", name, reason, {"lr": 0.1, option: "NaN"}, 84240, "NUM-4")


@golden("optim/going_on.json", "Schedules that go on, periods of 0.")
def schedules():
    """Periods of 0, schedules that go on, learning rates that a schedule made."""
    refusals = [
        ("StepLR/period-0", named("StepLR", step_size=0)),
        ("StepLR/no-initial-lr", named("StepLR", step_size=3, last_epoch=2)),
        ("CosineAnnealingLR/period-0", named("CosineAnnealingLR", T_max=0)),
        ("CosineAnnealingLR/no-initial-lr", named("CosineAnnealingLR", T_max=3, last_epoch=2)),
        ("StepLR/period-0-goes-on", named("StepLR", step_size=0, last_epoch=0),
         [group("weight", initial_lr=0.5)]),
    ]
    for name, schedule, *groups in refusals:
        more = {"groups": groups[0]} if groups else {}
        yield refused(
            name, "OPTIM-6", "SGD", {"lr": 0.5}, gradients=TWO, **more, scheduler=schedule
        )
    groups = [group("weight", "bias", lr=0.25, initial_lr=0.5)]
    for place, (name, args) in enumerate(
        (("StepLR", {"step_size": 3, "gamma": 0.5}),
         ("CosineAnnealingLR", {"T_max": 4, "eta_min": 0.0625}),
         ("CosineAnnealingLR", {"T_max": 1}))
    ):
        for last in (-1, 0, 1, 2, 4):
            yield from steps(
                f"{name}/last-epoch-{place}-{'new' if last < 0 else last}",
                "A schedule that goes on counts its first step at once; StepLR may multiply there.",
                "OPTIM-6", "SGD", {"lr": 0.125}, 84300 + place, groups=groups,
                scheduler=named(name, **args, last_epoch=last)
            )
    for place, (name, args) in enumerate(
        (("StepLR", {"step_size": 2, "gamma": 0.5}), ("CosineAnnealingLR", {"T_max": 4}))
    ):
        yield from steps(
            f"{name}/lr-tensor", "A learning rate that is a tensor is changed in place.",
            "OPTIM-6", "SGD", {"lr": {"shape": [], "data": [0.5]}}, 84400 + place,
            scheduler=named(name, **args)
        )


@golden("optim/prints.json", "print(optimizer) with rare numbers.")
def prints():
    """print(optimizer) where numbers and names are rare."""
    cases = [
        ("lr-infinite", "SGD", {"lr": "Infinity"}),
        ("lr-tiny", "Adam", {"lr": 1e-5, "eps": 1e-20}),
        ("lr-nan", "SGD", {"lr": "NaN"}),
        ("lr-tensor", "SGD", {"lr": {"shape": [], "data": [0.125]}}),
        ("lr-tensor-1d", "AdamW", {"lr": {"shape": [1], "data": [0.001]}}),
        ("foreach", "RMSprop", {"foreach": True}),
        ("fused", "SGD", {"fused": True, "foreach": False}),
        ("before", "SGD", {"lr": 10}, named("StepLR", step_size=2), 1),
        ("float", "SGD", {"lr": 10}, named("StepLR", step_size=2), 2),
        ("cosine", "SGD", {"lr": 1}, named("CosineAnnealingLR", T_max=2), 4),
        ("cosine-0", "SGD", {"lr": 0}, named("CosineAnnealingLR", T_max=4), 1),
    ]
    for name, optimizer, args, *scheduled in cases:
        more = dict(zip(("scheduler", "steps"), scheduled, strict=False))
        yield once(
            f"optim/{optimizer}/repr-{name}",
            "Numbers as Python writes them; what a schedule computed is a float.",
            f"{CLAUSES[optimizer]} PRINT-6", "repr", optimizer=named(optimizer, **args), **more
        )
    for name, args in (
        ("SGD", {"fused": True, "foreach": True}),
        ("Adam", {"fused": True, "foreach": True}),
        ("Adam", {"lr": {"shape": [], "data": [0.5]}, "foreach": True}),
    ):
        place = "-".join(sorted(args))
        yield unmade(name, f"bad-{place}", args)


def file_of(numbers, optimizer, args, params, schedule=None):
    """What torch.save writes of an optimiser's state of drawn numbers, and of a schedule's."""
    tensors = [torch.nn.Parameter(torch.zeros(value.shape)) for value in params.values()]
    made = getattr(torch.optim, optimizer)(tensors, **args)
    names = {"SGD": ["momentum_buffer"], "RMSprop": ["square_avg", "momentum_buffer"]}
    state = {}
    for k, value in enumerate(params.values()):
        state[k] = {} if optimizer == "SGD" else {"step": torch.tensor(5.0)}
        for name in names.get(optimizer, ["exp_avg", "exp_avg_sq"]):
            state[k][name] = torch.tensor(abs(numbers.dyadic(*value.shape)).tolist())
    content = {}
    if schedule:
        rates = getattr(torch.optim.lr_scheduler, schedule["name"])(made, **schedule["args"])
        rates.last_epoch, rates._step_count = 2, 3
        content["scheduler"] = rates.state_dict()
    made.load_state_dict({"state": state, "param_groups": made.state_dict()["param_groups"]})
    data = saved({"optimizer": made.state_dict(), **content})
    return {"format": "torch", "base64": base64.b64encode(data).decode("ascii")}


@golden("optim/files.json", "States out of PyTorch's checkpoints.")
def files():
    cases = [
        ("SGD", {"lr": 0.1, "momentum": 0.5}, None),
        ("Adam", {"lr": 0.1, "betas": (0.5, 0.75)}, None),
        ("AdamW", {"lr": 0.1}, named("StepLR", step_size=3, gamma=0.5)),
        ("RMSprop", {"lr": 0.1, "momentum": 0.5}, named("CosineAnnealingLR", T_max=4)),
    ]
    for place, (optimizer, args, schedule) in enumerate(cases):
        numbers = Numbers(84500 + place)
        params = parameters(numbers)
        yield from own(
            optimizer, "checkpoint",
            "The options and what is remembered come out of the file, in each parameter's dtype.",
            {"lr": 0.5}, 84510 + place, "OPTIM-7 TRAIN-3", params=params,
            file=file_of(numbers, optimizer, args, params, schedule), scheduler=schedule
        )
