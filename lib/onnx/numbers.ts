/** Inputs of a model's own scale, and how far its outputs are from those wanted. */

import { numel } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Named, ReferenceLayer } from "./reference.ts";

/** How far outputs are off. */
export interface Off {
  /** The largest difference of an output, on inputs of the model's own scale. */
  readonly error: number;
  /** The first time step that shows a difference, counted from 0 in the order in which it is read. */
  readonly step: number | null;
}

/** Whether a number is within PyTorch's closeness in float32 (NUM-2). */
export const close = (given: number, wanted: number) =>
  Object.is(given, wanted) || Math.abs(given - wanted) <= 1e-5 + 1.3e-6 * Math.abs(wanted);

/**
 * How far outputs are from those wanted.
 *
 * @param given by PyTorch's names; some may be missing
 * @param backs for each direction, whether it reads from the end
 * @returns `null` where all are within the closeness
 */
export function offBy(given: Named, wanted: Named, backs: readonly boolean[]): Off | null {
  let [error, step, wrong] = [0, Infinity, false];
  for (const [name, x] of Object.entries(wanted)) {
    const own = given[name];
    if (!own) continue;
    if (String(own.shape) !== String(x.shape)) return { error: Infinity, step: null };
    const [length, batch, features] = x.shape;
    x.data.forEach((value, k) => {
      if (close(own.data[k], value)) return;
      wrong = true;
      error = Math.max(error, Math.abs(own.data[k] - value)); // NaN stays
      if (name !== "output") return;
      const t = Math.floor(k / batch / features);
      const back = backs[Math.floor((k % features) / (features / backs.length))];
      step = Math.min(step, back ? length - 1 - t : t);
    });
  }
  return wrong ? { error, step: Number.isFinite(step) ? step : null } : null;
}

/** Numbers between -1 and 1 by a small generator, the same in every run. */
export function draws(seed: number): () => number {
  let x = seed;
  return () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.fround(x / 2 ** 31 - 1);
  };
}

/** A tensor of drawn numbers that float32 holds. */
export function drawn(next: () => number, shape: readonly number[], scale = 1): Tensor {
  const data = Float64Array.from({ length: numel(shape) }, () => Math.fround(scale * next()));
  return new Tensor(data, shape);
}

/** The scale of inputs at which the sums in a layer's gates have the variance 1. */
export function scaleOf({ directions: [{ weightIh }], inputSize, layer }: ReferenceLayer): number {
  if (layer > 0) return 1; // what the layer below puts out
  const squares = weightIh.reduce((sum, x) => sum + x * x, 0);
  const rows = weightIh.length / inputSize;
  const scale = Math.sqrt(3 * rows / squares);
  return Number.isFinite(scale) ? Math.min(Math.max(scale, 1e-3), 1e4) : 1;
}

/** ONNX's output Y, (L, D, N, H) or in layout 1 (N, L, D, H), as PyTorch's, (L, N, D · H). */
export function sideBySide(Y: Pick<Tensor, "data" | "shape">, layout: 0 | 1 = 0): Tensor {
  const [a, b, c, H] = Y.shape;
  const [L, D, N] = layout === 1 ? [b, c, a] : [a, b, c];
  const data = new Float64Array(Y.data.length);
  for (let t = 0; t < L; t++) {
    for (let n = 0; n < N; n++) {
      for (let d = 0; d < D; d++) {
        const from = (layout === 1 ? (n * L + t) * D + d : (t * D + d) * N + n) * H;
        data.set(Y.data.subarray(from, from + H), ((t * N + n) * D + d) * H);
      }
    }
  }
  return new Tensor(data, [L, N, D * H]);
}
