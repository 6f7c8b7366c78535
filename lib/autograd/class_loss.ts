/**
 * How far an answer is from the classes wanted. Each is a forward and, next to it, the backward.
 */

import { any, check, int, number, type Options } from "../call.ts";
import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import { pythonNumber } from "../python.ts";
import { blocksOf, resized } from "../tensor/blocks.ts";
import { isFloat, listed, sameShape, words } from "../tensor/dtype.ts";
import { aTensor, Tensor, tensorOrNone } from "../tensor/tensor.ts";
import { classesOf, type ClassIndices } from "./class_indices.ts";
import { record } from "./graph.ts";
import { checkNoGradient, checkReduction, type LossOptions, promoted, reduce } from "./loss.ts";
import { logSoftmax } from "./reduce.ts";

/** What the options of a loss of classes are to be. */
export const classLossOptions: Options<ClassLossOptions> = {
  weight: tensorOrNone,
  ignoreIndex: int,
  reduction: any,
};

/** What the options of the cross-entropy are to be. */
export const crossEntropyOptions: Options<CrossEntropyOptions> = {
  ...classLossOptions,
  labelSmoothing: number,
};

/**
 * How a loss of classes is to be computed.
 * @category Losses
 */
export interface ClassLossOptions extends LossOptions {
  /** w, what each class's loss is multiplied with, shape `(C)`. @default 1 */
  readonly weight?: Tensor | null;
  /** A target that counts for nothing, wherever it stands. @default -100 */
  readonly ignoreIndex?: number;
}

/**
 * How {@linkcode crossEntropy} is to be computed.
 * @category Losses
 */
export interface CrossEntropyOptions extends ClassLossOptions {
  /** s, the share of each target that all classes get alike, up to 1. @default 0 */
  readonly labelSmoothing?: number;
}

/** Refuses a target and a weight that do not fit their input, in PyTorch's words and order. */
function checkTarget(input: Tensor, shape: readonly number[], weight: Tensor | null): void {
  const rank = input.dim();
  if (rank === 0) throw new ValueError("Expected 1 or more dimensions (got 0)");
  const [batch = 0] = shape;
  if (rank > 1 && input.shape[0] !== batch) {
    throw new ValueError(
      `Expected input batch_size (${input.shape[0]}) to match target batch_size (${batch}).`,
    );
  }
  const wanted = resized(input.shape, 1);
  const fits = sameShape(shape, wanted);
  if (rank > 2 && rank !== 4 && !fits) {
    throw new RuntimeError(`Expected target size ${listed(wanted)}, got ${listed(shape)}`);
  }
  const operation = rank <= 2 ? "nll_loss_forward" : "nll_loss2d_forward";
  checkNoGradient(weight, operation, "weight");
  if (rank <= 2 && shape.length > 1) {
    throw new RuntimeError("0D or 1D target tensor expected, multi-target not supported");
  }
  if (rank === 1 && shape.length === 1 && batch !== 1) {
    throw new ValueError(
      `For 1D input, 1D target must have size 1, but got target size: ${batch}`,
    );
  }
  if (rank === 4 && shape.length !== 3) {
    throw new RuntimeError(
      "only batches of spatial targets supported (3D tensors) but got targets of dimension: " +
        shape.length,
    );
  }
  const classes = input.shape[rank === 1 ? 0 : 1];
  if (weight && !sameShape(weight.shape, [classes])) {
    throw new RuntimeError(
      rank <= 2
        ? `weight tensor should be defined either for all ${classes} classes or no classes but ` +
          `got weight tensor of shape: ${listed(weight.shape)}`
        : "weight tensor should be defined either for all or no classes",
    );
  }
  if (rank === 4 && !fits) {
    throw new RuntimeError(
      `size mismatch (got input: ${listed(input.shape)} , target: ${listed(shape)}`,
    );
  }
}

/**
 * The loss of classes by number; `smoothing` is the share that all classes get alike.
 *
 * @param input the logarithm of each class's probability
 */
