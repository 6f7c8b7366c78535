/** Where tensors begin: from numbers, or filled. */

import { any, bool, check, dtype, int, ints, number, type Options } from "../call.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { pythonType } from "../python.ts";
import {
  allocate,
  anyDType,
  type DType,
  element,
  type FloatArray,
  isFloat,
  listed,
  numel,
} from "./dtype.ts";
import { Tensor, wantGradient } from "./tensor.ts";

/**
 * What {@linkcode tensor} takes: a number, typed storage, or lists of numbers, nested evenly.
 * @category Tensors
 */
export type TensorLike =
  | number
  | bigint
  | boolean
  | FloatArray
  | BigInt64Array
  | readonly TensorLike[];

/**
 * How a new tensor is to be.
 * @category Tensors
 */
export interface TensorOptions {
  /** The type of its elements. @default that of the elements given; "float32" of numbers */
  readonly dtype?: DType;
  /** Whether gradients are to flow back to it. @default false */
  readonly requiresGrad?: boolean;
}

const tensorOptions: Options<TensorOptions> = { dtype: anyDType, requiresGrad: bool };

const linspaceOptions: Options<TensorOptions> = { dtype, requiresGrad: bool };

function finish(data: FloatArray, shape: readonly number[], options: TensorOptions): Tensor {
  const result = new Tensor(data, shape, options.dtype);
  if (options.requiresGrad) wantGradient(result);
  return result;
}

/** Refuses the sizes that `torch.<name>` refuses, in its words. */
export function checkSize(name: string, size: readonly number[]): void {
  const other = size.findIndex((extent) => !Number.isInteger(extent));
  if (other >= 0) {
    // PyTorch inspects the first extent before the others, and counts the others from 1.
    const type = pythonType(size[other]);
    const what = other === 0
      ? `(position 1) must be tuple of ints, but found element of type ${type} at pos 0`
      : `failed to unpack the object at pos ${other + 1} with error "type must be tuple of ints,` +
        `but got ${type}"`;
    throw new TypeError(`${name}(): argument 'size' ${what}`);
  }
  const negative = size.find((extent) => extent < 0);
  if (negative !== undefined) {
    throw new RuntimeError(
      name === "zeros"
        ? "zeros: Dimension size must be non-negative."
        : `Trying to create tensor with negative dimension ${negative}: ${listed(size)}`,
    );
  }
}

/** New storage for a size that `torch.<name>` does not refuse. */
export function allocateSize(name: string, size: readonly number[], dtype: DType): FloatArray {
  checkSize(name, size);
  return allocate(dtype, numel(size));
}

function isList(data: unknown): data is ArrayLike<unknown> {
  return typeof data === "object" && data !== null && "length" in data;
}

/** The shape that the first element of each level promises, and the first element of all. */
export function shapeOf(data: unknown): [shape: number[], first: unknown] {
  const shape: number[] = [];
  for (; isList(data); data = data[0]) shape.push(data.length);
  return [shape, data];
}

/** Visits the elements of lists, which are to be nested as `shape` says. */
export function visitElements(
  data: unknown,
  shape: readonly number[],
  visit: (element: unknown) => void,
  dim = 0,
): void {
  if (dim === shape.length) return visit(data);
  if (!isList(data)) throw new TypeError("not a sequence");
  if (data.length !== shape[dim]) {
    throw new ValueError(
      `expected sequence of length ${shape[dim]} at dim ${dim} (got ${data.length})`,
    );
  }
  for (let i = 0; i < data.length; i++) visitElements(data[i], shape, visit, dim + 1);
}

/**
 * Makes a tensor from numbers, which are copied (`torch.tensor`).
 *
 * @param data a number, a typed array (which gives its dtype), or lists of numbers nested evenly;
 * truth values make a bool tensor, bigints an int64 one; numbers a float32 one, whole or not
 * @param options the dtype, and whether gradients are to flow back to it
 * @returns the tensor; its shape is the nesting of `data`
 * @throws {ValueError} if the nesting is ragged
 * @throws {TypeError} if something in it is not a number
 * @throws {ValueError} if int64 is to hold what no number holds exactly
 *
 * @example
 * ```ts
 * import { tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(String(tensor([[1, 2], [3, 4.5]])), "tensor([[1.0000, 2.0000],\n        [3.0000, 4.5000]])");
 * ```
 * @category Tensors
 */
