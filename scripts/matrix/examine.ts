/**
 * Builds an implementation's adapter, puts the cases to it, and keeps what came out, so that nothing
 * is run again that has not changed.
 */

import { diagnose, examine, select, type Status, type Task } from "../../lib/conformance/mod.ts";
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
}

/** What is known of an implementation. */
export interface Found {
  /** What it calls itself, with its version. */
  title: string;
  /** How many cases were put to it. */
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

/** The text of an adapter, whatever it consists of. */
async function sourcesOf(path: string): Promise<string[]> {
  const info = await Deno.stat(path);
  if (info.isFile) return [await Deno.readTextFile(path)];
  const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
  return (await Promise.all(names.map((name) => sourcesOf(`${path}/${name}`)))).flat();
}

/** The cases that are put to an implementation. */
export function tasksOf({ whole, sample }: Implementation): Task[] {
  return select(whole ? {} : { levels: ["forward"], sample });
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
  onlyKnown = false,
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
  const sources = await sourcesOf(`${root}scripts/adapters/${one.adapter}`);
  const tasks = tasksOf(one);
  const key = await hash([title, goldens, command.join(" "), String(one.sample), ...sources]);
  const file = `${cache}/${one.id}-${key}.json`;
  try {
    const found: Found = JSON.parse(await Deno.readTextFile(file));
    say(`${one.id}: ${title}, as known`);
    return found;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  if (onlyKnown) {
    say(`${one.id}: not here: not run yet`);
    return null;
  }
  const start = performance.now();
  const { results } = await examine(program(command as unknown as Command, root), tasks, {
    ...{ timeout: 60, startup: 180 },
  });
  const { byCase } = diagnose(results);
  const found: Found = {
    title,
    results: results.map(({ task: { id }, status, why, differences }) => {
      const [worst] = [...differences].sort((a, b) => b.units - a.units);
      const [mistake] = byCase.get(id) ?? [];
      const differs = worst &&
        `${worst.where}: wanted ${worst.wanted.slice(0, 60)}, given ${worst.given.slice(0, 60)}`;
      return { id, status, why: why ?? differs, mistake };
    }),
  };
  await Deno.writeTextFile(file, JSON.stringify(found));
  const seconds = Math.round((performance.now() - start) / 1000);
  say(`${one.id}: ${title}, ${results.length} cases in ${seconds} s`);
  return found;
}
