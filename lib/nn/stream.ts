/** A recurrent network in real time: one time step in, one output out. */

import { check, checkCount, type Kind } from "../call.ts";
import { noGrad } from "../autograd/graph.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import type { StackSizes } from "../kernels/packing.ts";
import { eachOf } from "../parameters.ts";
import { allocate, type DType, type FloatArray, listed, sameShape } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { CellTensors, Equation, State } from "./cell.ts";

/**
 * What a stream needs of its module.
 * @category Recurrent layers
 */
export interface StreamSource {
  /** What each cell computes. */
  readonly equation: Equation;
  /** H_in, H, H_proj and the layers. */
  readonly sizes: Omit<StackSizes, "kind">;
  /** The parameters of each layer. */
  readonly parameters: readonly CellTensors[];
  /** Makes what takes the steps on kernels; `null` where the equations have to. */
  readonly stepper?: () => Stepper | null;
}

const numbers: Kind = { word: "Float32Array or Float64Array", is: ArrayBuffer.isView };

/**
 * What takes the steps of a stream: kernels or the equations.
 * @category Recurrent layers
 */
export interface Stepper {
  /** Starts again from zeros. */
  reset(): void;
  /** Takes one step, from x_t to h_t of the last layer. */
  step(x: FloatArray, out: FloatArray): void;
  /** Sets the h (part 0) or c (part 1) of a layer. */
  write(layer: number, part: 0 | 1, from: FloatArray): void;
  /** The h (part 0) or c (part 1) of a layer. */
  read(layer: number, part: 0 | 1): FloatArray;
  /** Gives memory back. */
  dispose(): void;
}

/**
 * A network that takes one time step at a time and keeps its state inside (KERNEL-5). Made by
 * `stream()` of an RNN, LSTM or GRU with one direction. A step gives, to the bit, what `forward`
 * gives for a sequence without a batch on the same path, and on the fast path allocates nothing.
 *
 * A stream holds the weights as they were when it was made; make another one after they change. All
 * streams of a module with the same weights share them. `dispose()`, or the end of a `using` block,
 * gives a stream's memory back at once; what is not disposed of goes with time, as unused packed
 * weights of modules do (KERNEL-6).
 *
 * @example
 * ```ts
 * import { LSTM, noGrad, randn } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const lstm = new LSTM(3, 4, { numLayers: 2 });
 * const x = randn([10, 3]); // (L, H_in)
 * const [output] = noGrad(() => lstm.forward(x)); // (L, H)
 *
 * const stream = lstm.stream();
 * const y = new Float32Array(4);
 * for (let t = 0; t < 10; t++) {
 *   stream.step(x.data.subarray(3 * t, 3 * t + 3), y);
 *   assertEquals(y, output.data.subarray(4 * t, 4 * t + 4));
 * }
 * stream.dispose();
 * ```
 * @category Recurrent layers
 */
export class Stream {
  readonly #inputSize: number;
  readonly #dtype: DType;
  /** The shape of each tensor of the state: `(layers, features)`. */
  readonly #shapes: readonly (readonly [layers: number, features: number])[];
  readonly #outputSize: number;
  #stepper: Stepper | null;

  /**
   * Takes the weights in and starts from a zero state.
   *
   * @param source the module's equation, sizes and parameters
   * @throws {ValueError} if the module has two directions, which need the whole sequence
   */
  constructor(source: StreamSource) {
    checkCount("Stream", 1, arguments);
    const { sizes, parameters } = source;
    if (sizes.numDirections !== 1) {
      throw new ValueError("a stream has one direction, but the module is bidirectional");
    }
    const { inputSize, hiddenSize, projSize, numLayers } = sizes;
    const features = source.equation.state({ hidden: hiddenSize, output: projSize || hiddenSize });
    this.#inputSize = inputSize;
    this.#outputSize = features[0];
    this.#shapes = features.map((own) => [numLayers, own] as const);
    this.#dtype = Object.values(parameters[0]).find((x) => x !== null)!.dtype;
    this.#stepper = source.stepper?.() ?? equationStepper(source, features, this.#dtype);
  }

