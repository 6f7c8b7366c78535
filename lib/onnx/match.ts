/** Which layer of a checkpoint a recurrent node is, by its weights. */

import type { RecurrentNode } from "./recurrent.ts";
import { layerOf, type ReferenceLayer, type Weights } from "./reference.ts";

/** A node with the layer that it is. */
export interface Match {
  readonly layer: ReferenceLayer;
  /** For a node of one direction in a layer of two: which. */
  readonly direction: number;
  /**
   * How its weights are related to the layer's: the same numbers, in whatever order and with whatever
   * sign; near ones in the same places, as rounding or more training makes them; or others.
   */
  readonly relation: "same" | "near" | "other";
  /** How far they are apart in the same places, as a part of their size; the direction that is furthest. */
  readonly apart: number;
}

/** All numbers of W_ih and W_hh without sign, from small to large: no order and no turn changes them. */
function signature({ weightIh, weightHh }: Weights): Float64Array {
  const all = new Float64Array(weightIh.length + weightHh.length);
  all.set(weightIh);
  all.set(weightHh, weightIh.length);
  return all.map(Math.abs).sort();
}

/** The share of numbers that two signatures of one length have in common, from 0 to 1. */
function shared(a: Float64Array, b: Float64Array): number {
  let [at, same] = [0, 0];
  for (const x of a) {
    while (b[at] < x) at++;
    if (b[at] === x) [at, same] = [at + 1, same + 1];
  }
  return a.length === 0 ? 1 : same / a.length;
}

/** How far weights in the right places are from each other: 0 for the same, about 1.4 for others. */
function apart(a: Weights, b: Weights): number {
  let [off, size] = [0, 0];
  for (const name of ["weightIh", "weightHh"] as const) {
    a[name].forEach((x, k) => {
      off += (x - b[name][k]) ** 2;
      size += b[name][k] ** 2;
    });
  }
  return Math.sqrt(off / size);
}

/** Weights that are apart by less than this part of their size may be the layer's, rounded. */
const NEAR = 0.3;

/**
 * Finds the layer of each node.
 *
 * @returns for each node its layer; `null` where none has its shape
 */
export function matched(
  nodes: readonly RecurrentNode[],
  layers: readonly ReferenceLayer[],
): (Match | null)[] {
  const known = new Map<Weights, Float64Array>();
  const signed = (weights: Weights) => {
    const own = known.get(weights) ?? signature(weights);
    known.set(weights, own);
    return own;
  };
  const taken = new Set<ReferenceLayer>();
  return nodes.map((node): Match | null => {
    if (layers.length === 0) return null;
    const own = layerOf(node);
    let best: { match: Match; score: number } | null = null;
    for (const layer of layers) {
      if (layer.kind !== node.kind || layer.hiddenSize !== node.hiddenSize) continue;
      if (layer.inputSize !== node.inputSize) continue;
      if (own.directions.length > layer.directions.length) continue;
      const scores = own.directions.map((weights) =>
        layer.directions.map((other) => {
          const same = shared(signed(weights), signed(other));
          return same > 0.999 ? 1 + same : Math.max(0, 1 - apart(weights, other));
        })
      );
      const each = scores.map((row) => Math.max(...row));
      const score = each.reduce((sum, one) => sum + one);
      const direction = own.directions.length < layer.directions.length
        ? scores[0].indexOf(each[0])
        : 0;
      const relation = each.every((one) => one > 1)
        ? "same" as const
        : each.every((one) => one > 1 - NEAR)
        ? "near" as const
        : "other" as const;
      const match = { layer, direction, relation, apart: Math.max(0, 1 - Math.min(...each)) };
      // Of two that fit as well, the one that no node is yet.
      const fresh = taken.has(layer) ? 0 : 1e-6;
      if (!best || score + fresh > best.score) best = { match, score: score + fresh };
    }
    if (best && best.match.relation !== "other") taken.add(best.match.layer);
    return best && best.match;
  });
}
