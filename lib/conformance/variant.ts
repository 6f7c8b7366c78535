/**
 * A recurrent layer computed with a deliberate deviation, to see whether it explains an answer.
 * Time and layers stand here once more, so that a deviation can reach in between.
 */

import { noGrad } from "../autograd/graph.ts";
import { linear } from "../autograd/linear.ts";
import { reshape, squeeze, transpose, unsqueeze } from "../autograd/shape.ts";
import { cat, stack } from "../autograd/join.ts";
import { narrow, select } from "../autograd/slices.ts";
import { dropout } from "../nn/dropout.ts";
import { lstmParameters } from "../nn/lstm.ts";
import type { StateDict } from "../tensor/tensor.ts";
import { eachOf, endOf, parameterName } from "../parameters.ts";
import { zeros } from "../tensor/create.ts";
import { Tensor } from "../tensor/tensor.ts";
import {
  type Answer,
  decode,
  decodeStateDict,
  type JsonNumber,
  type JsonTensor,
  type Request,
} from "./pair.ts";
import {
  type Kind,
  type Options,
  type Parameters,
  type State,
  type Step,
  stepOf,
} from "./equations.ts";

/** A layer's question, whatever its form: time first, with a batch, as layers and directions. */
export interface Setting {
  /** Which cell. */
  kind: Kind;
  /** For each layer, for each direction, its parameters. */
  parameters: Parameters[][];
  /** The input, shape `(L, N, H_in)`. */
  input: Tensor;
  /** `[h]` or `[h, c]`, each of shape `(layers · D, N, H)`. */
  state: Tensor[];
  /** Whether the state was given rather than left out. */
  stateGiven: boolean;
  /** How long each sequence is, where they were packed. */
  lengths: number[] | null;
  /** Whether the request has the batch first. */
  batchFirst: boolean;
  /** The probability of dropout in training, and 0 out of it. */
  dropout: number;
  /** The request itself. */
  request: Request;
}

/** Where a parameter stands. */
export interface Place {
  /** The layer, from 0. */
  layer: number;
  /** 0 for forward, 1 for reverse. */
  direction: number;
  /** The question. */
  setting: Setting;
}

/** What a layer gives: `(L, N, D · H)` and, for each direction, its final state. */
export interface Layer {
  /** The hidden states at each t, both directions side by side. */
  output: Tensor;
  /** `[h]` or `[h, c]`, each of shape `(D, N, H)`. */
  final: State;
}

/** A way of computing otherwise. Each part returns `null` where it does not apply. */
export interface Deviation {
  /** Changes the question. */
  setting?(setting: Setting): Setting | null;
  /** Changes the parameters of one layer and direction. */
  parameters?(own: Parameters, place: Place): Parameters | null;
  /** Computes the step of some cells otherwise. */
  equation?: { kinds: readonly Kind[]; options: Options };
  /** Changes what a layer gives; `setting.parameters.length - 1` is the last layer. */
  layer?(own: Layer, layer: number, setting: Setting): Layer | null;
  /** Changes what a layer above the first reads. */
  reads?(below: Tensor, setting: Setting): Tensor | null;
  /** One direction reads the padding as data; `masked` where its output is zero there all the same. */
  readsPadding?: { direction: number; masked: boolean };
  /** The reverse direction runs forwards in time. */
  reverseRunsForward?: boolean;
  /** A state past a sequence's end is kept by multiplying with 0 and 1. */
  maskMultiplied?: boolean;
  /** What is put out past a sequence's end: what the cell makes of the padding, or the state that is kept. */
  pastEnd?: "computed" | "kept";
  /** Changes the weight and the bias of a Linear; all else is of recurrent layers. */
  linear?(weight: Tensor, bias: Tensor | null): [Tensor, Tensor | null] | null;
  /** Changes the result: `output` (time first), `h_n`, `c_n`. */
  outputs?(own: Record<string, Tensor>, setting: Setting): Record<string, Tensor> | null;
}

/** What a deviation throws that does not apply. */
class NotApplicable extends Error {}

function applicable<T>(value: T | null): T {
  if (value === null) throw new NotApplicable();
  return value;
}

/** Requests read before: one is recomputed under many deviations. */
const normal = new WeakMap<Request, Setting | null>();

/**
 * Recomputes a request with a deviation.
 *
 * @returns the answer; `null` where the deviation does not apply to the request
 */
