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


def elements():
    """How one number looks: whole, fixed, scientific."""
    yield (
        "scalar-integer", "PRINT-1", "A 0-d whole number has a bare point, no brackets.", single(3)
    )
    yield "scalar-fixed", "PRINT-1", "A 0-d fraction has 4 decimals.", single(-2.5)
    yield "scalar-zero", "PRINT-1", "A 0-d zero.", single(0)
    yield "scalar-negative-zero", "PRINT-1", "Negative zero keeps its sign.", single(-0.0)
    yield "scalar-nan", "PRINT-1", "NaN has no point.", single(NAN)
    yield "scalar-inf", "PRINT-1", "Nor has infinity.", single(-INF)
    yield "scalar-scientific", "PRINT-1", "A 0-d number below 1e-4.", single(2.0**-14)
    yield (
        "integer-columns", "PRINT-1 PRINT-2",
        "Whole numbers align right on the widest, sign included.", single([[1, -20], [300, 0]])
    )
    yield (
        "integer-specials", "PRINT-1 PRINT-2",
        "Among whole numbers inf and nan have no point; finite nonzero numbers make the width.",
        single([1, 20, *SPECIALS, -0.0])
    )
    yield (
        "zeros-width", "PRINT-2", "Zeros alone leave the width at 1, so 24 fit a line.",
        np.zeros(60)
    )
    yield (
        "negative-zeros", "PRINT-1 PRINT-2",
        "-0. is wider than the width of 1 and gets no padding.", single([0.0, -0.0, 0.0, -0.0])
    )
    yield (
        "specials-only", "PRINT-1 PRINT-2", "NaN and infinity alone: no finite number to measure.",
        single(SPECIALS * 12)
    )
    yield (
        "fixed-columns", "PRINT-1 PRINT-2", "One fraction turns all to 4 decimals.",
        single([[0.5, -1], [2, 10]])
    )
    yield (
        "fixed-specials", "PRINT-1 PRINT-2", "nan, inf and -0.0000 in fixed style.",
        single([0.5, *SPECIALS, -0.0, 0.0])
    )
    yield (
        "fixed-specials-wider", "PRINT-2", "-0.0000 is wider than the column that 0.5 sets.",
        single([[0.5, -0.0], [0.25, 0.0]])
    )
    yield (
        "fixed-ties", "PRINT-1", "Exact ties at the 5th decimal go to the even digit.",
        single([1 / 32, 3 / 32, 5 / 32, 7 / 32, -1 / 32, 33 / 32])
    )
    yield (
        "fixed-rounds-up-width", "PRINT-1 PRINT-2",
        "9.99999 rounds to 10.0000, and the width counts it.", single([9.99999, 0.5])
    )
    yield (
        "fixed-rounds-to-zero", "PRINT-1",
        "No number in fixed style is small enough to print as 0.0000 but zero itself.",
        single([1.001e-4, 0.0, 0.05])
    )
    yield "tenth", "PRINT-1", "The float32 nearest 0.1 prints as 0.1000.", single([0.1, 0.2, 0.3])
    yield "ratio-1000", "PRINT-1", "A ratio of 1000 stays fixed.", single([0.5, 500])
    yield "ratio-above-1000", "PRINT-1", "Above 1000 turns scientific.", single([0.5, 500.5])
    yield "integer-ratio", "PRINT-1", "So do whole numbers.", single([1, 1001])
    yield (
        "integer-scientific-negative", "PRINT-1 PRINT-2",
        "Whole numbers in scientific style, signs and zeros.", single([[-1, 0], [20000, -0.0]])
    )
    yield "large-1e8", "PRINT-1", "1e8 itself is not above 1e8.", single([1e8, 2e7])
    yield "large-above-1e8", "PRINT-1", "The next float32 is.", single([100000008, 2e7])
    yield (
        "small-1e-4", "PRINT-1",
        "The float32 nearest 1e-4 is a little below it, and is compared as a double.",
        single([1e-4])
    )
    yield "small-below-1e-4", "PRINT-1", "Just below turns scientific.", single([9.9e-5, 5e-5])
    yield "small-above-1e-4", "PRINT-1", "Just above stays fixed.", single([1.001e-4, 5e-4])
    yield (
        "scientific-specials", "PRINT-1 PRINT-2",
        "Signs, zeros, NaN and infinity in scientific style.",
        single([-1e-5, 1, 0.0, -0.0, *SPECIALS])
    )
    yield (
        "scientific-ties", "PRINT-1", "Exact ties of the significand go to the even digit.",
        single([100005, 100015, -100025, 100035, 1])
    )
    yield (
        "scientific-carry", "PRINT-1", "9.99996e5 rounds up into the next exponent.",
        single([999996, 1])
    )
    yield (
        "extremes", "PRINT-1", "The largest and the smallest numbers of float32.",
        single([3.4028234663852886e38, 1.401298464324817e-45, -1.1754943508222875e-38])
    )
    yield (
        "huge-1e21", "PRINT-1", "Past 1e21, where JavaScript changes notation by itself.",
        single([1e21, 1e22, 1e23])
    )
    yield "tiny-1e-7", "PRINT-1", "Below 1e-6, where it does so too.", single([1e-7, 3e-7])


