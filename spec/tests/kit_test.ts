/**
 * The parts of the kit (CONFORM), each alone and without a program: the comparison, the choice of cases,
 * the examination of a program that is played, the report, and the lines in between.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  answerLine,
  commit,
  compare,
  distance,
  examine,
  explain,
  failures,
  groups,
  judge,
  mistakes,
  noFindings,
  noOddities,
  report,
  reportJson,
  reportJunit,
  reportMarkdown,
  type Result,
  select,
  serve,
  type Task,
  verdict,
} from "../../lib/conformance/mod.ts";
import { goldenFile, levels } from "../../lib/conformance/cases.ts";
import { numberOf, show, tolerance, trainingTolerance } from "../../lib/conformance/compare.ts";
import type { Findings } from "../../lib/conformance/diagnose.ts";
import type { Ending, Limits, Settings, Status, Talk } from "../../lib/conformance/examine.ts";
import { readLines, Tail } from "../../lib/conformance/lines.ts";
import type { Answer, JsonNumber, JsonTensor, Request } from "../../lib/conformance/pair.ts";
import { columns, tabulate, total, units } from "../../lib/conformance/report.ts";
import { bfloat16 } from "../../lib/conformance/mistakes/numbers.ts";
import { recompute } from "../../lib/conformance/variant.ts";
import { describe, fact as onEveryPath, it, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

const forward: Request = { op: "forward" };
const vector = (data: JsonNumber[], dtype?: "int64" | "bool"): JsonTensor => (
  { shape: [data.length], data, ...(dtype && { dtype }) }
);
const outputs = (data: JsonNumber[], dtype?: "int64" | "bool"): Answer => (
  { outputs: { output: vector(data, dtype) } }
);
const differences = (request: Request, wanted: Answer, given: unknown) =>
  compare(request, wanted, given as Answer).differences;

describe("comparison", () => {
  fact(
    ["CONFORM-3", "NUM-2"],
    "a number is close up to atol + rtol · |wanted|, and no further",
    () => {
      for (const dtype of ["float32", "float64"] as const) {
        for (
          const [op, limits] of [["forward", tolerance], ["train", trainingTolerance]] as const
        ) {
          const { rtol, atol } = limits[dtype];
          for (const w of [0, 1, -3, 250]) {
            for (const sign of [1, -1]) {
              const at = (far: number) => w + sign * far * (atol + rtol * Math.abs(w));
              const request = { op, dtype };
              assertEquals(differences(request, outputs([w]), outputs([at(0.99)])), []);
              const [wrong, ...rest] = differences(request, outputs([w]), outputs([at(1.01)]));
              assertEquals([wrong.where, rest.length], ["outputs.output[0]", 0]);
              assert(wrong.units > 1 && wrong.units < 1.02, String(wrong.units));
            }
          }
        }
      }
      // What counts as train counts for example, too; without a dtype, float32 is meant.
      const near = outputs([1 + 5e-5]);
      assertEquals(differences({ op: "example" }, outputs([1]), near), []);
      assertEquals(differences(forward, outputs([1]), near).length, 1);
      assertEquals(distance(1, 1 + 1e-5 + 1.3e-6, "float32").toFixed(6), "1.000000");
    },
  );

  fact(["CONFORM-3", "NUM-5"], "init, rand and load are the same bit for bit", () => {
    const [one, next] = [outputs([1]), outputs([1 + 2 ** -23])];
    for (const op of ["init", "rand", "load"]) {
      assertEquals(differences({ op }, one, next).map(({ units }) => units), [Infinity]);
      assertEquals(differences({ op }, outputs([0]), outputs([-0])).length, 1);
      assertEquals(differences({ op }, one, one), []);
    }
    assertEquals(differences({ op: "load", module: "LSTM" }, one, next), []);
    assertEquals(differences({ op: "init", module: "LSTM" }, one, next).length, 1);
    assertEquals(differences({ op: "init", module: "Embedding" }, one, next), []);
    assertEquals(differences(forward, outputs([0]), outputs([-0])), []);
  });

  fact(["CONFORM-3"], "integers and truths are wanted as such, every one the same", () => {
    for (const dtype of ["int64", "bool"] as const) {
      assertEquals(differences(forward, outputs([1], dtype), outputs([1], dtype)), []);
      const far = outputs([1 + 1e-9], dtype);
      assertEquals(differences(forward, outputs([1], dtype), far).length, 1);
      for (
        const [w, g] of [[outputs([1], dtype), outputs([1])], [outputs([1]), outputs([1], dtype)]]
      ) {
        const [{ where, wanted, given, units }] = differences(forward, w, g);
        assertEquals([where, units], ["outputs.output.dtype", Infinity]);
        assertEquals([wanted, given].sort(), [dtype, "float"].sort());
      }
    }
  });

  fact(
    ["CONFORM-3"],
    "NaN is wanted where there is NaN, an infinity where there is the same",
    () => {
      const all: JsonNumber[] = ["NaN", "Infinity", "-Infinity", 1];
      for (const w of all) {
        for (const g of all) {
          const found = differences(forward, outputs([w]), outputs([g]));
          assertEquals(found.length, w === g ? 0 : 1, `${w} ${g}`);
          if (w !== g) assertEquals(found[0].units, Infinity);
        }
      }
    },
  );

  fact(["CONFORM-3"], "true, texts, lists and null are no numbers", () => {
    for (const odd of [true, "", "1", [1], null, undefined, {}, "nan", "inf"]) {
      assertEquals(numberOf(odd), undefined);
      const given = { outputs: { output: { shape: [1], data: [odd] } } };
      assertEquals(differences(forward, outputs([1]), given)[0].units, Infinity);
    }
    assertEquals(["NaN", "Infinity", "-Infinity", 2].map(numberOf), [NaN, Infinity, -Infinity, 2]);
  });

  fact(["CONFORM-3"], "of a tensor, its worst element is said, the first of equals", () => {
    const wanted = outputs([1, 1, 1, 1]);
    const [{ where, wanted: w, given }] = differences(forward, wanted, outputs([1, 1.1, 1.2, 1.2]));
    assertEquals([where, w, given], ["outputs.output[2]", "1", "1.2"]);
    const found = compare(forward, wanted, outputs([1, 1, 1, 1.000005]));
    assertEquals(found.differences, []);
    assert(found.units > 0.4 && found.units < 0.5);
    assertEquals(compare(forward, wanted, wanted).units, 0);
  });

  fact(
    ["CONFORM-3"],
    "names, shapes, texts and messages are the same, character for character",
    () => {
      const at = (wanted: unknown, given: unknown) =>
        differences(forward, wanted as Answer, given).map(({ where }) => where);
      const x = vector([1]);
      assertEquals(at({ outputs: { x } }, { outputs: { y: x } }), ["outputs.x", "outputs.y"]);
      assertEquals(at({ outputs: { x } }, { outputs: { x, y: x } }), ["outputs.y"]);
      assertEquals(at({ outputs: { x } }, {}), ["outputs"]);
      assertEquals(at({ outputs: { x: [x, x] } }, { outputs: { x: [x] } }), ["outputs.x"]);
      assertEquals(at({ outputs: { x: [x, x] } }, { outputs: { x: [x, vector([2])] } }), [
        "outputs.x[1][0]",
      ]);
      const shape = (...shape: number[]) => ({ outputs: { x: { shape, data: [1, 2] } } });
      assertEquals(at(shape(2), shape(2, 1)), ["outputs.x.shape"]);
      assertEquals(at(shape(2, 1), shape(1, 2)), ["outputs.x.shape"]);
      const short = { outputs: { x: { shape: [2], data: [1] } } };
      assertEquals(at(shape(2), short), ["outputs.x.data.length"]);
      assertEquals(
        at({ error: { type: "A", message: "b" } }, { error: { type: "A", message: "B" } }),
        [
          "error.message",
        ],
      );
      assertEquals(at({ repr: "a" }, { repr: "a " }), ["repr"]);
      assertEquals(at({ value: null }, { value: {} }), ["value"]);
      assertEquals(at({ value: [1] }, { value: { 0: 1 } }), ["value"]);
    },
  );

  fact(["CONFORM-4"], "what is nested without end differs, and ends nothing", () => {
    const nest = (depth: number) => {
      let value: unknown = 1;
      for (let k = 0; k < depth; k++) value = k % 2 ? [value] : { value };
      return { value };
    };
    assertEquals(differences(forward, nest(400) as Answer, nest(400)), []);
    assertEquals(differences(forward, nest(9000) as Answer, nest(9000)).length, 1);
    assertEquals(JSON.stringify(show(nest(10 ** 5))).length > 0, true);
  });

  fact(["CONFORM-6"], "what is shown is short, a text as it is", () => {
    assertEquals(show(undefined), "nothing");
    assertEquals(show("a text"), "a text");
    assertEquals(show([1, "x"]), '[1,"x"]');
    assertEquals(show("a".repeat(400)), "a".repeat(400));
    assertEquals(show("a".repeat(401)), `${"a".repeat(400)}…`);
  });
});

const all = select();

describe("cases", () => {
  const ids = (tasks: readonly Task[]) => tasks.map(({ id }) => id);

  fact(["CONFORM-5"], "a level holds the operations and the distance that it names", () => {
    const ops: Record<string, string[]> = {
      forward: ["forward"],
      init: ["init", "rand", "randn"],
      training: ["vjp", "loss", "optim", "train", "example"],
    };
    for (const [level, own] of Object.entries(ops)) {
      assertEquals(
        ids(select({ levels: [level] })),
        ids(all.filter(({ request, expect }) => own.includes(request.op) && !expect.error)),
      );
    }
    const far = ["core", "family", "edge"];
    far.forEach((level, k) => {
      const within = far.slice(0, k + 1);
      const wanted = all.filter(({ level: own = "edge" }) => within.includes(own));
      assertEquals(ids(select({ levels: [level] })), ids(wanted));
    });
    const core = all.filter(({ level = "edge" }) => level === "core");
    assertEquals(
      ids(select({ levels: ["forward", "init", "core"] })),
      ids(
        core.filter(({ request: { op }, expect }) =>
          [...ops.forward, ...ops.init].includes(op) && !expect.error
        ),
      ),
    );
    assert(all.some(({ expect }) => expect.error) && core.length > 0 && core.length < all.length);
    assertEquals(Object.keys(levels).length, 7);
  });

  fact(["CONFORM-5"], "chapters, filters, exclusions and dtypes choose by what they name", () => {
    const chapters = ["gru", "cells"];
    const some = all.filter(({ chapter }) => chapters.includes(chapter));
    const fits = (text: string) => ({ id, clauses }: Task) =>
      id.includes(text) || clauses.includes(text);
    const filters = ["bidirectional", "GRU-3"];
    const wanted = some.filter((task) => filters.some((text) => fits(text)(task)));
    assertEquals(ids(select({ chapters, filters })), ids(wanted));
    assert(wanted.length > 0 && wanted.length < some.length);
    assertEquals(
      ids(select({ chapters, exclude: filters })),
      ids(some.filter((task) => !filters.some((text) => fits(text)(task)))),
    );
    for (const dtype of ["float32", "float64"] as const) {
      assertEquals(
        ids(select({ dtype, levels: ["full"] })),
        ids(all.filter(({ request }) => (request.dtype ?? "float32") === dtype)),
      );
    }
  });

  fact(["CONFORM-5"], "a sample is spread evenly over the chapters, and over each of them", () => {
    const chapters = ["rnn", "gru", "cells"];
    for (const sample of [1, 7]) {
      const some = select({ chapters, sample });
      const counts = chapters.map((name) => some.filter(({ chapter }) => chapter === name).length);
      assertEquals(some.length, sample);
      assert(Math.max(...counts) - Math.min(...counts) <= 1, counts.join());
    }
    const gru = all.filter(({ chapter }) => chapter === "gru");
    assertEquals(select({ chapters: ["gru"], sample: 10 ** 6 }).length, gru.length);
    const four = select({ chapters: ["gru"], sample: 4 }).map(({ id }) => ids(gru).indexOf(id));
    assertEquals(four, [0, 1, 2, 3].map((k) => Math.floor(k * gru.length / 4)));
  });

  fact(["CONFORM-5"], "what there is not is refused by name", () => {
    assertThrows(() => select({ levels: ["hard"] }), RangeError, "there is no level hard: core, ");
    assertThrows(() => select({ chapters: ["x"] }), RangeError, "there is no chapter x: ");
    assertThrows(
      () => select({ dtype: "int64" as "float32" }),
      RangeError,
      "there is no dtype int64",
    );
    assertThrows(() => select({ filters: ["zzz"] }), RangeError, "no case has zzz in its id");
    assertThrows(() => select({ exclude: ["zzz"] }), RangeError, "no case has zzz in its id");
    assertThrows(() => goldenFile("no/such.json"), Error, "there is no golden file no/such.json");
  });
});

const plain = all.filter(({ request, expect }) => request.op === "forward" && !expect.error);
const tasks = ["linear", "cells"].flatMap((name) =>
  plain.filter(({ chapter }) => chapter === name).slice(0, 6)
);

/** What a program that is played does with a request: answers, or ends so before it. */
type Deed = "right" | "wrong" | "twice" | "lazy" | "dies" | "hangs" | "is not started";

