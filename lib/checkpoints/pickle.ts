/**
 * A machine for the few pickle instructions that `torch.save` writes. Python's own machine runs what
 * a pickle names; this one knows a short list of instructions, asks its caller for what a name
 * stands for, and refuses the rest: nothing of the file is executed.
 */

import { pythonFloat } from "../python.ts";
import { decoder, fail, hex, within } from "./refuse.ts";
import { refusedOpcodes } from "./pickle_opcodes.ts";
import {
  checkResult,
  Float,
  isTuple,
  isUnmade,
  Named,
  type PickleValue,
  plain,
  withFloats,
} from "./pickle_value.ts";
import { type TorchKey, TorchObject } from "./torch_object.ts";

/** What the machine asks of its caller. */
export interface PickleHost {
  /** How many bytes of memory may be made of it. */
  readonly budget: number;
  /** What names such as `torch.FloatStorage` stand for; any other only stands for itself. */
  readonly names: ReadonlyMap<string, Named | string>;
  /** What a persistent id stands for; throws the reason where there is no such thing. */
  persistent(id: PickleValue): PickleValue;
}

/** The most marks that may be open at a time; Python's pickler leaves about two thousand. */
const MAX_MARKS = 20_000;

/** The most values, such as the items of one tuple, that may wait without a cost in memory. */
const FREE_STACK = 100_000;

/** An integer of more bytes than this stays an object: making a number of it takes long. */
const MAX_INTEGER = 1024;

/** What Python calls what a call gives: protocol 2 has no instruction for sets or bytes. */
function pythonName(path: string): string {
  const name = path.replace(/^(__builtin__|builtins)\./, "");
  return path === "_codecs.encode" ? "bytes" : name === "xrange" ? "range" : name;
}

