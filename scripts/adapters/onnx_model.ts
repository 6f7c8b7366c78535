/**
 * ONNX models, as protobuf: the few messages of onnx.proto that a graph of one float type needs.
 */

import protobuf from "npm:protobufjs@8.8.1";
import type { FloatDType, Tensor } from "../../mod.ts";

// The field numbers are ONNX's (onnx/onnx.proto3). Lists of integers may stand packed in a file, or one
// by one, as the onnx package writes them; not every reader takes both.
const schema = (packed: boolean) => `
  syntax = "proto3";
  message Attribute {
    string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated int64 ints = 8 [packed = ${packed}];
    repeated bytes strings = 9; int32 type = 20;
  }
  message Node {
    repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
    repeated Attribute attribute = 5;
  }
  message Tensor {
    repeated int64 dims = 1 [packed = ${packed}]; int32 data_type = 2; string name = 8; bytes raw_data = 9;
  }
  message Dimension { int64 dim_value = 1; string dim_param = 2; }
  message Shape { repeated Dimension dim = 1; }
  message TensorType { int32 elem_type = 1; Shape shape = 2; }
  message Type { TensorType tensor_type = 1; }
  message ValueInfo { string name = 1; Type type = 2; }
  message Graph {
    repeated Node node = 1; string name = 2; repeated Tensor initializer = 5;
    repeated ValueInfo input = 11; repeated ValueInfo output = 12;
  }
  message OperatorSet { string domain = 1; int64 version = 2; }
  message Model {
    int64 ir_version = 1; string producer_name = 2; Graph graph = 7;
    repeated OperatorSet opset_import = 8;
  }
`;

const typeOf = (name: string, packed = false) =>
  protobuf.parse(schema(packed), { keepCase: true }).root.lookupType(name);

/** A tensor as a file of its own, as ONNX keeps the inputs and outputs of its tests. */
export function encodeTensor(
  name: string,
  type: keyof typeof types,
  dims: readonly number[],
  data: ArrayBufferView,
): Uint8Array {
  const raw_data = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return typeOf("Tensor").encode({ name, dims, data_type: types[type], raw_data }).finish();
}

/** An attribute of a node: an integer, a text, integers or texts. */
export type Attribute = number | string | readonly number[] | readonly string[];

const types = { float32: 1, int32: 6, int64: 7, float64: 11 } as const;

interface Node {
  name: string;
  op_type: string;
  input: readonly string[];
  output: readonly string[];
  attribute: object[];
}

export class Graph {
  readonly #nodes: Node[] = [];
  readonly #constants: object[] = [];
  readonly #inputs: object[] = [];
  readonly #outputs: object[] = [];
  #count = 0;

  readonly dtype: FloatDType;

  /** Begins a graph whose tensors are of a type. */
  constructor(dtype: FloatDType = "float32") {
    this.dtype = dtype;
  }

  /** Adds an input of a number of dimensions, and returns its name. */
  input(name: string, dims: number, type: keyof typeof types = this.dtype): string {
    this.#inputs.push(valueInfo(name, types[type], dims));
    return name;
  }

  /** Makes a value that a node puts out an output of the graph, and gives it this name. */
  output(name: string, value: string, dims: number): void {
    const rename = (own: string) => own === value ? name : own;
    for (const node of this.#nodes) {
      node.input = node.input.map(rename);
      node.output = node.output.map(rename);
    }
    this.#outputs.push(valueInfo(name, types[this.dtype], dims));
  }

  /** Adds a constant of the graph's type, and returns its name. */
  constant({ shape, data }: Tensor): string {
    return this.#constant(types[this.dtype], shape, new Uint8Array(data.slice().buffer));
  }

  /** Adds a constant list of integers, and returns its name. */
  integers(values: readonly number[]): string {
    const data = BigInt64Array.from(values.map(BigInt));
    return this.#constant(types.int64, [values.length], new Uint8Array(data.buffer));
  }

  #constant(type: number, dims: readonly number[], data: Uint8Array): string {
    const name = `constant_${this.#count++}`;
    this.#constants.push({ name, dims, data_type: type, raw_data: data });
    return name;
  }

  /** Adds a node, and returns the names of its outputs. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    outputs = 1,
  ): string[] {
    const name = `${type}_${this.#count++}`;
    const output = Array.from({ length: outputs }, (_, k) => `${name}_${k}`);
    const attribute = Object.entries(attributes).map(([name, value]) => attributeOf(name, value));
    this.#nodes.push({ name, op_type: type, input: inputs, output, attribute });
    return output;
  }

  /** The model as a file; lists of integers one by one, or packed; 13 is the lowest opset that fits. */
  encode(packed = false, opset = 17): Uint8Array {
    return typeOf("Model", packed).encode({
      ir_version: 8,
      producer_name: "rnn-spec",
      opset_import: [{ domain: "", version: opset }],
      graph: {
        name: "case",
        node: this.#nodes,
        initializer: this.#constants,
        input: this.#inputs,
        output: this.#outputs,
      },
    }).finish();
  }
}

function valueInfo(name: string, type: number, dims: number): object {
  const dim = Array.from({ length: dims }, (_, k) => ({ dim_param: `${name}_${k}` }));
  return { name, type: { tensor_type: { elem_type: type, shape: { dim } } } };
}

function attributeOf(name: string, value: Attribute): object {
  const bytes = (text: string) => new TextEncoder().encode(text);
  if (typeof value === "number") return { name, type: 2, i: value };
  if (typeof value === "string") return { name, type: 3, s: bytes(value) };
  if (value.every((one) => typeof one === "number")) return { name, type: 7, ints: value };
  return { name, type: 8, strings: value.map((one) => bytes(String(one))) };
}
