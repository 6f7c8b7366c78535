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
  type Level,
  type Mistake,
  mistakes,
  select,
  type Task,
} from "../lib/conformance/mod.ts";
import { command, type Given, whole } from "./command/run.ts";
import { checkAlone, checkPairs, type Naming } from "./mistakes/check.ts";

const usage = `deno task mistakes [flags]

Writes golden/mistakes.json. With a flag, nothing is written:

  --check     makes each mistake, and looks whether it is named right: by its own name, by one that
              computes the same in all cases of the core level, or with "or" beside it
  --pairs N   makes N pairs of mistakes at once, drawn evenly from all, or "all"
  --seed N    which pairs are drawn; another number draws others (0)
  --help      this text

The status is 1 where less than 99 % are named right.`;

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
  [/^(zero-state|nan-)/, "NUM-4"],
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
  [/^(output-uncut|past-end)/, "PACK-3"],
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

/** The file, or what is known of it. */
const file = new URL("../golden/mistakes.json", import.meta.url);

/** Writes the list; what was seen where it does not say stays as it is. */
export async function write(seen?: ReadonlyMap<string, readonly string[]>): Promise<void> {
  const before: Listed[] = await Deno.readTextFile(file).then(JSON.parse, () => []);
  const known = seen ?? new Map(before.map(({ id, seen }) => [id, seen]));
  await Deno.writeTextFile(file, `${JSON.stringify(list(known), null, 1)}\n`);
}

function say(what: string, { runs, alike, wrong }: Naming): boolean {
  const right = runs - wrong.length;
  const share = (100 * right / runs).toFixed(1);
  console.log(
    `${what}: ${right} of ${runs} named right (${share} %), ${alike} by another name that is as right`,
  );
  if (wrong.length) console.log(wrong.join("\n"));
  return wrong.length <= runs / 100;
}

async function main({ text: { pairs, seed }, flag }: Given): Promise<number> {
  if (flag.check) return say("each alone", checkAlone(mistakes)) ? 0 : 1;
  if (pairs !== undefined) {
    const most = pairs === "all" ? Infinity : Number(pairs);
    if (!(most > 0)) throw new RangeError(`--pairs wants a number above 0, or all, not ${pairs}`);
    const found = checkPairs(most, whole("seed", seed ?? "0", 0, 1e9));
    return say(`two at once, of ${found.of} pairs`, found) ? 0 : 1;
  }
  await write();
  return 0;
}

if (import.meta.main) await command("mistakes", usage, main, "\n(--help shows how it is used)");
