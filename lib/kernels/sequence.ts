/**
 * The recurrence: one direction of one layer over some steps in time, without leaving WebAssembly.
 *
 * The input's share of all sums is there already; each step adds the state's share and makes the
 * new state of it, in place. A row that has ended, or not begun, is not among a step's rows, and
 * its state stays as it is.
 *
 * @module
 */

import {
  Assembler,
  type Code,
  during,
  type Func,
  i32,
  type Local,
  type Madd,
  v128,
  when,
} from "./assembler.ts";
import { addBlockTable, addRow, blockFields } from "./blocks.ts";
import { elman, gru, lstm } from "./cells.ts";
import { addLinear } from "./linear.ts";

/** The cells that there are kernels for. */
export type CellKind = "tanh" | "relu" | "lstm" | "gru";

/** All of them. */
export const kinds: readonly CellKind[] = ["tanh", "relu", "lstm", "gru"];

/**
 * What a kernel reads about its work, one integer each, in this order. Addresses and distances are
 * in bytes.
 */
const names = [
  "steps", // how many
  "reverse", // 1 where time runs from the last step to the first
  "batches", // where the rows of each step are counted; 0 where there are `rows` at all steps
  "rows",
  "sums", // of all gates, at the first step; then from row to row, and from step to step
  "sumsRow",
  "sumsStep",
  "width", // of a gate
  "h",
  "hRow",
  "c", // of an LSTM
  "cRow",
  "w", // W_hh of all gates, or of r and z in a GRU; and its blocks, or 0
  "wBlocks",
  "k", // the features of h
  "vectors", // the outputs of W, by fours
  "newW", // W_hn, its blocks, b_hn and their sums, of a GRU
  "newBlocks",
  "newBias",
  "newSums",
  "newVectors",
  "projection", // W_hr, or 0
  "full", // h before the projection, and its features
  "fullK",
  "zero", // as many zeros as h has features
  "out", // where h goes at the first step, or 0; then from row to row, and from step to step
  "outRow",
  "outStep",
  "outBytes", // of h
] as const;

type Name = typeof names[number];

/** The place of each entry, counted in integers. */
export const slots = Object.fromEntries(names.map((name, k) => [name, k])) as Record<Name, number>;

/** How many integers there are. */
export const slotCount = names.length;

/** Copies rows; their lengths are multiples of a float. */
function addCopy(m: Assembler): Func {
  return m.func(6, (f, from, fromRow, to, toRow, rows, bytes) => {
    const [source, target, left] = f.locals("i32", 3);
    const next = (size: number) =>
      [source, target]
        .map((at) => at.set(i32.add(at, size))).concat([left.set(i32.sub(left, size))]);
    f.emit(during(rows, [
      ...[source.set(from), target.set(to), left.set(bytes)],
      during(i32.ge(left, 16), [v128.store(target, v128.load(source)), ...next(16)]),
      during(left, [i32.store(target, i32.load(source)), ...next(4)]),
      from.set(i32.add(from, fromRow)),
      to.set(i32.add(to, toRow)),
      rows.set(i32.sub(rows, 1)),
    ]));
  });
}

/** What the recurrences call. */
interface Helpers {
  readonly linear: Func;
  readonly copy: Func;
  readonly row: Func | null;
}

/** Adds the recurrence of one kind of cell, exported by the kind's name; it takes the slots. */
function addSequence(
  m: Assembler,
  kind: CellKind,
  madd: Madd,
  { linear, copy, row }: Helpers,
): void {
  const cell = kind === "lstm"
    ? lstm(m, madd)
    : kind === "gru"
    ? gru(m, madd)
    : elman(m, madd, kind);
  m.func(1, (f, at) => {
    const slot = (name: Name): Code => i32.load(at, 4 * slots[name]);
    const keep = (name: Name) => f.let("i32", slot(name));
    const [steps, reverse, batches, rows] = [
      keep("steps"),
      keep("reverse"),
      keep("batches"),
      keep("rows"),
    ];
    const [sums, sumsRow, out, h, hRow] = [
      keep("sums"),
      keep("sumsRow"),
      keep("out"),
      keep("h"),
      keep("hRow"),
    ];
    const moved = f.local("i32");
    /** Moves a pointer by a step, whose rows follow each other where they are counted. */
    const move = (by: typeof i32.add, pointer: Local, row: Name, step: Name): Code[] => [
      when(batches, [moved.set(i32.mul(rows, slot(row)))], [moved.set(slot(step))]),
      pointer.set(by(pointer, moved)),
    ];
    const moveAll = (by: typeof i32.add): Code[] => [
      ...move(by, sums, "sumsRow", "sumsStep"),
      ...move(by, out, "outRow", "outStep"),
    ];
    /** By blocks where there are any, which is for a single row. */
    const either = (at: Name, byBlocks: (row: Func) => Code, plain: Code): Code =>
      row ? when(slot(at), [byBlocks(row)], [plain]) : plain;
    const input = [sums, sumsRow];
    const body: Code[] = {
      tanh: () => [cell.call(sums, sumsRow, rows, slot("width"), h, hRow)],
      relu: () => [cell.call(sums, sumsRow, rows, slot("width"), h, hRow)],
      gru: () => [
        either(
          "newBlocks",
          (row) =>
            row.call(
              ...[h, slot("newBlocks"), slot("newW"), slot("k"), slot("newVectors")],
              ...[slot("newBias"), slot("newSums")],
            ),
          linear.call(
            ...[h, hRow, rows, slot("newW"), slot("k"), slot("newVectors")],
            ...[slot("newBias"), 0, slot("newSums"), slot("width")],
          ),
        ),
        cell.call(sums, sumsRow, rows, slot("width"), h, hRow, slot("newSums")),
      ],
      lstm: () => {
        const state = [slot("c"), slot("cRow")];
        return [when(slot("projection"), [
          cell.call(sums, sumsRow, rows, slot("width"), slot("full"), slot("width"), ...state),
          linear.call(
            ...[slot("full"), slot("width"), rows, slot("projection"), slot("fullK")],
            ...[i32.shrU(hRow, 4), slot("zero"), 0, h, hRow],
          ),
        ], [
          cell.call(sums, sumsRow, rows, slot("width"), h, hRow, ...state),
        ])];
      },
    }[kind]();
    f.emit(during(steps, [
      when(batches, [
        when(reverse, [batches.set(i32.sub(batches, 4))]),
        rows.set(i32.load(batches)),
      ]),
      when(reverse, moveAll(i32.sub)),
      either(
        "wBlocks",
        (row) => row.call(h, slot("wBlocks"), slot("w"), slot("k"), slot("vectors"), sums, sums),
        linear.call(h, hRow, rows, slot("w"), slot("k"), slot("vectors"), ...input, ...input),
      ),
      ...body,
      when(out, [copy.call(h, hRow, out, slot("outRow"), rows, slot("outBytes"))]),
      when(reverse, [], moveAll(i32.add)),
      when(batches, [when(reverse, [], [batches.set(i32.add(batches, 4))])]),
      steps.set(i32.sub(steps, 1)),
    ]));
  }, kind);
}

/** All kernels, assembled: the bytes of a module, with blocks or without. */
export function assemble(madd: Madd, withBlocks: boolean): Uint8Array<ArrayBuffer> {
  const m = new Assembler(withBlocks ? blockFields : 0);
  const linear = addLinear(m, madd);
  const copy = addCopy(m);
  const row = withBlocks ? addRow(m, madd, linear) : null;
  if (withBlocks) addBlockTable(m);
  for (const kind of kinds) addSequence(m, kind, madd, { linear, copy, row });
  return m.encode();
}
