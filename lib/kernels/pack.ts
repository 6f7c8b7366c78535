/**
 * Weights as the kernels read them: in panels, on the heap, packed once and kept until they change.
 *
 * @module
 */

import { BlockSet } from "./block_table.ts";
import { blockFeatures } from "./blocks.ts";
import type { Engine } from "./engine.ts";
import type { Block, Heap } from "./heap.ts";
import { panelRow, panelWidth } from "./linear.ts";
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
  /** W_hr, `(H_out, H)`, of an LSTM with a projection. */
  readonly weightHr?: Float32Array | null;
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

/** How many gates a cell has. */
const gates: Record<CellKind, number> = { tanh: 1, relu: 1, lstm: 4, gru: 3 };

/** A number of floats, rounded up to whole panels. */
export function padded(floats: number): number {
  return (floats + panelWidth - 1) & -panelWidth;
}

/** Puts floats where they are wanted, and zeros up to a whole panel; where that ends. */
function place(floats: Float32Array, data: Float32Array, at: number): number {
  const { length } = data;
  const end = at + padded(length);
  if (length > few) floats.set(data, at);
  else for (let k = 0; k < length; k++) floats[at + k] = data[k];
  for (at += length; at < end; at++) floats[at] = 0;
  return end;
}

/** So few floats are copied sooner one by one. */
const few = 32;

/** So many floats at a time are compared: few enough to stay in a second-level cache. */
const piece = 2 ** 14;

/** Weights for fewer features are not worth a block. */
const leastFeatures = 8;

/** The weights of a stack of layers. */
export class Pack {
  /** The floats of a gate, in whole panels. */
  readonly gate: number;
  /** The floats of the sums of one row. */
  readonly sums: number;
  /** H_out, without padding. */
  readonly outputSize: number;
  #block: Block | null = null;
  #heap: Heap | null = null;
  #weights: readonly Weights[] = [];
  #arrays: readonly Float32Array[] = [];
  #arraysBytes = 0;
  /** Where copies of the arrays begin, to tell whether they changed since; and their bytes. */
  #copies = 0;
  #copiesBytes = 0;
  #parts: number[] = [];
  #cursor = 0;

  readonly sizes: StackSizes;
  readonly owned: boolean;

