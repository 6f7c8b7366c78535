# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "keras==3.15.1",
#   "numpy==2.4.6",
#   "tensorflow-cpu==2.21.0",
# ]
# ///
"""Keras on tensorflow, put to the goldens: deno task conform -- uv run scripts/adapters/keras/with_tensorflow.py"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

from layers import main  # noqa: E402

main()
