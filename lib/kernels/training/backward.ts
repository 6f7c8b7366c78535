/**
 * The backward pass of a stack of layers: arrays in, arrays out. Layer by layer from the last one down,
 * direction by direction; what happens in each is in `backward_layer.ts`.
 */

import type { FloatArray } from "../../tensor/dtype.ts";
import type { Engine } from "../engine.ts";
import { type EachWeight, eachWeight, type Packing, type Weights } from "../packing.ts";
import { type Gradients, Work } from "./backward_layer.ts";
import { type Kept, product } from "./record.ts";

/** Which gradients are wanted. */
export interface Wanted {
  readonly input: boolean;
  /** Of the initial states, `[h]` or `[h, c]`. */
  readonly initial: readonly boolean[];
  /** Of the parameters of layer k and direction d at index `k · D + d`. */
  readonly weights: readonly EachWeight<boolean>[];
}

/**
 * Runs backwards.
 *
 * @param weights the weights of layer k and direction d at index `k · D + d`
 * @param kept what the forward pass kept; not changed
 */
export function backward(
  engine: Engine,
  packing: Packing,
  weights: readonly Weights[],
  kept: Kept,
  output: FloatArray | undefined,
  final: readonly (FloatArray | undefined)[],
  wanted: Wanted,
): Gradients {
  const { numLayers, numDirections } = packing.sizes;
  const { given, initial, plan } = kept;
  const some = (own: EachWeight<boolean>) => Object.values(own).includes(true);
  const anyInitial = wanted.initial.includes(true);
  // The lowest layer in which something is wanted.
  const lowest = wanted.input || anyInitial
    ? 0
    : Math.floor(wanted.weights.findIndex(some) / numDirections);
  const gradients: Gradients = {
    input: wanted.input ? new Float32Array(given.x.length) : null,
    initial: wanted.initial.map((one, k) => one ? new Float32Array(initial![k].length) : null),
    weights: weights.map((own, k) =>
      eachWeight(
        own,
        (data, name) => data && wanted.weights[k][name] ? new Float32Array(data.length) : null,
      )
    ),
  };
  const work = Work.of(engine, packing, kept);
  try {
    let dOut = output;
    for (let layer = numLayers - 1; layer >= lowest; layer--) {
      const below = layer > 0 ? kept.layers[layer - 1] : null;
      const features = packing.features(layer);
      const dInput = layer > lowest ? new Float32Array(plan.rows * features) : gradients.input;
      const input = below === null
        ? given.x
        : below.mask
        ? product(below.output, below.mask)
        : below.output;
      for (let direction = 0; direction < numDirections; direction++) {
        const index = layer * numDirections + direction;
        work.run(layer, direction, weights[index], input, dOut, final, dInput, gradients);
      }
      if (layer > lowest) dOut = below!.mask ? product(dInput!, below!.mask) : dInput!;
    }
  } finally {
    work.end();
  }
  return gradients;
}
