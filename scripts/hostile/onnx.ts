/**
 * ONNX files for the hostile campaign: sound ones to begin with, changes that know the wire format,
 * files that are small and would be made into something large, and what a reader may do with them.
 */

import { joined as join } from "../../lib/checkpoints/source.ts";
import {
  type OnnxGraph,
  type OnnxModel,
  type OnnxNode,
  OnnxTensor,
  readOnnx,
  type WireField,
  writeMessage,
} from "../../lib/onnx/mod.ts";
import { onnxWeights } from "../../lib/onnx/weights.ts";
import { Message } from "../../lib/onnx/wire.ts";
import type { Bomb } from "./bombs.ts";
import type { Mutation, Seed } from "./mutate.ts";
import { isClear, type Outcome, refusal } from "./outcome.ts";
import type { Choices } from "./random.ts";

type Fields = readonly WireField[];

const raw = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const packed = (...values: (number | bigint)[]) =>
  join(values.map((value) => writeMessage([[1, value]]).subarray(1)));
const value = (name: string, ...dims: (number | string)[]): Fields => [
  [1, name],
  [2, [[1, [[1, 1], [2, dims.map((dim) => [1, [[typeof dim === "number" ? 1 : 2, dim]]])]]]]],
];
const attribute = (name: string, type: number, ...fields: Fields): WireField => [
  5,
  [[1, name], ...fields, [20, type]],
];
const model = (graph: Fields | Uint8Array, more: Fields = []) =>
  writeMessage([[1, 8], [2, "rnn-spec"], ...more, [7, graph], [8, [[2, 17]]]]);

/** A recurrent node and its weights. */
function recurrent(op: string, gates: number): Fields {
  const tensor = (name: string, dims: number[], count: number): WireField => [
    5,
    [...dims.map((dim): WireField => [1, dim]), [2, 1], [8, name], [
      9,
      raw(...Array.from({ length: count }, (_, k) => k / 16 - 0.5)),
    ]],
  ];
  return [
    [1, [
      [1, "x"],
      [1, "w"],
      [1, "r"],
      [2, "y"],
      [2, "h"],
      [3, op],
      [4, op],
      attribute("hidden_size", 2, [3, 2]),
      attribute("direction", 3, [4, "forward"]),
      attribute("clip", 1, [2, { float: 0.5 }]),
      attribute("activation_alpha", 6, [7, raw(0.5, 0.25)]),
      attribute("activations", 8, [9, "Tanh"], [9, "Tanh"]),
    ]],
    [2, "graph"],
    tensor("w", [1, 2 * gates, 1], 2 * gates),
    tensor("r", [1, 2 * gates, 2], 4 * gates),
    [11, value("x", 3, "batch", 1)],
    [12, value("y", "length", 1, "batch", 2)],
    [13, value("h")],
  ];
}

/** Tensors that keep their elements in every way there is. */
const stores: Fields = [
  [5, [[1, packed(2, 2)], [2, 1], [4, raw(1, 2, 3, 4)], [8, "floats"]]],
  [5, [[1, 3], [2, 6], [5, packed(1, -1, 1000)], [8, "integers"]]],
  [5, [[1, 2], [2, 10], [5, packed(0x3c00, 0xc000)], [8, "halves"]]],
  [5, [[1, 2], [2, 7], [7, 5], [7, -5], [8, "longs"]]],
  [5, [[1, 1], [2, 11], [10, new Uint8Array(8)], [8, "doubles"]]],
  [5, [[1, 1], [2, 13], [11, packed(2n ** 64n - 1n)], [8, "unsigned"]]],
  [5, [[1, 2], [2, 8], [6, "one"], [6, "two"], [8, "texts"]]],
  [5, [[1, 3], [2, 22], [9, new Uint8Array(2)], [8, "nibbles"]]],
  [5, [[1, 2], [2, 16], [9, new Uint8Array(4)], [8, "brains"]]],
  [5, [[1, 4], [2, 1], [8, "elsewhere"], [13, [[1, "location"], [2, "weights.bin"]]], [
    13,
    [[1, "offset"], [2, "16"]],
  ], [14, 1]]],
];

const branch = (name: string): Fields => [[1, [[2, "z"], [4, name]]], [2, name], [12, value("z")]];

/** Sound files. */
export function onnxSeeds(): Seed[] {
  const files: Record<string, Uint8Array> = {
    rnn: model(recurrent("RNN", 1)),
    lstm: model(recurrent("LSTM", 4), [[14, [[1, "key"], [2, "value"]]], [3, "1.0"]]),
    stores: model(stores),
    branches: model([[1, [
      [1, "which"],
      [4, "If"],
      attribute("then_branch", 5, [6, branch("Relu")]),
      attribute("else_branch", 5, [6, [[1, [[4, "Loop"], attribute("body", 5, [6, stores])]]]]),
      attribute("several", 10, [11, branch("Tanh")], [11, branch("Tanh")]),
      attribute("value", 4, [5, [[1, 1], [2, 1], [9, raw(1)]]]),
      attribute("ints", 7, [8, packed(1, 2, 300)], [8, -4]),
    ]]]),
    functions: model([[1, [[4, "own"], [7, "mine"], attribute("size", 2, [3, 4])]]], [
      [25, [
        [1, "own"],
        [4, "x"],
        [5, "y"],
        [6, "size"],
        [7, [[4, "GRU"], [5, [[1, "hidden_size"], [20, 2], [21, "size"]]]]],
        [9, [[2, 17]]],
        [10, "mine"],
        [11, [[1, "clip"], [2, { float: 1 }], [20, 1]]],
      ]],
    ]),
  };
  return Object.entries(files).map(([id, bytes]) => ({ id: `onnx/${id}`, format: "onnx", bytes }));
}