/** What happened while a program was played. */
interface Played {
  readonly starts: string[][];
  readonly startups: number[];
  readonly lines: number[];
}

/**
 * Plays a program: what it does with each request that comes, in order. One that keeps its answers to
 * itself loses them where it dies.
 */
async function played(
  deed: (id: string, start: number) => Deed,
  settings: Settings & { keeps?: boolean; put?: readonly Task[] } = {},
) {
  const { keeps = false, put = tasks, ...rest } = settings;
  const seen: Played = { starts: [], startups: [], lines: [] };
  const byId = new Map(put.map((task) => [task.id, task]));
  const converse = (limits: Limits, talk: Talk): Promise<Ending> => {
    const start = seen.starts.push([...talk.requests.keys()]) - 1;
    seen.startups.push(limits.startup);
    seen.lines.push(limits.line);
    const said: [string, Answer, boolean][] = [];
    const ended = (how: Ending["how"], why: string): Promise<Ending> => {
      if (!keeps || how === "answered") said.forEach((one) => talk.hear(...one));
      const first = !keeps && said.length ? { first: 2 } : {};
      return Promise.resolve({ how, why, ...first });
    };
    for (const [id, line] of talk.requests) {
      assertEquals(JSON.parse(line).id, id);
      const own = deed(id, start);
      if (own === "dies") return ended("died", "ended with status 3");
      if (own === "hangs") return ended("hung", "gave no answer within 10 s");
      if (own === "is not started") return ended("not started", "cannot be started");
      const { expect } = byId.get(id)!;
      if (own === "wrong") said.push([id, { outputs: {} }, false]);
      else if (own === "lazy") said.push([id, { unsupported: "no  such\nthing" }, false]);
      else said.push([id, expect, false]);
      if (own === "twice") said.push([id, { outputs: {} }, true]);
    }
    return ended("answered", "");
  };
  return { ...await examine(converse, put, rest), ...seen };
}

