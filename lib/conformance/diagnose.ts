/**
 * Which known porting mistakes explain wrong answers.
 *
 * @module
 */

import { compare } from "./compare.ts";
import type { Answer } from "./pair.ts";
import type { Task } from "./cases.ts";
import { cells } from "./mistakes/cells.ts";
import { linear } from "./mistakes/linear.ts";
import type { Mistake } from "./mistakes/mistake.ts";
import { numbers } from "./mistakes/numbers.ts";
import { sequences } from "./mistakes/sequences.ts";
import { weights } from "./mistakes/weights.ts";
import type { Result } from "./examine.ts";
import { recompute } from "./variant.ts";

/** Every mistake that the diagnosis knows. */
export const mistakes: readonly Mistake[] = [
  ...weights,
  ...cells,
  ...sequences,
  ...numbers,
  ...linear,
];

/** A mistake that explains something. */
export interface Explanation {
  /** Its name, in short. */
  id: string;
  /** What is done otherwise, to follow "matches PyTorch if". */
  says: string;
}

/** What was found. */
export interface Findings {
  /** How many failed cases were looked into. */
  diagnosed: number;
  /** The mistakes that explain a case, by the case's id. */
  byCase: ReadonlyMap<string, readonly Explanation[]>;
  /** The fewest mistakes that together explain most, with how many cases each explains. */
  summary: readonly (Explanation & { cases: number })[];
}

function agree(task: Task, wanted: Answer, given: Answer): boolean {
  return compare(task.request, wanted, given).differences.length === 0;
}

/** Whether a mistake makes this answer of a right one. */
function explains({ deviation, recognise }: Mistake, task: Task, answer: Answer): boolean {
  if (recognise) return recognise(task, answer);
  const mistaken = deviation ? recompute(task.request, deviation) : null;
  return mistaken !== null && agree(task, mistaken, answer) && !agree(task, task.expect, mistaken);
}

/**
 * Finds the mistakes that explain a wrong answer.
 *
 * @param task the case
 * @param answer what was answered
 * @returns every mistake that makes just this answer
 */
export function explain(task: Task, answer: Answer): Explanation[] {
  if (agree(task, task.expect, answer)) return [];
  const found = mistakes.filter((mistake) => explains(mistake, task, answer));
  const clear = found.filter(({ vague }) => !vague);
  return (clear.length ? clear : found).map(({ id, says }) => ({ id, says }));
}

/** Failures worth looking into, the smallest first, chapters taking turns. */
function choose(results: readonly Result[], most: number): Result[] {
  const wrong = results.filter(({ status, answer, task }) =>
    status === "failed" && answer?.outputs && task.expect.outputs && task.request.op === "forward"
  );
  const size = ({ task }: Result) => JSON.stringify(task.request.inputs).length;
  const turns = Map.groupBy(
    wrong.sort((a, b) => size(a) - size(b)),
    ({ task: { chapter, request } }) => `${chapter} ${request.module}`,
  );
  const chosen: Result[] = [];
  for (let k = 0; chosen.length < Math.min(most, wrong.length); k++) {
    for (const queue of turns.values()) if (k < queue.length) chosen.push(queue[k]);
  }
  return chosen.slice(0, most);
}

/**
 * Looks for the mistakes behind failures.
 *
 * @param results what became of the cases
 * @param most how many failures to look into
 * @returns what explains each, and what explains most
 */
export function diagnose(results: readonly Result[], most = 120): Findings {
  const chosen = choose(results, most);
  const byCase = new Map<string, Explanation[]>();
  for (const { task, answer } of chosen) {
    const found = explain(task, answer!);
    if (found.length) byCase.set(task.id, found);
  }
  const summary = summarise(byCase);
  // What explains many cases is likelier to be the mistake than what explains this one alone.
  const likely = new Set(summary.map(({ id }) => id));
  for (const [id, found] of byCase) byCase.set(id, found.filter(({ id }) => likely.has(id)));
  return { diagnosed: chosen.length, byCase, summary };
}

/** Takes the mistake that explains most, then the one that explains most of the rest, and so on. */
function summarise(byCase: ReadonlyMap<string, readonly Explanation[]>) {
  const left = new Map(byCase);
  const summary: (Explanation & { cases: number })[] = [];
  while (left.size) {
    const counts = new Map<string, Explanation & { cases: number }>();
    for (const found of left.values()) {
      for (const one of found) {
        const count = counts.get(one.id) ?? { ...one, cases: 0 };
        counts.set(one.id, { ...count, cases: count.cases + 1 });
      }
    }
    const [best] = [...counts.values()].sort((a, b) => b.cases - a.cases);
    const explained = [...byCase.values()].filter((found) =>
      found.some(({ id }) => id === best.id)
    );
    summary.push({ ...best, cases: explained.length });
    for (const [id, found] of left) if (found.some((one) => one.id === best.id)) left.delete(id);
  }
  return summary;
}
