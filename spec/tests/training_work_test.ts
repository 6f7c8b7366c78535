/** Chapter kernels: what a recorded pass and its backward pass do, counted, and where. */

import { assert, assertEquals } from "@std/assert";
import { type Engine, engine, useTrainingKernels } from "../../lib/kernels/engine.ts";
import { Heap } from "../../lib/kernels/heap.ts";
import { Packing, type StackSizes, type Weights } from "../../lib/kernels/packing.ts";
import type { Batch } from "../../lib/kernels/shard.ts";
import { backward as backwards, type Wanted } from "../../lib/kernels/training/backward.ts";
import { Plan } from "../../lib/kernels/training/pieces.ts";
import { planOf, record, Spare } from "../../lib/kernels/training/record.ts";
import { KeptWeights } from "../../lib/kernels/weights.ts";
import { LSTM, packPaddedSequence, randn, type Tensor } from "../../mod.ts";
import { backward, mul, ones, sum } from "../../mod.ts";
import { batchOf } from "./kernel_sizes.ts";
import { describe, fact, onPath } from "./law.ts";

const small: StackSizes = {
  ...{ kind: "tanh", inputSize: 2, hiddenSize: 3, projSize: 0, numLayers: 1, numDirections: 1 },
};
const gatesOf = { tanh: 1, relu: 1, lstm: 4, gru: 3 };
const up = (floats: number) => Math.ceil(floats / 8) * 8;

