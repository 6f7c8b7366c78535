/** The types of number that tensors hold, and the shape of what holds them. */

import type { Kind } from "../call.ts";
import { NotImplementedError, ValueError } from "../errors.ts";
import { pythonText } from "../python.ts";

/**
 * The type of a tensor's elements, by PyTorch's name: to compute with, or indices and masks.
 * @category Tensors
 */
export type DType = FloatDType | "int64" | "bool";

/**
 * The types of number that modules compute with.
 * @category Tensors
 */
export type FloatDType = "float32" | "float64";

/** What PyTorch's messages call each dtype: a tensor of it, and a number. */
export const words: Readonly<Record<DType, readonly [string, string]>> = {
  float32: ["Float", "float"],
  float64: ["Double", "double"],
  int64: ["Long", "long int"],
  bool: ["Bool", "bool"],
};

/** Any dtype, as an argument. */
export const anyDType: Kind = {
  word: '"float32", "float64", "int64" or "bool"',
  is: (value) => Object.hasOwn(words, value as string),
};

/** Whether gradients flow through numbers of a dtype. */
export function isFloat(dtype: DType): dtype is FloatDType {
  return dtype[0] === "f";
}

/** Refuses a dtype without fractions where PyTorch's kernel of a name does. */
export function checkFloat(dtype: DType, kernel: string): asserts dtype is FloatDType {
  if (isFloat(dtype)) return;
  throw new NotImplementedError(`"${kernel}" not implemented for '${words[dtype][0]}'`);
}

/**
 * Storage: `Float32Array` for float32; `Float64Array` for all else, a bool as 0 or 1.
 * @category Tensors
 */
export type FloatArray = Float32Array | Float64Array;

/**
 * Numbers laid out row-major: what a tensor is when nobody asks where it came from.
 * @category Tensors
 */
export interface Values {
  /** The type of the elements. */
  readonly dtype: DType;
  /** The extent of each dimension; `[]` for a single number. */
  readonly shape: readonly number[];
  /** The elements, row-major; its length is the product of `shape`. */
  readonly data: FloatArray;
}

/**
 * Whether two shapes are the same.
 *
 * @param a a shape
 * @param b a shape
 * @returns true if they agree in every extent
 */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a === b) return true; // asked often: no closure, and frozen arrays take long to look into
  if (a.length !== b.length) return false;
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return true;
}

/**
 * A shape as Python prints a list.
 *
 * @param shape a shape
 * @returns for example `[2, 3]`
 */
export function listed(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/**
 * The type of a tensor of a dtype, as PyTorch's messages name it.
 *
 * @returns for example `torch.FloatTensor`
 */
export function typeName(dtype: DType): string {
  return `torch.${words[dtype][0]}Tensor`;
}

/**
 * New zero-filled storage.
 *
 * @returns a `Float32Array` for float32, otherwise a `Float64Array`
 * @throws {TypeError} if there is no such dtype
 */
export function allocate(dtype: DType, length: number, kind: Kind = anyDType): FloatArray {
  if (!kind.is(dtype)) {
    throw new TypeError(`dtype must be ${kind.word}, not ${pythonText(dtype)}`);
  }
  return dtype === "float32" ? new Float32Array(length) : new Float64Array(length);
}

/**
 * How many elements a shape has.
 *
 * @returns their product; 1 for `[]`
 */
export function numel(shape: readonly number[]): number {
  let product = 1;
  for (let k = 0; k < shape.length; k++) product *= shape[k];
  return product;
}

/**
 * Numbers in another dtype: float32 rounds, int64 drops the fraction, a bool is true but for 0.
 *
 * @throws {ValueError} if int64 is to hold what no number holds exactly
 */
export function convert(
  from: ArrayLike<number | bigint | boolean>,
  dtype: DType,
): FloatArray {
  const data = allocate(dtype, from.length);
  for (let i = 0; i < data.length; i++) data[i] = element(from[i], dtype);
  return data;
}

/** A number as an element of a dtype, not rounded yet. */
export function element(x: number | bigint | boolean, dtype: DType): number {
  return dtype === "bool" ? Number(x != 0) : dtype === "int64" ? whole(x) : Number(x);
}

/** A number as int64 has it, which a number of JavaScript has to hold: up to 2^53, exactly. */
export function whole(x: number | bigint | boolean): number {
  const value = Math.trunc(Number(x)) + 0; // never -0
  if (Number.isSafeInteger(value)) return value;
  throw new ValueError(`int64 holds whole numbers up to 2^53 - 1 here, which ${x} is not`);
}
