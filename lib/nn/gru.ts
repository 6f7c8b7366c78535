/** The gated recurrent unit. */

import { check, checkArguments } from "../call.ts";
import { linear } from "../autograd/linear.ts";
import { add, mul, sub } from "../autograd/arithmetic.ts";
import { sigmoid, tanh } from "../autograd/pointwise.ts";
import { chunk } from "../autograd/slices.ts";
import { gated, gateOrder } from "../parameters.ts";
import { aTensor, type Tensor, tensorOrNone } from "../tensor/tensor.ts";
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
 * The equations (GRU-1 to GRU-3); in the weights, the gates stand in the order r, z, n. The reset
 * gate multiplies what the state adds to n after the product and with its bias:
 *
 * ```text
 * r  = σ(W_ir x + b_ir + W_hr h + b_hr)
 * z  = σ(W_iz x + b_iz + W_hz h + b_hz)
 * n  = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))
 * h′ = (1 - z) ⊙ n + z ⊙ h
 * ```
 */
const equation: Equation<CellParameters> = {
  parameters: /* @__PURE__ */ gated(gateOrder.GRU), // W_ih, W_hh, b_ih, b_hh
  state: ({ hidden }) => [hidden], // of h
  kernel: "gru",
  step(x, [h], { weightIh, weightHh, biasIh, biasHh }) {
    const [inputR, inputZ, inputN] = chunk(linear(x, weightIh, biasIh), 3, -1); // W_i x + b_i
    const [stateR, stateZ, stateN] = chunk(linear(h, weightHh, biasHh), 3, -1); // W_h h + b_h
    const r = sigmoid(add(inputR, stateR));
    const z = sigmoid(add(inputZ, stateZ));
    const n = tanh(add(inputN, mul(r, stateN)));
    return [add(mul(sub(1, z), n), mul(z, h))];
  },
};

/**
 * One step of a GRU (`torch.nn.GRUCell`; GRU-1 to GRU-4).
 *
 * @example
 * ```ts
 * import { GRUCell, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const cell = new GRUCell(3, 4);
 * const h1 = cell.forward(zeros([2, 3]), zeros([2, 4]));
 * assertEquals(h1.shape, [2, 4]);
 * ```
 * @category Recurrent layers
 */
export class GRUCell extends RNNCellBase {
  /**
   * Draws the parameters from the default generator.
   *
   * @param inputSize H_in, the features of the input
   * @param hiddenSize H, the features of the state
   * @param options biases and dtype
   * @throws {RuntimeError | TypeError} if a size is negative or not an integer
   */
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    check(layerCall("GRUCell", cellOptions), arguments);
    super(equation, inputSize, hiddenSize, options);
  }

  /**
   * Takes one step.
   *
   * @param input x, shape `(N, H_in)` or `(H_in)`
   * @param hx h, shape `(N, H)` or `(H)`; zeros where left out
   * @returns h′, shaped as `hx`
   * @throws {RuntimeError | ValueError} if a shape or dtype does not fit
   */
  override forward(input: Tensor, hx?: Tensor | null): Tensor {
    check(["GRUCell.forward", { input: aTensor, "hx?": tensorOrNone }], arguments);
    return this.takeStep(input, hx ? [hx] : null)[0];
  }

  /** Returns `GRUCell`. */
  protected override getName(): string {
    return "GRUCell";
  }
}

/**
 * The GRU over a sequence (`torch.nn.GRU`; GRU, STACK, BATCH and PACK clauses).
 *
 * @example
 * ```ts
 * import { GRU, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const gru = new GRU(3, 4);
 * const [output, hn] = gru.forward(zeros([5, 3])); // one sequence, no batch
 * assertEquals([output.shape, hn.shape], [[5, 4], [1, 4]]);
 * ```
 * @category Recurrent layers
 */
export class GRU extends RNNBase {
  /**
   * Draws the parameters from the default generator.
   *
   * @param inputSize H_in, the features of the input
   * @param hiddenSize H, the features of the state
   * @param options the arguments with defaults
   * @throws {ValueError | TypeError} if an argument is out of range or of the wrong type
   */
  constructor(inputSize: number, hiddenSize: number, options: RNNBaseOptions = {}) {
    checkArguments(layerCall("GRU", baseOptions, "RNNBase.__init__"), arguments);
    super(equation, inputSize, hiddenSize, options);
  }

  /**
   * Runs over a sequence or a batch of them.
   *
   * @param input shape `(L, N, H_in)`; `(N, L, H_in)` with `batchFirst`; `(L, H_in)` unbatched; or
   * a packed batch
   * @param h0 the state before the first step, shape `(layers · D, N, H)`, without N where
   * unbatched; zeros where left out
   * @returns `[output, hn]`: h_t of the last layer for every t, shape `(L, N, D · H)` laid out as
   * the input, and the final states, shaped as `h0`
   * @throws {RuntimeError | ValueError} if a shape or dtype does not fit, in PyTorch's words
   */
  override forward<T extends Tensor | PackedSequence>(
    input: T,
    h0?: Tensor | null,
  ): [SequenceLike<T>, Tensor];
  override forward<T extends Tensor | PackedSequence>(
    input: T,
    h0?: Tensor | null,
    surplus?: unknown,
  ): [SequenceLike<T>, Tensor] {
    if (surplus !== undefined || !aSequence.is(input) || !tensorOrNone.is(h0 ?? null)) {
      check(["GRU.forward", { input: aSequence, "hx?": tensorOrNone }], [input, h0, surplus]);
    }
    const [output, [hn]] = this.run(input, h0 ? [h0] : null);
    return [output, hn];
  }

  /** Returns `GRU`. */
  protected override getName(): string {
    return "GRU";
  }
}
