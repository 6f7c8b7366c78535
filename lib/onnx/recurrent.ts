/** The recurrent nodes of an ONNX file, wherever in it they are, with their weights. */

import { ValueError } from "../errors.ts";
import type { LayerKind } from "../layouts/layout.ts";
import type { OnnxAttribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode } from "./model.ts";
import { isRecurrent, type OnnxRecurrence, recurrenceOf } from "./recurrence.ts";
import type { Value } from "./value.ts";
import { type Extra, functionOf, Scope, type World, worldOf } from "./values.ts";

/** A node, and where it is. */
export interface FoundNode {
  /** What leads to it: the nodes whose graphs it lies in, then its own name. */
  readonly path: string;
  readonly node: OnnxNode;
  /** The values that it can read. */
  readonly scope: Scope;
  /** The graph or function that it lies in. */
  readonly within: OnnxGraph | OnnxFunction;
}

/** A recurrent node with its numbers. */
export interface RecurrentNode extends FoundNode {
  readonly kind: LayerKind;
  /** What it is told to compute. */
  readonly told: OnnxRecurrence;
  /** How its weights are stored, where that is not as they are computed with. */
  readonly quantised: { readonly bits: number; readonly step: number } | null;
  /** H. */
  readonly hiddenSize: number;
  /** H_in. */
  readonly inputSize: number;
  /** The weights: W (D, G · H, in), R (D, G · H, H), B (D, 2 · G · H), P (D, 3 · H). */
  readonly weights: {
    readonly W: Value;
    readonly R: Value;
    readonly B: Value | null;
    readonly P: Value | null;
  };
}

/** A recurrence whose function is not known. */
export interface Unknown {
  readonly path: string;
  readonly why: string;
  /** Whether it is a loop of products, which a run of the whole file may judge. */
  readonly loop: boolean;
}

export interface Recurrence {
  /** The nodes whose function is known. */
  readonly nodes: readonly RecurrentNode[];
  /** Those whose function is not, each with the reason. */
  readonly unknown: readonly Unknown[];
  /** The nodes of dropout that drop: they are told to be in training. */
  readonly dropping: readonly string[];
  /** The inputs of the file that no node reads. */
  readonly unread: readonly string[];
  readonly world: World;
  readonly top: Scope;
}

/** ONNX's gate orders by PyTorch's letters. */
export const onnxOrder: Readonly<Record<LayerKind, string>> = {
  RNN: "h",
  LSTM: "iofg",
  GRU: "zrn",
};

/** The most nodes that are visited; a function's nodes count at each of its calls. */
const mostNodes = ({ bytes }: OnnxModel) => 4096 + bytes.length / 4;

/** The name of a node: its own, or its operator and what it puts out. */
function nameOf({ name, opType, outputs }: OnnxNode): string {
  return name || `${opType} that makes ${outputs.find(Boolean) ?? "nothing"}`;
}

/** All nodes of a file, in order, those of inner graphs and of called functions among them. */
export function allNodes(model: OnnxModel, top: Scope, world: World): FoundNode[] {
  const found: FoundNode[] = [];
  const most = mostNodes(model);
  const visit = (scope: Scope, within: OnnxGraph | OnnxFunction, path: string) => {
    for (const node of scope.nodes) {
      if (found.length > most) return;
      const own = path + nameOf(node);
      found.push({ path: own, node, scope, within });
      for (const attribute of node.attributes.values()) {
        for (const graph of graphsOf(attribute)) {
          const given = graph.inputs.map(({ name }) => [name, null] as const);
          visit(new Scope(world, graph, scope, given), graph, `${own} → ${attribute.name} → `);
        }
      }
      const called = functionOf(node, model);
      const inner = called && scope.inside(node, called);
      if (inner) visit(inner, called, `${own} → `);
    }
  };
  visit(top, model.graph, "");
  return found;
}

function graphsOf(attribute: OnnxAttribute): readonly OnnxGraph[] {
  if (attribute.type === "graph") return [attribute.value];
  return attribute.type === "graphs" ? attribute.value : [];
}

/** Whether a node is a recurrence of ONNX's, or ONNX Runtime's quantised LSTM. */
export function isRecurrence(node: OnnxNode): boolean {
  return isRecurrent(node) ||
    (node.domain === "com.microsoft" && node.opType === "DynamicQuantizeLSTM");
}

/**
 * Finds the recurrent nodes of a file.
 *
 * @param extra carries out the nodes that are none of the operators
 * @returns the nodes, with weights computed from constants as far as that is possible
 */
