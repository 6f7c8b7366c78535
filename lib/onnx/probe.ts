/**
 * Each recurrent node as a file of its own, with inputs and what is to come out: for any runtime that
 * is at hand.
 */

import { any, bool, check, record } from "../call.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Reference, referenceLayers } from "./judge.ts";
import { matched } from "./match.ts";
import { type JudgeOptions, nodeCase } from "./node.ts";
import type { OnnxModel } from "./model.ts";
import { type RecurrentNode, recurrentNodes } from "./recurrent.ts";
import { type WireField, writeMessage } from "./write.ts";
import { Message } from "./wire.ts";

/** A recurrent node as a file of its own. */
export interface Probe {
  /** Which node of the judged file it is. */
  readonly path: string;
  /** The file: inputs `X`, `initial_h` and, of an LSTM, `initial_c`; outputs `Y`, `Y_h`, `Y_c`. */
  readonly bytes: Uint8Array;
  /** What goes in, in float64, of numbers that float32 holds. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  /** What the node computes, in float64: ONNX's own outputs, by its own text. */
  readonly computed: Readonly<Record<string, Tensor>>;
  /** What its layer computes, in the node's form; `null` without a layer. */
  readonly wanted: Readonly<Record<string, Tensor>> | null;
  /**
   * How far a runtime may be from what the node computes: 1e-4, for sums in float32; with quantised
   * weights, ten times the difference that inputs of 8 bits make.
   */
  readonly tolerance: number;
}

/**
 * Makes a file of each recurrent node, so that a runtime can be asked what it computes (JUDGE-5).
 *
 * @param reference the weights that it was made from, another file, or `null`
 * @returns a file for each node whose inputs are known; a node in a function that leaves an attribute
 * to its call has none
 *
 * @example
 * ```ts
 * import { RNN, type Tensor } from "@rnn-spec/rnn-spec";
 * import { probes, readOnnx, type WireField, writeMessage } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * const state = new RNN(1, 1, { bias: false }).stateDict();
 * const one = (name: string, { data }: Tensor): WireField => [5, [
 *   ...[[1, 1], [1, 1], [1, 1], [2, 1], [8, name]] as WireField[],
 *   [9, new Uint8Array(data.slice().buffer)],
 * ]];
 * const weights = [one("W", state.weight_ih_l0), one("R", state.weight_hh_l0)];
 * const node: WireField = [1, [[1, "x"], [1, "W"], [1, "R"], [2, "y"], [4, "RNN"]]];
 * const file = writeMessage([[1, 8], [7, [node, [2, "g"], ...weights]], [8, [[2, 17]]]]);
 * const [{ inputs, computed, wanted }] = probes(readOnnx(file), state);
 * assertEquals([inputs.X.shape, computed.Y.shape], [[9, 2, 1], [9, 1, 2, 1]]);
 * assertEquals(wanted?.Y.data, computed.Y.data);
 * ```
 */
export function probes(
  model: OnnxModel,
  reference: Reference | null,
  options: JudgeOptions = {},
): Probe[] {
  check([
    "probes",
    { model: record, reference: any },
    { nonlinearity: any, batchFirst: bool },
  ], arguments);
  const { nodes } = recurrentNodes(model);
  const matches = matched(nodes, referenceLayers(reference).layers);
  return nodes.flatMap((node, k) => {
    if ([...node.node.attributes.values()].some(({ type }) => type === "reference")) return [];
    const { given, computed, wanted, tolerance } = nodeCase(node, matches[k], options);
    const initial = { initial_h: given.h_0, ...(given.c_0 && { initial_c: given.c_0 }) };
    return [{
      path: node.path,
      bytes: fileOf(node, model),
      inputs: { X: given.input, ...initial },
      computed,
      wanted,
      tolerance,
    }];
  });
}

function fileOf({ node, scope, kind }: RecurrentNode, model: OnnxModel): Uint8Array {
  const lstm = kind === "LSTM";
  const inputs = [...node.inputs.keys()].map((k) => {
    if (k === 0) return "X";
    return k === 4 ? "" : node.inputs[k] && `input_${k}`;
  });
  while (inputs.length < (lstm ? 7 : 6)) inputs.push("");
  inputs[5] = "initial_h";
  if (lstm) inputs[6] = "initial_c";
  const outputs = ["Y", "Y_h", ...(lstm ? ["Y_c"] : [])];
  const message = new Message(node.bytes, "node");
  const kept: WireField[] = [];
  const names = [...node.attributes.keys()];
  for (let [attribute, from] = [0, 0]; message.next(-1); from = message.at) {
    const { field } = message;
    message.skip();
    // Here time is first.
    if (field === 5 && names[attribute++] !== "layout") {
      kept.push([5, attributeOf(node.bytes.subarray(from, message.at))]);
    }
  }
  const weights = node.inputs.flatMap((name, k): WireField[] => {
    if (!name || [0, 4, 5, 6].includes(k)) return [];
    const value = scope.get(name)!;
    const tensor = scope.initializer(name);
    // Integers as they stand, all else in float32.
    const raw = tensor && /int8$/.test(tensor.dtype)
      ? tensor.stored().bytes()
      : new Uint8Array(Float32Array.from(value.data).buffer);
    const type = tensor?.dtype === "int8" ? 3 : tensor?.dtype === "uint8" ? 2 : 1;
    return [[5, [
      ...value.shape.map((extent): WireField => [1, extent]),
      ...[[2, type], [8, `input_${k}`], [9, raw]] as WireField[],
    ]]];
  });
  const info = (field: number, name: string, dims: number): WireField => [field, [
    [1, name],
    [2, [[1, [[1, 1], [2, Array.from({ length: dims }, (): WireField => [1, []])]]]]],
  ]];
  const opset = Math.max(model.opsets.get("") ?? 17, 7);
  const domains = [...model.opsets].filter(([name]) => name === node.domain && name !== "");
  return writeMessage([
    [1, 8],
    [7, [
      [1, [
        ...inputs.map((name): WireField => [1, name]),
        ...outputs.map((name): WireField => [2, name]),
        ...[[4, node.opType], [7, node.domain]] as WireField[],
        ...kept,
      ]],
      [2, "node"],
      ...weights,
      ...["X", "initial_h", ...(lstm ? ["initial_c"] : [])].map((name) => info(11, name, 3)),
      ...outputs.map((name) => info(12, name, name === "Y" ? 4 : 3)),
    ]],
    [8, [[2, opset]]],
    ...domains.map(([name, version]): WireField => [8, [[1, name], [2, version]]]),
  ]);
}

/** What a field of bytes holds, without its number and length. */
function attributeOf(field: Uint8Array): Uint8Array {
  const message = new Message(field, "attribute");
  message.next();
  return message.message("attribute").bytes;
}
