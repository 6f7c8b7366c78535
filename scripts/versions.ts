/**
 * Compares the speed of two versions of this library: both in one process, by turns, by the CPU time
 * that they take, so that what disturbs the machine disturbs both.
 *
 * ```sh
 * deno task versions OLD/mod.ts mod.ts            every row of the bench
 * deno task versions OLD/mod.ts mod.ts "N 1" 25   rows whose names contain a text, 25 rounds
 * ```
 */

import { cpuUsage } from "node:process";
import type { Values } from "../mod.ts";
import { inputOf, moduleOf, type Recurrent, streams, table, type Work } from "./bench/work.ts";

type Library = typeof import("../mod.ts");

/** The least milliseconds of a round of one version. */
const round = 20;

/** The milliseconds that each version runs before it is measured. */
const warm = 250;

/** A work as a function of no arguments, in one version. */
function jobOf(lib: Library, work: Work): () => void {
  const copy = ({ data, shape }: Values) => new lib.Tensor(data.slice(), shape);
  const Kind = { RNN: lib.RNN, LSTM: lib.LSTM, GRU: lib.GRU }[work.kind];
  const module = new Kind(work.inputSize, work.hiddenSize).eval() as Recurrent;
  const state = Object.entries(moduleOf(work).stateDict()).map(([name, x]) => [name, copy(x)]);
  module.loadStateDict(Object.fromEntries(state));
  const x = copy(inputOf(work));
  if (!work.stream) return () => void lib.noGrad(() => module.forward(x));
  const stream = module.stream();
  const out = new Float32Array(work.hiddenSize);
  return () => stream.step(x.data, out);
}

/** The CPU time of the process so far, in microseconds. */
function now(): number {
  const { user, system } = cpuUsage();
  return user + system;
}

/** The microseconds of one run, over some. */
function time(job: () => void, times: number): number {
  const start = now();
  for (let k = 0; k < times; k++) job();
  return (now() - start) / times;
}

/** The milliseconds that the quickest run takes while a job is warmed up. */
function warmUp(job: () => void): number {
  let least = Infinity;
  for (const start = performance.now(); performance.now() - start < warm;) {
    const before = performance.now();
    job();
    least = Math.min(least, performance.now() - before);
  }
  return least;
}

if (Deno.args.length < 2) {
  console.error("versions: wants two versions, each its mod.ts (and a text, and rounds)");
  Deno.exit(2);
}
const [first, second, only = "", rounds = "15"] = Deno.args;
const load = (path: string) => import(new URL(path, `file://${Deno.cwd()}/`).href);
const versions: Library[] = [await load(first), await load(second)];
const ratios: number[] = [];
console.log("| CPU time, least | first µs | second µs | first ÷ second, median of rounds |");
console.log("| --- | --- | --- | --- |");
for (const work of [...table, ...streams].filter(({ name }) => name.includes(only))) {
  const jobs = versions.map((lib) => jobOf(lib, work));
  const times = Math.ceil(round / Math.min(...jobs.map(warmUp)));
  const samples = Array.from({ length: Number(rounds) }, (_, k) => {
    if (k % 2 === 0) return jobs.map((job) => time(job, times));
    return jobs.toReversed().map((job) => time(job, times)).reverse();
  });
  const [a, b] = [0, 1].map((k) => Math.min(...samples.map((one) => one[k])));
  const ratio = samples.map(([x, y]) => x / y).sort((x, y) => x - y)[samples.length >> 1];
  ratios.push(ratio);
  console.log(`| ${work.name} | ${a.toPrecision(4)} | ${b.toPrecision(4)} | ${ratio.toFixed(3)} |`);
}
const mean = Math.exp(ratios.reduce((sum, one) => sum + Math.log(one), 0) / ratios.length);
console.log(
  `| geometric mean; least | | | ${mean.toFixed(3)}; ${Math.min(...ratios).toFixed(3)} |`,
);
Deno.exit(0);
