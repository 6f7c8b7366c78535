/**
 * The notebook, cell by cell: a sine wave goes through a recurrent layer and a fully connected one.
 * Prints what the notebook printed, starting from its seed alone.
 *
 * ```sh
 * deno task walkthrough
 * deno task walkthrough --steps --hidden-size 3
 * ```
 */

import { command, type Given, whole } from "./command/run.ts";
import {
  cat,
  formatFixed,
  linspace,
  manualSeed,
  reshape,
  select,
  SimpleRNN,
  sin,
  slice,
  type Tensor,
  to,
  zeros,
} from "../mod.ts";
import { stepTable } from "./walkthrough/steps.ts";

export interface Walk {
  /** For `manual_seed`. */
  seed: number | bigint;
  /** How often the model is constructed after the seed; the last one is used. */
  constructions: number;
  /** H_in, the features of the input at each time step. */
  inputSize: number;
  /** H, the features of the hidden state. */
  hiddenSize: number;
  numLayers: number;
  /** N, how many sequences. */
  batchSize: number;
  /** L, how many time steps. */
  seqLen: number;
}

/** The generator state behind the notebook's numbers: its model cell had run once before. */
export const notebookWalk: Readonly<Walk> = {
  seed: 1949603856,
  constructions: 2,
  inputSize: 1,
  hiddenSize: 5,
  numLayers: 1,
  batchSize: 1,
  seqLen: 10,
};

/** The wave: each sequence of the batch is the next half turn of one sine. */
function wave({ batchSize, seqLen }: Walk): Tensor {
  const turns = Array.from(
    { length: batchSize },
    (_, k) => linspace(k * Math.PI, (k + 1) * Math.PI, seqLen, { dtype: "float64" }),
  );
  return sin(cat(turns));
}

/** One number of four decimals, or a list of them. */
function values(x: Tensor): string {
  const texts = Array.from(x.data, (value) => formatFixed(value, 4));
  return texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
}

export function walkthrough(walk: Walk, steps = false): string {
  const lines: string[] = [];
  const print = (line: string) => lines.push(line);
  manualSeed(walk.seed);

  const data = wave(walk);
  const inputTensor = to(reshape(data, [walk.batchSize, walk.seqLen, walk.inputSize]), "float32");
  print("--- Input Data ---");
  print(`Original data shape: (${data.shape[0]},)`);
  print(`Input tensor shape (batch_size, seq_length, input_size): ${inputTensor.size()}`);
  print(
    "Input tensor sample (first batch, first 5 time steps, first feature): \n" +
      select(slice(select(inputTensor, 0, 0), 0, 0, 5), 1, 0),
  );

  let model = new SimpleRNN(walk.inputSize, walk.hiddenSize, walk.numLayers);
  for (let k = 1; k < walk.constructions; k++) {
    model = new SimpleRNN(walk.inputSize, walk.hiddenSize, walk.numLayers);
  }
  print("\n--- Model Architecture ---");
  print(String(model));
  const h0 = zeros([walk.numLayers, walk.batchSize, walk.hiddenSize]);
  const [rnnOutput, hn] = model.rnn.forward(inputTensor, h0);
  print("\n--- Inspecting RNN Layer Outputs (model.rnn) ---");
  print(`Shape of rnn_layer_output (batch_size, seq_length, hidden_size): ${rnnOutput.size()}`);
  print(`Shape of rnn_layer_hn (num_layers, batch_size, hidden_size): ${hn.size()}`);

  const finalOutput = model.forward(inputTensor);
  print("\n--- Model's Final Output (after FC layer) ---");
  print(`Final model output shape (batch_size, fc_output_size): ${finalOutput.size()}`);
  print(`Final model output value: ${values(finalOutput)}`);
  const lastActivity = select(rnnOutput, 1, -1);
  print("\n--- Last Time Step's Hidden Activity (used by FC layer) ---");
  print(`Shape: ${lastActivity.size()}`);
  print(`Value (first batch): \n${select(lastActivity, 0, 0)}`);
  const manual = model.fc.forward(lastActivity);
  const same = manual.data.every((value, i) => value === finalOutput.data[i]);
  print(
    "\nOutput if manually passing last_time_step_hidden_activity to model.fc: " + values(manual),
  );
  print(
    `This should match the model's final output value: ${values(finalOutput)} == ` +
      `${values(manual)} -> ${same ? "True" : "False"}`,
  );

  if (steps) print(`\n${stepTable(model, inputTensor)}`);
  return `${lines.join("\n")}\n`;
}

const help = `Usage: deno task walkthrough [options]

Runs the notebook "How RNNs Process Sequential Data" and prints what it printed.

Options:
  --seed N           for manual_seed (default ${notebookWalk.seed}, the state behind the notebook)
  --constructions N  how often the model is made after the seed; the last one is used
                     (default 2 with the notebook's seed, otherwise 1)
  --seq-len N        time steps of the sine (default ${notebookWalk.seqLen})
  --hidden-size N    features of the hidden state (default ${notebookWalk.hiddenSize})
  --num-layers N     recurrent layers (default ${notebookWalk.numLayers})
  --batch-size N     sequences; each is the next half turn of the sine (default ${notebookWalk.batchSize})
  --steps            add a table of every time step: x_t, the two products, their sum, h_t
  --help             show this
`;

function walkOf({ text: given }: Given): Walk {
  const walk: Walk = { ...notebookWalk };
  if (given.seed !== undefined) {
    if (!/^-?[0-9]+$/.test(given.seed)) {
      throw new Error(`--seed takes a whole number, not "${given.seed}"`);
    }
    walk.seed = BigInt(given.seed);
    if (walk.seed !== BigInt(notebookWalk.seed)) walk.constructions = 1;
  }
  const keys = ["constructions", "seqLen", "hiddenSize", "numLayers", "batchSize"] as const;
  for (const key of keys) {
    const name = key.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`);
    walk[key] = whole(name, given[name] ?? String(walk[key]), 1, 100_000);
  }
  return walk;
}

if (import.meta.main) {
  await command("walkthrough", help, (given) => {
    const text = walkthrough(walkOf(given), given.flag.steps);
    Deno.stdout.writeSync(new TextEncoder().encode(text));
  });
}
