/**
 * Operations on each element by itself. Each is a forward and, next to it, the backward that adds
 * `dy · ∂y/∂x` to the gradient of its inputs. All compute in float64 and round once to the dtype.
 */

import { type Call, check, type Kind } from "../call.ts";
import { NotImplementedError } from "../errors.ts";
import { broadcastShape, placesIn } from "../tensor/blocks.ts";
import {
  allocate,
  anyDType,
  convert,
  type DType,
  element,
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

/** A function of one number: its node, itself, its backward, and which of x and y that needs. */
type Unary = readonly [
  node: string,
  f: (x: number) => number,
  backward: (dy: number, x: number, y: number) => number,
  keeps: "x" | "y" | "",
  noBool?: string, // an integer stays one, and to a bool PyTorch says this
];

const unaries = {
  tanh: ["Tanh", Math.tanh, (dy, _, y) => dy * (1 - y * y), "y"],
  sigmoid: ["Sigmoid", (x) => 1 / (1 + Math.exp(-x)), (dy, _, y) => dy * y * (1 - y), "y"],
  sin: ["Sin", Math.sin, (dy, x) => dy * Math.cos(x), "x"],
  exp: ["Exp", Math.exp, (dy, _, y) => dy * y, "y"],
  log: ["Log", Math.log, (dy, x) => dy / x, "x"],
  relu: [
    "Relu",
    (x) => x < 0 ? 0 : x,
    (dy, _, y) => y <= 0 ? 0 : dy,
    "y",
    "Boolean inputs not supported for relu",
  ],
  abs: [
    "Abs",
    Math.abs,
    (dy, x) => dy * (x > 0 ? 1 : x < 0 ? -1 : 0),
    "x",
    "\"abs_cpu\" not implemented for 'Bool'",
  ],
  neg: [
    "Neg",
    (x) => -x,
    (dy) => -dy,
    "",
    `Negation, the \`-\` operator, on a bool tensor is not supported. ${invert}`,
  ],
} satisfies Record<string, Unary>;

/** A function of two numbers: its node, itself, its derivatives, and whether it needs its inputs. */
type Binary = readonly [
  node: string,
  f: (x: number, y: number) => number,
  byX: (x: number, y: number) => number,
  byY: (x: number, y: number) => number,
  keeps: "always" | "other" | "",
];

const binaries = {
  add: ["Add", (x, y) => x + y, () => 1, () => 1, ""],
  sub: ["Sub", (x, y) => x - y, () => 1, () => -1, ""],
  mul: ["Mul", (x, y) => x * y, (_, y) => y, (x) => x, "other"],
  div: ["Div", (x, y) => x / y, (_, y) => 1 / y, (x, y) => -x / (y * y), "always"],
} satisfies Record<string, Binary>;

const calls = {
  unary: { input: aTensor },
  binary: { input: aTensor, other: tensorOrNumber },
  rsub: { input: tensorOrNumber, other: aTensor },
  to: ["to", { input: aTensor, dtype: anyDType }] satisfies Call,
};

/** A function of each element, and the backward that adds `dy · ∂y/∂x`. */
function unary(name: keyof typeof unaries, x: Tensor, given: IArguments): Tensor {
  check([name, calls.unary], given);
  const [node, f, backward, keeps, noBool]: Unary = unaries[name];
  if (noBool && x.dtype === "bool") throw new NotImplementedError(noBool);
  const dtype = isFloat(x.dtype) || noBool ? x.dtype : "float32";
  const data = allocate(dtype, x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i]);
  const y = new Tensor(data, x.shape, dtype);
  return record(y, `${node}Backward0`, [x], (dy, dx) => {
    for (let i = 0; i < dy.length; i++) dx![i] += backward(dy[i], x.data[i], data[i]);
  }, keeps ? [keeps === "x" ? x : y] : []);
}

/**
 * The dtype of numbers of two dtypes: float64 before float32 before int64 before bool. A tensor with
 * dimensions decides before one without, and that before a number, unless the other is of a higher
 * kind: a fraction beside an int64 makes float32.
 */
