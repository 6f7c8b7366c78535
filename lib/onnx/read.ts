/** ONNX files, read. */

import { bytes as bytesKind, type Call, callable, check } from "../call.ts";
import { CheckpointError } from "../checkpoints/error.ts";
import { quote } from "../checkpoints/refuse.ts";
import type {
  OnnxAttribute,
  OnnxFunction,
  OnnxGraph,
  OnnxModel,
  OnnxNode,
  OnnxValue,
} from "./model.ts";
import {
  dtypeOf,
  type OnnxDType,
  type OnnxExternalData,
  type OnnxTensor,
  readEntry,
  readTensor,
} from "./tensor.ts";
import { Message } from "./wire.ts";

/** Where a model's other files are. */
export interface OnnxOptions {
  /** Finds the bytes of a file beside the model's; called once for each, when it is needed. */
  readonly external?: OnnxExternalData;
}

const call: Call<OnnxOptions> = ["readOnnx", { bytes: bytesKind }, { external: callable }];

/** How deep graphs may lie within graphs; protobuf's own readers stop at about as many. */
const DEPTH = 32;

/**
 * Reads an ONNX file (ONNX-1). Nothing is run, and weights are not decoded before they are asked for.
 *
 * @param options where the files beside it are that hold weights
 * @returns the model; what it holds of bytes are views on those given
 * @throws {CheckpointError} if the file is not sound; the message says where and what
 *
 * @example
 * ```ts
 * import { readOnnx, writeMessage } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * const node = [[1, "x"], [2, "y"], [4, "GRU"], [5, [[1, "hidden_size"], [3, 4], [20, 2]]]] as const;
 * const model = readOnnx(writeMessage([[1, 8], [7, [[1, node]]], [8, [[2, 17]]]]));
 * const [{ opType, attributes }] = model.graph.nodes;
 * assertEquals([opType, attributes.get("hidden_size")?.value], ["GRU", 4]);
 * assertEquals(model.opsets.get(""), 17);
 * ```
 */
export function readOnnx(bytes: Uint8Array, options: OnnxOptions = {}): OnnxModel {
  check(call, arguments);
  const message = new Message(bytes, "model");
  const opsets = new Map<string, number>();
  const metadata = new Map<string, string>();
  const functions: OnnxFunction[] = [];
  let [irVersion, producerName, producerVersion] = [0, "", ""];
  let graph: OnnxGraph | null = null;
  const reader = new Reader(options.external);
  while (message.next(1 << 8 | 1 << 14 | 1 << 20 | 1 << 25 | 1 << 26)) {
    const { field } = message;
    if (field === 1) irVersion = message.number();
    else if (field === 2) producerName = message.text();
    else if (field === 3) producerVersion = message.text();
    else if (field === 7) graph = reader.graph(message.message("graph"), 0);
    else if (field === 8) readOpset(message.message("opset_import"), opsets);
    else if (field === 14) metadata.set(...readEntry(message.message("metadata_props")));
    else if (field === 25) functions.push(reader.function(message.message("function")));
    else message.skip();
  }
  if (!graph) throw new CheckpointError("onnx: the file has no graph, so it is no ONNX model");
  if (irVersion >= 3 && opsets.size === 0) {
    throw new CheckpointError("onnx: the file names no opset, so its operators may mean anything");
  }
  return { irVersion, opsets, producerName, producerVersion, metadata, graph, functions, bytes };
}

/** ONNX's own domain has two names. */
function domainOf(name: string): string {
  return name === "ai.onnx" ? "" : name;
}

function readOpset(message: Message, to: Map<string, number>): void {
  let [domain, version] = ["", 0];
  message.charge(100);
  while (message.next()) {
    if (message.field === 1) domain = domainOf(message.text());
    else if (message.field === 2) version = message.number();
    else message.skip();
  }
  if ((to.get(domain) ?? version) !== version) {
    message.refuse(`opset ${version} and opset ${to.get(domain)} of ${quote(domain)}`);
  }
  to.set(domain, version);
}

