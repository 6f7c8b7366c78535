/**
 * The kit itself (CONFORM): wrong implementations are caught and their mistakes named, and programs
 * that misbehave lose nothing. What starts a program needs `--allow-run`, which `deno task test`
 * grants.
 */

import { assert, assertEquals } from "@std/assert";
import { select, type Task } from "../../lib/conformance/cases.ts";
import type { Command } from "../../scripts/conform/converse.ts";
import { diagnose, mistakes } from "../../lib/conformance/diagnose.ts";
import { conforms, failures, report, tabulate, total } from "../../lib/conformance/report.ts";
import { examine, judge, type Result, type Settings } from "../../lib/conformance/examine.ts";
import { describe, fact as onEveryPath, readablePath, withPermission } from "./law.ts";
import { Port } from "./wrong/port.ts";
import { ports } from "./wrong/ports.ts";

// What is asked here does not depend on the path: the mistakes are made on the readable one.
const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

const layers = select({ levels: ["forward"] }).filter(({ id, request }) =>
  id.endsWith("/float32") && /^(RNN|LSTM|GRU)$/.test(request.module ?? "") &&
  JSON.stringify(request).length < 2500
);
/** In an order that mixes the chapters, and always the same. */
const mixed = layers.map((_, k) => layers[(k * 389) % layers.length]);

/** The first failures of a port; those that only refuse are not counted. */
function caught(port: Port, wanted: number): Result[] {
  const found: Result[] = [];
  for (const task of mixed) {
    const result = judge(task, port.answer(task.request));
    if (result.status === "failed" && result.answer?.outputs) found.push(result);
    if (found.length === wanted) break;
  }
  return found;
}

describe("wrong implementations", () => {
  fact(["CONFORM-3"], "the port that they are made of is right", () => {
    const right = new Port();
    const results = mixed.slice(0, 100).map((task) => judge(task, right.answer(task.request)));
    assertEquals(failures(results), []);
  });

  const names = Object.keys(ports);
  for (const [name, port] of Object.entries(ports)) {
    fact(["CONFORM-7"], `${name} is caught and named`, () => {
      const found = caught(port, 6);
      assert(found.length > 0, "no golden case catches it");
      const { summary } = diagnose(found);
      assertEquals(summary[0]?.id, name, summary.map(({ id, cases }) => `${id} ${cases}`).join());
    });
  }

  fact(["CONFORM-7"], "the diagnosis knows each of them, each by one name", () => {
    const known = mistakes.map(({ id }) => id);
    assertEquals(new Set(known).size, known.length);
    assert(names.length >= 15 && names.every((name) => known.includes(name)));
  });

  fact(["CONFORM-7"], "a right answer is never explained by a mistake", () => {
    const [task] = layers;
    const answer = task.expect;
    const result: Result = { task, status: "failed", units: 2, differences: [], answer };
    assertEquals(diagnose([result]).summary, []);
  });

  fact(["CONFORM-6"], "the table counts, and the report says what and why", () => {
    const results = caught(ports["gates-iofg"], 3);
    const rows = total(tabulate(results));
    assertEquals([rows.cases, rows.failed, conforms(results)], [3, 3, false]);
    const oddities = { outOfOrder: 0, repeated: 0, garbage: 0, firstGarbage: "", restarts: 0 };
    const text = report({ results, oddities }, diagnose(results));
    assert(text.includes("matches PyTorch if the gates are read in the order i, o, f, g"), text);
    assert(text.endsWith("does not conform: 3 failed"), text);
  });
});

const tasks = select({ chapters: ["tensor"] });

/** Examines one of the programs in `spec/tests/wrong`. */
function put(name: string, some: readonly Task[] = tasks, settings: Settings = {}) {
  const program = new URL("./wrong/programs.ts", import.meta.url).pathname;
  const command: Command = [Deno.execPath(), "run", "--quiet", "--no-prompt", program, name];
  return examine(command, some, { startup: 30, ...settings });
}

const count = (results: readonly Result[], status: Result["status"]) =>
  results.filter((result) => result.status === status).length;

/** Declares a test that starts a program. */
function started(clauses: readonly string[], claim: string, body: () => Promise<void>): void {
  const name = `${clauses.join(", ")}: ${claim}`;
  const options = { sanitizeOps: false, sanitizeResources: false }; // what is killed may linger
  withPermission(name, [{ name: "run" }], body, options);
}

const victims = tasks.filter(({ id }) => id.includes("rank-3")).length;

for (const program of ["dies at one case", "hangs at one case"]) {
  started(["CONFORM-4"], `a program that ${program} loses only that`, async () => {
    assert(victims > 0);
    const { results, oddities } = await put(program, tasks, { timeout: 3 });
    assertEquals(count(results, "silent"), victims);
    assertEquals(count(results, "passed"), tasks.length - victims);
    assert(oddities.restarts > 0 && !conforms(results));
    const why = failures(results)[0].why ?? "";
    assert(/ended with status 3|no answer within 3 s/.test(why), why);
  });
}

started(["CONFORM-4"], "a program that dies at once is given up, with its last words", async () => {
  const { results } = await put("dies at once");
  assertEquals(count(results, "silent"), tasks.length);
  assert(results[0].why?.includes("no such library"), results[0].why);
});

started(["CONFORM-4"], "a program that never reads is given up", async () => {
  const { results } = await put("never reads", tasks, { timeout: 0.2, startup: 0.5 });
  assertEquals(count(results, "silent"), tasks.length);
});

started(["CONFORM-2", "CONFORM-4"], "answers in any order count", async () => {
  const { results, oddities } = await put("answers in reverse");
  assert(conforms(results));
  assertEquals(oddities.outOfOrder, tasks.length - 1);
});

started(
  ["CONFORM-2", "CONFORM-4"],
  "a second answer is reported, and fails where it is another",
  async () => {
    const same = await put("answers twice");
    assert(conforms(same.results) && same.oddities.repeated >= tasks.length - 1);
    const other = await put("answers twice, differently");
    assert(count(other.results, "failed") >= tasks.length - 1);
  },
);

started(["CONFORM-4"], "garbage and lines without an end are passed over", async () => {
  const { results, oddities } = await put("prints garbage");
  assert(conforms(results));
  assertEquals([oddities.garbage, oddities.firstGarbage], [4 * tasks.length, "loading…"]);
  const large = await put("prints gigabytes");
  assert(conforms(large.results) && large.oddities.garbage === 1);
  assert(large.oddities.firstGarbage.startsWith("a line of more than"));
  const flood = await put("floods", tasks, { timeout: 0.5, startup: 1 });
  assertEquals(count(flood.results, "silent"), tasks.length);
});

started(["CONFORM-4"], "what cannot be started is reported", async () => {
  const { results } = await examine(["no-such-program-anywhere"], tasks);
  assert(results.every(({ why }) => why?.includes("cannot be started")), results[0].why);
});

started(["CONFORM-4"], "a wrong port, as a program, is diagnosed", async () => {
  const { results } = await put("merged-biases", layers.filter(({ chapter }) => chapter === "gru"));
  assertEquals(diagnose(results, 5).summary[0]?.id, "merged-biases");
});

started(["CONFORM-5"], "this implementation conforms at every level", async () => {
  const adapter = new URL("../../scripts/adapters/reference.ts", import.meta.url).pathname;
  const { results } = await examine([Deno.execPath(), "run", "--quiet", adapter], select());
  assertEquals(failures(results).map(({ task: { id } }) => id), []);
});
