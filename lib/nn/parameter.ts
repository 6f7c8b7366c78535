/** What training changes. */

import { check } from "../call.ts";
import { aTensor, shareVersion, Tensor, wantGradient } from "../tensor/tensor.ts";

/**
 * A tensor that a module owns and training changes. It requires a gradient from the start.
 * @category Modules
 */
export class Parameter extends Tensor {
  /**
   * Wraps a tensor's storage as a parameter.
   *
   * @param values the tensor; its storage is kept, not copied
   */
  constructor(values: Tensor) {
    check(["Parameter", { data: aTensor }], arguments);
    super(values.data, values.shape, values.dtype);
    shareVersion(this, values);
    wantGradient(this);
  }

  /** Returns the text that PyTorch prints for a parameter. */
  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
}

/**
 * The bound of the uniform distribution that initial weights are drawn from.
 *
 * @returns `1 / √features`; 0 where there are none
 */
export function boundOf(features: number): number {
  return features > 0 ? 1 / Math.sqrt(features) : 0;
}
