/**
 * In which pieces a batch goes through training: some sequences, some steps, so that a piece needs
 * little memory at a time, however many rows, steps or layers there are. The pieces do not depend on
 * how many threads there are.
 */

import type { FloatArray } from "../../tensor/dtype.ts";
import { type Batch, prefixSums } from "../shard.ts";

/** Rows that follow each other. */
export interface Run {
  /** The first one's number among all rows, or the sequence's number for rows of a state. */
  readonly from: number;
  /** Its number among the rows of a piece. */
  readonly at: number;
  /** How many rows. */
  readonly rows: number;
  /** How far they are from each other in the piece, in rows. */
  readonly step: number;
}

/** Some steps of some sequences. */
export interface Piece {
  /** The number of the first step, and the one after the last. */
  readonly from: number;
  readonly to: number;
  /** Before which of the piece's rows each step begins, from `from` to `to`. */
  readonly starts: readonly number[];
  /** How many rows. */
  readonly rows: number;
  /** How many rows the pieces before it have. */
  readonly offset: number;
  /** Its rows among those of the input and output. */
  readonly outside: readonly Run[];
  /** Its rows among those of a layer's output, which stand by step first, by sequence second. */
  readonly inside: readonly Run[];
}

/** Where states stand: in a layer's output, and, where a sequence begins, in the initial state. */
interface Before {
  readonly output: readonly Run[];
  readonly initial: readonly Run[];
}

/** Some sequences, in pieces. */
export interface Group {
  /** The number of the first sequence. */
  readonly first: number;
  /** How many. */
  readonly size: number;
  /** By time. */
  readonly pieces: readonly Piece[];
}

const none = /* @__PURE__ */ new Float32Array(0);

/** The floats of a piece, about; and the most that one step of a group may have. */
const pieceFloats = 2 ** 20;
const stepFloats = 2 ** 22;

/** The fewest rows of a piece, where there are as many. */
const leastRows = 96;

/** A batch, in groups of sequences, in pieces. */
export class Plan {
  readonly groups: readonly Group[];
  /** How many rows there are in all. */
  readonly rows: number;
  /** The most rows of a piece, steps of a piece, and sequences of a group. */
  readonly most: { readonly rows: number; readonly steps: number; readonly size: number };
  readonly #given: Batch;
  /** Before which row each step begins; empty where all steps have N rows. */
  readonly #starts: readonly number[];
  /** Where the states before a piece's steps stand: forwards, and in reverse. */
  readonly #before = [new Map<Piece, Before>(), new Map<Piece, Before>()];

  /** Plans for a batch; `rowFloats` is what one row needs. */
  constructor(given: Batch, rowFloats: number) {
    this.#given = { ...given, x: none };
    const { batch, batchSizes, length } = given;
    this.#starts = batchSizes ? prefixSums(batchSizes) : [];
    this.rows = batchSizes ? this.#starts[length] : batch * length;
    const parts = Math.ceil(batch / Math.max(1, Math.floor(stepFloats / rowFloats)));
    const most = Math.max(leastRows, Math.floor(pieceFloats / rowFloats));
    const groups: Group[] = [];
    let offset = 0;
    for (let part = 0; part < parts; part++) {
      const first = Math.floor(batch * part / parts);
      const size = Math.floor(batch * (part + 1) / parts) - first;
      const pieces = this.#pieces(first, size, most, offset);
      offset += pieces.reduce((sum, { rows }) => sum + rows, 0);
      groups.push({ first, size, pieces });
    }
    this.groups = groups;
    const all = groups.flatMap(({ pieces }) => pieces);
    this.most = {
      rows: Math.max(...all.map(({ rows }) => rows)),
      steps: Math.max(...all.map(({ from, to }) => to - from)),
      size: Math.max(...groups.map(({ size }) => size)),
    };
  }

  /** How many sequences of a group reach a step. */
  count({ first, size }: Pick<Group, "first" | "size">, step: number): number {
    const { batchSizes, length } = this.#given;
    if (step >= length) return 0;
    return batchSizes ? Math.max(0, Math.min(batchSizes[step] - first, size)) : size;
  }

