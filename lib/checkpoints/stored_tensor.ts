/** A tensor as it stands in a file. */

import {
  bool,
  bytes as bytesKind,
  type Call,
  check,
  checkCount,
  int,
  ints,
  type Options,
  text,
} from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { anyDType, convert, numel } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { hostIsLittle, stored, type StoredDType, widenBFloat16, widenFloat16 } from "./dtype.ts";
import { CheckpointError } from "./error.ts";

/**
 * Elements of a stored tensor, as near to their type as JavaScript has.
 * @category Checkpoints
 */
export type StoredValues =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/**
 * Where in its storage a tensor's elements lie; left out, they fill it row-major.
 * @category Checkpoints
 */
export interface StoredLayout {
  /** The byte that the tensor begins with. @default 0 */
  readonly byteOffset?: number;
  /** How many elements apart neighbours along each dimension lie. */
  readonly strides?: readonly number[];
  /** Whether the low byte of each number comes first. @default true */
  readonly littleEndian?: boolean;
}

/**
 * What becomes of half precision.
 * @category Checkpoints
 */
export interface WidenOptions {
  /** Whether float16 and bfloat16 become float32; they are refused otherwise. @default false */
  readonly widen?: boolean;
}

export const widenOptions: Options<WidenOptions> = { widen: bool };

const storedTensorCall: Call = [
  "StoredTensor",
  {
    dtype: {
      word: "name of a dtype",
      is: (value) => text.is(value) && Object.hasOwn(stored, value as string),
    },
    shape: ints,
    storage: bytesKind,
  },
  { byteOffset: int, strides: ints, littleEndian: bool } satisfies Options<StoredLayout>,
];
const fromCall: Call = ["StoredTensor.from", { tensor: aTensor }];
const toTensorCall: Call = ["StoredTensor.toTensor", {}, widenOptions];

/**
 * A tensor as it stands in a file: a dtype, a shape, and the file's own bytes, not copied. It
 * becomes a {@linkcode Tensor} on demand; where the bytes already are one, without a copy.
 *
 * @example
 * ```ts
 * import { StoredTensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const half = new StoredTensor("bfloat16", [2], new Uint8Array([0x80, 0x3f, 0x00, 0xc0]));
 * assertThrows(() => half.toTensor(), Error, "bfloat16");
 * assertEquals(half.toTensor({ widen: true }).tolist(), [1, -2]);
 * ```
 * @category Checkpoints
 */
export class StoredTensor {
  /** The type of the elements, by PyTorch's name. */
  readonly dtype: StoredDType;
  /** The extent of each dimension; `[]` for a single number. */
  readonly shape: readonly number[];
  readonly #storage: Uint8Array;
  readonly #start: number; // in bytes
  readonly #strides: readonly number[] | null;
  readonly #littleEndian: boolean;

