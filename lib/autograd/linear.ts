/** The affine map at the heart of every layer. */

import { check, type Kind } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { allocate, type FloatArray, listed, numel, sameShape, words } from "../tensor/dtype.ts";
import { aTensor, Tensor, tensorOrNone } from "../tensor/tensor.ts";
import { type MayKeep, record, wouldRecord } from "./graph.ts";

/** An input, a weight, and a bias or `null`. */
const term: Kind = {
  word: "list of an input, a weight, and a bias or null",
  is: (term) =>
    Array.isArray(term) && term.length === 3 && aTensor.is(term[0]) && aTensor.is(term[1]) &&
    tensorOrNone.is(term[2]),
};

/**
 * Refuses operands that do not fit, in PyTorch's words.
 *
 * @param input what would be multiplied, of any rank but 0
 * @param bias what would be added, or `null`
 * @throws {RuntimeError} if the shapes or dtypes do not fit
 */
export function checkLinear(input: Tensor, weight: Tensor, bias: Tensor | null): void {
  if (input.dim() === 0 || weight.dim() !== 2) {
    throw new RuntimeError(
      `both arguments to linear need to be at least 1D, but they are ${input.dim()}D and ` +
        `${weight.dim()}D`,
    );
  }
  const [given, wanted] = [words[input.dtype], words[weight.dtype]];
  if (bias && bias.dtype !== weight.dtype) {
    throw new RuntimeError(
      `self and mat2 must have the same dtype, but got ${words[bias.dtype][0]} and ${wanted[0]}`,
    );
  }
  if (bias && input.dtype !== weight.dtype) {
    throw new RuntimeError(
      `mat1 and mat2 must have the same dtype, but got ${given[0]} and ${wanted[0]}`,
    );
  }
  const [outputs, inputs] = weight.shape;
  const last = input.shape.at(-1);
  if (last !== inputs) {
    const rows = numel(input.shape.slice(0, -1));
    throw new RuntimeError(
      `${bias ? "addmm" : "mm"}: mat1 and mat2 shapes cannot be multiplied ` +
        `(${rows}x${last} and ${inputs}x${outputs})`,
    );
  }
  if (bias && !sameShape(bias.shape, [outputs])) {
    throw new RuntimeError(
      `expected a bias of shape ${listed([outputs])}, got ${listed(bias.shape)}`,
    );
  }
  if (input.dtype !== weight.dtype) { // without a bias, PyTorch looks at the shapes first
    throw new RuntimeError(
      `expected m1 and m2 to have the same dtype, but got: ${given[1]} != ${wanted[1]}`,
    );
  }
}

/**
 * `y = x Wᵀ + b` on the last dimension (`torch.nn.functional.linear`). Each element is one sum,
 * carried in float64 in the order of the features and rounded once, so a row's result does not
 * depend on the rows beside it.
 *
 * @param input shape `(*, H_in)`, with any number of leading dimensions
 * @param weight shape `(H_out, H_in)`
 * @param bias shape `(H_out)`, or `null` for none
 * @returns shape `(*, H_out)`
 * @throws {RuntimeError} if the shapes or dtypes do not fit, in PyTorch's words
 *
 * @example
 * ```ts
 * import { linear, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const y = linear(tensor([[1, 2]]), tensor([[3, 4], [5, 6]]), tensor([0.5, 0]));
 * assertEquals(y.tolist(), [[11.5, 17]]);
 * ```
 * @category Operations
 */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  check(["linear", { input: aTensor, weight: aTensor, "bias?": tensorOrNone }], arguments);
  return sumOfProducts(nameOf(input, bias), [[input, weight, bias]]);
}

/**
 * An input, the weight it is multiplied with, and what is added to the product.
 * @category Operations
 */
export type Term = readonly [input: Tensor, weight: Tensor, bias: Tensor | null];

/**
 * `x Wᵀ + b`, summed over several inputs: the pre-activation of a gate. Like
 * {@linkcode linear}, each element is one sum, carried in float64 and rounded once.
 *
 * @param terms inputs of shapes `(*, H_k)` that agree in all but the last extent, weights of
 * shapes `(H_out, H_k)`, biases of shape `(H_out)` or `null`
 * @returns shape `(*, H_out)`
 * @throws {RuntimeError} if the shapes or dtypes do not fit, in PyTorch's words
 *
 * @example
 * ```ts
 * import { affine, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const [x, h] = [tensor([[2]]), tensor([[3]])];
 * assertEquals(affine([x, tensor([[10]]), tensor([1])], [h, tensor([[100]]), null]).item(), 321);
 * ```
 * @category Operations
 */
