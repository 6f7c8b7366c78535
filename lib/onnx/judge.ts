/**
 * Whether the recurrent part of an ONNX file computes what a checkpoint's layers compute, and if not,
 * which mistake it makes.
 */

import { any, bool, check, record } from "../call.ts";
import type { StateDict } from "../tensor/tensor.ts";
import { Tensor } from "../tensor/tensor.ts";
import { fileMistake } from "./deviations.ts";
import { type Match, matched } from "./match.ts";
import type { OnnxModel } from "./model.ts";
import {
  type Found,
  inWords,
  judgeNode,
  type JudgeOptions,
  layerName,
  type NodeJudgement,
  sameNode,
  type Verdict,
} from "./node.ts";
import { notesOf } from "./notes.ts";
import { type Recurrence, type RecurrentNode, recurrentNodes } from "./recurrent.ts";
import { layerOf, layersOf, type ReferenceLayer } from "./reference.ts";
import { carryOut } from "./run.ts";
import { judgeWhole, type WholeJudgement } from "./whole.ts";

/** The judgement of a file. */
export interface Judgement {
  /** The verdict on the whole file. */
  readonly verdict: Verdict;
  /** What wrote the file. */
  readonly producer: string;
  /** Which version of ONNX's operators it means. */
  readonly opset: number;
  /** Each recurrent node. */
  readonly nodes: readonly NodeJudgement[];
  /** What is out of reach: recurrences that are no recurrent nodes, layers that no node is. */
  readonly beyond: readonly string[];
  /** The inputs of the file that no node reads: lengths or a state that are given for nothing. */
  readonly unread: readonly string[];
  /** For each module of the checkpoint that is here, its nodes together, by numbers. */
  readonly whole: readonly WholeJudgement[];
}

/** One verdict of several: wrong where one is; unknown where one is, or there is none. */
function verdictOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("wrong")) return "wrong";
  return verdicts.length === 0 || verdicts.includes("unknown") ? "unknown" : "right";
}

/** What a file is held against. */
export type Reference = StateDict | OnnxModel;

const isModel = (reference: Reference): reference is OnnxModel =>
  "graph" in reference && "opsets" in reference && !(reference.graph instanceof Tensor);

/**
 * Judges an ONNX file: whether its recurrent nodes compute what a checkpoint's layers compute, and if
 * not, which mistake explains it (JUDGE-1 to JUDGE-4, JUDGE-6).
 *
 * @param reference the weights that it was made from, or another file; `null` to be told only what the
 * file computes
 * @throws {CheckpointError} if the checkpoint's names look like a recurrent module's, but do not fit
 *
 * @example
 * ```ts
 * import { RNN, type Tensor } from "@rnn-spec/rnn-spec";
 * import { judge, readOnnx, type WireField, writeMessage } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * const state = new RNN(1, 1, { bias: false }).stateDict();
 * const one = (name: string, { data }: Tensor): WireField => [5, [
 *   ...[[1, 1], [1, 1], [1, 1], [2, 1], [8, name]] as WireField[],
 *   [9, new Uint8Array(data.slice().buffer)],
 * ]];
 * const weights = [one("W", state.weight_hh_l0), one("R", state.weight_ih_l0)]; // the wrong way
 * const node: WireField = [1, [[1, "x"], [1, "W"], [1, "R"], [2, "y"], [4, "RNN"]]];
 * const file = writeMessage([[1, 8], [7, [node, [2, "g"], ...weights]], [8, [[2, 17]]]]);
 * const { verdict, nodes: [{ mistakes }] } = judge(readOnnx(file), state);
 * assertEquals([verdict, mistakes[0].id], ["wrong", "swapped-weights"]);
 * ```
 */
export function judge(
  model: OnnxModel,
  reference: Reference | null,
  options: JudgeOptions = {},
): Judgement {
  check([
    "judge",
    { model: record, reference: any },
    { nonlinearity: any, batchFirst: bool },
  ], arguments);
  return examine(model, reference, options).judgement;
}

/** A file's judgement, with what it rests on. */
export interface Examination {
  readonly judgement: Judgement;
  /** The recurrent nodes, in the order of the judgement's. */
  readonly nodes: readonly RecurrentNode[];
  /** The layer of each. */
  readonly matches: readonly (Match | null)[];
}

