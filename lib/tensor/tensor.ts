/**
 * The value that flows: numbers, their shape, and what made them. A tensor knows no operation;
 * operations are functions, named as in `torch.*`.
 */

import { check, checkCount, int, ints, type Kind } from "../call.ts";
import { IndexError, RuntimeError, ValueError } from "../errors.ts";
import { pythonType } from "../python.ts";
import {
  anyDType,
  type DType,
  element,
  type FloatArray,
  isFloat,
  listed,
  sameShape,
  type Values,
  words,
} from "./dtype.ts";
import { wrapDim } from "./blocks.ts";
import { formatSize, formatTensor } from "./format.ts";

/**
 * Adds an operation's share to the gradient of each of its inputs: `grad` is the gradient of the
 * output; then follows one accumulator for each input, `undefined` where that input needs none.
 * All are flat and row-major, in float64 whatever the dtype of the tensors.
 * @category Tensors
 */
export type Backward = (grad: Float64Array, ...inputs: (Float64Array | undefined)[]) => void;

/**
 * A tensor that a node of the graph keeps from the forward pass.
 * @category Tensors
 */
export interface SavedTensor {
  /** The tensor. */
  readonly tensor: Tensor;
  /** The shape in which PyTorch keeps it; another one than its own is that of a view. */
  readonly shape: readonly number[];
  /** {@linkcode Tensor.version} when it was kept. */
  readonly version: number;
}

/**
 * The gradient of each input, from that of the output, as arrays that whoever made them gives away;
 * `undefined` for an input of which none is `wanted`.
 * @category Tensors
 */
export type Flow = (
  grad: FloatArray,
  wanted: readonly boolean[],
) => readonly (FloatArray | null | undefined)[];

/**
 * What made a tensor: one node of the graph that gradients flow back through.
 * @category Tensors
 */
export interface GradFn {
  /** PyTorch's name of the node, such as `TanhBackward0`. */
  readonly name: string;
  /** When it was recorded, counted up from 0: an input's node always comes before its user's. */
  readonly order: number;
  /** The tensors that the operation read; none once a backward pass has freed the node. */
  inputs: readonly Tensor[];
  /**
   * The tensors that the node keeps for its backward, which one backward pass uses up; or a function
   * that a backward pass calls to list them.
   */
  saved: readonly SavedTensor[] | (() => readonly SavedTensor[]);
  /** How the gradient flows back; `null` once a backward pass has freed it. */
  backward: Backward | null;
  /** Where it is set, it is called instead of `backward`, and returns the finished gradients. */
  flow?: Flow | null;
  /** Called when a backward pass has freed the node. */
  release?: (() => void) | null;
}

/** Counts that a tensor's values were changed in place (GRAD-6). */
export let countChange: (x: Tensor) => void;
/** How many changes were counted. */
export let versionOf: (x: Tensor) => number;
/** Makes two tensors that share values share one counter of changes. */
export let shareVersion: (x: Tensor, of: Tensor) => void;
/** Whether two tensors count changes together. */
export let sharesVersion: (x: Tensor, y: Tensor) => boolean;
/** Gives a tensor other storage, perhaps of another dtype, of as many elements; not counted. */
export let replaceData: (x: Tensor, data: FloatArray) => void;

/**
 * The nesting that {@linkcode Tensor.tolist} returns: a number, or lists of it.
 * @category Tensors
 */
export type NestedNumbers = number | NestedNumbers[];

/**
 * The same of numbers or truth values.
 * @category Tensors
 */
export type Nested = number | boolean | readonly Nested[];

/**
 * The extent of each dimension, printed as PyTorch prints it: `torch.Size([1, 10, 1])`.
 * @category Tensors
 */
export class Size extends Array<number> {
  /** Methods such as `map` give plain arrays. */
  static override get [Symbol.species](): ArrayConstructor {
    return Array;
  }

  /** Returns PyTorch's text of the size. */
  override toString(): string {
    return formatSize(this);
  }
}

/**
 * A dense array of numbers: contiguous, row-major, of a fixed shape; float32 or float64 to compute
 * with, int64 and bool for indices, targets and masks (TENSOR-7).
 *
 * Make one with `tensor`, `zeros`, `ones`, `full` or `linspace`; the constructor wraps
 * storage as it is, without a copy. `String(x)` is what `print(x)` shows in PyTorch.
 *
 * @example
 * ```ts
 * import { Tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = new Tensor(new Float32Array([1, 2, 3, 4, 5, 6]), [2, 3]);
 * assertEquals(x.dtype, "float32");
 * assertEquals(String(x.size()), "torch.Size([2, 3])");
 * assertEquals(x.tolist(), [[1, 2, 3], [4, 5, 6]]);
 * ```
 * @category Tensors
 */
