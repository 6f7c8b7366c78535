/** Chapter kernels: what lies where, by hand: the free list, the heap, packed weights, shards. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Assembler, Func } from "../../lib/kernels/assembler.ts";
import { FreeList } from "../../lib/kernels/free_list.ts";
import { type Allocation, Heap, OutOfMemory } from "../../lib/kernels/heap.ts";
import { Packing, type StackSizes, type Weights } from "../../lib/kernels/packing.ts";
import { plan } from "../../lib/kernels/plan.ts";
import { type CellKind, kinds, slotCount, slotOf, slotsAt } from "../../lib/kernels/slots.ts";
import { describe, fact, law, readablePath } from "./law.ts";

/** Whether two rows of numbers have one in common. */
function overlap(a: number, aLength: number, b: number, bLength: number): boolean {
  return a < b + bLength && b < a + aLength;
}

describe("the heap", () => {
  law(
    ["KERNEL-6"],
    "a free list gives no number twice, uses holes first, and forgets what it got back",
    fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 60 }),
    (steps) => {
      const list = new FreeList(3);
      const given: [at: number, length: number][] = [];
      const used = () => {
        const numbers = new Set<number>();
        for (const [at, length] of given) for (let k = 0; k < length; k++) numbers.add(at + k);
        return numbers;
      };
      for (const [take, n] of steps) {
        const before = used();
        if (take || given.length === 0) {
          const length = n + 1;
          const at = list.take(length);
          for (let k = 0; k < length; k++) assert(!before.has(at + k), `${at + k} is in use`);
          assert(at >= 3);
          // The lowest place that is long enough.
          let lowest = 3;
          const free = (from: number) =>
            Array.from({ length }, (_, k) => from + k).every((number) => !before.has(number));
          while (!free(lowest)) lowest++;
          assertEquals(at, lowest);
          given.push([at, length]);
        } else {
          const [[at, length]] = given.splice(n % given.length, 1);
          list.give(at, length);
        }
        assertEquals(list.end, Math.max(3, ...[...used()].map((number) => number + 1)));
      }
      for (const [at, length] of given.splice(0)) list.give(at, length);
      assertEquals(list.end, 3);
      list.give(3, 0); // nothing is nothing
      assertEquals([list.take(5), list.end], [3, 8]);
    },
    200,
    readablePath,
  );

  law(
    ["KERNEL-6"],
    "allocations lie apart, on cache lines, in memory that is there, and keep what is in them",
    fc.array(
      fc.record({
        what: fc.constantFrom("allocate", "keep", "scratch", "release", "drop", "touch"),
        n: fc.nat(200_000),
      }),
      { maxLength: 40 },
    ),
    (steps) => {
      const heap = new Heap();
      const own: Allocation[] = [];
      const kept: Allocation[] = [];
      let [marks, scratch] = [0, 0];
      const mark = new Map<Allocation, number>();
      for (const { what, n } of steps) {
        const at = n % Math.max(1, what === "release" ? own.length : kept.length);
        if (what === "allocate" || what === "keep") {
          const one = what === "keep" ? heap.keep(n + 1) : heap.allocate(n + 1);
          assert(one.bytes > n && one.bytes < n + 65 && one.at % 64 === 0 && one.at > 0);
          (what === "keep" ? kept : own).push(one);
          mark.set(one, ++marks);
          heap.floats.fill(marks, one.at / 4, (one.at + one.bytes) / 4);
        } else if (what === "scratch") {
          const start = heap.scratch(n + 1);
          assert(heap.hasScratch(n + 1) && start > 0 && start % 64 === 0);
          scratch = Math.max(scratch, n + 1);
          assertEquals(heap.scratch(1), start);
          heap.floats.fill(-1, start / 4, (start + n) / 4);
        } else if (what === "release" && own[at]) {
          const [one] = own.splice(at, 1);
          heap.release(one);
          heap.release(one); // the second time does nothing
          assertEquals(one.at, 0);
        } else if (what === "drop" && kept[at]) {
          const [one] = kept.splice(at, 1);
          heap.drop(one);
          heap.drop(one);
          assertEquals(one.at, 0);
        } else if (kept[at]) heap.touch(kept[at]);
        const all = [...own, ...kept];
        all.forEach((a, k) => {
          assert(a.at + a.bytes <= heap.memory.buffer.byteLength);
          assertEquals([heap.floats[a.at / 4], heap.floats[(a.at + a.bytes) / 4 - 1]], [
            mark.get(a),
            mark.get(a),
          ]);
          for (const b of all.slice(k + 1)) assert(!overlap(a.at, a.bytes, b.at, b.bytes));
        });
        assertEquals(heap.floats.buffer, heap.memory.buffer);
        assertEquals(heap.integers.buffer, heap.memory.buffer);
        assertEquals(heap.hasScratch(scratch), true);
        assertEquals(heap.hasScratch(scratch + 64), false);
      }
    },
    60,
    readablePath,
  );

  fact(["KERNEL-6"], "what was used last is taken back last, and told so while it is there", () => {
    const heap = new Heap();
    const size = 2 ** 25; // four of them are kept
    const gone: number[] = [];
    const keep = (name: number) => {
      const one = heap.keep(size);
      heap.floats[one.at / 4] = name;
      one.onRelease.push(() => gone.push(heap.floats[one.at / 4]));
      return one;
    };
    const all = [1, 2, 3, 4].map(keep);
    assertEquals(gone, []);
    heap.touch(all[0]);
    all.push(keep(5));
    assertEquals(gone, [2]);
    assertEquals(all.map(({ at }) => at > 0), [true, false, true, true, true]);
    heap.mostKept += size;
    all.push(keep(6));
    assertEquals(gone, [2]);
    all.push(keep(7));
    assertEquals(gone, [2, 3]);
    heap.drop(all[0]);
    assertEquals(gone, [2, 3, 1]);
    // A larger one than all that may be kept stays alone.
    const large = heap.keep(10 * size);
    assertEquals(gone, [2, 3, 1, 4, 5, 6, 7]);
    assert(large.at > 0);
  }, readablePath);

  fact(
    ["KERNEL-9"],
    "where memory is short, what is kept makes room, but not for scratch the last",
    () => {
      const heap = new Heap();
      const limit = 2 ** 20;
      const all = [0, 1, 2].map(() => heap.keep(limit / 4));
      heap.touch(all[0]);
      heap.reach = function (end) {
        if (end > limit) throw new RangeError("a limit (a test)");
        Heap.prototype.reach.call(this, end);
      };
      const there = () => all.map(({ at }) => at > 0);
      heap.scratch(limit / 2); // the memory of two of them
      assertEquals(there(), [true, false, false]);
      assertThrows(() => heap.scratch(limit), OutOfMemory, "not enough memory");
      assertEquals(there(), [true, false, false]);
      heap.allocate(0.8 * limit); // needs that of the last
      assertEquals(there(), [false, false, false]);
      assertThrows(() => heap.allocate(limit), OutOfMemory, "1.0 MiB more");
    },
    readablePath,
  );
});