const by = (results: readonly Result[], status: Status) =>
  results.filter((one) => one.status === status).map(({ task: { id } }) => id);

const ids = tasks.map(({ id }) => id);

describe("examination", () => {
  it("CONFORM-4: all requests are put at once, and all results stand in the order of the cases", async () => {
    const { results, oddities, starts, startups, lines, stopped } = await played(() => "right");
    assertEquals([starts, startups, oddities, stopped], [[ids], [60], noOddities(), undefined]);
    assertEquals(by(results, "passed"), ids);
    assert(lines[0] >= 65536); // the longest line that is kept has room for the longest answer
    const none = await played(() => "right", { put: [] });
    assertEquals([none.results, none.starts, none.oddities.restarts], [[], [], 0]);
  });

  it("CONFORM-3: an answer is right, wrong, refused or declined", async () => {
    const { results } = await played((id) =>
      id === ids[1] ? "wrong" : id === ids[2] ? "lazy" : "right"
    );
    assertEquals([by(results, "wrong"), by(results, "unsupported")], [[ids[1]], [ids[2]]]);
    assertEquals(results[2].why, "no such thing");
    assert(results[1].answer && results[1].units === Infinity && results[1].differences.length > 0);
    const [task] = tasks;
    const message = "\x1b[31mtoo   big\x1b[0m\n12 ";
    const refused = judge(task, { error: { type: "Error", message } });
    assertEquals([refused.status, refused.why], ["refused", "Error: too big 12"]);
    assertEquals(judge(task, { error: { message: "x" } as Answer["error"] }).why, "Error: x");
    assertEquals(judge(task, { error: "odd" as unknown as Answer["error"] }).why, "odd");
    const failing = all.find(({ expect }) => expect.error)!;
    assertEquals(judge(failing, failing.expect).status, "passed");
    assertEquals(judge(failing, { error: { type: "E", message: "x" } }).status, "wrong");
  });

  it("CONFORM-4: one case that is fatal is asked alone, and loses only itself", async () => {
    for (const victim of [ids[0], ids[5], ids[11]]) {
      const { results, starts, oddities } = await played((id) => id === victim ? "dies" : "right");
      assertEquals(by(results, "crashed"), [victim]);
      assertEquals(by(results, "passed").length, ids.length - 1);
      assert(starts.some((put) => put.length === 1 && put[0] === victim));
      assertEquals(oddities.restarts, starts.length - 1);
      assertEquals(
        results.find(({ task: { id } }) => id === victim)!.why,
        "the program ended with status 3",
      );
    }
  });

  it("CONFORM-4: after one that is fatal, the rest is put with its chapter last", async () => {
    const victim = tasks[2];
    const { starts } = await played((id) => id === victim.id ? "dies" : "right");
    const rest = tasks.slice(3);
    const of = (same: boolean) =>
      rest.filter(({ chapter }) => (chapter === victim.chapter) === same).map(({ id }) => id);
    assertEquals(starts, [ids, [victim.id], of(false), of(true)].filter((put) => put.length));
  });

  it("CONFORM-4: what a dying program had not sent is put again, until only the fatal one is lost", async () => {
    for (const victim of ids) {
      const { results } = await played((id) => id === victim ? "dies" : "right", { keeps: true });
      assertEquals([by(results, "crashed"), results.length], [[victim], ids.length]);
    }
    const { starts } = await played((id) => id === ids[7] ? "dies" : "right", { keeps: true });
    assertEquals(starts.slice(0, 4), [ids, ids.slice(0, 1), ids.slice(1, 6), ids.slice(6)]);
  });

  it("CONFORM-4: the time to the first answer follows what starting took", async () => {
    const { startups } = await played((id) => id === ids[3] ? "dies" : "right", {
      timeout: 5,
      startup: 70,
    });
    // Two seconds it was; three times that, one more for each, and the time of an answer.
    assertEquals(startups.slice(0, 2), [70, 5 + 3 * (1 + 2)]);
  });

  it("CONFORM-4: a program that never answers is given up, and every case says why", async () => {
    const gone = await played(() => "is not started");
    assertEquals(gone.starts.length, 1);
    assert(gone.results.every(({ why }) => why === "the program cannot be started"));
    const many = all.slice(0, 200);
    const dead = await played(() => "dies", { put: many });
    const hung = await played(() => "hangs", { put: many });
    for (const { results, starts } of [dead, hung]) {
      assertEquals(by(results, "crashed").length, many.length);
      assert(
        results.at(-1)!.why?.startsWith(
          "the program again and again gave no answer at all; the last",
        ),
      );
      assert(starts.length < 20, String(starts.length));
    }
    assert(hung.starts.length < dead.starts.length); // waiting takes longer than dying
  });

  it("CONFORM-4: it is started again as often as is said", async () => {
    const { results, starts, oddities } = await played(
      (id) => id === ids[0] || id === ids[1] ? "dies" : "right",
      {
        restarts: 1,
      },
    );
    assertEquals([starts.length, oddities.restarts], [2, 1]);
    assertEquals(results.length, ids.length);
    const last = results.at(-1)!;
    assertEquals(
      last.why,
      "the program was started again 1 times; the last time it ended with status 3",
    );
    const enough = await played((id) => id === ids[0] ? "dies" : "right", { restarts: 9 });
    assertEquals(by(enough.results, "crashed"), [ids[0]]);
  });

  it("CONFORM-4: a second answer that differs makes the case wrong", async () => {
    const { results } = await played((id) => id === ids[4] ? "twice" : "right");
    assertEquals(by(results, "wrong"), [ids[4]]);
    const [{ where, given, units }] = results[4].differences;
    assertEquals([where, given, units], [
      "answered twice, differently",
      "passed, then wrong",
      Infinity,
    ]);
    assertEquals(results[4].units, Infinity);
  });

  it("CONFORM-6: an examination that is interrupted reports on what was put until then", async () => {
    const stop = new AbortController();
    const heard: number[] = [];
    const { results, stopped } = await played((id) => {
      if (id !== ids[5]) return "right";
      stop.abort("enough");
      return "dies";
    }, { signal: stop.signal, progress: (known, of) => heard.push(known.size, of) });
    assertEquals([results.length, stopped], [5, { left: 7, why: "enough" }]);
    assertEquals(heard, [1, 2, 3, 4, 5].flatMap((known) => [known, 12]));
    const text = report({ results, oddities: noOddities(), stopped }, noFindings);
    assert(text.endsWith("ended early (enough), 7 cases not put: so far " + verdict(results).text));
  });
});

