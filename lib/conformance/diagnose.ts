/** Which known porting mistakes explain wrong answers. */

import type { Answer } from "./pair.ts";
import type { Task } from "./cases.ts";
import { agree, answerWith, both } from "./mistakes/both.ts";
import { cells } from "./mistakes/cells.ts";
import { linearLayers } from "./mistakes/linear.ts";
import type { Mistake } from "./mistakes/mistake.ts";
import { numbers } from "./mistakes/numbers.ts";
import { sequences } from "./mistakes/sequences.ts";
import { shapes } from "./mistakes/shapes.ts";
import { weights } from "./mistakes/weights.ts";
import type { Result } from "./examine.ts";

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
  /** What explains the very same answers, and as well: no case that was put tells them apart. */
  or: readonly Explanation[];
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

/**
 * Answers a request with a mistake in the computation.
 *
 * @returns the wrong answer; `null` where the mistake makes none, or cannot be recomputed
 */
export function commit(mistake: Mistake, task: Task): Answer | null {
  const mistaken = answerWith(mistake, task);
  return mistaken && !agree(task, task.expect, mistaken) ? mistaken : null;
}

/** Whether a mistake makes this answer of a right one. */
function explains(mistake: Mistake, task: Task, answer: Answer): boolean {
  if (mistake.recognise) return mistake.recognise(task, answer);
  const mistaken = commit(mistake, task);
  return mistaken !== null && agree(task, mistaken, answer);
}

/** Finds the mistakes that explain a wrong answer. */
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

/** In how many of a module's unexplained answers two mistakes at once are looked for, one of them one of a few. */
const tries = 12;

/** In how many of them, the smallest, any two are looked for: there are thousands. */
const thoroughTries = 3;

/** Pairs that were made before: the same two are one mistake, however often they are found. */
const made = new Map<string, Mistake | null>();

/** What is recognised where another mistake has been made first, too. */
const besides = mistakes.filter((one) => one.besides);

/** Two mistakes at once, in this order. */
function pairOf(first: Mistake, second: Mistake): Mistake | null {
  const key = `${first.id} + ${second.id}`;
  if (!made.has(key)) made.set(key, both(first, second));
  return made.get(key)!;
}

/** The mistakes that a name stands for, in one order. */
const parts = (id: string) => id.split(" + ").sort().join();

/** The pairs of mistakes, of which at least one is among some, that make just this answer. */
function pairsIn({ task, answer }: Result, some: readonly Mistake[]): Mistake[] {
  const applying = mistakes.filter((one) => !one.recognise && answerWith(one, task));
  const found: Mistake[] = [];
  applying.forEach((first, k) => {
    for (const second of [...applying.slice(k + 1), ...besides]) {
      if (!some.includes(first) && !some.includes(second)) continue;
      const orders = [pairOf(first, second), pairOf(second, first)];
      const pair = orders.find((one) => one && explains(one, task, answer!));
      if (pair) found.push(pair);
    }
  });
  return found;
}

/**
 * The pairs of mistakes that explain what no mistake alone does, by module. Of a pair that explains a
 * single such answer, one mistake must explain another answer alone.
 *
 * @returns for each pair, the ids of all cases that it explains; of a single one, that one
 */
function pairsFor(
  wrong: readonly Result[],
  byCase: ReadonlyMap<string, readonly Mistake[]>,
): Map<Mistake, string[]> {
  const pairs = new Map<Mistake, string[]>();
  const ids = (results: readonly Result[]) => results.map(({ task }) => task.id);
  for (const own of Map.groupBy(wrong, ({ task }) => task.request.module).values()) {
    const open = own.filter(({ task }) => !byCase.get(task.id)?.some(({ vague }) => !vague));
    const known = [...new Set(own.flatMap(({ task }) => byCase.get(task.id) ?? []))];
    for (const among of [known, besides, mistakes]) {
      // The smallest may have three at once: among the others are some that have not.
      const few = Math.min(tries, open.length);
      const tried = among === mistakes
        ? open.slice(0, thoroughTries)
        : Array.from({ length: few }, (_, k) => open[Math.floor(k * open.length / few)]);
      const candidates = [...new Set(tried.flatMap((result) => pairsIn(result, among)))];
      for (const pair of candidates) {
        const fits = ({ task, answer }: Result) => explains(pair, task, answer!);
        const needed = open.filter(fits);
        const its = needed.length > 1 ? own.filter(fits) : among === known ? needed : [];
        // Other modules may have the same pair.
        if (its.length) pairs.set(pair, [...pairs.get(pair) ?? [], ...ids(its)]);
      }
      if (candidates.length) break;
    }
  }
  return pairs;
}

