"""Chapter training: learning curves, from the seed to the last weight."""

from functools import partial

import numpy as np

from . import exact
from .case import Numbers, both, golden, headed_weights, named, simple_weights

STEP = np.pi / 9  # the notebook's: ten points from 0 to pi
LENGTH, PERIOD, ROWS, STEPS = 10, 18, 6, 200


def wave(start):
    """Ten points of the notebook's sine from each of six phases of its turn, `start` points on."""
    phase = np.arange(0, PERIOD, PERIOD // ROWS)[:, None] + np.arange(start, start + LENGTH)
    return exact.sines(phase * STEP)[:, :, None]


HEAD = {"in_features": 6, "out_features": 1}
MODELS = [
    ("SimpleRNN", {"input_size": 1, "hidden_size": 5, "num_layers": 1}, None, "FC-1"),
    ("LSTM", {"input_size": 1, "hidden_size": 6, "batch_first": True}, HEAD, "LSTM-2"),
    ("GRU", {"input_size": 1, "hidden_size": 6, "batch_first": True}, HEAD, "GRU-2"),
]
OPTIMIZERS = [
    ("adam", named("Adam", lr=0.01), None, "OPTIM-2"),
    ("sgd-clip", named("SGD", lr=0.1, momentum=0.9), named("clip_grad_norm_", max_norm=0.5),
     "OPTIM-1"),
]


def asked(module, args, head, optimizer, clip, **start):
    """What a curve asks for, but for its start."""
    return {
        "module": module, "args": args, "head": head, **start,
        "inputs": {"input": wave(0), "target": wave(1) if head else wave(1)[:, -1]},
        "loss": named("MSELoss"), "optimizer": optimizer, "clip": clip, "steps": STEPS
    }


def drawn(module, args, head, seed):
    """
    Weights to start from that no dtype rounds, as large as initial weights are. Seeds whose curves
    fall to 1e-9 of their start are no use: there, rounding is all that is left.
    """
    numbers = Numbers(seed)
    draw = partial(numbers.full, limit=args["hidden_size"] ** -0.5)
    if module == "SimpleRNN":
        return simple_weights(numbers, args, draw)
    return headed_weights(numbers, args, head, module, draw)


@golden("training/curves.json", "The sine learnt in 200 steps.")
def curves():
    for place, (module, args, head, clause) in enumerate(MODELS):
        for name, optimizer, clip, steps in OPTIMIZERS:
            clauses = f"TRAIN-1 TRAIN-2 LOSS-1 {clause} {steps}{' OPTIM-5' if clip else ''}"
            what = (module, args, head, optimizer, clip)
            yield from both(
                f"training/{module}/{name}",
                f"{module} learns to continue the notebook's sine: catches any wrong gradient, "
                "gradients that add up, a step before the loss, a state carried on.",
                f"{clauses} INIT-1", "train", **asked(*what, seed=0)
            )
            yield from both(
                f"training/{module}/{name}-from-weights",
                "From weights that are given: the float64 curve is the float32 one without "
                "float32's rounding.",
                f"{clauses} NUM-2", "train",
                **asked(*what, state_dict=drawn(module, args, head, 90020 + place))
            )


@golden("training/truncated.json", "The sine in windows of time.")
def truncated():
    """The state goes from window to window, the gradient does not."""
    for place, (module, args, head, clause) in enumerate(MODELS[1:]):
        what = asked(module, args, head, OPTIMIZERS[0][1], None)
        yield from both(
            f"training/truncated/{module}",
            f"{module} in windows of 5 steps, each starting from the detached state of the one "
            "before: catches a state that is dropped, and a gradient that flows on.",
            f"TRAIN-4 GRAD-5 STACK-8 {clause}", "train", **{**what, "steps": 20, "window": 5},
            state_dict=drawn(module, args, head, 90020 + place)
        )
