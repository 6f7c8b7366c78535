"""Chapter around: Embedding and LayerNorm, their gradients, and what they refuse."""

import numpy as np

from .case import DTYPES, INF, NAN, Numbers, both, golden, integers, of_dtype, once, run

INDICES = [
    ("vector", [2, 0, 2], "A repeated row."),
    ("matrix", [[0, 1], [4, 4]], "A batch of sequences."),
    ("cube", [[[1], [2]], [[3], [0]]], "Three dimensions."),
    ("scalar", 3, "A single number: one row."),
    ("empty", [], "No number."),
    ("empty-rows", [[], []], "Sequences of no length."),
]
PADDINGS = [("", {}), ("-padding", {"padding_idx": 2}), ("-padding-last", {"padding_idx": -1})]


@golden("around/embedding.json", "Rows by their numbers.")
def lookups():
    """embedding and Embedding: forward and backward."""
    numbers = Numbers(9700)
    table = numbers.decimal(5, 3)
    for label, places, reason in INDICES:
        index = integers(places)
        for suffix, args in PADDINGS:
            name = label + suffix
            inputs = {"input": index, "weight": table}
            yield from both(
                f"around/embedding/{name}", reason, "EMBED-1", "call", function="embedding",
                args=args, inputs=inputs
            )
            yield from both(
                f"around/embedding/{name}/vjp", "Repeated rows add up; padding gets nothing.",
                "EMBED-1 GRAD-1", "vjp", function="embedding", args=args, inputs=inputs,
                grad_outputs={"output": numbers.decimal(*index.shape, 3)}
            )
    for suffix, args in PADDINGS:
        args = {"num_embeddings": 5, "embedding_dim": 3, **args}
        asked = "Embedding", args, {"input": integers([[2, 4], [0, 2]])}, {"weight": table}
        yield from run(
            f"around/Embedding/forward{suffix}", "A loaded row of padding is read.",
            "EMBED-1 EMBED-2", *asked
        )
        yield from run(
            f"around/Embedding/vjp{suffix}", "The gradient of the table.", "EMBED-1 GRAD-2", *asked,
            {"output": numbers.decimal(2, 2, 3)}
        )


@golden("around/modules.json", "First weights, and texts.")
def tables():
    """Embedding's first weights, and its text."""
    for size in ((1, 1), (3, 4), (4, 4), (5, 3), (7, 5), (10, 1), (0, 3), (3, 0)):
        args = {"num_embeddings": size[0], "embedding_dim": size[1]}
        for seed in (0, 42):
            yield from both(
                f"around/Embedding/init-{size[0]}-{size[1]}/seed-{seed}", "One normal fill of the table.",
                "EMBED-2 INIT-5", "init", module="Embedding", args=args, seed=seed
            )
    for padding in (0, 2, -1, -4):
        args = {"num_embeddings": 4, "embedding_dim": 2, "padding_idx": padding}
        yield from both(
            f"around/Embedding/init-padding-{padding}", "The row of the padding is 0, after all is drawn.",
            "EMBED-2 INIT-5", "init", module="Embedding", args=args, seed=3
        )
    yield from both(
        "around/Embedding/init-constructions-2", "The generator goes on, the kept half of a pair too.",
        "EMBED-2 INIT-5", "init", module="Embedding", seed=0, constructions=2,
        args={"num_embeddings": 3, "embedding_dim": 1}
    )
    texts = [
        ("Embedding", "plain", {"num_embeddings": 10, "embedding_dim": 3}),
        ("Embedding", "padding", {"num_embeddings": 10, "embedding_dim": 3, "padding_idx": 0}),
        ("Embedding", "padding-negative", {"num_embeddings": 10, "embedding_dim": 3, "padding_idx": -1}),
        ("LayerNorm", "plain", {"normalized_shape": 8}),
        ("LayerNorm", "two", {"normalized_shape": [2, 3], "eps": 0.001}),
        ("LayerNorm", "no-bias", {"normalized_shape": [4], "bias": False}),
        ("LayerNorm", "no-affine", {"normalized_shape": 4, "elementwise_affine": False}),
        ("LayerNorm", "eps", {"normalized_shape": 4, "eps": 0.5}),
        ("LayerNorm", "none", {"normalized_shape": []}),
        ("LayerNorm", "zero", {"normalized_shape": 0}),
    ]
    for module, name, args in texts:
        yield once(
            f"around/{module}/repr-{name}", "The text of the module.", "PRINT-6 EMBED-2 NORM-2",
            "repr", module=module, args=args,
        )
    for name, args in (("plain", {"normalized_shape": [2, 2]}), ("no-bias", {"normalized_shape": 3, "bias": False})):
        yield from both(
            f"around/LayerNorm/init-{name}", "Ones and zeros; nothing is drawn.", "NORM-2", "init",
            module="LayerNorm", args=args, seed=0
        )


