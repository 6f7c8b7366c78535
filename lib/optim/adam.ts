/** Adam, and Adam with its weight decay decoupled from the gradient. */

import { check } from "../call.ts";
import { ValueError } from "../errors.ts";
import { pythonFloat } from "../python.ts";
import type { FloatArray } from "../tensor/dtype.ts";
import { countChange, Tensor } from "../tensor/tensor.ts";
import { countStep, Optimizer, type OptimizerParams } from "./optimizer.ts";
import { roundingTo } from "./rounding.ts";
import {
  checkSigns,
  optimizerCall,
  type OptimizerOptions,
  optionsOf,
  type OptionValues,
  type ParamGroup,
} from "./param_group.ts";
import type { ParamState } from "./state.ts";

/**
 * The options of {@linkcode Adam} and {@linkcode AdamW}.
 * @category Optimisers and schedules
 */
export interface AdamOptions extends OptimizerOptions {
  /** The parts of the mean gradient and of the mean square that are kept. @default [0.9, 0.999] */
  readonly betas?: readonly [number, number];
  /** What is added to the divisor, so that it is not 0. @default 1e-8 */
  readonly eps?: number;
  /** Whether to divide by the largest mean square so far. @default false */
  readonly amsgrad?: boolean;
  /** Whether the weight decays by itself, past the gradient; true in {@linkcode AdamW}. */
  readonly decoupledWeightDecay?: boolean;
}

/**
 * The options of {@linkcode AdamW}.
 * @category Optimisers and schedules
 */
export type AdamWOptions = Omit<AdamOptions, "decoupledWeightDecay">;

const defaults = {
  lr: 0.001,
  betas: [0.9, 0.999] as const,
  eps: 1e-8,
  weightDecay: 0,
  amsgrad: false,
  maximize: false,
  foreach: null,
  capturable: false,
  differentiable: false,
  fused: null,
  decoupledWeightDecay: false,
};

/**
 * Adam (`torch.optim.Adam`; OPTIM-2), with g the gradient, p the parameter, m and v (`exp_avg`,
 * `exp_avg_sq`) starting from zeros, t the step, counted from 1:
 *
 * ```text
 * g ← g + weight_decay · p
 * m ← m + (1 - β₁)(g - m)
 * v ← β₂ v + (1 - β₂) g²
 * p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + eps)
 * ```
 *
 * With `amsgrad`, the largest v so far (`max_exp_avg_sq`) divides instead of v.
 *
 * @example
 * ```ts
 * import { Adam, backward, detach, mul, sum, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([1, -8], { requiresGrad: true });
 * const optimizer = new Adam([x], { lr: 0.5 });
 * backward(sum(mul(x, x)));
 * optimizer.step(); // the first step is lr, whatever the gradient's size
 * assertEquals(String(detach(x)), "tensor([ 0.5000, -7.5000])");
 * assertEquals(Object.keys(optimizer.stateDict().state[0]), ["step", "exp_avg", "exp_avg_sq"]);
 * ```
 * @category Optimisers and schedules
 */
export class Adam extends Optimizer<AdamOptions> {
  /**
   * Takes the parameters and the options.
   *
   * @param params the tensors to optimise, or groups of them with options of their own
   * @param options the options for all groups that name no other; `lr` is 0.001 by default
   * @throws {ValueError | TypeError} if an option is out of range, or a parameter cannot be one
   */
  constructor(params: OptimizerParams<AdamOptions>, options: AdamOptions = {}) {
    super(params, options, defaults, arguments);
  }

  /** Refuses options that are out of range. */
  protected override check(options: Readonly<ParamGroup<AdamOptions>>): void {
    const { betas } = options;
    const { foreach, lr: rate } = optionsOf(options);
    if (foreach && rate instanceof Tensor) {
      throw new ValueError("lr as a Tensor is not supported for capturable=False and foreach=True");
    }
    checkSigns(options, ["lr", "eps"]);
    const tensors = (betas as readonly unknown[]).map((beta) => beta instanceof Tensor);
    betas.forEach((beta, k) => {
      if (!tensors[k] && !(beta >= 0 && beta < 1)) {
        throw new ValueError(`Invalid beta parameter at index ${k}: ${pythonFloat(beta)}`);
      }
    });
    checkSigns(options, ["weightDecay"]);
    if (tensors[0] !== tensors[1]) {
      throw new ValueError("betas must be either both floats or both Tensors");
    }
    if (!tensors[0]) return;
    if (foreach) {
      throw new ValueError(
        "betas[0] as a Tensor is not supported for capturable=False and foreach=True",
      );
    }
    throw new TypeError("betas must be two numbers here, not tensors: [0.9, 0.999]");
  }

