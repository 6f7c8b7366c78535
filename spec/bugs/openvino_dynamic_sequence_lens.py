# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "openvino==2026.4.1",
#   "onnx==1.23.2",
#   "numpy==2.4.6",
# ]
# ///
"""OpenVINO 2026.4.1, CPU: an ONNX RNN or GRU ignores sequence_lens where its input's shape is dynamic.

The same model with static shapes is right; with dynamic ones the padding is read like data.

Two sources: PyTorch 2.15.0 0.46211716532707214, float64 by hand 0.46211715726000974.
"""

import numpy as np
import openvino as ov
from onnx import TensorProto, helper


def final(shape, count):
    """Y_h of a sequence of length 1, padded to 2."""
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)]
    inputs.append(helper.make_tensor_value_info("lens", TensorProto.INT32, count))
    output = helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, None)
    ones = [helper.make_tensor(n, TensorProto.FLOAT, [1, 1, 1], [1.0]) for n in ("W", "R")]
    node = helper.make_node("RNN", ["X", "W", "R", "", "lens"], ["", "Y_h"], hidden_size=1)
    graph = helper.make_graph([node], "g", inputs, [output], ones)
    opset = [helper.make_opsetid("", 14)]
    model = helper.make_model(graph, ir_version=8, opset_imports=opset).SerializeToString()
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.compile_model(ov.Core().read_model(model), "CPU", options)
    x = np.array([[[0.5]], [[-100.0]]], "float32")  # the second step is padding
    return float(compiled({"X": x, "lens": np.array([1], "int32")})[0].ravel()[0])


static, dynamic = final([2, 1, 1], [1]), final(["L", "N", 1], ["N"])
print("static", static, "| dynamic", dynamic, "| wanted", np.tanh(0.5))  # by hand, float64
assert abs(static - np.tanh(0.5)) < 1e-5 < abs(dynamic - np.tanh(0.5)), "no longer shown"
