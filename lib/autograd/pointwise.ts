/**
 * Operations on each element by itself. Each is a forward and, next to it, the backward that adds
 * `dy · ∂y/∂x` to the gradient of its inputs. All compute in float64 and round once to the dtype.
 */

import { type Call, check, type Kind } from "../call.ts";
import { NotImplementedError } from "../errors.ts";
import { broadcastShape, type Places, placesIn } from "../tensor/blocks.ts";
import {
  allocate,
  anyDType,
  convert,
  type DType,
  element,
  type FloatArray,
  isFloat,
  numel,
} from "../tensor/dtype.ts";
import { aTensor, type Backward, Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

/** What PyTorch advises. */
const invert =
  "If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.";

/** A tensor or a number. */
const tensorOrNumber: Kind = {
  word: "Tensor",
  is: (value) => typeof value === "number" || value instanceof Tensor,
};

const unary = { input: aTensor };
const binary = { input: aTensor, other: tensorOrNumber };
const rsub = { input: tensorOrNumber, other: aTensor };
const toCall: Call = ["to", { input: aTensor, dtype: anyDType }];

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
 * The dtype of numbers of two dtypes: float64 before float32 before int64 before bool. A tensor with
 * dimensions decides before one without, and that before a number, unless the other is of a higher
 * kind: a fraction beside an int64 makes float32.
 */
function promoted(a: Tensor | number, b: Tensor | number): DType {
  const rank = (x: Tensor | number) => typeof x === "number" ? 0 : x.shape.length > 0 ? 2 : 1;
  const kind = (x: Tensor | number): DType =>
    typeof x !== "number" ? x.dtype : Number.isInteger(x) ? "int64" : "float32";
  const swap = rank(b) > rank(a);
  const [high, low] = [kind(swap ? b : a), kind(swap ? a : b)];
  if (high === low) return high;
  const decided = rank(a) !== rank(b) && (isFloat(high) || (high === "int64" && !isFloat(low)));
  const order: DType[] = ["bool", "int64", "float32", "float64"];
  return decided ? high : order[Math.max(order.indexOf(high), order.indexOf(low))];
}

/** Two operands, a number as a tensor without a dimension, broadcast to one shape. */
interface Operands {
  /** What was given. */
  readonly given: readonly (Tensor | number)[];
  readonly x: Tensor;
  readonly y: Tensor;
  readonly inX: Places;
  readonly inY: Places;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly data: FloatArray;
}

const noShape: readonly number[] = Object.freeze([]);

const asTensor = (x: Tensor | number) =>
  typeof x === "number" ? new Tensor(Float64Array.of(x), noShape) : x;

/** Checks two operands, and brings them to one shape. */
function operands(
  name: string,
  a: Tensor | number,
  b: Tensor | number,
  given: IArguments,
): Operands {
  const reversed = typeof a === "number" && name === "sub" && b instanceof Tensor;
  check([name, reversed ? rsub : binary], given);
  const [x, y] = [asTensor(a), asTensor(b)];
  const own = promoted(a, b);
  const dtype = name === "div" && !isFloat(own) ? "float32" : own;
  const shape = broadcastShape(x.shape, y.shape);
  return {
    given: [a, b],
    x,
    y,
    inX: placesIn(x.shape, shape),
    inY: placesIn(y.shape, shape),
    shape,
    dtype,
    data: allocate(dtype, numel(shape)),
  };
}

/** Makes the elements, each of the two that go with it. */
function fill({ x, y, inX, inY, data }: Operands, f: (x: number, y: number) => number): void {
  const [p, q, { table: t, step: m }, { table: u, step: n }] = [x.data, y.data, inX, inY];
  for (let k = 0; k < data.length; k++) data[k] = f(p[t ? t[k] : k * m], q[u ? u[k] : k * n]);
}

/** Adds to the gradient of one operand, where it is wanted, what each element of dy makes. */
function giveBoth(
  { x, y, inX, inY }: Operands,
  dy: Float64Array,
  to: Float64Array | undefined,
  at: Places,
  f: (dy: number, x: number, y: number) => number,
): void {
  const [p, q, { table: t, step: m }, { table: u, step: n }] = [x.data, y.data, inX, inY];
  const { table, step } = at;
  for (let k = 0; to && k < dy.length; k++) {
    to[table ? table[k] : k * step] += f(dy[k], p[t ? t[k] : k * m], q[u ? u[k] : k * n]);
  }
}

/** The result, with what made it recorded. */
function combined(
  { given: [a, b], x, y, shape, dtype, data }: Operands,
  node: string,
  keeps: "both" | "other" | "",
  backward: Backward,
): Tensor {
  if (!isFloat(dtype)) data.forEach((value, k) => data[k] = element(value, dtype));
  const result = new Tensor(data, shape, dtype);
  if (!x.requiresGrad && !y.requiresGrad) return result;
  const inputs = [a, b].filter((one) => one instanceof Tensor);
  const flow: Backward = typeof a === "number" ? (dy, db) => backward(dy, undefined, db) : backward;
  return record(result, node, inputs, flow, [
    ...keeps === "both" || (keeps && x.requiresGrad) ? [y] : [],
    ...keeps && y.requiresGrad ? [x] : [],
  ]);
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
 * The sum, element by element (`torch.add`).
 *
 * @param a any shape
 * @param b a tensor of a shape that broadcasts with that of `a`, or a number
 * @returns a tensor of the shape that both broadcast to (TENSOR-8)
 * @throws {RuntimeError} if the shapes cannot be broadcast
 *
 * @example
 * ```ts
 * import { add, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(add(tensor([1, 2]), tensor([10, 20])).tolist(), [11, 22]);
 * assertEquals(add(tensor([1, 2]), 1).tolist(), [2, 3]);
 * ```
 * @category Operations
 */
export function add(a: Tensor, b: Tensor | number): Tensor {
  const pair = operands("add", a, b, arguments);
  fill(pair, (x, y) => x + y);
  return combined(pair, "AddBackward0", "", (dy, da, db) => {
    giveBoth(pair, dy, da, pair.inX, (d) => d);
    giveBoth(pair, dy, db, pair.inY, (d) => d);
  });
}

/**
 * The difference, element by element (`torch.sub`); a number may stand on either side.
 *
 * @param a a tensor of any shape, or a number
 * @param b a tensor of a shape that broadcasts with that of `a`, or a number
 * @returns a tensor of the shape that both broadcast to (TENSOR-8)
 * @throws {RuntimeError} if the shapes cannot be broadcast
 *
 * @example
 * ```ts
 * import { sub, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(sub(1, tensor([0.25, 1])).tolist(), [0.75, 0]);
 * ```
 * @category Operations
 */
export function sub(a: Tensor, b: Tensor | number): Tensor;
/** The difference from a number, element by element. */
export function sub(a: number, b: Tensor): Tensor;
export function sub(a: Tensor | number, b: Tensor | number): Tensor {
  const pair = operands("sub", a, b, arguments);
  const bools = Number(pair.x.dtype === "bool") + Number(pair.y.dtype === "bool");
  if (bools) {
    const [which, advice] = bools > 1
      ? ["two bool tensors", "Use the `^` or `logical_xor()` operator instead."]
      : ["a bool tensor", invert];
    throw new NotImplementedError(
      `Subtraction, the \`-\` operator, with ${which} is not supported. ${advice}`,
    );
  }
  fill(pair, (x, y) => x - y);
  const node = typeof a === "number" ? "RsubBackward1" : "SubBackward0";
  return combined(pair, node, "", (dy, da, db) => {
    giveBoth(pair, dy, da, pair.inX, (d) => d);
    giveBoth(pair, dy, db, pair.inY, (d) => -d);
  });
}

/**
 * The product, element by element (`torch.mul`).
 *
 * @param a any shape
 * @param b a tensor of a shape that broadcasts with that of `a`, or a number
 * @returns a tensor of the shape that both broadcast to (TENSOR-8)
 * @throws {RuntimeError} if the shapes cannot be broadcast
 *
 * @example
 * ```ts
 * import { mul, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(mul(tensor([1, 2]), tensor([3, 4])).tolist(), [3, 8]);
 * ```
 * @category Operations
 */
export function mul(a: Tensor, b: Tensor | number): Tensor {
  const pair = operands("mul", a, b, arguments);
  fill(pair, (x, y) => x * y);
  return combined(pair, "MulBackward0", "other", (dy, da, db) => {
    giveBoth(pair, dy, da, pair.inX, (d, _, y) => d * y);
    giveBoth(pair, dy, db, pair.inY, (d, x) => d * x);
  });
}

/**
 * The quotient, element by element (`torch.div`), of floats also where two integers are divided.
 *
 * @param a any shape
 * @param b a tensor of a shape that broadcasts with that of `a`, or a number
 * @returns a tensor of the shape that both broadcast to (TENSOR-8)
 * @throws {RuntimeError} if the shapes cannot be broadcast
 *
 * @example
 * ```ts
 * import { div, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(div(tensor([[1, 2], [3, 4]]), tensor([[2], [4]])).tolist(), [[0.5, 1], [0.75, 1]]);
 * ```
 * @category Operations
 */
export function div(a: Tensor, b: Tensor | number): Tensor {
  const pair = operands("div", a, b, arguments);
  fill(pair, (x, y) => x / y);
  return combined(pair, "DivBackward0", "both", (dy, da, db) => {
    giveBoth(pair, dy, da, pair.inX, (d, _, y) => d / y);
    giveBoth(pair, dy, db, pair.inY, (d, x, y) => -d * x / (y * y));
  });
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
  check(toCall, arguments);
  if (x.dtype === dtype) return x;
  const y = new Tensor(convert(x.data, dtype), x.shape, dtype);
  return !isFloat(dtype) ? y : record(y, "ToCopyBackward0", [x], (dy, dx) => {
    for (let i = 0; i < dy.length; i++) dx![i] += dy[i];
  });
}
