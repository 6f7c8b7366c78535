/** Streams on the kernels (KERNEL-5): one time step at a time, with the state kept in between. */

import type { Engine } from "./engine.ts";
import type { Heap } from "./heap.ts";
import { listed, type Packed, Packing, padded, type StackSizes, type Weights } from "./packing.ts";
import { slotCount, slotsAt } from "./slots.ts";

/** The memory where all streams of the same weights compute, one at a time. */
interface Place {
  readonly packed: Packed;
  /** Where x begins, the states of all layers, and the last one's h, counted in floats. */
  readonly x: number;
  readonly states: number;
  readonly last: number;
  readonly layers: number;
  /** Where the slots of all layers begin, in bytes. */
  readonly program: number;
  /** The stream whose states are here, as they were before; `null` for none. */
  current: Float32Array | null;
}

/** Packed weights, as they were once, that the streams of a module share. One direction each. */
export class SharedWeights {
  /** What runs the kernels. */
  readonly engine: Engine;
  /** How the weights lie. */
  readonly packing: Packing;
  /** Copies of the weights. */
  readonly #weights: readonly Weights[];
  #place: Place | null = null;
  #streams = 0;

  /**
   * Copies and packs weights.
   *
   * @throws {OutOfMemory} if there is no memory for it
   */
  constructor(engine: Engine, sizes: StackSizes, weights: readonly Weights[]) {
    this.engine = engine;
    this.packing = new Packing(sizes);
    this.#weights = weights.map((own) =>
      Object.fromEntries(
        Object.entries(own).map(([name, data]) => [name, data && data.slice()]),
      ) as unknown as Weights
    );
    this.#place = this.#makePlace();
  }

  /** Whether these are the weights, to the bit, and this the engine. */
  serve(engine: Engine, weights: readonly Weights[]): boolean {
    if (engine !== this.engine) return false;
    const [mine, others] = [this.#weights, weights].map((all) => all.flatMap(listed));
    return mine.length === others.length && mine.every((data, k) => sameBits(data, others[k]));
  }

  /** The floats of the states of all layers: of each h, then c, each filled up to whole panels. */
  get stateLength(): number {
    const { gate, outputSize } = this.packing;
    return this.#weights.length * (padded(outputSize) + gate);
  }

  /** Where h or c of a layer stands among the states. */
  stateAt(layer: number, part: 0 | 1): number {
    const { gate, outputSize } = this.packing;
    return layer * (padded(outputSize) + gate) + part * padded(outputSize);
  }

  /**
   * The place, with the states of a stream in it.
   *
   * @throws {OutOfMemory} if the weights were taken back and there is no memory to pack them again
   */
  enter(states: Float32Array): Place {
    let place = this.#place;
    if (place === null || place.packed.allocation.at === 0) {
      // The heap kept too little: streams that are in use must not take each other's weights back.
      if (place !== null) this.engine.heap.mostKept += place.packed.allocation.bytes;
      place = this.#place = this.#makePlace();
    }
    saveStates(this.engine, place);
    this.engine.heap.floats.set(states, place.states);
    place.current = states;
    return place;
  }

  /** The states of a stream, up to date, and no longer in the place. */
  leave(states: Float32Array): Float32Array {
    if (this.#place?.current === states) saveStates(this.engine, this.#place);
    return states;
  }

  /** Counts one stream more, or less: the last one gives the memory back. */
  count(change: 1 | -1): void {
    this.#streams += change;
    if (this.#streams > 0 || this.#place === null) return;
    this.engine.heap.drop(this.#place.packed.allocation);
    this.#place = null;
  }

  #makePlace(): Place {
    const { engine, packing } = this;
    const { sizes, gate, sums } = packing;
    const layers = this.#weights.length;
    const lengths = [sizes.inputSize, sums, gate, gate, layers * slotCount, this.stateLength]
      .map(padded);
    const total = lengths.reduce((sum, length) => sum + length);
    const packed = packing.pack(engine.heap, this.#weights, total);
    packing.makeStructs(engine, packed);
    let end = packed.room;
    const [x, own, newSums, full, program, states] = lengths.map((length) =>
      (end += 4 * length) - 4 * length
    );
    const { integers } = engine.heap;
    packed.parts.forEach((part, layer) => {
      const told = slotsAt(integers, program + 4 * layer * slotCount);
      const stateAt = (layer: number, part: 0 | 1) => states + 4 * this.stateAt(layer, part);
      integers.copyWithin(told.at, part / 4, part / 4 + slotCount);
      told.x = layer === 0 ? x : stateAt(layer - 1, 0);
      for (const name of ["xRows", "xRuns", "steps", "rows"] as const) told[name] = 1;
      told.inputSums = told.sums = own;
      told.h = stateAt(layer, 0);
      told.c = stateAt(layer, 1);
      told.newSums = newSums;
      told.full = full;
    });
    const last = (states + 4 * this.stateAt(layers - 1, 0)) / 4;
    const place: Place = {
      packed,
      x: x / 4,
      states: states / 4,
      last,
      layers,
      program,
      current: null,
    };
    packed.allocation.onRelease.push(() => saveStates(engine, place));
    return place;
  }
}

/** Gives the stream whose states are in a place what they are now. */
function saveStates({ heap }: Engine, place: Place): void {
  const { current, states } = place;
  current?.set(heap.floats.subarray(states, states + current.length));
  place.current = null;
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  if (a.length !== b.length) return false;
  const [x, y] = [a, b].map((one) => new Int32Array(one.buffer, one.byteOffset, one.length));
  for (let k = 0; k < x.length; k++) if (x[k] !== y[k]) return false;
  return true;
}

/** Steps of one stream: its states are in an array of its own while another stream computes. */
export class KernelStepper {
  readonly #shared: SharedWeights;
  readonly #heap: Heap;
  readonly #run: (at: number, count: number) => void;
  readonly #states: Float32Array;
  /** Where the states are, unless another stream's are there now. */
  #place: Place;

  /** Starts from zeros. */
  constructor(shared: SharedWeights) {
    this.#shared = shared;
    this.#heap = shared.engine.heap;
    this.#run = shared.engine.run[shared.packing.sizes.kind];
    this.#states = new Float32Array(shared.stateLength);
    this.#place = shared.enter(this.#states);
    shared.count(1);
  }

  /** The place, with the states in it. */
  #enter(): Place {
    if (this.#place.current === this.#states) return this.#place;
    return this.#place = this.#shared.enter(this.#states);
  }

  /** Starts again from zeros. */
  reset(): void {
    const { states } = this.#enter();
    this.#heap.floats.fill(0, states, states + this.#states.length);
  }

  /** Takes one step. Nothing is allocated while the weights are there. */
  step(x: Float32Array, out: Float32Array): void {
    const { packed, layers, x: to, last, program } = this.#enter();
    this.#heap.touch(packed.allocation);
    this.#heap.floats.set(x, to);
    this.#run(program, layers);
    const { floats } = this.#heap;
    for (let j = 0; j < out.length; j++) out[j] = floats[last + j];
  }

  /** Writes the state of a layer, h or c, from an array. */
  write(layer: number, part: 0 | 1, from: Float32Array): void {
    this.#shared.leave(this.#states).set(from, this.#shared.stateAt(layer, part));
  }

  /** A copy of the state of a layer, h or c. */
  read(layer: number, part: 0 | 1): Float32Array {
    const { outputSize, sizes } = this.#shared.packing;
    const at = this.#shared.stateAt(layer, part);
    const features = part === 0 ? outputSize : sizes.hiddenSize;
    return this.#shared.leave(this.#states).slice(at, at + features);
  }

  /** Gives back what the stream holds. */
  dispose(): void {
    this.#shared.leave(this.#states);
    this.#shared.count(-1);
  }
}
