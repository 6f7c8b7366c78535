"""Chapter data: the order in which a DataLoader gives items, and what is made of a batch."""

import numpy as np

from .case import Numbers, both, golden, once

ORDERS = [
    ("in-order", {"n": 7, "batch_size": 3}, "In order; two draws are taken all the same."),
    ("one-by-one", {"n": 3}, "The batch size that is not given."),
    ("drop-last", {"n": 7, "batch_size": 3, "drop_last": True}, "A last batch of one is left out."),
    ("whole-drop-last", {"n": 6, "batch_size": 3, "drop_last": True}, "Nothing to leave out."),
    ("all-dropped", {"n": 2, "batch_size": 3, "drop_last": True}, "Fewer items than a batch has."),
    ("larger-batch", {"n": 2, "batch_size": 9}, "One batch of all."),
    ("none", {"n": 0, "batch_size": 2}, "Nothing at all."),
]
SHUFFLED = [
    ("shuffled", {"n": 10, "batch_size": 4}, "Catches another shuffle than randperm's."),
    ("shuffled-whole", {"n": 8, "batch_size": 4}, "Batches that come out even."),
    ("shuffled-drop-last", {"n": 10, "batch_size": 4, "drop_last": True}, "The last batch left out."),
    ("shuffled-one", {"n": 1}, "One item: a permutation without a draw."),
    ("shuffled-long", {"n": 700, "batch_size": 128}, "Past the generator's first block."),
]


def loader(name, reason, clauses, **args):
    """The order in which a DataLoader gives items."""
    yield once(
        f"data/{name}", reason, clauses, "call", "float32", function="DataLoader", args=args
    )


@golden("data/order.json", "The order in which a DataLoader gives items.")
def orders():
    """Orders for seeds, one epoch and three, from a generator that is given and from the default."""
    for name, args, reason in ORDERS:
        yield from loader(f"order/{name}", reason, "DATA-1", **args, seed=3, epochs=2)
    for place, (name, args, reason) in enumerate(SHUFFLED):
        for word, own, more in (
            ("own", {"generator": 5 + place}, "The generator is given."),
            ("default", {}, "The order's seed comes from the default generator."),
        ):
            yield from loader(
                f"order/{name}-{word}", f"{reason} {more}", "DATA-1 INIT-3", **args, **own,
                shuffle=True, seed=11 + place, epochs=3
            )


@golden("data/collate.json", "What is made of a batch.")
def batches():
    """What is made of tensors, numbers and pairs."""
    for place, (name, shape) in enumerate((("1d", (3,)), ("2d", (2, 3)), ("0d", ()))):
        numbers = Numbers(96000 + place)
        tensors = [numbers.decimal(*shape) for _ in range(3)]
        yield from both(
            f"data/collate/tensors-{name}", "Stacked along a new first dimension.", "DATA-2",
            "call", function="default_collate", inputs={"tensors": tensors}
        )
        yield from both(
            f"data/collate/pairs-{name}", "Each place for itself.", "DATA-2", "call",
            function="default_collate", inputs={"tensors": tensors}, args={"numbers": [2, 0, 1]}
        )
    for name, given in (("whole", [3, 1, 2]), ("fractions", [0.5, 1.25, -3.75])):
        yield once(
            f"data/collate/numbers-{name}", "Whole numbers are int64, others float64.", "DATA-2",
            "call", "float64", function="default_collate", args={"numbers": given}
        )


@golden("data/refused.json", "What PyTorch refuses.")
def refused():
    for name, args in (
        ("batch-size-0", {"n": 2, "batch_size": 0}),
        ("batch-size-negative", {"n": 2, "batch_size": -1}),
        ("batch-size-fraction", {"n": 2, "batch_size": 1.5}),
        ("batch-size-true", {"n": 2, "batch_size": True}),
        ("drop-last-number", {"n": 2, "drop_last": 3}),
        ("shuffle-nothing", {"n": 0, "shuffle": True}),
    ):
        reason = "No batches can be made so."
        yield from loader(f"refused/{name}", reason, "DATA-1 ERROR-6", **args, seed=1)
    yield once(
        "data/refused/shapes", "Tensors of two shapes do not stack.", "DATA-2 ERROR-4", "call",
        "float32", function="default_collate", inputs={"tensors": [np.zeros(2), np.zeros(3)]}
    )
