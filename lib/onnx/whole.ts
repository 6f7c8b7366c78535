/**
 * What lies between the recurrent nodes of a file, judged by numbers: how layers read each other, how
 * directions, batches and states are put in order.
 */

import type { Nonlinearity } from "../nn/rnn.ts";
import { Tensor } from "../tensor/tensor.ts";
import { explanation, type FileMistake, fileMistake, type Question } from "./deviations.ts";
import type { Match } from "./match.ts";
import type { OnnxModel, OnnxValue } from "./model.ts";
import type { JudgeOptions } from "./node.ts";
import { drawn, draws, type Off, offBy, scaleOf } from "./numbers.ts";
import { fixedBatch, type Recurrence, type RecurrentNode } from "./recurrent.ts";
import { expected, type Named, type ReferenceLayer, stateOf } from "./reference.ts";
import { carryOut } from "./run.ts";
import type { Value } from "./value.ts";
import { Scope, worldOf } from "./values.ts";

/** What was found out about all the nodes of one module together. */
export interface WholeJudgement {
  /** The module; empty where it is the whole checkpoint. */
  readonly module: string;
  /** Whether it computes what the module computes; `unknown` where the graph cannot be computed. */
  readonly verdict: "right" | "wrong" | "unknown";
  /** What was computed: the file from its inputs to its outputs, or from the first node to the last. */
  readonly part: "file" | "nodes";
  /** Whether the file has the batch first, where it was computed as a whole. */
  readonly batchFirst: boolean | null;
  /** The mistakes that explain the difference, beside those of the nodes. */
  readonly mistakes: readonly FileMistake[];
  /** How far it is off. */
  readonly off: Off | null;
  /** Why it could not be told. */
  readonly remark: string | null;
}

/** Nodes that are the layers of one module, from the lowest, with a node for each. */
interface Module {
  readonly name: string;
  readonly layers: readonly ReferenceLayer[];
  readonly nodes: readonly RecurrentNode[];
}

const valueOf = ({ data, shape }: Tensor): Value => (
  { shape, data: Float64Array.from(data), whole: false }
);

/** A tensor with two of its dimensions exchanged: the first two. */
export function exchanged(
  { data, shape }: { data: Tensor["data"]; shape: readonly number[] },
): Tensor {
  const [a, b, width] = shape;
  const result = new Float64Array(data.length);
  for (let i = 0; i < a; i++) {
    for (let j = 0; j < b; j++) {
      const from = (i * b + j) * width;
      result.set(data.subarray(from, from + width), (j * a + i) * width);
    }
  }
  return new Tensor(result, [b, a, width]);
}

/** The modules whose every layer is a node; and the one of a file that has no recurrent node. */
function modulesOf(
  { nodes }: Recurrence,
  matches: readonly (Match | null)[],
  layers: readonly ReferenceLayer[],
): Module[] {
  // Of another file, only the nodes are taken, not what lies between them.
  if (layers.some(({ node }) => node)) return [];
  const names = [...new Set(layers.map(({ module }) => module))];
  if (nodes.length === 0 && names.length === 1) return [{ name: names[0], layers, nodes: [] }];
  return names.flatMap((name) => {
    const own = layers.filter(({ module }) => module === name);
    const nodesOf = own.map((layer) => nodes.filter((_, k) => matches[k]?.layer === layer));
    if (nodesOf.some((found) => found.length === 0)) return [];
    return [{ name, layers: own, nodes: nodesOf.map(([first]) => first) }];
  });
}

/** An RNN's nonlinearity: as told, or as its nodes have it. */
function bendOf({ nodes: [node] }: Module, { nonlinearity }: JudgeOptions): Nonlinearity {
  return nonlinearity ?? (node?.told.activations[0][0].name === "Relu" ? "relu" : "tanh");
}

/** The inputs of a file that is nothing but a module, with the sizes that it allows. */
interface Inputs {
  readonly input: OnnxValue;
  readonly states: readonly OnnxValue[];
  readonly lengths: OnnxValue | null;
}

