/** What RNN, LSTM and GRU refuse, in PyTorch's order and words. */

import {
  bool,
  checkNames,
  dtype as dtypeKind,
  int,
  number,
  type Options,
  settle,
} from "../call.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { pythonFloat, pythonType, refuseFloat } from "../python.ts";
import { checkSize } from "../tensor/create.ts";
import { type DType, type FloatDType, listed, sameShape } from "../tensor/dtype.ts";
import { wrapDim } from "../tensor/blocks.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { State } from "./cell.ts";

/**
 * The arguments that RNN, LSTM and GRU share and that have defaults.
 * @category Recurrent layers
 */
export interface RNNBaseOptions {
  /** How many layers, each reading the output of the one below. @default 1 */
  readonly numLayers?: number;
  /** Whether there are biases. @default true */
  readonly bias?: boolean;
  /** Whether input and output are `(N, L, features)` instead of `(L, N, features)`. */
  readonly batchFirst?: boolean;
  /** The probability with which training zeroes what one layer hands to the next. */
  readonly dropout?: number;
  /** Whether every layer also runs from the last step to the first. */
  readonly bidirectional?: boolean;
  /** The type of the parameters. @default "float32" */
  readonly dtype?: FloatDType;
}

/** What the options are to be, in PyTorch's order. */
export const baseOptions: Options<RNNBaseOptions> = {
  numLayers: int,
  bias: bool,
  batchFirst: bool,
  dropout: number,
  bidirectional: bool,
  dtype: dtypeKind,
};

/** The arguments, checked and complete. */
export type Settings = Required<RNNBaseOptions> & { readonly projSize: number };

/** What the shapes of a call depend on. */
export interface CallShapes {
  /** H_in. */
  readonly inputSize: number;
  /** The features of each tensor of the state. */
  readonly features: readonly number[];
  /** How many layers there are. */
  readonly numLayers: number;
  /** D. */
  readonly numDirections: number;
  /** N. */
  readonly batch: number;
  /** The dtype of the parameters. */
  readonly dtype: DType;
}

/** The size of each tensor of the state: `(layers · D, N, features)`. */
export function stateSizes(call: CallShapes): number[][] {
  return call.features.map((own) => [call.numLayers * call.numDirections, call.batch, own]);
}

/** Refuses an input that is neither batched nor unbatched, and a state of another rank. */
export function checkRanks(name: string, input: Tensor, hx: State | null): void {
  const rank = input.dim();
  if (rank !== 2 && rank !== 3) {
    const noun = name === "RNN" ? " tensor" : "";
    throw new ValueError(`${name}: Expected input to be 2D or 3D, got ${rank}D${noun} instead`);
  }
  if (hx === null || hx.every((part) => part.dim() === rank)) return;
  const given = hx.map((part) => `${part.dim()}-D`);
  throw new RuntimeError(
    `For ${rank === 3 ? "batched" : "unbatched"} ${rank}-D input, ` +
      (given.length === 1
        ? `hx should also be ${rank}-D but got ${given[0]} tensor`
        : `hx and cx should also be ${rank}-D but got (${given.join(", ")}) tensors`),
  );
}

/** Refuses an input or a state that does not fit the parameters. */
export function checkCall(call: CallShapes, input: Tensor, rank: number, state: State): void {
  if (input.dtype !== call.dtype) {
    throw new ValueError(
      `RNN input dtype (torch.${input.dtype}) does not match weight dtype (torch.${call.dtype}). ` +
        `Convert input: input.to(torch.${call.dtype}), or convert model: ` +
        `model.to(torch.${input.dtype})`,
    );
  }
  if (input.dim() !== rank) {
    throw new RuntimeError(`input must have ${rank} dimensions, got ${input.dim()}`);
  }
  const features = input.shape[rank - 1];
  if (features !== call.inputSize) {
    throw new RuntimeError(
      `input.size(-1) must be equal to input_size. Expected ${call.inputSize}, got ${features}`,
    );
  }
  stateSizes(call).forEach((size, k) => {
    const part = state[k];
    if (sameShape(part.shape, size)) return;
    const which = state.length === 1 ? "hidden" : `hidden[${k}]`;
    throw new RuntimeError(
      `Expected ${which} size (${size.join(", ")}), got ${listed(part.shape)}`,
    );
  });
}

