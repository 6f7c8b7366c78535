/** The files that `torch.save` writes: a zip archive with a pickle, and each storage beside it. */

import { listed } from "../tensor/dtype.ts";
import { countOf, dtypes, stored, type StoredDType } from "./dtype.ts";
import { fail, quote } from "./refuse.ts";
import { type PickleHost, readPickle } from "./pickle.ts";
import { type Answer, holdsFloats, isTuple, Named, type PickleValue } from "./pickle_value.ts";
import { TorchObject, type TorchValue } from "./torch_object.ts";
import { storageTypes } from "./storages.ts";
import { StoredTensor } from "./stored_tensor.ts";
import { readZip } from "./zip.ts";

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

/**
 * Reads a file that `torch.save` wrote.
 *
 * @throws {CheckpointError} if the file is not sound, or holds something else
 */
export function readTorch(bytes: Uint8Array): TorchValue {
  const records = readZip(bytes, recognise);
  const folder = folderOf([...records.keys()]);
  const record = (name: string) => records.get(folder + name);
  const version = text(record("version")) ?? "";
  if (!/^([1-9]|10)\n?$/.test(version)) {
    fail(`torch: version ${quote(version)} of the format, not one up to 10`);
  }
  const order = text(record("byteorder")) ?? "little";
  if (order !== "little" && order !== "big") {
    fail(`torch: byteorder is ${quote(order)}, neither little nor big`);
  }
  const host = hostOf(record, order === "little", bytes.length);
  const value = readPickle(record("data.pkl")!, host) as TorchValue;
  return value instanceof TorchObject ? refuseWhole(value) : value;
}

/** Says what another program's archive is, by the names in it. */
function recognise(names: readonly string[]): void {
  const holds = (entry: string) => names.some((name) => name.split("/").slice(1).join() === entry);
  if (holds("constants.pkl")) {
    fail(
      "torch: a TorchScript archive, a program rather than weights; in PyTorch, " +
        'torch.save(torch.jit.load("model.pt").state_dict(), …) writes its weights',
    );
  }
  if (holds("archive_format")) {
    fail(
      "torch: an archive of torch.export, a program rather than weights; in PyTorch, " +
        'torch.save(torch.export.load("model.pt2").state_dict, …) writes its weights',
    );
  }
}

/** The folder that all entries lie in; refuses names that mislead. */
function folderOf(names: readonly string[]): string {
  const pickles = names.filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickles.length !== 1) {
    fail("torch: the archive has no data.pkl, so torch.save did not write it");
  }
  const folder = pickles[0].slice(0, -"data.pkl".length);
  for (const name of names) {
    if (!name.startsWith(folder)) {
      fail(`torch: entry ${quote(name)} lies outside ${quote(folder)}`);
    }
    // PyTorch finds an entry whatever the case of its name; which of two it finds is chance.
    const [own, lower] = [name.slice(folder.length), name.slice(folder.length).toLowerCase()];
    if (own !== lower && /^(data\/|(data\.pkl|version|byteorder)$)/.test(lower)) {
      fail(`torch: entry ${quote(name)} should be ${quote(folder + lower)}`);
    }
  }
  return folder;
}

