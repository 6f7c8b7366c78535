# /// script
# requires-python = ">=3.10"
# dependencies = ["torch==2.15.0", "numpy==2.4.6"]
# ///
"""PyTorch's side of `deno task accuracy --networks`: networks, their gradients, and how far float32 is off.

Writes into the folder that is the first argument, for each network, its numbers in float32 (x, the gradient of the
output, the parameters) and the truth in float64 (the output and all gradients); and networks.json.
"""

import json
import pathlib
import sys

import torch

# kind, input size, hidden size, layers, length, batch
NETWORKS = [
    ("RNN", 8, 130, 1, 20, 16),
    ("RNN", 130, 130, 1, 100, 8),
    ("RNN", 16, 256, 1, 200, 4),
    ("LSTM", 32, 64, 1, 50, 32),
    ("LSTM", 64, 256, 1, 200, 8),
    ("LSTM", 32, 128, 2, 100, 8),
    ("GRU", 64, 128, 1, 100, 16),
    ("GRU", 128, 256, 1, 200, 4),
]


def raw(tensors, dtype):
    return b"".join(one.detach().to(dtype).numpy().tobytes() for one in tensors)


def size(x):
    return x.square().mean().sqrt().item()


def main():
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1])
    found = []
    for k, (kind, inputs, hidden, layers, length, batch) in enumerate(NETWORKS):
        torch.manual_seed(k)
        module = getattr(torch.nn, kind)(inputs, hidden, num_layers=layers)
        x = torch.randn(length, batch, inputs)
        grad = torch.randn(length, batch, hidden) / (length * batch) ** 0.5
        (folder / f"{k}.numbers").write_bytes(raw([x, grad, *module.parameters()], torch.float32))
        both = []
        for dtype in torch.float32, torch.float64:
            module.zero_grad()
            module.to(dtype)
            leaf = x.detach().to(dtype).clone().requires_grad_()
            output, _ = module(leaf)
            output.backward(grad.to(dtype))
            both.append([output.detach(), leaf.grad, *(one.grad.clone() for one in module.parameters())])
        single, truth = both
        (folder / f"{k}.truth").write_bytes(raw(truth, torch.float64))
        errors = [size(a.double() - b) / size(b) for a, b in zip(single, truth, strict=True)]
        names = ["kind", "inputs", "hidden", "layers", "length", "batch"]
        found.append({**dict(zip(names, NETWORKS[k], strict=True)), "errors": errors})
    (folder / "networks.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
