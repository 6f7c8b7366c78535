/** Gradients kept within bounds. */

import { promoted } from "../autograd/loss.ts";
import { any, bool, check, number, type Options } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { pythonFloat, pythonNumber, pythonType } from "../python.ts";
import { allocate } from "../tensor/dtype.ts";
import { countChange, Tensor } from "../tensor/tensor.ts";
import { severalOf } from "./optimizer.ts";
import { roundingTo } from "./rounding.ts";

/**
 * How {@linkcode clipGradNorm} measures.
 * @category Optimisers and schedules
 */
export interface ClipOptions {
  /**
   * p, of the p-norm; by default 2, `Infinity` for the largest magnitude, `-Infinity`
   * for the smallest.
   */
  readonly normType?: number;
  /** Whether to refuse a norm that is not finite. @default false */
  readonly errorIfNonfinite?: boolean;
}

/** The gradients of one parameter or of several; a generator without any is likely a mistake. */
function gradsOf(parameters: Tensor | Iterable<Tensor>): Tensor[] {
  const given = severalOf(parameters);
  const other = given.find((parameter) => !(parameter instanceof Tensor));
  if (other !== undefined) {
    throw new TypeError(`only gradients of Tensors are clipped, but one is ${pythonType(other)}`);
  }
  if (given.length === 0 && "next" in parameters) {
    console.warn("`parameters` is an empty generator, no gradient clipping will occur.");
  }
  return given.flatMap(({ grad }) => grad ? [grad] : []);
}

/** The p-norm of numbers. */
function norm(values: ArrayLike<number>, p: number): number {
  const { length } = values;
  if (length === 0 && (p === Infinity || p < 0)) {
    const [place, kind] = p === Infinity
      ? ["_foreach_norm", "infinity"]
      : ["linalg.vector_norm", pythonNumber(p)];
    throw new RuntimeError(
      `${place} cannot compute the ${kind} norm on an empty tensor because the operation does not ` +
        "have an identity",
    );
  }
  let total = p === -Infinity ? Infinity : 0;
  for (let i = 0; i < length; i++) {
    const x = Math.abs(values[i]);
    if (p === 2) total += x * x;
    else if (p === Infinity) total = Math.max(total, x);
    else if (p === -Infinity) total = Math.min(total, x);
    else total += p === 0 ? Number(x !== 0) : x ** p;
  }
  if (p === 2) return Math.sqrt(total);
  return p === 0 || Math.abs(p) === Infinity ? total : total ** (1 / p);
}

/**
 * Scales all gradients by one factor, so that their norm, as if they were one vector, is at most
 * `maxNorm` (`torch.nn.utils.clip_grad_norm_`; OPTIM-5): `grad ← grad · min(1, maxNorm / (norm +
 * 1e-6))`.
 *
 * @param parameters the tensors whose gradients to scale, in place, or one; those without a
 * gradient are passed over
 * @param maxNorm the largest norm allowed; what is negative or not finite goes into the factor as it
 * is
 * @param options which norm, and whether to refuse one that is not finite
 * @returns the norm before, as a tensor of one number; float64 where one of the gradients is
 * @throws {RuntimeError} if the norm is not finite and that is refused, or a gradient without an
 * element has none
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
 * @category Optimisers and schedules
 */
export function clipGradNorm(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  options: ClipOptions = {},
): Tensor {
  check([
    "clipGradNorm",
    { parameters: any, maxNorm: number },
    { normType: number, errorIfNonfinite: bool } satisfies Options<ClipOptions>,
    "clip_grad_norm_",
  ], arguments);
  const { normType = 2, errorIfNonfinite = false } = options;
  const grads = gradsOf(parameters);
  const dtype = promoted(...grads);
  const round = roundingTo(dtype);
  // PyTorch takes the norm of the norms, each rounded to the dtype of its gradient.
  const norms = grads.map(({ data, dtype }) => roundingTo(dtype)(norm(data, normType)));
  const total = norms.length === 0 ? 0 : round(norm(norms, normType));
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
    const own = roundingTo(grad.dtype)(clamped);
    for (let i = 0; i < data.length; i++) data[i] *= own;
    countChange(grad);
  }
  return new Tensor(allocate(dtype, 1).fill(total), []);
}

/**
 * Cuts every element of every gradient back to between `-clipValue` and `clipValue`
 * (`torch.nn.utils.clip_grad_value_`; OPTIM-5), from below first, then from above. NaN stays NaN,
 * and a limit of NaN makes everything NaN.
 *
 * @param parameters the tensors whose gradients to cut, in place, or one; those without a gradient
 * are passed over
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
 * @category Optimisers and schedules
 */
export function clipGradValue(parameters: Tensor | Iterable<Tensor>, clipValue: number): void {
  check([
    "clipGradValue",
    { parameters: any, clipValue: number },
    undefined,
    "clip_grad_value_",
  ], arguments);
  for (const grad of gradsOf(parameters)) {
    const { data } = grad;
    const most = roundingTo(grad.dtype)(clipValue);
    for (let i = 0; i < data.length; i++) {
      const x = data[i] < -most ? -most : data[i];
      data[i] = x > most || Number.isNaN(most) ? most : x;
    }
    countChange(grad); // PyTorch cuts from below,
    countChange(grad); // then from above
  }
}
