# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "paddlepaddle==3.3.1",
#   "numpy==2.4.6",
#   "setuptools==80.9.0",
# ]
# ///
"""PaddlePaddle 3.3.1: with proj_size, an LSTM's output past sequence_length is not 0, as it is without.

A layer without the fused kernel keeps its states past the end, but puts out what the cell makes of the
padding.

Two sources: PyTorch 2.15.0 0.0, float64 by hand 0.0.
"""

import numpy as np
import paddle

x = paddle.to_tensor(np.ones((1, 2, 1), "float32"))  # one sequence of length 1, padded to 2
found = [
    float(paddle.nn.LSTM(1, 2, proj_size=size)(x, sequence_length=paddle.to_tensor([1]))[0][0, 1, 0])
    for size in (0, 1)
]
print("given, without and with proj_size", found, "| wanted", [0, 0])
assert found[0] == 0 and found[1] != 0, "no longer shown"
