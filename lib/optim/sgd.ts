/** Stochastic gradient descent. */

import { ValueError } from "../errors.ts";
import { allocate } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Optimizer, type OptimizerParams } from "./optimizer.ts";
import { roundingTo } from "./rounding.ts";
import {
  checkSigns,
  type OptimizerOptions,
  type OptionValues,
  type ParamGroup,
} from "./param_group.ts";
import type { ParamState } from "./state.ts";

/**
 * The options of {@linkcode SGD}.
 * @category Optimisers and schedules
 */
export interface SGDOptions extends OptimizerOptions {
  /** The part of the last step's direction that is kept. @default 0 */
  readonly momentum?: number;
  /** The part of the gradient that does not go into the momentum. @default 0 */
  readonly dampening?: number;
  /** Whether to add the gradient after the momentum (Nesterov). @default false */
  readonly nesterov?: boolean;
}

const defaults = {
  lr: 0.001,
  momentum: 0,
  dampening: 0,
  weightDecay: 0,
  nesterov: false,
  maximize: false,
  foreach: null,
  differentiable: false,
  fused: null,
};

/**
 * Stochastic gradient descent (`torch.optim.SGD`; OPTIM-1), with g the gradient, p the parameter, b
 * the momentum's buffer, which starts as the first g:
 *
 * ```text
 * g ← g + weight_decay · p
 * b ← momentum · b + (1 - dampening) · g
 * g ← g + momentum · b  with nesterov, otherwise  g ← b
 * p ← p - lr · g
 * ```
 *
 * @example
 * ```ts
 * import { backward, mul, SGD, sum, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([1, 2], { requiresGrad: true });
 * const optimizer = new SGD([x], { lr: 0.25 });
 * backward(sum(mul(x, x)));
 * optimizer.step();
 * assertEquals(x.tolist(), [0.5, 1]);
 * ```
 * @category Optimisers and schedules
 */
export class SGD extends Optimizer<SGDOptions> {
  /**
   * Takes the parameters and the options.
   *
   * @param params the tensors to optimise, or groups of them with options of their own
   * @param options the options for all groups that name no other; `lr` is 0.001 by default
   * @throws {ValueError | TypeError} if an option is out of range, or a parameter cannot be one
   */
  constructor(params: OptimizerParams<SGDOptions>, options: SGDOptions = {}) {
    super(params, options, defaults, arguments);
  }

  /** Refuses options that are out of range. */
  protected override check(options: Readonly<ParamGroup<SGDOptions>>): void {
    const { momentum, nesterov, dampening } = options;
    checkSigns(options, ["lr", "momentum", "weightDecay"], false);
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new ValueError("Nesterov momentum requires a momentum and zero dampening");
    }
  }

  /** Takes one step. */
  protected override update(
    { data: p, dtype, shape }: Tensor,
    { data: grad }: Tensor,
    state: ParamState,
    { lr, momentum, dampening, weightDecay, nesterov }: Readonly<ParamGroup<SGDOptions>>,
  ): void {
    const round = roundingTo(dtype);
    const [rate, kept, decay] = [round(lr), round(momentum), round(weightDecay)];
    const taken = round(1 - dampening);
    const first = state.momentum_buffer === undefined;
    if (momentum !== 0 && first) {
      state.momentum_buffer = new Tensor(allocate(dtype, p.length), shape);
    }
    const b = state.momentum_buffer?.data;
    for (let i = 0; i < p.length; i++) {
      let g = decay === 0 ? grad[i] : round(grad[i] + decay * p[i]);
      if (momentum !== 0) {
        b[i] = first ? g : round(kept * b[i]) + taken * g;
        g = nesterov ? round(g + kept * b[i]) : b[i];
      }
      p[i] -= rate * g;
    }
  }

  /** Names the options that a step reads. */
  protected override optionNames(): readonly [readonly string[], readonly string[]] {
    return [["momentum", "weightDecay", "lr", "dampening"], []];
  }

  /** Completes the options of a loaded state. */
  protected override completed(options: OptionValues): OptionValues {
    const added = {
      nesterov: false,
      maximize: false,
      foreach: null,
      differentiable: false,
      fused: false,
    };
    return { ...options, ...added, ...options }; // in the order of `options`
  }

  /** Returns `SGD`. */
  protected override getName(): string {
    return "SGD";
  }
}
