/** Which mistake makes a recurrent node compute something else than its layer. */

import { commit, mistakes as portingMistakes } from "../conformance/diagnose.ts";
import type { Task } from "../conformance/cases.ts";
import type { JsonNumber, JsonTensor, Request } from "../conformance/pair.ts";
import { compare } from "../conformance/compare.ts";
import { bfloat16 } from "../conformance/mistakes/numbers.ts";
import type { LayerKind } from "../layouts/layout.ts";
import type { Nonlinearity } from "../nn/rnn.ts";
import { eachOf, gated, gateOrder } from "../parameters.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { OnnxActivation } from "./activations.ts";
import type { OnnxRecurrence } from "./recurrence.ts";
import { hasBias, type Named, type ReferenceLayer, type Weights } from "./reference.ts";

/** A mistake that a file makes. */
export interface FileMistake {
  /** Its name in short: the porting mistake's, where it is one. */
  readonly id: string;
  /** What the file does otherwise. */
  readonly says: string;
  /** The clause that it breaks. */
  readonly clause: string;
}

/** The clause of a mistake, by its name; the first that fits. */
const clauses: readonly (readonly [RegExp, string | ((kind: LayerKind) => string)])[] = [
  [/^(bias-)?gates-/, (kind) => `${kind}-1`],
  [/^(reset-before|merged-biases|swapped-biases)$/, "GRU-3"],
  [/bias/, (kind) => ({ LSTM: "LSTM-3", GRU: "GRU-2", RNN: "RNN-1" })[kind]],
  [/^relu-rnn$|^tanh-for-relu$/, "RNN-2"],
  [/^(reverse-weights|directions-|backward-unr|reverse-runs|direction$)/, "STACK-3"],
  [/^(forward-for|halves-|units-)/, "STACK-4"],
  [/^(direction-major|h-n-swapped|layers-top)/, "STACK-5"],
  [/^(backward-h-n|states-swapped)/, "STACK-6"],
  [/^every-layer/, "STACK-2"],
  [/^(h-0-|state-pair)/, "STACK-8"],
  [/^fixed-batch/, "BATCH-4"],
  [/^(batch-first-state)/, "BATCH-2"],
  [/^(batch-first|layout|output-flattened|ones-squeezed)/, "BATCH-1"],
  [/^dropout/, "DROP-1"],
  [/length|padding|padded|sorted/, "PACK-4"],
  [/^(clip|peepholes|input-forget|projection)$/, "LAYOUT-6"],
  [/^(float16|bfloat16)/, "NUM-1"],
];

/** A mistake with its clause. */
export function fileMistake(id: string, says: string, kind: LayerKind): FileMistake {
  const [, clause] = clauses.find(([pattern]) => pattern.test(id)) ??
    ["", (own: LayerKind) => own === "RNN" ? "RNN-1" : `${own}-2`];
  return { id, says, clause: typeof clause === "string" ? clause : clause(kind) };
}

/** Something a node is told that no layer of PyTorch's does, and what it is told without it. */
export interface Told {
  readonly mistake: FileMistake;
  /** The attributes of ONNX that say it. */
  readonly attributes: readonly string[];
  /** What the node computes without it. */
  readonly mended: (told: OnnxRecurrence) => OnnxRecurrence;
}

/** An activation in words. */
function worded({ name, alpha, beta }: OnnxActivation): string {
  const numbers = [alpha, beta].filter((x) => x !== null).map((x) => Number(x.toPrecision(4)));
  return numbers.length ? `${name}(${numbers.join(", ")})` : name;
}

const isLine = ({ name, alpha, beta }: OnnxActivation) =>
  name === "Affine" && alpha === 1 && beta === 0;

