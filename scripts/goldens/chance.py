"""Chapter chance: whole numbers, permutations and categories from the generator, bit for bit."""

import struct

import numpy as np

from .case import INF, NAN, both, golden, once

SEEDS = [0, 1, 42, 4294967295]


def case(id, reason, clauses, function, args, seed=0, **inputs):
    """One call that has nothing of the request's dtype."""
    yield once(
        id, reason, clauses, "call", "float32", function=function, args=args, seed=seed,
        inputs=inputs or None
    )


def drawn(name, reason, clause, args, seed=0):
    """One draw, and what comes next; its name begins with that of the function."""
    function = name.split("/")[0]
    yield from case(f"chance/{name}", reason, clause, function, args, seed)


@golden("chance/randint.json", "torch.randint after torch.manual_seed.")
def integers():
    reason = "The remainder of one draw; from 2^28 numbers on, of two."
    ranges = [
        (0, 1), (0, 2), (0, 10), (-5, 5), (-100, -99), (0, 2**28 - 1), (0, 2**28), (1, 2**28 + 1),
        (0, 2**31), (0, 2**32), (-(2**40), 2**40), (0, 2**53 - 1), (-(2**53) + 1, 2**53 - 1),
    ]
    for low, high in ranges:
        args = {"low": low, "high": high, "size": [6]}
        yield from drawn(f"randint/{low}-{high}", reason, "INIT-7", args)
    for size in ([], [0], [1], [3, 4], [2, 3, 2], [2, 0, 3], [700]):
        args = {"low": 0, "high": 1000, "size": size}
        name = "x".join(map(str, size)) or "scalar"
        yield from drawn(f"randint/size-{name}", "Row-major.", "INIT-7", args, 123)
    for seed in SEEDS:
        args = {"low": 0, "high": 50, "size": [5]}
        yield from drawn(f"randint/seed-{seed}", "The first draws.", "INIT-7", args, seed)


@golden("chance/randperm.json", "torch.randperm after torch.manual_seed.")
def permutations():
    for n in (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 100, 623, 624, 625, 626, 1000):
        reason = "One draw less than there are numbers." if n < 623 else "Over the generator's blocks."
        yield from drawn(f"randperm/{n}", reason, "INIT-8", {"n": n})
    for seed in SEEDS:
        yield from drawn(
            f"randperm/seed-{seed}", "The order of a shuffle.", "INIT-8", {"n": 12}, seed
        )


@golden("chance/multinomial.json", "torch.multinomial after torch.manual_seed.")
def categories():
    rows = np.array([[1.0, 2.0, 3.0, 4.0], [0.5, 0.0, 0.25, 0.25]])
    many = ((np.arange(40.0) * 7) % 11 + 1) / 8
    cases = [
        ("one", rows[0], {"num_samples": 1}, "One category."),
        ("one-replaced", rows[0], {"num_samples": 1, "replacement": True},
         "With one to draw, replacement does not matter, nor does it change the draws."),
        ("all", rows[0], {"num_samples": 4}, "All, in the order drawn."),
        ("some", rows[0], {"num_samples": 2}, "Nothing twice."),
        ("rows", rows, {"num_samples": 3}, "Row by row; what has no probability is not drawn."),
        ("rows-one", rows, {"num_samples": 1}, "One from each row."),
        ("replaced", rows[0], {"num_samples": 12, "replacement": True}, "Some come again."),
        ("rows-replaced", rows, {"num_samples": 5, "replacement": True}, "Row by row."),
        ("sums", rows * 1000, {"num_samples": 6, "replacement": True}, "Rows need not sum to one."),
        ("certain", np.array([0.0, 1.0, 0.0]), {"num_samples": 5, "replacement": True}, "No choice."),
        ("certain-one", np.array([0.0, 0.0, 2.0]), {"num_samples": 1}, "No choice."),
        ("single", np.array([0.5]), {"num_samples": 3, "replacement": True}, "One category."),
        ("single-row", rows[:1], {"num_samples": 2}, "A batch of one."),
        ("many", many, {"num_samples": 40}, "A permutation by weight."),
        ("many-replaced", many, {"num_samples": 60, "replacement": True}, "A binary search."),
        ("tiny", np.array([2.0**-120, 2.0**-121, 2.0**-122]), {"num_samples": 4, "replacement": True},
         "Tiny numbers are divided by their sum."),
        ("no-rows", np.zeros((0, 3)), {"num_samples": 2}, "No rows."),
    ]
    for name, value, args, reason in cases:
        for seed in (0, 7):
            yield from both(
                f"chance/multinomial/{name}/seed-{seed}", reason, "INIT-9", "call",
                function="multinomial", args=args, seed=seed, inputs={"input": value}
            )


def mt19937(seed):
    """The words of a generator that has been seeded, and not drawn from."""
    words = [seed & 0xFFFFFFFF]
    for k in range(1, 624):
        words.append((1812433253 * (words[-1] ^ (words[-1] >> 30)) + k) & 0xFFFFFFFF)
    return words


