/** The files that `torch.save` writes: a zip archive with a pickle, and each storage beside it. */

import { bytes as bytesKind, type Call, check } from "../call.ts";
import { stored, type StoredDType } from "./dtype.ts";
import { CheckpointError, quote } from "./error.ts";
import { type PickleHost, readPickle } from "./pickle.ts";
import {
  holdsFloats,
  isTuple,
  Named,
  type PickleValue,
  type TorchKey,
  TorchObject,
} from "./pickle_value.ts";
import { storageTypes } from "./storages.ts";
import { shareWidened, StoredTensor } from "./stored_tensor.ts";
import { readZip } from "./zip.ts";

const readCall: Call = ["readTorchFile", { bytes: bytesKind }];

/**
 * What a PyTorch file holds. A Python `dict` is a `Map`, a `list` an array, a `tuple` a frozen array,
 * a tensor a {@linkcode StoredTensor}, a `torch.dtype` or a `torch.device` its text; anything else is
 * a {@linkcode TorchObject}.
 * @category Checkpoints
 */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | StoredTensor
  | TorchObject
  | readonly TorchValue[]
  | ReadonlyMap<TorchKey, TorchValue>;

/** The numbers behind tensors: one record of the archive. */
class Storage extends TorchObject {
  readonly bytes: Uint8Array;
  readonly dtype: StoredDType | null;

  constructor(type: string, bytes: Uint8Array, dtype: StoredDType | null) {
    super(type);
    this.bytes = bytes;
    this.dtype = dtype;
  }
}

type Kind =
  | "rebuild"
  | "rebuild3"
  | "subclass"
  | "parameter"
  | "dict"
  | "counter"
  | "size"
  | "device"
  | "layout"
  | "storage";

/** A name whose calls are answered; any other name only stands for itself. */
class Global extends Named {
  readonly kind: Kind;
  readonly dtype: StoredDType | null;

  constructor(type: string, kind: Kind, dtype: StoredDType | null = null) {
    super(type);
    this.kind = kind;
    this.dtype = dtype;
  }
}

const kinds: Readonly<Record<string, Kind>> = {
  "torch._utils._rebuild_tensor_v2": "rebuild",
  "torch._utils._rebuild_tensor_v3": "rebuild3",
  "torch._tensor._rebuild_from_type_v2": "subclass", // an nn.Buffer, a tensor with attributes
  "torch._utils._rebuild_parameter": "parameter",
  "torch._utils._rebuild_parameter_with_state": "parameter",
  "collections.OrderedDict": "dict",
  "collections.Counter": "counter",
  "torch.Size": "size",
  "torch.device": "device",
  "torch.serialization._get_layout": "layout",
  "torch.storage.UntypedStorage": "storage",
};

