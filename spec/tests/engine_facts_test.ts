/** Chapter kernels: the engine's memory, where it compares weights, and the other path's graph. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Engine, engine } from "../../lib/kernels/engine.ts";
import { Packing, type Weights } from "../../lib/kernels/packing.ts";
import { KeptWeights } from "../../lib/kernels/weights.ts";
import { getNumThreads, ones, RNN, RuntimeError, setNumThreads, type Tensor } from "../../mod.ts";
import { sizes, weightsOf } from "./kernel_sizes.ts";
import { describe, everyPath, fact, it, onPath, readablePath } from "./law.ts";

describe("engines", () => {
  const real = onPath("auto", engine);

  it("KERNEL-7: threads ask for a memory of 2 GiB, then for halves of it, down to 64 MiB", async () => {
    if (everyPath.length === 1 || typeof SharedArrayBuffer === "undefined") return;
    const asked: unknown[] = [];
    const { Memory } = WebAssembly;
    class Refusing {
      constructor({ maximum, shared, initial }: WebAssembly.MemoryDescriptor) {
        asked.push([initial, maximum, shared]);
        throw new RangeError("refused (a test)");
      }
    }
    WebAssembly.Memory = Refusing as unknown as typeof Memory;
    try {
      const error = await assertRejects(() => setNumThreads(3), RuntimeError);
      assertEquals(error.message, "3 threads cannot run here: RangeError: refused (a test)");
      assertEquals((error.cause as Error).message, "refused (a test)");
    } finally {
      WebAssembly.Memory = Memory;
    }
    assertEquals(asked, [15, 14, 13, 12, 11, 10].map((power) => [1, 2 ** power, true]));
    assertEquals(getNumThreads(), 1);
    await setNumThreads(1); // nothing to do, and nothing in the way
  });

  fact(["KERNEL-6"], "weights are compared beside the result of the comparison", () => {
    if (real === null) return;
    const packing = new Packing(sizes);
    const kept = new KeptWeights(packing);
    const weights: Weights[] = weightsOf();
    const calls: number[][] = [];
    const watched: Engine = {
      ...real,
      difference: (a, b, bytes, result) => {
        calls.push([a - result, bytes]);
        assert(real.heap.hasScratch(32 + bytes));
        assertEquals(result, real.heap.scratch(1));
        real.difference(a, b, bytes, result);
      },
    };
    kept.update(watched, weights);
    assertEquals(calls, []);
    const packed = kept.update(watched, weights);
    assertEquals(calls, [[32, 4 * (64 + 256 + 32 + 32)]]);
    real.heap.drop(packed.allocation);
  }, ["auto"]);
});

describe("the readable path's graph", () => {
  /** How many nodes of each name are behind a tensor. */
  const nodes = (y: Tensor): Record<string, number> => {
    const counts: Record<string, number> = {};
    const seen = new Set([y]);
    for (const { gradFn } of seen) {
      if (!gradFn) continue;
      counts[gradFn.name] = (counts[gradFn.name] ?? 0) + 1;
      gradFn.inputs.forEach((input) => seen.add(input));
    }
    return counts;
  };

  fact(
    ["STACK-1", "STACK-4"],
    "whole batches are neither cut nor joined, and one side is no pair",
    () => {
      const x = ones([2, 3, 1]);
      x.requiresGrad = true;
      const steps = { TanhBackward0: 2, AddBackward0: 2, StackBackward0: 1 };
      const one = new RNN(1, 2).forward(x);
      for (const y of one) assertEquals(nodes(y), { ...steps, SelectBackward0: 2 });
      const both = { TanhBackward0: 4, AddBackward0: 4, StackBackward0: 1, SelectBackward0: 2 };
      const [output, final] = new RNN(1, 2, { bidirectional: true }).forward(x);
      assertEquals(nodes(output), { ...both, CatBackward0: 2 }); // one for each step
      assertEquals(nodes(final), both);
    },
    readablePath,
  );
});
