/** Chapter kernels: what the kernels do with weights, counted: structs, copies, threads. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Engine, engine } from "../../lib/kernels/engine.ts";
import { Forward } from "../../lib/kernels/forward.ts";
import { Heap } from "../../lib/kernels/heap.ts";
import { leastFeatures, Packing, structsFrom } from "../../lib/kernels/packing.ts";
import { slotsAt } from "../../lib/kernels/slots.ts";
import { SharedWeights } from "../../lib/kernels/stepper.ts";
import { StructSet, StructTable } from "../../lib/kernels/struct_table.ts";
import { Team } from "../../lib/kernels/threads.ts";
import { KeptWeights } from "../../lib/kernels/weights.ts";
import { RuntimeError, setNumThreads } from "../../mod.ts";
import { describe, everyPath, fact, it, onPath, readablePath } from "./law.ts";
import { batchOf, instead, sizes, weightsOf } from "./kernel_sizes.ts";

/** Calls of `set` on an array of floats while something runs. */
function setsOn(floats: Float32Array, run: () => void): number {
  let count = 0;
  floats.set = (...args) => {
    count++;
    Float32Array.prototype.set.apply(floats, args);
  };
  try {
    run();
  } finally {
    delete (floats as { set?: unknown }).set;
  }
  return count;
}

describe("structs, counted", () => {
  /** A table whose functions only note how they are called. */
  const noting = () => {
    const calls: [string, ...number[]][] = [];
    const table = new StructTable({
      grow: (...args) => void calls.push(["grow", ...args]),
      create: (...args) => void calls.push(["create", ...args]),
      fill: (...args) => void calls.push(["fill", ...args]),
    });
    return { calls, table };
  };

  fact(["KERNEL-6"], "a table grows twofold, makes each struct once, and has an end", () => {
    const { calls, table } = noting();
    const news = () => calls.splice(0);
    assertEquals(news(), [["grow", 0, 24], ["create", 0, 24]]); // 192 features of x by 8
    assertEquals(table.add(1000, 25, 3), 24); // two structs for each panel
    assertEquals(news(), [["grow", 24, 48], ["create", 24, 6], ["fill", 24, 1000, 25, 3]]);
    assertEquals(table.add(2000, 24, 18), 30);
    assertEquals(news(), [["create", 30, 18], ["fill", 30, 2000, 24, 18]]);
    table.remove(24, 25, 3);
    assertEquals(table.add(3000, 1, 6), 24);
    assertEquals(news(), [["fill", 24, 3000, 1, 6]]);
    assertEquals(table.add(4000, 24, 100), 48);
    assertEquals(news(), [["grow", 48, 148], ["create", 48, 100], ["fill", 48, 4000, 24, 100]]);
    const most = Math.floor(2 ** 28 / (16 * 48)); // 256 MiB
    assertEquals(table.add(5, 24, most - 147), 0);
    assertEquals(news(), []);
    assertEquals(table.add(5, 24, most - 149), 148);
    assertEquals(news().map(([name, , to]) => [name, to]).slice(0, 2), [
      ["grow", most - 1],
      ["create", most - 149],
    ]);
    assertEquals(table.add(6, 24, 1), most - 1);
    assertEquals(news()[0][0], "grow");
    assertEquals(table.add(7, 24, 1), 0);
  }, readablePath);

  fact(
    ["KERNEL-6"],
    "a set takes back what it added, once, and not what there was no room for",
    () => {
      const { calls, table } = noting();
      const set = new StructSet(table);
      const most = 2 ** 28 / (16 * 48);
      assertEquals([set.add(8, 24, 2), set.add(8, 24, most), set.add(8, 48, 1)], [24, 0, 26]);
      set.clear();
      set.clear();
      calls.length = 0;
      assertEquals(new StructSet(table).add(8, 24, 4), 24);
      assertEquals(calls, [["fill", 24, 8, 24, 4]]);
    },
    readablePath,
  );

  fact(["KERNEL-6"], "weights for fewer than 8 features are in no structs", () => {
    assertEquals([leastFeatures, structsFrom], [8, 8]);
    for (const inputSize of [7, 8]) {
      const { calls, table } = noting();
      const heap = new Heap();
      const own = { ...sizes, inputSize };
      const packing = new Packing(own);
      const packed = packing.pack(heap, weightsOf(own), 0);
      const stub = { heap, structs: table } as unknown as Engine;
      calls.length = 0;
      packing.makeStructs(stub, packed);
      packing.makeStructs(stub, packed); // once
      const told = slotsAt(heap.integers, packed.parts[0]);
      const fills = calls.filter(([name]) => name === "fill");
      const input: typeof fills = inputSize === 8 ? [["fill", 24, told.input, 8, 4]] : [];
      const next = inputSize === 8 ? 28 : 24;
      assertEquals(fills, [...input, ["fill", next, told.w, 8, 4]]);
      assertEquals([told.inputStructs, told.wStructs], [inputSize === 8 ? 24 : 0, next]);
      heap.drop(packed.allocation);
      assertEquals(table.add(0, 24, 1), 24); // all came back
    }
  }, readablePath);

  const structured = onPath("auto", engine)?.structs ?? null;
  fact(["KERNEL-6"], "a forward pass puts weights into structs from 8 rows on", () => {
    if (structured === null) return;
    for (const rows of [7, 8]) {
      const real = engine()!;
      const added: number[] = [];
      const structs = {
        add: (...args: [number, number, number]) => {
          added.push(args[1]);
          return real.structs!.add(...args);
        },
        remove: (...args: [number, number, number]) => real.structs!.remove(...args),
      };
      const given = { ...batchOf(rows, 1), x: new Float32Array(2 * rows) };
      const forward = new Forward(sizes);
      const weights = weightsOf();
      forward.run({ ...real, structs } as unknown as Engine, weights, given, null);
      assertEquals(added, rows === 8 ? [8] : []);
      real.heap.drop(forward.weights.update(real, weights).allocation);
    }
  }, ["auto"]);
});