function classLoss(
  input: Tensor,
  target: ClassIndices,
  options: ClassLossOptions,
  smoothing: number,
): Tensor {
  const { reduction = "mean", weight = null, ignoreIndex = -100 } = options;
  const [shape, classes, dtype] = classesOf(target);
  checkTarget(input, shape, weight);
  if (classes === null) {
    throw new RuntimeError(`expected target dtype to be Long or Byte, but got ${dtype}`);
  }
  if (weight && weight.dtype !== input.dtype) {
    const [wanted, given] = [input, weight].map((one) => words[one.dtype][0]);
    throw new RuntimeError(`expected scalar type ${wanted} but found ${given}`);
  }
  const { data: x } = input;
  const rank = input.dim();
  const w = (k: number) => weight ? weight.data[k] : 1;
  const [, extent, inner] = blocksOf(input.shape, rank === 1 ? 0 : 1);
  let count = 0; // what the mean divides by
  const from = classes.map((k, place) => { // where each position's classes start in the input
    if (k === ignoreIndex) return -1;
    if (k < 0 || k >= extent) throw new IndexError(`Target ${k} is out of bounds.`);
    count += w(k);
    return Math.floor(place / inner) * extent * inner + place % inner;
  });
  if (smoothing > 0 && rank === 1 && shape.length === 1) {
    throw new RuntimeError("output with shape [] doesn't match the broadcast shape [1]");
  }
  const [sharp, smooth] = [1 - smoothing, smoothing / extent];
  const elements = Float64Array.from(from, (start, i) => {
    if (start < 0) return 0;
    const k = classes[i];
    const one = -x[start + k * inner] * w(k);
    if (!(smoothing > 0)) return one;
    let all = 0;
    for (let j = 0; j < extent; j++) all -= x[start + j * inner] * w(j);
    return sharp * one + smooth * all;
  });
  const [result, partOf] = reduce(
    elements,
    input.dtype,
    rank === 1 ? [] : shape,
    reduction,
    count,
  );
  const flat = rank <= 2;
  const reshaped = reduction === "none" && !flat && rank !== 4;
  const name = smoothing > 0
    ? "AddBackward0"
    : flat
    ? "NllLossBackward0"
    : reshaped
    ? "ViewBackward0"
    : "NllLoss2DBackward0";
  return record(result, name, [input], (dl, dx) => {
    if (rank === 1 && shape.length === 1 && extent !== 1) {
      throw new RuntimeError(`size mismatch (got input: [${extent}], target: [1])`);
    }
    from.forEach((start, i) => {
      if (start < 0) return;
      const d = partOf(dl, i);
      const k = classes[i];
      dx![start + k * inner] -= d * sharp * w(k);
      if (!(smoothing > 0)) return;
      for (let j = 0; j < extent; j++) {
        dx![start + j * inner] -= d * smooth * w(j);
      }
    });
  }, [input, weight]);
}

/**
 * The negative log-likelihood of the wanted classes, `-w_target x_target`
 * (`torch.nn.functional.nll_loss`; LOSS-3).
 *
 * @param input the logarithm of each class's probability, shape `(C)`, `(N, C)` or `(N, C, *)`
 * @param target the wanted classes, shape `()`, `(N)` or `(N, *)`, each from 0 to C - 1, or the
 * ignored one
 * @param options the reduction, the classes' weights, and which target to ignore; the mean divides
 * by the weights of the targets that are not ignored
 * @returns one number without a dimension, or the elements, in the target's shape
 * @throws {IndexError} if there is no such class
 * @throws {RuntimeError | ValueError | TypeError} if the target or the weight does not fit, in
 * PyTorch's words
 *
 * @example
 * ```ts
 * import { nllLoss, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([[-0.5, -1], [-3, -0.25]]);
 * assertEquals(nllLoss(x, [0, 1]).item(), 0.375);
 * assertEquals(nllLoss(x, [0, 1], { weight: tensor([3, 1]) }).item(), 0.4375); // (1.5 + 0.25) / 4
 * ```
 * @category Losses
 */
export function nllLoss(
  input: Tensor,
  target: ClassIndices,
  options: ClassLossOptions = {},
): Tensor {
  check([
    "nllLoss",
    { input: aTensor, target: any },
    classLossOptions,
    true,
  ], arguments);
  checkReduction(options.reduction ?? "mean");
  return classLoss(input, target, options, 0);
}

/**
 * The cross-entropy of logits and classes (`torch.nn.functional.cross_entropy`; LOSS-3, LOSS-5):
 * `-w_target ln softmax(x)_target` for classes by number, `-Σ_k w_k y_k ln softmax(x)_k` for a
 * probability y of each class.
 *
 * @param input the logits, shape `(C)`, `(N, C)` or `(N, C, *)`
 * @param target the wanted classes, shape `()`, `(N)` or `(N, *)`, each from 0 to C - 1, or the
 * ignored one; or a tensor of the input's shape with each class's probability
 * @param options the reduction, the classes' weights, which target to ignore, and the share that
 * all classes get alike
 * @returns one number without a dimension, or the elements, in the shape of a target by number
 * @throws {IndexError} if there is no such class
 * @throws {RuntimeError | ValueError | TypeError} if the target, the weight or an option does not
 * fit, in PyTorch's words
 *
 * @example
 * ```ts
 * import { crossEntropy, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const loss = crossEntropy(tensor([[0, 0, 0], [9, 9, 9]]), [2, -100]);
 * assertEquals(String(loss), "tensor(1.0986)"); // ln 3: the second target is ignored
 * const x = tensor([[1, 2]]);
 * assertEquals(String(crossEntropy(x, [0], { labelSmoothing: 0.1 })), "tensor(1.2633)");
 * assertEquals(String(crossEntropy(x, tensor([[0.95, 0.05]]))), "tensor(1.2633)"); // the same
 * ```
 * @category Losses
 */
