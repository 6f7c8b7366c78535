/**
 * What the laws are tried on: recurrent configurations, modules built from them, their inputs and
 * states, ragged lengths.
 */

import fc from "fast-check";
import {
  cat,
  type FloatDType,
  Generator,
  GRU,
  GRUCell,
  indexSelect,
  linear,
  LSTM,
  LSTMCell,
  manualSeed,
  noGrad,
  type PackedSequence,
  randn,
  RNN,
  RNNCell,
  type SequenceLike,
  type State,
  type StateDict,
  type Tensor,
  transpose,
  zeros,
} from "../../mod.ts";

/** The cells. */
export const kinds = ["RNN tanh", "RNN relu", "LSTM", "GRU"] as const;

/** One of the cells. */
export type Kind = typeof kinds[number];

/** A sequence module of any kind. */
export type Recurrent = RNN | LSTM | GRU;

/** How many gates stand below each other in a kind's weights. */
export const gates: Record<Kind, number> = { "RNN tanh": 1, "RNN relu": 1, LSTM: 4, GRU: 3 };

/** A recurrent module, its weights, and the extents of its input. */
export interface Config {
  /** The cell. */
  readonly kind: Kind;
  /** H_in. */
  readonly inputSize: number;
  /** H. */
  readonly hiddenSize: number;
  /** How many layers. */
  readonly numLayers: number;
  /** Whether there are biases. */
  readonly bias: boolean;
  /** Whether the batch comes first. */
  readonly batchFirst: boolean;
  /** Whether there is a reverse direction. */
  readonly bidirectional: boolean;
  /** H_proj, 0 in all but some LSTMs. */
  readonly projSize: number;
  /** The type of weights and inputs. */
  readonly dtype: FloatDType;
  /** N. */
  readonly batch: number;
  /** L. */
  readonly length: number;
  /** What weights, inputs and states are drawn from. */
  readonly seed: number;
  /** What the weights are multiplied by. */
  readonly scale: number;
  /** A value that stands somewhere in the input; `null` for none. */
  readonly extreme: number | null;
}

/** Values that arithmetic treats in ways of their own. */
export const extremes: fc.Arbitrary<number> = fc.constantFrom(
  ...[NaN, Infinity, -Infinity, -0, 2 ** 127, -(2 ** 100), 2 ** -149, 2 ** -1074, 1e4],
);

/**
 * Configurations of every kind and flag.
 *
 * @param fixed arbitraries to use in place of the usual ones
 */
export function configs(
  fixed: { readonly [K in keyof Config]?: fc.Arbitrary<Config[K]> } = {},
): fc.Arbitrary<Config> {
  const usual: { [K in keyof Config]: fc.Arbitrary<Config[K]> } = {
    kind: fc.constantFrom(...kinds),
    inputSize: fc.integer({ min: 1, max: 4 }),
    hiddenSize: fc.integer({ min: 1, max: 5 }),
    numLayers: fc.integer({ min: 1, max: 3 }),
    bias: fc.boolean(),
    batchFirst: fc.boolean(),
    bidirectional: fc.boolean(),
    projSize: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4 })),
    dtype: fc.constantFrom<FloatDType>("float32", "float64"),
    batch: fc.integer({ min: 1, max: 4 }),
    length: fc.integer({ min: 1, max: 6 }),
    seed: fc.nat(0xffffffff),
    scale: fc.constantFrom(1, 0.25, 3),
    extreme: fc.oneof({ arbitrary: fc.constant(null), weight: 7 }, extremes),
  };
  // A projection is an LSTM's, and smaller than its hidden state.
  return fc.record({ ...usual, ...fixed }).map((c) => ({
    ...c,
    projSize: c.kind === "LSTM" ? c.projSize % c.hiddenSize : 0,
  }));
}

/** Configurations with nothing extreme in the input. */
export const tame = { extreme: fc.constant(null) } as const;

/** Configurations with the length of each sequence, 1 … L. */
export function ragged(
  fixed: { readonly [K in keyof Config]?: fc.Arbitrary<Config[K]> } = {},
): fc.Arbitrary<Config & { readonly lengths: number[] }> {
  const raw = fc.array(fc.nat(59), { minLength: 4, maxLength: 4 });
  return fc.tuple(configs(fixed), raw).map(([c, draws]) => ({
    ...c,
    lengths: draws.slice(0, c.batch).map((draw) => 1 + draw % c.length),
  }));
}