/** A result that was made by hand. */
function made(k: number, status: Status, own: Partial<Result> & { chapter?: string } = {}): Result {
  const { chapter = "lstm", ...rest } = own;
  const task: Task = {
    ...{ id: `${chapter}/case-${k}/float32`, chapter, reason: `reason ${k}`, clauses: ["LSTM-1"] },
    ...{ request: { op: "forward", module: "LSTM", args: { hidden_size: 2 } }, expect: {} },
  };
  return { task, status, units: 0, differences: [], ...rest };
}

const off = (where: string, units: number) => ({ where, wanted: "1", given: "2", units });
const about = { version: "1.2", goldens: "0123456789abcdef", pytorch: "9.8", command: 'a <"&> b' };

describe("report", () => {
  fact(["CONFORM-6"], "the table counts each chapter, and adds up", () => {
    const results = [
      made(1, "passed", { units: 0.5 }),
      made(2, "wrong", { units: 7 }),
      made(3, "refused", { units: Infinity }),
      made(4, "crashed", { chapter: "gru", units: Infinity }),
      made(5, "unsupported", { chapter: "gru" }),
      made(6, "passed", { chapter: "gru", units: 0.25 }),
    ];
    const rows = tabulate(results);
    const zeros = { passed: 1, wrong: 0, refused: 0, crashed: 0, unsupported: 0 };
    assertEquals(rows, [
      { ...zeros, chapter: "lstm", cases: 3, wrong: 1, refused: 1, worst: 7 },
      { ...zeros, chapter: "gru", cases: 3, crashed: 1, unsupported: 1, worst: 0.25 },
    ]);
    assertEquals(total(rows), {
      ...{ chapter: "all", cases: 6, passed: 2, wrong: 1, refused: 1, crashed: 1, unsupported: 1 },
      worst: 7,
    });
    assertEquals(
      verdict(results).text,
      "does not conform: 1 computed otherwise, 1 refused, 1 without an answer; 5 of 6 supported",
    );
    const text = report({ results, oddities: noOddities() }, noFindings);
    const [head, lstm, gru, all] = text.split("\n");
    assertEquals(head.split(/ {2,}/), [
      ...["chapter", "cases", "passed", "wrong", "refused", "no answer", "unsupported", "worst"],
    ]);
    assertEquals(lstm.split(/ +/), ["lstm", "3", "1", "1", "1", "0", "0", "7.0"]);
    assertEquals(gru.split(/ +/), ["gru", "3", "1", "0", "0", "1", "1", "0.25"]);
    assertEquals(all.split(/ +/), ["all", "6", "2", "1", "1", "1", "1", "7.0"]);
  });

  fact(["CONFORM-5"], "the verdict says what conforms, how much, and what is none of", () => {
    const one = (status: Status, chapter: string) => made(1, status, { chapter });
    assertEquals(verdict([]), { conforms: false, text: "does not conform: 0 of 0 supported" });
    assertEquals(verdict([one("passed", "a"), one("unsupported", "b"), one("passed", "c")]), {
      conforms: true,
      text: "conforms in a, c: 2 of 3 supported; nothing of b",
    });
    assertEquals(verdict([one("passed", "a")]).text, "conforms in a: 1 of 1 supported");
    for (const bad of ["wrong", "refused", "crashed"] as const) {
      assertEquals(verdict([one("passed", "a"), one(bad, "a")]).conforms, false);
    }
    assertEquals(verdict([one("unsupported", "a")]).conforms, false);
  });

  fact(["CONFORM-6"], "columns are as wide as their widest cell, the first to the left", () => {
    assertEquals(columns([["a", "bc"], ["def", "g"]]), "a    bc\ndef   g");
  });

  fact(["CONFORM-6"], "units are short", () => {
    const wanted = [
      [Infinity, "∞"],
      [0, "0"],
      [1, "1.0"],
      [123.4, "1.2e+2"],
      [9999, "1.0e+4"],
      [1e4, "1.0e+4"],
      [0.001, "0.0010"],
      [0.0009, "9.0e-4"],
      [0.5, "0.50"],
    ];
    for (const [value, text] of wanted) assertEquals(units(Number(value)), text);
  });

  fact(["CONFORM-6"], "failures come worst first, with their three worst differences", () => {
    const results = [
      made(1, "wrong", { units: 3 }),
      made(2, "passed", { units: 9 }),
      made(3, "wrong", {
        units: Infinity,
        differences: [off("a", 2), off("b", 9), off("c", Infinity), off("d", 3), off("e", 4)],
      }),
      made(4, "refused", { units: Infinity, why: "no" }),
      made(5, "unsupported", { units: 8, why: "none" }),
    ];
    assertEquals(failures(results).map(({ task: { id } }) => id.slice(5, 11)), [
      ...["case-3", "case-4", "case-1"],
    ]);
    const found: Findings = {
      diagnosed: 2,
      byCase: new Map([[results[2].task.id, [{ id: "m", says: "gates turn" }]]]),
      summary: [
        { id: "m", says: "gates turn", cases: 1, weak: true, or: [] },
        {
          id: "n",
          says: "all stands",
          cases: 2,
          weak: false,
          or: ["p", "q", "r", "s"].map((id) => ({ id, says: `${id}!` })),
        },
      ],
    };
    const text = report({ results, oddities: noOddities() }, found);
    assert(
      text.includes([
        "Computed otherwise, worst first",
        "  lstm/case-3/float32 (LSTM-1): reason 3",
        "    c: wanted 1, given 2",
        "    b: wanted 1, given 2, 9.0 times the tolerance",
        "    e: wanted 1, given 2, 4.0 times the tolerance",
        "    and 2 more",
        "    matches PyTorch if gates turn",
        "  lstm/case-1/float32 (LSTM-1): reason 1",
        "",
      ].join("\n")),
      text,
    );
    assert(
      text.includes([
        "What explains them",
        "  1 of 2 wrong answers matches PyTorch if gates turn (weak: a single case may be chance)",
        "  2 of 2 wrong answers match PyTorch if all stands, or as well if p!, or as well if q!, " +
        "or as well if r!",
        "",
      ].join("\n")),
      text,
    );
    assert(!text.includes("more (--failures"));
    const few = report({ results, oddities: noOddities() }, found, 1);
    assert(few.includes("  … and 1 more (--failures 2)\n") && !few.includes("case-1/"), few);
    assert(!report({ results: [results[0]], oddities: noOddities() }, found, 1).includes("more"));
    const three = made(1, "wrong", { differences: [off("a", 2), off("b", 3), off("c", 4)] });
    assert(!report({ results: [three], oddities: noOddities() }, found).includes("and 0 more"));
  });

  fact(["CONFORM-6"], "reasons are grouped, digits or not, the largest group first", () => {
    const why = (k: number, why: string, status: Status = "refused") => made(k, status, { why });
    const results = [
      ...[why(0, "no 0x1f"), why(1, "too big: 12")],
      ...[3, 4, 5, 6].map((k) => why(k, `no 0xA${k}`)),
      ...[why(7, "too big: 7"), why(8, "odd"), why(9, "too big: 7", "crashed")],
    ];
    const sizes = groups(results, "refused").map(({ why, ids }) => [why, ids.length]);
    assertEquals(sizes, [["no 0x1f", 5], ["too big: 12", 2], ["odd", 1]]);
    const text = report({ results, oddities: noOddities() }, noFindings, 2);
    assert(
      text.includes([
        "Refused",
        "  5: no 0x1f",
        "    lstm/case-0/float32, lstm/case-3/float32, lstm/case-4/float32, and 2 more",
        "  2: too big: 12",
        "    lstm/case-1/float32, lstm/case-7/float32",
        "  … and 1 other reasons",
        "",
        "No answer",
        "  1: too big: 7",
      ].join("\n")),
      text,
    );
    const three = [0, 1, 2].map((k) => why(k, "x"));
    const own = report({ results: three, oddities: noOddities() }, noFindings, 1);
    assert(!own.includes("more") && !own.includes("other reasons"), own);
  });

  fact(
    ["CONFORM-6"],
    "no table stands where nothing was answered; what a program did is said",
    () => {
      const silent = [1, 2].map((k) => made(k, "crashed", { why: "gone" }));
      const text = (results: Result[], oddities = noOddities()) =>
        report({ results, oddities }, noFindings);
      assert(text(silent).startsWith("No answer\n"), text(silent));
      assert(text([...silent, made(3, "passed")]).startsWith("chapter "));
      assert(text([]).startsWith("chapter "));
      const odd = { outOfOrder: 1, repeated: 2, garbage: 3, firstGarbage: 'a"b', restarts: 4 };
      assert(
        text([made(1, "passed")], odd).includes([
          "The program",
          "  1 answers came before that to an earlier request",
          "  2 answers came to requests that had been answered",
          '  3 lines were no answer; the first: "a\\"b"',
          "  it was started again 4 times",
          "",
        ].join("\n")),
      );
      assert(!text([made(1, "passed")]).includes("The program"));
    },
  );

  const results = [
    made(1, "passed", { units: 0.5 }),
    made(2, "wrong", { units: Infinity, differences: [off("a|b", Infinity), off("c", 3)] }),
    made(3, "refused", { units: Infinity, why: "no\u0001 & <3>" }),
    made(4, "crashed", { units: Infinity, why: "gone" }),
    made(5, "unsupported", { why: "not yet" }),
  ];
  const findings: Findings = {
    diagnosed: 1,
    byCase: new Map([[results[1].task.id, [{ id: "m", says: "gates turn" }]]]),
    summary: [{ id: "m", says: "gates turn", cases: 1, weak: true, or: [] }],
  };

  fact(["CONFORM-6"], "as JSON, each case has what became of it, and no infinity", () => {
    const json = JSON.parse(
      JSON.stringify(reportJson({ results, oddities: noOddities() }, findings, about)),
    );
    assertEquals([json.version, json.command, json.conforms], ["1.2", 'a <"&> b', false]);
    assertEquals([json.total.cases, json.total.worst, json.chapters.length], [5, "Infinity", 1]);
    assertEquals([json.diagnosed, json.diagnosis[0].id], [1, "m"]);
    const [passed, wrong, refused] = json.results;
    const { id, chapter, clauses } = results[0].task;
    assertEquals(passed, { id, chapter, clauses, status: "passed", units: 0.5 });
    assertEquals([wrong.units, wrong.differences[0].units, wrong.differences[1].units], [
      "Infinity",
      "Infinity",
      3,
    ]);
    assertEquals([wrong.reason, wrong.op, wrong.module], ["reason 2", "forward", "LSTM"]);
    assertEquals([wrong.diagnosis[0].says, refused.why], ["gates turn", "no\u0001 & <3>"]);
    assert(!("why" in wrong) && !("differences" in refused) && !("diagnosis" in refused));
  });

  fact(
    ["CONFORM-6"],
    "as JUnit's XML, wrong is a failure, no answer an error, unsupported skipped",
    () => {
      const text = reportJunit({ results, oddities: noOddities() }, findings, about);
      const lines = text.split("\n");
      assertEquals(
        lines[2],
        '  <testsuite name="a &lt;&quot;&amp;&gt; b" tests="5" failures="1" errors="2" skipped="1">',
      );
      assert(lines.includes('    <testcase classname="lstm" name="lstm/case-1/float32"/>'));
      assert(
        text.includes('<failure type="wrong" message="matches PyTorch if gates turn">reason 2\n'),
      );
      assert(text.includes("LSTM {&quot;hidden_size&quot;:2}\na|b: wanted 1, given 2\nc: wanted"));
      assert(text.includes('<error type="refused" message="no &amp; &lt;3&gt;">'));
      assert(text.includes('<error type="crashed" message="gone">'));
      assert(text.includes('<skipped message="not yet"/>'));
    },
  );

  fact(
    ["CONFORM-6"],
    "as Markdown, it begins with the verdict and has the table and the lists",
    () => {
      const text = reportMarkdown({ results, oddities: noOddities() }, findings, about);
      const lines = text.split("\n");
      assertEquals(lines[0], `# ${verdict(results).text}`);
      assertEquals(
        lines[2],
        '`a <"&> b`, examined with rnn-spec 1.2 (goldens 0123456789ab, PyTorch 9.8).',
      );
      assertEquals(lines[5], "| --- | --: | --: | --: | --: | --: | --: | --: |");
      assert(lines.includes("| lstm | 5 | 1 | 1 | 1 | 1 | 1 | ∞ |"));
      assert(lines.includes("- `lstm/case-2/float32`: a\\|b: wanted 1, given 2"), text);
      assert(lines.includes("- 1: gone (`lstm/case-4/float32`)"));
      const titles = lines.filter((line) => line.startsWith("## ")).map((line) => line.slice(3));
      assertEquals(titles, [
        ...["What explains the wrong answers", "Computed otherwise, worst first"],
        ...["Refused", "No answer", "Unsupported"],
      ]);
      const good = [results[0]];
      assert(
        !reportMarkdown({ results: good, oddities: noOddities() }, noFindings, about).includes(
          "##",
        ),
      );
    },
  );
});

