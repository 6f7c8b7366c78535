/** ONNX models: graphs of one float type, in the few messages of onnx.proto that they need. */

import { type WireField, writeMessage } from "../../lib/onnx/mod.ts";
import { type FloatDType, type StateDict, type Tensor, toOnnx } from "../../mod.ts";

// The numbers of types and, below, of fields are ONNX's (onnx/onnx.proto3).
const types = { float32: 1, int32: 6, int64: 7, float64: 11 } as const;
type Type = keyof typeof types;

/** An attribute of a node: an integer, a number of 32 bits, a text, integers or texts. */
type Attribute = number | { float: number } | string | readonly number[] | readonly string[];

/** A list of integers: packed in one field, or one by one, as the onnx package writes them. */
function integersOf(field: number, values: readonly number[], packed: boolean): WireField[] {
  const single = values.map((value): WireField => [field, value]);
  if (!packed) return single;
  const bytes = single.flatMap((one) => [...writeMessage([one]).subarray(1)]); // without the number
  return bytes.length > 0 ? [[field, Uint8Array.from(bytes)]] : [];
}

/** A tensor with a name. */
interface Constant {
  name: string;
  type: Type;
  dims: readonly number[];
  data: ArrayBufferView;
}

function tensorOf({ name, type, dims, data }: Constant, packed = false): WireField[] {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return [...integersOf(1, dims, packed), [2, types[type]], [8, name], [9, raw]];
}

/** A tensor as a file of its own, as ONNX keeps the inputs and outputs of its tests. */
export function encodeTensor(constant: Constant): Uint8Array {
  return writeMessage(tensorOf(constant));
}

interface Node {
  name: string;
  type: string;
  inputs: readonly string[];
  outputs: string[];
  attributes: Record<string, Attribute>;
}

export class Graph {
  readonly #nodes: Node[] = [];
  readonly #constants: Constant[] = [];
  readonly #inputs: WireField[] = [];
  readonly #outputs: WireField[] = [];
  #count = 0;

  readonly dtype: FloatDType;

  /** Begins a graph whose tensors are of a type. */
  constructor(dtype: FloatDType = "float32") {
    this.dtype = dtype;
  }

  /** Adds an input of a number of dimensions, and returns its name. */
  input(name: string, dims: number, type: Type = this.dtype): string {
    this.#inputs.push([11, valueInfo(name, type, dims)]);
    return name;
  }

  /** Makes a value that a node puts out an output of the graph, and gives it this name. */
  output(name: string, value: string, dims: number): void {
    const rename = (own: string) => own === value ? name : own;
    for (const node of this.#nodes) {
      node.inputs = node.inputs.map(rename);
      node.outputs = node.outputs.map(rename);
    }
    this.#outputs.push([12, valueInfo(name, this.dtype, dims)]);
  }

  /** Adds a constant of the graph's type, and returns its name. */
  constant({ shape, data }: Tensor): string {
    return this.#constant(this.dtype, shape, data);
  }

  /** Adds a constant list of integers, and returns its name. */
  integers(values: readonly number[]): string {
    return this.#constant("int64", [values.length], BigInt64Array.from(values.map(BigInt)));
  }

