/**
 * Writes the files that `torch.load(…, weights_only=True)` opens: values as a pickle of protocol 2,
 * each storage beside it, in a zip archive of stored entries.
 */

import { Tensor } from "../tensor/tensor.ts";
import { stridesOf } from "../tensor/blocks.ts";
import { stored, type StoredDType } from "./dtype.ts";
import { encoder, fail, quote } from "./refuse.ts";
import { MAX_DEPTH } from "./pickle_value.ts";
import { TorchObject } from "./torch_object.ts";
import { storageNames } from "./storages.ts";
import { StoredTensor } from "./stored_tensor.ts";
import { zipParts } from "./zip_writer.ts";

/**
 * What a file of PyTorch's can be made of: tensors, numbers, text and lists and dicts of them. A
 * whole number below 2^53 is a Python `int`, another number a `float`; an array is a `list`, a frozen one a
 * `tuple`; a `Map` or an object is a `dict`, and an `OrderedDict` where it holds nothing but tensors,
 * as a module's `state_dict` does.
 * @category Checkpoints
 */
export type TorchWritable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Tensor
  | StoredTensor
  | readonly TorchWritable[]
  | ReadonlyMap<string | number | bigint | boolean | null, TorchWritable>
  | object; // of such values by name

/** How many items Python's pickler writes at a time. */
const BATCH = 1000;

/** A pickle, and the bytes of each storage that it names. */
interface Pickled {
  readonly pickle: Uint8Array;
  readonly storages: readonly (readonly [string, Uint8Array])[];
}

function pickled(value: unknown): Pickled {
  const memo = new Map<unknown, number>();
  const open = new Set<unknown>(); // the lists and dicts that are being written
  const path: string[] = [];
  const buffers = new Map<ArrayBufferLike, number>();
  const storages = new Map<string, [string, Uint8Array]>(); // by their place in memory
  let bytes = new Uint8Array(1024);
  let length = 0;

  const refuse = (what: string): never =>
    fail(`${path.join(" → ") || "the value"} cannot be saved: ${what}`);
  const append = (more: ArrayLike<number>): void => {
    const end = length + more.length;
    if (end > bytes.length) {
      const larger = new Uint8Array(2 * end);
      larger.set(bytes);
      bytes = larger;
    }
    bytes.set(more, length);
    length = end;
  };
  const put = (...more: number[]): void => append(more);
  /** An instruction with a number of four bytes. */
  const long = (opcode: number, x: number): void =>
    put(opcode, x & 255, (x >> 8) & 255, (x >> 16) & 255, x >>> 24);
  /** An instruction with a number of one byte, or another for one of four. */
  const short = (opcode: number, wide: number, x: number): void =>
    x < 256 ? put(opcode, x) : long(wide, x);

  /** Refers to what has been written before; whether it has. */
  const recall = (value: unknown): boolean => {
    const index = memo.get(value);
    if (index !== undefined) short(0x68, 0x6a, index); // BINGET, LONG_BINGET
    return index !== undefined;
  };
  const remember = (value: unknown): void => {
    short(0x71, 0x72, memo.size); // BINPUT, LONG_BINPUT
    memo.set(value, memo.size);
  };
  const number = (x: number): void => {
    if (!Number.isSafeInteger(x) || Object.is(x, -0)) {
      const float = new DataView(new ArrayBuffer(8));
      float.setFloat64(0, x);
      put(0x47); // BINFLOAT
      append(new Uint8Array(float.buffer));
    } else if (x === (x & 255)) put(0x4b, x); // BININT1
    else if (x === (x & 65535)) put(0x4d, x & 255, x >> 8); // BININT2
    else if (x === (x | 0)) long(0x4a, x); // BININT
    else integer(BigInt(x));
  };
  /** LONG1: in two's complement, in as few bytes as hold it. */
  const integer = (x: bigint): void => {
    const bytes: number[] = [];
    for (let rest = x;; rest >>= 8n) {
      const low = Number(rest & 255n);
      bytes.push(low);
      if (rest >> 8n === (low > 127 ? -1n : 0n)) break;
    }
    if (bytes.length > 255) refuse("it is an integer of more than 255 bytes");
    put(0x8a, bytes.length, ...bytes);
  };
  const text = (value: string): void => {
    if (/\p{Surrogate}/u.test(value)) refuse("its text has half a surrogate pair");
    const utf8 = encoder.encode(value);
    long(0x58, utf8.length); // BINUNICODE
    append(utf8);
  };
  const global = (module: string, name: string): void => {
    const path = `c${module}\n${name}\n`;
    if (recall(path)) return;
    append(encoder.encode(path));
    remember(path);
  };
  /** An empty OrderedDict. */
  const ordered = (): void => {
    global("collections", "OrderedDict");
    put(0x29, 0x52); // EMPTY_TUPLE, REDUCE
  };
  /** An item of a list or dict. */
  const item = (name: string, value: unknown): void => {
    path.push(name);
    write(value);
    path.pop();
  };

  const array = (items: readonly unknown[]): void => {
    const tuple = Object.isFrozen(items);
    if (!tuple) {
      put(0x5d); // EMPTY_LIST
      remember(items);
    }
    for (let from = 0; from < items.length; from += tuple ? items.length : BATCH) {
      put(0x28); // MARK
      const end = tuple ? items.length : Math.min(items.length, from + BATCH);
      for (let k = from; k < end; k++) item(String(k), items[k]);
      put(tuple ? 0x74 : 0x65); // TUPLE, APPENDS
    }
    if (!tuple) return;
    if (items.length === 0) put(0x29); // EMPTY_TUPLE
    remember(items);
  };
  const dict = (value: object, entries: readonly (readonly [unknown, unknown])[]): void => {
    const others = entries.map(([key]) => key).filter((key) => typeof key !== "string");
    const equal = new Set(others.map((key) => String(typeof key === "boolean" ? +key : key)));
    if (equal.size < others.length) refuse("two of its keys are one in Python, as 1 and true are");
    if (entries.length > 0 && entries.every(([, item]) => isTensor(item))) ordered();
    else put(0x7d); // EMPTY_DICT
    remember(value);
    for (let from = 0; from < entries.length; from += BATCH) {
      put(0x28); // MARK
      for (const [key, value] of entries.slice(from, from + BATCH)) {
        if (typeof key === "object" && key !== null) refuse("a dict's key is an object");
        item("a key", key);
        item(typeof key === "string" ? quote(key) : String(key), value);
      }
      put(0x75); // SETITEMS
    }
  };
  /** What rebuilds a tensor: a view of the whole of its storage, row-major. */
  const tensor = (original: Tensor | StoredTensor): void => {
    const tensor = original instanceof Tensor ? StoredTensor.from(original) : original;
    const { dtype, shape } = tensor;
    const storage = storageNames.get(dtype);
    if (stored[dtype].bits < 8) refuse(`PyTorch has no ${dtype}`);
    global("torch._utils", storage ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    put(0x28, 0x28); // MARK, MARK
    text("storage");
    if (storage) global("torch", storage);
    else global("torch.storage", "UntypedStorage");
    text(keyOf(tensor.bytes(), dtype));
    text("cpu");
    number(storage ? tensor.numel : tensor.byteLength);
    put(0x74, 0x51, 0x4b, 0); // TUPLE, BINPERSID, BININT1 0
    const strides = stridesOf(shape.map((extent) => Math.max(extent, 1)));
    for (const sizes of [shape, strides]) {
      put(0x28); // MARK
      sizes.forEach(number);
      put(0x74); // TUPLE
    }
    write(original instanceof Tensor && original.requiresGrad);
    ordered();
    if (!storage) global("torch", dtype);
    put(0x74, 0x52); // TUPLE, REDUCE
    remember(original);
  };
  /** The key of a storage; tensors on the same bytes have the same. */
  const keyOf = (bytes: Uint8Array, dtype: StoredDType): string => {
    const { buffer, byteOffset, length } = bytes;
    const known = buffers.get(buffer) ?? buffers.size;
    buffers.set(buffer, known);
    const place = `${known} ${byteOffset} ${length} ${dtype}`;
    const storage = storages.get(place) ?? [String(storages.size), bytes];
    storages.set(place, storage as [string, Uint8Array]);
    return storage[0] as string;
  };

  const object = (value: object): void => {
    if (isTensor(value)) return tensor(value);
    if (value instanceof TorchObject) refuse(`it is ${value}, which was not loaded`);
    if (ArrayBuffer.isView(value)) refuse("it is a typed array; tensor(x) makes a tensor of it");
    if (open.size >= MAX_DEPTH) refuse(`it nests more than ${MAX_DEPTH} deep`);
    open.add(value);
    if (Array.isArray(value)) array(value);
    else if (value instanceof Map) dict(value, [...value]);
    else {
      const prototype = Object.getPrototypeOf(value);
      if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
        refuse(`it is an object of ${quote(value.constructor?.name ?? "?")}`);
      }
      dict(value, entriesOf(value));
    }
    open.delete(value);
  };
  const write = (value: unknown): void => {
    if (value === null) put(0x4e); // NONE
    else if (typeof value === "boolean") put(value ? 0x88 : 0x89); // NEWTRUE, NEWFALSE
    else if (typeof value === "number") number(value);
    else if (typeof value === "bigint") integer(value);
    else if (typeof value === "string") text(value);
    else if (typeof value !== "object") {
      refuse(`it is ${value === undefined ? "undefined" : `a ${typeof value}`}`);
    } else if (open.has(value)) refuse("it contains itself");
    else if (!recall(value)) object(value);
  };

  put(0x80, 2); // PROTO
  write(value);
  put(0x2e); // STOP
  return { pickle: bytes.subarray(0, length), storages: [...storages.values()] };
}

