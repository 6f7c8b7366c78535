/**
 * A machine for the few pickle instructions that `torch.save` writes. Python's own machine runs what
 * a pickle names; this one knows a short list of instructions, hands every name to the caller, who
 * answers for the ones on a list, and refuses the rest: nothing of the file is executed.
 *
 * @module
 */

import { CheckpointError, hex, quote } from "./error.ts";
import { refusedOpcodes } from "./pickle_opcodes.ts";
import { checkResult, isTuple, type PickleValue } from "./pickle_value.ts";

/** What the machine asks of its caller. */
export interface PickleHost {
  /** What a pickle is called in messages. */
  readonly name: string;
  /** How much may be made, in units of about 50 bytes of memory. */
  readonly budget: number;
  /**
   * What a name such as `torch FloatStorage` stands for.
   *
   * @returns a value, or `undefined` for a name that is not on the list
   */
  global(module: string, name: string): object | string | undefined;
  /** What calling a global's value gives; throws the reason where it must not be called so. */
  call(callee: object, args: readonly PickleValue[]): PickleValue;
  /** What a persistent id stands for; throws the reason where there is no such thing. */
  persistent(id: PickleValue): PickleValue;
  /** Whether an object may be part of the result; names and storages may not. */
  isData(value: object): boolean;
}

/** So many values may wait at a time; Python's pickler leaves about two thousand. */
const MAX_STACK = 20_000;

/** Marks where the items of a tuple, or of a batch of items, begin. */
const mark: object = Object.freeze({});

/**
 * Reads a pickle.
 *
 * @param bytes the pickle
 * @param host what its names stand for
 * @returns the value that it holds
 * @throws {CheckpointError} at the first instruction that is not known, does not fit, or refers to a
 * name that the host does not answer for; with its byte
 */
