/** A model from its weights alone. */

import {
  any,
  bool,
  camelCase,
  check,
  checkOptions,
  dtype as dtypeKind,
  number,
  type Options,
  record,
} from "../call.ts";
import { Embedding } from "../nn/embedding.ts";
import { GRU, GRUCell } from "../nn/gru.ts";
import { LayerNorm } from "../nn/layer_norm.ts";
import { Linear } from "../nn/linear.ts";
import { LSTM, LSTMCell } from "../nn/lstm.ts";
import type { StateDict } from "../tensor/tensor.ts";
import { type Nonlinearity, RNN, RNNCell } from "../nn/rnn.ts";
import { SimpleRNN } from "../nn/simple_rnn.ts";
import { type FloatDType, isFloat } from "../tensor/dtype.ts";
import { CheckpointError } from "../checkpoints/error.ts";
import { quote } from "../checkpoints/refuse.ts";
import { type DetectedKind, type DetectedModule, detectModules } from "./detect.ts";

/**
 * What weights do not tell.
 * @category Modules from weights
 */
export interface ModelOptions {
  /** φ of an RNN or RNNCell. @default "tanh" */
  readonly nonlinearity?: Nonlinearity;
  /** Whether input and output have the batch first. @default false */
  readonly batchFirst?: boolean;
  /** The probability with which training zeroes what one layer hands to the next. */
  readonly dropout?: number;
}

const modelOptions: Options<ModelOptions> = {
  nonlinearity: any,
  batchFirst: bool,
  dropout: number,
};

/**
 * The modules that {@linkcode modelFromStateDict} makes.
 * @category Modules from weights
 */
export type DetectedModel =
  | RNN
  | LSTM
  | GRU
  | RNNCell
  | LSTMCell
  | GRUCell
  | Linear
  | Embedding
  | LayerNorm
  | SimpleRNN;

const classes = { RNN, LSTM, GRU, RNNCell, LSTMCell, GRUCell, Linear, Embedding, LayerNorm };
type Detectable = Exclude<DetectedModel, SimpleRNN>;

const layered = ["bias", "numLayers", "bidirectional", "batchFirst", "dropout"];

/** Which of what is detected and of the options each constructor takes. */
const takes: Readonly<Record<DetectedKind, readonly string[]>> = {
  RNN: [...layered, "nonlinearity"],
  LSTM: [...layered, "projSize"],
  GRU: layered,
  RNNCell: ["bias", "nonlinearity"],
  LSTMCell: ["bias"],
  GRUCell: ["bias"],
  Linear: ["bias"],
  Embedding: [],
  LayerNorm: ["bias"],
};

/**
 * A model, and what had to be assumed.
 * @category Modules from weights
 */
export interface ModelFromWeights {
  /** The model, with its weights, in evaluation mode. */
  readonly model: DetectedModel;
  /** What the weights do not tell, and what was taken for it; empty where all was told. */
  readonly assumed: readonly string[];
}

/**
 * Constructs the module that a {@linkcode DetectedModule} describes. Like every constructor it draws
 * its parameters from the default generator.
 *
 * @param detected which module
 * @param options what its weights do not tell
 * @param dtype the type of the parameters
 * @returns the module, its weights not yet loaded
 *
 * @example
 * ```ts
 * import { constructModule, detectModules, LSTM } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const state = new LSTM(3, 4, { bidirectional: true, projSize: 2 }).stateDict();
 * const [detected] = detectModules(state).modules;
 * assertEquals(
 *   String(constructModule(detected, { batchFirst: true })),
 *   "LSTM(3, 4, proj_size=2, batch_first=True, bidirectional=True)",
 * );
 * ```
 * @category Modules from weights
 */