/** The types of attributes by their numbers from 1 on; the field of each has the number after. */
const types = [
  ...["float", "int", "string", "tensor", "graph"],
  ...["floats", "ints", "strings", "tensors", "graphs"],
];

/** The type of an attribute by its number; `undefined` for a number that is none. */
const typeOf = (number: number) =>
  number > 10 && number < 15 ? "other" : types[number - 1] as string | undefined;

/** The type of attribute that a field holds; `undefined` where it holds no value. */
const typeOfField = (field: number) =>
  [14, 15, 22, 23].includes(field) ? "other" : types[field - 2] as string | undefined;

const none: ReadonlyMap<string, OnnxAttribute> = new Map();

/** Reads what a model holds. */
class Reader {
  readonly #files: OnnxExternalData;

  constructor(external: OnnxExternalData | undefined) {
    const known = new Map<string, Uint8Array>();
    this.#files = (location) => {
      if (!external) {
        throw new CheckpointError(
          `the bytes are in the file ${quote(location)}; give it: readOnnx(bytes, { external })`,
        );
      }
      const found = known.get(location) ?? external(location);
      known.set(location, found);
      return found;
    };
  }

  graph(message: Message, depth: number): OnnxGraph {
    if (depth > DEPTH) message.refuse(`more than ${DEPTH} graphs within each other`);
    const { bytes } = message;
    const nodes: OnnxNode[] = [];
    const initializers = new Map<string, OnnxTensor>();
    const lists: Record<number, OnnxValue[]> = { 11: [], 12: [], 13: [] };
    let name = "";
    message.charge(480);
    while (message.next(1 << 1 | 1 << 5 | 7 << 11 | 7 << 14)) {
      const { field } = message;
      if (field === 1) nodes.push(this.node(message.message("node"), depth));
      else if (field === 2) name = message.text();
      else if (field === 5) {
        const tensor = readTensor(message.message("initializer"), this.#files);
        if (initializers.has(tensor.name)) {
          message.refuse(`initializer ${quote(tensor.name)} comes twice`);
        }
        initializers.set(tensor.name, tensor);
      } else if (field in lists) lists[field].push(readValue(message.message("value")));
      else message.skip();
    }
    const [inputs, outputs, values] = [lists[11], lists[12], lists[13]];
    return { name, nodes, initializers, inputs, outputs, values, bytes };
  }

  node(message: Message, depth: number): OnnxNode {
    const { bytes } = message;
    const [inputs, outputs]: string[][] = [[], []];
    let attributes: Map<string, OnnxAttribute> | undefined;
    let [name, opType, domain, overload] = ["", "", "", ""];
    message.charge(350);
    while (message.next(1 << 1 | 1 << 2 | 1 << 5 | 1 << 9 | 1 << 10)) {
      const { field } = message;
      if (field === 1 || field === 2) {
        (field === 1 ? inputs : outputs).push(message.text());
        message.charge(16);
      } else if (field === 3) name = message.text();
      else if (field === 4) opType = message.text();
      else if (field === 5) {
        this.#attribute(message.message("attribute"), depth, attributes ??= new Map());
      } else if (field === 7) domain = domainOf(message.text());
      else if (field === 8) overload = message.text();
      else message.skip();
    }
    const own = attributes ?? none;
    return { name, opType, domain, overload, inputs, outputs, attributes: own, bytes };
  }

  #attribute(message: Message, depth: number, to: Map<string, OnnxAttribute>): void {
    const numbers: number[] = [];
    const integers: (number | bigint)[] = [];
    const texts: string[] = [];
    const tensors: OnnxTensor[] = [];
    const graphs: OnnxGraph[] = [];
    const one: Record<string, unknown> = { float: 0, int: 0, string: "" };
    let [name, reference, type] = ["", "", 0];
    const given = new Set<string>();
    message.charge(300);
    while (message.next(31 << 7 | 1 << 15 | 1 << 23)) {
      const { field } = message;
      const holds = typeOfField(field);
      if (holds) given.add(holds);
      if (field === 1) name = message.text();
      else if (field === 2) one.float = message.float();
      else if (field === 3) one.int = message.integer();
      else if (field === 4) one.string = message.anyText();
      else if (field === 5 || field === 10) {
        const tensor = readTensor(message.message("tensor"), this.#files);
        if (field === 5) one.tensor = tensor;
        else tensors.push(tensor);
      } else if (field === 6 || field === 11) {
        const graph = this.graph(message.message("graph"), depth + 1);
        if (field === 6) one.graph = graph;
        else graphs.push(graph);
      } else if (field === 7) message.floats(numbers);
      else if (field === 8) message.integers(integers);
      else if (field === 9) {
        texts.push(message.anyText());
        message.charge(16);
      } else if (field === 20) type = message.number();
      else if (field === 21) reference = message.text();
      else message.skip();
    }
    if (to.has(name)) message.refuse(`attribute ${quote(name)} comes twice`);
    const refuse = (why: string): never => message.refuse(`attribute ${quote(name)}: ${why}`);
    // Files of the format's first version do not say the type.
    const kind = (reference ? "reference" : type === 0 ? [...given][0] : typeOf(type)) ??
      refuse(type ? `the type ${type}` : "no value");
    if (given.size > 1 || (given.size === 1 && !given.has(kind))) {
      refuse(`it is to be ${kind}, yet holds ${[...given].join(" and ")}`);
    }
    const lists: Record<string, unknown> = {
      ...{
        floats: numbers,
        ints: integers,
        strings: texts,
        tensors,
        graphs,
        reference,
        other: null,
      },
    };
    const value = kind in lists ? lists[kind] : one[kind] ?? refuse(`a ${kind} without one`);
    to.set(name, { name, type: kind, value } as OnnxAttribute);
  }

  function(message: Message): OnnxFunction {
    const [inputs, outputs, attributes]: string[][] = [[], [], []];
    const nodes: OnnxNode[] = [];
    const defaults = new Map<string, OnnxAttribute>();
    const opsets = new Map<string, number>();
    let [name, domain, overload] = ["", "", ""];
    message.charge(600);
    while (message.next(15 << 4 | 1 << 9 | 3 << 11 | 1 << 14)) {
      const { field } = message;
      if (field === 1) name = message.text();
      else if (field === 4 || field === 5 || field === 6) {
        [inputs, outputs, attributes][field - 4].push(message.text());
        message.charge(16);
      } else if (field === 7) nodes.push(this.node(message.message("node"), 0));
      else if (field === 9) readOpset(message.message("opset_import"), opsets);
      else if (field === 10) domain = domainOf(message.text());
      else if (field === 11) this.#attribute(message.message("attribute"), 0, defaults);
      else if (field === 13) overload = message.text();
      else message.skip();
    }
    return { name, domain, overload, inputs, outputs, nodes, attributes, defaults, opsets };
  }
}