/** The module of a configuration, its weights drawn from the seed and scaled. */
export function build(c: Config): Recurrent {
  manualSeed(c.seed);
  const { numLayers, bias, batchFirst, bidirectional, dtype } = c;
  const options = { numLayers, bias, batchFirst, bidirectional, dtype };
  const module = c.kind === "LSTM"
    ? new LSTM(c.inputSize, c.hiddenSize, { ...options, projSize: c.projSize })
    : c.kind === "GRU"
    ? new GRU(c.inputSize, c.hiddenSize, options)
    : new RNN(c.inputSize, c.hiddenSize, { ...options, nonlinearity: phi(c.kind) });
  return scaled(module, c.scale);
}

/** A cell of a kind, its weights drawn from the seed and scaled. */
export function buildCell(c: Config): RNNCell | LSTMCell | GRUCell {
  manualSeed(c.seed);
  const { inputSize, hiddenSize, bias, dtype } = c;
  const cell = c.kind === "LSTM"
    ? new LSTMCell(inputSize, hiddenSize, { bias, dtype })
    : c.kind === "GRU"
    ? new GRUCell(inputSize, hiddenSize, { bias, dtype })
    : new RNNCell(inputSize, hiddenSize, { bias, dtype, nonlinearity: phi(c.kind) });
  return scaled(cell, c.scale);
}

function phi(kind: Kind): "tanh" | "relu" {
  return kind === "RNN relu" ? "relu" : "tanh";
}

function scaled<M extends { stateDict(): StateDict }>(module: M, scale: number): M {
  for (const { data } of Object.values(module.stateDict())) {
    for (let i = 0; i < data.length; i++) data[i] *= scale;
  }
  return module;
}

/** Runs a module, recording; the state goes in and comes out as a list, `[h]` or `[h, c]`. */
export function runRecorded<T extends Tensor | PackedSequence>(
  module: Recurrent,
  input: T,
  state?: State | null,
): [SequenceLike<T>, State] {
  if (module instanceof LSTM) return module.forward(input, state && [state[0], state[1]]);
  const [output, hn] = module.forward(input, state?.[0]);
  return [output, [hn]];
}

/** Runs a module as {@linkcode runRecorded}, but without recording. */
export function run<T extends Tensor | PackedSequence>(
  module: Recurrent,
  input: T,
  state?: State | null,
): [SequenceLike<T>, State] {
  return noGrad(() => runRecorded(module, input, state));
}

/** Runs a cell for one step; the state as in {@linkcode run}. */
export function step(cell: RNNCell | LSTMCell | GRUCell, x: Tensor, state?: State | null): State {
  return noGrad(() => {
    if (cell instanceof LSTMCell) return cell.forward(x, state && [state[0], state[1]]);
    return [cell.forward(x, state?.[0])];
  });
}

/** The size of a module's input. */
export function inputSize({ batchFirst, batch, length, inputSize }: Config): number[] {
  return batchFirst ? [batch, length, inputSize] : [length, batch, inputSize];
}

/** An input that fits the module; another for each `salt`. */
export function inputOf(c: Config, salt = 0): Tensor {
  const x = normals(c, inputSize(c), 1 + salt);
  if (c.extreme !== null) x.data[c.seed % x.numel()] = c.extreme;
  return x;
}

/** Normal numbers of any size, of the configuration's dtype; others for each `salt`. */
export function normals(c: Pick<Config, "seed" | "dtype">, size: number[], salt = 0): Tensor {
  return randn(size, { dtype: c.dtype, generator: new Generator(c.seed + 7919 * salt) });
}

/** The features of the hidden state: H_proj where there is a projection, otherwise H. */
export function outputSize({ projSize, hiddenSize }: Config): number {
  return projSize || hiddenSize;
}

/** D: 2 where there are two directions, otherwise 1. */
export function directions({ bidirectional }: Config): number {
  return bidirectional ? 2 : 1;
}

/** The sizes of the state, `[h]` or `[h, c]`. */
export function stateSizes(c: Config): number[][] {
  const sizes = [outputSize(c), c.hiddenSize].map((size) => [
    c.numLayers * directions(c),
    c.batch,
    size,
  ]);
  return c.kind === "LSTM" ? sizes : sizes.slice(0, 1);
}

/** A state of normal numbers that fits the module. */
export function stateOf(c: Config): State {
  return stateSizes(c).map((size, k) => normals(c, size, 100 + k));
}

/** The dimension of the input that is time. */
export function timeDim({ batchFirst }: Config): number {
  return batchFirst ? 1 : 0;
}

