"""Chapter modules: containers, functions as modules, walking; and the errors of what is around."""

from itertools import product

import numpy as np

from .case import INF, NAN, Numbers, both, golden, integers, linear_weights, once, rnn_weights, run


def part(module, **args):
    """A module inside a container."""
    return {"module": module, "args": args}


def linear(inputs, outputs, **args):
    return part("Linear", in_features=inputs, out_features=outputs, **args)


def named(**parts):
    """Modules of a container that have names of their own."""
    return [{"name": name.removeprefix("n"), **one} for name, one in parts.items()]


def recurrent(module, inputs, hidden, **args):
    return part(module, input_size=inputs, hidden_size=hidden, **args)


PLAIN = [(name, part(name)) for name in ("Identity", "Tanh", "ReLU", "Sigmoid")]
OVER = [
    (f"{name}-dim-{dim}", part(name, dim=dim))
    for name, dim in product(("Softmax", "LogSoftmax"), (1, -1, 0))
]
SHAPES = [
    ("2d", (2, 3), "Rows of a matrix."),
    ("3d", (2, 3, 4), "Three dimensions: catches a sum over another one."),
    ("wide", (2, 40), "Many numbers in a row: catches a sum that is not kept in order."),
    ("empty", (0, 3), "No rows give no rows."),
]
EDGES = [
    ("large", (-90.0, 88.5, 100.0, 700.0), "Where e to the x leaves float32: its end, not NaN."),
    ("small", (-1e-30, 1e-30, 0.0, -0.0), "Next to 0, and -0."),
    ("infinite", (-INF, 1.0, 2.0, -3.0), "Minus infinity, a class that is ruled out."),
    ("nan", (NAN, 1.0, -INF, INF), "NaN and both infinities."),
    ("equal", (2.5, 2.5, 2.5, 2.5), "Equal numbers."),
]


@golden("modules/functions.json", "Functions of each element, and over a dimension.")
def functions():
    for place, (name, one) in enumerate([*PLAIN, *OVER]):
        module, args = one["module"], one["args"]
        for turn, (word, shape, reason) in enumerate(SHAPES):
            numbers = Numbers(95000 + 20 * place + turn)
            value = numbers.decimal(*shape, limit=4.0)
            clauses = "MODULE-4 NUM-6" if word == "empty" else "MODULE-4"
            asked = module, args, {"input": value}, {}
            grads = {"output": numbers.decimal(*shape)}
            yield from run(f"modules/{name}/{word}-forward", reason, clauses, *asked)
            yield from run(
                f"modules/{name}/{word}-vjp", f"{reason} Its gradient.", f"{clauses} GRAD-2",
                *asked, grads
            )
        for word, row, reason in [] if "dim-0" in name else EDGES:
            inputs = {"input": np.array([row, row[::-1]])}
            yield from run(
                f"modules/{name}/{word}", reason, "MODULE-4 NUM-6", module, args, inputs, {}
            )


def weights(numbers, parts, prefix=""):
    """A state_dict of a container, in PyTorch's order."""
    state = {}
    for place, one in enumerate(parts):
        name = one.get("name", place)
        module, args = one["module"], one["args"]
        own = {}
        if module in ("Sequential", "ModuleList"):
            own = weights(numbers, args["modules"])
        elif module == "Linear":
            own = linear_weights(numbers, args)
        elif module in ("RNN", "LSTM", "GRU"):
            own = rnn_weights(numbers, args, module)
        elif module == "Embedding":
            own = {"weight": numbers.decimal(args["num_embeddings"], args["embedding_dim"])}
        state |= {f"{prefix}{name}.{k}": v for k, v in own.items()}
    return state


