/**
 * Weights as the kernels read them: in panels, on the heap, packed once and kept until they change.
 *
 * @module
 */

import { BlockSet, type Engine } from "./engine.ts";
import type { Block, Heap } from "./heap.ts";
import { panelWidth } from "./linear.ts";
import { type CellKind, slotCount, slots } from "./sequence.ts";

/** The weights of one direction of one layer, as PyTorch lays them out. */
export interface Weights {
  /** W_ih, `(gates · H, H_in)`. */
  readonly weightIh: Float32Array;
  /** W_hh, `(gates · H, H_out)`. */
  readonly weightHh: Float32Array;
  /** b_ih, `(gates · H)`, or `null`. */
  readonly biasIh: Float32Array | null;
  /** b_hh, `(gates · H)`, or `null`. */
  readonly biasHh: Float32Array | null;
  /** W_hr, `(H_out, H)`, or `null`. */
  readonly weightHr: Float32Array | null;
}

/** What a stack of layers is made of. */
export interface StackSizes {
  /** The cell. */
  readonly kind: CellKind;
  /** H_in of the first layer. */
  readonly inputSize: number;
  /** H. */
  readonly hiddenSize: number;
  /** H_proj, 0 for no projection. */
  readonly projSize: number;
  /** How many layers. */
  readonly numLayers: number;
  /** D. */
  readonly numDirections: number;
}

/** Where the parts of one direction of one layer are, in bytes. */
export interface Part {
  /** The features of its input. */
  readonly features: number;
  /** W_ih in panels. */
  readonly input: number;
  /** What the sums start from: b_ih, and b_hh where it simply adds. */
  readonly bias: number;
  /** What its recurrence reads (see `sequence.ts`). */
  readonly slots: number;
  /** W_ih in blocks, 0 for none; there only for streams. */
  inputBlocks: number;
  /** W_hh in blocks, 0 for none. */
  blocks: number;
  /** W_hn of a GRU in blocks, 0 for none. */
  newBlocks: number;
}

/** How many gates a cell has. */
const gates: Record<CellKind, number> = { tanh: 1, relu: 1, lstm: 4, gru: 3 };

/** A number of floats, rounded up to whole vectors. */
export function padded(floats: number): number {
  return (floats + 3) & ~3;
}

/**
 * Numbers as the quickest thing to compare: pairs of floats as one double. A pair that is no number
 * counts as changed, and a zero that changed its sign does not; neither makes a result wrong.
 */
function comparable(data: Float32Array): Float32Array | Float64Array {
  const paired = data.byteOffset % 8 === 0 && data.length % 2 === 0;
  return paired ? new Float64Array(data.buffer, data.byteOffset, data.length / 2) : data;
}

/** An array whose values were packed, and what they were. */
class Watched {
  #data: Float32Array;
  #now: Float32Array | Float64Array;
  #before: Float32Array | Float64Array;

  constructor(data: Float32Array) {
    this.#data = data;
    this.#now = comparable(data);
    this.#before = this.#now.slice();
  }

  /** Whether the array given holds what was packed. */
  holds(data: Float32Array): boolean {
    if (data !== this.#data) {
      this.#data = data;
      this.#now = comparable(data);
    }
    const [now, before] = [this.#now, this.#before];
    if (now.length !== before.length) return false;
    for (let k = 0; k < now.length; k++) if (now[k] !== before[k]) return false;
    return true;
  }
}

/** The weights of a stack of layers. */
export class Pack {
  /** The floats of a gate, of the sums of a step, and of the hidden state, in whole vectors. */
  readonly gate: number;
  /** The floats of the sums of one row. */
  readonly sums: number;
  /** H_out, without padding. */
  readonly outputSize: number;
  #block: Block | null = null;
  #heap: Heap | null = null;
  #weights: readonly Weights[] = [];
  #arrays: readonly Float32Array[] = [];
  #watched: readonly Watched[] = [];
  #parts: Part[] = [];
  #cursor = 0;

  /** Weights for layers of these sizes; `owned` ones are never taken back to make room. */
  constructor(readonly sizes: StackSizes, readonly owned = false) {
    this.gate = padded(sizes.hiddenSize);
    this.sums = gates[sizes.kind] * this.gate;
    this.outputSize = sizes.projSize || sizes.hiddenSize;
  }

  /** The features that a layer reads. */
  features(layer: number): number {
    return layer === 0 ? this.sizes.inputSize : this.sizes.numDirections * this.outputSize;
  }

