/** Instructions on four floats. */

import { binary, type Code, lanes, leaving, simd, ternary, type Vector } from "./code.ts";

export const add = /* @__PURE__ */ binary(0xe4);

export const sub = /* @__PURE__ */ binary(0xe5);

export const mul = /* @__PURE__ */ binary(0xe6);

export const div = /* @__PURE__ */ binary(0xe7);

export const abs = (a: Vector): Code<"v128"> => leaving(lanes(a), simd(0xe0));

/** All bits of a lane where `a < b`, or `a ≤ b`, none elsewhere. */
export const lt = /* @__PURE__ */ binary(0x43);

export const le = /* @__PURE__ */ binary(0x45);

/** `a < b ? b : a`: a NaN in `a` stays. */
export const pmax = /* @__PURE__ */ binary(0xeb);

/** `a · b + c`, rounded once where the machine can, twice where it cannot. */
export const relaxedMadd = /* @__PURE__ */ ternary(0x105);
