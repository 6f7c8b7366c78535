"""PyTorch's side of scripts/bench.ts: requests as lines of JSON, answers as lines of JSON."""

import json
import sys
import time

import torch

torch.set_num_threads(1)
torch.set_grad_enabled(False)


def tensor(given):
    """A tensor of a request."""
    return torch.tensor(given["data"], dtype=torch.float32).reshape(given["shape"])


def main():
    """Answer until the input ends."""
    module = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["op"] == "prepare":
            work = request["work"]
            module = getattr(torch.nn, work["kind"])(work["inputSize"], work["hiddenSize"]).eval()
            module.load_state_dict({k: tensor(v) for k, v in request["state"].items()})
            x = tensor(request["input"])
            state = torch.zeros(1, work["batch"], work["hiddenSize"])
            hx = (state, state) if request["states"] == 2 else state
            answer = {}
        elif request["op"] == "run":
            answer = {"output": module(x, hx)[0].flatten().tolist()}
        else:
            start = time.perf_counter()
            for _ in range(request["times"]):
                module(x, hx)
            answer = {"milliseconds": (time.perf_counter() - start) * 1000 / request["times"]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
