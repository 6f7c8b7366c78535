/**
 * Operations that give a tensor another shape and change no element. Backward, a gradient goes back
 * to where its element came from.
 */

import { type Call, check, int, ints } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { blocksOf, type Places, placesIn, resized } from "../tensor/blocks.ts";
import { allocate, listed, numel, typeName } from "../tensor/dtype.ts";
import {
  aTensor,
  type Backward,
  shareVersion,
  Tensor,
  wrapDim,
  wrapDims,
} from "../tensor/tensor.ts";
import { record, recordShape, recordView } from "./graph.ts";

const calls = {
  reshape: ["reshape", { input: aTensor, shape: ints }],
  unsqueeze: ["unsqueeze", { input: aTensor, dim: int }],
  squeeze: ["squeeze", { input: aTensor, dim: int }],
  expand: ["expand", { input: aTensor, size: ints }],
  clone: ["clone", { input: aTensor }],
  flip: ["flip", { input: aTensor, dims: ints }],
  transpose: ["transpose", { input: aTensor, dim0: int, dim1: int }],
} satisfies Record<string, Call>;

function addAll(dy: Float64Array, dx: Float64Array | undefined): void {
  if (dx) { for (let i = 0; i < dy.length; i++) dx[i] += dy[i]; }
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
  check(calls.reshape, arguments);
  const unknown = shape.indexOf(-1);
  const wrong = shape.findIndex((extent) => !Number.isInteger(extent) || extent < -1);
  if (wrong >= 0) {
    throw new RuntimeError(
      `invalid shape dimension ${shape[wrong]} at index ${wrong} of shape [${shape.join(", ")}]`,
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
        `cannot reshape tensor of 0 elements into shape [${shape.join(", ")}] because the ` +
          "unspecified dimension size -1 can be any value and is ambiguous",
      );
    }
    full = resized(shape, unknown, Math.floor(x.numel() / others));
  }
  if (numel(full) !== x.numel()) {
    throw new RuntimeError(
      `shape '[${shape.join(", ")}]' is invalid for input of size ${x.numel()}`,
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
  check(calls.unsqueeze, arguments);
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
  check(calls.squeeze, arguments);
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
  check(calls.expand, arguments);
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
  const places = placesIn(x.shape, shape);
  return recordView(taken(x, shape, places), "ExpandBackward0", x, giveBack(places));
}

/** The elements of `x` that stand at some places, in another shape. */
function taken(x: Tensor, shape: readonly number[], { table, step }: Places): Tensor {
  const data = allocate(x.dtype, numel(shape));
  for (let k = 0; k < data.length; k++) data[k] = x.data[table ? table[k] : k * step];
  return new Tensor(data, shape, x.dtype);
}

/** Adds the gradient of what {@linkcode taken} took to the places that it came from. */
function giveBack({ table, step }: Places): Backward {
  return (dy, dx) => {
    for (let k = 0; k < dy.length; k++) dx![table ? table[k] : k * step] += dy[k];
  };
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
  check(calls.clone, arguments);
  return record(new Tensor(x.data.slice(), x.shape, x.dtype), "CloneBackward0", [x], addAll);
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
  check(calls.flip, arguments);
  const places = placesIn(x.shape, x.shape, wrapDims(dims, x.dim()));
  return record(taken(x, x.shape, places), "FlipBackward0", [x], giveBack(places));
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
  check(calls.transpose, arguments);
  const y = exchange(x, dim0, dim1, "TransposeBackward0");
  shareVersion(y, x); // a view in PyTorch
  return y;
}

/**
 * {@linkcode transpose} to a tensor that is no view, under the name that PyTorch's graph shows where
 * its recurrent layers transpose their own output in place.
 */
export function transposeOwn(x: Tensor, dim0: number, dim1: number): Tensor {
  return exchange(x, dim0, dim1, "TransposeBackward1");
}

function exchange(x: Tensor, dim0: number, dim1: number, name: string): Tensor {
  const dims = [wrapDim(dim0, x.dim()), wrapDim(dim1, x.dim())];
  const [p, q] = [Math.min(...dims), Math.max(...dims)];
  if (p === q) return record(new Tensor(x.data.slice(), x.shape, x.dtype), name, [x], addAll);
  // As five dimensions: outer, p, between, q, inner. Only p and q change places.
  const { outer, extent: m } = blocksOf(x.shape, p);
  const { extent: n, inner } = blocksOf(x.shape, q);
  const between = numel(x.shape.slice(p + 1, q));
  const source = new Int32Array(outer * m * between * n); // where each run of `inner` comes from
  let run = 0;
  for (let o = 0; o < outer; o++) {
    for (let j = 0; j < n; j++) {
      for (let b = 0; b < between; b++) {
        for (let i = 0; i < m; i++) source[run++] = (((o * m + i) * between + b) * n + j) * inner;
      }
    }
  }
  const data = allocate(x.dtype, x.data.length);
  source.forEach((from, to) => {
    for (let i = 0; i < inner; i++) data[to * inner + i] = x.data[from + i];
  });
  const shape = resized(resized(x.shape, p, n), q, m);
  return record(new Tensor(data, shape, x.dtype), name, [x], (dy, dx) => {
    source.forEach((from, to) => {
      for (let i = 0; i < inner; i++) dx![from + i] += dy[to * inner + i];
    });
  });
}