/** The name of using one activation for another; places are f, g, h of ONNX. */
function activationMistake(
  kind: LayerKind,
  given: readonly OnnxActivation[],
  wanted: readonly string[],
): FileMistake {
  const wrong = given.map((own, k) => [own, k] as const)
    .filter(([{ name }, k]) => name !== wanted[k]);
  const all = (is: (own: OnnxActivation) => boolean) => wrong.every(([own]) => is(own));
  const only = (...places: number[]) => wrong.every(([, k]) => places.includes(k));
  const hard = (slope: number) => ({ name, alpha, beta }: OnnxActivation) =>
    name === "HardSigmoid" && Math.abs(alpha! - slope) < 1e-6 && beta === 0.5;
  const bends = kind === "RNN" ? [0] : kind === "GRU" ? [1] : [1, 2];
  const list = given.map(worded).join(", ");
  const found = (id: string, says: string) => fileMistake(id, says, kind);
  if (kind !== "RNN" && only(0)) {
    if (all(hard(0.2))) {
      return found("hard-sigmoid", "the gates use HardSigmoid, max(0, min(1, 0.2 x + 0.5))");
    }
    if (all(hard(1 / 6))) {
      return found("hard-sigmoid-6", "the gates use HardSigmoid, max(0, min(1, x / 6 + 0.5))");
    }
  }
  if (kind === "LSTM" && only(2) && all(isLine)) {
    return found("no-outer-tanh", "h is o ⊙ c, without tanh");
  }
  if (only(...bends)) {
    if (kind === "RNN" && wanted[0] === "Relu" && all(({ name }) => name === "Tanh")) {
      return found("tanh-for-relu", "tanh is used for relu");
    }
    if (all(({ name }) => name === "Relu")) return found("relu-for-tanh", "relu is used for tanh");
    if (all(({ name }) => name === "Sigmoid")) {
      return found("sigmoid-for-tanh", "the sigmoid is used for tanh");
    }
    if (kind === "RNN" && all(isLine)) return found("linear-rnn", "no nonlinearity is applied");
  }
  return found("activations", `the activations are ${list}, not ${wanted.join(", ")}`);
}

/** The activations that PyTorch's layer has, in ONNX's words. */
export function wantedActivations(kind: LayerKind, nonlinearity: Nonlinearity): string[] {
  if (kind === "RNN") return [nonlinearity === "relu" ? "Relu" : "Tanh"];
  return kind === "LSTM" ? ["Sigmoid", "Tanh", "Tanh"] : ["Sigmoid", "Tanh"];
}

/** All that a node is told otherwise than PyTorch's layer. */
export function toldOtherwise(
  told: OnnxRecurrence,
  nonlinearity: Nonlinearity,
  peepholes = false,
): Told[] {
  const { opType: kind } = told;
  const found: Told[] = [];
  const add = (
    id: string,
    says: string,
    attributes: string[],
    mended: Partial<OnnxRecurrence>,
    mistake = fileMistake(id, says, kind),
  ) => found.push({ mistake, attributes, mended: (own) => ({ ...own, ...mended }) });
  if (kind === "GRU" && !told.linearBeforeReset) {
    const says = "the reset gate is applied to h before the product with W_hn: " +
      "linear_before_reset is 0 or left out";
    add("reset-before", says, ["linear_before_reset"], { linearBeforeReset: true });
  }
  const wanted = wantedActivations(kind, nonlinearity);
  const wrong = told.activations.find((own) => own.some(({ name }, k) => name !== wanted[k]));
  if (wrong) {
    const activations = told.activations.map(() =>
      wanted.map((name) => ({ name, alpha: null, beta: null }))
    );
    const names = ["activations", "activation_alpha", "activation_beta"];
    add("", "", names, { activations }, activationMistake(kind, wrong, wanted));
  }
  if (told.clip !== null) {
    const bound = Number(told.clip.toPrecision(4));
    add("clip", `what goes into each activation is clipped to ±${bound}`, ["clip"], { clip: null });
  }
  if (told.inputForget) {
    const says = "the forget gate is 1 - i (input_forget)";
    add("input-forget", says, ["input_forget"], { inputForget: false });
  }
  if (peepholes) add("peepholes", "the gates see c through peepholes (P)", [], {});
  return found;
}

/** Weights changed on the way into the file, beyond what ports get wrong. */
export interface Misread {
  readonly mistake: FileMistake;
  /** The layer's weights with it. */
  readonly weights: (own: Weights) => Weights;
}

const changed = <T extends Float64Array | null>(x: T, f: (x: number) => number): T =>
  x && x.map((value) => f(value)) as T;

/** Weights rounded to fewer bits: then they are near the layer's, and not the same. */
export function roundings(kind: LayerKind): Misread[] {
  const rounded = (name: string, round: (x: number) => number): Misread => ({
    mistake: fileMistake(`${name}-weights`, `the weights are rounded to ${name}`, kind),
    weights: (own) => eachOf(gated(gateOrder[kind]), (key) => changed(own[key], round)) as Weights,
  });
  return [rounded("float16", Math.f16round), rounded("bfloat16", bfloat16)];
}

/** Mistakes of files that are not in the list of porting mistakes. */
export function misreadings(kind: LayerKind): Misread[] {
  const negated = (id: string, what: string, ...keys: (keyof Weights)[]): Misread => ({
    mistake: fileMistake(`negated-${id}`, `${what} negated`, kind),
    weights: (own) => (
      { ...own, ...Object.fromEntries(keys.map((key) => [key, changed(own[key], (x) => -x)])) }
    ),
  });
  return [
    negated("weight_ih", "weight_ih is", "weightIh"),
    negated("weight_hh", "weight_hh is", "weightHh"),
    negated("weights", "weight_ih and weight_hh are", "weightIh", "weightHh"),
    negated("biases", "the biases are", "biasIh", "biasHh"),
  ];
}