export function constructModule(
  detected: DetectedModule,
  options: ModelOptions = {},
  dtype: FloatDType = "float32",
): Exclude<DetectedModel, SimpleRNN> {
  check([
    "constructModule",
    { detected: record, "options?": record, "dtype?": dtypeKind },
  ], arguments);
  checkOptions(["constructModule", {}, modelOptions], options);
  const { kind, inputSize, hiddenSize } = detected;
  checkFits(kind, options);
  if (kind === "LayerNorm") return new LayerNorm(hiddenSize, { bias: detected.bias, dtype });
  const all: Record<string, unknown> = { ...detected, ...options };
  const own = Object.fromEntries(takes[kind].map((name) => [name, all[name]]));
  const Kind = classes[kind] as new (input: number, hidden: number, own: object) => Detectable;
  return new Kind(inputSize, hiddenSize, { ...own, dtype });
}

/**
 * Makes a model from its weights: one RNN, LSTM, GRU, cell, Linear, Embedding or LayerNorm, or the notebook's SimpleRNN
 * (an RNN under `rnn.`, and a Linear with one output under `fc.`).
 *
 * @param state its `state_dict`
 * @param options what the weights do not tell; whatever is left out is assumed
 * @returns the model with these weights, in evaluation mode, and what was assumed
 * @throws {CheckpointError} if the weights are not those of one such model
 *
 * @example
 * ```ts
 * import { GRU, modelFromStateDict } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const state = new GRU(3, 4, { numLayers: 2 }).stateDict();
 * const { model, assumed } = modelFromStateDict(state, { batchFirst: true });
 * assertEquals(String(model), "GRU(3, 4, num_layers=2, batch_first=True)");
 * assertEquals(assumed, ["dropout 0"]);
 * ```
 * @category Modules from weights
 */
export function modelFromStateDict(state: StateDict, options: ModelOptions = {}): ModelFromWeights {
  check(["modelFromStateDict", { stateDict: record }, modelOptions], arguments);
  const { modules, others } = detectModules(state);
  const dtype = Object.values(state).map((x) => x.dtype).find(isFloat);
  const assumed = modules.flatMap((module) => module.assumed).filter((text) =>
    options[camelCase(text.split(" ")[0]) as keyof ModelOptions] === undefined
  );
  const whole = others.length === 0 && modules.length === 1 && modules[0].prefix === "";
  if (whole || isSimple(modules, others)) {
    const [first] = modules;
    if (!whole) checkFits("SimpleRNN", options);
    const model = whole
      ? constructModule(first, options, dtype)
      : new SimpleRNN(first.inputSize, first.hiddenSize, first.numLayers, { dtype });
    model.loadStateDict(state);
    model.eval();
    return { model, assumed: whole ? assumed : ["SimpleRNN, which is batch first and tanh"] };
  }
  const found = [
    ...modules.map(({ prefix, kind }) => prefix === "" ? kind : `${kind} under ${quote(prefix)}`),
    ...others.slice(0, 4).map(quote),
    ...(others.length > 4 ? [`${others.length - 4} more`] : []),
  ];
  throw new CheckpointError(
    `the state_dict is not that of one module: ${found.join(", ") || "it is empty"}` +
      (modules.length ? "; selectPrefix takes the weights of one" : ""),
  );
}

/** Refuses an option that the module does not have. */
function checkFits(kind: DetectedKind | "SimpleRNN", options: ModelOptions): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || (kind !== "SimpleRNN" && takes[kind].includes(name))) continue;
    throw new TypeError(`the module is a ${kind}, which takes no ${name}`);
  }
}

/** Whether the weights are those of the notebook's model. */
function isSimple(modules: readonly DetectedModule[], others: readonly string[]): boolean {
  if (modules.length !== 2 || others.length > 0) return false;
  const [rnn, fc] = modules;
  return rnn.prefix === "rnn." && rnn.kind === "RNN" && !rnn.bidirectional && rnn.bias &&
    fc.prefix === "fc." && fc.kind === "Linear" && fc.hiddenSize === 1 && fc.bias &&
    fc.inputSize === rnn.hiddenSize;
}
