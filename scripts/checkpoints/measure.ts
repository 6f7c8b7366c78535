/**
 * Measures what loading a large safetensors file takes, beside reading its bytes.
 *
 * ```sh
 * deno run --allow-read --allow-write scripts/checkpoints/measure.ts
 * ```
 */

import { readFile } from "node:fs/promises";
import { loadCheckpoint, saveSafetensors, Tensor } from "../../mod.ts";

const MEGABYTES = 200;
const ROUNDS = 9;

if (import.meta.main) {
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  const part = new Tensor(new Float32Array(2 ** 20 / 4).fill(0.5), [512, 512]);
  const tensors = new Map(Array.from({ length: MEGABYTES }, (_, k) => [`layer.${k}`, part]));
  await saveSafetensors(path, tensors);
  const times: Record<"bytes" | "tensors", number[]> = { bytes: [], tensors: [] };
  let shared = true;
  let beyond = 0;
  for (let round = 0; round < ROUNDS; round++) {
    let start = performance.now();
    const bytes = await readFile(path);
    times.bytes.push(performance.now() - start);
    const before = Deno.memoryUsage();
    start = performance.now();
    const state = await loadCheckpoint(path);
    times.tensors.push(performance.now() - start);
    const after = Deno.memoryUsage();
    beyond = Math.max(beyond, after.external - before.external - bytes.length);
    const [first, ...rest] = Object.values(state);
    shared &&= rest.every(({ data }) => data.buffer === first.data.buffer);
  }
  await Deno.remove(path);
  const median = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const [bytes, loaded] = [median(times.bytes), median(times.tensors)];
  console.log(
    `reading ${MEGABYTES} MiB of bytes:     ${bytes.toFixed(0)} ms (median of ${ROUNDS})`,
  );
  console.log(
    `loading them as tensors:      ${loaded.toFixed(0)} ms, ${(loaded / bytes).toFixed(2)} times`,
  );
  console.log(`all tensors are views on one buffer: ${shared}`);
  console.log(`memory outside the heap beyond the file: ${(beyond / 2 ** 20).toFixed(1)} MiB`);
}
