/** The products of a backward pass that sum over rows, and what they read. */

import { type Assembler, type Code, during, type Func, type Madd, repeat } from "../assembler.ts";
import * as f32x4 from "../f32x4.ts";
import * as i32 from "../i32.ts";
import * as v128 from "../v128.ts";
import { overUnits } from "../cells.ts";
import { float, ladder, panelRow, vector } from "../linear.ts";

/** The rows of a tile of {@linkcode outer}. */
const tileRows = 4;

/**
 * Columns, 8 at a time, below each other: `[panel][row][8]`. Parameters: the address of a matrix, the
 * bytes from row to row, its rows, how many panels, and where they go.
 */
export function panels(m: Assembler): Func {
  return m.func(5, (f, from, fromRow, rows, count, to) => {
    const [at, left] = f.locals("i32", 2);
    f.emit(repeat([
      ...[at.set(from), left.set(rows)],
      repeat([
        v128.store(to, v128.load(at)),
        v128.store(to, v128.load(at, vector), vector),
        at.add(fromRow),
        to.add(panelRow),
        left.sub(1),
      ], left),
      from.add(panelRow),
      count.sub(1),
    ], count));
  });
}

/**
 * Adds `aᵀ b`, summed over some rows, to 8 × 8 numbers for each panel of a and of b: each element is
 * one sum from 0 through the rows in order, then added. Parameters: the panels of a and of b, the
 * rows that each panel has, the first row to sum and how many, how many panels a and b have, where the
 * sums go, and the bytes from row to row there.
 */
export function outer(m: Assembler, madd: Madd): Func {
  const tile = m.func(5, (f, a, b, k, out, outRow) => {
    const rows = ladder(f, out, outRow, tileRows);
    const sums = rows.map(() => [0, 1].map(() => f.let("v128", v128.floats(0))));
    const [b0, b1, x] = f.locals("v128", 3);
    const one = (u: number): Code[] => [
      b0.set(v128.load(b, panelRow * u)),
      b1.set(v128.load(b, panelRow * u + vector)),
      ...sums.flatMap(([p, q], r) => [
        x.set(v128.splat(a, panelRow * u + float * r)),
        p.set(madd(x, b0, p)),
        q.set(madd(x, b1, q)),
      ]),
    ];
    const loop = (unroll: number) =>
      during(i32.ge(k, unroll), [
        ...Array.from({ length: unroll }, (_, u) => one(u)).flat(),
        ...[a, b].map((at) => at.add(panelRow * unroll)),
        k.sub(unroll),
      ]);
    f.emit(
      loop(4),
      loop(1),
      ...sums.flatMap((row, r) =>
        row.map((sum, c) =>
          v128.store(rows[r], f32x4.add(sum, v128.load(rows[r], vector * c)), vector * c)
        )
      ),
    );
  });
  return m.func(9, (f, a, b, rows, first, count, aPanels, bPanels, out, outRow) => {
    const [bAt, left, outAt] = f.locals("i32", 3);
    const stride = f.let("i32", i32.shl(rows, 5));
    const half = f.let("i32", i32.shl(outRow, 2));
    f.emit(
      ...[a, b].map((at) => at.add(i32.shl(first, 5))),
      repeat([
        ...[bAt.set(b), left.set(bPanels), outAt.set(out)],
        repeat([
          tile.call(a, bAt, count, outAt, outRow),
          tile.call(i32.add(a, float * tileRows), bAt, count, i32.add(outAt, half), outRow),
          bAt.add(stride),
          outAt.add(panelRow),
          left.sub(1),
        ], left),
        a.add(stride),
        out.add(i32.shl(outRow, 3)),
        aPanels.sub(1),
      ], aPanels),
    );
  });
}

/** How many rows are summed in pairs, and pairs of pairs, before the sum is added to others. */
const paired = 8;

/**
 * Adds the sum of each column to what is there: 8 rows in pairs, then one such sum after the other,
 * then added. Parameters: a matrix, the bytes from row to row, its rows, the bytes of a row to sum,
 * and where the sums go.
 */
export function columns(m: Assembler): Func {
  return m.func(5, (f, from, fromRow, rows, width, out) => {
    const left = f.local("i32");
    const sum = f.local("v128");
    const at = f.locals("i32", paired);
    const far = f.let("i32", i32.mul(fromRow, paired));
    const inPairs = (some: Code<"v128">[]): Code<"v128"> =>
      some.length === 1 ? some[0] : f32x4.add(
        inPairs(some.slice(0, some.length / 2)),
        inPairs(some.slice(some.length / 2)),
      );
    f.emit(repeat([
      ...[at[0].set(from), left.set(rows), sum.set(v128.floats(0))],
      ...at.slice(1).map((next, k) => next.set(i32.add(at[k], fromRow))),
      during(i32.ge(left, paired), [
        sum.set(f32x4.add(sum, inPairs(at.map((row) => v128.load(row))))),
        ...at.map((row) => row.add(far)),
        left.sub(paired),
      ]),
      during(left, [
        sum.set(f32x4.add(sum, v128.load(at[0]))),
        at[0].set(i32.add(at[0], fromRow)),
        left.sub(1),
      ]),
      v128.store(out, f32x4.add(sum, v128.load(out))),
      ...[from, out].map((start) => start.add(vector)),
      width.sub(vector),
    ], width));
  });
}

/** Copies rows of `width` bytes that follow each other. Parameters: from, to, rows, width. */
export function copy(m: Assembler): Func {
  return m.func(4, (f, from, to, rows, width) => {
    overUnits(f, rows, width, [[from, width], [to, width]], (at) => [
      v128.store(at[1], v128.load(at[0])),
    ]);
  });
}

/** Adds rows of `width` bytes to others. Parameters: from, to, rows, width. */
export function add(m: Assembler): Func {
  return m.func(4, (f, from, to, rows, width) => {
    overUnits(f, rows, width, [[from, width], [to, width]], (at) => [
      v128.store(at[1], f32x4.add(v128.load(at[0]), v128.load(at[1]))),
    ]);
  });
}

/** Multiplies rows: `out = a ⊙ b`. Parameters: a, the bytes from row to row, b, out, rows, width. */
export function multiply(m: Assembler): Func {
  return m.func(6, (f, a, aRow, b, out, rows, width) => {
    overUnits(f, rows, width, [[a, aRow], [b, width], [out, width]], (at) => [
      v128.store(at[2], f32x4.mul(v128.load(at[0]), v128.load(at[1]))),
    ]);
  });
}
