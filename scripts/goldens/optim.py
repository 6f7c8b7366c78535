"""Chapter optim: ten steps of each optimiser on given gradients; clipping; schedules."""

import numpy as np

from .case import Numbers, both, golden, named, once

STEPS = 10


def parameters(numbers):
    """A matrix and a vector."""
    return {"weight": numbers.decimal(2, 3, limit=2.0), "bias": numbers.decimal(3, limit=2.0)}


def gradients(numbers, params, draw=None):
    """Ten gradients for each parameter; they fall and rise, and some are 0."""
    draw = draw or numbers.decimal
    return {name: draw(STEPS, *value.shape, limit=4.0) for name, value in params.items()}


def group(*params, named=None, **args):
    """A group of parameters, perhaps with their names, and its own options."""
    names = {} if named is None else {"named": named}
    return {"params": list(params), "args": args, **names}


def steps(name, reason, clauses, optimizer, args, seed, params=None, draw=None, **rest):
    """Ten steps in both dtypes, on drawn parameters and gradients where none are given."""
    numbers = Numbers(seed)
    params = params or parameters(numbers)
    given = gradients(numbers, params, draw and getattr(numbers, draw))
    yield from both(
        f"optim/{name}", reason, clauses, "optim", optimizer=named(optimizer, **args),
        state_dict=params, **{"gradients": given, **rest}
    )


def refused(name, clauses, optimizer, args, **rest):
    """An optimiser that PyTorch refuses to make, or to step."""
    return once(
        f"optim/{name}/float32", "Refused, in these words.", f"{clauses} ERROR-1", "optim",
        "float32", optimizer=named(optimizer, **args),
        **{"state_dict": {"weight": np.zeros(2)}, **rest}
    )


def own(optimizer, name, reason, args, seed, clauses="OPTIM-7", **rest):
    """Ten steps of an optimiser, named after it."""
    bears = f"{CLAUSES[optimizer]} {clauses}"
    yield from steps(f"{optimizer}/{name}", reason, bears, optimizer, args, seed, **rest)


def clipped(name, reason, clause, lr, seed, clip, **rest):
    """Ten steps of SGD on gradients that are clipped."""
    bears = f"OPTIM-5 {clause}"
    yield from steps(f"clip/{name}", reason, bears, "SGD", {"lr": lr}, seed, **rest, clip=clip)


def unmade(optimizer, name, args, clauses="", **rest):
    """An optimiser that PyTorch refuses, named after it."""
    return refused(
        f"{optimizer}/{name}", f"{CLAUSES[optimizer]} {clauses}", optimizer, args, **rest
    )


SGD = [
    ("default", {}, "The learning rate that is not given."),
    ("plain", {"lr": 0.1}, "The gradient alone."),
    ("lr-0", {"lr": 0.0}, "No step at all."),
    ("momentum", {"lr": 0.1, "momentum": 0.9},
     "Catches a buffer that does not start as the gradient."),
    ("dampening", {"lr": 0.1, "momentum": 0.9, "dampening": 0.25},
     "Catches a first step that is dampened, too."),
    ("nesterov", {"lr": 0.1, "momentum": 0.9, "nesterov": True},
     "Catches a step along the buffer alone."),
    ("weight-decay", {"lr": 0.1, "weight_decay": 0.05}, "Catches a decay past the gradient."),
    ("everything",
     {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1, "maximize": True},
     "Catches the decay before the sign is turned."),
]
ADAM = [
    ("default", {}, "The numbers that are not given."),
    ("lr", {"lr": 0.1}, "Catches a mean that is not corrected for its start at zero."),
    ("betas", {"lr": 0.1, "betas": [0.5, 0.75]}, "Catches the two betas exchanged."),
    ("eps", {"lr": 0.1, "eps": 0.5}, "Catches eps added under the root, or before the correction."),
    ("weight-decay", {"lr": 0.1, "weight_decay": 0.1}, "Catches one kind of decay for the other."),
    ("amsgrad", {"lr": 0.1, "betas": [0.9, 0.5], "amsgrad": True},
     "Catches the largest forgotten."),
    ("everything",
     {"lr": 0.05, "weight_decay": 0.2, "amsgrad": True, "maximize": True, "eps": 0.125},
     "Catches the decay before the sign is turned."),
]
RMSPROP = [
    ("default", {}, "The numbers that are not given."),
    ("alpha", {"lr": 0.1, "alpha": 0.5}, "Catches alpha for 1 - alpha."),
    ("eps", {"lr": 0.1, "eps": 0.5}, "Catches eps under the root."),
    ("momentum", {"lr": 0.1, "momentum": 0.9}, "Catches the learning rate kept in the buffer."),
    ("centered", {"lr": 0.1, "centered": True, "alpha": 0.75}, "Catches the mean not taken off."),
    ("everything",
     {"lr": 0.05, "alpha": 0.75, "momentum": 0.5, "centered": True, "weight_decay": 0.1,
      "maximize": True},
     "All at once."),
]
ALL = [
    ("SGD", SGD, "OPTIM-1"),
    ("Adam", ADAM, "OPTIM-2"),
    ("AdamW", ADAM, "OPTIM-3"),
    ("RMSprop", RMSPROP, "OPTIM-4"),
]
CLAUSES = {optimizer: clause for optimizer, _, clause in ALL}


