/** Chapter kernels: single instructions, and single kernels on numbers that are computed by hand. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { mulAdd } from "../../lib/kernels/assembler.ts";
import type { Bytes, Code } from "../../lib/kernels/code.ts";
import { type Engine, engine, useTrainingKernels } from "../../lib/kernels/engine.ts";
import * as f32x4 from "../../lib/kernels/f32x4.ts";
import * as i32 from "../../lib/kernels/i32.ts";
import * as i32x4 from "../../lib/kernels/i32x4.ts";
import { assemble } from "../../lib/kernels/sequence.ts";
import * as structs from "../../lib/kernels/struct_code.ts";
import { supportsStructs } from "../../lib/kernels/structs.ts";
import { type Name, Program } from "../../lib/kernels/training/commands.ts";
import { addTraining } from "../../lib/kernels/training/kernels.ts";
import * as v128 from "../../lib/kernels/v128.ts";
import { describe, everyPath, fact, law, onPath, readablePath } from "./law.ts";

const fastPaths = everyPath.filter((path) => path !== "readable");

/** The bytes of some code. */
const flat = (code: Bytes): number[] =>
  code.flatMap((part) => typeof part === "number" ? [part] : flat(part));

describe("instructions", () => {
  fact(["KERNEL-1"], "each has the bytes of WebAssembly's specification", () => {
    const [one, two] = [[0x41, 1], [0x41, 2]]; // i32.const
    const three = [0xfd, 0x0c, ...[0, 0, 0x40, 0x40, 0, 0, 0x40, 0x40].flatMap((x) => [x])];
    const threes = [...three, 0, 0, 0x40, 0x40, 0, 0, 0x40, 0x40]; // v128.const of 3, four times
    const is = (code: Code<never> | Bytes, bytes: number[]) => assertEquals(flat(code), bytes);
    const integers = { add: 0x6a, sub: 0x6b, mul: 0x6c, shl: 0x74, eq: 0x46, ge: 0x4e, divU: 0x6e };
    for (const [name, opcode] of Object.entries({ ...integers, and: 0x71, shrU: 0x76 })) {
      is(i32[name as "add"](1, 2), [...one, ...two, opcode]);
    }
    is(i32.load(1), [...one, 0x28, 2, 0]);
    is(i32.load(1, 200), [...one, 0x28, 2, 0xc8, 1]);
    is(i32.store(1, 2), [...one, ...two, 0x36, 2, 0]);
    is(i32.store(1, 2, 4), [...one, ...two, 0x36, 2, 4]);
    is(v128.floats(3), threes);
    is(v128.load(1), [...one, 0xfd, 0, 2, 0]);
    is(v128.load(1, 16), [...one, 0xfd, 0, 2, 16]);
    is(v128.splat(1), [...one, 0xfd, 9, 2, 0]);
    is(v128.splat(1, 4), [...one, 0xfd, 9, 2, 4]);
    is(v128.store(1, 3), [...one, ...threes, 0xfd, 0x0b, 2, 0]);
    is(v128.store(1, 3, 16), [...one, ...threes, 0xfd, 0x0b, 2, 16]);
    [0, 1, 2, 3].forEach((k) => {
      const lane = [0, 1, 2, 3].map((byte) => 4 * k + byte);
      is(v128.lane(3, k), [...threes, ...threes, 0xfd, 0x0d, ...lane, ...lane, ...lane, ...lane]);
    });
    const bits = { and: 0x4e, andNot: 0x4f, or: 0x50, xor: 0x51 };
    for (const [name, opcode] of Object.entries(bits)) {
      is(v128[name as "and"](3, 3), [...threes, ...threes, 0xfd, opcode]);
    }
    is(v128.select(3, 3, 3), [...threes, ...threes, ...threes, 0xfd, 0x52]);
    const floats = { lt: [0x43], le: [0x45], add: [0xe4, 1], sub: [0xe5, 1], mul: [0xe6, 1] };
    for (const [name, opcode] of Object.entries({ ...floats, div: [0xe7, 1], pmax: [0xeb, 1] })) {
      is(f32x4[name as "add"](3, 3), [...threes, ...threes, 0xfd, ...opcode]);
    }
    is(f32x4.abs(3), [...threes, 0xfd, 0xe0, 1]);
    is(f32x4.relaxedMadd(3, 3, 3), [...threes, ...threes, ...threes, 0xfd, 0x85, 2]);
    is(i32x4.shl(3, 2), [...threes, ...two, 0xfd, 0xab, 1]);
    is(i32x4.add(3, 3), [...threes, ...threes, 0xfd, 0xae, 1]);
    is(i32x4.sub(3, 3), [...threes, ...threes, 0xfd, 0xb1, 1]);
    // Structs are of type 0, tables of type 1, and the table is global 0.
    const { table, create } = structs;
    const [global, zero] = [[0x23, 0, 0xd4], [0x41, 0]];
    is(table, global);
    is(create, [0xfb, 1, 0]);
    is(structs.setTable(table), [...global, 0x24, 0]);
    is(structs.newTable(create, 2), [0xfb, 1, 0, ...two, 0xfb, 6, 1]);
    is(structs.copy(table, table, 2), [
      ...[...global, ...zero, ...global, ...zero, ...two, 0xfb, 0x11, 1, 1],
    ]);
    is(structs.at(table, 2), [...global, ...two, 0xfb, 0x0b, 1]);
    is(structs.put(table, 2, create), [...global, ...two, 0xfb, 1, 0, 0xfb, 0x0e, 1]);
    is(structs.get(create, 7), [0xfb, 1, 0, 0xfb, 2, 0, 7]);
    is(structs.set(create, 7, 3), [0xfb, 1, 0, ...threes, 0xfb, 5, 0, 7]);
  }, readablePath);

  fact(["KERNEL-1", "KERNEL-2"], "an engine that has the instructions has the kernels", () => {
    const start = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    const vector = [0xfd, 0x0c, ...Array<number>(16).fill(0)];
    const module = (types: number[], type: number, body: number[]) =>
      new Uint8Array([
        ...[...start, 1, types.length, ...types, 3, 2, 1, type],
        ...[10, body.length + 4, 1, body.length + 2, 0, ...body, 0x0b],
      ]);
    const hasStructs = WebAssembly.validate(
      module([2, 0x5f, 1, 0x7b, 1, 0x60, 0, 0], 1, [0xfb, 1, 0, 0x1a]),
    );
    const hasRelaxed = WebAssembly.validate(
      module([1, 0x60, 0, 0], 0, [...vector, ...vector, ...vector, 0xfd, 0x85, 2, 0x1a]),
    );
    const hasVectors = WebAssembly.validate(module([1, 0x60, 0, 0], 0, [...vector, 0x1a]));
    assertEquals(supportsStructs(), hasStructs);
    assertEquals([everyPath.includes("simd128"), everyPath.includes("relaxed")], [
      hasVectors,
      hasRelaxed,
    ]);
    for (const training of [null, addTraining]) {
      for (const [madd, has] of [[mulAdd, hasVectors], [f32x4.relaxedMadd, hasRelaxed]] as const) {
        const options = { madd, sharedPages: 0, training };
        assertEquals(WebAssembly.validate(assemble({ ...options, withStructs: false })), has);
        const both = has && hasStructs;
        assertEquals(WebAssembly.validate(assemble({ ...options, withStructs: true })), both);
      }
    }
    for (const path of fastPaths) {
      const wanted = path === "relaxed" && hasStructs;
      assertEquals(onPath(path, () => engine()!.structs !== null), wanted);
    }
    assertEquals(onPath("auto", engine), hasRelaxed ? onPath("relaxed", engine) : null);
  }, readablePath);
});

