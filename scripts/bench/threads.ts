/**
 * This library on several threads, for `bench.ts`: requests as lines of JSON, answers as lines of
 * JSON. A process of its own, so that the others are measured on one thread.
 */

import { createInterface } from "node:readline";
import process from "node:process";
import { setNumThreads } from "../../mod.ts";
import { forward, inputOf, moduleOf, type Work } from "./work.ts";

await setNumThreads(Number(Deno.args[0]));
let run: () => Float32Array = () => new Float32Array(0);
for await (const line of createInterface({ input: process.stdin })) {
  const request: { op: "prepare" | "run" | "time"; work?: Work; times?: number } = JSON.parse(line);
  let answer = {};
  if (request.op === "prepare") {
    const [module, x] = [moduleOf(request.work!), inputOf(request.work!)];
    run = () => forward(module, x).data as Float32Array;
  } else if (request.op === "run") {
    answer = { output: [...run()] };
  } else {
    const start = performance.now();
    for (let k = 0; k < request.times!; k++) run();
    answer = { milliseconds: (performance.now() - start) / request.times! };
  }
  console.log(JSON.stringify(answer));
}
