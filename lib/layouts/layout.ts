/**
 * What the weight layouts of other frameworks have in common: taking a `state_dict` apart into
 * layers and directions, putting it together again, and reading gates in another order.
 *
 * @module
 */

import { noGrad } from "../autograd/graph.ts";
import { cat, chunk } from "../autograd/slices.ts";
import { ValueError } from "../errors.ts";
import type { CellParameters } from "../nn/cell.ts";
import type { StateDict } from "../nn/module.ts";
import { zeros } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The recurrent layers of PyTorch. */
export type LayerKind = "RNN" | "LSTM" | "GRU";

/** The gates in the order in which PyTorch stacks them, by the letters of the equations. */
export const gateNames: Readonly<Record<LayerKind, string>> = {
  RNN: "h",
  LSTM: "ifgo",
  GRU: "rzn",
};

/** A `state_dict`, taken apart. */
export interface Layers {
  /** Which layer it belongs to; the shapes tell. */
  readonly kind: LayerKind;
  /** H. */
  readonly hiddenSize: number;
  /** For each layer, for each direction (forward, then reverse), its parameters. */
  readonly layers: readonly (readonly CellParameters[])[];
}

const kinds: Readonly<Record<number, LayerKind>> = { 1: "RNN", 3: "GRU", 4: "LSTM" };

/**
 * Takes the `state_dict` of an RNN, LSTM or GRU apart.
 *
 * @param state tensors by PyTorch's names
 * @returns its parameters by layer and direction
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
  const kind = kinds[rows / hiddenSize];
  if (!kind) {
    throw new ValueError(
      `weight_hh_l0 of shape (${first.shape.join(", ")}) has neither 1, 3 nor 4 gates`,
    );
  }
  const left = new Set(Object.keys(state));
  const take = (name: string, shape: readonly number[]): Tensor => {
    if (!left.delete(name)) throw new ValueError(`the state_dict has no ${name}`);
    if (String(state[name].shape) === String(shape)) return state[name];
    throw new ValueError(
      `${name} has the shape (${state[name].shape.join(", ")}), wanted (${shape.join(", ")})`,
    );
  };
  const suffixes = "weight_ih_l0_reverse" in state ? ["", "_reverse"] : [""];
  const bias = "bias_ih_l0" in state;
  const layers: CellParameters[][] = [];
  for (let k = 0; `weight_ih_l${k}` in state; k++) {
    const features = k === 0 ? state.weight_ih_l0.shape[1] : hiddenSize * suffixes.length;
    layers.push(suffixes.map((suffix) => ({
      weightIh: take(`weight_ih_l${k}${suffix}`, [rows, features]),
      weightHh: take(`weight_hh_l${k}${suffix}`, [rows, hiddenSize]),
      biasIh: bias ? take(`bias_ih_l${k}${suffix}`, [rows]) : null,
      biasHh: bias ? take(`bias_hh_l${k}${suffix}`, [rows]) : null,
      weightHr: null,
    })));
  }
  if (left.size) throw new ValueError(`unexpected in the state_dict: ${[...left].join(", ")}`);
  return { kind, hiddenSize, layers };
}

/**
 * Puts a `state_dict` together.
 *
 * @param layers for each layer, for each direction, its parameters
 * @returns tensors by PyTorch's names, in PyTorch's order
 * @throws {ValueError} if the layers do not fit each other
 */
export function writeLayers(layers: readonly (readonly CellParameters[])[]): StateDict {
  const state: StateDict = {};
  layers.forEach((directions, k) =>
    directions.forEach(({ weightIh, weightHh, biasIh, biasHh }, direction) => {
      const suffix = direction === 0 ? `l${k}` : `l${k}_reverse`;
      state[`weight_ih_${suffix}`] = weightIh;
      state[`weight_hh_${suffix}`] = weightHh;
      if (biasIh) state[`bias_ih_${suffix}`] = biasIh;
      if (biasHh) state[`bias_hh_${suffix}`] = biasHh;
    })
  );
  readLayers(state); // for its checks
  return state;
}

/**
 * Puts the gates of a tensor into another order.
 *
 * @param x gates of equal height, one below the other in dimension 0
 * @param from the order they stand in, one letter each
 * @param to the order wanted, the same letters
 * @returns a tensor of the same shape
 */
export function reorder(x: Tensor, from: string, to: string): Tensor {
  if (from === to) return x;
  return noGrad(() => {
    const gates = chunk(x, from.length, 0);
    return cat([...to].map((gate) => gates[from.indexOf(gate)]), 0);
  });
}

/** A bias of zeros beside a weight matrix. */
export function zeroBias({ shape, dtype }: Tensor): Tensor {
  return zeros([shape[0]], { dtype });
}

/** Refuses a tensor of another shape than the layout prescribes. */
export function checkShape(name: string, { shape }: Tensor, wanted: readonly number[]): void {
  if (String(shape) === String(wanted)) return;
  throw new ValueError(
    `${name} has the shape (${shape.join(", ")}), wanted (${wanted.join(", ")})`,
  );
}
