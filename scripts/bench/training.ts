/**
 * Measures a step of training (forward, loss, backward, Adam) beside other runtimes, for `bench.ts`:
 * every participant in a process of its own, by turns, round after round.
 */

import { Child } from "./peers.ts";
import { dataOf, operationsOf, works } from "./training/works.ts";

/** What one participant took for one work. */
interface Result {
  readonly work: string;
  readonly peer: string;
  /** Milliseconds of CPU time and of wall time for a step: medians. */
  readonly cpu: number;
  readonly wall: number;
  /** The peak of memory, in MiB. */
  readonly peak: number;
  readonly gflops: number;
}

/** The names that the table shows, by those that `step.ts` knows. */
const peers: Readonly<Record<string, string>> = {
  ours: "ours",
  threads: "ours, 2 threads",
  readable: "ours, readable",
  torch: "PyTorch, 1 thread",
  cpu: "tfjs cpu",
  wasm: "tfjs wasm",
  jax: "jax-js wasm",
};

/** About how many milliseconds of CPU time a turn of a participant lasts. */
const turn = 150;

/** A participant whose step takes longer than this many milliseconds has one round only. */
const patience = 1500;

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

function start(peer: string, name: string, python: string | undefined): Child | null {
  const place = (file: string) => new URL(`./training/${file}`, import.meta.url).pathname;
  if (peer !== "torch") {
    return new Child(Deno.execPath(), ["run", "--no-lock", "-A", place("step.ts"), peer, name]);
  }
  if (!python) return null;
  const one = { OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" };
  return new Child(python, [place("pytorch.py"), JSON.stringify(works[name])], one);
}

/** Measures one work with all participants. */
async function measure(
  name: string,
  wanted: readonly string[],
  rounds: number,
  python: string | undefined,
): Promise<Result[]> {
  const entrants: { peer: string; child: Child; steps: number; answers: Answer[] }[] = [];
  for (const peer of wanted) {
    const child = start(peer, name, python);
    if (!child) continue;
    try {
      if (peer === "torch") {
        const { x, y } = dataOf(works[name]);
        await child.ask({ x: [...x], y: [...y] });
      }
      let steps = 1;
      let { cpu } = await child.ask({ steps }); // and until compilers are done with it
      for (let spent = cpu; spent < 4 * turn; spent += steps * cpu) {
        steps = Math.max(1, Math.ceil(turn / cpu));
        ({ cpu } = await child.ask({ steps }));
      }
      entrants.push({ peer, child, steps: Math.max(1, Math.ceil(turn / cpu)), answers: [] });
    } catch (error) {
      console.error(`${peers[peer]}: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { child, steps, answers } of entrants) {
      if (answers.some(({ cpu }) => cpu > patience)) continue;
      answers.push(await child.ask({ steps }));
    }
  }
  for (const { child } of entrants) await child.close();
  return entrants.map(({ peer, answers }) => {
    const cpu = median(answers.map((one) => one.cpu));
    return {
      work: works[name].name,
      peer: peers[peer],
      cpu,
      wall: median(answers.map((one) => one.wall)),
      peak: Math.max(...answers.map((one) => one.peak)),
      gflops: operationsOf(works[name]) / cpu / 1e6,
    };
  });
}

interface Answer {
  readonly cpu: number;
  readonly wall: number;
  readonly peak: number;
}

/** A table in Markdown: CPU time of a step, and how much of it the others take. */
export function report(results: readonly Result[]): string {
  const names = Object.values(peers).filter((name) => results.some(({ peer }) => peer === name));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const number = (x: number) => x < 10 ? x.toPrecision(2) : x.toFixed(0);
  const rows = [...new Set(results.map(({ work }) => work))].flatMap((work) => {
    const own = (name: string) => results.find((one) => one.work === work && one.peer === name);
    const [ours, torch] = [own("ours"), own("PyTorch, 1 thread")];
    const each = (what: (one: Result) => string) =>
      names.map((name) => {
        const one = own(name);
        return one ? what(one) : "–";
      });
    const ratio = ours && torch ? (torch.cpu / ours.cpu).toFixed(2) : "–";
    return [
      [work, "CPU ms", ...each(({ cpu }) => number(cpu)), ratio],
      ["", "wall ms", ...each(({ wall }) => number(wall)), ""],
      ["", "GFLOP/s", ...each(({ gflops }) => number(gflops)), ""],
      ["", "peak MiB", ...each(({ peak }) => peak.toFixed(0)), ""],
    ];
  });
  const head = ["work", "", ...names, "PyTorch ÷ ours, CPU"];
  return [head, head.map(() => "---"), ...rows].map(line).join("\n");
}

/** Runs all, as the options of `bench.ts` say. */
export async function training(options: {
  readonly only: string;
  readonly peers: string;
  readonly rounds: number;
  readonly python?: string;
}): Promise<Result[]> {
  const wanted = Object.keys(peers).filter((peer) =>
    options.peers.split(",").some((part) => peers[peer].includes(part))
  );
  const results: Result[] = [];
  for (const name of Object.keys(works)) {
    if (!works[name].name.includes(options.only)) continue;
    results.push(...await measure(name, wanted, options.rounds, options.python));
    console.error(works[name].name);
  }
  return results;
}
