/**
 * Losses as modules.
 *
 * @module
 */

import { type ClassIndices, type ClassLossOptions, crossEntropy } from "../autograd/class_loss.ts";
import {
  binaryCrossEntropyWithLogits,
  l1Loss,
  type LossOptions,
  mseLoss,
  type Reduction,
} from "../autograd/loss.ts";
import { Module } from "./module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The base of the losses: a module without parameters that knows its reduction. */
export abstract class Loss extends Module {
  /** What is made of the elements. */
  readonly reduction: Reduction;

  /**
   * Takes the reduction.
   *
   * @param options the reduction; the mean unless told otherwise
   */
  constructor(options: LossOptions = {}) {
    super();
    this.reduction = options.reduction ?? "mean";
  }

  /** Measures how far the input is from the target. */
  abstract override forward(input: Tensor, target: Tensor | ClassIndices): Tensor;
}

/**
 * {@linkcode mseLoss} as a module (`torch.nn.MSELoss`; LOSS-1).
 *
 * @example
 * ```ts
 * import { MSELoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const loss = new MSELoss({ reduction: "sum" });
 * assertEquals(loss.forward(tensor([1, 2]), tensor([1, 5])).item(), 9);
 * assertEquals(String(loss), "MSELoss()");
 * ```
 */
export class MSELoss extends Loss {
  /**
   * Measures the squared error.
   *
   * @param input any shape
   * @param target the same shape
   * @returns one number, or the elements
   * @throws {RuntimeError | ValueError} as {@linkcode mseLoss} does
   */
  override forward(input: Tensor, target: Tensor): Tensor {
    return mseLoss(input, target, this);
  }

  /** Returns `MSELoss`. */
  protected override getName(): string {
    return "MSELoss";
  }
}

/**
 * {@linkcode l1Loss} as a module (`torch.nn.L1Loss`; LOSS-2).
 *
 * @example
 * ```ts
 * import { L1Loss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new L1Loss().forward(tensor([1, 2]), tensor([1, 5])).item(), 1.5);
 * ```
 */
export class L1Loss extends Loss {
  /**
   * Measures the absolute error.
   *
   * @param input any shape
   * @param target the same shape
   * @returns one number, or the elements
   * @throws {RuntimeError | ValueError} as {@linkcode l1Loss} does
   */
  override forward(input: Tensor, target: Tensor): Tensor {
    return l1Loss(input, target, this);
  }

  /** Returns `L1Loss`. */
  protected override getName(): string {
    return "L1Loss";
  }
}

/**
 * {@linkcode crossEntropy} as a module (`torch.nn.CrossEntropyLoss` with class indices; LOSS-3).
 *
 * @example
 * ```ts
 * import { CrossEntropyLoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const loss = new CrossEntropyLoss({ ignoreIndex: 0 });
 * assertEquals(String(loss.forward(tensor([[0, 0], [7, 9]]), [1, 0])), "tensor(0.6931)");
 * ```
 */
export class CrossEntropyLoss extends Loss {
  /** A target that counts for nothing. */
  readonly ignoreIndex: number;

  /**
   * Takes the reduction and the target to ignore.
   *
   * @param options the reduction, the mean unless told otherwise; the ignored target, -100 unless
   * told otherwise
   */
  constructor(options: ClassLossOptions = {}) {
    super(options);
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }

  /**
   * Measures the cross-entropy.
   *
   * @param input the logits, shape `(C)`, `(N, C)` or `(N, C, *)`
   * @param target the wanted classes, shape `()`, `(N)` or `(N, *)`
   * @returns one number, or the elements
   * @throws {RuntimeError | ValueError | IndexError} as {@linkcode crossEntropy} does
   */
  override forward(input: Tensor, target: ClassIndices): Tensor {
    return crossEntropy(input, target, this);
  }

  /** Returns `CrossEntropyLoss`. */
  protected override getName(): string {
    return "CrossEntropyLoss";
  }
}

/**
 * {@linkcode binaryCrossEntropyWithLogits} as a module (`torch.nn.BCEWithLogitsLoss`; LOSS-4).
 *
 * @example
 * ```ts
 * import { BCEWithLogitsLoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const loss = new BCEWithLogitsLoss();
 * assertEquals(String(loss.forward(tensor([0, 100]), tensor([1, 1]))), "tensor(0.3466)");
 * ```
 */
export class BCEWithLogitsLoss extends Loss {
  /**
   * Measures the binary cross-entropy.
   *
   * @param input the logits, any shape
   * @param target the same shape, each between 0 and 1
   * @returns one number, or the elements
   * @throws {RuntimeError | ValueError} as {@linkcode binaryCrossEntropyWithLogits} does
   */
  override forward(input: Tensor, target: Tensor): Tensor {
    return binaryCrossEntropyWithLogits(input, target, this);
  }

  /** Returns `BCEWithLogitsLoss`. */
  protected override getName(): string {
    return "BCEWithLogitsLoss";
  }
}
