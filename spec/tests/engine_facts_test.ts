/** Chapter kernels: the engine's memory, where it compares weights, and the other path's graph. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Engine, engine } from "../../lib/kernels/engine.ts";
import { Packing, type Weights } from "../../lib/kernels/packing.ts";
import { KeptWeights } from "../../lib/kernels/weights.ts";
import {
  getNumThreads,
  GRU,
  LSTM,
  noGrad,
  ones,
  PackedSequence,
  RNN,
  RuntimeError,
  setNumThreads,
  type Tensor,
  zeros,
} from "../../mod.ts";
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

describe("what calls share", () => {
  const fastPaths = everyPath.filter((path) => path !== "readable");

  fact(["KERNEL-5", "KERNEL-6"], "streams of the same weights pack them once", () => {
    let packs = 0;
    const { pack } = Packing.prototype;
    Packing.prototype.pack = function (...args) {
      packs++;
      return pack.apply(this, args);
    };
    try {
      const gru = new GRU(2, 3);
      const streams = [gru.stream(), gru.stream()];
      assertEquals(packs, 1);
      gru.getParameter("bias_hh_l0").data[0] += 1;
      streams.push(gru.stream(), gru.stream());
      assertEquals(packs, 2);
      const [x, out] = [new Float32Array(2), new Float32Array(3)];
      for (const stream of streams) stream.step(x, out);
      assertEquals(packs, 2);
      for (const stream of streams) stream.dispose();
      gru.stream().dispose(); // the memory was given back
      assertEquals(packs, 3);
    } finally {
      Packing.prototype.pack = pack;
    }
  }, fastPaths);

  fact(["KERNEL-6", "PACK-4"], "results of one shape share it, and of another one do not", () => {
    const lstm = new LSTM(1, 2, { projSize: 1, numLayers: 2 });
    const shapes = (...lengths: number[]) => {
      const rows = lengths.reduce((sum, one) => sum + one);
      const [output, [h, c]] = noGrad(() =>
        lstm.forward(new PackedSequence(zeros([rows, 1]), lengths, null, null))
      );
      return [output.data, h, c].map(({ shape }) => shape);
    };
    const [one, two, three] = [shapes(2, 1), shapes(1, 1, 1), shapes(2, 1)];
    assertEquals(one.map((shape) => [...shape]), [[3, 1], [2, 2, 1], [2, 2, 2]]);
    assertEquals(two.map((shape) => [...shape]), [[3, 1], [2, 1, 1], [2, 1, 2]]);
    assertEquals(three, one);
    const again = shapes(2, 1);
    assert(again.every((shape, k) => shape === three[k]));
    const flat = noGrad(() => lstm.forward(zeros([3, 1])));
    assertEquals([flat[0], ...flat[1]].map(({ shape }) => [...shape]), [[3, 1], [2, 1], [2, 2]]);
  }, fastPaths);
});
