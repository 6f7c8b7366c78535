/** What the three cells have in common: their parameters, their inputs, and one step in time. */

import { any, bool, type Call, check, dtype as dtypeKind, type Options } from "../call.ts";
import { squeeze, unsqueeze } from "../autograd/shape.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import type { CellKind } from "../kernels/slots.ts";
import { checkSize, zeros } from "../tensor/create.ts";
import type { FloatDType } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type CellSizes, type Declared, eachOf, parameterName } from "../parameters.ts";
import { Module } from "./module.ts";
import { boundOf, type Parameter } from "./parameter.ts";

/**
 * What a cell carries from one step to the next: `[h]`, or `[h, c]` in an LSTM.
 * @category Recurrent layers
 */
export type State = readonly Tensor[];

/**
 * Tensors by the names of an equation; `null` for one that a cell is without.
 * @category Cells of your own
 */
export type CellTensors = Readonly<Record<string, Tensor | null>>;

/**
 * The parameters of RNN, GRU and LSTM cells, by the names of the equations.
 * @category Cells of your own
 */
export type CellParameters = {
  /** W_ih, shape `(gates · H, H_in)`. */
  readonly weightIh: Tensor;
  /** W_hh, shape `(gates · H, H)`; `(gates · H, H_proj)` with a projection. */
  readonly weightHh: Tensor;
  /** b_ih, shape `(gates · H)`, or `null`. */
  readonly biasIh: Tensor | null;
  /** b_hh, shape `(gates · H)`, or `null`. */
  readonly biasHh: Tensor | null;
};

/**
 * One step in time: from x_t of shape `(N, H_in)` and the state before it to the state after.
 * @category Cells of your own
 */
export type Step<P = CellTensors> = (x: Tensor, state: State, parameters: P) => State;

/**
 * A cell: its parameters, its state and its equation.
 * @category Cells of your own
 */
export interface Equation<P extends CellTensors = CellTensors> {
  /** The shape of each parameter, in the order in which they are drawn and listed. */
  readonly parameters: Declared<P>;
  /** The features of each tensor of the state; the first is h, what the cell puts out. */
  readonly state: (sizes: Pick<CellSizes, "hidden" | "output">) => readonly number[];
  /** The equation itself. */
  step(x: Tensor, state: State, parameters: P): State;
  /** Which kernel computes the same, where there is one. */
  readonly kernel?: CellKind;
}

/**
 * The arguments that all cells have and that have defaults.
 * @category Recurrent layers
 */
export interface CellOptions {
  /** Whether there are biases. @default true */
  readonly bias?: boolean;
  /** The type of the parameters. @default "float32" */
  readonly dtype?: FloatDType;
}

/** What the options of a cell are to be. */
export const cellOptions: Options<CellOptions> = { bias: bool, dtype: dtypeKind };

/** What the constructor of a layer or cell may be given. */
export function layerCall<O>(name: string, options: Options<O>, python?: string): Call<O> {
  return [name, { inputSize: any, hiddenSize: any }, options, python];
}

/**
 * The base of {@linkcode RNNCell}, {@linkcode LSTMCell} and {@linkcode GRUCell}
 * (`torch.nn.RNNCellBase`). Parameters: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`, drawn in
 * this order from the uniform distribution in ±1/√hidden_size.
 * @category Recurrent layers
 */
export abstract class RNNCellBase extends Module {
  readonly #equation: Equation;
  readonly #bias: boolean;

  /** H_in, the features of the input. */
  readonly inputSize: number;
  /** H, the features of the state. */
  readonly hiddenSize: number;

