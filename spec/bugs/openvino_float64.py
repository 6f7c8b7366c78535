# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "openvino==2026.4.1",
#   "numpy==2.4.6",
# ]
# ///
"""OpenVINO 2026.4.1, CPU: a model of float64 is computed in float32, without a word.

The documentation of the CPU device does not list float64 among its precisions; the result is of float64.

Two sources: PyTorch 2.15.0 0.09966799462495582, float64 by hand 0.09966799462495582.
"""

import numpy as np
import openvino as ov
from openvino import opset13 as op

x = op.parameter([1], np.float64)
model = ov.compile_model(ov.Model([op.tanh(x)], [x]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
given = model([np.array([0.1])])[0]
wanted = np.tanh(0.1)  # by hand, float64
print("given", given[0], given.dtype, "| wanted", wanted, "| off by", abs(given[0] - wanted))
assert abs(given[0] - wanted) > 1e-12, "no longer shown"
