/** The table that the walkthrough shows with `--steps`: every time step of every layer. */

import {
  add,
  formatFixed,
  linear,
  reshape,
  select,
  type SimpleRNN,
  tanh,
  type Tensor,
  zeros,
} from "../../mod.ts";

/** As many numbers of a vector as fit in a line. */
const shown = 7;

/** One row of the table: a name, a shape, numbers. */
function row(name: string, vector: Tensor): string {
  const numbers = Array.from(vector.data.subarray(0, shown), (x) => formatFixed(x, 4).padStart(8));
  const more = vector.numel() > shown ? "  …" : "";
  return `  ${name.padEnd(21)} ${`(${vector.shape.join(", ")})`.padEnd(8)}${
    numbers.join(" ")
  }${more}`;
}

/**
 * Runs the recurrent layers of a model by hand, one time step after the other, for the first
 * sequence of a batch.
 *
 * @param input shape `(N, L, H_in)`
 * @returns the table: for each layer and each t, x_t, both products with their biases, their sum,
 * and its tanh h_t
 */
export function stepTable(model: SimpleRNN, input: Tensor): string {
  const lines = ["--- Every Time Step (first batch) ---"];
  const { rnn } = model;
  const [length] = select(input, 0, 0).shape;
  let below = Array.from({ length }, (_, t) => select(select(input, 0, 0), 0, t));
  for (let layer = 0; layer < rnn.numLayers; layer++) {
    const own = (name: string) => rnn.getParameter(`${name}_l${layer}`);
    const [weightIh, weightHh, biasIh, biasHh] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
      .map(own);
    let h = zeros([rnn.hiddenSize]);
    below = below.map((x, t) => {
      const fromInput = linear(x, weightIh, biasIh);
      const fromState = linear(h, weightHh, biasHh);
      const sum = add(fromInput, fromState);
      h = tanh(sum);
      lines.push(
        `layer ${layer}, t = ${t}`,
        row("x_t", x),
        row("W_ih x_t + b_ih", fromInput),
        row("W_hh h_(t-1) + b_hh", fromState),
        row("their sum", sum),
        row("h_t = tanh(sum)", h),
      );
      return h;
    });
  }
  const decoded = model.fc.forward(reshape(below[length - 1], [1, rnn.hiddenSize]));
  lines.push("fully connected layer on the last h_t", row("W h + b", reshape(decoded, [1])));
  return lines.join("\n");
}
