/**
 * ONNX files: read without running anything, and what is in them judged.
 *
 * @example What a file holds
 * ```ts
 * import { readOnnx, writeMessage } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * // A file is mostly one that Deno.readFile gives.
 * const node = [[1, "x"], [2, "y"], [4, "Tanh"]] as const;
 * const file = writeMessage([[1, 8], [7, [[1, node]]], [8, [[2, 17]]]]);
 * const { graph } = readOnnx(file);
 * assertEquals(graph.nodes.map(({ opType, inputs }) => [opType, inputs]), [["Tanh", ["x"]]]);
 * ```
 *
 * @module
 */

export type { OnnxActivation } from "./activations.ts";
export {
  evaluateRecurrence,
  type OnnxRecurrentInputs,
  type OnnxRecurrentOutputs,
} from "./evaluate.ts";
export {
  attributesOf,
  isRecurrent,
  type OnnxAttributes,
  type OnnxRecurrence,
  recurrenceOf,
} from "./recurrence.ts";
export type { FileMistake } from "./deviations.ts";
export { judge, type Judgement, type Reference } from "./judge.ts";
export { mend, type Mended } from "./mend.ts";
export { looksLikeOnnx } from "../checkpoints/onnx_file.ts";
export type {
  OnnxAttribute,
  OnnxAttributeValue,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxValue,
} from "./model.ts";
export type { JudgeOptions, NodeJudgement, Verdict } from "./node.ts";
export type { Note, Runtime } from "./notes.ts";
export type { Off } from "./numbers.ts";
export { type Probe, probes } from "./probe.ts";
export { type OnnxOptions, readOnnx } from "./read.ts";
export { type OnnxDType, type OnnxExternal, type OnnxExternalData, OnnxTensor } from "./tensor.ts";
export { type Edit, replaceParts, type WireField, type WireValue, writeMessage } from "./write.ts";
export type { WholeJudgement } from "./whole.ts";
