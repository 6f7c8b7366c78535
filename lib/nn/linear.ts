/** The fully connected layer. */

import { any, bool, check, checkCount, dtype as dtypeKind } from "../call.ts";
import { linear } from "../autograd/linear.ts";
import { checkSize } from "../tensor/create.ts";
import type { FloatDType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { useTrainingKernels } from "../kernels/engine.ts";
import { fastLinear } from "./fast_linear.ts";
import { Module } from "./module.ts";
import { boundOf, type Parameter } from "./parameter.ts";

/**
 * The arguments of {@linkcode Linear} that have defaults.
 * @category Modules
 */
export interface LinearOptions {
  /** Whether there is a bias. @default true */
  readonly bias?: boolean;
  /** The type of the parameters. @default "float32" */
  readonly dtype?: FloatDType;
}

/**
 * `y = x Wᵀ + b` (`torch.nn.Linear`; specification, LINEAR-1).
 *
 * Parameters: `weight` of shape `(out_features, in_features)` and `bias` of shape
 * `(out_features)`, both drawn from the uniform distribution in ±1/√in_features.
 *
 * @example
 * ```ts
 * import { Linear, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const fc = new Linear(5, 1);
 * assertEquals(String(fc), "Linear(in_features=5, out_features=1, bias=True)");
 * assertEquals(fc.forward(zeros([2, 3, 5])).shape, [2, 3, 1]);
 * ```
 * @category Modules
 */
export class Linear extends Module {
  /** H_in, the size of the last dimension of the input. */
  readonly inFeatures: number;
  /** H_out, the size of the last dimension of the output. */
  readonly outFeatures: number;
  /** The weight W, of shape `(out_features, in_features)`. */
  declare weight: Parameter;
  /** The bias b, of shape `(out_features)`; `null` where there is none. */
  declare bias: Parameter | null;

  /**
   * Draws the parameters from the default generator, the weight first.
   *
   * @param inFeatures H_in, the size of the last dimension of the input
   * @param outFeatures H_out, the size of the last dimension of the output
   * @param options whether there is a bias, and the dtype
   * @throws {RuntimeError} if a size is negative
   * @throws {TypeError} if a size is not an integer
   */
  constructor(
    inFeatures: number,
    outFeatures: number,
    options: LinearOptions = {},
  ) {
    super();
    useTrainingKernels(); // a product of many rows needs one of them
    check([
      "Linear",
      { inFeatures: any, outFeatures: any },
      { bias: bool, dtype: dtypeKind },
    ], arguments);
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    const { bias = true, dtype = "float32" } = options;
    checkSize("empty", [outFeatures, inFeatures]);
    // PyTorch writes the same bound as kaiming_uniform with a = √5, which rounds in these steps.
    const gain = Math.sqrt(2 / (1 + Math.sqrt(5) ** 2));
    const bound = inFeatures > 0 ? Math.sqrt(3) * (gain / Math.sqrt(inFeatures)) : 0;
    this.drawParameter("weight", [outFeatures, inFeatures], bound, dtype);
    if (bias) this.drawParameter("bias", [outFeatures], boundOf(inFeatures), dtype);
    else this.registerParameter("bias", null);
  }

  /**
   * Applies the layer to the last dimension.
   *
   * @param input shape `(*, H_in)`
   * @returns shape `(*, H_out)`
   * @throws {RuntimeError} if the last dimension or the dtype does not fit
   */
  override forward(input: Tensor): Tensor {
    checkCount("Linear.forward", 1, arguments);
    const { weight, bias } = this;
    return fastLinear(input, weight, bias) ?? linear(input, weight, bias);
  }

  /** Returns `Linear`. */
  protected override getName(): string {
    return "Linear";
  }

  /** Returns the arguments as PyTorch prints them. */
  protected override extraRepr(): string {
    const bias = this.bias ? "True" : "False";
    return `in_features=${this.inFeatures}, out_features=${this.outFeatures}, bias=${bias}`;
  }
}
