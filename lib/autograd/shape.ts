/**
 * Operations that give a tensor another shape and change no element. Backward, a gradient goes back
 * to where its element came from.
 */

import { check, int, ints } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { placesBy, resized, spreadPlaces, stridesOf, wrapDim, wrapDims } from "../tensor/blocks.ts";
import { allocate, listed, numel, typeName } from "../tensor/dtype.ts";
import { aTensor, shareVersion, Tensor } from "../tensor/tensor.ts";
import { type MayKeep, record, recordShape } from "./graph.ts";

/**
 * Elements of a tensor, in another shape. Their gradient goes back to where they were taken from.
 *
 * @param table where each run of neighbours starts in `x`; all are equally long
 * @param name what PyTorch calls the node
 * @param keeps what it saves
 * @param unmoved where a run starts to which no gradient goes back
 */
export function taken(
  x: Tensor,
  shape: readonly number[],
  table: Uint32Array,
  name: string,
  keeps?: readonly MayKeep[],
  unmoved = -1,
): Tensor {
  const data = allocate(x.dtype, numel(shape));
  const run = data.length / table.length;
  for (let k = 0, to = 0; k < table.length; k++) {
    for (let i = 0; i < run; i++) data[to++] = x.data[table[k] + i];
  }
  return record(new Tensor(data, shape, x.dtype), name, [x], (dy, dx) => {
    for (let k = 0; k < table.length; k++) {
      if (table[k] === unmoved) continue;
      for (let i = 0; i < run; i++) dx![table[k] + i] += dy[k * run + i];
    }
  }, keeps);
}

/** {@linkcode taken}, of what PyTorch only looks at in another way: a change counts for both. */
export function viewed(
  x: Tensor,
  shape: readonly number[],
  table: Uint32Array,
  name: string,
): Tensor {
  const y = taken(x, shape, table, name);
  shareVersion(y, x);
  return y;
}

/**
 * The same elements, row-major, in another shape (`torch.reshape`).
 *
 * @param x any tensor
 * @param shape the shape wanted; one extent may be -1 and is found from the others
 * @returns a tensor of that shape; it shares storage with `x`
 * @throws {RuntimeError} if that shape cannot hold exactly the elements of `x`
 *
 * @example
 * ```ts
 * import { reshape, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(reshape(tensor([1, 2, 3, 4]), [2, -1]).tolist(), [[1, 2], [3, 4]]);
 * ```
 * @category Operations
 */
export function reshape(x: Tensor, shape: readonly number[]): Tensor {
  check(["reshape", { input: aTensor, shape: ints }], arguments);
  const unknown = shape.indexOf(-1);
  const wrong = shape.findIndex((extent) => !Number.isInteger(extent) || extent < -1);
  if (wrong >= 0) {
    throw new RuntimeError(
      `invalid shape dimension ${shape[wrong]} at index ${wrong} of shape ${listed(shape)}`,
    );
  }
  if (unknown !== shape.lastIndexOf(-1)) {
    throw new RuntimeError("only one dimension can be inferred");
  }
  let full = shape;
  if (unknown >= 0) {
    const others = numel(resized(shape, unknown));
    if (others === 0 && x.numel() === 0) {
      throw new RuntimeError(
        `cannot reshape tensor of 0 elements into shape ${listed(shape)} because the ` +
          "unspecified dimension size -1 can be any value and is ambiguous",
      );
    }
    full = resized(shape, unknown, Math.floor(x.numel() / others));
  }
  if (numel(full) !== x.numel()) {
    throw new RuntimeError(
      `shape '${listed(shape)}' is invalid for input of size ${x.numel()}`,
    );
  }
  return recordShape(new Tensor(x.data, full, x.dtype), "ViewBackward0", x);
}

/**
 * Adds a dimension of extent 1 (`torch.unsqueeze`).
 *
 * @param x any tensor
 * @param dim where the new dimension is to stand
 * @returns a tensor with one more dimension; it shares storage with `x`
 * @throws {IndexError} if `dim` is out of range
 *
 * @example
 * ```ts
 * import { tensor, unsqueeze } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(unsqueeze(tensor([1, 2]), 1).tolist(), [[1], [2]]);
 * ```
 * @category Operations
 */
export function unsqueeze(x: Tensor, dim: number): Tensor {
  check(["unsqueeze", { input: aTensor, dim: int }], arguments);
  const at = wrapDim(dim, x.dim() + 1);
  const shape = [...x.shape.slice(0, at), 1, ...x.shape.slice(at)];
  return recordShape(new Tensor(x.data, shape, x.dtype), "UnsqueezeBackward0", x);
}

/**
 * Removes a dimension of extent 1 (`torch.squeeze`).
 *
 * @param x any tensor
 * @param dim the dimension; where its extent is not 1, `x` keeps its shape
 * @returns a tensor that shares storage with `x`
 * @throws {IndexError} if `dim` is out of range
 *
 * @example
 * ```ts
 * import { squeeze, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(squeeze(tensor([[1], [2]]), 1).tolist(), [1, 2]);
 * ```
 * @category Operations
 */
