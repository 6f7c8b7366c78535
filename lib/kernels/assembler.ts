/**
 * A small assembler for WebAssembly: kernels are TypeScript functions that put instructions
 * together. Code is a list of bytes and of more code, flattened at the end; an expression's code
 * leaves its value on the stack, so `f32x4.add(a, b)` is the code of `a`, the code of `b`, and the
 * bytes of one instruction.
 *
 * The TypeScript type of code names the WebAssembly type of its value, so that an operand of the
 * wrong type does not compile: `i32.add(v128.load(at), 1)` is refused where it is written.
 */

/** The types of value that the kernels use, with their encodings. */
const types = { i32: [0x7f], v128: [0x7b], struct: [0x64, 0], table: [0x64, 1] } as const;

/** A type of value. */
export type Type = keyof typeof types;

/** Bytes, in lists of lists. */
type Bytes = readonly (number | Bytes)[];

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
function leaving<T extends Type | "nothing" = "nothing">(...bytes: Bytes): Code<T> {
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
function code<T extends Type>(operand: Operand<T>): Code<T> {
  if (typeof operand === "number") return leaving(0x41, ...signed(operand));
  return operand instanceof Local ? operand.code : operand as Code<T>;
}

/** The code of an operand of vectors; a number stands in all four lanes, as a float32. */
function lanes(operand: Operand<"v128">): Code<"v128"> {
  if (typeof operand !== "number") return code(operand);
  return v128.bits(new Uint32Array(Float32Array.of(operand).buffer)[0]);
}

/** An instruction on two integers. */
const integers = (opcode: number) => (a: Operand, b: Operand): Code<"i32"> =>
  leaving(code(a), code(b), opcode);

/** Instructions on integers, which here are addresses and counts. */
export const i32 = {
  add: integers(0x6a),
  sub: integers(0x6b),
  mul: integers(0x6c),
  shl: integers(0x74),
  eq: integers(0x46),
  ge: integers(0x4e),
  divU: integers(0x6e),
  and: integers(0x71),
  shrU: integers(0x76),
  load: (address: Operand, offset = 0): Code<"i32"> =>
    leaving(code(address), 0x28, 2, ...unsigned(offset)),
  store: (address: Operand, value: Operand, offset = 0): Code =>
    leaving(code(address), code(value), 0x36, 2, ...unsigned(offset)),
};

const simd = (opcode: number) => [0xfd, ...unsigned(opcode)];

/** An operand or result of instructions on vectors. */
type Vector = Operand<"v128">;

/** Instructions on two or three vectors. */
const binary = (opcode: number) => (a: Vector, b: Vector): Code<"v128"> =>
  leaving(lanes(a), lanes(b), simd(opcode));
const ternary = (opcode: number) => (a: Vector, b: Vector, c: Vector): Code<"v128"> =>
  leaving(lanes(a), lanes(b), lanes(c), simd(opcode));

/** Instructions on 128 bits, whatever they are. */
export const v128 = {
  /** The four floats at an address. */
  load: (address: Operand, offset = 0): Code<"v128"> =>
    leaving(code(address), simd(0x00), 2, ...unsigned(offset)),
  /** The float at an address, in all four lanes. */
  splat: (address: Operand, offset = 0): Code<"v128"> =>
    leaving(code(address), simd(0x09), 2, ...unsigned(offset)),
  store: (address: Operand, value: Vector, offset = 0): Code =>
    leaving(code(address), lanes(value), simd(0x0b), 2, ...unsigned(offset)),
  /** The same 32 bits in all four lanes. */
  bits: (value: number): Code<"v128"> => {
    const bytes = [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff);
    return leaving(simd(0x0c), bytes, bytes, bytes, bytes);
  },
  /** The same float in all four lanes. */
  floats: (value: number): Code<"v128"> => lanes(value),
  /** One lane, in all four. */
  lane: (a: Vector, index: number): Code<"v128"> => {
    const bytes = [0, 1, 2, 3].map((byte) => 4 * index + byte);
    return leaving(lanes(a), lanes(a), simd(0x0d), bytes, bytes, bytes, bytes);
  },
  and: binary(0x4e),
  or: binary(0x50),
  xor: binary(0x51),
  /** The bits of `a` where those of the third operand are set, elsewhere those of `b`. */
  select: ternary(0x52),
  /** The bits of the first operand that are not set in the second. */
  andNot: binary(0x4f),
};

/** Instructions on four integers. */
export const i32x4 = {
  shl: (a: Vector, bits: Operand): Code<"v128"> => leaving(lanes(a), code(bits), simd(0xab)),
  add: binary(0xae),
};

/** Instructions on four floats. */
export const f32x4 = {
  add: binary(0xe4),
  sub: binary(0xe5),
  mul: binary(0xe6),
  div: binary(0xe7),
  abs: (a: Vector): Code<"v128"> => leaving(lanes(a), simd(0xe0)),
  /** All bits of a lane where `a < b`, or `a ≤ b`, none elsewhere. */
  lt: binary(0x43),
  le: binary(0x45),
  /** `a < b ? b : a`: a NaN in `a` stays. */
  pmax: binary(0xeb),
  /** `a · b + c`, rounded once where the machine can, twice where it cannot. */
  relaxedMadd: ternary(0x105),
};

/**
 * Instructions on structs: objects of vectors, in a table that all functions see. An engine need not
 * check where a field of an object lies, as it must for every address in memory.
 */
export const structs = {
  /** The table. */
  table: leaving<"table">(0x23, 0, 0xd4),
  /** Replaces the table. */
  setTable: (table: Operand<"table">): Code => leaving(code(table), 0x24, 0),
  /** A table that has the same struct everywhere. */
  newTable: (struct: Operand<"struct">, length: Operand): Code<"table"> =>
    leaving(code(struct), code(length), 0xfb, 0x06, 1),
  /** Copies the first structs of one table into another. */
  copy: (to: Operand<"table">, from: Operand<"table">, length: Operand): Code =>
    leaving(code(to), code(0), code(from), code(0), code(length), 0xfb, 0x11, 1, 1),
  /** A struct of a table. */
  at: (table: Operand<"table">, index: Operand): Code<"struct"> =>
    leaving(code(table), code(index), 0xfb, 0x0b, 1),
  /** Puts a struct into a table. */
  put: (table: Operand<"table">, index: Operand, struct: Operand<"struct">): Code =>
    leaving(code(table), code(index), code(struct), 0xfb, 0x0e, 1),
  /** A new struct, all zeros. */
  create: leaving<"struct">(0xfb, 0x01, 0),
  /** A field of a struct. */
  get: (struct: Operand<"struct">, field: number): Code<"v128"> =>
    leaving(code(struct), 0xfb, 0x02, 0, ...unsigned(field)),
  /** Sets a field of a struct. */
  set: (struct: Operand<"struct">, field: number, value: Vector): Code =>
    leaving(code(struct), lanes(value), 0xfb, 0x05, 0, ...unsigned(field)),
};

/** How products are added: `a · b + c`. */
export type Madd = (a: Vector, b: Vector, c: Vector) => Code<"v128">;

/** `a · b + c` with two roundings. */
export const mulAdd: Madd = (a, b, c) => f32x4.add(f32x4.mul(a, b), c);

/** Repeats `body` while `condition` holds at its end; it runs at least once. */
export function repeat(body: readonly Code[], condition: Operand): Code {
  return leaving(0x03, 0x40, ...body, code(condition), 0x0d, 0, 0x0b);
}

/** Runs `body` only if `condition` holds, and otherwise `other`. */
export function when(
  condition: Operand,
  body: readonly Code[],
  other: readonly Code[] = [],
): Code {
  return leaving(code(condition), 0x04, 0x40, ...body, 0x05, ...other, 0x0b);
}

/** Runs `body` while `condition` holds. */
export function during(condition: Operand, body: readonly Code[]): Code {
  return when(condition, [repeat(body, condition)]);
}

/** Code that {@linkcode leave} gets out of. */
export function leavable(body: readonly Code[]): Code {
  return leaving(0x02, 0x40, ...body, 0x0b);
}

/** Skips the rest of the innermost {@linkcode leavable} code if `condition` holds. */
export function leave(condition: Operand): Code {
  return leaving(code(condition), 0x0d, 0);
}

/** Appends all bytes of some code to a list. */
function flatten(code: Bytes, bytes: number[]): void {
  for (const part of code) {
    if (typeof part === "number") bytes.push(part);
    else flatten(part, bytes);
  }
}

/** A function being put together. */
export class Func {
  readonly #locals: Type[] = [];
  readonly #body: Code[] = [];

  readonly index: number;
  readonly params: number;

  /** A function of `params` integers, numbered `index` in its module. */
  constructor(index: number, params: number) {
    this.index = index;
    this.params = params;
  }

  /** A new local variable. */
  local<T extends Type>(type: T): Local<T> {
    this.#locals.push(type);
    return new Local(this.params + this.#locals.length - 1, type);
  }

  /** New local variables. */
  locals<T extends Type>(type: T, count: number): Local<T>[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** A new local variable that holds `value`. */
  let<T extends Type>(type: T, value: Operand<T>): Local<T> {
    const local = this.local(type);
    this.emit(local.set(value));
    return local;
  }

  /** Appends instructions. */
  emit(...instructions: Code[]): void {
    this.#body.push(...instructions);
  }

  /** The code that calls it. */
  call(...args: Operand[]): Code {
    if (args.length !== this.params) throw new Error(`a call needs ${this.params} arguments`);
    return leaving(...args.map((arg) => code(arg)), 0x10, ...unsigned(this.index));
  }

  /** Its entry in the code section. */
  encode(): number[] {
    const declared = this.#locals.flatMap((type) => [1, ...types[type]]);
    const body = [...unsigned(this.#locals.length), ...declared];
    flatten(this.#body, body);
    body.push(0x0b);
    return unsigned(body.length).concat(body);
  }
}

/** A module being put together: functions on one memory, which it imports as `env.memory`. */
export class Assembler {
  readonly #functions: Func[] = [];
  readonly #exports: [string, Func][] = [];

  /** How many vectors its structs have, if it has any. */
  readonly structFields: number;
  /** How far its memory can grow, if threads share it. */
  readonly sharedPages: number;

  /**
   * A module with no functions yet.
   *
   * @param structFields how many vectors its structs have, if it has any
   * @param sharedPages how far its memory can grow, if threads share it
   */
  constructor(structFields = 0, sharedPages = 0) {
    this.structFields = structFields;
    this.sharedPages = sharedPages;
  }

  /**
   * Adds a function.
   *
   * @param params how many integers it takes
   * @param write puts its instructions in, given the function and its parameters
   * @param name a name to export it by
   * @returns the function, to call it
   */
  func(params: number, write: (f: Func, ...params: Local[]) => void, name?: string): Func {
    const f = new Func(this.#functions.length, params);
    this.#functions.push(f);
    if (name !== undefined) this.#exports.push([name, f]);
    write(f, ...Array.from({ length: params }, (_, k) => new Local(k, "i32")));
    return f;
  }

  /** The module's bytes. */
  encode(): Uint8Array<ArrayBuffer> {
    const section = (id: number, entries: readonly number[][]): Bytes => {
      const count = unsigned(entries.length);
      const length = entries.reduce((sum, entry) => sum + entry.length, count.length);
      return [id, unsigned(length), count, ...entries];
    };
    const name = (text: string) => [...unsigned(text.length), ...new TextEncoder().encode(text)];
    const signatures = this.#functions.map(({ params }) => [
      0x60,
      ...unsigned(params),
      ...Array<number>(params).fill(types.i32[0]),
      0,
    ]);
    // Type 0 is a struct, type 1 a table of structs; then come the functions' types.
    const fields = Array.from({ length: this.structFields }, () => [...types.v128, 1]);
    const own = fields.length > 0
      ? [[0x5f, ...unsigned(fields.length), ...fields.flat()], [0x5e, ...types.struct, 1]]
      : [];
    const limits = this.sharedPages > 0 ? [0x03, 1, ...unsigned(this.sharedPages)] : [0x00, 1];
    const table = own.length > 0 ? [section(6, [[0x63, 1, 1, 0xd0, 1, 0x0b]])] : [];
    const bytes: number[] = [];
    flatten([
      ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
      section(1, [...own, ...signatures]),
      section(2, [[...name("env"), ...name("memory"), 0x02, ...limits]]),
      section(3, this.#functions.map((_, k) => unsigned(own.length + k))),
      ...table,
      section(7, this.#exports.map(([text, f]) => [...name(text), 0x00, ...unsigned(f.index)])),
      section(10, this.#functions.map((f) => f.encode())),
    ], bytes);
    return new Uint8Array(bytes);
  }
}
