/** What the Flow page shows, and how the address holds it. */

import { type Kind, notebook, type Setup } from "./trace.ts";

export type Signal = "sine" | "numbers" | "text";

/** What is lit up in the picture of the states. */
export type Lit = "output" | "h_n" | "c_n";

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
  readonly lit: Lit;
  /** The id of the golden case that is shown instead; empty for none. */
  readonly case: string;
  /** Which row of the case's batch. */
  readonly row: number;
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
  lit: "h_n",
  case: "",
  row: 0,
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
  const lit = given.get("lit") as Lit;
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
    lit: ["output", "c_n"].includes(lit) ? lit : "h_n",
    case: given.get("case") ?? "",
    row: whole(given.get("row"), 0, 999, 0),
  };
}

/**
 * Writes an address.
 *
 * @returns what stands behind `#`
 */
export function format(state: State): string {
  const { kind, hidden, layers, both, seed, signal, length, numbers, text, t, unit } = state;
  const shown = new URLSearchParams({ kind, h: `${hidden}`, layers: `${layers}` });
  if (both) shown.set("both", "1");
  if (state.case) {
    shown.set("case", state.case);
    shown.set("row", `${state.row}`);
  } else {
    shown.set("seed", `${seed}`);
    shown.set("signal", signal);
    shown.set("lengths", state.lengths.join(","));
  }
  shown.set("lit", state.lit);
  if (state.case === "" && signal === "sine") shown.set("length", `${length}`);
  if (state.case === "" && signal === "numbers") {
    shown.set("numbers", numbers.trim().replaceAll(/\r?\n/g, ";"));
  }
  if (state.case === "" && signal === "text") shown.set("text", text);
  shown.set("t", `${t}`);
  shown.set("unit", unit.join("."));
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
  const lines = numbers.trim().split(/\r?\n/);
  // A table's first line may name its columns.
  if (lines.length > 1 && !/\d/.test(lines[0])) lines.shift();
  const rows = lines.slice(0, limits.length)
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
