/** The long short-term memory. */

import { check, checkArguments, int, type Kind } from "../call.ts";
import { affine, linear } from "../autograd/linear.ts";
import { add, mul } from "../autograd/arithmetic.ts";
import { sigmoid, tanh } from "../autograd/pointwise.ts";
import { chunk } from "../autograd/slices.ts";
import { type Declared, gated, gateOrder } from "../parameters.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import {
  type CellOptions,
  cellOptions,
  type CellParameters,
  type Equation,
  layerCall,
  RNNCellBase,
} from "./cell.ts";
import { aSequence, type PackedSequence } from "./packed.ts";
import { RNNBase, type SequenceLike } from "./rnn_base.ts";
import { baseOptions, type RNNBaseOptions } from "./rnn_checks.ts";

/**
 * The parameters of an LSTM cell, by the names of its equations.
 * @category Recurrent layers
 */
export type LSTMParameters = CellParameters & {
  /** W_hr, shape `(H_proj, H)`; `null` without a projection. */
  readonly weightHr: Tensor | null;
};

/** Their shapes. */
export const lstmParameters: Declared<LSTMParameters> = {
  ...gated(gateOrder.LSTM), // W_ih, W_hh, b_ih, b_hh
  weightHr: ({ hidden, output }) => output === hidden ? null : [output, hidden],
};

/**
 * The equations (LSTM-1, LSTM-2, PROJ-1); in the weights, the gates stand in the order i, f, g, o:
 *
 * ```text
 * i  = σ(W_ii x + b_ii + W_hi h + b_hi)
 * f  = σ(W_if x + b_if + W_hf h + b_hf)
 * g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
 * o  = σ(W_io x + b_io + W_ho h + b_ho)
 * c′ = f ⊙ c + i ⊙ g
 * h′ = o ⊙ tanh(c′), or with a projection W_hr (o ⊙ tanh(c′))
 * ```
 */
const equation: Equation<LSTMParameters> = {
  parameters: lstmParameters,
  state: ({ hidden, output }) => [output, hidden], // of h and c
  kernel: "lstm",
  step(x, [h, c], { weightIh, weightHh, biasIh, biasHh, weightHr }) {
    const sums = affine([x, weightIh, biasIh], [h, weightHh, biasHh]);
    const [sumI, sumF, sumG, sumO] = chunk(sums, 4, -1);
    const [i, f, g, o] = [sigmoid(sumI), sigmoid(sumF), tanh(sumG), sigmoid(sumO)];
    const c1 = add(mul(f, c), mul(i, g));
    const h1 = mul(o, tanh(c1));
    return [weightHr ? linear(h1, weightHr) : h1, c1];
  },
};

/**
 * The state of an LSTM: `[h, c]`.
 * @category Recurrent layers
 */
export type LSTMState = readonly [Tensor, Tensor];

/** h and c, or `null` for none. */
const aPair: Kind = {
  word: "pair of Tensors, [h, c]",
  is: (value) =>
    value === null ||
    Array.isArray(value) && value.length === 2 && value.every((part) => part instanceof Tensor),
};

/**
 * One step of an LSTM (`torch.nn.LSTMCell`; LSTM-1 to LSTM-4).
 *
 * @example
 * ```ts
 * import { LSTMCell, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const cell = new LSTMCell(3, 4);
 * const [h1, c1] = cell.forward(zeros([2, 3]), [zeros([2, 4]), zeros([2, 4])]);
 * assertEquals([h1.shape, c1.shape], [[2, 4], [2, 4]]);
 * ```
 * @category Recurrent layers
 */
