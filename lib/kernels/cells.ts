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

/**
 * RNN-1, RNN-2: `h = φ(sum)`. Parameters: the address of the sums and the distance from row to row, the
 * count of rows, the bytes of a gate, the address of h and the distance from row to row.
 */
export function elman(m: Assembler, madd: Madd, phi: "tanh" | "relu"): Func {
  return m.func(6, (f, sums, sumsRow, rows, width, h, hRow) => {
    const act = new Activations(f, madd);
    const x = f.local("v128");
    overUnits(f, rows, width, [[sums, sumsRow], [h, hRow]], ([from, to]) => [
      x.set(v128.load(from)),
      ...(phi === "tanh" ? act.tanh(x, x) : [x.set(f32x4.pmax(x, 0))]),
      v128.store(to, x),
    ]);
  });
}

/**
 * LSTM-2: `c = σ(f) ⊙ c + σ(i) ⊙ tanh(g)` and `h = σ(o) ⊙ tanh(c)`. Parameters: those of an RNN,
 * then the address of c and the distance from row to row.
 */
export function lstm(m: Assembler, madd: Madd): Func {
  return m.func(8, (fn, sums, sumsRow, rows, width, h, hRow, c, cRow) => {
    const act = new Activations(fn, madd);
    const [i, f, g, o, cell] = fn.locals("v128", 5);
    const fAt = fn.let("i32", i32.add(sums, width));
    const gAt = fn.let("i32", i32.add(fAt, width));
    const oAt = fn.let("i32", i32.add(gAt, width));
    const pointers: Row[] = [sums, fAt, gAt, oAt].map((gate) => [gate, sumsRow]);
    overUnits(fn, rows, width, [...pointers, [h, hRow], [c, cRow]], (at) => [
      ...[i, f, g, o].map((gate, k) => gate.set(v128.load(at[k]))),
      ...act.sigmoid(i, i),
      ...act.tanh(g, g),
      ...act.sigmoid(f, f),
      cell.set(madd(f, v128.load(at[5]), f32x4.mul(i, g))),
      v128.store(at[5], cell),
      ...act.sigmoid(o, o),
      ...act.tanh(cell, cell),
      v128.store(at[4], f32x4.mul(o, cell)),
    ]);
  });
}

/**
 * GRU-2: `n = tanh(x_n + r ⊙ h_n)` and `h = (1 - z) ⊙ n + z ⊙ h`, where r and z are σ of their sums
 * and `h_n = W_hn h + b_hn`. Parameters: those of an RNN (the sums are those of r, z and x_n), then the
 * address of h_n, whose rows follow each other.
 */
export function gru(m: Assembler, madd: Madd): Func {
  return m.func(7, (f, sums, sumsRow, rows, width, h, hRow, hn) => {
    const act = new Activations(f, madd);
    const [r, z, n] = f.locals("v128", 3);
    const zAt = f.let("i32", i32.add(sums, width));
    const nAt = f.let("i32", i32.add(zAt, width));
    const pointers: Row[] = [sums, zAt, nAt].map((gate) => [gate, sumsRow]);
    overUnits(f, rows, width, [...pointers, [h, hRow], [hn, width]], (at) => [
      ...[r, z, n].map((gate, k) => gate.set(v128.load(at[k]))),
      ...act.sigmoid(r, r),
      n.set(madd(r, v128.load(at[4]), n)),
      ...act.tanh(n, n),
      ...act.sigmoid(z, z),
      v128.store(at[3], madd(z, v128.load(at[3]), f32x4.mul(f32x4.sub(act.one, z), n))),
    ]);
  });
}