export function recompute(request: Request, deviation: Deviation): Answer | null {
  try {
    return noGrad(() => {
      if (deviation.linear) return { outputs: { output: raw(layer(request, deviation.linear)) } };
      if (!normal.has(request)) normal.set(request, normalise(request));
      const found = applicable(normal.get(request)!);
      const setting = deviation.setting ? applicable(deviation.setting(found)) : found;
      const plain = run(setting, deviation);
      const outputs = deviation.outputs ? applicable(deviation.outputs(plain, setting)) : plain;
      return { outputs: present(outputs, setting) };
    });
  } catch {
    return null; // it does not apply, or makes shapes that do not fit: then nobody computed it
  }
}

/** A Linear's output, its weight and bias changed. */
function layer(request: Request, change: NonNullable<Deviation["linear"]>): Tensor {
  const { module, op, inputs = {}, dtype = "float32" } = request;
  applicable(module === "Linear" && op === "forward" || null);
  const { weight, bias = null } = decodeStateDict(request);
  const own = applicable(change(weight, bias));
  return linear(decode(inputs.input as JsonTensor, dtype), ...own);
}

const modules = /^(RNN|LSTM|GRU)(Cell)?$/;

/** Brings the forms of a request (cell, unbatched, batch first, SimpleRNN) to one. */
function normalise(request: Request): Setting | null {
  const { module = "", args = {}, inputs = {}, dtype = "float32", op } = request;
  const simple = module === "SimpleRNN";
  const matched = modules.exec(simple ? "RNN" : module);
  if (op !== "forward" || !matched) return null;
  const cell = matched[2] !== undefined;
  const batchFirst = simple || args.batch_first === true;
  const state = decodeStateDict(request);
  const tensor = (name: string) => decode(inputs[name] as JsonTensor, dtype);
  const names = matched[1] === "LSTM" ? ["h_0", "c_0"] : ["h_0"];
  let input = tensor("input");
  let given = "h_0" in inputs ? names.map(tensor) : null;
  if (cell) {
    const batched = input.dim() === 2;
    const rows = (x: Tensor) => batched ? x : unsqueeze(x, 0);
    input = unsqueeze(rows(input), 0);
    given = given && given.map((part) => unsqueeze(rows(part), 0));
  } else if (input.dim() === 2) {
    input = unsqueeze(input, 1);
    given = given && given.map((part) => unsqueeze(part, 1));
  } else if (batchFirst) input = transpose(input, 0, 1);
  const phi = args.nonlinearity === "relu" ? "relu" : "tanh";
  const parameters = parametersOf(state, simple ? "rnn." : "", cell);
  const rows = parameters.length * parameters[0].length;
  const { weightHh, weightHr } = parameters[0][0];
  const features = [weightHh.shape[1], weightHr ? weightHr.shape[1] : weightHh.shape[1]];
  return {
    kind: matched[1] === "RNN" ? `RNN ${phi}` : matched[1] as Kind,
    parameters,
    input,
    state: given ?? names.map((_, k) => zeros([rows, input.shape[1], features[k]], { dtype })),
    stateGiven: given !== null,
    lengths: (inputs.lengths as number[] | undefined) ?? null,
    batchFirst,
    dropout: request.training ? Number(args.dropout ?? 0) : 0,
    request,
  };
}

function parametersOf(state: StateDict, prefix: string, cell: boolean): Parameters[][] {
  const own = (end: string) =>
    eachOf(lstmParameters, (key) => state[prefix + parameterName(key, end)] ?? null) as Parameters;
  if (cell) return [[own("")]];
  const has = (layer: number, direction: number) =>
    `${prefix}weight_ih${endOf(layer, direction)}` in state;
  const layers = [];
  for (let k = 0; has(k, 0); k++) {
    layers.push([0, 1].filter((direction) => has(k, direction)).map((way) => own(endOf(k, way))));
  }
  return layers;
}

/** Rows of `now` where a sequence goes on, and of `before` where it does not; zeros for `null`. */
function where(goesOn: boolean[], now: Tensor, before: Tensor | null, multiplied: boolean): Tensor {
  const size = now.shape[1];
  const data = now.data.slice();
  if (multiplied) {
    const part = (x: number, i: number) => {
      const going = Number(goesOn[Math.floor(i / size)]);
      return going * x + (1 - going) * (before ? before.data[i] : 0);
    };
    return new Tensor(data.map(part), now.shape);
  }
  goesOn.forEach((going, n) => {
    if (going) return;
    if (before) data.set(before.data.subarray(n * size, (n + 1) * size), n * size);
    else data.fill(0, n * size, (n + 1) * size);
  });
  return new Tensor(data, now.shape);
}

