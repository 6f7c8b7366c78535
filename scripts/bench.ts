/**
 * Measures this library beside other runtimes, on one thread: every participant by turns, round
 * after round, so that what disturbs the machine disturbs all. A participant's time counts only if
 * its result is close to the readable path's.
 *
 * ```sh
 * deno task bench                     the table and streaming
 * deno task bench --only "N 1"        works whose names contain a text
 * deno task bench --rounds 20 --json
 * deno task bench --plot bench.svg    time against hidden size and length
 * deno task bench --python python3    with PyTorch
 * deno task bench --training          a step of training: CPU and wall time, GFLOP/s, peak memory
 * ```
 */

import { type Kernels, setKernels } from "../mod.ts";
import { tolerance } from "../lib/conformance/mod.ts";
import { command, type Given, whole } from "./command/run.ts";
import { jax } from "./bench/jax.ts";
import { peak } from "./bench/peak.ts";
import { type Job, onnx, ours, type Peer, pytorch, tfjs, together } from "./bench/peers.ts";
import { curves, forward, inputOf, moduleOf, operations, streams, table } from "./bench/work.ts";
import type { Work } from "./bench/work.ts";

/** The panels of the plot, and what stands on their x axes. */
const panels = Object.entries(curves);

/** What one participant took for one work, in microseconds. */
interface Result {
  work: string;
  peer: string;
  script: boolean;
  operations: number;
  median: number;
  min: number;
  /** The machine's peak between the rounds, in GFLOP/s: the median and the most; 0 if unknown. */
  peak: number;
  peakMost: number;
}

const help = `Usage: deno task bench [options]

Measures this library beside other runtimes, on one thread.

Options:
  --only TEXT      only works whose names contain the text
  --peers A,B      only participants whose names contain one of the texts
  --rounds N       how many rounds (default 15)
  --python PYTHON  with PyTorch, run by this Python
  --training       a step of training instead of a forward pass
  --plot FILE      draw time against hidden size and length, or of a step of training, as SVG
  --json           print JSON instead of a table
  --help           show this
`;

/** The least milliseconds of a sample, which runs more than once if need be. */
const sample = 2;

/** The milliseconds that each participant runs before it is measured. */
const warm = 500;

/** A participant that has taken this many milliseconds for a work is left out of later rounds. */
const patience = 4_000;

function close(given: Float32Array, wanted: Float32Array): boolean {
  const { rtol, atol } = tolerance.float32;
  return given.length === wanted.length &&
    wanted.every((w, k) => Math.abs(given[k] - w) <= atol + rtol * Math.abs(w));
}

/** The milliseconds that one run takes, over some runs. */
async function time(job: Job, times: number): Promise<number> {
  if (job.time) return await job.time(times);
  const start = performance.now();
  for (let k = 0; k < times; k++) {
    const running = job.run();
    if (running instanceof Promise) await running;
  }
  return (performance.now() - start) / times;
}

const measurePeak = peak();

async function measure(work: Work, peers: readonly Peer[], rounds: number): Promise<Result[]> {
  setKernels("readable");
  const wanted = forward(moduleOf(work), inputOf(work)).data as Float32Array;
  const entrants: { peer: Peer; job: Job; times: number; samples: number[] }[] = [];
  for (const peer of peers) {
    if (peer.name === "ours, readable" && operations(work) > 1e8) continue; // known to be slow
    const job = await peer.prepare(work);
    if (job === null) continue;
    if (!close(await job.run(), wanted)) {
      console.error(`${peer.name} differs at ${work.name}: not counted`);
      continue;
    }
    // Until compilers are done with it, and to see how long it takes.
    let took = Infinity;
    for (const start = performance.now(); performance.now() - start < warm;) {
      took = Math.min(took, await time(job, 1));
    }
    entrants.push({ peer, job, times: Math.ceil(sample / took), samples: [] });
  }
  const peaks: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const { job, times, samples } of entrants) {
      if (measurePeak) peaks.push(measurePeak());
      const spent = samples.reduce((sum, ms) => sum + ms, 0) * times;
      if (round < 3 || spent < patience) samples.push(await time(job, times));
    }
  }
  for (const { job } of entrants) job.close?.();
  peaks.sort((a, b) => a - b);
  const [middle, most] = [peaks[peaks.length >> 1] ?? 0, peaks.at(-1) ?? 0];
  return entrants.map(({ peer, samples }) => {
    samples.sort((a, b) => a - b);
    const [median, min] = [samples[samples.length >> 1], samples[0]].map((ms) => 1000 * ms);
    const { name, script } = peer;
    return {
      ...{ work: work.name, peer: name, script, operations: operations(work), median, min },
      ...{ peak: middle, peakMost: most },
    };
  });
}

/** Microseconds, with as many digits as mean something. */
function micro(value: number): string {
  return value < 100 ? value.toFixed(1) : value.toFixed(0);
}

/** The path that this library takes by itself, and the same on two threads. */
const [own, threaded] = ["ours, relaxed", "ours, 2 threads"];

