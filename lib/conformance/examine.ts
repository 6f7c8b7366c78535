/**
 * Puts cases to an implementation and loses nothing, whatever it does: what was answered counts,
 * what was not is asked again, and what is never answered is reported with the reason.
 */

import type { Task } from "./cases.ts";
import { compare, type Difference, show } from "./compare.ts";
import { type Answer, toLine } from "./pair.ts";
import { ask, type Implementation } from "./serve.ts";

/**
 * What became of a case: `wrong` is computed otherwise, `refused` answered with an error where
 * PyTorch computes, `crashed` never answered, `unsupported` declined.
 */
export type Status = "passed" | "wrong" | "refused" | "crashed" | "unsupported";

/** What became of a case, and why. */
export interface Result {
  /** The case. */
  task: Task;
  /** What became of it. */
  status: Status;
  /** The largest difference of any number, in units of the tolerance. */
  units: number;
  /** All that is wrong; for each tensor, only its worst element. */
  differences: Difference[];
  /** The error, why there is no answer, or why the implementation cannot give one. */
  why?: string;
  /** What was answered, of a case that was computed otherwise. */
  answer?: Answer;
}

/** What an implementation does that the protocol does not foresee. */
export interface Oddities {
  /** Answers that came before the answer to an earlier request. */
  outOfOrder: number;
  /** Answers to requests that were answered already. */
  repeated: number;
  /** Lines that are no answer to any request. */
  garbage: number;
  /** The first of them. */
  firstGarbage: string;
  /** Starts after the first one. */
  restarts: number;
}

/** What an examination found. */
export interface Examination {
  /** One result for each case that was put, in the order of the cases. */
  results: Result[];
  /** What the program did that the protocol does not foresee. */
  oddities: Oddities;
  /** How many of the cases were not put, and why, where it was ended early. */
  stopped?: { left: number; why: string };
}

/** How a conversation ended. */
export interface Ending {
  /** `died` includes a program that closes its output; `stopped` is the examiner's own doing. */
  how: "answered" | "died" | "hung" | "not started" | "stopped";
  /** In words. */
  why: string;
  /** Seconds to the first answer, where there was one. */
  first?: number;
}

/** What a program is given. */
export interface Limits {
  /** Seconds from one answer to the next. */
  timeout: number;
  /** Seconds to the first answer, where that is more: starting takes time. */
  startup: number;
  /** The longest line of output, in bytes, that is kept. */
  line: number;
}

/** What has been asked, by id, and who hears the answers. */
export interface Talk {
  /** The lines to send, by id. */
  requests: ReadonlyMap<string, string>;
  /** Takes an answer; `again` where the request was answered before. */
  hear(id: string, answer: Answer, again: boolean): void;
  /** Whether a request of this id was answered in an earlier conversation. */
  known(id: string): boolean;
  /** Is added to. */
  oddities: Oddities;
  /** Ends the conversation early. */
  signal?: AbortSignal;
}

/**
 * Starts a program, sends it all requests without waiting, and hears its answers until all have
 * come or no more do.
 */
export type Converse = (limits: Limits, talk: Talk) => Promise<Ending>;

/** How to examine. */
export interface Settings {
  /** Seconds for each case. @default 10 */
  timeout?: number;
  /** Seconds to the first answer, where that is more. @default 60 */
  startup?: number;
  /** How often the program may be started again. @default 60 */
  restarts?: number;
  /** Ends the examination early; what was not answered by then is not in the results. */
  signal?: AbortSignal;
  /** Hears of progress. */
  progress?: (results: ReadonlyMap<string, Result>, total: number) => void;
}

/**
 * Holds an answer against the golden one. The answer comes from outside: whatever it is, this does
 * not throw.
 */
export function judge(task: Task, answer: Answer): Result {
  const { unsupported, error } = answer;
  if (unsupported !== undefined) {
    return { task, status: "unsupported", units: 0, differences: [], why: line(show(unsupported)) };
  }
  const { units, differences } = compare(task.request, task.expect, answer);
  if (differences.length === 0) return { task, status: "passed", units, differences };
  if (error !== undefined && !task.expect.error) {
    return { task, status: "refused", units: Infinity, differences, why: describe(error) };
  }
  return { task, status: "wrong", units, differences, answer };
}

