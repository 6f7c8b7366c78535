/**
 * Where modules meet the kernels: whether a forward pass may take the fast path, and the way there.
 */

import { wouldRecord } from "../autograd/graph.ts";
import { type Engine, engine } from "../kernels/engine.ts";
import { Forward, type Result } from "../kernels/forward.ts";
import { OutOfMemory } from "../kernels/heap.ts";
import type { Packing, StackSizes, Weights } from "../kernels/packing.ts";
import type { Batch } from "../kernels/shard.ts";
import { KernelStepper, SharedWeights } from "../kernels/stepper.ts";
import type { KeptWeights } from "../kernels/weights.ts";
import { eachOf } from "../parameters.ts";
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
  readonly #packing: Packing;
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
    this.#forward = new Forward(sizes);
    this.#packing = this.#forward.packing;
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
    const records = wouldRecord(this.#tensors) || wouldRecord(hx ? [data, ...hx] : [data]);
    const { shape } = data;
    const rank = shape.length;
    if (rank !== 2 && (rank !== 3 || packed)) return null;
    if (shape[rank - 1] !== this.#packing.sizes.inputSize || data.data.length === 0) return null;
    const given = batchOf(data, batchFirst, packed);
    const shapes = this.#shapesOf(shape, rank === 2 && !packed ? 0 : given.batch);
    if (hx && !hx.every((part, k) => sameShape(part.shape, shapes.states[k]))) return null;
    try {
      if (records || p > 0) {
        const run: Run = {
          packing: this.#packing,
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
      (...given) => this.#recorderOrNull()!.differentiate(run, masks, ...given),
    );
  }

  /** Asks one layer after the other, with dropout between them. */
  #askInLayers(
    engine: Engine,
    { weights, given, hx }: Run,
    masks: NonNullable<Masks>,
  ): Result {
    const { sizes } = this.#packing;
    const { numLayers, numDirections } = sizes;
    const results: Result[] = [];
    for (let layer = 0; layer < numLayers; layer++) {
      const inputSize = this.#packing.features(layer);
      const one = this.#layers[layer] ??= new Forward({ ...sizes, inputSize, numLayers: 1 });
      const part = (x: Float32Array) => {
        const length = x.length / numLayers;
        return x.subarray(layer * length, (layer + 1) * length);
      };
      results.push(one.run(
        engine,
        weights.slice(layer * numDirections, (layer + 1) * numDirections),
        layer === 0
          ? given
          : { ...given, x: masked(results[layer - 1].output, masks(layer - 1), given) },
        hx && hx.map(({ data }) => part(data as Float32Array)),
      ));
    }
    return {
      output: results[numLayers - 1].output,
      final: results[0].final.map((_, k) => joined(results.map(({ final }) => final[k]))),
    };
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
      drawn[layer] ??= joined(rows.map((count) => {
        const shape = [count, this.#packing.features(1)]; // in the order of the readable path
        return dropoutMask({ shape, dtype: "float32" }, p).data as Float32Array;
      }));
  }

  #recorderOrNull(): Recorder | null {
    return this.#recorder ??= makeRecorder && makeRecorder(this.#packing, this.#forward.weights);
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
      const shared = new SharedWeights(available, this.#packing.sizes, weights);
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
    const { outputSize, sizes: { numLayers, numDirections, hiddenSize, kind } } = this.#packing;
    const rows = numLayers * numDirections;
    const state = (features: number) =>
      Object.freeze(batch === 0 ? [rows, features] : [rows, batch, features]);
    const states = [state(outputSize)];
    if (kind === "lstm") states.push(state(hiddenSize));
    const output = Object.freeze([...input.slice(0, -1), numDirections * outputSize]);
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

/** A batch, padded or packed, or a sequence without one, as the kernels read it. */
function batchOf(
  { data, shape }: Tensor,
  batchFirst: boolean,
  packed: PackedSequence | null,
): Batch {
  const { batchSizes, sortedIndices } = packed ?? { batchSizes: null, sortedIndices: null };
  const time = batchFirst && shape.length === 3 ? 1 : 0;
  return {
    x: data as Float32Array,
    length: batchSizes ? batchSizes.length : shape[time],
    batch: batchSizes ? batchSizes[0] : shape.length === 2 ? 1 : shape[1 - time],
    batchFirst: batchFirst && !packed,
    batchSizes,
    order: sortedIndices,
  };
}

/** The arrays of float32 parameters. */
export function arraysOf(own: CellTensors): Weights {
  return eachOf(own, (_, x) => x && x.data) as unknown as Weights;
}

/** Arrays one behind the other in a new one. */
function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
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
