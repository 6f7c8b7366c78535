"""Chapter init: the weights that a seed and a constructor leave, bit for bit."""

from .case import both, golden

# The last two are the ends of what manual_seed takes; JSON numbers cannot hold them.
SEEDS = [0, 1, 42, 1949603856, 4294967295, 9007199254740991, -1]
EXTREME_SEEDS = ["18446744073709551615", "-9223372036854775808"]
SIZES = [1, 2, 3, 5, 8, 16, 17, 31, 32, 33, 63, 64]


def linear(inputs, outputs, **rest):
    return {"in_features": inputs, "out_features": outputs, **rest}


def recurrent(inputs, hidden, **rest):
    """Arguments of RNN, LSTM, GRU, the cells and SimpleRNN."""
    return {"input_size": inputs, "hidden_size": hidden, **rest}


def initial(module, name, reason, clauses, args, seed, **more):
    """What a seed and a constructor leave; other clauses than that of the module's draws."""
    own = "INIT-2" if module == "Linear" else "INIT-1"
    yield from both(
        f"init/{module}/{name}", reason, f"{own} {clauses}", "init", module=module, args=args,
        seed=seed, **more
    )


SMALL = [
    ("Linear", "4-3", linear(4, 3)),
    ("RNN", "2-3", recurrent(2, 3)),
    ("SimpleRNN", "1-5-1", recurrent(1, 5, num_layers=1)),
    ("LSTM", "2-3", recurrent(2, 3)),
    ("LSTM", "2-3-proj-2", recurrent(2, 3, proj_size=2)),
    ("GRU", "2-3", recurrent(2, 3)),
    ("RNNCell", "2-3", recurrent(2, 3)),
    ("LSTMCell", "2-3", recurrent(2, 3)),
    ("GRUCell", "2-3", recurrent(2, 3)),
]


@golden("init/weights.json", "Initial weights of small modules, in full.")
def weights():
    for seed in SEEDS + EXTREME_SEEDS:
        for module, size, args in SMALL:
            reason = f"Seed {seed} and {module}'s own order of draws."
            name = f"{size}/seed-{seed}"
            yield from initial(module, name, reason, "INIT-3 INIT-4 PARAM-1", args, seed)
    shapes = [
        ("Linear", "no-bias", linear(3, 2, bias=False), "Without a bias nothing is drawn for it."),
        ("Linear", "1-1", linear(1, 1), "The smallest layer."),
        ("Linear", "9-1", linear(9, 1), "The bound comes from in_features, for weight and bias."),
        ("RNN", "no-bias", recurrent(2, 3, bias=False), "Without biases, weights alone are drawn."),
        ("RNN", "1-1", recurrent(1, 1), "The smallest layer; its bound is 1."),
        ("RNN", "layers-2", recurrent(2, 3, num_layers=2), "Layer by layer."),
        ("RNN", "bidirectional", recurrent(2, 2, bidirectional=True), "Forward, then reverse."),
        ("RNN", "layers-2-bidirectional-no-bias",
         recurrent(1, 2, num_layers=2, bidirectional=True, bias=False),
         "Layers, then directions; the second layer reads both."),
        ("RNN", "relu-batch-first", recurrent(2, 2, nonlinearity="relu", batch_first=True),
         "Neither the non-linearity nor batch_first changes a draw."),
        ("SimpleRNN", "2-3-2", recurrent(2, 3, num_layers=2), "The layers of rnn, then fc."),
        ("LSTM", "layers-2-bidirectional", recurrent(2, 2, num_layers=2, bidirectional=True),
         "Layers, then directions: the second layer's W_ih is twice as wide."),
        ("LSTM", "layers-2-bidirectional-proj-1",
         recurrent(2, 2, num_layers=2, bidirectional=True, proj_size=1),
         "weight_hr comes after the biases; the bound is the cell's, not the projection's."),
        ("LSTM", "proj-1-no-bias", recurrent(1, 3, proj_size=1, bias=False),
         "Without biases weight_hr comes third."),
        ("LSTM", "no-bias", recurrent(2, 2, bias=False),
         "Without biases, weights alone are drawn."),
        ("LSTM", "1-1", recurrent(1, 1), "The smallest layer: no bias starts at 1, no gate apart."),
        ("GRU", "layers-2-bidirectional", recurrent(2, 2, num_layers=2, bidirectional=True),
         "Layers, then directions: the second layer's W_ih is twice as wide."),
        ("GRU", "no-bias", recurrent(2, 2, bias=False), "Without biases, weights alone are drawn."),
        ("GRU", "1-1", recurrent(1, 1), "The smallest layer; its bound is 1."),
        ("GRU", "dropout-batch-first",
         recurrent(2, 2, num_layers=2, dropout=0.5, batch_first=True),
         "Neither dropout nor batch_first draws anything."),
        ("RNNCell", "relu-no-bias", recurrent(2, 3, nonlinearity="relu", bias=False),
         "Without biases, weights alone are drawn, whatever the non-linearity."),
        ("LSTMCell", "no-bias", recurrent(2, 2, bias=False), "Without biases, weights alone."),
        ("GRUCell", "no-bias", recurrent(2, 2, bias=False), "Without biases, weights alone."),
    ]
    for module, name, args, reason in shapes:
        yield from initial(module, name, reason, "INIT-3 PARAM-1", args, 7)
    for module, size, args in SMALL[:6]:
        for constructions in (2, 3):
            yield from both(
                f"init/{module}/{size}/constructions-{constructions}",
                "The generator goes on where the construction before left it.",
                "INIT-1 INIT-2 INIT-3", "init", module=module, args=args, seed=0,
                constructions=constructions
            )