/** A text in one line, in short, without what colours a terminal. */
function line(text: string): string {
  // deno-lint-ignore no-control-regex -- this is how colours begin
  return show(text.replaceAll(/\x1b\[[0-9;]*m/g, "").replaceAll(/\s+/g, " ").trim());
}

/** An error of an answer in one line, whatever it is. */
function describe(error: unknown): string {
  const { type, message } = (error ?? {}) as Record<string, unknown>;
  return line(
    message === undefined ? show(error) : `${show(type ?? "Error")}: ${show(message)}`,
  );
}

/** Nothing odd, yet. */
export function noOddities(): Oddities {
  return { outOfOrder: 0, repeated: 0, garbage: 0, firstGarbage: "", restarts: 0 };
}

/**
 * Examines an implementation in this process: a function from a request to an answer.
 *
 * @param implementation what computes; it may throw `Unsupported`
 * @returns a result for each case
 *
 * @example
 * ```ts
 * import { examineFunction, select, verdict } from "@rnn-spec/rnn-spec/conformance";
 * import { assertEquals } from "@std/assert";
 *
 * const tasks = select({ chapters: ["linear"], filters: ["float64"], sample: 3 });
 * const copyist = (request: object) => tasks.find((task) => task.request === request)!.expect;
 * const { results } = await examineFunction(copyist, tasks);
 * assertEquals(verdict(results).text, "conforms in linear: 3 of 3 supported");
 * ```
 */
export async function examineFunction(
  implementation: Implementation,
  tasks: readonly Task[],
): Promise<Examination> {
  const results: Result[] = [];
  for (const task of tasks) results.push(judge(task, await ask(implementation, task.request)));
  return { results, oddities: noOddities() };
}

/**
 * Examines a program.
 *
 * All requests are sent at once. Where the program dies or hangs, it is started again: the first
 * request that it left unanswered is then sent alone, so that it is known whether that one is to
 * blame, and then the rest, its chapter last. A program that gave no answer at all may have lost
 * those it had not flushed: then the rest is sent in halves.
 *
 * @param converse how to start the program and hear it
 * @param settings limits, and who hears of progress
 */
export async function examine(
  converse: Converse,
  tasks: readonly Task[],
  settings: Settings = {},
): Promise<Examination> {
  const { timeout = 10, startup = 60, restarts = 60, progress, signal } = settings;
  const results = new Map<string, Result>();
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const oddities = { ...noOddities(), restarts: -1 };
  const longest = Math.max(...tasks.map(({ expect }) => toLine(expect).length));
  const limits: Limits = { timeout, startup, line: 65536 + 8 * longest };
  const hear = (id: string, answer: Answer, again: boolean) => {
    const before = results.get(id);
    if (!again || !before) results.set(id, judge(byId.get(id)!, answer));
    else contradict(before, judge(before.task, answer));
    progress?.(results, tasks.length);
  };
  const silence = (tasks: readonly Task[], why: string) => {
    for (const task of tasks) {
      results.set(task.id, { task, status: "crashed", units: Infinity, differences: [], why });
    }
    progress?.(results, byId.size);
  };
  const queue: (readonly Task[])[] = tasks.length ? [tasks] : [];
  // Starts in a row without an answer, those that only time ended counting for more.
  let barren = 0;
  for (let batch; !signal?.aborted && (batch = queue.shift());) {
    if (batch.length === 0) continue;
    oddities.restarts++;
    const requests = new Map(batch.map(({ id, request }) => [id, toLine({ id, ...request })]));
    const known = (id: string) => results.has(id);
    const { how, why, first } = await converse(limits, {
      ...{ requests, hear, known, oddities, signal },
    });
    if (how === "stopped") break;
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
  oddities.restarts = Math.max(0, oddities.restarts);
  const found = tasks.flatMap(({ id }) => results.get(id) ?? []);
  const left = tasks.length - found.length;
  const stopped = left ? { stopped: { left, why: show(signal?.reason ?? "stopped") } } : {};
  return { results: found, oddities, ...stopped };
}

/** A second answer counts only where it differs from the first. */
function contradict(first: Result, second: Result): void {
  if (first.status === second.status && first.units === second.units) return;
  first.differences.push({
    where: "answered twice, differently",
    wanted: "one answer",
    given: `${first.status}, then ${second.status}`,
    units: Infinity,
  });
  first.status = "wrong";
  first.units = Infinity;
}