export function recurrentNodes(model: OnnxModel, extra?: Extra): Recurrence {
  const world = worldOf(model, extra);
  const top = new Scope(world, model.graph);
  const nodes: RecurrentNode[] = [];
  const unknown: Unknown[] = [];
  const all = allNodes(model, top, world);
  if (all.length > mostNodes(model)) {
    const why = "its functions call each other more often than a file of this size may";
    unknown.push({ path: "the file", why, loop: false });
  }
  for (const found of all) {
    if (isRecurrence(found.node)) {
      const known = readNode(found, model.opsets.get("") ?? 1);
      if (typeof known === "string") unknown.push({ path: found.path, why: known, loop: false });
      else nodes.push(known);
    }
    if (found.node.domain === "" && /^(Loop|Scan)$/.test(found.node.opType)) {
      const inner = [...found.node.attributes.values()].flatMap(graphsOf)
        .flatMap(({ nodes }) => nodes);
      const has = (types: RegExp) => inner.some(({ opType }) => types.test(opType));
      if (has(/^(MatMul|Gemm)$/) && has(/^(Tanh|Sigmoid|Relu)$/)) {
        const why = "a recurrence as a loop of products, which is no recurrent node";
        unknown.push({ path: found.path, why, loop: true });
      }
    }
  }
  const read = new Set(all.flatMap(({ node }) => node.inputs));
  for (const { name } of model.graph.outputs) read.add(name);
  const unread = model.graph.inputs.filter(({ name }) =>
    !read.has(name) && !model.graph.initializers.has(name)
  ).map(({ name }) => name);
  const dropping = all.filter(({ node, scope }) =>
    node.opType === "Dropout" && node.inputs[2] && scope.get(node.inputs[2])?.data[0]
  ).map(({ path }) => path);
  return { nodes, unknown, dropping, unread, world, top };
}

/** A node with its numbers; in words, why they are not to be had. */
export function readNode(found: FoundNode, opset: number): RecurrentNode | string {
  const { node, scope } = found;
  const quantisedOp = node.opType === "DynamicQuantizeLSTM";
  const kind = quantisedOp ? "LSTM" : node.opType as LayerKind;
  const own = [...node.attributes.keys()].map((name) => [name, scope.attribute(node, name)?.value]);
  let told: OnnxRecurrence;
  try {
    told = recurrenceOf(kind, Object.fromEntries(own), opset);
  } catch (error) {
    if (error instanceof ValueError) return error.message;
    throw error;
  }
  const names = [1, 2, 3, 7];
  const [w, r, B, P] = names.map((k) => node.inputs[k] ? scope.get(node.inputs[k]) : null);
  const missing = names.filter((k, place) => node.inputs[k] && ![w, r, B, P][place]);
  if (!w || !r || missing.length > 0) return "its weights are no constants of the file";
  const [W, R] = quantisedOp ? [dequantised(found, w, 8), dequantised(found, r, 10)] : [w, r];
  if (!W || !R) return "the scales of its weights are no constants of the file";
  if (!scope.charge(W.data.length + R.data.length)) return "more nodes than its weights are for";
  const count = told.direction === "bidirectional" ? 2 : 1;
  const hiddenSize = told.hiddenSize ?? R.shape[2] ?? 0;
  const inputSize = W.shape[2];
  const fits = (x: Value | null, ...shape: number[]) => !x || String(x.shape) === String(shape);
  const rows = onnxOrder[kind].length * hiddenSize;
  if (
    !fits(W, count, rows, inputSize) || !fits(R, count, rows, hiddenSize) ||
    !fits(B, count, 2 * rows) || !fits(P, count, 3 * hiddenSize)
  ) {
    return `weights of the shapes (${W.shape}) and (${R.shape}) are not those of ${count} ` +
      `direction${count > 1 ? "s" : ""} of ${hiddenSize} units`;
  }
  return {
    ...{ ...found, kind, told, hiddenSize, inputSize },
    quantised: quantisedOp ? { bits: 8, step: stepOf(found) } : throughDequantize(found),
    weights: { W, R, B, P: P && P.data.some((x) => x !== 0) ? P : null },
  };
}

/** The weights of ONNX Runtime's quantised LSTM: stored as (D, in, G · H), one scale or one a column. */
function dequantised({ node, scope }: FoundNode, x: Value, at: number): Value | null {
  const [scale, zero] = [at, at + 1].map((k) => node.inputs[k] ? scope.get(node.inputs[k]) : null);
  if (!scale || (node.inputs[at + 1] && !zero) || x.shape.length !== 3) return null;
  const [count, inner, rows] = x.shape;
  const data = x.data.map((_, k) => {
    const row = Math.floor(k / inner); // of all directions
    const d = Math.floor(row / rows);
    const pick = ({ data }: Value) => data[data.length === count ? d : row % data.length];
    const from = (d * inner + k % inner) * rows + row % rows;
    return (x.data[from] - (zero ? pick(zero) : 0)) * pick(scale);
  });
  return { shape: [count, rows, inner], data, whole: false };
}

/** The coarsest step between two stored weights. */
function stepOf({ node, scope }: FoundNode): number {
  return Math.max(...[8, 10].flatMap((k) => [...scope.get(node.inputs[k])!.data]));
}

/** Whether W or R comes out of a DequantizeLinear, and how coarse it is. */
function throughDequantize({ node, scope }: FoundNode): RecurrentNode["quantised"] {
  for (const input of [node.inputs[1], node.inputs[2]]) {
    let at = scope.maker(input);
    for (let hops = 0; at && hops < 8; hops++) {
      if (at.node.opType === "DequantizeLinear") {
        const scale = at.scope.get(at.node.inputs[1]);
        const [bits] = at.scope.initializer(at.node.inputs[0])?.dtype.match(/\d+$/) ?? [8];
        return scale && { bits: Number(bits), step: Math.max(...scale.data) };
      }
      at = at.node.inputs[0] ? at.scope.maker(at.node.inputs[0]) : null;
    }
  }
  return null;
}

/** A batch for which a constant initial state was made; `null` where there is none. */
export function fixedBatch(node: RecurrentNode): number | null {
  const name = node.node.inputs[5];
  const value = name ? node.scope.get(name) : null;
  return value?.shape.length === 3 ? value.shape[node.told.layout === 1 ? 0 : 1] : null;
}
