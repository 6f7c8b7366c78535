/**
 * Reads hostile files of a few megabytes each in a process with little memory, and prints how long
 * each took. `hostile.ts` starts it: a reader that makes too much of a file does not come back.
 *
 * @module
 */

import { bombs } from "./bombs.ts";
import { judge } from "./judge.ts";

if (import.meta.main) {
  const [size, index] = Deno.args.map(Number);
  const { name, bytes } = bombs(size)[index];
  const before = Deno.memoryUsage();
  const start = performance.now();
  const outcome = judge(bytes);
  const took = performance.now() - start;
  const after = Deno.memoryUsage();
  const kept = after.heapUsed - before.heapUsed + Math.max(0, after.external - before.external);
  console.log(JSON.stringify({
    name,
    bytes: bytes.length,
    took,
    kept,
    fault: outcome.fault,
    refused: outcome.refused,
  }));
}
