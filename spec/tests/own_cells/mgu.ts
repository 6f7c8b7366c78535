/** The minimal gated unit (Zhou, Wu, Zhang and Zhou, 2016): a GRU with a single gate. */

import { add, chunk, linear, mul, sigmoid, sub, tanh, type Tensor } from "../../../mod.ts";
import { type CellOptions, type CellParameters, type Equation, gated } from "../../../mod.ts";
import { RNNBase, type RNNBaseOptions, RNNCellBase } from "../../../mod.ts";
import type { PackedSequence, SequenceLike } from "../../../mod.ts";

/**
 * ```text
 * f  = σ(W_if x + b_if + W_hf h + b_hf)
 * n  = tanh(W_in x + b_in + W_hn (f ⊙ h) + b_hn)
 * h′ = (1 - f) ⊙ h + f ⊙ n
 * ```
 */
const equation: Equation<CellParameters> = {
  parameters: gated("fn"),
  state: ({ hidden }) => [hidden], // of h
  step(x, [h], { weightIh, weightHh, biasIh, biasHh }) {
    const [inputF, inputN] = chunk(linear(x, weightIh, biasIh), 2, -1);
    const [weightF, weightN] = chunk(weightHh, 2, 0);
    const [biasF, biasN] = biasHh ? chunk(biasHh, 2, 0) : [null, null];
    const f = sigmoid(add(inputF, linear(h, weightF, biasF)));
    const n = tanh(add(inputN, linear(mul(f, h), weightN, biasN)));
    return [add(mul(sub(1, f), h), mul(f, n))];
  },
};

/** One step. */
export class MGUCell extends RNNCellBase {
  constructor(inputSize: number, hiddenSize: number, options: CellOptions = {}) {
    super(equation, inputSize, hiddenSize, options);
  }

  override forward(input: Tensor, hx: Tensor | null = null): Tensor {
    return this.takeStep(input, hx && [hx])[0];
  }
}

/** Layers of it. */
export class MGU extends RNNBase {
  constructor(inputSize: number, hiddenSize: number, options: RNNBaseOptions = {}) {
    super(equation, inputSize, hiddenSize, options);
  }

  override forward<T extends Tensor | PackedSequence>(
    input: T,
    h0: Tensor | null = null,
  ): [SequenceLike<T>, Tensor] {
    const [output, [hn]] = this.run(input, h0 && [h0]);
    return [output, hn];
  }
}
