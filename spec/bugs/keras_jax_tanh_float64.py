# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "keras==3.15.1",
#   "jax==0.10.2",
#   "numpy==2.4.6",
# ]
# ///
"""Keras 3.15.1 on jax, with jax's float64 switched on: the activation tanh of float64 is computed in float32.

So LSTM and GRU of dtype float64 are off by 1e-8, and SimpleRNN cannot be called.

Two sources: PyTorch 2.15.0 0.09966799462495582, float64 by hand 0.09966799462495582.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import keras
import numpy as np

given = keras.activations.tanh(jnp.array(0.1, "float64"))
wanted = np.tanh(0.1)  # by hand, float64
print("given", float(given), given.dtype, "| wanted", wanted, "float64")
assert abs(float(given) - wanted) > 1e-12, "no longer shown"
