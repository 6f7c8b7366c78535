/**
 * Draws the pictures of `spec/README.md`, each from a real run of this library.
 *
 * ```sh
 * deno task pictures
 * ```
 */

import * as Plot from "npm:@observablehq/plot@0.6.17";
import {
  Adam,
  add,
  backward,
  GRU,
  linear,
  linspace,
  LSTM,
  manualSeed,
  mseLoss,
  mul,
  noGrad,
  packPaddedSequence,
  reshape,
  select,
  sigmoid,
  SimpleRNN,
  sin,
  tanh,
  type Tensor,
  tensor,
  zeros,
} from "../mod.ts";
import { blue, draw, grey, heading, orange } from "./pictures/draw.ts";

/** One cell of a grid: where it stands, and what it says. */
interface Square {
  readonly x: string | number;
  readonly y: string | number;
  readonly value: number;
}

/** The scale of states: from -1, purple, to 1, orange. */
const states = { type: "diverging", domain: [-1, 1], scheme: "PuOr" } as const;

/** An axis of squares side by side. */
const band = { tickSize: 0, type: "band" } as const;

/** Where a square stands. */
const place = { x: "x", y: "y" } as const;

/** A grid of numbers, each with its value in it. */
const grid = (squares: readonly Square[]): Plot.Markish[] => [
  Plot.cell(squares, { ...place, fill: "value", inset: 1 }),
  Plot.text(squares, {
    ...place,
    text: ({ value }: Square) => value.toFixed(2),
    fontSize: 10,
    fill: ({ value }: Square) => Math.abs(value) > 0.6 ? "white" : "#30343b",
  }),
];

/** Frames around squares. */
const frames = (squares: readonly Square[], stroke: string) =>
  Plot.cell(squares, { ...place, stroke, strokeWidth: 2.5, inset: 0.5 });

/** The notebook's sine through its recurrent layer: five numbers a step, the last ones read. */
function sequence(): string {
  manualSeed(1949603856);
  new SimpleRNN(1, 5, 1);
  const model = new SimpleRNN(1, 5, 1);
  const wave = reshape(sin(linspace(0, Math.PI, 10)), [1, 10, 1]);
  const [output] = noGrad(() => model.rnn.forward(wave));
  const hidden = select(output, 0, 0).tolist() as number[][];
  const squares = [
    ...[...wave.data].map((value, x) => ({ x, y: "x_t", value })),
    ...hidden.flatMap((h, x) => h.map((value, k) => ({ x, y: `h_t[${k}]`, value }))),
  ];
  const y = noGrad(() => model.forward(wave)).item().toFixed(4);
  const equation = "h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)";
  return draw("A sequence through time: the notebook's sine, RNN(1, 5)", {
    height: 330,
    marginLeft: 70,
    x: { label: "time step t", labelAnchor: "center", ...band },
    y: { label: null, ...band, domain: ["x_t", ...[0, 1, 2, 3, 4].map((k) => `h_t[${k}]`)] },
    color: states,
    marks: [
      heading(`${equation}; the model answers fc(h_9) = ${y}`, grey, -20),
      ...grid(squares),
      frames(hidden[9].map((value, k) => ({ x: 9, y: `h_t[${k}]`, value })), blue),
    ],
  });
}

/** How long the sequences are that the LSTM learns to remember a pulse in. */
const length = 20;

/** Sequences with one pulse, at time t; wanted is 1 from the pulse on. */
function pulse(t: number): [number[][], number[][]] {
  const steps = Array.from({ length }, (_, k) => k);
  return [steps.map((k) => [k === t ? 1 : 0]), steps.map((k) => [k >= t ? 0.8 : 0])];
}

/** An LSTM of one unit that has learnt to remember that there was a pulse: its gates over time. */
function gates(): string {
  manualSeed(3);
  const lstm = new LSTM(1, 1, { batchFirst: true });
  const optimizer = new Adam(lstm.parameters(), { lr: 0.05 });
  const examples = [2, 5, 9, 14].map(pulse);
  const [x, y] = [0, 1].map((k) => tensor(examples.map((pair) => pair[k])));
  for (let step = 0; step < 600; step++) {
    optimizer.zeroGrad();
    backward(mseLoss(lstm.forward(x)[0], y));
    optimizer.step();
  }
  const { weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 } = lstm.stateDict();
  const points: { t: number; name: string; value: number }[] = [];
  let [h, c]: Tensor[] = [zeros([1]), zeros([1])];
  const [input] = pulse(5);
  noGrad(() => {
    input.forEach(([value], t) => {
      const sums = add(
        linear(tensor([value]), weight_ih_l0, bias_ih_l0),
        linear(h, weight_hh_l0, bias_hh_l0),
      );
      const gate = (k: number) => reshape(select(sums, 0, k), [1]);
      const [i, f, g, o] = [sigmoid(gate(0)), sigmoid(gate(1)), tanh(gate(2)), sigmoid(gate(3))];
      c = add(mul(f, c), mul(i, g));
      h = mul(o, tanh(c));
      const now = { "x": value, "i · g": mul(i, g).item(), f: f.item(), c: c.item(), h: h.item() };
      for (const [name, value] of Object.entries(now)) points.push({ t, name, value });
    });
  });
  const said = {
    "x": "the input",
    "i · g": "what is written",
    f: "how much of c is kept",
    c: "the cell state",
    h: "what is put out",
  };
  return draw("Gates over time: an LSTM of one unit that learnt to remember a pulse", {
    height: 420,
    marginRight: 170,
    x: { label: "time step t", labelAnchor: "center", ticks: 10 },
    y: { label: null, ticks: 3, grid: true },
    fy: { label: null, axis: null, domain: Object.keys(said) },
    marks: [
      heading("c' = f ⊙ c + i ⊙ g,   h' = o ⊙ tanh(c')", grey, -20),
      Plot.ruleY([0], { stroke: grey, strokeOpacity: 0.5 }),
      Plot.lineY(points, {
        ...{ x: "t", y: "value", fy: "name", stroke: blue, strokeWidth: 1.8, curve: "step" },
      }),
      Plot.text(Object.entries(said), {
        fy: ([name]: [string, string]) => name,
        text: ([name, text]: [string, string]) => `${name}: ${text}`,
        frameAnchor: "right",
        dx: 8,
        textAnchor: "start",
        fill: grey,
      }),
    ],
  });
}