/** Refuses a file that is one object, of which nothing can be read. */
function refuseWhole({ type, at, isModule }: TorchObject): never {
  fail(
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
function hostOf(
  record: (name: string) => Uint8Array | undefined,
  littleEndian: boolean,
  size: number,
): PickleHost {
  const storages = new Map<string, Storage>();
  let copies = 2 ** 16 + 4 * size; // bytes that tensors may take beyond those of the file

  const tensor = (
    args: readonly PickleValue[],
    metadata: readonly PickleValue[],
    dtype: StoredDType | null | undefined,
  ): PickleValue | undefined => {
    const [storage, offset, shape, strides, requiresGrad, hooks] = args;
    if (
      !(hooks instanceof Map) || !(storage instanceof Storage) || !isCount(offset) ||
      !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length ||
      shape.length > 64 || typeof requiresGrad !== "boolean" || !dtype || holdsFloats(args) ||
      (storage.dtype !== null && storage.dtype !== dtype) || metadata.length > 1
    ) return undefined;
    checkGradient(requiresGrad, dtype);
    if (metadata[0] instanceof Map && metadata[0].size > 0) {
      return new TorchObject("a tensor to be conjugated or negated when read");
    }
    countOf(shape);
    const byteOffset = (offset * stored[dtype].bits) / 8;
    const layout = { byteOffset, strides, littleEndian, shared: true };
    const tensor = new StoredTensor(dtype, shape, storage.bytes, layout);
    // What is no view is copied, and half precision that is widened takes twice its bytes.
    if (!tensor.isView) copies -= tensor.byteLength * (dtype.endsWith("float16") ? 2 : 1);
    if (copies < 0) {
      fail(
        `a tensor of shape ${listed(shape)} that repeats a storage of ` +
          `${storage.bytes.length} bytes, too much for a file of this size`,
      );
    }
    return tensor;
  };
  const parameter: Answer = (args) => {
    const [data, requiresGrad] = args;
    if (typeof requiresGrad !== "boolean" || args.length < 3 || args.length > 4) return undefined;
    if (data instanceof StoredTensor) checkGradient(requiresGrad, data.dtype);
    return data instanceof StoredTensor || data instanceof TorchObject ? data : undefined;
  };
  const notCalled: Answer = () => undefined;

  const answers: Record<string, Answer> = {
    "torch._utils._rebuild_tensor_v2": (args) =>
      tensor(args, args.slice(6), (args[0] as Storage)?.dtype),
    "torch._utils._rebuild_tensor_v3": (args) => tensor(args, args.slice(7), dtypeNamed(args[6])),
    // An nn.Buffer, a tensor with attributes.
    "torch._tensor._rebuild_from_type_v2": (args) => {
      const [call, type, own] = args;
      return call instanceof Named && call.type.includes("._rebuild_tensor_v") &&
          type instanceof Named && isTuple(own) && args.length === 4
        ? call.answer?.(own)
        : undefined;
    },
    "torch._utils._rebuild_parameter": parameter,
    "torch._utils._rebuild_parameter_with_state": parameter,
    "collections.OrderedDict": ({ length }) => length === 0 ? new Map() : undefined,
    "collections.Counter": ([counts = new Map(), ...rest]) =>
      counts instanceof Map && !rest.length ? counts : undefined,
    "torch.Size": ([sizes, ...rest]) => isSizes(sizes) && !rest.length ? sizes : undefined,
    "torch.device": (args) => {
      const [name, index] = args;
      if (typeof name !== "string" || !/^[a-z]{1,20}(:\d{1,3})?$/.test(name)) return undefined;
      if (args.length === 1) return name;
      const numbered = isCount(index) && args.length === 2 && !holdsFloats(args);
      return numbered ? `${name}:${index}` : undefined;
    },
    "torch.serialization._get_layout": ([name, ...rest]) =>
      typeof name === "string" && !rest.length ? name : undefined,
    "torch.storage.UntypedStorage": notCalled,
  };
  for (const name in storageTypes) answers[`torch.${name}`] = notCalled;
  const names = new Map<string, Named | string>();
  for (const name in answers) names.set(name, new Named(name, null, answers[name]));
  for (const name of dtypes) names.set(`torch.${name}`, `torch.${name}`);

  return {
    // Of a file of more than 1 MiB, nine times its size beside its own bytes.
    budget: Math.max(2 ** 19 + 8.5 * size, 9 * size),
    names,
    persistent(id) {
      const [tag, type, key, location, count, ...rest] = isTuple(id) && !holdsFloats(id) ? id : [];
      if (
        tag !== "storage" || !(type instanceof Named) ||
        !/^torch\.(\w+\.)*\w*Storage$/.test(type.type) ||
        typeof key !== "string" || typeof location !== "string" || !isCount(count) || rest.length
      ) return fail("a persistent id that is no storage");
      const bytes = record(`data/${key}`) ??
        fail(`the archive has no record ${quote(`data/${key}`)}`);
      if (!type.answer) return new TorchObject(type.type); // of quantised numbers
      const dtype = storageTypes[type.type.slice("torch.".length)] ?? null;
      const length = dtype ? count * stored[dtype].bits / 8 : count;
      if (length !== bytes.length) {
        fail(`storage ${quote(key)} is to have ${length} bytes, its record has ${bytes.length}`);
      }
      let known = storages.get(key);
      if (!known) {
        // Copied once where it is not aligned, so that its tensors can be views all the same.
        const aligned = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
        storages.set(key, known = new Storage(type.type, aligned, dtype));
      }
      return known.dtype === dtype ? known : fail(`storage ${quote(key)} is given two dtypes`);
    },
  };
}

/** Refuses what PyTorch refuses: integers that require gradients. */
function checkGradient(requiresGrad: boolean, dtype: StoredDType): void {
  if (requiresGrad && !/float|complex/.test(dtype)) {
    fail("only Tensors of floating point dtype can require gradients");
  }
}

/** The dtype that `torch.uint16` names. */
function dtypeNamed(value: PickleValue | undefined): StoredDType | undefined {
  return dtypes.find((dtype) => value === `torch.${dtype}`);
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isSizes(value: PickleValue | undefined): value is readonly number[] {
  return isTuple(value) && !holdsFloats(value) && value.every(isCount);
}
