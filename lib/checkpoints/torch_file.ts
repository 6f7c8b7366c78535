/**
 * The files that `torch.save` writes: a zip archive with a pickle, and each storage beside it.
 *
 * @module
 */

import { stored, type StoredDType } from "./dtype.ts";
import { CheckpointError, quote } from "./error.ts";
import { StoredTensor } from "./stored_tensor.ts";
import { type PickleHost, readPickle } from "./pickle.ts";
import { isTuple, type PickleValue } from "./pickle_value.ts";
import { readZip } from "./zip.ts";

/**
 * What a PyTorch file holds. A Python `dict` is a `Map`, a `list` or a `tuple` an array, a tensor a
 * {@linkcode StoredTensor}, a `torch.dtype` or a `torch.device` its text.
 */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | StoredTensor
  | readonly TorchValue[]
  | ReadonlyMap<string | number, TorchValue>;

/** The numbers behind tensors: one record of the archive. */
class Storage {
  readonly bytes: Uint8Array;
  readonly dtype: StoredDType | null;

  constructor(bytes: Uint8Array, dtype: StoredDType | null) {
    this.bytes = bytes;
    this.dtype = dtype;
  }
}

/** A name that a pickle may refer to. */
class Global {
  readonly kind: "rebuild" | "rebuild3" | "parameter" | "dict" | "size" | "device" | "storage";
  readonly dtype: StoredDType | null;

  constructor(
    kind: "rebuild" | "rebuild3" | "parameter" | "dict" | "size" | "device" | "storage",
    dtype: StoredDType | null = null,
  ) {
    this.kind = kind;
    this.dtype = dtype;
  }
}

const storages: Readonly<Record<string, StoredDType>> = {
  BFloat16Storage: "bfloat16",
  BoolStorage: "bool",
  ByteStorage: "uint8",
  CharStorage: "int8",
  ComplexDoubleStorage: "complex128",
  ComplexFloatStorage: "complex64",
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  IntStorage: "int32",
  LongStorage: "int64",
  ShortStorage: "int16",
};

/** All names that are answered for; whatever else a pickle names is refused. */
const globals: ReadonlyMap<string, Global> = new Map([
  ["torch._utils _rebuild_tensor_v2", new Global("rebuild")],
  ["torch._utils _rebuild_tensor_v3", new Global("rebuild3")],
  ["torch._utils _rebuild_parameter", new Global("parameter")],
  ["collections OrderedDict", new Global("dict")],
  ["torch Size", new Global("size")],
  ["torch device", new Global("device")],
  ["torch.storage UntypedStorage", new Global("storage")],
  ...Object.entries(storages).map(([name, dtype]): [string, Global] => [
    `torch ${name}`,
    new Global("storage", dtype),
  ]),
]);

/**
 * Whether bytes begin as a file of `torch.save` does, which is a zip archive.
 *
 * @param bytes the file, or its first four bytes
 */
