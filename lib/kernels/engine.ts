/**
 * Which kernels run, and the engine that runs them.
 *
 * @module
 */

import { Assembler, f32x4, type Madd, mulAdd, v128 } from "./assembler.ts";
import { Heap } from "./heap.ts";
import { assemble, type CellKind } from "./sequence.ts";

/**
 * Which path computes: `"readable"`, plain TypeScript that reads like the equations; `"simd128"`,
 * WebAssembly with four floats at a time; `"relaxed"`, the same with fused multiplication and
 * addition; or `"auto"`, the best one that the engine has.
 */
export type Kernels = "auto" | "readable" | "simd128" | "relaxed";

/** The functions of the module; addresses and distances in bytes (see `linear.ts`). */
type Exports =
  & Record<CellKind, (slots: number) => void>
  & Record<"linear", (...args: Parameters<LinearKernel>) => void>;

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

/** The kernels of one level, on the heap that all share. */
export type Engine = Exports & { readonly heap: Heap };

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
    const module = new WebAssembly.Module(assemble(madds[level]));
    const { exports } = new WebAssembly.Instance(module, { env: { memory: shared.memory } });
    engine = { ...exports as Exports, heap: shared };
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
