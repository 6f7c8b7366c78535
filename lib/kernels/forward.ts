/**
 * A forward pass on the fast path: arrays in, arrays out.
 *
 * @module
 */

import type { Engine } from "./engine.ts";
import type { Pack, Weights } from "./pack.ts";
import { type Batch, type Slice, split } from "./slice.ts";

/** What comes out. */
export interface Result {
  /** The hidden states of the last layer, in the order of the input's rows. */
  readonly output: Float32Array;
  /** The final states, `[h]` or `[h, c]`, each `(layers · D, N, features)`. */
  readonly final: Float32Array[];
}

/** From so many rows on, the weights are put in blocks. */
const blocksFrom = 8;

/** From so many multiplications on, a batch is split among threads. */
const splitFrom = 2 ** 20;

/** How a batch is laid out. */
interface Layout {
  readonly given: Batch;
  readonly threads: number;
  readonly slices: readonly Slice[];
  /** How many rows the input has. */
  readonly rows: number;
  /** The scratch memory that all slices need. */
  readonly bytes: number;
}

/** The forward pass of one stack of layers. */
export class Forward {
  readonly #pack: Pack;
  #layout: Layout | null = null;

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
    const { heap, threads } = engine;
    const pack = this.#pack;
    const { kind, hiddenSize, numDirections } = pack.sizes;
    const parts = pack.update(engine, weights);
    const layout = this.#layoutOf(given, threads);
    const { slices, rows } = layout;
    if (rows >= blocksFrom) pack.makeBlocks(engine);

    const base = heap.scratch(layout.bytes);
    let first = 0;
    const states = parts.length * given.batch;
    const width = numDirections * pack.outputSize;
    // All in one buffer: engines take longer to make one than to compute little.
    const [hLength, cLength] = [
      states * pack.outputSize,
      kind === "lstm" ? states * hiddenSize : 0,
    ];
    const buffer = new ArrayBuffer(4 * (rows * width + hLength + cLength));
    const output = new Float32Array(buffer, 0, rows * width);
    const h = new Float32Array(buffer, 4 * output.length, hLength);
    const c = cLength ? new Float32Array(buffer, 4 * (output.length + hLength), cLength) : none;
    let at = base;
    for (let k = 0; k < slices.length; k++) {
      const slice = slices[k];
      slice.load(heap, at, given, initial);
      const count = slice.write(heap, at, parts);
      if (k > 0) engine.start(k, kind, at + slice.program, count);
      else first = count;
      at += slice.bytes;
    }
    engine.run[kind](base + slices[0].program, first);
    if (slices.length > 1) engine.wait();
    at = base;
    for (const slice of slices) {
      slice.store(heap, at, given, output, h, c);
      at += slice.bytes;
    }
    return { output, final: kind === "lstm" ? [h, c] : [h] };
  }

  #layoutOf(given: Batch, threads: number): Layout {
    const last = this.#layout;
    const serves = last !== null && last.threads === threads && given.batchSizes === null &&
      last.given.batchSizes === null && last.given.length === given.length &&
      last.given.batch === given.batch && last.given.batchFirst === given.batchFirst;
    if (serves) return last;
    const pack = this.#pack;
    const { batchSizes, length, batch } = given;
    const rows = batchSizes ? batchSizes.reduce((sum, size) => sum + size) : length * batch;
    const products = pack.sums * (pack.features(0) + pack.outputSize);
    const parts = rows * products < splitFrom ? 1 : Math.min(threads, batch);
    const slices = split(pack, given, parts);
    const bytes = slices.reduce((sum, slice) => sum + slice.bytes, 0);
    return this.#layout = { given: { ...given, x: none }, threads, slices, rows, bytes };
  }
}

const none = new Float32Array(0);
