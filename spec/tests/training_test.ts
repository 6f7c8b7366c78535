/** Chapter training: learning curves, memory, and going on after an interruption. */

import { assert, assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  type Answer,
  type Case,
  compare,
  goldenFile,
  type JsonTensor,
  toLine,
} from "../../lib/conformance/mod.ts";
import {
  Adam,
  backward,
  getKernels,
  type Kernels,
  manualSeed,
  mseLoss,
  RNN,
  type Tensor,
  zeros,
} from "../../mod.ts";
import { answer } from "../../scripts/adapters/reference.ts";
import { models, optimizers, Training } from "../../scripts/train/run.ts";
import { describe, fact, withPermission } from "./law.ts";

const { cases } = goldenFile("training/curves.json");

/** The loss at every step. */
function curve({ outputs }: Answer): number[] {
  return (outputs!.loss as JsonTensor).data.map(Number);
}

/** How far a curve is from another, relative to it, at each step. */
function distances(given: number[], wanted: number[]): number[] {
  assertEquals(given.length, 200);
  return given.map((x, t) => Math.abs(x - wanted[t]) / wanted[t]);
}

/** The root of the mean square. */
function rms(values: number[]): number {
  return Math.sqrt(values.reduce((total, x) => total + x * x, 0) / values.length);
}

/** What this implementation answers on the path that is set, computed once. */
const answers: Record<Kernels, Map<Case, Answer>> = {
  auto: new Map(),
  readable: new Map(),
  simd128: new Map(),
  relaxed: new Map(),
};
function answerOf(asked: Case): Answer {
  const known = answers[getKernels()].get(asked) ?? answer(asked.request);
  answers[getKernels()].set(asked, known);
  return known;
}

describe("learning curves", () => {
  for (const asked of cases) {
    fact(asked.clauses, `${asked.id}: PyTorch's losses and final weights`, () => {
      assertEquals(compare(asked.request, asked.expect, answerOf(asked)).differences, []);
    });
  }

  const given = cases.filter(({ id }) => id.endsWith("-from-weights/float32"));
  for (const single of given) {
    const name = single.id.slice("training/".length, -"/float32".length);
    fact(["TRAIN-2"], `${name}: float32 is as near to the truth as PyTorch's, and near it`, () => {
      const exact = cases.find(({ id }) => id === `training/${name}/float64`)!;
      const truth = curve(exact.expect);
      const [ours, theirs] = [curve(answerOf(single)), curve(single.expect)];
      assert(distances(ours, theirs)[199] < 1e-4);
      const [far, theirFar] = [rms(distances(ours, truth)), rms(distances(theirs, truth))];
      // On the kernels, whose sums are float32's, too, it is near PyTorch's and as near as that.
      const most = getKernels() === "readable" ? 1 : 2;
      assert(far <= most * theirFar, `${far} from float64's curve; PyTorch's float32: ${theirFar}`);
      assert(truth[199] < truth[0] / 25, "it does not learn");
    });
  }
});

/** How many tensors can be reached from some: through gradients, and what made them. */
function reachable(roots: Iterable<Tensor>): number {
  const seen = new Set<Tensor>(roots);
  for (const { gradFn, grad } of seen) {
    if (grad) seen.add(grad);
    for (const input of gradFn?.inputs ?? []) seen.add(input);
  }
  return seen.size;
}

/** The smallest model, and one step of its training. */
function small() {
  manualSeed(0);
  const rnn = new RNN(1, 1);
  const optimizer = new Adam(rnn.parameters());
  const [input, target] = [zeros([1, 1]), zeros([1, 1])];
  return {
    rnn,
    step(): Tensor {
      optimizer.zeroGrad();
      const loss = mseLoss(rnn.forward(input)[0], target);
      backward(loss);
      optimizer.step();
      return loss;
    },
  };
}

