/**
 * Converts a checkpoint for another runtime, and checks what it wrote on random input.
 *
 * ```sh
 * deno task convert model.pt --to onnx -o model.onnx --batch-first
 * deno task convert model.pt --to safetensors -o model.safetensors
 * ```
 */

import { command, type Given } from "./command/run.ts";
import {
  CheckpointError,
  loadCheckpoint,
  manualSeed,
  readCheckpoint,
  saveSafetensors,
  type StateDict,
  storedStateDictOf,
} from "../mod.ts";
import { parseCheckpoint } from "../lib/checkpoints/mod.ts";
import { readSource, writeParts } from "../lib/checkpoints/source.ts";
import { kerasProgram, readKeras, writeKeras } from "./convert/keras.ts";
import {
  judge,
  type Named,
  type Network,
  networkOf,
  type NetworkOptions,
  randomInputs,
  runReference,
} from "./convert/network.ts";
import { openOnnx, toOnnxModel } from "./convert/onnx.ts";
import { fromWebnnFile, toWebnnFile } from "./convert/webnn.ts";

const formats = ["onnx", "keras", "webnn", "safetensors"] as const;
type Format = typeof formats[number];

/** Runs both on random inputs of several sizes, beside a float64 run, which is the truth. */
async function compare(
  network: Network,
  run: (inputs: Named) => Promise<Named> | Named,
): Promise<string> {
  manualSeed(0);
  const sizes = [[1, 1], [1, 20], [3, 7], [5, 100]];
  let [worst, beside] = [{ difference: 0, units: 0 }, { difference: 0, units: 0 }];
  for (const [batch, length] of sizes) {
    const inputs = randomInputs(network, batch, length);
    const { given, own, rounding } = judge(network, inputs, await run(inputs));
    if (!rounding) {
      throw new CheckpointError(
        `the file computes something else: on ${batch} × ${length} random steps it is ` +
          `${given.difference.toExponential(1)} from a float64 run, float32 here ` +
          `${own.difference.toExponential(1)}`,
      );
    }
    if (given.units >= worst.units) [worst, beside] = [given, own];
  }
  return `at most ${worst.difference.toExponential(1)} from a float64 run over ${sizes.length} ` +
    `random inputs, where float32 here is ${beside.difference.toExponential(1)}`;
}

/** The network with weights that were read back. */
function again(network: Network, read: { state: StateDict; head: StateDict }) {
  const { layer, head } = networkOf(
    { ...prefixed("rnn.", read.state), ...prefixed("fc.", read.head) },
    network.options,
  );
  return (inputs: Named) => runReference({ ...network, layer, head }, inputs);
}

function prefixed(prefix: string, state: StateDict): StateDict {
  return Object.fromEntries(Object.entries(state).map(([name, x]) => [prefix + name, x]));
}

/**
 * Converts a network.
 *
 * @throws {Error} if the format cannot express the network, or the file does not compute the same
 */
export async function convert(
  network: Network,
  format: Exclude<Format, "safetensors">,
  output: string,
): Promise<string[]> {
  if (format === "onnx") {
    const model = toOnnxModel(network);
    const run = await openOnnx(model);
    const found = run
      ? `checked in ONNX Runtime: ${await compare(network, run)}`
      : "not checked: onnxruntime-node is not at hand";
    await writeParts(output, [model]);
    return [found];
  }
  if (format === "webnn") {
    const file = toWebnnFile(network);
    const found = await compare(network, again(network, fromWebnnFile(file)));
    await writeParts(output, [file]);
    return [`read back and run here: ${found}`];
  }
  if (!output.endsWith(".weights.h5")) {
    throw new CheckpointError("Keras reads weights only from a file named *.weights.h5");
  }
  await writeKeras(network, output);
  const read = await readKeras(network, output);
  return [
    `read back and run here: ${await compare(network, again(network, read))}`,
    "In Python:",
    ...kerasProgram(network, output).map((line) => `  ${line}`),
  ];
}

