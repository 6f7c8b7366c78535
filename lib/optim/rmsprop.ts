/** RMSprop. */

import type { FloatArray } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { countStep, Optimizer, type OptimizerParams } from "./optimizer.ts";
import { lerp, roundingTo } from "./rounding.ts";
import {
  checkSigns,
  type OptimizerOptions,
  type OptionValues,
  type ParamGroup,
} from "./param_group.ts";
import type { ParamState } from "./state.ts";

/**
 * The options of {@linkcode RMSprop}.
 * @category Optimisers and schedules
 */
export interface RMSpropOptions extends OptimizerOptions {
  /** The part of the mean square that is kept at each step. @default 0.99 */
  readonly alpha?: number;
  /** What is added to the divisor, so that it is not 0. @default 1e-8 */
  readonly eps?: number;
  /** The part of the last step's direction that is kept. @default 0 */
  readonly momentum?: number;
  /** Whether to divide by the standard deviation, not the mean square. @default false */
  readonly centered?: boolean;
}

const defaults = {
  lr: 0.01,
  momentum: 0,
  alpha: 0.99,
  eps: 1e-8,
  centered: false,
  weightDecay: 0,
  capturable: false,
  foreach: null,
  maximize: false,
  differentiable: false,
};

/**
 * RMSprop (`torch.optim.RMSprop`; OPTIM-4), with g the gradient, p the parameter, and v, m and b
 * (`square_avg`, `grad_avg`, `momentum_buffer`) starting from zeros:
 *
 * ```text
 * g ← g + weight_decay · p
 * v ← α v + (1 - α) g²
 * m ← m + (1 - α)(g - m)         where centered; otherwise m is 0
 * b ← momentum · b + g / (√(v - m²) + eps)
 * p ← p - lr · b
 * ```
 *
 * @example
 * ```ts
 * import { backward, mul, RMSprop, sum, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([1, -200], { requiresGrad: true });
 * const optimizer = new RMSprop([x], { lr: 0.25, alpha: 0.75 });
 * backward(sum(mul(x, x)));
 * optimizer.step();
 * assertEquals(x.tolist(), [0.5, -199.5]);
 * ```
 * @category Optimisers and schedules
 */
export class RMSprop extends Optimizer<RMSpropOptions> {
  /**
   * Takes the parameters and the options.
   *
   * @param params the tensors to optimise, or groups of them with options of their own
   * @param options the options for all groups that name no other; `lr` is 0.01 by default
   * @throws {ValueError | TypeError} if an option is out of range, or a parameter cannot be one
   */
  constructor(params: OptimizerParams<RMSpropOptions>, options: RMSpropOptions = {}) {
    super(params, options, defaults, arguments);
  }

  /** Refuses options that are out of range. */
  protected override check(options: Readonly<ParamGroup<RMSpropOptions>>): void {
    checkSigns(options, ["lr", "eps", "momentum", "weightDecay", "alpha"]);
  }

  /** Names what is remembered. */
  protected override stateNames(
    { momentum, centered }: Readonly<ParamGroup<RMSpropOptions>>,
  ): readonly string[] {
    return [
      "step",
      "square_avg",
      ...(momentum > 0 ? ["momentum_buffer"] : []),
      ...(centered ? ["grad_avg"] : []),
    ];
  }

  /** Names the options that a step reads. */
  protected override optionNames(): readonly [readonly string[], readonly string[]] {
    return [[], ["lr", "alpha", "eps", "weightDecay"]];
  }

  /** Completes the options of a loaded state. */
  protected override completed(options: OptionValues): OptionValues {
    const added = {
      momentum: 0,
      centered: false,
      foreach: null,
      maximize: false,
      differentiable: false,
      capturable: false,
    };
    return { ...options, ...added, ...options }; // in the order of `options`
  }

  /** Takes one step. */
  protected override update(
    param: Tensor,
    { data: grad }: Tensor,
    state: ParamState,
    { lr, alpha, eps, momentum, centered, weightDecay }: Readonly<ParamGroup<RMSpropOptions>>,
  ): void {
    const p = param.data;
    countStep(state);
    const v = state.square_avg.data;
    const b = momentum > 0 ? state.momentum_buffer.data : null;
    const m = centered ? state.grad_avg.data : null;
    descend(p, grad, v, b, m, roundingTo(param.dtype), [
      ...[lr, alpha, 1 - alpha, eps, weightDecay, momentum],
    ]);
  }

  /** Returns `RMSprop`. */
  protected override getName(): string {
    return "RMSprop";
  }
}

/** The step of every element; a function of its own, so that an engine compiles nothing else with it. */
function descend(
  p: FloatArray,
  grad: FloatArray,
  v: FloatArray,
  b: FloatArray | null,
  m: FloatArray | null,
  round: (x: number) => number,
  numbers: readonly number[],
): void {
  const [rate, kept, fresh, least, decay, carried] = numbers.map(round);
  for (let i = 0; i < p.length; i++) {
    const g = decay === 0 ? grad[i] : round(grad[i] + decay * p[i]);
    v[i] = round(kept * v[i]) + round(fresh * g) * g;
    let square = v[i];
    if (m) {
      m[i] = lerp(m[i], g, fresh, round);
      square = round(v[i] - m[i] * m[i]);
    }
    const divisor = round(round(Math.sqrt(square)) + least);
    if (b) {
      b[i] = round(carried * b[i]) + round(g / divisor);
      p[i] -= rate * b[i];
    } else {
      p[i] -= round(round(rate * g) / divisor);
    }
  }
}
