/**
 * How far an answer is from the classes wanted. Each is a forward and, next to it, the backward.
 *
 * @module
 */

import { any, type Call, check, int, type Options } from "../call.ts";
import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import { blocksOf, resized } from "../tensor/blocks.ts";
import { allocate } from "../tensor/dtype.ts";
import { aTensor, Tensor, wrapDim } from "../tensor/tensor.ts";
import { record } from "./graph.ts";
import { checkReduction, type LossOptions, reduce } from "./loss.ts";

const classLossOptions: Options<ClassLossOptions> = { ignoreIndex: int, reduction: any };

/** What each may be given. */
const calls = {
  logSoftmax: ["logSoftmax", { input: aTensor, dim: int }],
  nllLoss: ["nllLoss", { input: aTensor, target: any }, classLossOptions],
  crossEntropy: ["crossEntropy", { input: aTensor, target: any }, classLossOptions],
} satisfies Record<string, Call>;

/**
 * The logarithm of the softmax along a dimension, `x_k - ln Σ_j exp(x_j)`
 * (`torch.nn.functional.log_softmax`).
 *
 * @param x any shape
 * @param dim the dimension of the classes
 * @returns a tensor of the same shape, none above 0
 * @throws {IndexError} if there is no such dimension
 *
 * @example
 * ```ts
 * import { logSoftmax, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(String(logSoftmax(tensor([1, 1]), 0)), "tensor([-0.6931, -0.6931])");
 * ```
 */
export function logSoftmax(x: Tensor, dim: number): Tensor {
  check(calls.logSoftmax, arguments);
  const { outer, extent, inner } = blocksOf(x.shape.length ? x.shape : [1], wrapDim(dim, x.dim()));
  const y = allocate(x.dtype, x.numel());
  const each = (visit: (at: (k: number) => number) => void) => {
    for (let o = 0; o < outer; o++) {
      for (let i = 0; i < inner; i++) visit((k) => (o * extent + k) * inner + i);
    }
  };
  each((at) => {
    let [largest, total] = [-Infinity, 0];
    for (let k = 0; k < extent; k++) largest = Math.max(largest, x.data[at(k)]);
    for (let k = 0; k < extent; k++) total += Math.exp(x.data[at(k)] - largest);
    const log = Math.log(total);
    for (let k = 0; k < extent; k++) y[at(k)] = x.data[at(k)] - largest - log;
  });
  const output = new Tensor(y, x.shape);
  return record(output, "LogSoftmaxBackward0", [x], (dy, dx) => {
    each((at) => {
      let total = 0;
      for (let k = 0; k < extent; k++) total += dy[at(k)];
      for (let k = 0; k < extent; k++) dx![at(k)] += dy[at(k)] - Math.exp(y[at(k)]) * total;
    });
  }, [output]);
}

/** Classes by number: one, or lists of them, nested evenly; typed arrays of integers, too. */
export type ClassIndices =
  | number
  | Uint8Array
  | Int32Array
  | BigInt64Array
  | readonly ClassIndices[];

/** How a loss of classes is to be computed. */
export interface ClassLossOptions extends LossOptions {
  /** A target that counts for nothing, wherever it stands; -100 unless told otherwise. */
  readonly ignoreIndex?: number;
}

/** The target's shape and its numbers, row-major. */
function flatten(target: ClassIndices): { shape: number[]; classes: number[] } {
  if (target instanceof Tensor) {
    const name = target.dtype === "float32" ? "Float" : "Double";
    throw new RuntimeError(`expected target dtype to be Long or Byte, but got ${name}`);
  }
  const shape: number[] = [];
  let level: unknown = target;
  while (typeof level === "object" && level !== null && "length" in level) {
    shape.push(level.length as number);
    level = (level as ArrayLike<unknown>)[0];
  }
  const classes: number[] = [];
  const walk = (part: unknown, dim: number): void => {
    if (dim === shape.length) {
      const value = typeof part === "bigint" ? Number(part) : part;
      if (!Number.isInteger(value)) {
        throw new RuntimeError("expected target dtype to be Long or Byte, but got Float");
      }
      classes.push(value as number);
      return;
    }
    const { length } = part as ArrayLike<unknown>;
    if (length !== shape[dim]) {
      throw new ValueError(
        `expected sequence of length ${shape[dim]} at dim ${dim} (got ${length})`,
      );
    }
    Array.from(part as ArrayLike<unknown>).forEach((one) => walk(one, dim + 1));
  };
  walk(target, 0);
  return { shape, classes };
}