/** All names whose calls are answered. */
const globals: ReadonlyMap<string, Global> = new Map([
  ...Object.entries(kinds).map(([name, kind]): [string, Global] => [name, new Global(name, kind)]),
  ...Object.entries(storageTypes).map(([name, dtype]): [string, Global] => [
    `torch.${name}`,
    new Global(`torch.${name}`, "storage", dtype),
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
 * @category Checkpoints
 */
export function readTorchFile(bytes: Uint8Array): TorchValue {
  check(readCall, arguments);
  const records = readZip(bytes, recognise);
  const folder = folderOf([...records.keys()]);
  const version = text(records.get(`${folder}version`)) ?? "";
  if (!/^([1-9]|10)\n?$/.test(version)) {
    throw new CheckpointError(`torch: version ${quote(version)} of the format, not one up to 10`);
  }
  const order = text(records.get(`${folder}byteorder`)) ?? "little";
  if (order !== "little" && order !== "big") {
    throw new CheckpointError(`torch: byteorder is ${quote(order)}, neither little nor big`);
  }
  const reader = new Reader(records, folder, order === "little", bytes.length);
  const value = readPickle(records.get(`${folder}data.pkl`)!, reader) as TorchValue;
  return value instanceof TorchObject ? refuseWhole(value) : value;
}

/** Says what another program's archive is, by the names in it. */
function recognise(names: readonly string[]): void {
  const holds = (entry: string) => names.some((name) => name.split("/").slice(1).join() === entry);
  if (holds("constants.pkl")) {
    throw new CheckpointError(
      "torch: a TorchScript archive, a program rather than weights; in PyTorch, " +
        'torch.save(torch.jit.load("model.pt").state_dict(), …) writes its weights',
    );
  }
  if (holds("archive_format")) {
    throw new CheckpointError(
      "torch: an archive of torch.export, a program rather than weights; in PyTorch, " +
        'torch.save(torch.export.load("model.pt2").state_dict, …) writes its weights',
    );
  }
}

/** The folder that all entries lie in; refuses names that mislead. */
function folderOf(names: readonly string[]): string {
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    throw new CheckpointError("torch: the archive has no data.pkl, so torch.save did not write it");
  }
  const folder = pickles[0].slice(0, -"data.pkl".length);
  for (const name of names) {
    if (!name.startsWith(folder)) {
      throw new CheckpointError(`torch: entry ${quote(name)} lies outside ${quote(folder)}`);
    }
    // PyTorch finds an entry whatever the case of its name; which of two it finds is chance.
    const [own, lower] = [name.slice(folder.length), name.slice(folder.length).toLowerCase()];
    if (own !== lower && /^(data\/|(data\.pkl|version|byteorder)$)/.test(lower)) {
      throw new CheckpointError(`torch: entry ${quote(name)} should be ${quote(folder + lower)}`);
    }
  }
  return folder;
}

/** Refuses a file that is one object, of which nothing can be read. */
function refuseWhole({ type, at, isModule }: TorchObject): never {
  throw new CheckpointError(
    isModule
      ? `data.pkl: a whole model, an object of ${quote(type)}, whose code is not in the file; ` +
        "in PyTorch, torch.save(model.state_dict(), …) writes its weights"
      : at === null
      ? `data.pkl: a class or a storage stands where a value should: ${quote(type)}`
      : `data.pkl: byte ${at}: ${quote(type)} is not one of the names that a state_dict needs; ` +
        "nothing was run",
  );
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
    // Of a file of more than 1 MiB, nine times its size beside its own bytes.
    this.budget = Math.max(2 ** 19 + 8.5 * size, 9 * size);
    this.#copies = 2 ** 16 + 4 * size;
    this.#records = records;
    this.#folder = folder;
    this.#littleEndian = littleEndian;
  }

  global(module: string, name: string): Named | string | undefined {
    if (module === "torch" && Object.hasOwn(stored, name)) return `torch.${name}`;
    return globals.get(`${module}.${name}`);
  }

  persistent(id: PickleValue): TorchObject {
    const [tag, type, key, location, count, ...rest] = isTuple(id) && !holdsFloats(id) ? id : [];
    if (
      tag !== "storage" || !(type instanceof Named) ||
      !/^torch\.(\w+\.)*\w*Storage$/.test(type.type) ||
      typeof key !== "string" || typeof location !== "string" || !isCount(count) || rest.length
    ) throw new CheckpointError("a persistent id that is no storage");
    const bytes = this.#records.get(`${this.#folder}data/${key}`);
    if (bytes === undefined) {
      throw new CheckpointError(`the archive has no record ${quote(`data/${key}`)}`);
    }
    if (!(type instanceof Global)) return new TorchObject(type.type); // of quantised numbers
    const size = type.dtype ? stored[type.dtype].bits / 8 : 1;
    if (count * size !== bytes.length) {
      throw new CheckpointError(
        `storage ${quote(key)} is to have ${count * size} bytes, its record has ${bytes.length}`,
      );
    }
    let known = this.#storages.get(key);
    if (!known) {
      // Copied once where it is not aligned, so that its tensors can be views all the same.
      const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
      shareWidened(aligned);
      this.#storages.set(key, known = new Storage(type.type, aligned, type.dtype));
    }
    if (known.dtype !== type.dtype) {
      throw new CheckpointError(`storage ${quote(key)} is given two dtypes`);
    }
    return known;
  }

  call(callee: Named, args: readonly PickleValue[]): PickleValue | undefined {
    if (!(callee instanceof Global)) return undefined;
    const [first, second] = args;
    switch (callee.kind) {
      case "rebuild":
        return this.#tensor(args, args.slice(6), (first as Storage)?.dtype);
      case "rebuild3":
        return this.#tensor(args, args.slice(7), dtypeNamed(args[6]));
      case "subclass":
        if (
          args.length === 4 && first instanceof Global && first.kind.startsWith("rebuild") &&
          second instanceof Named && isTuple(args[2])
        ) return this.call(first, args[2]);
        break;
      case "parameter":
        if ((args.length !== 3 && args.length !== 4) || typeof second !== "boolean") break;
        if (first instanceof TorchObject) return first;
        if (!(first instanceof StoredTensor)) break;
        checkGradient(second, first.dtype);
        return first;
      case "dict":
        if (args.length === 0) return new Map();
        break;
      case "counter":
        if (args.length === 0) return new Map();
        if (args.length === 1 && first instanceof Map) return first;
        break;
      case "size":
        if (args.length === 1 && isSizes(first)) return first;
        break;
      case "device":
        if (typeof first !== "string" || !/^[a-z]{1,20}(:\d{1,3})?$/.test(first)) break;
        if (args.length === 1) return first;
        if (args.length === 2 && isCount(second) && !holdsFloats(args)) return `${first}:${second}`;
        break;
      case "layout":
        if (args.length === 1 && typeof first === "string") return first;
        break;
      default:
    }
    throw new CheckpointError("a call with arguments that PyTorch does not write");
  }

  #tensor(
    args: readonly PickleValue[],
    metadata: readonly PickleValue[],
    dtype: StoredDType | null | undefined,
  ): PickleValue {
    const [storage, offset, shape, strides, requiresGrad, hooks] = args;
    if (
      !(hooks instanceof Map) || !(storage instanceof Storage) || !isCount(offset) ||
      !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length ||
      shape.length > 64 || typeof requiresGrad !== "boolean" || !dtype || holdsFloats(args) ||
      (storage.dtype !== null && storage.dtype !== dtype) || metadata.length > 1
    ) throw new CheckpointError("a tensor with arguments that PyTorch does not write");
    checkGradient(requiresGrad, dtype);
    if (metadata[0] instanceof Map && metadata[0].size > 0) {
      return new TorchObject("a tensor to be conjugated or negated when read");
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
    // What is no view is copied, and half precision that is widened takes twice its bytes.
    if (!tensor.isView) this.#copies -= tensor.byteLength * (dtype.endsWith("float16") ? 2 : 1);
    if (this.#copies < 0) {
      throw new CheckpointError(
        `a tensor of shape [${shape.join(", ")}] that repeats a storage of ` +
          `${storage.bytes.length} bytes, too much for a file of this size`,
      );
    }
    return tensor;
  }
}

/** Refuses what PyTorch refuses: integers that require gradients. */
function checkGradient(requiresGrad: boolean, dtype: StoredDType): void {
  if (requiresGrad && !/float|complex/.test(dtype)) {
    throw new CheckpointError("only Tensors of floating point dtype can require gradients");
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
  return isTuple(value) && !holdsFloats(value) && value.every(isCount);
}
