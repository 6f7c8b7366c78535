/** A tensor as it stands in a file. */

import {
  bool,
  bytes as bytesKind,
  check,
  checkCount,
  int,
  ints,
  type Options,
  text,
} from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { stridesOf } from "../tensor/blocks.ts";
import { anyDType, convert, listed, numel } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { hostIsLittle, stored, type StoredDType, widened } from "./dtype.ts";
import { fail } from "./refuse.ts";

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
  /**
   * Whether what half precision becomes when it is widened is shared with other such tensors on the
   * same storage, as they share its bytes. The storage is then aligned to its elements. @default false
   */
  readonly shared?: boolean;
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
  readonly #strides: readonly number[];
  readonly #rowMajor: boolean;
  readonly #littleEndian: boolean;
  readonly #shared: boolean;

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
    check([
      "StoredTensor",
      {
        dtype: {
          word: "name of a dtype",
          is: (value) => text.is(value) && Object.hasOwn(stored, value as string),
        },
        shape: ints,
        storage: bytesKind,
      },
      { byteOffset: int, strides: ints, littleEndian: bool, shared: bool } satisfies Options<
        StoredLayout
      >,
    ], arguments);
    const plain = stridesOf(shape);
    const { byteOffset = 0, strides = plain, littleEndian = true, shared = false } = layout;
    const { bits } = stored[dtype];
    const empty = numel(shape) === 0;
    this.dtype = dtype;
    this.shape = shape;
    this.#storage = storage;
    this.#start = empty ? 0 : byteOffset; // a tensor of nothing may begin anywhere
    this.#strides = strides;
    this.#rowMajor = empty || shape.every((extent, k) => extent === 1 || strides[k] === plain[k]);
    this.#littleEndian = littleEndian;
    this.#shared = shared;
    const last = strides.reduce((sum, stride, k) => sum + stride * (shape[k] - 1), 0);
    const end = 8 * this.#start + (empty ? 0 : last + 1) * bits;
    if (
      !(end <= storage.length * 8) || (!this.#rowMajor && bits < 8) ||
      strides.length !== shape.length || ![this.#start, ...strides].every((x) => x >= 0)
    ) {
      throw new RuntimeError(
        `a ${dtype} tensor of shape ${listed(shape)} reaches beyond the ${storage.length} bytes ` +
          "of its storage",
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
    check(["StoredTensor.from", { tensor: aTensor }], arguments);
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
    return this.#lies(true);
  }

  /**
   * The elements' bytes, row-major, the low byte of each number first: what safetensors writes.
   *
   * @returns the file's own bytes where they lie so, otherwise a copy
   */
  bytes(): Uint8Array {
    checkCount("StoredTensor.bytes", 0, arguments);
    return this.#inOrder(true);
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
    check(["StoredTensor.toTensor", {}, widenOptions], arguments);
    const { dtype } = this;
    const half = dtype === "float16" || dtype === "bfloat16";
    if (dtype === "int64" || dtype === "bool") {
      const values = this.values() as BigInt64Array | Uint8Array;
      return new Tensor(convert(values, dtype), this.shape, dtype);
    }
    if (dtype !== "float32" && dtype !== "float64" && !(half && options.widen)) {
      const advice = half ? "; { widen: true } makes it float32" : "";
      fail(`dtype ${dtype} is none of ${anyDType.word}${advice}`);
    }
    if (!half || !this.#shared || !this.#lies(hostIsLittle)) {
      return new Tensor(this.values() as Float32Array | Float64Array, this.shape);
    }
    const shared = widenedStorages.get(this.#storage) ?? {};
    widenedStorages.set(this.#storage, shared);
    const all = shared[dtype] ??= numbers(dtype, this.#storage) as Float32Array;
    const from = this.#start / 2;
    return new Tensor(all.subarray(from, from + this.numel), this.shape);
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
    const values = numbers(this.dtype, this.#inOrder(hostIsLittle));
    if (this.dtype !== "bool" || !(values as Uint8Array).some((byte) => byte > 1)) return values;
    return (values as Uint8Array).map((byte) => byte && 1); // to PyTorch, all but 0 is true
  }

  /** Whether the file's own bytes are the elements, row-major, in a byte order. */
  #lies(little: boolean): boolean {
    return this.#rowMajor && (this.#littleEndian === little || stored[this.dtype].swap === 1);
  }

  /** The elements' bytes, row-major, in a byte order: the file's own where they lie so, or a copy. */
  #inOrder(little: boolean): Uint8Array {
    const { bits, swap } = stored[this.dtype];
    const size = bits / 8;
    const [start, length] = [this.#start, this.byteLength];
    if (this.#lies(little)) return this.#storage.subarray(start, start + length);
    const result = new Uint8Array(length);
    const turn = this.#littleEndian === little ? 0 : swap - 1; // byte k of a number is its k ^ turn
    let to = 0;
    const copy = (dim: number, from: number): void => {
      if (dim === this.shape.length) {
        for (let k = 0; k < size; k++) result[to++] = this.#storage[from + (k ^ turn)];
        return;
      }
      const step = this.#strides[dim] * size;
      for (let i = 0; i < this.shape[dim]; i++) copy(dim + 1, from + i * step);
    };
    if (length) copy(0, start);
    return result;
  }
}

/** Storages that several tensors may share, and what became of them when they were widened. */
const widenedStorages = new WeakMap<Uint8Array, Partial<Record<StoredDType, Float32Array>>>();

const arrays = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
};

/** Bytes in this machine's order as numbers, not copied where they are aligned. */
function numbers(dtype: StoredDType, bytes: Uint8Array): StoredValues {
  const Numbers = arrays[dtype as keyof typeof arrays];
  if (!Numbers) return fail(`dtype ${dtype} has no numbers in JavaScript`);
  const size = Numbers.BYTES_PER_ELEMENT;
  if (bytes.byteOffset % size !== 0) bytes = new Uint8Array(bytes); // a Buffer's slice is no copy
  const { buffer, byteOffset, length } = bytes;
  const values = new Numbers(buffer as ArrayBuffer, byteOffset, Math.floor(length / size));
  return dtype.endsWith("float16") ? widened(values as Uint16Array, dtype === "bfloat16") : values;
}