export function tensor(data: TensorLike, options: TensorOptions = {}): Tensor {
  check(["tensor", { data: any }, tensorOptions], arguments);
  const [shape, first] = shapeOf(data);
  const own = data instanceof Float64Array
    ? "float64"
    : typeof first === "bigint" || data instanceof BigInt64Array
    ? "int64"
    : typeof first === "boolean"
    ? "bool"
    : "float32";
  const { dtype = own } = options;
  const flat = allocate(dtype, numel(shape));
  const types = isFloat(dtype)
    ? ["number"]
    : options.dtype
    ? ["number", "bigint", "boolean"]
    : [typeof first];
  let next = 0;
  visitElements(data, shape, (x) => {
    if (!types.includes(typeof x)) {
      const wanted = types[0] === "number" ? "real number" : pythonType(first);
      throw new TypeError(`must be ${wanted}, not ${pythonType(x)}`);
    }
    flat[next++] = element(x as number, dtype);
  });
  return finish(flat, shape, { ...options, dtype });
}

/**
 * Makes a tensor of zeros (`torch.zeros`).
 *
 * @param size the extent of each dimension
 * @param options the dtype, and whether gradients are to flow back to it
 * @returns the tensor
 * @throws {RuntimeError} if an extent is negative
 *
 * @example
 * ```ts
 * import { zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(zeros([1, 2]).tolist(), [[0, 0]]);
 * ```
 * @category Tensors
 */
export function zeros(size: readonly number[], options: TensorOptions = {}): Tensor {
  check(["zeros", { size: ints }, tensorOptions], arguments);
  return filled("zeros", size, 0, options);
}

/**
 * Makes a tensor of ones (`torch.ones`).
 *
 * @param size the extent of each dimension
 * @param options the dtype, and whether gradients are to flow back to it
 * @returns the tensor
 * @throws {RuntimeError} if an extent is negative
 *
 * @example
 * ```ts
 * import { ones } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(ones([3]).tolist(), [1, 1, 1]);
 * ```
 * @category Tensors
 */
export function ones(size: readonly number[], options: TensorOptions = {}): Tensor {
  check(["ones", { size: ints }, tensorOptions], arguments);
  return filled("ones", size, 1, options);
}

/**
 * Makes a tensor of one value throughout (`torch.full`).
 *
 * @param size the extent of each dimension
 * @param value the value
 * @param options the dtype, and whether gradients are to flow back to it
 * @returns the tensor
 * @throws {RuntimeError} if an extent is negative
 * @throws {TypeError} if the value is not a number
 *
 * @example
 * ```ts
 * import { full } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(full([2], 0.5).tolist(), [0.5, 0.5]);
 * ```
 * @category Tensors
 */
export function full(
  size: readonly number[],
  value: number,
  options: TensorOptions = {},
): Tensor {
  check(["full", { size: ints, fillValue: number }, tensorOptions], arguments);
  return filled("full", size, value, options);
}

function filled(
  name: string,
  size: readonly number[],
  value: number,
  options: TensorOptions,
): Tensor {
  const { dtype = "float32" } = options;
  const data = allocateSize(name, size, dtype);
  if (!Object.is(value, 0)) data.fill(element(value, dtype));
  return finish(data, size, options);
}

/**
 * Makes a 1-dimensional tensor of evenly spaced numbers, both ends included (`torch.linspace`).
 * The second half is counted down from `end`, as PyTorch does, so that both ends are exact.
 *
 * @param start the first number
 * @param end the last number; left out where `steps` is 1
 * @param steps how many numbers
 * @param options the dtype, and whether gradients are to flow back to it
 * @returns a tensor of shape `[steps]`
 * @throws {RuntimeError} if `steps` is negative
 *
 * @example
 * ```ts
 * import { linspace } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(linspace(0, 1, 5).tolist(), [0, 0.25, 0.5, 0.75, 1]);
 * ```
 * @category Tensors
 */
export function linspace(
  start: number,
  end: number,
  steps: number,
  options: TensorOptions = {},
): Tensor {
  check(["linspace", { start: number, end: number, steps: int }, linspaceOptions], arguments);
  const { dtype = "float32" } = options;
  if (steps < 0) throw new RuntimeError("number of steps must be non-negative");
  const data = allocate(dtype, steps);
  const step = (end - start) / (steps - 1);
  for (let i = 0; i < steps; i++) {
    data[i] = i < steps / 2 ? start + i * step : end - (steps - 1 - i) * step;
  }
  if (steps === 1) data[0] = start; // where step is no number
  return finish(data, [steps], options);
}
