/**
 * Operations that take a tensor apart along a dimension. All copy; nothing here shares storage.
 * Backward, a gradient goes back to where its element came from.
 */

import { check, int, ints, type Kind } from "../call.ts";
import { IndexError, RuntimeError } from "../errors.ts";
import { placesOf, resized, wrapDim } from "../tensor/blocks.ts";
import { listed } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { taken, viewed } from "./shape.ts";

/** Which slices: a list, or a tensor, of which the function sees whether it is one of int64. */
const indices: Kind = {
  word: "list of ints",
  is: (value) => ints.is(value) || aTensor.is(value),
};

/**
 * One slice of a dimension, which is then gone (`torch.select`; `x[:, -1, :]` in Python is
 * `select(x, 1, -1)`).
 *
 * @param x a tensor with at least one dimension
 * @param dim the dimension
 * @param index which slice; negative ones count from the last
 * @returns a tensor with one dimension less
 * @throws {IndexError} if there is no such dimension or slice
 *
 * @example
 * ```ts
 * import { select, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(select(tensor([[1, 2], [3, 4]]), 1, -1).tolist(), [2, 4]);
 * ```
 * @category Operations
 */
export function select(x: Tensor, dim: number, index: number): Tensor {
  check(["select", { input: aTensor, dim: int, index: int }], arguments);
  if (x.dim() === 0) throw new IndexError("select() cannot be applied to a 0-dim tensor.");
  const at = wrapDim(dim, x.dim());
  const extent = x.shape[at];
  if (index < -extent || index >= extent) {
    throw new IndexError(
      `select(): index ${index} out of range for tensor of size ${listed(x.shape)} at ` +
        `dimension ${at}`,
    );
  }
  const start = index < 0 ? index + extent : index;
  return viewed(x, resized(x.shape, at), placesOf(x.shape, at, [start]), "SelectBackward0");
}

/**
 * Consecutive slices of a dimension (`torch.narrow`).
 *
 * @param x a tensor with at least one dimension
 * @param dim the dimension
 * @param start the first slice; negative ones count from the last
 * @param length how many
 * @returns a tensor whose `dim` has the extent `length`
 * @throws {IndexError} if there is no such dimension or start
 * @throws {RuntimeError} if fewer than `length` slices follow
 *
 * @example
 * ```ts
 * import { narrow, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(narrow(tensor([1, 2, 3, 4]), 0, 1, 2).tolist(), [2, 3]);
 * ```
 * @category Operations
 */
export function narrow(x: Tensor, dim: number, start: number, length: number): Tensor {
  check(["narrow", { input: aTensor, dim: int, start: int, length: int }], arguments);
  if (x.dim() === 0) throw new RuntimeError("narrow() cannot be applied to a 0-dim tensor.");
  if (length < 0) throw new RuntimeError("narrow(): length must be non-negative.");
  const at = wrapDim(dim, x.dim());
  const extent = x.shape[at];
  if (start < -extent || start > extent) {
    throw new IndexError(
      `start out of range (expected to be in range of [${-extent}, ${extent}], but got ${start})`,
    );
  }
  const first = start < 0 ? start + extent : start;
  if (first + length > extent) {
    throw new RuntimeError(
      `start (${first}) + length (${length}) exceeds dimension size (${extent}).`,
    );
  }
  return takeRange(x, at, first, length);
}

/**
 * Slices of a dimension from `start` up to and without `end` (`x[start:end]` in Python): ends
 * beyond the extent are cut back to it, and negative ones count from the last.
 *
 * @param x a tensor with at least one dimension
 * @param dim the dimension
 * @param start the first slice; by default 0
 * @param end the slice to stop before; by default the extent
 * @returns a tensor of the slices between, perhaps none
 * @throws {IndexError} if there is no such dimension
 *
 * @example
 * ```ts
 * import { slice, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(slice(tensor([1, 2, 3, 4]), 0, -2).tolist(), [3, 4]);
 * ```
 * @category Operations
 */
