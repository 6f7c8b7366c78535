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
import { any, type Call, check, checkCount, int } from "../call.ts";
import { Module } from "./module.ts";
import type { Tensor } from "../tensor/tensor.ts";

const crossEntropyCall: Call<ClassLossOptions> = [
  "CrossEntropyLoss",
  {},
  { ignoreIndex: int, reduction: any },
];

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
    check([this.getName(), {}, { reduction: any }, "_Loss.__init__"], arguments);
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
    checkCount("MSELoss.forward", 2, arguments.length);
    return mseLoss(input, target, { reduction: this.reduction });
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
    checkCount("L1Loss.forward", 2, arguments.length);
    return l1Loss(input, target, { reduction: this.reduction });
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
    check(crossEntropyCall, arguments);
    super({ reduction: options.reduction });
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
    checkCount("CrossEntropyLoss.forward", 2, arguments.length);
    const { reduction, ignoreIndex } = this;
    return crossEntropy(input, target, { reduction, ignoreIndex });
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
    checkCount("BCEWithLogitsLoss.forward", 2, arguments.length);
    return binaryCrossEntropyWithLogits(input, target, { reduction: this.reduction });
  }

  /** Returns `BCEWithLogitsLoss`. */
  protected override getName(): string {
    return "BCEWithLogitsLoss";
  }
}