/** The last parts of the parameter names of a layer, one for each direction. */
export function suffixes(c: Config, layer: number): string[] {
  return c.bidirectional ? [`l${layer}`, `l${layer}_reverse`] : [`l${layer}`];
}

/** The parameters of one layer and direction by name, such as `weight_ih`. */
export function parametersOf(module: Recurrent, suffix: string): StateDict {
  const own = Object.entries(module.stateDict()).filter(([name]) => name.endsWith(`_${suffix}`));
  return Object.fromEntries(own.map(([name, value]) => [name.slice(0, -suffix.length - 1), value]));
}

/** The module of one layer of `module`, with all directions or with only the one given. */
export function layerOf(
  c: Config,
  module: Recurrent,
  layer: number,
  direction?: number,
): Recurrent {
  const own: Config = {
    ...c,
    inputSize: layer === 0 ? c.inputSize : outputSize(c) * directions(c),
    numLayers: 1,
    bidirectional: direction === undefined && c.bidirectional,
  };
  const wanted = suffixes(c, layer).filter((_, k) => direction === undefined || k === direction);
  const alone = build(own);
  alone.loadStateDict(Object.fromEntries(
    wanted.flatMap((suffix, k) =>
      Object.entries(parametersOf(module, suffix)).map(([name, value]) => [
        `${name}_${suffixes(own, 0)[k]}`,
        value,
      ])
    ),
  ));
  return alone;
}

/**
 * One step of one layer and direction, made from the cell's class. A projected LSTM is the cell
 * with zeros put beside W_hh and h, so that both have H columns, and then W_hr.
 */
export function stepOf(
  c: Config,
  module: Recurrent,
  suffix: string,
): (x: Tensor, state: State) => State {
  const { weight_hr, ...own } = parametersOf(module, suffix);
  const cell = buildCell({ ...c, inputSize: own.weight_ih.shape[1] });
  const missing = c.hiddenSize - outputSize(c);
  const widened = (x: Tensor) =>
    missing === 0 ? x : cat([x, zeros([x.shape[0], missing], { dtype: c.dtype })], 1);
  cell.loadStateDict({ ...own, weight_hh: widened(own.weight_hh) });
  return (x: Tensor, [h, ...rest]: State): State => {
    const [h1, ...rest1] = step(cell, x, [widened(h), ...rest]);
    return [weight_hr ? linear(h1, weight_hr) : h1, ...rest1];
  };
}

/** Configurations small enough for central differences, in float64. */
export const small = {
  ...tame,
  dtype: fc.constant<FloatDType>("float64"),
  inputSize: fc.integer({ min: 1, max: 2 }),
  hiddenSize: fc.integer({ min: 1, max: 3 }),
  numLayers: fc.integer({ min: 1, max: 2 }),
  batch: fc.integer({ min: 1, max: 2 }),
  length: fc.integer({ min: 1, max: 4 }),
  scale: fc.constant(1),
} as const;

/** A module, an input and a state that require gradients, and all leaves. */
export function recording(
  c: Config,
): { module: Recurrent; x: Tensor; state: State; leaves: Tensor[] } {
  const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
  for (const part of [x, ...state]) part.requiresGrad = true;
  return { module, x, state, leaves: [x, ...state, ...module.parameters()] };
}

/** The same sequence, last step first. */
export function reversed(x: Tensor, dim: number): Tensor {
  return indexSelect(x, dim, [...Array(x.size(dim)).keys()].reverse());
}

/** The input or output with its first two dimensions as a time-first module has them. */
export function timeFirst(c: Config, x: Tensor): Tensor {
  return c.batchFirst ? transpose(x, 0, 1) : x;
}

/**
 * Extents on both sides of the edges of vectors (4), panels (8), blocks (24 features) and tiles (4
 * or 6 rows, 4 or 6 panels).
 */
export const edges = {
  ...tame,
  dtype: fc.constant("float32" as const),
  inputSize: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(16, 23, 24, 25, 31, 49)),
  hiddenSize: fc.oneof(
    fc.integer({ min: 1, max: 9 }),
    fc.constantFrom(11, 12, 13, 15, 16, 17, 23, 24, 25, 32, 33, 40, 48, 49, 57),
  ),
  batch: fc.constantFrom(1, 2, 3, 4, 5, 6, 7, 8, 9, 13),
  length: fc.constantFrom(1, 2, 3, 4, 5, 9),
  scale: fc.constant(1),
} as const;