const encode = (text: string) => new TextEncoder().encode(text);
const pieces = (all: readonly Uint8Array[]) =>
  ReadableStream.from(all) as ReadableStream<Uint8Array>;
/** Bytes in pieces that end wherever. */
function cut(bytes: Uint8Array, ends: readonly number[]): Uint8Array[] {
  const at = [
    0,
    ...ends.map((end) => end % (bytes.length + 1)).sort((a, b) => a - b),
    bytes.length,
  ];
  return at.slice(1).map((end, k) => bytes.subarray(at[k], end)).filter(({ length }) => length);
}

describe("lines", () => {
  const lines = fc.array(fc.stringMatching(/^[a-zé…]{0,12}$/), { maxLength: 6 });
  const ends = fc.array(fc.nat(200), { maxLength: 6 });

  it("CONFORM-4: lines are the same however a program's bytes are cut, long ones cut short", async () => {
    await fc.assert(
      fc.asyncProperty(lines, ends, fc.boolean(), async (all, some, open) => {
        const text = all.join("\n") + (open || !all.length ? "" : "\n");
        const found: [string, boolean][] = [];
        const reader = pieces(cut(encode(text), some)).getReader();
        for await (const { text, whole } of readLines(reader, 12)) found.push([text, whole]);
        const last = open && all.at(-1) === "" ? all.slice(0, -1) : all;
        const fits = (line: string) => encode(line).length <= 12;
        assertEquals(found.map(([, whole]) => whole), last.map(fits));
        found.forEach(([own, whole], k) => assert(!whole || own === last[k]));
      }),
    );
    const read = async (size: number) => {
      const reader = pieces([encode("x".repeat(size))]).getReader();
      for await (const line of readLines(reader, 1000)) return [line.text.length, line.whole];
      return [];
    };
    assertEquals([await read(1000), await read(1001)], [[1000, true], [200, false]]);
  });

  it("CONFORM-4: a program's last words are its last three lines, of at most 2000 bytes", async () => {
    const words = async (...all: string[]) => {
      const tail = new Tail();
      await tail.follow(pieces(all.map(encode)));
      return String(tail);
    };
    assertEquals(await words("a\nb\n", "c\nd", "e\n"), "b / c / de");
    assertEquals(await words("one"), "one");
    assertEquals((await words("x".repeat(1500), "y".repeat(1500))).length, 2000);
    assertEquals((await words("x".repeat(5000))).length, 2000);
    const tail = new Tail();
    await tail.follow(
      new ReadableStream({
        start(controller) {
          controller.enqueue(encode("heard"));
        },
        pull(controller) {
          controller.error(new Error("broken"));
        },
      }, { highWaterMark: 1 }),
    );
    assert(["heard", ""].includes(String(tail)));
  });

  it("CONFORM-2: an implementation serves requests however they are cut, and answers in pieces", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 5 }), ends, async (count, some) => {
        const asked = Array.from({ length: count }, (_, k) => `{"id":"é${k}","op":"forward"}`);
        let said = "";
        const decoder = new TextDecoder();
        await serve(({ op }) => ({ repr: op }), {
          input: pieces(cut(encode(`${asked.join("\n\n")}${count % 2 ? "\n" : ""}`), some)),
          write: (bytes) => {
            const taken = Math.min(7, bytes.length);
            said += decoder.decode(bytes.subarray(0, taken), { stream: true });
            return Promise.resolve(taken);
          },
        });
        assertEquals(said, asked.map((_, k) => `{"id":"é${k}","repr":"forward"}\n`).join(""));
      }),
      { numRuns: 30 },
    );
  });

  it("CONFORM-2: a line that is no request gets an error, with its id where it has one", async () => {
    const answer = async (line: string) =>
      JSON.parse(await answerLine(() => ({ repr: "x" }), line));
    for (const line of ["", "{", "1", "null", '"text"']) {
      const { id, error } = await answer(line);
      assertEquals([id, error.type], [null, "SyntaxError"], line);
      assert(error.message.startsWith("not a request: "), error.message);
    }
    assertEquals(await answer('{"op":"x"}'), { id: null, repr: "x" });
    const failing = (thrown: unknown) =>
      answerLine(() => {
        throw thrown;
      }, '{"id":7,"op":"x"}').then(JSON.parse);
    assertEquals(await failing(new RangeError("no")), {
      id: 7,
      error: { type: "RangeError", message: "no" },
    });
    assertEquals(await failing("odd"), { id: 7, error: { type: "Error", message: "odd" } });
  });
});

