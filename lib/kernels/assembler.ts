/**
 * A small assembler for WebAssembly: kernels are TypeScript functions that put instructions
 * together. `f32x4.add(a, b)` is the code of `a`, the code of `b`, and the bytes of one instruction
 * (`code.ts`; the instructions are in files of their types' names).
 */

import {
  type Bytes,
  type Code,
  code,
  leaving,
  Local,
  type Operand,
  type Type,
  types,
  unsigned,
  type Vector,
} from "./code.ts";
import * as f32x4 from "./f32x4.ts";

export type { Code, Operand, Type } from "./code.ts";
export { Local } from "./code.ts";

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
