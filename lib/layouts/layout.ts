/**
 * What the weight layouts of other frameworks have in common: taking a `state_dict` apart into
 * layers and directions, putting it together again, and reading gates in another order.
 */

import type { Options } from "../call.ts";
import { noGrad } from "../autograd/graph.ts";
import { cat, stack } from "../autograd/join.ts";
import { chunk, narrow, select } from "../autograd/slices.ts";
import { ValueError } from "../errors.ts";
import { eachOf, endOf, gated, gateOrder, kindOf, parameterName } from "../parameters.ts";
import { zeros } from "../tensor/create.ts";
import { sameShape } from "../tensor/dtype.ts";
import type { StateDict, Tensor } from "../tensor/tensor.ts";

/** The tensors of a cell whose gates read input and state through one weight each (`gated`). */
export interface GatedTensors {
  /** W_ih, shape `(gates · H, H_in)`. */
  readonly weightIh: Tensor;
  /** W_hh, shape `(gates · H, H)`. */
  readonly weightHh: Tensor;
  /** b_ih, shape `(gates · H)`, or `null`. */
  readonly biasIh: Tensor | null;
  /** b_hh, shape `(gates · H)`, or `null`. */
  readonly biasHh: Tensor | null;
}

/**
 * The recurrent layers of PyTorch.
 * @category Weights of other frameworks
 */
export type LayerKind = "RNN" | "LSTM" | "GRU";

/** A `state_dict`, taken apart. */
export interface Layers {
  /** Which layer it belongs to; the shapes tell. */
  readonly kind: LayerKind;
  /** H. */
  readonly hiddenSize: number;
  /** For each layer, for each direction (forward, then reverse), its parameters. */
  readonly layers: readonly (readonly GatedTensors[])[];
}

/**
 * Takes the `state_dict` of an RNN, LSTM or GRU apart.
 *
 * @throws {ValueError} if a name is missing or unexpected, a shape does not fit, or there is a
 * projection, which no layout here can express
 */
export function readLayers(state: StateDict): Layers {
  const projection = Object.keys(state).find((name) => name.startsWith("weight_hr_l"));
  if (projection !== undefined) {
    throw new ValueError(
      `a projection (proj_size) cannot be expressed in this layout, but the state_dict has ` +
        projection,
    );
  }
  const first = state.weight_hh_l0;
  if (first?.dim() !== 2) {
    throw new ValueError("the state_dict has no matrix weight_hh_l0: not of an RNN, LSTM or GRU");
  }
  const [rows, hiddenSize] = first.shape;
  const kind = kindOf(rows / hiddenSize);
  if (!kind) {
    throw new ValueError(
      `weight_hh_l0 of shape (${first.shape.join(", ")}) has neither 1, 3 nor 4 gates`,
    );
  }
  const left = new Set(Object.keys(state));
  const take = (name: string, shape: readonly number[]): Tensor => {
    checkShape(name, left.delete(name) ? state[name] : undefined, shape);
    return state[name];
  };
  const directions = `weight_ih${endOf(0, 1)}` in state ? [0, 1] : [0];
  const bias = "bias_ih_l0" in state;
  const declared = gated(gateOrder[kind]);
  const layers: GatedTensors[][] = [];
  for (let k = 0; `weight_ih${endOf(k, 0)}` in state; k++) {
    const input = k === 0 ? state.weight_ih_l0.shape[1] : hiddenSize * directions.length;
    const sizes = { input, hidden: hiddenSize, output: hiddenSize, bias };
    layers.push(directions.map((direction) =>
      eachOf(declared, (key, shapeOf) => {
        const shape = shapeOf(sizes);
        return shape && take(parameterName(key, endOf(k, direction)), shape);
      }) as GatedTensors
    ));
  }
  if (left.size) throw new ValueError(`unexpected in the state_dict: ${[...left].join(", ")}`);
  return { kind, hiddenSize, layers };
}

/** The parameters of a layer: forward, then perhaps reverse; `null` for a direction it has not. */
export type Directions = readonly (GatedTensors | null)[];