@golden("optim/steps.json", "Ten steps of each optimiser, and what it remembers.")
def optimizers():
    for place, (optimizer, variants, clause) in enumerate(ALL):
        seed = 80000 + 100 * place
        for turn, (name, args, reason) in enumerate(variants):
            yield from own(optimizer, name, reason, args, seed + turn)
        yield from own(
            optimizer, "full-precision", "Numbers that use every bit of a float32.",
            {"lr": 0.01, "weight_decay": 0.01}, seed + 50, "NUM-2", draw="full"
        )
        numbers = Numbers(seed + 60)
        given = gradients(numbers, parameters(numbers))
        args = {"lr": 0.1, "weight_decay": 0.1}
        yield from own(
            optimizer, "zero-gradient",
            "A gradient of zeros is a step all the same: it decays what is remembered.", args,
            seed + 60, gradients={**given, "bias": np.zeros_like(given["bias"])}
        )
        yield from own(
            optimizer, "no-gradient",
            "A parameter without a gradient takes no step, and nothing is remembered of it.", args,
            seed + 70, gradients={"weight": given["weight"]}
        )
        yield from own(
            optimizer, "groups",
            "Groups with options of their own; the others come from the constructor.", args,
            seed + 80, groups=[group("bias", weight_decay=0.0), group("weight", lr=0.01)]
        )


@golden("optim/clip.json", "Gradients clipped, ten times.")
def clips():
    cases = [
        ("norm", "clip_grad_norm_", {"max_norm": 1.5}, "Catches a norm taken for each parameter."),
        ("norm-large", "clip_grad_norm_", {"max_norm": 6.5}, "Only some are above: none may grow."),
        ("norm-0", "clip_grad_norm_", {"max_norm": 0.0}, "Everything becomes 0."),
        ("norm-1", "clip_grad_norm_", {"max_norm": 2.0, "norm_type": 1}, "The sum of magnitudes."),
        ("norm-3", "clip_grad_norm_", {"max_norm": 2.0, "norm_type": 3}, "The cubes."),
        ("norm-inf", "clip_grad_norm_", {"max_norm": 2.0, "norm_type": "Infinity"},
         "The largest magnitude."),
        ("value", "clip_grad_value_", {"clip_value": 0.5}, "Each element by itself."),
    ]
    numbers = Numbers(81100)
    given = gradients(numbers, parameters(numbers))
    given["weight"][3, 0, 1] = np.nan
    spoiled = [
        ("norm-nan", "clip_grad_norm_", {"max_norm": 1.0}, "One NaN spoils every gradient."),
        ("value-nan", "clip_grad_value_", {"clip_value": 1.0}, "NaN stays, and stays alone."),
    ]

    for place, (name, function, args, reason) in enumerate(cases):
        yield from clipped(name, reason, "OPTIM-1", 0.1, 81000 + place, named(function, **args))
    for name, function, args, reason in spoiled:
        clip = named(function, **args)
        yield from clipped(name, reason, "NUM-4", 0.1, 81100, clip, gradients=given)


