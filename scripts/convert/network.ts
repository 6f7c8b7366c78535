/** What is converted: a recurrent module, and the fully connected layer that reads it, if any. */

import {
  CheckpointError,
  constructModule,
  type DetectedModule,
  detectModules,
  type GRU,
  Linear,
  type LSTM,
  type ModelOptions,
  noGrad,
  rand,
  type RNN,
  select,
  selectPrefix,
  type StateDict,
  sub,
  Tensor,
  to,
} from "../../mod.ts";
import { quote } from "../../lib/checkpoints/error.ts";

/** What weights do not tell about a network. */
export interface NetworkOptions extends ModelOptions {
  /** Whether the fully connected layer reads every time step rather than the last. */
  readonly everyStep?: boolean;
  /** Whether the converted model takes an initial state as a further input. */
  readonly withState?: boolean;
  /** Whether to pass over weights of anything else; they are refused otherwise. @default false */
  readonly ignoreOthers?: boolean;
}

/** A recurrent module with its weights in float32, and what reads it. */
export interface Network {
  /** The module as its weights show it. */
  readonly detected: DetectedModule;
  readonly layer: RNN | LSTM | GRU;
  readonly state: StateDict;
  /** The fully connected layer that reads its output; `null` for none. */
  readonly head: Linear | null;
  /** What the weights do not tell. */
  readonly options: NetworkOptions;
  readonly notes: readonly string[];
}

/** Inputs or outputs by PyTorch's names. */
export type Named = Record<string, Tensor>;

/** A cell as a layer of its kind: the same step, over a whole sequence. */
function asLayer(cell: DetectedModule): DetectedModule {
  const kind = cell.kind.replace("Cell", "") as DetectedModule["kind"];
  return { ...cell, kind, assumed: [...cell.assumed, "batch_first False"] };
}

/**
 * Finds the network in a `state_dict`: a recurrent module, or a cell, which is taken for a module of
 * one layer; and the one Linear that reads its output, if there is one.
 *
 * @param options what they do not tell
 * @throws {CheckpointError} if it is not one recurrent module, perhaps with a Linear on its output
 */
export function networkOf(given: StateDict, options: NetworkOptions): Network {
  const { modules, others } = detectModules(given);
  const isCell = ({ kind }: DetectedModule) => kind.endsWith("Cell");
  const recurrent = modules.filter(({ kind }) => kind !== "Linear");
  const whole = recurrent.filter((module) => !isCell(module));
  const [found] = whole.length > 0 ? whole : recurrent;
  const cell = found !== undefined && isCell(found);
  const detected = cell ? asLayer(found) : found;
  const features = detected
    ? (detected.bidirectional ? 2 : 1) * (detected.projSize || detected.hiddenSize)
    : 0;
  const linears = modules.filter(({ kind }) => kind === "Linear");
  const fitting = linears.filter(({ inputSize }) => inputSize === features);
  const heads = fitting.length === 1 ? fitting : [];
  const ignored = [
    ...modules.filter((module) => module !== found && !heads.includes(module))
      .map(({ kind, prefix }) => prefix ? `${kind} under ${quote(prefix)}` : kind),
    ...others.slice(0, 3).map(quote),
    ...(others.length > 3 ? [`${others.length - 3} more`] : []),
  ];
  const one = whole.length === 1 || (whole.length === 0 && recurrent.length === 1);
  if (!one || (ignored.length > 0 && !options.ignoreOthers)) {
    const all = [found, ...heads].filter(Boolean)
      .map(({ kind, prefix }) => prefix ? `${kind} under ${quote(prefix)}` : kind);
    const advice = one ? "--ignore-others passes over the rest" : "--at and --prefix name a part";
    throw new CheckpointError(
      "wanted one RNN, LSTM or GRU, and at most one Linear that reads its output; found " +
        `${[...all, ...ignored].join(", ") || "nothing"} (${advice})`,
    );
  }
  const notes: string[] = [];
  if (cell) notes.push(`${found.kind} taken for a layer ${detected.kind}, which reads sequences`);
  if (ignored.length > 0) notes.push(`ignored ${ignored.join(", ")}`);
  const single = Object.fromEntries(
    Object.entries(given).map(([name, x]) => [name, to(x, "float32")]),
  );
  if (Object.values(given).some(({ dtype }) => dtype === "float64")) {
    notes.push("float64 weights are rounded to float32");
  }
  const state = selectPrefix(single, detected.prefix);
  const own = Object.fromEntries(
    Object.entries(state)
      .filter(([name]) => (cell ? /^(weight|bias)_(ih|hh)$/ : /_l\d+(_reverse)?$/).test(name))
      .map(([name, x]) => [cell ? `${name}_l0` : name, x]),
  );
  const layer = constructModule(detected, moduleOptions(options)) as RNN | LSTM | GRU;
  layer.loadStateDict(own);
  layer.eval();
  const told: Record<string, unknown> = {
    nonlinearity: options.nonlinearity,
    batch_first: options.batchFirst,
    dropout: 0,
  };
  for (const text of detected.assumed) {
    if (told[text.split(" ")[0]] === undefined) notes.push(`assumed ${text}`);
  }
  const [reads] = heads;
  let head: Linear | null = null;
  if (reads) {
    head = new Linear(reads.inputSize, reads.hiddenSize, { bias: reads.bias });
    const under = selectPrefix(single, reads.prefix);
    const { weight, bias } = under;
    head.loadStateDict(bias && reads.bias ? { weight, bias } : { weight });
    if (options.everyStep === undefined) notes.push("assumed that the Linear reads the last step");
  }
  return { detected, layer, state: own, head, options, notes };
}

