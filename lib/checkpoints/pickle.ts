/**
 * A machine for the few pickle instructions that `torch.save` writes. Python's own machine runs what
 * a pickle names; this one knows a short list of instructions, hands every name to the caller, who
 * answers for the ones on a list, and refuses the rest: nothing of the file is executed.
 */

import { pythonFloat } from "../python.ts";
import { CheckpointError, hex } from "./error.ts";
import { refusedOpcodes } from "./pickle_opcodes.ts";
import {
  checkResult,
  isTuple,
  Named,
  noteFloats,
  type PickleValue,
  type TorchKey,
  TorchObject,
} from "./pickle_value.ts";

/** What the machine asks of its caller. */
export interface PickleHost {
  /** What a pickle is called in messages. */
  readonly name: string;
  /** How many bytes of memory may be made of it. */
  readonly budget: number;
  /**
   * What a name such as `torch FloatStorage` stands for.
   *
   * @returns a value; `undefined` for a name that is not on the list
   */
  global(module: string, name: string): Named | string | undefined;
  /**
   * What calling a global's value gives; throws the reason where it must not be called so.
   *
   * @returns a value; `undefined` for a name that is not on the list
   */
  call(callee: Named, args: readonly PickleValue[]): PickleValue | undefined;
  /** What a persistent id stands for; throws the reason where there is no such thing. */
  persistent(id: PickleValue): PickleValue;
}

/** The most marks that may be open at a time; Python's pickler leaves about two thousand. */
const MAX_MARKS = 20_000;

/** The most values, such as the items of one tuple, that may wait without a cost in memory. */
const FREE_STACK = 100_000;

/** An integer of more bytes than this stays an object: making a number of it takes long. */
const MAX_INTEGER = 1024;

/** A `float` that is a whole number, until it is part of something. */
class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

/** What Python calls what a call gives: protocol 2 has no instruction for sets or bytes. */
function pythonName(path: string): string {
  const name = path.replace(/^(__builtin__|builtins)\./, "");
  return path === "_codecs.encode" ? "bytes" : name === "xrange" ? "range" : name;
}

/** Text as Python's pickler writes it: UTF-8, in which half a surrogate pair may stand alone. */
function decode(decoder: TextDecoder, bytes: Uint8Array): string {
  let [text, from] = ["", 0];
  for (let at = bytes.indexOf(0xed); at >= 0; at = bytes.indexOf(0xed, at + 1)) {
    const [high, low] = [bytes[at + 1] ^ 0x80, bytes[at + 2] ^ 0x80];
    if (!(high >= 0x20 && high < 0x40 && low < 0x40)) continue;
    text += decoder.decode(bytes.subarray(from, at)) +
      String.fromCharCode(0xd000 | high << 6 | low);
    from = at + 3;
  }
  return text + decoder.decode(bytes.subarray(from));
}

/** A value as it may be a part of the result. */
function plain(value: PickleValue): PickleValue {
  return value instanceof Float ? value.value : value;
}

/**
 * Reads a pickle.
 *
 * @throws {CheckpointError} at the first instruction that is not known or does not fit; with its byte
 */
