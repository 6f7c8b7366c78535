/** What the Flow page shows, and how the address holds it. */

import { type Kind, notebook, type Setup } from "./trace.ts";

export type Signal = "sine" | "numbers" | "text";

/** All that the page shows follows from this. */
export interface State extends Setup {
  /** Where the sequence comes from. */
  readonly signal: Signal;
  /** L, of the sine. */
  readonly length: number;
  /** The numbers typed or drawn: a line for each time step, features apart by commas. */
  readonly numbers: string;
  /** The text, of which each character is one step. */
  readonly text: string;
  /** The time step looked at. */
  readonly t: number;
  /** The layer, direction and unit looked at. */
  readonly unit: readonly [layer: number, direction: number, unit: number];
  /** The lengths of the three sequences that are packed. */
  readonly lengths: readonly number[];
}

/** What the notebook does. */
export const initial: State = {
  ...notebook,
  signal: "sine",
  length: 10,
  numbers: "0\n0.5\n1\n0.5\n0\n-0.5\n-1\n-0.5\n0",
  text: "hello world",
  t: 9,
  unit: [0, 0, 0],
  lengths: [5, 3, 2],
};

/** What a screen holds. */
export const limits = { hidden: 64, layers: 3, length: 64, features: 32 } as const;

const whole = (text: string | null, least: number, most: number, otherwise: number) => {
  const value = Number(text ?? NaN);
  return Number.isInteger(value) ? Math.min(Math.max(value, least), most) : otherwise;
};

/**
 * Reads an address.
 *
 * @param hash what stands behind `#`
 */
