/** Runs the nodes of a module as the file connects them, and the module itself for comparison. */

import type { Nonlinearity } from "../nn/rnn.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Question } from "./deviations.ts";
import type { OnnxModel, OnnxValue } from "./model.ts";
import { drawn, draws, type Off, offBy, scaleOf, sideBySide } from "./numbers.ts";
import { fixedBatch, type Recurrence, type RecurrentNode } from "./recurrent.ts";
import { expected, type Named, type ReferenceLayer, stateOf } from "./reference.ts";
import { carryOut } from "./run.ts";
import { asValue, type Value } from "./value.ts";
import { Scope, worldOf } from "./values.ts";

/** Nodes that are the layers of one module, from the lowest, with a node for each. */
export interface Module {
  readonly name: string;
  readonly layers: readonly ReferenceLayer[];
  readonly nodes: readonly RecurrentNode[];
}

/** A tensor with two of its dimensions exchanged: the first two. */
export function exchanged(
  { data, shape }: { data: Tensor["data"]; shape: readonly number[] },
): Tensor {
  const [a, b, width] = shape;
  const result = Float64Array.from(data, (_, k) => {
    const row = Math.floor(k / width); // of b · a
    return data[((row % a) * b + Math.floor(row / a)) * width + k % width];
  });
  return new Tensor(result, [b, a, width]);
}

/** The inputs of a file that is nothing but a module, with the sizes that it allows. */
export interface Inputs {
  readonly input: OnnxValue;
  readonly states: readonly OnnxValue[];
  readonly lengths: OnnxValue | null;
}

/** A file's inputs as arguments of a module; `null` where the file is more than a module. */
export function inputsOf(model: OnnxModel, { layers }: Module): Inputs | null {
  const { inputs, initializers } = model.graph;
  const free = inputs.filter(({ name }) => !initializers.has(name));
  const floats = free.filter(({ dtype }) => dtype === "float32" || dtype === "float64");
  const others = free.filter((value) => !floats.includes(value));
  const [input, ...states] = floats;
  if (!input || others.length > 1 || states.length > (layers[0].kind === "LSTM" ? 2 : 1)) {
    return null;
  }
  const rank = layers[0].cell && layers.length === 1 ? 2 : 3;
  if (floats.some(({ shape }) => shape && shape.length !== rank)) return null;
  const [lengths = null] = others;
  if (lengths && (!/^int/.test(lengths.dtype ?? "") || lengths.shape?.length !== 1)) return null;
  const { inputSize } = layers[0];
  const width = input.shape?.at(-1);
  if (typeof width === "number" && width !== inputSize) return null;
  return { input, states, lengths };
}

/** One way of computing a module's outputs out of the file. */
export interface Attempt {
  readonly question: Question;
  /** What the module puts out. */
  readonly wanted: Named;
  /** What the file puts out, in its own order of time and batch; `null` where it is not computed. */
  readonly given: Named | null;
}

/** Lengths of sequences, the longest whole, and not in order. */
function lengthsOf(batch: number, length: number): number[] {
  const lengths: number[] = [];
  for (let n = 0; n < batch; n++) lengths[(n + 1) % batch] = Math.max(1, length - 2 * n);
  return lengths;
}

/** Runs the file from its inputs to its outputs, as one that has the batch first or not. */
export function runFile(
  model: OnnxModel,
  module: Module,
  inputs: Inputs,
  batchFirst: boolean,
  nonlinearity: Nonlinearity,
  extra = carryOut(model),
): Attempt | null {
  const { layers } = module;
  const [{ inputSize, hiddenSize, kind, directions, cell }] = layers;
  const fixed = (k: number) => {
    const own = inputs.input.shape?.[k];
    return typeof own === "number" ? own : null;
  };
  const made = module.nodes.map(fixedBatch).find((size) => size !== null);
  const batch = fixed(batchFirst || cell ? 0 : 1) ?? made ?? 3;
  const length = cell ? 1 : fixed(batchFirst ? 1 : 0) ?? 9;
  if (!(batch * length * Math.max(inputSize, hiddenSize) < 2 ** 22)) return null;
  const next = draws(11);
  const rows = layers.length * directions.length;
  const input = drawn(next, [length, batch, inputSize], scaleOf(layers[0]));
  const names = ["h_0", "c_0"].slice(0, inputs.states.length);
  const state = Object.fromEntries(
    names.map((name) => [name, drawn(next, [rows, batch, hiddenSize])]),
  );
  const lengths = inputs.lengths ? lengthsOf(batch, length) : undefined;
  const asked: Named = { input, ...state };
  // A cell has no dimension of time, nor of layers.
  const put = (x: Tensor): Value => {
    const value = asValue(x);
    return cell ? { ...value, shape: value.shape.slice(1) } : value;
  };
  const given = new Map<string, Value>([
    [inputs.input.name, put(batchFirst ? exchanged(input) : input)],
    ...inputs.states.map(({ name }, k) => [name, put(state[names[k]])] as const),
  ]);
  if (inputs.lengths) {
    const data = Float64Array.from(lengths!);
    given.set(inputs.lengths.name, { shape: [batch], data, whole: true });
  }
  const scope = new Scope(worldOf(model, extra), model.graph, null, given);
  const wanted = expected(layers, asked, nonlinearity, lengths);
  const { outputs } = model.graph;
  if (cell) delete wanted.output;
  const order = Object.keys(wanted);
  const named = outputs.every(({ name }) => order.includes(name));
  const found: Named = {};
  const computed = outputs.every(({ name }, k) => {
    const value = scope.get(name);
    const as = named ? name : order[k];
    // What a Linear makes of them is no output of the module; one in another form is, or a half of one.
    if (!value || !as) return false;
    const { shape, data } = value;
    if (data.length !== wanted[as].data.length && shape.at(-1) !== hiddenSize) return false;
    found[as] = new Tensor(value.data, cell && shape.length === 2 ? [1, ...shape] : shape);
    return true;
  });
  // A module that is given only h_0 starts from its own zeros of c.
  const zeros = names.length === 1 && kind === "LSTM";
  const turn = (x: Named, name: string) => batchFirst ? { ...x, [name]: exchanged(x[name]) } : x;
  const question = {
    ...{ layers, nonlinearity, batchFirst, state: stateOf(layers) },
    inputs: turn(asked, "input"),
    ...(lengths && { lengths }),
  };
  return {
    question,
    wanted: cell ? wanted : turn(wanted, "output"),
    given: computed && !zeros ? found : null,
  };
}

