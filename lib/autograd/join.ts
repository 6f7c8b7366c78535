/** Operations that put tensors together along a dimension. */

import { check, int } from "../call.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { placesOf, resized, wrapDim } from "../tensor/blocks.ts";
import { allocate, listed, numel, sameShape } from "../tensor/dtype.ts";
import { checkTensors, Tensor, tensorList } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

/**
 * Tensors one after the other along a dimension (`torch.cat`).
 *
 * @param tensors tensors that agree in every other dimension and in dtype
 * @param dim the dimension to join along
 * @returns a tensor whose `dim` is as long as all of theirs together
 * @throws {ValueError} if there are none
 * @throws {RuntimeError} if they do not fit
 *
 * @example
 * ```ts
 * import { cat, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(cat([tensor([1]), tensor([2, 3])]).tolist(), [1, 2, 3]);
 * ```
 * @category Operations
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  check(["cat", { tensors: tensorList, "dim?": int }], arguments);
  checkTensors(tensors);
  if (tensors.length === 0) {
    throw new ValueError("torch.cat(): expected a non-empty list of Tensors");
  }
  // An empty vector goes with anything and adds nothing.
  const first = tensors.find((x) => !isEmptyVector(x)) ?? tensors[0];
  tensors.forEach(({ shape }, position) => {
    if (shape.length === 0) {
      throw new RuntimeError(
        `zero-dimensional tensor (at position ${position}) cannot be concatenated`,
      );
    }
  });
  const at = wrapDim(dim, first.dim());
  tensors.forEach((x, position) => checkJoins(first, x, at, position));
  const extents = tensors.map((x) => isEmptyVector(x) ? 0 : x.shape[at]);
  const shape = resized(first.shape, at, extents.reduce((sum, extent) => sum + extent, 0));
  return joined(tensors, "CatBackward0", shape, at, extents);
}

/** Puts tensors one behind the other in a new one. `extents` is how far each reaches there. */
function joined(
  tensors: readonly Tensor[],
  name: string,
  shape: readonly number[],
  dim: number,
  extents: readonly number[],
): Tensor {
  const data = allocate(tensors[0].dtype, numel(shape));
  let start = 0;
  const tables = tensors.map((x, k) => {
    const table = placesOf(shape, dim, [start]);
    const run = x.data.length / table.length;
    table.forEach((to, k) => data.set(x.data.subarray(k * run, (k + 1) * run), to));
    start += extents[k];
    return table;
  });
  return record(new Tensor(data, shape, tensors[0].dtype), name, tensors, (dy, ...dxs) => {
    dxs.forEach((dx, k) => {
      const run = (dx?.length ?? 0) / tables[k].length;
      tables[k].forEach((from, k) => {
        for (let i = 0; i < run; i++) dx![k * run + i] += dy[from + i];
      });
    });
  });
}

function isEmptyVector({ shape }: Tensor): boolean {
  return shape.length === 1 && shape[0] === 0;
}

function checkJoins(first: Tensor, x: Tensor, dim: number, position: number): void {
  checkDType(first, x, position);
  if (isEmptyVector(x)) return;
  if (x.dim() !== first.dim()) {
    throw new RuntimeError(
      `Tensors must have same number of dimensions: got ${first.dim()} and ${x.dim()}`,
    );
  }
  x.shape.forEach((extent, k) => {
    if (k !== dim && extent !== first.shape[k]) {
      throw new RuntimeError(
        `Sizes of tensors must match except in dimension ${dim}. Expected size ` +
          `${first.shape[k]} but got size ${extent} for tensor number ${position} in the list.`,
      );
    }
  });
}

/** Nothing is promoted here, as it is in PyTorch. */
function checkDType(first: Tensor, x: Tensor, position: number): void {
  if (x.dtype === first.dtype) return;
  throw new RuntimeError(
    `expected tensors of one dtype, but got ${first.dtype} and ${x.dtype} at position ${position}`,
  );
}

/**
 * Tensors of one shape, side by side along a new dimension (`torch.stack`).
 *
 * @param tensors tensors that agree in shape and dtype
 * @param dim where the new dimension is to stand
 * @returns a tensor with one more dimension, as long as there are tensors
 * @throws {RuntimeError} if there are none, or they differ in shape or dtype
 * @throws {IndexError} if `dim` is out of range
 *
 * @example
 * ```ts
 * import { stack, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(stack([tensor([1, 2]), tensor([3, 4])]).tolist(), [[1, 2], [3, 4]]);
 * ```
 * @category Operations
 */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  check(["stack", { tensors: tensorList, "dim?": int }], arguments);
  checkTensors(tensors);
  if (tensors.length === 0) throw new RuntimeError("stack expects a non-empty TensorList");
  const [first] = tensors;
  tensors.forEach((x, position) => {
    if (!sameShape(x.shape, first.shape)) {
      throw new RuntimeError(
        `stack expects each tensor to be equal size, but got ${listed(first.shape)} at entry 0 ` +
          `and ${listed(x.shape)} at entry ${position}`,
      );
    }
    checkDType(first, x, position);
  });
  const at = wrapDim(dim, first.dim() + 1);
  const shape = [...first.shape.slice(0, at), tensors.length, ...first.shape.slice(at)];
  return joined(tensors, "StackBackward0", shape, at, tensors.map(() => 1));
}
