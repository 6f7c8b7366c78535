/**
 * Puts cases to a program and loses nothing, whatever the program does: what was answered counts,
 * what was not is asked again, and what is never answered is reported with the reason.
 *
 * @module
 */

import { compare, type Difference } from "./compare.ts";
import { type Answer, toLine } from "./pair.ts";
import type { Task } from "./cases.ts";
import {
  type Command,
  converse,
  type Limits,
  type Oddities,
} from "../../scripts/conform/converse.ts";

/** What became of a case. */
export interface Result {
  /** The case. */
  task: Task;
  /** `silent`: there was no answer. */
  status: "passed" | "failed" | "unsupported" | "silent";
  /** The largest difference of any number, in units of the tolerance. */
  units: number;
  /** All that is wrong; for each tensor, only its worst element. */
  differences: Difference[];
  /** Why there is no answer, or why the implementation cannot give one. */
  why?: string;
  /** What was answered, of a case that failed. */
  answer?: Answer;
}

/** What an examination found. */
export interface Examination {
  /** One result for each case, in the order of the cases. */
  results: Result[];
  /** What the program did that the protocol does not foresee. */
  oddities: Oddities;
}

/** How to examine. */
export interface Settings {
  /** Seconds for each case; 10 unless told otherwise. */
  timeout?: number;
  /** Seconds to the first answer, where that is more; 60 unless told otherwise. */
  startup?: number;
  /** How often the program may be started again; 60 unless told otherwise. */
  restarts?: number;
  /** Hears of progress. */
  progress?: (results: ReadonlyMap<string, Result>, total: number) => void;
}

/**
 * Holds an answer against the golden one.
 *
 * @param task the case
 * @param answer what was answered
 * @returns what becomes of the case
 */
export function judge(task: Task, answer: Answer): Result {
  if (answer.unsupported !== undefined) {
    return {
      task,
      status: "unsupported",
      units: 0,
      differences: [],
      why: String(answer.unsupported).slice(0, 400),
    };
  }
  try {
    const { units, differences } = compare(task.request, task.expect, answer);
    if (differences.length === 0) return { task, status: "passed", units, differences };
    return { task, status: "failed", units, differences, answer };
  } catch (error) {
    const given = (error as Error).message;
    const difference = { where: "", wanted: "an answer", given, units: Infinity };
    return { task, status: "failed", units: Infinity, differences: [difference] };
  }
}

/**
 * Examines a program.
 *
 * All requests are sent at once. Where the program dies or hangs, it is started again: the first
 * request that it left unanswered is then sent alone, so that it is known whether that one is to
 * blame, and then the rest, its chapter last. A program that gave no answer at all may have lost
 * those it had not flushed: then the rest is sent in halves.
 *
 * @param command the program and its arguments
 * @param tasks the cases
 * @param settings limits, and who hears of progress
 * @returns a result for each case
 */
export async function examine(
  command: Command,
  tasks: readonly Task[],
  settings: Settings = {},
): Promise<Examination> {
  const { timeout = 10, startup = 60, restarts = 60, progress } = settings;
  const results = new Map<string, Result>();
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const oddities: Oddities = {
    ...{ outOfOrder: 0, repeated: 0, garbage: 0, firstGarbage: "", restarts: -1 },
  };
  const longest = Math.max(0, ...tasks.map(({ expect }) => toLine(expect).length));
  const limits: Limits = { timeout, startup, line: 65536 + 8 * longest };
  const hear = (id: string, answer: Answer, again: boolean) => {
    const before = results.get(id);
    if (!again || !before) results.set(id, judge(byId.get(id)!, answer));
    else contradict(before, judge(before.task, answer));
    progress?.(results, tasks.length);
  };
  const silence = (tasks: readonly Task[], why: string) => {
    for (const task of tasks) {
      results.set(task.id, { task, status: "silent", units: Infinity, differences: [], why });
    }
    progress?.(results, byId.size);
  };
  const queue: (readonly Task[])[] = tasks.length ? [tasks] : [];
  // Starts in a row without an answer, those that only time ended counting for more.
  let barren = 0;
  for (let batch; (batch = queue.shift());) {
    if (batch.length === 0) continue;
    oddities.restarts++;
    const requests = new Map(
      batch.map(({ id, request }) => [id, toLine({ id, ...request })]),
    );
    const { how, why, first } = await converse(command, limits, {
      requests,
      hear,
      known: (id) => results.has(id),
      oddities,
    });
    if (first !== undefined) limits.startup = timeout + 3 * (1 + first);
    const left = batch.filter(({ id }) => !results.has(id));
    const answered = batch.length - left.length;
    barren = answered ? 0 : barren + (how !== "hung" ? 1 : results.size ? 4 : 8);
    if (left.length === 0) continue;
    if (batch.length === 1) silence(left, `the program ${why}`);
    else if (how === "not started") queue.unshift(left);
    else if (answered) {
      // Where one case is fatal, others of its chapter may be: the other chapters come first.
      const [suspect, ...rest] = left;
      const [same, others] = [true, false].map((wanted) =>
        rest.filter(({ chapter }) => (chapter === suspect.chapter) === wanted)
      );
      queue.unshift([suspect], others);
      queue.push(same);
    } else {
      const half = (left.length + 1) >> 1;
      queue.unshift(left.slice(0, 1), left.slice(1, half), left.slice(half));
    }
    const reason = how === "not started"
      ? "the program"
      : barren > 14
      ? "the program again and again gave no answer at all; the last time it"
      : oddities.restarts >= restarts
      ? `the program was started again ${restarts} times; the last time it`
      : null;
    if (reason) queue.splice(0).forEach((rest) => silence(rest, `${reason} ${why}`));
  }
  return { results: tasks.map(({ id }) => results.get(id)!), oddities };
}

/** A second answer counts only where it differs from the first. */
function contradict(first: Result, second: Result): void {
  if (first.status === second.status && first.units === second.units) return;
  first.status = "failed";
  first.units = Math.max(first.units, second.units);
  first.differences.push({
    where: "answered twice, differently",
    wanted: "one answer",
    given: `${first.status}, then ${second.status}`,
    units: Infinity,
  });
}
