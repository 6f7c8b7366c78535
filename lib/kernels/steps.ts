/**
 * One time step after the other on the fast path, with the state kept on the heap in between.
 *
 * @module
 */

import type { Engine } from "./engine.ts";
import type { Block } from "./heap.ts";
import { Pack, padded, type StackSizes, type Weights } from "./pack.ts";
import { slotCount, slots } from "./sequence.ts";

/** A stack of layers, one direction and one row each, and its state. */
export class KernelSteps {
  readonly #engine: Engine;
  readonly #pack: Pack;
  readonly #block: Block;
  readonly #layers: number;
  /** Where the states of layer k begin: h at `2 k`, c at `2 k + 1`, in bytes. */
  readonly #states: number[];
  readonly #input: number;
  readonly #program: number;

  /** Packs the weights as they are now, and starts from zeros. */
  constructor(engine: Engine, sizes: StackSizes, weights: readonly Weights[]) {
    const { heap } = engine;
    this.#engine = engine;
    this.#pack = new Pack(sizes, true);
    const parts = this.#pack.update(engine, weights);
    this.#pack.makeBlocks(engine);
    let end = 0;
    const take = (floats: number) => (end += 4 * padded(floats)) - 4 * padded(floats);
    const { gate, sums, outputSize } = this.#pack;
    const [input, own, newSums, full, program] = [
      sizes.inputSize,
      sums,
      gate,
      gate,
      parts.length * slotCount,
    ].map(take);
    const states = parts.flatMap(() => [take(outputSize), take(gate)]);
    try {
      this.#block = heap.allocate(end);
    } catch (error) {
      this.#pack.release();
      throw error;
    }
    const { at } = this.#block;
    this.#layers = parts.length;
    this.#input = at + input;
    this.#program = at + program;
    this.#states = states.map((state) => at + state);
    parts.forEach((part, k) => {
      const { integers } = heap;
      const record = this.#program / 4 + k * slotCount;
      integers.copyWithin(record, part / 4, part / 4 + slotCount);
      const set = (name: keyof typeof slots, value: number) =>
        integers[record + slots[name]] = value;
      set("x", k === 0 ? this.#input : this.#states[2 * k - 2]);
      set("xRows", 1);
      set("xRuns", 1);
      set("inputSums", at + own);
      set("steps", 1);
      set("rows", 1);
      set("sums", at + own);
      set("sumsRow", 4 * sums);
      set("h", this.#states[2 * k]);
      set("c", this.#states[2 * k + 1]);
      set("newSums", at + newSums);
      set("full", at + full);
    });
    this.reset();
  }

  /** Starts again from zeros. */
  reset(): void {
    const [at, end] = [this.#states[0] / 4, (this.#block.at + this.#block.bytes) / 4];
    this.#engine.heap.floats.fill(0, at, end);
  }

  /** Takes one step. Nothing is allocated. */
  step(x: Float32Array, out: Float32Array): void {
    const { heap, run } = this.#engine;
    heap.floats.set(x, this.#input / 4);
    run[this.#pack.sizes.kind](this.#program, this.#layers);
    const { floats } = heap;
    const at = this.#states[2 * this.#layers - 2] / 4;
    for (let j = 0; j < out.length; j++) out[j] = floats[at + j];
  }

  /** Writes the state of layer k, h or c, from an array. */
  write(layer: number, part: 0 | 1, from: Float32Array): void {
    this.#engine.heap.floats.set(from, this.#states[2 * layer + part] / 4);
  }

  /** A copy of the state of layer k, h or c. */
  read(layer: number, part: 0 | 1): Float32Array {
    const at = this.#states[2 * layer + part] / 4;
    const features = part === 0 ? this.#pack.outputSize : this.#pack.sizes.hiddenSize;
    return this.#engine.heap.floats.slice(at, at + features);
  }

  /** What gives the memory back; it does not hold on to this object. */
  get releaser(): () => void {
    const [{ heap }, pack, block] = [this.#engine, this.#pack, this.#block];
    return () => {
      pack.release();
      heap.release(block);
    };
  }
}
