/**
 * A forward pass on the fast path: arrays in, arrays out.
 *
 * @module
 */

import type { Engine } from "./engine.ts";
import type { Heap } from "./heap.ts";
import { type Pack, padded, type Part, type Weights } from "./pack.ts";
import { slots } from "./sequence.ts";

/** The input of a stack of layers. */
export interface Batch {
  /** The features of every row. */
  readonly x: Float32Array;
  /** L; of the longest sequence where they differ. */
  readonly length: number;
  /** N. */
  readonly batch: number;
  /** Whether rows are ordered by sequence first, by time second. */
  readonly batchFirst: boolean;
  /** How many sequences, longest first, reach each step; `null` where all reach all. */
  readonly batchSizes: readonly number[] | null;
  /** For each sequence, its row in the states; `null` where that is its own number. */
  readonly order: readonly number[] | null;
}

/** What comes out. */
export interface Result {
  /** The hidden states of the last layer, in the order of the input's rows. */
  readonly output: Float32Array;
  /** The final states, `[h]` or `[h, c]`, each `(layers · D, N, features)`. */
  readonly final: readonly Float32Array[];
}

/** How many bytes of sums, and at least how many rows, the input is multiplied for at a time. */
const [chunkBytes, chunkRows] = [2 ** 18, 96];

/**
 * Runs a stack of layers.
 *
 * @param engine what runs it
 * @param pack where the weights are kept
 * @param weights the weights of layer k and direction d at index `k · D + d`
 * @param given the input
 * @param initial the states before the first step, `[h]` or `[h, c]`; `null` for zeros
 * @returns the output and the final states
 */
export function forward(
  engine: Engine,
  pack: Pack,
  weights: readonly Weights[],
  given: Batch,
  initial: readonly Float32Array[] | null,
): Result {
  const { heap } = engine;
  const { x, length, batch, batchSizes } = given;
  const { kind, numLayers, numDirections, hiddenSize } = pack.sizes;
  const parts = pack.update(heap, weights);
  const width = numDirections * pack.outputSize;
  const starts = batchSizes && prefixSums(batchSizes);
  const rows = starts ? starts[length] : length * batch;
  const perChunk = Math.max(chunkRows, Math.floor(chunkBytes / (4 * pack.sums)));
  const steps = Math.min(length, Math.ceil(perChunk / batch));

  // The plan of the scratch memory; every part begins on a whole vector.
  let end = 0;
  const take = (floats: number) => (end += 4 * padded(floats)) - 4 * padded(floats);
  const inputAt = take(x.length);
  const outputsAt = [take(rows * width), numLayers > 1 ? take(rows * width) : 0];
  const sumsAt = take(steps * batch * pack.sums);
  const statesAt = [take(batch * padded(pack.outputSize)), take(batch * pack.gate)];
  const [newSumsAt, fullAt] = [take(batch * pack.gate), take(batch * pack.gate)];
  const batchesAt = take(length);
  const base = heap.scratch(end);

  heap.floats.set(x, (base + inputAt) / 4);
  if (batchSizes) heap.integers.set(batchSizes, (base + batchesAt) / 4);
  const byRow = given.batchFirst && batch > 1 && length > 1; // rows of a step lie apart
  const sumsRow = 4 * pack.sums;
  const features = [pack.outputSize, hiddenSize].slice(0, kind === "lstm" ? 2 : 1);
  const final = features.map((own) => new Float32Array(parts.length * batch * own));

  parts.forEach((part, index) => {
    const layer = Math.floor(index / numDirections);
    const direction = index % numDirections;
    const from = base + (layer === 0 ? inputAt : outputsAt[(layer + 1) % 2]);
    const to = base + outputsAt[layer % 2] + 4 * direction * pack.outputSize;
    const { integers } = heap;
    const set = (name: keyof typeof slots, value: number) =>
      integers[part.slots / 4 + slots[name]] = value;
    set("h", base + statesAt[0]);
    set("c", base + statesAt[1]);
    set("newSums", base + newSumsAt);
    set("full", base + fullAt);
    set("rows", batch);
    set("outRow", 4 * width * (byRow ? length : 1));
    set("outStep", 4 * width * (byRow ? 1 : batch));
    features.forEach((own, k) =>
      loadState(heap, base + statesAt[k], initial && initial[k], index, own, given)
    );
    for (let done = 0; done < length; done += steps) {
      const count = Math.min(steps, length - done);
      const first = direction ? length - done - count : done;
      const last = first + count;
      const rowOf = (t: number) => starts ? starts[t] : byRow ? t : t * batch;
      set("steps", count);
      set("batches", starts ? base + batchesAt + 4 * (direction ? last : first) : 0);
      set("sumsRow", sumsRow * (byRow ? count : 1));
      set("sumsStep", sumsRow * (byRow ? 1 : batch));
      const sumRows = starts ? starts[last] - starts[first] : count * batch;
      const sums = base + sumsAt;
      const skipped = starts ? sumRows : byRow ? count : sumRows;
      set("sums", sums + (direction ? skipped * sumsRow : 0));
      set("out", to + 4 * width * rowOf(direction ? last : first));
      project(engine, part, from, sums, sumsRow, {
        first: rowOf(first),
        rows: byRow && count < length ? count : sumRows,
        apart: length,
        times: byRow && count < length ? batch : 1,
      });
      engine[kind](part.slots);
    }
    features.forEach((own, k) => storeState(heap, base + statesAt[k], final[k], index, own, given));
  });
  const at = (base + outputsAt[(numLayers - 1) % 2]) / 4;
  return { output: heap.floats.slice(at, at + rows * width), final };
}

/** The input's share of the sums: runs of rows that lie apart in the input, not in the sums. */
function project(
  engine: Engine,
  { features, input, bias, slots: at }: Part,
  from: number,
  sums: number,
  sumsRow: number,
  run: { first: number; rows: number; apart: number; times: number },
): void {
  void at;
  for (let n = 0; n < run.times; n++) {
    engine.linear(
      from + 4 * features * (run.first + n * run.apart),
      4 * features,
      run.rows,
      input,
      features,
      sumsRow / 16,
      bias,
      0,
      sums + n * run.rows * sumsRow,
      sumsRow,
    );
  }
}

/** `sums[t]` is how many rows stand before step t. */
function prefixSums(batchSizes: readonly number[]): number[] {
  const sums = [0];
  for (const size of batchSizes) sums.push(sums[sums.length - 1] + size);
  return sums;
}

/** Puts one layer's and direction's initial state where the kernels keep it. */
function loadState(
  { floats }: Heap,
  at: number,
  from: Float32Array | null,
  index: number,
  features: number,
  { batch, order }: Batch,
): void {
  const row = padded(features);
  at /= 4;
  if (from === null || row !== features) floats.fill(0, at, at + batch * row);
  if (from === null) return;
  for (let n = 0; n < batch; n++) {
    const start = (index * batch + (order ? order[n] : n)) * features;
    for (let k = 0; k < features; k++) floats[at + n * row + k] = from[start + k];
  }
}

/** Takes the final state from where the kernels keep it. */
function storeState(
  { floats }: Heap,
  at: number,
  to: Float32Array,
  index: number,
  features: number,
  { batch, order }: Batch,
): void {
  const row = padded(features);
  at /= 4;
  for (let n = 0; n < batch; n++) {
    const start = (index * batch + (order ? order[n] : n)) * features;
    for (let k = 0; k < features; k++) to[start + k] = floats[at + n * row + k];
  }
}
