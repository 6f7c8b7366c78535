"""Chapters rand, bit for bit, and randn: numbers straight from the generator."""

from .case import both, golden
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


@golden("rand/uniform.json", "torch.rand after torch.manual_seed.")
def uniform():
    for seed in SEEDS + EXTREME_SEEDS:
        yield from both(
            f"rand/seed-{seed}", f"The first draws after seed {seed}.", "INIT-3 INIT-4",
            "rand", args={"size": [5]}, seed=seed
        )
    for name, size, reason in SHAPES:
        yield from both(
            f"rand/size-{name}", reason, "INIT-3", "rand", args={"size": size}, seed=123
        )
    same = "Seeds that differ by 2^32 draw the same: the generator takes 32 bits of them."
    for seed in (4294967296, 4294967297, "18446744073709551614", -4294967296):
        yield from both(
            f"rand/wrapped-seed-{seed}", same, "INIT-4", "rand", args={"size": [3]}, seed=seed
        )


@golden("randn/normal.json", "torch.randn after torch.manual_seed.")
def normal():
    for seed in SEEDS + EXTREME_SEEDS:
        for count in (3, 16):
            yield from both(
                f"randn/seed-{seed}/size-{count}",
                f"The first {count} normal draws after seed {seed}.", "INIT-4 INIT-5", "randn",
                args={"size": [count]}, seed=seed
            )
    for count in range(1, 41):
        reason = "Fewer than sixteen numbers come in pairs, an odd one's twin is not used."
        if count >= 16:
            reason = "From sixteen on they come in blocks."
            if count % 16:
                reason += " The last sixteen are drawn anew where a block is not full."
        yield from both(
            f"randn/size-{count}", reason, "INIT-5", "randn", args={"size": [count]}, seed=123
        )
    for name, size, reason in SHAPES:
        if len(size) != 1 or size[0] in (0, 700):
            yield from both(
                f"randn/size-{name}", reason, "INIT-5", "randn", args={"size": size}, seed=321
            )
