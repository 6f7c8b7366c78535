/** Losses as modules. */

import type { ClassIndices } from "../autograd/class_indices.ts";
import {
  type ClassLossOptions,
  classLossOptions,
  crossEntropy,
  type CrossEntropyOptions,
  crossEntropyOptions,
  nllLoss,
} from "../autograd/class_loss.ts";
import {
  type BCEWithLogitsOptions,
  binaryCrossEntropyWithLogits,
  l1Loss,
  logitsOptions,
  type LossOptions,
  mseLoss,
  type Reduction,
} from "../autograd/loss.ts";
import { any, check, checkCount } from "../call.ts";
import { Module } from "./module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * The base of the losses: a module without parameters that knows its reduction.
 * @category Losses
 */
export abstract class Loss extends Module {
  /** What is made of the elements. */
  readonly reduction: Reduction;

  /**
   * Takes the reduction.
   *
   * @param options the reduction; by default the mean
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
 * @category Losses
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
    checkCount("MSELoss.forward", 2, arguments);
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
 * @category Losses
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
    checkCount("L1Loss.forward", 2, arguments);
    return l1Loss(input, target, { reduction: this.reduction });
  }

  /** Returns `L1Loss`. */
  protected override getName(): string {
    return "L1Loss";
  }
}

/**
 * {@linkcode nllLoss} as a module (`torch.nn.NLLLoss`; LOSS-3).
 *
 * @example
 * ```ts
 * import { NLLLoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const loss = new NLLLoss({ reduction: "sum" });
 * assertEquals(loss.forward(tensor([[-0.5, -1], [-3, -0.25]]), [0, 1]).item(), 0.75);
 * ```
 * @category Losses
 */
export class NLLLoss extends Loss {
  /** What each class's loss is multiplied with, shape `(C)`; `null` where all count alike. */
  declare weight: Tensor | null;
  /** A target that counts for nothing. */
  readonly ignoreIndex: number;

  /**
   * Takes the reduction, the classes' weights, and the target to ignore.
   *
   * @param options the reduction, by default the mean; the weights, by default 1; the ignored
   * target, by default -100
   * @throws {TypeError} if there is no such option, or the weight is no tensor
   */
  constructor(options: ClassLossOptions = {}) {
    check(["NLLLoss", {}, classLossOptions], arguments);
    super({ reduction: options.reduction });
    this.registerBuffer("weight", options.weight ?? null);
    this.ignoreIndex = options.ignoreIndex ?? -100;
  }

  /**
   * Measures the negative log-likelihood.
   *
   * @param input the logarithm of each class's probability, shape `(C)`, `(N, C)` or `(N, C, *)`
   * @param target the wanted classes, shape `()`, `(N)` or `(N, *)`
   * @returns one number, or the elements
   * @throws {RuntimeError | ValueError | IndexError} as {@linkcode nllLoss} does
   */
  override forward(input: Tensor, target: ClassIndices): Tensor {
    checkCount("NLLLoss.forward", 2, arguments);
    const { reduction, weight, ignoreIndex } = this;
    return nllLoss(input, target, { reduction, weight, ignoreIndex });
  }

  /** Returns `NLLLoss`. */
  protected override getName(): string {
    return "NLLLoss";
  }
}

/**
 * {@linkcode crossEntropy} as a module (`torch.nn.CrossEntropyLoss`; LOSS-3, LOSS-5).
 *
 * @example
 * ```ts
 * import { CrossEntropyLoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const loss = new CrossEntropyLoss({ ignoreIndex: 0 });
 * assertEquals(String(loss.forward(tensor([[0, 0], [7, 9]]), [1, 0])), "tensor(0.6931)");
 * ```
 * @category Losses
 */
export class CrossEntropyLoss extends Loss {
  /** What each class's loss is multiplied with, shape `(C)`; `null` where all count alike. */
  declare weight: Tensor | null;
  /** A target that counts for nothing. */
  readonly ignoreIndex: number;
  /** The share of each target that all classes get alike. */
  readonly labelSmoothing: number;

  /**
   * Takes the reduction, the classes' weights, the target to ignore, and the smoothing.
   *
   * @param options the reduction, by default the mean; the weights, by default 1; the ignored
   * target, by default -100; the smoothing, by default 0
   * @throws {TypeError} if there is no such option, or the weight is no tensor
   */
  constructor(options: CrossEntropyOptions = {}) {
    check(["CrossEntropyLoss", {}, crossEntropyOptions], arguments);
    super({ reduction: options.reduction });
    this.registerBuffer("weight", options.weight ?? null);
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.labelSmoothing = options.labelSmoothing ?? 0;
  }

  /**
   * Measures the cross-entropy.
   *
   * @param input the logits, shape `(C)`, `(N, C)` or `(N, C, *)`
   * @param target the wanted classes, shape `()`, `(N)` or `(N, *)`; or a tensor of the input's
   * shape with each class's probability
   * @returns one number, or the elements
   * @throws {RuntimeError | ValueError | IndexError} as {@linkcode crossEntropy} does
   */
  override forward(input: Tensor, target: ClassIndices | Tensor): Tensor {
    checkCount("CrossEntropyLoss.forward", 2, arguments);
    const { reduction, weight, ignoreIndex, labelSmoothing } = this;
    return crossEntropy(input, target, { reduction, weight, ignoreIndex, labelSmoothing });
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
 * @category Losses
 */
export class BCEWithLogitsLoss extends Loss {
  /** What each element's loss is multiplied with; `null` where all count alike. */
  declare weight: Tensor | null;
  /**
   * Takes the reduction and the weights.
   *
   * @param options the reduction, by default the mean; the weights, by
   * default 1
   * @throws {TypeError} if a weight is no tensor
   */
  constructor(options: BCEWithLogitsOptions = {}) {
    check(["BCEWithLogitsLoss", {}, logitsOptions], arguments);
    super({ reduction: options.reduction });
    this.registerBuffer("weight", options.weight ?? null);
    this.registerBuffer("pos_weight", options.posWeight ?? null);
  }

  /** What the part of the wanted yes is multiplied with; `null` where it counts as the no. */
  get posWeight(): Tensor | null {
    return this.ownParameter("pos_weight");
  }

  /**
   * Measures the binary cross-entropy.
   *
   * @param input the logits, any shape
   * @param target the same shape, each between 0 and 1
   * @returns one number, or the elements
   * @throws {RuntimeError | ValueError} as {@linkcode binaryCrossEntropyWithLogits} does
   */
  override forward(input: Tensor, target: Tensor): Tensor {
    checkCount("BCEWithLogitsLoss.forward", 2, arguments);
    const { reduction, weight, posWeight } = this;
    return binaryCrossEntropyWithLogits(input, target, { reduction, weight, posWeight });
  }

  /** Returns `BCEWithLogitsLoss`. */
  protected override getName(): string {
    return "BCEWithLogitsLoss";
  }
}