OUTPUT = part("Output")
BODY = part("Sequential", modules=[linear(3, 4), part("Tanh")])
MODELS = [
    ("none", [], (2, 3), (2, 3), "No module at all: what comes in goes out."),
    ("one", [linear(3, 2)], (2, 3), (2, 2), "One module."),
    ("mlp", [linear(3, 5), part("Tanh"), linear(5, 2), part("Sigmoid")], (4, 3), (4, 2),
     "Catches a function that is left out, or modules out of order."),
    ("named", named(body=linear(3, 4), act=part("ReLU"), head=linear(4, 1)), (4, 3), (4, 1),
     "Modules by name."),
    ("numbers-out-of-order", named(n2=linear(3, 4), n10=part("Tanh"), n1=linear(4, 2)), (2, 3),
     (2, 2), "Names that are numbers: in the order given, not by size."),
    ("nested", [BODY, part("Identity"), linear(4, 2)], (2, 3), (2, 2), "A container in another."),
    ("gru-head", [recurrent("GRU", 3, 4), OUTPUT, linear(4, 2)], (5, 2, 3), (5, 2, 2),
     "A recurrent layer, and a head on every step."),
    ("lstm-stack-head",
     [recurrent("LSTM", 2, 3, num_layers=2, bidirectional=True, batch_first=True), OUTPUT,
      linear(6, 4), part("ReLU"), linear(4, 3), part("LogSoftmax", dim=-1)],
     (2, 4, 2), (2, 4, 3), "Two layers, both directions, a classifier on every step."),
    ("rnn-two-layers-dropout",
     [recurrent("RNN", 2, 3), OUTPUT, part("Dropout", p=0.5), linear(3, 1)], (4, 1, 2), (4, 1, 1),
     "Dropout does nothing in evaluation, also inside."),
    ("linear-before", [linear(3, 2), part("Tanh"), recurrent("LSTM", 2, 3), OUTPUT], (4, 2, 3),
     (4, 2, 3), "A recurrent layer that reads what others made: gradients go through."),
]


@golden("modules/sequences.json", "Modules one after the other.")
def sequences():
    """Modules one after the other, and the gradients through them."""
    for place, (name, parts, shape, out, reason) in enumerate(MODELS):
        numbers = Numbers(95500 + place)
        state = weights(numbers, parts)
        asked = "Sequential", {"modules": parts}, {"input": numbers.decimal(*shape)}, state
        yield from run(f"modules/Sequential/{name}", reason, "MODULE-3", *asked)
        yield from run(
            f"modules/Sequential/{name}-vjp", f"{reason} The gradients.", "MODULE-3 GRAD-2", *asked,
            {"output": numbers.decimal(*out)}
        )
    table = part("Embedding", num_embeddings=7, embedding_dim=3)
    parts = [table, recurrent("GRU", 3, 4), OUTPUT, linear(4, 7)]
    numbers = Numbers(95550)
    state = weights(numbers, parts)
    asked = "Sequential", {"modules": parts}, {"input": integers([[3, 0], [6, 3], [3, 1]])}, state
    reason = "A model of text whole: numbers of words in, logits of the next word out."
    yield from run("modules/Sequential/text", reason, "MODULE-3 EMBED-1", *asked)
    yield from run(
        "modules/Sequential/text-vjp", f"{reason} A row that stands thrice adds up its gradients.",
        "MODULE-3 EMBED-1 GRAD-2", *asked, {"output": numbers.decimal(3, 2, 7)}
    )


@golden("modules/initial.json", "What a seed and a container leave.")
def initial():
    """What a seed and a container leave: names, their order, every draw."""
    for name, parts, _, _, reason in MODELS[2:]:
        yield from both(
            f"modules/initial/{name}", f"{reason} Names, order and draws.",
            "MODULE-1 MODULE-3 PARAM-1 INIT-1", "init", module="Sequential",
            args={"modules": parts}, seed=7
        )
    for name, parts in (
        ("list", [linear(2, 3), linear(3, 2), recurrent("LSTM", 2, 2)]),
        ("list-of-twelve", [linear(1, 1, bias=False)] * 12),
        ("list-of-lists", [part("ModuleList", modules=[linear(1, 2)]), BODY]),
    ):
        yield from both(
            f"modules/initial/{name}", "A list's modules: their numbers, in order.",
            "MODULE-1 MODULE-3 PARAM-1", "init", module="ModuleList",
            args={"modules": parts}, seed=8
        )


LISTS = [
    ("empty", [], "Nothing inside: no lines."),
    ("one", [part("Tanh")], "One line."),
    ("alike", [part("ReLU")] * 3, "Modules that print alike come once, with their count."),
    ("runs", [part("ReLU"), part("ReLU"), part("Tanh"), part("ReLU")], "Only neighbours are joined."),
    ("alike-linear", [linear(1, 2), linear(1, 2), linear(2, 2)], "Alike in all that is printed."),
    ("nested", [BODY, BODY, part("Identity")], "Several lines each, alike: the count stands once."),
]


@golden("modules/print.json", "print(module).")
def printed():
    for module, (name, parts, reason) in product(("Sequential", "ModuleList"), LISTS):
        yield once(
            f"modules/{module}/print-{name}", reason, "MODULE-3 PRINT-6",
            "repr", module=module, args={"modules": parts}
        )
    for name, parts, _, _, reason in MODELS[3:]:
        yield once(
            f"modules/Sequential/print-model-{name}", f"{reason} Printed, lines indented.",
            "MODULE-3 PRINT-6", "repr", module="Sequential", args={"modules": parts}
        )
    for name, one in [*PLAIN, *OVER]:
        yield once(
            f"modules/{name}/print", "Its arguments, and no others.", "MODULE-4 PRINT-6",
            "repr", module=one["module"], args=one["args"]
        )