  /**
   * Draws the parameters from the default generator.
   *
   * @param equation what the cell computes
   * @param inputSize H_in, the features of the input
   * @param hiddenSize H, the features of the state
   * @param options whether there are biases, and the dtype
   * @throws {RuntimeError} if a size is negative
   * @throws {TypeError} if a size is not an integer
   */
  constructor(
    equation: Equation,
    inputSize: number,
    hiddenSize: number,
    options: CellOptions = {},
  ) {
    super();
    this.inputSize = inputSize;
    this.hiddenSize = hiddenSize;
    this.#equation = equation;
    check(layerCall(this.getName(), cellOptions), [inputSize, hiddenSize, options]);
    const { bias = true, dtype = "float32" } = options;
    this.#bias = bias;
    const sizes = { input: inputSize, hidden: hiddenSize, output: hiddenSize, bias };
    eachOf(equation.parameters, (key, shapeOf) => {
      const shape = shapeOf(sizes);
      // "4" * 4 is 16 in JavaScript: what is no integer is not multiplied, for the check to see it.
      if (shape?.length === 2) {
        checkSize("empty", [Number.isInteger(hiddenSize) ? shape[0] : hiddenSize, shape[1]]);
      }
      if (shape) this.drawParameter(parameterName(key), shape, boundOf(hiddenSize), dtype);
    });
  }

  /** W_ih, of shape `(gates · H, H_in)`. */
  get weightIh(): Parameter {
    return this.getParameter("weight_ih");
  }

  /** W_hh, of shape `(gates · H, H)`. */
  get weightHh(): Parameter {
    return this.getParameter("weight_hh");
  }

  /** b_ih, of shape `(gates · H)`; `null` where there is none. */
  get biasIh(): Parameter | null {
    return this.ownParameter("bias_ih");
  }

  /** b_hh, of shape `(gates · H)`; `null` where there is none. */
  get biasHh(): Parameter | null {
    return this.ownParameter("bias_hh");
  }

  /** Checks what came in, adds the batch dimension where there is none, and takes one step. */
  protected takeStep(input: Tensor, state: State | null): State {
    this.checkRanks(input, state);
    const batched = input.dim() === 2;
    const x = batched ? input : unsqueeze(input, 0);
    const { hiddenSize } = this;
    const features = this.#equation.state({ hidden: hiddenSize, output: hiddenSize });
    const before = state === null
      ? features.map((own) => zeros([x.shape[0], own], { dtype: x.dtype }))
      : batched
      ? state
      : state.map((part) => unsqueeze(part, 0));
    this.#checkSizes(x, before, features);
    const own = (key: string) => this.ownParameter(parameterName(key));
    const parameters = eachOf(this.#equation.parameters, own);
    const after = this.#equation.step(x, before, parameters);
    return batched ? after : after.map((part) => squeeze(part, 0));
  }

  /** Refuses an input or a state that is neither batched nor unbatched. */
  protected checkRanks(input: Tensor, state: State | null): void {
    const name = this.getName();
    if (input.dim() !== 1 && input.dim() !== 2) {
      throw new ValueError(`${name}: Expected input to be 1D or 2D, got ${input.dim()}D instead`);
    }
    state?.forEach((part, k) => {
      if (part.dim() === 1 || part.dim() === 2) return;
      const which = state.length === 1 ? "hidden" : `hx[${k}]`;
      throw new ValueError(
        `${name}: Expected ${which} to be 1D or 2D, got ${part.dim()}D instead`,
      );
    });
  }

  #checkSizes(x: Tensor, state: State, features: readonly number[]): void {
    const [batch, read] = x.shape;
    if (read !== this.inputSize) {
      throw new RuntimeError(
        `input has inconsistent input_size: got ${read} expected ${this.inputSize}`,
      );
    }
    state.forEach((part, k) => {
      if (part.dim() !== 2) {
        throw new RuntimeError(
          `Expected 2D hidden${k} (batch x hidden_size), but got ${part.dim()}D tensor`,
        );
      }
      if (part.shape[0] !== batch) {
        throw new RuntimeError(
          `Input batch size ${batch} doesn't match hidden${k} batch size ${part.shape[0]}`,
        );
      }
      if (part.shape[1] !== features[k]) {
        throw new RuntimeError(
          `hidden${k} has inconsistent hidden_size: got ${part.shape[1]}, expected ${features[k]}`,
        );
      }
    });
  }

  /** Returns the sizes, and the bias where there is none, as PyTorch prints them. */
  protected override extraRepr(): string {
    return `${this.inputSize}, ${this.hiddenSize}${this.#bias ? "" : ", bias=False"}`;
  }
}
