/** Classes by number, as a loss is given them. */

import { RuntimeError, ValueError } from "../errors.ts";
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
 * @throws {ValueError} if lists are nested unevenly
 * @throws {RuntimeError} if a shape does not hold the classes given with it
 */
export function classesOf(target: ClassIndices): Classes {
  if (target instanceof Tensor) {
    const { shape, dtype, data } = target;
    return { shape, classes: dtype === "int64" ? [...data] : null, dtype: words[dtype][0] };
  }
  const shape: number[] = [];
  const classes: number[] = [];
  const whole = (value: unknown) => typeof value === "bigint" ? Number(value) : value;
  const done = (shape: readonly number[]): Classes =>
    classes.every(Number.isInteger)
      ? { shape, classes, dtype: "Long" }
      : { shape, classes: null, dtype: "Float" };
  if (isClassArray(target)) {
    for (const value of target.data) classes.push(whole(value) as number);
    if (numel(target.shape) !== classes.length) {
      throw new RuntimeError(
        `shape '${listed(target.shape)}' is invalid for input of size ${classes.length}`,
      );
    }
    return done(target.shape);
  }
  let level: unknown = target;
  while (typeof level === "object" && level !== null && "length" in level) {
    shape.push(level.length as number);
    level = (level as ArrayLike<unknown>)[0];
  }
  const walk = (part: unknown, dim: number): void => {
    if (dim === shape.length) {
      classes.push(whole(part) as number);
      return;
    }
    const { length } = part as ArrayLike<unknown>;
    if (length !== shape[dim]) {
      throw new ValueError(
        `expected sequence of length ${shape[dim]} at dim ${dim} (got ${length})`,
      );
    }
    Array.from(part as ArrayLike<unknown>).forEach((one) => walk(one, dim + 1));
  };
  walk(target, 0);
  return done(shape);
}

function isClassArray(target: ClassIndices): target is ClassArray {
  return typeof target === "object" && "shape" in target && "data" in target;
}
