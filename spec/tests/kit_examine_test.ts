/** How a program is examined (CONFORM-4), start by start, with tasks and programs made by hand. */

import { assertEquals } from "@std/assert";
import type { Task } from "../../lib/conformance/cases.ts";
import {
  type Ending,
  examine,
  examineFunction,
  judge,
  type Settings,
} from "../../lib/conformance/examine.ts";
import { type Answer, toLine } from "../../lib/conformance/pair.ts";
import { describe, it } from "./law.ts";

/** Tasks whose right answer is their name; chapters are the letters. */
const task = (id: string): Task => ({
  ...{ id, chapter: id[0], reason: "", clauses: [], request: { op: "repr" } },
  expect: { repr: id },
});
const some = (count: number, chapter = "a") =>
  Array.from({ length: count }, (_, k) => task(`${chapter}${k}`));

/** What a program does at a start: the requests that it answers, and how it ends. */
type Program = (ids: string[], start: number) => [answered: string[], how: Ending["how"]];

/** Examines a program, and keeps what it was given at each start. */
async function watch(tasks: readonly Task[], program: Program, settings: Settings = {}) {
  const starts: string[][] = [];
  const limits: number[][] = [];
  const heard: number[] = [];
  const progress: Settings["progress"] = (results, total) => void heard.push(results.size, total);
  const found = await examine(
    ({ timeout, startup, line }, talk) => {
      const ids = [...talk.requests.keys()];
      const [answered, how] = program(ids, starts.push(ids));
      limits.push([timeout, startup, line]);
      for (const id of answered) talk.hear(id, { repr: id }, false);
      const first = how === "died" && answered.length ? { first: 2 } : {};
      return Promise.resolve({ how, why: `${how}!`, ...first });
    },
    tasks,
    { progress, ...settings },
  );
  const lost = found.results.filter(({ status }) => status !== "passed")
    .map(({ task: { id }, status, why }) => [id, status, why]);
  return { ...found, starts, limits, heard, lost };
}

const again = "the program again and again gave no answer at all; the last time it ";

