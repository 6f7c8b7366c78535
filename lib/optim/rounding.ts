/** How numbers are rounded on the way of a step. */

import type { DType } from "../tensor/dtype.ts";

const same = (x: number) => x;

/**
 * How a number becomes one of a dtype: what PyTorch's kernels do after each operation.
 *
 * @returns the rounding to it; for each dtype always the same function, so that loops stay compiled
 */
export function roundingTo(dtype: DType): (x: number) => number {
  return dtype === "float32" ? Math.fround : same;
}

/**
 * A number on the way from one to another, as PyTorch's `lerp` goes it (OPTIM-7): from the nearer
 * end, so that a weight of 1 gives the end itself.
 *
 * @param weight how far, 0 for the start, 1 for the end; of the dtype
 */
export function lerp(
  start: number,
  end: number,
  weight: number,
  round: (x: number) => number,
): number {
  return Math.abs(weight) < 0.5
    ? start + weight * round(end - start)
    : end + (weight - 1) * round(end - start);
}