@golden("init/digests.json", "Initial weights of larger modules, as hashes.")
def digests():
    """Sizes around powers of two, each tensor as a hash of its bytes."""
    reason = "Many draws: the generator's blocks of 624 words are crossed."
    for place, size in enumerate(SIZES):
        other = SIZES[-1 - place]
        cases = [
            ("Linear", f"{size}-{other}", linear(size, other)),
            ("RNN", f"{other}-{size}", recurrent(other, size, num_layers=2)),
            ("SimpleRNN", f"{other}-{size}-1", recurrent(other, size, num_layers=1)),
            ("LSTM", f"{other}-{size}", recurrent(other, size)),
            ("GRU", f"{other}-{size}", recurrent(other, size)),
        ]
        for module, name, args in cases:
            seed = SEEDS[place % len(SEEDS)]
            yield from initial(module, f"{name}/digest", reason, "INIT-3", args, seed, digest=True)
    all_at_once = {"num_layers": 3, "bidirectional": True}
    for place, seed in enumerate(SEEDS):
        reason = "All that adds parameters at once: their order over many draws."
        for module, end, extra in (
            ("RNN", "", {}), ("LSTM", "", {}), ("LSTM", "-proj-5", {"proj_size": 5}),
            ("GRU", "", {})
        ):
            yield from initial(
                module, f"7-16-layers-3-bidirectional{end}/seed-{seed}-digest", reason,
                "INIT-3 INIT-4 PARAM-1", recurrent(7, 16, **all_at_once, **extra), seed, digest=True
            )
        size = (17, 32, 5, 33, 16, 8, 31)[place]
        for module in ("RNNCell", "LSTMCell", "GRUCell"):
            yield from initial(
                module, f"9-{size}/seed-{seed}-digest",
                "A cell's draws, past the generator's first block.", "INIT-3 INIT-4 PARAM-1",
                recurrent(9, size), seed, digest=True
            )
    yield from initial(
        "RNN", "64-64-layers-3-bidirectional/digest", "Everything at once, over a hundred blocks.",
        "INIT-3 PARAM-1", recurrent(64, 64, **all_at_once), 42, digest=True
    )


FUNCTIONS = [
    ("zeros_", {"size": [2, 3]}, "Every element 0, and no draw."),
    ("constant_", {"size": [3], "val": 0.1}, "A number that no dtype holds exactly."),
    ("constant_", {"size": [2, 0], "val": 1.5}, "No element to fill."),
    ("xavier_uniform_", {"size": [4, 4]}, "A square: the bounds are √(6 / 8)."),
    ("xavier_uniform_", {"size": [5, 2]}, "Catches fan in alone."),
    ("xavier_uniform_", {"size": [3, 7], "gain": 5 / 3}, "Tanh's gain, rounded once more."),
    ("xavier_uniform_", {"size": [2, 3, 4]}, "A third dimension counts for both fans."),
    ("xavier_uniform_", {"size": [1, 1]}, "The smallest."),
    ("xavier_uniform_", {"size": [0, 3]}, "No rows, and no draw."),
    ("xavier_uniform_", {"size": [40, 30]}, "Past the generator's first block."),
]


@golden("init/functions.json", "Other initial weights.")
def functions():
    """Other initial weights, bit for bit, and what is drawn after them."""
    for name, args, reason in FUNCTIONS:
        size = "x".join(map(str, args["size"]))
        end = "-gain" if "gain" in args else ""
        for seed in (0, 9):
            yield from both(
                f"init/{name}/{size}{end}-seed-{seed}", reason, "INIT-6 INIT-3", "init",
                function=name, args=args, seed=seed
            )
