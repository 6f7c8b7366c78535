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

/** A target that was read. */
export interface Classes {
  /** The extent of each dimension. */
  readonly shape: readonly number[];
  /** The classes, row-major; `null` where they are no integers. */
  readonly classes: readonly number[] | null;
  /** PyTorch's name of the dtype. */
  readonly dtype: string;
}

/**
 * Reads a target.
 *
 * @returns its shape and its classes
 * @throws {ValueError | TypeError} if lists are nested unevenly
 * @throws {RuntimeError} if a shape does not hold the classes given with it
 */
export function classesOf(target: ClassIndices): Classes {
  if (target instanceof Tensor) {
    const { shape, dtype, data } = target;
    return { shape, classes: dtype === "int64" ? [...data] : null, dtype: words[dtype][0] };
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
  const whole = classes.every(Number.isInteger);
  return { shape, classes: whole ? classes : null, dtype: whole ? "Long" : "Float" };
}

function isClassArray(target: ClassIndices): target is ClassArray {
  return typeof target === "object" && "shape" in target && "data" in target;
}
