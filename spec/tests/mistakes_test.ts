/**
 * The list of mistakes (CONFORM-7): each one that can be made on purpose is named right from the answers
 * of 30 cases, and golden/mistakes.json says of each which cases show it.
 */

import { assert, assertEquals } from "@std/assert";
import listed from "../../golden/mistakes.json" with { type: "text" };
import {
  commit,
  diagnose,
  judge,
  type Mistake,
  mistakes,
  select,
  type Task,
} from "../../lib/conformance/mod.ts";
import type { Listed } from "../../scripts/mistakes.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

const small = (task: Task) => JSON.stringify(task).length < 4000;

/** What the kit says of an implementation that makes one mistake; `null` where nothing shows it. */
function named(mistake: Mistake, tasks: readonly Task[]): string | null {
  const results = tasks.map((task) => judge(task, commit(mistake, task) ?? task.expect));
  return diagnose(results).summary[0]?.id ?? null;
}

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

  fact(
    ["CONFORM-7"],
    "alone, at the core level, from 30 cases, at least 99 % are named right",
    () => {
      const core = select({ levels: ["forward", "core"] }).filter(small);
      const wrong: string[] = [];
      let runs = 0;
      for (const [k, mistake] of mistakes.entries()) {
        const kinds = Map.groupBy(core, ({ request }) => request.module);
        // 30 cases of one module, always others: where a mistake cannot show in it, there is no run.
        for (const tasks of kinds.values()) {
          const some = Array.from({ length: 30 }, (_, i) => tasks[(i * 7 + k) % tasks.length]);
          const found = mistake.recognise ? null : named(mistake, [...new Set(some)]);
          if (found === null) continue;
          runs++;
          if (found !== mistake.id) wrong.push(`${mistake.id} is called ${found}`);
        }
      }
      assert(runs > 100, `${runs} runs`);
      assert(wrong.length <= runs / 100, `${wrong.length} of ${runs}: ${wrong.join("; ")}`);
    },
  );
});
