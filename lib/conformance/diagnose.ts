/** Which known porting mistakes explain wrong answers. */

import { compare } from "./compare.ts";
import type { Answer } from "./pair.ts";
import type { Task } from "./cases.ts";
import { cells } from "./mistakes/cells.ts";
import { linearLayers } from "./mistakes/linear.ts";
import type { Mistake } from "./mistakes/mistake.ts";
import { numbers } from "./mistakes/numbers.ts";
import { sequences } from "./mistakes/sequences.ts";
import { shapes } from "./mistakes/shapes.ts";
import { weights } from "./mistakes/weights.ts";
import type { Result } from "./examine.ts";
import { recompute } from "./variant.ts";

/** Every mistake that the diagnosis knows. */
export const mistakes: readonly Mistake[] = [
  ...weights,
  ...cells,
  ...sequences,
  ...shapes,
  ...numbers,
  ...linearLayers,
];

/** A mistake that explains something. */
export interface Explanation {
  /** Its name, in short. */
  id: string;
  /** What is done otherwise, to follow "matches PyTorch if". */
  says: string;
}

/** A mistake, and what it explains. */
export interface Finding extends Explanation {
  /** How many of the wrong answers it explains. */
  cases: number;
  /** Whether it is a single one: then it may be chance. */
  weak: boolean;
}

/** What was found. */
export interface Findings {
  /** How many wrong answers were looked into. */
  diagnosed: number;
  /** The mistakes that explain a case, by the case's id. */
  byCase: ReadonlyMap<string, readonly Explanation[]>;
  /** The fewest mistakes that together explain most, with how many cases each explains. */
  summary: readonly Finding[];
}

/** Nothing found, since nothing was looked into. */
export const noFindings: Findings = { diagnosed: 0, byCase: new Map(), summary: [] };

function agree(task: Task, wanted: Answer, given: Answer): boolean {
  return compare(task.request, wanted, given).differences.length === 0;
}

/**
 * Answers a request with a mistake in the computation.
 *
 * @returns the wrong answer; `null` where the mistake makes none, or cannot be recomputed
 */
export function commit({ deviation, restate }: Mistake, task: Task): Answer | null {
  const { request, expect } = task;
  const outputs = restate && expect.outputs && restate(expect.outputs, request);
  const mistaken = deviation ? recompute(request, deviation) : outputs ? { outputs } : null;
  return mistaken && !agree(task, expect, mistaken) ? mistaken : null;
}

/** Whether a mistake makes this answer of a right one. */
function explains(mistake: Mistake, task: Task, answer: Answer): boolean {
  if (mistake.recognise) return mistake.recognise(task, answer);
  const mistaken = commit(mistake, task);
  return mistaken !== null && agree(task, mistaken, answer);
}

/**
 * Finds the mistakes that explain a wrong answer.
 *
 * @param among the mistakes to try
 */
export function explain(task: Task, answer: Answer, among = mistakes): Mistake[] {
  if (agree(task, task.expect, answer)) return [];
  const found = among.filter((mistake) => explains(mistake, task, answer));
  const clear = found.filter(({ vague }) => !vague);
  return clear.length ? clear : found;
}

/** The wrong answers of forward passes, the smallest first, chapters taking turns. */
function inTurns(results: readonly Result[]): Result[] {
  const wrong = results.filter(({ status, answer, task }) =>
    status === "wrong" && answer?.outputs && task.expect.outputs && task.request.op === "forward"
  );
  const size = ({ task }: Result) => JSON.stringify(task.request.inputs).length;
  const turns = Map.groupBy(
    wrong.sort((a, b) => size(a) - size(b)),
    ({ task: { chapter, request } }) => `${chapter} ${request.module}`,
  );
  const chosen: Result[] = [];
  for (let k = 0; chosen.length < wrong.length; k++) {
    for (const queue of turns.values()) if (k < queue.length) chosen.push(queue[k]);
  }
  return chosen;
}

/** How many wrong answers are compared with every mistake; the others, first with those found. */
const thorough = 120;

/**
 * Looks for the mistakes behind wrong answers.
 *
 * @returns what explains each, and what explains most
 */
export function diagnose(results: readonly Result[]): Findings {
  const wrong = inTurns(results);
  const byCase = new Map<string, Mistake[]>();
  const look = ({ task, answer }: Result, among: readonly Mistake[]) => {
    const found = explain(task, answer!, among);
    if (found.length) byCase.set(task.id, found);
    return found.length > 0;
  };
  for (const result of wrong.slice(0, thorough)) look(result, mistakes);
  const seen = new Set([...byCase.values()].flat());
  const clear = [...seen].filter(({ vague }) => !vague);
  const others = mistakes.filter((mistake) => !clear.includes(mistake));
  for (const result of wrong.slice(thorough)) look(result, clear) || look(result, others);
  const summary = summarise(byCase);
  // What explains many cases is likelier to be the mistake than what explains this one alone.
  const likely = new Set(summary.map(({ id }) => id));
  const kept = [...byCase].map(([id, found]): [string, Explanation[]] => [
    id,
    found.filter(({ id }) => likely.has(id)).map(({ id, says }) => ({ id, says })),
  ]);
  return { diagnosed: wrong.length, byCase: new Map(kept), summary };
}

/** Takes the mistake that explains most, then the one that explains most of the rest, and so on. */
function summarise(byCase: ReadonlyMap<string, readonly Mistake[]>): Finding[] {
  const left = new Map(byCase);
  const summary: Finding[] = [];
  while (left.size) {
    const counts = new Map<Mistake, number>();
    for (const one of [...left.values()].flat()) counts.set(one, (counts.get(one) ?? 0) + 1);
    const [[best]] = [...counts].sort(([, a], [, b]) => b - a);
    const cases = [...byCase.values()].filter((found) => found.includes(best)).length;
    summary.push({ id: best.id, says: best.says, cases, weak: cases === 1 });
    for (const [id, found] of left) if (found.includes(best)) left.delete(id);
  }
  return summary;
}
