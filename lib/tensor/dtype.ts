/** The two types of number that tensors hold, and the shape of what holds them. */

import { pythonText } from "../python.ts";

/** The type of a tensor's elements, by PyTorch's name. */
export type DType = "float32" | "float64";

/** Storage for either dtype. */
export type FloatArray = Float32Array | Float64Array;

/** Numbers laid out row-major: what a tensor is when nobody asks where it came from. */
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
  if (a.length !== b.length) return false;
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false; // asked often: no closure
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
 * @returns `torch.FloatTensor` or `torch.DoubleTensor`
 */
export function typeName(dtype: DType): string {
  return dtype === "float32" ? "torch.FloatTensor" : "torch.DoubleTensor";
}

/**
 * New zero-filled storage.
 *
 * @returns a `Float32Array` or a `Float64Array`
 * @throws {TypeError} if there is no such dtype
 */
export function allocate(dtype: DType, length: number): FloatArray {
  if (dtype !== "float32" && dtype !== "float64") {
    throw new TypeError(`dtype must be "float32" or "float64", not ${pythonText(dtype)}`);
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
