/** Whether one recurrent node computes what its layer computes, and if not, which mistake it makes. */

import type { LayerKind } from "../layouts/layout.ts";
import type { Nonlinearity } from "../nn/rnn.ts";
import { Tensor } from "../tensor/tensor.ts";
import {
  explanation,
  type FileMistake,
  fileMistake,
  type Misread,
  misreadings,
  roundings,
  type Told,
  toldOtherwise,
  unitOrder,
} from "./deviations.ts";
import { evaluateRecurrence } from "./evaluate.ts";
import type { Match } from "./match.ts";
import type { Note } from "./notes.ts";
import { drawn, draws, type Off, offBy, scaleOf, sideBySide } from "./numbers.ts";
import type { OnnxRecurrence } from "./recurrence.ts";
import type { RecurrentNode } from "./recurrent.ts";
import {
  expected,
  layerOf,
  type Named,
  nodeWeights,
  type ReferenceLayer,
  stateOf,
} from "./reference.ts";
import { asTensor, type Value } from "./value.ts";

/** What weights do not tell. */
export interface JudgeOptions {
  /** φ of an RNN. @default that of the file */
  readonly nonlinearity?: Nonlinearity;
  /** Whether the module has the batch first. @default both are tried */
  readonly batchFirst?: boolean;
}

/** Right, wrong, or it could not be told. */
export type Verdict = "right" | "wrong" | "unknown";

/** What was found out about one node. */
export interface NodeJudgement {
  /** What leads to it: the nodes whose graphs it lies in, then its own name. */
  readonly path: string;
  /** The operator. */
  readonly operator: string;
  /** What it computes, in words. */
  readonly computes: string;
  /** The layer that it is, in words; `null` where there is none, or nothing to hold it against. */
  readonly layer: string | null;
  /** Whether it computes what the layer computes. */
  readonly verdict: Verdict;
  /** The mistakes that explain the difference; none explains it where it is wrong without any. */
  readonly mistakes: readonly FileMistake[];
  /** The largest difference; `null` where there is none. */
  readonly off: Off | null;
  /** Why there is no verdict, or in what sense the node is right. */
  readonly remark: string | null;
  /** What is unusual about it, with the runtimes known to get that wrong. */
  readonly notes: readonly Note[];
}

/** Carries out a recurrence, time first, on inputs by PyTorch's names. */
function carriedOut(
  told: OnnxRecurrence,
  { W, R, B, P }: RecurrentNode["weights"],
  { input: X, h_0, c_0 }: Named,
) {
  return evaluateRecurrence({ ...told, layout: 0 }, {
    ...{ X, W: asTensor(W), R: asTensor(R), B: asTensor(B), P: asTensor(P), initialH: h_0 },
    ...(c_0 && { initialC: c_0 }),
  });
}

/** What a node computes, as PyTorch's module gives it; told otherwise perhaps than it is. */
function computed(
  node: RecurrentNode,
  told: OnnxRecurrence,
  peepholes: boolean,
  given: Named,
): Named {
  const weights = peepholes ? node.weights : { ...node.weights, P: null };
  const { Y, Yh, Yc } = carriedOut(told, weights, given);
  const output = sideBySide(Y);
  return Yc ? { output, h_n: Yh, c_n: Yc } : { output, h_n: Yh };
}

/** Of several mistakes that are needed together, only those. */
function needed(all: readonly Told[], right: (kept: readonly Told[]) => boolean): Told[] {
  const single = all.find((one) => right([one]));
  if (single) return [single];
  let kept = [...all];
  for (const one of all) {
    const without = kept.filter((other) => other !== one);
    if (right(without)) kept = without;
  }
  return kept;
}

/** A layer in words. */
export function layerName({ module, layer, layers, directions }: ReferenceLayer): string {
  const where = module || "the module";
  const which = layers > 1 ? `, layer ${layer}` : "";
  return where + which + (directions.length === 2 ? ", both directions" : "");
}

/** The same node as the layer of one direction that it is. */
export function alike(node: RecurrentNode, { layer, direction }: Match): ReferenceLayer {
  if (node.weights.W.shape[0] === layer.directions.length) return layer;
  return { ...layer, directions: [layer.directions[direction]] };
}

/** What a node computes, in words. */
export function inWords(
  { kind, told, hiddenSize, inputSize, weights, quantised }: RecurrentNode,
): string {
  const [activations] = told.activations;
  const relu = kind === "RNN" ? `, ${activations[0].name.toLowerCase()}` : "";
  const ways = { forward: "", reverse: ", from the end", bidirectional: ", both directions" };
  const bits = quantised ? `, weights of ${quantised.bits} bits` : "";
  return `${kind} ${inputSize} → ${hiddenSize}${relu}${ways[told.direction]}` +
    `${weights.B ? "" : ", no biases"}${bits}`;
}