def columns():
    """Lines, nesting, and what is left out."""
    yield (
        "line-break", "PRINT-2", "A row past 80 columns breaks, indented to the bracket.", count(40)
    )
    yield "line-break-fixed", "PRINT-2", "Nine fixed numbers a line.", count(20) / 8
    yield (
        "line-break-nested", "PRINT-2", "The indentation of nesting narrows the lines.",
        (count(36) / 4 - 4).reshape(1, 1, 2, 18)
    )
    yield "rank-2-row", "PRINT-2", "A matrix of one row.", count(3, shape=(1, 3))
    yield "rank-3", "PRINT-2", "One blank line between matrices.", count(12, shape=(2, 3, 2))
    yield "rank-4", "PRINT-2", "Two between blocks of matrices.", count(16, shape=(2, 2, 2, 2))
    yield (
        "one-per-line", "PRINT-2", "63 brackets leave no room: still one number a line.",
        {"shape": [1] * 63 + [2], "data": list(single([1e-5, 2e-5]))}
    )
    yield (
        "full-1000", "PRINT-3", "1000 elements are printed in full.",
        (count(1000) % 10).reshape(100, 10)
    )
    yield "summary-vector", "PRINT-3", "1001 elements: 3 at each edge.", count(1001)
    hidden = np.concatenate([np.ones(500), single([1e-9, 1e9, 0.5]), np.ones(500)])
    yield (
        "summary-style", "PRINT-3 PRINT-1",
        "Style and width come from the shown elements: a hidden 1e-9 or 1e9 does not count.", hidden
    )
    yield (
        "summary-matrix", "PRINT-3",
        "Both dimensions shortened; the widest shown number sets the columns.",
        (count(1200) % 100).reshape(30, 40)
    )
    yield (
        "summary-rank-3", "PRINT-3 PRINT-2",
        "Dots among matrices; 6 rows are kept whole, 30 columns shortened.",
        (count(7 * 6 * 30) % 1000).reshape(7, 6, 30)
    )
    yield (
        "summary-no-dots", "PRINT-3",
        "Past 1000 elements, no dimension above 6: nothing is left out.",
        (count(6**4) % 8).reshape(6, 6, 6, 6)
    )
    yield (
        "summary-column", "PRINT-3", "A column: dots between rows of one.",
        (count(1001) % 50).reshape(1001, 1)
    )
    yield (
        "summary-row", "PRINT-3", "A row: dots within it.", (count(1002) % 50 / 2).reshape(1, 1002)
    )


REQUIRES = {"requires_grad": True}
SELECT = {"grad_fn": "SelectBackward0"}


