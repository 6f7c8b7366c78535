# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "openvino==2026.4.1",
#   "numpy==2.4.6",
# ]
# ///
"""OpenVINO 2026.4.1, CPU: relu(NaN) is 0.

IEEE 754 and every framework that the model may come from give NaN, so that a broken input shows.

Two sources: PyTorch 2.15.0 nan, float64 by hand nan.
"""

import numpy as np
import openvino as ov
from openvino import opset13 as op

x = op.parameter([2], np.float32)
model = ov.compile_model(ov.Model([op.relu(x)], [x]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
given = model([np.array([np.nan, -1], "float32")])[0]
print("given", given, "| wanted [nan 0.]")
assert given[0] == 0, "no longer shown"
