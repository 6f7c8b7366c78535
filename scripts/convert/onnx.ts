/** A network as an ONNX model, and its check in ONNX Runtime. */

import { Tensor, toOnnx } from "../../mod.ts";
import { Graph } from "../adapters/onnx_model.ts";
import type { Named, Network } from "./network.ts";

/**
 * Writes a network as an ONNX model of opset 17, with PyTorch's names for its inputs and outputs.
 */
export function toOnnxModel({ detected, layer, state, head, options }: Network): Uint8Array {
  const graph = new Graph("float32");
  const one = (type: string, inputs: string[], attributes = {}) =>
    graph.node(type, inputs, attributes)[0];
  const turn = (x: string) => options.batchFirst ? one("Transpose", [x], { perm: [1, 0, 2] }) : x;
  const nodes = toOnnx(state);
  const parts = (name: string) => {
    const x = graph.input(name, 3);
    return nodes.length === 1 ? [x] : graph.node("Split", [x], { axis: 0 }, nodes.length);
  };
  let x = turn(graph.input("input", 3));
  const lstm = detected.kind === "LSTM";
  const initial = options.withState ? (lstm ? ["h_0", "c_0"] : ["h_0"]).map(parts) : [];
  const finals: string[][] = [];
  nodes.forEach(({ opType, direction, hiddenSize, W, R, B }, k) => {
    const phi = "nonlinearity" in layer && layer.nonlinearity === "relu" ? "Relu" : "Tanh";
    const attributes = {
      direction,
      hidden_size: hiddenSize,
      ...(opType === "GRU" && { linear_before_reset: 1 }),
      ...(opType === "RNN" && { activations: Array(W.shape[0]).fill(phi) }),
    };
    const weights = [W, R, B].map((weight) => weight ? graph.constant(weight) : "");
    const inputs = [x, ...weights, "", ...initial.map((states) => states[k])];
    const [y, ...final] = graph.node(opType, inputs, attributes, lstm ? 3 : 2);
    finals.push(final);
    const turned = one("Transpose", [y], { perm: [0, 2, 1, 3] }); // (L, D, N, H) to (L, N, D, H)
    x = one("Reshape", [turned, graph.integers([0, 0, -1])]);
  });
  if (!head) graph.output("output", turn(x), 3);
  else {
    const last = () => {
      const step = one("Gather", [x, graph.integers([-1])], { axis: 0 });
      return one("Squeeze", [step, graph.integers([0])]);
    };
    const read = options.everyStep ? turn(x) : last();
    const weight = one("Transpose", [graph.constant(head.weight)], { perm: [1, 0] });
    const product = one("MatMul", [read, weight]);
    const sum = head.bias ? one("Add", [product, graph.constant(head.bias)]) : product;
    graph.output("output", sum, options.everyStep ? 3 : 2);
  }
  finals[0].forEach((_, part) => {
    const all = finals.map((final) => final[part]);
    const state = all.length === 1 ? all[0] : one("Concat", all, { axis: 0 });
    graph.output(["h_n", "c_n"][part], state, 3);
  });
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
      Object.entries(inputs).map(([name, { data, shape }]) => [
        name,
        new runtime.Tensor("float32", data, shape),
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
