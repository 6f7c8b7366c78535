/** Classes by number, as a loss is given them. */

import { RuntimeError } from "../errors.ts";
import { shapeOf, visitElements } from "../tensor/create.ts";
import { listed, numel, words } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

/**
 * Classes by number, laid out row-major: for shapes that no nested lists have, such as (0, 2).
 * @category Losses
 */
export interface ClassArray {
  /** The extent of each dimension. */
  readonly shape: readonly number[];
  /** The classes. */
  readonly data: Uint8Array | Int32Array | BigInt64Array | readonly number[];
}

/**
 * Classes by number: an int64 tensor, one, or lists of them, nested evenly; typed arrays, too.
 * @category Losses
 */
export type ClassIndices =
  | Tensor
  | number
  | Uint8Array
  | Int32Array
  | BigInt64Array
  | ClassArray
  | readonly ClassIndices[];

/**
 * Reads a target.
 *
 * @returns its shape; its classes, row-major, or `null` where they are no integers; and PyTorch's name
 * of its dtype
 * @throws {ValueError | TypeError} if lists are nested unevenly
 * @throws {RuntimeError} if a shape does not hold the classes given with it
 */
export function classesOf(
  target: ClassIndices,
): [shape: readonly number[], classes: readonly number[] | null, dtype: string] {
  if (target instanceof Tensor) {
    const { shape, dtype, data } = target;
    return [shape, dtype === "int64" ? [...data] : null, words[dtype][0]];
  }
  const given = isClassArray(target);
  const classes: number[] = [];
  const read = (x: unknown) => classes.push(typeof x === "bigint" ? Number(x) : x as number);
  const shape = given ? target.shape : shapeOf(target)[0];
  if (given) Array.from<unknown>(target.data).forEach(read);
  else visitElements(target, shape, read);
  if (numel(shape) !== classes.length) {
    throw new RuntimeError(
      `shape '${listed(shape)}' is invalid for input of size ${classes.length}`,
    );
  }
  return classes.every(Number.isInteger) ? [shape, classes, "Long"] : [shape, null, "Float"];
}

function isClassArray(target: ClassIndices): target is ClassArray {
  return typeof target === "object" && "shape" in target && "data" in target;
}
