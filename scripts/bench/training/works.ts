/**
 * What a training step is measured on: networks of some sizes, their data, and one step of Adam.
 */

import {
  Adam,
  backward,
  crossEntropy,
  GRU,
  Linear,
  LSTM,
  manualSeed,
  mseLoss,
  reshape,
  RNN,
  select,
  Tensor,
} from "../../../mod.ts";
import { gates } from "../work.ts";

/** A recurrent network with a Linear on top, and the extents of its input. */
export interface TrainingWork {
  readonly name: string;
  readonly kind: "RNN" | "LSTM" | "GRU";
  readonly inputs: number;
  readonly hidden: number;
  readonly layers: number;
  readonly outputs: number;
  readonly batch: number;
  readonly length: number;
  /** Classes at every step (cross-entropy), or numbers after the last one (MSE). */
  readonly classes: boolean;
}

const plain = { kind: "LSTM" as const, layers: 1, outputs: 1, batch: 32, classes: false };

/** By the names that the command takes. */
export const works: Readonly<Record<string, TrainingWork>> = {
  notebook: {
    ...{ ...plain, name: "the notebook: RNN 1→5, N 1, L 10", kind: "RNN" },
    ...{ inputs: 1, hidden: 5, batch: 1, length: 10 },
  },
  rnn32: {
    ...{ ...plain, name: "RNN 1→32, N 16, L 50", kind: "RNN" },
    ...{ inputs: 1, hidden: 32, batch: 16, length: 50 },
  },
  lstm64: { ...plain, name: "LSTM 32→64, N 32, L 50", inputs: 32, hidden: 64, length: 50 },
  gru128: {
    ...{ ...plain, name: "GRU 64→128, N 32, L 100", kind: "GRU" },
    ...{ inputs: 64, hidden: 128, length: 100 },
  },
  lstm256: {
    ...{ ...plain, name: "LSTM 64→256, 2 layers, 64 classes, N 32, L 64" },
    ...{ inputs: 64, hidden: 256, layers: 2, outputs: 64, length: 64, classes: true },
  },
};

/** The multiplications and additions of the products of a step, backward included. */
export function operationsOf(work: TrainingWork): number {
  const { kind, inputs, hidden, layers, outputs, batch, length, classes } = work;
  const rows = 2 * batch * length;
  let sum = 3 * 2 * hidden * outputs * batch * (classes ? length : 1);
  for (let layer = 0; layer < layers; layer++) {
    const features = layer === 0 ? inputs : hidden;
    const back = layer === 0 ? hidden : features + hidden; // the data needs no gradient
    sum += gates[kind] * hidden * rows * (2 * (features + hidden) + back);
  }
  return sum;
}

/** Numbers from 0 to 1, the same each time. */
function numbers(seed: number): () => number {
  return () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  };
}

/** The input, `(L, N, inputs)`, and the target: numbers `(N, outputs)` or classes `(L · N)`. */
export function dataOf(work: TrainingWork): { x: Float32Array; y: Float32Array | Int32Array } {
  const { inputs, outputs, batch, length, classes } = work;
  const next = numbers(7);
  if (classes) { // the next letter, from this one
    const letters = Int32Array.from(
      { length: (length + 1) * batch },
      () => Math.floor(next() * outputs),
    );
    const x = new Float32Array(length * batch * inputs);
    for (let row = 0; row < length * batch; row++) x[row * inputs + letters[row] % inputs] = 1;
    return { x, y: letters.slice(batch) };
  }
  const draw = (count: number) => Float32Array.from({ length: count }, () => 2 * next() - 1);
  return { x: draw(length * batch * inputs), y: draw(batch * outputs) };
}

/** The network with weights of its own, the same each time. */
export function networkOf({ kind, inputs, hidden, layers, outputs }: TrainingWork) {
  manualSeed(0);
  const body = new { RNN, LSTM, GRU }[kind](inputs, hidden, { numLayers: layers });
  return { body: body as GRU, head: new Linear(hidden, outputs) };
}

/** One step; the loss before it. */
export type Step = () => number | Promise<number>;

/** This library's step. */
export function ours(work: TrainingWork): Step {
  const { body, head } = networkOf(work);
  const optimizer = new Adam([...body.parameters(), ...head.parameters()], { lr: 1e-3 });
  const { x, y } = dataOf(work);
  const { inputs, hidden, outputs, batch, length, classes } = work;
  const input = new Tensor(x, [length, batch, inputs]);
  const target = classes ? null : new Tensor(y as Float32Array, [batch, outputs]);
  return () => {
    optimizer.zeroGrad();
    const [output] = body.forward(input);
    const loss = target
      ? mseLoss(head.forward(select(output, 0, -1)), target)
      : crossEntropy(head.forward(reshape(output, [length * batch, hidden])), y as Int32Array);
    backward(loss);
    optimizer.step();
    return loss.item();
  };
}
