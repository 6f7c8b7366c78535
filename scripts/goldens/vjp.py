"""
Chapter vjp: the gradients of input, states and parameters.

Each case asks what a chapter of the forward pass asks, and adds the gradient of what follows with
respect to every output.
"""


from . import cells, family, family_numerics, family_shapes, gated, linear, pack, rnn
from .case import Numbers, golden, rnn_weights, run
from .family import GRU, LSTM, PROJ, RNN


def output_shapes(module, args, inputs):
    """The shapes of the outputs, by name."""
    shape = inputs["input"].shape
    width = args.get("proj_size") or args.get("hidden_size")
    if module == "Linear":
        return {"output": (*shape[:-1], args["out_features"])}
    if module == "SimpleRNN":
        return {"output": (shape[0], 1)}
    if module.endswith("Cell"):
        names = ("h_1", "c_1") if module == "LSTMCell" else ("h_1",)
        return {name: (*shape[:-1], args["hidden_size"]) for name in names}
    directions = 2 if args.get("bidirectional") else 1
    lead = list(shape[:-1])
    batch = [lead[0 if args.get("batch_first") else 1]] if len(lead) == 2 else []
    if "lengths" in inputs:
        lead[1 if args.get("batch_first") else 0] = max(inputs["lengths"])
    rows = [args.get("num_layers", 1) * directions, *batch]
    found = {"output": (*lead, directions * width), "h_n": (*rows, width)}
    return {**found, "c_n": (*rows, args["hidden_size"])} if module == "LSTM" else found


def vjp(name, reason, clauses, module, args, inputs, state, seed, outputs=None, draw="decimal"):
    """One case in both dtypes, with cotangents of its own for the outputs named, or for all."""
    numbers = Numbers(seed)
    given = {
        output: getattr(numbers, draw)(*shape)
        for output, shape in output_shapes(module, args, inputs).items()
        if outputs is None or output in outputs
    }
    yield from run(f"vjp/{name}", reason, f"GRAD-2 {clauses}", module, args, inputs, state, given)


def behind(cases, seed, reason=None, step=1, draw="decimal"):
    """The gradients of forward cases; `cases` yields each in float32, then in float64."""
    for place, case in enumerate(case for case in cases if case.id.endswith("/float64")):
        asked = case.request
        chapter, _, rest = case.id.removesuffix("/float64").partition("/")
        yield from vjp(
            rest if rest.startswith("simple") else f"{chapter}/{rest}",
            reason or f"The gradient behind: {case.reason[0].lower()}{case.reason[1:]}",
            " ".join(case.clauses), asked["module"], asked["args"], asked["inputs"],
            asked["state_dict"], seed + step * place, draw=draw
        )


def some(cases, *words):
    """Those forward cases whose name ends with, or has as its last part, one of the words."""
    for case in cases:
        name = case.id.rsplit("/", 1)[0]
        if case.request["op"] == "forward" and any(name.endswith(word) for word in words):
            yield case


def grid(kind):
    """Every combination of the arguments."""
    reason = "Catches a path left out of the gradient: through time, a layer, a direction, a bias."
    cases = (case for case in family.grid(kind) if "proj-1" not in case.id)
    yield from behind(cases, 60000 + kind.seed, reason)


@golden("vjp/shapes.json", "Gradients at the edges of shapes.")
def shapes():
    words = [
        *("length-1", "all-1", "hidden-minus-1", "batch-0", "square", "square-batch-first"),
        *("unbatched", "unbatched-layers-2-bidirectional"),
    ]
    for place, kind in enumerate((RNN, LSTM, GRU, PROJ)):
        given = [f"/{word}-{kind.state}" for word in words]
        chosen = some(family_shapes.shapes(kind), *given, "/cut-whole", "/state-left-out")
        yield from behind(chosen, 61000 + 100 * place)
        precise = some(family_shapes.shapes(kind), "precision", "precision-bidirectional")
        reason = "Numbers that use every bit of a float32: a gradient rounded too early shows."
        yield from behind(precise, 61050 + 100 * place, reason, step=0, draw="full")


@golden("vjp/alone.json", "Gradients of one output at a time.")
def alone():
    for place, kind in enumerate((RNN, LSTM, GRU, PROJ)):
        args = {"input_size": 2, "hidden_size": 3, **kind.variants[-1].args, "num_layers": 2}
        args["bidirectional"] = True
        numbers = Numbers(62000 + place)
        state = rnn_weights(numbers, args, kind.module)
        inputs = {"input": numbers.decimal(4, 2, 2), **family.initial(kind, numbers, args, 2)}
        names = ["output", "h_n", "c_n"] if kind.module == "LSTM" else ["output", "h_n"]
        for name in names:
            yield from vjp(
                f"{kind.chapter}/{name}-alone",
                f"Catches a gradient of {name} that is lost, or taken for another's.",
                f"{family.clauses_of(kind, args)} STACK-6", kind.module, args, inputs,
                state, 62100 + place, outputs=[name]
            )


@golden("vjp/numerics.json", "Gradients at the ends of the number line.")
def numerics():
    words = [
        *("weights-x50", "weights-zero", "nan", "nan-h0", "nan-c0", "nan-bidirectional"),
        *("nan-weight", "-open", "-shut", "state-kept"),
    ]
    for place, kind in enumerate((RNN, LSTM, GRU, PROJ)):
        cases = some(family_numerics.numerics(kind), *words)
        # These grow until float32's rounding shows: they would refuse better answers.
        unfair = ("relu-weights-x50", "proj-1-weights-x50", "proj-2-weights-x50")
        fair = (case for case in cases if not any(name in case.id for name in unfair))
        yield from behind(fair, 63000 + 100 * place)


@golden("vjp/pack.json", "Gradients behind packed sequences.")
def packed():
    reason = (
        "Catches a gradient at a padded position, a row's gradient given to another, a reverse "
        "direction that starts in the padding, a state's gradient left in sorted order."
    )
    stateful = (case for case in smooth(pack.arguments()) if "/no-state/" not in case.id)
    yield from behind((case for case in stateful if "-no-state/" not in case.id), 64000, reason)
    yield from behind(some(smooth(pack.lengths()), "unsorted", "ties", "one-row"), 64100)
    yield from behind(some(pack.contents(), "nan-in-padding", "-step"), 64200)


def smooth(cases):
    """All but relu's, which packs as tanh does."""
    return (case for case in cases if "/rnn-relu/" not in case.id)


@golden("vjp/cells.json", "Gradients behind the cells.")
def single():
    words = ["state", "no-state", "/all-1", "/batch-0", "/square", "weights-x50", "nan-input"]
    words += ["nan-h0", "nan-c0", "full-precision", "-open", "-shut", "reset-takes-the-bias"]
    yield from behind(some(cells.forwards(), *words), 65000)


@golden("vjp/layers.json", "Gradients behind Linear and SimpleRNN.")
def layers():
    words = ["/1d", "/2d", "/3d", "/4d", "-no-bias", "empty-batch", "/7-to-2", "/33-to-5", "/nan"]
    yield from behind(some(linear.cases(), *words, "nan-weight", "zero-weight"), 66000)
    yield from behind(rnn.simple(), 66100)


for kind, name in gated.NAMES:
    golden(f"vjp/{kind.chapter}.json", f"Gradients behind {name}.")(lambda kind=kind: grid(kind))
