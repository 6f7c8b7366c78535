/** What is measured: recurrent layers of some sizes, their weights and their inputs. */

import { Generator, GRU, LSTM, manualSeed, noGrad, randn, RNN, type Tensor } from "../../mod.ts";

/** A layer and the extents of its input. */
export interface Work {
  readonly name: string;
  readonly kind: "RNN" | "LSTM" | "GRU";
  /** H_in. */
  readonly inputSize: number;
  /** H. */
  readonly hiddenSize: number;
  /** N. */
  readonly batch: number;
  /** L. */
  readonly length: number;
  /** Whether each of the steps is a call of its own, with the state handed on. */
  readonly stream?: boolean;
}

/** A module of any kind. */
export type Recurrent = RNN | LSTM | GRU;

/** The gates of each kind. */
export const gates = { RNN: 1, LSTM: 4, GRU: 3 } as const;

/** The multiplications and additions of a forward pass. */
export function operations({ kind, inputSize, hiddenSize, batch, length }: Work): number {
  return 2 * gates[kind] * hiddenSize * (inputSize + hiddenSize) * batch * length;
}

const layer = (
  kind: Work["kind"],
  hiddenSize: number,
  batch: number,
  inputSize = hiddenSize,
  length = 100,
): Work => ({
  name: `${kind} H ${hiddenSize}${inputSize === hiddenSize ? "" : ` in ${inputSize}`} N ${batch}` +
    (length === 100 ? "" : ` L ${length}`),
  ...{ kind, inputSize, hiddenSize, batch, length },
});

const kinds = ["RNN", "LSTM", "GRU"] as const;

/** The table of the README. */
export const table: readonly Work[] = [
  { ...layer("RNN", 5, 1, 1, 10), name: "notebook: RNN 1→5 N 1 L 10" },
  layer("RNN", 64, 1, 32),
  layer("LSTM", 64, 1, 32),
  ...kinds.map((kind) => layer(kind, 128, 1)),
  ...kinds.map((kind) => layer(kind, 128, 32)),
  ...kinds.map((kind) => layer(kind, 512, 32)),
];

/** One step after the other. */
export const streams: readonly Work[] = [64, 128, 256].map((hiddenSize) => ({
  ...layer("LSTM", hiddenSize, 1, hiddenSize, 1),
  name: `stream: LSTM H ${hiddenSize}, one step`,
  stream: true,
}));

/** Time against hidden size, and against length. */
export const curves: Readonly<Record<string, readonly Work[]>> = {
  "hidden size": [16, 32, 64, 128, 256, 512, 1024].map((size) => layer("LSTM", size, 1)),
  length: [10, 100, 1000, 10000].map((length) => layer("LSTM", 64, 1, 64, length)),
};

/** A module with weights of its own, the same each time. */
export function moduleOf({ kind, inputSize, hiddenSize }: Work): Recurrent {
  manualSeed(hiddenSize);
  const Kind = { RNN, LSTM, GRU }[kind];
  return new Kind(inputSize, hiddenSize).eval() as Recurrent;
}

/** An input, `(L, N, H_in)`, the same each time. */
export function inputOf({ length, batch, inputSize }: Work): Tensor {
  return randn([length, batch, inputSize], { generator: new Generator(7) });
}

/** A forward pass without recording: the output alone. */
export function forward(module: Recurrent, x: Tensor): Tensor {
  return noGrad(() => module.forward(x)[0] as Tensor);
}
