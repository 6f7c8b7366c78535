/**
 * Gradients kept within bounds.
 *
 * @module
 */

import { any, bool, type Call, check, number, type Options } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { pythonFloat, pythonType } from "../python.ts";
import { allocate } from "../tensor/dtype.ts";
import { countChange, Tensor } from "../tensor/tensor.ts";
import { checkIterable, roundingTo } from "./optimizer.ts";

/** What each may be given. */
const calls = {
  clipGradNorm: [
    "clipGradNorm",
    { parameters: any, maxNorm: number },
    { normType: number, errorIfNonfinite: bool } satisfies Options<ClipOptions>,
    "clip_grad_norm_",
  ],
  clipGradValue: [
    "clipGradValue",
    { parameters: any, clipValue: number },
    undefined,
    "clip_grad_value_",
  ],
} satisfies Record<string, Call>;

/** How {@linkcode clipGradNorm} measures. */
export interface ClipOptions {
  /** p, of the p-norm; 2 unless told otherwise, `Infinity` for the largest magnitude. */
  readonly normType?: number;
  /** Whether to refuse a norm that is not finite; false unless told otherwise. */
  readonly errorIfNonfinite?: boolean;
}

/** One tensor, or each of several. */
function tensorsOf(parameters: Iterable<Tensor> | Tensor): readonly Tensor[] {
  if (parameters instanceof Tensor) return [parameters];
  checkIterable(parameters);
  const all = [...parameters];
  const other = all.find((parameter) => !(parameter instanceof Tensor));
  if (other !== undefined) {
    throw new TypeError(`only gradients of Tensors are clipped, but one is ${pythonType(other)}`);
  }
  return all;
}

/** The p-norm of numbers. */
function norm(values: Iterable<number>, p: number): number {
  let total = 0;
  if (p === Infinity) {
    for (const x of values) total = Math.max(total, Math.abs(x));
    return total;
  }
  if (p === 2) {
    for (const x of values) total += x * x;
    return Math.sqrt(total);
  }
  for (const x of values) total += p === 0 ? Number(x !== 0) : Math.abs(x) ** p;
  return p === 0 ? total : total ** (1 / p);
}

/**
 * Scales all gradients by one factor, so that their norm, as if they were one vector, is at most
 * `maxNorm` (`torch.nn.utils.clip_grad_norm_`; OPTIM-5): `grad ← grad · min(1, maxNorm / (norm +
 * 1e-6))`.
 *
 * @param parameters the tensors whose gradients to scale, in place; those without one are passed over
 * @param maxNorm the largest norm allowed
 * @param options which norm, and whether to refuse one that is not finite
 * @returns the norm before, as a tensor of one number
 * @throws {RuntimeError} if the norm is not finite and that is refused
 *
 * @example
 * ```ts
 * import { clipGradNorm, tensor, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = zeros([2], { requiresGrad: true });
 * x.grad = tensor([3, 4]);
 * assertEquals(clipGradNorm([x], 1).item(), 5);
 * assertEquals(String(x.grad), "tensor([0.6000, 0.8000])");
 * ```
 */
export function clipGradNorm(
  parameters: Iterable<Tensor> | Tensor,
  maxNorm: number,
  options: ClipOptions = {},
): Tensor {
  check(calls.clipGradNorm, arguments);
  const { normType = 2, errorIfNonfinite = false } = options;
  const grads = tensorsOf(parameters).flatMap(({ grad }) => grad ? [grad] : []);
  const dtype = grads[0]?.dtype ?? "float32";
  const round = roundingTo(dtype);
  // PyTorch takes the norm of the norms, each rounded to the dtype.
  const total = round(norm(grads.map(({ data }) => round(norm(data, normType))), normType));
  if (errorIfNonfinite && !Number.isFinite(total)) {
    throw new RuntimeError(
      `The total norm of order ${pythonFloat(normType)} for gradients from \`parameters\` is ` +
        "non-finite, so it cannot be clipped. To disable this error and scale the gradients by " +
        "the non-finite norm anyway, set `error_if_nonfinite=False`",
    );
  }
  const factor = round(round(maxNorm) / round(total + round(1e-6)));
  const clamped = factor > 1 ? 1 : factor; // NaN stays NaN
  for (const grad of grads) {
    const { data } = grad;
    for (let i = 0; i < data.length; i++) data[i] *= clamped;
    countChange(grad);
  }
  return new Tensor(allocate(dtype, 1).fill(total), []);
}

/**
 * Cuts every element of every gradient back to between `-clipValue` and `clipValue`
 * (`torch.nn.utils.clip_grad_value_`; OPTIM-5). NaN stays NaN.
 *
 * @param parameters the tensors whose gradients to cut, in place; those without one are passed over
 * @param clipValue the largest magnitude allowed
 *
 * @example
 * ```ts
 * import { clipGradValue, tensor, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = zeros([2], { requiresGrad: true });
 * x.grad = tensor([3, -0.5]);
 * clipGradValue([x], 1);
 * assertEquals(x.grad.tolist(), [1, -0.5]);
 * ```
 */
export function clipGradValue(parameters: Iterable<Tensor> | Tensor, clipValue: number): void {
  check(calls.clipGradValue, arguments);
  for (const { grad } of tensorsOf(parameters)) {
    if (!grad) continue;
    const { data } = grad;
    for (let i = 0; i < data.length; i++) {
      if (data[i] > clipValue) data[i] = clipValue;
      else if (data[i] < -clipValue) data[i] = -clipValue;
    }
    countChange(grad); // PyTorch cuts from below,
    countChange(grad); // then from above
  }
}
