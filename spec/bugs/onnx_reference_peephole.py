# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "onnx==1.23.2",
#   "numpy==2.4.6",
# ]
# ///
"""onnx.reference 1.23.2: an LSTM without peepholes multiplies the cell state with peepholes of 0, so that
an infinite initial_c gives NaN.

Two sources: PyTorch 2.15.0 0.7310585975646973, float64 by hand 0.7310585786300049.
"""

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

names = ("X", "W", "R", "h0", "c0")
inputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in names]
outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("Y", "Y_h")]
node = helper.make_node("LSTM", ["X", "W", "R", "", "", "h0", "c0"], ["Y", "Y_h"], hidden_size=1)
model = helper.make_model(helper.make_graph([node], "g", inputs, outputs))
one = np.ones((1, 1, 1), "float32")
feeds = {"X": one, "W": np.ones((1, 4, 1), "float32"), "R": np.ones((1, 4, 1), "float32")}
feeds.update({"h0": 0 * one, "c0": np.inf * one})
_, y_h = ReferenceEvaluator(model).run(None, feeds)
s = 1 / (1 + np.exp(-1.0))  # by hand, float64: c = s * inf + s * tanh(1) = inf, h = s * tanh(inf) = s
print("given", float(y_h[0, 0, 0]), "| wanted", s)
assert np.isnan(y_h[0, 0, 0]), "no longer shown"
