/**
 * One participant of `../training.ts` in a process of its own: for each line, a number of steps, it
 * answers with a line of JSON: the CPU time and the wall time of a step in milliseconds, the peak of
 * memory in MiB, and the loss before the last step.
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { setKernels, setNumThreads } from "../../../mod.ts";
import { ours, type Step, works } from "./works.ts";

async function prepare(peer: string, name: string): Promise<Step> {
  const work = works[name];
  if (peer === "readable") setKernels("readable");
  else if (peer === "threads") await setNumThreads(2);
  else if (peer !== "ours") {
    const { jax, tfjs } = await import("./peers.ts");
    return peer === "jax" ? jax(work) : tfjs(work, peer);
  }
  return ours(work);
}

/** The most memory that the process has held, in MiB. */
function peak(): number {
  return process.resourceUsage().maxRSS / 1024;
}

const answer = console.log;
const step = await prepare(Deno.args[0], Deno.args[1]);
for await (const line of createInterface({ input: process.stdin })) {
  const { steps } = JSON.parse(line);
  let loss = 0;
  const [before, start] = [process.cpuUsage(), performance.now()];
  for (let k = 0; k < steps; k++) loss = await step();
  const wall = (performance.now() - start) / steps;
  const { user, system } = process.cpuUsage(before);
  answer(JSON.stringify({ cpu: (user + system) / 1000 / steps, wall, peak: peak(), loss }));
}
Deno.exit(0); // whatever threads a participant still has
