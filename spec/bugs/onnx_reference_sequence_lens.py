# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "onnx==1.23.2",
#   "numpy==2.4.6",
# ]
# ///
"""onnx.reference 1.23.2: RNN, GRU and LSTM ignore sequence_lens.

A sequence of length 1 in a batch padded to 2: Y_h must be the state after its own last step, and Y zero
past it (ONNX's operator text); the padding is read like data instead.

Two sources: PyTorch 2.15.0 0.46211716532707214, float64 by hand 0.46211715726000974.
"""

import numpy as np
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

F, I = TensorProto.FLOAT, TensorProto.INT32
inputs = [helper.make_tensor_value_info(n, F, None) for n in ("X", "W", "R")]
inputs.append(helper.make_tensor_value_info("lens", I, None))
outputs = [helper.make_tensor_value_info(n, F, None) for n in ("Y", "Y_h")]
node = helper.make_node("RNN", ["X", "W", "R", "", "lens"], ["Y", "Y_h"], hidden_size=1)
model = helper.make_model(helper.make_graph([node], "g", inputs, outputs))
x = np.array([[[0.5]], [[100.0]]], "float32")  # (2, 1, 1): the second step is padding
one = np.ones((1, 1, 1), "float32")
feeds = {"X": x, "W": one, "R": one, "lens": np.array([1], "int32")}
_, y_h = ReferenceEvaluator(model).run(None, feeds)
print("given", float(y_h[0, 0, 0]), "| wanted", np.tanh(0.5))  # by hand, float64
assert abs(float(y_h[0, 0, 0]) - np.tanh(0.5)) > 1e-3, "no longer shown"