describe("slots", () => {
  fact(["KERNEL-1"], "a record has one integer for each slot, in the order of the list", () => {
    const integers = new Int32Array(4 * slotCount);
    const told = slotsAt(integers, 4 * slotCount);
    const names = Object.keys(slotOf) as (keyof typeof slotOf)[];
    assertEquals(names.length, slotCount);
    names.forEach((name, k) => told[name] = k + 1);
    assertEquals(names.map((name) => told[name]), names.map((_, k) => k + 1));
    assertEquals(
      [...integers],
      [...integers].map((_, k) => k >= slotCount && k < 2 * slotCount ? k - slotCount + 1 : 0),
    );
    told.at += slotCount;
    told.x = 7;
    assertEquals(integers[2 * slotCount + slotOf.x], 7);
  }, readablePath);

  fact(["KERNEL-1"], "a call with another number of arguments is not put together", () => {
    const f = new Func(0, 2);
    assertThrows(() => f.call(1), Error, "a call needs 2 arguments");
    assertThrows(() => f.call(1, 2, 3), Error, "a call needs 2 arguments");
    assert(f.call(1, 2).length > 0);
    assert(new Assembler().encode().length > 0);
  }, readablePath);
});

describe("packed weights", () => {
  const gatesOf: Record<CellKind, number> = { tanh: 1, relu: 1, lstm: 4, gru: 3 };
  const sizes = fc.record({
    kind: fc.constantFrom(...kinds),
    inputSize: fc.constantFrom(1, 3, 8, 23, 24, 25),
    hiddenSize: fc.constantFrom(1, 2, 7, 8, 9, 16, 17),
    projSize: fc.constantFrom(0, 1, 3),
    numLayers: fc.constantFrom(1, 2),
    numDirections: fc.constantFrom(1, 2),
    bias: fc.boolean(),
    room: fc.constantFrom(0, 1, 64),
  }).map(({ projSize, ...rest }) => ({
    ...rest,
    projSize: rest.kind === "lstm" && projSize < rest.hiddenSize ? projSize : 0,
  }));
  const up = (n: number) => Math.ceil(n / 8) * 8;

  law(
    ["KERNEL-6"],
    "each number of W lies in its panel, and zeros around it, whatever the sizes",
    sizes,
    ({ bias, room, ...stack }) => {
      const { kind, hiddenSize, projSize, numLayers, numDirections } = stack as StackSizes;
      const packing = new Packing(stack);
      const [gates, out] = [gatesOf[kind], projSize || hiddenSize];
      const features = (layer: number) => layer === 0 ? stack.inputSize : numDirections * out;
      assertEquals([0, 1].map((layer) => packing.features(layer)), [0, 1].map(features));
      assertEquals([packing.gate, packing.sums], [up(hiddenSize), gates * up(hiddenSize)]);
      let next = 0;
      const array = (length: number) => Float32Array.from({ length }, () => ++next);
      const weights: Weights[] = Array.from({ length: numLayers * numDirections }, (_, k) => ({
        weightIh: array(gates * hiddenSize * features(Math.floor(k / numDirections))),
        weightHh: array(gates * hiddenSize * out),
        biasIh: bias ? array(gates * hiddenSize) : null,
        biasHh: bias ? array(gates * hiddenSize) : null,
        ...(projSize && { weightHr: array(projSize * hiddenSize) }),
      }));
      const heap = new Heap();
      heap.floats.fill(9);
      const { allocation, parts, room: behind } = packing.pack(heap, weights, room);
      const { floats } = heap;
      const end = (allocation.at + allocation.bytes) / 4;
      assert(behind / 4 + room <= end);
      assertEquals([...floats.subarray(behind / 4, end)].every((x) => x === 0), true);
      /** Checks rows in panels at an address: `row(j)` of W, or -1 for zeros. */
      const check = (
        at: number,
        w: Float32Array,
        rows: number,
        k: number,
        row: (j: number) => number,
      ) => {
        for (let j = 0; j < rows; j++) {
          for (let f = 0; f < k; f++) {
            const given = floats[at / 4 + Math.floor(j / 8) * 8 * k + 8 * f + j % 8];
            assertEquals(given, row(j) < 0 ? 0 : w[row(j) * k + f]);
          }
        }
      };
      const gate = up(hiddenSize);
      const gateRow = (j: number) =>
        j % gate < hiddenSize ? Math.floor(j / gate) * hiddenSize + j % gate : -1;
      const together = kind === "gru" ? 2 * gate : gates * gate;
      weights.forEach((own, index) => {
        const told = slotsAt(heap.integers, parts[index]);
        const k = features(Math.floor(index / numDirections));
        check(told.input, own.weightIh, gates * gate, k, gateRow);
        check(told.w, own.weightHh, together, out, gateRow);
        for (let j = 0; j < gates * gate; j++) {
          const row = gateRow(j);
          const wanted = !bias || row < 0
            ? 0
            : own.biasIh![row] + (j < together ? own.biasHh![row] : 0);
          assertEquals(floats[told.bias / 4 + j], Math.fround(wanted));
        }
        if (kind === "gru") {
          const later = (j: number) => gateRow(j + together);
          check(told.newW, own.weightHh, gate, out, later);
          for (let j = 0; j < gate; j++) {
            const row = later(j);
            assertEquals(floats[told.newBias / 4 + j], bias && row >= 0 ? own.biasHh![row] : 0);
          }
        }
        if (projSize) {
          check(
            told.projection,
            own.weightHr!,
            up(projSize),
            hiddenSize,
            (j) => j < projSize ? j : -1,
          );
          for (let j = 0; j < up(projSize); j++) assertEquals(floats[told.zero / 4 + j], 0);
        }
        const counts = {
          features: k,
          panels: gates * gate / 8,
          reverse: index % numDirections,
          width: 4 * gate,
          hRow: 4 * up(out),
          cRow: 4 * gate,
          k: out,
          wPanels: together / 8,
          newPanels: kind === "gru" ? gate / 8 : 0,
          fullK: projSize ? hiddenSize : 0,
          outBytes: 4 * out,
          inputStructs: 0,
          wStructs: 0,
        };
        for (const [name, value] of Object.entries(counts)) {
          assertEquals(told[name as keyof typeof counts], value, name);
        }
        assertEquals([told.newW > 0, told.projection > 0], [kind === "gru", projSize > 0]);
      });
      // No piece lies on another: the numbers of all pieces are there, so the sizes add up.
      const bytes = weights.reduce((sum, own) => sum + 4 * own.weightIh.length, 0);
      assert(allocation.bytes > bytes);
    },
    80,
    readablePath,
  );
});