  /** The number of the first row of a step. */
  #row(step: number): number {
    return this.#given.batchSizes ? this.#starts[step] : step * this.#given.batch;
  }

  #pieces(first: number, size: number, most: number, offset: number): Piece[] {
    const { length } = this.#given;
    const pieces: Piece[] = [];
    const group = { first, size };
    for (let from = 0; this.count(group, from) > 0;) {
      const starts = [0];
      let to = from;
      for (let count; (count = this.count(group, to)) > 0; to++) {
        const rows = starts[to - from] + count;
        if (to > from && rows > most) break;
        starts.push(rows);
      }
      const rows = starts[to - from];
      const inside = merged(
        starts.slice(0, -1).map((at, k) => ({
          from: this.#row(from + k) + first,
          at,
          rows: starts[k + 1] - at,
          step: 1,
        })),
      );
      const outside = this.#given.batchFirst
        ? Array.from({ length: size }, (_, n) => ({
          from: (first + n) * length + from,
          at: n,
          rows: to - from,
          step: size,
        }))
        : inside;
      pieces.push({ from, to, starts, rows, offset, inside, outside });
      offset += rows;
      from = to;
    }
    return pieces;
  }

  /** Where the state before each step of a piece stands. */
  before(group: Group, piece: Piece, reverse: boolean): Before {
    const known = this.#before[Number(reverse)];
    let before = known.get(piece);
    if (!before) known.set(piece, before = this.#find(group, piece, reverse));
    return before;
  }

  #find(group: Group, piece: Piece, reverse: boolean): Before {
    const [output, initial]: Run[][] = [[], []];
    for (let step = piece.from; step < piece.to; step++) {
      const at = piece.starts[step - piece.from];
      const count = piece.starts[step - piece.from + 1] - at;
      const other = reverse ? step + 1 : step - 1;
      const going = other < 0 ? 0 : Math.min(count, this.count(group, other));
      if (going > 0) {
        output.push({ from: this.#row(other) + group.first, at, rows: going, step: 1 });
      }
      if (going < count) {
        initial.push({ from: going, at: at + going, rows: count - going, step: 1 });
      }
    }
    return { output: merged(output), initial };
  }
}

/** Runs that go on where the one before stops become one. */
function merged(runs: Run[]): Run[] {
  const all: Run[] = [];
  for (const run of runs) {
    const last = all.at(-1);
    if (last && last.from + last.rows === run.from && last.at + last.rows === run.at) {
      all[all.length - 1] = { ...last, rows: last.rows + run.rows };
    } else all.push(run);
  }
  return all;
}

/** A matrix, or some columns of one: where it begins, and the floats from row to row. */
export interface Matrix {
  readonly data: FloatArray;
  readonly start: number;
  readonly stride: number;
}

/** Up to this length, copying floats one by one is quicker than a call of `set`. */
const few = 24;

/** Copies `width` floats of rows on to the heap, each `padding` floats from the last one. */
export function load(
  floats: Float32Array,
  at: number,
  padding: number,
  width: number,
  { data, start, stride }: Matrix,
  runs: readonly Run[],
): void {
  for (const run of runs) {
    let from = start + run.from * stride;
    let to = at + run.at * padding;
    if (run.step === 1 && stride === width && padding === width) {
      const count = run.rows * width;
      const whole = from === 0 && count === data.length;
      floats.set(whole ? data : data.subarray(from, from + count), to);
      continue;
    }
    for (let row = 0; row < run.rows; row++, from += stride, to += run.step * padding) {
      if (width > few) floats.set(data.subarray(from, from + width), to);
      else for (let k = 0; k < width; k++) floats[to + k] = data[from + k];
    }
  }
}

/** Copies rows back from the heap; the opposite of {@linkcode load}. */
export function store(
  floats: Float32Array,
  at: number,
  padding: number,
  width: number,
  { data, start, stride }: Matrix,
  runs: readonly Run[],
): void {
  for (const run of runs) {
    let to = start + run.from * stride;
    let from = at + run.at * padding;
    if (run.step === 1 && stride === width && padding === width) {
      data.set(floats.subarray(from, from + run.rows * width), to);
      continue;
    }
    for (let row = 0; row < run.rows; row++, to += stride, from += run.step * padding) {
      if (width > few) data.set(floats.subarray(from, from + width), to);
      else for (let k = 0; k < width; k++) data[to + k] = floats[from + k];
    }
  }
}