  #constant(type: Type, dims: readonly number[], data: ArrayBufferView): string {
    const name = `constant_${this.#count++}`;
    this.#constants.push({ name, type, dims, data });
    return name;
  }

  /** Adds a node, and returns the names of its outputs. */
  node(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    count = 1,
  ): string[] {
    const name = `${type}_${this.#count++}`;
    const outputs = Array.from({ length: count }, (_, k) => `${name}_${k}`);
    this.#nodes.push({ name, type, inputs, outputs, attributes });
    return outputs;
  }

  /** Adds a node with one output. */
  one(type: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}): string {
    return this.node(type, inputs, attributes)[0];
  }

  /** Exchanges batch and time. */
  transpose(x: string): string {
    return this.one("Transpose", [x], { perm: [1, 0, 2] });
  }

  /** y = x W^T + b. */
  linear(x: string, weight: Tensor, bias?: Tensor | null): string {
    const turned = this.one("Transpose", [this.constant(weight)], { perm: [1, 0] });
    const product = this.one("MatMul", [x, turned]);
    return bias ? this.one("Add", [product, this.constant(bias)]) : product;
  }

  /** The last dimension brought to mean 0 and variance 1, scaled and shifted. */
  norm(x: string, weight: Tensor, bias: Tensor | null, epsilon: number): string {
    const parts = [x, this.constant(weight), ...(bias ? [this.constant(bias)] : [])];
    return this.one("LayerNormalization", parts, { epsilon: { float: epsilon } });
  }

  /** The last time step of `(L, N, H)`. */
  last(x: string): string {
    const step = this.one("Gather", [x, this.integers([-1])], { axis: 0 });
    return this.one("Squeeze", [step, this.integers([0])]);
  }

  /** All layers over `(L, N, H_in)`: the last one's output, and the states of all. */
  layers(
    x: string,
    state: StateDict,
    initial: readonly string[],
    relu: boolean,
    lengths = "",
  ): string[] {
    const nodes = toOnnx(state);
    const parts = initial.map((one) =>
      nodes.length === 1 ? [one] : this.node("Split", [one], { axis: 0 }, nodes.length)
    );
    const finals = nodes.map(({ opType, direction, hiddenSize, W, R, B }, k) => {
      const attributes = {
        direction,
        hidden_size: hiddenSize,
        ...(opType === "GRU" && { linear_before_reset: 1 }),
        ...(relu && { activations: Array<string>(W.shape[0]).fill("Relu") }), // tanh is the default
      };
      const constants = [W, R, B].map((one) => one ? this.constant(one) : "");
      const inputs = [x, ...constants, lengths, ...parts.map((part) => part[k])];
      const [y, ...final] = this.node(opType, inputs, attributes, opType === "LSTM" ? 3 : 2);
      const turned = this.one("Transpose", [y], { perm: [0, 2, 1, 3] });
      x = this.one("Reshape", [turned, this.integers([0, 0, -1])]); // (L, N, D, H) to (L, N, D · H)
      return final;
    });
    const states = finals[0].map((_, k) => finals.map((final) => final[k]));
    const joined = (all: string[]) =>
      all.length > 1 ? this.one("Concat", all, { axis: 0 }) : all[0];
    return [x, ...states.map(joined)];
  }

  /** The model as a file; lists of integers one by one, or packed; 13 is the lowest opset that fits. */
  encode(packed = false, opset = 17): Uint8Array {
    const graph: WireField[] = [
      ...this.#nodes.map((node): WireField => [1, fieldsOf(node, packed)]),
      [2, "case"],
      ...this.#constants.map((one): WireField => [5, tensorOf(one, packed)]),
      ...this.#inputs,
      ...this.#outputs,
    ];
    return writeMessage([[1, 8], [2, "rnn-spec"], [7, graph], [8, [[2, opset]]]]);
  }
}

function valueInfo(name: string, type: Type, dims: number): WireField[] {
  const shape = Array.from({ length: dims }, (_, k): WireField => [1, [[2, `${name}_${k}`]]]);
  return [[1, name], [2, [[1, [[1, types[type]], [2, shape]]]]]];
}

function fieldsOf({ name, type, inputs, outputs, attributes }: Node, packed: boolean): WireField[] {
  return [
    ...inputs.map((one): WireField => [1, one]),
    ...outputs.map((one): WireField => [2, one]),
    [3, name],
    [4, type],
    ...Object.entries(attributes).map(([own, value]): WireField => [5, [
      [1, own],
      ...attributeOf(value, packed),
    ]]),
  ];
}

function attributeOf(value: Attribute, packed: boolean): WireField[] {
  if (typeof value === "number") return [...integersOf(3, value ? [value] : [], false), [20, 2]];
  if (typeof value === "string") return [[4, value], [20, 3]];
  if ("float" in value) return [[2, value], [20, 1]];
  if (typeof value[0] === "number") {
    return [...integersOf(8, value as readonly number[], packed), [20, 7]];
  }
  return [...value.map((one): WireField => [9, one]), [20, 8]];
}
