/**
 * Instructions on structs: objects of vectors, in a table that all functions see. An engine need not
 * check where a field of an object lies, as it must for every address in memory.
 */

import { type Code, code, lanes, leaving, type Operand, unsigned, type Vector } from "./code.ts";

/** The table. */
export const table = /* @__PURE__ */ leaving<"table">(0x23, 0, 0xd4);

/** Replaces the table. */
export const setTable = (table: Operand<"table">): Code => leaving(code(table), 0x24, 0);

/** A table that has the same struct everywhere. */
export const newTable = (struct: Operand<"struct">, length: Operand): Code<"table"> =>
  leaving(code(struct), code(length), 0xfb, 0x06, 1);

/** Copies the first structs of one table into another. */
export const copy = (to: Operand<"table">, from: Operand<"table">, length: Operand): Code =>
  leaving(code(to), code(0), code(from), code(0), code(length), 0xfb, 0x11, 1, 1);

/** A struct of a table. */
export const at = (table: Operand<"table">, index: Operand): Code<"struct"> =>
  leaving(code(table), code(index), 0xfb, 0x0b, 1);

/** Puts a struct into a table. */
export const put = (table: Operand<"table">, index: Operand, struct: Operand<"struct">): Code =>
  leaving(code(table), code(index), code(struct), 0xfb, 0x0e, 1);

/** A new struct, all zeros. */
export const create = /* @__PURE__ */ leaving<"struct">(0xfb, 0x01, 0);

/** A field of a struct. */
export const get = (struct: Operand<"struct">, field: number): Code<"v128"> =>
  leaving(code(struct), 0xfb, 0x02, 0, ...unsigned(field));

/** Sets a field of a struct. */
export const set = (struct: Operand<"struct">, field: number, value: Vector): Code =>
  leaving(code(struct), lanes(value), 0xfb, 0x05, 0, ...unsigned(field));