export function affine(...terms: readonly Term[]): Tensor {
  return sumOfProducts("AddBackward0", terms);
}

function sumOfProducts(name: string, terms: readonly Term[]): Tensor {
  if (terms.length === 0) throw new RuntimeError("affine expects at least one term");
  for (const given of terms) if (!term.is(given)) check(["affine", { term }], [given]);
  for (const [input, weight, bias] of terms) checkLinear(input, weight, bias);
  const [[first, { shape: [outputs] }]] = terms;
  const shape = [...first.shape.slice(0, -1), outputs];
  const y = new Tensor(allocate(first.dtype, numel(shape)), shape);
  for (const [x, w] of terms) {
    const own = [...x.shape.slice(0, -1), w.shape[0]];
    if (!sameShape(own, shape) || x.dtype !== y.dtype) {
      throw new RuntimeError(
        `expected terms of shape ${listed(shape)} and dtype ${y.dtype}, but got ${listed(own)} ` +
          `and ${x.dtype}`,
      );
    }
  }
  const sums = new Float64Array(y.data.length); // set() below rounds them
  for (const [x, w, b] of terms) addProduct(sums, x.data, w.data, b?.data, outputs);
  y.data.set(sums);
  const operands = terms.flatMap(([x, w, b]) => b ? [x, w, b] : [x, w]);
  if (!wouldRecord(operands)) return y; // which a program that only asks its models calls often
  return record(y, name, operands, (dy, ...grads) => {
    for (const [x, w, bias] of terms) {
      const [dx, dw, db] = grads.splice(0, bias ? 3 : 2);
      addGradients(dy, x.data, w.data, outputs, dx, dw, db);
    }
  }, terms.toReversed().flatMap(keptOf));
}

/** PyTorch's name of the node of a product, and what it keeps. */
export function linearNode(term: Term): [name: string, keeps: MayKeep[]] {
  return [nameOf(term[0], term[2]), keptOf(term)];
}

/** PyTorch reshapes what is not a matrix into one and back, and names the node after that. */
function nameOf(input: Tensor, bias: Tensor | null): string {
  return input.dim() !== 2 ? "UnsafeViewBackward0" : bias ? "AddmmBackward0" : "MmBackward0";
}

/**
 * What PyTorch's product keeps: the rows of x for the gradient of W, and Wᵀ for that of x; without a
 * bias it looks at Wᵀ first.
 */
function keptOf([x, w, bias]: Term): MayKeep[] {
  const rows = x.dim() === 2 ? x : { viewOf: x, shape: [numel(x.shape.slice(0, -1)), w.shape[1]] };
  const transposed = { viewOf: w, shape: w.shape.toReversed() };
  const kept = [w.requiresGrad && rows, x.requiresGrad && transposed];
  return bias ? kept : kept.reverse();
}

/** Adds `x Wᵀ + b` to sums, row by row. */
function addProduct(
  sums: Float64Array,
  x: FloatArray,
  w: FloatArray,
  b: FloatArray | undefined,
  outputs: number,
): void {
  const inputs = w.length / outputs;
  for (let at = 0, row = 0; at < sums.length; row += inputs) {
    for (let out = 0; out < outputs; out++, at++) {
      let sum = sums[at];
      for (let k = 0, i = row, j = out * inputs; k < inputs; k++, i++, j++) sum += x[i] * w[j];
      sums[at] = b ? sum + b[out] : sum;
    }
  }
}

/** Adds the gradients of `x Wᵀ + b` to those of x, W and b that are wanted. */
function addGradients(
  dy: Float64Array,
  x: FloatArray,
  w: FloatArray,
  outputs: number,
  dx: Float64Array | undefined,
  dw: Float64Array | undefined,
  db: Float64Array | undefined,
): void {
  const inputs = w.length / outputs;
  for (let at = 0, row = 0; at < dy.length; row += inputs) {
    for (let out = 0; out < outputs; out++, at++) {
      const d = dy[at];
      const j = out * inputs;
      if (dx) { for (let k = 0; k < inputs; k++) dx[row + k] += d * w[j + k]; }
      if (dw) { for (let k = 0; k < inputs; k++) dw[j + k] += d * x[row + k]; }
      if (db) db[out] += d;
    }
  }
}
