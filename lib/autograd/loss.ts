/**
 * Operations that measure how far an answer is from the one wanted. Each is a forward and, next to
 * it, the backward. All sum in float64 and round once to the dtype.
 *
 * @module
 */

import { any, type Call, check, type Options } from "../call.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { allocate } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";
import { abs, sub } from "./pointwise.ts";
import { mean, sum } from "./reduce.ts";
import { expand } from "./shape.ts";

const lossOptions: Options<LossOptions> = { reduction: any };

/** What each may be given. */
const calls = {
  mseLoss: ["mseLoss", { input: aTensor, target: aTensor }, lossOptions],
  l1Loss: ["l1Loss", { input: aTensor, target: aTensor }, lossOptions],
  binaryCrossEntropyWithLogits: [
    "binaryCrossEntropyWithLogits",
    { input: aTensor, target: aTensor },
    lossOptions,
  ],
} satisfies Record<string, Call>;

/** What a loss makes of its elements: nothing, their mean, or their sum. */
export type Reduction = "none" | "mean" | "sum";

/** How a loss is to be reduced. */
export interface LossOptions {
  /** `"mean"` unless told otherwise. */
  readonly reduction?: Reduction;
}

/** Refuses what is not a reduction, in PyTorch's words. */
export function checkReduction(reduction: unknown): void {
  if (reduction !== "none" && reduction !== "mean" && reduction !== "sum") {
    throw new ValueError(`${reduction ?? "None"} is not a valid value for reduction`);
  }
}

/**
 * What a loss gives: its elements, or one number.
 *
 * @param elements each element's loss
 * @param like a tensor of the dtype wanted
 * @param shape the shape that the elements have where nothing is reduced
 * @param reduction what is made of them
 * @param count what divides a mean
 * @returns the result, and what each element's gradient is multiplied with, backward
 */
export function reduce(
  elements: Float64Array,
  like: Tensor,
  shape: readonly number[],
  reduction: Reduction,
  count: number,
): { result: Tensor; share: number } {
  const share = reduction === "mean" ? 1 / count : 1;
  if (reduction === "none") {
    const data = allocate(like.dtype, elements.length);
    data.set(elements);
    return { result: new Tensor(data, shape), share };
  }
  let total = 0;
  for (const element of elements) total += element;
  const value = reduction === "mean" ? total / count : total;
  return { result: new Tensor(allocate(like.dtype, 1).fill(value), []), share };
}

/** Input and target in one shape. PyTorch warns where that takes broadcasting; so does this. */
function broadcast(input: Tensor, target: Tensor): [Tensor, Tensor] {
  if (String(input.shape) === String(target.shape)) return [input, target];
  console.warn(
    `Using a target size (${target.size()}) that is different to the input size ` +
      `(${input.size()}). This will likely lead to incorrect results due to broadcasting. ` +
      "Please ensure they have the same size.",
  );
  const rank = Math.max(input.dim(), target.dim());
  const extentOf = ({ shape }: Tensor, dim: number) => shape[dim - rank + shape.length] ?? 1;
  const shape = Array.from({ length: rank }, () => 0);
  for (let dim = rank - 1; dim >= 0; dim--) {
    const [a, b] = [extentOf(input, dim), extentOf(target, dim)];
    if (a !== b && a !== 1 && b !== 1) {
      throw new RuntimeError(
        `The size of tensor a (${a}) must match the size of tensor b (${b}) at non-singleton ` +
          `dimension ${dim}`,
      );
    }
    shape[dim] = a === 1 ? b : a;
  }
  return [expand(input, shape), expand(target, shape)];
}

