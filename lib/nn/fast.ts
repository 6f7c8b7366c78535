/**
 * Where modules meet the kernels: whether a forward pass may take the fast path, and the way there.
 */

import { isGradEnabled, wouldRecord } from "../autograd/graph.ts";
import { type Engine, engine } from "../kernels/engine.ts";
import { Forward, type Result } from "../kernels/forward.ts";
import { OutOfMemory } from "../kernels/heap.ts";
import type { Packing, StackSizes, Weights } from "../kernels/packing.ts";
import type { Batch } from "../kernels/shard.ts";
import { KernelStepper, SharedWeights } from "../kernels/stepper.ts";
import type { KeptWeights } from "../kernels/weights.ts";
import { type FloatArray, sameShape } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { CellTensors, State } from "./cell.ts";
import { dropoutMask } from "./dropout.ts";
import { PackedSequence } from "./packed.ts";
import { type Differentiate, type Masks, recordRun, type Run } from "./recorded_run.ts";
import type { Stepper } from "./stream.ts";

/** The shapes that belong to one of an input; frozen, so that tensors can share them. */
interface Shapes {
  readonly input: readonly number[];
  readonly batch: number;
  readonly output: readonly number[];
  readonly states: readonly (readonly number[])[];
}

/** What records the forward passes of one module. */
export interface Recorder {
  /** Runs a stack of layers and records it. */
  run(engine: Engine, run: Run, masks: Masks): Tensor[];
  /** The gradients of a forward pass that kept nothing: it runs again, to the same bits. */
  differentiate(
    run: Run,
    masks: Masks,
    ...given: Parameters<Differentiate>
  ): ReturnType<Differentiate>;
}

type MakeRecorder = (packing: Packing, weights: KeptWeights) => Recorder;

/** Makes what records; `null` until a program trains. */
let makeRecorder: MakeRecorder | null = null;

/** Sets what records from now on. */
export function recordWith(make: MakeRecorder): void {
  makeRecorder = make;
}

/** The fast path of one module. */
export class FastPath {
  readonly #sizes: StackSizes;
  readonly #outputSize: number;
  readonly #forward: Forward;
  /** The parameters of the call before: the list, all tensors in it, and the arrays of these. */
  #parameters: readonly CellTensors[] = [];
  #tensors: readonly Tensor[] = [];
  #arrays: readonly FloatArray[] = [];
  /** The arrays by name; `null` if they are not float32. */
  #weights: readonly Weights[] | null = null;
  #shapes: Shapes | null = null;
  #recorder: Recorder | null = null;
  /** The forward passes of the layers, each for itself. */
  readonly #layers: Forward[] = [];
  /** The weights that streams share, as long as there are some. */
  #shared: WeakRef<SharedWeights> | null = null;

  /** Keeps the packed weights of layers of these sizes. */
  constructor(sizes: StackSizes) {
    this.#sizes = sizes;
    this.#outputSize = sizes.projSize || sizes.hiddenSize;
    this.#forward = new Forward(sizes);
  }

