# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "onnx==1.23.2", "onnxscript==0.6.2", "safetensors==0.8.0"]
# ///
"""
torch_export.py with the onnxscript of March 2026, whose GRU lacks linear_before_reset (onnxscript#2852).

    uv run scripts/exporters/torch_export_before.py DIR --exporter dynamo
"""

import torch_export

if __name__ == "__main__":
    torch_export.main()
