/**
 * Puts any program that speaks the conformance protocol through the goldens.
 *
 * ```sh
 * deno task conform --level forward -- python3 my_adapter.py
 * ```
 *
 * The program reads requests as lines of JSON from standard input and writes answers as lines of
 * JSON to standard output; spec/conformance.md has the details, golden/README.md the shapes.
 */

import { command, type Given } from "./command/run.ts";
import config from "../deno.json" with { type: "json" };
import {
  circumstances,
  type Converse,
  diagnose,
  type Examination,
  examine,
  type FloatDType,
  levels,
  noFindings,
  report,
  reportJson,
  reportJunit,
  reportMarkdown,
  type Result,
  select,
  verdict,
} from "../lib/conformance/mod.ts";
import { type Command, program as converse } from "./conform/converse.ts";
import { Memory } from "./conform/memory.ts";

const formats = ["text", "json", "junit", "markdown"];

const usage = `deno task conform [flags] -- <command> [arguments]

which cases
  --level NAMES    ${Object.keys(levels).join(", ")};
                   several with commas (full)
  --chapter NAMES  only these chapters, with commas
  --filter TEXT    only cases with this text in their id, or of this clause; may be repeated
  --exclude TEXT   without such cases; may be repeated
  --dtype NAME     float32 or float64
  --sample N       N cases, spread over the chapters; always the same ones

how
  --timeout N      seconds for each case (10)
  --startup N      seconds to the first answer (60)
  --max-time N     seconds for all of it; then the report on what was put
  --resume FILE    keep what was answered there, and go on from it the next time
  --no-diagnosis   do not look for the mistakes behind wrong answers

the report
  --format NAME    ${formats.join(", ")} (text)
  --json           the same as --format json
  --failures N     how many wrong answers to show (20)
  --version        the versions of this suite, its goldens and their PyTorch
  --help           this text

Paths are relative to the folder of the caller. The status is 0 where nothing that was put is wrong,
refused or unanswered and something passed, 1 where not, 2 where the command line is wrong or the
program cannot be started. After an interruption, the report is on what was put until then.`;

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new RangeError(`--${name} wants a number above 0, not ${text}`);
}

/** The folder of the caller: a task runs in the folder of its file. */
function callersFolder(): string | undefined {
  const name = { name: "env", variable: "INIT_CWD" } as const;
  const granted = Deno.permissions.querySync(name).state === "granted";
  return granted ? Deno.env.get("INIT_CWD") : undefined;
}

/** One line on the terminal, drawn over and over. */
function progressBar(): (results: ReadonlyMap<string, Result>, total: number) => void {
  let last = 0;
  return (results, total) => {
    if (performance.now() - last < 100 && results.size < total) return;
    last = performance.now();
    const bad =
      [...results.values()].filter(({ status }) => status !== "passed" && status !== "unsupported")
        .length;
    const done = Math.round(30 * results.size / total);
    const bar = "█".repeat(done) + "░".repeat(30 - done);
    const text = `\r\x1b[K${bar} ${results.size}/${total}${bad ? `, ${bad} not as wanted` : ""}`;
    Deno.stderr.writeSync(new TextEncoder().encode(results.size < total ? text : "\r\x1b[K"));
  };
}

/** A program that cannot be started is no matter of single cases. */
function insist(converse: Converse, name: string): Converse {
  return async (limits, talk) => {
    const ending = await converse(limits, talk);
    if (ending.how === "not started") throw new RangeError(`${name} ${ending.why}`);
    return ending;
  };
}

/** Ends an examination early: at a signal, or when its time is over. */
function stopper(seconds: number | undefined) {
  const controller = new AbortController();
  let status: number | undefined;
  const on = (signal: Deno.Signal, code: number) =>
    Deno.addSignalListener(signal, () => {
      if (status !== undefined) Deno.exit(code); // the second time, at once
      status = code;
      controller.abort(`interrupted by ${signal}`);
    });
  on("SIGINT", 130);
  if (Deno.build.os !== "windows") on("SIGTERM", 143);
  if (seconds !== undefined) {
    const text = `--max-time ${seconds} s`;
    Deno.unrefTimer(setTimeout(() => controller.abort(text), 1000 * seconds));
  }
  return { signal: controller.signal, status: () => status };
}

async function main({ text, texts, flag, rest: program }: Given): Promise<number> {
  const about = await circumstances(config.version, program.join(" "));
  if (flag.version) {
    const { version, goldens, pytorch } = about;
    console.log(`rnn-spec ${version}, goldens ${goldens.slice(0, 12)} made by PyTorch ${pytorch}`);
    return 0;
  }
  const format = flag.json ? "json" : text.format ?? "text";
  if (!formats.includes(format)) {
    throw new RangeError(`there is no format ${format}: ${formats.join(", ")}`);
  }
  if (program.length === 0) throw new RangeError("there is no command to examine");
  const names = (text?: string) => text?.split(",").map((name) => name.trim());
  const { sample, "max-time": time, resume } = text;
  const tasks = select({
    levels: names(text.level ?? "full"),
    chapters: names(text.chapter),
    filters: texts.filter,
    exclude: texts.exclude,
    dtype: text.dtype as FloatDType | undefined,
    sample: sample === undefined ? undefined : positive("sample", sample),
  });
  if (tasks.length === 0) throw new RangeError("no case is chosen");
  const folder = callersFolder();
  const memory = resume === undefined
    ? null
    : Memory.open(folder ? new URL(resume, `file://${folder}/`) : resume, about);
  const { signal, status } = stopper(time === undefined ? undefined : positive("max-time", time));
  const bar = Deno.stderr.isTerminal() ? progressBar() : undefined;
  const limits = {
    timeout: positive("timeout", text.timeout ?? "10"),
    startup: positive("startup", text.startup ?? "60"),
  };
  const most = positive("failures", text.failures ?? "20");
  const before = memory?.results(tasks) ?? new Map<string, Result>();
  const { results: now, ...rest } = await examine(
    insist(converse(program as unknown as Command, folder), program[0]),
    tasks.filter(({ id }) => !before.has(id)),
    {
      ...limits,
      signal,
      progress: (results, total) => {
        bar?.(results, total);
        memory?.note(results);
      },
    },
  );
  for (const result of now) before.set(result.task.id, result);
  memory?.save(before);
  const results = tasks.flatMap(({ id }) => before.get(id) ?? []);
  const examination: Examination = { results, ...rest };
  const findings = flag.diagnosis === false ? noFindings : diagnose(results);
  const write: Record<string, () => string> = {
    text: () => report(examination, findings, most),
    json: () => JSON.stringify(reportJson(examination, findings, about), null, 2),
    junit: () => reportJunit(examination, findings, about),
    markdown: () => reportMarkdown(examination, findings, about, most),
  };
  console.log(write[format]());
  return status() ?? (verdict(results).conforms ? 0 : 1);
}

if (import.meta.main) await command("conform", usage, main, "\n(--help shows how it is used)");
