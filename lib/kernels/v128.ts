/** Instructions on 128 bits, whatever they are. */

import {
  binary,
  type Code,
  code,
  lanes,
  leaving,
  type Operand,
  simd,
  ternary,
  unsigned,
  type Vector,
} from "./code.ts";

/** The four floats at an address. */
export const load = (address: Operand, offset = 0): Code<"v128"> =>
  leaving(code(address), simd(0x00), 2, ...unsigned(offset));

/** The float at an address, in all four lanes. */
export const splat = (address: Operand, offset = 0): Code<"v128"> =>
  leaving(code(address), simd(0x09), 2, ...unsigned(offset));

export const store = (address: Operand, value: Vector, offset = 0): Code =>
  leaving(code(address), lanes(value), simd(0x0b), 2, ...unsigned(offset));

/** The same float in all four lanes. */
export const floats = (value: number): Code<"v128"> => lanes(value);

/** One lane, in all four. */
export const lane = (a: Vector, index: number): Code<"v128"> => {
  const bytes = [0, 1, 2, 3].map((byte) => 4 * index + byte);
  return leaving(lanes(a), lanes(a), simd(0x0d), bytes, bytes, bytes, bytes);
};

export const and = /* @__PURE__ */ binary(0x4e);

export const or = /* @__PURE__ */ binary(0x50);

export const xor = /* @__PURE__ */ binary(0x51);

/** The bits of `a` where those of the third operand are set, elsewhere those of `b`. */
export const select = /* @__PURE__ */ ternary(0x52);

/** The bits of the first operand that are not set in the second. */
export const andNot = /* @__PURE__ */ binary(0x4f);
