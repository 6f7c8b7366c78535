/// <reference lib="dom" />

/** What the Flow page shows of gradients and of packing, as HTML. */

import { packSequence, slice, tensor, unpackSequence } from "../../mod.ts";
import type { Scene } from "./case.ts";
import { colour } from "./heat.ts";
import type { State } from "./state.ts";
import { isDark } from "./theme.ts";
import { build, type Setup, type Step, type Trace, trace } from "./trace.ts";

/** A strip of |∂answer/∂h_t| over time. */
function strip(name: string, steps: readonly Step[]): string {
  const values = steps.map(({ gradient }) => gradient);
  const squares = values.map((value, t) => {
    // 1 is full, 1e-6 is nothing.
    const size = value > 0 ? Math.max(0, 1 + Math.log10(value) / 6) ** 1.5 : 0;
    const shade = colour(Math.min(size, 1), isDark());
    return `<i title="t = ${t}: ${value.toExponential(2)}" style="background: ${shade}"></i>`;
  });
  const at = (t: number) => `${values[t].toExponential(1)} at t = ${t}`;
  return `<p class="strip-name">${name}: ${at(0)}, ${at(values.length - 1)}</p>` +
    `<div class="strip" role="img" aria-label="${name}">${squares.join("")}</div>`;
}

/** The strips of |∂answer/∂h_t|: this network's, an RNN's and an LSTM's. */
export function strips(
  { hidden, seed }: State,
  run: Trace,
  sequence: readonly (readonly number[])[],
): string {
  const own = run.steps.flatMap((directions, layer) =>
    directions.map((steps, direction) =>
      strip(`this network, layer ${layer}, ${direction ? "reverse" : "forward"}`, steps)
    )
  );
  const others = (["tanh", "lstm"] as const).map((kind) => {
    const setup: Setup = { kind, hidden, layers: 1, both: false, seed };
    const { steps } = trace(setup, build(setup, sequence[0].length), sequence);
    return strip(kind === "tanh" ? "an RNN" : "an LSTM", steps[0][0]);
  });
  return [...own, ...others].join("");
}

/** The table of three sequences, padded, packed, and where h_n comes from. */
export function packing(state: State, { sequence, network }: Scene): string {
  const { lengths } = state;
  const longest = Math.max(...lengths);
  const whole = tensor(
    Array.from({ length: longest }, (_, t) => [...sequence[t % sequence.length]]),
  );
  const own = lengths.map((length) => slice(whole, 0, 0, length));
  const packed = packSequence(own, { enforceSorted: false });
  const [output, final] = network.rnn.forward(packed);
  const h = Array.isArray(final) ? final[0] : final;
  const rows = unpackSequence(output).map((y) => y.shape[0]);
  const owner = (packed.sortedIndices as number[] | null) ?? [0, 1, 2];
  const data = packed.batchSizes.flatMap((size, t) =>
    Array.from({ length: size }, (_, j) => `<td class="s${owner[j]}">${owner[j]}:${t}</td>`)
  );
  const sizes = packed.batchSizes.map((size) => `<td colspan="${size}">${size}</td>`);
  const padded = lengths.map((length, n) =>
    `<tr><th scope="row">sequence ${n}</th>${
      Array.from({ length: longest }, (_, t) =>
        t < length
          ? `<td class="s${n}${t === length - 1 ? " end" : ""}">${n}:${t}</td>`
          : '<td class="pad">pad</td>').join("")
    }</tr>`
  );
  const width = network.rnn.hiddenSize;
  const ends = lengths.map((_, n) => {
    const values = [...h.data].slice(((state.layers - 1) * (state.both ? 2 : 1) * 3 + n) * width)
      .slice(0, Math.min(width, 4)).map((x) => x.toFixed(4));
    return `<li>sequence ${n}: t = ${rows[n] - 1}, h_n = ${values.join(", ")}${
      width > 4 ? ", …" : ""
    }</li>`;
  });
  return `
    <div class="scroll" tabindex="0" role="region" aria-label="padded and packed"><table><caption>padded, (N, L)</caption>${
    padded.join("")
  }</table>
    <table><caption>packed: <code>data</code> time step by time step, <code>batch_sizes</code> below</caption>
    <tr><th scope="row">data</th>${data.join("")}</tr><tr><th scope="row">batch_sizes</th>${
    sizes.join("")
  }</tr></table></div>
    <p>The forward direction of the last layer ends each sequence at its own last step:</p><ul>${
    ends.join("")
  }</ul>`;
}
