# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "keras==3.15.1",
#   "numpy==2.4.6",
#   "torch==2.15.0",
# ]
# ///
"""Keras on torch, put to the goldens: deno task conform -- uv run scripts/adapters/keras/with_torch.py"""

import os

os.environ["KERAS_BACKEND"] = "torch"

from layers import main  # noqa: E402

main()