export class LSTMCell extends RNNCellBase {
  /**
   * Draws the parameters from the default generator.
   *
   * @param inputSize H_in, the features of the input
   * @param hiddenSize H, the features of the state
   * @param options biases and dtype
   * @throws {RuntimeError | TypeError} if a size is negative or not an integer
   */
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    check(layerCall("LSTMCell", cellOptions), arguments);
    super(equation, inputSize, hiddenSize, options);
  }

  /**
   * Takes one step.
   *
   * @param input x, shape `(N, H_in)` or `(H_in)`
   * @param hx `[h, c]`, each of shape `(N, H)` or `(H)`; zeros where left out
   * @returns `[h′, c′]`, shaped as `hx`
   * @throws {RuntimeError | ValueError} if a shape or dtype does not fit
   */
  override forward(input: Tensor, hx?: LSTMState | null): [Tensor, Tensor] {
    check(["LSTMCell.forward", { input: aTensor, "hx?": aPair }], arguments);
    const [h1, c1] = this.takeStep(input, hx ?? null);
    return [h1, c1];
  }

  /** Returns `LSTMCell`. */
  protected override getName(): string {
    return "LSTMCell";
  }
}

/**
 * The arguments of {@linkcode LSTM} that have defaults.
 * @category Recurrent layers
 */
export interface LSTMOptions extends RNNBaseOptions {
  /** H_proj, the features to project the hidden state to; 0, the default, for no projection. */
  readonly projSize?: number;
}

/**
 * The LSTM over a sequence (`torch.nn.LSTM`; LSTM, PROJ, STACK, BATCH and PACK clauses).
 *
 * @example
 * ```ts
 * import { LSTM, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const lstm = new LSTM(3, 4, { numLayers: 2, bidirectional: true });
 * const [output, [hn, cn]] = lstm.forward(zeros([5, 2, 3]));
 * assertEquals(output.shape, [5, 2, 8]); // (L, N, D · H)
 * assertEquals([hn.shape, cn.shape], [[4, 2, 4], [4, 2, 4]]); // (layers · D, N, H)
 * ```
 * @category Recurrent layers
 */
export class LSTM extends RNNBase {
  /**
   * Draws the parameters from the default generator.
   *
   * @param inputSize H_in, the features of the input
   * @param hiddenSize H, the features of the cell
   * @param options the arguments with defaults
   * @throws {ValueError | TypeError} if an argument is out of range or of the wrong type
   */
  constructor(inputSize: number, hiddenSize: number, options: LSTMOptions = {}) {
    checkArguments(
      layerCall("LSTM", { ...baseOptions, projSize: int }, "RNNBase.__init__"),
      arguments,
    );
    super(equation, inputSize, hiddenSize, options);
  }

  /**
   * Runs over a sequence or a batch of them.
   *
   * @param input shape `(L, N, H_in)`; `(N, L, H_in)` with `batchFirst`; `(L, H_in)` unbatched; or
   * a packed batch
   * @param hx `[h0, c0]`, of shapes `(layers · D, N, H_out)` and `(layers · D, N, H)`, without N
   * where unbatched; zeros where left out. H_out is H_proj where there is a projection, else H
   * @returns `[output, [hn, cn]]`: h_t of the last layer for every t, shape `(L, N, D · H_out)`
   * laid out as the input, and the final states, shaped as `hx`
   * @throws {RuntimeError | ValueError | IndexError} if a shape or dtype does not fit, in
   * PyTorch's words
   */
  override forward<T extends Tensor | PackedSequence>(
    input: T,
    hx?: LSTMState | null,
  ): [SequenceLike<T>, [Tensor, Tensor]];
  override forward<T extends Tensor | PackedSequence>(
    input: T,
    hx?: LSTMState | null,
    surplus?: unknown,
  ): [SequenceLike<T>, [Tensor, Tensor]] {
    if (surplus !== undefined || !aSequence.is(input) || !aPair.is(hx ?? null)) {
      check(["LSTM.forward", { input: aSequence, "hx?": aPair }], [input, hx, surplus]);
    }
    const [output, [hn, cn]] = this.run(input, hx ?? null);
    return [output, [hn, cn]];
  }

  /** Returns `LSTM`. */
  protected override getName(): string {
    return "LSTM";
  }
}
