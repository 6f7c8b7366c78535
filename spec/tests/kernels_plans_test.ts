/** Chapter kernels: which plan a forward pass takes, what it makes, and what goes on to the heap. */

import { assert, assertEquals } from "@std/assert";
import { type Engine, engine } from "../../lib/kernels/engine.ts";
import { Forward } from "../../lib/kernels/forward.ts";
import type { Heap } from "../../lib/kernels/heap.ts";
import { Packing, type StackSizes, type Weights } from "../../lib/kernels/packing.ts";
import { plan } from "../../lib/kernels/plan.ts";
import type { Batch, BatchShape } from "../../lib/kernels/shard.ts";
import { Shard } from "../../lib/kernels/shard.ts";
import { slotCount, slotsAt } from "../../lib/kernels/slots.ts";
import { describe, everyPath, fact, onPath, readablePath } from "./law.ts";
import { batchOf, instead, sizes, weightsOf } from "./kernel_sizes.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");
const best = onPath("auto", engine);

/** Numbers between -1 and 1 that look random. */
function numbers(length: number, seed = 1): Float32Array {
  return Float32Array.from({ length }, (_, k) => Math.sin(7 * seed + 3.7 * k * k + k));
}

/** Weights of all layers and directions. */
function weightsFor(stack: StackSizes): Weights[] {
  const packing = new Packing(stack);
  const { hiddenSize, numDirections, numLayers } = stack;
  const rows = { tanh: 1, relu: 1, gru: 3, lstm: 4 }[stack.kind] * hiddenSize;
  return Array.from({ length: numLayers * numDirections }, (_, k) => ({
    weightIh: numbers(rows * packing.features(Math.floor(k / numDirections)), k),
    weightHh: numbers(rows * hiddenSize, k + 10),
    biasIh: numbers(rows, k + 20),
    biasHh: numbers(rows, k + 30),
  }));
}

function withInput(given: BatchShape, features: number): Batch {
  const rows = given.batchSizes?.reduce((sum, one) => sum + one) ?? given.length * given.batch;
  return { ...given, x: numbers(rows * features) };
}

