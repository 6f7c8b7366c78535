/** What RNN, LSTM and GRU have in common: their arguments, their parameters, their inputs. */

import { checkCount } from "../call.ts";
import { checkLinear } from "../autograd/linear.ts";
import { squeeze, transpose, transposeOwn, unsqueeze } from "../autograd/shape.ts";
import { cat, stack } from "../autograd/join.ts";
import { indexSelect, narrow, select } from "../autograd/slices.ts";
import { RuntimeError } from "../errors.ts";
import { eachOf, endOf, parameterName } from "../parameters.ts";
import { pythonFloat } from "../python.ts";
import { zeros } from "../tensor/create.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { boundOf } from "./arguments.ts";
import type { CellTensors, Equation, State } from "./cell.ts";
import { dropout } from "./dropout.ts";
import { FastPath } from "./fast.ts";
import { Module } from "./module.ts";
import type { Parameter } from "./parameter.ts";
import { PackedSequence } from "./packed.ts";
import { runLayers } from "./recurrence.ts";
import {
  type CallShapes,
  checkArguments,
  checkCall,
  checkDropout,
  checkPair,
  checkRanks,
  refuseProjection,
  type RNNBaseOptions,
  type Settings,
  stateSizes,
} from "./rnn_checks.ts";
import { Stream } from "./stream.ts";

/**
 * What comes out where a `T` goes in: a packed batch for a packed batch, a tensor for a tensor.
 * @category Recurrent layers
 */
export type SequenceLike<T> = T extends PackedSequence ? PackedSequence : Tensor;

/**
 * The base of {@linkcode RNN}, {@linkcode LSTM} and {@linkcode GRU} (`torch.nn.RNNBase`).
 *
 * Parameters, for every layer k and, where bidirectional, again with the suffix `_reverse`:
 * `weight_ih_l{k}`, `weight_hh_l{k}`, `bias_ih_l{k}`, `bias_hh_l{k}` and, with a projection,
 * `weight_hr_l{k}`; drawn in this order from the uniform distribution in ±1/√hidden_size.
 * @category Recurrent layers
 */
export abstract class RNNBase extends Module {
  readonly #equation: Equation;
  #settings: Settings;
  readonly #fast: FastPath | null;
  /** For each layer and direction, at index `layer · D + direction`: its parameters' full names. */
  readonly #names: Record<string, string>[] = [];
  /**
   * For each layer and direction: its parameters, by their names in the equation. A new array stands
   * here once a parameter was replaced by another tensor; the fast path notices that.
   */
  #parameters: CellTensors[] = [];

