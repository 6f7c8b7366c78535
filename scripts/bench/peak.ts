/**
 * How many additions and multiplications a second this machine can do at most in WebAssembly: fused
 * ones of four floats, on registers alone.
 */

import { Assembler, repeat } from "../../lib/kernels/assembler.ts";
import * as f32x4 from "../../lib/kernels/f32x4.ts";
import * as i32 from "../../lib/kernels/i32.ts";
import * as v128 from "../../lib/kernels/v128.ts";

/** Sums side by side, as many as it takes to wait for none; and additions to each a round. */
const [sums, unrolled] = [12, 4];

/** A measurement of the peak, each time in GFLOP/s; `null` without relaxed SIMD. */
export function peak(): (() => number) | null {
  const m = new Assembler();
  m.func(1, (f, rounds) => {
    const all = f.locals("v128", sums);
    const [x, y] = [0, 16].map((at) => f.let("v128", v128.load(at)));
    const once = all.map((sum) => sum.set(f32x4.relaxedMadd(x, y, sum)));
    f.emit(
      repeat([
        ...Array.from({ length: unrolled }, () => once).flat(),
        rounds.set(i32.sub(rounds, 1)),
      ], rounds),
      ...all.map((sum, k) => v128.store(32 + 16 * k, sum)),
    );
  }, "run");
  const bytes = m.encode();
  if (!WebAssembly.validate(bytes)) return null;
  const memory = new WebAssembly.Memory({ initial: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const run = exports.run as (rounds: number) => void;
  const rounds = 20_000; // half a millisecond or so
  return () => {
    const start = performance.now();
    run(rounds);
    return rounds * unrolled * sums * 8 / (performance.now() - start) / 1e6;
  };
}
