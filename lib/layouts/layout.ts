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
import { eachOf, endOf, gated, gateOrder, kindOf, parameterName } from "../parameters.ts";
import { zeros } from "../tensor/create.ts";
import { sameShape } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The recurrent layers of PyTorch. */
export type LayerKind = "RNN" | "LSTM" | "GRU";

/** A `state_dict`, taken apart. */
export interface Layers {
  /** Which layer it belongs to; the shapes tell. */
  readonly kind: LayerKind;
  /** H. */
  readonly hiddenSize: number;
  /** For each layer, for each direction (forward, then reverse), its parameters. */
  readonly layers: readonly (readonly CellParameters[])[];
}

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
  const kind = kindOf(rows / hiddenSize);
  if (!kind) {
    throw new ValueError(
      `weight_hh_l0 of shape (${first.shape.join(", ")}) has neither 1, 3 nor 4 gates`,
    );
  }
  const left = new Set(Object.keys(state));
  const take = (name: string, shape: readonly number[]): Tensor => {
    if (!left.delete(name)) throw new ValueError(`the state_dict has no ${name}`);
    if (sameShape(state[name].shape, shape)) return state[name];
    throw new ValueError(
      `${name} has the shape (${state[name].shape.join(", ")}), wanted (${shape.join(", ")})`,
    );
  };
  const directions = `weight_ih${endOf(0, 1)}` in state ? [0, 1] : [0];
  const bias = "bias_ih_l0" in state;
  const declared = gated(gateOrder[kind]);
  const layers: CellParameters[][] = [];
  for (let k = 0; `weight_ih${endOf(k, 0)}` in state; k++) {
    const input = k === 0 ? state.weight_ih_l0.shape[1] : hiddenSize * directions.length;
    const sizes = { input, hidden: hiddenSize, output: hiddenSize, bias };
    layers.push(directions.map((direction) =>
      eachOf(declared, (key, shapeOf) => {
        const shape = shapeOf(sizes);
        return shape && take(parameterName(key, endOf(k, direction)), shape);
      }) as CellParameters
    ));
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
    directions.forEach((own, direction) => {
      for (const [key, x] of Object.entries(own)) {
        if (x) state[parameterName(key, endOf(k, direction))] = x;
      }
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
export function checkShape(
  name: string,
  tensor: Tensor | undefined,
  wanted: readonly (number | undefined)[],
): void {
  if (tensor === undefined) throw new ValueError(`${name} is missing`);
  const { shape } = tensor;
  if (shape.length === wanted.length && shape.every((extent, k) => extent === wanted[k])) return;
  throw new ValueError(
    `${name} has the shape (${shape.join(", ")}), wanted (${wanted.join(", ")})`,
  );
}
