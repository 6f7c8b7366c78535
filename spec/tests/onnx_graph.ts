/** ONNX files in the making, for tests. */

import { type OnnxLayer, Tensor } from "../../mod.ts";
import { type WireField, writeMessage } from "../../lib/onnx/mod.ts";

/** A model in the making. */
export class Graph {
  readonly fields: WireField[] = [];

  constant(name: string, { shape, data, dtype }: Tensor): string {
    return this.stored(
      name,
      dtype === "float32" ? 1 : 11,
      shape,
      new Uint8Array(data.slice().buffer),
    );
  }

  /** A constant of one of ONNX's types. */
  stored(name: string, type: number, shape: readonly number[], bytes: Uint8Array): string {
    const dims = shape.map((extent): WireField => [1, extent]);
    this.fields.push([5, [...dims, [2, type], [8, name], [9, bytes]]]);
    return name;
  }

  node(type: string, inputs: string[], output: string, name = "", ...more: WireField[]): string {
    const fields = inputs.map((input): WireField => [1, input]);
    this.fields.push([1, [...fields, [2, output], [3, name], [4, type], ...more]]);
    return output;
  }

  recurrent(layer: OnnxLayer, input: string, output: string, name = ""): string {
    const { opType, direction, linearBeforeReset, activations, W, R, B } = layer;
    const weights = [["W", W], ["R", R], ["B", B]] as const;
    const inputs = weights.map(([key, x]) => x ? this.constant(`${output}.${key}`, x) : "");
    const attributes: WireField[] = [attribute("direction", 3, [4, direction])];
    if (linearBeforeReset) attributes.push(attribute("linear_before_reset", 2, [3, 1]));
    const names = activations?.map((one): WireField => [9, one]) ?? [];
    if (names.length) attributes.push(attribute("activations", 8, ...names));
    return this.node(opType, [input, ...inputs], output, name, ...attributes);
  }

  encode(...more: WireField[]): Uint8Array {
    return writeMessage([[1, 8], [7, this.fields], [8, [[2, 17]]], ...more]);
  }
}

/** A node's attribute. */
export const attribute = (name: string, type: number, ...value: WireField[]): WireField => [
  5,
  [[1, name], ...value, [20, type]],
];

/** The fields of inputs and outputs. */
export const names = (
  inputs: readonly string[],
  outputs: readonly string[] = ["y"],
): WireField[] => [
  ...inputs.map((name): WireField => [1, name]),
  ...outputs.map((name): WireField => [2, name]),
];

/** A node of an operator. */
export const node = (
  type: string,
  ...fields: WireField[]
): WireField => [1, [[4, type], ...fields]];

/** A tensor of float64. */
export const float64 = (shape: readonly number[], ...data: number[]): Tensor =>
  new Tensor(Float64Array.from(data), shape);

/** Whole numbers, one after the other. */
export const numbers = (count: number, from = 1): number[] =>
  Array.from({ length: count }, (_, k) => from + k);

/** A graph with the weights of an RNN of two units that reads one number. */
export function small(): Graph {
  const graph = new Graph();
  graph.constant("W", float64([1, 2, 1], 1, 2));
  graph.constant("R", float64([1, 2, 2], 3, 4, 5, 6));
  return graph;
}
/** The same with the node. */
export const rnn = (graph: Graph, ...more: WireField[]): Graph => {
  graph.fields.push(node("RNN", ...names(["x", "W", "R"]), [3, "own"], ...more));
  return graph;
};

/** An unsigned integer of at most 64 bits in groups of 7 bits. */
export function varint(value: bigint): number[] {
  const low = Number(value & 127n);
  return value > 127n ? [low | 128, ...varint(value >> 7n)] : [low];
}

/** Integers about every length that there is, and at each power of two. */
export const edges: readonly bigint[] = [
  ...new Set(
    Array.from(
      { length: 65 },
      (_, k) => [-1n, 0n, 1n].map((x) => BigInt.asUintN(64, (1n << BigInt(k)) + x)),
    )
      .flat(),
  ),
];
