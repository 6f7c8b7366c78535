"""Chapter notebook: the notebook, run from its text, and each of its steps as a case."""

import numpy as np

from . import exact
from .case import both, golden, once, run

SEED = 1949603856
MODEL = {"input_size": 1, "hidden_size": 5, "num_layers": 1}
SIZES = {"input_dim": 1, "hidden_dim": 5, "layer_dim": 1, "batch_size": 1, "seq_len": 10}


# The weights that the seed, after two constructions, gives: case notebook/init/float32 holds them, too.
WEIGHTS = {
    "rnn.weight_ih_l0": [[0.26481923], [-0.16075982], [-0.37912875], [0.31207135], [0.4404599]],
    "rnn.weight_hh_l0": [
        [0.27730778, -0.13117005, 0.098066114, -0.37453502, 0.058388066],
        [-0.16988695, 0.40857098, -0.42647532, -0.42379832, -0.054376334],
        [-0.3237683, -0.41565683, -0.055635672, -0.17072959, -0.055201657],
        [-0.25378567, 0.2906289, 0.04694592, 0.21969491, -0.16314292],
        [0.21617952, -0.34087935, 0.22590679, -0.12977482, -0.33425188],
    ],
    "rnn.bias_ih_l0": [0.3093668, -0.02217268, 0.055907883, 0.08215285, -0.3123389],
    "rnn.bias_hh_l0": [-0.3931874, -0.031289622, 0.023678211, 0.29746637, -0.34126467],
    "fc.weight": [[0.07301246, 0.41272354, 0.37147528, 0.084042445, -0.18470944]],
    "fc.bias": [-0.10381571],
}


def weights():
    """The notebook's weights, and those of its recurrent layer."""
    state = {k: np.array(v, np.float32).astype(np.float64) for k, v in WEIGHTS.items()}
    return state, {k.removeprefix("rnn."): v for k, v in state.items() if k.startswith("rnn.")}


def sine(length):
    """The notebook's input: sin over `length` points from 0 to pi, rounded to float32."""
    return exact.sines(np.linspace(0, np.pi, length)).reshape(1, length, 1)


@golden("notebook/printed.json", "All that the notebook's cells print.")
def printed():
    """The whole printed output, for the notebook's seed and for others."""
    yield once(
        "notebook/printed", "Every line that the notebook printed, from a seed alone.",
        "FC-1 FC-2 FC-3 PRINT-1 PRINT-4 PRINT-5 PRINT-6 INIT-1 INIT-2",
        "notebook", args=SIZES, seed=SEED, constructions=2
    )
    variants = [
        ("first-construction", "The model that the first run of the cell made.", {}, SEED, 1),
        ("seed-0", "Another seed changes the numbers and nothing else.", {}, 0, 1),
        ("seed-42", "Another seed again.", {}, 42, 1),
        ("hidden-3", "A narrower model.", {"hidden_dim": 3}, 1, 1),
        ("hidden-12", "A model whose printed activity needs two lines.", {"hidden_dim": 12}, 2, 1),
        ("layers-2", "Two layers: the repr names them and h_n has two rows.", {"layer_dim": 2}, 3,
         1),
        ("length-5", "The sine in five steps.", {"seq_len": 5}, 4, 1),
        ("length-3", "Fewer steps than the notebook's sample shows.", {"seq_len": 3}, 5, 3),
    ]
    for name, reason, changes, seed, constructions in variants:
        sizes = {**SIZES, **changes}
        yield once(
            f"notebook/printed-{name}", reason, "FC-1 FC-2 PRINT-1 PRINT-4 PRINT-5 PRINT-6",
            "notebook", args=sizes, seed=seed, constructions=constructions
        )


@golden("notebook/steps.json", "The notebook's weights and forward passes.")
def steps():
    yield from both(
        "notebook/init", "The notebook's weights: its model cell ran twice after the seed.",
        "FC-3 INIT-1 INIT-2 PARAM-1", "init", module="SimpleRNN", args=MODEL, seed=SEED,
        constructions=2
    )
    state, recurrent = weights()
    yield from run(
        "notebook/forward", "The notebook's model on the notebook's sine.",
        "FC-1 FC-3 RNN-1 LINEAR-1", "SimpleRNN", MODEL, {"input": sine(10)}, state, training=True
    )
    yield from run(
        "notebook/rnn",
        "The recurrent layer alone with a state of zeros, as the notebook inspects it.",
        "FC-1 RNN-1 STACK-1 STACK-6 BATCH-1", "RNN", {**MODEL, "batch_first": True},
        {"input": sine(10), "h_0": np.zeros((1, 1, 5))}, recurrent, training=True
    )
    for length in (1, 2, 3, 5, 20, 50):
        yield from run(
            f"notebook/forward-length-{length}", f"The same model on a sine of {length} steps.",
            "FC-1 RNN-1 STACK-1", "SimpleRNN", MODEL, {"input": sine(length)}, state, training=True
        )


@golden("notebook/print.json", "The notebook's tensors, printed.")
def prints():
    """The tensors that the notebook prints, and those it could."""
    state, recurrent = weights()
    output = exact.outputs(MODEL, recurrent, sine(10))
    fc = {k.removeprefix("fc."): v for k, v in state.items() if k.startswith("fc.")}
    final = exact.linear(fc, output[:, -1])
    cases = [
        ("input-sample", "The sample of the input.", sine(10)[0, :5, 0], {}),
        ("input", "The whole input: one column.", sine(10), {}),
        ("last-hidden", "The last hidden activity: its grad_fn wraps.", output[0, -1],
         "SelectBackward0"),
        ("last-hidden-batch", "The same with its batch dimension.", output[:, -1],
         "SelectBackward0"),
        ("output", "All hidden activities.", output, "TransposeBackward1"),
        ("final", "The model's output.", final, "AddmmBackward0"),
        ("weight-hh", "A parameter's values.", state["rnn.weight_hh_l0"], {"requires_grad": True}),
        ("fc-bias", "A single parameter.", state["fc.bias"], {"requires_grad": True}),
    ]
    for name, reason, value, how in cases:
        yield from both(
            f"notebook/print-{name}", reason, "PRINT-1 PRINT-2 PRINT-4", "print",
            args={"grad_fn": how} if isinstance(how, str) else how, inputs={"input": value}
        )
