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
  readonly final: Float32Array[];
}

/** The input is multiplied for so many bytes of sums, and at least so many rows, at a time. */
const [chunkBytes, chunkRows] = [2 ** 18, 96];

/** So many steps of a single row, and the weights are put in blocks. */
const blocksFrom = 4;

/** Where everything lies in the scratch memory, in bytes from its start, and how time is cut. */
class Plan {
  /** How many rows the input has. */
  readonly rows: number;
  /** How many steps are taken at a time. */
  readonly steps: number;
  /** Whether the rows of a step lie apart, each among those of its sequence. */
  readonly apart: boolean;
  /** Before which row each step begins, where sequences end at different times. */
  readonly starts: readonly number[] | null;
  readonly input: number;
  readonly outputs: readonly [number, number];
  readonly sums: number;
  readonly h: number;
  readonly c: number;
  readonly newSums: number;
  readonly full: number;
  readonly batches: number;
  /** How many bytes there are. */
  readonly bytes: number;

  constructor(
    { sizes, sums, gate, outputSize }: Pack,
    readonly length: number,
    readonly batch: number,
    readonly batchFirst: boolean,
    batchSizes: readonly number[] | null,
  ) {
    this.starts = batchSizes && prefixSums(batchSizes);
    this.rows = this.starts ? this.starts[length] : length * batch;
    this.apart = batchFirst && batch > 1 && length > 1;
    const chunk = Math.max(chunkRows, Math.floor(chunkBytes / (4 * sums)));
    this.steps = Math.min(length, Math.ceil(chunk / batch));
    const width = this.rows * sizes.numDirections * outputSize;
    let end = 0;
    const take = (floats: number) => (end += 4 * padded(floats)) - 4 * padded(floats);
    this.input = take(this.rows * sizes.inputSize);
    this.outputs = [take(width), take(sizes.numLayers > 1 ? width : 0)];
    this.sums = take(this.steps * batch * sums);
    this.h = take(batch * padded(outputSize));
    this.c = take(batch * gate);
    this.newSums = take(batch * gate);
    this.full = take(batch * gate);
    this.batches = take(length);
    this.bytes = end;
  }

  /** Whether it serves a batch of these extents, too. */
  serves({ length, batch, batchFirst, batchSizes }: Batch): boolean {
    return this.starts === null && batchSizes === null && this.length === length &&
      this.batch === batch && this.batchFirst === batchFirst;
  }

  /** The number of the first row of a step. */
  row(step: number): number {
    return this.starts ? this.starts[step] : this.apart ? step : step * this.batch;
  }
}

/** `sums[t]` is how many rows stand before step t. */
function prefixSums(batchSizes: readonly number[]): number[] {
  const sums = [0];
  for (const size of batchSizes) sums.push(sums[sums.length - 1] + size);
  return sums;
}

/** The forward pass of one stack of layers. */
export class Forward {
  readonly #pack: Pack;
  #plan: Plan | null = null;

  /** With the weights that a pack holds. */
  constructor(pack: Pack) {
    this.#pack = pack;
  }

