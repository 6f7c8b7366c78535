/** A golden case as ONNX's own backend tests have theirs: a model, its inputs, its outputs. */

import { decode, type JsonTensor, type Task } from "../../lib/conformance/mod.ts";
import { type FloatDType, Tensor } from "../../mod.ts";
import { modelOf } from "../adapters/onnx/case.ts";
import { encodeTensor } from "../adapters/onnx_model.ts";

/** The bytes of a tensor or of lengths. */
function bytesOf(name: string, x: Tensor | Int32Array): Uint8Array {
  return x instanceof Tensor
    ? encodeTensor({ name, type: x.dtype as FloatDType, dims: x.shape, data: x.data })
    : encodeTensor({ name, type: "int32", dims: [x.length], data: x });
}

/**
 * The files of a case, by their paths in its folder.
 *
 * @returns `null` where ONNX has no way to say it
 */
export function onnxFiles(
  { request, expect }: Task,
  packed: boolean,
  opset: number,
): Record<string, Uint8Array> | null {
  let found: ReturnType<typeof modelOf>;
  try {
    found = modelOf(request);
  } catch {
    return null;
  }
  const files: Record<string, Uint8Array> = { "model.onnx": found.graph.encode(packed, opset) };
  const put = (kind: string, k: number, name: string, x: Tensor | Int32Array) =>
    files[`test_data_set_0/${kind}_${k}.pb`] = bytesOf(name, x);
  Object.entries(found.feeds).forEach(([name, x], k) => put("input", k, name, x));
  Object.entries(expect.outputs!).forEach(([name, json], k) =>
    put("output", k, name, decode(json as JsonTensor, request.dtype ?? "float32"))
  );
  return files;
}