/** Memory to try a kernel on. */
function place(run: Engine, floats: number): { at: number; numbers: Float32Array } {
  const at = run.heap.scratch(4 * floats);
  return { at, numbers: run.heap.floats.subarray(at / 4, at / 4 + floats) };
}

describe("kernels on numbers", () => {
  useTrainingKernels();

  law(
    ["KERNEL-1"],
    "the product of whole numbers is exact, and nothing else is written",
    fc.record({
      rows: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13),
      panels: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 65, 130),
      k: fc.constantFrom(1, 2, 3, 4, 5, 8, 9, 23, 24, 25, 48, 49, 191, 192, 193, 216, 385),
      gap: fc.constantFrom(0, 3),
      sameInit: fc.boolean(),
      inStructs: fc.boolean(),
    }),
    ({ rows, panels, k, gap, sameInit, inStructs }) => {
      const run = engine()!;
      const [outputs, ldx] = [8 * panels, k + gap];
      const ldo = outputs + 4 * gap;
      const ldi = sameInit ? 0 : outputs + 8 * gap;
      const [xs, ws, is] = [rows * ldx, outputs * k + 192, rows * ldi + outputs];
      const { at, numbers } = place(run, xs + ws + is + rows * ldo + 8);
      const small = (n: number) => (n * 7919) % 13 - 6;
      numbers.forEach((_, n) => numbers[n] = small(n));
      const before = numbers.slice();
      const [w, init, out] = [xs, xs + ws, xs + ws + is];
      const wanted = before.slice();
      for (let r = 0; r < rows; r++) {
        for (let j = 0; j < outputs; j++) {
          let sum = before[init + r * ldi + j];
          const column = w + Math.floor(j / 8) * 8 * k + j % 8;
          for (let f = 0; f < k; f++) sum += before[r * ldx + f] * before[column + 8 * f];
          wanted[out + r * ldo + j] = sum;
        }
      }
      const struct = (inStructs && run.structs?.add(at + 4 * w, k, panels)) || 0;
      const { linear } = run.run as unknown as Record<string, (...args: number[]) => void>;
      linear(
        ...[at, 4 * ldx, rows, at + 4 * w, struct, k, panels, at + 4 * init, 4 * ldi],
        ...[at + 4 * out, 4 * ldo],
      );
      if (struct > 0) run.structs!.remove(struct, k, panels);
      const wrong = numbers.findIndex((one, n) => one !== wanted[n]);
      assertEquals(wrong, -1);
    },
    150,
    fastPaths,
  );

  /** Carries out one command on random numbers; compares all of them with what `apply` makes. */
  const carriesOut = (
    name: Name,
    floats: number,
    args: (at: (float: number) => number) => number[],
    apply: (numbers: Float64Array) => void,
  ) => {
    const run = engine()!;
    const { at, numbers } = place(run, floats + 16);
    numbers.forEach((_, n) => numbers[n] = Math.sin(3 * n * n + 5) * 0.9);
    const wanted = Float64Array.from(numbers.subarray(16));
    apply(wanted);
    const program = new Program(run.heap.integers, at);
    program.add(name, args((float) => at + 64 + 4 * float));
    run.run.train(at, program.count);
    wanted.forEach((one, n) => {
      const given = numbers[16 + n];
      assert(Math.abs(given - one) <= 4e-6, `${name}: ${n} is ${given}, and not ${one}`);
    });
  };

  const sigma = (x: number) => 1 / (1 + Math.exp(-x));

  for (const [rows, gate] of [[1, 8], [3, 16]]) {
    const width = 4 * gate;
    /** Each unit of each row: its number in rows that follow each other, its row and its column. */
    const each = (visit: (n: number, r: number, j: number) => void) => {
      for (let r = 0; r < rows; r++) for (let j = 0; j < gate; j++) visit(r * gate + j, r, j);
    };
    const all = rows * gate;

    fact(["KERNEL-8", "RNN-1", "RNN-2"], `an Elman cell and its derivative, ${rows} rows`, () => {
      const sums = gate + 8; // from row to row
      const [h, hOut, dh] = [rows * sums, rows * sums + all, rows * sums + 2 * all];
      for (const phi of ["tanh", "relu"] as const) {
        carriesOut(
          phi,
          dh + all,
          (at) => [at(0), 4 * sums, rows, width, at(h), width, at(hOut)],
          (m) =>
            each((n, r, j) => {
              const x = m[r * sums + j];
              m[h + n] = m[hOut + n] = phi === "tanh" ? Math.tanh(x) : Math.max(0, x);
            }),
        );
        carriesOut(`${phi}Backward`, dh + all, (at) => [
          ...[at(0), 4 * sums, rows, width, at(h), at(hOut), at(dh)],
        ], (m) =>
          each((n, r, j) => {
            const [d, y] = [m[h + n] + m[hOut + n], m[dh + n]];
            m[r * sums + j] = phi === "tanh" ? d * (1 - y * y) : y > 0 ? d : 0;
          }));
      }
    }, fastPaths);

    fact(["KERNEL-8", "LSTM-2"], `an LSTM cell and its derivatives, ${rows} rows`, () => {
      const sums = 4 * gate + 8;
      const [h, c, hOut, before, tanhC] = [0, 1, 2, 3, 4].map((k) => rows * sums + k * (all + 8));
      const floats = tanhC + all + 8;
      carriesOut("lstm", floats, (at) => [
        ...[at(0), 4 * sums, rows, width, at(h), width, at(c), width],
        ...[at(hOut), at(before), at(tanhC)],
      ], (m) =>
        each((n, r, j) => {
          const gates = [0, 1, 2, 3].map((k) => r * sums + k * gate + j);
          const [i, f, g, o] = gates.map((at, k) => k === 2 ? Math.tanh(m[at]) : sigma(m[at]));
          [i, f, g, o].forEach((one, k) => m[gates[k]] = one);
          m[before + n] = m[c + n];
          m[c + n] = f * m[c + n] + i * g;
          m[tanhC + n] = Math.tanh(m[c + n]);
          m[h + n] = m[hOut + n] = o * m[tanhC + n];
        }));
      const dhRow = gate + 8;
      const [dOut, dh, cBefore, t, dc] = [0, 1, 2, 3, 4].map((k) =>
        rows * sums + k * (2 * all + 8)
      );
      carriesOut("lstmBackward", dc + all, (at) => [
        ...[at(0), 4 * sums, rows, width, at(dOut), at(dh), 4 * dhRow],
        ...[at(cBefore), at(t), at(dc)],
      ], (m) =>
        each((n, r, j) => {
          const gates = [0, 1, 2, 3].map((k) => r * sums + k * gate + j);
          const [i, f, g, o] = gates.map((at) => m[at]);
          const d = m[dOut + n] + m[dh + r * dhRow + j];
          const own = m[dc + n] + d * o * (1 - m[t + n] ** 2);
          m[gates[3]] = d * m[t + n] * o * (1 - o);
          m[gates[0]] = own * g * i * (1 - i);
          m[gates[1]] = own * m[cBefore + n] * f * (1 - f);
          m[gates[2]] = own * i * (1 - g * g);
          m[dc + n] = own * f;
        }));
    }, fastPaths);

    fact(["KERNEL-8", "GRU-2"], `a GRU cell and its derivatives, ${rows} rows`, () => {
      const sums = 3 * gate + 8;
      const [h, hn, hOut, more] = [0, 1, 2, 3].map((k) => rows * sums + k * (all + 8));
      carriesOut("gru", more + all, (at) => [
        ...[at(0), 4 * sums, rows, width, at(h), width, at(hn), at(hOut)],
      ], (m) =>
        each((n, r, j) => {
          const gates = [0, 1, 2].map((k) => r * sums + k * gate + j);
          const [own, z] = [sigma(m[gates[0]]), sigma(m[gates[1]])];
          const fresh = Math.tanh(m[gates[2]] + own * m[hn + n]);
          [own, z, fresh].forEach((one, k) => m[gates[k]] = one);
          m[h + n] = m[hOut + n] = (1 - z) * fresh + z * m[h + n];
        }));
      const [dOut, dh, before, state] = [h, hn, hOut, more];
      carriesOut("gruBackward", more + all, (at) => [
        ...[at(0), 4 * sums, rows, width, at(dOut), at(dh), at(before), at(state)],
      ], (m) =>
        each((n, r, j) => {
          const gates = [0, 1, 2].map((k) => r * sums + k * gate + j);
          const [own, z, fresh] = gates.map((at) => m[at]);
          const d = m[dOut + n] + m[dh + n];
          const dn = d * (1 - z) * (1 - fresh * fresh);
          m[gates[2]] = dn;
          m[gates[1]] = d * (m[before + n] - fresh) * z * (1 - z);
          m[gates[0]] = dn * m[state + n] * own * (1 - own);
          m[state + n] = dn * own;
          m[dh + n] = d * z;
        }));
    }, fastPaths);

    fact(["KERNEL-8"], `rows are copied, added and multiplied, ${rows} rows`, () => {
      const [from, to] = [0, all + 8];
      carriesOut(
        "copy",
        to + all + 8,
        (at) => [at(from), at(to), rows, width],
        (m) => each((n) => m[to + n] = m[from + n]),
      );
      carriesOut(
        "add",
        to + all + 8,
        (at) => [at(from), at(to), rows, width],
        (m) => each((n) => m[to + n] += m[from + n]),
      );
      const aRow = gate + 4;
      const [b, out] = [rows * aRow, rows * aRow + all];
      carriesOut(
        "multiply",
        out + all + 8,
        (at) => [at(0), 4 * aRow, at(b), at(out), rows, width],
        (m) => each((n, r, j) => m[out + n] = m[r * aRow + j] * m[b + n]),
      );
    }, fastPaths);
  }

  fact(["KERNEL-8"], "panels, sums of columns and products over rows", () => {
    for (const rows of [1, 3, 7, 8, 9, 17]) {
      const [row, count] = [28, 3];
      const to = rows * row;
      carriesOut(
        "panels",
        to + 24 * rows + 8,
        (at) => [at(0), 4 * row, rows, count, at(to)],
        (m) => {
          for (let r = 0; r < rows; r++) {
            for (let j = 0; j < 24; j++) {
              m[to + Math.floor(j / 8) * 8 * rows + 8 * r + j % 8] = m[r * row + j];
            }
          }
        },
      );
      carriesOut("columns", to + 28, (at) => [at(0), 4 * row, rows, 4 * 24, at(to)], (m) => {
        for (let r = 0; r < rows; r++) for (let j = 0; j < 24; j++) m[to + j] += m[r * row + j];
      });
      const [first, some] = [Math.floor(rows / 3), rows - Math.floor(rows / 3)];
      const [b, out, outRow] = [16 * rows, 16 * rows + 24 * rows, 28];
      carriesOut("outer", out + 16 * outRow + 8, (at) => [
        ...[at(0), at(b), rows, first, some, 2, 3, at(out), 4 * outRow],
      ], (m) => {
        const column = (start: number, j: number, r: number) =>
          m[start + Math.floor(j / 8) * 8 * rows + 8 * r + j % 8];
        for (let p = 0; p < 16; p++) {
          for (let q = 0; q < 24; q++) {
            for (let r = first; r < rows; r++) {
              m[out + p * outRow + q] += column(0, p, r) * column(b, q, r);
            }
          }
        }
      });
    }
  }, fastPaths);

  fact(["KERNEL-8"], "columns are summed in pairs, and pairs of pairs, of 8 rows", () => {
    const run = engine()!;
    const { at, numbers } = place(run, 16 + 22 * 4);
    const plus = (a: number, b: number) => Math.fround(a + b);
    const values = Float32Array.from({ length: 22 }, (_, k) => 1.1 ** (k * k % 17) / 3);
    values.forEach((one, row) => numbers.fill(one, 16 + 4 * row, 20 + 4 * row));
    const eight = (row: number): number => {
      const of = (from: number, count: number): number =>
        count === 1 ? values[from] : plus(of(from, count / 2), of(from + count / 2, count / 2));
      return of(row, 8);
    };
    const rest = values.slice(16, 21).reduce(plus, plus(eight(0), eight(8)));
    const program = new Program(run.heap.integers, at);
    program.add("columns", [at + 64, 16, 21, 16, at + 64 + 16 * 21]); // to the last row
    run.run.train(at, program.count);
    assertEquals([...numbers.subarray(16 + 84)], Array<number>(4).fill(plus(rest, values[21])));
  }, fastPaths);
});
