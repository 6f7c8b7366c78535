/**
 * Which golden cases are put to an implementation.
 *
 * @module
 */

import { files } from "../../golden/mod.ts";
import { type Case, goldenFile } from "./pair.ts";

/** A golden case with the chapter of its file. */
export interface Task extends Case {
  /** The chapter. */
  chapter: string;
}

/** What a level asks for: the operations, and whether the cases that PyTorch refuses, too. */
interface Level {
  ops: readonly string[] | null;
  errors: boolean;
}

/** The levels of conformance (CONFORM-5). */
export const levels: Readonly<Record<string, Level>> = {
  forward: { ops: ["forward"], errors: false },
  init: { ops: ["init", "rand", "randn"], errors: false },
  training: { ops: ["vjp", "loss", "optim", "train"], errors: false },
  full: { ops: null, errors: true },
};

/** How to choose. */
export interface Selection {
  /** The names of the levels; all of what `full` asks where left out. */
  levels?: readonly string[];
  /** The names of the chapters; all where left out. */
  chapters?: readonly string[];
  /** A part of the case's id, or one of its clauses. */
  filter?: string;
}

/**
 * Chooses cases from the goldens.
 *
 * @param selection what to choose
 * @returns the cases, in the order of the files
 * @throws {RangeError} if there is no such level or chapter
 */
export function select(selection: Selection = {}): Task[] {
  const { levels: names = ["full"], chapters, filter } = selection;
  const wanted = names.map((name) => known("level", name, levels)[name]);
  const all = Object.keys(files).flatMap((path) => {
    const { chapter, cases } = goldenFile(path);
    return cases.map((one): Task => ({ ...one, chapter }));
  });
  const byChapter = Object.fromEntries(all.map(({ chapter }) => [chapter, true]));
  chapters?.forEach((name) => known("chapter", name, byChapter));
  return all.filter(({ id, chapter, clauses, request, expect }) =>
    wanted.some(({ ops, errors }) =>
      (ops === null || ops.includes(request.op)) && (errors || !expect.error)
    ) &&
    (!chapters || chapters.includes(chapter)) &&
    (!filter || id.includes(filter) || clauses.includes(filter))
  );
}

function known<T>(what: string, name: string, among: Record<string, T>): Record<string, T> {
  if (Object.hasOwn(among, name)) return among;
  throw new RangeError(`there is no ${what} ${name}: ${Object.keys(among).join(", ")}`);
}
