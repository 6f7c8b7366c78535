/** How a row-major array looks from one of its dimensions. */

import { IndexError, RuntimeError } from "../errors.ts";
import { numel, sameShape } from "./dtype.ts";

/**
 * Resolves a dimension that may count from the last.
 *
 * @param rank how many dimensions there are; 0 counts as 1, as in PyTorch
 * @returns the dimension, counted from 0
 * @throws {IndexError} if it is out of range
 */
export function wrapDim(dim: number, rank: number): number {
  const extent = Math.max(rank, 1);
  if (!Number.isInteger(dim)) {
    throw new TypeError(`a dimension must be an integer, not ${dim}`);
  }
  if (dim < -extent || dim >= extent) {
    throw new IndexError(
      `Dimension out of range (expected to be in range of [${-extent}, ${
        extent - 1
      }], but got ${dim})`,
    );
  }
  return dim < 0 ? dim + extent : dim;
}

/** Resolves dimensions, of which none may be named twice, as {@linkcode wrapDim} does each. */
export function wrapDims(dims: readonly number[], rank: number): number[] {
  const wrapped = dims.map((dim) => wrapDim(dim, rank));
  const twice = wrapped.find((dim, k) => wrapped.indexOf(dim) < k);
  if (twice === undefined) return wrapped;
  throw new RuntimeError(`dim ${twice} appears multiple times in the list of dims`);
}

/**
 * A tensor seen from one of its dimensions: `outer` blocks, each of `extent` slices, each of `inner`
 * elements that lie side by side.
 */
export function blocksOf(
  shape: readonly number[],
  dim: number,
): [outer: number, extent: number, inner: number] {
  return [numel(shape.slice(0, dim)), shape[dim] ?? 1, numel(shape.slice(dim + 1))];
}

/** The shape with one dimension's extent replaced, or the dimension removed. */
export function resized(shape: readonly number[], dim: number, ...extent: number[]): number[] {
  return [...shape.slice(0, dim), ...extent, ...shape.slice(dim + 1)];
}

/** The shape that two shapes broadcast to, aligned at the last dimension. */
export function broadcastShape(a: readonly number[], b: readonly number[]): readonly number[] {
  if (sameShape(a, b)) return a;
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let dim = rank - 1; dim >= 0; dim--) {
    const [m, n] = [a, b].map((given) => given[dim - rank + given.length] ?? 1);
    if (m !== n && m !== 1 && n !== 1) {
      throw new RuntimeError(
        `The size of tensor a (${m}) must match the size of tensor b (${n}) at non-singleton ` +
          `dimension ${dim}`,
      );
    }
    shape[dim] = m === 1 ? n : m;
  }
  return shape;
}

/**
 * Where in a tensor the elements of a larger shape stand: for each one of these in a table; without
 * one the k-th at `k * step`, which is 0 where the tensor is a single number, and otherwise 1.
 */
export type Places = readonly [table: Uint32Array | null, step: number];

/** Where in a tensor the k-th element of a larger shape stands. */
export function placeIn([table, step]: Places, k: number): number {
  return table ? table[k] : k * step;
}

/** How far apart the elements of neighbouring indices stand, in each dimension. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.slice();
  let step = 1;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    strides[dim] = step;
    step *= shape[dim];
  }
  return strides;
}

/**
 * Where each element of a shape stands, row-major, in a tensor that is laid out otherwise.
 *
 * @param strides how far apart they stand there, in each dimension
 * @param start where the first one stands
 */
export function placesBy(
  shape: readonly number[],
  strides: readonly number[],
  start = 0,
): Uint32Array {
  let table = Uint32Array.of(start);
  shape.forEach((extent, dim) => {
    const next = new Uint32Array(table.length * extent);
    table.forEach((place, k) => {
      for (let i = 0; i < extent; i++) next[k * extent + i] = place + i * strides[dim];
    });
    table = next;
  });
  return table;
}

/** Where some slices of a dimension begin, in each of its blocks. */
export function placesOf(
  shape: readonly number[],
  dim: number,
  slices: readonly number[],
): Uint32Array {
  const [outer, extent, inner] = blocksOf(shape, dim);
  const places = new Uint32Array(outer * slices.length);
  let next = 0;
  for (let block = 0; block < outer; block++) {
    for (const slice of slices) places[next++] = (block * extent + slice) * inner;
  }
  return places;
}

/** Which element of a tensor of shape `from` stands at each place of `to`, which it broadcasts to. */
export function spreadPlaces(from: readonly number[], to: readonly number[]): Uint32Array {
  const full = [...new Array<number>(to.length - from.length).fill(1), ...from];
  const own = stridesOf(full);
  return placesBy(to, full.map((extent, k) => extent === 1 ? 0 : own[k]));
}

/**
 * How a tensor is broadcast: which of its elements each one of a shape is. A reduction is the same,
 * read backwards: to which element of the smaller shape each one goes.
 *
 * @param from the tensor's shape, each extent as in `to`, 1 or missing
 */
export function placesIn(from: readonly number[], to: readonly number[]): Places {
  if (numel(from) === 1) return [null, 0];
  return [sameShape(from, to) ? null : spreadPlaces(from, to), 1];
}