  /**
   * Packs the weights unless they are there as they are now.
   *
   * @param heap where to
   * @param weights of layer k and direction d at index `k · D + d`
   * @returns where they are, in the same order
   */
  update(heap: Heap, weights: readonly Weights[]): readonly Part[] {
    if (weights !== this.#weights) {
      this.#weights = weights;
      this.#arrays = weights.flatMap(listed);
    }
    if (this.#heap !== heap || !this.#block?.at || !this.#unchanged()) {
      this.release();
      this.#write(heap, weights);
      this.#watched = this.#arrays.map((data) => new Watched(data));
    }
    heap.touch(this.#block!);
    return this.#parts;
  }

  /**
   * Makes blocks of the weights that single rows meet, once, where the engine has blocks.
   *
   * @param engine the engine
   */
  makeBlocks({ heap, blocks }: Engine): void {
    const block = this.#block!;
    if (blocks === null || block.released) return;
    const set = new BlockSet(blocks);
    block.released = () => set.clear();
    const { integers } = heap;
    for (const part of this.#parts) {
      const slot = (name: keyof typeof slots) => integers[part.slots / 4 + slots[name]];
      part.blocks = set.add(slot("w"), slot("k"), slot("vectors"));
      if (this.sizes.kind === "gru") {
        part.newBlocks = set.add(slot("newW"), slot("k"), slot("newVectors"));
      }
      if (this.owned) part.inputBlocks = set.add(part.input, part.features, this.sums / 4);
    }
  }

  #unchanged(): boolean {
    const arrays = this.#arrays;
    for (let k = 0; k < arrays.length; k++) {
      if (!this.#watched[k].holds(arrays[k])) return false;
    }
    return true;
  }

  /** Gives the memory back. */
  release(): void {
    if (this.#block === null) return;
    if (this.owned) this.#heap!.release(this.#block);
    else this.#heap!.drop(this.#block);
    this.#block = null;
  }

  #write(heap: Heap, weights: readonly Weights[]): void {
    const { hiddenSize, numDirections, projSize } = this.sizes;
    const layers = weights.map((_, k) => this.features(Math.floor(k / numDirections)));
    // Of each: W_ih, W_hh and biases; W_hr and zeros; slots. Every piece fills whole vectors.
    const each = (features: number) =>
      this.sums * (features + this.outputSize + 2) + padded(projSize) * (hiddenSize + 1) +
      padded(slotCount);
    // Blocks are made of whole features by four, and may read so much beyond the last panel.
    const beyond = 3 * panelWidth;
    const floats = layers.reduce((sum, features) => sum + each(features), beyond);
    const block = this.owned ? heap.allocate(4 * floats) : heap.cache(4 * floats);
    [this.#heap, this.#block, this.#cursor] = [heap, block, block.at];
    heap.floats.fill(0, block.at / 4, (block.at + block.bytes) / 4);
    this.#parts = weights.map((own, k) => this.#writePart(heap, own, layers[k], k));
  }

  #writePart(heap: Heap, own: Weights, features: number, index: number): Part {
    const { kind, hiddenSize, projSize, numDirections } = this.sizes;
    const { gate, sums, outputSize } = this;
    const { integers } = heap;
    const at = this.#take(slotCount);
    const set = (name: keyof typeof slots, value: number) => integers[at / 4 + slots[name]] = value;
    const gateRow = (row: number) =>
      row % gate < hiddenSize ? Math.floor(row / gate) * hiddenSize + row % gate : -1;
    const plainRow = (row: number) => row < outputSize ? row : -1;

    const input = this.#panels(heap, own.weightIh, sums, features, gateRow);
    const together = kind === "gru" ? 2 * gate : sums; // of r and z, or of all gates
    const bias = this.#bias(heap, sums, (row) => {
      const k = gateRow(row);
      return (own.biasIh?.[k] ?? 0) + (row < together ? own.biasHh?.[k] ?? 0 : 0);
    });
    set("reverse", index % numDirections);
    set("width", 4 * gate);
    set("hRow", 4 * padded(outputSize));
    set("cRow", 4 * gate);
    set("w", this.#panels(heap, own.weightHh, together, outputSize, gateRow));
    set("k", outputSize);
    set("vectors", together / 4);
    if (kind === "gru") {
      const later = (row: number) => gateRow(row + together);
      set("newW", this.#panels(heap, own.weightHh, gate, outputSize, later));
      set("newBias", this.#bias(heap, gate, (row) => own.biasHh?.[later(row)] ?? 0));
      set("newVectors", gate / 4);
    }
    if (own.weightHr) {
      const all = padded(projSize);
      set("projection", this.#panels(heap, own.weightHr, all, hiddenSize, plainRow));
      set("fullK", hiddenSize);
      set("zero", this.#take(all));
    }
    set("outBytes", 4 * outputSize);
    return { features, input, bias, slots: at, inputBlocks: 0, blocks: 0, newBlocks: 0 };
  }

  /** Room for some floats, all zero. */
  #take(floats: number): number {
    const at = this.#cursor;
    this.#cursor += 4 * padded(floats);
    return at;
  }

  #bias(heap: Heap, count: number, value: (row: number) => number): number {
    const at = this.#take(count);
    for (let row = 0; row < count; row++) heap.floats[at / 4 + row] = value(row);
    return at;
  }

  /** W in panels; `source` tells for each row of the panels which row of W it is, -1 for none. */
  #panels(
    heap: Heap,
    w: Float32Array,
    rows: number,
    features: number,
    source: (row: number) => number,
  ): number {
    const at = this.#take(rows * features);
    const { floats } = heap;
    for (let first = 0; first < rows; first += panelWidth) {
      const width = Math.min(panelWidth, rows - first);
      for (let j = 0; j < width; j++) {
        const row = source(first + j);
        if (row < 0) continue;
        let to = at / 4 + first * features + j;
        for (let k = row * features; k < (row + 1) * features; k++, to += width) floats[to] = w[k];
      }
    }
    return at;
  }
}

/** The arrays of a direction, always in the same order. */
function listed(own: Weights): Float32Array[] {
  return [own.weightIh, own.weightHh, own.biasIh, own.biasHh, own.weightHr]
    .filter((data) => data !== null);
}
