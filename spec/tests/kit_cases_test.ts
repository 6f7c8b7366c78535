/** Which golden cases are chosen (CONFORM-5). */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { goldenFile, levels, select, type Task } from "../../lib/conformance/cases.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

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
