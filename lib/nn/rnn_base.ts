/**
 * What RNN, LSTM and GRU have in common: their arguments, their parameters, their inputs.
 *
 * @module
 */

import { checkLinear } from "../autograd/linear.ts";
import { squeeze, transpose, transposeOwn, unsqueeze } from "../autograd/shape.ts";
import { cat, indexSelect, narrow, select, stack } from "../autograd/slices.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { pythonFloat, pythonType } from "../python.ts";
import { zeros } from "../tensor/create.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { CellParameters, Equation, State } from "./cell.ts";
import { dropout } from "./dropout.ts";
import { Module } from "./module.ts";
import { PackedSequence } from "./packed.ts";
import { recur } from "./recurrence.ts";

/** The arguments that RNN, LSTM and GRU share and that have defaults. */
export interface RNNBaseOptions {
  /** How many layers, each reading the output of the one below; 1 unless told otherwise. */
  readonly numLayers?: number;
  /** Whether there are biases; true unless told otherwise. */
  readonly bias?: boolean;
  /** Whether input and output are `(N, L, features)` instead of `(L, N, features)`. */
  readonly batchFirst?: boolean;
  /** The probability with which training zeroes what one layer hands to the next. */
  readonly dropout?: number;
  /** Whether every layer also runs from the last step to the first. */
  readonly bidirectional?: boolean;
  /** The type of the parameters; float32 unless told otherwise. */
  readonly dtype?: DType;
}

/** The arguments, checked and complete. */
type Settings = Required<RNNBaseOptions> & { readonly projSize: number };

/**
 * The base of {@linkcode RNN}, {@linkcode LSTM} and {@linkcode GRU} (`torch.nn.RNNBase`).
 *
 * Parameters, for every layer k and, where bidirectional, again with the suffix `_reverse`:
 * `weight_ih_l{k}`, `weight_hh_l{k}`, `bias_ih_l{k}`, `bias_hh_l{k}` and, with a projection,
 * `weight_hr_l{k}`; drawn in this order from the uniform distribution in ±1/√hidden_size.
 */
export abstract class RNNBase extends Module {
  readonly #equation: Equation;
  readonly #settings: Settings;

  /**
   * Draws the parameters from the default generator.
   *
   * @param equation what each cell computes
   * @param inputSize H_in, the features of the input
   * @param hiddenSize H, the features of the state
   * @param options the arguments with defaults
   * @throws {ValueError | TypeError} if an argument is out of range or of the wrong type
   */
  constructor(
    equation: Equation,
    readonly inputSize: number,
    readonly hiddenSize: number,
    options: RNNBaseOptions & { readonly projSize?: number } = {},
  ) {
    super();
    this.#equation = equation;
    this.#settings = settle(inputSize, hiddenSize, options);
    const { numLayers, bias, dtype, projSize } = this.#settings;
    const rows = equation.gates * hiddenSize;
    const outputSize = projSize || hiddenSize;
    const bound = 1 / Math.sqrt(hiddenSize);
    for (let layer = 0; layer < numLayers; layer++) {
      const features = layer === 0 ? inputSize : outputSize * this.numDirections;
      for (const suffix of this.#suffixes(layer)) {
        this.drawParameter(`weight_ih_${suffix}`, [rows, features], bound, dtype);
        this.drawParameter(`weight_hh_${suffix}`, [rows, outputSize], bound, dtype);
        if (bias) this.drawParameter(`bias_ih_${suffix}`, [rows], bound, dtype);
        if (bias) this.drawParameter(`bias_hh_${suffix}`, [rows], bound, dtype);
        if (projSize) {
          this.drawParameter(`weight_hr_${suffix}`, [projSize, hiddenSize], bound, dtype);
        }
      }
    }
  }

  /** How many layers there are. */
  get numLayers(): number {
    return this.#settings.numLayers;
  }

  /** Whether there are biases. */
  get bias(): boolean {
    return this.#settings.bias;
  }

  /** Whether input and output have the batch first. */
  get batchFirst(): boolean {
    return this.#settings.batchFirst;
  }

  /** The probability with which training zeroes what one layer hands to the next. */
  get dropout(): number {
    return this.#settings.dropout;
  }

  /** Whether there is a reverse direction. */
  get bidirectional(): boolean {
    return this.#settings.bidirectional;
  }

  /** H_proj, the features that an LSTM projects its hidden state to; 0 for no projection. */
  get projSize(): number {
    return this.#settings.projSize;
  }