  /**
   * Wraps bytes as a tensor.
   *
   * @param dtype the type of the elements
   * @param shape the extent of each dimension
   * @param storage the bytes; kept, not copied
   * @param layout where in them the elements lie
   * @throws {RuntimeError} if the storage does not hold all elements
   */
  constructor(
    dtype: StoredDType,
    shape: readonly number[],
    storage: Uint8Array,
    layout: StoredLayout = {},
  ) {
    check(storedTensorCall, arguments);
    const { byteOffset = 0, strides, littleEndian = true } = layout;
    this.dtype = dtype;
    this.shape = shape;
    this.#storage = storage;
    this.#strides = strides && !isRowMajor(shape, strides) ? strides : null;
    this.#littleEndian = littleEndian;
    const { bits } = stored[dtype];
    const count = numel(shape);
    this.#start = count === 0 ? 0 : byteOffset; // a tensor of nothing may begin anywhere
    const reach = count === 0 || !this.#strides
      ? count
      : 1 + this.#strides.reduce((sum, stride, k) => sum + stride * (shape[k] - 1), 0);
    const end = 8 * this.#start + reach * bits;
    if (!(end <= storage.length * 8) || (this.#strides !== null && bits < 8)) {
      throw new RuntimeError(
        `a ${dtype} tensor of shape [${shape.join(", ")}] reaches beyond the ${storage.length} ` +
          "bytes of its storage",
      );
    }
  }

  /**
   * Wraps a tensor's data as it would stand in a file, without a copy; int64 and bool are copied.
   *
   * @param tensor the tensor
   * @returns it, as stored
   */
  static from(tensor: Tensor): StoredTensor {
    check(fromCall, arguments);
    const { dtype, shape, data } = tensor;
    const { buffer, byteOffset, byteLength } = dtype === "int64"
      ? BigInt64Array.from(data, BigInt)
      : dtype === "bool"
      ? Uint8Array.from(data)
      : data;
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    return new StoredTensor(dtype, shape, bytes, { littleEndian: hostIsLittle });
  }

  /** The number of elements. */
  get numel(): number {
    return numel(this.shape);
  }

  /** The number of bytes that the elements take, row-major. */
  get byteLength(): number {
    return (this.numel * stored[this.dtype].bits) / 8;
  }

  /** Whether {@linkcode StoredTensor.bytes} hands out the file's own bytes rather than a copy. */
  get isView(): boolean {
    return this.#strides === null && (this.#littleEndian || stored[this.dtype].swap === 1);
  }

  /**
   * The elements' bytes, row-major, the low byte of each number first: what safetensors writes.
   *
   * @returns the file's own bytes where they lie so, otherwise a copy
   */
  bytes(): Uint8Array {
    checkCount("StoredTensor.bytes", 0, arguments);
    if (this.isView) {
      return this.#storage.subarray(this.#start, this.#start + this.byteLength);
    }
    return this.#gather(true);
  }

  /**
   * The tensor, to compute with.
   *
   * @param options whether half precision is to be widened
   * @returns a tensor of float32, float64, int64 or bool; one of floats on the file's own bytes where
   * they lie row-major, aligned and in this machine's byte order, otherwise on a copy
   * @throws {CheckpointError} if its dtype is another
   * @throws {ValueError} if an int64 is beyond 2^53
   */
  toTensor(options: WidenOptions = {}): Tensor {
    check(toTensorCall, arguments);
    const { dtype } = this;
    const half = dtype === "float16" || dtype === "bfloat16";
    if (dtype === "int64" || dtype === "bool") {
      const values = this.values() as BigInt64Array | Uint8Array;
      return new Tensor(convert(values, dtype), this.shape, dtype);
    }
    if (dtype !== "float32" && dtype !== "float64" && !(half && options.widen)) {
      const advice = half ? "; { widen: true } makes it float32" : "";
      throw new CheckpointError(`dtype ${dtype} is none of ${anyDType.word}${advice}`);
    }
    const shared = half && this.#strides === null && this.#littleEndian === hostIsLittle
      ? widened.get(this.#storage)
      : undefined;
    if (!shared) return new Tensor(this.values() as Float32Array | Float64Array, this.shape);
    if (!shared[dtype]) {
      const { buffer, byteOffset, length } = this.#storage;
      shared[dtype] = arrays[dtype]!(
        buffer as ArrayBuffer,
        byteOffset,
        length >> 1,
      ) as Float32Array;
    }
    const from = this.#start / 2;
    return new Tensor(shared[dtype].subarray(from, from + this.numel), this.shape);
  }

  /**
   * The elements, row-major, as numbers: `bool` as 0 and 1, 64-bit integers as bigints, half
   * precision as float32.
   *
   * @returns a typed array
   * @throws {CheckpointError} if JavaScript has no numbers of this dtype
   */
  values(): StoredValues {
    checkCount("StoredTensor.values", 0, arguments);
    const make = arrays[this.dtype];
    if (!make) throw new CheckpointError(`dtype ${this.dtype} has no numbers in JavaScript`);
    const size = stored[this.dtype].bits / 8;
    let bytes = this.#littleEndian === hostIsLittle && this.#strides === null
      ? this.#storage.subarray(this.#start, this.#start + this.byteLength)
      : this.#gather(hostIsLittle);
    if (bytes.byteOffset % size !== 0) bytes = new Uint8Array(bytes); // a Buffer's slice is no copy
    if (this.dtype === "bool" && bytes.some((byte) => byte > 1)) {
      return bytes.map((byte) => byte ? 1 : 0); // to PyTorch, all but 0 is true
    }
    return make(bytes.buffer as ArrayBuffer, bytes.byteOffset, this.numel);
  }

  /** Copies the elements, row-major, in the byte order wanted. */
  #gather(little: boolean): Uint8Array {
    const { bits, swap } = stored[this.dtype];
    const [size, turn] = [bits / 8, little !== this.#littleEndian];
    const result = new Uint8Array(this.byteLength);
    const strides = this.#strides ?? rowMajor(this.shape);
    const index = this.shape.map(() => 0);
    let from = this.#start;
    for (let to = 0; to < result.length; to += size) {
      for (let part = 0; part < size; part += swap) {
        for (let k = 0; k < swap; k++) {
          result[to + part + k] = this.#storage[from + part + (turn ? swap - 1 - k : k)];
        }
      }
      for (let dim = index.length - 1; dim >= 0; dim--) {
        from += strides[dim] * size;
        if (++index[dim] < this.shape[dim]) break;
        from -= strides[dim] * size * this.shape[dim];
        index[dim] = 0;
      }
    }
    return result;
  }
}

/** Storages that several tensors may share, and what became of them when they were widened. */
const widened = new WeakMap<Uint8Array, Partial<Record<StoredDType, Float32Array>>>();

/**
 * Lets the tensors of a storage share what it becomes when it is widened, as they share the storage.
 *
 * @param storage the storage, its bytes aligned to its elements
 */
export function shareWidened(storage: Uint8Array): void {
  widened.set(storage, {});
}

type Make = (buffer: ArrayBuffer, start: number, length: number) => StoredValues;

const arrays: Partial<Record<StoredDType, Make>> = {
  bool: (...place) => new Uint8Array(...place),
  uint8: (...place) => new Uint8Array(...place),
  int8: (...place) => new Int8Array(...place),
  int16: (...place) => new Int16Array(...place),
  uint16: (...place) => new Uint16Array(...place),
  int32: (...place) => new Int32Array(...place),
  uint32: (...place) => new Uint32Array(...place),
  int64: (...place) => new BigInt64Array(...place),
  uint64: (...place) => new BigUint64Array(...place),
  float32: (...place) => new Float32Array(...place),
  float64: (...place) => new Float64Array(...place),
  float16: (...place) => widenFloat16(new Uint16Array(...place)),
  bfloat16: (...place) => widenBFloat16(new Uint16Array(...place)),
};

/** How far apart neighbours lie where the last dimension varies fastest. */
function rowMajor(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (let dim = shape.length - 1; dim >= 0; dim--) {
    strides[dim] = step;
    step *= shape[dim];
  }
  return strides;
}

/** Strides of dimensions of extent 1 do not matter, nor any where there is no element. */
function isRowMajor(shape: readonly number[], strides: readonly number[]): boolean {
  const plain = rowMajor(shape);
  return shape.includes(0) ||
    shape.every((extent, dim) => extent === 1 || strides[dim] === plain[dim]);
}
