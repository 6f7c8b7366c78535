/** The table of structs: which of them hold which weights. */

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

/** The most structs, 256 MiB: a JavaScript engine ends a program whose objects take too much. */
const most = 2 ** 28 / (16 * structFields);

/** The structs of an engine. Once made, a struct stays, and is filled again with other weights. */
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

  /** Copies W in panels, from an address, to structs; the number of the first, or 0 if there is no room. */
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

  /** Takes back the structs of a matrix. */
  remove(at: number, features: number, panels: number): void {
    this.#free.give(at, countOf(features, panels));
  }

  /** Makes structs until there are `end`. */
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

/** The structs of one module's weights, which are taken back together. */
export class StructSet {
  readonly #table: StructTable;
  readonly #added: [at: number, features: number, panels: number][] = [];

  /** None yet. */
  constructor(table: StructTable) {
    this.#table = table;
  }

  /** Copies W in panels, from an address, to structs; the number of the first, or 0 if there is no room. */
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
