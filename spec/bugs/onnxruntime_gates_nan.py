# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "onnxruntime==1.32.0",
#   "onnx==1.23.2",
#   "numpy==2.4.6",
# ]
# ///
"""ONNX Runtime 1.32.0: LSTM and GRU with biases make a number of NaN in their input.

With B, each sum is clipped to a range even where no clip is asked for, and NaN comes out as one of its
ends; without B the same model gives NaN.

Two sources: PyTorch 2.15.0 nan, float64 by hand nan.
"""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper


def final(kind, gates, bias):
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, [1, 1, 1])]
    output = helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, None)
    ones = [helper.make_tensor(n, TensorProto.FLOAT, [1, gates, 1], [1.0] * gates) for n in ("W", "R")]
    ones.append(helper.make_tensor("B", TensorProto.FLOAT, [1, 2 * gates], [0.0] * 2 * gates))
    names = ["X", "W", "R", "B"][: 4 if bias else 3]
    node = helper.make_node(kind, names, ["", "Y_h"], hidden_size=1)
    graph = helper.make_graph([node], "g", inputs, [output], ones)
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    text = model.SerializeToString()
    session = onnxruntime.InferenceSession(text, providers=["CPUExecutionProvider"])
    return float(session.run(None, {"X": np.full((1, 1, 1), np.nan, "float32")})[0].ravel()[0])


given = [final("LSTM", 4, True), final("GRU", 3, True)]
plain = [final("LSTM", 4, False), final("GRU", 3, False)]
print("given LSTM, GRU", given, "| without B", plain, "| wanted nan, nan")  # by hand: sigmoid(NaN) = NaN
assert np.isfinite(given).all() and np.isnan(plain).all(), "no longer shown"