/** Refuses a target that does not fit its input, in PyTorch's words. */
function checkTarget(input: Tensor, shape: readonly number[]): void {
  const list = (size: readonly number[]) => `[${size.join(", ")}]`;
  if (input.dim() === 0) throw new ValueError("Expected 1 or more dimensions (got 0)");
  if (input.dim() === 1) {
    if (shape.length > 1) {
      throw new RuntimeError("0D or 1D target tensor expected, multi-target not supported");
    }
    if (shape.length === 1 && shape[0] !== 1) {
      throw new ValueError(
        `For 1D input, 1D target must have size 1, but got target size: ${shape[0]}`,
      );
    }
    return;
  }
  if (input.shape[0] !== (shape[0] ?? 0)) {
    throw new ValueError(
      `Expected input batch_size (${input.shape[0]}) to match target batch_size ` +
        `(${shape[0] ?? 0}).`,
    );
  }
  const wanted = resized(input.shape, 1);
  if (String(shape) === String(wanted)) return;
  if (input.dim() === 2) {
    throw new RuntimeError("0D or 1D target tensor expected, multi-target not supported");
  }
  if (input.dim() !== 4) {
    throw new RuntimeError(`Expected target size ${list(wanted)}, got ${list(shape)}`);
  }
  if (shape.length !== 3) {
    throw new RuntimeError(
      "only batches of spatial targets supported (3D tensors) but got targets of dimension: " +
        shape.length,
    );
  }
  throw new RuntimeError(
    `size mismatch (got input: ${list(input.shape)} , target: ${list(shape)}`,
  );
}

/**
 * The negative log-likelihood of the wanted classes, `-x_target`
 * (`torch.nn.functional.nll_loss`; LOSS-3).
 *
 * @param input the logarithm of each class's probability, shape `(C)`, `(N, C)` or `(N, C, *)`
 * @param target the wanted classes, shape `()`, `(N)` or `(N, *)`, each from 0 to C - 1, or the
 * ignored one
 * @param options the reduction, and which target to ignore; the mean is over those not ignored
 * @returns one number without a dimension, or the elements, in the target's shape
 * @throws {IndexError} if there is no such class
 * @throws {RuntimeError | ValueError} if the target's shape does not fit, in PyTorch's words
 *
 * @example
 * ```ts
 * import { nllLoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(nllLoss(tensor([[-0.5, -1], [-3, -0.25]]), [0, 1]).item(), 0.375);
 * ```
 */
export function nllLoss(
  input: Tensor,
  target: ClassIndices,
  options: ClassLossOptions = {},
): Tensor {
  check(calls.nllLoss, arguments);
  const { reduction = "mean", ignoreIndex = -100 } = options;
  checkReduction(reduction);
  const { shape, classes } = flatten(target);
  checkTarget(input, shape);
  const { extent, inner } = blocksOf(input.shape, input.dim() === 1 ? 0 : 1);
  let count = 0;
  const from = classes.map((k, place) => { // where each element's class stands in the input
    if (k === ignoreIndex) return -1;
    if (k < 0 || k >= extent) throw new IndexError(`Target ${k} is out of bounds.`);
    count++;
    return (Math.floor(place / inner) * extent + k) * inner + place % inner;
  });
  const elements = Float64Array.from(from, (at) => at < 0 ? 0 : -input.data[at]);
  const { result, share } = reduce(
    elements,
    input,
    input.dim() === 1 ? [] : shape,
    reduction,
    count,
  );
  const each = reduction === "none" ? 1 : 0;
  const flat = input.dim() <= 2;
  const reshaped = reduction === "none" && !flat && input.dim() !== 4;
  const name = flat ? "NllLossBackward0" : reshaped ? "ViewBackward0" : "NllLoss2DBackward0";
  return record(result, name, [input], (dl, dx) => {
    from.forEach((at, i) => {
      if (at >= 0) dx![at] -= dl[i * each] * share;
    });
  }, [input]);
}

/**
 * The cross-entropy of logits and classes, `-ln softmax(x)_target`
 * (`torch.nn.functional.cross_entropy`; LOSS-3).
 *
 * @param input the logits, shape `(C)`, `(N, C)` or `(N, C, *)`
 * @param target the wanted classes, shape `()`, `(N)` or `(N, *)`, each from 0 to C - 1, or the
 * ignored one
 * @param options the reduction, and which target to ignore; the mean is over those not ignored
 * @returns one number without a dimension, or the elements, in the target's shape
 * @throws {IndexError} if there is no such class
 * @throws {RuntimeError | ValueError} if the target's shape does not fit, in PyTorch's words
 *
 * @example
 * ```ts
 * import { crossEntropy, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const loss = crossEntropy(tensor([[0, 0, 0], [9, 9, 9]]), [2, -100]);
 * assertEquals(String(loss), "tensor(1.0986)"); // ln 3: the second target is ignored
 * ```
 */
export function crossEntropy(
  input: Tensor,
  target: ClassIndices,
  options: ClassLossOptions = {},
): Tensor {
  check(calls.crossEntropy, arguments);
  return nllLoss(logSoftmax(input, input.dim() === 1 ? 0 : 1), target, options);
}