/** What goes into a file, by its place in the module's call; `null` where it is more than a module. */
function inputsOf(model: OnnxModel, { layers }: Module): Inputs | null {
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
interface Attempt {
  readonly question: Question;
  readonly wanted: Named;
  /** Time first. */
  readonly given: Named | null;
}

/** Whether a file takes batches of any size: the batch is free in what it says of its input. */
function batchIsFree({ graph }: OnnxModel, batchFirst: boolean | null): boolean {
  const [shape] = graph.inputs.filter(({ name }) => !graph.initializers.has(name))
    .map((input) => input.shape);
  if (!shape) return true;
  if (batchFirst !== null) return typeof shape[batchFirst ? 0 : 1] !== "number";
  return shape.filter((extent) => typeof extent !== "number").length > 1;
}

/** Runs the file from its inputs to its outputs, as one that has the batch first or not. */
function runFile(
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
  const lengths = inputs.lengths
    ? Array.from({ length: batch }, (_, n) => Math.max(1, length - 2 * n))
    : undefined;
  const asked: Named = { input, ...state };
  // A cell has no dimension of time, nor of layers.
  const put = (x: Tensor): Value => {
    const value = valueOf(x);
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
    if (!value || !as || value.shape.length !== (cell ? 2 : 3)) return false;
    const shape = cell ? [1, ...value.shape] : value.shape;
    const turn = as === "output" && batchFirst;
    found[as] = turn ? exchanged(value) : new Tensor(value.data, shape);
    return true;
  });
  // A module that is given only h_0 starts from its own zeros of c.
  const zeros = names.length === 1 && kind === "LSTM";
  const question = {
    layers,
    inputs: asked,
    nonlinearity,
    state: stateOf(layers),
    ...(lengths && { lengths }),
  };
  return { question, wanted, given: computed && !zeros ? found : null };
}

/** Runs the graph from what the first node reads to what the last one puts out. */
function runNodes(
  model: OnnxModel,
  { top }: Recurrence,
  module: Module,
  nonlinearity: Nonlinearity,
  length: number,
): Attempt | string {
  const { layers, nodes } = module;
  const [{ inputSize, hiddenSize, kind, directions }] = layers;
  if (nodes.some(({ scope }) => scope !== top)) return "its nodes lie in inner graphs";
  if (
    nodes.some(({ told }) => (told.direction === "bidirectional" ? 2 : 1) !== directions.length)
  ) {
    return "its directions are nodes of their own";
  }
  const batch = nodes.map(fixedBatch).find((size) => size !== null) ?? 3;
  if (!(batch * length * Math.max(inputSize, hiddenSize) < 2 ** 22)) return "it is too large";
  const next = draws(13);
  const input = drawn(next, [length, batch, inputSize], scaleOf(layers[0]));
  const layout = (node: RecurrentNode, x: Tensor) =>
    valueOf(node.told.layout === 1 ? exchanged(x) : x);
  const given = new Map<string, Value>([[nodes[0].node.inputs[0], layout(nodes[0], input)]]);
  const states: Named[] = nodes.map((node) =>
    Object.fromEntries(
      ["h_0", "c_0"].slice(0, kind === "LSTM" ? 2 : 1).map((name, k) => {
        const own = node.node.inputs[5 + k];
        const shape = [directions.length, batch, hiddenSize];
        const known = own ? given.get(own) ?? top.get(own) : null;
        if (known) return [name, new Tensor(known.data, shape)];
        const state = own ? drawn(next, shape) : new Tensor(
          new Float64Array(
            directions.length * batch * hiddenSize,
          ),
          shape,
        );
        if (own) given.set(own, layout(node, state));
        return [name, state];
      }),
    )
  );
  const lens = nodes[0].node.inputs[4];
  const lengths = lens && !top.get(lens)
    ? Array.from({ length: batch }, (_, n) => length - 2 * n)
    : undefined;
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
    layers,
    inputs: asked,
    nonlinearity,
    state: stateOf(layers),
    ...(lengths && { lengths }),
  };
  const outs = nodes.map(({ node }) => node.outputs.map((name) => name ? scope.get(name) : null));
  const Y = outs.at(-1)![0];
  const found: Named = {};
  if (Y) {
    const first = nodes.at(-1)!.told.layout === 1;
    const [L, D, N, H] = first ? [Y.shape[1], Y.shape[2], Y.shape[0], Y.shape[3]] : Y.shape;
    const data = new Float64Array(Y.data.length);
    for (let t = 0; t < L; t++) {
      for (let n = 0; n < N; n++) {
        for (let d = 0; d < D; d++) {
          const from = (first ? (n * L + t) * D + d : (t * D + d) * N + n) * H;
          data.set(Y.data.subarray(from, from + H), ((t * N + n) * D + d) * H);
        }
      }
    }
    found.output = new Tensor(data, [L, N, D * H]);
  }
  ["h_n", "c_n"].slice(0, kind === "LSTM" ? 2 : 1).forEach((name, k) => {
    const all = outs.map((own) => own[1 + k]);
    if (all.every((x) => x) && !nodes.some(({ told }) => told.layout === 1)) {
      found[name] = together(all as Value[]);
    }
  });
  if (!Y && layers.length > 1) return "what lies between its nodes is not computed here";
  return { question, wanted, given: found };
}

