/** The packed weights of a module, packed again when they change (KERNEL-6). */

import type { Engine } from "./engine.ts";
import type { Heap } from "./heap.ts";
import { panelRow, panelWidth } from "./linear.ts";
import { listed, type Packed, type Packing, padded, type Weights } from "./packing.ts";

/** Up to this length, copying floats one by one is quicker than a call of `set`. */
const few = 32;

/** The floats that are compared at a time: 64 KiB, which stay in an L2 cache. */
const piece = 2 ** 14;

/** Up to this length of all arrays, comparing floats one by one is quicker than a call of a kernel. */
const fewInAll = 256;

/** Copies an array to a place, and puts zeros behind it up to a whole panel; where that ends. */
function copy(data: Float32Array, floats: Float32Array, at: number): number {
  const { length } = data;
  const end = at + padded(length);
  if (length > few) floats.set(data, at);
  else for (let k = 0; k < length; k++) floats[at + k] = data[k];
  for (at += length; at < end; at++) floats[at] = 0;
  return end;
}

/** The packed weights of one module, with copies of its arrays to tell whether they changed. */
export class KeptWeights {
  readonly #packing: Packing;
  #heap: Heap | null = null;
  #packed: Packed | null = null;
  #weights: readonly Weights[] = [];
  #arrays: readonly Float32Array[] = [];
  /** The arrays, each as integers of the same bits. */
  #bits: readonly Int32Array[] = [];
  /** The floats of the arrays, each array filled up to whole panels; and of what was packed. */
  #length = 0;
  #copied = 0;

  /** Nothing is packed yet. */
  constructor(packing: Packing) {
    this.#packing = packing;
  }

  /**
   * Packs the weights unless they are there as they are now.
   *
   * @param weights of layer k and direction d at index `k · D + d`
   * @throws {OutOfMemory} if there is no memory for it
   */
  update(engine: Engine, weights: readonly Weights[]): Packed {
    const { heap } = engine;
    if (weights !== this.#weights) {
      this.#weights = weights;
      this.#arrays = weights.flatMap(listed);
      this.#bits = this.#arrays.map((x) => new Int32Array(x.buffer, x.byteOffset, x.length));
      this.#length = this.#arrays.reduce((sum, data) => sum + padded(data.length), 0);
    }
    if (this.#packed) heap.touch(this.#packed.allocation); // so that comparing cannot take it back
    if (this.#heap !== heap || !this.#packed?.allocation.at || !this.#unchanged(engine)) {
      if (this.#packed) this.#heap!.drop(this.#packed.allocation);
      this.#packed = null;
      this.#heap = heap;
      this.#packed = this.#packing.pack(heap, weights, this.#length);
      this.#copied = this.#length;
      let at = this.#packed.room / 4;
      for (const data of this.#arrays) at = copy(data, heap.floats, at);
    }
    return this.#packed!;
  }

  /** Whether all arrays hold, to the bit, what was packed. */
  #unchanged({ heap, difference }: Engine): boolean {
    if (this.#length !== this.#copied) return false;
    if (this.#length <= fewInAll) return this.#same(heap.integers, this.#packed!.room / 4);
    const most = Math.min(piece, this.#length);
    const found = heap.scratch(panelRow + 4 * most);
    const start = found / 4 + panelWidth;
    const { floats, integers } = heap;
    let [at, compared] = [start, this.#packed!.room];
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
        at = copy(part, floats, at);
      }
    }
    return same();
  }

  /** The same, one by one. */
  #same(integers: Int32Array, at: number): boolean {
    for (let j = 0; j < this.#bits.length; j++) {
      const bits = this.#bits[j];
      const { length } = bits;
      for (let k = 0; k < length; k++) if (bits[k] !== integers[at + k]) return false;
      at += padded(length);
    }
    return true;
  }
}
