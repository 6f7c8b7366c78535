# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "keras==3.15.1",
#   "jax==0.10.2",
#   "numpy==2.4.6",
# ]
# ///
"""Keras 3.15.1 on jax, with jax's float64 switched on: SimpleRNN of dtype float64 cannot be called.

Its state comes out of a step as float32, and jax.lax.scan refuses that; LSTM and GRU work.

Two sources: PyTorch 2.15.0 float64, float64 by hand float64.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax

jax.config.update("jax_enable_x64", True)

import keras
import numpy as np

try:
    keras.layers.SimpleRNN(2, dtype="float64")(np.ones((1, 3, 2)))
except TypeError as error:
    print("given TypeError:", str(error).split("\n")[2], "| wanted an output of float64")
else:
    raise AssertionError("no longer shown")
