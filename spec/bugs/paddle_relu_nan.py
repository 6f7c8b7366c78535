# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "paddlepaddle==3.3.1",
#   "numpy==2.4.6",
#   "setuptools==80.9.0",
# ]
# ///
"""PaddlePaddle 3.3.1, CPU: relu(NaN) is 0, and so an RNN with relu hides a broken input.

Two sources: PyTorch 2.15.0 nan, float64 by hand nan.
"""

import numpy as np
import paddle

given = float(paddle.nn.functional.relu(paddle.to_tensor(np.array([np.nan], "float32")))[0])
print("given", given, "| wanted nan")  # by hand: NaN is not below 0, and stays
assert given == 0, "no longer shown"
