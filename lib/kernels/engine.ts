/** Which kernels run, and the engine that runs them. */

import { check, checkCount, text } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { pythonType } from "../python.ts";
import { Assembler, mulAdd } from "./assembler.ts";
import * as f32x4 from "./f32x4.ts";
import * as v128 from "./v128.ts";
import { type StructFunctions, StructTable } from "./struct_table.ts";
import { supportsStructs } from "./structs.ts";
import { Heap } from "./heap.ts";
import { assemble, type Options } from "./sequence.ts";
import type { CellKind } from "./slots.ts";
import { boxBytes, Team } from "./threads.ts";
import { addTraining } from "./training/kernels.ts";

/**
 * Which path computes: `"readable"`, plain TypeScript that reads like the equations; `"simd128"`,
 * WebAssembly with four floats at a time; `"relaxed"`, the same with fused multiplication and
 * addition; or `"auto"`, the best one that the engine has.
 * @category Kernels and threads
 */
export type Kernels = "auto" | "readable" | "simd128" | "relaxed";

/** The levels of kernels, and how each adds products. */
const madds = { relaxed: f32x4.relaxedMadd, simd128: mulAdd };

type Level = keyof typeof madds;

/** What a thread runs. */
type Kernel = CellKind | "train";

/** The kernels of one level, on the heap that all share. */
export interface Engine {
  /**
   * Runs a cell's kernel, given the address of the first record of slots (see `slots.ts`) and the
   * count of records; or `train`, given the address and the count of commands (see
   * `training/commands.ts`).
   */
  readonly run: Readonly<Record<Kernel, (at: number, count: number) => void>>;
  /**
   * Compares `bytes` bytes from address `a` on with those from `b` on; writes to `result` 16 bytes
   * that are all 0 where they are the same.
   */
  readonly difference: (a: number, b: number, bytes: number, result: number) => void;
  readonly heap: Heap;
  /** Structs of weights, where the engine has structs. */
  readonly structs: StructTable | null;
  /** How many threads may compute at a time. */
  readonly threads: number;
  /** Has another thread, from 1 on, run a kernel. */
  start(thread: number, kernel: Kernel, at: number, count: number): void;
  /** Waits for the other threads. */
  wait(): void;
}

/** What adds the kernels that only training and Linear need; `null` while nobody asked for them. */
let training: Options["training"] = null;

/** The most pages of a memory that threads share: 2 GiB. */
const sharedPages = 2 ** 15;

/** Whether the JavaScript engine takes the instructions of a level. */
function supports(level: Level): boolean {
  if (typeof WebAssembly === "undefined") return false;
  const m = new Assembler();
  const one = v128.floats(1);
  m.func(0, (f) => f.emit(v128.store(0, madds[level](one, one, one))));
  return WebAssembly.validate(m.encode());
}

/** Whether the console was told that kernels could not be made. */
let noted = false;

/** Tells on the console, once, why a path was not taken and which one computes. */
function note(level: Kernels, error: unknown, instead: Kernels): void {
  if (noted) return;
  noted = true;
  console.warn(
    `rnn-spec: the kernels "${level}" could not be made, so the path "${instead}" computes ` +
      `instead: ${error}`,
  );
}

/** The engines of all levels, which share a heap and threads (KERNEL-2, KERNEL-7). */
class Engines {
  readonly #engines = new Map<Kernels, Engine | null>();
  /** Why levels that the JavaScript engine should have could not be made. */
  readonly failures = new Map<Kernels, unknown>();
  readonly #modules = new Map<Level, WebAssembly.Module>();
  #heap: Heap | null = null;
  #team: Team | null = null;

  readonly shared: boolean;

  /** For this thread alone, or with a memory that other threads can share. */
  constructor(shared = false) {
    this.shared = shared;
  }

