/**
 * What lies between the recurrent nodes of a file, judged by numbers: how layers read each other, how
 * directions, batches and states are put in order.
 */

import { type Attempt, attemptOff, inputsOf, type Module, runFile, runNodes } from "./attempts.ts";
import { explanation, type FileMistake, fileMistake } from "./deviations.ts";
import type { Match } from "./match.ts";
import type { OnnxModel } from "./model.ts";
import { bendOf, type JudgeOptions } from "./node.ts";
import type { Off } from "./numbers.ts";
import { fixedBatch, type Recurrence } from "./recurrent.ts";
import type { ReferenceLayer } from "./reference.ts";
import { carryOut } from "./run.ts";

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
  /** The largest difference; `null` where there is none. */
  readonly off: Off | null;
  /** Why it could not be told. */
  readonly remark: string | null;
}

/** The modules whose every layer is a node; and the one of a file that has no recurrent node. */
function modulesOf(
  { nodes }: Recurrence,
  matches: readonly (Match | null)[],
  layers: readonly ReferenceLayer[],
): Module[] {
  // Of another file, only the nodes are taken, not what lies between them.
  if (layers[0]?.node) return [];
  const names = [...new Set(layers.map(({ module }) => module))];
  if (nodes.length === 0 && names.length === 1) return [{ name: names[0], layers, nodes: [] }];
  return names.flatMap((name) => {
    const own = layers.filter(({ module }) => module === name);
    const nodesOf = own.map((layer) => nodes.filter((_, k) => matches[k]?.layer === layer));
    if (nodesOf.some((found) => found.length === 0)) return [];
    return [{ name, layers: own, nodes: nodesOf.map(([first]) => first) }];
  });
}

/** Whether a file takes batches of any size: the batch is free in what it says of its input. */
function batchIsFree({ graph }: OnnxModel, batchFirst: boolean | null): boolean {
  const [shape] = graph.inputs.filter(({ name }) => !graph.initializers.has(name))
    .map((input) => input.shape);
  if (!shape) return true;
  if (batchFirst !== null) return typeof shape[batchFirst ? 0 : 1] !== "number";
  return shape.filter((extent) => typeof extent !== "number").length > 1;
}

/**
 * Judges all the nodes of a module together.
 *
 * @param matches the layer of each
 * @param nodesRight whether each node alone computes its layer
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
  const forms = options.batchFirst === undefined ? [false, true] : [options.batchFirst];
  return modules.map((module): WholeJudgement => {
    const nonlinearity = bendOf(module.nodes[0], options);
    const allRight = recurrence.nodes.every((node, k) =>
      nodesRight[k] || !module.nodes.includes(node)
    );
    const inputs = modules.length === 1 ? inputsOf(model, module) : null;
    const [{ directions, kind }] = module.layers;
    const backs = directions.length === 2 ? [false, true] : [false];
    /** The file from its inputs to its outputs, in each form in which it can be computed. */
    const inFile = (extra = carryOut(model)): [Attempt, boolean | null][] =>
      forms.flatMap((first) => {
        const attempt = inputs && runFile(model, module, inputs, first, nonlinearity, extra);
        return attempt?.given ? [[attempt, first]] : [];
      });
    const attempts = inFile();
    const part = attempts.length > 0 ? "file" : "nodes";
    let remark: string | null = null;
    if (part === "nodes" && module.nodes.length === 0) {
      remark = "its recurrence is no node, and what the file does instead is not computed here";
    } else if (part === "nodes") {
      // A file of fixed sizes may compute with its own only.
      const lengths = model.graph.inputs.flatMap(({ shape }) => shape ?? [])
        .filter((extent) => typeof extent === "number");
      for (const length of new Set([9, ...lengths.slice(0, 4)])) {
        const attempt = runNodes(model, recurrence, module, nonlinearity, length);
        remark = typeof attempt === "string" ? attempt : null;
        if (typeof attempt === "string") continue;
        attempts.push([attempt, null]);
        break;
      }
    }
    const offs = attempts.map(([attempt]) => attemptOff(attempt, backs));
    /** The judgement, by the attempt of that number. */
    const judged = (
      verdict: WholeJudgement["verdict"],
      mistakes: readonly FileMistake[] = [],
      k = 0,
    ): WholeJudgement => ({
      ...{ module: module.name, batchFirst: attempts[k]?.[1] ?? null, part, verdict, mistakes },
      ...{ off: offs[k] ?? null, remark },
    });
    const fits = part === "file" && offs.includes(null);
    if (!fits && module.nodes.some(({ told }) => told.layout)) {
      const plain = carryOut(model, (told) => ({ ...told, layout: 0 }));
      const right = inFile(plain).find(([attempt]) => !attemptOff(attempt, backs));
      if (right) {
        const says = "the node has layout 1, yet what it reads has time first";
        const about = judged("wrong", [fileMistake("layout", says, kind)]);
        const off = { error: Infinity, step: null };
        return { ...about, part: "file", batchFirst: right[1], off };
      }
    }
    const right = offs.indexOf(null);
    if (right >= 0 || (allRight && module.nodes.some((node) => node.quantised))) {
      const k = Math.max(right, 0);
      const made = module.nodes.map(fixedBatch).find((size) => size !== null);
      if (made === undefined || !batchIsFree(model, attempts[k]?.[1] ?? null)) {
        return judged("right", [], k);
      }
      const says = `the initial state is a constant for a batch of ${made}, though the file's ` +
        "input may have any";
      return judged("wrong", [fileMistake("fixed-batch", says, kind)], k);
    }
    if (attempts.length === 0 && allRight && recurrence.dropping.length > 0) {
      const says = "dropout is active: a Dropout node is told to be in training";
      return { ...judged("wrong", [fileMistake("dropout-in-eval", says, kind)]), remark: null };
    }
    if (attempts.length === 0) return judged("unknown");
    for (const [k, [{ question, wanted, given }]] of attempts.entries()) {
      const found = allRight && explanation(question, wanted, given!);
      if (found) return judged("wrong", [found], k);
    }
    return judged("wrong");
  });
}