function isTensor(value: unknown): value is Tensor | StoredTensor {
  return value instanceof Tensor || value instanceof StoredTensor;
}

/**
 * The entries of an object. Where it is an optimiser's `state_dict`, as they are in Python: parameters
 * have numbers for keys, and options of several numbers are tuples.
 */
function entriesOf(value: object): (readonly [unknown, unknown])[] {
  const { state, param_groups: groups } = value as Record<string, unknown>;
  const isState = Object.keys(value).length === 2 && Array.isArray(groups) &&
    typeof state === "object" && state !== null && !(state instanceof Map);
  if (!isState) return Object.entries(value);
  const numbered = Object.entries(state).map(([key, own]) =>
    [/^\d+$/.test(key) ? Number(key) : key, own] as const
  );
  const inPython = groups.map((group) =>
    Object.fromEntries(
      Object.entries(group as object).map(([name, option]) => [
        name,
        Array.isArray(option) && name !== "params" && typeof option[0] === "number"
          ? Object.freeze([...option])
          : option,
      ]),
    )
  );
  return [["state", new Map(numbered)], ["param_groups", inPython]];
}

/**
 * The parts of a file of PyTorch's, in order; the tensors' bytes are not copied where they need not
 * be.
 *
 * @throws {CheckpointError} if something in it has no place in such a file; the message says where
 */
export function torchFileParts(value: TorchWritable): Uint8Array[] {
  const { pickle, storages } = pickled(value);
  return zipParts([
    ["archive/data.pkl", pickle],
    ["archive/byteorder", encoder.encode("little")],
    ...storages.map(([key, bytes]) => [`archive/data/${key}`, bytes] as const),
    ["archive/version", encoder.encode("3\n")],
  ]);
}