/** How far what the file puts out is off, time first; `null` where it is within the closeness. */
export function attemptOff(
  { question, wanted, given }: Attempt,
  backs: readonly boolean[],
): Off | null {
  const turn = (x: Named) =>
    question.batchFirst && x.output?.shape.length === 3 ? { ...x, output: exchanged(x.output) } : x;
  return offBy(turn(given!), turn(wanted), backs);
}

/** Runs the graph from what the first node reads to what the last one puts out. */
export function runNodes(
  model: OnnxModel,
  { top }: Recurrence,
  module: Module,
  nonlinearity: Nonlinearity,
  length: number,
): Attempt | string {
  const { layers, nodes } = module;
  const [{ inputSize, hiddenSize, kind, directions }] = layers;
  if (nodes.some(({ scope }) => scope !== top)) return "its nodes lie in inner graphs";
  if (nodes.some(({ weights: { W } }) => W.shape[0] !== directions.length)) {
    return "its directions are nodes of their own";
  }
  const batch = nodes.map(fixedBatch).find((size) => size !== null) ?? 3;
  if (!(batch * length * Math.max(inputSize, hiddenSize) < 2 ** 22)) return "it is too large";
  const next = draws(13);
  const input = drawn(next, [length, batch, inputSize], scaleOf(layers[0]));
  const layout = (node: RecurrentNode, x: Tensor) =>
    asValue(node.told.layout === 1 ? exchanged(x) : x);
  const given = new Map<string, Value>([[nodes[0].node.inputs[0], layout(nodes[0], input)]]);
  const states: Named[] = nodes.map((node) =>
    Object.fromEntries(
      (kind === "LSTM" ? ["h_0", "c_0"] : ["h_0"]).map((name, k) => {
        const own = node.node.inputs[5 + k];
        const shape = [directions.length, batch, hiddenSize];
        const known = own ? given.get(own) ?? top.get(own) : null;
        if (known) return [name, new Tensor(known.data, shape)];
        const state = drawn(own ? next : () => 0, shape);
        if (own) given.set(own, layout(node, state));
        return [name, state];
      }),
    )
  );
  const lens = nodes[0].node.inputs[4];
  const lengths = lens && !top.get(lens) ? lengthsOf(batch, length) : undefined;
  if (lengths) {
    given.set(lens, { shape: [batch], data: Float64Array.from(lengths), whole: true });
  }
  const together = (parts: readonly { data: Tensor["data"] }[]) => {
    const all = parts.flatMap(({ data }) => [...data]);
    return new Tensor(Float64Array.from(all), [all.length / batch / hiddenSize, batch, hiddenSize]);
  };
  const asked: Named = { input };
  for (const name of Object.keys(states[0])) asked[name] = together(states.map((own) => own[name]));
  const scope = new Scope(worldOf(model, carryOut(model)), model.graph, null, given);
  const wanted = expected(layers, asked, nonlinearity, lengths);
  const question = {
    ...{ layers, inputs: asked, nonlinearity, state: stateOf(layers) },
    ...(lengths && { lengths }),
  };
  const outs = nodes.map(({ node }) => node.outputs.map((name) => name ? scope.get(name) : null));
  const Y = outs.at(-1)![0];
  const found: Named = {};
  if (Y) found.output = sideBySide(Y, nodes.at(-1)!.told.layout);
  (kind === "LSTM" ? ["h_n", "c_n"] : ["h_n"]).forEach((name, k) => {
    const all = outs.map((own) => own[1 + k]);
    if (all.every((x) => x) && !nodes.some(({ told }) => told.layout === 1)) {
      found[name] = together(all as Value[]);
    }
  });
  if (!Y && layers.length > 1) return "what lies between its nodes is not computed here";
  return { question, wanted, given: found };
}
