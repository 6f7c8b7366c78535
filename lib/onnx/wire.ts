/** The wire format of protocol buffers, as far as ONNX files use it: read field by field. */

import { CheckpointError } from "../checkpoints/error.ts";

/** The memory that reading a file may still take; a file that would take more is refused. */
export class Budget {
  #left: number;

  /**
   * Begins with a file.
   *
   * @param size how many bytes it has
   */
  constructor(size: number) {
    // Of a file of more than 1 MiB, 23 times its size beside its own bytes: a node with the shortest
    // names that tell ten thousand values apart becomes twenty times as large.
    this.#left = Math.max(2 ** 19 + 22.5 * size, 23 * size);
  }

  /** Takes `bytes` bytes of memory. */
  charge(bytes: number): void {
    if ((this.#left -= bytes) < 0) {
      throw new CheckpointError("onnx: more small parts than a file of this size may have");
    }
  }
}

/** The names of a file, each kept once. */
type Names = Map<string, string>;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** One message of a file: its fields, one after the other. */
export class Message {
  /** The file. */
  readonly file: Uint8Array;
  /** The byte that the message ends before. */
  readonly end: number;
  /** The byte that is read next. */
  at: number;
  /** The number of the field that {@linkcode Message.next} came to. */
  field = 0;
  /** The field's wire type: 2 for text, bytes and messages. */
  type = 0;
  readonly #what: string;
  readonly #start: number;
  readonly #budget: Budget;
  readonly #names: Names;
  #seen = 0;

  /**
   * Begins to read.
   *
   * @param what what the message is, for error messages
   * @param names the names met so far
   */
  constructor(
    file: Uint8Array,
    what: string,
    budget: Budget = new Budget(file.length),
    names: Names = new Map(),
    start = 0,
    end = file.length,
  ) {
    this.file = file;
    this.end = end;
    this.#what = what;
    this.#budget = budget;
    this.#names = names;
    this.#start = start;
    this.at = start;
  }