/** Text as Python's pickler writes it: UTF-8, in which half a surrogate pair may stand alone. */
function decode(bytes: Uint8Array): string {
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

const nothing: readonly PickleValue[] = Object.freeze([]);

/**
 * Reads a pickle.
 *
 * @throws {CheckpointError} at the first instruction that is not known or does not fit; with its byte
 */
export function readPickle(bytes: Uint8Array, host: PickleHost): PickleValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: PickleValue[] = [];
  const marks: number[] = []; // how many values are below each
  const memo: PickleValue[] = [];
  const ordered = new Set<PickleValue>(); // the OrderedDicts
  const floatKeys = new Map<number, TorchObject>();
  let at = 0;
  let start = 0; // of the instruction being carried out
  let spent = 0;
  let young: PickleValue | null = null; // the newest list, while only the stack and the memo know it
  let youngPlace: number; // where in the memo

  /** Moves on by `count` bytes, and returns where they begin. */
  const skip = (count: number): number => {
    if (count > bytes.length - at) fail("the pickle ends in the middle");
    at += count;
    return at - count;
  };
  /** The next number of `width` bytes, the low one first. */
  const uint = (width: number): number => {
    const from = skip(width);
    let value = 0;
    for (let k = width; k-- > 0;) value = 256 * value + bytes[from + k];
    return value;
  };
  /** Accounts for memory. */
  const spend = (bytes: number): void => {
    spent += bytes;
    if (spent > host.budget) {
      fail("the pickle makes more objects than a file of this size can need");
    }
  };
  const push = (value: PickleValue): void => {
    if (stack.length >= FREE_STACK) spend(20);
    stack.push(value);
  };
  const peek = (): PickleValue => {
    if (stack.length <= (marks.at(-1) ?? 0)) fail("a value is missing");
    return stack[stack.length - 1];
  };
  const pop = (): PickleValue => {
    peek();
    return stack.pop()!;
  };
  const mark = (): void => {
    if (marks.length >= MAX_MARKS) fail("too many marks at a time");
    marks.push(stack.length);
  };
  /** Takes all values since the last mark. */
  const sinceMark = (): PickleValue[] => stack.splice(marks.pop() ?? fail("a mark is missing"));

  const string = (length: number): string => {
    const from = skip(length);
    spend(length > 1 ? 24 : 0);
    try {
      return decode(bytes.subarray(from, from + length));
    } catch {
      return fail("text that is not UTF-8");
    }
  };
  const line = (): string => {
    const end = bytes.subarray(at, at + 256).indexOf(0x0a);
    if (end < 0) fail("a name without end");
    const text = string(end);
    at++;
    return text;
  };
  const float = (): void => {
    const x = view.getFloat64(skip(8));
    spend(16);
    push(Number.isInteger(x) ? new Float(x) : x);
  };
  const long = (length: number): void => {
    const from = skip(length);
    if (length > MAX_INTEGER) return push(new TorchObject("int"));
    spend(32 + length);
    let value = 0n;
    for (let k = length; k-- > 0;) value = value << 8n | BigInt(bytes[from + k]);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    push(Number.isSafeInteger(number) ? number : value);
  };

  /** Stands for something that is not made. */
  const object = (type: string, at: number | null = null): void => {
    spend(56);
    push(new TorchObject(type, at));
  };
  const bytesObject = (type: string, length: number): void => {
    skip(length);
    object(type);
  };
  const refuse = (opcode: number): never => {
    const name = refusedOpcodes[opcode] ? ` (${refusedOpcodes[opcode]})` : "";
    return fail(`instruction 0x${hex(opcode)}${name} is not one that a state_dict needs`);
  };
  /** An object of a class that is not on the list; the names on the list are never made so. */
  const newObject = (): void => {
    pop();
    const cls = pop();
    if (!(cls instanceof Named) || cls.answer) return refuse(0x81);
    object(cls.type, cls.at);
  };

  const list = (): void => {
    spend(32);
    push(young = []);
    youngPlace = -1;
  };
  const tuple = (items: PickleValue[]): void => {
    spend(48 + 8 * items.length);
    const floats = items.some((item) => item instanceof Float);
    const made = Object.freeze(floats ? items.map(plain) : items);
    if (floats) withFloats.add(made);
    push(made);
  };
  const append = (items: PickleValue[]): void => {
    const list = peek();
    if (isUnmade(list)) return; // a deque
    if (!Array.isArray(list) || Object.isFrozen(list)) fail("APPEND to no list");
    if (list === young) {
      spend(16 + 8 * items.length);
      // Nothing else knows the list yet: an array of exactly this length takes its place.
      const exact = items.map(plain);
      stack[stack.length - 1] = exact;
      if (youngPlace >= 0) memo[youngPlace] = exact;
      young = null;
      return;
    }
    // An array that grows begins with 16 places, and is half empty at times.
    spend((list.length === 0 ? 128 : 0) + 12 * items.length);
    for (const item of items) list.push(plain(item));
  };
  const set = (items: PickleValue[]): void => {
    const map = peek();
    if (isUnmade(map)) return;
    if (!(map instanceof Map)) return fail("SETITEM on no dict");
    if (items.length % 2 === 1) fail("a key without a value");
    for (let k = 0; k < items.length; k += 2) {
      if (map.size >= 4) spend(40); // a Map begins with four places
      map.set(keyOf(map, items[k]), plain(items[k + 1]));
    }
  };
  /** The key that stands for a value; Python holds `1`, `1.0` and `True` to be one key. */
  const keyOf = (map: ReadonlyMap<TorchKey, PickleValue>, value: PickleValue): TorchKey => {
    if (isTuple(value)) return new TorchObject("tuple");
    if (value === null || typeof value === "string" || typeof value === "bigint") return value;
    if (value instanceof TorchObject) return value;
    if (typeof value === "object" && !(value instanceof Float)) {
      fail("a dict's key that is neither text nor an integer, nor any that Python hashes");
    }
    const x = Number(plain(value));
    const real = floatKeys.get(x);
    const known = [x, x === 1 || (x !== 0 && x), real ?? x].find((key) => map.has(key));
    if (known !== undefined) return known;
    if (!(value instanceof Float)) return value as TorchKey;
    const made = real ?? new TorchObject(`float ${pythonFloat(x)}`);
    floatKeys.set(x, made);
    return made;
  };

  const global = (module: PickleValue, name: PickleValue): void => {
    if (typeof module !== "string" || typeof name !== "string") {
      fail("STACK_GLOBAL of something that is no name");
    }
    spend(112);
    const path = `${module}.${name}`;
    push(host.names.get(path) ?? new Named(path, start));
  };
  const reduce = (): void => {
    const [args, callee] = [pop(), pop()];
    if (!(callee instanceof Named)) return fail("REDUCE calls something that is no name");
    if (!isTuple(args)) return fail("REDUCE without a tuple of arguments");
    spend(192);
    const { answer, type } = callee;
    if (!answer) return object(pythonName(type), callee.at);
    const made = answer(args) ??
      fail(`a call of ${type} with arguments that PyTorch does not write`);
    if (made instanceof Map && made.size === 0) ordered.add(made);
    push(made);
  };
  /** An OrderedDict's attributes say nothing of weights; an object's may tell that it is a module. */
  const build = (): void => {
    const [state, built] = [pop(), peek()];
    if (isUnmade(built)) {
      built.isModule ||= state instanceof Map && state.has("_parameters") && state.has("_modules");
    } else if (!(state instanceof Map) || !ordered.has(built)) {
      fail("BUILD sets attributes of something that is no state_dict");
    }
  };

  const get = (index: number): void => {
    if (index >= memo.length) fail(`nothing is kept under ${index}`);
    if (memo[index] === young) young = null;
    push(memo[index]);
  };
  /** Python's pickler counts up; a number that leaps would leave holes to be paid for in memory. */
  const put = (index: number): void => {
    if (index > memo.length) fail(`keeps a value under ${index}, out of turn`);
    const value = peek();
    spend(value === memo[index - 1] ? 24 : 12); // Python keeps nothing twice
    memo[index] = value;
    if (value !== young) return;
    if (youngPlace >= 0) young = null;
    else youngPlace = index;
  };

  const carryOut = (opcode: number): void => {
    switch (opcode) {
      case 0x28: // MARK
        return mark();
      case 0x29: // EMPTY_TUPLE
        return push(nothing);
      case 0x30: // POP
        pop();
        return;
      case 0x42: // BINBYTES
        return bytesObject("bytes", uint(4));
      case 0x43: // SHORT_BINBYTES
        return bytesObject("bytes", uint(1));
      case 0x47: // BINFLOAT
        return float();
      case 0x4a: // BININT
        return push(uint(4) | 0);
      case 0x4b: // BININT1
        return push(uint(1));
      case 0x4d: // BININT2
        return push(uint(2));
      case 0x4e: // NONE
        return push(null);
      case 0x51: // BINPERSID
        spend(100);
        return push(host.persistent(pop()));
      case 0x52: // REDUCE
        return reduce();
      case 0x58: // BINUNICODE
        return push(string(uint(4)));
      case 0x5d: // EMPTY_LIST
        return list();
      case 0x61: // APPEND
        return append([pop()]);
      case 0x62: // BUILD
        return build();
      case 0x63: // GLOBAL
        return global(line(), line());
      case 0x65: // APPENDS
        return append(sinceMark());
      case 0x68: // BINGET
        return get(uint(1));
      case 0x6a: // LONG_BINGET
        return get(uint(4));
      case 0x71: // BINPUT
        return put(uint(1));
      case 0x72: // LONG_BINPUT
        return put(uint(4));
      case 0x73: // SETITEM
        return set([pop(), pop()].reverse());
      case 0x74: // TUPLE
        return tuple(sinceMark());
      case 0x75: // SETITEMS
        return set(sinceMark());
      case 0x7d: // EMPTY_DICT
        spend(192);
        return push(new Map());
      case 0x81: // NEWOBJ
        return newObject();
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return tuple(Array.from({ length: opcode - 0x84 }, pop).reverse());
      case 0x88: // NEWTRUE
        return push(true);
      case 0x89: // NEWFALSE
        return push(false);
      case 0x8a: // LONG1
        return long(uint(1));
      case 0x8b: // LONG4
        return long(uint(4));
      case 0x8c: // SHORT_BINUNICODE
        return push(string(uint(1)));
      case 0x8d: // BINUNICODE8
        return push(string(uint(8)));
      case 0x8e: // BINBYTES8
        return bytesObject("bytes", uint(8));
      case 0x8f: // EMPTY_SET
        return object("set");
      case 0x90: // ADDITEMS
        sinceMark();
        if (peek() instanceof TorchObject) return;
        return fail("ADDITEMS to no set");
      case 0x91: // FROZENSET
        sinceMark();
        return object("frozenset");
      case 0x92: // NEWOBJ_EX
        pop();
        return newObject();
      case 0x93: { // STACK_GLOBAL
        const name = pop();
        return global(pop(), name);
      }
      case 0x94: // MEMOIZE
        return put(memo.length);
      case 0x95: // FRAME
        if (uint(8) > bytes.length - at) fail("a frame beyond the pickle's end");
        return;
      case 0x96: // BYTEARRAY8
        return bytesObject("bytearray", uint(8));
      default:
        refuse(opcode);
    }
  };

  const run = (): PickleValue => {
    if (uint(1) !== 0x80 || uint(1) > 5) fail("a pickle of protocol 2 to 5 does not begin so");
    for (;;) {
      start = at;
      const opcode = uint(1);
      if (opcode === 0x2e) break; // STOP
      carryOut(opcode);
    }
    const result = plain(pop());
    if (stack.length + marks.length > 0) fail("STOP leaves values behind");
    if (at !== bytes.length) fail("something after STOP");
    return result;
  };
  const result = within(() => `data.pkl: byte ${start}: `, run);
  checkResult(result, 4096 + bytes.length);
  return result;
}
