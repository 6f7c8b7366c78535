/**
 * The helpers for adapters in `scripts/helpers/` (CONFORM-8): in each language, the three layers by hand
 * behind the helper conform. What starts a program needs `--allow-run`, which `deno task test` grants;
 * where a language's tools are not installed, its test says so and passes.
 */

import { assert, assertEquals } from "@std/assert";
import { diagnose, examine, report, select, tabulate } from "../../lib/conformance/mod.ts";
import { type Command, program } from "../../scripts/conform/converse.ts";
import { withPermission } from "./law.ts";

const helpers = new URL("../../scripts/helpers/", import.meta.url).pathname;

/** One helper: what must be there, how its example is built into a folder, and how it is started. */
interface Helper {
  language: string;
  needs: Command;
  build?: (folder: string) => [Command, string];
  start: (folder: string) => Command;
  /** Whether it packs sequences and projects. */
  whole?: boolean;
}

const list: Helper[] = [
  {
    ...{ language: "Python", needs: ["uv", "--version"], whole: true },
    start: () => ["uv", "run", "--quiet", `${helpers}python/example.py`],
  },
  {
    ...{ language: "JavaScript, in Node", needs: ["node", "--version"] },
    start: () => ["node", `${helpers}javascript/example.js`],
  },
  {
    ...{ language: "JavaScript, in Deno", needs: [Deno.execPath(), "--version"] },
    start: () => [Deno.execPath(), "run", "--quiet", `${helpers}javascript/example.js`],
  },
  {
    ...{ language: "Rust", needs: ["cargo", "--version"] },
    build: (folder) => [
      ["cargo", "build", "--quiet", "--locked", "--example", "plain", "--target-dir", folder],
      `${helpers}rust`,
    ],
    start: (folder) => [`${folder}/debug/examples/plain`],
  },
  {
    ...{ language: "Go", needs: ["go", "version"] },
    build: (folder) => [["go", "build", "-o", `${folder}/plain`, "."], `${helpers}go`],
    start: (folder) => [`${folder}/plain`],
  },
  {
    ...{ language: "C++", needs: ["c++", "--version"] },
    build: (
      folder,
    ) => [["c++", "-std=c++17", "-o", `${folder}/plain`, "example.cpp"], `${helpers}cpp`],
    start: (folder) => [`${folder}/plain`],
  },
];

async function run(command: Command, cwd?: string): Promise<Deno.CommandOutput | null> {
  const [name, ...args] = command;
  try {
    return await new Deno.Command(name, { args, cwd }).output();
  } catch {
    return null; // it is not installed
  }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();

for (const { language, needs, build, start, whole } of list) {
  withPermission(
    `CONFORM-2, CONFORM-8: the helper for ${language} conforms`,
    [{ name: "run" }],
    async () => {
      if (!(await run(needs))?.success) return console.log(`${needs[0]} is not installed`);
      const folder = text((await run(["mktemp", "-d"]))!.stdout);
      try {
        if (build) {
          const built = await run(...build(folder));
          assert(built?.success, text(built!.stderr));
        }
        const tasks = select({
          levels: ["forward"],
          chapters: ["cells", "gru", "linear", "lstm", "pack", "proj", "rnn"],
          // Rust, Go and C++ compute in float64 throughout, where float32 would overflow.
          exclude: whole ? [] : ["overflow"],
        }).filter((task) => JSON.stringify(task).length < 4000)
          .filter((_, k) => k % 6 === 0);
        const found = await examine(program(start(folder)), tasks);
        const said = report(found, diagnose(found.results));
        for (const { chapter, cases, passed, unsupported } of tabulate(found.results)) {
          assertEquals(passed + unsupported, cases, said);
          const all = whole || ["cells", "gru", "linear", "lstm"].includes(chapter);
          assert(!all || passed === cases, said);
        }
      } finally {
        await run(["rm", "-rf", folder]);
      }
    },
    { sanitizeOps: false, sanitizeResources: false },
  );
}
