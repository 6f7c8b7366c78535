/**
 * Puts any program that speaks the conformance protocol through the goldens.
 *
 * ```sh
 * deno task conform --level forward -- python3 my_adapter.py
 * ```
 *
 * The program reads requests as lines of JSON from standard input and writes answers as lines of
 * JSON to standard output; spec/conformance.md has the details, golden/README.md the shapes.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { levels, select } from "../lib/conformance/cases.ts";
import type { Command } from "./conform/converse.ts";
import { diagnose } from "../lib/conformance/diagnose.ts";
import { conforms, report, reportJson } from "../lib/conformance/report.ts";
import { examine, type Result } from "../lib/conformance/examine.ts";

const usage = `deno task conform [flags] -- <command> [arguments]

  --level NAMES    ${Object.keys(levels).join(", ")}; several with commas (full)
  --chapter NAMES  only these chapters, with commas
  --filter TEXT    only cases with this text in their id, or of this clause
  --timeout N      seconds for each case (10)
  --startup N      seconds to the first answer (60)
  --failures N     how many failures to show (20)
  --no-diagnosis   do not look for the mistakes behind the failures
  --json           the report for machines
  --help           this text

The status is 0 where nothing failed, 1 where something did, 2 where the command line is wrong.`;

const options = {
  level: { type: "string", default: "full" },
  chapter: { type: "string" },
  filter: { type: "string" },
  timeout: { type: "string", default: "10" },
  startup: { type: "string", default: "60" },
  failures: { type: "string", default: "20" },
  "no-diagnosis": { type: "boolean", default: false },
  json: { type: "boolean", default: false },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** Splits the command line: flags come first, the program and all that is its own after them. */
function readArguments(args: string[]) {
  const { tokens } = parseArgs({
    ...{ args, options, strict: false, allowPositionals: true, tokens: true },
  });
  const end = tokens.find(({ kind }) => kind === "option-terminator" || kind === "positional");
  const at = end?.index ?? args.length;
  const { values } = parseArgs({ args: args.slice(0, at), options });
  return { values, command: args.slice(end?.kind === "option-terminator" ? at + 1 : at) };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new RangeError(`--${name} wants a number above 0, not ${text}`);
}

/** One line on the terminal, drawn over and over. */
function progressBar(): (results: ReadonlyMap<string, Result>, total: number) => void {
  let last = 0;
  return (results, total) => {
    if (performance.now() - last < 100 && results.size < total) return;
    last = performance.now();
    const failed = [...results.values()].filter(({ status }) => status === "failed").length;
    const done = Math.round(30 * results.size / total);
    const bar = "█".repeat(done) + "░".repeat(30 - done);
    const text = `\r\x1b[K${bar} ${results.size}/${total}${failed ? `, ${failed} failed` : ""}`;
    Deno.stderr.writeSync(new TextEncoder().encode(results.size < total ? text : "\r\x1b[K"));
  };
}

async function main(args: string[]): Promise<number> {
  const { values, command } = readArguments(args);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  if (command.length === 0) throw new RangeError("there is no command to examine");
  const names = (text?: string) => text?.split(",").map((name) => name.trim());
  const tasks = select({
    levels: names(values.level),
    chapters: names(values.chapter),
    filter: values.filter,
  });
  if (tasks.length === 0) throw new RangeError("no case is chosen");
  const examination = await examine(command as unknown as Command, tasks, {
    timeout: positive("timeout", values.timeout),
    startup: positive("startup", values.startup),
    progress: Deno.stderr.isTerminal() ? progressBar() : undefined,
  });
  const findings = diagnose(values["no-diagnosis"] ? [] : examination.results);
  console.log(
    values.json
      ? JSON.stringify(reportJson(examination, findings), null, 2)
      : report(examination, findings, positive("failures", values.failures)),
  );
  return conforms(examination.results) ? 0 : 1;
}

if (import.meta.main) {
  // Ends this process in an orderly way, and with it the program under examination.
  Deno.addSignalListener("SIGINT", () => Deno.exit(130));
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    Deno.exit(2);
  }
}