  /** The message's own bytes, a view on the file. */
  get bytes(): Uint8Array {
    return this.file.subarray(this.#start, this.end);
  }

  /** Takes `bytes` bytes of memory for what the message becomes. */
  charge(bytes: number): void {
    this.#budget.charge(bytes);
  }

  /**
   * Goes to the next field.
   *
   * @param repeated the numbers below 32 of the fields that may come more than once, as bits; none
   * where it is left out. Another one that comes twice is refused, for readers differ in which they take
   */
  next(repeated?: number): boolean {
    if (this.at >= this.end) return false;
    const tag = this.#varint();
    this.field = Math.floor(Number(tag) / 8);
    this.type = Number(tag) % 8;
    if (typeof tag === "bigint" || tag < 8 || tag >= 2 ** 32) this.refuse("a field with no number");
    if (this.field < 32) {
      const bit = 1 << this.field;
      if (this.#seen & bit & ~repeated!) this.refuse(`field ${this.field} comes twice`);
      this.#seen |= bit;
    }
    return true;
  }

  refuse(why: string): never {
    throw new CheckpointError(`onnx: byte ${this.at}: ${this.#what}: ${why}`);
  }

  /** Passes over the field. */
  skip(): void {
    if (this.type === 0) this.#varint();
    else if (this.type === 1) this.#take(8);
    else if (this.type === 2) this.#take(this.#length());
    else if (this.type === 5) this.#take(4);
    else this.refuse(`wire type ${this.type}`);
  }

  /** The field, an integer of 64 bits: a bigint where it is not exact otherwise. */
  integer(): number | bigint {
    this.#expect(0);
    return this.#signed();
  }

  /** The field, an integer that is no larger than 2⁵³. */
  number(): number {
    const value = this.integer();
    if (typeof value === "bigint") this.refuse(`the number ${value}`);
    return value;
  }

  /** The field, a number of 32 bits. */
  float(): number {
    this.#expect(5);
    return this.#view(this.#take(4), 4).getFloat32(0, true);
  }

  /** The field, text. */
  text(): string {
    const bytes = this.content();
    if (bytes.length === 0) return "";
    let text: string;
    try {
      text = decoder.decode(bytes);
    } catch {
      this.refuse(`field ${this.field} is text that is not UTF-8`);
    }
    const known = this.#names.get(text);
    if (known !== undefined) return known;
    this.charge(32 + 2 * text.length + 64);
    this.#names.set(text, text);
    return text;
  }

  /** The field, text, with U+FFFD in place of what is not UTF-8. */
  anyText(): string {
    const text = lenient.decode(this.content());
    this.charge(32 + 2 * text.length);
    return text;
  }

  /** The field's bytes, a view on the file. */
  content(): Uint8Array {
    this.#expect(2);
    const length = this.#length();
    const start = this.#take(length);
    return this.file.subarray(start, start + length);
  }

  /** The field, a message. */
  message(what: string): Message {
    this.#expect(2);
    const length = this.#length();
    const start = this.#take(length);
    return new Message(this.file, what, this.#budget, this.#names, start, start + length);
  }

  /** The field's integers, one or packed, added to a list. */
  integers(to: (number | bigint)[]): void {
    if (this.type !== 2) {
      this.charge(16);
      return void to.push(this.integer());
    }
    const packed = this.message(this.#what);
    const { count } = packed.#counted();
    this.charge(8 * count);
    let next = to.length;
    to.length += count; // not grown step by step, which takes half as much again
    for (packed.at = packed.#start; packed.at < packed.end;) to[next++] = packed.#signed();
  }

  /** The field's numbers of 32 bits, one or packed, added to a list. */
  floats(to: number[]): void {
    const { bytes } = this.fixed(4);
    this.charge(3 * bytes.length + 16);
    const view = this.#view(bytes.byteOffset - this.file.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += 4) to.push(view.getFloat32(at, true));
  }

  /** The field's numbers of a fixed size, one or packed, as bytes. */
  fixed(size: 4 | 8): { bytes: Uint8Array; count: number } {
    if (this.type !== 2) {
      this.#expect(size === 4 ? 5 : 1);
      const start = this.#take(size);
      return { bytes: this.file.subarray(start, start + size), count: 1 };
    }
    const bytes = this.content();
    if (bytes.length % size) this.refuse(`field ${this.field} ends in the middle of a number`);
    return { bytes, count: bytes.length / size };
  }

  /** The field's integers, one or packed, as bytes that {@linkcode readVarints} reads. */
  varints(): { bytes: Uint8Array; count: number } {
    if (this.type !== 2) {
      const start = this.at;
      this.integer();
      return { bytes: this.file.subarray(start, this.at), count: 1 };
    }
    return this.message(this.#what).#counted();
  }

  #counted(): { bytes: Uint8Array; count: number } {
    let count = 0;
    for (; this.at < this.end; count++) this.#varint();
    return { bytes: this.bytes, count };
  }

  #expect(type: number): void {
    if (this.type !== type) {
      this.refuse(`field ${this.field} has the wire type ${this.type}, wanted ${type}`);
    }
  }

  #length(): number {
    const length = this.#varint();
    if (typeof length === "bigint" || length > this.end - this.at) {
      this.refuse(`field ${this.field} has ${length} bytes, ${this.end - this.at} are left`);
    }
    return length;
  }

  /** Passes over `count` bytes, and returns where they begin. */
  #take(count: number): number {
    if (count > this.end - this.at) this.refuse(`it ends within field ${this.field}`);
    const start = this.at;
    this.at += count;
    return start;
  }

  #view(start: number, length: number): DataView {
    return new DataView(this.file.buffer, this.file.byteOffset + start, length);
  }

  #signed(): number | bigint {
    const value = this.#varint();
    if (typeof value === "number") return value;
    const signed = BigInt.asIntN(64, value);
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }

  /** An unsigned integer of at most 64 bits; a bigint from 2⁴⁹ on. */
  #varint(): number | bigint {
    let value = 0;
    for (let k = 0; k < 7; k++) {
      if (this.at >= this.end) this.refuse("it ends within a number");
      const byte = this.file[this.at++];
      value += (byte & 127) * 2 ** (7 * k);
      if (byte < 128) return value;
    }
    let large = BigInt(value);
    for (let k = 7n; k < 10n; k++) {
      if (this.at >= this.end) this.refuse("it ends within a number");
      const byte = this.file[this.at++];
      large += BigInt(byte & 127) << (7n * k);
      if (byte < 128) return BigInt.asUintN(64, large);
    }
    return this.refuse("a number of more than ten bytes");
  }
}

/**
 * The integers in bytes that {@linkcode Message.varints} found sound.
 *
 * @param each takes the lower and the upper 32 bits of each
 */
export function readVarints(bytes: Uint8Array, each: (low: number, high: number) => void): void {
  for (let at = 0; at < bytes.length;) {
    let [low, high, shift] = [0, 0, 0];
    let byte: number;
    do {
      byte = bytes[at++];
      const part = byte & 127;
      if (shift < 35) low |= part << shift;
      if (shift >= 28) high |= shift === 28 ? part >>> 4 : part << shift; // shifts are modulo 32
      shift += 7;
    } while (byte >= 128);
    each(low, high);
  }
}
