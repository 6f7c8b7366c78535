/** Dropout. */

import { bool, check, checkCount, number } from "../call.ts";
import { mul } from "../autograd/arithmetic.ts";
import { ValueError } from "../errors.ts";
import { pythonNumber } from "../python.ts";
import { rand } from "../random/distributions.ts";
import type { FloatDType } from "../tensor/dtype.ts";
import { aTensor, type Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * Zeroes each element with probability `p` in training, and scales the others by `1 / (1 - p)`,
 * so that the expected value stays (`torch.nn.functional.dropout`; DROP-1, DROP-3). Which elements
 * are zeroed comes from the default generator; PyTorch leaves it free.
 *
 * @param x any shape
 * @param p the probability of an element being zeroed
 * @param training whether to do so; `x` itself is returned if not
 * @returns a tensor of the same shape
 * @throws {ValueError} if `p` is not within 0 and 1
 *
 * @example
 * ```ts
 * import { dropout, ones } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(dropout(ones([3]), 0.5, false).tolist(), [1, 1, 1]);
 * assertEquals(dropout(ones([3]), 1, true).tolist(), [0, 0, 0]);
 * ```
 * @category Modules
 */
export function dropout(x: Tensor, p: number, training: boolean): Tensor {
  check([
    "dropout",
    { input: aTensor, p: number, training: bool },
    undefined,
    true,
  ], arguments);
  checkProbability(p);
  if (!training || p === 0) return x;
  return mul(x, dropoutMask(x, p));
}

/** What dropout multiplies a tensor with: 0 or `1 / (1 - p)` for each element. */
export function dropoutMask({ shape, dtype }: Pick<Tensor, "shape" | "dtype">, p: number): Tensor {
  const mask = rand(shape, { dtype: dtype as FloatDType });
  const scale = 1 / (1 - p); // for p = 1 infinite, and then no draw is kept
  for (let i = 0; i < mask.data.length; i++) {
    mask.data[i] = mask.data[i] < p ? 0 : scale;
  }
  return mask;
}

function checkProbability(p: number): void {
  if (!(p >= 0 && p <= 1)) {
    throw new ValueError(
      `dropout probability has to be between 0 and 1, but got ${pythonNumber(p)}`,
    );
  }
}

/**
 * Dropout as a module (`torch.nn.Dropout`): active in training, nothing in evaluation.
 *
 * @example
 * ```ts
 * import { Dropout, ones } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const drop = new Dropout(0.5).eval();
 * assertEquals(drop.forward(ones([3])).tolist(), [1, 1, 1]);
 * ```
 * @category Modules
 */
export class Dropout extends Module {
  /** The probability of an element being zeroed. */
  readonly p: number;

  /**
   * Takes the probability.
   *
   * @param p the probability of an element being zeroed
   * @throws {ValueError} if it is not within 0 and 1
   */
  constructor(p = 0.5) {
    super();
    this.p = p;
    check(["Dropout", { "p?": number }], arguments);
    checkProbability(p);
  }

  /**
   * Applies dropout, in training only.
   *
   * @param input any shape
   * @returns a tensor of the same shape
   */
  override forward(input: Tensor): Tensor {
    checkCount("Dropout.forward", 1, arguments);
    return dropout(input, this.p, this.training);
  }

  /** Returns `Dropout`. */
  protected override getName(): string {
    return "Dropout";
  }

  /** Returns the arguments as PyTorch prints them. */
  protected override extraRepr(): string {
    return `p=${pythonNumber(this.p)}, inplace=False`;
  }
}