  /**
   * Runs the layers.
   *
   * @param engine what runs them
   * @param weights the weights of layer k and direction d at index `k · D + d`
   * @param given the input
   * @param initial the states before the first step, `[h]` or `[h, c]`; `null` for zeros
   * @returns the output and the final states
   */
  run(
    engine: Engine,
    weights: readonly Weights[],
    given: Batch,
    initial: readonly Float32Array[] | null,
  ): Result {
    const { heap } = engine;
    const pack = this.#pack;
    const { kind, numLayers, numDirections, hiddenSize } = pack.sizes;
    const { length, batch, batchFirst, batchSizes } = given;
    const parts = pack.update(heap, weights);
    if (!this.#plan?.serves(given)) {
      this.#plan = new Plan(pack, length, batch, batchFirst, batchSizes);
    }
    const plan = this.#plan;
    // A single row that takes but a step or two is not worth making blocks.
    if (batch === 1 && length >= blocksFrom) pack.makeBlocks(engine);
    const base = heap.scratch(plan.bytes);
    heap.floats.set(given.x, (base + plan.input) / 4);
    if (batchSizes) heap.integers.set(batchSizes, (base + plan.batches) / 4);

    const h = new Float32Array(parts.length * batch * pack.outputSize);
    const c = kind === "lstm" ? new Float32Array(parts.length * batch * hiddenSize) : null;
    for (let index = 0; index < parts.length; index++) {
      const layer = Math.floor(index / numDirections);
      const from = base + (layer === 0 ? plan.input : plan.outputs[(layer + 1) % 2]);
      const to = base + plan.outputs[layer % 2];
      load(heap, base + plan.h, initial && initial[0], index, pack.outputSize, given);
      if (c) load(heap, base + plan.c, initial && initial[1], index, hiddenSize, given);
      scan(engine, pack, plan, parts[index], index % numDirections, base, from, to);
      store(heap, base + plan.h, h, index, pack.outputSize, given);
      if (c) store(heap, base + plan.c, c, index, hiddenSize, given);
    }
    const at = (base + plan.outputs[(numLayers - 1) % 2]) / 4;
    const output = heap.floats.slice(at, at + plan.rows * numDirections * pack.outputSize);
    return { output, final: c ? [h, c] : [h] };
  }
}

/** Runs one direction of one layer: of some steps after the other, the input's share of all sums
 * as one product, then the recurrence. */
function scan(
  engine: Engine,
  pack: Pack,
  plan: Plan,
  part: Part,
  direction: number,
  base: number,
  from: number,
  to: number,
): void {
  const { batch, length, starts, apart } = plan;
  const { features } = part;
  const { integers } = engine.heap;
  const at = part.slots / 4;
  const width = 4 * pack.sizes.numDirections * pack.outputSize;
  const row = 4 * pack.sums;
  const sums = base + plan.sums;
  integers[at + slots.rows] = batch;
  integers[at + slots.h] = base + plan.h;
  integers[at + slots.c] = base + plan.c;
  integers[at + slots.newSums] = base + plan.newSums;
  integers[at + slots.full] = base + plan.full;
  integers[at + slots.wBlocks] = batch === 1 ? part.blocks : 0;
  integers[at + slots.newBlocks] = batch === 1 ? part.newBlocks : 0;
  integers[at + slots.outRow] = apart ? width * length : width;
  integers[at + slots.outStep] = apart ? width : width * batch;
  for (let done = 0; done < length; done += plan.steps) {
    const count = Math.min(plan.steps, length - done);
    const first = direction ? length - done - count : done;
    const start = direction ? first + count : first; // the kernel goes from here, down or up
    const rows = starts ? starts[first + count] - starts[first] : count * batch;
    integers[at + slots.steps] = count;
    integers[at + slots.batches] = starts ? base + plan.batches + 4 * start : 0;
    integers[at + slots.sumsRow] = apart ? row * count : row;
    integers[at + slots.sumsStep] = apart ? row : row * batch;
    integers[at + slots.sums] = direction ? sums + row * (apart ? count : rows) : sums;
    integers[at + slots.out] = to + 4 * direction * pack.outputSize + width * plan.row(start);
    // Rows of the input that follow each other: all, or those of one sequence where time is cut.
    const runs = apart && count < length ? batch : 1;
    const rowsOfRun = rows / runs;
    for (let run = 0; run < runs; run++) {
      engine.linear(
        from + 4 * features * (plan.row(first) + run * length),
        4 * features,
        rowsOfRun,
        part.input,
        features,
        pack.sums / 4,
        part.bias,
        0,
        sums + run * rowsOfRun * row,
        row,
      );
    }
    engine[pack.sizes.kind](part.slots);
  }
}

/** Puts one layer's and direction's initial state where the kernels keep it. */
function load(
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
function store(
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
