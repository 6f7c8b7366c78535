/** Makes the list's mistakes on purpose, alone and two at once, and looks what the kit calls them. */

import {
  type Answer,
  answerWith,
  both,
  compare,
  diagnose,
  judge,
  type Mistake,
  mistakes,
  select,
  type Task,
} from "../../lib/conformance/mod.ts";

/** What was found. */
export interface Naming {
  /** How many mistakes, or pairs, were made. */
  runs: number;
  /**
   * Of these, how many got another name that is as right: what it names computes the same in all cases
   * of the core; or the kit says "or", since no case that was put tells them apart.
   */
  alike: number;
  /** Each that got a wrong name. */
  wrong: string[];
}

/** How many cases each of them shows itself in. */
const cases = 30;

/** The cases of the core level, by module, without the huge ones. */
const core = (): Task[][] => {
  const tasks = select({ levels: ["forward", "core"] })
    .filter((task) => JSON.stringify(task).length < 4000);
  return [...Map.groupBy(tasks, ({ request }) => request.module).values()];
};

/** Some of a module's cases, others for another number. */
function some(tasks: readonly Task[], k: number): Task[] {
  const chosen = Array.from({ length: cases }, (_, i) => tasks[(i * 7 + k) % tasks.length]);
  return [...new Set(chosen)];
}

type Port = (task: Task) => Answer;

/** An implementation that makes mistakes, the first ones first; where they do not apply, it is right. */
function port(...[first, second]: Mistake[]): Port {
  const pair = first && second && both(first, second);
  return (task) => {
    for (const one of [pair, first, second]) {
      const answer = one && answerWith(one, task);
      if (answer) return answer;
    }
    return task.expect;
  };
}

const agree = (task: Task, one: Answer, other: Answer) =>
  compare(task.request, one, other).differences.length === 0;

/** Whether two implementations answer all cases alike. */
function alike(tasks: readonly Task[], one: Port, other: Port): boolean {
  return tasks.every((task) => agree(task, one(task), other(task)));
}

const byId = new Map(mistakes.map((mistake) => [mistake.id, mistake]));

/** The names that the kit gives an implementation, of two at once, both; and all that it says with "or". */
function namesFor(tasks: readonly Task[], answer: Port): { named: string[]; or: Set<string> } {
  const { summary } = diagnose(tasks.map((task) => judge(task, answer(task))));
  const split = ({ id }: { id: string }) => id.split(" + ");
  const said = summary.flatMap((one) => [one, ...one.or.slice(0, 3)]);
  return { named: [...new Set(summary.flatMap(split))], or: new Set(said.flatMap(split)) };
}

/** Adds what became of one run. */
function note(
  found: Naming,
  made: readonly Mistake[],
  { named, or }: ReturnType<typeof namesFor>,
  all: readonly Task[],
): void {
  found.runs++;
  const ids = made.map(({ id }) => id);
  if (named.length === ids.length && ids.every((id) => named.includes(id))) return;
  if (named.length <= ids.length && ids.every((id) => or.has(id))) return void found.alike++;
  const called = named.map((id) => byId.get(id)!);
  const orders = called.length === 2 ? [called, called.toReversed()] : [called];
  const fits = called.length > 0 && called.length <= ids.length && !called.some((x) => x.recognise);
  if (fits && orders.some((order) => alike(all, port(...made), port(...order)))) found.alike++;
  else {
    const module = all[0].request.module;
    found.wrong.push(`${module}: ${ids.join(" + ")} is called ${named.join(" + ") || "nothing"}`);
  }
}

/**
 * Makes mistakes on purpose, each alone, in 30 cases of the core level of one module.
 *
 * @param some the mistakes; those that are only recognised are passed over
 */
export function checkAlone(among: readonly Mistake[]): Naming {
  const found: Naming = { runs: 0, alike: 0, wrong: [] };
  for (const [k, mistake] of among.entries()) {
    if (mistake.recognise) continue;
    for (const tasks of core()) {
      const chosen = some(tasks, k);
      if (alike(chosen, port(mistake), port())) continue; // it cannot show in this module
      note(found, [mistake], namesFor(chosen, port(mistake)), tasks);
    }
  }
  return found;
}

/** A module and two mistakes that both apply to it, in the order in which they are made. */
interface Pair {
  tasks: Task[];
  made: [Mistake, Mistake];
}

function pairs(): Pair[] {
  return core().flatMap((tasks) => {
    const applying = mistakes.filter((one) =>
      !one.recognise && tasks.slice(0, 12).some((task) => answerWith(one, task))
    );
    return applying.flatMap((one) =>
      applying.filter((other) => other !== one && both(one, other))
        .map((other): Pair => ({ tasks, made: [one, other] }))
    );
  });
}

/**
 * Makes two mistakes at once, in 30 cases of the core level of one module.
 *
 * @param most how many pairs, evenly drawn from all, each in both orders; those in which one hides the
 * other are passed over
 * @param seed which of them: another number draws others
 * @returns what was found, and how many pairs there are
 */
export function checkPairs(most = Infinity, seed = 0): Naming & { of: number } {
  const all = pairs();
  const found = { runs: 0, alike: 0, wrong: [] as string[], of: all.length };
  // A step that has no common divisor with the number of pairs goes through all of them.
  const divisor = (a: number, b: number): number => b ? divisor(b, a % b) : a;
  let step = Math.floor(all.length * 0.618);
  while (divisor(step, all.length) !== 1) step++;
  const start = (seed * 7919) % all.length;
  for (let k = 0; k < all.length && found.runs < most; k++) {
    const { tasks, made } = all[(start + k * step) % all.length];
    const chosen = some(tasks, k);
    if (made.some((one) => alike(chosen, port(...made), port(one)))) continue;
    if (alike(chosen, port(...made), port())) continue;
    note(found, made, namesFor(chosen, port(...made)), tasks);
  }
  return found;
}
