/// <reference lib="dom" />

/** A golden case on the Flow page: one row of a batch, with the weights and the answer of PyTorch. */

import { Linear, type StateDict, tensor } from "../../mod.ts";
import type { Case, JsonTensor } from "../../lib/conformance/mod.ts";
import { limits } from "./state.ts";
import { type Kind, layersOf, type Network, type Setup, type Start } from "./trace.ts";

/** What of a case the pages are given. */
export type Shown = Pick<Case, "id" | "reason" | "request" | "expect"> & {
  /** Whether Flow can show it. */
  readonly fits?: boolean;
};

/** A run to show: a network, what it reads, and where it starts. */
export interface Scene {
  readonly setup: Setup;
  readonly network: Network;
  /** L lists of H_in numbers. */
  readonly sequence: readonly (readonly number[])[];
  readonly start?: Start;
  /** What PyTorch answered, by the names of the parts that the screen has. */
  readonly wanted?: Readonly<Record<string, readonly number[]>>;
}

const known =
  /^(input_size|hidden_size|num_layers|nonlinearity|bias|batch_first|bidirectional|dropout|proj_size)$/;

/** The size of a case: features, units, layers, rows, and steps of the longest row. */
function sizes({ request: { module = "", args = {}, inputs = {} } }: Shown) {
  const number = (name: string, otherwise: number) => Number(args[name] ?? otherwise);
  const shape = (inputs.input as JsonTensor).shape;
  const cell = module.endsWith("Cell");
  const batched = shape.length === (cell ? 2 : 3);
  const first = args.batch_first === true || module === "SimpleRNN";
  return {
    features: number("input_size", 0),
    hidden: number("hidden_size", 0),
    layers: number("num_layers", 1),
    both: args.bidirectional === true,
    cell,
    batched,
    first,
    rows: batched ? shape[cell || first ? 0 : 1] : 1,
    length: cell ? 1 : shape[batched && first ? 1 : 0],
  };
}

/** Whether Flow can show a case. */
export function fits(one: Shown): boolean {
  const { request: { op, module = "", args = {}, dtype, training, inputs = {} }, expect } = one;
  const { state_dict = {} } = one.request;
  if (op !== "forward" || !/^((RNN|LSTM|GRU)(Cell)?|SimpleRNN)$/.test(module)) return false;
  if (dtype !== "float32" || !expect.outputs || (training && args.dropout)) return false;
  if (Number(args.proj_size ?? 0) > 0 || !Object.keys(args).every((name) => known.test(name))) {
    return false;
  }
  const tensors = [inputs.input, inputs.h_0, inputs.c_0, ...Object.values(state_dict)]
    .filter((x) => x !== undefined);
  if (!tensors.every((x) => Array.isArray((x as JsonTensor).data) && !("dtype" in x))) return false;
  const { features, hidden, layers, rows, length } = sizes(one);
  const given = { features, hidden, layers, length, rows };
  const most = { ...limits, rows: 1000 };
  return Object.entries(given)
    .every(([name, size]) => size >= 1 && size <= most[name as keyof typeof most]);
}

/** How many rows the batch of a case has. */
export const rowsOf = (one: Shown): number => sizes(one).rows;

/** The numbers at a row of a tensor's dimension, in order. */
function at({ shape, data }: JsonTensor, dimension: number, row: number): number[] {
  const inner = shape.slice(dimension + 1).reduce((a, b) => a * b, 1);
  return data.filter((_, k) => Math.floor(k / inner) % shape[dimension] === row).map(Number);
}

const parts = (numbers: readonly number[], width: number) =>
  Array.from(
    { length: numbers.length / width },
    (_, k) => numbers.slice(k * width, (k + 1) * width),
  );

/** Numbers as nested lists of a shape. */
function nested(data: readonly number[], [, ...rest]: readonly number[]): unknown[] {
  if (rest.length === 0) return [...data];
  return parts(data, rest.reduce((a, b) => a * b, 1)).map((part) => nested(part, rest));
}

