/**
 * One run of a network, opened up: what every gate of every unit was at every time step, and how
 * much of the loss's gradient reaches every state. The numbers are this library's own: the same
 * functions as in the equations, on the readable path, so that the last state is `forward`'s to
 * the bit.
 */

import {
  add,
  affine,
  cat,
  chunk,
  grad,
  GRU,
  Linear,
  linear,
  LSTM,
  manualSeed,
  mul,
  relu,
  reshape,
  RNN,
  select,
  sigmoid,
  SimpleRNN,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";

export type Kind = "tanh" | "relu" | "lstm" | "gru";

export interface Setup {
  readonly kind: Kind;
  /** H, the features of the state. */
  readonly hidden: number;
  readonly layers: number;
  readonly both: boolean;
  readonly seed: number;
}

/** The notebook's: a seed, and a model constructed twice. */
export const notebook: Setup = {
  kind: "tanh",
  hidden: 5,
  layers: 1,
  both: false,
  seed: 1949603856,
};

/** The layers, and the fully connected layer that answers; a golden case has none. */
export interface Network {
  readonly rnn: RNN | LSTM | GRU;
  readonly fc: Linear | null;
}

/** Initial states: a row for each direction of each layer. */
export interface Start {
  readonly h: readonly (readonly number[])[];
  /** Of an LSTM. */
  readonly c: readonly (readonly number[])[];
}

/** Whether a setup is the notebook's, whose model was constructed twice. */
export function isNotebook(setup: Setup, features: number): boolean {
  return features === 1 &&
    Object.entries(notebook).every(([key, value]) => setup[key as keyof Setup] === value);
}

/** The recurrent layers of a setup, batch first. */
export function layersOf(
  { kind, hidden, layers, both }: Setup,
  features: number,
  bias = true,
): Network["rnn"] {
  const options = { numLayers: layers, bidirectional: both, batchFirst: true, bias };
  if (kind === "lstm") return new LSTM(features, hidden, options);
  if (kind === "gru") return new GRU(features, hidden, options);
  return new RNN(features, hidden, { ...options, nonlinearity: kind });
}

/**
 * Builds the network of a setup.
 *
 * @param features H_in
 */
export function build(setup: Setup, features: number): Network {
  manualSeed(setup.seed);
  const { hidden, layers, both } = setup;
  if (isNotebook(setup, features)) {
    new SimpleRNN(1, hidden, layers);
    const { rnn, fc } = new SimpleRNN(1, hidden, layers);
    return { rnn, fc };
  }
  const rnn = layersOf(setup, features);
  return { rnn, fc: new Linear(hidden * (both ? 2 : 1), 1) };
}

/** One gate of all units at one time step. */
export interface Gate {
  /** Its letter: `i f g o`, `r z n`, or `h` of a plain cell. */
  readonly name: string;
  /** W_i x + b_i, of the gate. */
  readonly fromInput: readonly number[];
  /** W_h h + b_h, of the gate. */
  readonly fromState: readonly number[];
  /** The gate itself. */
  readonly value: readonly number[];
}

/** One cell at one time step. */
export interface Step {
  /** x, what the cell read. */
  readonly x: readonly number[];
  /** h before the step. */
  readonly before: readonly number[];
  /** c before the step, of an LSTM. */
  readonly cellBefore: readonly number[] | null;
  readonly gates: readonly Gate[];
  /** h after the step. */
  readonly h: readonly number[];
  /** c after the step, of an LSTM. */
  readonly c: readonly number[] | null;
  /** |∂loss/∂h| of this state. */
  readonly gradient: number;
}

export interface Trace {
  /** `steps[layer][direction][t]`. */
  readonly steps: readonly (readonly (readonly Step[])[])[];
  /** `output`, shape `(L, D · H)`. */
  readonly output: Tensor;
  /** `h_n`, shape `(layers · D, H)`. */
  readonly hn: Tensor;
  /** `c_n`, of an LSTM. */
  readonly cn: Tensor | null;
  /** The answer: the fully connected layer on the last time step; empty without one. */
  readonly answer: readonly number[];
}

const names: Record<Kind, string> = { tanh: "h", relu: "h", lstm: "ifgo", gru: "rzn" };

const numbers = (x: Tensor): number[] => [...x.data];

/** A weight; without biases there is none. */
type Weight = Tensor | null;

/** One step of a cell by its equations; all that is shown of it, and the state after it. */
function step(kind: Kind, x: Tensor, [h, c]: readonly Tensor[], weights: readonly Weight[]) {
  const [weightIh, weightHh] = weights as Tensor[];
  const [, , biasIh, biasHh] = weights;
  const count = names[kind].length;
  const input = chunk(linear(x, weightIh, biasIh), count, -1);
  const state = chunk(linear(h, weightHh, biasHh), count, -1);
  let gates: Tensor[];
  let after: Tensor[];
  if (kind === "gru") {
    const [r, z] = [0, 1].map((k) => sigmoid(add(input[k], state[k])));
    const n = tanh(add(input[2], mul(r, state[2])));
    gates = [r, z, n];
    after = [add(mul(sub(1, z), n), mul(z, h))];
  } else {
    const sums = chunk(affine([x, weightIh, biasIh], [h, weightHh, biasHh]), count, -1);
    if (kind === "lstm") {
      const [i, f, g, o] = gates = sums.map((sum, k) => k === 2 ? tanh(sum) : sigmoid(sum));
      const next = add(mul(f, c), mul(i, g));
      after = [mul(o, tanh(next)), next];
    } else {
      gates = after = [kind === "tanh" ? tanh(sums[0]) : relu(sums[0])];
    }
  }
  const shown = gates.map((gate, k) => ({
    name: names[kind][k],
    fromInput: numbers(input[k]),
    fromState: numbers(state[k]),
    value: numbers(gate),
  }));
  return { shown, after };
}

/**
 * Runs a network on one sequence.
 *
 * @param sequence L lists of H_in numbers
 * @param start zeros where it is left out
 */
export function trace(
  setup: Setup,
  { rnn, fc }: Network,
  sequence: readonly (readonly number[])[],
  start?: Start,
): Trace {
  const { kind, hidden, layers, both } = setup;
  const length = sequence.length;
  const states: Tensor[][][] = [];
  const shown: Omit<Step, "gradient">[][][] = [];
  const [finalH, finalC]: Tensor[][] = [[], []];
  let inputs = sequence.map((x) => tensor([...x]));
  for (let layer = 0; layer < layers; layer++) {
    states.push([]);
    shown.push([]);
    for (const suffix of both ? ["", "_reverse"] : [""]) {
      const weights = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        .map((name) =>
          rnn.bias || name.startsWith("w") ? rnn.getParameter(`${name}_l${layer}${suffix}`) : null
        );
      const row = finalH.length;
      let state = (kind === "lstm" ? [start?.h, start?.c] : [start?.h])
        .map((rows) => rows?.length ? tensor([...rows[row]]) : zeros([hidden]));
      const own: Tensor[] = new Array(length);
      const steps: Omit<Step, "gradient">[] = new Array(length);
      for (let k = 0; k < length; k++) {
        const t = suffix ? length - 1 - k : k;
        const { shown: gates, after } = step(kind, inputs[t], state, weights);
        steps[t] = {
          x: numbers(inputs[t]),
          before: numbers(state[0]),
          cellBefore: state[1] ? numbers(state[1]) : null,
          gates,
          h: numbers(after[0]),
          c: after[1] ? numbers(after[1]) : null,
        };
        own[t] = after[0];
        state = after;
      }
      states[layer].push(own);
      shown[layer].push(steps);
      finalH.push(state[0]);
      if (state[1]) finalC.push(state[1]);
    }
    const below = states[layer];
    inputs = inputs.map((_, t) => below.length > 1 ? cat([below[0][t], below[1][t]]) : below[0][t]);
  }
  const last = inputs[length - 1];
  const answer = fc && fc.forward(last);
  const all = states.flat(2);
  const loss = answer && answer.shape[0] === 1 ? select(answer, 0, 0) : sum(answer ?? last);
  const gradients = grad([loss], all, undefined, { allowUnused: true });
  const size = (dh: Tensor | null) => dh ? Math.hypot(...dh.data) : 0;
  let next = 0;
  const steps = shown.map((directions) =>
    directions.map((own) => own.map((one) => ({ ...one, gradient: size(gradients[next++]) })))
  );
  const rows = (list: readonly Tensor[], width: number) =>
    reshape(tensor(list.flatMap(numbers)), [list.length, width]);
  return {
    steps,
    output: rows(inputs, hidden * (both ? 2 : 1)),
    hn: rows(finalH, hidden),
    cn: kind === "lstm" ? rows(finalC, hidden) : null,
    answer: answer ? numbers(answer) : [],
  };
}
