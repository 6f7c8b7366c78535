/**
 * The list of mistakes (CONFORM-7): each one that can be made on purpose is named right from the answers
 * of 30 cases, and golden/mistakes.json says of each which cases show it.
 */

import { assert, assertEquals } from "@std/assert";
import listed from "../../golden/mistakes.json" with { type: "text" };
import {
  both,
  commit,
  diagnose,
  type JsonTensor,
  judge,
  mistakes,
  select,
} from "../../lib/conformance/mod.ts";
import type { Listed } from "../../scripts/mistakes.ts";
import { checkAlone, checkPairs } from "../../scripts/mistakes/check.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

describe("the list of mistakes", () => {
  const list: Listed[] = JSON.parse(listed);
  const byId = new Map(select({ levels: ["forward"] }).map((task) => [task.id, task]));

  fact(["CONFORM-7"], "golden/mistakes.json has each of them (deno task mistakes)", () => {
    assertEquals(
      list.map(({ id, says }) => ({ id, says })),
      mistakes.map(({ id, says }) => ({ id, says })),
    );
    for (const { id, cases } of list) {
      const mistake = mistakes.find((one) => one.id === id)!;
      for (const name of cases) {
        assert(commit(mistake, byId.get(name)!), `${name} does not show ${id}`);
      }
      assert(cases.length > 0 || mistake.recognise, `no case shows ${id}`);
    }
  });

  // All of them take a while: deno task mistakes --check.
  fact(
    ["CONFORM-7"],
    "alone, at the core level, from 30 cases, at least 99 % are named right",
    () => {
      const { runs, wrong } = checkAlone(mistakes.filter((_, k) => k % 8 === 0));
      assert(runs > 10, `${runs} runs`);
      assert(wrong.length <= runs / 100, `${wrong.length} of ${runs}: ${wrong.join("; ")}`);
    },
  );

  fact(["CONFORM-7"], "two at once change the same part one after the other", () => {
    const [ih, hh, none] = ["no-bias-ih", "no-bias-hh", "no-bias"].map((id) =>
      mistakes.find((one) => one.id === id)!
    );
    const { cases } = list.find(({ id }) => id === "no-bias")!;
    assert(cases.length > 0);
    for (const task of cases.map((name) => byId.get(name)!)) {
      const wanted = commit(none, task);
      assert(wanted);
      assertEquals(commit(both(ih, hh)!, task), wanted);
      assertEquals(commit(both(hh, ih)!, task), wanted);
    }
  });

  fact(
    ["CONFORM-7"],
    "a mistake in float64 that is computed in float32 is named with it, in every module",
    () => {
      const ignored = mistakes.find(({ id }) => id === "lengths-ignored")!;
      const some = ["RNN", "LSTM", "GRU"].flatMap((module) =>
        select({ levels: ["forward"], chapters: ["pack"], dtype: "float64" }).filter((task) =>
          task.request.module === module && JSON.stringify(task).length < 4000 &&
          !task.request.args?.proj_size && commit(ignored, task)
        ).slice(-3)
      );
      const rounded = some.map((task) => {
        const outputs = Object.entries(commit(ignored, task)!.outputs!).map(([name, x]) => {
          const { shape, data } = x as JsonTensor;
          return [name, { shape, data: data.map((value) => Math.fround(Number(value))) }];
        });
        return judge(task, { outputs: Object.fromEntries(outputs) });
      });
      assertEquals(rounded.map(({ status }) => status), Array(9).fill("wrong"));
      const { summary } = diagnose(rounded);
      assertEquals(summary.map(({ id, cases }) => [id, cases]), [
        ["lengths-ignored + float32-products", 9],
      ]);
    },
  );

  // More of them: deno task mistakes --pairs 400.
  fact(["CONFORM-7"], "two at once, from 30 cases of the core level, are both named", () => {
    const { runs, wrong, of } = checkPairs(8);
    assert(runs === 8 && of > 5000, `${runs} runs of ${of}`);
    assertEquals(wrong, []);
  });
});
