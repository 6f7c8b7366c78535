/** The LSTM whose gates see c (Gers and Schmidhuber, "Recurrent Nets that Time and Count", 2000). */

import { add, affine, chunk, expand, gated, mul, select, sigmoid, tanh } from "../../../mod.ts";
import { RNNBase, type RNNBaseOptions, RNNCellBase, type Tensor } from "../../../mod.ts";
import type { CellOptions, CellParameters, Equation, LSTMState } from "../../../mod.ts";
import type { PackedSequence, SequenceLike } from "../../../mod.ts";

/**
 * ```text
 * i  = σ(W_ii x + b_ii + W_hi h + b_hi + p_i ⊙ c)
 * f  = σ(W_if x + b_if + W_hf h + b_hf + p_f ⊙ c)
 * g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
 * c′ = f ⊙ c + i ⊙ g
 * o  = σ(W_io x + b_io + W_ho h + b_ho + p_o ⊙ c′)
 * h′ = o ⊙ tanh(c′)
 * ```
 */
const equation: Equation<CellParameters & { readonly peepholes: Tensor }> = {
  parameters: { ...gated("ifgo"), peepholes: ({ hidden }) => [3, hidden] },
  state: ({ hidden }) => [hidden, hidden], // of h and c
  step(x, [h, c], { weightIh, weightHh, biasIh, biasHh, peepholes }) {
    const [pi, pf, po] = [0, 1, 2].map((k) => expand(select(peepholes, 0, k), c.shape));
    const [i, f, g, o] = chunk(affine([x, weightIh, biasIh], [h, weightHh, biasHh]), 4, -1);
    const kept = mul(sigmoid(add(f, mul(pf, c))), c);
    const c1 = add(kept, mul(sigmoid(add(i, mul(pi, c))), tanh(g)));
    return [mul(sigmoid(add(o, mul(po, c1))), tanh(c1)), c1];
  },
};

/** One step. */
export class PeepholeLSTMCell extends RNNCellBase {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(equation, inputSize, hiddenSize, options);
  }

  override forward(input: Tensor, hx: LSTMState | null = null): [Tensor, Tensor] {
    const [h1, c1] = this.takeStep(input, hx);
    return [h1, c1];
  }
}

/** Layers of it. */
export class PeepholeLSTM extends RNNBase {
  constructor(inputSize: number, hiddenSize: number, options: RNNBaseOptions = {}) {
    super(equation, inputSize, hiddenSize, options);
  }

  override forward<T extends Tensor | PackedSequence>(
    input: T,
    hx: LSTMState | null = null,
  ): [SequenceLike<T>, [Tensor, Tensor]] {
    const [output, [hn, cn]] = this.run(input, hx);
    return [output, [hn, cn]];
  }
}
