/**
 * The cells' equations with what is commonly done otherwise as options.
 *
 * @module
 */

import * as rnn from "../../mod.ts";

/** The cells. */
export type Kind = "RNN tanh" | "RNN relu" | "LSTM" | "GRU";

/** A function of each element. */
export type Pointwise = (x: rnn.Tensor) => rnn.Tensor;

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
  /** The reset gate is applied to the product, before its bias is added. */
  resetBeforeBias?: boolean;
  /** z weighs the new state and 1 - z the old. */
  updateSwapped?: boolean;
  /** What a projection is replaced by. */
  project?: (h: rnn.Tensor, size: number) => rnn.Tensor;
}

/** `σ` by a straight line between 0 and 1. */
export function hardSigmoid(slope: number): Pointwise {
  return (x) => map(x, (value) => Math.min(1, Math.max(0, slope * value + 0.5)));
}

/** A function of each element, NaN to NaN. */
export function map({ data, shape }: rnn.Tensor, f: (x: number) => number): rnn.Tensor {
  return new rnn.Tensor(data.map((x) => f(x)), shape);
}

function rnnStep(phi: Pointwise): rnn.Step {
  return (x, [h], p) => [
    phi(rnn.add(rnn.linear(x, p.weightIh, p.biasIh), rnn.linear(h, p.weightHh, p.biasHh))),
  ];
}

function lstmStep(options: Options): rnn.Step {
  const { sigma = rnn.sigmoid, phi = rnn.tanh, outer = rnn.tanh, forgetBias = 0 } = options;
  return (x, [h, c], p) => {
    const sums = rnn.add(
      rnn.linear(x, p.weightIh, p.biasIh),
      rnn.linear(h, p.weightHh, p.biasHh),
    );
    const [i, f, g, o] = rnn.chunk(sums, 4, -1);
    const kept = rnn.mul(sigma(rnn.add(f, forgetBias)), c);
    const c1 = rnn.add(kept, rnn.mul(sigma(i), phi(g)));
    const h1 = rnn.mul(sigma(o), outer(c1));
    if (!p.weightHr) return [h1, c1];
    const { project } = options;
    return [project ? project(h1, p.weightHr.shape[0]) : rnn.linear(h1, p.weightHr), c1];
  };
}

function gruStep(options: Options): rnn.Step {
  const { sigma = rnn.sigmoid, phi = rnn.tanh } = options;
  return (x, [h], p) => {
    const [xr, xz, xn] = rnn.chunk(rnn.linear(x, p.weightIh, p.biasIh), 3, -1);
    const [hr, hz, hn] = rnn.chunk(rnn.linear(h, p.weightHh, p.biasHh), 3, -1);
    const [r, z] = [sigma(rnn.add(xr, hr)), sigma(rnn.add(xz, hz))];
    const weight = rnn.chunk(p.weightHh, 3, 0)[2];
    const bias = p.biasHh && rnn.chunk(p.biasHh, 3, 0)[2];
    const fromState = options.resetBefore
      ? rnn.linear(rnn.mul(r, h), weight, bias)
      : options.resetBeforeBias
      ? plus(rnn.mul(r, rnn.linear(h, weight)), bias)
      : rnn.mul(r, hn);
    const n = phi(rnn.add(xn, fromState));
    const [old, fresh] = options.updateSwapped ? [n, h] : [h, n];
    return [rnn.add(rnn.mul(rnn.sub(1, z), fresh), rnn.mul(z, old))];
  };
}

/** Adds a bias to each row. */
function plus(x: rnn.Tensor, bias: rnn.Tensor | null): rnn.Tensor {
  if (!bias) return x;
  const data = x.data.map((value, k) => value + bias.data[k % bias.data.length]);
  return new rnn.Tensor(data, x.shape);
}

/**
 * A cell's step.
 *
 * @param kind the cell
 * @param options what it does otherwise
 * @returns the step
 */
export function stepOf(kind: Kind, options: Options = {}): rnn.Step {
  if (kind === "LSTM") return lstmStep(options);
  if (kind === "GRU") return gruStep(options);
  return rnnStep(options.phi ?? (kind === "RNN relu" ? rnn.relu : rnn.tanh));
}

/** The cells as they should be. */
export const steps: Readonly<Record<Kind, rnn.Step>> = {
  "RNN tanh": stepOf("RNN tanh"),
  "RNN relu": stepOf("RNN relu"),
  LSTM: stepOf("LSTM"),
  GRU: stepOf("GRU"),
};