describe("examination of a program", () => {
  it("CONFORM-4: without settings, 10 s for a case, 60 s to start, and lines of 8 times the longest answer", async () => {
    const tasks = [task("a1"), task("a longer one"), task("b2")];
    const { limits, starts, heard, oddities } = await watch(tasks, (ids) => [ids, "answered"]);
    const longest = toLine({ repr: "a longer one" }).length;
    assertEquals([limits, starts.length], [[[10, 60, 65536 + 8 * longest]], 1]);
    assertEquals(heard, [1, 3, 2, 3, 3, 3]);
    const nothing = { outOfOrder: 0, repeated: 0, garbage: 0, firstGarbage: "", restarts: 0 };
    assertEquals(oddities, nothing);
    assertEquals((await examineFunction(({ op }) => ({ repr: op }), [])).oddities, nothing);
    const own = await watch(tasks, (ids) => [ids, "answered"], { timeout: 3, startup: 4 });
    assertEquals(own.limits[0].slice(0, 2), [3, 4]);
  });

  it("CONFORM-4: a program that dies without an answer is given halves, and up after 15 starts", async () => {
    for (
      const [count, wanted] of [[5, [5, 1, 2, 1, 1, 2, 1, 1]], [4, [4, 1, 1, 2, 1, 1]], [
        6,
        [6, 1, 2, 1, 1, 3, 1, 1, 1],
      ]] as const
    ) {
      const { starts, lost } = await watch(some(count), () => [[], "died"]);
      assertEquals(starts.map(({ length }) => length), [...wanted]);
      assertEquals(lost, some(count).map(({ id }) => [id, "crashed", "the program died!"]));
    }
    const { starts, lost, oddities, heard } = await watch(some(40), () => [[], "died"]);
    assertEquals([starts.length, oddities.restarts, lost.length], [15, 14, 40]);
    assertEquals(lost.at(-1), ["a39", "crashed", `${again}died!`]);
    assertEquals(heard.slice(0, 4), [1, 40, 2, 40]);
    assertEquals(heard.slice(-2), [40, 40]);
  });

  it("CONFORM-4: one that hangs is given up sooner, after two starts or after four", async () => {
    const never = await watch(some(40), () => [[], "hung"]);
    assertEquals([never.starts.length, never.lost.length], [2, 40]);
    assertEquals(never.lost[1], ["a1", "crashed", `${again}hung!`]);
    assertEquals(never.lost[0], ["a0", "crashed", "the program hung!"]);
    // One answer, and then none any more: each start counts four, and more than 14 is too much.
    const once = await watch(
      some(40),
      (ids, start) => start === 1 ? [ids.slice(0, 1), "hung"] : [[], "hung"],
    );
    assertEquals([once.starts.length, once.lost.length], [5, 39]);
    assertEquals(once.lost.at(-1)![2], `${again}hung!`);
    // A start that dies counts one: 15 of them after an answer; and six after one that hung for 8.
    const died = await watch(
      some(40),
      (ids, start) => start === 1 ? [ids.slice(0, 1), "died"] : [[], "died"],
    );
    assertEquals([died.starts.length, died.lost.at(-1)![2]], [16, `${again}died!`]);
    const mixed = await watch(some(40), (_, start) => [[], start === 2 ? "hung" : "died"]);
    assertEquals([mixed.starts.length, mixed.lost.at(-1)![2]], [8, `${again}died!`]);
    // An answer in between makes it count from the beginning.
    const between = await watch(
      some(40),
      (ids, start) => start % 4 === 1 ? [ids.slice(0, 1), "hung"] : [[], "hung"],
    );
    assertEquals([between.starts.length > 20, between.lost.at(-1)![2]], [
      true,
      "the program hung!",
    ]);
  });

  it("CONFORM-4: it is started again 60 times, where nothing else is said", async () => {
    const { starts, oddities, lost, limits } = await watch(
      some(200),
      (ids) => [ids.slice(0, 1), "died"],
    );
    assertEquals([starts.length, oddities.restarts, lost.length], [61, 60, 200 - 61]);
    // It took two seconds to the first answer: three times one more, and the time of an answer.
    assertEquals(limits.slice(0, 2).map(([, startup]) => startup), [60, 10 + 3 * (1 + 2)]);
    assertEquals(
      new Set(lost.map(([, , why]) => why)),
      new Set([
        "the program was started again 60 times; the last time it died!",
      ]),
    );
    const none = await watch(some(3), () => [[], "not started"]);
    assertEquals([none.starts.length, none.oddities.restarts], [1, 0]);
    assertEquals(none.lost, some(3).map(({ id }) => [id, "crashed", "the program not started!"]));
    const later = await watch(
      some(3),
      (ids, start) => start === 1 ? [ids.slice(0, 1), "died"] : [[], "not started"],
    );
    assertEquals([later.starts, later.lost.length], [[["a0", "a1", "a2"], ["a1"]], 2]);
    const twice = await watch(
      some(3),
      (ids, start) => start === 1 ? [[ids[2]], "died"] : [[], "not started"],
    );
    assertEquals(twice.starts, [["a0", "a1", "a2"], ["a0"]]);
  });

  it("CONFORM-4: after an answer, the first unanswered is alone, then other chapters, its own last", async () => {
    const tasks = [...some(3), ...some(2, "b"), ...some(2, "c")];
    const { starts, lost } = await watch(
      tasks,
      (ids) => ids.includes("a1") ? [ids.slice(0, ids.indexOf("a1")), "died"] : [ids, "answered"],
    );
    assertEquals(starts, [
      tasks.map(({ id }) => id),
      ["a1"],
      ["b0", "b1", "c0", "c1"],
      ["a2"],
    ]);
    assertEquals(lost, [["a1", "crashed", "the program died!"]]);
  });

  it("CONFORM-6: one that was stopped says how much is left, and why", async () => {
    const { stopped, results, oddities, starts } = await watch(
      some(5),
      (ids) => [ids.slice(0, 2), "stopped"],
    );
    assertEquals([stopped, results.length, starts.length], [{ left: 3, why: "stopped" }, 2, 1]);
    assertEquals(oddities.restarts, 0);
    const done = await watch(some(2), (ids) => [ids, "answered"], {
      signal: AbortSignal.abort("x"),
    });
    assertEquals([done.stopped, done.starts.length], [{ left: 2, why: "x" }, 0]);
    assertEquals(done.oddities.restarts, 0);
    const none = await watch([], (ids) => [ids, "answered"]);
    assertEquals([none.starts.length, none.results, "stopped" in none], [0, [], false]);
  });

  it("CONFORM-4: a second answer counts where it is another one, or where the first was lost", async () => {
    const hears = (all: [Answer, boolean][]) =>
      examine((_, talk) => {
        for (const [answer, again] of all) talk.hear("a0", answer, again);
        return Promise.resolve({ how: "answered", why: "" });
      }, some(1)).then(({ results: [{ status, differences, units }] }) => [
        status,
        units,
        differences.at(-1)?.given,
      ]);
    const [right, wrong] = [{ repr: "a0" }, { repr: "x" }];
    assertEquals(await hears([[right, false], [right, true]]), ["passed", 0, undefined]);
    assertEquals(await hears([[wrong, false], [wrong, true]]), ["wrong", Infinity, "x"]);
    assertEquals(await hears([[right, false], [wrong, true]]), [
      ...["wrong", Infinity, "passed, then wrong"],
    ]);
    assertEquals(await hears([[wrong, true]]), ["wrong", Infinity, "x"]);
    assertEquals(await hears([[wrong, false], [right, false]]), ["passed", 0, undefined]);
    // Of two that pass, or are both wrong, one may be further off.
    const number = (x: number) => ({ outputs: { y: { shape: [1], data: [x] } } });
    const near = { ...task("a0"), request: { op: "forward" }, expect: number(1) };
    const { results: [found] } = await examine((_, talk) => {
      talk.hear("a0", number(1), false);
      talk.hear("a0", number(1 + 1e-6), true);
      return Promise.resolve({ how: "answered", why: "" });
    }, [near]);
    assertEquals([found.status, found.differences[0].given], ["wrong", "passed, then passed"]);
  });

  it("CONFORM-3: why an answer is no answer stands in one short line", () => {
    const own = task("a0");
    const of = (answer: unknown) => {
      const { status, why, units, answer: kept } = judge(own, answer as Answer);
      return [status, why, units, kept !== undefined];
    };
    assertEquals(of({ unsupported: "" }), ["unsupported", "", 0, false]);
    assertEquals(of({ unsupported: [1, "x"] }), ["unsupported", '[1,"x"]', 0, false]);
    assertEquals(of({ unsupported: "\x1b[31m no\t\x1b[0m \n way" }), [
      ...["unsupported", "no way", 0, false],
    ]);
    const refused = (error: unknown) => of({ error });
    const why = (text: string) => ["refused", text, Infinity, false];
    assertEquals(refused({ type: "T", message: " m " }), why("T: m"));
    assertEquals(refused({ message: "m" }), why("Error: m"));
    assertEquals(refused({ type: "T" }), why('{"type":"T"}'));
    assertEquals(refused(null), why("null"));
    assertEquals(refused("text"), why("text"));
    assertEquals(refused({ type: [1], message: 0 }), why("[1]: 0"));
    assertEquals(String(of({ unsupported: "x".repeat(500) })[1]), `${"x".repeat(400)}…`);
    assertEquals(of({ repr: "a0", error: undefined }).slice(0, 1), ["passed"]);
    assertEquals(of({ repr: "b" }), ["wrong", undefined, Infinity, true]);
    const failing = { ...own, expect: { error: { type: "E", message: "m" } } };
    const status = (answer: Answer) => judge(failing, answer).status;
    assertEquals(status({ error: { type: "E", message: "n" } }), "wrong");
    assertEquals(status({ error: { type: "E", message: "m" } }), "passed");
  });
});
