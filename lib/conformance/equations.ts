/** The cells' equations with what is commonly done otherwise as options. */

import { linear } from "../autograd/linear.ts";
import { add, mul, sub } from "../autograd/arithmetic.ts";
import { relu, sigmoid, tanh } from "../autograd/pointwise.ts";
import { chunk } from "../autograd/slices.ts";
import type { LSTMParameters } from "../nn/lstm.ts";
import { zeros } from "../tensor/create.ts";
import { Tensor } from "../tensor/tensor.ts";

/** What a cell carries from one step to the next: `[h]`, or `[h, c]` in an LSTM. */
export type State = readonly Tensor[];

/** The weights of one cell, or of one direction of one layer; W_hr is an LSTM's alone. */
export type Parameters = LSTMParameters;

/** One step in time: from x_t of shape `(N, H_in)` and the state before it to the state after. */
export type Step = (x: Tensor, state: State, parameters: Parameters) => State;

/** The cells. */
export type Kind = "RNN tanh" | "RNN relu" | "LSTM" | "GRU";

/** A function of each element. */
export type Pointwise = (x: Tensor) => Tensor;

/** What a cell may do otherwise. */
export interface Options {
  /** The gates' function. */
  sigma?: Pointwise;
  /** What bends an RNN's sums, an LSTM's g and a GRU's n. */
  phi?: Pointwise;
  /** What bends an LSTM's c on its way to h. */
  outer?: Pointwise;
  /** What is added to an LSTM's forget gate. */
  forgetBias?: number;
  /** The reset gate is applied to h, before the product. */
  resetBefore?: boolean;
  /** z weighs the new state and 1 - z the old. */
  updateSwapped?: boolean;
  /** Peepholes that are not there are multiplied with 0 and added. */
  absentPeephole?: boolean;
  /** Where the state is zero, its product with the weights is left out. */
  skipsZeroState?: boolean;
  /** What every nonlinearity takes NaN for, instead of handing it on. */
  nanAs?: number;
  /** What a projection is replaced by. */
  project?: (h: Tensor, size: number) => Tensor;
}

/** `σ` by a straight line between 0 and 1. */
export function hardSigmoid(slope: number): Pointwise {
  return (x) => map(x, (value) => Math.min(1, Math.max(0, slope * value + 0.5)));
}

/** A function of each element. */
export function map({ data, shape }: Tensor, f: (x: number) => number): Tensor {
  return new Tensor(data.map((x) => f(x)), shape);
}

function rnnStep(phi: Pointwise): Step {
  return (x, [h], p) => [
    phi(add(linear(x, p.weightIh, p.biasIh), linear(h, p.weightHh, p.biasHh))),
  ];
}

function lstmStep(options: Options): Step {
  const { sigma = sigmoid, phi = tanh, outer = tanh, forgetBias = 0 } = options;
  return (x, [h, c], p) => {
    const sums = add(linear(x, p.weightIh, p.biasIh), linear(h, p.weightHh, p.biasHh));
    const [i, f, g, o] = chunk(sums, 4, 1);
    const peep = (gate: Tensor, at: Tensor) =>
      options.absentPeephole ? add(gate, mul(at, 0)) : gate;
    const kept = mul(sigma(add(peep(f, c), forgetBias)), c);
    const c1 = add(kept, mul(sigma(peep(i, c)), phi(g)));
    const h1 = mul(sigma(peep(o, c1)), outer(c1));
    if (!p.weightHr) return [h1, c1];
    const { project } = options;
    return [project ? project(h1, p.weightHr.shape[0]) : linear(h1, p.weightHr), c1];
  };
}

function gruStep(options: Options): Step {
  const { sigma = sigmoid, phi = tanh } = options;
  return (x, [h], p) => {
    const [xr, xz, xn] = chunk(linear(x, p.weightIh, p.biasIh), 3, 1);
    const [hr, hz, hn] = chunk(linear(h, p.weightHh, p.biasHh), 3, 1);
    const [r, z] = [sigma(add(xr, hr)), sigma(add(xz, hz))];
    const weight = chunk(p.weightHh, 3, 0)[2];
    const bias = p.biasHh && chunk(p.biasHh, 3, 0)[2];
    const fromState = options.resetBefore ? linear(mul(r, h), weight, bias) : mul(r, hn);
    const n = phi(add(xn, fromState));
    const [old, fresh] = options.updateSwapped ? [n, h] : [h, n];
    return [add(mul(sub(1, z), fresh), mul(z, old))];
  };
}

/** A cell's step. */
export function stepOf(kind: Kind, options: Options = {}): Step {
  const { skipsZeroState, nanAs, ...others } = options;
  if (skipsZeroState) {
    const own = stepOf(kind, others);
    return (x, state, p) => {
      const isZero = state[0].data.every((value) => value === 0);
      const { shape, dtype } = p.weightHh;
      return own(x, state, isZero ? { ...p, weightHh: zeros(shape, { dtype }) } : p);
    };
  }
  if (nanAs !== undefined) {
    const { sigma = sigmoid, phi = kind === "RNN relu" ? relu : tanh, outer = tanh } = others;
    const hiding = (f: Pointwise): Pointwise => (x) =>
      f(map(x, (value) => Number.isNaN(value) ? nanAs : value));
    const hidden = { sigma: hiding(sigma), phi: hiding(phi), outer: hiding(outer) };
    return stepOf(kind, { ...others, ...hidden });
  }
  if (kind === "LSTM") return lstmStep(options);
  if (kind === "GRU") return gruStep(options);
  return rnnStep(options.phi ?? (kind === "RNN relu" ? relu : tanh));
}
