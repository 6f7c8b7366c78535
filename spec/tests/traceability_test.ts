/**
 * Every clause is held by a test or a golden case, and both cite clauses that exist; the index of
 * them is up to date. Starts `deno task index` as a program of its own, which imports every test
 * file and lists what it declares.
 */

import { assertEquals } from "@std/assert";
import { withPermission } from "./law.ts";

withPermission(
  "CONFORM-1: every clause is held, every citation exists, and spec/INDEX.md is up to date",
  [{ name: "read" }, { name: "run" }],
  async () => {
    const script = new URL("../../scripts/index.ts", import.meta.url).pathname;
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const args = ["run", "--quiet", "--no-lock", "--config", config, "--allow-read", script];
    const command = new Deno.Command(Deno.execPath(), { args: [...args, "--check"] });
    const { code, stderr } = await command.output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  },
);
