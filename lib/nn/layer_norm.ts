/** The layer that keeps numbers in their range. */

import { any, bool, check, dtype as dtypeKind, number } from "../call.ts";
import { layerNorm } from "../autograd/layer_norm.ts";
import { pythonNumber, pythonText, pythonType } from "../python.ts";
import { allocateSize } from "../tensor/create.ts";
import type { FloatDType } from "../tensor/dtype.ts";
import { aTensor, countChange, Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";
import { Parameter } from "./parameter.ts";

/**
 * The arguments of {@linkcode LayerNorm} that have defaults.
 * @category Modules
 */
export interface LayerNormOptions {
  /** ε, what is added to the variance. @default 1e-5 */
  readonly eps?: number;
  /** Whether there are parameters. @default true */
  readonly elementwiseAffine?: boolean;
  /** Whether there is a bias among them. @default true */
  readonly bias?: boolean;
  /** The type of the parameters. @default "float32" */
  readonly dtype?: FloatDType;
}

/**
 * Brings the last dimensions to mean 0 and variance 1, then scales and shifts each element
 * (`torch.nn.LayerNorm`; specification, NORM-1 and NORM-2).
 *
 * Parameters: `weight`, ones, and `bias`, zeros, both of shape `normalized_shape`.
 *
 * @example
 * ```ts
 * import { LayerNorm, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const norm = new LayerNorm(2, { eps: 0 });
 * assertEquals(norm.forward(tensor([[1, 3], [10, 6]])).tolist(), [[-1, 1], [1, -1]]);
 * ```
 * @category Modules
 */
export class LayerNorm extends Module {
  /** The extents of the dimensions that are normalised, the last of the input. */
  readonly normalizedShape: readonly number[];
  /** ε, what is added to the variance. */
  readonly eps: number;

  /**
   * Makes the parameters.
   *
   * @param normalizedShape the extent of the last dimension, or of the last several
   * @param options ε, which parameters there are, and their dtype
   * @throws {RuntimeError} if an extent is negative
   * @throws {TypeError} if an extent is not an integer
   */
  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    check(["LayerNorm", { normalizedShape: any }, {
      eps: number,
      elementwiseAffine: bool,
      bias: bool,
      dtype: dtypeKind,
    }], arguments);
    const { eps = 1e-5, elementwiseAffine = true, bias = true, dtype = "float32" } = options;
    const shape = Number.isInteger(normalizedShape) ? [normalizedShape].flat() : normalizedShape;
    if (!Array.isArray(shape)) {
      throw new TypeError(`'${pythonType(shape)}' object is not iterable`);
    }
    this.normalizedShape = Object.freeze([...shape]);
    this.eps = eps;
    if (!elementwiseAffine) return;
    for (const [name, value] of Object.entries(bias ? { weight: 1, bias: 0 } : { weight: 1 })) {
      const filled = new Tensor(allocateSize("empty", shape, dtype).fill(value), shape);
      countChange(this.registerParameter(name, new Parameter(filled)));
    }
  }

  /** The scale of each element, of shape `normalized_shape`; `null` where there is none. */
  get weight(): Parameter | null {
    return this.ownParameter("weight");
  }

  /** What is added to each element, of shape `normalized_shape`; `null` where there is none. */
  get bias(): Parameter | null {
    return this.ownParameter("bias");
  }

  /**
   * Normalises.
   *
   * @param input shape `(*, normalized_shape)`
   * @returns the same shape
   * @throws {RuntimeError} if the last dimensions or the dtype do not fit
   */
  override forward(input: Tensor): Tensor {
    check(["layerNorm", { input: aTensor }], arguments);
    return layerNorm(input, this.normalizedShape, this.weight, this.bias, this.eps);
  }

  /** Returns `LayerNorm`. */
  protected override getName(): string {
    return "LayerNorm";
  }

  /** Returns the arguments as PyTorch prints them. */
  protected override extraRepr(): string {
    const { normalizedShape: shape, eps, weight, bias } = this;
    const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
    return `${tuple}, eps=${pythonNumber(eps)}, elementwise_affine=${pythonText(weight !== null)}` +
      `, bias=${pythonText(bias !== null)}`;
  }
}
