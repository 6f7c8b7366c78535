/**
 * The kit itself (CONFORM): wrong implementations are caught and their mistakes named, and programs
 * that misbehave lose nothing. What starts a program needs `--allow-run`, which `deno task test`
 * grants.
 */

import { assert, assertEquals } from "@std/assert";
import {
  diagnose,
  examine,
  failures,
  groups,
  judge,
  mistakes,
  noOddities,
  report,
  reportJson,
  reportJunit,
  reportMarkdown,
  type Result,
  select,
  type Settings,
  type Task,
  verdict,
} from "../../lib/conformance/mod.ts";
import { type Command, program } from "../../scripts/conform/converse.ts";
import { describe, fact as onEveryPath, readablePath, withPermission } from "./law.ts";
import { Port } from "./wrong/port.ts";
import { ports } from "./wrong/ports.ts";
import { oddAnswers } from "./wrong/programs.ts";

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
    if (result.status === "wrong" && result.answer?.outputs) found.push(result);
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
    const result: Result = { task, status: "wrong", units: 2, differences: [], answer };
    assertEquals(diagnose([result]).summary, []);
  });

  fact(["CONFORM-6"], "the table counts, and the report says what and why", () => {
    const results = caught(ports["gates-iofg"], 3);
    const text = report({ results, oddities: noOddities() }, diagnose(results));
    assert(text.includes("match PyTorch if the gates are read in the order i, o, f, g"), text);
    assert(text.endsWith("does not conform: 3 computed otherwise; 3 of 3 supported"), text);
  });

  fact(["CONFORM-7"], "what explains a single answer is called weak", () => {
    const results = caught(ports["gates-iofg"], 1);
    const findings = diagnose(results);
    assertEquals(findings.summary.map(({ weak }) => weak), [true]);
    assert(report({ results, oddities: noOddities() }, findings).includes("(weak: a single case"));
    assertEquals(diagnose(caught(ports["gates-iofg"], 2)).summary[0].weak, false);
  });

  fact(["CONFORM-6"], "an answer that is refused, declined or not there is no wrong number", () => {
    const [task] = layers;
    const refused = judge(task, { error: { type: "Error", message: "too big: 12" } });
    assertEquals([refused.status, refused.why], ["refused", "Error: too big: 12"]);
    const again = judge(layers[1], { error: { type: "Error", message: "too big: 7" } });
    assertEquals(groups([refused, again], "refused"), [
      { why: "Error: too big: 12", ids: [task.id, layers[1].id] },
    ]);
    assertEquals(diagnose([refused, again]).diagnosed, 0);
  });

  fact(["CONFORM-4"], "no answer, however odd, ends the judgement or the diagnosis", () => {
    const given = oddAnswers.filter((answer) => answer !== undefined);
    const results = given.flatMap((answer) =>
      layers.slice(0, 4).map((task) => judge(task, answer))
    );
    assert(results.every(({ status }) => status !== "passed"));
    const findings = diagnose(results);
    assertEquals(findings.summary, []);
    const examination = { results, oddities: noOddities() };
    const about = { version: "1", goldens: "2", pytorch: "3", command: "4" };
    assert(report(examination, findings).includes("does not conform"));
    assert(JSON.stringify(reportJson(examination, findings, about)).length > 0);
    assert(reportJunit(examination, findings, about).includes("<failure"));
    assert(reportMarkdown(examination, findings, about).startsWith("# does not conform"));
  });

  fact(
    ["CONFORM-5"],
    "to conform, something must have passed; what is not supported is said",
    () => {
      const declined = layers.slice(0, 2).map((task) => judge(task, { unsupported: "not yet" }));
      assertEquals(verdict(declined), {
        ...{ conforms: false, text: "does not conform: 0 of 2 supported" },
      });
      const other = layers.find(({ chapter }) => chapter !== layers[0].chapter)!;
      const passed = judge(other, other.expect);
      assertEquals(verdict([...declined, passed]), {
        conforms: true,
        text: `conforms in ${other.chapter}: 1 of 3 supported; nothing of ${layers[0].chapter}`,
      });
    },
  );
});

const tasks = select({ chapters: ["tensor"] });

/** Examines one of the programs in `spec/tests/wrong`. */
function put(name: string, some: readonly Task[] = tasks, settings: Settings = {}) {
  const file = new URL("./wrong/programs.ts", import.meta.url).pathname;
  const flags = ["run", "--quiet", "--no-prompt", "--allow-run=setsid"];
  const command: Command = [Deno.execPath(), ...flags, file, name];
  return examine(program(command), some, { startup: 30, ...settings });
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
    assertEquals(count(results, "crashed"), victims);
    assertEquals(count(results, "passed"), tasks.length - victims);
    assert(oddities.restarts > 0 && !verdict(results).conforms);
    const why = failures(results)[0].why ?? "";
    assert(/ended with status 3|no answer within 3 s/.test(why), why);
  });
}