/**
 * Judges all the nodes of a module together.
 *
 * @param matches the layer of each
 * @param nodesRight whether each node alone computes its layer
 * @param options what weights do not tell
 */
export function judgeWhole(
  model: OnnxModel,
  recurrence: Recurrence,
  matches: readonly (Match | null)[],
  layers: readonly ReferenceLayer[],
  nodesRight: readonly boolean[],
  options: JudgeOptions,
): WholeJudgement[] {
  const modules = modulesOf(recurrence, matches, layers);
  return modules.map((module): WholeJudgement => {
    const nonlinearity = bendOf(module, options);
    const allRight = recurrence.nodes.every((node, k) =>
      nodesRight[k] || !module.nodes.includes(node)
    );
    const inputs = modules.length === 1 ? inputsOf(model, module) : null;
    const [{ directions, kind }] = module.layers;
    const backs = directions.length === 2 ? [false, true] : [false];
    const about = { module: module.name, batchFirst: null as boolean | null };
    const attempts: [Attempt, boolean | null][] = [];
    if (inputs) {
      const forms = options.batchFirst === undefined ? [false, true] : [options.batchFirst];
      for (const first of forms) {
        const attempt = runFile(model, module, inputs, first, nonlinearity);
        if (attempt?.given) attempts.push([attempt, first]);
      }
    }
    const part = attempts.length > 0 ? "file" : "nodes";
    let remark: string | null = null;
    if (attempts.length === 0 && module.nodes.length === 0) {
      remark = "its recurrence is no node, and what the file does instead is not computed here";
    } else if (attempts.length === 0) {
      // A file of fixed sizes may compute with its own only.
      const lengths = model.graph.inputs.flatMap(({ shape }) => shape ?? [])
        .filter((extent) => typeof extent === "number");
      for (const length of new Set([9, ...lengths.slice(0, 4)])) {
        const attempt = runNodes(model, recurrence, module, nonlinearity, length);
        if (typeof attempt === "string") remark = attempt;
        else {
          attempts.push([attempt, null]);
          remark = null;
          break;
        }
      }
    }
    const layouts = module.nodes.some(({ told }) => told.layout === 1);
    if (inputs && layouts && allRight && part === "nodes") {
      const plain = carryOut(model, (told) => ({ ...told, layout: 0 }));
      for (const first of options.batchFirst === undefined ? [false, true] : [options.batchFirst]) {
        const attempt = runFile(model, module, inputs, first, nonlinearity, plain);
        if (!attempt?.given || offBy(attempt.given, attempt.wanted, backs)) continue;
        const says = "the node has layout 1, yet what it reads has time first";
        const mistakes = [fileMistake("layout", says, kind)];
        const off = { error: Infinity, step: null };
        return {
          ...about,
          part: "file",
          batchFirst: first,
          verdict: "wrong",
          mistakes,
          off,
          remark,
        };
      }
    }
    const quantised = module.nodes.some((node) => node.quantised);
    const offs = attempts.map(([{ given, wanted }]) => offBy(given!, wanted, backs));
    const right = offs.indexOf(null);
    if (right >= 0 || (quantised && allRight)) {
      const [, batchFirst] = attempts[Math.max(right, 0)] ?? [];
      const off = offs[Math.max(right, 0)] ?? null;
      const made = module.nodes.map(fixedBatch).find((size) => size !== null);
      if (made !== undefined && batchIsFree(model, batchFirst ?? null)) {
        const says = `the initial state is a constant for a batch of ${made}, though the file's ` +
          "input may have any";
        const mistakes = [fileMistake("fixed-batch", says, kind)];
        return {
          ...about,
          batchFirst: batchFirst ?? null,
          part,
          verdict: "wrong",
          mistakes,
          off,
          remark,
        };
      }
      return {
        ...about,
        batchFirst: batchFirst ?? null,
        part,
        verdict: "right",
        mistakes: [],
        off,
        remark,
      };
    }
    if (attempts.length === 0) {
      return { ...about, part, verdict: "unknown", mistakes: [], off: null, remark };
    }
    const wrong = (mistakes: FileMistake[], k: number): WholeJudgement => (
      {
        ...about,
        part,
        batchFirst: attempts[k][1],
        verdict: "wrong",
        mistakes,
        off: offs[k],
        remark,
      }
    );
    if (!allRight) return wrong([], 0);
    for (const [k, [{ question, wanted, given }]] of attempts.entries()) {
      const found = explanation({ ...question, batchFirst: false }, wanted, given!);
      if (found) return wrong([found], k);
    }
    return wrong([], 0);
  });
}