/**
 * Looks for the mistakes behind wrong answers.
 *
 * @param results what became of the cases
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
  for (const [pair, ids] of pairsFor(wrong, byCase)) {
    for (const id of ids) byCase.set(id, [...byCase.get(id) ?? [], pair]);
  }
  const [chosen, ...alternatives] = fewest(wrong, byCase);
  const summary = summarise(chosen).map((finding, k): Finding => {
    const or = alternatives.flatMap((one) => summarise(one)[k] ?? [])
      .map(({ id, says }) => ({ id, says }));
    const more = [...finding.or, ...or].filter(({ id }) => parts(id) !== parts(finding.id));
    return { ...finding, or: [...new Map(more.map((one) => [parts(one.id), one])).values()] };
  });
  // What explains many cases is likelier to be the mistake than what explains this one alone.
  const likely = new Set(summary.map(({ id }) => id));
  const kept = [...chosen].map(([id, found]): [string, Explanation[]] => [
    id,
    found.filter(({ id }) => likely.has(id)).map(({ id, says }) => ({ id, says })),
  ]);
  return { diagnosed: wrong.length, byCase: new Map(kept), summary };
}

/**
 * What two mistakes alone and together explain, where more than two are named and two of them explain
 * as many answers: the others fit some of these by chance.
 *
 * @returns for each such two, what they explain; what was known, where there are none
 */
function fewest(
  wrong: readonly Result[],
  byCase: ReadonlyMap<string, readonly Mistake[]>,
): ReadonlyMap<string, readonly Mistake[]>[] {
  const summary = summarise(byCase);
  const split = ({ id }: Explanation) => id.split(" + ");
  if (new Set(summary.flatMap(split)).size < 3) return [byCase];
  const ids = new Set(summary.flatMap((one) => [one, ...one.or]).flatMap(split));
  const named = mistakes.filter(({ id }) => ids.has(id));
  const explained = wrong.filter(({ task }) => byCase.has(task.id));
  const chosen: Map<string, Mistake[]>[] = [];
  for (const [k, one] of named.entries()) {
    for (const other of named.slice(k + 1)) {
      const all = [one, other, pairOf(one, other), pairOf(other, one)].filter((x) => x !== null);
      const own = new Map<string, Mistake[]>();
      const fits = explained.every(({ task, answer }) => {
        const found = all.filter((mistake) => explains(mistake, task, answer!));
        own.set(task.id, found);
        return found.length > 0;
      });
      if (fits) chosen.push(own);
    }
  }
  return chosen.length ? chosen : [byCase];
}

/**
 * Takes the mistake that explains most, then the one that explains most of the rest, and so on. Of those
 * that explain as many, one alone comes before two at once, and these before a vague one.
 */
function summarise(byCase: ReadonlyMap<string, readonly Mistake[]>): Finding[] {
  const left = new Map(byCase);
  const summary: Finding[] = [];
  const size = ({ parts, vague }: Mistake) => vague ? 3 : parts ? 2 : 1;
  while (left.size) {
    const counts = new Map<Mistake, number>();
    for (const one of [...left.values()].flat()) counts.set(one, (counts.get(one) ?? 0) + 1);
    const [[best, most], ...rest] = [...counts]
      .sort(([one, a], [two, b]) => b - a || size(one) - size(two));
    const cases = [...byCase.values()].filter((found) => found.includes(best)).length;
    const or = rest.filter(([one, count]) =>
      count === most && size(one) === size(best) &&
      [...left.values()].every((found) => found.includes(one) === found.includes(best))
    ).map(([{ id, says }]) => ({ id, says }));
    summary.push({ id: best.id, says: best.says, cases, weak: cases === 1, or });
    for (const [id, found] of left) if (found.includes(best)) left.delete(id);
  }
  return summary;
}
