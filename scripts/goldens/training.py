"""Chapter training: learning curves, from the seed to the last weight."""

import numpy as np
import torch

from . import execute, execute_training
from .case import Case, GoldenFile, both, request

STEP = np.pi / 9  # the notebook's: ten points from 0 to pi
LENGTH, PERIOD, ROWS, STEPS = 10, 18, 6, 200


def wave(start):
    """Ten points of the notebook's sine from each of six phases of its turn, `start` points on."""
    phase = np.arange(0, PERIOD, PERIOD // ROWS)[:, None] + np.arange(start, start + LENGTH)
    return np.sin(phase * STEP).astype(np.float32).astype(np.float64)[:, :, None]


HEAD = {"in_features": 6, "out_features": 1}
MODELS = [
    ("SimpleRNN", {"input_size": 1, "hidden_size": 5, "num_layers": 1}, None, "FC-1"),
    ("LSTM", {"input_size": 1, "hidden_size": 6, "batch_first": True}, HEAD, "LSTM-2"),
    ("GRU", {"input_size": 1, "hidden_size": 6, "batch_first": True}, HEAD, "GRU-2"),
]
OPTIMIZERS = [
    ("adam", {"name": "Adam", "args": {"lr": 0.01}}, None, "OPTIM-2"),
    (
        "sgd-clip",
        {"name": "SGD", "args": {"lr": 0.1, "momentum": 0.9}},
        {"name": "clip_grad_norm_", "args": {"max_norm": 0.5}},
        "OPTIM-1",
    ),
]


def asked(module, args, head, optimizer, clip, **start):
    """What a curve asks for, but for its start."""
    return {
        "module": module,
        "args": args,
        "head": head,
        **start,
        "inputs": {"input": wave(0), "target": wave(1) if head else wave(1)[:, -1]},
        "loss": {"name": "MSELoss", "args": {}},
        "optimizer": optimizer,
        "clip": clip,
        "steps": STEPS,
    }


def initial(module, args, head):
    """The weights that seed 0 gives in float32."""
    with execute.default_dtype("float32"):
        torch.manual_seed(0)
        made = execute_training.model({"module": module, "args": args, "head": head})
    return {k: execute.array(v).astype(np.float64) for k, v in made.state_dict().items()}


def curves():
    """Every model with every optimiser."""
    for module, args, head, clause in MODELS:
        for name, optimizer, clip, steps in OPTIMIZERS:
            clauses = ["TRAIN-1", "TRAIN-2", "LOSS-1", clause, steps]
            clauses += ["OPTIM-5"] if clip else []
            what = (module, args, head, optimizer, clip)
            yield from both(
                f"training/{module}/{name}",
                f"{module} learns to continue the notebook's sine: catches any wrong gradient, "
                "gradients that add up, a step before the loss, a state carried on.",
                [*clauses, "INIT-1"],
                "train",
                **asked(*what, seed=0),
            )
            yield Case(
                f"training/{module}/{name}-from-float32/float64",
                "The float32 curve as it would be without float32's rounding.",
                [*clauses, "NUM-2"],
                request("train", "float64", **asked(*what, state_dict=initial(module, args, head))),
            )


FILES = [GoldenFile("training/curves.json", "The sine learnt from seed 0, 200 steps.", curves)]
