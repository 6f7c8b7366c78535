/**
 * Arithmetic, element by element, on tensors whose shapes broadcast and on numbers. All computes in
 * float64 and rounds once to the dtype.
 */

import { check, type Kind } from "../call.ts";
import { NotImplementedError } from "../errors.ts";
import { broadcastShape, type Places, placesIn } from "../tensor/blocks.ts";
import { allocate, type DType, element, isFloat, numel } from "../tensor/dtype.ts";
import { aTensor, type Backward, Tensor } from "../tensor/tensor.ts";
import { type MayKeep, record } from "./graph.ts";
import { invert } from "./pointwise.ts";

/** A tensor or a number. */
const tensorOrNumber: Kind = {
  word: "Tensor",
  is: (value) => typeof value === "number" || value instanceof Tensor,
};

const binary = { input: aTensor, other: tensorOrNumber };
const rsub = { input: tensorOrNumber, other: aTensor };

/**
 * The dtype of numbers of two dtypes: float64 before float32 before int64 before bool. A tensor with
 * dimensions decides before one without and before a number, unless the other is of a higher kind: a
 * fraction beside an int64 makes float32.
 */
function promoted(a: Tensor | number, b: Tensor | number): DType {
  const wide = (x: Tensor | number) => typeof x !== "number" && x.shape.length > 0;
  const kind = (x: Tensor | number): DType =>
    typeof x !== "number" ? x.dtype : Number.isInteger(x) ? "int64" : "float32";
  const [high, low] = wide(b) ? [kind(b), kind(a)] : [kind(a), kind(b)];
  const decided = wide(a) !== wide(b) && (isFloat(high) || (high === "int64" && !isFloat(low)));
  const order: DType[] = ["bool", "int64", "float32", "float64"];
  return decided ? high : order[Math.max(order.indexOf(high), order.indexOf(low))];
}

/** Two operands, a number as a tensor without a dimension, broadcast to one shape, and the result. */
interface Operands {
  readonly x: Tensor;
  readonly y: Tensor;
  readonly inX: Places;
  readonly inY: Places;
  readonly result: Tensor;
}

const noShape: readonly number[] = Object.freeze([]);

const asTensor = (x: Tensor | number) =>
  typeof x === "number" ? new Tensor(Float64Array.of(x), noShape) : x;

/** Checks two operands, and brings them to one shape. The result's elements are still 0. */
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
  const result = new Tensor(allocate(dtype, numel(shape)), shape, dtype);
  return { x, y, inX: placesIn(x.shape, shape), inY: placesIn(y.shape, shape), result };
}

/** Makes the elements, each of the two that go with it. */
function fill({ x, y, inX, inY, result }: Operands, f: (x: number, y: number) => number): void {
  const data = result.data, p = x.data, q = y.data;
  const t = inX[0], m = inX[1], u = inY[0], n = inY[1]; // short, to be compiled with each caller
  for (let k = 0; k < data.length; k++) data[k] = f(p[t ? t[k] : k * m], q[u ? u[k] : k * n]);
}

/** Adds to the gradient of one operand, where it is wanted, what each element of dy makes. */
function give(
  { x, y, inX, inY }: Operands,
  dy: Float64Array,
  to: Float64Array | undefined,
  at: Places,
  f: (dy: number, x: number, y: number) => number,
): void {
  const p = x.data, q = y.data, table = at[0], step = at[1];
  const t = inX[0], m = inX[1], u = inY[0], n = inY[1];
  for (let k = 0; to && k < dy.length; k++) {
    to[table ? table[k] : k * step] += f(dy[k], p[t ? t[k] : k * m], q[u ? u[k] : k * n]);
  }
}

/** The result, with what made it recorded. */
function recorded(
  { x, y, result }: Operands,
  node: string,
  backward: Backward,
  keeps?: readonly MayKeep[],
): Tensor {
  const { data, dtype } = result;
  if (!isFloat(dtype)) data.forEach((value, k) => data[k] = element(value, dtype));
  return record(result, node, [x, y], backward, keeps);
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
  return recorded(pair, "AddBackward0", (dy, da, db) => {
    give(pair, dy, da, pair.inX, (d) => d);
    give(pair, dy, db, pair.inY, (d) => d);
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
  const bools = [pair.x, pair.y].filter(({ dtype }) => dtype === "bool").length;
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
  return recorded(pair, node, (dy, da, db) => {
    give(pair, dy, da, pair.inX, (d) => d);
    give(pair, dy, db, pair.inY, (d) => -d);
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
  const { x, y } = pair;
  return recorded(pair, "MulBackward0", (dy, da, db) => {
    give(pair, dy, da, pair.inX, (d, _, y) => d * y);
    give(pair, dy, db, pair.inY, (d, x) => d * x);
  }, [x.requiresGrad && y, y.requiresGrad && x]);
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
  const { x, y } = pair;
  return recorded(pair, "DivBackward0", (dy, da, db) => {
    give(pair, dy, da, pair.inX, (d, _, y) => d / y);
    give(pair, dy, db, pair.inY, (d, x, y) => -d * x / (y * y));
  }, [y, y.requiresGrad && x]);
}
