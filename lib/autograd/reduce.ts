/** Operations that make one number of many: of all elements, or of those along some dimensions. */

import { bool, check, int, type Kind, type Options } from "../call.ts";
import { IndexError, NotImplementedError, RuntimeError } from "../errors.ts";
import { blocksOf, placeIn, type Places, placesIn, wrapDim, wrapDims } from "../tensor/blocks.ts";
import { allocate, checkFloat, isFloat, numel, whole, words } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { record } from "./graph.ts";

/**
 * How dimensions are to be reduced.
 * @category Operations
 */
export interface ReduceOptions {
  /** Whether a reduced dimension stays, with extent 1. @default false */
  readonly keepdim?: boolean;
}

const keepdim: Options<ReduceOptions> = { keepdim: bool };

/** One dimension, or several. */
const dims: Kind = { word: "tuple of ints", is: (value) => int.is(value) || Array.isArray(value) };

/** The elements that become one. */
interface Groups {
  /** Which number of the result each element goes to. */
  readonly places: Places;
  readonly shape: readonly number[];
  /** How many numbers the result has. */
  readonly size: number;
  /** How many elements become each. */
  readonly count: number;
}

function groupsOf(
  { shape }: Tensor,
  dim: number | readonly number[] | undefined,
  options: ReduceOptions = {},
): Groups {
  const given = [dim ?? []].flat();
  const reduced = wrapDims(given.length ? given : [...shape.keys()], shape.length);
  const kept = shape.map((extent, k) => reduced.includes(k) ? 1 : extent);
  return {
    places: placesIn(kept, shape),
    shape: options.keepdim ? kept : shape.filter((_, k) => !reduced.includes(k)),
    size: numel(kept),
    count: numel(reduced.map((k) => shape[k] ?? 1)),
  };
}

/** The sum of each group, divided where it is a mean. */
function total(
  name: "Sum" | "Mean",
  x: Tensor,
  dim: number | readonly number[] | undefined,
  options: ReduceOptions,
): Tensor {
  const { places: [table, step], shape, size, count } = groupsOf(x, dim, options);
  const dtype = x.dtype === "bool" ? "int64" : x.dtype;
  const by = name === "Sum" ? 1 : count;
  const sums = new Float64Array(size);
  const { data: given } = x;
  let all = 0;
  if (step === 0 && dtype !== "int64") {
    for (let k = 0; k < given.length; k++) all += given[k];
    sums[0] = all;
  } else {
    for (let k = 0; k < given.length; k++) {
      const sum = sums[table ? table[k] : k * step] += given[k];
      if (dtype === "int64") whole(sum); // what is lost on the way does not come back
    }
  }
  const data = allocate(dtype, size);
  for (let g = 0; g < size; g++) data[g] = sums[g] / by;
  const node = `${name}Backward${dim === undefined ? 0 : 1}`;
  return record(new Tensor(data, shape, dtype), node, [x], (dy, dx) => {
    for (let k = 0; k < dx!.length; k++) dx![k] += dy[table ? table[k] : k * step] / by;
  });
}

/**
 * The sum of all elements, or of those along dimensions (`torch.sum`).
 *
 * @param x any shape
 * @param dim the dimension to sum over, or several; by default all
 * @param options whether a summed dimension stays, with extent 1
 * @returns a tensor without these dimensions; int64 where `x` is int64 or bool
 * @throws {IndexError} if there is no such dimension
 * @throws {RuntimeError} if one is named twice
 *
 * @example
 * ```ts
 * import { sum, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assertEquals(sum(x).item(), 10);
 * assertEquals(sum(x, 1, { keepdim: true }).tolist(), [[3], [7]]);
 * ```
 * @category Operations
 */
export function sum(
  x: Tensor,
  dim?: number | readonly number[],
  options: ReduceOptions = {},
): Tensor {
  check(["sum", { input: aTensor, "dim?": dims }, keepdim], arguments);
  return total("Sum", x, dim, options);
}