  /** H_in, the features of the input. */
  readonly inputSize: number;
  /** H, the features of the state. */
  readonly hiddenSize: number;

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
    inputSize: number,
    hiddenSize: number,
    options: RNNBaseOptions & { readonly projSize?: number } = {},
  ) {
    super();
    // With H = 2 and H_out = 1, a cell whose h still has 2 features does not know a projection.
    if (equation.state({ hidden: 2, output: 1 })[0] === 2) refuseProjection(options);
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.#equation = equation;
    this.#settings = checkArguments(inputSize, hiddenSize, options);
    const { numLayers, bias, dtype, projSize } = this.#settings;
    const sizes = { inputSize, hiddenSize, projSize, numLayers, numDirections: this.numDirections };
    this.#fast = equation.kernel ? new FastPath({ kind: equation.kernel, ...sizes }) : null;
    for (let layer = 0; layer < numLayers; layer++) {
      const input = layer === 0 ? inputSize : this.numDirections * this.#output;
      const own = { input, hidden: hiddenSize, output: this.#output, bias };
      for (let direction = 0; direction < this.numDirections; direction++) {
        const end = endOf(layer, direction);
        this.#names.push(eachOf(equation.parameters, (key) => parameterName(key, end)));
        const drawn = eachOf(equation.parameters, (key, shapeOf) => {
          const shape = shapeOf(own);
          return shape &&
            this.drawParameter(parameterName(key, end), shape, boundOf(hiddenSize), dtype);
        });
        this.#parameters.push(drawn);
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

  /** Setting it to something else than a number from 0 to 1 throws PyTorch's `ValueError`. */
  set dropout(p: number) {
    checkDropout(p);
    this.#settings = { ...this.#settings, dropout: p };
  }

  /** The parameters, a list for each layer and direction (`all_weights`). */
  get allWeights(): Parameter[][] {
    return this.#parameters.map((own) =>
      Object.values(own).filter((weight): weight is Parameter => weight !== null)
    );
  }

  /** Does nothing, as in PyTorch on a CPU: weights lie as they are. */
  flattenParameters(): void {
    checkCount("RNNBase.flattenParameters", 0, arguments);
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

  /** H_out. */
  get #output(): number {
    return this.projSize || this.hiddenSize;
  }

  /** Keeps what a name stands for, perhaps in place of another parameter. */
  protected override put(...given: Parameters<Module["put"]>): void {
    super.put(...given);
    const [, name] = given;
    this.#parameters = this.#parameters.map((own, k) =>
      eachOf(
        this.#equation.parameters,
        (key) => this.#names[k][key] === name ? this.ownParameter(name) : own[key],
      )
    );
  }

  /** Runs a batch of sequences, one unbatched sequence, or a packed batch. */
  protected run<T extends Tensor | PackedSequence>(
    input: T,
    hx: State | null,
  ): [SequenceLike<T>, State] {
    const [output, final] = this.#runFast(input, hx) ??
      (input instanceof PackedSequence ? this.#runPacked(input, hx) : this.#runTensor(input, hx));
    return [output as SequenceLike<T>, final];
  }

  /**
   * Makes a stream: the network in real time, one step after the other (KERNEL-5).
   *
   * @returns a stream with the weights as they are now and a zero state
   * @throws {ValueError} if the module has two directions
   */
  stream(): Stream {
    checkCount("RNNBase.stream", 0, arguments);
    const { inputSize, hiddenSize, projSize, numLayers, numDirections } = this;
    const parameters = this.#parameters;
    return new Stream({
      equation: this.#equation,
      sizes: { inputSize, hiddenSize, projSize, numLayers, numDirections },
      parameters,
      stepper: () => this.#fast && this.#fast.stepper(parameters),
    });
  }

  /** Takes the fast path; `null` where it does not compute the same. */
  #runFast(
    input: Tensor | PackedSequence,
    hx: State | null,
  ): [Tensor | PackedSequence, State] | null {
    if (!this.#fast) return null;
    return this.#fast.run(
      input,
      hx,
      this.#parameters,
      this.batchFirst,
      this.training && this.numLayers > 1 ? this.dropout : 0,
      this.training,
    );
  }

  #runTensor(input: Tensor, hx: State | null): [Tensor, State] {
    checkRanks(this.getName(), input, hx);
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
    checkCall(this.#shapes(batch), input, 3, initial);
    // Where one extent is 1, PyTorch's product can read a view; otherwise it reads a copy.
    const turn = input.shape[0] > 1 && input.shape[1] > 1 ? transposeOwn : transpose;
    const timeFirst = this.batchFirst ? turn(input, 0, 1) : input;
    if (timeFirst.shape[0] === 0) {
      throw new RuntimeError("Expected sequence length to be larger than 0 in RNN");
    }
    const steps = Array.from({ length: timeFirst.shape[0] }, (_, t) => select(timeFirst, 0, t));
    const { outputs, final } = this.#runLayers(steps, initial);
    const output = stack(outputs);
    return [this.batchFirst ? transposeOwn(output, 0, 1) : output, final];
  }

  #runPacked(input: PackedSequence, hx: State | null): [PackedSequence, State] {
    const { data, batchSizes, sortedIndices, unsortedIndices } = input;
    const initial = hx?.map((part) => permute(part, sortedIndices)) ??
      this.#zeroState(batchSizes[0], data.dtype);
    if (initial.length === 1) checkCall(this.#shapes(batchSizes[0]), data, 2, initial);
    else this.#checkPackedPair(data, batchSizes[0], initial);
    let start = 0;
    const steps = batchSizes.map((size) => {
      start += size;
      return narrow(data, 0, start - size, size);
    });
    const { outputs, final } = this.#runLayers(steps, initial);
    return [
      new PackedSequence(cat(outputs), batchSizes, sortedIndices, unsortedIndices),
      final.map((part) => permute(part, unsortedIndices)),
    ];
  }

  /**
   * Raises what PyTorch's LSTM raises for a packed batch, which it does not check beforehand: the
   * error of its first matrix product.
   */
  #checkPackedPair(data: Tensor, batch: number, initial: State): void {
    const { weightIh, biasIh } = this.#parameters[0];
    checkPair(this.#shapes(batch), initial);
    if (weightIh) checkLinear(data, weightIh, biasIh ?? null);
  }

  #runLayers(
    steps: readonly Tensor[],
    initial: State,
  ): { outputs: readonly Tensor[]; final: State } {
    const { weightHh, biasHh, weightHr } = this.#parameters[0];
    const product = weightHr ?? weightHh;
    for (const part of initial.slice(1)) { // PyTorch promotes c, and then refuses the h made of it
      if (!product || part.dtype === product.dtype) continue;
      checkLinear(part, product, weightHr ? null : biasHh ?? null);
    }
    const betweenLayers = (output: Tensor) => dropout(output, this.dropout, this.training);
    const layers = Array.from(
      { length: this.numLayers },
      (_, layer) =>
        this.#parameters.slice(layer * this.numDirections, (layer + 1) * this.numDirections),
    );
    return runLayers(this.#equation, layers, steps, initial, betweenLayers);
  }

  #shapes(batch: number): CallShapes {
    const { inputSize, hiddenSize, numLayers, numDirections } = this;
    const features = this.#equation.state({ hidden: hiddenSize, output: this.#output });
    const { dtype } = Object.values(this.#parameters[0])[0]!;
    return { inputSize, features, numLayers, numDirections, batch, dtype };
  }

  #zeroState(batch: number, dtype: DType): State {
    return stateSizes(this.#shapes(batch)).map((size) => zeros(size, { dtype }));
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
