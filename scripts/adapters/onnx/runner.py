"""The loop of a program that runs ONNX models for bridge.ts; a runtime adds the few lines that run one."""

import json
import os
import sys

import numpy as np


def write(x):
    """A tensor as JSON."""
    names = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    return {"shape": list(x.shape), "data": [names.get(str(v), v) for v in x.reshape(-1).tolist()]}


def run(compute, name):
    """Answers until the input ends; compute takes a path and arrays by name, and gives arrays by name."""
    if "--version" in sys.argv:
        return print(name)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            feeds = {
                name: np.array([float(v) for v in x["data"]], x["dtype"]).reshape(x["shape"])
                for name, x in asked["inputs"].items()
            }
            found = compute(asked["model"], feeds)
            answer = {"outputs": {name: write(np.asarray(x)) for name, x in found.items()}}
        except Exception as error:  # the runtime refuses
            answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
        print(json.dumps(answer), file=out, flush=True)
