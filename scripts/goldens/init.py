"""Chapter init: the weights that a seed and a constructor leave, bit for bit."""

from .case import GoldenFile, both

# The last two are the ends of what manual_seed takes; JSON numbers cannot hold them.
SEEDS = [0, 1, 42, 1949603856, 4294967295, 9007199254740991, -1]
EXTREME_SEEDS = ["18446744073709551615", "-9223372036854775808"]
SIZES = [1, 2, 3, 5, 8, 16, 17, 31, 32, 33, 63, 64]


def linear(inputs, outputs, **rest):
    """Arguments of Linear."""
    return {"in_features": inputs, "out_features": outputs, **rest}


def recurrent(inputs, hidden, **rest):
    """Arguments of RNN."""
    return {"input_size": inputs, "hidden_size": hidden, **rest}


def simple(inputs, hidden, layers):
    """Arguments of SimpleRNN."""
    return {"input_size": inputs, "hidden_size": hidden, "num_layers": layers}


SMALL = [
    ("Linear", "4-3", linear(4, 3)),
    ("RNN", "2-3", recurrent(2, 3)),
    ("SimpleRNN", "1-5-1", simple(1, 5, 1)),
]


def weights():
    """Small modules, every weight written out."""
    for seed in SEEDS + EXTREME_SEEDS:
        for module, size, args in SMALL:
            yield from both(
                f"init/{module}/{size}/seed-{seed}",
                f"Seed {seed} and {module}'s own order of draws.",
                ["INIT-2" if module == "Linear" else "INIT-1", "INIT-3", "INIT-4", "PARAM-1"],
                "init",
                module=module,
                args=args,
                seed=seed,
            )
    shapes = [
        ("Linear", "no-bias", linear(3, 2, bias=False), "Without a bias nothing is drawn for it."),
        ("Linear", "1-1", linear(1, 1), "The smallest layer."),
        ("Linear", "9-1", linear(9, 1), "The bound comes from in_features, for weight and bias."),
        ("RNN", "no-bias", recurrent(2, 3, bias=False), "Without biases, weights alone are drawn."),
        ("RNN", "1-1", recurrent(1, 1), "The smallest layer; its bound is 1."),
        ("RNN", "layers-2", recurrent(2, 3, num_layers=2), "Layer by layer."),
        ("RNN", "bidirectional", recurrent(2, 2, bidirectional=True), "Forward, then reverse."),
        (
            "RNN",
            "layers-2-bidirectional-no-bias",
            recurrent(1, 2, num_layers=2, bidirectional=True, bias=False),
            "Layers, then directions; the second layer reads both.",
        ),
        (
            "RNN",
            "relu-batch-first",
            recurrent(2, 2, nonlinearity="relu", batch_first=True),
            "Neither the non-linearity nor batch_first changes a draw.",
        ),
        ("SimpleRNN", "2-3-2", simple(2, 3, 2), "The layers of rnn, then fc."),
    ]
    for module, name, args, reason in shapes:
        yield from both(
            f"init/{module}/{name}",
            reason,
            ["INIT-2" if module == "Linear" else "INIT-1", "INIT-3", "PARAM-1"],
            "init",
            module=module,
            args=args,
            seed=7,
        )
    for module, size, args in SMALL:
        for constructions in (2, 3):
            yield from both(
                f"init/{module}/{size}/constructions-{constructions}",
                "The generator goes on where the construction before left it.",
                ["INIT-1", "INIT-2", "INIT-3"],
                "init",
                module=module,
                args=args,
                seed=0,
                constructions=constructions,
            )


def digests():
    """Sizes around powers of two, each tensor as a hash of its bytes."""
    reason = "Many draws: the generator's blocks of 624 words are crossed."
    for place, size in enumerate(SIZES):
        other = SIZES[-1 - place]
        cases = [
            ("Linear", f"{size}-{other}", linear(size, other)),
            ("RNN", f"{other}-{size}", recurrent(other, size, num_layers=2)),
            ("SimpleRNN", f"{other}-{size}-1", simple(other, size, 1)),
        ]
        for module, name, args in cases:
            yield from both(
                f"init/{module}/{name}/digest",
                reason,
                ["INIT-2" if module == "Linear" else "INIT-1", "INIT-3"],
                "init",
                module=module,
                args=args,
                seed=SEEDS[place % len(SEEDS)],
                digest=True,
            )
    yield from both(
        "init/RNN/64-64-layers-3-bidirectional/digest",
        "Everything at once.",
        ["INIT-1", "INIT-3", "PARAM-1"],
        "init",
        module="RNN",
        args=recurrent(64, 64, num_layers=3, bidirectional=True),
        seed=42,
        digest=True,
    )


FILES = [
    GoldenFile("init/weights.json", "Initial weights of small modules, in full.", weights),
    GoldenFile("init/digests.json", "Initial weights of larger modules, as hashes.", digests),
]
