/** How a row-major array looks from one of its dimensions. */

import { numel } from "./dtype.ts";

/**
 * A tensor seen from one dimension: `outer` blocks, each of `extent` slices, each of `inner`
 * elements that lie side by side.
 */
export interface Blocks {
  /** How many blocks. */
  readonly outer: number;
  /** How many slices a block has. */
  readonly extent: number;
  /** How many elements a slice has. */
  readonly inner: number;
}

/** The blocks of a shape, seen from one of its dimensions. */
export function blocksOf(shape: readonly number[], dim: number): Blocks {
  return {
    outer: numel(shape.slice(0, dim)),
    extent: shape[dim],
    inner: numel(shape.slice(dim + 1)),
  };
}

/** The shape with one dimension's extent replaced, or the dimension removed. */
export function resized(shape: readonly number[], dim: number, ...extent: number[]): number[] {
  return [...shape.slice(0, dim), ...extent, ...shape.slice(dim + 1)];
}
