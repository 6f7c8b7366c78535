/**
 * A file whose recurrent nodes are wrong, mended: what a node is told and its weights are put right,
 * and all else is left as it is.
 */

import { any, bool, check, record } from "../call.ts";
import { CheckpointError } from "../checkpoints/error.ts";
import { joined } from "../checkpoints/source.ts";
import { examine, judge, type Judgement, type Reference } from "./judge.ts";
import type { Match } from "./match.ts";
import type { OnnxModel } from "./model.ts";
import { alike, bendOf, type JudgeOptions } from "./node.ts";
import { readOnnx } from "./read.ts";
import { nodeWeights } from "./reference.ts";
import { type RecurrentNode, recurrentNodes } from "./recurrent.ts";
import type { Value } from "./value.ts";
import { Message } from "./wire.ts";
import { type Edit, replaceParts, type WireField, writeMessage } from "./write.ts";

/** A mended file. */
export interface Mended {
  /** The file. */
  readonly bytes: Uint8Array;
  /** Its judgement, which may still be wrong. */
  readonly judgement: Judgement;
}

/** The attributes that say something that PyTorch's layers cannot. */
const wrongAttributes = ["clip", "input_forget", "activation_alpha", "activation_beta"];

/**
 * Mends the recurrent nodes of a file that its checkpoint shows to be wrong (JUDGE-4): what they are
 * told, their weights, and the state that they start from. What lies between nodes is not changed.
 *
 * @param reference the weights that it was made from, or a file that is right
 * @returns the mended file and its judgement, which may still be wrong
 * @throws {CheckpointError} if a node cannot be mended: its weights come out of a function, or are of
 * half precision
 *
 * @example
 * ```ts
 * import { RNN, type Tensor } from "@rnn-spec/rnn-spec";
 * import { judge, mend, readOnnx, type WireField, writeMessage } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * const state = new RNN(1, 1, { bias: false }).stateDict();
 * const one = (name: string, { data }: Tensor): WireField => [5, [
 *   ...[[1, 1], [1, 1], [1, 1], [2, 1], [8, name]] as WireField[],
 *   [9, new Uint8Array(data.slice().buffer)],
 * ]];
 * const weights = [one("W", state.weight_ih_l0), one("R", state.weight_hh_l0)];
 * const clip: WireField = [5, [[1, "clip"], [2, { float: 0.1 }], [20, 1]]];
 * const node: WireField = [1, [[1, "x"], [1, "W"], [1, "R"], [2, "y"], [4, "RNN"], clip]];
 * const file = writeMessage([[1, 8], [7, [node, [2, "g"], ...weights]], [8, [[2, 17]]]]);
 * assertEquals(judge(readOnnx(file), state).verdict, "wrong");
 * assertEquals(mend(readOnnx(file), state).judgement.verdict, "right");
 * ```
 */
export function mend(
  model: OnnxModel,
  reference: Reference,
  options: JudgeOptions = {},
): Mended {
  check([
    "mend",
    { model: record, reference: any },
    { nonlinearity: any, batchFirst: bool },
  ], arguments);
  const { judgement, matches } = examine(model, reference, options);
  let current = model;
  matches.forEach((match, k) => {
    if (!match) return;
    const ids = new Set([
      ...judgement.nodes[k].mistakes.map(({ id }) => id),
      ...judgement.whole.filter(({ module }) => module === match.layer.module)
        .flatMap(({ mistakes }) => mistakes.map(({ id }) => id)),
    ]);
    const around = ["fixed-batch", "direction", "layout", "h-0-ignored"].some((id) => ids.has(id));
    if (judgement.nodes[k].verdict !== "wrong" && !around) return;
    // Where the nodes stand in the bytes changes with each that is mended.
    const { nodes } = recurrentNodes(current);
    current = readOnnx(mended(current, nodes[k], match, ids, options));
  });
  return { bytes: current.bytes, judgement: judge(current, reference, options) };
}

