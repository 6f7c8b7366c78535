/**
 * The weights of an ONNX file as PyTorch names them. A checkpoint's reader imports this file on demand,
 * in a browser as a file of its own: what goes in and comes out is plain.
 */

import { CheckpointError } from "../checkpoints/error.ts";
import { quote, within } from "../checkpoints/refuse.ts";
import type { StoredDType } from "../checkpoints/dtype.ts";
import { fromOnnx, type OnnxLayer } from "../layouts/onnx.ts";
import type { StateDict } from "../tensor/tensor.ts";
import { Tensor } from "../tensor/tensor.ts";
import { readOnnx } from "./read.ts";
import { allNodes, type FoundNode, type RecurrentNode, recurrentNodes } from "./recurrent.ts";
import { type OnnxExternalData, type OnnxTensor, readEntry } from "./tensor.ts";
import { asTensor } from "./value.ts";
import type { Scope } from "./values.ts";
import { Message } from "./wire.ts";

/** A weight: its name, and what a stored tensor is made of. */
export type NamedWeight = readonly [
  name: string,
  dtype: StoredDType,
  shape: readonly number[],
  bytes: Uint8Array,
];

/** Operators between the layers of one module: they pass on their first input. */
const between = /^(Transpose|Reshape|Squeeze|Unsqueeze|Identity|Dropout|Cast)$/;

/** The node that a value comes from as it is, whatever its shape. */
function sourceOf(scope: Scope, name: string): FoundNode["node"] | null {
  let at = scope.maker(name);
  for (let hops = 0; at && hops < 16 && between.test(at.node.opType); hops++) {
    at = at.node.inputs[0] ? at.scope.maker(at.node.inputs[0]) : null;
  }
  return at && at.node;
}

/** The nodes of each module: a node that reads another's output, and is like it, is the next layer. */
function modulesOf(nodes: readonly RecurrentNode[]): RecurrentNode[][] {
  const modules: RecurrentNode[][] = [];
  for (const one of nodes) {
    const below = sourceOf(one.scope, one.node.inputs[0] ?? "");
    const module = modules.find((own) => {
      const last = own.at(-1)!;
      const width = last.hiddenSize * last.weights.W.shape[0];
      return last.node === below && last.kind === one.kind && one.inputSize === width &&
        one.hiddenSize === last.hiddenSize && one.told.direction === last.told.direction;
    });
    if (module) module.push(one);
    else modules.push([one]);
  }
  return modules;
}

/**
 * The module that a node was written for: by its path, of which `/encoder/rnn/LSTM_1` is
 * `encoder.rnn`, or as PyTorch's newer exporter notes it, `['', 'encoder', 'encoder.rnn', 'lstm']`.
 */
function ownerOf({ node }: FoundNode): string | null {
  const parts = node.name.split("/").filter(Boolean);
  if (node.name.includes("/")) return parts.slice(0, -1).join(".");
  const message = new Message(node.bytes, "node");
  while (message.next(-1)) {
    if (message.field !== 9) message.skip();
    else {
      const [key, value] = readEntry(message.message("metadata_props"));
      const scopes = Array.from(value.matchAll(/'([^']*)'/g), ([, scope]) => scope);
      if (key === "pkg.torch.onnx.name_scopes") return scopes.at(-2) ?? null;
    }
  }
  return null;
}

/** What stands before `weight_ih_l0` in the name of a constant that W is made of. */
function prefixOf({ node, scope }: RecurrentNode): string | null {
  const names = [node.inputs[1]];
  for (let k = 0; k < names.length && k < 200; k++) {
    const [, prefix] = names[k].match(/^(.*\.|)weight_ih_l\d+(?:_reverse)?$/) ?? [];
    if (prefix !== undefined && scope.initializer(names[k])) return prefix;
    names.push(...scope.maker(names[k])?.node.inputs ?? []);
  }
  return null;
}

/** One node as the layouts have it. */
function layerOf({ kind, told, hiddenSize, weights: { W, R, B, P } }: RecurrentNode): OnnxLayer {
  const all = told.activations.flat();
  const numbers = (key: "alpha" | "beta") =>
    all.map((one) => one[key]).filter((x): x is number => x !== null);
  return {
    opType: kind,
    direction: told.direction,
    hiddenSize,
    ...{ W: asTensor(W), R: asTensor(R), B: asTensor(B), P: asTensor(P) },
    ...(kind === "GRU" && { linearBeforeReset: told.linearBeforeReset ? 1 : 0 }),
    activations: all.map(({ name }) => name),
    activationAlpha: numbers("alpha"),
    activationBeta: numbers("beta"),
    clip: told.clip,
    inputForget: told.inputForget ? 1 : 0,
  };
}

