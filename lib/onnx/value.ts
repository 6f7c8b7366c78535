/** Numbers of an ONNX file, of any type, to compute with. */

import { CheckpointError } from "../checkpoints/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { OnnxTensor } from "./tensor.ts";

/** Numbers of any type, row-major, each as the nearest float64. */
export interface Value {
  /** The extent of each dimension. */
  readonly shape: readonly number[];
  /** The elements. */
  readonly data: Float64Array;
  /** Whether they are integers or truths, which divide without a rest. */
  readonly whole: boolean;
}

/**
 * A tensor of a file as a value.
 *
 * @returns the value; `null` where it holds no numbers, or they are in a file that is not at hand
 */
export function valueOf(tensor: OnnxTensor): Value | null {
  const whole = /^(u?int\d+|bool)$/.test(tensor.dtype);
  try {
    if (whole) {
      const numbers = tensor.stored().values() as ArrayLike<number | bigint>;
      return { shape: tensor.shape, data: Float64Array.from(numbers, Number), whole };
    }
    const { shape, data } = tensor.toTensor({ widen: true });
    return { shape, data: new Float64Array(data), whole };
  } catch (error) {
    if (error instanceof CheckpointError) return null;
    throw error;
  }
}

/** A tensor as a value. */
export const asValue = ({ data, shape }: Pick<Tensor, "data" | "shape">): Value => (
  { shape, data: Float64Array.from(data), whole: false }
);

/** A value as a tensor, `null` as `null`. */
export const asTensor = <T extends Value | null>(x: T): T extends Value ? Tensor : null =>
  (x && new Tensor(x.data, x.shape)) as T extends Value ? Tensor : null;