  /** Names what is remembered. */
  protected override stateNames(group: Readonly<ParamGroup<AdamOptions>>): readonly string[] {
    const names = ["step", "exp_avg", "exp_avg_sq"];
    return group.amsgrad ? [...names, "max_exp_avg_sq"] : names;
  }

  /** Names the options that a step reads. */
  protected override optionNames(): readonly [readonly string[], readonly string[]] {
    return [["betas"], ["lr", "weightDecay", "eps"]];
  }

  /** Completes the options of a loaded state. */
  protected override completed(options: OptionValues): OptionValues {
    const added = {
      amsgrad: false,
      maximize: false,
      foreach: null,
      capturable: false,
      differentiable: false,
      decoupledWeightDecay: false,
      fused: null,
    };
    return { ...options, ...added, ...options }; // in the order of `options`
  }

  /** Takes one step. */
  protected override update(
    param: Tensor,
    { data: grad }: Tensor,
    state: ParamState,
    group: Readonly<ParamGroup<AdamOptions>>,
  ): void {
    const { lr, betas: [beta1, beta2], eps, weightDecay, amsgrad, decoupledWeightDecay } = group;
    const p = param.data;
    const t = countStep(state);
    const { exp_avg: { data: m }, exp_avg_sq: { data: v } } = state;
    const largest = amsgrad ? state.max_exp_avg_sq.data : v;
    let [shrink, decay] = [1, weightDecay];
    if (weightDecay !== 0 && decoupledWeightDecay) {
      countChange(param); // a change of its own
      [shrink, decay] = [1 - lr * weightDecay, 0];
    }
    descend(p, grad, m, v, largest, roundingTo(param.dtype), [
      ...[shrink, decay, 1 - beta1, beta2, 1 - beta2],
      ...[Math.sqrt(1 - beta2 ** t), eps, lr / (1 - beta1 ** t)],
    ]);
  }

  /** Returns `Adam`. */
  protected override getName(): string {
    return "Adam";
  }
}

/** The step of every element; a function of its own, so that an engine compiles nothing else with it. */
function descend(
  p: FloatArray,
  grad: FloatArray,
  m: FloatArray,
  v: FloatArray,
  largest: FloatArray,
  round: (x: number) => number,
  numbers: readonly number[],
): void {
  const [shrink, decay, fresh, kept, added, root, least, rate] = numbers.map(round);
  const near = Math.abs(fresh) < 0.5; // what `lerp` asks for each number
  const way = near ? fresh : fresh - 1;
  for (let i = 0; i < p.length; i++) {
    p[i] *= shrink;
    const g = decay === 0 ? grad[i] : round(grad[i] + decay * p[i]);
    m[i] = (near ? m[i] : g) + way * round(g - m[i]);
    v[i] = round(kept * v[i]) + round(added * g) * g;
    if (!(v[i] <= largest[i])) largest[i] = Math.max(v[i], largest[i]); // NaN stays
    const divisor = round(round(round(Math.sqrt(largest[i])) / root) + least);
    p[i] -= round(round(rate * m[i]) / divisor);
  }
}

/**
 * Adam with decoupled weight decay (`torch.optim.AdamW`; OPTIM-3): the parameter decays by itself,
 * `p ← (1 - lr · weight_decay) p`, before Adam's step on the gradient alone. `weightDecay` is 0.01
 * by default.
 *
 * @example
 * ```ts
 * import { AdamW, tensor, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([8], { requiresGrad: true });
 * x.grad = zeros([1]);
 * new AdamW([x], { lr: 0.5, weightDecay: 0.25 }).step();
 * assertEquals(x.tolist(), [7]);
 * ```
 * @category Optimisers and schedules
 */
export class AdamW extends Adam {
  /**
   * Takes the parameters and the options.
   *
   * @param params the tensors to optimise, or groups of them with options of their own
   * @param options the options for all groups that name no other; `lr` is 0.001 by default
   * @throws {ValueError | TypeError} if an option is out of range, or a parameter cannot be one
   */
  constructor(params: OptimizerParams<AdamWOptions>, options: AdamWOptions = {}) {
    const { decoupledWeightDecay: _, ...own } = defaults;
    check(optimizerCall("AdamW", own), arguments);
    super(params, { weightDecay: 0.01, ...options, decoupledWeightDecay: true });
  }

  /** Completes the options of a loaded state; AdamW stays AdamW, also with Adam's. */
  protected override completed(options: OptionValues): OptionValues {
    return { ...super.completed(options), decoupledWeightDecay: true };
  }

  /** Returns `AdamW`. */
  protected override getName(): string {
    return "AdamW";
  }
}
