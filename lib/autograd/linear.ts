/**
 * The affine map at the heart of every layer.
 *
 * @module
 */

import { RuntimeError } from "../errors.ts";
import { allocate } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

/** The dtype in the words of PyTorch's messages. */
const words = { float32: ["Float", "float"], float64: ["Double", "double"] } as const;

/**
 * Refuses operands that do not fit, in PyTorch's words.
 *
 * @param input what would be multiplied, of any rank but 0
 * @param weight the matrix it would be multiplied with
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
  const [outputs, inputs] = weight.shape;
  const last = input.shape[input.dim() - 1];
  if (last !== inputs) {
    const rows = input.shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
    throw new RuntimeError(
      `${bias ? "addmm" : "mm"}: mat1 and mat2 shapes cannot be multiplied ` +
        `(${rows}x${last} and ${inputs}x${outputs})`,
    );
  }
  const [given, wanted] = [words[input.dtype], words[weight.dtype]];
  if (bias && bias.dtype !== weight.dtype) {
    throw new RuntimeError(
      `self and mat2 must have the same dtype, but got ${words[bias.dtype][0]} and ${wanted[0]}`,
    );
  }
  if (input.dtype !== weight.dtype) {
    throw new RuntimeError(
      bias
        ? `mat1 and mat2 must have the same dtype, but got ${given[0]} and ${wanted[0]}`
        : `expected m1 and m2 to have the same dtype, but got: ${given[1]} != ${wanted[1]}`,
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
 */
export function linear(input: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  checkLinear(input, weight, bias);
  const [outputs, inputs] = weight.shape;
  const [x, w, b] = [input.data, weight.data, bias?.data];
  const shape = [...input.shape.slice(0, -1), outputs];
  const rows = shape.slice(0, -1).reduce((product, extent) => product * extent, 1);
  const y = allocate(input.dtype, rows * outputs);
  for (let row = 0; row < rows; row++) {
    for (let out = 0; out < outputs; out++) {
      let sum = 0;
      for (let k = 0, i = row * inputs, j = out * inputs; k < inputs; k++) {
        sum += x[i + k] * w[j + k];
      }
      y[row * outputs + out] = b ? sum + b[out] : sum;
    }
  }
  // PyTorch reshapes what is not a matrix into one and back, and names the node after that.
  const name = input.dim() !== 2 ? "UnsafeViewBackward0" : bias ? "AddmmBackward0" : "MmBackward0";
  const operands = bias ? [input, weight, bias] : [input, weight];
  return record(new Tensor(y, shape), name, operands, (dy, dx, dw, db) => {
    for (let row = 0; row < rows; row++) {
      for (let out = 0; out < outputs; out++) {
        const d = dy[row * outputs + out];
        const [i, j] = [row * inputs, out * inputs];
        if (dx) { for (let k = 0; k < inputs; k++) dx[i + k] += d * w[j + k]; }
        if (dw) { for (let k = 0; k < inputs; k++) dw[j + k] += d * x[i + k]; }
        if (db) db[out] += d;
      }
    }
  }, true);
}
