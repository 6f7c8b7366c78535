/**
 * Operations on each element by itself. Each is a forward and, next to it, the backward that adds
 * `dy · ∂y/∂x` to the gradient of its inputs. All compute in float64 and round once to the dtype.
 */

import { type Call, check, type Kind } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { allocate, anyDType, convert, type DType, isFloat } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

/** A tensor or a number. */
const tensorOrNumber: Kind = {
  word: "Tensor",
  is: (value) => typeof value === "number" || value instanceof Tensor,
};

const calls = {
  tanh: ["tanh", { input: aTensor }],
  sigmoid: ["sigmoid", { input: aTensor }],
  relu: ["relu", { input: aTensor }],
  sin: ["sin", { input: aTensor }],
  neg: ["neg", { input: aTensor }],
  abs: ["abs", { input: aTensor }],
  add: ["add", { input: aTensor, other: tensorOrNumber }],
  sub: ["sub", { input: tensorOrNumber, other: tensorOrNumber }],
  mul: ["mul", { input: aTensor, other: tensorOrNumber }],
  to: ["to", { input: aTensor, dtype: anyDType }],
} satisfies Record<string, Call>;

/** A new tensor like `x`, each element made from the one in its place. */
function map(x: Tensor, f: (value: number) => number): Tensor {
  const data = allocate(x.dtype, x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i]);
  return new Tensor(data, x.shape, x.dtype);
}

/** A new tensor of two alike ones, element by element. */
function zip(a: Tensor, b: Tensor, f: (a: number, b: number) => number): Tensor {
  checkAlike(a, b);
  const data = allocate(a.dtype, a.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(a.data[i], b.data[i]);
  return new Tensor(data, a.shape, a.dtype);
}

/** There is no broadcasting and no promotion here, except of plain numbers. */
function checkAlike(a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) {
    throw new RuntimeError(
      `expected both tensors to have the same dtype, but got ${a.dtype} and ${b.dtype}`,
    );
  }
  if (a.dim() !== b.dim()) {
    throw new RuntimeError(`expected tensors of one shape, but got ${a.size()} and ${b.size()}`);
  }
  for (let dim = a.dim() - 1; dim >= 0; dim--) {
    if (a.shape[dim] !== b.shape[dim]) {
      throw new RuntimeError(
        `The size of tensor a (${a.shape[dim]}) must match the size of tensor b ` +
          `(${b.shape[dim]}) at non-singleton dimension ${dim}`,
      );
    }
  }
}

/** σ(x) = 1 / (1 + e⁻ˣ), for one number. */
function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
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
  check(calls.tanh, arguments);
  const y = map(x, Math.tanh);
  return record(y, "TanhBackward0", [x], (dy, dx) => {
    for (let i = 0; i < dy.length; i++) dx![i] += dy[i] * (1 - y.data[i] * y.data[i]);
  }, [y]);
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
  check(calls.sigmoid, arguments);
  const y = map(x, logistic);
  return record(y, "SigmoidBackward0", [x], (dy, dx) => {
    for (let i = 0; i < dy.length; i++) dx![i] += dy[i] * y.data[i] * (1 - y.data[i]);
  }, [y]);
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
  check(calls.relu, arguments);
  const y = map(x, (value) => value < 0 ? 0 : value);
  return record(y, "ReluBackward0", [x], (dy, dx) => {
    for (let i = 0; i < dy.length; i++) if (!(y.data[i] <= 0)) dx![i] += dy[i];
  }, [y]);
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
  check(calls.sin, arguments);
  return record(map(x, Math.sin), "SinBackward0", [x], (dy, dx) => {
    for (let i = 0; i < dy.length; i++) dx![i] += dy[i] * Math.cos(x.data[i]);
  }, [x]);
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
  check(calls.neg, arguments);
  return record(map(x, (value) => -value), "NegBackward0", [x], (dy, dx) => {
    for (let i = 0; i < dy.length; i++) dx![i] -= dy[i];
  });
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
  check(calls.abs, arguments);
  return record(map(x, Math.abs), "AbsBackward0", [x], (dy, dx) => {
    const sign = (value: number) => value > 0 ? 1 : value < 0 ? -1 : 0;
    for (let i = 0; i < dy.length; i++) dx![i] += dy[i] * sign(x.data[i]);
  }, [x]);
}

/**
 * The sum, element by element (`torch.add`).
 *
 * @param a any shape
 * @param b a tensor of the same shape and dtype, or a number
 * @returns a tensor of the same shape
 * @throws {RuntimeError} if the tensors differ in shape or dtype; nothing is broadcast
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
  check(calls.add, arguments);
  if (typeof b === "number") {
    return record(map(a, (value) => value + b), "AddBackward0", [a], (dy, da) => {
      for (let i = 0; i < dy.length; i++) da![i] += dy[i];
    });
  }
  return record(zip(a, b, (x, y) => x + y), "AddBackward0", [a, b], (dy, da, db) => {
    if (da) { for (let i = 0; i < dy.length; i++) da[i] += dy[i]; }
    if (db) { for (let i = 0; i < dy.length; i++) db[i] += dy[i]; }
  });
}

/**
 * The difference, element by element (`torch.sub`); a number may stand on either side.
 *
 * @param a a tensor of any shape, or a number
 * @param b a tensor of the same shape and dtype, or a number
 * @returns a tensor of the same shape
 * @throws {RuntimeError} if the tensors differ in shape or dtype; nothing is broadcast
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
  check(calls.sub, arguments);
  if (typeof a === "number") {
    const subtrahend = b as Tensor; // the overloads leave no other case
    return record(map(subtrahend, (y) => a - y), "RsubBackward1", [subtrahend], (dy, db) => {
      for (let i = 0; i < dy.length; i++) db![i] -= dy[i];
    });
  }
  if (typeof b === "number") {
    return record(map(a, (x) => x - b), "SubBackward0", [a], (dy, da) => {
      for (let i = 0; i < dy.length; i++) da![i] += dy[i];
    });
  }
  return record(zip(a, b, (x, y) => x - y), "SubBackward0", [a, b], (dy, da, db) => {
    if (da) { for (let i = 0; i < dy.length; i++) da[i] += dy[i]; }
    if (db) { for (let i = 0; i < dy.length; i++) db[i] -= dy[i]; }
  });
}

/**
 * The product, element by element (`torch.mul`).
 *
 * @param a any shape
 * @param b a tensor of the same shape and dtype, or a number
 * @returns a tensor of the same shape
 * @throws {RuntimeError} if the tensors differ in shape or dtype; nothing is broadcast
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
  check(calls.mul, arguments);
  if (typeof b === "number") {
    return record(map(a, (value) => value * b), "MulBackward0", [a], (dy, da) => {
      for (let i = 0; i < dy.length; i++) da![i] += dy[i] * b;
    }, [new Tensor(Float64Array.of(b), [])]); // PyTorch keeps the number as a tensor
  }
  return record(zip(a, b, (x, y) => x * y), "MulBackward0", [a, b], (dy, da, db) => {
    if (da) { for (let i = 0; i < dy.length; i++) da[i] += dy[i] * b.data[i]; }
    if (db) { for (let i = 0; i < dy.length; i++) db[i] += dy[i] * a.data[i]; }
  }, [...a.requiresGrad ? [b] : [], ...b.requiresGrad ? [a] : []]);
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