/**
 * The squared error, `(x - y)²` (`torch.nn.functional.mse_loss`; LOSS-1).
 *
 * @param input x, any shape
 * @param target y, of the same shape; another one is broadcast, with PyTorch's warning
 * @param options the reduction: the mean unless told otherwise
 * @returns one number without a dimension, or the elements where nothing is reduced
 * @throws {RuntimeError} if the shapes cannot be broadcast, or the dtypes differ
 * @throws {ValueError} if there is no such reduction
 *
 * @example
 * ```ts
 * import { mseLoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mseLoss(tensor([1, 2]), tensor([1, 5])).item(), 4.5);
 * ```
 */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  check(calls.mseLoss, arguments);
  const { reduction = "mean" } = options;
  checkReduction(reduction);
  const [x, y] = broadcast(input, target);
  checkDTypes(x, y);
  const n = x.numel();
  const difference = Float64Array.from(x.data, (value, i) => value - y.data[i]);
  const squares = difference.map((d) => d * d);
  const { result, share } = reduce(squares, x, x.shape, reduction, n);
  const each = reduction === "none" ? 1 : 0; // the step from one element of dl to the next
  return record(result, "MseLossBackward0", [x, y], (dl, dx, dy) => {
    if (dx) { for (let i = 0; i < n; i++) dx[i] += dl[i * each] * share * 2 * difference[i]; }
    if (dy) { for (let i = 0; i < n; i++) dy[i] -= dl[i * each] * share * 2 * difference[i]; }
  }, [x, y]);
}

function checkDTypes(a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `expected both tensors to have the same dtype, but got ${a.dtype} and ${b.dtype}`,
    );
  }
}

/**
 * The absolute error, `|x - y|` (`torch.nn.functional.l1_loss`; LOSS-2). Where x is y, the gradient
 * is 0.
 *
 * @param input x, any shape
 * @param target y, of the same shape; another one is broadcast, with PyTorch's warning
 * @param options the reduction: the mean unless told otherwise
 * @returns one number without a dimension, or the elements where nothing is reduced
 * @throws {RuntimeError} if the shapes cannot be broadcast, or the dtypes differ
 * @throws {ValueError} if there is no such reduction
 *
 * @example
 * ```ts
 * import { l1Loss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(l1Loss(tensor([1, 2]), tensor([1, 5])).item(), 1.5);
 * ```
 */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  check(calls.l1Loss, arguments);
  const { reduction = "mean" } = options;
  checkReduction(reduction);
  const errors = abs(sub(...broadcast(input, target)));
  return reduction === "mean" ? mean(errors) : reduction === "sum" ? sum(errors) : errors;
}

/** ln σ(x), also where σ(x) is 0 in floating point. */
function logLogistic(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}

/**
 * The binary cross-entropy of logits, `-(y ln σ(x) + (1 - y) ln(1 - σ(x)))`, computed so that
 * nothing overflows (`torch.nn.functional.binary_cross_entropy_with_logits`; LOSS-4).
 *
 * @param input x, the logits, any shape
 * @param target y, of the same shape, each between 0 and 1
 * @param options the reduction: the mean unless told otherwise
 * @returns one number without a dimension, or the elements where nothing is reduced
 * @throws {ValueError} if the shapes differ, or there is no such reduction
 * @throws {RuntimeError} if the dtypes differ
 *
 * @example
 * ```ts
 * import { binaryCrossEntropyWithLogits, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const loss = binaryCrossEntropyWithLogits(tensor([0]), tensor([1]));
 * assertEquals(String(loss), "tensor(0.6931)"); // ln 2
 * ```
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: LossOptions = {},
): Tensor {
  check(calls.binaryCrossEntropyWithLogits, arguments);
  const { reduction = "mean" } = options;
  checkReduction(reduction);
  if (String(input.shape) !== String(target.shape)) {
    throw new ValueError(
      `Target size (${target.size()}) must be the same as input size (${input.size()})`,
    );
  }
  checkDTypes(input, target);
  const [{ data: x }, { data: y }, n] = [input, target, input.numel()];
  const elements = Float64Array.from(x, (value, i) => (1 - y[i]) * value - logLogistic(value));
  const { result, share } = reduce(elements, input, input.shape, reduction, n);
  const each = reduction === "none" ? 1 : 0;
  const name = "BinaryCrossEntropyWithLogitsBackward0";
  return record(result, name, [input, target], (dl, dx, dy) => {
    if (dx) {
      for (let i = 0; i < n; i++) {
        dx[i] += dl[i * each] * share * (1 / (1 + Math.exp(-x[i])) - y[i]);
      }
    }
    if (dy) { for (let i = 0; i < n; i++) dy[i] -= dl[i * each] * share * x[i]; }
  }, [input, target]);
}