  /** D: 2 where bidirectional, otherwise 1. */
  get numDirections(): number {
    return this.#settings.bidirectional ? 2 : 1;
  }

  #suffixes(layer: number): string[] {
    return this.bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`];
  }

  #parameters(suffix: string): CellParameters {
    return {
      weightIh: this.getParameter(`weight_ih_${suffix}`),
      weightHh: this.getParameter(`weight_hh_${suffix}`),
      biasIh: this.ownParameter(`bias_ih_${suffix}`),
      biasHh: this.ownParameter(`bias_hh_${suffix}`),
      weightHr: this.ownParameter(`weight_hr_${suffix}`),
    };
  }

  /** Runs a batch of sequences, one unbatched sequence, or a packed batch. */
  protected run<T extends Tensor | PackedSequence>(input: T, hx: State | null): [T, State] {
    const [output, final] = input instanceof PackedSequence
      ? this.#runPacked(input, hx)
      : this.#runTensor(input, hx);
    return [output as T, final]; // a packed sequence gives a packed sequence, a tensor a tensor
  }

  #runTensor(input: Tensor, hx: State | null): [Tensor, State] {
    this.#checkRanks(input, hx);
    if (input.dim() === 2) {
      const batchDim = this.batchFirst ? 0 : 1;
      const [output, final] = this.#runTensor(
        unsqueeze(input, batchDim),
        hx && hx.map((part) => unsqueeze(part, 1)),
      );
      return [squeeze(output, batchDim), final.map((part) => squeeze(part, 1))];
    }
    const batch = input.shape[this.batchFirst ? 0 : 1];
    const initial = hx ?? this.#zeroState(batch, input.dtype);
    this.#check(input, 3, batch, initial);
    const timeFirst = this.batchFirst ? transpose(input, 0, 1) : input;
    if (timeFirst.shape[0] === 0) {
      throw new RuntimeError("Expected sequence length to be larger than 0 in RNN");
    }
    const steps = Array.from({ length: timeFirst.shape[0] }, (_, t) => select(timeFirst, 0, t));
    const { outputs, final } = this.#recur(steps, initial);
    const output = stack(outputs);
    return [this.batchFirst ? transposeOwn(output, 0, 1) : output, final];
  }

  #runPacked(input: PackedSequence, hx: State | null): [PackedSequence, State] {
    const { data, batchSizes, sortedIndices, unsortedIndices } = input;
    const initial = hx?.map((part) => permute(part, sortedIndices)) ??
      this.#zeroState(batchSizes[0], data.dtype);
    if (this.#equation.states === 1) {
      this.#check(data, 2, batchSizes[0], initial);
    } else { // PyTorch's LSTM leaves the input of a packed batch to the first product to refuse
      const { weightIh, biasIh } = this.#parameters("l0");
      checkLinear(data, weightIh, biasIh);
      this.#checkState(initial, batchSizes[0]);
    }
    let start = 0;
    const steps = batchSizes.map((size) => {
      start += size;
      return narrow(data, 0, start - size, size);
    });
    const { outputs, final } = this.#recur(steps, initial);
    return [
      new PackedSequence(cat(outputs), batchSizes, sortedIndices, unsortedIndices),
      final.map((part) => permute(part, unsortedIndices)),
    ];
  }

  #recur(steps: readonly Tensor[], initial: State): { outputs: readonly Tensor[]; final: State } {
    const parameters = Array.from(
      { length: this.numLayers },
      (_, layer) => this.#suffixes(layer).map((suffix) => this.#parameters(suffix)),
    );
    const between = (output: Tensor) => dropout(output, this.dropout, this.training);
    return recur(this.#equation.step, parameters, steps, initial, between);
  }

  /** The sizes of h and c: `(layers · directions, N, H)`, with H_proj for h where there is one. */
  #stateSize(part: number, batch: number): number[] {
    const features = part === 0 ? this.projSize || this.hiddenSize : this.hiddenSize;
    return [this.numLayers * this.numDirections, batch, features];
  }

  #zeroState(batch: number, dtype: DType): State {
    return Array.from(
      { length: this.#equation.states },
      (_, part) => zeros(this.#stateSize(part, batch), { dtype }),
    );
  }

  #checkRanks(input: Tensor, hx: State | null): void {
    const [name, rank] = [this.getName(), input.dim()];
    if (rank !== 2 && rank !== 3) {
      const noun = name === "RNN" ? " tensor" : "";
      throw new ValueError(
        `${name}: Expected input to be 2D or 3D, got ${rank}D${noun} instead`,
      );
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

  #check(input: Tensor, rank: number, batch: number, state: State): void {
    const wanted = this.#parameters("l0").weightIh.dtype;
    if (input.dtype !== wanted) {
      throw new ValueError(
        `RNN input dtype (torch.${input.dtype}) does not match weight dtype (torch.${wanted}). ` +
          `Convert input: input.to(torch.${wanted}), or convert model: ` +
          `model.to(torch.${input.dtype})`,
      );
    }
    if (input.dim() !== rank) {
      throw new RuntimeError(`input must have ${rank} dimensions, got ${input.dim()}`);
    }
    const features = input.shape[rank - 1];
    if (features !== this.inputSize) {
      throw new RuntimeError(
        `input.size(-1) must be equal to input_size. Expected ${this.inputSize}, got ${features}`,
      );
    }
    this.#checkState(state, batch);
  }

  #checkState(state: State, batch: number): void {
    state.forEach((part, k) => {
      const size = this.#stateSize(k, batch);
      if (String(part.shape) === String(size)) return;
      const which = state.length === 1 ? "hidden" : `hidden[${k}]`;
      throw new RuntimeError(
        `Expected ${which} size (${size.join(", ")}), got [${part.shape.join(", ")}]`,
      );
    });
  }

  /** Returns the sizes and every argument that is not at its default, as PyTorch prints them. */
  protected override extraRepr(): string {
    const { projSize, numLayers, bias, batchFirst, dropout, bidirectional } = this.#settings;
    return [
      `${this.inputSize}, ${this.hiddenSize}`,
      projSize !== 0 && `proj_size=${projSize}`,
      numLayers !== 1 && `num_layers=${numLayers}`,
      !bias && "bias=False",
      batchFirst && "batch_first=True",
      dropout !== 0 && `dropout=${pythonFloat(dropout)}`,
      bidirectional && "bidirectional=True",
    ].filter(Boolean).join(", ");
  }
}

/** The batch of a state, `(layers · directions, N, H)`, in another order. */
function permute(state: Tensor, order: readonly number[] | null): Tensor {
  return order ? indexSelect(state, 1, order) : state;
}

/** Checks the arguments as PyTorch does, in its order and words, and fills in the defaults. */
function settle(
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
  const unknown = Object.keys(options).find((key) => !Object.hasOwn(defaults, key));
  if (unknown !== undefined) {
    throw new TypeError(`RNNBase.__init__() got an unexpected keyword argument '${unknown}'`);
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const settings: Settings = { ...defaults, ...Object.fromEntries(given) };
  const { numLayers, bias, batchFirst, dropout, bidirectional, projSize } = settings;
  if (typeof dropout === "string" && Number.isNaN(Number(dropout))) {
    throw new ValueError(`could not convert string to float: '${dropout}'`);
  }
  if (typeof dropout !== "number" || !(dropout >= 0 && dropout <= 1)) {
    throw new ValueError(
      "dropout should be a number in range [0, 1] representing the probability of an element " +
        "being zeroed",
    );
  }
  if (dropout > 0 && numLayers === 1) {
    console.warn(
      "dropout option adds dropout after all but last recurrent layer, so non-zero dropout " +
        `expects num_layers greater than 1, but got dropout=${dropout} and num_layers=${numLayers}`,
    );
  }
  checkType("bias", bias, "bool");
  checkType("batch_first", batchFirst, "bool");
  checkType("input_size", inputSize, "int");
  checkPositive("input_size", inputSize as number);
  checkType("hidden_size", hiddenSize, "int");
  checkPositive("hidden_size", hiddenSize as number);
  if (pythonType(numLayers) !== "int") {
    throw new TypeError(`'${pythonType(numLayers)}' object cannot be interpreted as an integer`);
  }
  checkPositive("num_layers", numLayers);
  checkType("bidirectional", bidirectional, "bool");
  checkType("proj_size", projSize, "int");
  if (projSize < 0) {
    throw new ValueError("proj_size should be a positive integer or zero to disable projections");
  }
  if (projSize >= (hiddenSize as number)) {
    throw new ValueError("proj_size has to be smaller than hidden_size");
  }
  return settings;
}

function checkType(name: string, value: unknown, type: "int" | "bool"): void {
  if (pythonType(value) !== type) {
    throw new TypeError(`${name} should be of type ${type}, got: ${pythonType(value)}`);
  }
}

function checkPositive(name: string, value: number): void {
  if (value <= 0) throw new ValueError(`${name} must be greater than zero`);
}
