"""Chapter onnx: ONNX's operators RNN, LSTM and GRU, with all that their attributes can say."""

from itertools import combinations, product

from .case import Numbers, golden, once
from .execute import OPERATIONS
from .onnx_exact import ACTIVATIONS, DEFAULTS, GATES, node

OPERATIONS["node"] = node

CLAUSES = {"RNN": "ONNX-4", "LSTM": "ONNX-5", "GRU": "ONNX-6"}
# Numbers for the activations that take them; others than the defaults.
NUMBERS = {
    "Affine": ([0.75], [0.25]),
    "LeakyRelu": ([0.25], []),
    "ThresholdedRelu": ([0.3], []),
    "ScaledTanh": ([1.5], [0.5]),
    "HardSigmoid": ([0.3], [0.4]),
    "Elu": ([0.5], []),
}


def inputs_of(numbers, kind, directions, batch_first, wanted):
    """The tensors of a node: those that are always there, and those that are wanted."""
    length, batch, width, size = 4, 3, 2, 3
    rows = GATES[kind] * size
    sequence = (batch, length) if batch_first else (length, batch)
    state = (batch, directions, size) if batch_first else (directions, batch, size)
    # All are drawn, whatever is wanted, so that cases differ in nothing else.
    drawn = {
        "X": numbers.decimal(*sequence, width, limit=1.5),
        "W": numbers.decimal(directions, rows, width), "R": numbers.decimal(directions, rows, size),
        "B": numbers.decimal(directions, 2 * rows), "sequence_lens": [3, 1, 4],
        "initial_h": numbers.decimal(*state), "initial_c": numbers.decimal(*state),
        "P": numbers.decimal(directions, 3 * size)
    }
    if kind != "LSTM":
        wanted = wanted - {"initial_c", "P"}
    return {k: v for k, v in drawn.items() if k in {"X", "W", "R"} | wanted}


def both(name, reason, clauses, kind, args, inputs, opset):
    """The same node in float32 and in float64."""
    for dtype in ("float32", "float64"):
        yield once(
            f"onnx/{name}/{dtype}", reason, clauses, "node", dtype, module=kind,
            args={"hidden_size": 3, **args}, opset=opset, inputs=inputs
        )


def with_numbers(names):
    """The activations, and the lists of the numbers that they take."""
    alphas = [x for name in names for x in NUMBERS.get(name, ([], []))[0]]
    betas = [x for name in names for x in NUMBERS.get(name, ([], []))[1]]
    return {
        "activations": names,
        **({"activation_alpha": alphas} if alphas else {}),
        **({"activation_beta": betas} if betas else {}),
    }


@golden("onnx/activations.json", "ONNX's operators: every activation in every place.")
def activation_cases():
    """Every activation in every place, with its own numbers and with the defaults."""
    seed = 70000
    for kind, usual in DEFAULTS.items():
        for place, name in product(range(len(usual)), ACTIVATIONS):
            names = [*usual[:place], name, *usual[place + 1 :]]
            seed += 1
            inputs = inputs_of(Numbers(seed), kind, 1, False, {"B", "initial_h", "initial_c"})
            gate = "fgh"[place]
            yield from both(
                f"{kind}/{gate}-{name}", f"The activation {name} as {gate}.",
                f"ONNX-7 {CLAUSES[kind]}", kind, with_numbers(names), inputs, 22
            )
            # Affine and ScaledTanh have no defaults; ONNX Runtime has another of ThresholdedRelu.
            if name in ("LeakyRelu", "HardSigmoid", "Elu"):
                yield from both(
                    f"{kind}/{gate}-{name}-defaults",
                    f"The activation {name} as {gate}, alpha and beta left out.",
                    "ONNX-7", kind, {"activations": names}, inputs, 22
                )


@golden("onnx/numbers.json", "ONNX's operators: whose alpha and beta is whose.")
def several_cases():
    """Several activations that take numbers: each takes its own, in the order of the list."""
    chosen = [
        ("RNN", ["LeakyRelu", "ScaledTanh"]),
        ("GRU", ["HardSigmoid", "Elu", "Sigmoid", "ScaledTanh"]),
        ("GRU", ["Sigmoid", "LeakyRelu", "HardSigmoid", "Affine"]),
        ("LSTM", ["HardSigmoid", "Tanh", "Affine", "Sigmoid", "ScaledTanh", "Softsign"]),
        ("LSTM", ["HardSigmoid", "Elu", "LeakyRelu", "HardSigmoid", "Affine", "ScaledTanh"]),
    ]
    for k, (kind, names) in enumerate(chosen):
        inputs = inputs_of(Numbers(70200 + k), kind, 2, False, {"B", "sequence_lens"})
        told = with_numbers(names)
        # Another number for each that takes one: only the right order gives these outputs.
        for word in ("activation_alpha", "activation_beta"):
            if word in told:
                told[word] = [x + 0.125 * place for place, x in enumerate(told[word])]
        yield from both(
            f"{kind}/numbers-in-turn-{k}", "Each activation takes its own alpha and beta.",
            "ONNX-7 ONNX-9", kind, {"direction": "bidirectional", **told}, inputs, 22
        )
        if k % 2 == 0:
            short = {key: value[:1] if "_" in key else value for key, value in told.items()}
            if all(NUMBERS.get(name, ([], []))[1] == [] for name in names[1:]):
                yield from both(
                    f"{kind}/numbers-run-out-{k}", "Those that find no number left take the default.",
                    "ONNX-7", kind, {"direction": "bidirectional", **short}, inputs, 22
                )