/** What the layer itself takes of the options. */
function moduleOptions({ nonlinearity, batchFirst, dropout }: NetworkOptions): ModelOptions {
  return { nonlinearity, batchFirst, dropout };
}

/** The network in float64, whose results are the truth that float32 results are held against. */
export function inFloat64({ detected, state, head, options }: Network): Pick<
  Network,
  "layer" | "head" | "options"
> {
  const layer = constructModule(detected, moduleOptions(options), "float64") as RNN | LSTM | GRU;
  layer.loadStateDict(state);
  layer.eval();
  if (!head) return { layer, head, options };
  const { inFeatures, outFeatures, bias } = head;
  const wide = new Linear(inFeatures, outFeatures, { bias: bias !== null, dtype: "float64" });
  wide.loadStateDict(head.stateDict());
  return { layer, head: wide, options };
}

/** How many times further from the truth than float32 here another runtime may be. */
const MARGIN = 10;

/**
 * Holds another runtime's results against a float64 run. Trained networks amplify rounding over many
 * steps, so that no fixed tolerance tells it from a mistake: float32 here shows how far it goes.
 *
 * @returns how far they are from the truth, how far float32 here is, and whether that is rounding
 */
export function judge(
  network: Network,
  inputs: Named,
  given: Named,
): { given: Distance; own: Distance; rounding: boolean } {
  const wide = Object.fromEntries(
    Object.entries(inputs).map(([name, x]) => [name, to(x, "float64")]),
  );
  const truth = runReference(inFloat64(network), wide);
  const own = distance(truth, runReference(network, inputs));
  const found = distance(truth, given);
  return { given: found, own, rounding: found.units <= Math.max(1, MARGIN * own.units) };
}

/**
 * Random inputs for a network.
 *
 * @returns the input, and the initial state where the converted model takes one
 */
export function randomInputs(network: Network, batch: number, length: number): Named {
  const { detected, options } = network;
  const { inputSize, numLayers, bidirectional, hiddenSize, projSize, kind } = detected;
  const spread = (size: number[]) => noGrad(() => sub(rand(size), rand(size)));
  const inputs: Named = {
    input: spread([...(options.batchFirst ? [batch, length] : [length, batch]), inputSize]),
  };
  if (!options.withState) return inputs;
  const layers = numLayers * (bidirectional ? 2 : 1);
  inputs.h_0 = spread([layers, batch, projSize || hiddenSize]);
  if (kind === "LSTM") inputs.c_0 = spread([layers, batch, hiddenSize]);
  return inputs;
}

/**
 * Runs the network with this library.
 *
 * @returns `output`, of the Linear where there is one, and the final states `h_n` and `c_n`
 */
export function runReference(
  { layer, head, options }: Pick<Network, "layer" | "head" | "options">,
  inputs: Named,
): Named {
  const { input, h_0, c_0 } = inputs;
  return noGrad(() => {
    const hx = h_0 && c_0 ? [h_0, c_0] : h_0;
    const [output, state] = (layer as RNN).forward(input, hx as Tensor | undefined) as [
      Tensor,
      Tensor | readonly [Tensor, Tensor],
    ];
    const states = state instanceof Tensor ? [state] : state;
    const read = head && !options.everyStep
      ? select(output, options.batchFirst ? 1 : 0, -1)
      : output;
    return {
      output: head ? head.forward(read) : output,
      h_n: states[0],
      ...(states[1] && { c_n: states[1] }),
    };
  });
}

/** How far results are from each other. */
export interface Distance {
  /** The largest difference of two numbers. */
  difference: number;
  /** The largest difference in units of `torch.testing.assert_close`'s tolerance for float32. */
  units: number;
}

/**
 * Holds results against the reference's.
 *
 * @returns how far they are from each other; infinite where a result is missing or misshapen
 */
export function distance(wanted: Named, given: Named): Distance {
  const worst = { difference: 0, units: 0 };
  for (const [name, { data, shape }] of Object.entries(wanted)) {
    if (String(given[name]?.shape) !== String(shape)) {
      return { difference: Infinity, units: Infinity };
    }
    data.forEach((x, k) => {
      const difference = Math.abs(given[name].data[k] - x);
      const units = difference / (1e-5 + 1.3e-6 * Math.abs(x));
      worst.difference = Math.max(worst.difference, difference);
      worst.units = Math.max(worst.units, Number.isNaN(units) ? Infinity : units);
    });
  }
  return worst;
}