/**
 * Puts a `state_dict` together. PyTorch's layers have the same directions, the forward one among
 * them: where one is missing beside others that have it, it is made of zeros. Its output is 0, and
 * the layer above reads that with weights of 0.
 *
 * @throws {ValueError} if the layers do not fit each other
 */
export function writeLayers(layers: readonly Directions[]): StateDict {
  const state: StateDict = {};
  noGrad(() => completed(layers)).forEach((directions, k) =>
    directions.forEach((own, direction) => {
      for (const [key, x] of Object.entries(own)) {
        if (x) state[parameterName(key, endOf(k, direction))] = x;
      }
    })
  );
  readLayers(state); // for its checks
  return state;
}

/** The layers with both directions, where one has the reverse direction. */
function completed(layers: readonly Directions[]): (readonly GatedTensors[])[] {
  const places = layers.some(([, reverse]) => reverse) ? [0, 1] : [0];
  return layers.map((own, k) => {
    const given = own.find((direction) => direction)!;
    const like = (x: Tensor) => zeros(x.shape, { dtype: x.dtype });
    return places.map((place): GatedTensors => {
      const found = own[place] ?? Object.fromEntries(
        Object.entries(given).map(([key, x]) => [key, x && like(x)]),
      ) as unknown as GatedTensors;
      if (k === 0) return found;
      const below = places.map((way) => Boolean(layers[k - 1][way]));
      return { ...found, weightIh: spread(found.weightIh, below) };
    });
  });
}

/** W_ih of a layer, with columns of zeros for each direction that the layer below has not. */
function spread(weightIh: Tensor, below: readonly boolean[]): Tensor {
  const [rows, columns] = weightIh.shape;
  const width = columns / below.filter(Boolean).length;
  if (!Number.isInteger(width)) return weightIh; // which is then refused
  let from = -width;
  return cat(
    below.map((present) =>
      present
        ? narrow(weightIh, 1, from += width, width)
        : zeros([rows, width], { dtype: weightIh.dtype })
    ),
    1,
  );
}

/** A layer as ONNX and WebNN have it: each tensor of its directions, which stand in dimension 0. */
export interface Stacked extends GatedTensors {
  readonly kind: LayerKind;
  readonly hiddenSize: number;
  /** How many. */
  readonly directions: number;
}

/**
 * The layers of a `state_dict`, their directions stacked.
 *
 * @param orderOf the order of gates that is wanted of a kind of layer
 */
export function toStacked(state: StateDict, orderOf: (kind: LayerKind) => string): Stacked[] {
  const { kind, hiddenSize, layers } = readLayers(state);
  const order = orderOf(kind);
  return layers.map((directions) => {
    const all = eachOf(gated(order), (key) =>
      directions[0][key] &&
      noGrad(() => stack(directions.map((own) => reorder(own[key]!, gateOrder[kind], order)))));
    return { kind, hiddenSize, directions: directions.length, ...all as GatedTensors };
  });
}

/** A layer whose directions are stacked, and how its gates and directions stand. */
export interface Given extends GatedTensors {
  readonly kind: LayerKind;
  /** The order of its gates. */
  readonly order: string;
  /** For PyTorch's directions, forward and reverse, where each stands. */
  readonly places: readonly (number | null)[];
}

/**
 * Where PyTorch's directions, forward and reverse, stand among those of a layer.
 *
 * @param direction which the layer has
 * @param words what may stand there: for forward, for reverse, for both
 * @throws {ValueError} if it is none of these
 */
export function placesOf(direction: string, words: readonly string[]): (number | null)[] {
  const places = [[0], [null, 0], [0, 1]][words.indexOf(direction)];
  if (places) return places;
  throw new ValueError(`direction must be ${words.join(", ")}, not ${direction}`);
}

/**
 * Puts a `state_dict` together from layers whose directions are stacked. Where only some of the
 * biases are there, the others become zeros.
 */
export function fromStacked(layers: readonly Given[]): StateDict {
  const biased = layers.some(({ biasIh, biasHh }) => biasIh || biasHh);
  return writeLayers(
    layers.map(({ kind, order, places, ...all }) =>
      places.map((place) =>
        place === null ? null : noGrad(() =>
          eachOf(gated(order), (key) => {
            const x = all[key];
            return x
              ? reorder(select(x, 0, place), order, gateOrder[kind])
              : biased
              ? zeros([all.weightIh.shape[1]], { dtype: all.weightIh.dtype })
              : null;
          }) as GatedTensors
        )
      )
    ),
  );
}

