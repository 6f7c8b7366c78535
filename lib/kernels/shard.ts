/**
 * Some sequences of a batch, that one thread computes: where everything lies in their scratch memory,
 * and what the kernels are told about it. Neither the number of sequences nor that of the steps at a
 * time changes a bit of the result (KERNEL-4, KERNEL-9).
 */

import type { Heap } from "./heap.ts";
import { type Packing, padded } from "./packing.ts";
import { slotCount, slotsAt } from "./slots.ts";

/** The extents of the input of a stack of layers. */
export interface BatchShape {
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

/** The input of a stack of layers. */
export interface Batch extends BatchShape {
  /** The features of every row. */
  readonly x: Float32Array;
}

/**
 * What goes through the kernels at once: some steps, through all layers and directions. Where an
 * input in pieces has two directions, a pass computes one direction of one layer only.
 */
export interface Pass {
  /** The first of the steps. */
  readonly first: number;
  /** How many steps. */
  readonly steps: number;
  /** The layers and directions: from this index k · D + d on, */
  readonly from: number;
  /** and before this one. */
  readonly to: number;
  /** The first of these layers. */
  readonly layer: number;
}

/** The size of a chunk: as many rows as have 256 KiB of sums, but at least 96. */
const [chunkBytes, chunkRows] = [2 ** 18, 96];

/** Some sequences of a batch, from the `first` on. */
export class Shard {
  /** The first of its sequences. */
  readonly first: number;
  /** How many sequences it has. */
  readonly batch: number;
  readonly #packing: Packing;
  readonly #given: BatchShape;
  /** L, of the longest of these sequences. */
  readonly #length: number;
  /** How many of these sequences reach each step; `null` where all reach all. */
  readonly #batchSizes: readonly number[] | null;
  /** How many rows stand before each step, of these and of all, where sequences differ in length. */
  readonly #starts: readonly number[] | null;
  readonly #givenStarts: readonly number[] | null;
  /** Whether the rows of a step lie apart, each among those of its sequence. */
  readonly #apart: boolean;
  /** How many steps a pass has, but for the last one; and how many passes that makes. */
  #window: number;
  #windows = 1;
  /** The pass that goes through everything at once. */
  readonly #whole: Pass;
  /** Whether a pass goes through one direction of one layer only. */
  oneByOne = false;
  /** The steps whose input is multiplied at a time. */
  #chunk!: number;
  #input!: number;
  #outputs!: readonly [number, number];
  #sums!: number;
  #h!: number;
  #c!: number;
  #newSums!: number;
  #full!: number;
  #batches!: number;
  /** Where what the kernels read begins, in bytes from the start of the scratch memory. */
  program!: number;
  /** How much scratch memory there is, in bytes. */
  readonly bytes: number;
  /** How many passes there are. */
  readonly passes: number;
  /** Where its scratch memory begins, in bytes from the start of that of all threads. */
  offset = 0;

