# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "paddlepaddle==3.3.1",
#   "numpy==2.4.6",
#   "setuptools==80.9.0",
# ]
# ///
"""PaddlePaddle 3.3.1: NaN in the padding past sequence_length reaches the outputs of SimpleRNN, LSTM, GRU.

What lies past a sequence's end is masked by multiplying with 0, and 0 * NaN is NaN.

Two sources: PyTorch 2.15.0 0.46211716532707214, float64 by hand 0.46211715726000974.
"""

import numpy as np
import paddle

one, zero = paddle.nn.initializer.Constant(1.0), paddle.nn.initializer.Constant(0.0)
cell = paddle.nn.SimpleRNN(1, 1, weight_ih_attr=one, weight_hh_attr=one, bias_ih_attr=zero,
                           bias_hh_attr=zero)
x = np.array([[[0.5], [np.nan]]], "float32")  # one sequence of length 1, padded to 2
output, final = cell(paddle.to_tensor(x), sequence_length=paddle.to_tensor([1]))
print("given", output.numpy().ravel(), final.numpy().ravel(), "| wanted", [np.tanh(0.5), 0])
assert np.isnan(output.numpy()).any() or np.isnan(final.numpy()).any(), "no longer shown"
