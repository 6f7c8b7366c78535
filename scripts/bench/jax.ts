/** jax-js in the measurements: a cell as a compiled function, called step by step. */

import type { Tensor } from "../../mod.ts";
import type { Peer } from "./peers.ts";
import { gates, inputOf, moduleOf } from "./work.ts";

/** An array of jax-js, used up by what it is given to; `ref` is one more use. */
interface Value {
  readonly ref: Value;
  add(other: Value): Value;
  mul(other: Value): Value;
  sub(other: Value): Value;
  reshape(shape: number[]): Value;
  dataSync(): Float32Array;
}

/** jax-js, as far as it is used here. */
interface Jax {
  init(device: string): Promise<unknown>;
  defaultDevice(device: string): void;
  jit<A extends unknown[], R>(f: (...args: A) => R): (...args: A) => R;
  nn: { sigmoid(x: Value): Value };
  numpy: {
    array(data: Float32Array): Value;
    dot(a: Value, b: Value): Value;
    tanh(x: Value): Value;
    stack(parts: Value[]): Value;
  };
}

/** jax-js on its WebAssembly backend. */
export async function jax(): Promise<Peer> {
  const { init, defaultDevice, jit, nn, numpy }: Jax = await import(
    "npm:@jax-js/jax@0.1.25" as string
  );
  await init("wasm");
  defaultDevice("wasm");
  const { tanh, dot, stack } = numpy;
  const { sigmoid } = nn;
  return {
    name: "jax-js wasm",
    script: true,
    prepare(work) {
      const { kind, batch, length, inputSize, hiddenSize: H } = work;
      if (work.stream || length > 100) return Promise.resolve(null);
      const state = moduleOf(work).stateDict();
      // For each gate W_i, W_h transposed and both biases.
      const parts = (name: string, columns: number) =>
        Array.from({ length: gates[kind] }, (_, gate) => {
          const { data } = state[`${name}_l0`] as Tensor;
          const own = data.subarray(gate * H * columns, (gate + 1) * H * columns);
          const turned = Float32Array.from(
            own,
            (_, k) => own[(k % H) * columns + Math.floor(k / H)],
          );
          return numpy.array(turned).reshape(columns === 1 ? [H] : [columns, H]);
        });
      const weights = [
        parts("weight_ih", inputSize),
        parts("weight_hh", H),
        parts("bias_ih", 1),
        parts("bias_hh", 1),
      ];
      type Step = (x: Value, h: Value, c: Value, ...weights: Value[][]) => [Value, Value];
      const cell: Record<string, Step> = {
        RNN: (x, h, c, [w], [u], [b], [d]) => [tanh(dot(x, w).add(b).add(dot(h, u).add(d))), c],
        LSTM: (x, h, c, w, u, b, d) => {
          const [i, f, g, o] = w.map((_, k) =>
            dot(x.ref, w[k]).add(b[k]).add(dot(h.ref, u[k]).add(d[k]))
          );
          const c1 = sigmoid(f).mul(c).add(sigmoid(i).mul(tanh(g)));
          return [sigmoid(o).mul(tanh(c1.ref)), c1];
        },
        GRU: (x, h, c, w, u, b, d) => {
          const [xr, xz, xn] = w.map((_, k) => dot(x.ref, w[k]).add(b[k]));
          const [hr, hz, hn] = w.map((_, k) => dot(h.ref, u[k]).add(d[k]));
          const [r, z] = [sigmoid(xr.add(hr)), sigmoid(xz.add(hz))];
          const n = tanh(xn.add(r.mul(hn)));
          return [n.ref.add(z.mul(h.ref.sub(n))), c]; // (1 - z) n + z h
        },
      };
      const step = jit(cell[kind]);
      const { data } = inputOf(work);
      const size = batch * inputSize;
      const xs = Array.from(
        { length },
        (_, t) =>
          numpy.array(data.slice(t * size, (t + 1) * size) as Float32Array)
            .reshape([batch, inputSize]),
      );
      const zero = numpy.array(new Float32Array(batch * H)).reshape([batch, H]);
      return Promise.resolve({
        run() {
          let [h, c] = [zero.ref, zero.ref];
          const outputs = xs.map((x) => {
            const used = weights.map((list) => list.map(({ ref }) => ref));
            [h, c] = step(x.ref, h, c, ...used);
            return h.ref;
          });
          return stack(outputs).dataSync();
        },
      });
    },
  };
}