/** Judges a file, and gives what the judgement rests on. */
export function examine(
  model: OnnxModel,
  reference: Reference | null,
  options: JudgeOptions,
): Examination {
  const recurrence = recurrentNodes(model, carryOut(model));
  const { layers, beyond } = referenceLayers(reference);
  const matches = matched(recurrence.nodes, layers);
  const known: { node: RecurrentNode; layer: ReferenceLayer; found: Found }[] = [];
  const judged = recurrence.nodes.map((node, k): NodeJudgement => {
    const match = matches[k];
    const about = {
      path: node.path,
      operator: node.node.opType,
      computes: inWords(node),
      layer: match && layerName(match.layer),
      notes: notesOf(node, model),
    };
    const unknown = { verdict: "unknown" as const, mistakes: [], off: null };
    if (reference === null) return { ...about, ...unknown, remark: null };
    if (!match) {
      const projected = node.kind === "LSTM" && beyond.length > 0;
      const says = projected
        ? "the layer has a projection, which ONNX's LSTM has not"
        : "no layer of the checkpoint has its kind and shape";
      const mistake = fileMistake(projected ? "projection" : "other-shape", says, node.kind);
      return { ...about, ...unknown, verdict: "wrong", mistakes: [mistake], remark: null };
    }
    const claimed = matches.some((other) =>
      other?.layer === match.layer && other.relation !== "other"
    );
    if (match.relation === "other" && claimed) {
      const remark = "its weights are in no layer of the checkpoint";
      return { ...about, layer: null, ...unknown, remark };
    }
    // Branches often hold the same node twice.
    const alike = known.find((one) => one.layer === match.layer && sameNode(one.node, node));
    const found = alike?.found ?? judgeNode(node, match, options);
    known.push({ node, layer: match.layer, found });
    return { ...about, ...found };
  });
  const together = judgeWhole(
    model,
    recurrence,
    matches,
    layers,
    judged.map(({ verdict }) => verdict === "right"),
    options,
  );
  // A node that reads from the end, of a layer that does not: so does the whole.
  const whole = together.map((one): WholeJudgement => {
    const turned = recurrence.nodes.findIndex(({ told }, k) =>
      told.direction === "reverse" && matches[k]?.layer.module === one.module &&
      matches[k].layer.directions.length === 1
    );
    if (turned < 0 || one.verdict !== "wrong" || one.mistakes.length > 0) return one;
    const says = "the node reads the sequence from its end (direction is reverse)";
    return { ...one, mistakes: [fileMistake("direction", says, recurrence.nodes[turned].kind)] };
  });
  // Unrolled, it is told by its numbers as a whole, or not at all.
  const told = new Set(
    whole.filter(({ verdict }) => verdict !== "unknown").map(({ module }) => module),
  );
  const missing = layers.filter((layer) =>
    !matches.some((match) => match?.layer === layer) &&
    !(judged.length === 0 && told.has(layer.module))
  );
  const outOfReach = [
    ...recurrence.unknown.filter(({ loop }) => !loop || judged.length > 0 || told.size === 0)
      .map(({ path, why }) => `${path}: ${why}`),
    ...beyond,
    ...missing.map((layer) =>
      `${layerName(layer)}: no recurrent node has its weights${
        unrolled(recurrence) ? "; it may be unrolled into products, which are not judged" : ""
      }`
    ),
  ];
  // A part that cannot be computed as a whole is judged by its nodes.
  const verdicts = [
    ...judged.map(({ verdict }) => verdict),
    ...whole.map(({ verdict }) => verdict === "unknown" ? "right" as const : verdict),
    ...outOfReach.map(() => "unknown" as const),
  ];
  const judgement: Judgement = {
    verdict: verdictOf(verdicts),
    producer: `${model.producerName} ${model.producerVersion}`.trim(),
    opset: model.opsets.get("") ?? 0,
    nodes: judged,
    beyond: outOfReach,
    unread: recurrence.unread,
    whole,
  };
  return { judgement, nodes: recurrence.nodes, matches };
}

/** The layers of what a file is held against. */
export function referenceLayers(
  reference: Reference | null,
): { layers: ReferenceLayer[]; beyond: string[] } {
  if (reference === null) return { layers: [], beyond: [] };
  if (!isModel(reference)) return layersOf(reference);
  const { nodes, unknown } = recurrentNodes(reference, carryOut(reference));
  return {
    layers: nodes.map((node) => ({ ...layerOf(node), node })),
    beyond: unknown.map(({ path, why }) => `in the other file, ${path}: ${why}`),
  };
}

/** Whether a file has the products and bends of a recurrence, outside of recurrent nodes. */
function unrolled({ top }: Recurrence): boolean {
  const types = new Set(top.nodes.map(({ opType }) => opType));
  return (types.has("MatMul") || types.has("Gemm")) && (types.has("Tanh") || types.has("Relu"));
}
