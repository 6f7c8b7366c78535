/**
 * Changes single tokens of `lib/` at random, one at a time, in a copy, and lists the changes that no
 * test notices.
 *
 * ```sh
 * deno task mutants --count 60 --seed 1
 * deno task mutants --count 60 --seed 1 --in lib/kernels
 * ```
 *
 * Of each change only the test files run that reach its line, quick ones first, until one fails. A
 * change that makes a test hang counts as noticed.
 */

import { Generator } from "../mod.ts";
import { printed } from "./command/files.ts";
import { command, type Given } from "./command/run.ts";
import equivalent from "./mutants/equivalent.json" with { type: "json" };
import { type Change, changed, changesOf } from "./mutants/changes.ts";
import { cover, type Covered, testing } from "./mutants/cover.ts";

const help = `Usage: deno task mutants [options]

  --count N    how many changes (default 60)
  --seed S     which ones (default 0)
  --in PATH    only files whose path begins so (default lib/)
  --jobs J     how many at a time (default 2)
`;

const root = new URL("../", import.meta.url).pathname;

function* filesOf(folder: string): Iterable<string> {
  for (const { name, isDirectory } of Deno.readDirSync(root + folder)) {
    if (isDirectory) yield* filesOf(`${folder}${name}/`);
    else if (name.endsWith(".ts")) yield `${folder}${name}`;
  }
}

/** A copy of all that the tests need. */
async function copy(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const parts = ["lib", "golden", "spec", "scripts"];
  const files = ["deno.json", "deno.lock", "mod.ts", "README.md"];
  await printed(root, "cp", "-r", ...files, ...parts, folder);
  return `${folder}/`;
}

/** Draws changes, each at most once. */
function draw(all: readonly Change[], count: number, seed: number): Change[] {
  const generator = new Generator(seed);
  const left = [...all];
  const drawn: Change[] = [];
  while (drawn.length < count && left.length) {
    drawn.push(...left.splice(generator.random() % left.length, 1));
  }
  return drawn;
}

/** A change that changes nothing that can be observed, and why. */
interface Known {
  readonly file: string;
  readonly text: string;
  readonly change: string;
  readonly reason: string;
}

/** Whether a change is known to change nothing that can be observed. */
const isEquivalent = ({ file, before, after, text }: Change) =>
  (equivalent as readonly Known[]).some((known) =>
    known.file === file && known.text === text && known.change === `${before} → ${after}`
  );

/** Whether a test notices a change, made in a copy. */
async function noticed(
  folder: string,
  change: Change,
  covered: readonly Covered[],
): Promise<boolean> {
  const path = folder + change.file;
  const source = await Deno.readTextFile(path);
  const tests = covered
    .filter(({ lines }) => lines.get(change.file)?.has(change.line))
    .sort((a, b) => a.milliseconds - b.milliseconds);
  await Deno.writeTextFile(path, changed(source, change));
  try {
    for (const { test, milliseconds } of tests) {
      const child = new Deno.Command(Deno.execPath(), {
        args: [...testing, "--fail-fast", test],
        cwd: folder,
        stdout: "null",
        stderr: "null",
      }).spawn();
      const limit = setTimeout(() => child.kill("SIGKILL"), 30_000 + 6 * milliseconds);
      const { success } = await child.status;
      clearTimeout(limit);
      if (!success) return true;
    }
    return false;
  } finally {
    await Deno.writeTextFile(path, source);
  }
}

/** A bar that says how far it is; a line for every tenth, where it goes to a file. */
function progress(done: number, all: number, alive: number): void {
  if (!Deno.stderr.isTerminal()) {
    if (done % Math.ceil(all / 10) === 0) console.error(`${done}/${all}, ${alive} unnoticed`);
    return;
  }
  const width = 40;
  const full = Math.round(width * done / all);
  const text = `\r${"█".repeat(full)}${
    "░".repeat(width - full)
  } ${done}/${all}, ${alive} unnoticed`;
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}

/** Prints a change that no test noticed, as soon as that is known. */
function show({ file, line, before, after, text }: Change): void {
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode("\r\x1b[K"));
  console.log(`${file}:${line}: ${before} → ${after || "nothing"}    ${text}`);
}

async function main({ text }: Given): Promise<void> {
  const [count, seed, jobs] = [text.count ?? 60, text.seed ?? 0, text.jobs ?? 2].map(Number);
  if (![count, seed, jobs].every(Number.isInteger) || count < 1 || jobs < 1 || seed < 0) {
    throw new RangeError("--count, --seed and --jobs take whole numbers");
  }
  const files = [...filesOf("lib/")].filter((file) => file.startsWith(text.in ?? "lib/")).sort();
  const all = files.flatMap((file) => changesOf(file, Deno.readTextFileSync(root + file)))
    .filter((change) => !isEquivalent(change));
  const drawn = draw(all, count, seed);
  const folders = await Promise.all(Array.from({ length: jobs }, copy));
  const covered: Covered[] = [];
  const unnoticed: Change[] = [];
  try {
    const tests = [...filesOf("spec/tests/")].filter((file) => file.endsWith("_test.ts"));
    await Promise.all(folders.map(async (folder) => {
      for (let test = tests.pop(); test; test = tests.pop()) {
        covered.push(await cover(folder, test));
      }
    }));
    let [next, done] = [0, 0];
    progress(0, drawn.length, 0);
    await Promise.all(folders.map(async (folder) => {
      while (next < drawn.length) {
        const change = drawn[next++];
        if (!await noticed(folder, change, covered)) {
          unnoticed.push(change);
          show(change);
        }
        progress(++done, drawn.length, unnoticed.length);
      }
    }));
  } finally {
    await Promise.all(folders.map((folder) => Deno.remove(folder, { recursive: true })));
  }
  if (Deno.stderr.isTerminal()) console.error();
  const score = 100 * (drawn.length - unnoticed.length) / drawn.length;
  console.log(
    `${drawn.length} changes of ${all.length} possible, ${unnoticed.length} unnoticed: ${
      score.toFixed(1)
    } % noticed`,
  );
}

if (import.meta.main) await command("mutants", help, main);