describe("training, counted", () => {
  useTrainingKernels();
  const real = onPath("auto", engine);

  /** A stack of layers whose passes are watched. */
  const watched = (some: Partial<StackSizes>, length: number, batch = 1) => {
    const stack = { ...small, ...some };
    const packing = new Packing(stack);
    const { hiddenSize: H, projSize, numDirections: D, numLayers } = stack;
    const [gates, out] = [gatesOf[stack.kind], projSize || H];
    const numbers = (length: number) => Float32Array.from({ length }, (_, k) => Math.sin(k + 1));
    const weights: Weights[] = Array.from({ length: D * numLayers }, (_, k) => ({
      weightIh: numbers(gates * H * packing.features(Math.floor(k / D))),
      weightHh: numbers(gates * H * out),
      biasIh: numbers(gates * H),
      biasHh: numbers(gates * H),
      ...projSize ? { weightHr: numbers(projSize * H) } : {},
    }));
    const given: Batch = { ...batchOf(length, batch), x: numbers(length * batch * 2) };
    const plan = planOf(packing, given);
    const [trains, structs, asked]: [number[], number[][], number[]] = [[], [], []];
    const { heap, run } = real!;
    const make = (): Engine => ({
      ...real!,
      threads: 1,
      run: {
        ...run,
        train: (at, count) => {
          trains.push(count);
          run.train(at, count);
        },
      },
      structs: real!.structs && {
        add: (at: number, k: number, panels: number) => {
          structs.push([k, panels]);
          return real!.structs!.add(at, k, panels);
        },
        remove: (...one: [number, number, number]) => real!.structs!.remove(...one),
      } as unknown as Engine["structs"],
    });
    const held = new KeptWeights(packing);
    const scratching = <T>(call: () => T): T => {
      heap.scratch = (bytes) => {
        asked.push(bytes);
        return Heap.prototype.scratch.call(heap, bytes);
      };
      try {
        return call();
      } finally {
        delete (heap as { scratch?: unknown }).scratch;
      }
    };
    const forward = (own: Engine) =>
      scratching(() =>
        record(own, packing, held, weights, given, plan, null, new Spare(), () => null)
      );
    const back = (own: Engine, wanted: Partial<Wanted>) => {
      const { kept, output } = forward(own);
      for (const list of [trains, structs, asked]) list.length = 0;
      const initial = stack.kind === "lstm" ? [false, false] : [false];
      const all = { input: false, initial, weights: weights.map(() => ({})), ...wanted };
      const zeros = all.initial.map(() => new Float32Array(D * numLayers * batch * H));
      const states = { ...kept, initial: zeros };
      return scratching(() => backwards(own, packing, weights, states, output, [], all));
    };
    const drop = () => heap.drop(held.update(real!, weights).allocation);
    return { make, forward, back, drop, trains, structs, asked, heap };
  };

  fact(["KERNEL-8"], "the commands of one step, for each thing that is wanted", () => {
    if (real === null) return;
    const commands = (some: Partial<StackSizes>, length: number, wanted: Partial<Wanted>) => {
      const all = watched(some, length);
      all.back(all.make(), wanted);
      all.drop();
      assertEquals(all.trains.length, 1);
      return all.trains[0];
    };
    const only = (name: string) => ({ weights: [{ [name]: true }] });
    const names = ["weightIh", "weightHh", "biasIh", "biasHh"];
    const row = (some: Partial<StackSizes>, length: number) => [
      ...names.map((name) => commands(some, length, only(name))),
      commands(some, length, { input: true }),
      commands(some, length, { initial: some.kind === "lstm" ? [true, false] : [true] }),
    ];
    // The derivative, then 3 for a product over rows: two matrices in panels, and the product.
    assertEquals(row({}, 1), [4, 4, 2, 2, 2, 2]);
    assertEquals(row({ kind: "relu" }, 2), [6, 6, 4, 4, 4, 4]);
    assertEquals(row({ kind: "lstm" }, 1), [4, 4, 2, 2, 2, 2]);
    assertEquals(row({ kind: "gru" }, 1), [4, 6, 2, 3, 2, 3]);
    const proj = { kind: "lstm", projSize: 2 } as const; // and a product, a sum, W_hr
    assertEquals(row(proj, 1), [7, 7, 5, 5, 5, 5]);
    assertEquals(commands(proj, 1, only("weightHr")), 7);
    assertEquals(commands({ kind: "lstm" }, 1, { initial: [false, true] }), 1);
    const both = { weightIh: true, weightHh: true, biasIh: true, biasHh: true };
    assertEquals(commands({}, 1, { weights: [both] }), 1 + 3 + 2 + 1);
    assertEquals(commands({ kind: "gru" }, 1, { weights: [both] }), 1 + 4 + 3 + 2);
  }, ["auto"]);

  fact(["KERNEL-8"], "layers below what is wanted are left alone", () => {
    if (real === null) return;
    const passes = (wanted: Partial<Wanted>) => {
      const all = watched({ numLayers: 3, numDirections: 2, hiddenSize: 2 }, 2);
      all.back(all.make(), wanted);
      all.drop();
      return all.trains.length;
    };
    const only = (index: number) => ({
      weights: Array.from({ length: 6 }, (_, k) => k === index ? { biasIh: true } : {}),
    });
    assertEquals([0, 1, 2, 3, 4, 5].map((k) => passes(only(k))), [6, 6, 4, 4, 2, 2]);
    assertEquals([passes({ input: true }), passes({ initial: [true] })], [6, 6]);
  }, ["auto"]);

  fact(["KERNEL-6", "KERNEL-8"], "weights are in structs from 8 rows on, backwards, too", () => {
    if (real?.structs == null) return;
    const added = (some: Partial<StackSizes>, rows: number, wanted: Partial<Wanted>) => {
      const all = watched(some, rows);
      const own = all.make();
      all.forward(own);
      const before = all.structs.slice();
      all.back(own, wanted);
      all.drop();
      return [before, all.structs];
    };
    const big = { inputSize: 2, hiddenSize: 9 };
    assertEquals(added(big, 7, { input: true }), [[], []]);
    assertEquals(added(big, 8, { input: true }), [[[9, 2]], [[16, 1], [16, 2]]]);
    assertEquals(added(big, 8, { weights: [{ biasIh: true }] })[1], [[16, 2]]);
    assertEquals(added({ ...big, kind: "gru" }, 8, { input: true })[1], [
      [48, 1],
      [32, 2],
      [16, 2],
    ]);
    assertEquals(added({ ...big, kind: "lstm", projSize: 2 }, 8, { input: true })[1], [
      [64, 1],
      [64, 1],
      [8, 2],
    ]);
  }, ["auto"]);

  fact(["KERNEL-8"], "the places of a pass are found again while they hold", () => {
    if (real === null) return;
    for (const kind of ["tanh", "gru", "lstm"] as const) {
      for (const projSize of kind === "lstm" ? [0, 2] : [0]) {
        const [length, batch, H] = [3, 2, 3];
        const all = watched({ kind, projSize }, length, batch);
        const [rows, gate, sums] = [length * batch, 8, 8 * gatesOf[kind]];
        const extras = { tanh: 0, gru: 1, lstm: 2 }[kind];
        const p = projSize ? 1 : 0;
        const bytes = (parts: number[]) => parts.reduce((sum, part) => sum + 4 * up(part), 256);
        const first = bytes([
          ...[rows * 2, rows * sums, rows * 8, batch * 8, batch * gate, p * batch * gate],
          ...[16 * (2 + 4 * length), ...Array<number>(extras).fill(rows * gate)],
        ]);
        const second = bytes([
          ...[sums * 8 + 192, sums * 8 + 192, p * 8 * gate + 192],
          ...[sums * 8, sums * 8, p * 8 * gate, sums, gate, 8],
          ...[rows * 8, rows * 8, rows * 8, kind === "tanh" ? rows * gate : 0, rows * 8],
          ...[rows * sums, extras * rows * gate, p * rows * gate, p * batch * gate],
          ...[batch * 8, batch * gate, rows * sums, kind === "gru" ? rows * gate : 0],
          ...[rows * 8, rows * 8, p * rows * 8, p * rows * gate, 16 * (6 * length + 8 * 3)],
        ]);
        assert(H < 8);
        const own = all.make();
        all.forward(own);
        assertEquals(all.asked.splice(0), [first]);
        all.forward(own);
        assertEquals(all.asked.splice(0), [first]);
        all.heap.release(all.heap.allocate(all.heap.memory.buffer.byteLength)); // which moves it
        all.forward(own);
        assertEquals(all.asked.splice(0), [first, first]);
        all.forward(all.make());
        assertEquals(all.asked.splice(0), [first]);
        all.back(own, { input: true });
        assertEquals(all.asked, [second]);
        all.drop();
      }
    }
  }, ["auto"]);

  fact(["KERNEL-8"], "the pieces of a batch are found again for one of the same extents", () => {
    if (real === null) return;
    backward(sum(mul(ones([1], { requiresGrad: true }), 2))); // from here on this program trains
    const lstm = new LSTM(2, 3);
    const { count } = Plan.prototype;
    const made = (input: Tensor | ReturnType<typeof packPaddedSequence>) => {
      let counted = 0;
      Plan.prototype.count = function (...args) {
        counted++;
        return count.apply(this, args);
      };
      try {
        lstm.forward(input as Tensor);
      } finally {
        Plan.prototype.count = count;
      }
      return counted > 0;
    };
    const packed = () => packPaddedSequence(randn([3, 2, 2]), [3, 3]);
    assertEquals([made(randn([3, 2, 2])), made(randn([3, 2, 2]))], [true, false]);
    assertEquals([made(randn([4, 2, 2])), made(randn([4, 2, 2]))], [true, false]);
    assertEquals([made(randn([4, 1, 2])), made(randn([4, 2]))], [true, false]);
    assertEquals([made(randn([3, 2, 2])), made(packed()), made(packed())], [true, true, true]);
    assertEquals([made(randn([3, 2, 2])), made(randn([3, 2, 2]))], [true, false]);
  }, ["auto"]);
});
