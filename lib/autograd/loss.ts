/**
 * Operations that measure how far an answer is from the one wanted. Each is a forward and, next to
 * it, the backward. All sum in float64 and round once to the dtype.
 */

import { any, check, type Options } from "../call.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { pythonStr } from "../python.ts";
import { broadcastShape } from "../tensor/blocks.ts";
import {
  allocate,
  convert,
  type DType,
  type FloatArray,
  listed,
  sameShape,
} from "../tensor/dtype.ts";
import { aTensor, Tensor, tensorOrNone } from "../tensor/tensor.ts";
import { noGrad, record, wouldRecord } from "./graph.ts";
import { sub } from "./arithmetic.ts";
import { abs, to } from "./pointwise.ts";
import { mean, sum } from "./reduce.ts";
import { expand } from "./shape.ts";

const lossOptions: Options<LossOptions> = { reduction: any };

/** What the options of the binary cross-entropy are to be. */
export const logitsOptions: Options<BCEWithLogitsOptions> = {
  weight: tensorOrNone,
  reduction: any,
  posWeight: tensorOrNone,
};

/**
 * What a loss makes of its elements: nothing, their mean, or their sum.
 * @category Losses
 */
export type Reduction = "none" | "mean" | "sum";

/**
 * How a loss is to be reduced.
 * @category Losses
 */
export interface LossOptions {
  /** What is made of the elements. @default "mean" */
  readonly reduction?: Reduction;
}

/** Refuses what is not a reduction, in PyTorch's words. */
export function checkReduction(reduction: unknown): void {
  if (reduction !== "none" && reduction !== "mean" && reduction !== "sum") {
    throw new ValueError(`${pythonStr(reduction)} is not a valid value for reduction`);
  }
}

/** The dtype that numbers of several dtypes are computed in: float64 where one of them is. */
export function promoted(...tensors: (Tensor | null)[]): DType {
  return tensors.some((tensor) => tensor?.dtype === "float64") ? "float64" : "float32";
}

/** Refuses a weight that wants a gradient where PyTorch has none for it, in PyTorch's words. */
export function checkNoGradient(weight: Tensor | null, operation: string, argument: string): void {
  if (!wouldRecord([weight])) return;
  throw new RuntimeError(
    `The function '${operation}' is not differentiable with respect to argument '${argument}'. ` +
      "This input cannot have requires_grad True.",
  );
}

/**
 * What a loss gives: its elements, or one number.
 *
 * @param shape the shape that the elements have where nothing is reduced
 * @param reduction what is made of them
 * @param count what divides a mean
 * @returns the result, and of its gradient the part of one element
 */
export function reduce(
  elements: Float64Array,
  dtype: DType,
  shape: readonly number[],
  reduction: Reduction,
  count: number,
): [result: Tensor, partOf: (grad: Float64Array, element: number) => number] {
  if (reduction === "none") {
    return [new Tensor(convert(elements, dtype), shape), (grad, k) => grad[k]];
  }
  const by = reduction === "mean" ? count : 1;
  const share = 1 / by;
  let total = 0;
  for (const element of elements) total += element;
  const result = new Tensor(allocate(dtype, 1).fill(total / by), []);
  return [result, (grad) => grad[0] * share];
}

/** Input and target in one shape. PyTorch warns where that takes broadcasting; so does this. */
function broadcast(input: Tensor, target: Tensor): [Tensor, Tensor] {
  if (sameShape(input.shape, target.shape)) return [input, target];
  console.warn(
    `Using a target size (${target.size()}) that is different to the input size ` +
      `(${input.size()}). This will likely lead to incorrect results due to broadcasting. ` +
      "Please ensure they have the same size.",
  );
  const shape = broadcastShape(input.shape, target.shape);
  return [expand(input, shape), expand(target, shape)];
}

/**
 * The squared error, `(x - y)²` (`torch.nn.functional.mse_loss`; LOSS-1).
 *
 * @param input x, any shape
 * @param target y, of the same shape; another one is broadcast, with PyTorch's warning
 * @param options the reduction: by default the mean
 * @returns one number without a dimension, or the elements where nothing is reduced; float64 where
 * one of the two is
 * @throws {RuntimeError} if the shapes cannot be broadcast
 * @throws {ValueError} if there is no such reduction
 *
 * @example
 * ```ts
 * import { mseLoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mseLoss(tensor([1, 2]), tensor([1, 5])).item(), 4.5);
 * ```
 * @category Losses
 */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  check(["mseLoss", { input: aTensor, target: aTensor }, lossOptions, true], arguments);
  const { reduction = "mean" } = options;
  checkReduction(reduction);
  const [x, y] = broadcast(input, target);
  const n = x.numel();
  const [difference, squares] = [new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i++) squares[i] = (difference[i] = x.data[i] - y.data[i]) ** 2;
  const [result, partOf] = reduce(squares, promoted(x, y), x.shape, reduction, n);
  return record(result, "MseLossBackward0", [x, y], (dl, dx, dy) => {
    for (const [to, factor] of [[dx, 2], [dy, -2]] as const) {
      for (let i = 0; to && i < n; i++) to[i] += partOf(dl, i) * factor * difference[i];
    }
  }, [x, y]);
}

