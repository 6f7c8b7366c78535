/** Recurrent nodes and the layers that they are, made without a file. */

import { Tensor } from "../../../mod.ts";
import { type OnnxAttributes, recurrenceOf } from "../../../lib/onnx/mod.ts";
import type { Match } from "../../../lib/onnx/match.ts";
import { judgeNode } from "../../../lib/onnx/node.ts";
import { draws } from "../../../lib/onnx/numbers.ts";
import type { RecurrentNode } from "../../../lib/onnx/recurrent.ts";
import { nodeWeights, type ReferenceLayer, type Weights } from "../../../lib/onnx/reference.ts";
import type { LayerKind } from "../../../lib/layouts/layout.ts";

/** Numbers between -1 and 1, other ones for another seed. */
export function numbers(count: number, seed: number): Float64Array {
  const next = draws(seed);
  return Float64Array.from({ length: count }, next);
}

/** A layer with drawn weights. */
export function layerWith(
  kind: LayerKind,
  [inputSize, hiddenSize]: readonly [input: number, hidden: number],
  { directions = 1, seed = 1, bias = true, module = "" } = {},
): ReferenceLayer {
  const rows = { RNN: 1, LSTM: 4, GRU: 3 }[kind] * hiddenSize;
  const one = (_: unknown, d: number): Weights => ({
    weightIh: numbers(rows * inputSize, 10 * seed + d),
    weightHh: numbers(rows * hiddenSize, 10 * seed + d + 1000),
    biasIh: bias ? numbers(rows, 10 * seed + d + 2000) : null,
    biasHh: bias ? numbers(rows, 10 * seed + d + 3000) : null,
  });
  return {
    ...{ module, layer: 0, layers: 1, kind, cell: false, inputSize, hiddenSize },
    directions: Array.from({ length: directions }, one),
  };
}

/** A layer with other weights. */
export function changedIn(
  layer: ReferenceLayer,
  change: (own: Weights, direction: number) => Partial<Weights>,
): ReferenceLayer {
  const directions = layer.directions.map((own, d) => ({ ...own, ...change(own, d) }));
  return { ...layer, directions };
}

/** The node that holds a layer's weights, as told. */
export function nodeOf(
  layer: ReferenceLayer,
  told: OnnxAttributes = {},
  more: Partial<RecurrentNode> = {},
): RecurrentNode {
  const { kind, inputSize, hiddenSize, directions } = layer;
  const direction = directions.length === 2 ? "bidirectional" : "forward";
  const own = kind === "GRU" ? { linear_before_reset: 1 } : {};
  return {
    ...{ path: "node", kind, inputSize, hiddenSize, quantised: null },
    told: recurrenceOf(kind, { direction, ...own, ...told }, 22),
    weights: { ...nodeWeights(layer), P: null },
    ...more,
  } as RecurrentNode;
}

/** An input P for a node's peepholes. */
export function peepholesOf({ directions, hiddenSize }: ReferenceLayer) {
  const data = numbers(3 * hiddenSize * directions.length, 77);
  return { shape: [directions.length, 3 * hiddenSize], data, whole: false };
}

/** Row-major numbers as a tensor in float64. */
export const wide = (shape: readonly number[], ...data: number[]) =>
  new Tensor(Float64Array.from(data), shape);

/** A node held against a layer whose numbers it has. */
export const judged = (node: RecurrentNode, layer: ReferenceLayer, more: Partial<Match> = {}) =>
  judgeNode(node, { layer, direction: 0, relation: "same", apart: 0, ...more }, {});

/** The mistakes: each its name, then its words. */
export const mistakesOf = (...given: Parameters<typeof judged>) =>
  judged(...given).mistakes.map(({ id, says }) => `${id}: ${says}`);

export const ids = (...given: Parameters<typeof judged>) =>
  judged(...given).mistakes.map(({ id }) => id);

/** The numbers of one direction of a layer, negated. */
export const negated = (layer: ReferenceLayer, ...directions: number[]) =>
  changedIn(
    layer,
    ({ weightHh }, d) => directions.includes(d) ? { weightHh: weightHh.map((x) => -x) } : {},
  );
