"""Chapter rand: numbers straight from the generator, bit for bit."""

from .case import GoldenFile, both
from .init import EXTREME_SEEDS, SEEDS

SHAPES = [
    ("scalar", [], "One number, no dimension."),
    ("empty", [0], "No number at all."),
    ("1", [1], "One number."),
    ("16", [16], "Sixteen: a full vector register, and then some."),
    ("17", [17], "One more than sixteen."),
    ("3-4", [3, 4], "Row-major order."),
    ("2-3-2", [2, 3, 2], "Row-major order in three dimensions."),
    ("700", [700], "Past the 624 words of the generator's state."),
]


def uniform():
    """torch.rand."""
    for seed in SEEDS + EXTREME_SEEDS:
        yield from both(
            f"rand/seed-{seed}",
            f"The first draws after seed {seed}.",
            ["INIT-3", "INIT-4"],
            "rand",
            args={"size": [5]},
            seed=seed,
        )
    for name, size, reason in SHAPES:
        yield from both(
            f"rand/size-{name}", reason, ["INIT-3"], "rand", args={"size": size}, seed=123
        )
    same = "Seeds that differ by 2^32 draw the same: the generator takes 32 bits of them."
    for seed in (4294967296, 4294967297, "18446744073709551614", -4294967296):
        yield from both(
            f"rand/wrapped-seed-{seed}", same, ["INIT-4"], "rand", args={"size": [3]}, seed=seed
        )


FILES = [GoldenFile("rand/uniform.json", "torch.rand after torch.manual_seed.", uniform)]