/** The file with one node mended. */
function mended(
  model: OnnxModel,
  node: RecurrentNode,
  match: Match,
  ids: ReadonlySet<string>,
  options: JudgeOptions,
): Uint8Array {
  const { kind, told } = node;
  const inputs = [...node.node.inputs];
  const drop = new Set<string>(wrongAttributes);
  const put: WireField[][] = [];
  const int = (name: string, value: number) => put.push([[1, name], [3, value], [20, 2]]);
  if (kind === "GRU") {
    drop.add("linear_before_reset");
    int("linear_before_reset", 1);
  }
  drop.add("activations");
  if (kind === "RNN" && bendOf(node, options) === "relu") {
    const names = told.activations.map((): WireField => [9, "Relu"]);
    put.push([[1, "activations"], ...names, [20, 8]]);
  }
  if (ids.has("direction")) drop.add("direction");
  if (ids.has("layout")) drop.add("layout");
  if (node.weights.P) inputs[7] = "";
  const zero = (name?: string) => !name || node.scope.get(name)?.data.every((x) => x === 0);
  if (ids.has("fixed-batch") && zero(inputs[5]) && zero(inputs[6])) inputs.splice(5, 2, "", "");
  if (ids.has("h-0-ignored")) startGiven(model, match, inputs);
  const edits: Edit[] = [];
  const added: Uint8Array[] = [];
  const right = nodeWeights(alike(node, match));
  const names = ["W", "R", "B"] as const;
  names.forEach((name, k) => {
    if (node.quantised && name !== "B") return;
    if (same(node.weights[name], right[name])) return;
    if (!right[name]) return void (inputs[1 + k] = "");
    weight(model, node, inputs, 1 + k, right[name], edits, added);
  });
  while (inputs.at(-1) === "") inputs.pop();
  edits.push({ part: node.node.bytes, by: nodeBytes(node, inputs, drop, put) });
  if (!("initializers" in node.within)) {
    if (added.length > 0) {
      throw new CheckpointError(`${node.path}: its weights are arguments of a function`);
    }
    return replaceParts(model.bytes, edits);
  }
  const { bytes } = node.within;
  const graph = joined([replaceParts(bytes, edits), ...added]);
  return replaceParts(model.bytes, [{ part: bytes, by: graph }]);
}

/** Lets a node start from the states that the file is given. */
function startGiven(model: OnnxModel, { layer }: Match, inputs: string[]): void {
  if (layer.layers > 1) return; // the rows of each layer would have to be taken out first
  const states = model.graph.inputs.filter(({ name, shape }) =>
    !model.graph.initializers.has(name) && shape?.length === 3 && shape[2] === layer.hiddenSize &&
    shape[0] === layer.directions.length && !inputs.includes(name)
  );
  for (const k of [3, 4]) inputs[k] ??= "";
  states.forEach(({ name }, k) => inputs[5 + k] = name);
}

/** Whether weights are as they should be; none are zeros. */
function same(given: Value | null, right: Value | null): boolean {
  if (!given || !right) return !(given ?? right)?.data.some((x) => x !== 0);
  return given.data.every((x, k) => x === right.data[k]);
}

/** Gives a node other weights: in place of its own where nothing else reads them. */
function weight(
  model: OnnxModel,
  { node, within, path, scope }: RecurrentNode,
  inputs: string[],
  place: number,
  { shape, data }: Value,
  edits: Edit[],
  added: Uint8Array[],
): void {
  const name = inputs[place] ?? "";
  const own = "initializers" in within ? within.initializers.get(name) : undefined;
  const dtype = scope.initializer(name || node.inputs[1])?.dtype ?? "float32";
  if (dtype !== "float32" && dtype !== "float64") {
    throw new CheckpointError(`${path}: its weights are ${dtype}`);
  }
  const numbers = dtype === "float32" ? Float32Array.from(data) : data;
  const alone = own && uses(model.bytes, name) === uses(own.bytes, name) + 1;
  let called = name;
  for (let k = 0; !alone && (k === 0 || uses(model.bytes, called) > 0); k++) {
    called = `${name || `${path}_${place}`}_mended${k || ""}`;
  }
  const bytes = writeMessage([
    ...shape.map((extent): WireField => [1, extent]),
    ...[[2, dtype === "float32" ? 1 : 11], [8, called]] as WireField[],
    [9, new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)],
  ]);
  if (alone) return void edits.push({ part: own.bytes, by: bytes });
  added.push(writeMessage([[5, bytes]]));
  inputs[place] = called;
}

/** How often a text stands in a file, as a field of its own. */
function uses(bytes: Uint8Array, text: string): number {
  const wanted = writeMessage([[1, text]]).subarray(1); // its length, then the text
  let count = 0;
  for (let at = bytes.indexOf(wanted[0]); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, k) => bytes[at + k] === byte)) count++;
  }
  return count;
}

/** A node's message with other inputs and other attributes. */
function nodeBytes(
  { node }: RecurrentNode,
  inputs: readonly string[],
  drop: ReadonlySet<string>,
  put: readonly WireField[][],
): Uint8Array {
  const names = [...node.attributes.keys()];
  const parts = inputs.map((name) => writeMessage([[1, name]]));
  const message = new Message(node.bytes, "node");
  for (let [attribute, from] = [0, 0]; message.next(-1); from = message.at) {
    const { field } = message;
    message.skip();
    const dropped = field === 1 || (field === 5 && drop.has(names[attribute++]));
    if (!dropped) parts.push(node.bytes.subarray(from, message.at));
  }
  parts.push(...put.map((fields) => writeMessage([[5, fields]])));
  return joined(parts);
}
