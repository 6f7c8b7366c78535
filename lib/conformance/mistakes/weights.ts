/** Mistakes in how the weights are read. */

import { add, mul } from "../../autograd/arithmetic.ts";
import { reshape, transpose } from "../../autograd/shape.ts";
import { cat } from "../../autograd/join.ts";
import { chunk } from "../../autograd/slices.ts";
import { reorder } from "../../layouts/layout.ts";
import { gateOrder } from "../../parameters.ts";
import { sameShape } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Parameters } from "../equations.ts";
import type { Place } from "../variant.ts";
import type { Mistake } from "./mistake.ts";

/** A mistake that changes each layer's parameters; `null` where it does not apply. */
function misread(
  id: string,
  says: string,
  parameters: (own: Parameters, place: Place) => Parameters | null,
): Mistake {
  return { id, says, deviation: { parameters } };
}

/** All orders of some letters. */
function orders(letters: string): string[] {
  if (letters.length < 2) return [letters];
  return [...letters].flatMap((first) =>
    orders(letters.replace(first, "")).map((rest) => first + rest)
  );
}

/** Changes all tensors that hold gates, or only the biases. */
function each(own: Parameters, f: (x: Tensor) => Tensor, weights: boolean): Parameters {
  const { weightIh, weightHh, biasIh, biasHh } = own;
  return {
    ...own,
    ...(weights && { weightIh: f(weightIh), weightHh: f(weightHh) }),
    biasIh: biasIh && f(biasIh),
    biasHh: biasHh && f(biasHh),
  };
}

function gateOrders(kind: "LSTM" | "GRU"): Mistake[] {
  const right = gateOrder[kind];
  return orders(right).filter((order) => order !== right).flatMap((order) => {
    const named = [...order].join(", ");
    const read = (weights: boolean) => (own: Parameters, { setting }: Place) =>
      setting.kind === kind ? each(own, (x) => reorder(x, order, right), weights) : null;
    const all = misread(
      `gates-${order}`,
      `the gates are read in the order ${named} (they stand in ${[...right].join(", ")})`,
      read(true),
    );
    if (!["iofg", "ifog", "zrn"].includes(order)) return [all];
    const says = `the biases' gates, but not the weights', are read in the order ${named}`;
    return [all, misread(`bias-gates-${order}`, says, read(false))];
  });
}

/** A matrix whose gates are transposed one by one. */
function transposeGates(x: Tensor, gates: number): Tensor | null {
  const blocks = chunk(x, gates, 0);
  if (blocks[0].shape[0] !== x.shape[1]) return null;
  return cat(blocks.map((block) => transpose(block, 0, 1)), 0);
}

/** A matrix whose numbers are read as if it were stored transposed. */
function readTransposed(x: Tensor): Tensor {
  const [rows, columns] = x.shape;
  return transpose(reshape(x, [columns, rows]), 0, 1);
}

function gatesOf({ setting: { kind } }: Place): number {
  return (kind === "LSTM" || kind === "GRU" ? gateOrder[kind] : gateOrder.RNN).length;
}

/** Whether reading column by column is the same as transposing: then it is no mistake of its own. */
const isSquare = ({ shape }: Tensor, place: Place) => gatesOf(place) === 1 && shape[0] === shape[1];

function transposed(which: "weightIh" | "weightHh"): Mistake[] {
  const name = which === "weightIh" ? "weight_ih" : "weight_hh";
  return [
    misread(`transposed-${name}`, `each gate's block of ${name} is transposed`, (own, place) => {
      const x = transposeGates(own[which], gatesOf(place));
      return x && { ...own, [which]: x };
    }),
    misread(
      `stored-transposed-${name}`,
      `the numbers of ${name} are read column by column`,
      (own, place) =>
        isSquare(own[which], place) ? null : { ...own, [which]: readTransposed(own[which]) },
    ),
  ];
}

function sumOf(a: Tensor | null, b: Tensor | null): Tensor | null {
  return a && b && add(a, b);
}

const biases: Mistake[] = [
  misread("no-bias-hh", "bias_hh is left out", (own) => ({ ...own, biasHh: null })),
  misread("no-bias-ih", "bias_ih is left out", (own) => ({ ...own, biasIh: null })),
  misread("no-bias", "both biases are left out", (own) => ({ ...own, biasIh: null, biasHh: null })),
  misread(
    "bias-ih-twice",
    "bias_ih is added twice, in place of bias_hh",
    (own) => ({ ...own, biasHh: own.biasIh }),
  ),
  misread(
    "bias-hh-twice",
    "bias_hh is added twice, in place of bias_ih",
    (own) => ({ ...own, biasIh: own.biasHh }),
  ),
  misread(
    "merged-biases",
    "the two biases are merged into one outside the reset gate (bias_ih + bias_hh, then none; so " +
      "b_hn is not weighed by r)",
    (own, { setting }) =>
      setting.kind !== "GRU" || !own.biasIh ? null : {
        ...own,
        biasIh: sumOf(own.biasIh, own.biasHh),
        biasHh: own.biasHh && mul(own.biasHh, 0),
      },
  ),
  misread(
    "swapped-biases",
    "bias_ih and bias_hh are swapped",
    (own, { setting }) =>
      setting.kind === "GRU" ? { ...own, biasIh: own.biasHh, biasHh: own.biasIh } : null,
  ),
];

export const weights: Mistake[] = [
  ...biases,
  ...transposed("weightHh"),
  ...transposed("weightIh"),
  misread("transposed-weights", "weight_ih and weight_hh are both transposed", (own, place) => {
    const [weightIh, weightHh] = [own.weightIh, own.weightHh].map((x) =>
      transposeGates(x, gatesOf(place))
    );
    return weightIh && weightHh && { ...own, weightIh, weightHh };
  }),
  misread(
    "stored-transposed-weights",
    "the numbers of weight_ih and weight_hh are read column by column",
    (own, place) =>
      isSquare(own.weightIh, place) ? null : {
        ...own,
        weightIh: readTransposed(own.weightIh),
        weightHh: readTransposed(own.weightHh),
      },
  ),
  misread("swapped-weights", "weight_ih and weight_hh are swapped", (own) => {
    if (!sameShape(own.weightIh.shape, own.weightHh.shape)) return null;
    return { ...own, weightIh: own.weightHh, weightHh: own.weightIh };
  }),
  misread(
    "reverse-weights-forward",
    "the reverse direction uses the forward direction's weights",
    (own, { layer, setting }) =>
      setting.parameters[layer].length === 2 ? setting.parameters[layer][0] ?? own : null,
  ),
  misread(
    "directions-swapped",
    "the weights of the two directions are swapped",
    (own, { layer, direction, setting }) =>
      setting.parameters[layer].length === 2
        ? setting.parameters[layer][1 - direction] ?? own
        : null,
  ),
  ...gateOrders("LSTM"),
  ...gateOrders("GRU"),
];