export class Tensor implements Values {
  /** The elements, row-major. */
  readonly data: FloatArray;
  /** The extent of each dimension; `[]` for a single number. */
  readonly shape: readonly number[];
  /** What made this tensor, where gradients are recorded; `null` for a leaf. */
  gradFn: GradFn | null = null;
  #grad: Tensor | null = null;
  #requiresGrad = false;
  readonly #whole: "int64" | "bool" | null = null;
  #changes: { count: number } | null = null;

  static {
    const changesOf = (x: Tensor) => x.#changes ??= { count: 0 };
    countChange = (x) => changesOf(x).count++;
    versionOf = (x) => x.#changes?.count ?? 0;
    shareVersion = (x, of) => x.#changes = changesOf(of);
    sharesVersion = (x, y) => x.#changes !== null && x.#changes === y.#changes;
    replaceData = (x, data) => (x as { data: FloatArray }).data = data;
  }

  /**
   * Wraps storage as a tensor.
   *
   * @param data the elements, row-major; kept, not copied
   * @param shape the extent of each dimension
   * @param dtype int64 or bool, where a `Float64Array` holds these; what it holds otherwise follows
   * from it
   * @throws {RuntimeError} if the shape does not hold exactly the elements given, or the storage is
   * that of another dtype
   * @throws {ValueError} if int64 is to be what is no whole number up to 2^53
   */
  constructor(data: FloatArray, shape: readonly number[], dtype?: DType);
  constructor(data: FloatArray, shape: readonly number[], dtype?: DType, surplus?: unknown) {
    // Tensors are made often, and `arguments` would have to be made, too.
    const known = dtype === undefined || anyDType.is(dtype);
    if (surplus !== undefined || !known || !floats.is(data) || !Array.isArray(shape)) {
      check(
        ["Tensor", { data: floats, shape: ints, "dtype?": anyDType }],
        [data, shape, dtype, surplus],
      );
    }
    let elements = 1;
    for (let k = 0; k < shape.length; k++) { // tensors are made often: no iterator, no closure
      const extent = shape[k];
      elements = Number.isInteger(extent) && extent >= 0 ? elements * extent : NaN;
    }
    if (elements !== data.length) {
      throw new RuntimeError(
        `shape '${listed(shape)}' is invalid for input of size ${data.length}`,
      );
    }
    if (dtype !== undefined) {
      if ((dtype === "float32") !== (data instanceof Float32Array)) {
        throw new RuntimeError(`${data.constructor.name} is no storage for ${dtype}`);
      }
      if (!isFloat(dtype)) {
        this.#whole = dtype;
        for (let i = 0; i < data.length; i++) {
          if (element(data[i], dtype) !== data[i]) {
            throw new ValueError(`${data[i]} is no element of ${dtype}`);
          }
        }
      }
    }
    this.data = data;
    this.shape = Object.isFrozen(shape) ? shape : Object.freeze([...shape]);
  }

  /** The type of the elements. */
  get dtype(): DType {
    return this.#whole ?? (this.data instanceof Float32Array ? "float32" : "float64");
  }

  /** The gradient that `backward` has accumulated here; `null` before. */
  get grad(): Tensor | null {
    return this.#grad;
  }

  /**
   * Setting it to something else than a tensor of this shape and dtype, or `null`, throws PyTorch's
   * `RuntimeError` or `TypeError`.
   */
  set grad(value: Tensor | null) {
    if (value !== null) checkGrad(this, value);
    this.#grad = value;
  }