export function readPickle(bytes: Uint8Array, host: PickleHost): PickleValue {
  const value = new Machine(bytes, host).run();
  checkResult(value, host.name, 4096 + 8 * host.budget, (part) => host.isData(part));
  return value;
}

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #host: PickleHost;
  readonly #stack: PickleValue[] = [];
  readonly #memo: PickleValue[] = [];
  readonly #names = new Set<PickleValue>();
  readonly #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  #at = 0;
  #start = 0; // of the instruction being carried out
  #spent = 0;

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
    const result = this.#pop();
    if (this.#stack.length > 0) this.#fail("STOP leaves values behind");
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

  /** Moves on by so many bytes, and returns where they begin. */
  #skip(count: number): number {
    if (count > this.#bytes.length - this.#at) this.#fail("the pickle ends in the middle");
    this.#at += count;
    return this.#at - count;
  }

  #spend(units: number): void {
    this.#spent += units;
    if (this.#spent > this.#host.budget) {
      this.#fail("the pickle makes more objects than a file of this size can need");
    }
  }

  #push(value: PickleValue): void {
    if (this.#stack.length >= MAX_STACK) this.#fail("too many values at a time");
    this.#stack.push(value);
  }

  #pop(): PickleValue {
    const value = this.#stack.pop();
    if (value === undefined || value === mark) return this.#fail("a value is missing");
    return value;
  }

  #peek(): PickleValue {
    const value = this.#stack.at(-1);
    if (value === undefined || value === mark) return this.#fail("a value is missing");
    return value;
  }

  /** Takes all values since the last mark. */
  #sinceMark(): PickleValue[] {
    const at = this.#stack.lastIndexOf(mark);
    if (at < 0) this.#fail("a mark is missing");
    const items = this.#stack.splice(at);
    items.shift();
    return items;
  }

  #string(length: number): string {
    const start = this.#skip(length);
    try {
      return this.#text.decode(this.#bytes.subarray(start, start + length));
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
        return this.#push(mark);
      case 0x29: // EMPTY_TUPLE
        return this.#push(nothing);
      case 0x30: // POP
        this.#pop();
        return;
      case 0x47: // BINFLOAT
        return this.#push(this.#view.getFloat64(this.#skip(8)));
      case 0x4a: // BININT
        return this.#push(this.#view.getInt32(this.#skip(4), true));
      case 0x4b: // BININT1
        return this.#push(this.#byte());
      case 0x4d: // BININT2
        return this.#push(this.#view.getUint16(this.#skip(2), true));
      case 0x4e: // NONE
        return this.#push(null);
      case 0x51: // BINPERSID
        this.#spend(2);
        return this.#push(this.#ask(() => this.#host.persistent(this.#pop())));
      case 0x52: // REDUCE
        return this.#reduce();
      case 0x58: // BINUNICODE
        return this.#push(this.#string(this.#view.getUint32(this.#skip(4), true)));
      case 0x5d: // EMPTY_LIST
        this.#spend(1);
        return this.#push([]);
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
        this.#spend(4);
        return this.#push(new Map());
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
        const length = this.#view.getBigUint64(this.#skip(8), true);
        if (length > this.#bytes.length - this.#at) this.#fail("a frame beyond the pickle's end");
        return;
      }
      default: {
        const name = refusedOpcodes[opcode] ? ` (${refusedOpcodes[opcode]})` : "";
        this.#fail(`instruction 0x${hex(opcode)}${name} is not one that a state_dict needs`);
      }
    }
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
    this.#spend(1 + items.length / 4);
    this.#push(Object.freeze(items));
  }

  #long(length: number): number | bigint {
    const start = this.#skip(length);
    let value = 0n;
    for (let k = length - 1; k >= 0; k--) value = value << 8n | BigInt(this.#bytes[start + k]);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }

  #global(module: string, name: string): void {
    const value = this.#host.global(module, name);
    if (value === undefined) {
      this.#fail(
        `${quote(`${module}.${name}`)} is not one of the names that a state_dict needs; ` +
          "nothing was run",
      );
    }
    if (typeof value === "object") this.#names.add(value);
    this.#push(value);
  }

  #reduce(): void {
    const args = this.#pop();
    const callee = this.#pop();
    if (!this.#names.has(callee)) this.#fail("REDUCE calls something that is no name");
    if (!isTuple(args)) return this.#fail("REDUCE without a tuple of arguments");
    this.#spend(6);
    this.#push(this.#ask(() => this.#host.call(callee as object, args)));
  }

  /** The only objects with attributes are state dicts, whose `_metadata` says nothing of weights. */
  #build(): void {
    const state = this.#pop();
    if (!(state instanceof Map) || !(this.#peek() instanceof Map)) {
      this.#fail("BUILD sets attributes of something that is no state_dict");
    }
  }

  #append(items: PickleValue[]): void {
    const list = this.#peek();
    if (!Array.isArray(list) || Object.isFrozen(list)) return this.#fail("APPEND to no list");
    for (const item of items) list.push(item);
  }

  #set(items: PickleValue[]): void {
    const map = this.#peek();
    if (!(map instanceof Map)) return this.#fail("SETITEM on no dict");
    if (items.length % 2 === 1) this.#fail("a key without a value");
    this.#spend(items.length / 2);
    for (let k = 0; k < items.length; k += 2) {
      const key = items[k];
      if (typeof key !== "string" && !Number.isSafeInteger(key)) {
        this.#fail("a dict's key that is neither text nor an integer");
      }
      map.set(key, items[k + 1]);
    }
  }

  #get(index: number): void {
    if (index >= this.#memo.length) this.#fail(`nothing is kept under ${index}`);
    this.#push(this.#memo[index]);
  }

  /** Python's pickler counts up; a number that leaps would leave holes to be paid for in memory. */
  #put(index: number): void {
    if (index > this.#memo.length) this.#fail(`keeps a value under ${index}, out of turn`);
    this.#spend(0.25);
    this.#memo[index] = this.#peek();
  }
}

const nothing: readonly PickleValue[] = Object.freeze([]);
