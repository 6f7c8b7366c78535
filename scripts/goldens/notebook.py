"""Chapter notebook: the notebook, run from its text, and each of its steps as a case."""

import json

import numpy as np

from . import notebook_text
from .case import Case, GoldenFile, both, request
from .encode import encode
from .execute import execute

SEED = 1949603856
MODEL = {"input_size": 1, "hidden_size": 5, "num_layers": 1}
SIZES = {"input_dim": 1, "hidden_dim": 5, "layer_dim": 1, "batch_size": 1, "seq_len": 10}


def rounded(values):
    """`values` as float32 holds them, in float64."""
    return values.astype(np.float32).astype(np.float64)


def sine(length):
    """The notebook's input: sin over `length` points from 0 to pi, rounded to float32."""
    return rounded(np.sin(np.linspace(0, np.pi, length))).reshape(1, length, 1)


def answer(ask):
    """What PyTorch answers to a request, given as JSON would carry it."""
    return execute(json.loads(encode(ask)))


def weights(seed=SEED, constructions=2, args=MODEL):
    """The float32 weights of a model as the notebook makes it, widened to float64."""
    ask = request("init", "float32", "SimpleRNN", args, seed=seed, constructions=constructions)
    return {k: v.astype(np.float64) for k, v in answer(ask)["state_dict"].items()}


def printed_as_in_the_notebook(ask):
    """Assert that running the notebook prints what its text shows under each cell."""
    shown = [cell.output for cell in notebook_text.cells() if cell.output]
    text = answer(ask)["print"]
    for output in shown:
        start = text.find(output + "\n")
        assert start >= 0, f"the notebook shows this, PyTorch printed something else:\n{output}"
        assert text[:start].strip("\n") == "", f"printed but not shown:\n{text[:start]}"
        text = text[start + len(output) + 1 :]
    assert text == "", f"printed but not shown:\n{text}"


def printed():
    """The whole printed output, for the notebook's seed and for others."""
    ask = request("notebook", args=SIZES, seed=SEED, constructions=2)
    printed_as_in_the_notebook(ask)
    yield Case(
        "notebook/printed",
        "Every line that the notebook printed, from a seed alone.",
        ["FC-1", "FC-2", "FC-3", "PRINT-1", "PRINT-4", "PRINT-5", "PRINT-6", "INIT-1", "INIT-2"],
        ask,
    )
    variants = [
        ("first-construction", "The model that the first run of the cell made.", {}, SEED, 1),
        ("seed-0", "Another seed changes the numbers and nothing else.", {}, 0, 1),
        ("seed-42", "Another seed again.", {}, 42, 1),
        ("hidden-3", "A narrower model.", {"hidden_dim": 3}, 1, 1),
        ("hidden-12", "A model whose printed activity needs two lines.", {"hidden_dim": 12}, 2, 1),
        (
            "layers-2",
            "Two layers: the repr names them and h_n has two rows.",
            {"layer_dim": 2},
            3,
            1,
        ),
        ("length-5", "The sine in five steps.", {"seq_len": 5}, 4, 1),
        ("length-3", "Fewer steps than the notebook's sample shows.", {"seq_len": 3}, 5, 3),
    ]
    for name, reason, changes, seed, constructions in variants:
        sizes = {**SIZES, **changes}
        yield Case(
            f"notebook/printed-{name}",
            reason,
            ["FC-1", "FC-2", "PRINT-1", "PRINT-4", "PRINT-5", "PRINT-6"],
            request("notebook", args=sizes, seed=seed, constructions=constructions),
        )


def steps():
    """The steps between the seed and the printed numbers."""
    yield from both(
        "notebook/init",
        "The notebook's weights: its model cell ran twice after the seed.",
        ["FC-3", "INIT-1", "INIT-2", "PARAM-1"],
        "init",
        module="SimpleRNN",
        args=MODEL,
        seed=SEED,
        constructions=2,
    )
    state = weights()
    yield from both(
        "notebook/forward",
        "The notebook's model on the notebook's sine.",
        ["FC-1", "FC-3", "RNN-1", "LINEAR-1"],
        "forward",
        module="SimpleRNN",
        args=MODEL,
        training=True,
        state_dict=state,
        inputs={"input": sine(10)},
    )
    recurrent = {k[4:]: v for k, v in state.items() if k.startswith("rnn.")}
    yield from both(
        "notebook/rnn",
        "The recurrent layer alone with a state of zeros, as the notebook inspects it.",
        ["FC-1", "RNN-1", "STACK-1", "STACK-6", "BATCH-1"],
        "forward",
        module="RNN",
        args={**MODEL, "batch_first": True},
        training=True,
        state_dict=recurrent,
        inputs={"input": sine(10), "h_0": np.zeros((1, 1, 5))},
    )
    for length in (1, 2, 3, 5, 20, 50):
        yield from both(
            f"notebook/forward-length-{length}",
            f"The same model on a sine of {length} steps.",
            ["FC-1", "RNN-1", "STACK-1"],
            "forward",
            module="SimpleRNN",
            args=MODEL,
            training=True,
            state_dict=state,
            inputs={"input": sine(length)},
        )


def prints():
    """The tensors that the notebook prints, and those it could."""
    state = weights()
    recurrent = {k[4:]: v for k, v in state.items() if k.startswith("rnn.")}
    args = {**MODEL, "batch_first": True}
    # Through float64, so that the last bit does not depend on the version that computes them.
    ask = request(
        "forward", "float64", "RNN", args, state_dict=recurrent, inputs={"input": sine(10)}
    )
    output = rounded(answer(ask)["outputs"]["output"])
    ask = request(
        "forward", "float64", "SimpleRNN", MODEL, state_dict=state, inputs={"input": sine(10)}
    )
    final = rounded(answer(ask)["outputs"]["output"])
    cases = [
        ("input-sample", "The sample of the input.", sine(10)[0, :5, 0], {}),
        ("input", "The whole input: one column.", sine(10), {}),
        (
            "last-hidden",
            "The last hidden activity: its grad_fn wraps.",
            output[0, -1],
            "SelectBackward0",
        ),
        (
            "last-hidden-batch",
            "The same with its batch dimension.",
            output[:, -1],
            "SelectBackward0",
        ),
        ("output", "All hidden activities.", output, "TransposeBackward1"),
        ("final", "The model's output.", final, "AddmmBackward0"),
        ("weight-hh", "A parameter's values.", state["rnn.weight_hh_l0"], {"requires_grad": True}),
        ("fc-bias", "A single parameter.", state["fc.bias"], {"requires_grad": True}),
    ]
    for name, reason, value, how in cases:
        yield from both(
            f"notebook/print-{name}",
            reason,
            ["PRINT-1", "PRINT-2", "PRINT-4"],
            "print",
            args={"grad_fn": how} if isinstance(how, str) else how,
            inputs={"input": value},
        )


FILES = [
    GoldenFile("notebook/printed.json", "All that the notebook's cells print.", printed),
    GoldenFile("notebook/steps.json", "The notebook's weights and forward passes.", steps),
    GoldenFile("notebook/print.json", "The notebook's tensors, printed.", prints),
]
