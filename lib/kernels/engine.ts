/**
 * Which kernels run, and the engine that runs them.
 *
 * @module
 */

import { Assembler, f32x4, type Madd, mulAdd, v128 } from "./assembler.ts";
import { blockFeatures, blockVectors, supportsBlocks } from "./blocks.ts";
import { Heap, Ranges } from "./heap.ts";
import { assemble, type CellKind } from "./sequence.ts";

/**
 * Which path computes: `"readable"`, plain TypeScript that reads like the equations; `"simd128"`,
 * WebAssembly with four floats at a time; `"relaxed"`, the same with fused multiplication and
 * addition; or `"auto"`, the best one that the engine has.
 */
export type Kernels = "auto" | "readable" | "simd128" | "relaxed";

/** `out = init + x Wᵀ`. */
type LinearKernel = (
  x: number,
  xRow: number,
  rows: number,
  w: number,
  k: number,
  vectors: number,
  init: number,
  initRow: number,
  out: number,
  outRow: number,
) => void;

/** The same for one row, with W in blocks. */
type RowKernel = (
  x: number,
  blocks: number,
  w: number,
  k: number,
  vectors: number,
  init: number,
  out: number,
) => void;

/** The functions on blocks; see `blocks.ts`. */
interface BlockFunctions {
  readonly row: RowKernel;
  readonly grow: (before: number, length: number) => void;
  readonly fill: (at: number, w: number, k: number, vectors: number) => void;
  readonly clear: (at: number, count: number) => void;
}

/** Blocks of weights, where the engine has them. */
export class BlockTable {
  /** The kernel that reads them. */
  readonly row: RowKernel;
  readonly #functions: BlockFunctions;
  readonly #ranges = new Ranges(1); // 0 stays free, so that it can mean "none"
  #length = 0;

  /** Wraps the functions of a module. */
  constructor(functions: BlockFunctions) {
    this.#functions = functions;
    this.row = functions.row;
  }

  /** Makes blocks of W in panels; where they begin, 0 if not even one would be full. */
  add(w: number, features: number, vectors: number): number {
    const count = countOfBlocks(features, vectors);
    if (count === 0) return 0;
    const at = this.#ranges.take(count);
    if (this.#ranges.end > this.#length) {
      const length = Math.max(2 * this.#length, this.#ranges.end);
      this.#functions.grow(this.#length, length);
      this.#length = length;
    }
    this.#functions.fill(at, w, features, vectors);
    return at;
  }

  /** Forgets blocks. */
  remove(at: number, features: number, vectors: number): void {
    const count = countOfBlocks(features, vectors);
    this.#functions.clear(at, count);
    this.#ranges.give(at, count);
  }
}

function countOfBlocks(features: number, vectors: number): number {
  return Math.floor(vectors / blockVectors) * Math.ceil(features / blockFeatures);
}

/** Blocks that belong together and are forgotten together. */
export class BlockSet {
  readonly #table: BlockTable;
  readonly #added: [at: number, features: number, vectors: number][] = [];

  /** None yet. */
  constructor(table: BlockTable) {
    this.#table = table;
  }

  /** Makes blocks of W in panels; where they begin, 0 if not even one would be full. */
  add(w: number, features: number, vectors: number): number {
    const at = this.#table.add(w, features, vectors);
    if (at > 0) this.#added.push([at, features, vectors]);
    return at;
  }

  /** Forgets them. */
  clear(): void {
    for (const one of this.#added.splice(0)) this.#table.remove(...one);
  }
}

/** The kernels of one level, on the heap that all share. */
export type Engine = Record<CellKind, (slots: number) => void> & {
  readonly linear: LinearKernel;
  readonly heap: Heap;
  readonly blocks: BlockTable | null;
};

const madds: Record<"simd128" | "relaxed", Madd> = {
  simd128: mulAdd,
  relaxed: f32x4.relaxedMadd,
};

let chosen: Kernels = "auto";
let shared: Heap | null = null;
const engines = new Map<Kernels, Engine | null>();

/** Whether the engine takes the instructions of a level. */
function supports(level: "simd128" | "relaxed"): boolean {
  if (typeof WebAssembly === "undefined") return false;
  const m = new Assembler();
  const one = v128.floats(1);
  m.func(0, (f) => f.emit(v128.store(0, madds[level](one, one, one))));
  return WebAssembly.validate(m.encode());
}

/** The engine of a level, made when first asked for; `null` for none. */
function engineOf(level: Kernels): Engine | null {
  let engine = engines.get(level);
  if (engine !== undefined) return engine;
  if (level === "auto") engine = engineOf("relaxed") ?? engineOf("simd128");
  else if (level === "readable" || !supports(level)) engine = null;
  else {
    shared ??= new Heap();
    // Blocks came later than relaxed SIMD; the plain level does without, and so shows both ways.
    const withBlocks = level === "relaxed" && supportsBlocks();
    const module = new WebAssembly.Module(assemble(madds[level], withBlocks));
    const { exports } = new WebAssembly.Instance(module, { env: { memory: shared.memory } });
    const functions = exports as unknown as Engine & BlockFunctions;
    const blocks = withBlocks ? new BlockTable(functions) : null;
    engine = { ...functions, heap: shared, blocks };
  }
  engines.set(level, engine);
  return engine;
}

/** The engine chosen; `null` for the readable path. */
export function engine(): Engine | null {
  return engines.get(chosen) ?? engineOf(chosen);
}

/**
 * Chooses the path that computes RNN, LSTM and GRU in float32 where no gradient is recorded
 * (KERNEL-1, KERNEL-2). Everything else always takes the readable one.
 *
 * @param kernels the path
 * @throws {TypeError} if there is no such path, or this JavaScript engine cannot run it
 *
 * @example
 * ```ts
 * import { getKernels, RNN, setKernels, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * setKernels("readable"); // to read along in a debugger, say
 * new RNN(1, 5).forward(zeros([10, 1]));
 * setKernels("auto");
 * assertEquals(getKernels(), "auto");
 * ```
 */
export function setKernels(kernels: Kernels): void {
  if (!["auto", "readable", "simd128", "relaxed"].includes(kernels)) {
    throw new TypeError(`there are no kernels "${kernels}"`);
  }
  if ((kernels === "simd128" || kernels === "relaxed") && engineOf(kernels) === null) {
    throw new TypeError(`this engine cannot run the kernels "${kernels}"`);
  }
  chosen = kernels;
}

/**
 * Tells which path was chosen; see {@linkcode setKernels}.
 *
 * @returns `"auto"` unless another was chosen
 *
 * @example
 * ```ts
 * import { getKernels } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(getKernels(), "auto");
 * ```
 */
export function getKernels(): Kernels {
  return chosen;
}