/**
 * The absolute error, `|x - y|` (`torch.nn.functional.l1_loss`; LOSS-2). Where x is y, the gradient
 * is 0.
 *
 * @param input x, any shape
 * @param target y, of the same shape; another one is broadcast, with PyTorch's warning
 * @param options the reduction: by default the mean
 * @returns one number without a dimension, or the elements where nothing is reduced; float64 where
 * one of the two is
 * @throws {RuntimeError} if the shapes cannot be broadcast
 * @throws {ValueError} if there is no such reduction
 *
 * @example
 * ```ts
 * import { l1Loss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(l1Loss(tensor([1, 2]), tensor([1, 5])).item(), 1.5);
 * ```
 * @category Losses
 */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  check(["l1Loss", { input: aTensor, target: aTensor }, lossOptions, true], arguments);
  const { reduction = "mean" } = options;
  checkReduction(reduction);
  const dtype = promoted(input, target);
  const [x, y] = broadcast(input, target);
  const errors = abs(sub(to(x, dtype), to(y, dtype)));
  return reduction === "mean" ? mean(errors) : reduction === "sum" ? sum(errors) : errors;
}

/** ln σ(x), also where σ(x) is 0 in floating point. */
function logLogistic(x: number): number {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}

/**
 * How {@linkcode binaryCrossEntropyWithLogits} is to be computed.
 * @category Losses
 */
export interface BCEWithLogitsOptions extends LossOptions {
  /** w, what each element's loss is multiplied with; broadcast to the input's shape. */
  readonly weight?: Tensor | null;
  /** q, what the part of the wanted yes is multiplied with; broadcast to the input's shape. */
  readonly posWeight?: Tensor | null;
}

/**
 * A weight for each element of a loss, or `null`.
 *
 * @param weight the weight, of a shape that broadcasts to `shape`
 * @param shape the loss's shape
 * @param first whether PyTorch's product names the weight's extent before the loss's
 */
function spread(
  weight: Tensor | null,
  shape: readonly number[],
  first: boolean,
): FloatArray | null {
  if (weight === null) return null;
  const whole = first ? broadcastShape(weight.shape, shape) : broadcastShape(shape, weight.shape);
  if (!sameShape(whole, shape)) {
    throw new RuntimeError(
      `output with shape ${listed(shape)} doesn't match the broadcast shape ${listed(whole)}`,
    );
  }
  return noGrad(() => expand(weight, whole)).data;
}

/**
 * The binary cross-entropy of logits, `-w (q y ln σ(x) + (1 - y) ln(1 - σ(x)))`, computed so that
 * nothing overflows (`torch.nn.functional.binary_cross_entropy_with_logits`; LOSS-4).
 *
 * @param input x, the logits, any shape
 * @param target y, of the same shape, each between 0 and 1
 * @param options the reduction, by default the mean; the weights w and q, by default
 * 1. The mean divides by the number of elements, whatever the weights
 * @returns one number without a dimension, or the elements where nothing is reduced; in the dtype
 * of the target
 * @throws {ValueError} if the shapes differ, or there is no such reduction
 * @throws {RuntimeError} if a weight does not broadcast to the input's shape, or requires a gradient
 * @throws {TypeError} if a weight is no tensor
 *
 * @example
 * ```ts
 * import { binaryCrossEntropyWithLogits, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const [x, y] = [tensor([0]), tensor([1])];
 * assertEquals(String(binaryCrossEntropyWithLogits(x, y)), "tensor(0.6931)"); // ln 2
 * const posWeight = tensor([3]);
 * assertEquals(String(binaryCrossEntropyWithLogits(x, y, { posWeight })), "tensor(2.0794)");
 * ```
 * @category Losses
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: BCEWithLogitsOptions = {},
): Tensor {
  check([
    "binaryCrossEntropyWithLogits",
    { input: aTensor, target: aTensor },
    logitsOptions,
    true,
  ], arguments);
  const { reduction = "mean", weight = null, posWeight = null } = options;
  checkReduction(reduction);
  const { shape } = input;
  if (!sameShape(shape, target.shape)) {
    throw new ValueError(
      `Target size (${target.size()}) must be the same as input size (${input.size()})`,
    );
  }
  const name = "binary_cross_entropy_with_logits";
  checkNoGradient(weight, name, "weight");
  checkNoGradient(posWeight, name, "pos_weight");
  const q = spread(posWeight, shape, true);
  const w = spread(weight, shape, false);
  const { data: x } = input;
  const { data: y } = target;
  const elements = Float64Array.from(x, (value, i) => {
    const log = q ? logLogistic(value) * ((q[i] - 1) * y[i] + 1) : logLogistic(value);
    return ((1 - y[i]) * value - log) * (w ? w[i] : 1);
  });
  const [result, partOf] = reduce(elements, target.dtype, shape, reduction, x.length);
  return record(result, "BinaryCrossEntropyWithLogitsBackward0", [input, target], (dl, dx, dy) => {
    for (let i = 0; i < x.length; i++) {
      const d = partOf(dl, i) * (w ? w[i] : 1);
      const logistic = 1 / (1 + Math.exp(-x[i]));
      const yes = q ? q[i] * y[i] : y[i];
      if (dx) dx[i] += d * ((yes + 1 - y[i]) * logistic - yes);
      if (dy) dy[i] += d * (q ? logLogistic(-x[i]) - q[i] * logLogistic(x[i]) : -x[i]);
    }
  }, [input, target, weight, posWeight]);
}
