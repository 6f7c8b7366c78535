/** The notebook's model. */

import { any, check, dtype as dtypeKind } from "../call.ts";
import { select } from "../autograd/slices.ts";
import { zeros } from "../tensor/create.ts";
import type { FloatDType } from "../tensor/dtype.ts";
import { aTensor, type Tensor } from "../tensor/tensor.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { RNN } from "./rnn.ts";

/**
 * A recurrent layer, and a fully connected layer on its last time step (FC-1, FC-2):
 * `out = fc(rnn(x)[:, -1, :])`.
 *
 * @example
 * ```ts
 * import { select, SimpleRNN, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const model = new SimpleRNN(1, 5, 1);
 * const x = zeros([1, 10, 1]); // (N, L, H_in)
 * const [output] = model.rnn.forward(x); // (N, L, H)
 * const last = select(output, 1, -1); // (N, H)
 * assertEquals(model.forward(x).tolist(), model.fc.forward(last).tolist());
 * ```
 * @category Recurrent layers
 */
export class SimpleRNN extends Module {
  /** The recurrent layer, batch first. */
  readonly rnn: RNN;
  /** The fully connected layer, with one output. */
  readonly fc: Linear;

  /** H, the features of the hidden state. */
  readonly hiddenSize: number;
  /** How many recurrent layers. */
  readonly numLayers: number;

  /**
   * Draws the parameters from the default generator, the recurrent layer's first.
   *
   * @param inputSize H_in, the features of the input at each time step
   * @param hiddenSize H, the features of the hidden state
   * @param numLayers how many recurrent layers
   * @param options the dtype; by default float32
   * @throws {ValueError | TypeError} if an argument is out of range or of the wrong type
   */
  constructor(
    inputSize: number,
    hiddenSize: number,
    numLayers: number,
    options: { readonly dtype?: FloatDType } = {},
  ) {
    super();
    check([
      "SimpleRNN",
      { inputSize: any, hiddenSize: any, numLayers: any },
      { dtype: dtypeKind },
    ], arguments);
    this.hiddenSize = hiddenSize;
    this.numLayers = numLayers;
    const { dtype } = options;
    this.rnn = new RNN(inputSize, hiddenSize, { numLayers, batchFirst: true, dtype });
    this.fc = new Linear(hiddenSize, 1, { dtype });
  }

  /**
   * Runs a batch of sequences from a zero state and decodes the last time step.
   *
   * @param x shape `(N, L, H_in)`
   * @returns shape `(N, 1)`
   * @throws {RuntimeError | ValueError} if the shape or dtype does not fit
   */
  override forward(x: Tensor): Tensor {
    if (arguments.length !== 1 || !aTensor.is(x)) {
      check(["SimpleRNN.forward", { x: aTensor }], arguments);
    }
    const h0 = zeros([this.numLayers, x.size(0), this.hiddenSize], { dtype: x.dtype });
    const [output] = this.rnn.forward(x, h0);
    return this.fc.forward(select(output, 1, -1));
  }

  /** Returns `SimpleRNN`. */
  protected override getName(): string {
    return "SimpleRNN";
  }
}
