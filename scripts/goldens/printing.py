"""Chapter print: print(tensor) and torch.Size, every way that PyTorch sets numbers into columns."""

import numpy as np

from .case import INF, NAN, both, golden, once

SPECIALS = [NAN, INF, -INF]


def single(values):
    """The numbers that float32 holds for these."""
    return np.array(values, dtype=np.float32).astype(np.float64)


def count(end, start=0, shape=None):
    """start, start + 1, ... up to but not with end."""
    values = np.arange(float(start), float(end))
    return values if shape is None else values.reshape(shape)


# How one number looks: whole, fixed, scientific.
ELEMENTS = [
    ("scalar-integer", "PRINT-1", "A 0-d whole number has a bare point, no brackets.", 3),
    ("scalar-fixed", "PRINT-1", "A 0-d fraction has 4 decimals.", -2.5),
    ("scalar-zero", "PRINT-1", "A 0-d zero.", 0),
    ("scalar-negative-zero", "PRINT-1", "Negative zero keeps its sign.", -0.0),
    ("scalar-nan", "PRINT-1", "NaN has no point.", NAN),
    ("scalar-inf", "PRINT-1", "Nor has infinity.", -INF),
    ("scalar-scientific", "PRINT-1", "A 0-d number below 1e-4.", 2.0**-14),
    ("integer-columns", "PRINT-1 PRINT-2",
     "Whole numbers align right on the widest, sign included.", [[1, -20], [300, 0]]),
    ("integer-specials", "PRINT-1 PRINT-2",
     "Among whole numbers inf and nan have no point; finite nonzero numbers make the width.",
     [1, 20, *SPECIALS, -0.0]),
    ("zeros-width", "PRINT-2", "Zeros alone leave the width at 1, so 24 fit a line.", np.zeros(60)),
    ("negative-zeros", "PRINT-1 PRINT-2", "-0. is wider than the width of 1 and gets no padding.",
     [0.0, -0.0, 0.0, -0.0]),
    ("specials-only", "PRINT-1 PRINT-2", "NaN and infinity alone: no finite number to measure.",
     SPECIALS * 12),
    ("fixed-columns", "PRINT-1 PRINT-2", "One fraction turns all to 4 decimals.",
     [[0.5, -1], [2, 10]]),
    ("fixed-specials", "PRINT-1 PRINT-2", "nan, inf and -0.0000 in fixed style.",
     [0.5, *SPECIALS, -0.0, 0.0]),
    ("fixed-specials-wider", "PRINT-2", "-0.0000 is wider than the column that 0.5 sets.",
     [[0.5, -0.0], [0.25, 0.0]]),
    ("fixed-ties", "PRINT-1", "Exact ties at the 5th decimal go to the even digit.",
     [1 / 32, 3 / 32, 5 / 32, 7 / 32, -1 / 32, 33 / 32]),
    ("fixed-rounds-up-width", "PRINT-1 PRINT-2",
     "9.99999 rounds to 10.0000, and the width counts it.", [9.99999, 0.5]),
    ("fixed-rounds-to-zero", "PRINT-1",
     "No number in fixed style is small enough to print as 0.0000 but zero itself.",
     [1.001e-4, 0.0, 0.05]),
    ("tenth", "PRINT-1", "The float32 nearest 0.1 prints as 0.1000.", [0.1, 0.2, 0.3]),
    ("ratio-1000", "PRINT-1", "A ratio of 1000 stays fixed.", [0.5, 500]),
    ("ratio-above-1000", "PRINT-1", "Above 1000 turns scientific.", [0.5, 500.5]),
    ("integer-ratio", "PRINT-1", "So do whole numbers.", [1, 1001]),
    ("integer-scientific-negative", "PRINT-1 PRINT-2",
     "Whole numbers in scientific style, signs and zeros.", [[-1, 0], [20000, -0.0]]),
    ("large-1e8", "PRINT-1", "1e8 itself is not above 1e8.", [1e8, 2e7]),
    ("large-above-1e8", "PRINT-1", "The next float32 is.", [100000008, 2e7]),
    ("small-1e-4", "PRINT-1",
     "The float32 nearest 1e-4 is a little below it, and is compared as a double.", [1e-4]),
    ("small-below-1e-4", "PRINT-1", "Just below turns scientific.", [9.9e-5, 5e-5]),
    ("small-above-1e-4", "PRINT-1", "Just above stays fixed.", [1.001e-4, 5e-4]),
    ("scientific-specials", "PRINT-1 PRINT-2",
     "Signs, zeros, NaN and infinity in scientific style.", [-1e-5, 1, 0.0, -0.0, *SPECIALS]),
    ("scientific-ties", "PRINT-1", "Exact ties of the significand go to the even digit.",
     [100005, 100015, -100025, 100035, 1]),
    ("scientific-carry", "PRINT-1", "9.99996e5 rounds up into the next exponent.", [999996, 1]),
    ("extremes", "PRINT-1", "The largest and the smallest numbers of float32.",
     [3.4028234663852886e38, 1.401298464324817e-45, -1.1754943508222875e-38]),
    ("huge-1e21", "PRINT-1", "Past 1e21, where JavaScript changes notation by itself.",
     [1e21, 1e22, 1e23]),
    ("tiny-1e-7", "PRINT-1", "Below 1e-6, where it does so too.", [1e-7, 3e-7]),
]

