/** Every golden case, put to this implementation; one test a file. */

import { assert, assertEquals } from "@std/assert";
import { compare, goldenFile } from "../../lib/conformance/mod.ts";
import { files } from "../../golden/mod.ts";
import { answer } from "../../scripts/adapters/reference.ts";
import { around, describe, it } from "./law.ts";

describe("goldens", () => {
  const { warn } = console;
  // Some cases ask for what PyTorch, too, warns about.
  around(() => void (console.warn = () => {}), () => void (console.warn = warn));

  // training_test.ts puts the learning curves: they take long, and it has more to ask of them.
  for (const path of Object.keys(files).filter((path) => !path.startsWith("training/"))) {
    const { about, cases } = goldenFile(path);
    it(`CONFORM-3: ${path}: ${about}`, () => {
      const failures = cases.flatMap(({ id, clauses, request, expect }) => {
        const given = answer(request);
        const { differences } = compare(request, expect, given);
        return differences.map(({ where, wanted, given, units }) => ({
          units,
          text: `${id} (${clauses.join(", ")}) at ${where}: wanted ${wanted}, given ${given}` +
            (Number.isFinite(units) ? `, ${units.toFixed(1)} times the tolerance` : ""),
        }));
      });
      failures.sort((a, b) => b.units - a.units);
      const shown = failures.slice(0, 20).map(({ text }) => text).join("\n");
      assert(failures.length === 0, `${failures.length} differences, worst first:\n${shown}`);
    });
  }

  it("CONFORM-1: have ids of their own", () => {
    const ids = Object.keys(files).flatMap((path) => goldenFile(path).cases.map(({ id }) => id));
    assertEquals(new Set(ids).size, ids.length);
  });
});
