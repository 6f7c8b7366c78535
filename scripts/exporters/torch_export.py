# /// script
# requires-python = ">=3.11"
# dependencies = ["torch==2.15.0", "numpy==2.4.6", "onnx==1.23.2", "onnxscript==0.7.2", "safetensors==0.8.0"]
# ///
"""
Export PyTorch's modules to ONNX by PyTorch's two exporters, beside their weights.

    uv run scripts/exporters/torch_export.py DIR              each feature once, by both exporters
    uv run scripts/exporters/torch_export.py DIR --right 420  so many files of all kinds, flags and opsets

DIR gets a file NAME.onnx and NAME.safetensors for each, and index.json, which says what each is of. What an
exporter refuses stands there with its message. Weights are drawn from a seed, multiples of 1/64.
"""

import argparse
import io
import json
import logging
import re
import warnings
from pathlib import Path

import onnx
import onnxscript
import torch
from safetensors.torch import save_file
from torch import nn

EXPORTERS = ("torchscript", "dynamo")
DYNAMIC = torch.export.Dim.DYNAMIC


def weights(module, seed):
    """Fills the module with numbers that are short decimals, and returns them by name."""
    generator = torch.Generator().manual_seed(seed)
    state = {
        name: torch.randint(-64, 65, value.shape, generator=generator).to(value.dtype) / 64
        for name, value in module.state_dict().items()
    }
    module.load_state_dict(state)
    return state


class Plain(nn.Module):
    """A module that is called with its input alone."""

    def __init__(self, own):
        super().__init__()
        self.rnn = own

    def forward(self, input):
        return self.rnn(input)


class Started(Plain):
    """A module that is given its initial state."""

    def forward(self, input, h_0):
        return self.rnn(input, h_0)


class StartedPair(Plain):
    """An LSTM that is given its initial state."""

    def forward(self, input, h_0, c_0):
        return self.rnn(input, (h_0, c_0))


class Packed(Plain):
    """A module that is given lengths, too: it packs, runs and pads again."""

    def forward(self, input, lengths):
        first = self.rnn.batch_first
        packed = nn.utils.rnn.pack_padded_sequence(input, lengths, first, enforce_sorted=False)
        output, state = self.rnn(packed)
        return nn.utils.rnn.pad_packed_sequence(output, first)[0], state


class Headed(Plain):
    """A module with a Linear that reads its last time step, as in the notebook."""

    def __init__(self, own, features):
        super().__init__(own)
        self.fc = nn.Linear(features, 2)

    def forward(self, input):
        output = self.rnn(input)[0]
        return self.fc(output[:, -1] if self.rnn.batch_first else output[-1])


def built(asked):
    """The model, its example inputs, the names of its inputs and outputs, and its dynamic dimensions."""
    kind, args = asked["module"], asked["args"]
    module = getattr(nn, kind)(**args, dtype=getattr(torch, asked.get("dtype", "float32")))
    cell, lstm = kind.endswith("Cell"), kind.startswith("LSTM")
    size, hidden, first = args["input_size"], args["hidden_size"], args.get("batch_first", False)
    batch, length = asked.get("batch", 2), 5
    dtype = getattr(torch, asked.get("dtype", "float32"))
    shape = [batch, size] if cell else [batch, length, size] if first else [length, batch, size]
    inputs, names = [torch.zeros(shape, dtype=dtype)], ["input"]
    axes = {"input": {0: "N"} if cell else {0 if first else 1: "N", 1 if first else 0: "L"}}
    outputs = (["h_1", "c_1"] if cell else ["output", "h_n", "c_n"])[: (2 if cell else 3) - (not lstm)]
    model = Plain(module)
    if asked.get("state"):
        rows = args.get("num_layers", 1) * (2 if args.get("bidirectional") else 1)
        model = (StartedPair if lstm else Started)(module)
        for name, width in (("h_0", args.get("proj_size") or hidden), ("c_0", hidden)):
            if name == "h_0" or lstm:
                inputs.append(torch.zeros([batch, width] if cell else [rows, batch, width], dtype=dtype))
                names.append(name)
                axes[name] = {0 if cell else 1: "N"}
    if asked.get("lengths"):
        model = Packed(module)
        inputs.append(torch.full([batch], length))
        names.append("lengths")
        axes["lengths"] = {0: "N"}
    if asked.get("head"):
        model = Headed(module, hidden * (2 if args.get("bidirectional") else 1))
        outputs = ["output"]
    return model.eval(), tuple(inputs), names, outputs, axes if asked.get("dynamic") else {}


def export(asked):
    """The bytes of the file, and the weights."""
    model, inputs, names, outputs, axes = built(asked)
    state = weights(model, asked["seed"])
    buffer = io.BytesIO()
    given = {"opset_version": asked["opset"]} if asked.get("opset") else {}
    if asked["exporter"] == "torchscript":
        torch.onnx.export(
            model, inputs, buffer, dynamo=False, input_names=names, output_names=outputs,
            dynamic_axes=axes, **given,
        )
    else:
        shapes = {name: {axis: DYNAMIC for axis in axes.get(name, ())} or None for name in names}
        program = torch.onnx.export(
            model, inputs, dynamo=True, input_names=names, output_names=outputs, verbose=False,
            dynamic_shapes=shapes if axes else None, **given,
        )
        program.save(buffer)
    file = onnx.load_from_string(buffer.getvalue())
    for node in file.graph.node:  # the stack of calls that each node came from: paths, and most of the bytes
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*file.graph.input, *file.graph.output, *file.graph.value_info, *file.graph.initializer):
        del value.metadata_props[:]
    del file.graph.metadata_props[:], file.metadata_props[:], file.graph.value_info[:]
    file.graph.doc_string = ""
    return file.SerializeToString(deterministic=True), state