HIDDEN = np.concatenate([np.ones(500), single([1e-9, 1e9, 0.5]), np.ones(500)])
# Lines, nesting, and what is left out.
COLUMNS = [
    ("line-break", "PRINT-2", "A row past 80 columns breaks, indented to the bracket.", count(40)),
    ("line-break-fixed", "PRINT-2", "Nine fixed numbers a line.", count(20) / 8),
    ("line-break-nested", "PRINT-2", "The indentation of nesting narrows the lines.",
     (count(36) / 4 - 4).reshape(1, 1, 2, 18)),
    ("rank-2-row", "PRINT-2", "A matrix of one row.", count(3, shape=(1, 3))),
    ("rank-3", "PRINT-2", "One blank line between matrices.", count(12, shape=(2, 3, 2))),
    ("rank-4", "PRINT-2", "Two between blocks of matrices.", count(16, shape=(2, 2, 2, 2))),
    ("one-per-line", "PRINT-2", "63 brackets leave no room: still one number a line.",
     {"shape": [1] * 63 + [2], "data": list(single([1e-5, 2e-5]))}),
    ("full-1000", "PRINT-3", "1000 elements are printed in full.",
     (count(1000) % 10).reshape(100, 10)),
    ("summary-vector", "PRINT-3", "1001 elements: 3 at each edge.", count(1001)),
    ("summary-style", "PRINT-3 PRINT-1",
     "Style and width come from the shown elements: a hidden 1e-9 or 1e9 does not count.", HIDDEN),
    ("summary-matrix", "PRINT-3",
     "Both dimensions shortened; the widest shown number sets the columns.",
     (count(1200) % 100).reshape(30, 40)),
    ("summary-rank-3", "PRINT-3 PRINT-2",
     "Dots among matrices; 6 rows are kept whole, 30 columns shortened.",
     (count(7 * 6 * 30) % 1000).reshape(7, 6, 30)),
    ("summary-no-dots", "PRINT-3",
     "Past 1000 elements, no dimension above 6: nothing is left out.",
     (count(6**4) % 8).reshape(6, 6, 6, 6)),
    ("summary-column", "PRINT-3", "A column: dots between rows of one.",
     (count(1001) % 50).reshape(1001, 1)),
    ("summary-row", "PRINT-3", "A row: dots within it.", (count(1002) % 50 / 2).reshape(1, 1002)),
]


REQUIRES = {"requires_grad": True}
SELECT = {"grad_fn": "SelectBackward0"}


