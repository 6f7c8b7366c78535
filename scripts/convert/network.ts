/**
 * What is converted: a recurrent module, with the Embedding that it reads, and the LayerNorm and the
 * Linear that read it, where there are any.
 */

import {
  CheckpointError,
  constructModule,
  type DetectedModule,
  detectModules,
  type Embedding,
  type FloatDType,
  type GRU,
  type LayerNorm,
  type Linear,
  type LSTM,
  type ModelOptions,
  type Module,
  noGrad,
  rand,
  randint,
  type RNN,
  select,
  selectPrefix,
  type StateDict,
  sub,
  Tensor,
  to,
} from "../../mod.ts";
import { quote } from "../../lib/checkpoints/refuse.ts";

/** What weights do not tell about a network. */
export interface NetworkOptions extends ModelOptions {
  /** Whether the fully connected layer reads every time step rather than the last. */
  readonly everyStep?: boolean;
  /** Whether the converted model takes an initial state as a further input. */
  readonly withState?: boolean;
  /** Whether to pass over weights of anything else; they are refused otherwise. @default false */
  readonly ignoreOthers?: boolean;
}

/** A recurrent module with its weights in float32, what it reads, and what reads it. */
export interface Network {
  /** The module as its weights show it. */
  readonly detected: DetectedModule;
  readonly layer: RNN | LSTM | GRU;
  readonly state: StateDict;
  /** The table whose rows it reads, by their numbers; `null` for none. */
  readonly embedding: Embedding | null;
  /** What its output goes through first; `null` for none. */
  readonly norm: LayerNorm | null;
  /** The fully connected layer that reads its output; `null` for none. */
  readonly head: Linear | null;
  /** What the weights do not tell. */
  readonly options: NetworkOptions;
  readonly notes: readonly string[];
  /** The same in float64, whose results are the truth that float32 results are held against. */
  readonly inFloat64: () => Running;
}

/** A network as it runs. */
type Running = Pick<Network, "layer" | "embedding" | "norm" | "head" | "options">;

/** Inputs or outputs by PyTorch's names. */
export type Named = Record<string, Tensor>;

/** A cell as a layer of its kind: the same step, over a whole sequence. */
function asLayer(cell: DetectedModule): DetectedModule {
  const kind = cell.kind.replace("Cell", "") as DetectedModule["kind"];
  return { ...cell, kind, assumed: [...cell.assumed, "batch_first False"] };
}

/**
 * Finds the network in a `state_dict`: a recurrent module, or a cell, which is taken for a module of
 * one layer; the Embedding that it reads, the LayerNorm that its output goes through and the one
 * Linear that reads it, where there are any.
 *
 * @param options what they do not tell
 * @throws {CheckpointError} if it is not one recurrent module, perhaps with these
 */
