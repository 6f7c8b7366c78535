/**
 * A part of a batch, from one sequence to another, that one thread computes: where everything lies
 * in its scratch memory, and what the kernels are told about it.
 *
 * @module
 */

import type { Heap } from "./heap.ts";
import { type Pack, padded } from "./pack.ts";
import { slotCount, slots } from "./sequence.ts";

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

/** The input is multiplied for so many bytes of sums, and at least so many rows, at a time. */
const [chunkBytes, chunkRows] = [2 ** 18, 96];

/** Splits a batch into so many slices with about as many rows each. */
export function split(pack: Pack, given: Batch, parts: number): Slice[] {
  const { batch, length, batchSizes } = given;
  if (parts === 1) return [new Slice(pack, given, 0, batch)];
  const lengths = Array<number>(batch).fill(batchSizes ? 0 : length);
  for (const size of batchSizes ?? []) for (let n = 0; n < size; n++) lengths[n]++;
  const rows = lengths.reduce((sum, own) => sum + own);
  const slices: Slice[] = [];
  let [first, done] = [0, 0];
  for (let part = 1; part <= parts; part++) {
    let end = first;
    // At least one sequence each, and as many as bring this part and those before to their share.
    do done += lengths[end++]; while (
      batch - end > parts - part && done + lengths[end] / 2 <= rows * part / parts
    );
    if (part === parts) end = batch;
    slices.push(new Slice(pack, given, first, end - first));
    first = end;
  }
  return slices;
}

/** So many sequences of a batch, from the `first` on. */
export class Slice {
  readonly #pack: Pack;
  /** L, of the longest of these sequences. */
  readonly #length: number;
  readonly #batchFirst: boolean;
  /** How many of these sequences reach each step; `null` where all reach all. */
  readonly #batchSizes: readonly number[] | null;
  /** Before which row each step begins, where sequences end at different times. */
  readonly #starts: readonly number[] | null;
  /** Which rows of the input these are, in order: from which on, how many; `null` for all. */
  readonly #runs: readonly (readonly [from: number, rows: number])[] | null;
  readonly #rows: number;
  /** How many steps are taken at a time. */
  readonly #steps: number;
  /** Whether the rows of a step lie apart, each among those of its sequence. */
  readonly #apart: boolean;
  readonly #input: number;
  readonly #outputs: readonly [number, number];
  readonly #sums: number;
  readonly #h: number;
  readonly #c: number;
  readonly #newSums: number;
  readonly #full: number;
  readonly #batches: number;
  /** Where what the kernels read begins, in bytes from the start of the scratch memory. */
  readonly program: number;
  /** How much scratch memory there is. */
  readonly bytes: number;

  readonly first: number;
  readonly batch: number;

