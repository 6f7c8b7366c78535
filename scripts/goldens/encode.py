"""JSON as the goldens write it: compact, ASCII, numbers as short as they can be read back."""

import json

import numpy as np

from .case import Drawn

# JavaScript numbers hold integers exactly up to here; beyond it an integer is written as a string.
MAX_SAFE_INTEGER = 2**53 - 1


def number(value):
    """The shortest JSON text that reads back as `value`, a numpy float32 or float64."""
    if np.isnan(value):
        return '"NaN"'
    if np.isinf(value):
        return '"Infinity"' if value > 0 else '"-Infinity"'
    if value == 0:
        return "-0.0" if np.signbit(value) else "0"  # Python reads "-0" as the integer 0
    sign = "-" if value < 0 else ""
    scientific = np.format_float_scientific(abs(value), unique=True, trim="-")
    mantissa, exponent = scientific.split("e")
    whole, _, fraction = mantissa.partition(".")
    digits, power = whole + fraction, int(exponent)
    if power < 0:
        positional = "0." + "0" * (-power - 1) + digits
    elif power >= len(digits) - 1:
        positional = digits + "0" * (power - len(digits) + 1)
    else:
        positional = digits[: power + 1] + "." + digits[power + 1 :]
    scientific = f"{mantissa}e{power}"
    text = sign + min(positional, scientific, key=len)
    # A reader parses to float64 first, so the detour must end at the same number.
    assert type(value)(float(text)) == value, (text, value)
    return text


def encode(value):
    """
    `value` as JSON text. A numpy array becomes {"shape", "data"}, flat and row-major; integers say
    so in a "dtype" of their own.
    """
    if isinstance(value, np.ndarray):
        data = ",".join(encode(element) for element in value.reshape(-1))
        kinds = {np.dtype(np.int64): "int64", np.dtype(np.bool_): "bool"}
        kind = f',"dtype":"{kinds[value.dtype]}"' if value.dtype in kinds else ""
        return f'{{"shape":{encode(list(value.shape))},"data":[{data}]{kind}}}'
    if isinstance(value, Drawn):
        draw = {"seed": value.seed, "divisor": value.divisor}
        return encode({"shape": list(value.shape), "draw": draw})
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k)}:{encode(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(encode(v) for v in value) + "]"
    if isinstance(value, (np.integer, np.bool_)):
        return encode(int(value))
    if isinstance(value, np.floating):
        return number(value)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, int):
        assert abs(value) <= MAX_SAFE_INTEGER, f"{value} must be a string"
        return str(value)
    if isinstance(value, float):
        return number(np.float64(value))
    raise TypeError(f"no JSON for {type(value).__name__}")


def exact(text):
    """Parse JSON keeping each number's text, so that equal objects are bitwise equal numbers."""
    return json.loads(text, parse_float=str, parse_int=str)