/** Reads what is said of a value: its name, and a tensor's type and shape. */
function readValue(message: Message): OnnxValue {
  let name = "";
  let dtype: OnnxDType | null = null;
  let shape: (number | string | null)[] | null = null;
  message.charge(200);
  while (message.next(1 << 4)) {
    if (message.field === 1) name = message.text();
    else if (message.field !== 2) message.skip();
    else {
      const type = message.message("type");
      while (type.next()) {
        if (type.field !== 1) type.skip();
        else {
          const tensor = type.message("tensor_type");
          while (tensor.next()) {
            if (tensor.field === 1) dtype = dtypeOf(tensor.number());
            else if (tensor.field === 2) shape = readShape(tensor.message("shape"));
            else tensor.skip();
          }
        }
      }
    }
  }
  return { name, dtype, shape };
}

function readShape(message: Message): (number | string | null)[] {
  const shape: (number | string | null)[] = [];
  while (message.next(1 << 1)) {
    if (message.field !== 1) message.skip();
    else {
      let extent: number | string | null = null;
      const dim = message.message("dim");
      while (dim.next()) {
        if (dim.field === 1) extent = dim.number();
        else if (dim.field === 2) extent = dim.text() || null;
        else dim.skip();
      }
      shape.push(extent);
      message.charge(16);
    }
  }
  return shape;
}
