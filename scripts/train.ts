/**
 * Trains a recurrent network to say how the notebook's sine goes on. Writes a checkpoint and two
 * charts; can be interrupted at any time and goes on as if it had not been.
 *
 * ```sh
 * deno task train
 * deno task train --model GRU --steps 500 --out gru
 * deno task train --resume gru/checkpoint.pt --steps 1000 --out gru
 * ```
 */

import { parseCheckpoint, writeTorchFile } from "../lib/checkpoints/mod.ts";
import { read as readOptions, Usage, whole } from "./command/run.ts";
import { models, optimizers, Training } from "./train/run.ts";
import { lossChart, predictionChart } from "./train/plot.ts";
import { reporter, tryFolder, write } from "./train/show.ts";

const defaults = {
  model: "SimpleRNN",
  "hidden-size": "16",
  lr: "0.01",
  optimizer: "Adam",
  seed: "0",
  steps: "300",
  out: "training",
};

const help = `Usage: deno task train [options]

Trains a recurrent network to predict the next point of the notebook's sine from ten points.
Writes checkpoint.pt, which PyTorch opens, loss.svg and prediction.svg. Ctrl-C saves and stops.

Options:
  --steps N         how many steps, in all (default ${defaults.steps})
  --model NAME      ${Object.keys(models).join(", ")} (default ${defaults.model})
  --hidden-size N   features of the hidden state (default ${defaults["hidden-size"]})
  --optimizer NAME  ${Object.keys(optimizers).join(", ")} (default ${defaults.optimizer})
  --lr X            learning rate (default ${defaults.lr})
  --seed N          for manual_seed (default ${defaults.seed})
  --out DIR         where to write (default ${defaults.out})
  --resume FILE     go on from a checkpoint, with its model and optimiser
  --help            show this
`;

/** The text of a flag as one of the names known. */
function oneOf(flag: string, text: string, known: Readonly<Record<string, unknown>>): string {
  if (!Object.hasOwn(known, text)) {
    throw new Usage(`--${flag} takes ${Object.keys(known).join(", ")}, not "${text}"`);
  }
  return text;
}

/** Reads the command line: what to train, how far, and where to write. */
function read(args: string[]): { help: boolean; out: string; steps: number; training: Training } {
  const { text: given, flag } = readOptions(help, args);
  if (flag.help) return { help: true } as ReturnType<typeof read>;
  const take = (flag: keyof typeof defaults) => given[flag] ?? defaults[flag];
  const steps = whole("steps", take("steps"), 1, 1_000_000);
  const out = take("out");
  if (given.resume !== undefined) {
    const other = ["model", "hidden-size", "lr", "optimizer", "seed"].find((flag) => given[flag]);
    if (other) throw new Usage(`--${other} is the checkpoint's with --resume`);
    return { help: false, out, steps, training: load(given.resume) };
  }
  const lr = Number(take("lr"));
  if (!(lr >= 0 && lr < Infinity) || take("lr").trim() === "") {
    throw new Usage(`--lr takes a number of at least 0, not "${take("lr")}"`);
  }
  const training = new Training({
    model: oneOf("model", take("model"), models),
    hiddenSize: whole("hidden-size", take("hidden-size"), 1, 1024),
    optimizer: oneOf("optimizer", take("optimizer"), optimizers),
    lr,
    seed: whole("seed", take("seed"), 0, Number.MAX_SAFE_INTEGER),
  });
  return { help: false, out, steps, training };
}

/** The training that a checkpoint holds. */
function load(file: string): Training {
  try {
    return Training.restore(parseCheckpoint(Deno.readFileSync(file)).value);
  } catch (error) {
    throw new Error(`cannot go on from ${file}: ${(error as Error).message}`);
  }
}

/** Trains until the last step or a signal; what the process is to end with. */
async function train(training: Training, steps: number, out: string): Promise<number> {
  tryFolder(out);
  const file = `${out}/checkpoint.pt`;
  const save = () => write(file, writeTorchFile({ ...training.checkpoint() }));
  let status = 0;
  const stop = (code: number) => () => status = code;
  const signals = [["SIGINT", stop(130)], ["SIGTERM", stop(143)]] as const;
  const heard = Deno.build.os === "windows" ? signals.slice(0, 1) : signals;
  for (const [signal, handler] of heard) Deno.addSignalListener(signal, handler);
  const report = reporter(steps);
  let [shown, saved] = [0, performance.now()];
  while (training.losses.length < steps && status === 0) {
    training.step();
    const now = performance.now();
    if (now - shown < 50) continue;
    report(training);
    shown = now;
    await new Promise((resume) => setTimeout(resume)); // signals arrive only while waiting
    if (now - saved < 2000) continue;
    save();
    saved = performance.now();
  }
  report(training, true);
  save();
  write(`${out}/loss.svg`, lossChart(training));
  write(`${out}/prediction.svg`, predictionChart(training));
  for (const [signal, handler] of heard) Deno.removeSignalListener(signal, handler);
  console.log(
    status
      ? `interrupted and saved; go on with --resume ${file} --steps ${steps} --out ${out}`
      : `wrote ${file}, ${out}/loss.svg and ${out}/prediction.svg`,
  );
  return status;
}

if (import.meta.main) {
  try {
    const { help: wanted, out, steps, training } = read(Deno.args);
    if (wanted) console.log(help.trimEnd());
    else Deno.exit(await train(training, steps, out));
  } catch (error) {
    const usage = error instanceof Usage;
    const [line] = (error as Error).message.split("\n");
    console.error(`train: ${line}${usage ? " (--help lists the options)" : ""}`);
    Deno.exit(usage ? 2 : 1);
  }
}