  /** Whether gradients are to flow back to this tensor. */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this.gradFn !== null;
  }

  /** Setting it on a tensor that an operation made throws PyTorch's `RuntimeError`. */
  set requiresGrad(value: boolean) {
    if (typeof value !== "boolean") throw new RuntimeError("requires_grad must be a bool");
    if (this.gradFn !== null) {
      throw new RuntimeError(
        "you can only change requires_grad flags of leaf variables." +
          (value ? "" : " If you want " +
            "to use a computed variable in a subgraph that doesn't require differentiation use " +
            "var_no_grad = var.detach()."),
      );
    }
    if (value && !isFloat(this.dtype)) throw new RuntimeError(`only ${noGradients}`);
    this.#requiresGrad = value;
  }

  /** Whether this tensor was given rather than made by a recorded operation. */
  get isLeaf(): boolean {
    return this.gradFn === null;
  }

  /** Returns the number of dimensions. */
  dim(): number;
  dim(surplus?: unknown): number {
    if (surplus !== undefined) checkCount("Tensor.dim", 0, [surplus]);
    return this.shape.length;
  }

  /** Returns the number of elements. */
  numel(): number;
  numel(surplus?: unknown): number {
    if (surplus !== undefined) checkCount("Tensor.numel", 0, [surplus]);
    return this.data.length;
  }

  /**
   * Returns how often the values have been changed in place (`torch.Tensor._version`, GRAD-6), by
   * an optimiser, by `loadStateDict` and the like. Plain writes into `data` are not counted.
   */
  version(): number {
    checkCount("Tensor.version", 0, arguments);
    return versionOf(this);
  }

  /** Returns the shape, which prints as PyTorch's `torch.Size`. */
  size(): Size;
  /**
   * Returns the extent of one dimension.
   *
   * @param dim the dimension; negative ones count from the last
   * @throws {IndexError} if there is no such dimension
   */
  size(dim: number): number;
  size(dim?: number): Size | number {
    if (arguments.length !== 1 || !int.is(dim)) check(["Tensor.size", { "dim?": int }], arguments);
    if (dim === undefined) return Size.from(this.shape);
    if (this.shape.length === 0) {
      throw new IndexError(`Dimension specified as ${dim} but tensor has no dimensions`);
    }
    return this.shape[wrapDim(dim, this.dim())];
  }

  /**
   * Returns the only element as a number; one of bool as a truth value: `mask.item<boolean>()`.
   *
   * @throws {RuntimeError} if there is not exactly one
   */
  item<T extends number | boolean = number>(): T {
    checkCount("Tensor.item", 0, arguments);
    if (this.data.length !== 1) {
      throw new RuntimeError(
        `a Tensor with ${this.data.length} elements cannot be converted to Scalar`,
      );
    }
    return (this.#whole === "bool" ? this.data[0] === 1 : this.data[0]) as T;
  }

  /**
   * Returns the elements as nested arrays, or as a number where there is no dimension; those of bool
   * as truth values. Whoever knows the rank says the type: `x.tolist<number[][]>()`.
   */
  tolist<T extends Nested = NestedNumbers>(): T {
    checkCount("Tensor.tolist", 0, arguments);
    let offset = 0;
    const nest = (dim: number): Nested => {
      if (dim < this.shape.length) {
        return Array.from({ length: this.shape[dim] }, () => nest(dim + 1));
      }
      const x = this.data[offset++];
      return this.#whole === "bool" ? x === 1 : x;
    };
    return nest(0) as T;
  }

  /** Returns the text that PyTorch prints for this tensor under default options. */
  toString(): string {
    return formatTensor(this, { requiresGrad: this.requiresGrad, gradFn: this.gradFn?.name });
  }

  /** Lets `console.log` show what PyTorch would print, in Deno and in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

const floats: Kind = {
  word: "Float32Array or Float64Array",
  is: (value) => value instanceof Float32Array || value instanceof Float64Array,
};

const noGradients = "Tensors of floating point and complex dtype can require gradients";

/** Makes a new tensor require a gradient, which one of int64 or bool cannot, in PyTorch's words. */
export function wantGradient(x: Tensor): void {
  if (!isFloat(x.dtype)) throw new RuntimeError(`Only ${noGradients}`);
  x.requiresGrad = true;
}

/** A tensor, as an argument. */
export const aTensor: Kind = { word: "Tensor", is: (value) => value instanceof Tensor };

/** A tensor, or `null` for none. */
export const tensorOrNone: Kind = {
  word: "Tensor",
  is: (value) => value === null || value instanceof Tensor,
};

/** A list of tensors; the function looks at what it holds. */
export const tensorList: Kind = { word: "tuple of Tensors", is: Array.isArray };

/** Refuses what cannot be the gradient of a tensor, in PyTorch's words. */
function checkGrad(x: Tensor, grad: unknown): void {
  if (!(grad instanceof Tensor)) {
    throw new TypeError(
      `assigned grad expected to be a Tensor or None but got grad of type ${pythonType(grad)}`,
    );
  }
  if (grad === x) throw new RuntimeError("can't assign Variable as its own grad");
  if (grad.dtype !== x.dtype) {
    const [given, wanted] = [words[grad.dtype][1], words[x.dtype][0]];
    throw new RuntimeError(
      `attempting to assign a gradient with dtype '${given}' to a tensor with grad_dtype ` +
        `'${wanted}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's ` +
        "dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to " +
        "allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its " +
        "gradient may break downstream systems that assume they match.",
    );
  }
  if (!sameShape(grad.shape, x.shape)) {
    throw new RuntimeError(
      `attempting to assign a gradient of size '${listed(grad.shape)}' to a tensor of size ` +
        `'${listed(x.shape)}'. Please ensure that the gradient and the tensor are the same size`,
    );
  }
}

/** Refuses a list with something in it that is no tensor, in PyTorch's words. */
export function checkTensors(list: readonly unknown[]): void {
  const other = list.findIndex((item) => !(item instanceof Tensor));
  if (other < 0) return;
  throw new TypeError(
    `expected Tensor as element ${other} in argument 0, but got ${pythonType(list[other])}`,
  );
}

/**
 * Tensors by name, in the order of the module's parameters; names are PyTorch's.
 * @category Tensors
 */
export type StateDict = Record<string, Tensor>;
