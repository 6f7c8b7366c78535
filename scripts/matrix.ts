/**
 * Runs all adapters that can be run and writes "who computes what PyTorch computes, and where not"
 * into spec/MATRIX.md.
 *
 * ```sh
 * deno task matrix --python python3 --python /somewhere/else/bin/python
 * ```
 *
 * @module
 */

import { parseArgs } from "node:util";
import { examine, type Result, select, type Task } from "../lib/conformance/mod.ts";
import { program } from "./conform/converse.ts";
import { capabilities, type Capability } from "./matrix/capabilities.ts";
import { find, type Implementation, known } from "./matrix/implementations.ts";

const [start, end] = ["<!-- matrix -->", "<!-- /matrix -->"];

/** Sentences under the table, each said once, by number. */
class Notes {
  readonly #numbers = new Map<string, { number: number; titles: Set<string> }>();

  /** The number of a sentence on an implementation. */
  add(title: string, sentence: string): number {
    const note = this.#numbers.get(sentence) ??
      { number: this.#numbers.size + 1, titles: new Set<string>() };
    this.#numbers.set(sentence, note);
    note.titles.add(title);
    return note.number;
  }

  /** The numbered list. */
  toString(): string {
    return [...this.#numbers].map(([sentence, { number, titles }]) =>
      `${number}. ${[...titles].join("; ")}: ${sentence}`
    ).join("\n");
  }
}

/** Numbers as a reader wants them: each once, in order. */
function references(numbers: readonly number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  return sorted.length ? ` (${sorted.join(", ")})` : "";
}

function sentence(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").replace(/ Re-running .* source\./, "");
  return line.endsWith(".") ? line : `${line}.`;
}

/** What is wrong with a failure, where nothing more is known. */
function describe({ task, why, differences }: Result): string {
  const [worst] = [...differences].sort((a, b) => b.units - a.units);
  const what = why ??
    `at ${worst.where} wanted ${worst.wanted.slice(0, 80)}, given ${worst.given.slice(0, 80)}`;
  return `for example \`${task.id}\`: ${what}`;
}

/** One cell of the table: whether all cases pass, how many do, and notes on those that do not. */
function cell(
  { name, has }: Capability,
  { title }: Implementation,
  results: readonly Result[],
  notes: Notes,
): string {
  const own = results.filter(({ task }) => has(task));
  const passed = own.filter(({ status }) => status === "passed").length;
  if (passed === own.length) return "✓";
  const wrong = own.filter(({ status }) => !["passed", "unsupported"].includes(status));
  const numbers = own.filter(({ status }) => status === "unsupported").map(({ why = "" }) =>
    notes.add(title, sentence(why))
  );
  if (wrong.length) {
    const says = known.find((one) => one.row === name && one.title.test(title))?.says;
    numbers.push(notes.add(title, sentence(says ?? describe(wrong[0]))));
  }
  const mark = wrong.length ? "✗ " : "";
  const count = passed || wrong.length ? `${mark}${passed}/${own.length}` : "–";
  return `${count}${references(numbers)}`;
}

function matrix(
  tasks: readonly Task[],
  implementations: readonly Implementation[],
  results: readonly (readonly Result[])[],
): string {
  const notes = new Notes();
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const titles = implementations.map(({ title }) => title);
  const rows = capabilities.flatMap((capability) => {
    const count = tasks.filter(capability.has).length;
    if (count === 0) return [];
    const cells = implementations.map((one, k) => cell(capability, one, results[k], notes));
    return [line([capability.name, String(count), ...cells])];
  });
  return [
    line(["", "cases", ...titles]),
    line(["---", "--:", ...titles.map(() => "---")]),
    ...rows,
    "",
    "✓ all cases pass; – the implementation has nothing for it; otherwise how many pass, and with " +
    "✗ that some are computed otherwise or not at all. Rows without a dtype count float32. In " +
    "parentheses:",
    "",
    String(notes),
  ].join("\n");
}

/** Replaces what stands between the markers. */
function splice(text: string, insert: string): string {
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`no ${start} … ${end} in spec/MATRIX.md`);
  return `${text.slice(0, from + start.length)}\n\n${insert}\n\n${text.slice(to)}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    args: Deno.args,
    options: { python: { type: "string", multiple: true }, print: { type: "boolean" } },
  });
  const say = (text: string) => console.error(text);
  const implementations = await find(
    values.python ?? ["python3"],
    (what) => say(`not there: ${what}`),
  );
  const tasks = select();
  const results: Result[][] = [];
  for (const { title, command } of implementations) {
    say(title);
    results.push((await examine(program(command), tasks, { timeout: 30 })).results);
  }
  const table = matrix(tasks, implementations, results);
  if (values.print) console.log(table);
  else {
    const readme = new URL("../spec/MATRIX.md", import.meta.url);
    await Deno.writeTextFile(readme, splice(await Deno.readTextFile(readme), table));
    await new Deno.Command(Deno.execPath(), { args: ["fmt", "--quiet", readme.pathname] }).output();
  }
}