  /**
   * Lays out some sequences of a batch. The steps are taken all at once, or, if that needs more
   * than `most` bytes of scratch memory, in passes of half as many, and so on; one step at a time
   * may need more.
   */
  constructor(packing: Packing, given: BatchShape, first: number, batch: number, most: number) {
    const { batchSizes, length, batchFirst } = given;
    this.first = first;
    this.batch = batch;
    this.#packing = packing;
    this.#given = given;
    this.#batchSizes = batch === given.batch ? batchSizes : batchSizes && batchSizes
      .map((size) => Math.min(size - first, batch)).filter((size) => size > 0);
    this.#length = this.#batchSizes ? this.#batchSizes.length : length;
    this.#givenStarts = batchSizes && prefixSums(batchSizes);
    this.#starts = this.#batchSizes === batchSizes
      ? this.#givenStarts
      : prefixSums(this.#batchSizes!);
    this.#apart = batchFirst;
    this.#window = this.#length;
    let bytes = this.#layOut();
    while (bytes > most && this.#window > 1) {
      this.#window = Math.ceil(this.#window / 2);
      this.#windows = Math.ceil(this.#length / this.#window);
      this.oneByOne = packing.sizes.numDirections > 1;
      bytes = this.#layOut();
    }
    this.bytes = bytes;
    const { numLayers, numDirections } = packing.sizes;
    const parts = numLayers * numDirections;
    this.passes = this.oneByOne ? parts * this.#windows : this.#windows;
    this.#whole = { first: 0, steps: this.#length, from: 0, to: parts, layer: 0 };
  }

  /** Lays out the scratch memory; returns how much there is. */
  #layOut(): number {
    const { sizes, sums, gate, outputSize } = this.#packing;
    const { batch, oneByOne } = this;
    const { numLayers, numDirections, inputSize } = sizes;
    const parts = numLayers * numDirections;
    const window = this.#window;
    const rows = this.#starts ? this.#starts[window] : window * batch;
    const features = oneByOne ? Math.max(inputSize, this.#packing.features(1)) : inputSize;
    const width = rows * outputSize * (oneByOne ? 1 : numDirections);
    const chunk = Math.max(chunkRows, Math.floor(chunkBytes / (4 * sums)));
    this.#chunk = Math.min(window, Math.ceil(chunk / batch));
    const chunks = Math.ceil(window / this.#chunk);
    let end = 0;
    const take = (floats: number) => (end += 4 * padded(floats)) - 4 * padded(floats);
    this.#input = take(rows * features);
    this.#outputs = [take(width), take(numLayers > 1 && !oneByOne ? width : 0)];
    this.#sums = take(this.#chunk * batch * sums);
    this.#h = take(parts * batch * padded(outputSize));
    this.#c = take(parts * batch * gate);
    this.#newSums = take(batch * gate);
    this.#full = take(batch * gate);
    this.#batches = take(this.#starts ? window : 0);
    this.program = take((oneByOne ? 1 : parts) * chunks * slotCount);
    return end;
  }

  /** The pass of a number. */
  pass(number: number): Pass {
    if (this.#windows === 1) return this.#whole;
    const { numDirections } = this.#packing.sizes;
    const index = Math.floor(number / this.#windows);
    let window = number % this.#windows;
    const backward = this.oneByOne && index % numDirections === 1;
    if (backward) window = this.#windows - 1 - window;
    const first = window * this.#window;
    const steps = Math.min(this.#window, this.#length - first);
    if (!this.oneByOne) return { ...this.#whole, first, steps };
    const layer = Math.floor(index / numDirections);
    return { first, steps, from: index, to: index + 1, layer };
  }

  /** Whether a pass has all rows of the batch, so that they are in the same order. */
  #isAll({ steps }: Pass): boolean {
    return this.batch === this.#given.batch && steps === this.#given.length;
  }

  /** Visits the rows of a pass in the order of the scratch memory: those that follow each other. */
  #eachRun({ first, steps }: Pass, visit: (from: number, rows: number) => void): void {
    const { length, batch, batchFirst } = this.#given;
    const [own, starts] = [this.#batchSizes, this.#givenStarts];
    if (this.batch === batch && (starts || !batchFirst)) {
      const [from, to] = starts
        ? [starts[first], starts[first + steps]]
        : [first * batch, (first + steps) * batch];
      visit(from, to - from);
    } else if (starts || !batchFirst) {
      for (let t = first; t < first + steps; t++) {
        visit((starts ? starts[t] : t * batch) + this.first, own ? own[t] : this.batch);
      }
    } else if (steps === length) visit(this.first * length, this.batch * length);
    else for (let n = 0; n < this.batch; n++) visit((this.first + n) * length + first, steps);
  }

  /** The number of the first row of a step among those of a pass. */
  #row({ first }: Pass, step: number): number {
    if (this.#starts) return this.#starts[step] - this.#starts[first];
    return this.#apart ? step - first : (step - first) * this.batch;
  }

  /**
   * Puts the initial states where the kernels read them.
   *
   * @param base where the scratch memory begins
   * @param order for each sequence of the batch, its row in the states
   * @param initial the states before the first step, `[h]` or `[h, c]`; `null` for zeros
   */
  begin(
    { floats }: Heap,
    base: number,
    order: readonly number[] | null,
    initial: readonly Float32Array[] | null,
  ): void {
    const [h, c] = [(base + this.#h) / 4, (base + this.#c) / 4];
    floats.fill(0, h, (base + this.#newSums) / 4);
    if (initial === null) return;
    const { outputSize, gate, sizes } = this.#packing;
    const move = (part: Float32Array, at: number, row: number, features: number) =>
      this.#eachState(at, row, features, order, (here, there) => floats[here] = part[there]);
    move(initial[0], h, padded(outputSize), outputSize);
    if (initial.length > 1) move(initial[1], c, gate, sizes.hiddenSize);
  }

  /**
   * Puts the input of a pass where the kernels read it.
   *
   * @param base where the scratch memory begins
   */
  load({ floats, integers }: Heap, base: number, pass: Pass, from: Float32Array): void {
    const features = this.#packing.features(pass.layer);
    let to = (base + this.#input) / 4;
    if (this.#isAll(pass)) floats.set(from, to);
    else {
      this.#eachRun(pass, (first, rows) => {
        floats.set(from.subarray(first * features, (first + rows) * features), to);
        to += rows * features;
      });
    }
    const sizes = this.#batchSizes;
    if (sizes) {
      const own = pass.steps === sizes.length
        ? sizes
        : sizes.slice(pass.first, pass.first + pass.steps);
      integers.set(own, (base + this.#batches) / 4);
    }
  }

  /**
   * Takes the output of a pass from where the kernels left it.
   *
   * @param base where the scratch memory begins
   * @param to the output of its last layer, for the whole batch
   */
  store({ floats }: Heap, base: number, pass: Pass, to: Float32Array): void {
    const { outputSize, sizes } = this.#packing;
    const { numDirections, numLayers } = sizes;
    const width = numDirections * outputSize;
    if (this.#isAll(pass)) { // and so not one direction of one layer
      const at = (base + this.#outputs[1 - numLayers % 2]) / 4;
      to.set(floats.subarray(at, at + to.length));
      return;
    }
    if (this.oneByOne) {
      const column = pass.from % numDirections * outputSize;
      let at = (base + this.#outputs[0]) / 4;
      this.#eachRun(pass, (first, rows) => {
        for (let row = first; row < first + rows; row++, at += outputSize) {
          to.set(floats.subarray(at, at + outputSize), row * width + column);
        }
      });
      return;
    }
    let at = (base + this.#outputs[1 - numLayers % 2]) / 4;
    this.#eachRun(pass, (first, rows) => {
      to.set(floats.subarray(at, at + rows * width), first * width);
      at += rows * width;
    });
  }

  /**
   * Takes the final states from where the kernels left them.
   *
   * @param base where the scratch memory begins
   * @param order for each sequence of the batch, its row in the states
   * @param c where the final cell states of an LSTM go; `null` for other cells
   */
  finish(
    { floats }: Heap,
    base: number,
    order: readonly number[] | null,
    h: Float32Array,
    c: Float32Array | null,
  ): void {
    const { gate, outputSize, sizes } = this.#packing;
    const move = (part: Float32Array, at: number, row: number, features: number) =>
      this.#eachState(at, row, features, order, (here, there) => part[there] = floats[here]);
    move(h, (base + this.#h) / 4, padded(outputSize), outputSize);
    if (c) move(c, (base + this.#c) / 4, gate, sizes.hiddenSize);
  }

  /** Every number of a state: where it is on the heap, and where in `(layers · D, N, features)`. */
  #eachState(
    at: number,
    row: number,
    features: number,
    order: readonly number[] | null,
    visit: (here: number, there: number) => void,
  ): void {
    const { numLayers, numDirections } = this.#packing.sizes;
    for (let part = 0; part < numLayers * numDirections; part++) {
      for (let n = 0; n < this.batch; n++, at += row) {
        const own = order ? order[this.first + n] : this.first + n;
        const start = (part * this.#given.batch + own) * features;
        for (let k = 0; k < features; k++) visit(at + k, start + k);
      }
    }
  }

  /**
   * Writes what the kernels read in a pass: for each direction of each layer, some steps after the
   * other.
   *
   * @param base where the scratch memory begins
   * @param parts where what is the same for every batch begins, for each direction of each layer
   * @returns how many times `slotCount` integers there are
   */
  write({ integers }: Heap, base: number, pass: Pass, parts: readonly number[]): number {
    const { sizes, sums: sumsWidth, outputSize, gate } = this.#packing;
    const { batch, oneByOne } = this;
    const [length, starts, apart] = [pass.steps, this.#starts, this.#apart];
    const { numDirections } = sizes;
    const width = 4 * outputSize * (oneByOne ? 1 : numDirections);
    const row = 4 * sumsWidth;
    const sums = base + this.#sums;
    const told = slotsAt(integers, base + this.program);
    let count = 0;
    for (let index = pass.from; index < pass.to; index++) {
      const direction = index % numDirections;
      const layer = (index - direction) / numDirections;
      const features = this.#packing.features(layer);
      const read = layer === 0 || oneByOne ? this.#input : this.#outputs[1 - layer % 2];
      const written = oneByOne
        ? this.#outputs[0]
        : this.#outputs[layer % 2] + 4 * direction * outputSize;
      for (let done = 0; done < length; done += this.#chunk) {
        const steps = Math.min(this.#chunk, length - done);
        const first = pass.first + (direction ? length - done - steps : done);
        const start = direction ? first + steps : first; // the kernel goes from here, down or up
        const rows = starts ? starts[first + steps] - starts[first] : steps * batch;
        // Rows of the input that follow each other: all, or those of one sequence of several.
        const runs = apart && steps < length ? batch : 1;
        integers.copyWithin(told.at, parts[index] / 4, parts[index] / 4 + slotCount);
        told.x = base + read + 4 * features * this.#row(pass, first);
        told.xRow = 4 * features;
        told.xRows = rows / runs;
        told.xRuns = runs;
        told.xRun = 4 * features * length;
        told.inputSums = sums;
        told.steps = steps;
        told.batches = starts ? base + this.#batches + 4 * (start - pass.first) : 0;
        told.rows = batch;
        told.sums = direction ? sums + row * (apart ? steps : rows) : sums;
        told.sumsRow = apart ? row * steps : row;
        told.sumsStep = apart ? row : row * batch;
        told.h = base + this.#h + 4 * index * batch * padded(outputSize);
        told.c = base + this.#c + 4 * index * batch * gate;
        told.newSums = base + this.#newSums;
        told.full = base + this.#full;
        told.out = base + written + width * this.#row(pass, start);
        told.outRow = apart ? width * length : width;
        told.outStep = apart ? width : width * batch;
        told.at += slotCount;
        count++;
      }
    }
    return count;
  }
}

/** `sums[t]` is how many rows stand before step t. */
export function prefixSums(batchSizes: readonly number[]): number[] {
  const sums = [0];
  for (const size of batchSizes) sums.push(sums[sums.length - 1] + size);
  return sums;
}