/**
 * Refuses a pair of states that does not fit the parameters, where the input is packed. The sizes
 * of features that are wrong in both alike are left to the first product.
 */
export function checkPair(call: CallShapes, state: State): void {
  for (const part of state) wrapDim(2, part.dim());
  const [h, c] = state;
  if ((h.shape[2] !== c.shape[2]) !== (call.features[0] !== call.features[1])) {
    throw new RuntimeError("got an incorrect number of RNN parameters");
  }
  for (const { shape: [layers, batch] } of state) {
    if (layers % call.numDirections !== 0) {
      throw new RuntimeError("Odd number of params or hiddens given to a bidirectional RNN");
    }
    if (layers !== call.numLayers * call.numDirections) {
      throw new RuntimeError("Expected more hidden states in stacked_rnn");
    }
    if (batch !== call.batch) { // PyTorch reads as many as it needs, or past the end
      throw new RuntimeError(`Expected a state of ${call.batch} sequences, got ${batch}`);
    }
  }
}

/** Checks the arguments as PyTorch does, in its order and words, and fills in the defaults. */
export function checkArguments(
  inputSize: unknown,
  hiddenSize: unknown,
  options: RNNBaseOptions & { readonly projSize?: number },
): Settings {
  const defaults: Settings = {
    numLayers: 1,
    bias: true,
    batchFirst: false,
    dropout: 0,
    bidirectional: false,
    dtype: "float32",
    projSize: 0,
  };
  checkNames(["RNNBase", {}, { ...baseOptions, projSize: int }], options);
  const settings = settle(defaults, options);
  const { numLayers, bias, batchFirst, dropout, bidirectional, projSize } = settings;
  if (typeof dropout === "object") refuseFloat(dropout);
  if (typeof dropout === "string" && Number.isNaN(Number(dropout))) {
    throw new ValueError(`could not convert string to float: '${dropout}'`);
  }
  checkDropout(dropout);
  if (dropout > 0 && numLayers === 1) {
    console.warn(
      "dropout option adds dropout after all but last recurrent layer, so non-zero dropout " +
        `expects num_layers greater than 1, but got dropout=${
          pythonFloat(dropout)
        } and num_layers=${numLayers}`,
    );
  }
  checkType("bias", bias, "bool");
  checkType("batch_first", batchFirst, "bool");
  checkType("input_size", inputSize, "int");
  checkPositive("input_size", inputSize as number);
  checkType("hidden_size", hiddenSize, "int");
  checkPositive("hidden_size", hiddenSize as number);
  checkOrder("<=", numLayers);
  checkPositive("num_layers", numLayers);
  checkOrder("<", projSize);
  if (projSize < 0) {
    throw new ValueError("proj_size should be a positive integer or zero to disable projections");
  }
  if (projSize >= (hiddenSize as number)) {
    throw new ValueError("proj_size has to be smaller than hidden_size");
  }
  if (typeof numLayers === "boolean") checkType("num_layers", numLayers, "int");
  if (pythonType(numLayers) !== "int") {
    throw new TypeError(`'${pythonType(numLayers)}' object cannot be interpreted as an integer`);
  }
  checkType("bidirectional", bidirectional, "bool");
  if (projSize) checkSize("empty", [hiddenSize as number, projSize]);
  return settings;
}

/** Refuses what is no probability. */
export function checkDropout(dropout: unknown): void {
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout <= 1)) {
    throw new ValueError(
      "dropout should be a number in range [0, 1] representing the probability of an element " +
        "being zeroed",
    );
  }
}

function checkType(name: string, value: unknown, type: "int" | "bool"): void {
  if (pythonType(value) !== type) {
    throw new TypeError(`${name} should be of type ${type}, got: ${pythonType(value)}`);
  }
}

/** Python compares numbers and truth values with an int, and nothing else. */
function checkOrder(operator: string, value: unknown): void {
  if (typeof value === "number" || typeof value === "boolean") return;
  const type = pythonType(value);
  throw new TypeError(`'${operator}' not supported between instances of '${type}' and 'int'`);
}

function checkPositive(name: string, value: number): void {
  if (value <= 0) throw new ValueError(`${name} must be greater than zero`);
}

/** Refuses a projection, which only an LSTM has. */
export function refuseProjection(options: object): void {
  if ((options as { projSize?: unknown }).projSize !== undefined) {
    throw new ValueError("proj_size argument is only supported for LSTM, not RNN or GRU");
  }
}
