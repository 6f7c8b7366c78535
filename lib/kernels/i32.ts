/** Instructions on integers, which here are addresses and counts. */

import { type Code, code, leaving, type Operand, unsigned } from "./code.ts";

/** An instruction on two integers. */
const integers = (opcode: number) => (a: Operand, b: Operand): Code<"i32"> =>
  leaving(code(a), code(b), opcode);

export const add = /* @__PURE__ */ integers(0x6a);

export const sub = /* @__PURE__ */ integers(0x6b);

export const mul = /* @__PURE__ */ integers(0x6c);

export const shl = /* @__PURE__ */ integers(0x74);

export const eq = /* @__PURE__ */ integers(0x46);

export const ge = /* @__PURE__ */ integers(0x4e);

export const divU = /* @__PURE__ */ integers(0x6e);

export const and = /* @__PURE__ */ integers(0x71);

export const shrU = /* @__PURE__ */ integers(0x76);

export const load = (address: Operand, offset = 0): Code<"i32"> =>
  leaving(code(address), 0x28, 2, ...unsigned(offset));

export const store = (address: Operand, value: Operand, offset = 0): Code =>
  leaving(code(address), code(value), 0x36, 2, ...unsigned(offset));
