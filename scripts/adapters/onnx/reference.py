# /// script
# requires-python = ">=3.11"
# dependencies = [
#   "onnx==1.23.2",
#   "numpy==2.4.6",
# ]
# ///
"""ONNX's own evaluator runs the models of bridge.ts."""

import onnx
from onnx.reference import ReferenceEvaluator

from runner import run


def compute(path, feeds):
    """One model."""
    session = ReferenceEvaluator(path)
    return dict(zip(session.output_names, session.run(None, feeds)))


run(compute, f"onnx.reference {onnx.__version__}")
