/** Chapter kernels: what training asks of the kernels, counted: commands, tiles, memory. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Assembler, type Func, type Madd, mulAdd } from "../../lib/kernels/assembler.ts";
import { type Engine, engine, useTrainingKernels } from "../../lib/kernels/engine.ts";
import { Heap } from "../../lib/kernels/heap.ts";
import { addLinear } from "../../lib/kernels/linear.ts";
import { addLinearByStructs, structFields } from "../../lib/kernels/structs.ts";
import { addCommands, commandBytes, Program } from "../../lib/kernels/training/commands.ts";
import { Crew, Layout } from "../../lib/kernels/training/crew.ts";
import { denseForward, inPieces, threadsFor } from "../../lib/kernels/training/dense.ts";
import { denseBackward } from "../../lib/kernels/training/dense_backward.ts";
import { outer } from "../../lib/kernels/training/products.ts";
import { sumsOf } from "../../lib/kernels/training/sums.ts";
import { backward, Linear, LSTM, noGrad, ones, randn } from "../../mod.ts";
import { describe, fact, law, onPath, readablePath } from "./law.ts";

const up = (floats: number) => Math.ceil(floats / 8) * 8;

/** How many bytes of scratch memory are asked for while something runs. */
function scratches({ heap }: Engine, run: () => void): number[] {
  const asked: number[] = [];
  heap.scratch = (bytes) => {
    asked.push(bytes);
    return Heap.prototype.scratch.call(heap, bytes);
  };
  try {
    run();
  } finally {
    delete (heap as { scratch?: unknown }).scratch;
  }
  return asked;
}

describe("crews and commands", () => {
  fact(["KERNEL-7", "KERNEL-8"], "only threads with commands are started and waited for", () => {
    const done: unknown[] = [];
    const stub = {
      heap: new Heap(),
      run: { train: (at: number, count: number) => done.push(["run", at, count]) },
      start: (...args: unknown[]) => done.push(["start", ...args]),
      wait: () => done.push(["wait"]),
    } as unknown as Engine;
    assertEquals([commandBytes(1), commandBytes(3)], [64, 192]);
    const crew = new Crew(stub, 3, 128, 2);
    const parts: number[][] = [];
    const add = (program: Program, from: number, to: number) => {
      parts.push([from, to]);
      program.add("copy", [from], [to]);
    };
    crew.split(2, add); // the first of three has none of two
    assertEquals(parts.splice(0), [[0, 1], [1, 2]]);
    crew.barrier();
    assertEquals(done.splice(0), [["start", 1, "train", 256, 1], ["start", 2, "train", 384, 1], [
      "wait",
    ]]);
    crew.split(1, add);
    crew.run();
    assertEquals(done.splice(0), [["start", 2, "train", 384, 1], ["wait"]]);
    crew.run();
    assertEquals(done, []);
    crew.split(0, add);
    crew.split(7, add);
    assertEquals(parts, [[0, 1], [0, 2], [2, 4], [4, 7]]);
    crew.run();
    assertEquals(done.splice(0).map((one) => (one as string[])[0]), [
      "start",
      "start",
      "run",
      "wait",
    ]);
    const alone = new Crew(stub, 1, 128, 2);
    alone.split(0, add);
    alone.split(5, add);
    alone.barrier(); // waits for nobody
    assertEquals([parts.at(-1), done], [[0, 5], []]);
    alone.run();
    assertEquals(done, [["run", 128, 1]]);
  }, readablePath);

  fact(["KERNEL-8"], "a layout gives whole panels, one after the other", () => {
    const layout = new Layout();
    assertEquals([layout.take(1), layout.take(8), layout.take(0), layout.take(9)], [0, 32, 64, 64]);
    assertEquals([layout.commands(2), layout.bytes], [128, 256]);
  }, readablePath);

  law(
    ["KERNEL-8"],
    "three equal steps or more are a loop of two, and the last step is apart",
    fc.record({
      counts: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 9 }),
      reverse: fc.boolean(),
      part: fc.constantFrom([0, 3], [0, 1], [1, 3], [2, 3]),
    }),
    ({ counts, reverse, part: [first, end] }) => {
      counts.sort((a, b) => b - a);
      const starts = [0];
      for (const count of counts) starts.push(starts.at(-1)! + count);
      const order = counts.map((_, k) => reverse ? counts.length - 1 - k : k);
      const integers = new Int32Array(16 * 40);
      const program = new Program(integers, 0);
      const calls: [number, number, boolean][] = [];
      program.steps({ starts }, reverse, first, end, (row, rows, last) => {
        calls.push([row, rows, last]);
        program.add("add", [row, rows]);
        program.add("copy", [row, rows]);
      });
      // Carries the commands out, as `train` does.
      const done: number[] = [];
      for (let k = 0; k < program.count;) {
        const [name, each, times] = integers.subarray(16 * k);
        if (name !== 15) {
          if (name === 5) done.push(integers[16 * k + 1], integers[16 * k + 2]);
          k++;
          continue;
        }
        assert(each === 2 && times > 2);
        const [one, two] = [integers[16 * (k + 1) + 1], integers[16 * (k + 3) + 1]];
        assertEquals(integers[16 * (k + 1) + 2], integers[16 * (k + 3) + 2]);
        for (let n = 0; n < times; n++) done.push(one + n * (two - one), integers[16 * k + 18]);
        k += 1 + 2 * each;
      }
      const wanted = order.filter((t) => Math.min(counts[t], end) > first)
        .flatMap((t) => [starts[t] + first, Math.min(counts[t], end) - first]);
      assertEquals(done, wanted);
      const last = order.at(-1)!;
      const goes = Math.min(counts[last], end) > first;
      assertEquals(
        calls.map(([, , last]) => last),
        calls.map((_, k) => goes && k === calls.length - 1),
      );
    },
    200,
    readablePath,
  );

  fact(["KERNEL-8", "KERNEL-10"], "a build without training carries out `linear` alone", () => {
    const m = new Assembler();
    addCommands(m, mulAdd, addLinear(m, mulAdd, null));
    assert(WebAssembly.validate(m.encode()));
  }, readablePath);
});

