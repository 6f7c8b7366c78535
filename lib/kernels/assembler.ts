/**
 * A small assembler for WebAssembly: kernels are TypeScript functions that put instructions
 * together. Code is a list of bytes and of more code, flattened at the end; an expression's code
 * leaves its value on the stack, so `f32x4.add(a, b)` is the code of `a`, the code of `b`, and the
 * bytes of one instruction.
 *
 * @module
 */

/** The bytes of some instructions. */
export type Code = readonly (number | Code)[];

/** What an instruction reads: a value's code, a local, or a number that becomes a constant. */
export type Operand = Code | Local | number;

/** The types of value that the kernels use, with their encodings. */
const types = { i32: [0x7f], v128: [0x7b], block: [0x64, 0], table: [0x64, 1] } as const;

/** A type of value. */
export type Type = keyof typeof types;

/** A local variable or parameter of a function. */
export class Local {
  /** The code that reads it. */
  readonly code: Code;
  readonly #assign: Code;

  /** Names the `index`-th local. */
  constructor(index: number) {
    this.code = [0x20, ...unsigned(index)];
    this.#assign = [0x21, ...unsigned(index)];
  }

  /** The code that assigns to it. */
  set(value: Operand): Code {
    return [code(value), this.#assign];
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
export function code(operand: Operand): Code {
  if (typeof operand === "number") return [0x41, ...signed(operand)];
  return operand instanceof Local ? operand.code : operand;
}

/** The code of an operand of vectors; a number stands in all four lanes, as a float32. */
function lanes(operand: Operand): Code {
  if (typeof operand !== "number") return code(operand);
  return v128.bits(new Uint32Array(Float32Array.of(operand).buffer)[0]);
}

type Read = typeof code;
const binary = (read: Read, ...opcode: number[]) => (a: Operand, b: Operand): Code => [
  read(a),
  read(b),
  opcode,
];
const unary = (read: Read, ...opcode: number[]) => (a: Operand): Code => [read(a), opcode];
const ternary = (read: Read, ...opcode: number[]) => (a: Operand, b: Operand, c: Operand): Code => [
  read(a),
  read(b),
  read(c),
  opcode,
];

/** Instructions on integers, which here are addresses and counts. */
export const i32 = {
  add: binary(code, 0x6a),
  sub: binary(code, 0x6b),
  mul: binary(code, 0x6c),
  shl: binary(code, 0x74),
  eq: binary(code, 0x46),
  ge: binary(code, 0x4e),
  divU: binary(code, 0x6e),
  and: binary(code, 0x71),
  shrU: binary(code, 0x76),
  load: (address: Operand, offset = 0): Code => [code(address), 0x28, 2, ...unsigned(offset)],
  store: (address: Operand, value: Operand, offset = 0): Code => [
    code(address),
    code(value),
    0x36,
    2,
    ...unsigned(offset),
  ],
};

const simd = (opcode: number) => [0xfd, ...unsigned(opcode)];

/** Instructions on 128 bits, whatever they are. */
export const v128 = {
  /** The four floats at an address. */
  load: (address: Operand, offset = 0): Code => [
    code(address),
    ...simd(0x00),
    2,
    ...unsigned(offset),
  ],
  /** The float at an address, in all four lanes. */
  splat: (address: Operand, offset = 0): Code => [
    code(address),
    ...simd(0x09),
    2,
    ...unsigned(offset),
  ],
  store: (address: Operand, value: Operand, offset = 0): Code => [
    code(address),
    lanes(value),
    ...simd(0x0b),
    2,
    ...unsigned(offset),
  ],
  /** The same 32 bits in all four lanes. */
  bits: (value: number): Code => {
    const bytes = [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff);
    return [...simd(0x0c), ...bytes, ...bytes, ...bytes, ...bytes];
  },
  /** The same float in all four lanes. */
  floats: (value: number): Code => lanes(value),
  /** One lane, in all four. */
  lane: (a: Operand, index: number): Code => {
    const bytes = [0, 1, 2, 3].map((byte) => 4 * index + byte);
    return [code(a), code(a), ...simd(0x0d), ...bytes, ...bytes, ...bytes, ...bytes];
  },
  and: binary(lanes, ...simd(0x4e)),
  or: binary(lanes, ...simd(0x50)),
  xor: binary(lanes, ...simd(0x51)),
  /** The bits of `a` where those of `mask` are set, elsewhere those of `b`. */
  select: (a: Operand, b: Operand, mask: Operand): Code => [
    ...[lanes(a), lanes(b), code(mask)],
    simd(0x52),
  ],
  /** The bits of the first operand that are not set in the second. */
  andNot: binary(lanes, ...simd(0x4f)),
};

/** Instructions on four integers. */
export const i32x4 = {
  shl: (a: Operand, bits: number): Code => [code(a), code(bits), ...simd(0xab)],
  add: binary(code, ...simd(0xae)),
};

/** Instructions on four floats. */
export const f32x4 = {
  neg: unary(lanes, ...simd(0xe1)),
  add: binary(lanes, ...simd(0xe4)),
  sub: binary(lanes, ...simd(0xe5)),
  mul: binary(lanes, ...simd(0xe6)),
  div: binary(lanes, ...simd(0xe7)),
  abs: unary(lanes, ...simd(0xe0)),
  /** All bits of a lane where `a < b`, or `a ≤ b`, none elsewhere. */
  lt: binary(lanes, ...simd(0x43)),
  le: binary(lanes, ...simd(0x45)),
  /** `b < a ? b : a`: a NaN in `a` stays. */
  pmin: binary(lanes, ...simd(0xea)),
  /** `a < b ? b : a`: a NaN in `a` stays. */
  pmax: binary(lanes, ...simd(0xeb)),
  /** `a · b + c`, rounded once where the machine can, twice where it cannot. */
  relaxedMadd: ternary(lanes, ...simd(0x105)),
};

/**
 * Instructions on blocks: objects of vectors, in a table that all functions see. An engine need not
 * check where a field of an object lies, as it must for every address in memory.
 */
export const blocks = {
  /** The table. */
  table: [0x23, 0, 0xd4] as Code,
  /** Replaces the table. */
  setTable: (table: Operand): Code => [code(table), 0x24, 0],
  /** A table that has the same block everywhere. */
  newTable: (block: Operand, length: Operand): Code => [code(block), code(length), 0xfb, 0x06, 1],
  /** Copies the first blocks of one table into another. */
  copy: (to: Operand, from: Operand, length: Operand): Code => [
    code(to),
    code(0),
    code(from),
    code(0),
    code(length),
    ...[0xfb, 0x11, 1, 1],
  ],
  /** A block of a table. */
  at: (table: Operand, index: Operand): Code => [code(table), code(index), 0xfb, 0x0b, 1],
  /** Puts a block into a table. */
  put: (table: Operand, index: Operand, block: Operand): Code => [
    code(table),
    code(index),
    code(block),
    ...[0xfb, 0x0e, 1],
  ],
  /** A new block, all zeros. */
  create: [0xfb, 0x01, 0] as Code,
  /** A field of a block. */
  get: (block: Operand, field: number): Code => [code(block), 0xfb, 0x02, 0, ...unsigned(field)],
  /** Sets a field of a block. */
  set: (block: Operand, field: number, value: Operand): Code => [
    code(block),
    code(value),
    ...[0xfb, 0x05, 0],
    ...unsigned(field),
  ],
};

/** How products are added: `a · b + c`. */
export type Madd = (a: Operand, b: Operand, c: Operand) => Code;

/** `a · b + c` with two roundings. */
export const mulAdd: Madd = (a, b, c) => f32x4.add(f32x4.mul(a, b), c);

/** Repeats `body` while `condition` holds at its end; it runs at least once. */
export function repeat(body: readonly Code[], condition: Operand): Code {
  return [0x03, 0x40, ...body, code(condition), 0x0d, 0, 0x0b];
}

/** Runs `body` only if `condition` holds, and otherwise `other`. */
export function when(
  condition: Operand,
  body: readonly Code[],
  other: readonly Code[] = [],
): Code {
  return [code(condition), 0x04, 0x40, ...body, 0x05, ...other, 0x0b];
}

/** Runs `body` while `condition` holds. */
export function during(condition: Operand, body: readonly Code[]): Code {
  return when(condition, [repeat(body, condition)]);
}

/** Code that {@linkcode leave} gets out of. */
export function leavable(body: readonly Code[]): Code {
  return [0x02, 0x40, ...body, 0x0b];
}

/** Skips the rest of the innermost {@linkcode leavable} code if `condition` holds. */
export function leave(condition: Operand): Code {
  return [code(condition), 0x0d, 0];
}

/** Appends all bytes of some code to a list. */
function flatten(code: Code, bytes: number[]): void {
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
  local(type: Type): Local {
    this.#locals.push(type);
    return new Local(this.params + this.#locals.length - 1);
  }

  /** New local variables. */
  locals(type: Type, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /** A new local variable that holds `value`. */
  let(type: Type, value: Operand): Local {
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
    return [...args.map(code), 0x10, ...unsigned(this.index)];
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

  /** How many vectors its blocks have, if it has any. */
  readonly blockFields: number;
  /** How far its memory can grow, if threads share it. */
  readonly sharedPages: number;

  /**
   * A module with no functions yet.
   *
   * @param blockFields how many vectors its blocks have, if it has any
   * @param sharedPages how far its memory can grow, if threads share it
   */
  constructor(blockFields = 0, sharedPages = 0) {
    this.blockFields = blockFields;
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
    write(f, ...Array.from({ length: params }, (_, k) => new Local(k)));
    return f;
  }

  /** The module's bytes. */
  encode(): Uint8Array<ArrayBuffer> {
    const section = (id: number, entries: readonly number[][]): Code => {
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
    // Type 0 is a block, type 1 an array of blocks; then come the functions' types.
    const fields = Array.from({ length: this.blockFields }, () => [...types.v128, 1]);
    const own = fields.length > 0
      ? [[0x5f, ...unsigned(fields.length), ...fields.flat()], [0x5e, ...types.block, 1]]
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