  /**
   * Runs a stack of layers, if all there is to it is computing in float32.
   *
   * @param hx the initial states, or `null`
   * @param parameters of layer k and direction d at index `k · D + d`; the same list as long as
   * they are the same tensors
   * @param p the probability with which what one layer hands to the next is zeroed
   * @param training whether a backward pass is to be expected
   * @returns the output and the final states; `null` where the readable path has to compute, or to
   * refuse what does not fit
   */
  run(
    input: Tensor | PackedSequence,
    hx: State | null,
    parameters: readonly CellTensors[],
    batchFirst: boolean,
    p: number,
    training: boolean,
  ): [Tensor | PackedSequence, State] | null {
    const available = engine();
    if (available === null) return null;
    const packed = input instanceof PackedSequence ? input : null;
    const data = packed ? packed.data : input as Tensor;
    const weights = this.#weightsOf(parameters);
    if (weights === null || !isSingle(data) || (hx && !hx.every(isSingle))) return null;
    const records = isGradEnabled() &&
      (wouldRecord(this.#tensors) || wouldRecord(hx ? [data, ...hx] : [data]));
    const { shape } = data;
    const rank = shape.length;
    if (rank !== 2 && (rank !== 3 || packed)) return null;
    if (shape[rank - 1] !== this.#sizes.inputSize || data.data.length === 0) return null;
    const given = packed ? batchOfPacked(packed) : batchOf(data, batchFirst);
    const shapes = this.#shapesOf(shape, rank === 2 && !packed ? 0 : given.batch);
    if (hx && !hx.every((part, k) => sameShape(part.shape, shapes.states[k]))) return null;
    try {
      if (records || p > 0) {
        const run: Run = {
          packing: this.#forward.packing,
          weights,
          parameters,
          tensors: this.#tensors,
          input: data,
          hx,
          given,
          shapes: [shapes.output, ...shapes.states],
          names: namesOf(rank, batchFirst, packed),
        };
        const parts = this.#record(available, run, this.#masksOf(given, p), training);
        return [repacked(parts[0], packed), parts.slice(1)];
      }
      const { output, final } = this.#ask(available, weights, given, hx);
      return [
        repacked(new Tensor(output, shapes.output), packed),
        final.map((part, k) => new Tensor(part, shapes.states[k])),
      ];
    } catch (error) {
      if (error instanceof OutOfMemory) return null;
      throw error;
    }
  }

  /**
   * Runs a stack of layers so that a backward pass may follow (KERNEL-8). Where none is expected,
   * nothing is kept for it: should it come, the forward pass runs again.
   */
  #record(
    engine: Engine,
    run: Run,
    masks: Masks,
    training: boolean,
  ): Tensor[] {
    const recorder = this.#recorderOrNull();
    if (recorder && training) return recorder.run(engine, run, masks);
    const { output, final } = masks
      ? this.#askInLayers(engine, run, masks)
      : this.#ask(engine, run.weights, run.given, run.hx);
    return recordRun(
      run,
      [output, ...final],
      new Float32Array(output.buffer),
      (...given) => this.#recorderOrNull()!.differentiate(run, masks, ...given),
    );
  }

  /** Asks one layer after the other, with dropout between them. */
  #askInLayers(
    engine: Engine,
    { weights, given, hx }: Run,
    masks: NonNullable<Masks>,
  ): Result {
    const { numLayers, numDirections } = this.#sizes;
    const features = numDirections * this.#outputSize;
    const results: Result[] = [];
    for (let layer = 0; layer < numLayers; layer++) {
      const inputSize = layer === 0 ? this.#sizes.inputSize : features;
      const one = this.#layers[layer] ??= new Forward({ ...this.#sizes, inputSize, numLayers: 1 });
      const below = layer > 0 && masked(results[layer - 1].output, masks(layer - 1), given);
      const part = (x: Float32Array) => {
        const length = x.length / numLayers;
        return x.subarray(layer * length, (layer + 1) * length);
      };
      results.push(one.run(
        engine,
        weights.slice(layer * numDirections, (layer + 1) * numDirections),
        below ? { ...given, x: below } : given,
        hx && hx.map(({ data }) => part(data as Float32Array)),
      ));
    }
    // All in one buffer, as where all layers run at once.
    const parts = [
      [results[numLayers - 1].output],
      ...results[0].final.map((_, k) => results.map(({ final }) => final[k])),
    ].map((some) => ({ some, length: some.reduce((sum, { length }) => sum + length, 0) }));
    const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    const [output, ...final] = parts.map(({ some, length }) => {
      const start = at;
      for (const x of some) {
        whole.set(x, at);
        at += x.length;
      }
      return whole.subarray(start, start + length);
    });
    return { output, final };
  }

  #ask(engine: Engine, weights: readonly Weights[], given: Batch, hx: State | null): Result {
    return this.#forward.run(engine, weights, given, hx && hx.map((x) => x.data as Float32Array));
  }

  /** What dropout multiplies with between the layers, drawn once, as the readable path draws it. */
  #masksOf({ batch, length, batchSizes }: Batch, p: number): Masks {
    if (p === 0) return null;
    const rows = batchSizes ?? Array<number>(length).fill(batch);
    const drawn: Float32Array[] = [];
    return (layer) =>
      drawn[layer] ??= maskOf(rows, this.#sizes.numDirections * this.#outputSize, p);
  }