/** What h_n holds of a bidirectional stack: which squares of the output it repeats. */
function finalStates(): string {
  manualSeed(2);
  const gru = new GRU(1, 2, { numLayers: 2, bidirectional: true });
  const x = reshape(sin(linspace(0, 2 * Math.PI, 8)), [8, 1]);
  const [output, hn] = noGrad(() => gru.forward(x));
  const names = ["forward, 0", "forward, 1", "reverse, 0", "reverse, 1"];
  const squares = (output.tolist() as number[][]).flatMap((h, t) =>
    h.map((value, k) => ({ x: `${t}`, y: names[k], value }))
  );
  const rows = hn.tolist() as number[][];
  const column = (row: number, own: readonly string[]) =>
    rows[row].map((value, k) => ({ x: `h_n[${row}]`, y: own[k], value }));
  const [forward, reverse] = [names.slice(0, 2), names.slice(2)];
  const ends = [...column(2, forward), ...column(3, reverse)];
  const at = (t: string, own: readonly string[]) =>
    squares.filter(({ x, y }) => x === t && own.includes(y));
  return draw("What h_n holds: GRU(1, 2), 2 layers, both directions, L = 8", {
    height: 290,
    marginLeft: 88,
    x: {
      label: "output at time step t, and rows of h_n (rows 0 and 1 are layer 0's)",
      labelAnchor: "center",
      ...band,
      domain: [...[0, 1, 2, 3, 4, 5, 6, 7].map(String), " ", "h_n[2]", "h_n[3]"],
    },
    y: { label: null, ...band, domain: names },
    color: states,
    marks: [
      heading("forward ends at t = L-1", blue, -20),
      heading("reverse ends at t = 0", orange, -20, 150),
      ...grid([...squares, ...ends]),
      frames([...at("7", forward), ...ends.slice(0, 2)], blue),
      frames([...at("0", reverse), ...ends.slice(2)], orange),
    ],
  });
}

/** What packing does: three sequences of lengths 5, 3 and 2, without their padding. */
function packing(): string {
  const lengths = [5, 3, 2];
  const padded = lengths.map((count, n) =>
    Array.from({ length: 5 }, (_, t) => t < count ? 10 * (n + 1) + t : 0)
  );
  const packed = packPaddedSequence(tensor(padded), lengths, { batchFirst: true });
  const row = (value: number) => Math.floor(value / 10);
  const before = padded.flatMap((values, n) =>
    values.map((value, x) => ({ x, y: `sequence ${n}`, value }))
  );
  const after = [...packed.data.data].map((value, x) => ({ x, y: "data", value }));
  const starts = packed.batchSizes.map((size, t, all) => {
    const from = all.slice(0, t).reduce((sum, n) => sum + n, 0);
    return { from: from - 0.5, to: from + size - 0.5, size, t };
  });
  return draw("What packing does: three sequences, lengths 5, 3, 2", {
    height: 300,
    marginLeft: 84,
    marginBottom: 20,
    x: { axis: null, type: "band", domain: Array.from({ length: 10 }, (_, k) => k) },
    y: {
      label: null,
      ...band,
      domain: ["sequence 0", "sequence 1", "sequence 2", " ", "data", "batch_sizes"],
    },
    color: {
      type: "ordinal",
      domain: [0, 1, 2, 3],
      range: ["#eceef1", "#bcd3ee", "#f4c6a9", "#c9e3c4"],
    },
    marks: [
      heading(
        "above: a padded batch (N, L), grey is padding; below: data lists it time step by time step",
        grey,
        -20,
      ),
      Plot.cell([...before, ...after], {
        ...place,
        fill: ({ value }: Square) => row(value),
        inset: 1,
      }),
      Plot.text([...before, ...after], {
        ...place,
        text: ({ value }: Square) => value ? `${value}` : "0",
        fill: ({ value }: Square) => value ? "#16191d" : "#aab0b8",
      }),
      Plot.text(starts, {
        x: ({ from, to }: { from: number; to: number }) => Math.round((from + to) / 2),
        y: () => "batch_sizes",
        text: ({ size, t }: { size: number; t: number }) => `t=${t}: ${size}`,
        fill: grey,
      }),
    ],
  });
}

if (import.meta.main) {
  const folder = new URL("../spec/pictures/", import.meta.url);
  const pictures = { sequence, gates, "final-states": finalStates, packing };
  for (const [name, make] of Object.entries(pictures)) {
    await Deno.writeTextFile(new URL(`${name}.svg`, folder), make());
    console.log(`spec/pictures/${name}.svg`);
  }
}
