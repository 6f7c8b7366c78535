/**
 * One time step after the other on the fast path, with the state kept on the heap in between.
 *
 * @module
 */

import type { Engine } from "./engine.ts";
import type { Block } from "./heap.ts";
import { Pack, padded, type Part, type StackSizes, type Weights } from "./pack.ts";
import { slots } from "./sequence.ts";

/** A stack of layers, one direction and one row each, and its state. */
export class KernelSteps {
  readonly #engine: Engine;
  readonly #pack: Pack;
  readonly #parts: readonly Part[];
  readonly #block: Block;
  /** Where the states of layer k begin: h at `2 k`, c at `2 k + 1`, in bytes. */
  readonly #states: number[];
  readonly #input: number;
  readonly #sums: number;

  /** Packs the weights as they are now, and starts from zeros. */
  constructor(engine: Engine, sizes: StackSizes, weights: readonly Weights[]) {
    const { heap } = engine;
    this.#engine = engine;
    this.#pack = new Pack(sizes, true);
    this.#parts = this.#pack.update(heap, weights);
    this.#pack.makeBlocks(engine);
    let end = 0;
    const take = (floats: number) => (end += 4 * padded(floats)) - 4 * padded(floats);
    const { gate, sums, outputSize } = this.#pack;
    const [input, own, newSums, full] = [sizes.inputSize, sums, gate, gate].map(take);
    const states = this.#parts.flatMap(() => [take(outputSize), take(gate)]);
    this.#block = heap.allocate(end);
    const { at } = this.#block;
    this.#input = at + input;
    this.#sums = at + own;
    this.#states = states.map((state) => at + state);
    this.#parts.forEach((part, k) => {
      const set = (name: keyof typeof slots, value: number) =>
        heap.integers[part.slots / 4 + slots[name]] = value;
      set("steps", 1);
      set("batches", 0);
      set("rows", 1);
      set("sums", this.#sums);
      set("sumsRow", 4 * sums);
      set("sumsStep", 0);
      set("h", this.#states[2 * k]);
      set("c", this.#states[2 * k + 1]);
      set("newSums", at + newSums);
      set("full", at + full);
      set("out", 0);
      set("outStep", 0);
      set("wBlocks", part.blocks);
      set("newBlocks", part.newBlocks);
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
    const engine = this.#engine;
    const { sums, outputSize, sizes } = this.#pack;
    engine.heap.floats.set(x, this.#input / 4);
    let from = this.#input;
    for (let k = 0; k < this.#parts.length; k++) {
      const { features, input, inputBlocks, bias, slots } = this.#parts[k];
      if (inputBlocks > 0) {
        engine.blocks!.row(from, inputBlocks, input, features, sums / 4, bias, this.#sums);
      } else engine.linear(from, 0, 1, input, features, sums / 4, bias, 0, this.#sums, 0);
      engine[sizes.kind](slots);
      from = this.#states[2 * k];
    }
    const { floats } = engine.heap;
    for (let j = 0, at = from / 4; j < outputSize; j++) out[j] = floats[at + j];
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
