"""How far two answers are from each other."""

import math

# rtol, atol (NUM-2). For float32 torch.testing.assert_close's own defaults; its defaults for float64,
# 1e-7 and 1e-7, would let float32 arithmetic pass.
TOLERANCE = {"float32": (1.3e-6, 1e-5), "float64": (1e-10, 1e-12)}


def difference(committed, now, dtype):
    """The largest difference of two answers' numbers, in tolerances; infinite if unlike."""
    if isinstance(committed, dict) and isinstance(now, dict):
        if committed.keys() != now.keys():
            return math.inf
        parts = [difference(committed[key], now[key], dtype) for key in committed]
        return max(parts, default=0.0)
    if isinstance(committed, list) and isinstance(now, list):
        if len(committed) != len(now):
            return math.inf
        return max(
            (difference(a, b, dtype) for a, b in zip(committed, now, strict=True)), default=0.0
        )
    if committed == now:
        return 0.0
    try:
        a, b = float(now), float(committed)
    except ValueError:
        return math.inf
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf
    rtol, atol = TOLERANCE[dtype]
    return abs(a - b) / (atol + rtol * abs(b))