export function networkOf(given: StateDict, options: NetworkOptions): Network {
  const { modules, others } = detectModules(given);
  const isCell = ({ kind }: DetectedModule) => kind.endsWith("Cell");
  const recurrent = modules.filter(({ kind }) => /^(RNN|LSTM|GRU)/.test(kind));
  const whole = recurrent.filter((module) => !isCell(module));
  const [found] = whole.length > 0 ? whole : recurrent;
  const cell = found !== undefined && isCell(found);
  const detected = cell ? asLayer(found) : found;
  const features = detected
    ? (detected.bidirectional ? 2 : 1) * (detected.projSize || detected.hiddenSize)
    : 0;
  const at = modules.indexOf(found);
  /** The one module of a kind that fits; one of two would be a guess. */
  const only = (kind: string, fits: (module: DetectedModule, k: number) => boolean) => {
    const all = modules.filter((module, k) => module.kind === kind && fits(module, k));
    return all.length === 1 ? all : [];
  };
  const heads = only("Linear", ({ inputSize }) => inputSize === features);
  const tables = only("Embedding", (one, k) => k < at && one.hiddenSize === found.inputSize);
  const norms = only("LayerNorm", (one, k) => k > at && one.hiddenSize === features);
  const around = [...heads, ...tables, ...norms];
  const named = ({ kind, prefix }: DetectedModule) =>
    prefix ? `${kind} under ${quote(prefix)}` : kind;
  const ignored = [
    ...modules.filter((module) => module !== found && !around.includes(module)).map(named),
    ...others.slice(0, 3).map(quote),
    ...(others.length > 3 ? [`${others.length - 3} more`] : []),
  ];
  const one = whole.length === 1 || (whole.length === 0 && recurrent.length === 1);
  if (!one || (ignored.length > 0 && !options.ignoreOthers)) {
    const all = [found, ...around].filter(Boolean).map(named);
    const advice = one ? "--ignore-others passes over the rest" : "--at and --prefix name a part";
    throw new CheckpointError(
      "wanted one RNN, LSTM or GRU, and at most one Embedding before it and one LayerNorm and " +
        "one Linear behind it; found " +
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
  const { nonlinearity, batchFirst, dropout } = options;
  const told: Record<string, unknown> = {
    nonlinearity: options.nonlinearity,
    batch_first: options.batchFirst,
    dropout: 0,
  };
  for (const text of detected.assumed) {
    if (told[text.split(" ")[0]] === undefined) notes.push(`assumed ${text}`);
  }
  for (const { assumed } of [...tables, ...norms]) {
    notes.push(...assumed.map((text) => `assumed ${text}`));
  }
  if (heads.length > 0 && options.everyStep === undefined) {
    notes.push("assumed that the Linear reads the last step");
  }
  const built = (dtype: FloatDType): Running => {
    const filled = <T extends Module>(
      one: DetectedModule,
      state: StateDict,
      more?: ModelOptions,
    ) => {
      const module = constructModule(one, more, dtype);
      module.loadStateDict(state);
      return module.eval() as unknown as T;
    };
    const make = <T extends Module>([one]: DetectedModule[]): T | null => {
      if (!one) return null;
      const { weight, bias } = selectPrefix(single, one.prefix);
      return filled<T>(one, bias && one.bias ? { weight, bias } : { weight });
    };
    return {
      layer: filled<RNN | LSTM | GRU>(detected, own, { nonlinearity, batchFirst, dropout }),
      ...{ embedding: make<Embedding>(tables), norm: make<LayerNorm>(norms) },
      ...{ head: make<Linear>(heads), options },
    };
  };
  const inFloat64 = () => built("float64");
  return { ...built("float32"), detected, state: own, notes, inFloat64 };
}

/**
 * Refuses what a format has no place for.
 *
 * @throws {CheckpointError} if there is an Embedding or a LayerNorm
 */
export function refuseAround({ embedding, norm }: Network, format: string): void {
  for (const module of [embedding, norm]) {
    if (module) throw new CheckpointError(`${format} would be without ${module}; --to onnx has it`);
  }
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
    Object.entries(inputs).map(([name, x]) => [name, x.dtype === "int64" ? x : to(x, "float64")]),
  );
  const truth = runReference(network.inFloat64(), wide);
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
  const { detected, embedding, options } = network;
  const { inputSize, numLayers, bidirectional, hiddenSize, projSize, kind } = detected;
  const spread = (size: number[]) => noGrad(() => sub(rand(size), rand(size)));
  const size = options.batchFirst ? [batch, length] : [length, batch];
  const inputs: Named = {
    input: embedding ? randint(0, embedding.numEmbeddings, size) : spread([...size, inputSize]),
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
  { layer, embedding, norm, head, options }: Running,
  inputs: Named,
): Named {
  const { input, h_0, c_0 } = inputs;
  return noGrad(() => {
    const hx = h_0 && c_0 ? [h_0, c_0] : h_0;
    const read = embedding ? embedding.forward(input) : input;
    const [output, state] = (layer as RNN).forward(read, hx as Tensor | undefined) as [
      Tensor,
      Tensor | readonly [Tensor, Tensor],
    ];
    const states = state instanceof Tensor ? [state] : state;
    const last = head && !options.everyStep;
    const seen = last ? select(output, options.batchFirst ? 1 : 0, -1) : output;
    const normed = norm ? norm.forward(seen) : seen;
    return {
      output: head ? head.forward(normed) : normed,
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
