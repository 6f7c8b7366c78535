/** What the diagnosis makes of many wrong answers (CONFORM-7): their order, counts, pairs and limits. */

import { assertEquals } from "@std/assert";
import type { Task } from "../../lib/conformance/cases.ts";
import { diagnose, explain, mistakes } from "../../lib/conformance/diagnose.ts";
import type { Result } from "../../lib/conformance/examine.ts";
import { answerWith, both } from "../../lib/conformance/mistakes/both.ts";
import type { Mistake } from "../../lib/conformance/mistakes/mistake.ts";
import type { Answer, JsonNumber, JsonTensor, Request } from "../../lib/conformance/pair.ts";
import { recompute } from "../../lib/conformance/variant.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

const named = (id: string) => mistakes.find((one) => one.id === id)!;
const pair = (first: string, second: string) => both(named(first), named(second))!;

let seed = 7;
function drawn(...shape: number[]): JsonTensor {
  const data = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return ((seed >>> 16) % 2001 - 1000) / 1000;
  });
  return { shape, data };
}

/** Numbers of as many digits each, so that more of them are a longer text. */
function even(...shape: number[]): JsonTensor {
  const three = (x: JsonNumber) => (Math.round(Math.abs(Number(x)) * 40) * 10 + 101) / 1000;
  return { shape, data: drawn(...shape).data.map(three) };
}

/** A Linear's question; `units` features in and out, so that its size can be told. */
function linear(units = 2): Request {
  return {
    ...{ op: "forward", module: "Linear", dtype: "float64" },
    state_dict: { weight: drawn(units, units), bias: drawn(units) },
    inputs: { input: even(1, units) },
  };
}

/** A recurrent module's question. */
function recurrent(module: "RNN" | "LSTM" | "GRU", inputs = 3): Request {
  const rows = { RNN: 1, GRU: 3, LSTM: 4 }[module] * 2;
  return {
    ...{ op: "forward", module, dtype: "float64" },
    state_dict: {
      ...{ weight_ih_l0: drawn(rows, inputs), weight_hh_l0: drawn(rows, 2) },
      ...{ bias_ih_l0: drawn(rows), bias_hh_l0: drawn(rows) },
    },
    inputs: { input: even(3, 1, inputs), h_0: even(1, 1, 2), c_0: even(1, 1, 2) },
  };
}

/** The right answer; a Linear's is made of a mistake that is none. */
function right(request: Request): Answer {
  const nothing = (w: unknown, b: unknown) => [w, b] as never;
  return recompute(request, request.module === "Linear" ? { linear: nothing } : {})!;
}

/** A wrong answer that a mistake makes. */
function wrong(id: string, request: Request, mistake: Mistake, chapter = "x"): Result {
  const task: Task = { id, chapter, reason: "", clauses: [], request, expect: right(request) };
  return { task, status: "wrong", units: 9, differences: [], answer: answerWith(mistake, task)! };
}

const summaryOf = (results: readonly Result[]) =>
  diagnose(results).summary.map(({ id, cases, weak, or }) => [
    ...[id, cases, weak],
    or.map(({ id }) => id),
  ]);

