/**
 * tanh and the logistic function σ on four floats at a time.
 *
 * Both rest on `e^y = 2^k · e^r` with `k = round(y / ln 2)`, so that |r| is at most half of ln 2.
 * There `e^r - 1 = r + r² P(r)`, where P of degree 4 is the best one in relative error (1.4e-8,
 * a quarter of a unit in the last place). Bounds are in the specification, KERNEL-3.
 */

import { type Code, f32x4, type Func, i32x4, type Local, type Madd, v128 } from "./assembler.ts";

/** ln 2 in two parts; the first has so few bits that its product with k is exact. */
const [ln2, ln2Rest] = [0.69140625, 0.0017409305599452862];

/**
 * The constants, by name. Each is put into a local variable before any loop: written as a constant
 * inside a loop, it would be loaded again at each use.
 */
const constants = {
  log2e: 1 / Math.LN2,
  /** Added to a small number, it leaves that number, rounded to an integer, in the lowest bits. */
  rounder: 1.5 * 2 ** 23,
  minusLn2: -ln2,
  minusLn2Rest: -ln2Rest,
  /** P, lowest power first. */
  p0: 0.4999999701976776,
  p1: 0.1666654497385025,
  p2: 0.04166746512055397,
  p3: 0.008366423659026623,
  p4: 0.0013868323294445872,
  one: 1,
  two: 2,
  /** `e^(-2|x|)` is 2⁻² or less, times at most √2: tanh |x| is nearer to 1 than to 0. */
  far: -2,
  /** Below it, `e^y` counts as 0: k is -127. */
  lowest: -88,
  minusOne: -1,
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
   * Takes y apart: sets q to `e^r - 1`, and the scale to `2^k`, 0 for k = -127, ∞ for k = 128;
   * or to the negative of that, where `unit` is -1 instead of 1.
   */
  #exponential(unit: Local<"v128">): Code[] {
    const madd = this.#madd;
    const [y, k, q, scale] = [this.#y, this.#k, this.#q, this.#scale];
    const { log2e, rounder, minusLn2, minusLn2Rest, p0, p1, p2, p3, p4 } = this.#constants;
    return [
      k.set(madd(y, log2e, rounder)),
      scale.set(i32x4.add(i32x4.shl(k, 23), unit)), // the bits of ±1 are those of exponent 0
      k.set(f32x4.sub(k, rounder)),
      y.set(madd(k, minusLn2Rest, madd(k, minusLn2, y))), // r
      q.set(madd(y, p4, p3)),
      ...[p2, p1, p0].map((p) => q.set(madd(q, y, p))),
      q.set(madd(f32x4.mul(y, y), q, y)),
    ];
  }

  /**
   * Sets `out` to tanh x: with `e = e^(-2|x|)`, `tanh |x|` is `(1 - e) / (1 + e)`, and, where that
   * is nearer to 1 than to 0, the same as `1 - 2 e / (1 + e)`, which rounds less and cannot exceed 1.
   * Of ±0 `1 - e` is +0, so that the sign of x is the sign of the result, of zeros too.
   */
  tanh(out: Local<"v128">, x: Local<"v128">): Code[] {
    const madd = this.#madd;
    const { lowest, sign, one, minusOne, two, far } = this.#constants;
    const [m, k, scale] = [this.#q, this.#k, this.#scale]; // the scale is that of -e
    return [
      this.#y.set(f32x4.pmax(v128.or(f32x4.add(x, x), sign), lowest)),
      ...this.#exponential(minusOne),
      this.#y.set(madd(scale, m, scale)),
      m.set(madd(scale, m, f32x4.add(scale, one))),
      k.set(f32x4.le(k, far)),
      scale.set(f32x4.sub(two, m)),
      m.set(v128.select(f32x4.add(this.#y, this.#y), m, k)),
      m.set(f32x4.add(v128.and(k, one), f32x4.div(m, scale))),
      out.set(v128.or(m, v128.and(x, sign))),
    ];
  }

  /** Sets `out` to σ(x): with `e = e^(-|x|)`, `e / (1 + e)`, taken from 1 where x is positive. */
  sigmoid(out: Local<"v128">, x: Local<"v128">): Code[] {
    const { lowest, sign, one } = this.#constants;
    const [e, above] = [this.#q, this.#k];
    return [
      this.#y.set(f32x4.pmax(v128.or(x, sign), lowest)),
      ...this.#exponential(one),
      e.set(this.#madd(this.#scale, e, this.#scale)),
      above.set(v128.and(f32x4.lt(0, x), one)),
      out.set(f32x4.abs(f32x4.sub(above, f32x4.div(e, f32x4.add(e, one))))),
    ];
  }
}
