/** A small LSTM, its weights and batches, for tests of the kernels' own parts. */

import type { StackSizes, Weights } from "../../lib/kernels/packing.ts";
import type { BatchShape } from "../../lib/kernels/shard.ts";

/** The sizes of the LSTM. */
export const sizes: StackSizes = {
  ...{ kind: "lstm", inputSize: 2, hiddenSize: 8, projSize: 0, numLayers: 1, numDirections: 1 },
};

/** Weights of one layer and direction of these sizes. */
export function weightsOf({ inputSize, hiddenSize }: StackSizes = sizes): Weights[] {
  const array = (length: number) => Float32Array.from({ length }, (_, k) => k / length);
  return [{
    weightIh: array(4 * hiddenSize * inputSize),
    weightHh: array(4 * hiddenSize * hiddenSize),
    biasIh: array(4 * hiddenSize),
    biasHh: array(4 * hiddenSize),
  }];
}

/** A batch of sequences of one length. */
export function batchOf(length: number, batch: number, some: Partial<BatchShape> = {}): BatchShape {
  return { length, batch, batchFirst: false, batchSizes: null, order: null, ...some };
}

/** Does something with a global property that is another one meanwhile. */
export function instead<T>(name: string, value: unknown, run: () => T): T {
  const before = Object.getOwnPropertyDescriptor(globalThis, name)!;
  Object.defineProperty(globalThis, name, { ...before, value });
  try {
    return run();
  } finally {
    Object.defineProperty(globalThis, name, before);
  }
}
