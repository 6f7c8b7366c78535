# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "torch==2.15.0",
#   "numpy==2.4.6",
#   "onnx==1.23.2",
#   "onnxruntime==1.32.0",
#   "onnxscript==0.7.2",
# ]
# ///
"""torch.onnx.export (TorchScript) through ONNX Runtime, put to the goldens: deno task conform -- uv run scripts/adapters/torch/onnx_torchscript.py"""

import io

import onnxruntime
import torch

from modules import main


def transform(net, args):
    """Exports to ONNX, and runs that."""
    file = io.BytesIO()
    names = [f"input_{k}" for k in range(len(args))]
    torch.onnx.export(net, args, file, dynamo=False, input_names=names, opset_version=17)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    given = {one.name for one in session.get_inputs()}
    feeds = {name: x.numpy() for name, x in zip(names, args) if name in given}
    return lambda *_: session.run(None, feeds)


main("torch.onnx.export (TorchScript) → ONNX Runtime", transform)