describe("shards", () => {
  law(
    ["KERNEL-7", "KERNEL-9"],
    "each sequence is in one shard of one round, and threads get about as many rows each",
    fc.record({
      threads: fc.constantFrom(1, 2, 3, 8),
      lengths: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 30 }),
      ragged: fc.boolean(),
      most: fc.constantFrom(1, 200_000, 2 ** 25),
      hiddenSize: fc.constantFrom(1, 100),
    }),
    ({ threads, lengths, ragged, most, hiddenSize }) => {
      lengths.sort((a, b) => b - a);
      if (!ragged) lengths.fill(lengths[0]);
      const [length, batch] = [lengths[0], lengths.length];
      const batchSizes = ragged
        ? Array.from({ length }, (_, t) => lengths.filter((own) => own > t).length)
        : null;
      const packing = new Packing({
        ...{ kind: "lstm", inputSize: 2, hiddenSize, projSize: 0 },
        ...{ numLayers: 1, numDirections: 1 },
      });
      const given = { length, batch, batchFirst: false, batchSizes, order: null };
      const { rounds, rows, bytes } = plan(packing, given, threads, most);
      const total = lengths.reduce((sum, own) => sum + own, 0);
      assertEquals(rows, total);
      const shards = rounds.flat().sort((a, b) => a.first - b.first);
      let first = 0;
      for (const shard of shards) {
        assertEquals(shard.first, first);
        assert(shard.batch > 0);
        first += shard.batch;
        // Its passes cover its steps, in order and without a gap.
        let step = 0;
        for (let k = 0; k < shard.passes; k++) {
          const pass = shard.pass(k);
          assertEquals([pass.first, pass.from, pass.to, pass.layer], [step, 0, 1, 0]);
          assert(pass.steps > 0);
          step += pass.steps;
        }
        assertEquals(step, lengths[shard.first]);
        assert(shard.bytes <= most || (shard.batch === 1 && shard.passes === step));
      }
      assertEquals(first, batch);
      for (const round of rounds) {
        assert(round.length <= threads);
        let offset = 0;
        for (const shard of round) {
          assertEquals(shard.offset, offset);
          offset += shard.bytes;
        }
        assert(offset <= bytes);
      }
      if (hiddenSize === 1) assertEquals(rounds[0].length, 1); // too small for other threads
      const work = total * 4 * 104 * (2 + 100);
      if (hiddenSize === 100 && work >= 2 ** 20) {
        assertEquals(rounds[0].length, Math.min(threads, batch));
      }
      if (most === 2 ** 25) { // one round: the shares
        assertEquals(rounds.length, 1);
        const parts = rounds[0].length;
        rounds[0].forEach(({ first, batch }) => {
          const own = lengths.slice(first, first + batch).reduce((sum, one) => sum + one, 0);
          if (batch > 1) assert(own <= total / parts + lengths[0], `${own} of ${total} rows`);
        });
      }
    },
    200,
    readablePath,
  );
});