export function parse(hash: string): State {
  const given = new URLSearchParams(hash.replace(/^#/, ""));
  const kind = given.get("kind") ?? initial.kind;
  const signal = given.get("signal") ?? initial.signal;
  const hidden = whole(given.get("h"), 1, limits.hidden, initial.hidden);
  const layers = whole(given.get("layers"), 1, limits.layers, 1);
  const both = given.get("both") === "1";
  const unit = (given.get("unit") ?? "0.0.0").split(".");
  const lengths = (given.get("lengths") ?? "5,3,2").split(",");
  return {
    kind: ["tanh", "relu", "lstm", "gru"].includes(kind) ? kind as Kind : "tanh",
    hidden,
    layers,
    both,
    seed: whole(given.get("seed"), 0, 2 ** 32 - 1, initial.seed),
    signal: ["sine", "numbers", "text"].includes(signal) ? signal as Signal : "sine",
    length: whole(given.get("length"), 1, limits.length, initial.length),
    numbers: (given.get("numbers") ?? initial.numbers).replaceAll(";", "\n"),
    text: (given.get("text") ?? initial.text).slice(0, limits.length),
    t: whole(given.get("t"), 0, limits.length - 1, initial.t),
    unit: [
      whole(unit[0], 0, layers - 1, 0),
      whole(unit[1], 0, both ? 1 : 0, 0),
      whole(unit[2], 0, hidden - 1, 0),
    ],
    lengths: [0, 1, 2].map((k) => whole(lengths[k] ?? null, 1, 8, [5, 3, 2][k])),
  };
}

/**
 * Writes an address.
 *
 * @returns what stands behind `#`
 */
export function format(state: State): string {
  const { kind, hidden, layers, both, seed, signal, length, numbers, text, t, unit } = state;
  const shown = new URLSearchParams({ kind, h: `${hidden}`, layers: `${layers}`, seed: `${seed}` });
  if (both) shown.set("both", "1");
  shown.set("signal", signal);
  if (signal === "sine") shown.set("length", `${length}`);
  if (signal === "numbers") shown.set("numbers", numbers.trim().replaceAll(/\r?\n/g, ";"));
  if (signal === "text") shown.set("text", text);
  shown.set("t", `${t}`);
  shown.set("unit", unit.join("."));
  shown.set("lengths", state.lengths.join(","));
  return shown.toString();
}

/** The characters of a text, each once, in the order of the alphabet. */
export function alphabet(text: string): string[] {
  return [...new Set(text)].sort().slice(0, limits.features);
}

/**
 * The sequence of a state.
 *
 * @returns L lists of H_in numbers
 * @throws {Error} if the numbers are none, or their lines differ in length
 */
export function sequenceOf({ signal, length, numbers, text }: State): number[][] {
  if (signal === "sine") {
    const step = Math.PI / Math.max(length - 1, 1);
    return Array.from({ length }, (_, k) => [Math.fround(Math.sin(k * step))]);
  }
  if (signal === "text") {
    const letters = alphabet(text);
    if (text === "") throw new Error("Type at least one character.");
    return [...text].map((letter) => letters.map((one) => Number(one === letter)));
  }
  const rows = numbers.trim().split(/\r?\n/).slice(0, limits.length)
    .map((line) => line.split(/[,;\t ]+/).filter(Boolean).slice(0, limits.features).map(Number));
  rows.forEach((row, k) => {
    if (row.length === 0 || row.some(Number.isNaN)) {
      throw new Error(`Line ${k + 1} is not a list of numbers.`);
    }
    if (row.length !== rows[0].length) {
      throw new Error(
        `Line ${k + 1} has ${row.length} numbers, line 1 has ${
          rows[0].length
        }: every time step has as many features.`,
      );
    }
  });
  return rows.map((row) => row.map(Math.fround));
}

/** The program that prints what the screen shows, in PyTorch. */
export function asPyTorch(state: State, notebookTwice: boolean): string {
  const sequence = sequenceOf(state);
  const { kind, hidden, layers, both, seed } = state;
  const name = { tanh: "RNN", relu: "RNN", lstm: "LSTM", gru: "GRU" }[kind];
  const options = [
    layers > 1 && `num_layers=${layers}`,
    kind === "relu" && 'nonlinearity="relu"',
    "batch_first=True",
    both && "bidirectional=True",
  ].filter(Boolean).join(", ");
  const make = [
    `rnn = torch.nn.${name}(${sequence[0].length}, ${hidden}, ${options})`,
    `fc = torch.nn.Linear(${hidden * (both ? 2 : 1)}, 1)`,
  ];
  return [
    "import torch",
    "",
    `torch.manual_seed(${seed})`,
    ...notebookTwice ? ["for _ in range(2):  # the notebook's model was constructed twice"] : [],
    ...make.map((line) => notebookTwice ? `    ${line}` : line),
    `x = torch.tensor(${JSON.stringify([sequence])}, dtype=torch.float32)  # (N, L, H_in)`,
    "with torch.no_grad():",
    `    output, ${kind === "lstm" ? "(h_n, c_n)" : "h_n"} = rnn(x)`,
    "    answer = fc(output[:, -1])",
    "print(output[0])",
    "print(h_n[:, 0])",
    ...kind === "lstm" ? ["print(c_n[:, 0])"] : [],
    'print(f"{answer.item():.4f}")',
    "",
  ].join("\n");
}

/** The program that prints what the screen shows, with this library. */
export function asTypeScript(state: State, notebookTwice: boolean, from: string): string {
  const sequence = sequenceOf(state);
  const { kind, hidden, layers, both, seed } = state;
  const name = { tanh: "RNN", relu: "RNN", lstm: "LSTM", gru: "GRU" }[kind];
  const options = [
    layers > 1 && `numLayers: ${layers}`,
    kind === "relu" && 'nonlinearity: "relu"',
    "batchFirst: true",
    both && "bidirectional: true",
  ].filter(Boolean).join(", ");
  const make = (keep: string) => [
    `${keep}new ${name}(${sequence[0].length}, ${hidden}, { ${options} });`,
    `${keep ? "const fc = " : ""}new Linear(${hidden * (both ? 2 : 1)}, 1);`,
  ];
  return [
    `import { ${name}, Linear, manualSeed, noGrad, select, tensor } from "${from}";`,
    "",
    `manualSeed(${seed});`,
    ...notebookTwice ? [...make(""), "// the notebook's model was constructed twice"] : [],
    ...make("const rnn = "),
    `const x = tensor(${JSON.stringify([sequence])}); // (N, L, H_in)`,
    "noGrad(() => {",
    `  const [output, ${kind === "lstm" ? "[hn, cn]" : "hn"}] = rnn.forward(x);`,
    "  const answer = fc.forward(select(output, 1, -1));",
    "  console.log(String(select(output, 0, 0)));",
    "  console.log(String(select(hn, 1, 0)));",
    ...kind === "lstm" ? ["  console.log(String(select(cn, 1, 0)));"] : [],
    "  console.log(answer.item().toFixed(4));",
    "});",
    "",
  ].join("\n");
}
