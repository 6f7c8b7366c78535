/** What the commands of the examples have in common: a line of progress, a checkpoint, a picture. */

import { writeTorchFile } from "../../lib/checkpoints/mod.ts";
import { type Module, type Optimizer, tensor, type TorchWritable } from "../../mod.ts";
import { command, whole } from "../command/run.ts";
import { reporter, tryFolder, write } from "../train/show.ts";

/** A model that learns. */
export interface Training<M extends Module> {
  readonly model: M;
  readonly optimizer: Optimizer;
  /** The loss before each step. */
  readonly losses: Iterator<number, never>;
}

/** What comes of a model that has learnt. */
export interface Result {
  /** What else the checkpoint holds; all of it opens in PyTorch. */
  readonly checkpoint: Record<string, TorchWritable>;
  /** The text of an SVG file. */
  readonly picture: string;
  /** Lines to print. */
  readonly lines: readonly string[];
}

export interface Example<M extends Module> {
  readonly name: string;
  /** What the help says that it does. */
  readonly does: string;
  /** How many steps it takes where `--steps` is left out. */
  readonly steps: number;
  start(): Training<M>;
  finish(model: M, losses: readonly number[]): Result | Promise<Result>;
}

const help = <M extends Module>({ name, does, steps }: Example<M>) =>
  `Usage: deno task ${name} [options]

${does}
Writes checkpoint.pt, which PyTorch opens, and picture.svg.

Options:
  --steps N  how many steps (default ${steps})
  --out DIR  where to write (default ${name})
  --help     show this`;

/** Carries out an example's command line. */
export async function main<M extends Module>(example: Example<M>): Promise<void> {
  await command(example.name, help(example), async ({ text }) => {
    const { out = example.name } = text;
    const steps = whole("steps", text.steps ?? String(example.steps), 1, 999_999);
    tryFolder(out);
    const { model, optimizer, losses } = example.start();
    const seen: number[] = [];
    const report = reporter(steps);
    for (let shown = 0; seen.length < steps;) {
      seen.push(losses.next().value);
      if (performance.now() - shown < 50) continue;
      report({ losses: seen });
      shown = performance.now();
    }
    report({ losses: seen }, true);
    const { checkpoint, picture, lines } = await example.finish(model.eval(), seen);
    const state = { model: model.stateDict(), optimizer: { ...optimizer.stateDict() } };
    const saved = { ...state, losses: tensor(Float64Array.from(seen)), ...checkpoint };
    write(`${out}/checkpoint.pt`, writeTorchFile(saved));
    write(`${out}/picture.svg`, picture);
    console.log([...lines, `wrote ${out}/checkpoint.pt and ${out}/picture.svg`].join("\n"));
  });
}
