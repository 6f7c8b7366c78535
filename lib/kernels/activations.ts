/**
 * tanh and the logistic function σ on four floats at a time.
 *
 * Both rest on `e^y = 2^k · e^r` with `k = round(y / ln 2)`, so that |r| is at most half of ln 2.
 * There `e^r - 1 = r + r² P(r)`, where P of degree 4 is the best one in relative error (1.4e-8,
 * a quarter of a unit in the last place). Bounds are in the specification, KERNEL-3.
 */

import type { Code, Func, Local, Madd } from "./assembler.ts";
import * as f32x4 from "./f32x4.ts";
import * as i32x4 from "./i32x4.ts";
import * as v128 from "./v128.ts";

/** ln 2 in two parts; the first has so few bits that its product with k is exact. */
const [ln2, ln2Rest] = [0.69140625, 0.0017409305599452862];

/**
 * The constants, by name. Each is put into a local variable before any loop: written as a constant
 * inside a loop, it would be loaded again at each use.
 */
const constants = {
  /** `y / ln 2` of σ, and of tanh, where y is twice -|x|. */
  log2e: 1 / Math.LN2,
  twoLog2e: 2 / Math.LN2,
  /**
   * Added to a small number, it leaves that number, rounded to an integer, in the lowest bits: in
   * these, 127 more. Shifted to where exponents lie, they are the bits of 2^k.
   */
  rounder: 1.5 * 2 ** 23 + 127,
  /** The same for -(2^k). */
  minusRounder: 1.5 * 2 ** 23 + 127 + 256,
  minusLn2: -ln2,
  minusLn2Rest: -ln2Rest,
  minusHalfLn2: -Math.LN2 / 2,
  /** P, lowest power first. */
  p0: 0.4999999701976776,
  p1: 0.1666654497385025,
  p2: 0.04166746512055397,
  p3: 0.008366423659026623,
  p4: 0.0013868323294445872,
  /** 4 P(2 r) as a polynomial of r. */
  q0: 4 * 0.4999999701976776,
  q1: 8 * 0.1666654497385025,
  q2: 16 * 0.04166746512055397,
  q3: 32 * 0.008366423659026623,
  q4: 64 * 0.0013868323294445872,
  one: 1,
  /** Below it, `e^y` counts as 0: k is -127. */
  lowest: -88,
  halfLowest: -44,
  /** The bit of the sign alone. */
  sign: -0,
};

/** The functions as code inside one kernel (KERNEL-3). */
export class Activations {
  readonly #madd: Madd;
  readonly #constants: Record<keyof typeof constants, Local<"v128">>;
  readonly #y: Local<"v128">;
  readonly #k: Local<"v128">;
  readonly #q: Local<"v128">;
  readonly #scale: Local<"v128">;

  /** Declares in `f` the variables that the functions need. */
  constructor(f: Func, madd: Madd) {
    this.#madd = madd;
    [this.#y, this.#k, this.#q, this.#scale] = f.locals("v128", 4);
    this.#constants = Object.fromEntries(
      Object.entries(constants).map(([name, value]) => [name, f.let("v128", v128.floats(value))]),
    ) as Record<keyof typeof constants, Local<"v128">>;
  }

  /** 1, in all lanes. */
  get one(): Local<"v128"> {
    return this.#constants.one;
  }

  /**
   * Sets `out` to tanh x: with `e = e^(-2|x|)`, `-tanh |x|` is `(1 - e) / (-1 - e)`, where each sum
   * is rounded once and the first cannot exceed the second. Of ±0 that is -0: only the sign of x
   * tells the sign of the result.
   */
  tanh(out: Local<"v128">, x: Local<"v128">): Code[] {
    const madd = this.#madd;
    const [y, k, m, scale] = [this.#y, this.#k, this.#q, this.#scale];
    const { twoLog2e, minusRounder, minusHalfLn2, q0, q1, q2, q3, q4 } = this.#constants;
    const { halfLowest, sign, one } = this.#constants;
    return [
      y.set(f32x4.pmax(v128.or(x, sign), halfLowest)), // -|x|
      k.set(madd(y, twoLog2e, minusRounder)),
      scale.set(i32x4.shl(k, 23)), // -(2^k)
      k.set(f32x4.sub(k, minusRounder)),
      y.set(madd(k, minusHalfLn2, y)), // r / 2
      m.set(madd(y, q4, q3)),
      ...[q2, q1, q0].map((q) => m.set(madd(m, y, q))),
      m.set(madd(f32x4.mul(y, y), m, f32x4.add(y, y))), // e^r - 1
      y.set(madd(scale, m, f32x4.add(scale, one))), // 1 - e
      m.set(madd(scale, m, f32x4.sub(scale, one))), // -1 - e
      m.set(f32x4.div(y, m)),
      out.set(v128.xor(m, v128.andNot(sign, x))),
    ];
  }

  /** Sets `out` to σ(x): with `e = e^(-|x|)`, `e / (1 + e)`, taken from 1 where x is positive. */
  sigmoid(out: Local<"v128">, x: Local<"v128">): Code[] {
    const madd = this.#madd;
    const [y, k, e, scale] = [this.#y, this.#k, this.#q, this.#scale];
    const { log2e, rounder, minusLn2, minusLn2Rest, p0, p1, p2, p3, p4 } = this.#constants;
    const { lowest, sign, one } = this.#constants;
    return [
      y.set(f32x4.pmax(v128.or(x, sign), lowest)),
      k.set(madd(y, log2e, rounder)),
      scale.set(i32x4.shl(k, 23)), // 2^k
      k.set(f32x4.sub(k, rounder)),
      y.set(madd(k, minusLn2Rest, madd(k, minusLn2, y))), // r
      e.set(madd(y, p4, p3)),
      ...[p2, p1, p0].map((p) => e.set(madd(e, y, p))),
      e.set(madd(f32x4.mul(y, y), e, y)), // e^r - 1
      e.set(madd(scale, e, scale)),
      k.set(v128.and(f32x4.lt(0, x), one)),
      out.set(f32x4.abs(f32x4.sub(k, f32x4.div(e, f32x4.add(e, one))))),
    ];
  }
}