  /** Lays out some sequences of a batch. */
  constructor(pack: Pack, given: Batch, first: number, batch: number) {
    this.first = first;
    this.batch = batch;

    const { sizes, sums, gate, outputSize } = this.#pack = pack;
    this.#batchFirst = given.batchFirst;
    const { batchSizes, length } = given;
    this.#batchSizes = batchSizes && batchSizes
      .map((size) => Math.min(size - first, batch)).filter((size) => size > 0);
    this.#length = this.#batchSizes ? this.#batchSizes.length : length;
    this.#starts = this.#batchSizes && prefixSums(this.#batchSizes);
    this.#rows = this.#starts ? this.#starts[this.#length] : length * batch;
    this.#runs = this.#runsOf(given);
    this.#apart = given.batchFirst && batch > 1 && length > 1;
    const chunk = Math.max(chunkRows, Math.floor(chunkBytes / (4 * sums)));
    this.#steps = Math.min(this.#length, Math.ceil(chunk / batch));
    const parts = sizes.numLayers * sizes.numDirections;
    const width = this.#rows * sizes.numDirections * outputSize;
    const chunks = Math.ceil(this.#length / this.#steps);
    let end = 0;
    const take = (floats: number) => (end += 4 * padded(floats)) - 4 * padded(floats);
    this.#input = take(this.#rows * sizes.inputSize);
    this.#outputs = [take(width), take(sizes.numLayers > 1 ? width : 0)];
    this.#sums = take(this.#steps * batch * sums);
    this.#h = take(parts * batch * padded(outputSize));
    this.#c = take(parts * batch * gate);
    this.#newSums = take(batch * gate);
    this.#full = take(batch * gate);
    this.#batches = take(this.#starts ? this.#length : 0);
    this.program = take(parts * chunks * slotCount);
    this.bytes = end;
  }

  #runsOf(given: Batch): [number, number][] | null {
    const { first, batch } = this;
    if (batch === given.batch) return null;
    const { length } = given;
    if (!this.#batchSizes && given.batchFirst) return [[first * length, batch * length]];
    const starts = given.batchSizes && prefixSums(given.batchSizes);
    return Array.from({ length: this.#length }, (_, t) => [
      (starts ? starts[t] : t * given.batch) + first,
      this.#batchSizes ? this.#batchSizes[t] : batch,
    ]);
  }

  /** The number of the first row of a step. */
  #row(step: number): number {
    return this.#starts ? this.#starts[step] : this.#apart ? step : step * this.batch;
  }

