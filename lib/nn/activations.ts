/** Functions of each element, and over one dimension, as modules. */

import { logSoftmax, softmax } from "../autograd/reduce.ts";
import { relu, sigmoid, tanh } from "../autograd/pointwise.ts";
import { any, check, checkCount, int } from "../call.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * The base of modules without parameters whose output has the shape of their input.
 * @category Modules
 */
export abstract class Activation extends Module {
  /** Takes no arguments. */
  constructor(...given: never[]) {
    super();
    checkCount(this.getName(), 0, given);
  }

  /**
   * Computes the output.
   *
   * @param input any shape
   * @returns the same shape
   * @throws {TypeError} if it is no tensor
   */
  abstract override forward(input: Tensor): Tensor;
}

/**
 * Puts out what it reads (`torch.nn.Identity`; MODULE-4).
 *
 * @example
 * ```ts
 * import { Identity, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new Identity().forward(tensor([1, -2])).tolist(), [1, -2]);
 * ```
 * @category Modules
 */
export class Identity extends Activation {
  /** Returns what it is given, whatever that is. */
  override forward<T>(input: T): T {
    check(["Identity.forward", { input: any }], arguments);
    return input;
  }

  /** Returns `Identity`. */
  protected override getName(): string {
    return "Identity";
  }
}

/**
 * {@linkcode tanh} as a module (`torch.nn.Tanh`; MODULE-4).
 *
 * @example
 * ```ts
 * import { Tanh, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new Tanh().forward(tensor([0, 100])).tolist(), [0, 1]);
 * ```
 * @category Modules
 */
export class Tanh extends Activation {
  /** Computes the output, of the input's shape. */
  override forward(input: Tensor): Tensor {
    checkCount("Tanh.forward", 1, arguments);
    return tanh(input);
  }

  /** Returns `Tanh`. */
  protected override getName(): string {
    return "Tanh";
  }
}

/**
 * {@linkcode relu} as a module (`torch.nn.ReLU`; MODULE-4).
 *
 * @example
 * ```ts
 * import { ReLU, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new ReLU().forward(tensor([1, -2])).tolist(), [1, 0]);
 * ```
 * @category Modules
 */
export class ReLU extends Activation {
  /** Computes the output, of the input's shape. */
  override forward(input: Tensor): Tensor {
    checkCount("ReLU.forward", 1, arguments);
    return relu(input);
  }

  /** Returns `ReLU`. */
  protected override getName(): string {
    return "ReLU";
  }
}

/**
 * {@linkcode sigmoid} as a module (`torch.nn.Sigmoid`; MODULE-4).
 *
 * @example
 * ```ts
 * import { Sigmoid, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new Sigmoid().forward(tensor([0, 100])).tolist(), [0.5, 1]);
 * ```
 * @category Modules
 */
export class Sigmoid extends Activation {
  /** Computes the output, of the input's shape. */
  override forward(input: Tensor): Tensor {
    checkCount("Sigmoid.forward", 1, arguments);
    return sigmoid(input);
  }

  /** Returns `Sigmoid`. */
  protected override getName(): string {
    return "Sigmoid";
  }
}

/**
 * The base of {@linkcode Softmax} and {@linkcode LogSoftmax}, which know their dimension.
 * @category Modules
 */
export abstract class DimModule extends Module {
  /** The dimension that is summed over; negative ones count from the last. */
  readonly dim: number;

  /**
   * Takes the dimension. PyTorch's own choice, where there is none, is deprecated there.
   *
   * @param dim the dimension
   * @throws {TypeError} if it is no integer
   */
  constructor(dim: number) {
    super();
    check([this.getName(), { dim: int }], arguments);
    this.dim = dim;
  }

  /** Returns the argument as PyTorch prints it. */
  protected override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/**
 * {@linkcode softmax} as a module (`torch.nn.Softmax`; MODULE-4).
 *
 * @example
 * ```ts
 * import { Softmax, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(new Softmax(-1).forward(tensor([[0, 0]])).tolist(), [[0.5, 0.5]]);
 * ```
 * @category Modules
 */
export class Softmax extends DimModule {
  /**
   * Computes probabilities.
   *
   * @param input any shape
   * @returns the same shape
   * @throws {IndexError} if there is no such dimension
   */
  override forward(input: Tensor): Tensor {
    checkCount("Softmax.forward", 1, arguments);
    return softmax(input, this.dim);
  }

  /** Returns `Softmax`. */
  protected override getName(): string {
    return "Softmax";
  }
}

/**
 * {@linkcode logSoftmax} as a module (`torch.nn.LogSoftmax`; MODULE-4).
 *
 * @example
 * ```ts
 * import { LogSoftmax, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const log = new LogSoftmax(-1);
 * assertEquals(String(log.forward(tensor([[0, 0]]))), "tensor([[-0.6931, -0.6931]])");
 * ```
 * @category Modules
 */
export class LogSoftmax extends DimModule {
  /**
   * Computes the logarithms of probabilities.
   *
   * @param input any shape
   * @returns the same shape
   * @throws {IndexError} if there is no such dimension
   */
  override forward(input: Tensor): Tensor {
    checkCount("LogSoftmax.forward", 1, arguments);
    return logSoftmax(input, this.dim);
  }

  /** Returns `LogSoftmax`. */
  protected override getName(): string {
    return "LogSoftmax";
  }
}