def suffixes():
    """What stands after the values."""
    yield "empty-vector", "PRINT-4", "An empty vector tells no size.", np.zeros(0), {}
    yield "empty-matrix", "PRINT-4", "Any other empty tensor does.", np.zeros((0, 3)), {}
    yield (
        "empty-rank-3", "PRINT-4", "Size, dtype, then requires_grad.", np.zeros((2, 0, 3)), REQUIRES
    )
    yield "requires-grad", "PRINT-4", "requires_grad on the same line.", single([1, 2]), REQUIRES
    yield "grad-fn", "PRINT-4", "grad_fn takes its place.", single([[0.5, -1.5]]), SELECT
    yield "grad-fn-scalar", "PRINT-4", "A 0-d tensor with grad_fn.", single(0.25), SELECT
    yield (
        "grad-fn-tanh", "PRINT-4", "The name is the operation's.", single([0.25, -0.5]),
        {"grad_fn": "TanhBackward0"}
    )
    yield (
        "grad-fn-mean", "PRINT-4", "A loss: 0-d, with the name of its reduction.", single(1.5),
        {"grad_fn": "MeanBackward0"}
    )
    yield (
        "suffix-fits-exactly", "PRINT-4",
        "58 columns of values leave just enough room for requires_grad, not for dtype.",
        count(1007, 1000, (1, 7)), REQUIRES
    )
    yield "suffix-just-wraps", "PRINT-4", "59 columns do not.", count(13) % 10, REQUIRES
    yield (
        "suffix-dtype-fits-exactly", "PRINT-4",
        "57 columns leave just enough room for dtype=torch.float64.", count(20, 10), {}
    )
    yield (
        "suffix-second-fits-exactly", "PRINT-4",
        "37 columns leave just enough room for dtype and requires_grad together.", count(105, 100),
        REQUIRES
    )
    yield (
        "suffix-second-wraps", "PRINT-4",
        "38 columns: dtype fits, requires_grad moves to its own line.",
        (count(13, 10) + 0.5).reshape(1, 1, 3), REQUIRES
    )
    yield (
        "suffix-wraps", "PRINT-4",
        "Too long a row: the suffix moves to its own line, indented by 7.", count(6) + 0.5, SELECT
    )
    yield (
        "suffix-after-rows", "PRINT-4", "Only the last line of the values counts.",
        (count(24) / 8).reshape(3, 8), REQUIRES
    )
    yield (
        "suffix-after-break", "PRINT-4",
        "A broken row with a short last line has room for the suffixes.", count(10) / 8, SELECT
    )
    yield (
        "summary-grad-fn", "PRINT-3 PRINT-4", "A summary with suffixes.",
        (count(1100) % 7 / 4).reshape(10, 110), SELECT
    )


def float64_alone():
    """Numbers that float32 does not have."""
    yield (
        "float64-extremes", "PRINT-1",
        "Three digits of exponent, and a ratio that overflows to infinity.",
        [1.7976931348623157e308, 5e-324, -2.2250738585072014e-308]
    )
    yield (
        "float64-ratio", "PRINT-1", "A ratio one unit in the last place above 1000.",
        [1.0, 1000.0000000000001]
    )
    yield (
        "float64-near-integer", "PRINT-1",
        "One unit in the last place off a whole number turns to fixed style.",
        [2.0, 3.0000000000000004]
    )
    yield "float64-1e-4", "PRINT-1", "1e-4 itself is not below 1e-4.", [1e-4, 2e-4]
    yield (
        "float64-tie-that-is-none", "PRINT-1",
        "0.00015, 0.00025 and 0.10005 are not ties in binary.", [0.00015, 0.00025, 0.10005]
    )
    yield (
        "float64-integer-large", "PRINT-1", "The largest numbers in whole-number style.",
        [99999999.0, 1e8]
    )


@golden("print/tensor.json", "print(tensor).")
def tensors():
    for group in (elements, columns):
        for name, clauses, reason, value in group():
            yield from both(
                f"print/{name}", reason, clauses, "print", args={}, inputs={"input": value}
            )
    for name, clauses, reason, value, args in suffixes():
        yield from both(
            f"print/{name}", reason, clauses, "print", args=args, inputs={"input": value}
        )
    for name, clauses, reason, value in float64_alone():
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