describe("tiles, counted", () => {
  /** For each function that multiplies: how many integers it takes, and its products. */
  const products = (build: (m: Assembler, madd: Madd) => void, fields = 0) => {
    const m = new Assembler(fields);
    let count = 0;
    const found: [params: number, products: number][] = [];
    const { func } = m;
    m.func = (params, write, name): Func =>
      func.call(m, params, (f, ...locals) => {
        const before = count;
        write(f, ...locals);
        if (count > before) found.push([params, count - before]);
      }, name);
    build(m, (a, b, c) => {
      count++;
      return mulAdd(a, b, c);
    });
    assert(fields > 0 || WebAssembly.validate(m.encode()));
    return found;
  };

  fact(
    ["KERNEL-1"],
    "tiles of rows and panels, of two vectors each, and how far they are unrolled",
    () => {
      assertEquals(
        products((m, madd) => addLinear(m, madd, null)),
        [[4, 1, 2], [3, 1, 2], [2, 2, 2], [2, 1, 2], [1, 4, 4], [1, 1, 4]]
          .map(([rows, panels, unroll]) => [9, rows * panels * 2 * (unroll + 1)]),
      );
      // For all 24 features of a struct.
      assertEquals(products((m, madd) => addLinearByStructs(m, madd), structFields), [
        ...[6, 5, 4, 1].map((panels): [number, number] => [6, panels * 2 * 24]),
        ...[6, 5, 4, 3].map((rows): [number, number] => [6, rows * 2 * 24]),
      ]);
      assertEquals(products((m, madd) => outer(m, madd)), [[5, 4 * 2 * (4 + 1)]]);
    },
    readablePath,
  );
});

