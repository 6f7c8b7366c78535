"""Chapter rnn: the notebook's model."""

from functools import partial

from .case import NAN, Numbers, golden, run, simple_weights, spoiled


def model(name, reason, clauses, args, inputs, state):
    yield from run(f"rnn/{name}", reason, clauses, "SimpleRNN", args, inputs, state)


@golden("rnn/simple.json", "The notebook's SimpleRNN in other sizes.")
def simple():
    sizes = [
        # input, hidden, layers, batch, length
        *((1, 1, 1, 1, 1), (1, 5, 1, 1, 10), (1, 5, 1, 4, 3), (1, 8, 2, 3, 6), (2, 3, 2, 4, 6)),
        *((3, 4, 3, 2, 5), (5, 2, 1, 2, 1), (3, 16, 1, 5, 7), (8, 24, 2, 2, 4), (1, 5, 1, 0, 3)),
    ]
    for place, (width, hidden, layers, batch, length) in enumerate(sizes):
        numbers = Numbers(4000 + place)
        args = {"input_size": width, "hidden_size": hidden, "num_layers": layers}
        yield from model(
            f"simple-{width}-{hidden}-{layers}-batch-{batch}-length-{length}",
            f"The notebook's model: {width} in, {hidden} hidden, {layers} layer(s), "
            f"{batch} row(s), {length} step(s).",
            "FC-1 FC-2 LINEAR-1 RNN-1", args,
            {"input": numbers.decimal(batch, length, width)}, simple_weights(numbers, args)
        )
    numbers = Numbers(4100)
    args = {"input_size": 2, "hidden_size": 4, "num_layers": 2}
    yield from model(
        "simple-full-precision", "Numbers that use every bit of a float32.", "FC-1 NUM-2",
        args, {"input": numbers.full(3, 5, 2)},
        simple_weights(numbers, args, draw=partial(numbers.full, limit=0.5))
    )
    broken = spoiled(numbers.decimal(3, 4, 2), (1, 1, 0), NAN)
    yield from model(
        "simple-nan", "NaN in one row reaches that row's output alone.",
        "FC-1 NUM-4 BATCH-4", args, {"input": broken}, simple_weights(numbers, args)
    )
