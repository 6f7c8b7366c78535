# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "keras==3.15.1",
#   "torch==2.15.0",
#   "numpy==2.4.6",
# ]
# ///
"""Keras 3.15.1 on torch: a layer of dtype float64 multiplies matrices in float32.

keras.layers.Dense(dtype="float64") is off by 1e-8 relative, where float64 has 1e-16.

Two sources: PyTorch 2.15.0 0.06190476190476191, float64 by hand 0.06190476190476191.
"""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np

own = keras.layers.Dense(1, use_bias=False, dtype="float64")
own.build((None, 2))
own.set_weights([np.array([[1 / 3], [1 / 7]])])
given = float(keras.ops.convert_to_numpy(own(np.array([[0.1, 0.2]])))[0, 0])
wanted = 0.1 / 3 + 0.2 / 7  # by hand, float64
print("given", given, "| wanted", wanted, "| off by", abs(given - wanted))
assert abs(given - wanted) > 1e-12, "no longer shown"
