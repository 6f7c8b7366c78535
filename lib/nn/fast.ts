/**
 * Where modules meet the kernels: whether a forward pass may take the fast path, and the way there.
 *
 * @module
 */

import { isGradEnabled, wouldRecord } from "../autograd/graph.ts";
import { type Engine, engine } from "../kernels/engine.ts";
import { type Batch, forward } from "../kernels/forward.ts";
import { Pack, type Sizes, type Weights } from "../kernels/pack.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { CellParameters, State } from "./cell.ts";
import { PackedSequence } from "./packed.ts";

/** The fast path of one module. */
export class FastPath {
  readonly #pack: Pack;

  /** Keeps the packed weights of layers of these sizes. */
  constructor(sizes: Sizes) {
    this.#pack = new Pack(sizes);
  }

  /**
   * Runs a stack of layers, if all there is to it is computing in float32.
   *
   * @param input a batch, one unbatched sequence, or a packed batch
   * @param hx the initial states, or `null`
   * @param parameters of layer k and direction d at index `k · D + d`
   * @param batchFirst whether a batch stands before time
   * @returns the output and the final states; `null` where the readable path has to compute, or to
   * refuse what does not fit
   */
  run(
    input: Tensor | PackedSequence,
    hx: State | null,
    parameters: readonly CellParameters[],
    batchFirst: boolean,
  ): [Tensor | PackedSequence, State] | null {
    const available = engine();
    const data = input instanceof PackedSequence ? input.data : input;
    const weights = available && weightsOf(data, hx, parameters);
    if (!weights) return null;
    const { inputSize, numLayers, numDirections, hiddenSize, kind } = this.#pack.sizes;
    const rank = data.shape.length;
    if (data.shape[rank - 1] !== inputSize || data.data.length === 0) return null;
    let given: Batch;
    if (input instanceof PackedSequence) {
      const { batchSizes, sortedIndices } = input;
      if (rank !== 2) return null;
      given = {
        x: data.data as Float32Array,
        length: batchSizes.length,
        batch: batchSizes[0],
        batchFirst: false,
        batchSizes,
        order: sortedIndices,
      };
    } else {
      if (rank !== 2 && rank !== 3) return null;
      const [length, batch] = rank === 2
        ? [data.shape[0], 1]
        : batchFirst
        ? [data.shape[1], data.shape[0]]
        : data.shape;
      const x = data.data as Float32Array;
      given = { x, length, batch, batchFirst, batchSizes: null, order: null };
    }
    const unbatched = rank === 2 && input === data;
    const rows = numLayers * numDirections;
    const shapes = [this.#pack.outputSize, hiddenSize].slice(0, kind === "lstm" ? 2 : 1)
      .map((features) => unbatched ? [rows, features] : [rows, given.batch, features]);
    if (hx && !hx.every((part, k) => sameShape(part.shape, shapes[k]))) return null;
    const initial = hx && hx.map((part) => part.data as Float32Array);
    const { output, final } = forward(available!, this.#pack, weights, given, initial);
    const features = numDirections * this.#pack.outputSize;
    const out = new Tensor(output, [...data.shape.slice(0, -1), features]);
    return [
      input instanceof PackedSequence
        ? new PackedSequence(out, input.batchSizes, input.sortedIndices, input.unsortedIndices)
        : out,
      final.map((part, k) => new Tensor(part, shapes[k])),
    ];
  }
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let k = 0; k < a.length; k++) if (a[k] !== b[k]) return false;
  return true;
}

/** The weights as arrays; `null` if a gradient would be recorded or something is not float32. */
function weightsOf(
  data: Tensor,
  hx: State | null,
  parameters: readonly CellParameters[],
): Weights[] | null {
  if (isGradEnabled() && wouldRecord([data, ...hx ?? [], ...parameters.flatMap(tensorsOf)])) {
    return null;
  }
  const single = (x: Tensor) => x.data instanceof Float32Array;
  if (!single(data) || !single(parameters[0].weightIh) || (hx && !hx.every(single))) return null;
  return parameters.map((own) => ({
    weightIh: own.weightIh.data as Float32Array,
    weightHh: own.weightHh.data as Float32Array,
    biasIh: own.biasIh && own.biasIh.data as Float32Array,
    biasHh: own.biasHh && own.biasHh.data as Float32Array,
    weightHr: own.weightHr && own.weightHr.data as Float32Array,
  }));
}

function tensorsOf(own: CellParameters): (Tensor | null)[] {
  return [own.weightIh, own.weightHh, own.biasIh, own.biasHh, own.weightHr];
}