/**
 * The order of units in which a node holds a layer's weights.
 *
 * @returns for each unit of the node, the layer's; `null` where it is no mere order
 */
export function unitOrder(own: Weights, wanted: Weights, hiddenSize: number): number[] | null {
  const H = hiddenSize;
  const gates = own.weightHh.length / H / H;
  const width = own.weightIh.length / gates / H;
  const key = (x: Float64Array, unit: number) =>
    Array.from(
      { length: gates },
      (_, gate) => x.subarray((gate * H + unit) * width, (gate * H + unit + 1) * width).join(),
    ).join("|");
  const places = new Map(
    Array.from({ length: H }, (_, unit) => [key(wanted.weightIh, unit), unit]),
  );
  const order = Array.from({ length: H }, (_, unit) => places.get(key(own.weightIh, unit)) ?? -1);
  if (new Set(order).size !== H || order.includes(-1)) return null;
  if (order.every((unit, k) => unit === k)) return null;
  // The row of the layer's that stands in this row of the node's.
  const rowOf = (row: number) => row - row % H + order[row % H];
  const bias = ({ biasIh, biasHh }: Weights, row: number) =>
    (biasIh?.[row] ?? 0) + (biasHh?.[row] ?? 0);
  const rows = Array.from({ length: gates * H }, (_, row) => row);
  const found =
    own.weightHh.every((x, k) =>
      x === wanted.weightHh[rowOf(Math.floor(k / H)) * H + order[k % H]]
    ) && rows.every((row) => Math.abs(bias(own, row) - bias(wanted, rowOf(row))) <= 1e-6);
  return found ? order : null;
}

/** A tensor as a request holds it, in float32. */
function single({ shape, data }: Tensor): JsonTensor {
  const numbers = Array.from(
    Float32Array.from(data),
    (x) => Number.isFinite(x) ? x : String(x) as JsonNumber,
  );
  return { shape: [...shape], data: numbers };
}

/** What a module is asked, as the conformance kit asks it. */
export interface Question {
  /** The layers, from the lowest. */
  readonly layers: readonly ReferenceLayer[];
  /** The inputs: `input` (time first), and perhaps `h_0` and `c_0`. */
  readonly inputs: Named;
  /** How long each sequence is, where they are packed. */
  readonly lengths?: readonly number[];
  /** An RNN's. */
  readonly nonlinearity: Nonlinearity;
  /** Whether input and output have the batch first. */
  readonly batchFirst?: boolean;
  /** The layers as a `state_dict`. */
  readonly state: Named;
}

/** Tensors by name, as a request holds them. */
const coded = (named: Named) =>
  Object.fromEntries(Object.entries(named).map(([name, x]) => [name, single(x)]));

/** The question as a request of the conformance kit. */
export function requestOf(question: Question): Request {
  const { layers, inputs, lengths, nonlinearity, batchFirst, state } = question;
  const [{ kind, inputSize, hiddenSize, directions }] = layers;
  return {
    op: "forward",
    module: kind,
    args: {
      input_size: inputSize,
      hidden_size: hiddenSize,
      num_layers: layers.length,
      bias: hasBias(layers),
      bidirectional: directions.length === 2,
      ...(kind === "RNN" && { nonlinearity }),
      ...(batchFirst && { batch_first: true }),
    },
    dtype: "float32",
    state_dict: coded(state),
    inputs: { ...coded(inputs), ...(lengths && { lengths: [...lengths] }) },
  };
}

/**
 * Finds a porting mistake that makes just these outputs.
 *
 * @param given those that the file gives; some may be missing
 * @returns the mistake; `null` where the outputs are right or nothing explains them
 */
export function explanation(question: Question, wanted: Named, given: Named): FileMistake | null {
  const about = { id: "file", chapter: "file", request: requestOf(question) };
  const task = { ...about, expect: { outputs: coded(wanted) } } as unknown as Task;
  const answer = { outputs: coded(given) };
  const names = Object.keys(given);
  const found = portingMistakes.find((mistake) => {
    const made = mistake.recognise ? null : commit(mistake, task)?.outputs;
    if (!made) return false;
    const outputs = Object.fromEntries(names.map((name) => [name, made[name]]));
    return compare(task.request, { outputs }, answer).differences.length === 0;
  });
  return found ? fileMistake(found.id, found.says, question.layers[0].kind) : null;
}