describe("scratch memory of training, counted", () => {
  useTrainingKernels();
  const some = onPath("auto", engine);

  fact(["KERNEL-10"], "a large Linear goes through in pieces of 2¹⁹ floats or 96 rows", () => {
    if (some === null) return;
    const run = { ...engine()!, threads: 1 };
    for (const [rows, inputs, outputs] of [[3, 5, 9], [700, 1000, 30], [97, 9000, 8]]) {
      const [x, w] = [new Float32Array(rows * inputs), new Float32Array(outputs * inputs)];
      const [a, b] = [up(inputs), up(outputs)];
      const forward = Math.min(rows, Math.max(96, Math.floor(2 ** 19 / (inputs + b))));
      const one = [b * inputs + 192, b, forward * inputs, forward * b, 16];
      const bytes = (parts: number[]) => parts.reduce((sum, part) => sum + 4 * up(part), 256);
      const given = { rows, inputs, outputs };
      const asked = scratches(run, () => denseForward(run, given, x, w, null));
      assertEquals(asked, [bytes(one)]);
      const most = Math.min(rows, Math.max(96, Math.floor(2 ** 19 / (3 * a + 2 * b))));
      const two = [
        ...[b * a + 192, b * a, b, a, most * a, most * b, most * a],
        ...[most * a, most * b, 16 * (3 + 2 * Math.ceil(most / 256))],
      ];
      const dy = new Float32Array(rows * outputs);
      assertEquals(scratches(run, () => denseBackward(run, given, x, w, dy, [true, true, true])), [
        bytes(two),
      ]);
    }
    assertEquals([1, 256, 257].map(sumsOf), [1, 1, 2]);
    const pieces: number[][] = [];
    inPieces(7, 3, (...piece) => pieces.push(piece));
    assertEquals(pieces, [[0, 3], [3, 3], [6, 1]]);
    const threads = { ...run, threads: 5 };
    const product = (rows: number) => threadsFor(threads, { rows, inputs: 64, outputs: 16 });
    assertEquals([product(1023), product(1024)], [1, 5]);
  }, ["auto"]);

  fact(["KERNEL-10"], "a Linear is on the kernels from 1024 weights and 8 rows on", () => {
    if (some === null) return;
    const asked = (inputs: number, outputs: number, rows: number) =>
      scratches(
        engine()!,
        () => void noGrad(() => new Linear(inputs, outputs).forward(ones([rows, inputs]))),
      ).length;
    assertEquals(asked(32, 32, 8), 1);
    assertEquals(asked(32, 32, 7), 0);
    assertEquals(asked(31, 33, 8), 0);
  }, ["auto"]);

  fact(["KERNEL-8"], "a recorded pass and its backward pass have a place for each part", () => {
    if (some === null || engine()!.threads > 1) return;
    const [L, N, I, H, P] = [5, 3, 9, 12, 10];
    const lstm = new LSTM(I, H, { projSize: P });
    const x = randn([L, N, I]);
    let output = x;
    const [forward, back] = [
      () => [output] = lstm.forward(x),
      () => backward(output, ones([L, N, P])),
    ];
    const [rows, sums, gate, h, i] = [L * N, 4 * 16, 16, 16, 16];
    const bytes = (parts: number[]) => parts.reduce((sum, part) => sum + 4 * up(part), 256);
    const first = bytes([
      ...[rows * I, rows * sums, rows * h, N * h, N * gate],
      ...[N * gate, 16 * (2 + 4 * L), rows * gate, rows * gate],
    ]);
    forward();
    const second = bytes([
      ...[sums * i + 192, sums * h + 192, h * gate + 192, sums * i, sums * h, h * gate, sums],
      ...[gate, 16, rows * i, rows * h, rows * h, rows * i, rows * sums, 2 * rows * gate],
      ...[rows * gate, N * gate, N * h, N * gate, rows * sums, rows * i, rows * h],
      ...[rows * h, rows * gate, 16 * (6 * L + 8 * 3)],
    ]);
    // The first backward pass runs the forward pass again, recorded.
    assertEquals(scratches(engine()!, back).slice(-2), [first, second]);
  }, ["auto"]);
});
