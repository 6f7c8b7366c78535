/**
 * How weights lie on the heap for the kernels: in panels, with what a kernel is told about each.
 */

import { gateOrder } from "../parameters.ts";
import { StructSet } from "./struct_table.ts";
import { structFeatures } from "./structs.ts";
import type { Engine } from "./engine.ts";
import type { Allocation, Heap } from "./heap.ts";
import { panelRow, panelWidth } from "./linear.ts";
import { type CellKind, slotCount, slotsAt } from "./slots.ts";

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

/**
 * What a stack of layers is made of.
 * @category Recurrent layers
 */
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
const gates: Record<CellKind, number> = {
  tanh: gateOrder.RNN.length,
  relu: gateOrder.RNN.length,
  lstm: gateOrder.LSTM.length,
  gru: gateOrder.GRU.length,
};

/** A count of floats, rounded up to a multiple of 8. */
export function padded(floats: number): number {
  return (floats + panelWidth - 1) & -panelWidth;
}

/** Weights for fewer features than this are not worth a struct. */
export const leastFeatures = 8;

/** For fewer rows (all steps of all sequences) than this, weights are not put into structs. */
export const structsFrom = 8;

/** Packed weights on the heap. */
export interface Packed {
  /** The memory; its `at` is 0 once it has been taken back. */
  readonly allocation: Allocation;
  /**
   * Where the slots of each direction of each layer begin, in bytes, at index `k · D + d`: those of
   * the weights are filled in.
   */
  readonly parts: readonly number[];
  /** Where the room behind the weights begins, in bytes; it is all zeros. */
  readonly room: number;
  /** Whether the weights were put into structs, too, or never will be. */
  inStructs: boolean;
}

/** Packs the weights of a stack of layers. */
export class Packing {
  /** The sizes of the layers. */
  readonly sizes: StackSizes;
  /** The floats of a gate, in whole panels. */
  readonly gate: number;
  /** The floats of the sums of one row: of all gates. */
  readonly sums: number;
  /** H_out, without padding. */
  readonly outputSize: number;
  /** Where the next piece of the weights being packed goes, in bytes. */
  #cursor = 0;

  /** For layers of these sizes. */
  constructor(sizes: StackSizes) {
    this.sizes = sizes;
    this.gate = padded(sizes.hiddenSize);
    this.sums = gates[sizes.kind] * this.gate;
    this.outputSize = sizes.projSize || sizes.hiddenSize;
  }

  /** The features that a layer reads. */
  features(layer: number): number {
    return layer === 0 ? this.sizes.inputSize : this.sizes.numDirections * this.outputSize;
  }

  /**
   * Packs weights into memory that the heap may take back.
   *
   * @param weights of layer k and direction d at index `k · D + d`
   * @param room how many floats more are wanted behind the weights
   * @throws {OutOfMemory} if there is no memory for it
   */
  pack(heap: Heap, weights: readonly Weights[], room: number): Packed {
    const { hiddenSize, numDirections, projSize } = this.sizes;
    const layers = weights.map((_, k) => this.features(Math.floor(k / numDirections)));
    // Of each: W_ih, W_hh and biases; W_hr and zeros; slots. Every piece fills whole panels.
    const each = (features: number) =>
      this.sums * (features + this.outputSize + 2) + padded(projSize) * (hiddenSize + 1) +
      padded(slotCount);
    // A struct is filled with 24 features even where fewer are left: it reads beyond the last panel.
    const beyond = structFeatures * panelWidth;
    const floats = layers.reduce((sum, features) => sum + each(features), beyond + padded(room));
    const allocation = heap.keep(4 * floats);
    this.#cursor = allocation.at;
    heap.floats.fill(0, allocation.at / 4, (allocation.at + allocation.bytes) / 4);
    const parts = weights.map((own, k) => this.#packPart(heap, own, layers[k], k));
    this.#cursor += 4 * beyond;
    return { allocation, parts, room: this.#cursor, inStructs: false };
  }

  /**
   * Puts packed weights into structs, too, once, where the engine has structs and room for them.
   */
  makeStructs({ heap, structs }: Engine, packed: Packed): void {
    if (structs === null || packed.inStructs) return;
    packed.inStructs = true;
    const set = new StructSet(structs);
    packed.allocation.onRelease.push(() => set.clear());
    for (const at of packed.parts) {
      const told = slotsAt(heap.integers, at);
      const put = (weights: number, features: number, panels: number) =>
        weights === 0 || features < leastFeatures ? 0 : set.add(weights, features, panels);
      told.inputStructs = put(told.input, told.features, told.panels);
      told.wStructs = put(told.w, told.k, told.wPanels);
      told.newStructs = put(told.newW, told.k, told.newPanels);
      told.projectionStructs = put(told.projection, told.fullK, told.hRow / panelRow);
    }
  }

  #packPart(heap: Heap, own: Weights, features: number, index: number): number {
    const { kind, hiddenSize, projSize, numDirections } = this.sizes;
    const { gate, sums, outputSize } = this;
    const at = this.#take(slotCount);
    const told = slotsAt(heap.integers, at);
    const gateRow = (row: number) =>
      row % gate < hiddenSize ? Math.floor(row / gate) * hiddenSize + row % gate : -1;
    const plainRow = (row: number) => row < outputSize ? row : -1;

    const together = kind === "gru" ? 2 * gate : sums; // of r and z, or of all gates
    told.input = this.#panels(heap, own.weightIh, sums, features, gateRow);
    told.bias = this.#bias(heap, sums, (row) => {
      const k = gateRow(row);
      return (own.biasIh?.[k] ?? 0) + (row < together ? own.biasHh?.[k] ?? 0 : 0);
    });
    told.features = features;
    told.panels = sums / panelWidth;
    told.reverse = index % numDirections;
    told.width = 4 * gate;
    told.hRow = 4 * padded(outputSize);
    told.cRow = 4 * gate;
    told.w = this.#panels(heap, own.weightHh, together, outputSize, gateRow);
    told.k = outputSize;
    told.wPanels = together / panelWidth;
    if (kind === "gru") {
      const later = (row: number) => gateRow(row + together);
      told.newW = this.#panels(heap, own.weightHh, gate, outputSize, later);
      told.newBias = this.#bias(heap, gate, (row) => own.biasHh?.[later(row)] ?? 0);
      told.newPanels = gate / panelWidth;
    }
    if (own.weightHr) {
      const all = padded(projSize);
      told.projection = this.#panels(heap, own.weightHr, all, hiddenSize, plainRow);
      told.fullK = hiddenSize;
      told.zero = this.#take(all);
    }
    told.outBytes = 4 * outputSize;
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
    { floats }: Heap,
    w: Float32Array,
    rows: number,
    features: number,
    source: (row: number) => number,
  ): number {
    const at = this.#take(rows * features);
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
export function listed(own: Weights): Float32Array[] {
  return Object.values(own).filter((data) => data !== null);
}

/** For each parameter of a direction of a layer, something. */
export type EachWeight<T> = { readonly [K in keyof Weights]?: T };

/** Makes something of each parameter: often, so without lists of names and values. */
export function eachWeight<P, T>(
  own: EachWeight<P>,
  make: (part: P, name: keyof Weights) => T,
): EachWeight<T> {
  const all: { -readonly [K in keyof Weights]?: T } = {};
  for (const key in own) {
    const name = key as keyof Weights;
    all[name] = make(own[name]!, name);
  }
  return all;
}
