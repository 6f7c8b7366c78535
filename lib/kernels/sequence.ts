/**
 * The recurrence (STACK-1, STACK-3): one direction of one layer over some steps in time, in one call.
 *
 * First `bias + W_ih x` of all steps; then each step adds `W_hh h` and replaces the state by the new
 * one. A sequence that has ended, or has not begun, is not among the rows of a step, and its state
 * stays as it is (PACK-4).
 */

import {
  Assembler,
  type Code,
  during,
  type Func,
  type Local,
  type Madd,
  type Operand,
  repeat,
  when,
} from "./assembler.ts";
import * as i32 from "./i32.ts";
import * as v128 from "./v128.ts";
import { addLinearByStructs, addStructTable, structFields } from "./structs.ts";
import { elman, gru, lstm } from "./cells.ts";
import { addLinear, panelRow } from "./linear.ts";
import { type CellKind, kinds, slotCount, type SlotName, slotOf } from "./slots.ts";

/** Copies rows of floats. Parameters: from, to (each with a distance), how many rows, bytes each. */
function addCopy(m: Assembler): Func {
  return m.func(6, (f, from, fromRow, to, toRow, rows, bytes) => {
    const [source, target, left] = f.locals("i32", 3);
    const next = (size: number) =>
      [source, target]
        .map((at) => at.add(size)).concat([left.sub(size)]);
    f.emit(during(rows, [
      ...[source.set(from), target.set(to), left.set(bytes)],
      during(i32.ge(left, 16), [v128.store(target, v128.load(source)), ...next(16)]),
      during(left, [i32.store(target, i32.load(source)), ...next(4)]),
      from.add(fromRow),
      to.add(toRow),
      rows.sub(1),
    ]));
  });
}

/**
 * Adds `difference`. Parameters: two addresses, how many bytes to compare (a multiple of 32), and the
 * address of a vector to write: each of its bits is 1 if such a bit differs in any of the vectors.
 */
function addDifference(m: Assembler): void {
  m.func(4, (f, a, b, bytes, result) => {
    const found = f.locals("v128", 2);
    f.emit(
      during(bytes, [
        ...found.map((bits, k) =>
          bits.set(v128.or(bits, v128.xor(v128.load(a, 16 * k), v128.load(b, 16 * k))))
        ),
        ...[a, b].map((at) => at.add(32)),
        bytes.sub(32),
      ]),
      v128.store(result, v128.or(found[0], found[1])),
    );
  }, "difference");
}

/** What the recurrences call. */
interface Helpers {
  readonly linear: Func;
  readonly copy: Func;
}

/**
 * Adds the kernel of one kind of cell, exported by the kind's name. Its parameters: the address of
 * the first record of slots (see `slots.ts`), and the count of records.
 */
function addSequence(m: Assembler, kind: CellKind, madd: Madd, { linear, copy }: Helpers): void {
  const cell = kind === "lstm"
    ? lstm(m, madd)
    : kind === "gru"
    ? gru(m, madd)
    : elman(m, madd, kind);
  m.func(2, (f, at, count) => {
    const slot = (name: SlotName): Code<"i32"> => i32.load(at, 4 * slotOf[name]);
    const kept = new Map<Local, SlotName>();
    const keep = (...names: SlotName[]) =>
      names.map((name) => {
        const local = f.local("i32");
        kept.set(local, name);
        return local;
      });
    const [x, runs, inputSums, steps] = keep("x", "xRuns", "inputSums", "steps");
    const [reverse, batches, rows] = keep("reverse", "batches", "rows");
    const [sums, sumsRow, out, h, hRow] = keep("sums", "sumsRow", "out", "h", "hRow");
    const moved = f.local("i32");
    /** Moves an address by one step: by its rows where they are counted, else by a distance. */
    const move = (by: typeof i32.add, pointer: Local, row: SlotName, step: SlotName): Code[] => [
      when(batches, [moved.set(i32.mul(rows, slot(row)))], [moved.set(slot(step))]),
      pointer.set(by(pointer, moved)),
    ];
    const moveAll = (by: typeof i32.add): Code[] => [
      ...move(by, sums, "sumsRow", "sumsStep"),
      ...move(by, out, "outRow", "outStep"),
    ];
    const row = i32.mul(slot("panels"), panelRow);
    const input = [
      linear.call(
        ...[x, slot("xRow"), slot("xRows"), slot("input"), slot("inputStructs"), slot("features")],
        ...[slot("panels"), slot("bias"), 0, inputSums, row],
      ),
      x.add(slot("xRun")),
      inputSums.add(i32.mul(slot("xRows"), row)),
      runs.sub(1),
    ];
    const cellCall = (...state: Operand[]) =>
      cell.call(sums, sumsRow, rows, slot("width"), ...state);
    const body: Code[] = {
      tanh: () => [cellCall(h, hRow)],
      relu: () => [cellCall(h, hRow)],
      gru: () => [
        linear.call(
          ...[h, hRow, rows, slot("newW"), slot("newStructs"), slot("k"), slot("newPanels")],
          ...[slot("newBias"), 0, slot("newSums"), slot("width")],
        ),
        cellCall(h, hRow, slot("newSums")),
      ],
      lstm: () => [
        when(slot("projection"), [
          cellCall(slot("full"), slot("width"), slot("c"), slot("cRow")),
          linear.call(
            ...[slot("full"), slot("width"), rows, slot("projection"), slot("projectionStructs")],
            ...[slot("fullK"), i32.divU(hRow, panelRow), slot("zero"), 0, h, hRow],
          ),
        ], [
          cellCall(h, hRow, slot("c"), slot("cRow")),
        ]),
      ],
    }[kind]();
    f.emit(repeat([
      ...[...kept].map(([local, name]) => local.set(slot(name))),
      during(runs, input),
      during(steps, [
        when(batches, [
          when(reverse, [batches.sub(4)]),
          rows.set(i32.load(batches)),
        ]),
        when(reverse, moveAll(i32.sub)),
        linear.call(
          ...[h, hRow, rows, slot("w"), slot("wStructs"), slot("k"), slot("wPanels")],
          ...[sums, sumsRow, sums, sumsRow],
        ),
        ...body,
        when(out, [copy.call(h, hRow, out, slot("outRow"), rows, slot("outBytes"))]),
        when(reverse, [], moveAll(i32.add)),
        when(batches, [when(reverse, [], [batches.add(4)])]),
        steps.sub(1),
      ]),
      at.add(4 * slotCount),
      count.sub(1),
    ], count));
  }, kind);
}

/** How a module of kernels is made. */
export interface Options {
  /** How products are added. */
  readonly madd: Madd;
  /** Whether weights are kept in structs, too. */
  readonly withStructs: boolean;
  /** The most pages of a memory that threads share; 0 for a memory of this thread alone. */
  readonly sharedPages: number;
  /** What adds the kernels of training, given the one of a product; `null` to leave them out. */
  readonly training: ((m: Assembler, madd: Madd, linear: Func) => void) | null;
}

/** All kernels, assembled: the bytes of a module. */
export function assemble(options: Options): Uint8Array<ArrayBuffer> {
  const { madd, withStructs, sharedPages, training } = options;
  const m = new Assembler(withStructs ? structFields : 0, sharedPages);
  const linear = addLinear(m, madd, withStructs ? addLinearByStructs(m, madd) : null);
  const copy = addCopy(m);
  addDifference(m);
  if (withStructs) addStructTable(m);
  for (const kind of kinds) addSequence(m, kind, madd, { linear, copy });
  training?.(m, madd, linear);
  return m.encode();
}