const forwards = plain.filter(({ request, expect }) =>
  /^(RNN|LSTM|GRU)(Cell)?$|^SimpleRNN$/.test(request.module ?? "") && expect.outputs &&
  JSON.stringify(request).length < 1800
);

/** An output in plain numbers, with time first. */
interface Numbers {
  shape: number[];
  data: JsonNumber[];
}

/** A tensor put together from another's elements, by their places. */
function picked(x: Numbers, shape: number[], from: (place: number[]) => number[] | null): Numbers {
  const data: JsonNumber[] = [];
  const walk = (place: number[]): void => {
    if (place.length < shape.length) {
      for (let k = 0; k < shape[place.length]; k++) walk([...place, k]);
      return;
    }
    const own = from(place);
    data.push(own ? x.data[own.reduce((at, k, d) => at * x.shape[d] + k, 0)] : 0);
  };
  walk([]);
  return { shape, data };
}

describe("mistakes", () => {
  fact(["CONFORM-7"], "a bfloat16 is the nearest one, of two the even one", () => {
    const step = 2 ** -7; // between 1 and 2
    for (const sign of [1, -1]) {
      const wanted = [[0, 0], [0.49, 0], [0.5, 0], [0.51, 1], [1.49, 1], [1.5, 2], [2.5, 2], [
        3.5,
        4,
      ]];
      for (const [given, nearest] of wanted) {
        assertEquals(bfloat16(sign * (1 + given * step)), sign * (1 + nearest * step));
      }
      assertEquals(bfloat16(sign * Infinity), sign * Infinity);
    }
    assertEquals(bfloat16(NaN), NaN);
  });

  fact(["CONFORM-7"], "without a mistake, every forward pass is computed as PyTorch does", () => {
    let count = 0;
    for (const { id, request, expect } of forwards) {
      const own = recompute(request, {});
      if (!own) continue;
      count++;
      assertEquals([id, compare(request, expect, own).differences], [id, []]);
    }
    assert(count > 0.8 * forwards.length, `${count} of ${forwards.length}`);
  });

  /** What a mistake in the outputs makes of right ones: `D` directions, `K` layers, lengths or none. */
  type Made = (
    own: Record<"output" | "h_n" | "c_n", Numbers>,
    about: { D: number; K: number; lengths: number[] | null; T: number },
  ) => Partial<Record<"output" | "h_n" | "c_n", Numbers>> | null;
  const half = (x: Numbers, D: number) => x.shape[2] / D;
  const rows = (order: (row: number, D: number, K: number) => number): Made => (own, { D, K }) => {
    const moved = (x: Numbers) => picked(x, x.shape, ([r, n, j]) => [order(r, D, K), n, j]);
    return { h_n: moved(own.h_n), ...(own.c_n && { c_n: moved(own.c_n) }) };
  };
  const words: Record<string, Made> = {
    "halves-swapped-last": ({ output }, { D, K }) =>
      D === 2 && K > 1
        ? {
          output: picked(output, output.shape, ([t, n, j]) => [
            ...[t, n, (j + half(output, D)) % output.shape[2]],
          ]),
        }
        : null,
    "forward-for-backward-last": ({ output }, { D, K }) =>
      D === 2 && K > 1
        ? { output: picked(output, output.shape, ([t, n, j]) => [t, n, j % half(output, D)]) }
        : null,
    "halves-added-last": ({ output }, { D, K }) => {
      if (D !== 2 || K < 2) return null;
      const shape = output.shape.with(2, half(output, D));
      const [a, b] = [0, 1].map((d) =>
        picked(output, shape, ([t, n, j]) => [t, n, j + d * half(output, D)])
      );
      return { output: { shape, data: a.data.map((x, k) => Number(x) + Number(b.data[k])) } };
    },
    "backward-unreversed-last": ({ output }, { D, K, lengths, T }) =>
      D === 2 && K > 1
        ? {
          output: picked(output, output.shape, ([t, n, j]) => {
            const end = lengths?.[n] ?? T;
            return [j < half(output, D) || t >= end ? t : end - 1 - t, n, j];
          }),
        }
        : null,
    "direction-major": rows((row, D, K) => (row % K) * D + Math.floor(row / K)),
    "h-n-swapped": (own, about) =>
      about.D === 2 ? rows((row) => row % 2 ? row - 1 : row + 1)(own, about) : null,
    "layers-top-down": rows((row, D, K) => (K - 1 - Math.floor(row / D)) * D + row % D),
    "states-swapped": ({ h_n, c_n }) => c_n ? { h_n: c_n, c_n: h_n } : null,
    "h-n-from-padded-output": ({ output, h_n }, { D, K, lengths, T }) => {
      if (!lengths) return null;
      // The forward direction's last row of the last layer comes from the output's last time step.
      const last = picked(output, [1, h_n.shape[1], h_n.shape[2]], ([, n, j]) => [T - 1, n, j]);
      const row = (K - 1) * D;
      const data = [...h_n.data];
      data.splice(row * last.data.length, last.data.length, ...last.data);
      return { h_n: { shape: h_n.shape, data } };
    },
    "batch-left-sorted": (own, { lengths }) => {
      if (!lengths) return null;
      const order = [...lengths.keys()].sort((a, b) => lengths[b] - lengths[a]);
      const moved = (x: Numbers) => picked(x, x.shape, ([r, n, j]) => [r, order[n], j]);
      return Object.fromEntries(Object.entries(own).map(([name, x]) => [name, moved(x)]));
    },
  };

  const layered = forwards.filter(({ request, expect }) => {
    const { module = "", args = {}, inputs = {} } = request;
    return /^(RNN|LSTM|GRU)$/.test(module) && !args.batch_first && !args.proj_size &&
      (inputs.input as JsonTensor).shape.length === 3 && !request.training &&
      (expect.outputs!.output as JsonTensor).data.length > 0;
  });

  for (const [id, make] of Object.entries(words)) {
    fact(["CONFORM-7"], `${id} does to right outputs what it says`, () => {
      const mistake = mistakes.find((one) => one.id === id)!;
      let shown = 0;
      for (const task of layered) {
        const { request, expect } = task;
        const own = expect.outputs as Record<"output" | "h_n" | "c_n", Numbers>;
        const lengths = request.inputs!.lengths as number[] | undefined ?? null;
        const D = request.args!.bidirectional ? 2 : 1;
        const K = Number(request.args!.num_layers ?? 1);
        const change = make(own, { D, K, lengths, T: own.output.shape[0] });
        const wanted = change && { outputs: { ...own, ...change } };
        const wrong = wanted && compare(request, expect, wanted).differences.length > 0;
        const found = commit(mistake, task);
        assertEquals([task.id, found !== null], [task.id, Boolean(wrong)]);
        if (!found) continue;
        shown++;
        assertEquals([task.id, compare(request, wanted!, found).differences], [task.id, []]);
        assert(explain(task, wanted!, [mistake]).length === 1);
      }
      assert(shown > 1, `${id} shows in ${shown} cases`);
    });
  }
});