started(["CONFORM-4"], "a program that dies at once is given up, with its last words", async () => {
  const { results } = await put("dies at once");
  assertEquals(count(results, "crashed"), tasks.length);
  assert(results[0].why?.includes("no such library"), results[0].why);
});

started(["CONFORM-4"], "a program that never reads is given up", async () => {
  const { results } = await put("never reads", tasks, { timeout: 0.2, startup: 0.5 });
  assertEquals(count(results, "crashed"), tasks.length);
});

started(["CONFORM-2", "CONFORM-4"], "answers in any order count", async () => {
  const { results, oddities } = await put("answers in reverse");
  assert(verdict(results).conforms);
  assertEquals(oddities.outOfOrder, tasks.length - 1);
});

started(
  ["CONFORM-2", "CONFORM-4"],
  "a second answer is reported, and fails where it is another",
  async () => {
    const same = await put("answers twice");
    assert(verdict(same.results).conforms && same.oddities.repeated >= tasks.length - 1);
    const other = await put("answers twice, differently");
    assert(count(other.results, "wrong") >= tasks.length - 1);
  },
);

started(["CONFORM-4"], "garbage and lines without an end are passed over", async () => {
  const { results, oddities } = await put("prints garbage");
  assert(verdict(results).conforms);
  assertEquals([oddities.garbage, oddities.firstGarbage], [4 * tasks.length, "loading…"]);
  const large = await put("prints gigabytes");
  assert(verdict(large.results).conforms && large.oddities.garbage === 1);
  assert(large.oddities.firstGarbage.startsWith("a line of more than"));
  const flood = await put("floods", tasks, { timeout: 0.5, startup: 1 });
  assertEquals(count(flood.results, "crashed"), tasks.length);
});

started(
  ["CONFORM-4"],
  "no line, however odd, ends the examination or loses an answer",
  async () => {
    const { results, oddities } = await put("prints oddities");
    assert(verdict(results).conforms, verdict(results).text);
    assert(oddities.garbage > 0);
    const odd = await put("answers oddly");
    assertEquals(odd.results.length, tasks.length);
    const found = new Set(odd.results.map(({ status }) => status));
    assertEquals([...found].sort(), ["passed", "refused", "unsupported", "wrong"]);
    assert(report(odd, diagnose(odd.results)).includes("computed otherwise"));
  },
);

started(
  ["CONFORM-4"],
  "what a program has started ends with it, in another group, too",
  async () => {
    const { oddities } = await put("leaves a child", tasks.slice(0, 3));
    const pid = Number(oddities.firstGarbage);
    assert(pid > 0, oddities.firstGarbage);
    const state = async () => {
      const found = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)] })
        .output();
      return new TextDecoder().decode(found.stdout).trim();
    };
    // It was sent its end; the system may take a moment to carry that out.
    for (let k = 0; k < 50 && /^[^Z]/.test(await state()); k++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const last = await state();
    assert(last === "" || last.startsWith("Z"), `process ${pid} is alive`);
  },
);

started(["CONFORM-4"], "ending one program leaves others that are examined alone", async () => {
  const adapter = new URL("../../scripts/adapters/reference.ts", import.meta.url).pathname;
  const own = program([Deno.execPath(), "run", "--quiet", adapter]);
  const [{ results, oddities }, other] = await Promise.all([
    examine(own, select({ sample: 400 }), { timeout: 300, startup: 300 }),
    put("dies at one case", tasks, { timeout: 300, startup: 300 }),
  ]);
  assertEquals([failures(results).length, oddities.restarts], [0, 0]);
  assertEquals(count(other.results, "crashed"), victims);
});

started(["CONFORM-4"], "a wrong port, as a program, is diagnosed", async () => {
  const { results } = await put("merged-biases", layers.filter(({ chapter }) => chapter === "gru"));
  assertEquals(diagnose(results).summary[0]?.id, "merged-biases");
});

started(["CONFORM-5"], "this implementation conforms at every level", async () => {
  const adapter = new URL("../../scripts/adapters/reference.ts", import.meta.url).pathname;
  const { results } = await examine(
    program([Deno.execPath(), "run", "--quiet", adapter]),
    select(),
    { timeout: 300 }, // a machine that does much else is no fault of it
  );
  assertEquals(failures(results).map(({ task: { id } }) => id), []);
});