  #recorderOrNull(): Recorder | null {
    const { packing, weights } = this.#forward;
    return this.#recorder ??= makeRecorder && makeRecorder(packing, weights);
  }

  /**
   * Makes what takes one step in time after the other, with the weights as they are now.
   *
   * @returns `null` where the readable path has to step
   */
  stepper(parameters: readonly CellTensors[]): Stepper | null {
    const available = engine();
    const weights = this.#weightsOf(parameters);
    if (available === null || weights === null) return null;
    const last = this.#shared?.deref();
    if (last?.serve(available, weights)) return new KernelStepper(last) as Stepper;
    try {
      const shared = new SharedWeights(available, this.#sizes, weights);
      this.#shared = new WeakRef(shared);
      return new KernelStepper(shared) as Stepper;
    } catch (error) {
      if (error instanceof OutOfMemory) return null;
      throw error;
    }
  }

  /** The shapes of what comes out for an input of a shape; `batch` is 0 for no batch. */
  #shapesOf(input: readonly number[], batch: number): Shapes {
    const last = this.#shapes;
    if (last !== null && last.batch === batch && sameShape(last.input, input)) return last;
    const { numLayers, numDirections, hiddenSize, kind } = this.#sizes;
    const rows = numLayers * numDirections;
    const state = (features: number) =>
      Object.freeze(batch === 0 ? [rows, features] : [rows, batch, features]);
    const states = [state(this.#outputSize)];
    if (kind === "lstm") states.push(state(hiddenSize));
    const output = Object.freeze([...input.slice(0, -1), numDirections * this.#outputSize]);
    return this.#shapes = { input, batch, output, states };
  }

  /** The arrays of all weights; `null` if they are not float32. */
  #weightsOf(parameters: readonly CellTensors[]): readonly Weights[] | null {
    const [tensors, arrays] = [this.#tensors, this.#arrays];
    let k = 0;
    while (k < arrays.length && tensors[k].data === arrays[k]) k++;
    if (k === arrays.length && parameters === this.#parameters) return this.#weights;
    this.#parameters = parameters;
    this.#tensors = parameters.flatMap((own) => Object.values(own).filter((x) => x !== null));
    this.#arrays = this.#tensors.map(({ data }) => data);
    return this.#weights = this.#tensors.every(isSingle) ? parameters.map(arraysOf) : null;
  }
}

/** PyTorch's names of what made the output and the states. */
function namesOf(
  rank: number,
  batchFirst: boolean,
  packed: PackedSequence | null,
): readonly [string, string] {
  if (packed) {
    return ["CatBackward0", packed.unsortedIndices ? "IndexSelectBackward0" : "StackBackward0"];
  }
  if (rank === 2) return ["SqueezeBackward1", "SqueezeBackward1"];
  return [batchFirst ? "TransposeBackward1" : "StackBackward0", "StackBackward0"];
}

/** An output as it was given: of a packed batch, a packed batch. */
function repacked(output: Tensor, packed: PackedSequence | null): Tensor | PackedSequence {
  if (packed === null) return output;
  const { batchSizes, sortedIndices, unsortedIndices } = packed;
  return new PackedSequence(output, batchSizes, sortedIndices, unsortedIndices);
}

function isSingle(x: Tensor): boolean {
  return x.data instanceof Float32Array;
}

/** A padded batch, or a sequence without one, as the kernels read it. */
function batchOf({ data, shape }: Tensor, batchFirst: boolean): Batch {
  const [time, row] = batchFirst ? [1, 0] : [0, 1];
  return {
    x: data as Float32Array,
    length: shape.length === 2 ? shape[0] : shape[time],
    batch: shape.length === 2 ? 1 : shape[row],
    batchFirst,
    batchSizes: null,
    order: null,
  };
}

/** A packed batch as the kernels read it. */
function batchOfPacked({ data, batchSizes, sortedIndices }: PackedSequence): Batch {
  return {
    x: data.data as Float32Array,
    length: batchSizes.length,
    batch: batchSizes[0],
    batchFirst: false,
    batchSizes,
    order: sortedIndices,
  };
}

/** The arrays of float32 parameters. */
export function arraysOf(own: CellTensors): Weights {
  return Object.fromEntries(
    Object.entries(own).map(([name, x]) => [name, x && x.data]),
  ) as unknown as Weights;
}

/** A mask of dropout for every step, in the order in which the readable path draws them. */
function maskOf(rows: readonly number[], width: number, p: number): Float32Array {
  const masks = rows.map((count) => dropoutMask({ shape: [count, width], dtype: "float32" }, p));
  const all = new Float32Array(masks.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of masks) {
    all.set(data, at);
    at += data.length;
  }
  return all;
}

/** The product of an output with a mask, whose rows go step by step. */
function masked(
  output: Float32Array,
  mask: Float32Array,
  { batchFirst, batch, length }: Batch,
): Float32Array {
  const out = new Float32Array(output.length);
  const width = batchFirst ? output.length / (batch * length) : output.length;
  for (let at = 0; at < out.length; at += width) {
    const row = at / width;
    const from = batchFirst ? (row % length * batch + Math.floor(row / length)) * width : at;
    for (let k = 0; k < width; k++) out[at + k] = output[at + k] * mask[from + k];
  }
  return out;
}