export function readPickle(bytes: Uint8Array, host: PickleHost): PickleValue {
  const value = new Machine(bytes, host).run();
  checkResult(value, host.name, 4096 + bytes.length);
  return value;
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #frames: PickleValue[][] = []; // the stacks below each mark
  readonly #memo: PickleValue[] = [];
  readonly #ordered = new Set<PickleValue>(); // the OrderedDicts
  readonly #floatKeys = new Map<number, TorchObject>();
  readonly #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #stack: PickleValue[] = [];
  #at = 0;
  #start = 0; // of the instruction being carried out
  #spent = 0;
  #waiting = 0; // values below the marks
  #young: PickleValue | null = null; // the newest list, while only the stack and the memo know it
  #youngPlace = -1; // where in the memo

  constructor(bytes: Uint8Array, host: PickleHost) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#host = host;
  }

  run(): PickleValue {
    if (this.#byte() !== 0x80 || this.#byte() > 5) {
      this.#fail("a pickle of protocol 2 to 5 does not begin so");
    }
    for (;;) {
      this.#start = this.#at;
      const opcode = this.#byte();
      if (opcode === 0x2e) break; // STOP
      this.#carryOut(opcode);
    }
    const result = plain(this.#pop());
    if (this.#stack.length + this.#frames.length > 0) this.#fail("STOP leaves values behind");
    if (this.#at !== this.#bytes.length) this.#fail("something after STOP");
    return result;
  }

  #fail(what: string): never {
    throw new CheckpointError(`${this.#host.name}: byte ${this.#start}: ${what}`);
  }

  #byte(): number {
    if (this.#at >= this.#bytes.length) this.#fail("the pickle ends in the middle");
    return this.#bytes[this.#at++];
  }

  /** Moves on by `count` bytes, and returns where they begin. */
  #skip(count: number): number {
    if (count > this.#bytes.length - this.#at) this.#fail("the pickle ends in the middle");
    this.#at += count;
    return this.#at - count;
  }

  /** Accounts for memory. */
  #spend(bytes: number): void {
    this.#spent += bytes;
    if (this.#spent > this.#host.budget) {
      this.#fail("the pickle makes more objects than a file of this size can need");
    }
  }

  #push(value: PickleValue): void {
    if (this.#waiting + this.#stack.length >= FREE_STACK) this.#spend(20);
    this.#stack.push(value);
  }

  #mark(): void {
    if (this.#frames.length >= MAX_MARKS) this.#fail("too many marks at a time");
    this.#frames.push(this.#stack);
    this.#waiting += this.#stack.length;
    this.#stack = [];
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    return value === undefined ? this.#fail("a value is missing") : value;
  }

  #peek(): PickleValue {
    const value = this.#stack.at(-1);
    return value === undefined ? this.#fail("a value is missing") : value;
  }

  /** Takes all values since the last mark. */
  #sinceMark(): PickleValue[] {
    const items = this.#stack;
    const below = this.#frames.pop();
    if (!below) return this.#fail("a mark is missing");
    this.#stack = below;
    this.#waiting -= below.length;
    return items;
  }

  #string(length: number): string {
    const start = this.#skip(length);
    this.#spend(length > 1 ? 24 : 0);
    try {
      return decode(this.#text, this.#bytes.subarray(start, start + length));
    } catch {
      return this.#fail("text that is not UTF-8");
    }
  }

  #line(): string {
    const end = this.#bytes.subarray(this.#at, this.#at + 256).indexOf(0x0a);
    if (end < 0) this.#fail("a name without end");
    const text = this.#string(end);
    this.#at++;
    return text;
  }

  #carryOut(opcode: number): void {
    switch (opcode) {
      case 0x28: // MARK
        return this.#mark();
      case 0x29: // EMPTY_TUPLE
        return this.#push(nothing);
      case 0x30: // POP
        this.#pop();
        return;
      case 0x47: // BINFLOAT
        return this.#float(this.#view.getFloat64(this.#skip(8)));
      case 0x4a: // BININT
        return this.#push(this.#view.getInt32(this.#skip(4), true));
      case 0x4b: // BININT1
        return this.#push(this.#byte());
      case 0x4d: // BININT2
        return this.#push(this.#view.getUint16(this.#skip(2), true));
      case 0x4e: // NONE
        return this.#push(null);
      case 0x51: // BINPERSID
        this.#spend(100);
        return this.#push(this.#ask(() => this.#host.persistent(this.#pop())));
      case 0x52: // REDUCE
        return this.#reduce();
      case 0x58: // BINUNICODE
        return this.#push(this.#string(this.#view.getUint32(this.#skip(4), true)));
      case 0x5d: // EMPTY_LIST
        return this.#list();
      case 0x61: // APPEND
        return this.#append([this.#pop()]);
      case 0x62: // BUILD
        return this.#build();
      case 0x63: // GLOBAL
        return this.#global(this.#line(), this.#line());
      case 0x65: // APPENDS
        return this.#append(this.#sinceMark());
      case 0x68: // BINGET
        return this.#get(this.#byte());
      case 0x6a: // LONG_BINGET
        return this.#get(this.#view.getUint32(this.#skip(4), true));
      case 0x71: // BINPUT
        return this.#put(this.#byte());
      case 0x72: // LONG_BINPUT
        return this.#put(this.#view.getUint32(this.#skip(4), true));
      case 0x73: { // SETITEM
        const value = this.#pop();
        return this.#set([this.#pop(), value]);
      }
      case 0x74: // TUPLE
        return this.#tuple(this.#sinceMark());
      case 0x75: // SETITEMS
        return this.#set(this.#sinceMark());
      case 0x7d: // EMPTY_DICT
        this.#spend(192);
        return this.#push(new Map());
      case 0x42: // BINBYTES
        return this.#bytesObject("bytes", this.#view.getUint32(this.#skip(4), true));
      case 0x43: // SHORT_BINBYTES
        return this.#bytesObject("bytes", this.#byte());
      case 0x8e: // BINBYTES8
        return this.#bytesObject("bytes", this.#length());
      case 0x96: // BYTEARRAY8
        return this.#bytesObject("bytearray", this.#length());
      case 0x8d: // BINUNICODE8
        return this.#push(this.#string(this.#length()));
      case 0x8f: // EMPTY_SET
        return this.#object("set");
      case 0x90: // ADDITEMS
        this.#sinceMark();
        if (this.#peek() instanceof TorchObject) return;
        return this.#fail("ADDITEMS to no set");
      case 0x91: // FROZENSET
        this.#sinceMark();
        return this.#object("frozenset");
      case 0x92: // NEWOBJ_EX
        this.#pop();
        return this.#newObject();
      case 0x81: // NEWOBJ
        return this.#newObject();
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: { // TUPLE3
        const items = Array.from({ length: opcode - 0x84 }, () => this.#pop());
        return this.#tuple(items.reverse());
      }
      case 0x88: // NEWTRUE
        return this.#push(true);
      case 0x89: // NEWFALSE
        return this.#push(false);
      case 0x8a: // LONG1
        return this.#push(this.#long(this.#byte()));
      case 0x8b: // LONG4
        return this.#push(this.#long(this.#view.getUint32(this.#skip(4), true)));
      case 0x8c: // SHORT_BINUNICODE
        return this.#push(this.#string(this.#byte()));
      case 0x93: { // STACK_GLOBAL
        const name = this.#pop();
        const module = this.#pop();
        if (typeof module === "string" && typeof name === "string") {
          return this.#global(module, name);
        }
        return this.#fail("STACK_GLOBAL of something that is no name");
      }
      case 0x94: // MEMOIZE
        return this.#put(this.#memo.length);
      case 0x95: { // FRAME
        if (this.#length() > this.#bytes.length - this.#at) {
          this.#fail("a frame beyond the pickle's end");
        }
        return;
      }
      default:
        this.#refuse(opcode);
    }
  }

  #refuse(opcode: number): never {
    const name = refusedOpcodes[opcode] ? ` (${refusedOpcodes[opcode]})` : "";
    return this.#fail(`instruction 0x${hex(opcode)}${name} is not one that a state_dict needs`);
  }

  /** A length of 64 bits. */
  #length(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  #float(x: number): void {
    this.#spend(16);
    this.#push(Number.isInteger(x) ? new Float(x) : x);
  }

  /** Stands for something that is not made. */
  #object(type: string, at: number | null = null): void {
    this.#spend(56);
    this.#push(new TorchObject(type, at));
  }

  #bytesObject(type: string, length: number): void {
    this.#skip(length);
    this.#object(type);
  }

  /** An object of a class that is not on the list; the names on the list are never made so. */
  #newObject(): void {
    this.#pop();
    const cls = this.#pop();
    if (!(cls instanceof Named) || cls.constructor !== Named) return this.#refuse(0x81);
    this.#object(cls.type, cls.at);
  }

  #list(): void {
    this.#spend(32);
    const list: PickleValue[] = [];
    this.#push(list);
    [this.#young, this.#youngPlace] = [list, -1];
  }

  /** Lets the host answer, and puts the byte before its reason where it refuses. */
  #ask<T>(answer: () => T): T {
    try {
      return answer();
    } catch (error) {
      if (error instanceof CheckpointError && !error.message.startsWith(this.#host.name)) {
        this.#fail(error.message);
      }
      throw error;
    }
  }

  #tuple(items: PickleValue[]): void {
    this.#spend(48 + 8 * items.length);
    const floats = items.some((item) => item instanceof Float);
    const tuple = Object.freeze(items.map(plain)); // without places to grow into
    if (floats) noteFloats(tuple);
    this.#push(tuple);
  }

  #long(length: number): PickleValue {
    const start = this.#skip(length);
    if (length > MAX_INTEGER) return new TorchObject("int");
    this.#spend(32 + length);
    let value = 0n;
    for (let k = length - 1; k >= 0; k--) value = value << 8n | BigInt(this.#bytes[start + k]);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #global(module: string, name: string): void {
    this.#spend(112);
    this.#push(this.#host.global(module, name) ?? new Named(`${module}.${name}`, this.#start));
  }

  #reduce(): void {
    const args = this.#pop();
    const callee = this.#pop();
    if (!(callee instanceof Named)) return this.#fail("REDUCE calls something that is no name");
    if (!isTuple(args)) return this.#fail("REDUCE without a tuple of arguments");
    this.#spend(192);
    const made = this.#ask(() => this.#host.call(callee, args));
    if (made === undefined) return this.#object(pythonName(callee.type), callee.at);
    if (made instanceof Map && made.size === 0) this.#ordered.add(made);
    this.#push(made);
  }

  /** An OrderedDict's attributes say nothing of weights; an object's may tell that it is a module. */
  #build(): void {
    const state = this.#pop();
    const built = this.#peek();
    if (built instanceof TorchObject && !(built instanceof Named)) {
      built.isModule ||= state instanceof Map && state.has("_parameters") && state.has("_modules");
    } else if (!(state instanceof Map) || !this.#ordered.has(built)) {
      this.#fail("BUILD sets attributes of something that is no state_dict");
    }
  }

  #append(items: PickleValue[]): void {
    const list = this.#peek();
    if (list instanceof TorchObject && !(list instanceof Named)) return; // a deque
    if (!Array.isArray(list) || Object.isFrozen(list)) return this.#fail("APPEND to no list");
    if (list === this.#young) {
      this.#spend(16 + 8 * items.length);
      // Nothing else knows the list yet: an array of exactly this length takes its place.
      const exact = items.map(plain);
      this.#stack[this.#stack.length - 1] = exact;
      if (this.#youngPlace >= 0) this.#memo[this.#youngPlace] = exact;
      this.#young = null;
      return;
    }
    // An array that grows begins with 16 places, and is half empty at times.
    this.#spend((list.length === 0 ? 128 : 0) + 12 * items.length);
    for (const item of items) list.push(plain(item));
  }

  #set(items: PickleValue[]): void {
    const map = this.#peek();
    if (map instanceof TorchObject && !(map instanceof Named)) return;
    if (!(map instanceof Map)) return this.#fail("SETITEM on no dict");
    if (items.length % 2 === 1) this.#fail("a key without a value");
    for (let k = 0; k < items.length; k += 2) {
      if (map.size >= 4) this.#spend(40); // a Map begins with four places
      map.set(this.#key(map, items[k]), plain(items[k + 1]));
    }
  }

  /** The key that stands for a value; Python holds `1`, `1.0` and `True` to be one key. */
  #key(map: ReadonlyMap<TorchKey, PickleValue>, value: PickleValue): TorchKey {
    if (isTuple(value)) return new TorchObject("tuple");
    if (typeof value === "object" && value !== null && !(value instanceof Float)) {
      if (value instanceof TorchObject) return value;
      this.#fail("a dict's key that is neither text nor an integer, nor any that Python hashes");
    }
    if (value === null || typeof value === "string" || typeof value === "bigint") return value;
    const x = Number(plain(value));
    const real = this.#floatKeys.get(x);
    const equal: TorchKey[] = [
      x,
      ...(x === 0 || x === 1 ? [x === 1] : []),
      ...(real ? [real] : []),
    ];
    const known = equal.find((key) => map.has(key));
    if (known !== undefined) return known;
    if (!(value instanceof Float)) return value as TorchKey;
    const made = real ?? new TorchObject(`float ${pythonFloat(x)}`);
    this.#floatKeys.set(x, made);
    return made;
  }

  #get(index: number): void {
    if (index >= this.#memo.length) this.#fail(`nothing is kept under ${index}`);
    if (this.#memo[index] === this.#young) this.#young = null;
    this.#push(this.#memo[index]);
  }

  /** Python's pickler counts up; a number that leaps would leave holes to be paid for in memory. */
  #put(index: number): void {
    if (index > this.#memo.length) this.#fail(`keeps a value under ${index}, out of turn`);
    const value = this.#peek();
    this.#spend(value === this.#memo[index - 1] ? 24 : 12); // Python keeps nothing twice
    this.#memo[index] = value;
    if (value !== this.#young) return;
    if (this.#youngPlace >= 0) this.#young = null;
    else this.#youngPlace = index;
  }
}

const nothing: readonly PickleValue[] = Object.freeze([]);