@golden("modules/order.json", "The order in which apply calls.")
def order():
    for name, parts, _, _, reason in MODELS[3:6]:
        yield once(
            f"modules/apply/{name}", f"{reason} Children before their parent.", "MODULE-5", "call",
            "float32", function="apply", args=part("Sequential", modules=parts)
        )


@golden("modules/refused.json", "What PyTorch refuses.")
def refused():
    def refusal(name, reason, clauses, module, args, state, *shape, training=False):
        yield from run(
            f"modules/refused/{name}", reason, clauses, module, args,
            {"input": numbers.decimal(*shape)}, state, None, ("float32",), training
        )

    readers = [linear(4, 1), part("ReLU"), part("Tanh"), part("Sigmoid"), part("Dropout", p=0.0)]
    numbers = Numbers(95600)
    for reader, module in product(readers, ("LSTM", "GRU")):
        parts = [recurrent(module, 3, 4), reader]
        yield from refusal(
            f"{module}-{reader['module']}",
            "A pair where a tensor is read: catches a container that takes the first of the two.",
            "MODULE-3 ERROR-2", "Sequential", {"modules": parts}, weights(numbers, parts), 2, 1, 3,
            training=reader["module"] == "Dropout"
        )
    for module, parts, name in (
        ("Sequential", [1], "number"), ("Sequential", [part("Tanh"), "a"], "text"),
        ("ModuleList", [1.5], "number"),
    ):
        yield once(
            f"modules/refused/{module}-of-{name}", "No module.", "MODULE-3 ERROR-6",
            "repr", module=module, args={"modules": parts}
        )
    pair = [part("Tanh"), part("ReLU")]
    for module, index in product(("Sequential", "ModuleList"), (2, -3)):
        yield once(
            f"modules/refused/{module}-index-{index}", "There is no such module.",
            "MODULE-3 ERROR-5", "call", "float32", function="index",
            args={"module": module, "index": index, "args": {"modules": pair}}
        )
    yield from refusal(
        "ModuleList-called", "A list computes nothing.", "MODULE-3 ERROR-6", "ModuleList",
        {"modules": [part("Tanh")]}, {}, 2
    )
    for name, dim in (("LogSoftmax", 2), ("Softmax", -3)):
        yield from refusal(
            f"{name}-dim-{dim}", "A dimension that the input has not.", "MODULE-4 ERROR-5", name,
            {"dim": dim}, {}, 2, 2
        )
    for function, args, name, reason in (
        ("xavier_uniform_", {"size": [3]}, "1d", "What one output reads is not told."),
        ("xavier_normal_", {"size": []}, "0d", "What one output reads is not told."),
        ("orthogonal_", {"size": [3]}, "1d", "No matrix."),
        ("xavier_uniform_", {"size": [0, 0]}, "empty", "Nothing to divide by."),
        ("xavier_uniform_", {"size": [2, 3], "of": "int64"}, "int64", "No draws of whole numbers."),
        ("xavier_normal_", {"size": [2, 3], "of": "int64"}, "int64", "No draws of whole numbers."),
        ("orthogonal_", {"size": [2, 3], "of": "int64"}, "int64", "No draws of whole numbers."),
        ("xavier_uniform_", {"size": [1, 2], "gain": -1.5}, "gain", "Bounds the wrong way round."),
        ("xavier_normal_", {"size": [1, 2], "gain": -1.5}, "gain", "A negative deviation."),
    ):
        yield once(
            f"modules/refused/{function}-{name}", reason, "INIT-6 ERROR-6",
            "call", "float32", function=function, args={**args, "seed": 1}
        )


NORMAL = [
    ("square", {"size": [3, 3]}), ("tall", {"size": [5, 2]}), ("wide", {"size": [2, 5]}),
    ("3d", {"size": [3, 2, 2]}), ("gain", {"size": [2, 3], "gain": 1.5}),
    ("blocks", {"size": [6, 7]}),
]


@golden("modules/close.json", "Initial weights, the last digits free.")
def close():
    reasons = {
        "xavier_normal_": "Catches fan in alone, and a variance for a deviation.",
        "orthogonal_": "Catches a Q whose signs are not those of R's diagonal, rows for columns."
    }
    for (name, args), (function, reason) in product(NORMAL, reasons.items()):
        yield from both(
            f"modules/{function}/{name}", reason, "INIT-6 INIT-5", "call", function=function,
            args={**args, "seed": 5}
        )
