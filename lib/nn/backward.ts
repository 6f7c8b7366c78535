/**
 * Backward passes as a program asks for them. The first one makes later forward passes record on the
 * kernels (KERNEL-8).
 */

import { type BackwardOptions, propagate } from "../autograd/propagate.ts";
import { bool, check, type Options } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { allocate } from "../tensor/dtype.ts";
import {
  aTensor,
  checkTensors,
  countChange,
  Tensor,
  tensorList,
  tensorOrNone,
} from "../tensor/tensor.ts";
import { useTraining } from "./fast_training.ts";

const passOptions: Options<BackwardOptions> = { retainGraph: bool, createGraph: bool };

/**
 * Adds the gradient of `output` to the `grad` of every leaf behind it (`Tensor.backward`).
 *
 * @param output what to differentiate
 * @param gradient the gradient of whatever follows with respect to `output`, in its shape; may be
 * left out where `output` is a single number
 * @param options whether to keep the graph for another pass
 * @throws {RuntimeError} if nothing behind `output` requires a gradient, if `output` is not a
 * single number and `gradient` is missing, if the graph has been freed by an earlier pass, or if
 * something that it kept has been changed in place; nothing is then added to any `grad`
 *
 * @example
 * ```ts
 * import { backward, mul, sum, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([1, 2, 3], { requiresGrad: true });
 * backward(sum(mul(x, x)));
 * assertEquals(x.grad?.tolist(), [2, 4, 6]);
 * ```
 * @category Gradients
 */
export function backward(
  output: Tensor,
  gradient?: Tensor | null,
  options: BackwardOptions = {},
): void {
  check([
    "backward",
    { tensor: aTensor, "gradient?": tensorOrNone },
    passOptions,
  ], arguments);
  useTraining();
  propagate([output], [gradient], null, options, (x, grad) => {
    if (x.gradFn !== null) return;
    if (x.grad) {
      countChange(x.grad);
      const { data } = x.grad;
      for (let i = 0; i < grad.length; i++) data[i] += grad[i];
      return;
    }
    const data = grad instanceof Float32Array ? grad : allocate(x.dtype, grad.length);
    if (data !== grad) data.set(grad);
    x.grad = new Tensor(data, x.shape);
  });
}

/**
 * How {@linkcode grad} is to run.
 * @category Gradients
 */
export interface GradOptions extends BackwardOptions {
  /** Answer `null` for an input that no output depends on; false, the default, refuses it. */
  readonly allowUnused?: boolean;
}

/**
 * The gradients of `outputs` with respect to `inputs`, without touching any `grad`
 * (`torch.autograd.grad`).
 *
 * @param outputs what to differentiate
 * @param inputs the tensors to differentiate by
 * @param gradOutputs the gradient of whatever follows with respect to each output; a missing one
 * counts as 1 for a single number
 * @param options whether to keep the graph for another pass, and what to do where no output
 * depends on an input
 * @returns one tensor for each input, in its shape and dtype
 * @throws {RuntimeError} as {@linkcode backward} does, or if an input requires no gradient, or if
 * no output depends on it, unless that is allowed
 *
 * @example
 * ```ts
 * import { grad, mul, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([3], { requiresGrad: true });
 * const [dx] = grad([mul(x, x)], [x]);
 * assertEquals(dx?.tolist(), [6]);
 * ```
 * @category Gradients
 */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null | undefined)[] = [],
  options: GradOptions = {},
): (Tensor | null)[] {
  check([
    "grad",
    { outputs: tensorList, inputs: tensorList, "gradOutputs?": tensorList },
    { retainGraph: bool, createGraph: bool, allowUnused: bool } satisfies Options<GradOptions>,
  ], arguments);
  useTraining();
  if (inputs.length === 0) {
    throw new RuntimeError("`inputs` argument to `grad()` cannot be empty.");
  }
  checkTensors(outputs);
  checkTensors(inputs);
  if (!inputs.every((input) => input.requiresGrad)) {
    throw new RuntimeError("One of the differentiated Tensors does not require grad");
  }
  if (gradOutputs.length > 0 && gradOutputs.length !== outputs.length) {
    throw new RuntimeError(
      `got ${outputs.length} tensors and ${gradOutputs.length} gradients`,
    );
  }
  const found = new Map<Tensor, Tensor>();
  const ends = new Set(inputs);
  propagate(outputs, gradOutputs, ends, options, (x, values) => {
    if (!ends.has(x)) return;
    const data = allocate(x.dtype, values.length);
    data.set(values);
    found.set(x, new Tensor(data, x.shape));
  });
  return inputs.map((input, k) => {
    const gradient = found.get(input) ?? null;
    if (gradient === null && !options.allowUnused) {
      throw new RuntimeError(
        `The differentiated Tensor at index ${k} appears to not have been used in the graph. Set ` +
          "allow_unused=True if this is the desired behavior.",
      );
    }
    return gradient;
  });
}