/** Takes a message apart, as deep as it goes; what is no message is bytes. */
function parse(bytes: Uint8Array, depth = 0): Fields | null {
  const fields: WireField[] = [];
  try {
    const message = new Message(bytes, "message");
    while (message.next(-1)) {
      const { field, type } = message;
      if (field === 0 || field > 30) return null;
      if (type === 0) fields.push([field, message.integer()]);
      else if (type === 5) fields.push([field, { float: message.float() }]);
      else {
        const content = message.content();
        const inner = depth < 12 && content.length > 1 ? parse(content, depth + 1) : null;
        fields.push([field, inner ?? content]);
      }
    }
  } catch {
    return null;
  }
  return fields;
}

const numbers = [0, 1, 2, 5, 127, 128, 2 ** 31, 2 ** 53, -1, 2n ** 63n, 2n ** 64n - 1n];

/** Changes one field somewhere in a message. */
function changeField(fields: Fields, choices: Choices, depth = 0): Fields {
  if (fields.length === 0) return [[1 + choices.below(25), choices.pick(numbers)]];
  const at = choices.below(fields.length);
  const [number, content] = fields[at];
  if (Array.isArray(content) && choices.below(5) > 0 && depth < 20) {
    return fields.with(at, [number, changeField(content as Fields, choices, depth + 1)]);
  }
  const other = choices.pick(fields);
  const made: WireField[] = [
    [number, choices.pick(numbers)],
    [number, "a name"],
    [number, { float: NaN }],
    [number, []],
    [number, other[1]],
    [1 + choices.below(26), content],
    [number, new Uint8Array(choices.below(40)).fill(choices.below(256))],
  ];
  const kind = choices.below(made.length + 3);
  if (kind < made.length) return fields.with(at, made[kind]);
  if (kind === made.length) return [...fields.slice(0, at), ...fields.slice(at + 1)];
  if (kind === made.length + 1) return [...fields, [number, content]];
  let nested: WireField = [number, content];
  for (let k = choices.below(60); k > 0; k--) nested = [choices.pick([1, 5, 6, 7]), [nested]];
  return [...fields, nested];
}

/** Changes fields of a file, and the lengths around them. */
export const fieldwise: Mutation = (bytes, choices) => {
  let changed = parse(bytes);
  if (!changed) return bytes.slice(1);
  for (let k = choices.below(3); k >= 0; k--) changed = changeField(changed, choices);
  return writeMessage(changed);
};

/**
 * Small files that a careless reader would make large.
 *
 * @param size about how many bytes each is to have
 */