  get #pages(): number {
    return this.shared ? sharedPages : 0;
  }

  /** How many threads there are. */
  get threads(): number {
    return this.#team?.size ?? 1;
  }

  /**
   * Takes other threads on, before any engine is asked for.
   *
   * @param begin starts them, given the modules of all levels
   */
  async start(
    heap: Heap,
    begin: (modules: readonly WebAssembly.Module[]) => Promise<Team>,
  ): Promise<void> {
    const levels = (Object.keys(madds) as Level[]).filter(supports);
    this.#heap = heap;
    this.#team = await begin(levels.map((level) => this.#module(level)));
  }

  /** Ends the other threads. */
  end(): void {
    this.#team?.end();
  }

  /** The engine of a level, made when first asked for; `null` for none. */
  get(level: Kernels): Engine | null {
    let engine = this.#engines.get(level);
    if (engine !== undefined) return engine;
    if (level === "auto") engine = this.#best();
    else engine = level === "readable" ? null : this.#attempt(level);
    this.#engines.set(level, engine);
    return engine;
  }

  #best(): Engine | null {
    const engine = this.get("relaxed") ?? this.get("simd128");
    for (const [level, error] of this.failures) {
      note(level, error, engine ? "simd128" : "readable");
    }
    return engine;
  }

  /** Makes the engine of a level; `null` where that fails, as a page's policy can have it. */
  #attempt(level: Level): Engine | null {
    try {
      return supports(level) ? this.#make(level) : null;
    } catch (error) {
      this.failures.set(level, error);
      return null;
    }
  }

  #module(level: Level): WebAssembly.Module {
    let module = this.#modules.get(level);
    if (!module) {
      const options = {
        madd: madds[level],
        withStructs: hasStructs(level),
        sharedPages: this.#pages,
        training,
      };
      module = new WebAssembly.Module(assemble(options));
      this.#modules.set(level, module);
    }
    return module;
  }

  #make(level: Level): Engine {
    this.#heap ??= new Heap();
    const [heap, team, module] = [this.#heap, this.#team, this.#module(level)];
    const { exports } = new WebAssembly.Instance(module, { env: { memory: heap.memory } });
    // What `assemble` exports, which TypeScript cannot know.
    const run = exports as unknown as Engine["run"] & StructFunctions & Pick<Engine, "difference">;
    const place = [...this.#modules.keys()].indexOf(level);
    /** Calls a function on all threads, because each thread has its own structs. */
    const everywhere = (name: keyof StructFunctions) => (...args: number[]) => {
      for (let thread = 1; thread < this.threads; thread++) team!.call(thread, place, name, args);
      (run[name] as (...args: number[]) => void)(...args);
      team?.wait();
    };
    const functions = {
      grow: everywhere("grow"),
      create: everywhere("create"),
      fill: everywhere("fill"),
    };
    return {
      run,
      difference: run.difference,
      heap,
      structs: hasStructs(level) ? new StructTable(functions) : null,
      threads: this.threads,
      start: (thread, kernel, at, count) => team!.call(thread, place, kernel, [at, count]),
      wait: () => team?.wait(),
    };
  }
}

/** The plain level uses no structs, so that the tests run the kernels with and without them. */
function hasStructs(level: Level): boolean {
  return level === "relaxed" && supportsStructs();
}

let chosen: Kernels = "auto";
let engines = new Engines();
let changing: Promise<void> = /* @__PURE__ */ Promise.resolve();

/**
 * Sees to it that engines run `train`, too. It stands apart so that a bundler leaves those kernels out
 * of a program that only asks its models. Kernels made before are made anew; more than one thread
 * have them from the start.
 */
export function useTrainingKernels(): void {
  if (training !== null) return;
  training = addTraining;
  if (!engines.shared) engines = new Engines();
}

/** The engine chosen; `null` for the readable path. */
export function engine(): Engine | null {
  return engines.get(chosen);
}

/** The engine chosen, or the best one: for a backward pass whose forward pass ran on kernels. */
export function anyEngine(): Engine {
  return (engine() ?? engines.get("auto"))!;
}