/** The weights of one module; in float32 where that holds them all. */
function moduleState(nodes: readonly RecurrentNode[]): StateDict {
  const { kind, told: { activations: [[phi]] } } = nodes[0];
  const options = kind === "RNN" && phi.name === "Relu" ? { nonlinearity: "relu" } as const : {};
  return within(() => `onnx: ${quote(nodes[0].path)}: `, () => {
    const state = fromOnnx(nodes.map(layerOf), options);
    const all = Object.entries(state);
    const single = all.every(([, { data }]) => data.every((x) => Object.is(Math.fround(x), x)));
    if (!single) return state;
    const narrow = ({ data, shape }: Tensor) => new Tensor(Float32Array.from(data), shape);
    return Object.fromEntries(all.map(([name, x]) => [name, narrow(x)]));
  });
}

/** The weight and the bias of a product with a constant, as a Linear has them. */
function* linearOf(
  found: FoundNode,
  adds: ReadonlyMap<string, FoundNode>,
): Generator<[string, Tensor]> {
  const { node: { opType, domain, inputs, outputs }, scope } = found;
  const gemm = opType === "Gemm";
  if (domain !== "" || (!gemm && opType !== "MatMul")) return;
  const attribute = (name: string, usual: number) =>
    scope.attribute(found.node, name)?.value ?? usual;
  const plain = attribute("transA", 0) === 0 && attribute("alpha", 1) === 1 &&
    attribute("beta", 1) === 1;
  const weight = scope.initializer(inputs[1] ?? "");
  if (!plain || weight?.shape.length !== 2 || !/^float(32|64|16)$|^bfloat16$/.test(weight.dtype)) {
    return;
  }
  const added = gemm ? inputs[2] : adds.get(outputs[0])?.node.inputs.find((x) => x !== outputs[0]);
  const bias = added ? scope.initializer(added) : null;
  const owner = ownerOf(found) ?? found.node.name;
  const named = (x: OnnxTensor, key: string) =>
    x.name.endsWith(key) ? x.name : owner ? `${owner}.${key}` : key;
  const own = weight.toTensor({ widen: true });
  const W = gemm && attribute("transB", 0) === 1 ? own : transposed(own);
  yield [named(weight, "weight"), W];
  if (bias?.shape.length === 1 && bias.shape[0] === W.shape[0] && bias.dtype === weight.dtype) {
    yield [named(bias, "bias"), bias.toTensor({ widen: true })];
  }
}

/** A matrix with its rows as columns. */
function transposed({ data, shape: [rows, columns] }: Tensor): Tensor {
  const from = (k: number) => data[(k % rows) * columns + Math.floor(k / rows)];
  return new Tensor(data.map((_, k) => from(k)), [columns, rows]);
}

/**
 * The weights of a file: those of each recurrent node as PyTorch's module has them, and those of the
 * products with constants (CKPT-14).
 *
 * @param files the files beside it that are at hand
 * @returns them; or which other file is needed; or in words why they are not to be had
 */
export function onnxWeights(
  bytes: Uint8Array,
  files: ReadonlyMap<string, Uint8Array>,
): NamedWeight[] | { readonly missing: string } | string {
  const missing: string[] = [];
  const external = (location: string) => {
    const file = files.get(location);
    if (file) return file;
    missing.push(location);
    throw new CheckpointError(`the file ${quote(location)} is not at hand`);
  };
  let found: NamedWeight[] | string;
  try {
    found = read(bytes, external);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    found = error.message;
  }
  return missing.length > 0 ? { missing: missing[0] } : found;
}

function read(bytes: Uint8Array, external: OnnxExternalData): NamedWeight[] {
  const model = readOnnx(bytes, { external });
  const { nodes, unknown, top, world } = recurrentNodes(model);
  if (unknown.length > 0) {
    throw new CheckpointError(`onnx: ${quote(unknown[0].path)}: ${unknown[0].why}`);
  }
  if (nodes.length === 0) {
    throw new CheckpointError("onnx: the file has no recurrent node; one unrolled is none");
  }
  const all = allNodes(model, top, world);
  const adds = new Map(
    all.filter(({ node }) => node.opType === "Add")
      .flatMap((own) => own.node.inputs.map((name) => [name, own] as const)),
  );
  const found = new Map<string, Tensor>(all.flatMap((own) => [...linearOf(own, adds)]));
  const modules = modulesOf(nodes);
  const prefixes = new Set<string>();
  for (const own of modules) {
    const owner = ownerOf(own[0]);
    const alone = modules.length === 1 ? "" : own[0].node.name || own[0].kind.toLowerCase();
    const known = prefixOf(own[0]) ?? (owner ?? alone).replace(/(?<=.)$/, ".");
    let prefix = known;
    for (let k = 1; prefixes.has(prefix); k++) prefix = known.replace(/\.?$/, `_${k}.`);
    prefixes.add(prefix);
    for (const [name, x] of Object.entries(moduleState(own))) found.set(prefix + name, x);
  }
  return [...found].map(([name, { dtype, shape, data }]) => [
    name,
    dtype,
    shape,
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
}
