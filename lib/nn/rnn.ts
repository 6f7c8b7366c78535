/** The Elman network. */

import { any, check, checkArguments, checkNames, int, text } from "../call.ts";
import { affine } from "../autograd/linear.ts";
import { relu, tanh } from "../autograd/pointwise.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { pythonStr } from "../python.ts";
import { gated, gateOrder } from "../parameters.ts";
import { aTensor, type Tensor, tensorOrNone } from "../tensor/tensor.ts";
import {
  type CellOptions,
  cellOptions,
  type CellParameters,
  type Equation,
  layerCall,
  RNNCellBase,
  type State,
} from "./cell.ts";
import { aSequence, type PackedSequence } from "./packed.ts";
import { RNNBase, type SequenceLike } from "./rnn_base.ts";
import { baseOptions, refuseProjection, type RNNBaseOptions } from "./rnn_checks.ts";

/**
 * The activation function of an Elman network.
 * @category Recurrent layers
 */
export type Nonlinearity = "tanh" | "relu";

/** `h′ = φ(W_ih x + b_ih + W_hh h + b_hh)`, where φ is tanh or relu (RNN-1, RNN-2). */
function equation(phi: (x: Tensor) => Tensor, kernel: Nonlinearity): Equation<CellParameters> {
  return {
    parameters: /* @__PURE__ */ gated(gateOrder.RNN), // W_ih, W_hh, b_ih, b_hh
    state: ({ hidden }) => [hidden], // of h
    kernel,
    step(x, [h], { weightIh, weightHh, biasIh, biasHh }) {
      return [phi(affine([x, weightIh, biasIh], [h, weightHh, biasHh]))];
    },
  };
}

const equations = {
  tanh: /* @__PURE__ */ equation(tanh, "tanh"),
  relu: /* @__PURE__ */ equation(relu, "relu"),
};

function isNonlinearity(name: unknown): name is Nonlinearity {
  return name === "tanh" || name === "relu";
}

/**
 * The arguments of {@linkcode RNNCell} that have defaults.
 * @category Recurrent layers
 */
export interface RNNCellOptions extends CellOptions {
  /** φ. @default "tanh" */
  readonly nonlinearity?: Nonlinearity;
}

/**
 * One step of an Elman network (`torch.nn.RNNCell`; RNN-1 to RNN-4):
 * `h′ = φ(W_ih x + b_ih + W_hh h + b_hh)`.
 *
 * @example
 * ```ts
 * import { RNNCell, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const cell = new RNNCell(3, 4);
 * const h1 = cell.forward(zeros([2, 3]), zeros([2, 4]));
 * assertEquals(h1.shape, [2, 4]);
 * ```
 * @category Recurrent layers
 */
export class RNNCell extends RNNCellBase {
  /** φ, by name. */
  readonly nonlinearity: Nonlinearity;

  /**
   * Draws the parameters from the default generator.
   *
   * @param inputSize H_in, the features of the input
   * @param hiddenSize H, the features of the state
   * @param options biases, φ and dtype
   * @throws {RuntimeError | TypeError} if a size is negative or not an integer
   */
  constructor(inputSize: number, hiddenSize: number, options: RNNCellOptions = {}) {
    check(
      layerCall<RNNCellOptions>("RNNCell", {
        ...cellOptions,
        nonlinearity: any,
      }),
      arguments,
    );
    const { nonlinearity = "tanh", ...rest } = options;
    super(
      equations[isNonlinearity(nonlinearity) ? nonlinearity : "tanh"],
      inputSize,
      hiddenSize,
      rest,
    );
    this.nonlinearity = nonlinearity;
  }

  /**
   * Takes one step.
   *
   * @param input x, shape `(N, H_in)` or `(H_in)`
   * @param hx h, shape `(N, H)` or `(H)`; zeros where left out
   * @returns h′, shaped as `hx`
   * @throws {RuntimeError | ValueError} if a shape or dtype does not fit, or φ is unknown
   */
  override forward(input: Tensor, hx?: Tensor | null): Tensor {
    check(["RNNCell.forward", { input: aTensor, "hx?": tensorOrNone }], arguments);
    return this.takeStep(input, hx ? [hx] : null)[0];
  }

  /** PyTorch takes any φ and finds out here. */
  protected override checkRanks(input: Tensor, state: State | null): void {
    super.checkRanks(input, state);
    if (!isNonlinearity(this.nonlinearity)) {
      throw new RuntimeError(`Unknown nonlinearity: ${pythonStr(this.nonlinearity)}`);
    }
  }

  /** Returns `RNNCell`. */
  protected override getName(): string {
    return "RNNCell";
  }

  /** Returns the arguments as PyTorch prints them. */
  protected override extraRepr(): string {
    const phi = this.nonlinearity === "tanh"
      ? ""
      : `, nonlinearity=${pythonStr(this.nonlinearity)}`;
    return super.extraRepr() + phi;
  }
}

/**
 * The arguments of {@linkcode RNN} that have defaults.
 * @category Recurrent layers
 */
export interface RNNOptions extends RNNBaseOptions {
  /** φ. @default "tanh" */
  readonly nonlinearity?: Nonlinearity;
}

/**
 * The Elman network over a sequence (`torch.nn.RNN`; RNN, STACK, BATCH and PACK clauses). In each
 * layer and direction, `h_t = φ(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)`.
 *
 * @example
 * ```ts
 * import { RNN, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const rnn = new RNN(1, 5, { batchFirst: true });
 * const [output, hn] = rnn.forward(zeros([2, 10, 1]));
 * assertEquals(output.shape, [2, 10, 5]); // (N, L, H)
 * assertEquals(hn.shape, [1, 2, 5]); // (layers · directions, N, H)
 * ```
 * @category Recurrent layers
 */
export class RNN extends RNNBase {
  /** φ, by name. */
  readonly nonlinearity: Nonlinearity;

  /**
   * Draws the parameters from the default generator.
   *
   * @param inputSize H_in, the features of the input
   * @param hiddenSize H, the features of the state
   * @param options the arguments with defaults
   * @throws {ValueError | TypeError} if an argument is out of range or of the wrong type
   */
  constructor(inputSize: number, hiddenSize: number, options: RNNOptions = {}) {
    const call = layerCall("RNN", {
      ...baseOptions,
      nonlinearity: text,
      projSize: int, // which may be left out as `undefined`
    }, "RNNBase.__init__");
    checkArguments(call, arguments);
    const { nonlinearity = "tanh", ...rest } = options;
    refuseProjection(rest); // before φ, as PyTorch; RNNBase refuses it for a GRU
    if (!isNonlinearity(nonlinearity)) {
      throw new ValueError(
        `Unknown nonlinearity '${pythonStr(nonlinearity)}'. Select from 'tanh' or 'relu'.`,
      );
    }
    checkNames(call, rest);
    super(equations[nonlinearity], inputSize, hiddenSize, rest);
    this.nonlinearity = nonlinearity;
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
      check(["RNN.forward", { input: aSequence, "hx?": tensorOrNone }], [input, h0, surplus]);
    }
    const [output, [hn]] = this.run(input, h0 ? [h0] : null);
    return [output, hn];
  }

  /** Returns `RNN`. */
  protected override getName(): string {
    return "RNN";
  }
}
