/**
 * The derivatives of the cells, from what a recorded forward pass leaves behind (`../cells.ts`). Row r of everything but the state belongs to one step of one sequence; the state has
 * a row for each sequence.
 *
 * Every pointer is an address. Rows of the sums (all gates of a row side by side, each `width` bytes
 * wide, a multiple of 32) are `sumsRow` bytes apart, all other rows `width` bytes unless said.
 */

import type { Assembler, Func, Local, Madd } from "../assembler.ts";
import * as f32x4 from "../f32x4.ts";
import * as v128 from "../v128.ts";
import { gatesOf, overUnits, type Row } from "../cells.ts";

/**
 * `da = dh (1 - h²)` for tanh, `da = dh` where h is not 0 for relu. Parameters: sums, which become
 * da, sumsRow, rows, width, dOut and dh, whose sum is the gradient of h, and h.
 */
export function elmanBackward(m: Assembler, _: Madd, phi: "tanh" | "relu"): Func {
  return m.func(7, (f, sums, sumsRow, rows, width, dOut, dh, h) => {
    const [x, d] = f.locals("v128", 2);
    const one = f.let("v128", v128.floats(1));
    const rest: Row[] = [dOut, dh, h].map((part) => [part, width]);
    overUnits(f, rows, width, [[sums, sumsRow], ...rest], (at) => [
      d.set(f32x4.add(v128.load(at[1]), v128.load(at[2]))),
      x.set(v128.load(at[3])),
      v128.store(
        at[0],
        phi === "tanh"
          ? f32x4.mul(d, f32x4.sub(one, f32x4.mul(x, x)))
          : v128.andNot(d, f32x4.le(x, 0)),
      ),
    ]);
  });
}

/**
 * With dh the gradient of h′ and dc that of c′ by way of the steps after:
 *
 * ```text
 * do = dh ⊙ tanh c′ ⊙ o (1 - o)        dc′ = dc + dh ⊙ o ⊙ (1 - tanh² c′)
 * di = dc′ ⊙ g ⊙ i (1 - i)             df = dc′ ⊙ c ⊙ f (1 - f)
 * dg = dc′ ⊙ i ⊙ (1 - g²)              dc ← dc′ ⊙ f
 * ```
 *
 * Parameters: sums, which are the gates and become their sums' gradients, sumsRow, rows, width, dOut
 * and dh, whose sum is dh, the bytes from row to row of dh, cBefore, tanhC, dc.
 */
export function lstmBackward(m: Assembler): Func {
  return m.func(10, (fn, sums, sumsRow, rows, width, dOut, dh, dhRow, cBefore, tanhC, dc) => {
    const [i, f, g, o, t, d, e, q] = fn.locals("v128", 8);
    const one = fn.let("v128", v128.floats(1));
    const gates = gatesOf(fn, sums, sumsRow, width, 4);
    const rest: Row[] = [[dOut, width], [dh, dhRow], [cBefore, width], [tanhC, width], [dc, width]];
    const minus = (a: Local<"v128">) => f32x4.sub(one, a);
    overUnits(fn, rows, width, [...gates, ...rest], (at) => [
      ...[i, f, g, o].map((gate, k) => gate.set(v128.load(at[k]))),
      t.set(v128.load(at[7])),
      d.set(f32x4.add(v128.load(at[4]), v128.load(at[5]))),
      q.set(f32x4.mul(d, o)),
      e.set(f32x4.add(v128.load(at[8]), f32x4.mul(q, f32x4.sub(one, f32x4.mul(t, t))))), // dc′
      v128.store(at[3], f32x4.mul(f32x4.mul(q, t), minus(o))),
      v128.store(at[8], f32x4.mul(e, f)),
      q.set(f32x4.mul(e, i)),
      v128.store(at[0], f32x4.mul(f32x4.mul(q, g), minus(i))),
      v128.store(at[2], f32x4.mul(q, f32x4.sub(one, f32x4.mul(g, g)))),
      v128.store(at[1], f32x4.mul(f32x4.mul(f32x4.mul(e, v128.load(at[6])), f), minus(f))),
    ]);
  });
}

/**
 * With dh the gradient of h′:
 *
 * ```text
 * dn = dh ⊙ (1 - z) ⊙ (1 - n²)         dz = dh ⊙ (h - n) ⊙ z (1 - z)
 * dr = dn ⊙ hn ⊙ r (1 - r)             dhn = dn ⊙ r            dh ← dh ⊙ z
 * ```
 *
 * Parameters: sums, which are r, z, n and become their sums' gradients, sumsRow, rows, width, dOut
 * and dh, whose sum is dh, hBefore: the state before the step, and hn, which becomes dhn.
 */
export function gruBackward(m: Assembler): Func {
  return m.func(8, (f, sums, sumsRow, rows, width, dOut, dh, hBefore, hn) => {
    const [r, z, n, d, e] = f.locals("v128", 5);
    const one = f.let("v128", v128.floats(1));
    const minus = (a: Local<"v128">) => f32x4.sub(one, a);
    const rest: Row[] = [dOut, dh, hBefore, hn].map((part) => [part, width]);
    overUnits(f, rows, width, [...gatesOf(f, sums, sumsRow, width, 3), ...rest], (at) => [
      ...[r, z, n].map((gate, k) => gate.set(v128.load(at[k]))),
      d.set(f32x4.add(v128.load(at[3]), v128.load(at[4]))),
      v128.store(at[4], f32x4.mul(d, z)),
      e.set(f32x4.mul(f32x4.mul(d, minus(z)), f32x4.sub(one, f32x4.mul(n, n)))),
      v128.store(
        at[1],
        f32x4.mul(f32x4.mul(f32x4.mul(d, f32x4.sub(v128.load(at[5]), n)), z), minus(z)),
      ),
      v128.store(at[2], e),
      v128.store(at[0], f32x4.mul(f32x4.mul(f32x4.mul(e, v128.load(at[6])), r), minus(r))),
      v128.store(at[6], f32x4.mul(e, r)),
    ]);
  });
}
