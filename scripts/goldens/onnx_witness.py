"""
The second source of chapter onnx: ONNX Runtime, and onnx.reference where it computes what is asked.

A case becomes golden only where they answer within the closeness of NUM-2 of onnx_exact.py.
"""

import numpy as np

from .compare import TOLERANCE
from .onnx_exact import DEFAULTS, arrays, batch_first, node, time_first

try:
    import onnx
    import onnxruntime
    from onnx.reference import ReferenceEvaluator
except ImportError:  # then nobody is asked; --verify and --check do without
    onnx = None

VERSIONS = {"onnx": "1.23.2", "onnxruntime": "1.32.0"}
INPUTS = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
RUNTIME = "ONNX Runtime"
TURNED = "ONNX Runtime, batch and time exchanged around it"
SINGLE = " in float32"
REFERENCE = "onnx.reference"


def sources(request):
    """Who answers a request: always the decimals, and at least one other."""
    args = request["args"]
    found = ["decimal arithmetic"]
    runtime = TURNED if args.get("layout") else RUNTIME
    found.append(runtime + (SINGLE if request["dtype"] == "float64" else ""))
    plain = args.keys() <= {"hidden_size", "direction", "layout", "linear_before_reset"}
    # It passes over lengths, and knows opset 7 and later.
    if plain and "sequence_lens" not in request["inputs"] and request["opset"] >= 7:
        found.append(REFERENCE)
    return found


def model(kind, args, inputs, opset, ir_version=10):
    """A model of one node, and the names of its outputs."""
    names = INPUTS if kind == "LSTM" else INPUTS[:6]
    given = [name if name in inputs else "" for name in names]
    while given[-1] == "":
        given.pop()
    outputs = ["Y", "Y_h", "Y_c"] if kind == "LSTM" else ["Y", "Y_h"]
    types = {"float32": onnx.TensorProto.FLOAT, "float64": onnx.TensorProto.DOUBLE,
             "int32": onnx.TensorProto.INT32}
    info = onnx.helper.make_tensor_value_info
    type_of = types[str(inputs["X"].dtype)]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(kind, given, outputs, **args)], "node",
        [info(name, types[str(inputs[name].dtype)], inputs[name].shape) for name in given if name],
        [info(name, type_of, None) for name in outputs]
    )
    opsets = [onnx.helper.make_opsetid("", opset)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=ir_version), outputs


def runtime(request):
    """What ONNX Runtime answers, in float32; it has no layout 1 and begins with opset 7."""
    args = {k: v for k, v in request["args"].items() if k not in ("layout", "output_sequence")}
    if "clip" in args:
        args["clip"] = float(args["clip"])
    inputs = arrays(request, np.float32)
    turned = request["args"].get("layout")
    if turned:
        inputs = {k: np.ascontiguousarray(x) for k, x in time_first(inputs).items()}
    file, names = model(request["module"], args, inputs, max(request["opset"], 7))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        file.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = dict(zip(names, session.run(None, inputs), strict=True))
    if turned:
        found = batch_first(found)
    return found


def reference(request):
    """What onnx.reference answers."""
    inputs = arrays(request, request["dtype"])
    file, names = model(request["module"], request["args"], inputs, request["opset"])
    return dict(zip(names, ReferenceEvaluator(file).run(None, inputs), strict=True))


def check_agreement(id, request, answer):
    """Assert that the other sources answer as the decimals do."""
    if onnx is None:
        return
    for source in sources(request)[1:]:
        dtype, wanted = request["dtype"], answer
        if source.endswith(SINGLE):
            dtype, wanted = "float32", node(single(request))
        found = reference(request) if source == REFERENCE else runtime(request)
        rtol, atol = TOLERANCE[dtype]
        for name, value in wanted["outputs"].items():
            given = found[name]
            assert given.shape == value.shape, (id, source, name, given.shape, value.shape)
            apart = np.abs(given.astype(np.float64) - value) / (atol + rtol * np.abs(value))
            assert apart.max() <= 1, f"{id}: {source} is {apart.max()} tolerances off in {name}"


def single(request):
    """The same request in float32: each number rounded to it."""
    return {**request, "dtype": "float32"}


def complain_if_missing():
    """Refuse to write goldens with one source."""
    if onnx is None:
        raise SystemExit("chapter onnx wants its second source: pip install onnx onnxruntime")
    found = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    assert found == VERSIONS, found


assert DEFAULTS.keys() == {"RNN", "GRU", "LSTM"}
