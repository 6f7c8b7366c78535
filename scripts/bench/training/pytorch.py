"""PyTorch's side of scripts/bench/training.ts: a line for a number of steps, a line for an answer."""

import json
import resource
import sys
import time

import torch
from torch import nn

torch.set_num_threads(1)


def main():
    """The work is the first argument; its data follow on the first line."""
    work = json.loads(sys.argv[1])
    given = json.loads(sys.stdin.readline())
    shape = work["length"], work["batch"], work["inputs"]
    x = torch.tensor(given["x"], dtype=torch.float32).reshape(shape)
    if work["classes"]:
        target = torch.tensor(given["y"])
    else:
        target = torch.tensor(given["y"], dtype=torch.float32).reshape(work["batch"], -1)
    torch.manual_seed(0)
    body = getattr(nn, work["kind"])(work["inputs"], work["hidden"], num_layers=work["layers"])
    head = nn.Linear(work["hidden"], work["outputs"])
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=1e-3)
    print("{}", flush=True)

    def step():
        optimizer.zero_grad()
        output, _ = body(x)
        if work["classes"]:
            loss = nn.functional.cross_entropy(head(output.reshape(-1, work["hidden"])), target)
        else:
            loss = nn.functional.mse_loss(head(output[-1]), target)
        loss.backward()
        optimizer.step()
        return loss.item()

    for line in sys.stdin:
        steps, loss = json.loads(line)["steps"], 0.0
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(steps):
            loss = step()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        answer = {"cpu": 1000 * cpu / steps, "wall": 1000 * wall / steps, "loss": loss}
        answer["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