/**
 * Opens a case.
 *
 * @param row which row of the batch
 */
export function sceneOf(one: Shown, row: number): Scene {
  const { module = "", args = {}, inputs = {}, state_dict = {} } = one.request;
  const { features, hidden, layers, both, cell, batched, first, length } = sizes(one);
  const lstm = module.startsWith("LSTM");
  const kind: Kind = lstm
    ? "lstm"
    : module.startsWith("GRU")
    ? "gru"
    : args.nonlinearity === "relu"
    ? "relu"
    : "tanh";
  const setup: Setup = { kind, hidden, layers, both, seed: 0 };
  const rnn = layersOf(setup, features, args.bias !== false);
  const state = (prefix: string): StateDict =>
    Object.fromEntries(
      Object.entries(state_dict).filter(([name]) => name.startsWith(prefix)).map(([name, x]) => [
        name.slice(prefix.length) + (cell ? "_l0" : ""),
        tensor(nested(x.data.map(Number), x.shape) as number[]),
      ]),
    );
  const simple = module === "SimpleRNN";
  rnn.loadStateDict(state(simple ? "rnn." : ""));
  rnn.eval();
  const fc = simple ? new Linear(hidden, state_dict["fc.weight"].shape[0]) : null;
  fc?.loadStateDict(state("fc."));
  /** A row of the batch, of a tensor with the batch at a dimension. */
  const own = (x: JsonTensor, dimension: number) =>
    batched ? at(x, dimension, row) : x.data.map(Number);
  const lengths = inputs.lengths as readonly number[] | undefined;
  const steps = lengths ? lengths[row] : length;
  const initial = (x: JsonTensor | undefined) => x && parts(own(x, cell ? 0 : 1), hidden);
  const [h, c] = [inputs.h_0, inputs.c_0].map((x) => initial(x as JsonTensor | undefined));
  const time = first || cell ? 0 : 1;
  const wanted: Record<string, number[]> = {};
  for (const [name, x] of Object.entries(one.expect.outputs!)) {
    if (!Array.isArray((x as JsonTensor).data)) continue;
    const key = name.replace("_1", "_n");
    if (simple) wanted.answer = at(x as JsonTensor, 0, row);
    else if (name !== "output") wanted[key] = own(x as JsonTensor, cell ? 0 : 1);
    else wanted.output = own(x as JsonTensor, time).slice(0, steps * hidden * (both ? 2 : 1));
  }
  return {
    setup,
    network: { rnn, fc },
    sequence: parts(own(inputs.input as JsonTensor, time), features).slice(0, steps),
    ...(h && { start: { h, c: c ?? [] } }),
    wanted,
  };
}

/** The largest difference between what is shown and what PyTorch answered; NaN equals NaN. */
export function difference(given: Iterable<number>, wanted: readonly number[]): number {
  let most = 0;
  let k = 0;
  for (const x of given) {
    const y = wanted[k++];
    if (!Object.is(x, y) && x !== y) most = Math.max(most, Math.abs(x - y));
    if (Number.isNaN(x) !== Number.isNaN(y)) return Infinity;
  }
  return k === wanted.length ? most : Infinity;
}

/** Where a case lies below `cases/`, without its ending. */
export const fileOf = (id: string): string => id.replaceAll(/[^\w/.-]/g, "_");

const waiting = new Map<string, (one: Shown) => void>();

/** Loads a case, by a script, so that it works from a folder, too. */
export function load(id: string): Promise<Shown> {
  (globalThis as unknown as { rnnCase: (one: Shown) => void }).rnnCase = (one) =>
    waiting.get(one.id)?.(one);
  return new Promise((resolve, reject) => {
    waiting.set(id, resolve);
    const script = document.createElement("script");
    script.src = `cases/${fileOf(id)}.js`;
    script.onerror = () => reject(new Error(`There is no golden case ${id} here.`));
    document.head.append(script);
  });
}
