/**
 * This implementation's side of the conformance protocol: reads requests as lines of JSON from
 * standard input, and answers each with a line of JSON on standard output.
 *
 * ```sh
 * echo '{"id": 1, "op": "repr", "module": "LSTM", "args": {"input_size": 3, "hidden_size": 4}}' |
 *   deno run scripts/adapters/reference.ts
 * ```
 */

import { createHash } from "node:crypto";
import * as rnn from "../../mod.ts";
import {
  type Answer,
  decode,
  decodeStateDict,
  type Digest,
  encode,
  type JsonTensor,
  type Request,
  serve,
  Unsupported,
} from "../../lib/conformance/mod.ts";
import { evaluateRecurrence, type OnnxRecurrentInputs, recurrenceOf } from "../../lib/onnx/mod.ts";
import { stdio } from "./stdio.ts";
import { walkthrough } from "../walkthrough.ts";
import { run as runLine } from "../index/lines.ts";
import { type Arguments, computations, functions, type Inputs, optionsOf } from "./functions.ts";
import { checkpointOperations } from "./checkpoints.ts";
import { inplace } from "./inplace.ts";
import { callAround, fill, makeModule } from "./modules.ts";
import { makeLoss, trainingOperations } from "./training.ts";

/** A module by its name in `torch.nn`, constructed as the request says. */
function build({ module, args = {}, dtype }: Request): rnn.Module {
  const {
    input_size,
    hidden_size,
    in_features,
    out_features,
    num_layers,
    num_embeddings,
    embedding_dim,
    normalized_shape,
    p,
    ...rest
  } = args as Arguments;
  const options = { ...optionsOf(rest), dtype };
  const stacked = num_layers === undefined ? options : { ...options, numLayers: num_layers };
  switch (module) {
    case "Linear":
      return new rnn.Linear(in_features, out_features, options);
    case "RNN":
      return new rnn.RNN(input_size, hidden_size, stacked);
    case "LSTM":
      return new rnn.LSTM(input_size, hidden_size, stacked);
    case "GRU":
      return new rnn.GRU(input_size, hidden_size, stacked);
    case "RNNCell":
      return new rnn.RNNCell(input_size, hidden_size, options);
    case "LSTMCell":
      return new rnn.LSTMCell(input_size, hidden_size, options);
    case "GRUCell":
      return new rnn.GRUCell(input_size, hidden_size, options);
    case "Embedding":
      return new rnn.Embedding(num_embeddings, embedding_dim, options);
    case "LayerNorm":
      return new rnn.LayerNorm(normalized_shape, options);
    case "Dropout":
      return new rnn.Dropout(p);
    case "SimpleRNN":
      return new rnn.SimpleRNN(input_size, hidden_size, num_layers, options);
    default: {
      const made = makeLoss(String(module), args) ??
        makeModule({ op: "", module, args, dtype }, build);
      if (made) return made;
      throw new Unsupported(`module ${module}`);
    }
  }
}

function inputsOf({ inputs = {}, dtype = "float32" }: Request): Inputs {
  const read = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map((item) => typeof item === "object" ? read(item) : item)
      : decode(value as JsonTensor, dtype);
  return Object.fromEntries(
    Object.entries(inputs).map(([name, value]) => [name, read(value)]),
  ) as unknown as Inputs;
}

/** Calls a module as its kind is called; its outputs by PyTorch's names. */
function run(module: rnn.Module, inputs: Inputs): Record<string, rnn.Tensor> {
  const { input, h_0, c_0, lengths } = inputs;
  const pair = h_0 && c_0 ? [h_0, c_0] as const : null;
  if (module instanceof rnn.RNNCell || module instanceof rnn.GRUCell) {
    return { h_1: module.forward(input, h_0) };
  }
  if (module instanceof rnn.LSTMCell) {
    const [h_1, c_1] = module.forward(input, pair);
    return { h_1, c_1 };
  }
  if (module instanceof rnn.RNNBase) {
    const { batchFirst } = module;
    const sequence = lengths
      ? rnn.packPaddedSequence(input, lengths, { batchFirst, enforceSorted: false })
      : input;
    const [output, state] = module instanceof rnn.LSTM
      ? module.forward(sequence, pair)
      : (module as rnn.RNN | rnn.GRU).forward(sequence, h_0);
    return {
      output: output instanceof rnn.PackedSequence
        ? rnn.padPackedSequence(output, { batchFirst })[0]
        : output,
      ...(state instanceof rnn.Tensor ? { h_n: state } : { h_n: state[0], c_n: state[1] }),
    };
  }
  return { output: (module as rnn.Linear).forward(input) };
}

function encodeAll(tensors: Record<string, rnn.Tensor>): Record<string, JsonTensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, encode(x)]));
}

function digest(x: rnn.Tensor): Digest {
  const { buffer, byteOffset, byteLength } = x.data;
  const bytes = new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const { shape, data } = encode(x);
  return { shape, sha256, first: data.slice(0, 4) };
}

function forward(request: Request): Answer {
  const module = build(request);
  if (request.state_dict) module.loadStateDict(decodeStateDict(request));
  module.train(request.training ?? false);
  return { outputs: encodeAll(rnn.noGrad(() => run(module, inputsOf(request)))) };
}

