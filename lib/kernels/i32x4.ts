/** Instructions on four integers. */

import {
  binary,
  type Code,
  code,
  lanes,
  leaving,
  type Operand,
  simd,
  type Vector,
} from "./code.ts";

export const shl = (a: Vector, bits: Operand): Code<"v128"> =>
  leaving(lanes(a), code(bits), simd(0xab));

export const add = /* @__PURE__ */ binary(0xae);

export const sub = /* @__PURE__ */ binary(0xb1);
