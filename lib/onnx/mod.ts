/**
 * ONNX files: read without running anything, and what is in them judged.
 *
 * @example What a file holds
 * ```ts
 * import { readOnnx, writeMessage } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * // A file is mostly one that Deno.readFile gives.
 * const file = writeMessage([[1, 8], [7, [[1, [[1, "x"], [2, "y"], [4, "Tanh"]]]]]]);
 * const { graph } = readOnnx(file);
 * assertEquals(graph.nodes.map(({ opType, inputs }) => [opType, inputs]), [["Tanh", ["x"]]]);
 * ```
 *
 * @module
 */

export {
  looksLikeOnnx,
  type OnnxAttribute,
  type OnnxAttributeValue,
  type OnnxFunction,
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  type OnnxOptions,
  type OnnxValue,
  readOnnx,
} from "./model.ts";
export { type OnnxDType, type OnnxExternal, type OnnxExternalData, OnnxTensor } from "./tensor.ts";
export { type Edit, replaceParts, type WireField, type WireValue, writeMessage } from "./write.ts";
