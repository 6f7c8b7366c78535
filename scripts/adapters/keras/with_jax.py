# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "keras==3.15.1",
#   "numpy==2.4.6",
#   "jax==0.10.2",
# ]
# ///
"""Keras on jax, put to the goldens: deno task conform -- uv run scripts/adapters/keras/with_jax.py"""

import os

os.environ["KERAS_BACKEND"] = "jax"
import jax

jax.config.update("jax_enable_x64", True)

from layers import main  # noqa: E402

main()
