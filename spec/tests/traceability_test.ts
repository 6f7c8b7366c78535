/**
 * Every clause is held by a test or a golden case, and both cite clauses that exist; the index of
 * them is up to date. Needs `--allow-read`, which `deno task test` grants.
 */

import { assert, assertEquals } from "@std/assert";
import { problems, render, trace } from "../../scripts/index.ts";

const granted = Deno.permissions.querySync({ name: "read" }).state === "granted";

Deno.test({
  name: "every clause is held, and every citation exists",
  ignore: !granted, // a plain `deno test` may not read files; `deno task test` and CI may
  async fn() {
    const found = await trace();
    assert(found.clauses.length > 60 && found.tests.length > 60, "clauses or tests were not found");
    assertEquals(problems(found), []);
  },
});

Deno.test({
  name: "spec/INDEX.md is up to date (deno task index)",
  ignore: !granted, // a plain `deno test` may not read files; `deno task test` and CI may
  async fn() {
    const index = await Deno.readTextFile(new URL("INDEX.md", import.meta.url));
    assert(index === render(await trace()), "it is stale: run deno task index");
  },
});
