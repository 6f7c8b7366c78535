/**
 * tanh and the logistic function σ on four floats at a time.
 *
 * Both rest on `e^y = 2^k · e^r` with `k = round(y / ln 2)`, so that |r| is at most half of ln 2.
 * There `e^r - 1 = r + r² P(r)`, where P of degree 4 is the best one in relative error (1.4e-8,
 * a quarter of a unit in the last place). Bounds are in the specification, KERNEL-3.
 *
 * @module
 */

import { type Code, f32x4, type Func, i32x4, type Local, type Madd, v128 } from "./assembler.ts";

/** P, lowest power first. */
const p = [0.4999999701976776, 0.1666654497385025, 0.04166746512055397] as const;
const p3 = 0.008366423659026623;
const p4 = 0.0013868323294445872;

/** ln 2 in two parts; the first has so few bits that its product with k is exact. */
const [ln2, ln2Rest] = [0.69140625, 0.0017409305599452862];

/** Added to a small number, it leaves that number, rounded to an integer, in the lowest bits. */
const rounder = 1.5 * 2 ** 23;

const signBit = v128.bits(0x80000000);

/** The functions, as they stand in the body of one kernel. */
export class Activations {
  readonly #madd: Madd;
  readonly #y: Local;
  readonly #k: Local;
  readonly #r: Local;
  readonly #q: Local;
  readonly #scale: Local;

  /** Declares in `f` the variables that the functions need. */
  constructor(f: Func, madd: Madd) {
    this.#madd = madd;
    [this.#y, this.#k, this.#r, this.#q, this.#scale] = f.locals("v128", 5);
  }

  /** Takes y apart: sets q to `e^r - 1` and the scale to `2^k`, 0 for k = -127, ∞ for 128. */
  #exponential(): Code[] {
    const [madd, y, k, r, q, scale] = [
      this.#madd,
      this.#y,
      this.#k,
      this.#r,
      this.#q,
      this.#scale,
    ];
    return [
      k.set(madd(y, v128.floats(1 / Math.LN2), v128.floats(rounder))),
      scale.set(i32x4.add(i32x4.shl(k, 23), v128.floats(1))), // the bits of 1 have exponent 0
      k.set(f32x4.sub(k, rounder)),
      r.set(madd(k, v128.floats(-ln2Rest), madd(k, v128.floats(-ln2), y))),
      q.set(madd(r, v128.floats(p4), v128.floats(p3))),
      ...[...p].reverse().map((coefficient) => q.set(madd(q, r, v128.floats(coefficient)))),
      q.set(madd(f32x4.mul(r, r), q, r)),
    ];
  }

  /** Sets `m` to `e^(-2|x|) - 1`; then `tanh |x| = -m / (2 + m)`, which cannot exceed 1. */
  #minusTwice(m: Local, x: Local): Code[] {
    return [
      this.#y.set(f32x4.pmax(v128.or(f32x4.add(x, x), signBit), -88)),
      ...this.#exponential(),
      m.set(this.#madd(this.#scale, this.#q, f32x4.sub(this.#scale, 1))),
    ];
  }

  /** Sets `out` to tanh x. */
  tanh(out: Local, x: Local): Code[] {
    const m = this.#q;
    return [
      ...this.#minusTwice(m, x),
      m.set(f32x4.div(m, f32x4.add(m, 2))), // negative, or -0
      out.set(v128.xor(m, v128.andNot(signBit, x))),
    ];
  }

  /** Sets `out` to σ(x). */
  sigmoid(out: Local, x: Local): Code[] {
    return [
      ...this.#oneAndExponential(out, x),
      out.set(f32x4.div(1, out)),
    ];
  }

  /** Sets `out` to `1 + e^(-x)`. */
  #oneAndExponential(out: Local, x: Local): Code[] {
    return [
      this.#y.set(f32x4.pmin(f32x4.pmax(f32x4.neg(x), -88), 88.7)),
      ...this.#exponential(),
      out.set(f32x4.add(f32x4.mul(this.#scale, f32x4.add(this.#q, 1)), 1)),
    ];
  }
}