describe("plans of forward passes", () => {
  fact(["KERNEL-9"], "a plan is used again for a padded batch of the same extents alone", () => {
    if (best === null) return;
    const { heap } = best;
    const forward = new Forward(sizes);
    const weights = weightsOf().map((own) => ({ ...own, weightHh: own.weightHh.slice() }));
    /** How many plans were made: each asks for its scratch memory once more. */
    const made = (given: BatchShape, threads = 1) => {
      let [asked, compares] = [0, 0];
      const watched: Engine = {
        ...best,
        threads,
        difference: (...args) => {
          compares++; // which asks for scratch memory, too
          best.difference(...args);
        },
      };
      const { scratch } = heap;
      heap.scratch = (bytes) => {
        asked++;
        return scratch.call(heap, bytes);
      };
      try {
        forward.run(watched, weights, withInput(given, 2), null);
      } finally {
        delete (heap as { scratch?: unknown }).scratch;
      }
      return asked - 1 - compares;
    };
    const given = batchOf(3, 2);
    assertEquals([made(given), made(given)], [1, 0]);
    assertEquals([made(batchOf(2, 2)), made(batchOf(2, 2))], [1, 0]);
    assertEquals([made(batchOf(2, 1)), made(batchOf(2, 1))], [1, 0]);
    const first = batchOf(2, 1, { batchFirst: true });
    assertEquals([made(first), made(first)], [1, 0]);
    assertEquals([made(first, 2), made(first, 2), made(first)], [1, 0, 1]);
    const packed = batchOf(2, 1, { batchSizes: [1, 1] });
    assertEquals([made(packed), made(packed), made(batchOf(2, 1)), made(batchOf(2, 1))], [
      1,
      1,
      1,
      0,
    ]);
    assertEquals(made(packed), 1);
    assertEquals(made(batchOf(2, 1)), 1); // the packed one's plan was kept, and is no use
    heap.hasScratch = () => false;
    try {
      assertEquals(made(batchOf(2, 1)), 1);
    } finally {
      delete (heap as { hasScratch?: unknown }).hasScratch;
    }
    assertEquals(made(batchOf(2, 1)), 0);
    heap.drop(forward.weights.update(best, weights).allocation);
  }, ["auto"]);

  fact(
    ["KERNEL-6", "KERNEL-9"],
    "one buffer holds the result, and another one layers that wait",
    () => {
      if (best === null) return;
      const made: number[] = [];
      class Counting extends ArrayBuffer {
        constructor(bytes: number) {
          super(bytes);
          made.push(bytes);
        }
      }
      const buffers = (stack: Partial<StackSizes>, scratch: number) => {
        const all = { ...sizes, ...stack };
        const forward = new Forward(all, scratch);
        const given = withInput(batchOf(5, 2), all.inputSize);
        made.length = 0;
        let waits = 0;
        const watched = { ...best, threads: 1, wait: () => waits++ } as unknown as Engine;
        const weights = weightsFor(all);
        instead("ArrayBuffer", Counting, () => forward.run(watched, weights, given, null));
        assertEquals(waits, 0); // for nobody
        return made.slice();
      };
      const large = 2 ** 25;
      assertEquals(buffers({}, large), [4 * (5 * 2 * 8 + 2 * 8 + 2 * 8)]);
      assertEquals(buffers({ kind: "gru" }, large), [4 * (5 * 2 * 8 + 2 * 8)]);
      const both = { kind: "gru", numDirections: 2 } as const;
      const output = 4 * 5 * 2 * 16;
      assertEquals(buffers(both, 1), [output + 4 * 2 * 2 * 8]);
      assertEquals(buffers({ ...both, numLayers: 2 }, large), [output + 4 * 4 * 2 * 8]);
      assertEquals(buffers({ ...both, numLayers: 2 }, 1), [output + 4 * 4 * 2 * 8, output]);
      assertEquals(buffers({ numLayers: 2, kind: "gru" }, 1), [output / 2 + 4 * 2 * 2 * 8]);
    },
    ["auto"],
  );

  fact(
    ["KERNEL-9", "KERNEL-4"],
    "one to four layers that wait for each other, to the same bits",
    () => {
      const run = engine()!;
      for (const kind of ["lstm", "gru", "tanh"] as const) {
        for (const numLayers of [1, 2, 3, 4]) {
          for (const shape of [{}, { batchFirst: true }, { batchSizes: [2, 2, 1, 1, 1] }]) {
            const stack = { ...sizes, kind, numLayers, numDirections: 2, hiddenSize: 3 };
            const weights = weightsFor(stack);
            const given = withInput(batchOf(5, 2, shape), 2);
            const initial = (kind === "lstm" ? [0, 1] : [0])
              .map((k) => numbers(2 * numLayers * 2 * 3, k + 40));
            const whole = new Forward(stack).run(run, weights, given, initial);
            for (const scratch of [1, 3500]) {
              const pieces = new Forward(stack, scratch).run(run, weights, given, initial);
              assertEquals(pieces.output, whole.output);
              assertEquals(pieces.final, whole.final);
            }
          }
        }
      }
    },
    fastPaths,
  );

  fact(["KERNEL-9"], "layers wait where one shard of many goes in pieces", () => {
    const packing = new Packing({ ...sizes, inputSize: 24, numDirections: 2 });
    const batchSizes = [2, ...Array<number>(2999).fill(1)];
    const given = batchOf(3000, 2, { batchSizes });
    const { bytes } = new Shard(packing, given, 0, 1, Infinity);
    const planned = (most: number) => plan(packing, given, 2, most);
    assertEquals(planned(2 * bytes).oneByOne, false);
    const { oneByOne, rounds } = planned(2 * bytes - 2);
    assertEquals([oneByOne, rounds.length], [true, 1]);
    assertEquals(rounds[0].map((shard) => [shard.first, shard.oneByOne]), [[0, true], [1, false]]);
  }, readablePath);

  fact(["KERNEL-9"], "the scratch memory of layers that wait is that of one direction", () => {
    const up = (floats: number) => Math.ceil(floats / 8) * 8;
    for (const inputSize of [2, 40]) {
      const packing = new Packing({ ...sizes, inputSize, numDirections: 2, numLayers: 2 });
      const given = batchOf(4001, 3);
      const most = new Shard(packing, given, 0, 3, Infinity).bytes - 1;
      const shard = new Shard(packing, given, 0, 3, most);
      assertEquals([shard.oneByOne, shard.passes], [true, 8]);
      const rows = 2001 * 3;
      const chunk = Math.ceil(2048 / 3);
      const floats = [
        ...[rows * Math.max(inputSize, 16), rows * 8, 0, chunk * 3 * 32],
        ...[4 * 3 * 8, 4 * 3 * 8, 3 * 8, 3 * 8, 0, 3 * slotCount],
      ].map(up);
      assertEquals(shard.bytes, 4 * floats.reduce((sum, one) => sum + one));
      assertEquals(shard.bytes - shard.program, 4 * floats.at(-1)!);
    }
  }, readablePath);
});

