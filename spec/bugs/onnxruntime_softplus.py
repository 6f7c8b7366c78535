# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "onnxruntime==1.32.0",
#   "onnx==1.23.2",
#   "numpy==2.4.6",
# ]
# ///
"""ONNX Runtime 1.32.0: an RNN's Softplus is infinite from x = 89 on.

log(1 + exp(x)) is x there, to float32's last bit; exp(x) alone is beyond float32.

Two sources: PyTorch 2.15.0 100.0, float64 by hand 100.0.
"""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 1, 1])]
outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("Y", "Y_h")]
ones = [helper.make_tensor(n, TensorProto.FLOAT, [1, 1, 1], [1.0]) for n in ("W", "R")]
node = helper.make_node("RNN", ["X", "W", "R"], ["Y", "Y_h"], hidden_size=1, activations=["Softplus"])
graph = helper.make_graph([node], "g", inputs, outputs, ones)
model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
_, y_h = session.run(None, {"X": np.full((1, 1, 1), 100, "float32")})
wanted = float(np.logaddexp(np.float64(0), np.float64(100)))
print("given", float(y_h[0, 0, 0]), "| wanted", wanted)
assert np.isinf(y_h[0, 0, 0]), "no longer shown"