  /** Weights for layers of these sizes; `owned` ones are never taken back to make room. */
  constructor(sizes: StackSizes, owned = false) {
    this.sizes = sizes;
    this.owned = owned;

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
   * @param engine the engine
   * @param weights of layer k and direction d at index `k · D + d`
   * @returns where what a kernel reads of each begins (see `sequence.ts`), in the same order
   */
  update(engine: Engine, weights: readonly Weights[]): readonly number[] {
    const { heap } = engine;
    if (weights !== this.#weights) {
      this.#weights = weights;
      this.#arrays = weights.flatMap(listed);
      this.#arraysBytes = this.#arrays.reduce((sum, data) => sum + 4 * padded(data.length), 0);
    }
    if (this.#heap !== heap || !this.#block?.at || !this.#unchanged(engine)) {
      this.release();
      this.#write(heap, weights);
      this.#copy(heap);
    }
    heap.touch(this.#block!);
    return this.#parts;
  }

  /**
   * Makes blocks of the weights, once, where the engine has blocks.
   *
   * @param engine the engine
   */
  makeBlocks({ heap, blocks }: Engine): void {
    const block = this.#block!;
    if (blocks === null || block.released) return;
    const set = new BlockSet(blocks);
    block.released = () => set.clear();
    const { integers } = heap;
    for (const at of this.#parts) {
      const value = (name: keyof typeof slots) => integers[at / 4 + slots[name]];
      const put = (
        name: keyof typeof slots,
        weights: keyof typeof slots,
        features: keyof typeof slots,
        panels: number,
      ) => {
        if (value(weights) === 0 || value(features) < leastFeatures) return;
        integers[at / 4 + slots[name]] = set.add(value(weights), value(features), panels);
      };
      put("inputBlocks", "input", "features", value("panels"));
      put("wBlocks", "w", "k", value("wPanels"));
      put("newBlocks", "newW", "k", value("newPanels"));
      put("projectionBlocks", "projection", "fullK", value("hRow") / panelRow);
    }
  }

  /** Whether all arrays hold, to the bit, what was packed. */
  #unchanged({ heap, difference }: Engine): boolean {
    if (this.#arraysBytes !== this.#copiesBytes) return false;
    const most = Math.min(piece, this.#copiesBytes / 4);
    const found = heap.scratch(panelRow + 4 * most);
    const start = found / 4 + panelWidth;
    const { floats, integers } = heap;
    let [at, compared] = [start, this.#copies];
    const same = () => {
      const bytes = 4 * (at - start);
      difference(4 * start, compared, bytes, found);
      compared += bytes;
      at = start;
      for (let k = found / 4; k < found / 4 + 4; k++) if (integers[k] !== 0) return false;
      return true;
    };
    for (const data of this.#arrays) {
      for (let from = 0; from < data.length; from += piece) {
        const part = data.length <= piece ? data : data.subarray(from, from + piece);
        if (at + padded(part.length) > start + most && !same()) return false;
        at = place(floats, part, at);
      }
    }
    return same();
  }

  /** Copies all arrays, one after the other. */
  #copy({ floats }: Heap): void {
    let at = this.#copies / 4;
    for (const data of this.#arrays) at = place(floats, data, at);
  }

  /** Gives the memory back. */
  release(): void {
    if (this.#block === null) return;
    const block = this.#block;
    this.#block = null;
    if (this.owned) this.#heap!.release(block);
    else this.#heap!.drop(block);
  }

  #write(heap: Heap, weights: readonly Weights[]): void {
    const { hiddenSize, numDirections, projSize } = this.sizes;
    const layers = weights.map((_, k) => this.features(Math.floor(k / numDirections)));
    // Of each: W_ih, W_hh and biases; W_hr and zeros; slots. Every piece fills whole panels.
    const each = (features: number) =>
      this.sums * (features + this.outputSize + 2) + padded(projSize) * (hiddenSize + 1) +
      padded(slotCount);
    // Blocks are filled as a whole, and may read so much beyond the last panel.
    const beyond = blockFeatures * panelWidth;
    const copies = this.#arraysBytes / 4;
    const floats = layers.reduce((sum, features) => sum + each(features), beyond + copies);
    const block = this.owned ? heap.allocate(4 * floats) : heap.cache(4 * floats);
    [this.#heap, this.#block, this.#cursor] = [heap, block, block.at];
    heap.floats.fill(0, block.at / 4, (block.at + block.bytes) / 4);
    this.#parts = weights.map((own, k) => this.#writePart(heap, own, layers[k], k));
    this.#cursor += 4 * beyond;
    this.#copies = this.#take(copies);
    this.#copiesBytes = this.#arraysBytes;
  }

  #writePart(heap: Heap, own: Weights, features: number, index: number): number {
    const { kind, hiddenSize, projSize, numDirections } = this.sizes;
    const { gate, sums, outputSize } = this;
    const { integers } = heap;
    const at = this.#take(slotCount);
    const set = (name: keyof typeof slots, value: number) => integers[at / 4 + slots[name]] = value;
    const gateRow = (row: number) =>
      row % gate < hiddenSize ? Math.floor(row / gate) * hiddenSize + row % gate : -1;
    const plainRow = (row: number) => row < outputSize ? row : -1;

    const together = kind === "gru" ? 2 * gate : sums; // of r and z, or of all gates
    set("input", this.#panels(heap, own.weightIh, sums, features, gateRow));
    const bias = this.#bias(heap, sums, (row) => {
      const k = gateRow(row);
      return (own.biasIh?.[k] ?? 0) + (row < together ? own.biasHh?.[k] ?? 0 : 0);
    });
    set("bias", bias);
    set("features", features);
    set("panels", sums / panelWidth);
    set("reverse", index % numDirections);
    set("width", 4 * gate);
    set("hRow", 4 * padded(outputSize));
    set("cRow", 4 * gate);
    set("w", this.#panels(heap, own.weightHh, together, outputSize, gateRow));
    set("k", outputSize);
    set("wPanels", together / panelWidth);
    if (kind === "gru") {
      const later = (row: number) => gateRow(row + together);
      set("newW", this.#panels(heap, own.weightHh, gate, outputSize, later));
      set("newBias", this.#bias(heap, gate, (row) => own.biasHh?.[later(row)] ?? 0));
      set("newPanels", gate / panelWidth);
    }
    if (own.weightHr) {
      const all = padded(projSize);
      set("projection", this.#panels(heap, own.weightHr, all, hiddenSize, plainRow));
      set("fullK", hiddenSize);
      set("zero", this.#take(all));
    }
    set("outBytes", 4 * outputSize);
    return at;
  }

  /** Room for some floats, all zero. */
  #take(floats: number): number {
    const at = this.#cursor;
    this.#cursor += 4 * padded(floats);
    return at;
  }

  #bias(heap: Heap, count: number, value: (row: number) => number): number {
    const at = this.#take(count);
    // A sum that starts from +0 is never -0: so all paths give zeros the same sign.
    for (let row = 0; row < count; row++) heap.floats[at / 4 + row] = value(row) + 0;
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
    for (let j = 0; j < rows; j++) {
      const row = source(j);
      if (row < 0) continue;
      let to = at / 4 + (j - j % panelWidth) * features + j % panelWidth;
      for (let k = row * features; k < (row + 1) * features; k++) {
        floats[to] = w[k];
        to += panelWidth;
      }
    }
    return at;
  }
}

/** The arrays of a direction, always in the same order. */
function listed(own: Weights): Float32Array[] {
  return Object.values(own).filter((data) => data !== null);
}