@golden("optim/schedules.json", "Learning rates that change, ten times.")
def schedules():
    cases = [
        ("StepLR/every-3", "StepLR", {"step_size": 3, "gamma": 0.5}, "Catches a change one early."),
        ("StepLR/every-1", "StepLR", {"step_size": 1}, "A tenth, each time."),
        ("CosineAnnealingLR/10", "CosineAnnealingLR", {"T_max": 10}, "Half a turn."),
        ("CosineAnnealingLR/4", "CosineAnnealingLR", {"T_max": 4, "eta_min": 0.01},
         "More than a turn: past the lowest the rate rises again."),
        ("CosineAnnealingLR/1", "CosineAnnealingLR", {"T_max": 1}, "Up and down."),
    ]
    for place, (name, scheduler, args, reason) in enumerate(cases):
        for optimizer, more in (("SGD", {"momentum": 0.5}), ("AdamW", {"weight_decay": 0.1})):
            yield from steps(
                f"{name}/{optimizer}", reason, f"OPTIM-6 {CLAUSES[optimizer]}", optimizer,
                {"lr": 0.5, **more}, 82000 + place, scheduler=named(scheduler, **args)
            )


@golden("optim/refused.json", "Optimisers that PyTorch refuses.")
def refusals():
    sgd = [
        ("lr", {"lr": -0.5}),
        ("momentum", {"lr": 0.1, "momentum": -0.5}),
        ("weight-decay", {"lr": 0.1, "weight_decay": -0.5}),
        ("nesterov", {"lr": 0.1, "nesterov": True}),
        ("nesterov-dampening", {"lr": 0.1, "nesterov": True, "momentum": 0.5, "dampening": 0.5}),
        ("unknown", {"lr": 0.1, "momentun": 0.5}),
    ]
    adam = [
        ("lr", {"lr": -0.5}),
        ("eps", {"eps": -0.5}),
        ("beta-1", {"betas": [1.0, 0.5]}),
        ("beta-2", {"betas": [0.5, -0.5]}),
        ("weight-decay", {"weight_decay": -0.5}),
    ]
    names = ("lr", "eps", "momentum", "weight-decay", "alpha")
    rmsprop = [(name, {name.replace("-", "_"): -0.5}) for name in names]
    rmsprop.append(("unknown", {"betas": [0.5, 0.5]}))
    for optimizer, cases in (("SGD", sgd), ("Adam", adam), ("AdamW", adam), ("RMSprop", rmsprop)):
        for name, args in cases:
            yield unmade(optimizer, f"bad-{name}", args)
    yield unmade("SGD", "no-parameters", {"lr": 0.1}, state_dict={})
    for name, groups in (("twice", [group("weight"), group("weight")]), ("no-groups", [])):
        yield unmade("SGD", f"groups-{name}", {"lr": 0.1}, groups=groups)
    case = refused(
        "clip/norm-nonfinite", "OPTIM-5", "SGD", {"lr": 0.1},
        gradients={"weight": np.array([[1.0, np.inf]])},
        clip=named("clip_grad_norm_", max_norm=1, error_if_nonfinite=True)
    )
    yield case._replace(reason="Refused, in these words, where that is asked for.")


@golden("optim/repr.json", "print(optimizer).")
def representations():
    for optimizer, variants, clause in ALL:
        for name, args, _ in (variants[0], variants[-1]):
            yield once(
                f"optim/{optimizer}/repr-{name}", "Every option, sorted by name.",
                f"{clause} PRINT-6", "repr", optimizer=named(optimizer, **args)
            )