function promoted(a: Tensor | number, b: Tensor | number): DType {
  const rank = (x: Tensor | number) => typeof x === "number" ? 0 : x.dim() > 0 ? 2 : 1;
  const [high, low] = (rank(b) > rank(a) ? [b, a] : [a, b]).map((x): DType =>
    typeof x !== "number" ? x.dtype : Number.isInteger(x) ? "int64" : "float32"
  );
  const decided = rank(a) !== rank(b) && (isFloat(high) || (high === "int64" && !isFloat(low)));
  const order: DType[] = ["bool", "int64", "float32", "float64"];
  return decided ? high : order[Math.max(order.indexOf(high), order.indexOf(low))];
}

/** A function of the elements of two tensors, broadcast to one shape, or of a tensor and a number. */
function binary(
  name: keyof typeof binaries,
  a: Tensor | number,
  b: Tensor | number,
  given: IArguments,
): Tensor {
  const reversed = typeof a === "number" && name === "sub" && b instanceof Tensor;
  check([name, reversed ? calls.rsub : calls.binary], given);
  const [node, f, byX, byY, keeps]: Binary = binaries[name];
  const both = [a, b];
  if (name === "sub") {
    const bools = both.filter((one) => one instanceof Tensor && one.dtype === "bool").length;
    if (bools) {
      throw new NotImplementedError(
        `Subtraction, the \`-\` operator, with ${
          bools > 1 ? "two bool tensors" : "a bool tensor"
        } ` +
          `is not supported. ${
            bools > 1 ? "Use the `^` or `logical_xor()` operator instead." : invert
          }`,
      );
    }
  }
  const own = promoted(a, b);
  const dtype = name === "div" && !isFloat(own) ? "float32" : own;
  const [x, y] = both.map((one) =>
    typeof one === "number" ? new Tensor(Float64Array.of(one), []) : one
  );
  const shape = broadcastShape(x.shape, y.shape);
  const [i, j] = [placesIn(x.shape, shape), placesIn(y.shape, shape)];
  const data = allocate(dtype, numel(shape));
  const run = (visit: (k: number, at: number, to: number) => void) => {
    for (let k = 0; k < data.length; k++) {
      visit(k, i.table ? i.table[k] : k * i.step, j.table ? j.table[k] : k * j.step);
    }
  };
  run((k, at, to) => data[k] = element(f(x.data[at], y.data[to]), dtype));
  const kept = [
    ...keeps === "always" || (keeps && x.requiresGrad) ? [y] : [],
    ...keeps && y.requiresGrad ? [x] : [],
  ];
  const inputs = both.filter((one) => one instanceof Tensor);
  const backward: Backward = (dy, ...grads) => {
    const dx = typeof a === "number" ? undefined : grads.shift();
    const [other] = grads;
    run((k, at, to) => {
      if (dx) dx[at] += dy[k] * byX(x.data[at], y.data[to]);
      if (other) other[to] += dy[k] * byY(x.data[at], y.data[to]);
    });
  };
  return record(
    new Tensor(data, shape, dtype),
    reversed ? "RsubBackward1" : `${node}Backward0`,
    inputs,
    backward,
    kept,
  );
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
  return unary("tanh", x, arguments);
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
  return unary("sigmoid", x, arguments);
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
  return unary("relu", x, arguments);
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
  return unary("sin", x, arguments);
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
  return unary("exp", x, arguments);
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
  return unary("log", x, arguments);
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
  return unary("neg", x, arguments);
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
  return unary("abs", x, arguments);
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
  return binary("add", a, b, arguments);
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
  return binary("sub", a, b, arguments);
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
  return binary("mul", a, b, arguments);
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
  return binary("div", a, b, arguments);
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
  check(calls.to, arguments);
  if (x.dtype === dtype) return x;
  const y = new Tensor(convert(x.data, dtype), x.shape, dtype);
  return !isFloat(dtype) ? y : record(y, "ToCopyBackward0", [x], (dy, dx) => {
    for (let i = 0; i < dy.length; i++) dx![i] += dy[i];
  });
}
