/**
 * Who has which of the structs that weights are kept in.
 *
 * @module
 */

import { inputStructs, structFeatures, structFields } from "./structs.ts";
import { FreeList } from "./free_list.ts";

/** The functions on structs; see `structs.ts`. */
export interface StructFunctions {
  /** Makes room for `length` structs, where there was room for `before`. */
  grow(before: number, length: number): void;
  /** Makes `count` structs from `at` on. */
  create(at: number, count: number): void;
  /** Fills structs from `at` on from panels of W. */
  fill(at: number, w: number, k: number, panels: number): void;
}

/** So many structs at most, 256 MiB: a JavaScript engine ends a program whose objects grow too large. */
const most = 2 ** 28 / (16 * structFields);

/** Structs of weights, where the engine has them. They are made once and filled anew. */
export class StructTable {
  readonly #functions: StructFunctions;
  readonly #free = new FreeList(inputStructs); // so that no weights begin at 0, which means "none"
  #length = 0;
  #created = 0;

  /** Wraps the functions of a module. */
  constructor(functions: StructFunctions) {
    this.#functions = functions;
    this.#reach(inputStructs);
  }

  /** Makes structs of W in panels; where they begin, 0 if there is no room for more structs. */
  add(w: number, features: number, panels: number): number {
    const count = countOf(features, panels);
    const at = this.#free.take(count);
    try {
      if (this.#free.end > most) throw new RangeError("too many structs");
      this.#reach(this.#free.end);
      this.#functions.fill(at, w, features, panels);
      return at;
    } catch {
      this.#free.give(at, count);
      return 0;
    }
  }

  /** Takes structs back. */
  remove(at: number, features: number, panels: number): void {
    this.#free.give(at, countOf(features, panels));
  }

  /** Sees to it that there are so many structs in all. */
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
  return panels * Math.ceil(features / structFeatures);
}

/** Structs that belong together and are taken back together. */
export class StructSet {
  readonly #table: StructTable;
  readonly #added: [at: number, features: number, panels: number][] = [];

  /** None yet. */
  constructor(table: StructTable) {
    this.#table = table;
  }

  /** Makes structs of W in panels; where they begin, 0 if there is no room for more structs. */
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
