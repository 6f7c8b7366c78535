/**
 * Builds an implementation's adapter, puts the cases to it, and keeps what came out, so that nothing
 * is run again that has not changed.
 */

import {
  type Answer,
  diagnose,
  examine,
  judge,
  type Result,
  select,
  type Status,
  type Task,
} from "../../lib/conformance/mod.ts";
import { type Command, program } from "../conform/converse.ts";
import type { Implementation } from "./implementations.ts";

/** What became of a case, in short. */
export interface Kept {
  id: string;
  status: Status;
  /** The error or the reason; of a wrong answer, where it differs. */
  why?: string;
  /** The mistake that explains it. */
  mistake?: { id: string; says: string };
  /** What was answered, of a case that was computed otherwise: named anew where the kit has changed. */
  answer?: Answer;
}

/** What is known of an implementation. */
export interface Found {
  /** What it calls itself, with its version. */
  title: string;
  /** The hash of the kit that judged and named. */
  kit: string;
  /** What became of each case that was put to it. */
  results: Kept[];
}

/** Where things are. */
export interface Places {
  root: string;
  /** What is built, outside the project. */
  build: string;
  /** What is kept, outside the project. */
  cache: string;
}

/** How much is done. */
export interface Extent {
  /** Only what is known from earlier runs. */
  known?: boolean;
  /** At most so many cases; nothing of it is kept. */
  sample?: number;
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();

async function run(command: readonly string[], cwd: string): Promise<string> {
  const [name, ...args] = command;
  const { success, stdout, stderr } = await new Deno.Command(name, { args, cwd }).output();
  if (!success) throw new Error(text(stderr).split("\n").slice(-2).join(" "));
  return text(stdout);
}

async function hash(parts: readonly string[]): Promise<string> {
  const bytes = new TextEncoder().encode(parts.join("\n"));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest.subarray(0, 12), (x) => x.toString(16).padStart(2, "0")).join("");
}

/** The text of an adapter, whatever it consists of, without what Python makes of it. */
async function sourcesOf(path: string): Promise<string[]> {
  const info = await Deno.stat(path);
  if (info.isFile) return [await Deno.readTextFile(path)];
  const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name)
    .filter((name) => name !== "__pycache__").sort();
  return (await Promise.all(names.map((name) => sourcesOf(`${path}/${name}`)))).flat();
}

/** The cases that are put to an implementation. */
export function tasksOf({ whole, sample }: Implementation, most = Infinity): Task[] {
  const least = Math.min(sample ?? Infinity, most);
  const few = least < Infinity ? { sample: least } : {};
  return select(whole ? few : { levels: ["forward"], ...few });
}

/** Says how far it is, four times a minute. */
function progress(id: string, say: (line: string) => void): (done: number, of: number) => void {
  let last = performance.now();
  return (done, of) => {
    if (performance.now() - last < 15_000) return;
    last = performance.now();
    say(`${id}: ${done} of ${of} cases`);
  };
}

/** In short what became of each case, with the mistakes named. */
function named(results: readonly Result[]): Kept[] {
  const { byCase } = diagnose(results);
  return results.map(({ task: { id }, status, why, differences, answer }) => {
    const [worst] = [...differences].sort((a, b) => b.units - a.units);
    const [mistake] = byCase.get(id) ?? [];
    const differs = worst &&
      `${worst.where}: wanted ${worst.wanted.slice(0, 60)}, given ${worst.given.slice(0, 60)}`;
    return {
      ...{ id, status, why: why ?? differs, answer },
      ...mistake && { mistake: { id: mistake.id, says: mistake.says } },
    };
  });
}

/** Judges and names anew what an earlier kit found to be computed otherwise. */
function renamed({ title, results }: Found, kit: string, tasks: readonly Task[]): Found {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const wrong = results.flatMap(({ id, answer }) => answer ? [judge(byId.get(id)!, answer)] : []);
  const anew = new Map(named(wrong).map((kept) => [kept.id, kept]));
  return { title, kit, results: results.map((kept) => anew.get(kept.id) ?? kept) };
}

/**
 * Puts the cases to an implementation, or takes what is known of the same adapter, version and goldens.
 *
 * @returns what is known; `null` where it cannot be built or started
 */
export async function measure(
  one: Implementation,
  { root, build, cache }: Places,
  goldens: string,
  say: (line: string) => void,
  { known, sample }: Extent = {},
): Promise<Found | null> {
  const fill = (part: string) => part.replaceAll("$BUILD", build);
  const command = one.command.map(fill);
  let title: string;
  try {
    if (one.build) {
      const folder = `${root}scripts/adapters/${one.build.folder}`;
      await run(one.build.command.map(fill), folder);
    }
    title = one.title ?? (await run([...command, "--version"], root)).split("\n").pop()!;
  } catch (error) {
    say(`${one.id}: not here: ${(error as Error).message.slice(0, 300)}`);
    return null;
  }
  const sources = await Promise.all(
    [`scripts/adapters/${one.adapter}`, ...one.uses].map((path) => sourcesOf(`${root}${path}`)),
  );
  const kit = await hash(await sourcesOf(`${root}lib/conformance`));
  const tasks = tasksOf(one, sample);
  const key = await hash(
    [title, goldens, one.command.join(" "), `${tasks.length}`].concat(...sources),
  );
  const file = `${cache}/${one.id}-${key}.json`;
  const keep = (found: Found) => Deno.writeTextFile(file, JSON.stringify(found));
  if (sample === undefined) {
    try {
      let found: Found = JSON.parse(await Deno.readTextFile(file));
      if (found.kit !== kit) await keep(found = renamed(found, kit, tasks));
      say(`${one.id}: ${title}, as known`);
      return found;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  if (known) {
    say(`${one.id}: not run yet`);
    return null;
  }
  say(`${one.id}: ${title}, ${tasks.length} cases`);
  const start = performance.now();
  const tell = progress(one.id, say);
  const { results } = await examine(program(command as unknown as Command, root), tasks, {
    ...{ timeout: 60, startup: 180 },
    progress: (results, total) => tell(results.size, total),
  });
  const asked = performance.now();
  const found: Found = { title, kit, results: named(results) };
  if (sample === undefined) await keep(found);
  const seconds = (from: number, to: number) => `${Math.round((to - from) / 1000)} s`;
  say(
    `${one.id}: ${title}, ${results.length} cases in ${seconds(start, asked)}, ` +
      `named in ${seconds(asked, performance.now())}`,
  );
  return found;
}
