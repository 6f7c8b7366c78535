/**
 * Who has which of the blocks that weights are kept in.
 *
 * @module
 */

import { blockFeatures, blockFields, inputBlocks } from "./blocks.ts";
import { FreeList } from "./free_list.ts";

/** The functions on blocks; see `blocks.ts`. */
export interface BlockFunctions {
  /** Makes room for `length` blocks, where there was room for `before`. */
  grow(before: number, length: number): void;
  /** Makes `count` blocks from `at` on. */
  create(at: number, count: number): void;
  /** Fills blocks from `at` on from panels of W. */
  fill(at: number, w: number, k: number, panels: number): void;
}

/** So many blocks at most, 256 MiB: a JavaScript engine ends a program whose objects grow too large. */
const most = 2 ** 28 / (16 * blockFields);

/** Blocks of weights, where the engine has them. They are made once and filled anew. */
export class BlockTable {
  readonly #functions: BlockFunctions;
  readonly #free = new FreeList(inputBlocks); // so that no weights begin at 0, which means "none"
  #length = 0;
  #created = 0;

  /** Wraps the functions of a module. */
  constructor(functions: BlockFunctions) {
    this.#functions = functions;
    this.#reach(inputBlocks);
  }

  /** Makes blocks of W in panels; where they begin, 0 if there is no room for more blocks. */
  add(w: number, features: number, panels: number): number {
    const count = countOf(features, panels);
    const at = this.#free.take(count);
    try {
      if (this.#free.end > most) throw new RangeError("too many blocks");
      this.#reach(this.#free.end);
      this.#functions.fill(at, w, features, panels);
      return at;
    } catch {
      this.#free.give(at, count);
      return 0;
    }
  }

  /** Takes blocks back. */
  remove(at: number, features: number, panels: number): void {
    this.#free.give(at, countOf(features, panels));
  }

  /** Sees to it that there are so many blocks in all. */
  #reach(end: number): void {
    if (end > this.#length) {
      const length = Math.max(Math.min(2 * this.#length, most), end);
      this.#functions.grow(this.#length, length);
      this.#length = length;
    }
    if (end > this.#created) {
      this.#functions.create(this.#created, end - this.#created);
      this.#created = end;
    }
  }
}

function countOf(features: number, panels: number): number {
  return panels * Math.ceil(features / blockFeatures);
}

/** Blocks that belong together and are taken back together. */
export class StructSet {
  readonly #table: BlockTable;
  readonly #added: [at: number, features: number, panels: number][] = [];

  /** None yet. */
  constructor(table: BlockTable) {
    this.#table = table;
  }

  /** Makes blocks of W in panels; where they begin, 0 if there is no room for more blocks. */
  add(w: number, features: number, panels: number): number {
    const at = this.#table.add(w, features, panels);
    if (at > 0) this.#added.push([at, features, panels]);
    return at;
  }

  /** Takes them back. */
  clear(): void {
    for (const one of this.#added.splice(0)) this.#table.remove(...one);
  }
}