export function squeeze(x: Tensor, dim: number): Tensor {
  check(["squeeze", { input: aTensor, dim: int }], arguments);
  const at = wrapDim(dim, x.dim());
  const shape = x.shape[at] === 1 ? resized(x.shape, at) : x.shape;
  return recordShape(new Tensor(x.data, shape, x.dtype), "SqueezeBackward1", x);
}

/**
 * A tensor repeated along dimensions of extent 1, and along new leading ones
 * (`torch.Tensor.expand`). The result is laid out anew, row-major.
 *
 * @param x any tensor
 * @param shape the shape wanted; from the last dimension on, each extent is that of `x`, or that of
 * `x` is 1 or missing
 * @returns a tensor of that shape
 * @throws {RuntimeError} if `x` does not fit that shape
 *
 * @example
 * ```ts
 * import { expand, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(expand(tensor([[1], [2]]), [2, 2]).tolist(), [[1, 1], [2, 2]]);
 * ```
 * @category Operations
 */
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  check(["expand", { input: aTensor, size: ints }], arguments);
  const missing = shape.length - x.dim();
  if (missing < 0) {
    throw new RuntimeError(
      `expand(${typeName(x.dtype)}{${listed(x.shape)}}, size=${
        listed(shape)
      }): the number of sizes provided (${shape.length}) must be greater or equal to the number of ` +
        `dimensions in the tensor (${x.dim()})`,
    );
  }
  shape.forEach((extent, dim) => {
    const own = dim < missing ? 1 : x.shape[dim - missing];
    if (own !== extent && own !== 1) {
      throw new RuntimeError(
        `The expanded size of the tensor (${extent}) must match the existing size (${own}) at ` +
          `non-singleton dimension ${dim}.  Target sizes: ${listed(shape)}.  Tensor sizes: ` +
          listed(x.shape),
      );
    }
  });
  return viewed(x, shape, spreadPlaces(x.shape, shape), "ExpandBackward0");
}

/**
 * A copy (`torch.clone`).
 *
 * @param x any tensor
 * @returns a tensor with storage of its own
 *
 * @example
 * ```ts
 * import { clone, ones } from "@rnn-spec/rnn-spec";
 * import { assert } from "@std/assert";
 *
 * const x = ones([2]);
 * assert(clone(x).data !== x.data);
 * ```
 * @category Operations
 */
export function clone(x: Tensor): Tensor {
  check(["clone", { input: aTensor }], arguments);
  return taken(x, x.shape, Uint32Array.of(0), "CloneBackward0");
}

/**
 * The elements of some dimensions in the opposite order (`torch.flip`).
 *
 * @param x any tensor
 * @param dims the dimensions, each once; negative ones count from the last
 * @returns a tensor of the same shape
 * @throws {IndexError} if there is no such dimension
 * @throws {RuntimeError} if one is named twice
 *
 * @example
 * ```ts
 * import { flip, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(flip(tensor([[1, 2], [3, 4]]), [0]).tolist(), [[3, 4], [1, 2]]);
 * ```
 * @category Operations
 */
export function flip(x: Tensor, dims: readonly number[]): Tensor {
  check(["flip", { input: aTensor, dims: ints }], arguments);
  const strides = stridesOf(x.shape);
  let start = 0;
  for (const dim of wrapDims(dims, x.dim())) {
    if (dim >= x.dim()) continue; // of a scalar
    start += (x.shape[dim] - 1) * strides[dim];
    strides[dim] *= -1;
  }
  return taken(x, x.shape, placesBy(x.shape, strides, start), "FlipBackward0");
}

/**
 * Two dimensions exchanged (`torch.transpose`). The result is laid out anew, row-major.
 *
 * @param x any tensor
 * @param dim0 one dimension
 * @param dim1 the other
 * @returns a tensor whose shape has the two extents exchanged
 * @throws {IndexError} if there is no such dimension
 *
 * @example
 * ```ts
 * import { tensor, transpose } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(transpose(tensor([[1, 2], [3, 4]]), 0, 1).tolist(), [[1, 3], [2, 4]]);
 * ```
 * @category Operations
 */
export function transpose(x: Tensor, dim0: number, dim1: number): Tensor {
  check(["transpose", { input: aTensor, dim0: int, dim1: int }], arguments);
  return viewed(x, ...exchange(x, dim0, dim1), "TransposeBackward0");
}

/**
 * {@linkcode transpose} to a tensor that is no view, under the name that PyTorch's graph shows where
 * its recurrent layers transpose their own output in place.
 */
export function transposeOwn(x: Tensor, dim0: number, dim1: number): Tensor {
  return taken(x, ...exchange(x, dim0, dim1), "TransposeBackward1");
}

/** The shape with two dimensions exchanged, and where what stands behind them comes from. */
function exchange(x: Tensor, dim0: number, dim1: number): [number[], Uint32Array] {
  const [p, q] = [wrapDim(dim0, x.dim()), wrapDim(dim1, x.dim())];
  const exchanged = (given: readonly number[]) =>
    given.map((own, k) => k === p ? given[q] : k === q ? given[p] : own);
  const shape = exchanged(x.shape);
  const leading = shape.slice(0, Math.max(p, q) + 1);
  return [shape, placesBy(leading, exchanged(stridesOf(x.shape)))];
}