/**
 * What a conversion to PyTorch is told that the weights do not tell.
 * @category Weights of other frameworks
 */
export interface FromLayoutOptions {
  /** φ of the RNN that is to read the weights. @default "tanh" */
  readonly nonlinearity?: "tanh" | "relu";
}

export const fromLayoutOptions: Options<FromLayoutOptions> = {
  nonlinearity: { word: '"tanh" or "relu"', is: (value) => value === "tanh" || value === "relu" },
};

/** The activations of each layer, of the gates first, as other frameworks list them. */
const activations: Readonly<Record<LayerKind, readonly string[]>> = {
  RNN: ["tanh"],
  LSTM: ["sigmoid", "tanh", "tanh"],
  GRU: ["sigmoid", "tanh"],
};

/**
 * Refuses activations that are not those of PyTorch's layer.
 *
 * @param given the activations of one direction after the other; the layer's own where left out
 * @throws {ValueError} if they are others
 */
export function checkActivations(
  kind: LayerKind,
  given: readonly string[] | undefined,
  directions: number,
  { nonlinearity }: FromLayoutOptions = {},
): void {
  if (nonlinearity !== undefined && kind !== "RNN") {
    throw new ValueError(`a nonlinearity is an RNN's; this is a layer ${kind}`);
  }
  const all = (once: readonly string[]) => Array.from({ length: directions }, () => once).flat();
  const found = (given ?? all(activations[kind])).map((name) => String(name).toLowerCase());
  const wanted = all(nonlinearity === "relu" ? ["relu"] : activations[kind]);
  if (String(found) === String(wanted)) return;
  const other = nonlinearity === "relu" ? "tanh" : "relu";
  const advice = kind === "RNN" && found.every((name) => name === other)
    ? `; { nonlinearity: "${other}" } takes them, for an RNN of that nonlinearity`
    : "";
  throw new ValueError(
    `PyTorch's ${kind} has the activations ${wanted.join(", ")}, not ${found.join(", ")}${advice}`,
  );
}

/** Refuses peepholes, unless they are an LSTM's and 0: then it is an LSTM without. */
export function checkPeepholes(
  kind: LayerKind,
  peepholes: Tensor | null | undefined,
  shape: readonly number[],
): void {
  if (!peepholes) return;
  if (kind !== "LSTM" || peepholes.data.some((x) => x !== 0)) {
    throw new ValueError(`PyTorch's ${kind} has no peepholes`);
  }
  checkShape("the peepholes", peepholes, shape);
}

/**
 * Puts the gates of a tensor into another order.
 *
 * @param x gates of equal height, one below the other in dimension 0
 * @returns a tensor of the same shape
 */
export function reorder(x: Tensor, from: string, to: string): Tensor {
  if (from === to) return x;
  return noGrad(() => {
    const gates = chunk(x, from.length, 0);
    return cat([...to].map((gate) => gates[from.indexOf(gate)]), 0);
  });
}

/** Refuses what is no RNN, LSTM or GRU. */
export function refuseLayer(name: unknown): never {
  throw new ValueError(`PyTorch has no layer for ${name}`);
}

/** Refuses a GRU, in the words of its framework, whose reset gate comes before the product. */
export function refuseReset(gru: string): never {
  throw new ValueError(`${gru} applies the reset gate before the product: PyTorch has none`);
}

/** Refuses a tensor of another shape than the layout prescribes. */
export function checkShape(
  name: string,
  tensor: Tensor | undefined,
  wanted: readonly (number | undefined)[],
): void {
  if (tensor === undefined) throw new ValueError(`${name} is missing`);
  const { shape } = tensor;
  if (sameShape(shape, wanted as readonly number[])) return;
  throw new ValueError(
    `${name} has the shape (${shape.join(", ")}), wanted (${wanted.join(", ")})`,
  );
}
