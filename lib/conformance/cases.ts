/** Which golden cases are put to an implementation. */

import { files } from "../../golden/mod.ts";
import type { FloatDType } from "../tensor/dtype.ts";
import type { Case, GoldenFile, JsonTensor, Level } from "./pair.ts";

/** A big tensor as its file has it: no numbers, but what they are drawn from. */
interface Drawn {
  shape: number[];
  draw: { seed: number; divisor: number };
}

/** The tensor that is drawn, with its numbers made whenever they are asked for. */
function fromSeed({ shape, draw: { seed, divisor } }: Drawn): JsonTensor {
  return {
    shape,
    get data() {
      const data = new Array<number>(shape.reduce((size, extent) => size * extent, 1));
      for (let x = seed, i = 0; i < data.length; i++) {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        data[i] = ((x >>> 16) % 2001 - 1000) / divisor;
      }
      return data;
    },
  };
}

/**
 * Reads one golden file. Tensors that it only says how to draw have their numbers here.
 *
 * @param path its path below `golden/`
 * @throws {Error} if there is no such file
 */
export function goldenFile(path: string): GoldenFile {
  if (!Object.hasOwn(files, path)) throw new Error(`there is no golden file ${path}`);
  if (!files[path].includes('"draw"')) return JSON.parse(files[path]);
  return JSON.parse(
    files[path],
    (_, value) => value && typeof value === "object" && "draw" in value ? fromSeed(value) : value,
  );
}

/** A golden case with the chapter of its file. */
export interface Task extends Case {
  /** The chapter. */
  chapter: string;
}

/** What a level asks for: some operations, or cases that are no further from the ordinary. */
export interface Asked {
  /** The operations; all where left out. */
  ops?: readonly string[];
  /** What the cases may say of themselves; anything where left out. */
  far?: readonly Level[];
  /** Whether the cases that PyTorch refuses belong to it. */
  errors: boolean;
}

/** The levels of conformance (CONFORM-5). */
export const levels: Readonly<Record<string, Asked>> = {
  core: { far: ["core"], errors: true },
  family: { far: ["core", "family"], errors: true },
  edge: { far: ["core", "family", "edge"], errors: true },
  forward: { ops: ["forward"], errors: false },
  init: { ops: ["init", "rand", "randn"], errors: false },
  training: { ops: ["vjp", "loss", "optim", "train", "example"], errors: false },
  full: { errors: true },
};

/** How to choose; what is left out chooses all. */
export interface Selection {
  /**
   * Names of levels. Of `forward`, `init`, `training` and `full`, a case is in any one; of `core`,
   * `family` and `edge`, too; where both sorts are named, in one of each.
   */
  levels?: readonly string[];
  /** Names of chapters. */
  chapters?: readonly string[];
  /** Each a part of a case's id, or one of its clauses; a case fits any one. */
  filters?: readonly string[];
  /** As `filters`, of cases to leave out. */
  exclude?: readonly string[];
  /** The dtype of the request. */
  dtype?: FloatDType;
  /** The most cases, spread evenly over the chapters; always the same ones. */
  sample?: number;
}

/**
 * Chooses cases from the goldens.
 *
 * @returns the cases, in the order of the files
 * @throws {RangeError} if there is no such level, chapter or dtype, or a filter fits no case at all
 *
 * @example
 * ```ts
 * import { select } from "@rnn-spec/rnn-spec/conformance";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const some = select({ levels: ["forward"], chapters: ["lstm", "gru"], sample: 10 });
 * assertEquals(some.length, 10);
 * assert(some.every(({ request }) => request.op === "forward"));
 * ```
 */
export function select(selection: Selection = {}): Task[] {
  const { levels: names = [], chapters, filters, exclude = [], dtype, sample } = selection;
  const wanted = names.map((name) => known("level", name, levels));
  const all = Object.keys(files).flatMap((path) => {
    const { chapter, cases } = goldenFile(path);
    return cases.map((one): Task => ({ ...one, chapter }));
  });
  const byChapter = Object.fromEntries(all.map(({ chapter }) => [chapter, true]));
  chapters?.forEach((name) => known("chapter", name, byChapter));
  if (dtype) known("dtype", dtype, { float32: true, float64: true });
  const fits = (text: string) => ({ id, clauses }: Task) =>
    id.includes(text) || clauses.includes(text);
  for (const text of [...filters ?? [], ...exclude]) {
    if (!all.some(fits(text))) throw new RangeError(`no case has ${text} in its id or its clauses`);
  }
  const chosen = all.filter((task) =>
    isAsked(task, wanted) &&
    (!chapters || chapters.includes(task.chapter)) &&
    (!filters || filters.some((text) => fits(text)(task))) &&
    !exclude.some((text) => fits(text)(task)) &&
    (!dtype || (task.request.dtype ?? "float32") === dtype)
  );
  return sample === undefined ? chosen : spread(chosen, sample);
}

/** Whether a case is in one of the levels of each sort. */
function isAsked({ level = "edge", request, expect }: Task, wanted: readonly Asked[]): boolean {
  const byOps = wanted.filter(({ far }) => !far);
  const byLevel = wanted.filter(({ far }) => far);
  return (byOps.length === 0 ||
    byOps.some(({ ops, errors }) =>
      (!ops || ops.includes(request.op)) && (errors || !expect.error)
    )) && (byLevel.length === 0 || byLevel.some(({ far }) => far!.includes(level)));
}

/** Takes one case of each chapter in turn, those of a chapter evenly spaced. */
function spread(tasks: readonly Task[], most: number): Task[] {
  const queues = [...Map.groupBy(tasks, ({ chapter }) => chapter).values()];
  const shares = queues.map(() => 0);
  let left = Math.min(most, tasks.length);
  while (left > 0) {
    queues.forEach((queue, k) => {
      if (left > 0 && shares[k] < queue.length) [shares[k], left] = [shares[k] + 1, left - 1];
    });
  }
  const taken = new Set(
    queues.flatMap((queue, k) =>
      Array.from({ length: shares[k] }, (_, i) => queue[Math.floor(i * queue.length / shares[k])])
    ),
  );
  return tasks.filter((task) => taken.has(task));
}

function known<T>(what: string, name: string, among: Record<string, T>): T {
  if (Object.hasOwn(among, name)) return among[name];
  throw new RangeError(`there is no ${what} ${name}: ${Object.keys(among).join(", ")}`);
}