/**
 * The mean of all elements, or of those along dimensions (`torch.mean`); NaN where there are none.
 *
 * @param x any shape
 * @param dim the dimension to take the mean over, or several; by default all
 * @param options whether such a dimension stays, with extent 1
 * @returns a tensor without these dimensions
 * @throws {IndexError} if there is no such dimension
 * @throws {RuntimeError} if one is named twice
 * @throws {NotImplementedError} if `x` is int64 or bool
 *
 * @example
 * ```ts
 * import { mean, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assertEquals(mean(x).item(), 2.5);
 * assertEquals(mean(x, 0).tolist(), [2, 3]);
 * ```
 * @category Operations
 */
export function mean(
  x: Tensor,
  dim?: number | readonly number[],
  options: ReduceOptions = {},
): Tensor {
  check(["mean", { input: aTensor, "dim?": dims }, keepdim], arguments);
  if (!isFloat(x.dtype)) {
    throw new NotImplementedError(
      "mean(): could not infer output dtype. Input dtype must be either a floating point or " +
        `complex dtype. Got: ${words[x.dtype][0]}`,
    );
  }
  return total("Mean", x, dim, options);
}

/**
 * Where in `x` the largest element of each group stands, the first of them or the first NaN; and that
 * as PyTorch's indices, which along a dimension count its slices.
 */
function largest(
  name: string,
  x: Tensor,
  dim: number | undefined,
  options: ReduceOptions,
): [at: Float64Array, indices: Tensor] {
  const { places, shape, size, count } = groupsOf(x, dim, options);
  if (count === 0) {
    const expected = `${name}(): Expected reduction dim`;
    if (dim !== undefined) {
      throw new IndexError(`${expected} ${wrapDim(dim, x.dim())} to have non-zero size.`);
    }
    const message = `${expected} to be specified for input.numel() == 0.`;
    throw name === "max"
      ? new RuntimeError(`${message} Specify the reduction dim with the 'dim' argument.`)
      : new IndexError(message);
  }
  const at = new Float64Array(size).fill(-1);
  x.data.forEach((value, k) => {
    const g = placeIn(places, k);
    const best = x.data[at[g]];
    if (at[g] < 0 || value > best || (value !== value && best === best)) at[g] = k;
  });
  if (dim === undefined) return [at, new Tensor(at, shape, "int64")];
  const [, extent, inner] = blocksOf(x.shape, wrapDim(dim, x.dim()));
  return [at, new Tensor(at.map((k) => Math.floor(k / inner) % extent), shape, "int64")];
}

/**
 * The largest of all elements (`torch.max`); NaN where there is one. Its gradient is shared by all
 * that are as large.
 *
 * @param x any shape
 * @returns a tensor of one number and no dimension
 * @throws {RuntimeError} if there is no element
 *
 * @example
 * ```ts
 * import { max, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([[1, 5], [7, 2]]);
 * assertEquals(max(x).item(), 7);
 * const [values, indices] = max(x, 1);
 * assertEquals([values.tolist(), indices.tolist()], [[5, 7], [1, 0]]);
 * ```
 * @category Operations
 */
export function max(x: Tensor): Tensor;
/**
 * The largest along a dimension, and where it stands: the first, where several are as large, and the
 * first NaN, where there is one.
 *
 * @param x any shape
 * @param options whether the dimension stays, with extent 1
 * @returns the values, and the indices as int64
 * @throws {IndexError} if there is no such dimension, or nothing along it
 */
export function max(x: Tensor, dim: number, options?: ReduceOptions): [Tensor, Tensor];
export function max(
  x: Tensor,
  dim?: number,
  options: ReduceOptions = {},
): Tensor | [Tensor, Tensor] {
  check(["max", { input: aTensor, "dim?": int }, keepdim], arguments);
  const [at, indices] = largest("max", x, dim, options);
  const data = allocate(x.dtype, at.length);
  at.forEach((k, g) => data[g] = x.data[k]);
  const values = new Tensor(data, indices.shape, x.dtype);
  if (dim === undefined) {
    const same = (value: number) => value === data[0] || value !== value; // NaN is the largest
    return record(values, "MaxBackward1", [x], ([dy], dx) => {
      const share = dy / x.data.filter(same).length;
      for (let k = 0; k < dx!.length; k++) if (same(x.data[k])) dx![k] += share;
    }, [x, values]);
  }
  const backward = (dy: Float64Array, dx?: Float64Array) => at.forEach((k, g) => dx![k] += dy[g]);
  return [record(values, "MaxBackward0", [x], backward, [indices]), indices];
}

