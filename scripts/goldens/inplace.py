"""Chapter inplace: what is changed in place between forward and backward, and who notices."""

from .case import Numbers, cast, cell_weights, golden, linear_weights, named, once, rnn_weights

REASON = "Catches an operation that keeps {what} and does not notice that it was changed."
ORDER = "Catches another one of several changed values being named."


def case(name, reason, dtype="float32", requires_grad=(), changes=(), **fields):
    return once(
        f"inplace/{name}/{dtype}", reason, "GRAD-6", "inplace", dtype, **fields,
        requires_grad=list(requires_grad), changes=list(changes)
    )


def subsets(names):
    """All but the empty one."""
    return [[n for k, n in enumerate(names) if mask >> k & 1] for mask in range(1, 2 ** len(names))]


def function(name, shapes, args=None, label=None, output=True, wanted=None, dtype="float32"):
    """A function: each set of inputs that may require a gradient, each tensor changed."""
    numbers = Numbers(81000 + len(name))
    names = "abc"[: len(shapes)]
    inputs = {n: numbers.dyadic(*shape, denominator=8) for n, shape in zip(names, shapes)}
    for wants in wanted or subsets(names):
        changes = [[n] for n in names] + ([["output"]] if output else [])
        if len(names) > 1:
            changes.append([*names, *reversed(names), names[0]])  # versions that tell them apart
        for change in changes:
            several = len(change) > 1
            yield case(
                f"{label or name}/grad-{''.join(wants)}-changed-{'all' if several else change[0]}",
                ORDER if several else REASON.format(what=change[0]), dtype, wants, change,
                function=name, args=args or {}, inputs=inputs
            )


@golden("inplace/functions.json", "Functions whose operands were changed.")
def functions():
    matrix = (2, 3)
    for name in ("tanh", "sigmoid", "relu", "sin", "neg", "abs", "sum", "mean"):
        yield from function(name, [matrix])
    for name in ("add", "sub", "mul", "mse_loss", "l1_loss", "binary_cross_entropy_with_logits"):
        yield from function(name, [matrix, matrix])
    yield from function("mul", [matrix, matrix], dtype="float64")
    for name in ("add", "sub", "rsub", "mul"):
        yield from function(name, [matrix], {"other": 2.0}, f"{name}-number")
    for rank, shape in enumerate([(3,), (2, 3), (2, 2, 3)], 1):
        yield from function("linear", [shape, (4, 3)], label=f"linear-{rank}d-no-bias")
        yield from function(
            "linear", [shape, (4, 3), (4,)], label=f"linear-{rank}d", wanted=[["c"], ["a", "b", "c"]]
        )
    yield from function("log_softmax", [matrix], {"dim": 1})
    for name in ("nll_loss", "cross_entropy"):
        yield from function(name, [matrix], {"target": [0, 2]})
    for name, (args, _) in VIEWS.items():
        yield from function(name, [(1, 3)], args)
    yield from function("index_select", [matrix], {"dim": 0, "index": [1]})
    for name in ("cat", "stack"):
        yield from function(name, [matrix, matrix], {"dim": 1})
    for name in ("exp", "log", "clone", "max"):
        yield from function(name, [matrix])
    yield from function("div", [matrix, matrix])
    yield from function("div", [matrix], {"other": 2.0}, "div-number")
    yield from function("mul", [matrix, (1, 3)], label="mul-broadcast")
    for name in ("sum", "mean", "softmax", "max"):
        yield from function(name, [matrix], {"dim": 1}, f"{name}-dim")
    yield from function("flip", [matrix], {"dims": [0]})
    for a, b in (((3,), (3,)), ((2, 3), (3,)), ((2, 3), (3, 2))):
        yield from function("matmul", [a, b], label=f"matmul-{len(a)}d-{len(b)}d")


# Of each view of a tensor of shape (1, 3), its arguments and its own shape.
VIEWS = {
    "transpose": ({"dim0": 0, "dim1": 1}, (3, 1)),
    "squeeze": ({"dim": 0}, (3,)),
    "unsqueeze": ({"dim": 0}, (1, 1, 3)),
    "select": ({"dim": 0, "index": 0}, (3,)),
    "narrow": ({"dim": 1, "start": 1, "length": 2}, (1, 2)),
    "reshape": ({"shape": [3, 1]}, (3, 1)),
    "expand": ({"size": [2, 3]}, (2, 3)),
}


