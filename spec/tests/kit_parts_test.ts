/** The parts of the kit (CONFORM) that need no cases: the comparison, the report, and the lines in between. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  answerLine,
  compare,
  distance,
  failures,
  groups,
  noFindings,
  noOddities,
  report,
  reportJson,
  reportJunit,
  reportMarkdown,
  type Result,
  serve,
  type Task,
  verdict,
} from "../../lib/conformance/mod.ts";
import { numberOf, show, tolerance, trainingTolerance } from "../../lib/conformance/compare.ts";
import type { Findings } from "../../lib/conformance/diagnose.ts";
import type { Status } from "../../lib/conformance/examine.ts";
import { readLines, Tail } from "../../lib/conformance/lines.ts";
import type { Answer, JsonNumber, JsonTensor, Request } from "../../lib/conformance/pair.ts";
import { columns, tabulate, total, units } from "../../lib/conformance/report.ts";
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
      assertEquals(tolerance, {
        float32: { rtol: 1.3e-6, atol: 1e-5 },
        float64: { rtol: 1e-10, atol: 1e-12 },
      });
      assertEquals(trainingTolerance, {
        float32: { rtol: 1e-4, atol: 1e-6 },
        float64: { rtol: 1e-9, atol: 1e-15 },
      });
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
      assertEquals(at(shape(2, 1), shape(2, 3)), ["outputs.x.shape"]);
      assertEquals(at(shape(1, 2), shape(3, 2)), ["outputs.x.shape"]);
      assertEquals(at(shape(), shape()), []);
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
    assertEquals(differences(forward, nest(999) as Answer, nest(999)), []);
    assertEquals(differences(forward, nest(1000) as Answer, nest(1000)).length, 1);
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
    assertEquals(columns([["a", "bc"]]), "a  bc");
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
    const found: [string, boolean][] = [];
    const reader = pieces(["abc", "def", "gh\nabc", "de\n", "\nx"].map(encode)).getReader();
    for await (const { text, whole } of readLines(reader, 5)) found.push([text, whole]);
    assertEquals(found, [["abcde", false], ["abcde", true], ["", true], ["x", true]]);
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
