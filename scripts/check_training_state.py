# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6"]
# ///
"""
Take trainings from PyTorch to this library and back, where Python, PyTorch and Deno are installed.

    uv run scripts/check_training_state.py --deno "npx --yes deno@2.9.6"

For each optimiser, with rare options too, and each schedule: PyTorch trains some steps and saves; this
library loads the file (the parameters, the optimiser, the schedule), goes on some steps and saves; and
PyTorch loads that and goes on. Every parameter and everything remembered must then be what an
undisturbed PyTorch has, within float32's closeness, and both state_dicts must have the same names and
types. The status is 1 where something differs.
"""

import argparse
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True

import torch  # noqa: E402

HERE = Path(__file__).resolve().parent
STEPS = 4
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": torch.tensor(0.1), "momentum": 0.5, "maximize": True}),
    ("Adam", {"lr": 0.01}),
    ("Adam", {"lr": 0.01, "amsgrad": True, "betas": (0.25, 0.5)}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.5}),
    ("RMSprop", {"lr": 0.01}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True}),
]
SCHEDULES = [None, ("StepLR", {"step_size": 3}), ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.001})]


def gradients(step):
    """The gradients of a step, the same wherever it is taken."""
    draw = torch.Generator().manual_seed(step)
    return [torch.randn(3, 2, generator=draw), torch.randn(3, generator=draw)]


def training(optimizer, args, schedule, named, groups):
    """Two parameters, the optimiser and the schedule."""
    params = [torch.full((3, 2), 0.5), torch.full((3,), -0.25)]
    for param in params:
        param.requires_grad_()
    given = list(zip(("weight", "bias"), params, strict=True)) if named else params
    if groups:
        given = [{"params": [given[1]], "weight_decay": 0.125}, {"params": [given[0]]}]
    args = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in args.items()}
    made = getattr(torch.optim, optimizer)(given, **args)
    rates = None
    if schedule:
        rates = getattr(torch.optim.lr_scheduler, schedule[0])(made, **schedule[1])
    return params, made, rates


def go(params, optimizer, rates, first, count):
    for step in range(first, first + count):
        for param, grad in zip(params, gradients(step), strict=True):
            param.grad = grad
        optimizer.step()
        if rates:
            rates.step()


def content(params, optimizer, rates):
    return {
        "params": [param.detach().clone() for param in params], "optimizer": optimizer.state_dict(),
        "scheduler": rates.state_dict() if rates else None
    }


def differences(wanted, given, where=""):
    """
    Where two contents differ in names, types or numbers. A whole number may be an int for a float, and
    a number stand for a tensor in a schedule's lists of learning rates.
    """
    if isinstance(wanted, torch.Tensor) and isinstance(given, float) and "scheduler" in where:
        wanted = wanted.item()
    if isinstance(wanted, torch.Tensor) and isinstance(given, torch.Tensor):
        if wanted.dtype != given.dtype or wanted.shape != given.shape:
            yield f"{where}: {wanted.dtype} {wanted.shape}, given {given.dtype} {given.shape}"
        elif not torch.allclose(wanted, given, rtol=1e-5, atol=1e-6, equal_nan=True):
            yield f"{where}: {wanted}, given {given}"
    elif isinstance(wanted, dict) and isinstance(given, dict):
        if list(map(repr, wanted)) != list(map(repr, given)):
            yield f"{where}: keys {list(wanted)}, given {list(given)}"
        else:
            for key in wanted:
                yield from differences(wanted[key], given[key], f"{where}.{key}")
    elif isinstance(wanted, (list, tuple)) and type(wanted) is type(given):
        if len(wanted) != len(given):
            yield f"{where}: {wanted}, given {given}"
        for k, pair in enumerate(zip(wanted, given, strict=False)):
            yield from differences(*pair, f"{where}[{k}]")
    elif isinstance(wanted, float) and isinstance(given, (int, float)):
        if abs(wanted - given) > 1e-6 * abs(wanted):
            yield f"{where}: {wanted!r}, given {given!r}"
    elif type(wanted) is not type(given) or wanted != given:
        yield f"{where}: {wanted!r}, given {given!r}"


def main():
    """Take every training there and back; the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--deno", default="deno", help="the command that runs Deno")
    options = parser.parse_args()
    plans = [
        (*optimizer, schedule, named, groups)
        for optimizer in OPTIMIZERS
        for schedule in SCHEDULES
        for named in (False, True)
        for groups in (False, True)
    ]
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        for k, plan in enumerate(plans):
            before = training(*plan)
            go(*before, 0, STEPS)
            saved = {
                **content(*before),
                "gradients": [gradients(STEPS + step) for step in range(STEPS)],
                "plan": {
                    "optimizer": plan[0], "scheduler": plan[2][0] if plan[2] else None,
                    "named": plan[3], "groups": plan[4]
                },
            }
            torch.save(saved, here / f"{k}.pt")
        command = f"{options.deno} run --allow-read --allow-write {HERE}/checkpoints/train_on.ts {folder}"
        subprocess.run(shlex.split(command), check=True)  # noqa: S603
        for k, plan in enumerate(plans):
            straight = training(*plan)
            go(*straight, 0, 2 * STEPS)
            saved = torch.load(here / f"{k}.out.pt", weights_only=True)
            found = list(differences(content(*straight), saved))
            resumed = training(*plan)
            for param, value in zip(resumed[0], saved["params"], strict=True):
                param.data.copy_(value)
            resumed[1].load_state_dict(saved["optimizer"])
            if resumed[2]:
                resumed[2].load_state_dict(saved["scheduler"])
            for one in (straight, resumed):
                go(*one, 2 * STEPS, STEPS)
            found += differences(content(*straight), content(*resumed), "resumed")
            wrong += bool(found)
            for text in found[:5]:
                print(f"{plan}: {text}")
    print(f"{len(plans)} trainings there and back, {wrong} otherwise than PyTorch {torch.__version__}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