/** A node's own question: inputs of its layer's scale. */
function questionOf({ kind }: RecurrentNode, layer: ReferenceLayer): Named {
  const next = draws(7);
  const [length, batch] = [9, 2];
  const state = () => drawn(next, [layer.directions.length, batch, layer.hiddenSize]);
  const input = drawn(next, [length, batch, layer.inputSize], scaleOf(layer));
  return { input, h_0: state(), ...(kind === "LSTM" && { c_0: state() }) };
}

/** An RNN's nonlinearity: as told, or as its node has it. */
export function bendOf(
  node: RecurrentNode | undefined,
  { nonlinearity }: JudgeOptions,
): Nonlinearity {
  return nonlinearity ?? (node?.told.activations[0][0].name === "Relu" ? "relu" : "tanh");
}

/** Numbers in 256 steps, as a runtime stores what it multiplies with quantised weights. */
function coarse({ data, shape }: Tensor): Tensor {
  const sorted = data.slice().sort();
  const step = (sorted.at(-1)! - sorted[0]) / 255;
  return new Tensor(Float64Array.from(data, (x) => step * Math.round(x / step)), shape);
}

/** The largest difference of outputs of the same names. */
function apart(a: Named, b: Named): number {
  return Math.max(
    ...Object.entries(a).flatMap(([name, { data }]) =>
      Array.from(data, (x, k) => Math.abs(x - b[name].data[k]))
    ),
  );
}

/** A node with inputs, what it computes of them, and what its layer does, in ONNX's form. */
export function nodeCase(
  node: RecurrentNode,
  match: Match | null,
  options: JudgeOptions,
): { given: Named; computed: Named; wanted: Named | null; tolerance: number } {
  const layer = match ? alike(node, match) : layerOf(node);
  const given = questionOf(node, layer);
  const { told, weights } = node;
  const run = (own: OnnxRecurrence, by: RecurrentNode["weights"], inputs = given) => {
    const { Y, Yh, Yc } = carriedOut(own, by, inputs);
    return { Y, Y_h: Yh, ...(Yc && { Y_c: Yc }) };
  };
  const computed = run(told, weights);
  const tolerance = node.quantised
    ? 10 * apart(run(told, weights, { ...given, input: coarse(given.input) }), computed)
    : 1e-4;
  if (!match) return { given, computed, wanted: null, tolerance };
  const mended = toldOtherwise(told, bendOf(node, options))
    .reduce((all, one) => one.mended(all), told);
  const wanted = run(mended, { ...nodeWeights(layer), P: null });
  return { given, computed, wanted, tolerance };
}

/** What {@linkcode judgeNode} finds. */
export type Found = Pick<NodeJudgement, "verdict" | "mistakes" | "off" | "remark">;

/** Whether two nodes compute the same. */
export function sameNode(a: RecurrentNode, b: RecurrentNode): boolean {
  if (JSON.stringify(a.told) !== JSON.stringify(b.told)) return false;
  return (["W", "R", "B", "P"] as const).every((name) => {
    const [x, y] = [a.weights[name], b.weights[name]];
    return x === y || (x && y && x.data.every((value, k) => value === y.data[k]));
  });
}

