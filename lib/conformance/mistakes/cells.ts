/** Mistakes in the equations of the cells. */

import { relu, sigmoid, tanh } from "../../autograd/pointwise.ts";
import { narrow } from "../../autograd/slices.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hardSigmoid, type Kind, map, type Options } from "../equations.ts";
import type { Mistake } from "./mistake.ts";

/** A mistake in the equation of some cells. */
function miscomputed(id: string, says: string, kinds: Kind[], options: Options): Mistake {
  return { id, says, deviation: { equation: { kinds, options } } };
}

const gated: Kind[] = ["LSTM", "GRU"];
const elman: Kind[] = ["RNN tanh", "RNN relu"];
const same = (x: Tensor) => x;
const overflowingTanh = (x: Tensor) =>
  map(x, (value) => (Math.exp(2 * value) - 1) / (Math.exp(2 * value) + 1));

export const cells: Mistake[] = [
  miscomputed(
    "reset-before",
    "the reset gate is applied to h before the product with W_hn",
    ["GRU"],
    { resetBefore: true },
  ),
  miscomputed(
    "update-swapped",
    "the update gate weighs the new state and 1 - z the old one",
    ["GRU"],
    { updateSwapped: true },
  ),
  miscomputed(
    "hard-sigmoid",
    "the gates use hard_sigmoid, max(0, min(1, 0.2 x + 0.5)), for the sigmoid",
    gated,
    { sigma: hardSigmoid(0.2) },
  ),
  miscomputed(
    "hard-sigmoid-6",
    "the gates use hardsigmoid, max(0, min(1, x / 6 + 0.5)), for the sigmoid",
    gated,
    { sigma: hardSigmoid(1 / 6) },
  ),
  miscomputed(
    "forget-bias",
    "1 is added to the forget gate (an initial bias of other frameworks)",
    ["LSTM"],
    { forgetBias: 1 },
  ),
  miscomputed("no-outer-tanh", "h is o ⊙ c, without tanh", ["LSTM"], { outer: same }),
  miscomputed(
    "no-projection",
    "the projection is left out, and h is cut to its size",
    ["LSTM"],
    { project: (h, size) => narrow(h, 1, 0, size) },
  ),
  miscomputed("relu-for-tanh", "relu is used for tanh", [...gated, "RNN tanh"], { phi: relu }),
  miscomputed("tanh-for-relu", "tanh is used for relu", ["RNN relu"], { phi: tanh }),
  miscomputed("sigmoid-for-tanh", "the sigmoid is used for tanh", [...gated, "RNN tanh"], {
    phi: sigmoid,
  }),
  miscomputed("linear-rnn", "no nonlinearity is applied", elman, { phi: same }),
  miscomputed(
    "sigmoid-overflow",
    "the sigmoid is exp(x) / (1 + exp(x)): NaN where the exponential overflows",
    gated,
    { sigma: (x) => map(x, (value) => Math.exp(value) / (1 + Math.exp(value))) },
  ),
  miscomputed(
    "sigmoid-wraps",
    "the sigmoid of a very negative number is 1: an exponential overflows to 0",
    gated,
    { sigma: (x) => map(x, (value) => value < -2.9e9 ? 1 : 1 / (1 + Math.exp(-value))) },
  ),
  miscomputed(
    "tanh-overflow",
    "tanh is (exp(2x) - 1) / (exp(2x) + 1): NaN where the exponential overflows",
    [...gated, "RNN tanh"],
    { phi: overflowingTanh, outer: overflowingTanh },
  ),
  miscomputed(
    "absent-peephole",
    "a peephole that is not there is multiplied with 0 and added: an infinite c becomes NaN",
    ["LSTM"],
    { absentPeephole: true },
  ),
  miscomputed(
    "zero-state-skipped",
    "the product of a zero state with W_hh is left out: an infinite weight there leaves no NaN",
    [...gated, ...elman],
    { skipsZeroState: true },
  ),
  miscomputed(
    "nan-as-low",
    "NaN is lost in a nonlinearity, which makes of it what it makes of -∞: relu 0, the sigmoid 0, tanh -1",
    [...gated, ...elman],
    { nanAs: -Infinity },
  ),
  miscomputed(
    "nan-as-high",
    "NaN is lost in a nonlinearity, which makes of it what it makes of ∞: the sigmoid and tanh 1",
    [...gated, "RNN tanh"],
    { nanAs: Infinity },
  ),
  miscomputed("hard-tanh", "tanh is replaced by max(-1, min(1, x))", [...gated, "RNN tanh"], {
    phi: (x) => map(x, (value) => Math.max(-1, Math.min(1, value))),
  }),
];
