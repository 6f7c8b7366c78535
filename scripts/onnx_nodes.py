# /// script
# requires-python = ">=3.11"
# dependencies = ["onnx==1.23.2", "onnxruntime==1.32.0", "numpy==2.4.6"]
# ///
"""
Nodes RNN, LSTM and GRU with inputs and outputs, a line of JSON each: first those of ONNX's own tests,
which the onnx package makes, then as many random ones as asked, answered by ONNX Runtime.

    uv run scripts/onnx_nodes.py --count 1000 --seed 1
"""

import argparse
import base64
import json
import sys
import warnings
from decimal import localcontext

sys.dont_write_bytecode = True

import numpy as np
import onnxruntime
from onnx import TensorProto, numpy_helper

from goldens.exact import DIGITS
from goldens.onnx_exact import ACTIVATIONS, DEFAULTS, GATES, evaluate
from goldens.onnx_witness import model


def tensor(value):
    """A tensor as JSON."""
    value = np.asarray(value)
    return {"shape": list(value.shape), "dtype": str(value.dtype), "data": value.ravel().tolist()}


def line(name, source, model, inputs, outputs, **more):
    print(json.dumps({
        "name": name, "source": source,
        "model": base64.b64encode(model.SerializeToString()).decode(),
        "inputs": {k: tensor(v) for k, v in inputs.items()},
        "outputs": {k: tensor(v) for k, v in outputs.items()}, **more,
    }))


def own_tests():
    """ONNX's own tests of the three operators."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what other operators' cases divide by
        cases = collect_testcases(None)
    for case in cases:
        if [node.op_type for node in case.model.graph.node][0] not in GATES:
            continue
        for inputs, outputs in case.data_sets:
            graph = case.model.graph
            named = [
                {
                    value.name: numpy_helper.to_array(x) if isinstance(x, TensorProto) else x
                    for value, x in zip(values, given, strict=True)
                }
                for values, given in ((graph.input, inputs), (graph.output, outputs))
            ]
            line(case.name, "onnx", case.model, *named)


def told(random, kind, opset):
    """Random attributes."""
    args = {"direction": str(random.choice(["forward", "reverse", "bidirectional"]))}
    directions = 2 if args["direction"] == "bidirectional" else 1
    if random.random() < 0.5:
        places = len(DEFAULTS[kind]) * directions
        names = [str(x) for x in random.choice(list(ACTIVATIONS), places)]
        args["activations"] = names
        for k, word in enumerate(("alpha", "beta")):
            count = sum(len(ACTIVATIONS[name]) > k + 1 for name in names)
            if count:
                values = random.integers(1, 9, count) / 8
                args[f"activation_{word}"] = [float(x) for x in values]
    if random.random() < 0.3:
        args["clip"] = float(random.integers(1, 24) / 8)
    if kind == "GRU" and random.random() < 0.6:
        args["linear_before_reset"] = int(random.integers(0, 2))
    if kind == "LSTM" and random.random() < 0.3:
        args["input_forget"] = 1
    return args, directions


def generated(random, k):
    """One random node, answered by ONNX Runtime; whether its outputs are finite."""
    kind = str(random.choice(list(GATES)))
    opset = int(random.choice([7, 9, 11, 13, 14, 17, 20, 22]))
    args, directions = told(random, kind, opset)
    length, batch, width = (int(x) for x in random.integers(1, 7, 3))
    size = int(random.integers(1, 40 if k % 20 == 0 else 7))
    rows = GATES[kind] * size

    def draw(*shape):
        return (random.integers(-1000, 1001, shape) / 1000).astype(np.float32)

    inputs = {
        "X": draw(length, batch, width) * 2, "W": draw(directions, rows, width),
        "R": draw(directions, rows, size) / np.float32(np.sqrt(size)),
        "B": draw(directions, 2 * rows),
        "sequence_lens": random.integers(1, length + 1, batch).astype(np.int32),
        "initial_h": draw(directions, batch, size), "initial_c": draw(directions, batch, size),
        "P": draw(directions, 3 * size)
    }
    names = list(inputs) if kind == "LSTM" else list(inputs)[:6]
    inputs = {name: inputs[name] for name in names if name in "XWR" or random.random() < 0.6}
    file, outputs = model(kind, {"hidden_size": size, **args}, inputs, opset, ir_version=8)
    session = onnxruntime.InferenceSession(
        file.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = dict(zip(outputs, session.run(None, inputs), strict=True))
    if not all(np.isfinite(x).all() for x in found.values()):
        return False  # what becomes of an overflow is left open
    more = {}
    if kind == "LSTM" and "clip" in args and unclipped(args, inputs, found):
        more["wrong"] = "it does not clip what h reads (onnxruntime#27224)"
    elif "ThresholdedRelu" in args.get("activations", []) and args.get("clip") in (
        args["activation_alpha"]
    ):
        more["wrong"] = "its ThresholdedRelu is 0 at x = alpha, which a clip of alpha leads to"
    line(f"{kind} {k}", "onnxruntime", file, inputs, found, **more)
    return True


def unclipped(args, inputs, found):
    """Whether ONNX Runtime's answer is the LSTM's without the clip of what h reads."""
    with localcontext(prec=DIGITS):
        own = evaluate("LSTM", args, inputs, clip_h=False)
    return all(
        np.allclose(found[name], x.astype(np.float64), 1e-5, 1e-4) for name, x in own.items()
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    own_tests()
    random = np.random.default_rng(options.seed)
    k = 0
    while k < options.count:
        k += generated(random, k)


if __name__ == "__main__":
    main()
