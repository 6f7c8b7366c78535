/** What modules make of their arguments, and which they refuse, in PyTorch's words. */

import { RuntimeError } from "../errors.ts";
import { pythonType } from "../python.ts";

/**
 * The bound of the uniform distribution that initial weights are drawn from.
 *
 * @returns `1 / √features`; 0 where there are none
 */
export function boundOf(features: number): number {
  return features > 0 ? 1 / Math.sqrt(features) : 0;
}

/**
 * Refuses what cannot be the extents of a weight matrix.
 *
 * @throws {TypeError} if one is not an integer
 * @throws {RuntimeError} if one is negative
 */
export function checkMatrix(rows: number, columns: number): void {
  if (!Number.isInteger(rows)) {
    throw new TypeError(
      "empty(): argument 'size' (position 1) must be tuple of ints, but found element of type " +
        `${pythonType(rows)} at pos 0`,
    );
  }
  if (!Number.isInteger(columns)) {
    throw new TypeError(
      "empty(): argument 'size' failed to unpack the object at pos 2 with error \"type must be " +
        `tuple of ints,but got ${pythonType(columns)}"`,
    );
  }
  const negative = [rows, columns].find((extent) => extent < 0);
  if (negative !== undefined) {
    throw new RuntimeError(
      `Trying to create tensor with negative dimension ${negative}: [${rows}, ${columns}]`,
    );
  }
}
