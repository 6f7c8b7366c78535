# /// script
# requires-python = ">=3.11"
# dependencies = ["keras==3.15.1", "tensorflow-cpu==2.21.0", "tf2onnx==1.17.0", "onnx==1.23.2", "safetensors==0.8.0"]
# ///
"""
Export Keras' layers to ONNX by model.export(…, format="onnx"), beside their weights.

    uv run scripts/exporters/keras_export.py DIR

DIR gets a file NAME.onnx and NAME.safetensors for each feature, and index.json. The weights are Keras' own
arrays, named by layer, direction and array: 0.1.kernel is of the first layer's backward direction.
"""

import argparse
import json
import os
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tf2onnx  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

KINDS = [
    ("RNN", "tanh", keras.layers.SimpleRNN),
    ("RNN", "relu", keras.layers.SimpleRNN),
    ("LSTM", None, keras.layers.LSTM),
    ("GRU", None, keras.layers.GRU),
]


def features():
    """Each feature, the kind, and the layers."""
    for kind, phi, layer in KINDS:
        own = {"activation": phi} if phi else {}

        def make(**rest):
            return layer(4, return_sequences=True, **own, **rest)  # noqa: B023

        yield f"{kind} {phi}" if phi else kind, kind, phi, [make()]
        yield "layers", kind, phi, [make(), make()]
        yield "both directions", kind, phi, [keras.layers.Bidirectional(make())]
        yield "layers and directions", kind, phi, [keras.layers.Bidirectional(make()) for _ in range(2)]
        yield "no biases", kind, phi, [make(use_bias=False)]
        yield "fixed sizes", kind, phi, [make()]


def arrays(layers):
    """The weights by name, and what each layer is."""
    found, told = {}, []
    for k, layer in enumerate(layers):
        both = isinstance(layer, keras.layers.Bidirectional)
        parts = [layer.forward_layer, layer.backward_layer] if both else [layer]
        told.append([type(part).__name__ for part in parts])
        for d, part in enumerate(parts):
            for name, value in zip(("kernel", "recurrentKernel", "bias"), part.get_weights(), strict=False):
                found[f"{k}.{d}.{name}"] = np.ascontiguousarray(value)
    return found, told


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    index = []
    for k, (feature, kind, phi, layers) in enumerate(features()):
        fixed = feature == "fixed sizes"
        keras.utils.set_random_seed(k)
        shape = keras.layers.Input((5, 3), batch_size=2) if fixed else keras.layers.Input((None, 3))
        model = keras.Sequential([shape, *layers])
        model(np.zeros((2, 5, 3), "float32"))
        generator = np.random.default_rng(k)
        model.set_weights([generator.uniform(-1, 1, x.shape).astype("float32") for x in model.get_weights()])
        name = f"keras-{feature}-{kind}{phi or ''}".replace(" ", "-")
        entry = {
            "name": name, "feature": feature, "module": kind, "exporter": "keras",
            "args": {"nonlinearity": phi} if phi else {},
        }  # fmt: skip
        try:
            model.export(str(options.folder / f"{name}.onnx"), format="onnx", verbose=False)
        except Exception as error:  # whatever the exporter says is the result
            entry["error"] = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
        found, entry["layers"] = arrays(layers)
        save_file(found, options.folder / f"{name}.safetensors")
        index.append(entry)
    made = {"keras": keras.__version__, "tf2onnx": tf2onnx.__version__}
    (options.folder / "index.json").write_text(json.dumps({"made": made, "files": index}, indent=1) + "\n")


if __name__ == "__main__":
    main()
