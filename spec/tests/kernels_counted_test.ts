/** Chapter kernels: what the kernels ask for, counted: memory, and the pieces of a batch. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import type { Engine } from "../../lib/kernels/engine.ts";
import { Forward } from "../../lib/kernels/forward.ts";
import { Heap, OutOfMemory } from "../../lib/kernels/heap.ts";
import { Packing } from "../../lib/kernels/packing.ts";
import { plan, splitFrom, threadsFor } from "../../lib/kernels/plan.ts";
import { Shard } from "../../lib/kernels/shard.ts";
import { slotCount } from "../../lib/kernels/slots.ts";
import { RuntimeError } from "../../mod.ts";
import { describe, fact, law, readablePath } from "./law.ts";
import { batchOf, instead, sizes, weightsOf } from "./kernel_sizes.ts";

describe("memory, counted", () => {
  fact(["KERNEL-6"], "the heap grows by the pages that are missing, and by no page more", () => {
    const heap = new Heap();
    const pages = () => heap.memory.buffer.byteLength / 65536;
    assertEquals([pages(), heap.mostKept], [1, 128 * 2 ** 20]);
    const { floats, integers } = heap;
    assertEquals(heap.allocate(65536 - 64), { at: 64, bytes: 65472, used: 0, onRelease: [] });
    assertEquals(pages(), 1);
    assert(heap.floats === floats && heap.integers === integers); // nothing grew, nothing is new
    assertEquals(heap.allocate(1), { at: 65536, bytes: 64, used: 0, onRelease: [] });
    assertEquals(pages(), 2);
    assert(heap.floats !== floats && heap.integers !== integers);
    heap.allocate(2 ** 26 - 64); // to the end of a page
    assertEquals(pages(), 1 + 1024);
    heap.allocate(65);
    assertEquals(pages(), 2 + 1024);
  }, readablePath);

  fact(["KERNEL-6"], "what is kept is taken back from more than 128 MiB on", () => {
    const heap = new Heap();
    const all = [heap.keep(2 ** 20), heap.keep(127 * 2 ** 20)];
    assertEquals(all.map(({ at }) => at > 0), [true, true]);
    all.push(heap.keep(1));
    assertEquals(all.map(({ at }) => at > 0), [false, true, true]);
    heap.touch(all[1]);
    all.push(heap.keep(2 ** 20 - 64)); // 128 MiB to the byte
    assertEquals(all.map(({ at }) => at > 0), [false, true, true, true]);
  }, readablePath);

  fact(
    ["KERNEL-6"],
    "a scratch is made anew only where it is too small, without the old one",
    () => {
      const heap = new Heap();
      assertEquals([heap.hasScratch(1), heap.hasScratch(0)], [false, true]);
      const at = heap.scratch(128);
      assertEquals([heap.scratch(128), heap.hasScratch(128), heap.hasScratch(129)], [
        at,
        true,
        false,
      ]);
      assertEquals(heap.scratch(256), at); // the old one's place is free
      const more = heap.allocate(64).at;
      assertEquals(more, at + 256);
      assertEquals(heap.scratch(512), more + 64);
      assertEquals(heap.allocate(256).at, at);
    },
    readablePath,
  );

  fact(["KERNEL-7"], "where the system refuses a shared memory, half of it is tried", () => {
    const asked: unknown[] = [];
    class Memory {
      constructor(given: unknown) {
        asked.push(given);
        throw new RangeError("refused (a test)");
      }
    }
    const tries = (pages: number) => {
      asked.length = 0;
      const { Memory: before } = WebAssembly;
      try {
        WebAssembly.Memory = Memory as unknown as typeof before;
        assertThrows(() => new Heap(pages), RangeError, "refused (a test)");
      } finally {
        WebAssembly.Memory = before;
      }
      return asked.map((one) => {
        const { initial, maximum, shared } = one as Record<string, unknown>;
        assertEquals([initial, shared], [1, true]);
        return maximum;
      });
    };
    assertEquals(tries(4096), [4096, 2048, 1024]);
    assertEquals(tries(1024), [1024]);
    assertEquals(tries(1025), [1025, 512.5]);
  }, readablePath);

  fact(["KERNEL-9"], "a quarter of the scratch memory is tried next, down to 64 KiB", () => {
    const given = { ...batchOf(3000, 40), x: new Float32Array(2 * 3000 * 40) };
    const asked = (threads: number, most?: number) => {
      const found: number[] = [];
      const heap = new Heap();
      heap.scratch = (bytes) => {
        found.push(bytes);
        throw new OutOfMemory(bytes, null);
      };
      const stub = { heap, threads, structs: null } as unknown as Engine;
      const forward = new Forward(sizes, most);
      assertThrows(() => forward.run(stub, weightsOf(), given, null), OutOfMemory);
      return found;
    };
    const planned = (threads: number, ...powers: number[]) =>
      powers.map((power) => plan(new Packing(sizes), given, threads, 2 ** power).bytes);
    const down = planned(1, 25, 23, 21, 19, 17, 15);
    assertEquals(new Set(down).size > 4, true);
    assertEquals(asked(1), down);
    assertEquals(asked(8), planned(8, 25, 23, 21, 19, 17, 15));
    assertEquals(asked(16), planned(16, 26, 24, 22, 20, 18, 16)); // 4 MiB for each thread
    assertEquals(asked(16, 2 ** 18), planned(16, 22, 20, 18, 16));
    assertEquals(asked(1, 2 ** 16), planned(1, 16));
    assertEquals(asked(1, 2 ** 18), planned(1, 18, 16));
    assertEquals(asked(1, 2 ** 16 + 1).length, 2);
  }, readablePath);

  fact(
    ["KERNEL-9"],
    "any other error ends the search, and a result that is too large is told",
    () => {
      const heap = new Heap();
      heap.scratch = () => {
        throw new RangeError("another one (a test)");
      };
      const stub = { heap, threads: 1, structs: null } as unknown as Engine;
      const given = { ...batchOf(3, 1), x: new Float32Array(6) };
      assertThrows(
        () => new Forward(sizes).run(stub, weightsOf(), given, null),
        RangeError,
        "another",
      );
      class Refuses {
        constructor() {
          throw new RangeError("refused (a test)");
        }
      }
      const whole = { ...stub, heap: new Heap() } as Engine;
      const long = { ...batchOf(2 ** 15 - 2, 1), x: new Float32Array(2 ** 16) };
      const error = assertThrows(
        () =>
          instead(
            "ArrayBuffer",
            Refuses,
            () => new Forward(sizes).run(whole, weightsOf(), long, null),
          ),
        RuntimeError,
        "not enough memory: the result takes 1.0 MiB", // h of all steps, and h and c at the end
      );
      assertEquals((error.cause as Error).message, "refused (a test)");
    },
    readablePath,
  );
});

describe("pieces, counted", () => {
  fact(["KERNEL-7"], "work of 2²⁰ products is split, of less not; one sequence is one part", () => {
    const packing = new Packing({ ...sizes, inputSize: 24 }); // 32 sums of 24 + 8 features
    assertEquals(splitFrom, 2 ** 20);
    const rows = 2 ** 20 / 32 / 32;
    assertEquals(threadsFor(packing, 9, rows, 4), 4);
    assertEquals(threadsFor(packing, 9, rows - 1, 4), 1);
    assertEquals(threadsFor(packing, 3, rows, 4), 3);
    const firsts = (lengths: number[], threads: number) => {
      const batchSizes = Array.from(
        { length: lengths[0] },
        (_, t) => lengths.filter((own) => own > t).length,
      );
      const given = batchOf(lengths[0], lengths.length, { batchSizes });
      return plan(packing, given, threads, 2 ** 30).rounds[0].map(({ first }) => first);
    };
    assertEquals(firsts([512, 256, 128, 128], 2), [0, 1]);
    assertEquals(firsts([600, 300, 300, 300, 300, 300, 300], 2), [0, 3]);
    assertEquals(firsts([1000, 900, 10, 10, 10], 3), [0, 1, 2]);
    assertEquals(firsts([1100, 1, 1, 1, 1], 3), [0, 1, 2]);
    assertEquals(firsts([500, 500, 500, 500, 500], 4), [0, 1, 3, 4]);
    assertEquals(firsts([500, 500, 500, 500, 500], 5), [0, 1, 2, 3, 4]);
    assertEquals(firsts(Array<number>(8).fill(200), 3), [0, 3, 5]);
    assertEquals(firsts([500, 500, 500], 2), [0, 2]); // 500 + 250 is half of all
    assertEquals(firsts(Array<number>(12).fill(100), 5), [0, 2, 5, 7, 10]);
  }, readablePath);

  law(
    ["KERNEL-9"],
    "a chunk has 256 KiB of sums, or 96 rows where these are more; scratch memory is what all take",
    fc.record({
      hiddenSize: fc.constantFrom(1, 8, 9, 100, 176, 300),
      inputSize: fc.constantFrom(1, 7, 33),
      numLayers: fc.constantFrom(1, 2),
      numDirections: fc.constantFrom(1, 2),
      length: fc.constantFrom(1, 2, 95, 96, 97, 1000, 2049, 5000),
      batch: fc.constantFrom(1, 2, 3, 50),
      ragged: fc.boolean(),
    }),
    ({ length, batch, ragged, ...some }) => {
      const packing = new Packing({ ...sizes, ...some });
      const { gate, sums } = packing;
      const batchSizes = ragged
        ? Array.from({ length }, (_, t) => t === 0 ? batch : Math.ceil(batch / 2))
        : null;
      const shard = new Shard(packing, batchOf(length, batch, { batchSizes }), 0, batch, Infinity);
      const rows = batchSizes ? batchSizes.reduce((sum, size) => sum + size) : length * batch;
      const chunk = Math.min(
        length,
        Math.ceil(Math.max(96, Math.floor(2 ** 18 / 4 / sums)) / batch),
      );
      const parts = some.numLayers * some.numDirections;
      const up = (floats: number) => Math.ceil(floats / 8) * 8;
      const width = rows * some.hiddenSize * some.numDirections;
      const floats = [
        ...[rows * some.inputSize, width, some.numLayers > 1 ? width : 0, chunk * batch * sums],
        ...[parts * batch * gate, parts * batch * gate, batch * gate, batch * gate],
        ...[ragged ? length : 0, parts * Math.ceil(length / chunk) * slotCount],
      ].map(up);
      assertEquals(shard.bytes, 4 * floats.reduce((sum, one) => sum + one));
      assertEquals(shard.program, shard.bytes - 4 * floats.at(-1)!);
      assertEquals([shard.passes, shard.oneByOne, shard.offset], [1, false, 0]);
    },
    60,
    readablePath,
  );

  fact(
    ["KERNEL-9"],
    "what needs more than there is goes in halves of its steps, then alone",
    () => {
      const packing = new Packing({ ...sizes, numDirections: 2, numLayers: 2 });
      const given = batchOf(1001, 1);
      const whole = new Shard(packing, given, 0, 1, Infinity);
      assertEquals(new Shard(packing, given, 0, 1, whole.bytes).passes, 1);
      const halves = new Shard(packing, given, 0, 1, whole.bytes - 1);
      assertEquals([halves.oneByOne, halves.passes], [true, 4 * 2]);
      assert(halves.bytes < whole.bytes);
      const steps = Array.from({ length: 8 }, (_, k) => halves.pass(k));
      assertEquals(steps, [
        ...[{ first: 0, steps: 501, from: 0, to: 1, layer: 0 }],
        ...[{ first: 501, steps: 500, from: 0, to: 1, layer: 0 }],
        ...[{ first: 501, steps: 500, from: 1, to: 2, layer: 0 }],
        ...[{ first: 0, steps: 501, from: 1, to: 2, layer: 0 }],
        ...[{ first: 0, steps: 501, from: 2, to: 3, layer: 1 }],
        ...[{ first: 501, steps: 500, from: 2, to: 3, layer: 1 }],
        ...[{ first: 501, steps: 500, from: 3, to: 4, layer: 1 }],
        ...[{ first: 0, steps: 501, from: 3, to: 4, layer: 1 }],
      ]);
      const single = new Shard(packing, given, 0, 1, 1);
      assertEquals(single.passes, 4 * 1001);
      const one = new Packing({ ...sizes, numLayers: 2 });
      const forwards = new Shard(one, given, 0, 1, new Shard(one, given, 0, 1, 1e9).bytes - 1);
      assertEquals([forwards.oneByOne, forwards.passes], [false, 2]);
      assertEquals(forwards.pass(1), { first: 501, steps: 500, from: 0, to: 2, layer: 0 });
      // Sequences are halved only where single steps are too much.
      const { bytes } = new Shard(one, batchOf(3, 5), 0, 2, 1);
      const parts = (most: number, batch = 5) =>
        plan(one, batchOf(3, batch), 1, most).rounds.flat().map((
          { first, batch },
        ) => [first, batch]);
      assertEquals(parts(bytes), [[0, 2], [2, 1], [3, 2]]);
      assertEquals(parts(bytes, 3), [[0, 2], [2, 1]]);
      assertEquals(parts(bytes - 1), [[0, 1], [1, 1], [2, 1], [3, 1], [4, 1]]);
    },
    readablePath,
  );
});
