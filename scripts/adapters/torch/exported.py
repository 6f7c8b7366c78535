# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.15.0",
#   "numpy==2.4.6",
# ]
# ///
"""torch.export, put to the goldens: deno task conform -- uv run scripts/adapters/torch/exported.py"""

import torch

from modules import main


def transform(net, args):
    """Exports the graph, and runs that."""
    return torch.export.export(net, args).module()


main("torch.export", transform)