/**
 * Chooses the path that computes RNN, LSTM, GRU and large products of Linear in float32, forward and
 * backward (KERNEL-1, KERNEL-2, KERNEL-8, KERNEL-10). Everything else always takes the readable one.
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
 * @category Kernels and threads
 */
export function setKernels(kernels: Kernels): void {
  check(["setKernels", { kernels: text }], arguments);
  if (!["auto", "readable", "simd128", "relaxed"].includes(kernels)) {
    throw new TypeError(`there are no kernels "${kernels}"`);
  }
  if ((kernels === "simd128" || kernels === "relaxed") && engines.get(kernels) === null) {
    const cause = engines.failures.get(kernels);
    const why = cause === undefined ? "" : `: ${cause}`;
    throw new TypeError(`this engine cannot run the kernels "${kernels}"${why}`, { cause });
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
 * @category Kernels and threads
 */
export function getKernels(): Kernels {
  checkCount("getKernels", 0, arguments);
  return chosen;
}

/**
 * Chooses how many threads compute (KERNEL-7), as `torch.set_num_threads` does. With more than one,
 * a forward pass on the fast path splits a batch among them where that pays. No result changes.
 *
 * The other threads are workers, which sleep between calls and do not keep a program from ending.
 * They share their memory with this one; a page in a browser has to be cross-origin isolated for
 * that, and to allow workers from `blob:`.
 *
 * @param threads how many, this one counted
 * @returns once the others are ready, or have ended
 * @throws {RuntimeError} if it is no positive whole number, or threads cannot share memory here
 *
 * @example
 * ```ts
 * import { getNumThreads, LSTM, noGrad, randn, setNumThreads } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const lstm = new LSTM(64, 64);
 * const x = randn([20, 32, 64]); // (L, N, H_in)
 * const [alone] = noGrad(() => lstm.forward(x));
 * await setNumThreads(2);
 * assertEquals(getNumThreads(), 2);
 * const [together] = noGrad(() => lstm.forward(x));
 * assertEquals(together.data, alone.data);
 * await setNumThreads(1);
 * ```
 * @category Kernels and threads
 */
export function setNumThreads(threads: number): Promise<void> {
  const change = async () => {
    checkCount("setNumThreads", 1, arguments);
    checkThreads(threads);
    if (threads === engines.threads) return;
    useTrainingKernels();
    const next = new Engines(threads > 1);
    if (threads > 1) await startThreads(next, threads - 1);
    engines.end();
    engines = next;
  };
  const changed = changing.then(change);
  changing = changed.catch(() => {});
  return changed;
}

/**
 * Starts threads beside this one. It stands apart from the engines, so that a bundler leaves threads
 * out of a program that does not ask for them.
 */
async function startThreads(next: Engines, others: number): Promise<void> {
  try {
    const heap = new Heap(sharedPages);
    const { at } = heap.allocate(boxBytes(others));
    await next.start(heap, (modules) => Team.start(heap.memory, at, others, modules));
  } catch (error) {
    throw new RuntimeError(`${others + 1} threads cannot run here: ${error}`, { cause: error });
  }
}

function checkThreads(threads: number): void {
  if (!Number.isInteger(threads)) {
    throw new RuntimeError(`set_num_threads expects an int, but got ${pythonType(threads)}`);
  }
  if (threads < 1) throw new RuntimeError("set_num_threads expects a positive integer");
  if (threads > 1 && typeof SharedArrayBuffer === "undefined") {
    throw new RuntimeError(
      "threads cannot share memory here: a page must be cross-origin isolated",
    );
  }
}

/**
 * Tells how many threads compute; see {@linkcode setNumThreads}.
 *
 * @returns 1 unless another number was chosen
 *
 * @example
 * ```ts
 * import { getNumThreads } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(getNumThreads(), 1);
 * ```
 * @category Kernels and threads
 */
export function getNumThreads(): number {
  checkCount("getNumThreads", 0, arguments);
  return engines.threads;
}
