/** What an ONNX file holds: the model, its graph, and the graphs within. */

import type { OnnxDType, OnnxTensor } from "./tensor.ts";

/** A model: a graph, the functions it calls, and what its words mean. */
export interface OnnxModel {
  /** The version of the file format. */
  readonly irVersion: number;
  /** Which version of each set of operators is meant, by domain; `""` is ONNX's own. */
  readonly opsets: ReadonlyMap<string, number>;
  /** What wrote the file. */
  readonly producerName: string;
  /** Its version. */
  readonly producerVersion: string;
  /** Free text by name. */
  readonly metadata: ReadonlyMap<string, string>;
  /** What is computed. */
  readonly graph: OnnxGraph;
  /** The functions that nodes may call. */
  readonly functions: readonly OnnxFunction[];
  /** The file. */
  readonly bytes: Uint8Array;
}

/** A graph: nodes in the order in which they are computed. */
export interface OnnxGraph {
  /** The name. */
  readonly name: string;
  /** The nodes. */
  readonly nodes: readonly OnnxNode[];
  /** The constants by name, weights among them; one that is also an input may be replaced. */
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** What goes in. */
  readonly inputs: readonly OnnxValue[];
  /** What comes out. */
  readonly outputs: readonly OnnxValue[];
  /** What is known of other values. */
  readonly values: readonly OnnxValue[];
  /** The graph's message in the file. */
  readonly bytes: Uint8Array;
}

/** A node: one use of an operator, or of a function of the model. */
export interface OnnxNode {
  /** The name; may be `""`. */
  readonly name: string;
  /** The operator. */
  readonly opType: string;
  /** The operator's domain; `""` is ONNX's own, which a file may also write `ai.onnx`. */
  readonly domain: string;
  /** Which of several functions of one name; mostly `""`. */
  readonly overload: string;
  /** The names of its inputs; `""` for one that is left out. */
  readonly inputs: readonly string[];
  /** The names of its outputs; `""` for one that is left out. */
  readonly outputs: readonly string[];
  /** Its attributes by name. */
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
  /** The node's message in the file. */
  readonly bytes: Uint8Array;
}

/** What an attribute holds, by its type. */
export type OnnxAttributeValue =
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "int"; readonly value: number | bigint }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "tensor"; readonly value: OnnxTensor }
  | { readonly type: "graph"; readonly value: OnnxGraph }
  | { readonly type: "floats"; readonly value: readonly number[] }
  | { readonly type: "ints"; readonly value: readonly (number | bigint)[] }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "tensors"; readonly value: readonly OnnxTensor[] }
  | { readonly type: "graphs"; readonly value: readonly OnnxGraph[] }
  /** In a function: the attribute of that name of the node that calls it. */
  | { readonly type: "reference"; readonly value: string }
  /** A sparse tensor or a type, which are not read. */
  | { readonly type: "other"; readonly value: null };

/**
 * An attribute: its name, and a value of the type that the file says. An integer is a bigint where it
 * is not exact otherwise; text is read as UTF-8, with U+FFFD in place of what is not.
 */
export type OnnxAttribute = { readonly name: string } & OnnxAttributeValue;

/** What is known of a value. */
export interface OnnxValue {
  /** The name. */
  readonly name: string;
  /** The type of a tensor's elements; `null` where it is unknown, or the value is no tensor. */
  readonly dtype: OnnxDType | null;
  /** The extents: a number, a name, or `null` for one that is unknown; `null` for no shape at all. */
  readonly shape: readonly (number | string | null)[] | null;
}

/** A function of the model: a graph that nodes call by its name. */
export interface OnnxFunction {
  /** The name, which nodes have as their `opType`. */
  readonly name: string;
  /** The domain. */
  readonly domain: string;
  /** Which of several of the name. */
  readonly overload: string;
  /** The names of its inputs. */
  readonly inputs: readonly string[];
  /** The names of its outputs. */
  readonly outputs: readonly string[];
  /** The nodes. */
  readonly nodes: readonly OnnxNode[];
  /** The names of the attributes that a call must give. */
  readonly attributes: readonly string[];
  /** The attributes that a call may give, with what holds otherwise. */
  readonly defaults: ReadonlyMap<string, OnnxAttribute>;
  /** Which version of each set of operators is meant, by domain. */
  readonly opsets: ReadonlyMap<string, number>;
}
