/** A network as an ONNX model, and its check in ONNX Runtime. */

import { Tensor } from "../../mod.ts";
import { Graph } from "../adapters/onnx_model.ts";
import type { Named, Network } from "./network.ts";

/**
 * Writes a network as an ONNX model of opset 17, with PyTorch's names for its inputs and outputs.
 */
export function toOnnxModel(network: Network): Uint8Array {
  const { detected, layer, state, embedding, norm, head, options } = network;
  const graph = new Graph();
  const turn = (x: string) => options.batchFirst ? graph.transpose(x) : x;
  const read = embedding
    ? graph.one("Gather", [graph.constant(embedding.weight), graph.input("input", 2, "int64")])
    : graph.input("input", 3);
  const input = turn(read);
  const names = detected.kind === "LSTM" ? ["h_0", "c_0"] : ["h_0"];
  const initial = options.withState ? names.map((name) => graph.input(name, 3)) : [];
  const relu = "nonlinearity" in layer && layer.nonlinearity === "relu";
  const [y, ...states] = graph.layers(input, state, initial, relu);
  const every = !head || options.everyStep;
  const seen = every ? turn(y) : graph.last(y);
  const normed = norm ? graph.norm(seen, norm.weight!, norm.bias, norm.eps) : seen;
  const output = head ? graph.linear(normed, head.weight, head.bias) : normed;
  graph.output("output", output, every ? 3 : 2);
  states.forEach((state, k) => graph.output(["h_n", "c_n"][k], state, 3));
  return graph.encode();
}

/**
 * Opens an ONNX model in ONNX Runtime.
 *
 * @returns what runs it; `null` where ONNX Runtime is not at hand
 */
export async function openOnnx(
  model: Uint8Array,
): Promise<((inputs: Named) => Promise<Named>) | null> {
  const name = "npm:onnxruntime-node@1.30.0"; // not named literally, so that only who runs this downloads it
  let runtime;
  try {
    runtime = await import(name);
  } catch {
    return null;
  }
  const session = await runtime.InferenceSession.create(model, { logSeverityLevel: 4 });
  return async (inputs) => {
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, { data, shape, dtype }]) => [
        name,
        dtype === "int64"
          ? new runtime.Tensor(dtype, BigInt64Array.from(data, BigInt), shape)
          : new runtime.Tensor("float32", data, shape),
      ]),
    );
    const results: Record<string, { data: Float32Array; dims: number[] }> = await session.run(
      feeds,
    );
    return Object.fromEntries(
      Object.entries(results).map(([name, { data, dims }]) => [name, new Tensor(data, dims)]),
    );
  };
}
