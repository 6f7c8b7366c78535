# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "onnxruntime==1.32.0",
#   "onnx==1.23.2",
#   "numpy==2.4.6",
# ]
# ///
"""ONNX Runtime 1.32.0: an RNN with relu makes NaN in its input 0.

IEEE 754, ONNX's own Relu and every framework that the model may come from give NaN, so that a broken
input shows.

Two sources: PyTorch 2.15.0 nan, float64 by hand nan.
"""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 1, 1])]
outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("Y", "Y_h")]
ones = [helper.make_tensor(n, TensorProto.FLOAT, [1, 1, 1], [1.0]) for n in ("W", "R")]
node = helper.make_node("RNN", ["X", "W", "R"], ["Y", "Y_h"], hidden_size=1, activations=["Relu"])
graph = helper.make_graph([node], "g", inputs, outputs, ones)
model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
_, y_h = session.run(None, {"X": np.full((1, 1, 1), np.nan, "float32")})
print("given", float(y_h[0, 0, 0]), "| wanted nan")  # by hand: relu(1 * NaN)
assert y_h[0, 0, 0] == 0, "no longer shown"