/** Holds a node against its layer. */
export function judgeNode(
  node: RecurrentNode,
  match: Match,
  options: JudgeOptions,
): Found {
  const layer = alike(node, match);
  const { kind, told, quantised } = node;
  const nonlinearity = bendOf(node, options);
  // A direction alone is judged as it reads its sequence, whichever way that is.
  const straight: OnnxRecurrence = layer.directions.length === 1
    ? { ...told, direction: "forward" }
    : told;
  const given = questionOf(node, layer);
  // A layer out of another file may compute what no layer of PyTorch's does.
  const own = layer.node;
  const wanted = own
    ? computed(own, { ...own.told, direction: straight.direction }, own.weights.P !== null, given)
    : expected([layer], given, nonlinearity);
  const backs = layer.directions.length === 2 ? [false, true] : [false];
  const peepholes = node.weights.P !== null;
  const likewise = own ? toldOtherwise(own.told, nonlinearity, own.weights.P !== null) : [];
  const all = toldOtherwise(straight, nonlinearity, peepholes);
  const apartFrom = (some: readonly Told[], others: readonly Told[]) =>
    some.filter(({ mistake }) => !others.some((other) => other.mistake.says === mistake.says));
  const otherwise = apartFrom(all, likewise);
  const lacking = apartFrom(likewise, all).map(({ mistake: { id, says } }) =>
    fileMistake(`no-${id}`, `not as in the other file: ${says}`, kind)
  );
  const without = (mended: readonly Told[]) => {
    const own = mended.reduce((all, one) => one.mended(all), straight);
    const kept = peepholes && !mended.some(({ mistake }) => mistake.id === "peepholes");
    return computed(node, own, kept, given);
  };
  const isRight = (mended: readonly Told[]) => offBy(without(mended), wanted, backs) === null;
  const off = offBy(without([]), wanted, backs);
  if (off === null) return { verdict: "right", mistakes: [], off: null, remark: null };
  const wrong = (mistakes: readonly FileMistake[], remark: string | null = null) => (
    { verdict: "wrong" as const, mistakes, off, remark }
  );
  if (lacking.length > 0) return wrong([...otherwise.map(({ mistake }) => mistake), ...lacking]);
  if (isRight(otherwise)) return wrong(needed(otherwise, isRight).map(({ mistake }) => mistake));
  const mended = without(otherwise);
  const matters = needed(otherwise, (kept) => offBy(without(kept), mended, backs) === null)
    .filter((one) => offBy(without([one]), without([]), backs) !== null);
  const said = matters.map(({ mistake }) => mistake);
  if (quantised && match.relation !== "other" && withinStep(node, layer)) {
    const remark = `quantised: every weight is within half a step of the layer's ` +
      `(${quantised.step.toPrecision(2)}), and its outputs are off by ` +
      `${offBy(mended, wanted, backs)!.error.toPrecision(2)} for it`;
    return said.length ? wrong(said, remark) : { verdict: "right", mistakes: [], off, remark };
  }
  if (match.relation === "other") return wrong([...said, otherWeights(kind, "none of")]);
  const weights = layerOf(node);
  const question = { layers: [layer], inputs: given, nonlinearity, state: stateOf([layer]) };
  const isMisread = ({ weights }: Misread) => {
    const other = { ...layer, directions: layer.directions.map(weights) };
    return offBy(mended, expected([other], given, nonlinearity), backs) === null;
  };
  // Numbers that are only near were rounded, or they are no layer's of this checkpoint.
  if (match.relation === "near") {
    const rounded = roundings(kind).find(isMisread);
    const apart = `${Number((100 * match.apart).toPrecision(2))} % apart from`;
    return wrong([...said, rounded?.mistake ?? otherWeights(kind, apart)]);
  }
  const found = explanation(question, wanted, mended);
  if (found) return wrong([...said, found]);
  const misread = misreadings(kind).find(isMisread);
  if (misread) return wrong([...said, misread.mistake]);
  const orders = weights.directions.map((one, d) =>
    unitOrder(one, layer.directions[d], layer.hiddenSize)
  );
  if (orders.every(Boolean)) {
    const says = `the units stand in another order: ${orders[0]!.slice(0, 8).join(", ")}` +
      `${orders[0]!.length > 8 ? ", …" : ""}`;
    return wrong([...said, fileMistake("units-permuted", says, kind)]);
  }
  const parts = layer.directions.length === 2 ? byDirection(node, match, options) : [];
  if (parts.length > 0) return wrong([...said, ...parts]);
  return wrong(said, "its weights are the layer's numbers, but in no order that is known");
}

/** The mistakes of each direction alone, where each is right or explained; none otherwise. */
function byDirection(
  node: RecurrentNode,
  match: Match,
  options: JudgeOptions,
): FileMistake[] {
  const { layer } = match;
  const part = (x: Value | null, d: number): Value | null => {
    if (!x) return null;
    const size = x.data.length / 2;
    return {
      ...x,
      shape: [1, ...x.shape.slice(1)],
      data: x.data.subarray(d * size, (d + 1) * size),
    };
  };
  const found = ["forward", "reverse"].map((direction, d) => {
    const { W, R, B } = node.weights;
    // What both directions are told has been said already.
    const usual = toldOtherwise(node.told, bendOf(node, options))
      .reduce((told, one) => one.mended(told), node.told);
    const own: RecurrentNode = {
      ...node,
      told: { ...usual, direction: "forward", activations: usual.activations.slice(0, 1) },
      weights: { W: part(W, d)!, R: part(R, d)!, B: part(B, d), P: null },
    };
    const one = { ...layer, directions: [layer.directions[d]] };
    const { verdict, mistakes } = judgeNode(own, { ...match, layer: one }, options);
    return verdict === "right" ? [] : mistakes.map((mistake) => (
      { ...mistake, says: `${mistake.says}, in the ${direction} direction only` }
    ));
  });
  return found.flat();
}

function otherWeights(kind: LayerKind, how: string): FileMistake {
  return fileMistake("other-weights", `its weights are ${how} the checkpoint's`, kind);
}

/** Whether each weight is within half a step of quantisation from the layer's. */
function withinStep(node: RecurrentNode, layer: ReferenceLayer): boolean {
  const { W, R } = nodeWeights(layer);
  const near = (a: Float64Array, b: Float64Array) =>
    a.every((x, k) => Math.abs(x - b[k]) <= node.quantised!.step * 0.51);
  return near(node.weights.W.data, W.data) && near(node.weights.R.data, R.data);
}
