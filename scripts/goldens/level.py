"""How much of PyTorch a case asks for: core, family or edge."""

import numpy as np

CORE_MODULES = {"RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "Linear"}
CORE_ARGS = {
    *("input_size", "hidden_size", "in_features", "out_features"),
    *("bias", "nonlinearity"),
}
WORDS = {"print", "repr", "size", "notebook"}


def arrays_of(value):
    """Every array in a request."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from arrays_of(one)


def is_edge(case):
    """Nothing, NaN and infinity, projections, a dtype that is not float32, errors, words, files, ONNX."""
    asked = case.request
    arrays = list(arrays_of(asked))
    return (
        any(clause.startswith("ERROR-") for clause in case.clauses)
        or asked["op"] in WORDS
        or asked["op"] == "node"
        or asked.get("dtype", "float32") != "float32"
        or (asked["op"] == "load" and "module" not in asked)
        or asked.get("args", {}).get("proj_size")
        or any(array.size == 0 or not np.isfinite(array).all() for array in arrays)
        or (asked["op"] in ("rand", "randn") and 0 in asked["args"]["size"])
    )


def is_core(case):
    """One layer or cell, one direction, batched, time first."""
    asked = case.request
    module = asked.get("module")
    if asked["op"] != "forward" or module not in CORE_MODULES or asked["training"]:
        return False
    if not asked["args"].keys() <= CORE_ARGS or "lengths" in asked["inputs"]:
        return False
    dimensions = 2 if module.endswith("Cell") or module == "Linear" else 3
    return len(asked["inputs"]["input"].shape) == dimensions


def level(case):
    """
    core: what every implementation starts with; family: all else that the modules, losses and
    optimisers do; edge: what most users never meet.
    """
    return "edge" if is_edge(case) else "core" if is_core(case) else "family"
