/**
 * What every backward pass of a product `y = x Wᵀ + b` asks of the kernels: W in panels of its
 * columns for `dx = dy W`, and sums over rows for `dW = dyᵀ x` and db.
 */

import { panelWidth } from "../linear.ts";
import { padded } from "../packing.ts";
import type { Crew } from "./crew.ts";

/** How many rows are summed before the sum is added to others: short sums round less. */
export const sumRows = 256;

/** How many sums a number of rows is. */
export function sumsOf(rows: number): number {
  return Math.ceil(rows / sumRows);
}

/**
 * Puts rows of W on the heap in panels of 8 columns, `[panel][k][8]`.
 *
 * @param floats the heap
 * @param at where they go, in bytes
 * @param w the weights
 * @param rows the first row of W, and the one after the last
 * @param columns how many columns W has
 * @param k how many rows a panel has
 * @param rowOf which of them a row of W is
 */
export function turnWeights(
  floats: Float32Array,
  at: number,
  w: Float32Array,
  [from, to]: readonly [number, number],
  columns: number,
  k: number,
  rowOf: (row: number) => number,
): void {
  const start = at / 4;
  floats.fill(0, start, start + k * padded(columns));
  for (let row = from; row < to; row++) {
    let put = start + rowOf(row) * panelWidth;
    let take = row * columns;
    const end = take + columns;
    while (take < end) {
      const stop = Math.min(take + panelWidth, end);
      for (let j = 0; take < stop; j++) floats[put + j] = w[take++];
      put += k * panelWidth;
    }
  }
}

/** Puts a matrix, `width` floats a row, into panels. */
export function toPanels(crew: Crew, from: number, width: number, rows: number, to: number): void {
  crew.split(width / panelWidth, (program, first, end) => {
    const start = 4 * panelWidth * first;
    program.add("panels", [from + start, 4 * width, rows, end - first, to + start * rows]);
  });
}

/** Adds the sums of a matrix's columns to those at `to`. */
export function addColumns(
  crew: Crew,
  from: number,
  width: number,
  rows: number,
  to: number,
): void {
  crew.split(width / panelWidth, (program, first, end) => {
    const start = 4 * panelWidth * first;
    for (let row = 0; row < rows; row += sumRows) {
      const some = [from + 4 * width * row + start, 4 * width, Math.min(sumRows, rows - row)];
      program.add("columns", some, [4 * panelWidth * (end - first), to + start]);
    }
  });
}

/** Adds `aᵀ b`, of two matrices in panels, to what is at `to`. */
export function addOuter(
  crew: Crew,
  rows: number,
  a: number,
  aWidth: number,
  b: number,
  bWidth: number,
  to: number,
): void {
  crew.split(aWidth / panelWidth, (program, first, end) => {
    for (let row = 0; row < rows; row += sumRows) {
      const start = 4 * panelWidth * first;
      const some = [a + start * rows, b, rows, row, Math.min(sumRows, rows - row)];
      const panels = [end - first, bWidth / panelWidth];
      program.add("outer", some, panels, [to + start * bWidth, 4 * bWidth]);
    }
  });
}