/** One direction over a batch of padded sequences; as it should be, zeros come out past the end of each. */
function scan(
  step: Step,
  own: Parameters,
  input: Tensor,
  lengths: number[] | null,
  initial: State,
  reverse: boolean,
  { maskMultiplied: multiplied = false, pastEnd }: Deviation,
): { output: Tensor; final: State } {
  const times = [...Array(input.shape[0]).keys()];
  const outputs: Tensor[] = [];
  let state = initial;
  for (const t of reverse ? times.reverse() : times) {
    const goesOn = lengths?.map((length) => t < length);
    const after = step(select(input, 0, t), state, own);
    state = goesOn ? after.map((part, k) => where(goesOn, part, state[k], multiplied)) : after;
    if (pastEnd === "kept") outputs[t] = state[0];
    else outputs[t] = goesOn && !pastEnd ? where(goesOn, after[0], null, multiplied) : after[0];
  }
  return { output: stack(outputs), final: state };
}

/** Zeros past the end of each sequence. */
export function mask(x: Tensor, lengths: readonly number[]): Tensor {
  const [, batch, features] = x.shape;
  const past = (i: number) =>
    Math.floor(i / (batch * features)) >= lengths[Math.floor(i / features) % batch];
  return new Tensor(x.data.map((value, i) => past(i) ? 0 : value), x.shape);
}

function run(setting: Setting, deviation: Deviation): Record<string, Tensor> {
  const { parameters, input, state, lengths, kind } = setting;
  const { kinds = [kind], options } = deviation.equation ?? {};
  const step = stepOf(applicable(kinds.includes(kind) ? kind : null), options);
  const finals: State[] = [];
  let below = input;
  parameters.forEach((directions, layer) => {
    const halves = directions.map((given, direction) => {
      const own = deviation.parameters
        ? applicable(deviation.parameters(given, { layer, direction, setting }))
        : given;
      const start = state.map((part) => select(part, 0, layer * directions.length + direction));
      const reads = deviation.readsPadding;
      const ends = reads?.direction === direction ? null : lengths;
      const reverse = direction === 1 && !deviation.reverseRunsForward;
      const half = scan(step, own, below, ends, start, reverse, deviation);
      const masked = lengths && !ends && reads!.masked;
      return masked ? { ...half, output: mask(half.output, lengths) } : half;
    });
    const plain: Layer = {
      output: cat(halves.map(({ output }) => output), -1),
      final: state.map((_, k) => stack(halves.map(({ final }) => final[k]))),
    };
    const { output, final } = deviation.layer
      ? applicable(deviation.layer(plain, layer, setting))
      : plain;
    finals.push(final);
    below = output;
    if (layer === parameters.length - 1) return;
    if (setting.dropout) below = dropout(below, setting.dropout, true);
    if (deviation.reads) below = applicable(deviation.reads(below, setting));
  });
  const [h_n, c_n] = state.map((_, k) => cat(finals.map((final) => final[k]), 0));
  const longest = lengths ? Math.max(...lengths) : below.shape[0];
  const output = narrow(below, 0, 0, longest);
  return c_n ? { output, h_n, c_n } : { output, h_n };
}

/** Brings a result to the form that the request's module gives. */
function present(
  { output, h_n, c_n }: Record<string, Tensor>,
  { request, batchFirst }: Setting,
): Record<string, JsonTensor> {
  const { module = "", inputs = {} } = request;
  const dims = (inputs.input as JsonTensor).shape.length;
  const give = (named: Record<string, Tensor | undefined>) =>
    Object.fromEntries(Object.entries(named).flatMap(([name, x]) => x ? [[name, raw(x)]] : []));
  if (module === "SimpleRNN") {
    const state = decodeStateDict(request);
    return give({ output: linear(select(output, 0, -1), state["fc.weight"], state["fc.bias"]) });
  }
  if (module.endsWith("Cell")) {
    const own = (x?: Tensor) => x && (dims === 2 ? squeeze(x, 0) : reshape(x, [x.shape[2]]));
    return give({ h_1: own(h_n), c_1: own(c_n) });
  }
  if (dims === 2) {
    return give({ output: squeeze(output, 1), h_n: squeeze(h_n, 1), c_n: c_n && squeeze(c_n, 1) });
  }
  return give({ output: batchFirst ? transpose(output, 0, 1) : output, h_n, c_n });
}

/** A tensor for a comparison: its numbers as they are, which is quicker than the shortest text. */
function raw({ shape, data }: Tensor): JsonTensor {
  return {
    shape: [...shape],
    data: Array.from(data, (x) => Number.isFinite(x) ? x : String(x) as JsonNumber),
  };
}