  /**
   * Takes one step in time.
   *
   * @param x x_t, H_in numbers of the module's dtype
   * @param out where h_t of the last layer goes: as many numbers as its features
   * @throws {RuntimeError} if a length or dtype does not fit, or the stream was disposed of
   */
  step(x: FloatArray, out: FloatArray): void;
  step(x: FloatArray, out: FloatArray, surplus?: unknown): void { // `arguments` would allocate
    const typed = this.#dtype === "float32"
      ? x instanceof Float32Array && out instanceof Float32Array
      : x instanceof Float64Array && out instanceof Float64Array;
    if (
      !typed || surplus !== undefined || x.length !== this.#inputSize ||
      out.length !== this.#outputSize
    ) this.#refuse(x, out, surplus);
    this.#alive().step(x, out);
  }

  /**
   * Starts again from a zero state.
   *
   * @throws {RuntimeError} if the stream was disposed of
   */
  reset(): void {
    checkCount("Stream.reset", 0, arguments);
    this.#alive().reset();
  }

  /**
   * The state, as `forward` returns it for a sequence without a batch: `[h]`, or `[h, c]` of an
   * LSTM, each of shape `(layers, features)`. Setting it copies.
   *
   * @throws {RuntimeError} if a shape or dtype does not fit, or the stream was disposed of
   */
  get state(): State {
    const stepper = this.#alive();
    return this.#shapes.map(([layers, features], k) => {
      const data = allocate(this.#dtype, layers * features);
      for (let layer = 0; layer < layers; layer++) {
        data.set(stepper.read(layer, k as 0 | 1), layer * features);
      }
      return new Tensor(data, [layers, features]);
    });
  }

  set state(state: State) {
    const stepper = this.#alive();
    const shapes = this.#shapes;
    const fits = Array.isArray(state) && state.length === shapes.length &&
      state.every((part, k) =>
        part instanceof Tensor && sameShape(part.shape, shapes[k]) && part.dtype === this.#dtype
      );
    if (!fits) {
      const sizes = shapes.map(listed).join(" and ");
      throw new RuntimeError(`the state of this stream is ${this.#dtype} of size ${sizes}`);
    }
    state.forEach(({ data }, k) => {
      const [layers, features] = shapes[k];
      for (let layer = 0; layer < layers; layer++) {
        const part = data.subarray(layer * features, (layer + 1) * features);
        stepper.write(layer, k as 0 | 1, part);
      }
    });
  }

  /** Gives back the memory; the stream cannot be used any more. */
  dispose(): void {
    checkCount("Stream.dispose", 0, arguments);
    this.#stepper?.dispose();
    this.#stepper = null;
  }

  /** What `using stream = …` does at the end of its block. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Refuses what a step cannot take. */
  #refuse(...given: [x: FloatArray, out: FloatArray, surplus: unknown]): never {
    check(["Stream.step", { x: numbers, out: numbers }], given);
    const [x, out] = given;
    if (x.length !== this.#inputSize || out.length !== this.#outputSize) {
      throw new RuntimeError(
        `a step takes ${this.#inputSize} numbers and gives ${this.#outputSize}, but got arrays ` +
          `of ${x.length} and ${out.length}`,
      );
    }
    throw new RuntimeError(`a step takes and gives ${this.#dtype}`);
  }

  #alive(): Stepper {
    if (this.#stepper === null) throw new RuntimeError("the stream was disposed of");
    return this.#stepper;
  }
}

/** Steps by the equations, on the readable path. */
function equationStepper(
  { equation, parameters }: StreamSource,
  features: readonly number[],
  dtype: DType,
): Stepper {
  const row = (data: FloatArray) => new Tensor(data, [1, data.length]);
  const copies = parameters.map((own) =>
    eachOf(own, (_, x) => x && new Tensor(x.data.slice(), x.shape))
  );
  const zeroStates = () => copies.map(() => features.map((count) => row(allocate(dtype, count))));
  let states: State[] = zeroStates();
  return {
    reset() {
      states = zeroStates();
    },
    step(x, out) {
      noGrad(() => {
        let input = row(x.slice());
        copies.forEach((own, layer) => {
          states[layer] = equation.step(input, states[layer], own);
          input = states[layer][0];
        });
        out.set(input.data);
      });
    },
    write(layer, part, from) {
      const changed = row(from.slice());
      states[layer] = states[layer].map((own, k) => k === part ? changed : own);
    },
    read: (layer, part) => states[layer][part].data,
    dispose() {},
  };
}
