/**
 * Functions of each element by itself. Each is a forward and, next to it, the backward that adds
 * `dy · ∂y/∂x` to the gradient of its inputs. All compute in float64 and round once to the dtype.
 */

import { check } from "../call.ts";
import { NotImplementedError } from "../errors.ts";
import { allocate, anyDType, convert, type DType, isFloat } from "../tensor/dtype.ts";
import { aTensor, type Backward, Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

/** What PyTorch advises. */
export const invert =
  "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.";

const unary = { input: aTensor };

/**
 * A tensor for what a function makes of `x`. Integers become float32; where PyTorch keeps them,
 * `noBool` is what it says to a bool.
 */
function like(name: string, x: Tensor, given: IArguments, noBool?: string): Tensor {
  check([name, unary], given);
  if (noBool && x.dtype === "bool") throw new NotImplementedError(noBool);
  const dtype = isFloat(x.dtype) || noBool ? x.dtype : "float32";
  return new Tensor(allocate(dtype, x.data.length), x.shape, dtype);
}

/** Makes each element from the one in its place. Small, so that each function has its own loop. */
function map(y: Tensor, x: Tensor, f: (value: number) => number): Tensor {
  for (let i = 0; i < y.data.length; i++) y.data[i] = f(x.data[i]);
  return y;
}

/** Adds to each element of a gradient what its own element of dy makes. */
function give(
  dy: Float64Array,
  dx: Float64Array | undefined,
  f: (dy: number, i: number) => number,
): void {
  for (let i = 0; i < dy.length; i++) dx![i] += f(dy[i], i);
}

/**
 * The hyperbolic tangent of each element (`torch.tanh`).
 *
 * @param x any shape
 * @returns a tensor of the same shape, all within -1 and 1
 *
 * @example
 * ```ts
 * import { tanh, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(tanh(zeros([2])).tolist(), [0, 0]);
 * ```
 * @category Operations
 */
export function tanh(x: Tensor): Tensor {
  const y = map(like("tanh", x, arguments), x, Math.tanh);
  const flow: Backward = (dy, dx) => give(dy, dx, (d, i) => d * (1 - y.data[i] * y.data[i]));
  return record(y, "TanhBackward0", [x], flow, [y]);
}

/**
 * The logistic function of each element, `1 / (1 + exp(-x))` (`torch.sigmoid`).
 *
 * @param x any shape
 * @returns a tensor of the same shape, all within 0 and 1
 *
 * @example
 * ```ts
 * import { sigmoid, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sigmoid(zeros([2])).tolist(), [0.5, 0.5]);
 * ```
 * @category Operations
 */
export function sigmoid(x: Tensor): Tensor {
  const y = map(like("sigmoid", x, arguments), x, (value) => 1 / (1 + Math.exp(-value)));
  const flow: Backward = (dy, dx) => give(dy, dx, (d, i) => d * y.data[i] * (1 - y.data[i]));
  return record(y, "SigmoidBackward0", [x], flow, [y]);
}

/**
 * Each element, or 0 where it is negative (`torch.relu`). NaN stays NaN.
 *
 * @param x any shape
 * @returns a tensor of the same shape
 *
 * @example
 * ```ts
 * import { relu, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(relu(tensor([-2, 3])).tolist(), [0, 3]);
 * ```
 * @category Operations
 */
export function relu(x: Tensor): Tensor {
  const refusal = "Boolean inputs not supported for relu";
  const y = map(like("relu", x, arguments, refusal), x, (value) => value < 0 ? 0 : value);
  const flow: Backward = (dy, dx) => give(dy, dx, (d, i) => y.data[i] <= 0 ? 0 : d);
  return record(y, "ReluBackward0", [x], flow, [y]);
}

/**
 * The sine of each element (`torch.sin`).
 *
 * @param x any shape, in radians
 * @returns a tensor of the same shape
 *
 * @example
 * ```ts
 * import { sin, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sin(tensor([0, Math.PI / 2])).tolist(), [0, 1]);
 * ```
 * @category Operations
 */
export function sin(x: Tensor): Tensor {
  const flow: Backward = (dy, dx) => give(dy, dx, (d, i) => d * Math.cos(x.data[i]));
  return record(map(like("sin", x, arguments), x, Math.sin), "SinBackward0", [x], flow, [x]);
}

/**
 * e to the power of each element (`torch.exp`).
 *
 * @param x any shape
 * @returns a tensor of the same shape
 *
 * @example
 * ```ts
 * import { exp, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(exp(tensor([0, -Infinity])).tolist(), [1, 0]);
 * ```
 * @category Operations
 */
export function exp(x: Tensor): Tensor {
  const y = map(like("exp", x, arguments), x, Math.exp);
  const flow: Backward = (dy, dx) => give(dy, dx, (d, i) => d * y.data[i]);
  return record(y, "ExpBackward0", [x], flow, [y]);
}

/**
 * The natural logarithm of each element (`torch.log`).
 *
 * @param x any shape
 * @returns a tensor of the same shape; -∞ for 0, NaN for what is negative
 *
 * @example
 * ```ts
 * import { log, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(log(tensor([1, 0])).tolist(), [0, -Infinity]);
 * ```
 * @category Operations
 */
export function log(x: Tensor): Tensor {
  const flow: Backward = (dy, dx) => give(dy, dx, (d, i) => d / x.data[i]);
  return record(map(like("log", x, arguments), x, Math.log), "LogBackward0", [x], flow, [x]);
}

/**
 * Each element with its sign turned (`torch.neg`).
 *
 * @param x any shape
 * @returns a tensor of the same shape
 *
 * @example
 * ```ts
 * import { neg, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(neg(tensor([1, -2])).tolist(), [-1, 2]);
 * ```
 * @category Operations
 */
export function neg(x: Tensor): Tensor {
  const refusal = `Negation, the \`-\` operator, on a bool tensor is not supported. ${invert}`;
  const y = like("neg", x, arguments, refusal);
  const integer = !isFloat(y.dtype); // of which there is no -0
  map(y, x, (value) => integer ? 0 - value : -value);
  return record(y, "NegBackward0", [x], (dy, dx) => give(dy, dx, (d) => -d));
}

/**
 * The absolute value of each element (`torch.abs`). Its gradient at 0 and NaN is 0.
 *
 * @param x any shape
 * @returns a tensor of the same shape
 *
 * @example
 * ```ts
 * import { abs, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(abs(tensor([1, -2])).tolist(), [1, 2]);
 * ```
 * @category Operations
 */
export function abs(x: Tensor): Tensor {
  const refusal = "\"abs_cpu\" not implemented for 'Bool'";
  const y = map(like("abs", x, arguments, refusal), x, Math.abs);
  const sign = (value: number) => value > 0 ? 1 : value < 0 ? -1 : 0;
  const flow: Backward = (dy, dx) => give(dy, dx, (d, i) => d * sign(x.data[i]));
  return record(y, "AbsBackward0", [x], flow, [x]);
}

/**
 * The same numbers in another dtype (`Tensor.to`). Narrowing rounds to the nearest float32, ties
 * to even; what is beyond float32 becomes infinite. int64 drops the fraction; a bool is true but for 0.
 *
 * @param x any shape
 * @param dtype the dtype wanted
 * @returns `x` itself where it has that dtype already, otherwise a new tensor
 * @throws {ValueError} if int64 is to hold what no number holds exactly, NaN or infinity
 *
 * @example
 * ```ts
 * import { tensor, to } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(String(to(tensor([1]), "float64")), "tensor([1.], dtype=torch.float64)");
 * ```
 * @category Operations
 */
export function to(x: Tensor, dtype: DType): Tensor {
  check(["to", { input: aTensor, dtype: anyDType }], arguments);
  if (x.dtype === dtype) return x;
  const y = new Tensor(convert(x.data, dtype), x.shape, dtype);
  return !isFloat(dtype)
    ? y
    : record(y, "ToCopyBackward0", [x], (dy, dx) => give(dy, dx, (d) => d));
}
