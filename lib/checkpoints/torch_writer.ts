/**
 * Writes the files that `torch.load(…, weights_only=True)` opens: values as a pickle of protocol 2,
 * each storage beside it, in a zip archive of stored entries.
 */

import { Tensor } from "../tensor/tensor.ts";
import { stridesOf } from "../tensor/blocks.ts";
import { stored, type StoredDType } from "./dtype.ts";
import { CheckpointError, quote } from "./error.ts";
import { MAX_DEPTH, TorchObject } from "./pickle_value.ts";
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

/** A storage to write: its record's name, and its bytes. */
type Storages = Map<string, Uint8Array>;

class Pickler {
  readonly storages: Storages = new Map();
  readonly #memo = new Map<unknown, number>();
  readonly #open = new Set<unknown>(); // the lists and dicts that are being written
  readonly #path: string[] = [];
  readonly #known = new Map<ArrayBufferLike, Map<string, string>>();
  #bytes = new Uint8Array(1024);
  #length = 0;

  pickle(value: unknown): Uint8Array {
    this.#put(0x80, 2); // PROTO
    this.#value(value);
    this.#put(0x2e); // STOP
    return this.#bytes.subarray(0, this.#length);
  }

  #fail(what: string): never {
    const place = this.#path.length === 0 ? "the value" : this.#path.join(" → ");
    throw new CheckpointError(`${place} cannot be saved: ${what}`);
  }

  /** Makes room for `count` bytes more, and returns where they begin. */
  #room(count: number): number {
    const start = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    return start;
  }

  #put(...bytes: number[]): void {
    this.#append(bytes);
  }

  #append(bytes: ArrayLike<number>): void {
    const at = this.#room(bytes.length); // may move all bytes elsewhere
    this.#bytes.set(bytes, at);
  }

  /** An instruction with a number of four bytes. */
  #word(opcode: number, value: number): void {
    this.#put(opcode, value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
  }

  #value(value: unknown): void {
    if (value === null) this.#put(0x4e); // NONE
    else if (typeof value === "boolean") this.#put(value ? 0x88 : 0x89); // NEWTRUE, NEWFALSE
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#long(value);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value !== "object") {
      this.#fail(`it is ${value === undefined ? "undefined" : `a ${typeof value}`}`);
    } else if (this.#open.has(value)) this.#fail("it contains itself");
    else if (!this.#recall(value)) this.#object(value);
  }

  #number(x: number): void {
    if (!Number.isSafeInteger(x) || Object.is(x, -0)) {
      this.#put(0x47); // BINFLOAT
      const at = this.#room(8);
      new DataView(this.#bytes.buffer).setFloat64(at, x);
    } else if (x >= 0 && x < 256) this.#put(0x4b, x); // BININT1
    else if (x >= 0 && x < 65536) this.#put(0x4d, x & 255, x >> 8); // BININT2
    else if (x === (x | 0)) this.#word(0x4a, x); // BININT
    else this.#long(BigInt(x));
  }

  /** LONG1: in two's complement, in as few bytes as hold it. */
  #long(x: bigint): void {
    const bytes: number[] = [];
    for (let rest = x;; rest >>= 8n) {
      const low = Number(rest & 255n);
      bytes.push(low);
      if (rest >> 8n === (low > 127 ? -1n : 0n)) break;
    }
    if (bytes.length > 255) this.#fail("it is an integer of more than 255 bytes");
    this.#put(0x8a, bytes.length, ...bytes);
  }

  #text(value: string): void {
    if (/\p{Surrogate}/u.test(value)) this.#fail("its text has half a surrogate pair");
    const utf8 = new TextEncoder().encode(value);
    this.#word(0x58, utf8.length); // BINUNICODE
    this.#append(utf8);
  }

  /** Refers to what has been written before; whether it has. */
  #recall(value: unknown): boolean {
    const index = this.#memo.get(value);
    if (index === undefined) return false;
    if (index < 256) this.#put(0x68, index); // BINGET
    else this.#word(0x6a, index); // LONG_BINGET
    return true;
  }

  #remember(value: unknown): void {
    const index = this.#memo.size;
    this.#memo.set(value, index);
    if (index < 256) this.#put(0x71, index); // BINPUT
    else this.#word(0x72, index); // LONG_BINPUT
  }

  #global(module: string, name: string): void {
    const path = `c${module}\n${name}\n`;
    if (this.#recall(path)) return;
    this.#append(new TextEncoder().encode(path));
    this.#remember(path);
  }

  #object(value: object): void {
    if (value instanceof Tensor) return this.#tensor(StoredTensor.from(value), value);
    if (value instanceof StoredTensor) return this.#tensor(value, value);
    if (value instanceof TorchObject) this.#fail(`it is ${value}, which was not loaded`);
    if (ArrayBuffer.isView(value)) {
      this.#fail("it is a typed array; tensor(x) makes a tensor of it");
    }
    if (this.#open.size >= MAX_DEPTH) this.#fail(`it nests more than ${MAX_DEPTH} deep`);
    this.#open.add(value);
    if (Array.isArray(value)) this.#array(value);
    else if (value instanceof Map) this.#dict(value, [...value]);
    else {
      const prototype = Object.getPrototypeOf(value);
      if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
        this.#fail(`it is an object of ${quote(value.constructor?.name ?? "?")}`);
      }
      this.#dict(value, entriesOf(value));
    }
    this.#open.delete(value);
  }

  #array(items: readonly unknown[]): void {
    const tuple = Object.isFrozen(items);
    if (!tuple) {
      this.#put(0x5d); // EMPTY_LIST
      this.#remember(items);
    }
    for (let from = 0; from < items.length; from += tuple ? items.length : BATCH) {
      this.#put(0x28); // MARK
      const end = tuple ? items.length : Math.min(items.length, from + BATCH);
      for (let k = from; k < end; k++) this.#item(String(k), items[k]);
      this.#put(tuple ? 0x74 : 0x65); // TUPLE, APPENDS
    }
    if (!tuple) return;
    if (items.length === 0) this.#put(0x29); // EMPTY_TUPLE
    this.#remember(items);
  }

  #item(name: string, value: unknown): void {
    this.#path.push(name);
    this.#value(value);
    this.#path.pop();
  }

  #dict(value: object, entries: readonly (readonly [unknown, unknown])[]): void {
    const others = entries.filter(([key]) => typeof key !== "string");
    if (
      new Set(others.map(([key]) => String(typeof key === "boolean" ? +key : key))).size <
        others.length
    ) {
      this.#fail("two of its keys are one in Python, as 1 and true are");
    }
    const isTensor = ([, item]: readonly [unknown, unknown]) =>
      item instanceof Tensor || item instanceof StoredTensor;
    if (entries.length > 0 && entries.every(isTensor)) this.#ordered();
    else this.#put(0x7d); // EMPTY_DICT
    this.#remember(value);
    for (let from = 0; from < entries.length; from += BATCH) {
      this.#put(0x28); // MARK
      for (const [key, item] of entries.slice(from, from + BATCH)) {
        if (typeof key === "object" && key !== null) this.#fail("a dict's key is an object");
        this.#item("a key", key);
        this.#item(typeof key === "string" ? quote(key) : String(key), item);
      }
      this.#put(0x75); // SETITEMS
    }
  }

  /** An empty OrderedDict. */
  #ordered(): void {
    this.#global("collections", "OrderedDict");
    this.#put(0x29, 0x52); // EMPTY_TUPLE, REDUCE
  }

  /** What rebuilds a tensor: a view of the whole of its storage, row-major. */
  #tensor(tensor: StoredTensor, original: Tensor | StoredTensor): void {
    const { dtype, shape } = tensor;
    const storage = storageNames.get(dtype);
    if (stored[dtype].bits < 8) this.#fail(`PyTorch has no ${dtype}`);
    this.#global("torch._utils", storage ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    this.#put(0x28, 0x28); // MARK, MARK
    this.#text("storage");
    if (storage) this.#global("torch", storage);
    else this.#global("torch.storage", "UntypedStorage");
    this.#text(this.#storage(tensor.bytes(), dtype));
    this.#text("cpu");
    this.#number(storage ? tensor.numel : tensor.byteLength);
    this.#put(0x74, 0x51, 0x4b, 0); // TUPLE, BINPERSID, BININT1 0
    const strides = stridesOf(shape.map((extent) => Math.max(extent, 1)));
    for (const sizes of [shape, strides]) {
      this.#put(0x28); // MARK
      for (const size of sizes) this.#number(size);
      this.#put(0x74); // TUPLE
    }
    this.#value(original instanceof Tensor && original.requiresGrad);
    this.#ordered();
    if (!storage) this.#global("torch", dtype);
    this.#put(0x74, 0x52); // TUPLE, REDUCE
    this.#remember(original);
  }

  /** The key of a storage; tensors on the same bytes have the same. */
  #storage(bytes: Uint8Array, dtype: StoredDType): string {
    const places = this.#known.get(bytes.buffer) ?? new Map<string, string>();
    this.#known.set(bytes.buffer, places);
    const place = `${bytes.byteOffset} ${bytes.length} ${dtype}`;
    const key = places.get(place) ?? String(this.storages.size);
    places.set(place, key);
    this.storages.set(key, bytes);
    return key;
  }
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
  const pickler = new Pickler();
  const utf8 = new TextEncoder();
  return zipParts([
    ["archive/data.pkl", pickler.pickle(value)],
    ["archive/byteorder", utf8.encode("little")],
    ...[...pickler.storages].map(([key, bytes]) => [`archive/data/${key}`, bytes] as const),
    ["archive/version", utf8.encode("3\n")],
  ]);
}