# What stands after the values.
SUFFIXES = [
    ("empty-vector", "PRINT-4", "An empty vector tells no size.", np.zeros(0)),
    ("empty-matrix", "PRINT-4", "Any other empty tensor does.", np.zeros((0, 3))),
    ("empty-rank-3", "PRINT-4", "Size, dtype, then requires_grad.", np.zeros((2, 0, 3)), REQUIRES),
    ("requires-grad", "PRINT-4", "requires_grad on the same line.", [1, 2], REQUIRES),
    ("grad-fn", "PRINT-4", "grad_fn takes its place.", [[0.5, -1.5]], SELECT),
    ("grad-fn-scalar", "PRINT-4", "A 0-d tensor with grad_fn.", 0.25, SELECT),
    ("grad-fn-tanh", "PRINT-4", "The name is the operation's.", [0.25, -0.5],
     {"grad_fn": "TanhBackward0"}),
    ("grad-fn-mean", "PRINT-4", "A loss: 0-d, with the name of its reduction.", 1.5,
     {"grad_fn": "MeanBackward0"}),
    ("suffix-fits-exactly", "PRINT-4",
     "58 columns of values leave just enough room for requires_grad, not for dtype.",
     count(1007, 1000, (1, 7)), REQUIRES),
    ("suffix-just-wraps", "PRINT-4", "59 columns do not.", count(13) % 10, REQUIRES),
    ("suffix-dtype-fits-exactly", "PRINT-4",
     "57 columns leave just enough room for dtype=torch.float64.", count(20, 10)),
    ("suffix-second-fits-exactly", "PRINT-4",
     "37 columns leave just enough room for dtype and requires_grad together.", count(105, 100),
     REQUIRES),
    ("suffix-second-wraps", "PRINT-4",
     "38 columns: dtype fits, requires_grad moves to its own line.",
     (count(13, 10) + 0.5).reshape(1, 1, 3), REQUIRES),
    ("suffix-wraps", "PRINT-4", "Too long a row: the suffix moves to its own line, indented by 7.",
     count(6) + 0.5, SELECT),
    ("suffix-after-rows", "PRINT-4", "Only the last line of the values counts.",
     (count(24) / 8).reshape(3, 8), REQUIRES),
    ("suffix-after-break", "PRINT-4",
     "A broken row with a short last line has room for the suffixes.", count(10) / 8, SELECT),
    ("summary-grad-fn", "PRINT-3 PRINT-4", "A summary with suffixes.",
     (count(1100) % 7 / 4).reshape(10, 110), SELECT),
]


# Numbers that float32 does not have.
FLOAT64_ALONE = [
    ("float64-extremes", "PRINT-1",
     "Three digits of exponent, and a ratio that overflows to infinity.",
     [1.7976931348623157e308, 5e-324, -2.2250738585072014e-308]),
    ("float64-ratio", "PRINT-1", "A ratio one unit in the last place above 1000.",
     [1.0, 1000.0000000000001]),
    ("float64-near-integer", "PRINT-1",
     "One unit in the last place off a whole number turns to fixed style.",
     [2.0, 3.0000000000000004]),
    ("float64-1e-4", "PRINT-1", "1e-4 itself is not below 1e-4.", [1e-4, 2e-4]),
    ("float64-tie-that-is-none", "PRINT-1",
     "0.00015, 0.00025 and 0.10005 are not ties in binary.", [0.00015, 0.00025, 0.10005]),
    ("float64-integer-large", "PRINT-1", "The largest numbers in whole-number style.",
     [99999999.0, 1e8]),
]


@golden("print/tensor.json", "print(tensor).")
def tensors():
    for name, clauses, reason, value, *args in (*ELEMENTS, *COLUMNS, *SUFFIXES):
        inputs = {"input": value if isinstance(value, dict) else single(value)}
        args = args[0] if args else {}
        yield from both(f"print/{name}", reason, clauses, "print", args=args, inputs=inputs)
    for name, clauses, reason, value in FLOAT64_ALONE:
        inputs = {"input": np.array(value)}
        yield from both(
            f"print/{name}", reason, clauses, "print", ["float64"], args={}, inputs=inputs
        )


@golden("print/size.json", "print(tensor.shape).")
def sizes():
    for name, size, reason in (
        ("empty", [], "The shape of a single number."),
        ("one", [3], "A vector's shape: no trailing comma."),
        ("three", [1, 10, 1], "The notebook's input."),
        ("zero", [0, 5], "An empty tensor's shape."),
        ("large", [100000, 2], "No separators in large numbers."),
    ):
        yield once(f"print/size-{name}", reason, "PRINT-5", "size", args={"size": size})