describe("memory", () => {
  fact(["GRAD-4"], "a loss that is kept keeps nothing of its graph", () => {
    const { rnn, step } = small();
    const kept = Array.from({ length: 20 }, step);
    assertEquals(reachable(kept), 20);
    assertEquals(reachable(rnn.parameters()), 8); // four parameters and their gradients
  });

  fact(["GRAD-4"], "10,000 steps need no more memory than 1,000", () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const used = () => {
      collect();
      const { heapUsed, external } = Deno.memoryUsage();
      return heapUsed + external;
    };
    const { step } = small();
    for (let k = 0; k < 1000; k++) step();
    const before = used();
    for (let k = 0; k < 9000; k++) step();
    const grown = used() - before;
    assert(grown < 1_000_000, `${grown} bytes more after 9,000 more steps`);
  });
});

describe("the training of the sine", () => {
  fact(["TRAIN-1", "TRAIN-3"], "every model and optimiser learns, and goes on bit for bit", () => {
    const pairs = [
      ...Object.keys(models).map((model) => [model, "Adam"]),
      ...Object.keys(optimizers).map((optimizer) => ["SimpleRNN", optimizer]),
    ];
    for (const [model, optimizer] of pairs) {
      const config = { model, optimizer, hiddenSize: 3, lr: 0.01, seed: 1 };
      const [whole, part] = [new Training(config), new Training(config)];
      for (let k = 0; k < 6; k++) whole.step();
      for (let k = 0; k < 2; k++) part.step();
      const resumed = Training.restore(JSON.parse(toLine(part.checkpoint())));
      for (let k = 2; k < 6; k++) resumed.step();
      assertEquals(toLine(resumed.checkpoint()), toLine(whole.checkpoint()));
      assert(whole.losses[5] < whole.losses[0], `${model} ${optimizer}`);
      assertEquals(resumed.predict([0, 0.5, 1]), whole.predict([0, 0.5, 1]));
    }
  });
});

/** Trains in a process of its own, interrupts it, goes on, and compares with no interruption. */
const program = `
  const [script, config] = Deno.args;
  const dir = Deno.makeTempDirSync();
  const start = (...args) => new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-lock", "--config", config, "--allow-read", "--allow-write", script, ...args],
    stdout: "piped",
    stderr: "piped",
  });
  const run = (...args) => {
    const { code, stdout, stderr } = start(...args).outputSync();
    const text = (bytes) => new TextDecoder().decode(bytes);
    return [code, text(stdout), text(stderr)];
  };
  const first = start("--steps", "100000", "--out", dir + "/a").spawn();
  await first.stdout.getReader().read(); // its first line: it has begun
  await new Promise((resume) => setTimeout(resume, 200));
  first.kill("SIGINT");
  const { code } = await first.status;
  const saved = JSON.parse(Deno.readTextFileSync(dir + "/a/checkpoint.json")).losses.shape[0];
  const steps = String(saved + 10);
  run("--resume", dir + "/a/checkpoint.json", "--steps", steps, "--out", dir + "/a");
  run("--steps", steps, "--out", dir + "/b");
  const read = (name) => ["a", "b"].map((part) => Deno.readTextFileSync(dir + "/" + part + "/" + name));
  const same = ["checkpoint.json", "loss.svg", "prediction.svg"].map((name) => {
    const [a, b] = read(name);
    return a === b && a.length > 1000;
  });
  console.log(JSON.stringify({ code, same, wrong: run("--steps", "no") }));
  Deno.removeSync(dir, { recursive: true });
`;

withPermission(
  "TRAIN-3: interrupted by Ctrl-C, the program loses nothing",
  [{ name: "read" }, { name: "run" }],
  async () => {
    const path = (file: string) => new URL(file, import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--no-config",
        "--quiet",
        "-A",
        "-",
        path("../../scripts/train.ts"),
        path("../../deno.json"),
      ],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(program));
    await writer.close();
    const { stdout } = await child.output();
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)), {
      code: 130,
      same: [true, true, true],
      wrong: [
        2,
        "",
        'train: --steps takes a whole number from 1 to 1000000, not "no" (--help lists the options)\n',
      ],
    });
  },
  Deno.build.os === "windows" ? { ignore: true } : {}, // there, a process cannot be sent Ctrl-C
);