describe("copies, counted", () => {
  const run = onPath("auto", engine);

  fact(
    ["KERNEL-6"],
    "weights are compared one by one up to 256 floats, then 64 KiB at a time",
    () => {
      if (run === null) return;
      const update = (lengths: number[], change: number | null) => {
        let calls: number[] = [];
        const counting = {
          ...run,
          heap: new Heap(),
          difference: (a: number, b: number, bytes: number, result: number) => {
            calls.push(bytes / 4);
            const { floats, integers } = counting.heap;
            const same = floats.subarray(a / 4, (a + bytes) / 4)
              .every((one, k) => Object.is(one, floats[b / 4 + k]));
            integers.fill(0, result / 4, result / 4 + 4);
            if (!same) integers[result / 4 + 3] = 1; // the last of the four counts, too
          },
        };
        let packs = 0;
        const packing = new Packing(sizes);
        const { pack } = packing;
        packing.pack = (...args) => {
          packs++;
          return pack.apply(packing, args);
        };
        const kept = new KeptWeights(packing);
        const weights = weightsOf().map((own) => ({
          ...own,
          weightIh: new Float32Array(Math.max(64, lengths[0])),
          weightHh: new Float32Array(Math.max(256, lengths[1])),
        }));
        kept.update(counting as unknown as Engine, weights);
        assertEquals([packs, calls], [1, []]);
        kept.update(counting as unknown as Engine, weights);
        assertEquals(packs, 1);
        const found = calls;
        if (change !== null) {
          calls = [];
          weights[0].weightHh[change] = 1;
          kept.update(counting as unknown as Engine, weights);
          assertEquals(packs, 2);
        }
        return found;
      };
      assertEquals(update([64, 256], 255), [64 + 256 + 64]);
      assertEquals(update([64, 2 ** 14 - 128], 0), [2 ** 14]); // with both biases, of 32
      assertEquals(update([64, 2 ** 14 - 127], 9), [2 ** 14 - 24, 32]);
      assertEquals(update([64, 2 ** 14 + 1], 2 ** 14), [64, 2 ** 14, 8 + 64]);
      assertEquals(update([64, 2 ** 15], 2 ** 15 - 1), [64, 2 ** 14, 2 ** 14, 64]);
    },
    ["auto"],
  );

  fact(
    ["KERNEL-6"],
    "up to 256 floats no kernel compares, and arrays of 32 floats are not `set`",
    () => {
      const small = (length: number) => {
        const heap = new Heap();
        const packing = new Packing({ ...sizes, kind: "tanh", inputSize: 1, hiddenSize: 1 });
        const kept = new KeptWeights(packing);
        const weights = [{
          weightIh: new Float32Array(length),
          weightHh: Float32Array.of(2),
          biasIh: null,
          biasHh: null,
        }];
        let compared = 0;
        const stub = { heap, difference: () => compared++ } as unknown as Engine;
        const sets = setsOn(heap.floats, () => void kept.update(stub, weights));
        const first = kept.update(stub, weights);
        assertEquals(kept.update(stub, weights), first);
        return [sets, Math.sign(compared)];
      };
      assertEquals(small(1), [0, 0]);
      assertEquals(small(32), [0, 0]);
      assertEquals(small(33), [1, 0]);
      assertEquals(small(248), [1, 0]);
      assertEquals(small(249), [1, 1]);
    },
    readablePath,
  );

  fact(["KERNEL-5"], "streams share weights of one engine with the same bits and lengths", () => {
    if (run === null) return;
    const weights = weightsOf();
    const shared = new SharedWeights(run, sizes, weights);
    assertEquals(shared.serve(run, weightsOf()), true);
    assertEquals(shared.serve({ ...run }, weightsOf()), false);
    assertEquals(shared.serve(run, []), false);
    const longer = weightsOf();
    const biasHh = Float32Array.from({ length: 40 }, (_, k) => weights[0].biasHh![k] ?? 0);
    assertEquals(shared.serve(run, [{ ...longer[0], biasHh }]), false);
    longer[0].biasHh![0] = -0; // other bits
    assertEquals(shared.serve(run, longer), false);
    shared.count(1);
    shared.count(-1);
  }, ["auto"]);
});