def state_bytes(seed, left, following, normal=None, seeded=1):
    """A state as torch.get_rng_state gives it; the kept normal draw as a double."""
    head = struct.pack("<QiiQ", seed, left, seeded, following)
    words = b"".join(struct.pack("<Q", word) for word in mt19937(seed))
    tail = struct.pack("<8xd8xi4x", normal or 0.0, normal is not None)
    data = head + words + tail
    return np.frombuffer(data + bytes(5056 - len(data)), dtype=np.uint8).astype(np.int64)


@golden("chance/state.json", "The generator as bytes.")
def states():
    """torch.get_rng_state and torch.set_rng_state."""
    reason = "The bytes of the generator, where its words are used up, renewed, or a draw is kept."
    for rand, randn in ((0, 0), (1, 0), (623, 0), (624, 0), (625, 0), (1300, 0), (0, 1), (5, 3), (2, 2), (0, 17)):
        for seed in (0, -1) if rand == 0 else (7,):
            yield from both(
                f"chance/get_state/{rand}-{randn}/seed-{seed}", reason, "INIT-4 INIT-5", "call",
                dtypes=("float32",), function="get_state", args={"rand": rand, "randn": randn}, seed=seed
            )
    given = [
        ("seeded", (5, 1, 0), "As a seed leaves it."),
        ("used-up", (5, 1, 624), "All words drawn."),
        ("begun", (5, 600, 25), "Some words drawn."),
        ("last", (5, 2, 623), "One word left."),
        ("normal", (5, 600, 25, -0.75), "A normal draw kept."),
    ]
    for name, fields, reason in given:
        yield from both(
            f"chance/set_state/{name}", reason, "INIT-4 INIT-5", "call", function="set_state",
            args={}, inputs={"state": state_bytes(*fields)}
        )


@golden("errors/chance.json", "What is not drawn.")
def errors():
    good = state_bytes(5, 1, 0)
    states = {
        "short": good[:5055], "long": np.append(good, 0), "zeros": good * 0,
        "not-seeded": state_bytes(5, 1, 0, seeded=0), "none-left": state_bytes(5, 0, 0),
        "next-beyond": state_bytes(5, 1, 625)
    }
    for name, state in states.items():
        yield from case(
            f"errors/set_state/{name}", "No state of the generator.", "ERROR-5 INIT-4", "set_state",
            {}, None, state=state
        )

    def refused(function, name, reason, clause, args, **inputs):
        id = f"errors/{function}/{name}"
        yield from case(id, reason, f"ERROR-5 {clause}", function, args, **inputs)

    for low, high in ((5, 5), (5, 2), (0, -1)):
        yield from refused("randint", f"{low}-{high}", "Nothing between.", "INIT-7",
                        {"low": low, "high": high, "size": [1]})
    yield from refused("randint", "size-negative", "Fewer than no elements.", "INIT-7",
                    {"low": 0, "high": 3, "size": [-1]})
    yield from refused("randperm", "negative", "Fewer than none.", "INIT-8", {"n": -1})
    yield from refused("randperm", "fraction", "Half a number.", "INIT-8", {"n": 2.5})
    bad = [
        ("too-many", [1.0, 2.0], {"num_samples": 3}, "More than there are."),
        ("none", [1.0, 2.0], {"num_samples": 0}, "None."),
        ("negative-count", [1.0, 2.0], {"num_samples": -1}, "Fewer than none."),
        ("zeros", [0.0, 0.0], {"num_samples": 1}, "No probability."),
        ("zeros-replaced", [0.0, 0.0], {"num_samples": 2, "replacement": True}, "No probability."),
        ("zero-row", [[1.0, 2.0], [0.0, 0.0]], {"num_samples": 1}, "A row without."),
        ("negative", [-1.0, 2.0], {"num_samples": 1}, "Less than none."),
        ("negative-replaced", [-1.0, 2.0], {"num_samples": 2, "replacement": True}, "Less than none."),
        ("nan", [NAN, 2.0], {"num_samples": 1}, "NaN."),
        ("nan-replaced", [NAN, 2.0], {"num_samples": 2, "replacement": True}, "NaN."),
        ("infinite", [INF, 2.0], {"num_samples": 1}, "Infinity."),
        ("infinite-replaced", [INF, 2.0], {"num_samples": 2, "replacement": True}, "Infinity."),
        ("scalar", 1.0, {"num_samples": 1}, "A single number."),
        ("cube", [[[1.0]]], {"num_samples": 1}, "Three dimensions."),
        ("fraction", [1.0, 2.0], {"num_samples": 1.5}, "One and a half."),
    ]
    for name, value, args, reason in bad:
        yield from refused("multinomial", name, reason, "INIT-9", args, input=np.array(value))
    yield from refused("multinomial", "int64", "Whole numbers.", "INIT-9", {"num_samples": 1},
                    input=np.array([1, 2], dtype=np.int64))