export function crossEntropy(
  input: Tensor,
  target: ClassIndices,
  options: CrossEntropyOptions = {},
): Tensor {
  check([
    "crossEntropy",
    { input: aTensor, target: any },
    crossEntropyOptions,
    true,
  ], arguments);
  const { reduction = "mean", ignoreIndex = -100, labelSmoothing = 0 } = options;
  checkReduction(reduction);
  const probable = target instanceof Tensor && isFloat(target.dtype);
  const [shape, classes, dtype] = classesOf(target);
  const soft = sameShape(input.shape, shape);
  if (soft && !probable) {
    if (classes === null && !(target instanceof Tensor)) {
      throw new TypeError(
        "class probabilities must be a tensor, tensor([[0.25, 0.75]]); a list holds classes by number",
      );
    }
    throw new RuntimeError(
      `Expected floating point type for target with class probabilities, got ${dtype}`,
    );
  }
  if (soft && ignoreIndex >= 0) {
    throw new RuntimeError("ignore_index is not supported for floating point target");
  }
  if (soft) return softLoss(input, target as Tensor, options);
  checkSmoothing(labelSmoothing);
  const logs = logSoftmax(input, input.dim() === 1 ? 0 : 1);
  return classLoss(logs, target, options, labelSmoothing > 0 ? labelSmoothing : 0);
}

function checkSmoothing(smoothing: number): void {
  if (smoothing > 1) {
    throw new RuntimeError(
      `label_smoothing must be between 0.0 and 1.0. Got: ${pythonNumber(smoothing)}`,
    );
  }
}

/** The cross-entropy of logits and each class's probability, in the input's shape. */
function softLoss(input: Tensor, target: Tensor, options: CrossEntropyOptions): Tensor {
  const { reduction = "mean", weight = null, labelSmoothing = 0 } = options;
  const rank = input.dim();
  if (rank === 0) throw new IndexError("Dimension specified as 1 but tensor has no dimensions");
  const dim = rank === 1 ? 0 : 1;
  const [outer, extent, inner] = blocksOf(input.shape, dim);
  if (weight && !sameShape(weight.shape, [extent])) {
    throw new RuntimeError(
      `cross_entropy: weight tensor should be defined either for all ${extent} classes or no ` +
        `classes but got weight tensor of shape: ${listed(weight.shape)}`,
    );
  }
  const logs = logSoftmax(input, dim);
  checkSmoothing(labelSmoothing);
  const smoothing = labelSmoothing > 0 ? labelSmoothing : 0;
  const { data: x } = logs;
  const { data: y } = target;
  const w = (k: number) => weight ? weight.data[k] : 1;
  const wanted = (at: number) => (1 - smoothing) * y[at] + smoothing / extent;
  const each = (visit: (position: number, at: number, k: number) => void) => {
    for (let o = 0; o < outer; o++) {
      for (let k = 0; k < extent; k++) {
        for (let i = 0; i < inner; i++) visit(o * inner + i, (o * extent + k) * inner + i, k);
      }
    }
  };
  const elements = new Float64Array(outer * inner);
  each((position, at, k) => elements[position] -= x[at] * wanted(at) * w(k));
  const count = x.length === 0 ? 0 : outer * inner;
  const shape = resized(input.shape, dim);
  const [result, partOf] = reduce(
    elements,
    promoted(logs, target, weight),
    shape,
    reduction,
    count,
  );
  const name = reduction === "mean" && count > 0 ? "DivBackward1" : "NegBackward0";
  const inputs = weight ? [logs, target, weight] : [logs, target];
  return record(result, name, inputs, (dl, dx, dy, dw) => {
    each((position, at, k) => {
      const d = partOf(dl, position);
      if (dx) dx[at] -= d * wanted(at) * w(k);
      if (dy) dy[at] -= d * x[at] * (1 - smoothing) * w(k);
      if (dw) dw[k] -= d * x[at] * wanted(at);
    });
  }, inputs);
}