/**
 * A table: a row for each work; for each participant the median and, in brackets, the least time;
 * how many times as long as ours each other one takes, by medians and by least times, how many
 * times as long one thread takes as two; and our rate, of the machine's peak between the rounds.
 */
function report(results: readonly Result[]): string {
  const names = [...new Set(results.map(({ peer }) => peer))];
  const works = [...new Set(results.map(({ work }) => work))];
  const others = names.filter((name) => !name.startsWith("ours"));
  const ratios = new Map(
    others.map((name) => [name, { median: [] as number[], min: [] as number[] }]),
  );
  const rows = works.map((work) => {
    const of = (name?: string) => results.find((one) => one.work === work && one.peer === name);
    const ours = of(own);
    const times = names.map((name) => {
      const one = of(name);
      return one ? `${micro(one.median)} (${micro(one.min)})` : "–";
    });
    const slower = others.map((name) => {
      const one = of(name);
      if (!one || !ours) return "–";
      const [median, min] = [one.median / ours.median, one.min / ours.min];
      ratios.get(name)!.median.push(median);
      ratios.get(name)!.min.push(min);
      return `${median.toFixed(2)}× (${min.toFixed(2)}×)`;
    });
    const two = of(threaded);
    const gain = ours && two
      ? `${(ours.median / two.median).toFixed(2)}× (${(ours.min / two.min).toFixed(2)}×)`
      : "–";
    if (!ours) return [work, ...times, ...slower, gain, "–", "–"];
    const [rate, most] = [ours.median, ours.min].map((time) => ours.operations / time / 1000);
    const share = (part: number, whole: number) => whole ? (100 * part / whole).toFixed(0) : "–";
    return [
      ...[work, ...times, ...slower, gain, `${rate.toFixed(1)} (${most.toFixed(1)})`],
      `${share(rate, ours.peak)} (${share(most, ours.peakMost)})`,
    ];
  });
  const mean = (values: readonly number[]) =>
    Math.exp(values.reduce((sum, x) => sum + Math.log(x), 0) / values.length).toFixed(2);
  const means = others.map((name) => {
    const { median, min } = ratios.get(name)!;
    return median.length > 0 ? `${mean(median)}× (${mean(min)}×)` : "–";
  });
  const head = [
    "median (least) µs",
    ...names,
    ...others.map((name) => `${name} ÷ ours`),
    "1 thread ÷ 2",
    "GFLOP/s",
    "% of peak",
  ];
  const last = ["geometric mean", ...names.map(() => ""), ...means, "", "", ""];
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [head, head.map(() => "---"), ...rows, last].map(line).join("\n");
}

/** All participants that are there. */
async function participants(
  python: string | undefined,
  wanted: readonly string[],
): Promise<(Peer & { close?(): Promise<void> })[]> {
  const paths: Kernels[] = ["readable", "simd128", "relaxed"];
  const found: (Peer & { close?(): Promise<void> })[] = paths.map(ours);
  const others = [
    () => onnx("onnxruntime-web"),
    () => onnx("onnxruntime-node"),
    () => tfjs("cpu"),
    () => tfjs("wasm"),
    jax,
    () => Promise.resolve(together()),
    ...(python ? [() => Promise.resolve(pytorch(python))] : []),
  ];
  for (const open of others) {
    try {
      found.push(await open());
    } catch (error) {
      console.error(`not there: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  return found.filter(({ name }) => wanted.some((part) => name.includes(part)));
}

async function main({ text, flag }: Given): Promise<void> {
  const { only = "", peers: names = "", python, plot: file } = text;
  const rounds = whole("rounds", text.rounds ?? "15", 1, 9999);
  if (flag.training) {
    const { report, training } = await import("./bench/training.ts");
    const results = await training({ only, peers: names, rounds, python });
    if (file) {
      const { plotTraining } = await import("./bench/plot.ts");
      await Deno.writeTextFile(file, plotTraining(results));
    }
    return console.log(flag.json ? JSON.stringify(results) : report(results));
  }
  const peers = await participants(python, names.split(","));
  const works = file ? panels.flatMap(([, curve]) => curve) : [...table, ...streams];
  const results: Result[] = [];
  for (const work of works.filter(({ name }) => name.includes(only))) {
    results.push(...await measure(work, peers, rounds));
    console.error(work.name);
  }
  for (const peer of peers) await peer.close?.();
  if (file) {
    const { plot } = await import("./bench/plot.ts");
    const points = panels.flatMap(([panel, curve]) =>
      curve.flatMap((work) =>
        results.filter((result) => result.work === work.name).map(({ peer, median }) => ({
          panel,
          x: panel === "length" ? work.length : work.hiddenSize,
          peer,
          microseconds: median,
        }))
      )
    );
    await Deno.writeTextFile(file, plot(points));
  }
  console.log(flag.json ? JSON.stringify(results) : report(results));
}

if (import.meta.main) await command("bench", help, main);
