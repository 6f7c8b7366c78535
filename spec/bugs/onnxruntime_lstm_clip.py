# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "onnxruntime==1.32.0",
#   "onnx==1.23.2",
#   "numpy==2.4.6",
# ]
# ///
"""ONNX Runtime 1.32.0: an LSTM's clip is not applied to what h reads (onnxruntime#27224).

ONNX: clip "is applied to the input of activations", and h is one of the LSTM's three.

Two sources: PyTorch 2.15.0 0.23105858266353607, float64 by hand 0.23105857863000487.
"""

import math

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 1, 1])]
outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("Y", "Y_h", "Y_c")]
zeros = [helper.make_tensor(n, TensorProto.FLOAT, [1, 4, 1], [0.0] * 4) for n in ("W", "R")]
state = helper.make_tensor("c_0", TensorProto.FLOAT, [1, 1, 1], [4.0])
node = helper.make_node(
    "LSTM", ["X", "W", "R", "", "", "", "c_0"], ["Y", "Y_h", "Y_c"], hidden_size=1, clip=0.5
)
graph = helper.make_graph([node], "g", inputs, outputs, [*zeros, state])
model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
_, y_h, y_c = session.run(None, {"X": np.zeros((1, 1, 1), "float32")})
# By hand: all gates are sigmoid(0) = 0.5, c = 0.5 * 4 + 0.5 * tanh(0) = 2, h = 0.5 * tanh(clip(2)).
wanted = 0.5 * math.tanh(0.5)
print("given", float(y_h[0, 0, 0]), "| wanted", wanted)
assert y_c[0, 0, 0] == 2
assert abs(y_h[0, 0, 0] - 0.5 * math.tanh(2)) < 1e-6, "no longer shown"
