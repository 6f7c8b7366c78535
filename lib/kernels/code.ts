/**
 * Code of WebAssembly: a list of bytes and of more code, flattened at the end. An expression's code
 * leaves its value on the stack.
 *
 * The TypeScript type of code names the WebAssembly type of its value, so that an operand of the
 * wrong type does not compile: `i32.add(v128.load(at), 1)` is refused where it is written.
 */

/** The types of value that the kernels use, with their encodings. */
export const types = { i32: [0x7f], v128: [0x7b], struct: [0x64, 0], table: [0x64, 1] } as const;

/** A type of value. */
export type Type = keyof typeof types;

/** Bytes, in lists of lists. */
export type Bytes = readonly (number | Bytes)[];

/** Stands in the type of code for the type of its value; at run time there is no such property. */
declare const leaves: unique symbol;

/** The bytes of instructions that leave a value of type T on the stack; of `Code` alone, nothing. */
export type Code<T extends Type | "nothing" = "nothing"> = Bytes & { readonly [leaves]: T };

/** What an instruction reads: a value's code, a local, or a number that becomes a constant. */
export type Operand<T extends Type = "i32"> =
  | Code<T>
  | Local<T>
  | (T extends "i32" | "v128" ? number : never);

/** Declares which type of value some bytes leave: the only place where this is said by hand. */
export function leaving<T extends Type | "nothing" = "nothing">(...bytes: Bytes): Code<T> {
  return bytes as Code<T>;
}

/** A local variable or parameter of a function. */
export class Local<T extends Type = "i32"> {
  /** The code that reads it. */
  readonly code: Code<T>;
  readonly #type: T;
  readonly #assign: Bytes;

  /** Names the `index`-th local. */
  constructor(index: number, type: T) {
    this.code = leaving(0x20, ...unsigned(index));
    this.#type = type;
    this.#assign = [0x21, ...unsigned(index)];
  }

  /** The code that assigns to it. */
  set(value: Operand<T>): Code {
    const bytes = this.#type === "v128" ? lanes(value as Operand<"v128">) : code(value as Operand);
    return leaving(bytes, this.#assign);
  }

  /** The code that adds an integer to it. */
  add(value: Operand): Code {
    return leaving(this.code, code(value), 0x6a, this.#assign);
  }

  /** The code that subtracts an integer from it. */
  sub(value: Operand): Code {
    return leaving(this.code, code(value), 0x6b, this.#assign);
  }
}

/** A non-negative integer in LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest > 0 ? 0x80 : 0));
    value = rest;
  } while (value > 0);
  return bytes;
}

/** An integer of 32 bits in signed LEB128. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (;;) {
    const byte = value & 0x7f;
    value >>= 7;
    const done = (value === 0 && !(byte & 0x40)) || (value === -1 && (byte & 0x40) !== 0);
    bytes.push(done ? byte : byte | 0x80);
    if (done) return bytes;
  }
}

/** The code of an operand; a number is an `i32`. */
export function code<T extends Type>(operand: Operand<T>): Code<T> {
  if (typeof operand === "number") return leaving(0x41, ...signed(operand));
  return operand instanceof Local ? operand.code : operand as Code<T>;
}

/** The code of an operand of vectors; a number stands in all four lanes, as a float32. */
export function lanes(operand: Operand<"v128">): Code<"v128"> {
  if (typeof operand !== "number") return code(operand);
  return bits(new Uint32Array(Float32Array.of(operand).buffer)[0]);
}

/** The bytes of an instruction on vectors. */
export const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];

/** An operand or result of instructions on vectors. */
export type Vector = Operand<"v128">;

/** The same 32 bits in all four lanes. */
export function bits(value: number): Code<"v128"> {
  const bytes = [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff);
  return leaving(simd(0x0c), bytes, bytes, bytes, bytes);
}

/** An instruction on two vectors. */
export const binary = (opcode: number) => (a: Vector, b: Vector): Code<"v128"> =>
  leaving(lanes(a), lanes(b), simd(opcode));

/** An instruction on three vectors. */
export const ternary = (opcode: number) => (a: Vector, b: Vector, c: Vector): Code<"v128"> =>
  leaving(lanes(a), lanes(b), lanes(c), simd(opcode));