describe("threads and engines that fail", () => {
  const shared = everyPath.length > 1 && typeof SharedArrayBuffer !== "undefined";

  it("KERNEL-7: a thread that cannot start is told, and none is left", async () => {
    if (!shared) return;
    const heap = new Heap(2 ** 10);
    const { at } = heap.allocate(128);
    const nothing = {} as WebAssembly.Module; // a thread cannot make an instance of it
    await assertRejects(() => Team.start(heap.memory, at, 1, [nothing]), Error);
  });

  it("KERNEL-7: a page that is not cross-origin isolated is told so", async () => {
    const before = Object.getOwnPropertyDescriptor(globalThis, "SharedArrayBuffer")!;
    Object.defineProperty(globalThis, "SharedArrayBuffer", { ...before, value: undefined });
    try {
      await assertRejects(
        () => setNumThreads(2),
        RuntimeError,
        "threads cannot share memory here: a page must be cross-origin isolated",
      );
    } finally {
      Object.defineProperty(globalThis, "SharedArrayBuffer", before);
    }
  });

  it("KERNEL-2: without WebAssembly there are no kernels, and that is no failure", async () => {
    const own = await import("../../lib/kernels/engine.ts?without");
    instead("WebAssembly", undefined, () => {
      const error = assertThrows(() => own.setKernels("relaxed"), TypeError);
      assertEquals(error.message, 'this engine cannot run the kernels "relaxed"');
      assertEquals(own.engine(), null);
    });
  });
});
