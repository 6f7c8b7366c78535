/** Files that are mended, and what is in them afterwards. */

import { assertEquals } from "@std/assert";
import type { StateDict } from "../../../mod.ts";
import { mend, type OnnxModel, readOnnx } from "../../../lib/onnx/mod.ts";
import { nodeWeights, type ReferenceLayer } from "../../../lib/onnx/reference.ts";

/** The file mended, read again; it must be right. */
export function mended(model: OnnxModel, state: StateDict, verdict = "right"): OnnxModel {
  const { bytes, judgement } = mend(model, state);
  assertEquals(judgement.verdict, verdict);
  return readOnnx(bytes);
}

/** The numbers of a constant. */
export const constantIn = ({ graph }: OnnxModel, name: string) =>
  graph.initializers.get(name) && [...graph.initializers.get(name)!.toTensor().data];

/** Numbers as float32 holds them. */
export const single = (data: ArrayLike<number>) => [...Float32Array.from(data)];

/** A layer's weights as its node has them. */
export const weightsOf = (layer: ReferenceLayer) => {
  const { W, R, B } = nodeWeights(layer);
  return [W, R, B].map((x) => x ? single(x.data) : undefined);
};

/** The numbers of a node's weights, as the file has them. */
export const weightsIn = (model: OnnxModel, names = ["rnn.W", "rnn.R", "rnn.B"]) =>
  names.map((name) => constantIn(model, name));