# What a node may say, each with what it may say of it; all pairs are covered.
FACTORS = {
    "direction": [None, "reverse", "bidirectional"],
    "opset": [22, 14, 7, 3],
    "layout": [0, 1],
    "B": [True, False],
    "sequence_lens": [False, True],
    "initial_h": [False, True],
    "activations": [None, "others"],
    "clip": [False, True],
}
OWN = {
    "RNN": {},
    "GRU": {"linear_before_reset": [None, 1, 0]},
    "LSTM": {"initial_c": [False, True], "P": [False, True], "input_forget": [None, 1]},
}
# ONNX Runtime does not clip what h reads (onnxruntime#27224), so that |c| has to stay below.
CLIPS = {"RNN": 0.5, "GRU": 0.5, "LSTM": 1.5}
OTHERS = {
    "RNN": ["Softsign"], "GRU": ["HardSigmoid", "Softsign"], "LSTM": ["HardSigmoid", "Softsign", "Elu"]
}


def allowed(chosen):
    """Opset 14 brought the layout."""
    return not (chosen.get("layout") == 1 and chosen.get("opset", 22) < 14)


def pairs_of(chosen):
    """The pairs that a choice covers."""
    return set(combinations(sorted((k, repr(v)) for k, v in chosen.items()), 2))


def all_pairs(factors):
    """Choices, each made greedily, until every allowed pair is in one of them."""
    left = set()
    for (a, xs), (b, ys) in combinations(factors.items(), 2):
        left |= {
            tuple(sorted([(a, repr(x)), (b, repr(y))]))
            for x, y in product(xs, ys)
            if allowed({a: x, b: y})
        }
    values = {(k, repr(v)): v for k, choices in factors.items() for v in choices}
    while left:
        first = min(left)
        chosen = {key: values[key, text] for key, text in first}
        for name, choices in factors.items():
            if name in chosen:
                continue
            options = [x for x in choices if allowed({**chosen, name: x})]
            chosen[name] = max(options, key=lambda x: len(pairs_of({**chosen, name: x}) & left))
        left -= pairs_of(chosen)
        yield chosen


def clauses_of(kind, chosen):
    """The clauses of a choice."""
    turned = chosen["direction"] or chosen["layout"] or chosen["sequence_lens"]
    more = {" ONNX-7": chosen["activations"], " ONNX-8": chosen["clip"], " ONNX-9": turned}
    return f"{CLAUSES[kind]} ONNX-3" + "".join(clause for clause, bears in more.items() if bears)


@golden("onnx/pairs.json", "ONNX's operators: every pair of features.")
def pair_cases():
    seed = 70400
    for kind, own in OWN.items():
        for k, chosen in enumerate(all_pairs({**FACTORS, **own})):
            seed += 1
            directions = 2 if chosen["direction"] == "bidirectional" else 1
            wanted = {name for name in ("B", "sequence_lens", "initial_h", "initial_c", "P")
                      if chosen.get(name)}
            inputs = inputs_of(Numbers(seed), kind, directions, chosen["layout"], wanted)
            args = {
                name: chosen[name]
                for name in ("direction", "linear_before_reset", "input_forget")
                if chosen.get(name) is not None
            }
            if chosen["layout"]:
                args["layout"] = 1
            if chosen["clip"]:
                args["clip"] = CLIPS[kind]
            if chosen["activations"]:
                args |= with_numbers(OTHERS[kind] * directions)
            told = [name for name in ("direction", "clip", "layout") if name in args]
            reason = "All pairs of features: " + ", ".join(
                sorted([*wanted, *told, *[n for n in args if n in ("input_forget",
                        "linear_before_reset")], f"opset {chosen['opset']}"])
            ) + "."
            yield from both(f"{kind}/pairs-{k}", reason, clauses_of(kind, chosen), kind, args, inputs,
                            chosen["opset"])


@golden("onnx/single.json", "ONNX's operators: single features.")
def single_cases():
    """What stands alone: an old file's attribute, hidden_size left out, an RNN's list of two, bounds."""
    inputs = inputs_of(Numbers(70800), "LSTM", 1, False, {"B", "P", "initial_c"})
    yield from both("LSTM/output-sequence", "Opset 1 has an attribute that later ones have not.",
                    "ONNX-3", "LSTM", {"output_sequence": 1}, inputs, 1)
    inputs = inputs_of(Numbers(70801), "RNN", 1, False, {"B"})
    yield from both("RNN/two-activations", "An RNN's own default is a list of two.",
                    "ONNX-3", "RNN", {"activations": ["Relu", "Tanh"]}, inputs, 22)
    for k, (kind, clip) in enumerate(product(GATES, (0.05, 1.0, 3.0))):
        if kind == "LSTM" and clip < 1:
            continue
        inputs = inputs_of(Numbers(70810 + k), kind, 1, False, {"B", "P", "initial_c", "initial_h"})
        yield from both(f"{kind}/clip-{clip}", "A clip that binds everywhere, or hardly anywhere.",
                        "ONNX-8", kind, {"clip": clip}, inputs, 22)
    for k, kind in enumerate(GATES):
        inputs = inputs_of(Numbers(70820 + k), kind, 2, False, {"B", "initial_h", "initial_c", "P"})
        yield from both(f"{kind}/bidirectional", "Both directions, each with all weights of its own.",
                        "ONNX-9", kind, {"direction": "bidirectional"}, inputs, 22)