function init(request: Request): Answer {
  if (request.function) {
    const { function: name, args, dtype } = request;
    const tensor = fill(name, { ...args, seed: seedOf(request) }, dtype);
    if (!tensor) throw new Unsupported(`function ${name}`);
    return { state_dict: encodeAll({ tensor, after: rnn.rand([2], { dtype }) }) };
  }
  rnn.manualSeed(seedOf(request));
  let module = build(request);
  for (let k = 1; k < (request.constructions ?? 1); k++) module = build(request);
  const state = module.stateDict();
  if (!request.digest) return { state_dict: encodeAll(state) };
  return {
    state_dict: Object.fromEntries(Object.entries(state).map(([name, x]) => [name, digest(x)])),
  };
}

function seedOf({ seed = 0 }: Request): number | bigint {
  return typeof seed === "string" ? BigInt(seed) : seed;
}

function draw(request: Request): Answer {
  const generator = new rnn.Generator().manualSeed(seedOf(request));
  const { size } = request.args as { size: number[] };
  const { dtype } = request;
  const options = { dtype, generator };
  const output = request.op === "rand" ? rnn.rand(size, options) : rnn.randn(size, options);
  return { outputs: { output: encode(output) } };
}

function print(request: Request): Answer {
  const { function: name, requires_grad: leaves = [] } = request;
  if (name !== undefined) {
    if (!Object.hasOwn(computations, name)) throw new Unsupported(`function ${name}`);
    const inputs = inputsOf(request);
    for (const leaf of leaves) {
      (inputs as unknown as Record<string, rnn.Tensor>)[leaf].requiresGrad = true;
    }
    const result = computations[name](inputs, optionsOf(request.args));
    return { print: String(result instanceof rnn.Tensor ? result : result.values) };
  }
  const { requires_grad = false, grad_fn = null } = request.args as Arguments;
  const options = { requiresGrad: requires_grad, gradFn: grad_fn };
  return { print: rnn.formatTensor(inputsOf(request).input, options) };
}

function call(request: Request): Answer {
  const { function: name = "", args = {}, dtype = "float32" } = request;
  const around = callAround(request, inputsOf(request), build);
  if (around) return { outputs: around };
  if (!Object.hasOwn(functions, name)) throw new Unsupported(`function ${name}`);
  if (request.seed !== undefined) rnn.manualSeed(seedOf(request));
  return { outputs: functions[name](inputsOf(request), optionsOf(args), dtype) };
}

function notebook(request: Request): Answer {
  const { input_dim, hidden_dim, layer_dim, batch_size, seq_len } = request.args as Arguments;
  return {
    print: walkthrough({
      seed: seedOf(request),
      constructions: request.constructions ?? 1,
      inputSize: input_dim,
      hiddenSize: hidden_dim,
      numLayers: layer_dim,
      batchSize: batch_size,
      seqLen: seq_len,
    }),
  };
}

/** A node of ONNX. */
function node({ module, args = {}, opset = 0, dtype = "float32", inputs = {} }: Request): Answer {
  const read = (value: unknown) =>
    Array.isArray(value) ? value : decode(value as JsonTensor, dtype);
  const tensors = Object.entries(inputs).map(([name, value]) => [name, read(value)]);
  const recurrence = recurrenceOf(module as rnn.LayerKind, args, opset);
  const { Y, Yh, Yc } = evaluateRecurrence(
    recurrence,
    optionsOf(Object.fromEntries(tensors)) as OnnxRecurrentInputs,
  );
  return { outputs: encodeAll({ Y, Y_h: Yh, ...(Yc && { Y_c: Yc }) }) };
}

function line({ args }: Request): Answer {
  const printed = runLine(String((args as Arguments).line));
  if (printed === null) throw new Unsupported("this line");
  return { print: printed };
}

const tools = { build, run, inputsOf, unsupported: (what: string) => new Unsupported(what) };

const operations: Record<string, (request: Request) => Answer> = {
  ...trainingOperations(tools),
  ...checkpointOperations(tools),
  call,
  forward,
  init,
  inplace: (request) => inplace(request, tools),
  node,
  line,
  notebook,
  print,
  rand: draw,
  randn: draw,
  size: ({ args }) => ({ print: rnn.formatSize((args as { size: number[] }).size) }),
};

/** What to write instead, behind PyTorch's message. */
const advice = /; (did you mean \w+\?|\w+ returns a tuple: .*)$/;

/**
 * Answers a request.
 *
 * @returns what this implementation computes, or how it refuses, or why it cannot
 */
export function answer(request: Request): Answer {
  try {
    if (!Object.hasOwn(operations, request.op)) throw new Unsupported(`op ${request.op}`);
    return operations[request.op](request);
  } catch (error) {
    if (error instanceof Unsupported) return { unsupported: error.message };
    const { name, message } = error as Error;
    // What to write instead is said in the names of this language, which a request does not use.
    return { error: { type: name, message: message.replace(advice, "") } };
  }
}

if (import.meta.main) await serve(answer, stdio);