export function onnxBombs(size: number): Bomb[] {
  const repeated = (one: Uint8Array, count: number) => {
    const all = new Uint8Array(count * one.length);
    for (let k = 0; k < count; k++) all.set(one, k * one.length);
    return all;
  };
  const times = (field: WireField): Uint8Array => {
    const one = writeMessage([field]);
    return repeated(one, Math.ceil(size / one.length));
  };
  /** Fields with a number of six digits in each, another in every one. */
  const many = (make: (k: number) => WireField): Uint8Array => {
    const first = 100_000;
    const one = writeMessage([make(first)]);
    const at = new TextDecoder("latin1").decode(one).indexOf(String(first));
    const count = Math.min(900_000, Math.ceil(size / one.length));
    const all = repeated(one, count);
    for (let k = 0; k < count; k++) {
      for (let digit = 5, left = first + k; digit >= 0; digit--, left = Math.floor(left / 10)) {
        all[k * one.length + at + digit] = 48 + left % 10;
      }
    }
    return all;
  };
  const one = (field: WireField): Fields => [field];
  const nest = (depth: number): Fields =>
    depth === 0 ? [[2, "end"]] : one([1, [[5, [[1, "a"], [6, nest(depth - 1)]]]]]);
  const bytes = (count: number) => new Uint8Array(count);
  type Content = Fields | Uint8Array;
  const node = (content: Content) => one([1, content]);
  const list = (content: Content) => node([[5, content]]);
  const tensor = (content: Content) => one([5, content]);
  const all = (fields: Fields, more: Uint8Array) => join([writeMessage(fields), more]);
  const graphs: Record<string, () => Content> = {
    "empty nodes": () => times([1, []]),
    "nodes of one output": () => times([1, [[2, "y"]]]),
    "nodes with a name": () => many((k) => [1, [[2, `y${k}`], [4, "Relu"]]]),
    "empty inputs": () => node(times([1, ""])),
    "inputs": () => node(many((k) => [1, `${k}`])),
    "attributes": () => node(many((k) => [5, [[1, `${k}`], [3, 1]]])),
    "graphs of nothing": () => list(times([11, []])),
    "packed integers": () => list([[8, bytes(size)]]),
    "single integers": () => list(times([8, 1])),
    "long integers": () => list(times([8, -(2n ** 60n)])),
    "texts of nothing": () => list(times([9, ""])),
    "texts of two": () => list(times([9, "ab"])),
    "packed floats": () => list([[7, bytes(size & ~3)]]),
    "empty tensors": () => many((k) => [5, [[1, 0], [2, 1], [8, `${k}`]]]),
    "dimensions": () => tensor([[1, bytes(size).fill(1)], [2, 1], [9, raw(1)]]),
    "pieces of data": () => tensor(all([[1, Math.ceil(size / 6)], [2, 1]], times([4, raw(1)]))),
    "integers of one byte": () => tensor([[1, size], [2, 7], [7, bytes(size)]]),
    "truths of one byte": () => tensor([[1, size], [2, 9], [5, bytes(size)]]),
    "halves": () => tensor([[1, size >> 1], [2, 10], [9, bytes(size & ~1)]]),
    "halves of one byte": () => tensor([[1, size], [2, 10], [5, bytes(size)]]),
    "texts": () => tensor(all([[1, Math.ceil(size / 2)], [2, 8]], times([6, ""]))),
    "values": () => times([11, []]),
    "values of a shape": () => many((k) => [11, value(`${k}`, 1)]),
    "dimensions of a value": () => one([11, [[1, "x"], [2, [[1, [[2, times([1, []])]]]]]]]),
    "an astronomical shape": () => tensor([[1, 2 ** 50], [2, 1], [9, raw(1)]]),
    "two astronomical sizes": () => tensor([[1, 2 ** 40], [1, 2 ** 40], [2, 1], [9, raw(1)]]),
    "graphs in graphs": () => nest(200),
  };
  const files: Record<string, () => Uint8Array> = {
    ...Object.fromEntries(
      Object.entries(graphs).map(([name, make]) => [name, () => model(make())]),
    ),
    "opsets": () => join([model([]), many((k) => [8, [[1, `${k}`], [2, 1]]])]),
    "metadata": () => join([model([]), many((k) => [14, [[1, `${k}`]]])]),
    "functions": () => join([model([]), times([25, []])]),
    "a long varint": () => join([Uint8Array.of(8), bytes(size).fill(255)]),
    "a length beyond": () => Uint8Array.of(58, 255, 255, 255, 255, 127, 1),
  };
  return Object.entries(files).map(([name, make]) => ({ name: `onnx: ${name}`, make }));
}

/** All tensors of a graph, and of the graphs within. */
function* tensorsOf(graph: OnnxGraph): Generator<OnnxTensor> {
  yield* graph.initializers.values();
  for (const node of graph.nodes) yield* tensorsOfNode(node);
}

function* tensorsOfNode(node: OnnxNode): Generator<OnnxTensor> {
  for (const { value } of node.attributes.values()) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one instanceof OnnxTensor) yield one;
      else if (typeof one === "object" && one !== null) yield* tensorsOf(one as OnnxGraph);
    }
  }
}

/**
 * Decodes all tensors of a model, and keeps them.
 *
 * @returns them, and how many bytes they take beside the file's own
 */
export function decoded(model: OnnxModel): { kept: unknown[]; size: number } {
  const buffers = new Set<ArrayBufferLike>();
  const nodes = model.functions.flatMap(({ nodes }) => nodes);
  const kept: unknown[] = [];
  const tensors = [tensorsOf(model.graph), ...nodes.map(tensorsOfNode)].flatMap((all) => [...all]);
  for (const tensor of tensors) {
    if (/^(string|u?int[24]|float[46])/.test(tensor.dtype)) continue;
    if (/complex|float8/.test(tensor.dtype)) kept.push(tensor.stored().bytes());
    else if (/float/.test(tensor.dtype)) kept.push(tensor.toTensor({ widen: true }).data);
    else kept.push(tensor.stored().values());
    const { buffer } = kept.at(-1) as Uint8Array;
    if (buffer !== model.bytes.buffer) buffers.add(buffer);
  }
  return { kept, size: [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0) };
}

/** The file beside the model that some of the sound files speak of. */
const beside = new Uint8Array(32);
const files = { get: () => beside } as unknown as ReadonlyMap<string, Uint8Array>;

/** Reads a file that may be broken, all tensors in it, and the weights that it is loaded for. */
export function judgeOnnx(bytes: Uint8Array): Outcome & { model?: OnnxModel } {
  try {
    const model = readOnnx(bytes, { external: () => beside });
    const { size } = decoded(model);
    if (size > 8 * bytes.length + 64) return { fault: `${size} bytes of tensors` };
    const weights = onnxWeights(bytes, files); // it throws nothing
    if (typeof weights === "string" && !isClear(weights)) return { fault: `not clear: ${weights}` };
    return { value: null, model };
  } catch (error) {
    return refusal(error);
  }
}