describe("the diagnosis of many answers", () => {
  fact(["CONFORM-7"], "the smallest come first, chapters and modules taking turns", () => {
    const none = named("linear-no-bias");
    const results = [
      wrong("a-large", linear(5), none, "a"),
      wrong("a-small", linear(2), none, "a"),
      wrong("b-middle", linear(3), none, "b"),
      wrong("a-middle", linear(4), none, "a"),
      wrong("b-small", linear(2), none, "b"),
      wrong("a-rnn", recurrent("RNN"), named("no-bias"), "a"),
    ];
    const { diagnosed, byCase } = diagnose(results);
    assertEquals(diagnosed, 6);
    assertEquals([...byCase.keys()], [
      ...["a-small", "b-small", "a-rnn", "a-middle", "b-middle", "a-large"],
    ]);
    assertEquals(byCase.get("a-small"), [{ id: none.id, says: none.says }]);
    // What is no wrong answer of a forward pass is not looked into.
    const [one] = results;
    const { task } = one;
    const others: Result[] = [
      { ...one, status: "passed" },
      { ...one, status: "refused" },
      { ...one, answer: undefined },
      { ...one, answer: { repr: "x" } },
      { ...one, task: { ...task, expect: { repr: "x" } } },
      { ...one, task: { ...task, request: { ...task.request, op: "vjp" } } },
    ];
    for (const other of others) assertEquals(diagnose([other]).diagnosed, 0);
    assertEquals(diagnose([]), { diagnosed: 0, byCase: new Map(), summary: [] });
  });

  fact(["CONFORM-7"], "a single case is weak, what fits as well stands beside it", () => {
    const turned = named("linear-transposed");
    const one = wrong("a", linear(2), turned);
    const { summary } = diagnose([one]);
    const [first, second] = [turned, named("linear-stored-transposed")];
    assertEquals(summary, [{
      ...{ id: first.id, says: first.says, cases: 1, weak: true },
      or: [{ id: second.id, says: second.says }],
    }]);
    assertEquals(summaryOf([one, wrong("b", linear(2), named("linear-no-bias"))]), [
      ["linear-transposed", 1, true, ["linear-stored-transposed"]],
      ["linear-no-bias", 1, true, []],
    ]);
    // The one that explains more comes first; whoever explains only some of them is not named.
    const narrow = { ...linear(2), state_dict: { weight: drawn(2, 3), bias: drawn(2) } };
    const wide = { ...narrow, inputs: { input: drawn(1, 3) } };
    const stored = named("linear-stored-transposed");
    assertEquals(
      summaryOf([
        ...[one, wrong("b", wide, stored)],
        ...["c", "d", "e"].map((id) => wrong(id, linear(2), named("linear-no-bias"))),
      ]),
      [["linear-no-bias", 3, false, []], ["linear-stored-transposed", 2, false, []]],
    );
    const unknown = { ...one, answer: { outputs: { output: { shape: [1, 2], data: [55, 66] } } } };
    const found = diagnose([unknown]);
    assertEquals([found.diagnosed, found.summary, found.byCase.size], [1, [], 0]);
  });

  fact(["CONFORM-7"], "a right answer needs no mistake, a vague one is named last", () => {
    const { task, answer } = wrong("a", recurrent("RNN"), named("no-bias"));
    assertEquals(explain(task, task.expect), []);
    assertEquals(explain(task, answer!).map(({ id }) => id), ["no-bias"]);
    assertEquals(explain(task, answer!, [named("relu-for-tanh")]), []);
    const moved = (off: number): Answer => ({
      outputs: Object.fromEntries(
        Object.entries(task.expect.outputs!).map(([name, x]) => {
          const { shape, data } = x as JsonTensor;
          return [name, { shape, data: data.map((y) => Number(y) + off) }];
        }),
      ),
    });
    const ids = (off: number) => explain(task, moved(off)).map(({ id }) => id);
    assertEquals(ids(2 ** -10), ["low-precision"]);
    assertEquals(ids(2 ** -20), ["float32-products"]);
    const near = { task, status: "wrong", units: 2, differences: [], answer: moved(2 ** -10) };
    assertEquals(summaryOf([near as Result]), [["low-precision", 1, true, []]]);
  });

  fact(["CONFORM-7"], "past 120 answers, what is known is tried first, then all else", () => {
    const none = named("linear-no-bias");
    const known = Array.from({ length: 120 }, (_, k) => wrong(`a${k}`, linear(2), none));
    const later = [
      wrong("b", linear(3), none),
      wrong("c", linear(3), named("linear-transposed")),
      wrong("d", linear(4), none),
    ];
    assertEquals(summaryOf([...known, ...later]), [
      ["linear-no-bias", 122, false, []],
      ["linear-transposed", 1, true, ["linear-stored-transposed"]],
    ]);
    // Without a bias_hh, "no bias_ih" and "no bias" are one; only the known one is looked for.
    const half = (inputs: number) => {
      const request = recurrent("RNN", inputs);
      return {
        ...request,
        state_dict: { ...request.state_dict, bias_hh_l0: { shape: [2], data: [0, 0] } },
      };
    };
    const rnn = (count: number) =>
      Array.from(
        { length: count },
        (_, k) => wrong(`r${k}`, recurrent("RNN"), named("no-bias-ih")),
      );
    const all = (count: number) => [...rnn(count), wrong("last", half(20), named("no-bias-ih"))];
    assertEquals(summaryOf(all(2)).slice(0, 1), [["no-bias-ih", 3, false, []]]);
    const { task, answer } = all(1)[1];
    assertEquals(explain(task, answer!).map(({ id }) => id), [
      ...["no-bias-ih", "no-bias", "bias-hh-twice"],
    ]);
    // So what else explains the 121st is not counted where it alone explains the 122nd.
    const more = wrong("only", recurrent("RNN", 30), named("no-bias"));
    assertEquals(summaryOf([...all(120), more]), [
      ["no-bias-ih", 121, false, []],
      ["no-bias", 1, true, []],
    ]);
    assertEquals(summaryOf([...all(119), more]), [
      ["no-bias-ih", 120, false, []],
      ["no-bias", 2, false, []],
    ]);
  });

  fact(["CONFORM-7"], "two at once: of one answer where one of them is known, of two else", () => {
    const two = pair("no-bias-ih", "sigmoid-for-tanh");
    const one = wrong("a", recurrent("RNN"), two);
    assertEquals(summaryOf([one]), []);
    const wanted = "no-bias-ih + sigmoid-for-tanh";
    assertEquals(summaryOf([one, wrong("b", recurrent("RNN"), two)]), [[wanted, 2, false, []]]);
    assertEquals(summaryOf([one, wrong("b", recurrent("RNN"), named("no-bias-ih"))]), [
      ["no-bias-ih", 1, true, []],
      [wanted, 1, true, []],
    ]);
    // Of another module the known one does not count; where both have the pair, it is one.
    assertEquals(summaryOf([one, wrong("b", recurrent("GRU"), named("no-bias-ih"))]), [
      ["no-bias-ih", 1, true, []],
    ]);
    const all = ["RNN", "GRU"] as const;
    assertEquals(
      summaryOf(
        all.flatMap((module) => ["a", "b"].map((id) => wrong(module + id, recurrent(module), two))),
      ),
      [[wanted, 4, false, []]],
    );
  });

  fact(["CONFORM-7"], "with float32 in the products, in one answer of each three", () => {
    const rounded = ({ answer, ...rest }: Result): Result => ({
      ...rest,
      answer: {
        outputs: Object.fromEntries(
          Object.entries(answer!.outputs!).map(([name, x]) => {
            const { shape, data } = x as JsonTensor;
            return [name, { shape, data: data.map((y) => Number(y) * (1 + 2 ** -20)) }];
          }),
        ),
      },
    });
    const some = (count: number) =>
      Array.from(
        { length: count },
        (_, k) => rounded(wrong(`${k}`, recurrent("RNN"), named("no-bias"))),
      );
    assertEquals(summaryOf(some(1)), []);
    assertEquals(summaryOf(some(2)), [["no-bias + float32-products", 2, false, []]]);
    assertEquals(summaryOf(some(15)), [["no-bias + float32-products", 15, false, []]]);
  });

  fact(["CONFORM-7"], "of three names, two that explain all are enough", () => {
    const [first, second] = ["no-bias-ih", "sigmoid-for-tanh"];
    const results = [
      ...["a", "b"].map((id) => wrong(id, recurrent("RNN"), named(first))),
      ...["c", "d"].map((id) => wrong(id, recurrent("RNN"), named(second))),
      ...["e", "f"].map((id) => wrong(id, recurrent("RNN"), pair(first, second))),
    ];
    assertEquals(summaryOf(results), [
      [first, 2, false, []],
      [second, 2, false, []],
      [`${first} + ${second}`, 2, false, []],
    ]);
    // A third mistake that explains one of its own stays; no two explain all.
    const more = [...results, wrong("g", recurrent("RNN"), named("relu-for-tanh"))];
    assertEquals(summaryOf(more).map(([id]) => id), [
      ...[first, second, `${first} + ${second}`, "relu-for-tanh"],
    ]);
  });

  /** An answer that nothing explains, of a question of some size. */
  const nonsense = (id: string, inputs: number): Result => {
    const one = wrong(id, recurrent("RNN", inputs), named("no-bias"));
    const odd = (x: JsonTensor) => ({ ...x, data: x.data.map((_, k) => 70 + k) });
    const { output, h_n } = one.answer!.outputs as Record<string, JsonTensor>;
    return { ...one, answer: { outputs: { output: odd(output), h_n: odd(h_n) } } };
  };

  fact(
    ["CONFORM-7"],
    "pairs with a known mistake are looked for in 12 answers, spread evenly",
    () => {
      const known = wrong("known", recurrent("RNN", 2), named("no-bias-ih"));
      for (
        const [at, found] of [[3, true], [4, false], [5, true], [13, true], [14, false]] as const
      ) {
        const open = Array.from(
          { length: 15 },
          (_, k) =>
            k === at
              ? wrong("pair", recurrent("RNN", 3 + k), pair("no-bias-ih", "sigmoid-for-tanh"))
              : nonsense(`${k}`, 3 + k),
        );
        const { byCase, diagnosed } = diagnose([known, ...open]);
        assertEquals([at, byCase.has("pair"), diagnosed], [at, found, 16]);
      }
    },
  );

  fact(["CONFORM-7"], "any two are looked for in the three smallest answers", () => {
    for (const [before, found] of [[2, true], [3, false]] as const) {
      const odd = Array.from({ length: before }, (_, k) => nonsense(`${k}`, 3 + k));
      const two = ["a", "b"].map((id, k) =>
        wrong(id, recurrent("RNN", 8 + k), pair("no-bias-ih", "sigmoid-for-tanh"))
      );
      const wanted = found ? [["no-bias-ih + sigmoid-for-tanh", 2, false, []]] : [];
      assertEquals([before, ...summaryOf([...odd, ...two])], [before, ...wanted]);
    }
  });

  fact(["CONFORM-7"], "a third that is two others at once is not named beside them", () => {
    const some = (name: string) =>
      ["a", "b"].map((id) => wrong(name + id, recurrent("RNN"), named(name)));
    const two = ["no-bias-hh", "no-bias-ih"].flatMap(some);
    // Both at once are "no-bias", which alone would be a third name.
    assertEquals(summaryOf([...two, ...some("no-bias")]), [
      ["no-bias-hh", 2, false, []],
      ["no-bias-ih", 2, false, []],
      ["no-bias-hh + no-bias-ih", 2, false, []],
    ]);
    assertEquals(summaryOf([...some("no-bias-hh"), ...some("no-bias")]), [
      ["no-bias-hh", 2, false, []],
      ["no-bias", 2, false, []],
    ]);
  });

  fact(["CONFORM-7"], "two at once come before a vague one that explains as many", () => {
    const tiny = (id: string) => {
      const request = recurrent("RNN");
      const small = { shape: [2], data: [0.001, -0.002] };
      const state_dict = { ...request.state_dict, bias_ih_l0: small };
      const inputs = { ...request.inputs, h_0: { ...small, shape: [1, 1, 2] } };
      return wrong(id, { ...request, state_dict, inputs }, pair("no-bias-ih", "h-0-ignored"));
    };
    const results = [tiny("a"), tiny("b")];
    for (const { task, answer } of results) {
      assertEquals(explain(task, answer!).map(({ id }) => id), ["low-precision"]);
    }
    assertEquals(summaryOf(results), [["no-bias-ih + h-0-ignored", 2, false, []]]);
  });
});
