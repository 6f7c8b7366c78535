/**
 * The columns of the matrix: what an implementation may be able to do, each with its golden cases.
 */

import type { JsonTensor, Request, Task } from "../../lib/conformance/mod.ts";

export interface Feature {
  name: string;
  has(task: Task): boolean;
}

function tensors({ inputs = {}, state_dict = {} }: Request): JsonTensor[] {
  return [...Object.values(inputs), ...Object.values(state_dict)]
    .filter((x): x is JsonTensor => "data" in x);
}

const args = ({ request }: Task): Record<string, unknown> => request.args ?? {};
const isForward = ({ request, expect }: Task) => request.op === "forward" && !expect.error;
const isEmpty = ({ request }: Task) => tensors(request).some(({ shape }) => shape.includes(0));
const isExtreme = ({ request, expect }: Task) =>
  [...tensors(request), ...tensors({ op: "", inputs: expect.outputs })].some(({ data }) =>
    !data.every(Number.isFinite)
  );
const isFloat64 = ({ request }: Task) => request.dtype === "float64";
const layers = (task: Task) => Number(args(task).num_layers ?? 1);
const both = (task: Task) => args(task).bidirectional === true;
const packed = ({ request }: Task) => request.inputs?.lengths !== undefined;

/** A forward pass of ordinary float32 numbers, without what has rows of its own. */
function ordinary(task: Task): boolean {
  return alone(task) && !isEmpty(task) && !isExtreme(task) && !packed(task);
}

const isSequence = ({ request }: Task) => /^(RNN|LSTM|GRU)$/.test(request.module ?? "");

/** A forward pass in float32 of a layer with weights, with neither projection nor dropout. */
function alone(task: Task): boolean {
  return isForward(task) && !isFloat64(task) && !args(task).proj_size &&
    task.request.module !== "Dropout" && !["dropout", "modules", "around"].includes(task.chapter);
}

/** One layer in one direction of a kind. */
function single(module: string, phi?: string): (task: Task) => boolean {
  return (task) =>
    ordinary(task) && task.request.module === module && layers(task) === 1 && !both(task) &&
    (phi === undefined || (args(task).nonlinearity ?? "tanh") === phi);
}

function sequences(name: string, has: (task: Task) => boolean): Feature {
  return { name, has: (task) => ordinary(task) && isSequence(task) && has(task) };
}

function inDropout(task: Task): boolean {
  return isForward(task) && isSequence(task) && task.chapter === "dropout" && !isFloat64(task) &&
    !args(task).proj_size;
}

/** Operations other than a forward pass. */
function operations(name: string, ops: readonly string[]): Feature {
  return { name, has: ({ request, expect }) => ops.includes(request.op) && !expect.error };
}

/** What a forward pass may ask for; a case may belong to several of them, or to none. */
export const features: readonly Feature[] = [
  { name: "Linear", has: (task) => ordinary(task) && task.request.module === "Linear" },
  { name: "RNN tanh", has: single("RNN", "tanh") },
  { name: "RNN relu", has: single("RNN", "relu") },
  { name: "LSTM", has: single("LSTM") },
  { name: "GRU", has: single("GRU") },
  { name: "cells", has: (task) => ordinary(task) && task.request.module!.endsWith("Cell") },
  sequences("layers", (task) => layers(task) > 1),
  sequences("both directions", both),
  sequences("no biases", (task) => args(task).bias === false),
  sequences("batch first", (task) => args(task).batch_first === true),
  sequences("unbatched", ({ request }) => (request.inputs?.input as JsonTensor).shape.length === 2),
  sequences("state given", ({ request }) => request.inputs?.h_0 !== undefined),
  { name: "packed", has: (task) => alone(task) && packed(task) },
  {
    name: "projection",
    has: (task) =>
      isForward(task) && args(task).proj_size !== undefined && task.chapter === "proj" &&
      !isFloat64(task),
  },
  { name: "dropout", has: inDropout },
  { name: "NaN, ∞", has: (task) => alone(task) && !packed(task) && isExtreme(task) },
  { name: "empty", has: (task) => alone(task) && isEmpty(task) },
  { name: "notebook", has: (task) => ordinary(task) && task.request.module === "SimpleRNN" },
  { name: "float64", has: (task) => isForward(task) && isFloat64(task) },
];

/** What else there is, for implementations that are whole libraries. */
export const others: readonly Feature[] = [
  operations("initial weights", ["init"]),
  operations("random numbers", ["rand", "randn"]),
  operations("gradients", ["vjp"]),
  operations("losses", ["loss"]),
  operations("optimisers", ["optim"]),
  operations("training", ["train"]),
  operations("checkpoints", ["load"]),
  operations("printing", ["print", "size", "repr", "notebook"]),
  operations("functions", ["call"]),
  { name: "errors, word for word", has: ({ expect }) => expect.error !== undefined },
];