  /**
   * Puts the input and the initial states where the kernels read them.
   *
   * @param heap the heap
   * @param base where the scratch memory begins
   * @param given the whole batch
   * @param initial the states before the first step, `[h]` or `[h, c]`; `null` for zeros
   */
  load(heap: Heap, base: number, given: Batch, initial: readonly Float32Array[] | null): void {
    const { floats, integers } = heap;
    const { inputSize, hiddenSize } = this.#pack.sizes;
    let to = (base + this.#input) / 4;
    if (this.#runs === null) floats.set(given.x, to);
    else {
      for (const [from, rows] of this.#runs) {
        floats.set(given.x.subarray(from * inputSize, (from + rows) * inputSize), to);
        to += rows * inputSize;
      }
    }
    if (this.#batchSizes) integers.set(this.#batchSizes, (base + this.#batches) / 4);
    const [h, c] = [(base + this.#h) / 4, (base + this.#c) / 4];
    floats.fill(0, h, (base + this.#newSums) / 4);
    if (initial === null) return;
    const move = (part: Float32Array, at: number, row: number, features: number) =>
      this.#eachState(at, row, features, given, (here, there) => floats[here] = part[there]);
    move(initial[0], h, padded(this.#pack.outputSize), this.#pack.outputSize);
    if (initial.length > 1) move(initial[1], c, this.#pack.gate, hiddenSize);
  }

  /**
   * Takes the output and the final states from where the kernels left them.
   *
   * @param heap the heap
   * @param base where the scratch memory begins
   * @param given the whole batch
   * @param output where the output goes
   * @param h where the final hidden states go
   * @param c where the final cell states of an LSTM go; empty for other cells
   */
  store(
    { floats }: Heap,
    base: number,
    given: Batch,
    output: Float32Array,
    h: Float32Array,
    c: Float32Array,
  ): void {
    const { gate, outputSize, sizes } = this.#pack;
    const move = (part: Float32Array, at: number, row: number, features: number) =>
      this.#eachState(at, row, features, given, (here, there) => part[there] = floats[here]);
    move(h, (base + this.#h) / 4, padded(outputSize), outputSize);
    if (c.length > 0) move(c, (base + this.#c) / 4, gate, sizes.hiddenSize);
    const width = sizes.numDirections * outputSize;
    let at = (base + this.#outputs[(sizes.numLayers - 1) % 2]) / 4;
    if (this.#runs === null) output.set(floats.subarray(at, at + this.#rows * width));
    else {
      for (const [from, rows] of this.#runs) {
        output.set(floats.subarray(at, at + rows * width), from * width);
        at += rows * width;
      }
    }
  }

  /** Every number of a state: where it is on the heap, and where in `(layers · D, N, features)`. */
  #eachState(
    at: number,
    row: number,
    features: number,
    { batch, order }: Batch,
    visit: (here: number, there: number) => void,
  ): void {
    const { numLayers, numDirections } = this.#pack.sizes;
    for (let part = 0; part < numLayers * numDirections; part++) {
      for (let n = 0; n < this.batch; n++, at += row) {
        const own = order ? order[this.first + n] : this.first + n;
        const start = (part * batch + own) * features;
        for (let k = 0; k < features; k++) visit(at + k, start + k);
      }
    }
  }

  /**
   * Writes what the kernels read: for each direction of each layer, of some steps after the other.
   *
   * @param heap the heap
   * @param base where the scratch memory begins
   * @param parts where what is the same for every batch begins, for each direction of each layer
   * @returns how many times `slotCount` integers there are
   */
  write({ integers }: Heap, base: number, parts: readonly number[]): number {
    const { sizes, sums: sumsWidth, outputSize, gate } = this.#pack;
    const { batch } = this;
    const [length, starts, apart] = [this.#length, this.#starts, this.#apart];
    const { numDirections } = sizes;
    const width = 4 * numDirections * outputSize;
    const row = 4 * sumsWidth;
    const sums = base + this.#sums;
    let at = (base + this.program) / 4;
    let count = 0;
    for (let index = 0; index < parts.length; index++) {
      const direction = index % numDirections;
      const layer = (index - direction) / numDirections;
      const features = this.#pack.features(layer);
      const from = base + (layer === 0 ? this.#input : this.#outputs[(layer + 1) % 2]);
      const to = base + this.#outputs[layer % 2] + 4 * direction * outputSize;
      for (let done = 0; done < length; done += this.#steps) {
        const steps = Math.min(this.#steps, length - done);
        const first = direction ? length - done - steps : done;
        const start = direction ? first + steps : first; // the kernel goes from here, down or up
        const rows = starts ? starts[first + steps] - starts[first] : steps * batch;
        // Rows of the input that follow each other: all, or those of one sequence of several.
        const runs = apart && steps < length ? batch : 1;
        integers.copyWithin(at, parts[index] / 4, parts[index] / 4 + slotCount);
        integers[at + slots.x] = from + 4 * features * this.#row(first);
        integers[at + slots.xRow] = 4 * features;
        integers[at + slots.xRows] = rows / runs;
        integers[at + slots.xRuns] = runs;
        integers[at + slots.xRun] = 4 * features * length;
        integers[at + slots.inputSums] = sums;
        integers[at + slots.steps] = steps;
        integers[at + slots.batches] = starts ? base + this.#batches + 4 * start : 0;
        integers[at + slots.rows] = batch;
        integers[at + slots.sums] = direction ? sums + row * (apart ? steps : rows) : sums;
        integers[at + slots.sumsRow] = apart ? row * steps : row;
        integers[at + slots.sumsStep] = apart ? row : row * batch;
        integers[at + slots.h] = base + this.#h + 4 * index * batch * padded(outputSize);
        integers[at + slots.c] = base + this.#c + 4 * index * batch * gate;
        integers[at + slots.newSums] = base + this.#newSums;
        integers[at + slots.full] = base + this.#full;
        integers[at + slots.out] = to + width * this.#row(start);
        integers[at + slots.outRow] = apart ? width * length : width;
        integers[at + slots.outStep] = apart ? width : width * batch;
        at += slotCount;
        count++;
      }
    }
    return count;
  }
}

/** `sums[t]` is how many rows stand before step t. */
function prefixSums(batchSizes: readonly number[]): number[] {
  const sums = [0];
  for (const size of batchSizes) sums.push(sums[sums.length - 1] + size);
  return sums;
}
