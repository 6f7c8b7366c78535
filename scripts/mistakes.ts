/**
 * Writes golden/mistakes.json: every porting mistake that the kit knows, the clause that it breaks, the
 * golden cases that show it, and the implementations in which `deno task matrix` has found it.
 *
 * ```sh
 * deno task mistakes
 * ```
 */

import {
  commit,
  diagnose,
  judge,
  type Level,
  type Mistake,
  mistakes,
  select,
  type Task,
} from "../lib/conformance/mod.ts";

/** One mistake, as others can use it. */
export interface Listed {
  id: string;
  /** What is done otherwise, to follow "matches PyTorch if". */
  says: string;
  /** The clause of the specification that it breaks. */
  clause: string;
  /** Cases that show it, the most ordinary first; none where it cannot be computed on purpose. */
  cases: string[];
  /** Implementations, with their versions, in which it was found. */
  seen: string[];
}

/** The clause that a mistake breaks, by its name; the first that fits. */
const clauses: readonly [RegExp, string][] = [
  [/^linear-no-bias/, "LINEAR-3"],
  [/^linear-(s|t)/, "LINEAR-1"],
  [/^(bias-)?gates-[ifgo]{4}/, "LSTM-1"],
  [/^(bias-)?gates-[rzn]{3}/, "GRU-1"],
  [/^(merged-biases|swapped-biases|reset-before)/, "GRU-3"],
  [/^update-swapped/, "GRU-2"],
  [/^no-projection/, "PROJ-1"],
  [/^(no-)?bias-|^no-bias/, "LSTM-3"],
  [
    /^(forget-bias|no-outer-tanh|absent-peephole|hard-sigmoid|relu-for|sigmoid-for|hard-tanh)/,
    "LSTM-2",
  ],
  [/^tanh-for-relu/, "RNN-2"],
  [/^(linear-rnn|transposed|stored|swapped-weights)/, "RNN-1"],
  [/^(sigmoid-|tanh-)(overflow|wraps)/, "NUM-6"],
  [/^(zero-state|nan-made)/, "NUM-4"],
  [/^(reverse-weights|directions-swapped|backward-unreversed|reverse-runs)/, "STACK-3"],
  [/^(forward-for|halves)/, "STACK-4"],
  [/^(backward-h-n|states-swapped)/, "STACK-6"],
  [/^(direction-major|h-n-swapped|layers-top)/, "STACK-5"],
  [/^every-layer/, "STACK-2"],
  [/^(h-0|state-pair)/, "STACK-1"],
  [/^dropout/, "DROP-1"],
  [/^no-dropout/, "DROP-2"],
  [/^batch-first-state/, "BATCH-2"],
  [/^batch-first/, "BATCH-1"],
  [/^batch-left/, "PACK-2"],
  [/^(lengths|h-n-from|reverse-from|forward-through|padding)/, "PACK-5"],
  [/^output-uncut/, "PACK-3"],
  [/^(output-flattened|ones-squeezed)/, "STACK-4"],
  [/arithmetic|weights|products|precision/, "NUM-2"],
];

/** How many cases are named for each mistake. */
const most = 5;

/** Cases of forward passes of ordinary size, the most ordinary and the smallest first. */
function inOrder(): Task[] {
  const rank: Record<Level, number> = { core: 0, family: 1, edge: 2 };
  const key = (task: Task) => 1e6 * rank[task.level ?? "edge"] + JSON.stringify(task).length;
  return select({ levels: ["forward"] }).filter((task) => JSON.stringify(task).length < 4000)
    .sort((a, b) => key(a) - key(b));
}

/** The cases that show a mistake. */
function casesOf(mistake: Mistake, tasks: readonly Task[]): string[] {
  const found: string[] = [];
  if (mistake.recognise) return found;
  for (const task of tasks) {
    if (commit(mistake, task)) found.push(task.id);
    if (found.length === most) break;
  }
  return found;
}

export function list(seen: ReadonlyMap<string, readonly string[]> = new Map()): Listed[] {
  const tasks = inOrder();
  return mistakes.map((mistake) => {
    const { id, says } = mistake;
    const clause = clauses.find(([pattern]) => pattern.test(id))?.[1];
    if (!clause) throw new Error(`no clause for ${id}`);
    return { id, says, clause, cases: casesOf(mistake, tasks), seen: [...seen.get(id) ?? []] };
  });
}

/** What the kit says of an implementation that makes one mistake; `null` where nothing shows it. */
function named(mistake: Mistake, tasks: readonly Task[]): string | null {
  const results = tasks.map((task) => judge(task, commit(mistake, task) ?? task.expect));
  return diagnose(results).summary[0]?.id ?? null;
}

/**
 * Makes mistakes on purpose, each alone, in 30 cases of the core level of one module, and looks what the
 * kit calls them.
 *
 * @param some the mistakes; those that are only recognised are passed over
 * @returns how many were made, and each that got another name
 */
export function check(some: readonly Mistake[]): { runs: number; wrong: string[] } {
  const core = select({ levels: ["forward", "core"] }).filter((task) =>
    JSON.stringify(task).length < 4000
  );
  const modules = [...Map.groupBy(core, ({ request }) => request.module).values()];
  const found = { runs: 0, wrong: [] as string[] };
  for (const [k, mistake] of some.entries()) {
    if (mistake.recognise) continue;
    for (const tasks of modules) {
      const chosen = Array.from({ length: 30 }, (_, i) => tasks[(i * 7 + k) % tasks.length]);
      const name = named(mistake, [...new Set(chosen)]);
      if (name === null) continue; // it cannot show in this module
      found.runs++;
      if (name !== mistake.id) found.wrong.push(`${mistake.id} is called ${name}`);
    }
  }
  return found;
}

/** The file, or what is known of it. */
const file = new URL("../golden/mistakes.json", import.meta.url);

/** Writes the list; what was seen where it does not say stays as it is. */
export async function write(seen?: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const before: Listed[] = await Deno.readTextFile(file).then(JSON.parse, () => []);
  const known = seen ?? new Map(before.map(({ id, seen }) => [id, seen]));
  await Deno.writeTextFile(file, `${JSON.stringify(list(known), null, 1)}\n`);
}

if (import.meta.main) {
  const [flag] = Deno.args;
  if (flag === "--check") {
    const { runs, wrong } = check(mistakes);
    console.log(`${runs - wrong.length} of ${runs} named right`);
    if (wrong.length) console.log(wrong.join("\n"));
    Deno.exit(wrong.length > runs / 100 ? 1 : 0);
  } else if (flag === undefined) await write();
  else {
    console.log("deno task mistakes            writes golden/mistakes.json");
    console.log(
      "deno task mistakes --check    makes each mistake, and looks whether it is named right",
    );
    Deno.exit(flag === "--help" || flag === "-h" ? 0 : 2);
  }
}
