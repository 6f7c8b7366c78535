# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "paddlepaddle==3.3.1",
#   "numpy==2.4.6",
#   "setuptools==80.9.0",
# ]
# ///
"""PaddlePaddle 3.3.1: an LSTM of two layers without biases cannot be made (IndexError).

flatten_parameters takes for granted that every layer has four parameters.

Two sources: PyTorch 2.15.0 4 parameters, float64 by hand 4 parameters.
"""

import paddle

try:
    paddle.nn.LSTM(2, 3, num_layers=2, bias_ih_attr=False, bias_hh_attr=False)
except IndexError as error:
    print("given IndexError:", error, "| wanted a layer")
else:
    raise AssertionError("no longer shown")
