/**
 * From the sums of all gates to the new state (RNN-1, RNN-2, LSTM-2, GRU-2), in one pass over memory.
 *
 * The sums of one row lie gate after gate. Each gate, and each row of a state, is as wide as H
 * rounded up to a multiple of 8; nothing reads the numbers beyond H.
 */

import { Activations } from "./activations.ts";
import {
  type Assembler,
  type Code,
  type Func,
  type Local,
  type Madd,
  repeat,
} from "./assembler.ts";
import * as f32x4 from "./f32x4.ts";
import * as i32 from "./i32.ts";
import * as v128 from "./v128.ts";

/** The bytes of a vector. */
const vector = 16;

/** The address of the first row, and the distance from row to row in bytes. */
export type Row = readonly [start: Local, step: Local];

/** Repeats `body` for each row and each four units of it; `walkers` are the units' addresses. */
export function overUnits(
  f: Func,
  rows: Local,
  width: Local,
  given: readonly Row[],
  body: (walkers: readonly Local[]) => Code[],
): void {
  const walkers = given.map(() => f.local("i32"));
  const left = f.local("i32");
  f.emit(repeat([
    ...walkers.map((walker, j) => walker.set(given[j][0])),
    left.set(width),
    repeat([
      ...body(walkers),
      ...walkers.map((walker) => walker.add(vector)),
      left.sub(vector),
    ], left),
    ...given.map(([start, step]) => start.add(step)),
    rows.sub(1),
  ], rows));
}

/** The pointers to a row's gates: `sums`, and one `width` after the other. */
export function gatesOf(f: Func, sums: Local, sumsRow: Local, width: Local, count: number): Row[] {
  const gates = [sums];
  while (gates.length < count) gates.push(f.let("i32", i32.add(gates.at(-1)!, width)));
  return gates.map((gate) => [gate, sumsRow]);
}

/**
 * RNN-1, RNN-2: `h = φ(sum)`. Parameters: the address of the sums and the distance from row to row, the
 * count of rows, the bytes of a gate, the address of h and the distance from row to row.
 *
 * @param kept for a recorded pass; then one parameter more, where h goes as well
 */
export function elman(m: Assembler, madd: Madd, phi: "tanh" | "relu", kept = false): Func {
  return m.func(kept ? 7 : 6, (f, sums, sumsRow, rows, width, h, hRow, hOut) => {
    const x = f.local("v128");
    const states: Row[] = kept ? [[h, hRow], [hOut, width]] : [[h, hRow]];
    overUnits(f, rows, width, [[sums, sumsRow], ...states], ([from, ...to]) => [
      x.set(v128.load(from)),
      ...(phi === "tanh" ? new Activations(f, madd).tanh(x, x) : [x.set(f32x4.pmax(x, 0))]),
      ...to.map((at) => v128.store(at, x)),
    ]);
  });
}

/**
 * LSTM-2: `c = σ(f) ⊙ c + σ(i) ⊙ tanh(g)` and `h = σ(o) ⊙ tanh(c)`. Parameters: those of an RNN,
 * then the address of c and the distance from row to row.
 *
 * @param kept for a recorded pass, in which the sums become the gates; then three parameters more,
 * where h goes as well, c as it was before, and tanh c
 */
export function lstm(m: Assembler, madd: Madd, kept = false): Func {
  return m.func(
    kept ? 11 : 8,
    (fn, sums, sumsRow, rows, width, h, hRow, c, cRow, ...more) => {
      const act = new Activations(fn, madd);
      const [i, f, g, o, cell] = fn.locals("v128", 5);
      const rest: Row[] = [[h, hRow], [c, cRow], ...more.map((part): Row => [part, width])];
      overUnits(fn, rows, width, [...gatesOf(fn, sums, sumsRow, width, 4), ...rest], (at) => {
        const keep = (k: number, value: Local<"v128">) => kept ? [v128.store(at[k], value)] : [];
        return [
          ...[i, f, g, o].map((gate, k) => gate.set(v128.load(at[k]))),
          ...[...act.sigmoid(i, i), ...keep(0, i)],
          ...[...act.tanh(g, g), ...keep(2, g)],
          ...[...act.sigmoid(f, f), ...keep(1, f)],
          ...[cell.set(v128.load(at[5])), ...keep(7, cell)],
          cell.set(madd(f, cell, f32x4.mul(i, g))),
          v128.store(at[5], cell),
          ...[...act.sigmoid(o, o), ...keep(3, o)],
          ...[...act.tanh(cell, cell), ...keep(8, cell)],
          o.set(f32x4.mul(o, cell)),
          ...[v128.store(at[4], o), ...keep(6, o)],
        ];
      });
    },
  );
}

/**
 * GRU-2: `n = tanh(x_n + r ⊙ h_n)` and `h = (1 - z) ⊙ n + z ⊙ h`, where r and z are σ of their sums
 * and `h_n = W_hn h + b_hn`. Parameters: those of an RNN (the sums are those of r, z and x_n), then the
 * address of h_n, whose rows follow each other.
 *
 * @param kept for a recorded pass, in which the sums become r, z and n; then one parameter more,
 * where h goes as well
 */
export function gru(m: Assembler, madd: Madd, kept = false): Func {
  return m.func(kept ? 8 : 7, (f, sums, sumsRow, rows, width, h, hRow, ...more) => {
    const act = new Activations(f, madd);
    const [r, z, n] = f.locals("v128", 3);
    const rest: Row[] = [[h, hRow], ...more.map((part): Row => [part, width])];
    overUnits(f, rows, width, [...gatesOf(f, sums, sumsRow, width, 3), ...rest], (at) => {
      const keep = (k: number, value: Local<"v128">) => kept ? [v128.store(at[k], value)] : [];
      return [
        ...[r, z, n].map((gate, k) => gate.set(v128.load(at[k]))),
        ...[...act.sigmoid(r, r), ...keep(0, r)],
        n.set(madd(r, v128.load(at[4]), n)),
        ...[...act.tanh(n, n), ...keep(2, n)],
        ...[...act.sigmoid(z, z), ...keep(1, z)],
        n.set(madd(z, v128.load(at[3]), f32x4.mul(f32x4.sub(act.one, z), n))),
        ...[v128.store(at[3], n), ...keep(5, n)],
      ];
    });
  });
}
