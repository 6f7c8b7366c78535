/** Other threads that run kernels on the memory that all share. */

import { type CellKind, kinds } from "./slots.ts";

/** What a thread can be asked to call, by the names that a module of kernels exports. */
const callable = /* @__PURE__ */ (kinds as readonly Callable[])
  .concat("train", "grow", "create", "fill");

/** A function that a thread can be asked to call. */
export type Callable = CellKind | "train" | "grow" | "create" | "fill";

/**
 * How this thread tells another one what to call: 16 integers on a cache line of their own, its box.
 * The number of the last request, its module, its function and four arguments; then the number of the
 * last request that was answered, and whether it failed.
 */
const box = { sent: 0, module: 1, name: 2, arguments: 3, answered: 8, failed: 9, length: 16 };

/** The bytes of the boxes of some threads. */
export function boxBytes(threads: number): number {
  return 4 * box.length * threads;
}

/**
 * How often a box is read, in a loop, before a thread sleeps until it changes: for about 100 µs, as
 * waking up can take as long, and the parts of a training step follow each other more closely.
 */
const patience = 20_000;

/**
 * The program of a thread. It sleeps until there is a request; one with a module that does not exist
 * ends it. The text imports nothing, so that it runs wherever this library was loaded from.
 */
const program = () =>
  `const serve = ({ modules, memory, at, names }) => {
  const box = new Int32Array(memory.buffer, at, ${box.length});
  const instances = modules.map((one) => new WebAssembly.Instance(one, { env: { memory } }).exports);
  Atomics.store(box, ${box.answered}, 0);
  Atomics.notify(box, ${box.answered});
  for (let sent = 0;;) {
    let looked = ${patience};
    while (looked > 0 && Atomics.load(box, ${box.sent}) === sent) looked--;
    Atomics.wait(box, ${box.sent}, sent);
    if (Atomics.load(box, ${box.sent}) === sent) continue;
    sent = Atomics.load(box, ${box.sent});
    const kernels = instances[box[${box.module}]];
    if (!kernels) break;
    try {
      const given = box.slice(${box.arguments}, ${box.answered});
      kernels[names[box[${box.name}]]](...given);
    } catch {
      box[${box.failed}] = 1;
    }
    Atomics.store(box, ${box.answered}, sent);
    Atomics.notify(box, ${box.answered});
  }
};
`;

/** A thread of Node or Deno. */
interface NodeWorker {
  unref(): void;
  terminate(): Promise<unknown>;
  on(event: "error", listen: (error: Error) => void): void;
}

/** What there is of the module `node:worker_threads`. */
interface WorkerThreads {
  Worker: new (program: string, options: { eval: true; workerData: unknown }) => NodeWorker;
}

/** The module of Node and Deno, whose threads need no file and keep no program from ending. */
function workerThreads(): WorkerThreads | undefined {
  // Typed by hand: a browser has no such global, and lib/ uses no types of Node's.
  const { process } = globalThis as unknown as {
    process?: { getBuiltinModule?(name: string): WorkerThreads };
  };
  return process?.getBuiltinModule?.("node:worker_threads");
}

/** Starts a thread; returns what ends it. */
function spawn(data: unknown, onError: (error: Error) => void): () => void {
  const node = workerThreads();
  if (node) {
    const worker = new node.Worker(
      `${program()}serve(process.getBuiltinModule("node:worker_threads").workerData);`,
      { eval: true, workerData: data },
    );
    worker.unref();
    worker.on("error", onError);
    return () => void worker.terminate();
  }
  const text = `${program()}onmessage = ({ data }) => { serve(data); close(); };`;
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  const worker = new Worker(url, { type: "module" });
  worker.onerror = ({ message }) => onError(new Error(message));
  worker.postMessage(data);
  return () => {
    worker.terminate();
    URL.revokeObjectURL(url);
  };
}

/** The other threads (KERNEL-7). */
export class Team {
  readonly #boxes: readonly Int32Array[];
  readonly #sent: number[];
  readonly #ends: (() => void)[] = [];
  /** Threads that have not yet answered. */
  readonly #busy = new Set<number>();

  private constructor(memory: WebAssembly.Memory, at: number, others: number) {
    this.#boxes = Array.from(
      { length: others },
      (_, k) => new Int32Array(memory.buffer, at + boxBytes(k), box.length),
    );
    this.#sent = this.#boxes.map(() => 0);
  }

  /**
   * Starts threads.
   *
   * @param memory what they share
   * @param at the address of their boxes
   * @param others how many
   * @param modules the modules whose functions they can call
   * @returns the threads, once all are ready
   * @throws {Error} if one cannot start
   */
  static async start(
    memory: WebAssembly.Memory,
    at: number,
    others: number,
    modules: readonly WebAssembly.Module[],
  ): Promise<Team> {
    const team = new Team(memory, at, others);
    try {
      await Promise.all(team.#boxes.map(async (own, k) => {
        let error: Error | null = null;
        own[box.answered] = -1;
        const data = { modules, memory, at: at + boxBytes(k), names: callable };
        team.#ends.push(spawn(data, (one) => error = one));
        while (Atomics.load(own, box.answered) < 0) {
          if (error) throw error;
          await new Promise((later) => setTimeout(later, 1));
        }
      }));
    } catch (error) {
      team.end();
      throw error;
    }
    return team;
  }

  /** How many threads there are, this one counted. */
  get size(): number {
    return this.#boxes.length + 1;
  }

  /** Has a thread, from 1 on, call a function of a module. */
  call(thread: number, module: number, name: Callable, args: readonly number[]): void {
    const own = this.#boxes[thread - 1];
    own[box.module] = module;
    own[box.name] = callable.indexOf(name);
    own.set(args, box.arguments);
    Atomics.store(own, box.sent, ++this.#sent[thread - 1]);
    Atomics.notify(own, box.sent);
    this.#busy.add(thread - 1);
  }

  /**
   * Waits until all have answered.
   *
   * @throws {Error} if a call went wrong
   */
  wait(): void {
    let failed = false;
    for (const thread of this.#busy) {
      const own = this.#boxes[thread];
      for (let looked = 0;; looked++) {
        const answered = Atomics.load(own, box.answered);
        if (answered === this.#sent[thread]) break;
        if (looked > patience && canSleep()) Atomics.wait(own, box.answered, answered);
      }
      failed ||= own[box.failed] !== 0;
      own[box.failed] = 0;
    }
    this.#busy.clear();
    if (failed) throw new Error("a kernel failed on another thread");
  }

  /** Ends the threads. */
  end(): void {
    this.#boxes.forEach((_, k) => this.call(k + 1, -1, callable[0], []));
    this.#busy.clear();
    for (const end of this.#ends) end();
  }
}

let sleepy: boolean | null = null;

/** Whether this thread may sleep; that of a page in a browser may not. */
function canSleep(): boolean {
  if (sleepy === null) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1);
      sleepy = true;
    } catch {
      sleepy = false;
    }
  }
  return sleepy;
}
