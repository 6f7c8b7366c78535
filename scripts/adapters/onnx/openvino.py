# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "openvino==2026.4.1",
#   "numpy==2.4.6",
# ]
# ///
"""OpenVINO runs the models of bridge.ts."""

import sys

sys.path.append(sys.path.pop(0))  # this file has the package's name

import openvino as ov  # noqa: E402

from runner import run  # noqa: E402

core = ov.Core()


def compute(path, feeds):
    """One model; float32 is not to become bfloat16."""
    model = core.compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = model(feeds)
    # A value may have several names; the model's own are these.
    own = ("output", "h_n", "c_n", "h_1", "c_1")
    return {next(n for n in own if n in output.names): found[output] for output in model.outputs}


run(compute, f"OpenVINO {ov.__version__.split('-')[0]}")