@golden("inplace/views.json", "Views of what was changed.")
def views():
    """What a view of a changed tensor shows, and a copy does not."""
    for name, (args, shape) in VIEWS.items():
        through = {"through": named(name, **args)}
        yield from function("mul", [(1, 3), shape], through, f"mul-of-{name}", output=False)
        yield from function("sin", [(1, 3)], through, f"sin-of-{name}", output=False)
    for name, first, wanted in (
        ("detach", named("detach"), [["b"], ["a", "b"]]), ("tanh", named("tanh"), [["a", "b"]]),
        ("sum", named("add", other=1.0), [["a", "b"]]),
    ):
        through = {"through": first}
        yield from function("mul", [(3,), (3,)], through, f"mul-of-{name}", False, wanted=wanted)


SEQUENCES = {
    "rnn-tanh": ("RNN", {}),
    "rnn-relu-batch-first": ("RNN", {"nonlinearity": "relu", "batch_first": True}),
    "rnn-2-layers-bidirectional": ("RNN", {"num_layers": 2, "bidirectional": True}),
    "lstm": ("LSTM", {}),
    "lstm-proj": ("LSTM", {"proj_size": 1}),
    "gru-no-bias": ("GRU", {"bias": False}),
}


@golden("inplace/modules.json", "Modules whose weights were changed.")
def modules():
    """Modules: their parameters changed one by one, loaded anew, and by an optimiser's step."""
    for place, (name, (module, more)) in enumerate(SEQUENCES.items()):
        args = {"input_size": 2, "hidden_size": 3, **more}
        for length in (1, 2):
            numbers = Numbers(82000 + 10 * place + length)
            shape = (2, length, 2) if args.get("batch_first") else (length, 2, 2)
            rows = args.get("num_layers", 1) * (2 if args.get("bidirectional") else 1)
            initial = {"h_0": numbers.dyadic(rows, 2, args.get("proj_size") or 3)}
            if module == "LSTM":
                initial["c_0"] = numbers.dyadic(rows, 2, 3)
            asked = {
                "module": module, "args": args, "state_dict": rnn_weights(numbers, args, module),
                "inputs": {"input": numbers.dyadic(*shape), **initial}
            }
            yield from changed(f"{name}-{length}", asked)
    for place, module in enumerate(("RNNCell", "LSTMCell", "GRUCell")):
        args = {"input_size": 2, "hidden_size": 3}
        numbers = Numbers(83000 + place)
        inputs = {"input": numbers.dyadic(2, 2), "h_0": numbers.dyadic(2, 3)}
        if module == "LSTMCell":
            inputs["c_0"] = numbers.dyadic(2, 3)
        state = cell_weights(numbers, module, args)
        asked = {"module": module, "args": args, "state_dict": state, "inputs": inputs}
        yield from changed(module.lower(), asked)
    args = {"in_features": 2, "out_features": 3}
    numbers = Numbers(83010)
    state = linear_weights(numbers, args)
    inputs = {"input": numbers.dyadic(2, 2)}
    asked = {"module": "Linear", "args": args, "state_dict": state, "inputs": inputs}
    yield from changed("linear", asked)


def changed(name, asked):
    """The changes to a module's parameters, with and without gradients of what goes in."""
    for wants in ([], list(asked["inputs"])):
        label = f"{name}/grad-inputs" if wants else name
        for parameter in asked["state_dict"]:
            reason = REASON.format(what=parameter)
            yield case(f"{label}/{parameter}", reason, "float32", wants, [parameter], **asked)
        if wants and asked["module"] in ("RNNCell", "LSTMCell"):
            continue  # which of a cell's two products is named first is free
        reason = "Catches weights loaded between forward and backward without notice."
        yield case(f"{label}/load_state_dict", reason, "float32", wants, ["load_state_dict"], **asked)
        steps = [("SGD", {"lr": 0.125}, "float32"), ("SGD", {"lr": 0.125}, "float64")]
        for optimizer, args, dtype in [*steps, ("AdamW", {"lr": 0.125}, "float32")]:
            reason = "Catches a step between two losses of one graph without notice."
            given = named(optimizer, **args)
            fields = {"optimizer": given, **cast(asked, dtype)}
            yield case(f"{label}/{optimizer}", reason, dtype, wants, **fields)