describe("rows on their way to the heap", () => {
  /** What a shard sets of the heap in all its passes: from which of x's floats, and how many. */
  const sets = (given: BatchShape, first: number, batch: number, parts: number) => {
    const packing = new Packing({ ...sizes, inputSize: 3 });
    const whole = new Shard(packing, given, first, batch, Infinity);
    const shard = parts === 1 ? whole : new Shard(packing, given, first, batch, whole.bytes - 1);
    assertEquals(shard.passes, parts);
    const found: number[][] = [];
    const told: number[][] = [];
    const floats = { set: (x: Float32Array) => found.push([x.byteOffset / 12, x.length / 3]) };
    const integers = { set: (counts: number[]) => told.push(counts) };
    const { x } = withInput(given, 3);
    for (let k = 0; k < parts; k++) {
      shard.load({ floats, integers } as unknown as Heap, 0, shard.pass(k), x);
    }
    return { found, told };
  };

  fact(["KERNEL-9"], "rows that follow each other go together", () => {
    const loaded = (...args: Parameters<typeof sets>) => sets(...args).found;
    const [time, batch] = [batchOf(4, 3), batchOf(4, 3, { batchFirst: true })];
    assertEquals(loaded(time, 0, 3, 1), [[0, 12]]);
    assertEquals(loaded(time, 0, 3, 2), [[0, 6], [6, 6]]);
    assertEquals(loaded(time, 1, 2, 1), [[1, 2], [4, 2], [7, 2], [10, 2]]);
    assertEquals(loaded(time, 2, 1, 2), [[2, 1], [5, 1], [8, 1], [11, 1]]);
    assertEquals(loaded(batch, 0, 3, 1), [[0, 12]]);
    assertEquals(loaded(batch, 1, 2, 1), [[4, 8]]);
    assertEquals(loaded(batch, 1, 2, 2), [[4, 2], [8, 2], [6, 2], [10, 2]]);
    assertEquals(loaded(batch, 0, 3, 2), [[0, 2], [4, 2], [8, 2], [2, 2], [6, 2], [10, 2]]);
    const packed = batchOf(4, 3, { batchSizes: [3, 3, 2, 1] });
    assertEquals(sets(packed, 0, 3, 1), { found: [[0, 9]], told: [[3, 3, 2, 1]] });
    assertEquals(sets(packed, 0, 3, 2), { found: [[0, 6], [6, 3]], told: [[3, 3], [2, 1]] });
    assertEquals(sets(packed, 1, 2, 1), {
      found: [[1, 2], [4, 2], [7, 1]],
      told: [[2, 2, 1]],
    });
  }, readablePath);

  fact(["KERNEL-9"], "the input is multiplied in one run where all its rows are there", () => {
    const packing = new Packing(sizes);
    const runs = (given: BatchShape, batch = given.batch) => {
      const shard = new Shard(packing, given, 0, batch, Infinity);
      const integers = new Int32Array(shard.bytes / 4 + slotCount);
      const count = shard.write({ integers } as Heap, 0, shard.pass(0), [shard.bytes]);
      return Array.from({ length: count }, (_, k) => {
        const told = slotsAt(integers, shard.program + 4 * slotCount * k);
        assertEquals([told.xRow, told.xRun], [4 * 2, 4 * 2 * given.length]);
        assertEquals([told.rows, told.batches > 0], [batch, given.batchSizes !== null]);
        return [told.xRows, told.xRuns, told.steps];
      });
    };
    // 2048 rows of sums are a chunk.
    assertEquals(runs(batchOf(1024, 2)), [[2048, 1, 1024]]);
    assertEquals(runs(batchOf(1025, 2)), [[2048, 1, 1024], [2, 1, 1]]);
    const first = { batchFirst: true };
    assertEquals(runs(batchOf(1024, 2, first)), [[2048, 1, 1024]]);
    assertEquals(runs(batchOf(1025, 2, first)), [[1024, 2, 1024], [1, 2, 1]]);
    assertEquals(runs(batchOf(5, 1, first)), [[5, 1, 5]]);
    assertEquals(runs(batchOf(3, 2, { batchSizes: [2, 1, 1] })), [[4, 1, 3]]);
    assert(slotCount > 40);
  }, readablePath);
});
