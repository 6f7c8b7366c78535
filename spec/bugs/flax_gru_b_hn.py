# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "flax==0.12.8",
#   "numpy==2.4.6",
# ]
# ///
"""Flax 0.12.8: nnx.GRUCell has no bias b_hn inside the reset gate, so PyTorch's weights cannot be its.

PyTorch:  n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
Flax:     n = tanh(W_in x + b_in + r * (W_hn h)); merging b_hn into b_in is another function where r < 1.

Two sources: PyTorch 2.15.0 0.9998365640640259, float64 by hand 0.9998365901279098.
"""

import numpy as np
from flax import nnx

cell = nnx.GRUCell(1, 1, rngs=nnx.Rngs(0))
cell.dense_i.kernel[...] = np.array([[1.0, 1.0, 1.0]])
cell.dense_h.kernel[...] = np.array([[1.0, 1.0, 1.0]])
cell.dense_i.bias[...] = np.array([0.0, 0.0, 2.0])  # b_hn = 2 has no other place to go
given = float(cell(np.ones((1, 1), "float32"), np.ones((1, 1), "float32"))[0][0, 0])

r = z = 1 / (1 + np.exp(-2.0))  # by hand, float64: x = h = 1, all weights 1, b_hn = 2
wanted = (1 - z) * np.tanh(1 + r * (1 + 2)) + z * 1
print("bias of dense_h:", cell.dense_h.bias, "| given", given, "| wanted", wanted)
assert cell.dense_h.bias is None and abs(given - wanted) > 1e-5, "no longer shown"