@golden("around/norm.json", "Groups of mean 0 and variance 1.")
def norms():
    numbers = Numbers(9800)
    shapes = [
        ("vector", [4], (4,), "A single group."),
        ("rows", [4], (3, 4), "A group to a row."),
        ("sequence", [5], (2, 3, 5), "A group to a step."),
        ("two", [2, 3], (2, 2, 3), "A group of two dimensions."),
        ("whole", [2, 3], (2, 3), "One group of all."),
        ("pair", [2], (3, 2), "Two elements to a group: ±1, nearly."),
    ]
    kinds = [
        ("", {}), ("-no-bias", {"bias": False}), ("-no-affine", {"elementwise_affine": False}),
        ("-eps", {"eps": 0.5}),
    ]
    for label, shape, size, reason in shapes:
        for suffix, more in kinds:
            args = {"normalized_shape": shape, **more}
            state = {}
            if more.get("elementwise_affine", True):
                state["weight"] = numbers.decimal(*shape) + 1
                if more.get("bias", True):
                    state["bias"] = numbers.decimal(*shape)
            id = f"around/LayerNorm/{label}{suffix}"
            asked = "LayerNorm", args, {"input": numbers.decimal(*size, limit=2.0)}, state
            grads = {"output": numbers.decimal(*size)}
            yield from run(id, reason, "NORM-1 NORM-2", *asked)
            yield from run(f"{id}/vjp", "Its gradients.", "NORM-1 GRAD-2", *asked, grads)
    edges = [
        ("flat", 3, np.full((2, 3), 0.5), "No variance: only eps keeps from dividing by 0."),
        ("one", 1, numbers.decimal(3, 1), "One element to a group: 0."),
        ("no-rows", 3, np.zeros((0, 3)), "No group."),
        ("no-features", 0, np.zeros((2, 0)), "Groups of nothing."),
        ("offset", 4, numbers.decimal(2, 4) + 100, "A mean far from 0."),
        ("nan", 3, np.array([[NAN, 1.0, 2.0], [1.0, 2.0, 4.0]]), "NaN stays in its group."),
        ("infinite", 3, np.array([[INF, 1.0, 2.0], [1.0, 2.0, 4.0]]),
         "Infinity makes NaN of its group."),
    ]
    for label, shape, value, reason in edges:
        args = {"normalized_shape": shape, "elementwise_affine": False}
        yield from run(
            f"around/LayerNorm/{label}", reason, "NORM-1", "LayerNorm", args, {"input": value}, {},
            dtypes=DTYPES[1:] if label == "offset" else DTYPES
        )


@golden("errors/around.json", "What Embedding and LayerNorm refuse.")
def errors():
    table = Numbers(9900).dyadic(5, 3)

    def lookup(name, reason, args=None, **inputs):
        yield from both(
            f"errors/embedding/{name}", reason, "ERROR-5 EMBED-1", "call", dtypes=("float32",),
            function="embedding", args=args or {}, inputs={"weight": table, **inputs}
        )

    for label, value in (("past", [0, 5]), ("negative", [-1]), ("far", [[2**40]])):
        yield from lookup(label, "No such row.", input=integers(value))
    yield from lookup("float", "Numbers of rows are integers.", input=np.array([1.0, 2.0]))
    yield from lookup("bool", "Nor truth values.", input=np.array([True]))
    yield from lookup("vector", "A table has rows.", input=integers([1]), weight=table[0])
    yield from lookup("cube", "And columns.", input=integers([1]), weight=table[None])
    for padding in (5, -6):
        yield from lookup(f"padding-{padding}", "No row of padding.", {"padding_idx": padding}, input=integers([1]))
    yield from lookup("padding-first", "The padding is looked at first.", {"padding_idx": 9},
                      input=np.array([1.0]))
    sizes = {"num_embeddings": 5, "embedding_dim": 3}
    made = [
        ("Embedding", "padding-past", {**sizes, "padding_idx": 5}, "No row of padding."),
        ("Embedding", "padding-before", {**sizes, "padding_idx": -6}, "Nor before the first."),
        ("Embedding", "rows-negative", {**sizes, "num_embeddings": -1}, "Fewer than no rows."),
        ("Embedding", "columns-negative", {**sizes, "embedding_dim": -2}, "Fewer than no columns."),
        ("Embedding", "columns-fraction", {**sizes, "embedding_dim": 2.5}, "Half a column."),
        ("Embedding", "rows-fraction", {**sizes, "num_embeddings": 2.5}, "Half a row."),
        ("Embedding", "columns-text", {**sizes, "embedding_dim": "3"}, "A size as text."),
        ("LayerNorm", "negative", {"normalized_shape": -1}, "Fewer than no elements."),
        ("LayerNorm", "fraction", {"normalized_shape": 2.5}, "Half an element."),
        ("LayerNorm", "list-fraction", {"normalized_shape": [2.5]}, "Half an element, in a list."),
        ("LayerNorm", "none", {"normalized_shape": None}, "No shape."),
    ]
    for module, name, args, reason in made:
        yield once(
            f"errors/{module}/{name}", reason,
            f"ERROR-1 {'EMBED' if module == 'Embedding' else 'NORM'}-2", "repr", "float32",
            module=module, args=args
        )

    def norm(name, reason, shape, value, **more):
        args = {"normalized_shape": shape, **more}
        yield from run(
            f"errors/LayerNorm/{name}", reason, "ERROR-5 NORM-1", "LayerNorm", args,
            {"input": value}, dtypes=("float32",)
        )

    yield from norm("features", "Another number of features.", 3, np.ones((2, 4)))
    yield from norm("rank", "Too few dimensions.", [2, 3], np.ones(3))
    yield from norm("order", "The extents exchanged.", [2, 3], np.ones((3, 2)))
    yield from norm("nothing", "No dimension to normalise.", [], np.ones((2, 3)))
    yield from norm("int64", "Integers beside floats.", 2, integers([[1, 2]]))
    yield from norm("int64-no-affine", "Integers alone.", 2, integers([[1, 2]]), elementwise_affine=False)
    yield from norm("float64", "Two dtypes.", 2, of_dtype([[1.0, 2.0]]))
    for module, args in (("Linear", {"in_features": 2, "out_features": 1}),
                         ("LSTM", {"input_size": 2, "hidden_size": 1})):
        yield from run(
            f"errors/{module}/int64", "A model without the embedding that its integers need.",
            "ERROR-2 TENSOR-7", module, args, {"input": integers([[1, 2]])}, dtypes=("float32",)
        )