export function looksLikeTorchFile(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/**
 * Reads a file that `torch.save` wrote: a state_dict, or dicts and lists of tensors, numbers and
 * text, such as a checkpoint with an optimiser. Executes nothing: a file that names anything but the
 * few constructors of such data is refused.
 *
 * @param bytes the file, in the zip format of PyTorch 1.6 and later
 * @returns what it holds; the tensors are views on the bytes given
 * @throws {CheckpointError} if the file is not sound, or holds something else
 *
 * @example
 * ```ts
 * import { CheckpointError, readTorchFile } from "@rnn-spec/rnn-spec";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => readTorchFile(new Uint8Array(100)), CheckpointError, "zip: no end");
 * ```
 */
export function readTorchFile(bytes: Uint8Array): TorchValue {
  const records = readZip(bytes);
  const pickles = [...records.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw new CheckpointError("torch: the archive has no data.pkl, so torch.save did not write it");
  }
  const folder = pickles[0].slice(0, -"data.pkl".length);
  if (records.has(`${folder}constants.pkl`)) {
    throw new CheckpointError("torch: a TorchScript archive; save the model's state_dict instead");
  }
  const version = text(records.get(`${folder}version`)) ?? "";
  if (!/^([1-9]|10)\n?$/.test(version)) {
    throw new CheckpointError(`torch: version ${quote(version)} of the format, not one up to 10`);
  }
  const order = text(records.get(`${folder}byteorder`)) ?? "little";
  if (order !== "little" && order !== "big") {
    throw new CheckpointError(`torch: byteorder is ${quote(order)}, neither little nor big`);
  }
  const reader = new Reader(records, folder, order === "little", bytes.length);
  return readPickle(records.get(pickles[0])!, reader) as TorchValue;
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && new TextDecoder().decode(bytes.subarray(0, 100));
}

/** Answers what the pickle asks for. */
class Reader implements PickleHost {
  readonly name = "data.pkl";
  readonly budget: number;
  readonly #records: ReadonlyMap<string, Uint8Array>;
  readonly #folder: string;
  readonly #littleEndian: boolean;
  readonly #storages = new Map<string, Storage>();
  #copies: number; // bytes that tensors may take beyond those of the file

  constructor(
    records: ReadonlyMap<string, Uint8Array>,
    folder: string,
    littleEndian: boolean,
    size: number,
  ) {
    this.budget = 4096 + size / 8;
    this.#copies = 65536 + 4 * size;
    this.#records = records;
    this.#folder = folder;
    this.#littleEndian = littleEndian;
  }

  global(module: string, name: string): Global | string | undefined {
    if (module === "torch" && Object.hasOwn(stored, name)) return `torch.${name}`;
    return globals.get(`${module} ${name}`);
  }

  isData(value: object): boolean {
    return value instanceof StoredTensor;
  }

  persistent(id: PickleValue): Storage {
    const [tag, type, key, location, count, ...rest] = isTuple(id) ? id : [];
    if (
      tag !== "storage" || !(type instanceof Global) || type.kind !== "storage" ||
      typeof key !== "string" || typeof location !== "string" || !isCount(count) || rest.length
    ) throw new CheckpointError("a persistent id that is no storage");
    const bytes = this.#records.get(`${this.#folder}data/${key}`);
    if (bytes === undefined) {
      throw new CheckpointError(`the archive has no record ${quote(`data/${key}`)}`);
    }
    const size = type.dtype ? stored[type.dtype].bits / 8 : 1;
    if (count * size !== bytes.length) {
      throw new CheckpointError(
        `storage ${quote(key)} is to have ${count * size} bytes, its record has ${bytes.length}`,
      );
    }
    const known = this.#storages.get(key) ?? new Storage(bytes, type.dtype);
    if (known.dtype !== type.dtype) {
      throw new CheckpointError(`storage ${quote(key)} is given two dtypes`);
    }
    this.#storages.set(key, known);
    return known;
  }

  call(callee: object, args: readonly PickleValue[]): PickleValue {
    switch ((callee as Global).kind) {
      case "rebuild":
        return this.#tensor(args.slice(0, 6), args.slice(6), (args[0] as Storage)?.dtype);
      case "rebuild3":
        return this.#tensor(args.slice(0, 6), args.slice(7), dtypeNamed(args[6]));
      case "parameter":
        if (args.length === 3 && args[0] instanceof StoredTensor) return args[0];
        break;
      case "dict":
        if (args.length === 0) return new Map();
        break;
      case "size":
        if (args.length === 1 && isSizes(args[0])) return args[0];
        break;
      case "device":
        if (typeof args[0] === "string" && args.length <= 2) return args.join(":");
        break;
      default:
    }
    throw new CheckpointError("a call with arguments that PyTorch does not write");
  }

  #tensor(
    args: readonly PickleValue[],
    metadata: readonly PickleValue[],
    dtype: StoredDType | null | undefined,
  ): StoredTensor {
    const [storage, offset, shape, strides, requiresGrad, hooks] = args;
    if (
      !(hooks instanceof Map) || !(storage instanceof Storage) || !isCount(offset) ||
      !isSizes(shape) ||
      !isSizes(strides) || shape.length !== strides.length || shape.length > 64 ||
      typeof requiresGrad !== "boolean" || dtype === undefined || dtype === null ||
      (storage.dtype !== null && storage.dtype !== dtype)
    ) throw new CheckpointError("a tensor with arguments that PyTorch does not write");
    if (metadata.length > 1 || (metadata[0] instanceof Map && metadata[0].size > 0)) {
      throw new CheckpointError("a tensor that is to be conjugated or negated when read");
    }
    let count = 1;
    for (const extent of shape) {
      if (!Number.isSafeInteger(count *= extent)) {
        throw new CheckpointError(
          `a tensor of shape [${shape.join(", ")}], more than numbers count`,
        );
      }
    }
    const byteOffset = (offset * stored[dtype].bits) / 8;
    const layout = { byteOffset, strides, littleEndian: this.#littleEndian };
    let tensor: StoredTensor;
    try {
      tensor = new StoredTensor(dtype, shape, storage.bytes, layout);
    } catch (error) {
      throw new CheckpointError((error as Error).message);
    }
    if (!tensor.isView) this.#copies -= tensor.byteLength;
    if (this.#copies < 0) {
      throw new CheckpointError(
        `a tensor of shape [${shape.join(", ")}] that repeats a storage of ` +
          `${storage.bytes.length} bytes, too much for a file of this size`,
      );
    }
    return tensor;
  }
}

/** The dtype that `torch.uint16` names. */
function dtypeNamed(value: PickleValue | undefined): StoredDType | undefined {
  const name = typeof value === "string" ? value.replace(/^torch\./, "") : "";
  return Object.hasOwn(stored, name) ? name as StoredDType : undefined;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isSizes(value: PickleValue | undefined): value is readonly number[] {
  return value !== undefined && isTuple(value) && value.every(isCount);
}
