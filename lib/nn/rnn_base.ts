/** What RNN, LSTM and GRU have in common: their arguments, their parameters, their inputs. */

import { checkCount } from "../call.ts";
import { checkLinear } from "../autograd/linear.ts";
import { squeeze, transpose, transposeOwn, unsqueeze } from "../autograd/shape.ts";
import { cat, stack } from "../autograd/join.ts";
import { indexSelect, narrow } from "../autograd/slices.ts";
import { RuntimeError } from "../errors.ts";
import { eachOf, endOf, parameterName } from "../parameters.ts";
import { pythonFloat } from "../python.ts";
import { zeros } from "../tensor/create.ts";
import type { StackSizes } from "../kernels/packing.ts";
import type { DType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { CellTensors, Equation, State } from "./cell.ts";
import { dropout } from "./dropout.ts";
import { FastPath } from "./fast.ts";
import { Module } from "./module.ts";
import { boundOf, type Parameter } from "./parameter.ts";
import { PackedSequence } from "./packed.ts";
import { rowsOf } from "./padding.ts";
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
  readonly #settings: Omit<StackSizes, "kind">;
  /** The features of each tensor of the state. */
  readonly #features: readonly number[];
  readonly #fast: FastPath | null;
  #dropout: number;
  /** What `#cells` found; `null` once a parameter was replaced by another tensor. */
  #found: readonly CellTensors[] | null = null;

  /** H_in, the features of the input. */
  declare readonly inputSize: number;
  /** H, the features of the state. */
  declare readonly hiddenSize: number;
  /** H_proj, the features that an LSTM projects its hidden state to; 0 for no projection. */
  declare readonly projSize: number;
  /** How many layers there are. */
  declare readonly numLayers: number;
  /** Whether there are biases. */
  declare readonly bias: boolean;
  /** Whether input and output have the batch first. */
  declare readonly batchFirst: boolean;
  /** Whether there is a reverse direction. */
  declare readonly bidirectional: boolean;
  /** D: 2 where bidirectional, otherwise 1. */
  declare readonly numDirections: number;

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
    const { dtype, dropout, ...given } = checkArguments(inputSize, hiddenSize, options);
    const { numLayers, bias, projSize } = given;
    const numDirections = given.bidirectional ? 2 : 1;
    const settings = Object.freeze({ inputSize, hiddenSize, numDirections, ...given });
    Object.defineProperties(this, Object.getOwnPropertyDescriptors(settings));
    this.#equation = equation;
    this.#settings = settings;
    this.#dropout = dropout;
    this.#fast = equation.kernel ? new FastPath({ kind: equation.kernel, ...settings }) : null;
    const own = { hidden: hiddenSize, output: projSize || hiddenSize, bias };
    this.#features = equation.state(own);
    for (let k = 0; k < numLayers * numDirections; k++) {
      const input = k < numDirections ? inputSize : numDirections * own.output;
      eachOf(equation.parameters, (key, shapeOf) => {
        const shape = shapeOf({ ...own, input });
        if (shape) this.drawParameter(this.#nameOf(key, k), shape, boundOf(hiddenSize), dtype);
      });
    }
  }

  /** The probability with which training zeroes what one layer hands to the next. */
  get dropout(): number {
    return this.#dropout;
  }

  /** Setting it to something else than a number from 0 to 1 throws PyTorch's `ValueError`. */
  set dropout(p: number) {
    checkDropout(p);
    this.#dropout = p;
  }

  /** The parameters, a list for each layer and direction (`all_weights`). */
  get allWeights(): Parameter[][] {
    return this.#cells.map((own) =>
      Object.values(own).filter((weight): weight is Parameter => weight !== null)
    );
  }

  /** Does nothing, as in PyTorch on a CPU: weights lie as they are. */
  flattenParameters(): void {
    checkCount("RNNBase.flattenParameters", 0, arguments);
  }

  /** The full name of a parameter of the cell at index `layer · D + direction`. */
  #nameOf(key: string, k: number): string {
    const { numDirections } = this;
    return parameterName(key, endOf(Math.floor(k / numDirections), k % numDirections));
  }

  /**
   * For each layer and direction: its parameters, by their names in the equation. The same array as
   * long as they are the same tensors; the fast path notices another one.
   */
  get #cells(): readonly CellTensors[] {
    return this.#found ??= Array.from(
      { length: this.numLayers * this.numDirections },
      (_, k) => eachOf(this.#equation.parameters, (key) => this.ownParameter(this.#nameOf(key, k))),
    );
  }

  /** Keeps what a name stands for, perhaps in place of another parameter. */
  protected override put(...given: Parameters<Module["put"]>): void {
    super.put(...given);
    this.#found = null;
  }

  /** Runs a batch of sequences, one unbatched sequence, or a packed batch. */
  protected run<T extends Tensor | PackedSequence>(
    input: T,
    hx: State | null,
  ): [SequenceLike<T>, State] {
    const p = this.training && this.numLayers > 1 ? this.dropout : 0;
    const [output, final] =
      this.#fast?.run(input, hx, this.#cells, this.batchFirst, p, this.training) ??
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
    const parameters = this.#cells;
    return new Stream({
      equation: this.#equation,
      sizes: this.#settings,
      parameters,
      stepper: () => this.#fast && this.#fast.stepper(parameters),
    });
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
    const call = this.#call(input.shape[this.batchFirst ? 0 : 1]);
    const initial = hx ?? zeroState(call, input.dtype);
    checkCall(call, input, 3, initial);
    // Where one extent is 1, PyTorch's product can read a view; otherwise it reads a copy.
    const turn = input.shape[0] > 1 && input.shape[1] > 1 ? transposeOwn : transpose;
    const timeFirst = this.batchFirst ? turn(input, 0, 1) : input;
    if (timeFirst.shape[0] === 0) {
      throw new RuntimeError("Expected sequence length to be larger than 0 in RNN");
    }
    const { outputs, final } = this.#runLayers(rowsOf(timeFirst), initial);
    const output = stack(outputs);
    return [this.batchFirst ? transposeOwn(output, 0, 1) : output, final];
  }

  #runPacked(input: PackedSequence, hx: State | null): [PackedSequence, State] {
    const { data, batchSizes, sortedIndices, unsortedIndices } = input;
    const call = this.#call(batchSizes[0]);
    const initial = hx?.map((part) => permute(part, sortedIndices)) ?? zeroState(call, data.dtype);
    if (initial.length === 1) checkCall(call, data, 2, initial);
    else { // PyTorch's LSTM checks no input that is packed: its first matrix product raises the error
      const { weightIh, biasIh } = this.#cells[0];
      checkPair(call, initial);
      if (weightIh) checkLinear(data, weightIh, biasIh ?? null);
    }
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

  #runLayers(
    steps: readonly Tensor[],
    initial: State,
  ): { outputs: readonly Tensor[]; final: State } {
    const { weightHh, biasHh, weightHr } = this.#cells[0];
    const product = weightHr ?? weightHh;
    for (const part of initial.slice(1)) { // PyTorch promotes c, and then refuses the h made of it
      if (!product || part.dtype === product.dtype) continue;
      checkLinear(part, product, weightHr ? null : biasHh ?? null);
    }
    const betweenLayers = (output: Tensor) => dropout(output, this.dropout, this.training);
    return runLayers(
      this.#equation,
      this.#cells,
      this.numDirections,
      steps,
      initial,
      betweenLayers,
    );
  }

  #call(batch: number): CallShapes {
    const { dtype } = Object.values(this.#cells[0])[0]!;
    return { ...this.#settings, features: this.#features, batch, dtype };
  }

  /** Returns the sizes and every argument that is not at its default, as PyTorch prints them. */
  protected override extraRepr(): string {
    const { projSize, numLayers, bias, batchFirst, dropout, bidirectional } = this;
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

function zeroState(call: CallShapes, dtype: DType): State {
  return stateSizes(call).map((size) => zeros(size, { dtype }));
}
