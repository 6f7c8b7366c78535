"""Chapter dropout: what of it is certain, that is in evaluation, at p = 0 and at p = 1."""

import numpy as np

from .case import INF, NAN, Numbers, golden, rnn_weights, run
from .family import clauses_of, forward, initial
from .pack import KINDS


def dropout(name, reason, clauses, args, value, training):
    yield from run(
        f"dropout/{name}", reason, clauses, "Dropout", args, {"input": value}, training=training
    )


@golden("dropout/modules.json", "Dropout.")
def modules():
    numbers = Numbers(60000)
    for name, shape in (("scalar", ()), ("vector", (4,)), ("batch", (2, 3, 2)), ("empty", (0, 3))):
        value = numbers.decimal(*shape)
        for p, words in ((None, "p-default"), (0, "p-0"), (0.3, "p-0.3"), (1, "p-1")):
            args = {} if p is None else {"p": p}
            reason = "Evaluation changes nothing: no zeroing, and no scaling by 1 - p."
            yield from dropout(f"module/{name}-eval-{words}", reason, "DROP-1", args, value, False)
        reason = "p = 0 zeroes nothing, and scales by 1."
        yield from dropout(f"module/{name}-train-p-0", reason, "DROP-3", {"p": 0}, value, True)
        reason = "p = 1 zeroes everything: 1 / (1 - p) may not make NaN of it."
        yield from dropout(f"module/{name}-train-p-1", reason, "DROP-3", {"p": 1}, value, True)
    value = np.array([NAN, INF, -INF, 0.0, -0.0, 1.5])
    reason = "Evaluation hands on what is not finite."
    yield from dropout("module/specials-eval", reason, "DROP-1 NUM-4", {"p": 0.5}, value, False)
    reason = "p = 0 in training does, too."
    yield from dropout("module/specials-train-p-0", reason, "DROP-3 NUM-4", {"p": 0}, value, True)
    reason = "p = 1 is a product with zero: NaN and infinity become NaN."
    yield from dropout("module/specials-train-p-1", reason, "DROP-3 NUM-4", {"p": 1}, value, True)


@golden("dropout/sequences.json", "RNN, LSTM and GRU with dropout.")
def sequences():
    last = "p = 1 in training: upper layers read zeros, and what the last one says is left alone."
    cases = [
        ("eval", "Evaluation: dropout does nothing.", "DROP-1", 0.5, 2, False, {}),
        ("eval-p-1", "Evaluation, even at p = 1.", "DROP-1", 1, 2, False, {}),
        ("train-p-0", "Training at p = 0: the same as evaluation.", "DROP-2", 0, 2, True, {}),
        ("train-p-1", last, "DROP-2 DROP-3", 1, 2, True, {}),
        ("train-p-1-layers-3",
         "p = 1 in training with three layers: between any two, and in no other place.",
         "DROP-2 DROP-3", 1, 3, True, {}),
        ("train-p-1-bidirectional",
         "p = 1 in training: both halves of a layer's output are dropped.", "DROP-2 STACK-4", 1, 2,
         True, {"bidirectional": True, "batch_first": True}),
        ("train-p-1-one-layer", "One layer has nothing between: dropout warns and does nothing.",
         "DROP-2 DROP-4", 1, 1, True, {}),
        ("train-p-1-no-bias",
         "Upper layers without biases and without a state see nothing, and say zero.",
         "DROP-2 STACK-7", 1, 2, True, {"bias": False}),
    ]
    for place, (word, kind, extra) in enumerate(KINDS):
        asked = kind._replace(chapter="dropout")
        for turn, (name, reason, clauses, p, layers, training, more) in enumerate(cases):
            numbers = Numbers(61000 + 100 * place + turn)
            args = {"input_size": 2, "hidden_size": 3, **extra, "dropout": p, **more}
            if layers > 1:
                args["num_layers"] = layers
            state = rnn_weights(numbers, args, kind.module)
            inputs = {"input": numbers.decimal(3, 2, 2)}
            if "bias" not in more:
                inputs |= initial(kind, numbers, args, 3 if "batch_first" in more else 2)
            bears = f"{clauses} {clauses_of(kind, args)}"
            yield from forward(
                asked, f"{word}/{name}", reason, bears, args, inputs, state, training
            )
        numbers = Numbers(62000 + place)
        args = {"input_size": 2, "hidden_size": 3, **extra, "num_layers": 2, "dropout": 1}
        yield from forward(
            asked, f"{word}/train-p-1-packed",
            "p = 1 in training on a packed batch: between the layers, there too.",
            "DROP-2 PACK-4", args, {"input": numbers.decimal(4, 3, 2), "lengths": [2, 4, 1]},
            rnn_weights(numbers, args, kind.module), True
        )
