/** Other initial weights than those that constructors draw (`torch.nn.init`). */

import { check, number } from "../call.ts";
import { ValueError, ZeroDivisionError } from "../errors.ts";
import { normal, uniform } from "../random/distributions.ts";
import { aGenerator, defaultGenerator, type Generator } from "../random/generator.ts";
import { checkFloat, convert } from "../tensor/dtype.ts";
import { aTensor, countChange, type Tensor } from "../tensor/tensor.ts";

/**
 * How values are to be drawn.
 * @category Initial weights
 */
export interface InitOptions {
  /** What they are multiplied with. @default 1 */
  readonly gain?: number;
  /** Where the draws come from. @default the default generator */
  readonly generator?: Generator;
}

const initOptions = { gain: number, generator: aGenerator };

/** √(2 / (what one output reads + what reads one input)). */
function xavier({ shape }: Tensor, gain: number): number {
  if (shape.length < 2) {
    throw new ValueError(
      "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
    );
  }
  const [outputs, inputs, ...field] = shape;
  const size = field.reduce((product, extent) => product * extent, 1);
  const fans = inputs * size + outputs * size;
  if (fans === 0) throw new ZeroDivisionError("float division by zero");
  return gain * Math.sqrt(2 / fans);
}

/**
 * Fills a tensor with a number, in place and unrecorded (`torch.nn.init.constant_`; INIT-6).
 *
 * @param tensor the tensor, of any shape
 * @param val the number; int64 drops its fraction, bool is whether it is not 0
 * @returns the tensor itself
 *
 * @example
 * ```ts
 * import { constant_, LSTM } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const lstm = new LSTM(1, 2);
 * constant_(lstm.getParameter("bias_ih_l0"), 1);
 * assertEquals(lstm.getParameter("bias_ih_l0").tolist(), [1, 1, 1, 1, 1, 1, 1, 1]);
 * ```
 * @category Initial weights
 */
export function constant_<T extends Tensor>(tensor: T, val: number): T {
  check(["constant_", { tensor: aTensor, val: number }], arguments);
  tensor.data.fill(convert([val], tensor.dtype)[0]);
  countChange(tensor);
  return tensor;
}

/**
 * Fills a tensor with zeros, in place and unrecorded (`torch.nn.init.zeros_`; INIT-6).
 *
 * @param tensor the tensor, of any shape
 * @returns the tensor itself
 *
 * @example
 * ```ts
 * import { ones, zeros_ } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(zeros_(ones([2])).tolist(), [0, 0]);
 * ```
 * @category Initial weights
 */
export function zeros_<T extends Tensor>(tensor: T): T {
  check(["zeros_", { tensor: aTensor }], arguments);
  return constant_(tensor, 0);
}

/**
 * Fills a tensor with uniform draws within ± gain · √(6 / (fan in + fan out)), bit for bit
 * (`torch.nn.init.xavier_uniform_`; INIT-6).
 *
 * @param tensor the tensor, `(fan out, fan in)` or of more dimensions
 * @param options the gain and the generator
 * @returns the tensor itself
 * @throws {ValueError} if it has fewer than two dimensions
 * @throws {NotImplementedError} if it holds no floating-point numbers
 *
 * @example
 * ```ts
 * import { manualSeed, xavierUniform_, zeros } from "@rnn-spec/rnn-spec";
 * import { assert } from "@std/assert";
 *
 * manualSeed(0);
 * const weight = xavierUniform_(zeros([2, 4])); // within ±√(6 / 6)
 * assert(weight.data.every((x) => Math.abs(x) <= 1));
 * ```
 * @category Initial weights
 */
export function xavierUniform_<T extends Tensor>(tensor: T, options: InitOptions = {}): T {
  check(["xavierUniform_", { tensor: aTensor }, initOptions], arguments);
  const { gain = 1, generator = defaultGenerator } = options;
  const bound = Math.sqrt(3) * xavier(tensor, gain);
  checkFloat(tensor.dtype, "check_uniform_bounds");
  uniform(tensor.data, -bound, bound, generator);
  countChange(tensor);
  return tensor;
}

/**
 * Fills a tensor with normal draws of the standard deviation gain · √(2 / (fan in + fan out)), close
 * to PyTorch's (`torch.nn.init.xavier_normal_`; INIT-6).
 *
 * @param tensor the tensor, `(fan out, fan in)` or of more dimensions
 * @param options the gain and the generator
 * @returns the tensor itself
 * @throws {ValueError} if it has fewer than two dimensions
 * @throws {NotImplementedError} if it holds no floating-point numbers
 *
 * @example
 * ```ts
 * import { xavierNormal_, zeros } from "@rnn-spec/rnn-spec";
 * import { assert } from "@std/assert";
 *
 * assert(xavierNormal_(zeros([50, 50])).data.every((x) => Math.abs(x) < 1));
 * ```
 * @category Initial weights
 */
export function xavierNormal_<T extends Tensor>(tensor: T, options: InitOptions = {}): T {
  check(["xavierNormal_", { tensor: aTensor }, initOptions], arguments);
  const { gain = 1, generator = defaultGenerator } = options;
  const std = xavier(tensor, gain);
  checkFloat(tensor.dtype, "normal_kernel_cpu");
  normal(tensor.data, 0, std, generator);
  countChange(tensor);
  return tensor;
}

/**
 * Fills a tensor with a random matrix whose rows, or columns where these are fewer, are orthogonal
 * and of length gain (`torch.nn.init.orthogonal_`; INIT-6), close to PyTorch's.
 *
 * @param tensor the tensor, of two dimensions or more; all but the first are one
 * @param options the gain and the generator
 * @returns the tensor itself
 * @throws {ValueError} if it has fewer than two dimensions
 * @throws {NotImplementedError} if it holds no floating-point numbers
 *
 * @example
 * ```ts
 * import { orthogonal_, zeros } from "@rnn-spec/rnn-spec";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const [[a, b], [c, d]] = orthogonal_(zeros([2, 2])).tolist() as number[][];
 * assertAlmostEquals(a * c + b * d, 0, 1e-6);
 * assertAlmostEquals(a * a + b * b, 1, 1e-6);
 * ```
 * @category Initial weights
 */
export function orthogonal_<T extends Tensor>(tensor: T, options: InitOptions = {}): T {
  check(["orthogonal_", { tensor: aTensor }, initOptions], arguments);
  const { gain = 1, generator = defaultGenerator } = options;
  const { data, shape: [rows] } = tensor;
  if (tensor.dim() < 2) {
    throw new ValueError("Only tensors with 2 or more dimensions are supported");
  }
  checkFloat(tensor.dtype, "normal_kernel_cpu");
  if (data.length === 0) return tensor;
  normal(data, 0, 1, generator);
  const columns = data.length / rows;
  // The vectors that are to be orthogonal lie `across` apart, their elements `along`.
  const [count, length, across, along] = rows < columns
    ? [rows, columns, columns, 1]
    : [columns, rows, 1, columns];
  const done: Float64Array[] = [];
  for (let k = 0; k < count; k++) {
    const v = Float64Array.from({ length }, (_, i) => data[k * across + i * along]);
    for (const u of [...done, ...done]) { // Gram and Schmidt's method; twice, for what rounding left
      const product = dot(u, v);
      for (let i = 0; i < length; i++) v[i] -= product * u[i];
    }
    const norm = Math.sqrt(dot(v, v));
    for (let i = 0; i < length; i++) data[k * across + i * along] = gain * (v[i] /= norm);
    done.push(v);
  }
  countChange(tensor);
  return tensor;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
