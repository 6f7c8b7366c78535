/** ONNX files in the making, for tests of what is judged in them. */

import {
  type OnnxModel,
  type OnnxNode,
  readOnnx,
  type WireField,
  writeMessage,
} from "../../../lib/onnx/mod.ts";
import { nodeWeights, type ReferenceLayer } from "../../../lib/onnx/reference.ts";

/** What an attribute may be in these tests. */
type Attribute =
  | number
  | string
  | { float: number }
  | { floats: number[] }
  | { ints: number[] }
  | string[]
  | Graph;

/** An attribute of a node, as its message. */
export function attribute(name: string, value: Attribute): WireField {
  const [content, type]: [WireField[], number] = typeof value === "number"
    ? [[[3, value]], 2]
    : typeof value === "string"
    ? [[[4, value]], 3]
    : Array.isArray(value)
    ? [value.map((one): WireField => [9, one]), 8]
    : value instanceof Graph
    ? [[[6, value.fields]], 5]
    : "ints" in value
    ? [value.ints.map((one): WireField => [8, one]), 7]
    : "float" in value
    ? [[[2, value]], 1]
    : [value.floats.map((float): WireField => [7, { float }]), 6];
  return [5, [[1, name], ...content, [20, type]]];
}

/** The extents of a value, each a number, a name or unknown. */
type Shape = readonly (number | string | null)[];

const info = (
  field: number,
  name: string,
  shape: Shape | null,
  type: number,
): WireField => [field, [
  [1, name],
  [2, [[1, [
    [1, type],
    ...shape
      ? [[
        2,
        shape.map((extent): WireField => [
          1,
          extent === null ? [] : [typeof extent === "number" ? [1, extent] : [2, extent]],
        ]),
      ] as WireField]
      : [],
  ]]]],
]];

/** The types of elements by ONNX's numbers. */
export const types = {
  ...{ float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, float16: 10, float64: 11 },
  bfloat16: 16,
};

const packed = (type: number, data: ArrayLike<number>): ArrayBufferView<ArrayBuffer> => {
  if (type === types.float64) return Float64Array.from(data);
  if (type === types.float16) return Float16Array.from(data);
  if (type === types.bfloat16) {
    return Uint16Array.from(
      new Uint16Array(Float32Array.from(data).buffer).filter((_, k) => k % 2),
    );
  }
  if (type === types.uint8 || type === types.int8) return Uint8Array.from(data);
  if (type === types.int64) return BigInt64Array.from(Array.from(data, BigInt));
  return type === types.int32 ? Int32Array.from(data) : Float32Array.from(data);
};

/** What a recurrent node has beside its layer's weights. */
export interface More {
  /** Its inputs from the fifth on: lengths, states, peepholes. */
  inputs?: string[];
  outputs?: string[];
  attributes?: Record<string, Attribute>;
  name?: string;
  type?: number;
}

/** A graph in the making. */
export class Graph {
  readonly fields: WireField[] = [];

  constant(name: string, shape: readonly number[], data: ArrayLike<number>, type = 1): string {
    const { buffer } = packed(type, data);
    const dims = shape.map((extent): WireField => [1, extent]);
    this.fields.push([5, [...dims, [2, type], [8, name], [9, new Uint8Array(buffer)]]]);
    return name;
  }

  node(
    type: string,
    inputs: readonly string[],
    outputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    name = "",
    domain = "",
  ): this {
    this.fields.push([1, [
      ...inputs.map((input): WireField => [1, input]),
      ...outputs.map((output): WireField => [2, output]),
      ...[[3, name], [4, type]] as WireField[],
      ...Object.entries(attributes).map(([key, value]) => attribute(key, value)),
      [7, domain],
    ]]);
    return this;
  }

  /** A layer's node that reads `x`; its weights are `W`, `R` and `B` after its name. */
  recurrent(layer: ReferenceLayer, x: string, more: More = {}): this {
    const { name = "rnn", inputs = [], outputs = ["y"], attributes = {}, type = 1 } = more;
    const { W, R, B } = nodeWeights(layer);
    const weights = Object.entries({ W, R, B }).map(([key, value]) =>
      value ? this.constant(`${name}.${key}`, value.shape, value.data, type) : ""
    );
    const usual: Record<string, Attribute> = {
      ...(layer.directions.length === 2 && { direction: "bidirectional" }),
      ...(layer.kind === "GRU" && { linear_before_reset: 1 }),
    };
    const reads = [x, ...weights, ...inputs];
    while (reads.at(-1) === "") reads.pop();
    return this.node(layer.kind, reads, outputs, { ...usual, ...attributes }, name);
  }

  /** The output Y of a recurrent node, `(L, D, N, H)`, as PyTorch's, `(L, N, D · H)`. */
  sideBySide(y: string, output: string): this {
    const shape = this.constant(`${output}.shape`, [3], [0, 0, -1], types.int64);
    this.node("Transpose", [y], [`${output}.turned`], { perm: { ints: [0, 2, 1, 3] } });
    return this.node("Reshape", [`${output}.turned`, shape], [output]);
  }

  input(name: string, shape: Shape | null, type = 1): this {
    this.fields.push(info(11, name, shape, type));
    return this;
  }

  output(name: string, shape: Shape | null = null): this {
    this.fields.push(info(12, name, shape, 1));
    return this;
  }

  /** The file of this graph. */
  bytes({ opset = 17, more = [] }: { opset?: number; more?: WireField[] } = {}): Uint8Array {
    const version: WireField[] = opset ? [[8, [[2, opset]]]] : [];
    return writeMessage([[1, 8], [7, this.fields], ...version, ...more]);
  }

  read(options: { opset?: number; more?: WireField[] } = {}): OnnxModel {
    return readOnnx(this.bytes(options));
  }
}

/** What a node is: its operator, its inputs and outputs, and its attributes. */
export const nodeIn = ({ graph }: OnnxModel, k = 0) => plain(graph.nodes[k]);

/** A node without its bytes. */
export const plain = ({ opType, inputs, outputs, attributes }: OnnxNode) => ({
  ...{ opType, inputs, outputs },
  attributes: Object.fromEntries([...attributes].map(([name, { value }]) => [name, value])),
});

/** The shapes of tensors, by name. */
export const shapes = (named: object) =>
  Object.fromEntries(
    Object.entries(named).map(([name, { shape }]) => [name, (shape as number[]).join()]),
  );
