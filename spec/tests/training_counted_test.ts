/** Chapter kernels: what training asks of the kernels, counted: pieces and copies. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Packing } from "../../lib/kernels/packing.ts";
import type { Batch } from "../../lib/kernels/shard.ts";
import { load, Plan, type Run, store } from "../../lib/kernels/training/pieces.ts";
import { type Kept, planOf, Spare } from "../../lib/kernels/training/record.ts";
import { batchOf, instead, sizes } from "./kernel_sizes.ts";
import { describe, fact, law, readablePath } from "./law.ts";

describe("pieces of training, counted", () => {
  law(
    ["KERNEL-8"],
    "a piece has as many steps as 2²⁰ floats hold, or 96 rows; a group's step has 2²² floats at most",
    fc.record({
      length: fc.constantFrom(1, 2, 5, 97, 200),
      batch: fc.constantFrom(1, 2, 7, 95, 96, 97, 300),
      floats: fc.constantFrom(1, 5000, 10922, 10923, 2 ** 20, 2 ** 21 + 1, 2 ** 22, 2 ** 23),
      ragged: fc.boolean(),
      batchFirst: fc.boolean(),
    }),
    ({ length, batch, floats, ragged, batchFirst }) => {
      const batchSizes = ragged
        ? Array.from({ length }, (_, t) => Math.max(1, Math.ceil(batch * (length - t) / length)))
        : null;
      if (batchSizes) batchSizes[0] = batch;
      const given: Batch = {
        ...batchOf(length, batch, { batchSizes, batchFirst }),
        x: new Float32Array(0),
      };
      const plan = new Plan(given, floats);
      const counts = batchSizes ?? Array<number>(length).fill(batch);
      assertEquals(plan.rows, counts.reduce((sum, one) => sum + one));
      const most = Math.max(96, Math.floor(2 ** 20 / floats));
      const inGroup = Math.max(1, Math.floor(2 ** 22 / floats));
      assertEquals(plan.groups.length, Math.ceil(batch / inGroup));
      let [next, offset] = [0, 0];
      const seen = { rows: 0, steps: 0, size: 0 };
      const firstRow = (t: number) => counts.slice(0, t).reduce((sum, one) => sum + one, 0);
      plan.groups.forEach((group, part) => {
        const { first, size, pieces } = group;
        assertEquals(first, next);
        next += size;
        assertEquals(next, Math.floor(batch * (part + 1) / plan.groups.length));
        seen.size = Math.max(seen.size, size);
        const reach = (t: number) =>
          t < length ? Math.max(0, Math.min(size, counts[t] - first)) : 0;
        for (let t = 0; t < length + 2; t++) assertEquals(plan.count(group, t), reach(t));
        let step = 0;
        for (const piece of pieces) {
          const { from, to, starts, rows } = piece;
          assertEquals([from, piece.offset, starts[0]], [step, offset, 0]);
          const own = Array.from({ length: to - from }, (_, k) => reach(from + k));
          assertEquals(starts.slice(1).map((end, k) => end - starts[k]), own);
          assertEquals(rows, starts.at(-1));
          assert(rows <= most || to === from + 1);
          assert(reach(to) === 0 || rows + reach(to) > most, "one step more would have fitted");
          // Every row of the piece stands where its step and sequence do.
          const rowsOf = (runs: readonly Run[]) => {
            const found = Array<number>(rows).fill(-1);
            for (const run of runs) {
              for (let k = 0; k < run.rows; k++) found[run.at + k * run.step] = run.from + k;
            }
            return found;
          };
          const wanted = (row: (t: number, n: number) => number) =>
            own.flatMap((count, k) => Array.from({ length: count }, (_, n) => row(from + k, n)));
          const inside = (t: number, n: number) => firstRow(t) + first + n;
          assertEquals(rowsOf(piece.inside), wanted(inside));
          if (!ragged) {
            const outside = (t: number, n: number) =>
              batchFirst ? (first + n) * length + t : inside(t, n);
            assertEquals(rowsOf(piece.outside), wanted(outside));
          }
          for (const reverse of [false, true]) {
            const before = plan.before(group, piece, reverse);
            assert(plan.before(group, piece, reverse) === before); // found once
            const step = reverse ? 1 : -1;
            const there = (t: number, n: number) =>
              t + step >= 0 && n < reach(t + step) ? inside(t + step, n) : -1;
            assertEquals(rowsOf(before.output), wanted(there));
            assertEquals(
              rowsOf(before.initial),
              wanted((t, n) => there(t, n) < 0 ? n : -1),
            );
          }
          if (size === batch && !ragged) assertEquals(piece.inside.length, 1); // all in one run
          seen.rows = Math.max(seen.rows, rows);
          seen.steps = Math.max(seen.steps, to - from);
          [step, offset] = [to, offset + rows];
        }
        assertEquals(reach(step), 0);
      });
      assertEquals([next, offset], [batch, plan.rows]);
      assertEquals(plan.most, seen);
    },
    60,
    readablePath,
  );

  fact(["KERNEL-8"], "what a row of a recorded pass needs", () => {
    const rowsOf = (inputSize: number, numLayers: number, numDirections: number) => {
      const packing = new Packing({ ...sizes, inputSize, numLayers, numDirections });
      const given = { ...batchOf(100_000, 1), x: new Float32Array(0) };
      return planOf(packing, given).most.rows;
    };
    // LSTM, H = 8: 32 sums, 8 of a gate
    assertEquals(rowsOf(2, 1, 1), Math.floor(2 ** 20 / (64 + 48 + 24)));
    assertEquals(rowsOf(9, 1, 1), Math.floor(2 ** 20 / (64 + 48 + 48)));
    assertEquals(rowsOf(2, 2, 2), Math.floor(2 ** 20 / (64 + 48 + 48)));
    assertEquals(rowsOf(40, 2, 2), Math.floor(2 ** 20 / (64 + 48 + 120)));
  }, readablePath);

  law(
    ["KERNEL-8"],
    "rows go on to the heap and back where they belong, and nowhere else",
    fc.record({
      width: fc.constantFrom(1, 3, 8, 23, 24, 25, 30),
      more: fc.constantFrom(0, 1, 8),
      start: fc.constantFrom(0, 2),
      wide: fc.constantFrom(0, 3),
      runs: fc.constantFrom<Run[]>(
        [{ from: 0, at: 0, rows: 6, step: 1 }],
        [{ from: 1, at: 2, rows: 3, step: 1 }],
        [{ from: 0, at: 0, rows: 2, step: 3 }, { from: 3, at: 1, rows: 2, step: 4 }],
        [{ from: 4, at: 0, rows: 1, step: 1 }, { from: 0, at: 1, rows: 2, step: 1 }],
        [],
      ),
    }),
    ({ width, more, start, wide, runs }) => {
      const [padding, stride, at] = [width + more, width + wide + start, 5];
      const data = Float32Array.from(
        { length: start ? 6 * stride + 1 : 6 * stride },
        (_, k) => k + 1,
      );
      const heap = new Float32Array(at + 8 * padding).fill(-1);
      const back = new Float32Array(data.length).fill(-2);
      const [wantedHeap, wantedBack] = [heap.slice(), back.slice()];
      let [sets, heapSets] = [0, 0];
      for (const { from, at: place, rows, step } of runs) {
        for (let row = 0; row < rows; row++) {
          for (let k = 0; k < width; k++) {
            const there = start + (from + row) * stride + k;
            wantedHeap[at + (place + row * step) * padding + k] = data[there];
            wantedBack[there] = data[there];
          }
        }
        // One copy where rows follow each other on both sides; else one for each row of more than 24.
        if (step === 1 && stride === width && padding === width) sets++;
        else if (width > 24) sets += rows;
      }
      heap.set = (...args) => {
        heapSets++;
        Float32Array.prototype.set.apply(heap, args);
      };
      load(heap, at, padding, width, { data, start, stride }, runs);
      delete (heap as { set?: unknown }).set;
      assertEquals([heap, heapSets], [wantedHeap, sets]);
      back.set = (...args) => {
        heapSets--;
        Float32Array.prototype.set.apply(back, args);
      };
      store(heap, at, padding, width, { data: back, start, stride }, runs);
      delete (back as { set?: unknown }).set;
      assertEquals([back, heapSets], [wantedBack, 0]);
    },
    200,
    readablePath,
  );

  fact(
    ["KERNEL-8"],
    "arrays of 4096 floats and more are held on to weakly, shorter ones strongly",
    () => {
      const kept = (...lengths: number[]) => {
        const [output, ...gates] = lengths.map((length) => new Float32Array(length));
        const sides = gates.map((one) => ({ gates: one, extra: [] }));
        return { layers: [{ output, mask: null, sides }] } as unknown as Kept;
      };
      const held: unknown[] = [];
      class Collected { // a reference whose target is collected at once
        constructor(target: unknown) {
          held.push(target);
        }
        deref() {
          return undefined;
        }
      }
      instead("WeakRef", Collected, () => {
        const spare = new Spare();
        assertEquals(held.length, 1);
        const [small] = [kept(4095, 7)];
        spare.give(small);
        assertEquals(held.length, 1); // no large one
        assert(spare.take(4095) === small.layers[0].output);
        assert(spare.take(4095) !== small.layers[0].output); // given out once
        assert(spare.take(7) === small.layers[0].sides[0].gates);
        const large = kept(4096);
        spare.give(large);
        assertEquals(held.length, 2);
        const other = spare.take(4096);
        assert(other !== large.layers[0].output);
        assertEquals([other.length, spare.take(3).length], [4096, 3]);
      });
      const spare = new Spare();
      const both = kept(5000, 2);
      spare.give(both);
      assert(spare.take(5000) === both.layers[0].output);
      assert(spare.take(2) === both.layers[0].sides[0].gates);
    },
    readablePath,
  );
});