/**
 * Where the largest element stands (`torch.argmax`), as {@linkcode max} finds it: in all of `x`,
 * counted row by row, or along a dimension.
 *
 * @param x any shape
 * @param dim the dimension; by default all of `x`
 * @param options whether a dimension stays, with extent 1
 * @returns an int64 tensor
 * @throws {IndexError} if there is no such dimension, or no element
 *
 * @example
 * ```ts
 * import { argmax, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const logits = tensor([[0.5, 2, 1], [3, -1, 0]]);
 * assertEquals(argmax(logits, -1).tolist(), [1, 0]);
 * ```
 * @category Operations
 */
export function argmax(x: Tensor, dim?: number, options: ReduceOptions = {}): Tensor {
  check(["argmax", { input: aTensor, "dim?": int }, keepdim], arguments);
  if (x.dtype === "bool") throw new NotImplementedError("argmax(): does not support bool input");
  return largest("argmax", x, dim, options)[1];
}

/** exp(x) as a share of its sum along a dimension, or the logarithm of that. */
function shares(log: boolean, x: Tensor, dim: number): Tensor {
  const own = wrapDim(dim, x.dim());
  const where = own === Math.max(x.dim() - 1, 0) ? "lastdim_" : "";
  checkFloat(x.dtype, `${log ? "log_" : ""}softmax_${where}kernel_impl`);
  const [, extent, inner] = blocksOf(x.shape, own);
  const values = x.data;
  const data = allocate(x.dtype, values.length);
  /** Visits the elements that belong together: the first one's place, and where they end. */
  const each = (visit: (from: number, to: number) => void) => {
    for (let start = 0; start < values.length; start += extent * inner) {
      for (let i = start; i < start + inner; i++) visit(i, start + extent * inner);
    }
  };
  each((from, to) => {
    let [most, sum] = [-Infinity, 0];
    for (let k = from; k < to; k += inner) most = Math.max(most, values[k]);
    for (let k = from; k < to; k += inner) sum += Math.exp(values[k] - most);
    const whole = Math.log(sum);
    for (let k = from; k < to; k += inner) {
      data[k] = log ? values[k] - most - whole : Math.exp(values[k] - most) / sum;
    }
  });
  const y = new Tensor(data, x.shape);
  return record(y, `${log ? "Log" : ""}SoftmaxBackward0`, [x], (dy, dx) =>
    each((from, to) => {
      let sum = 0;
      for (let k = from; k < to; k += inner) sum += log ? dy[k] : dy[k] * data[k];
      for (let k = from; k < to; k += inner) {
        dx![k] += log ? dy[k] - Math.exp(data[k]) * sum : data[k] * (dy[k] - sum);
      }
    }), [y]);
}

/**
 * The softmax along a dimension, `exp(x_k) / Σ_j exp(x_j)` (`torch.softmax`).
 *
 * @param x any shape
 * @param dim the dimension
 * @returns a tensor of the same shape, which sums to 1 along the dimension
 * @throws {IndexError} if there is no such dimension
 * @throws {NotImplementedError} if `x` is int64 or bool
 *
 * @example
 * ```ts
 * import { softmax, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(softmax(tensor([0, Math.log(3)]), 0).tolist(), [0.25, 0.75]);
 * ```
 * @category Operations
 */
export function softmax(x: Tensor, dim: number): Tensor {
  check(["softmax", { input: aTensor, dim: int }], arguments);
  return shares(false, x, dim);
}

/**
 * The logarithm of the softmax along a dimension, `x_k - ln Σ_j exp(x_j)`
 * (`torch.nn.functional.log_softmax`).
 *
 * @param x any shape
 * @param dim the dimension of the classes
 * @returns a tensor of the same shape, none above 0
 * @throws {IndexError} if there is no such dimension
 * @throws {NotImplementedError} if `x` is int64 or bool
 *
 * @example
 * ```ts
 * import { logSoftmax, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(String(logSoftmax(tensor([1, 1]), 0)), "tensor([-0.6931, -0.6931])");
 * ```
 * @category Operations
 */
export function logSoftmax(x: Tensor, dim: number): Tensor {
  check(["logSoftmax", { input: aTensor, dim: int }], arguments);
  return shares(true, x, dim);
}