export function slice(x: Tensor, dim: number, start = 0, end?: number): Tensor {
  check(["slice", { input: aTensor, dim: int, "start?": int, "end?": int }], arguments);
  if (x.dim() === 0) throw new IndexError("slice() cannot be applied to a 0-dim tensor.");
  const at = wrapDim(dim, x.dim());
  const extent = x.shape[at];
  const within = (index: number) =>
    Math.min(Math.max(index < 0 ? index + extent : index, 0), extent);
  const [from, until] = [within(start), within(end ?? extent)];
  return takeRange(x, at, from, Math.max(until - from, 0));
}

function takeRange(x: Tensor, dim: number, start: number, length: number): Tensor {
  const shape = resized(x.shape, dim, length);
  return viewed(x, shape, placesOf(x.shape, dim, [start]), "SliceBackward0");
}

/**
 * A dimension cut into parts of equal extent (`torch.chunk`): the gates, in a weight's rows.
 *
 * @param x a tensor with at least one dimension
 * @param chunks how many parts; must divide the extent
 * @param dim the dimension
 * @returns the parts, in order
 * @throws {IndexError} if there is no such dimension
 * @throws {RuntimeError} if the parts would not be equal
 *
 * @example
 * ```ts
 * import { chunk, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const [i, f] = chunk(tensor([1, 2, 3, 4]), 2);
 * assertEquals([i.tolist(), f.tolist()], [[1, 2], [3, 4]]);
 * ```
 * @category Operations
 */
export function chunk(x: Tensor, chunks: number, dim = 0): Tensor[] {
  check(["chunk", { input: aTensor, chunks: int, "dim?": int }], arguments);
  if (x.dim() === 0) throw new RuntimeError("chunk expects at least a 1-dimensional tensor");
  const at = wrapDim(dim, x.dim());
  const length = x.shape[at] / chunks;
  if (!(chunks > 0 && Number.isInteger(length))) {
    throw new RuntimeError(`chunk(): extent ${x.shape[at]} is not ${chunks} equal parts`);
  }
  return Array.from({ length: chunks }, (_, k) => takeRange(x, at, k * length, length));
}

/**
 * Slices of a dimension in the order asked for (`torch.index_select`).
 *
 * @param x a tensor with at least one dimension
 * @param dim the dimension
 * @param index which slices, counted from 0; some may be left out or repeated; an int64 tensor too
 * @returns a tensor whose `dim` is as long as `index`
 * @throws {IndexError} if there is no such dimension, or no such slice of the first one
 * @throws {RuntimeError} if there is no such slice of another
 *
 * @example
 * ```ts
 * import { indexSelect, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(indexSelect(tensor([10, 20, 30]), 0, [2, 0]).tolist(), [30, 10]);
 * ```
 * @category Operations
 */
export function indexSelect(x: Tensor, dim: number, index: readonly number[] | Tensor): Tensor {
  check(["indexSelect", { input: aTensor, dim: int, index: indices }], arguments);
  if (index instanceof Tensor) {
    if (index.dim() > 1) {
      throw new IndexError("index_select(): Index is supposed to be a vector");
    }
    if (index.dtype !== "int64") {
      throw new RuntimeError("index_select(): Expected dtype int32 or int64 for index");
    }
    index = [...index.data];
  }
  const slices = index;
  const at = wrapDim(dim, x.dim());
  const extent = x.shape[at] ?? 1;
  slices.forEach((i) => {
    if (Number.isInteger(i) && i >= 0 && i < extent) return;
    if (x.dim() > 1 && extent === 0) {
      throw new RuntimeError("index_select(): self indexing axis dim should be positive");
    }
    if (at === 0 && (x.dim() <= 1 || x.numel() > 0)) {
      throw new IndexError("index out of range in self");
    }
    throw new RuntimeError(
      `INDICES element is out of DATA bounds, id=${i} axis_dim=${extent}`,
    );
  });
  const shape = resized(x.shape, at, slices.length);
  return taken(x, shape, placesOf(x.shape, at, slices), "IndexSelectBackward0");
}
