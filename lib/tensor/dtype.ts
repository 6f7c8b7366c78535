/**
 * The two types of number that tensors hold, and the shape of what holds them.
 *
 * @module
 */

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
 * New zero-filled storage.
 *
 * @param dtype the type of the elements
 * @param length how many elements
 * @returns a `Float32Array` or a `Float64Array`
 */
export function allocate(dtype: DType, length: number): FloatArray {
  return dtype === "float32" ? new Float32Array(length) : new Float64Array(length);
}

/**
 * How many elements a shape has.
 *
 * @param shape the extent of each dimension
 * @returns their product; 1 for `[]`
 */
export function numel(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
