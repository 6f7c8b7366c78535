# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.15.0",
#   "numpy==2.4.6",
# ]
# ///
"""torch.compile, put to the goldens: deno task conform -- uv run scripts/adapters/torch/compiled.py"""

import torch

from modules import main

# Without this, the compiler leaves recurrent layers as they are.
torch._dynamo.config.allow_rnn = True


def transform(net, args):
    """Compiles with the default backend."""
    torch._dynamo.reset()
    return torch.compile(net)


main("torch.compile", transform)