/** Every tensor as it is, of any dtype; read back and compared byte for byte. */
async function convertToSafetensors(
  input: string,
  output: string,
  part: { at?: string[]; prefix?: string },
): Promise<string[]> {
  const { value, metadata } = await readCheckpoint(input);
  const tensors = storedStateDictOf(value, part);
  await saveSafetensors(output, tensors, { metadata: metadata ?? { format: "pt" } });
  const back = storedStateDictOf(parseCheckpoint(await readSource(output)).value);
  for (const [name, tensor] of Object.entries(tensors)) {
    const [wanted, given] = [tensor.bytes(), back[name]?.bytes()];
    if (!given || wanted.length !== given.length || wanted.some((byte, k) => byte !== given[k])) {
      throw new CheckpointError(`tensor ${name} does not come back`);
    }
  }
  return [`read back: ${Object.keys(tensors).length} tensors, equal byte for byte`];
}

const help = `Usage: deno task convert <file> --to onnx|keras|webnn|safetensors -o <file> [options]

Converts a checkpoint of PyTorch or a safetensors file: an RNN, LSTM or GRU, or a cell of one, and the
Linear that reads its output, if there is one; for onnx also the Embedding before it, and a LayerNorm
between the two. What is written is checked on random input: it must be
no further from a float64 run than ten times as far as float32 here is.

  onnx         a model that runs, with inputs and outputs by PyTorch's names
  keras        weights for model.load_weights, in a file named *.weights.h5
  webnn        the operands of MLGraphBuilder.lstm and gru, in a safetensors file
  safetensors  every tensor as it is

Options:
  --to FORMAT          what to convert to
  -o, --output FILE    the file to write
  --at KEY             the weights are under this key; again for a key inside that
  --prefix TEXT        only the weights whose names begin so, such as rnn.
  --batch-first        the input is (N, L, H_in) instead of (L, N, H_in)
  --nonlinearity NAME  tanh (default) or relu, of an RNN
  --every-step         the Linear reads every time step instead of the last
  --with-state         onnx only: the initial state is an input, too
  --ignore-others      passes over weights of anything else
  --widen              float16 and bfloat16 become float32
  --help               show this
`;

/** Carries out a command line; the lines to print. */
async function main({ text, texts: { at }, flag, rest }: Given): Promise<string[]> {
  const { nonlinearity, prefix, output } = text;
  const format = formats.find((name) => name === text.to);
  if (!format) throw new Error(`--to takes ${formats.join(", ")}, not ${text.to ?? "nothing"}`);
  if (rest.length !== 1) throw new Error(`wanted one file, got ${rest.length}`);
  if (!output) throw new Error("-o names the file to write");
  if (nonlinearity !== undefined && nonlinearity !== "tanh" && nonlinearity !== "relu") {
    throw new Error(`--nonlinearity takes tanh or relu, not ${nonlinearity}`);
  }
  const [input] = rest;
  if (format === "safetensors") {
    return [`wrote ${output}`, ...await convertToSafetensors(input, output, { at, prefix })];
  }
  const options: NetworkOptions = {
    nonlinearity,
    batchFirst: flag["batch-first"],
    everyStep: flag["every-step"],
    withState: flag["with-state"],
    ignoreOthers: flag["ignore-others"],
  };
  const { widen } = flag;
  const state = await loadCheckpoint(input, {
    ...{ at, prefix, widen, tensorsOnly: options.ignoreOthers },
  });
  const network = networkOf(state, options);
  const checks = await convert(network, format, output);
  const { embedding, layer, norm, head } = network;
  const parts = [embedding, layer, norm, head].filter((module) => module !== null);
  return [parts.join(", "), ...network.notes, `wrote ${output}`, ...checks];
}

if (import.meta.main) {
  await command("convert", help, async (given) => console.log((await main(given)).join("\n")));
}
