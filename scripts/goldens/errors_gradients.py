"""Chapter errors: gradients and flags that cannot be set."""

import numpy as np

from .case import golden, of_dtype, once


def refused(name, clause, function, args=None, **inputs):
    """A call that PyTorch refuses."""
    return once(
        f"errors/gradients/{name}/float32", "Refused, in these words.", f"{clause} ERROR-1", "call",
        "float32", function=function, args=args or {}, inputs={"input": np.ones(2), **inputs}
    )


@golden("errors/gradients.json", "Gradients and flags that cannot be set.")
def cases():
    """What is no gradient of a tensor, and flags of what is no leaf."""
    yield refused("grad-shape", "GRAD-3", "set_grad", grad=np.ones(3))
    yield refused("grad-rank", "GRAD-3", "set_grad", grad=np.ones((1, 2)))
    yield refused("grad-float64", "GRAD-3", "set_grad", grad=of_dtype(np.ones(2)))
    yield refused("grad-float64-shape", "GRAD-3", "set_grad", grad=of_dtype(np.ones(3)))
    yield refused("grad-float32", "GRAD-3", "set_grad", input=of_dtype(np.ones(2)), grad=np.ones(2))
    for value in (5, "a", [1, 2], True):
        yield refused(f"grad-{type(value).__name__}", "GRAD-3", "set_grad", {"value": value})
    yield refused("grad-own", "GRAD-3", "set_grad", {"own": True})
    for made in (False, True):
        for value in (True, False, "yes", 1, None):
            if made or not isinstance(value, bool):
                yield refused(
                    f"flag-{'made' if made else 'leaf'}-{str(value).lower()}", "GRAD-3",
                    "set_requires_grad", {"made": made, "value": value}
                )
    yield refused("no-inputs", "GRAD-3", "grad")
    for mode in ("x", 1, None):
        yield refused(f"train-{str(mode).lower()}", "DROP-1", "train", {"mode": mode})
