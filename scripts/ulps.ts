/**
 * How far the kernels' tanh and σ are from the truth, in units in the last place: over every
 * float32 from 2^-26 to 128 and its negative (below and above, both are constant or x itself).
 *
 * ```sh
 * deno run scripts/ulps.ts        # minutes
 * deno run scripts/ulps.ts 101    # every 101st float
 * ```
 */

import { getKernels, type Kernels, LSTM, noGrad, RNN, setKernels, Tensor } from "../mod.ts";

/** The kernels' tanh and σ of some numbers, by way of modules that compute nothing else. */
export function activations(x: Float32Array): { tanh: Float32Array; sigmoid: Float32Array } {
  const input = new Tensor(x, [1, x.length, 1]);
  const zeros = () => new Tensor(new Float32Array(x.length), [1, x.length, 1]);
  const ones = new Tensor(new Float32Array(x.length).fill(1), [1, x.length, 1]);
  const one = (values: number[]) => new Tensor(Float32Array.from(values), [values.length, 1]);
  const rnn = new RNN(1, 1, { bias: false });
  rnn.loadStateDict({ weight_ih_l0: one([1]), weight_hh_l0: one([0]) });
  // c' = σ(x) · 1 + σ(-200) · tanh 0, and σ(-200) is 0.
  const lstm = new LSTM(1, 1);
  lstm.loadStateDict({
    weight_ih_l0: one([0, 1, 0, 0]),
    weight_hh_l0: one([0, 0, 0, 0]),
    bias_ih_l0: new Tensor(Float32Array.of(-200, 0, 0, 0), [4]),
    bias_hh_l0: new Tensor(new Float32Array(4), [4]),
  });
  return noGrad(() => ({
    tanh: rnn.forward(input)[0].data as Float32Array,
    sigmoid: lstm.forward(input, [zeros(), ones])[1][1].data as Float32Array,
  }));
}

/** The distance of a float32 from the truth, in units in the last place of the truth. */
export function ulps(given: number, truth: number): number {
  const exponent = Math.max(Math.floor(Math.log2(Math.abs(truth))), -126);
  return Math.abs(given - truth) / 2 ** (exponent - 23);
}

/** σ in float64. */
export function sigmoid(x: number): number {
  return x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x));
}

function sweep(kernels: Kernels, step: number): void {
  setKernels(kernels);
  const bits = new Uint32Array(1 << 16);
  const x = new Float32Array(bits.buffer);
  const worst = { tanh: [0, 0], sigmoid: [0, 0] };
  const [from, to] = [2 ** -26, 128].map((y) => new Uint32Array(Float32Array.of(y).buffer)[0]);
  for (const sign of [0, 2 ** 31]) {
    for (let first = from; first <= to; first += step * bits.length) {
      for (let k = 0; k < bits.length; k++) bits[k] = sign + Math.min(first + k * step, to);
      const given = activations(x);
      x.forEach((one, k) => {
        const errors = [
          ["tanh", ulps(given.tanh[k], Math.tanh(one))],
          // Where σ is below the normal numbers, it may be 0.
          ["sigmoid", one < -87 ? 0 : ulps(given.sigmoid[k], sigmoid(one))],
        ] as const;
        for (const [name, error] of errors) {
          if (!(error <= worst[name][0])) worst[name] = [error, one];
        }
      });
    }
  }
  for (const [name, [error, at]] of Object.entries(worst)) {
    console.log(`${kernels} ${name}: ${error.toFixed(3)} ulp, at ${at}`);
  }
}

if (import.meta.main) {
  const before = getKernels();
  for (const kernels of ["relaxed", "simd128"] as const) sweep(kernels, Number(Deno.args[0] ?? 1));
  setKernels(before);
}