def reason(text):
    """The line of a long message that says why."""
    told = re.search(r"## Exception summary\s+(.*)", text)
    return told[1].strip() if told else text.splitlines()[0] if text else ""


KINDS = [("RNN", {"nonlinearity": "tanh"}), ("RNN", {"nonlinearity": "relu"}), ("LSTM", {}), ("GRU", {})]


def features():
    """Each feature that a row of spec/EXPORTERS.md has, by name, with what is exported for it."""
    def each(name, args=None, only=None, **rest):
        for kind, own in KINDS:
            if only is None or kind in only:
                merged = {"input_size": 3, "hidden_size": 4, **own, **(args or {})}
                yield name, {"module": kind, "args": merged, "dynamic": True, **rest}

    for kind, own in KINDS:
        word = f"RNN {own['nonlinearity']}" if own else kind
        yield word, {"module": kind, "args": {"input_size": 3, "hidden_size": 4, **own}, "dynamic": True}
    for kind in ("RNN", "LSTM", "GRU"):
        yield "cells", {"module": f"{kind}Cell", "args": {"input_size": 3, "hidden_size": 4}, "state": True}
    yield from each("layers", {"num_layers": 2})
    yield from each("both directions", {"bidirectional": True})
    yield from each("layers and directions", {"num_layers": 2, "bidirectional": True})
    yield from each("no biases", {"bias": False})
    yield from each("batch first", {"batch_first": True})
    yield from each("state given", state=True)
    yield from each("fixed sizes", dynamic=False)
    yield from each("with a Linear", {"batch_first": True}, head=True)
    yield from each("packed", lengths=True)
    yield from each("projection", {"proj_size": 2}, only=("LSTM",))
    yield from each("float64", dtype="float64")
    yield from each("dropout", {"num_layers": 2, "dropout": 0.5})


def right():
    """Requests of all kinds, layers, directions, flags and opsets, in turns, without end."""
    seed = 0
    opsets = {"torchscript": list(range(7, 21)), "dynamo": [18, 19, 20, 21, 22]}
    while True:
        generator = torch.Generator().manual_seed(seed)

        def pick(options):
            return options[int(torch.randint(len(options), (1,), generator=generator))]  # noqa: B023

        exporter = EXPORTERS[seed % 4 == 3]
        # An RNN is unrolled into products by the newer exporter, which judge does not reach.
        kind, own = KINDS[2 + seed // 4 % 2] if exporter == "dynamo" else KINDS[seed // 3 % 4]
        state = pick([False, True])
        args = {
            "input_size": pick([1, 2, 3, 4, 5]), "hidden_size": pick([1, 2, 3, 4]), **own,
            "num_layers": pick([1, 1, 2, 3]), "bias": pick([True, True, False]),
            "batch_first": pick([False, True]), "bidirectional": pick([False, True])
        }
        asked = {"module": kind, "args": args, "state": state, "batch": pick([1, 2, 3])}
        if exporter == "dynamo" and asked["batch"] == 1:
            asked["batch"] = 2  # torch.export takes an extent of 1 for a constant
        dynamic = pick([True, False])
        head = not state and pick([False, False, False, True])
        opset = opsets[exporter][seed // 4 % len(opsets[exporter])]
        yield f"right-{seed}", {**asked, "dynamic": dynamic, "head": head, "exporter": exporter, "opset": opset}
        seed += 1


def listed(options):
    """The name and the request of each file to write."""
    if options.right:
        source = right()
        for _ in range(options.right):
            yield next(source)
        return
    for k, (feature, asked) in enumerate(features()):
        for exporter in options.exporter or EXPORTERS:
            phi = asked["args"].get("nonlinearity", "")
            name = f"{exporter}-{feature}-{asked['module']}{phi}".replace(" ", "-")
            yield name, {**asked, "feature": feature, "exporter": exporter, "opset": None, "seed": k}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--right", type=int, help="so many files of all kinds instead of each feature")
    parser.add_argument("--exporter", action="append", choices=EXPORTERS, help="only this one")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    options.folder.mkdir(parents=True, exist_ok=True)
    index = []
    for k, (name, asked) in enumerate(listed(options)):
        asked.setdefault("seed", k)
        entry = {"name": name, **asked}
        try:
            file, state = export(asked)
        except Exception as error:  # whatever the exporter says is the result
            text = str(error).strip()
            entry["error"] = f"{type(error).__name__}: {reason(text)}"
        else:
            (options.folder / f"{name}.onnx").write_bytes(file)
            save_file(state, options.folder / f"{name}.safetensors")
        index.append(entry)
    made = {"torch": torch.__version__.split("+")[0], "onnxscript": onnxscript.__version__}
    (options.folder / "index.json").write_text(json.dumps({"made": made, "files": index}, indent=1) + "\n")


if __name__ == "__main__":
    main()
