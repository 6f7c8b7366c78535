/**
 * The backward pass of one direction of one layer: piece by piece against the order of the forward
 * pass, first each step's gates and what flows to the step before, then, for all rows of the piece at
 * once, the products with the input and with the state before.
 */

import type { FloatArray } from "../../tensor/dtype.ts";
import type { Engine } from "../engine.ts";
import { panelWidth } from "../linear.ts";
import { type EachWeight, type Packing, padded, structsFrom, type Weights } from "../packing.ts";
import { threadsFor } from "../plan.ts";
import { StructSet } from "../struct_table.ts";
import { structFeatures } from "../structs.ts";
import { Crew, Layout } from "./crew.ts";
import { type Group, load, type Matrix, type Piece, type Plan, type Run, store } from "./pieces.ts";
import {
  extras,
  holds,
  type Kept,
  type KeptSide,
  moveState,
  type Place,
  placeOf,
} from "./record.ts";
import { addColumns, addOuter, sumsOf, toPanels, turnWeights } from "./sums.ts";

type Gradient = Float32Array | null | undefined;

/** The gradients; each `null` unless wanted. */
export interface Gradients {
  input: Float32Array | null;
  initial: (Float32Array | null)[];
  weights: EachWeight<Float32Array | null>[];
}

/** A matrix of weights, in panels of its columns: what `dy W` reads. */
interface Turned {
  readonly at: number;
  structs: number;
  /** How many rows of W, gates in whole panels, and how many panels. */
  readonly k: number;
  readonly panels: number;
}

/** Where everything lies in scratch memory while one direction of one layer runs. */
export class Work {
  /** That of each plan: a small network takes longer to lay out than to run. */
  static readonly #last = new WeakMap<Plan, Work>();
  readonly #engine: Engine;
  readonly #packing: Packing;
  readonly #place: Place;
  #given: Kept | null = null;
  readonly #crew: Crew;
  readonly #structs: StructSet | null;
  readonly #at: Readonly<Record<Region, number>>;

  /** For what was kept, as its plan was laid out last, if that still holds. */
  static of(engine: Engine, packing: Packing, kept: Kept): Work {
    let work = Work.#last.get(kept.plan);
    if (!work || !holds(work.#place, engine)) {
      Work.#last.set(kept.plan, work = new Work(engine, packing, kept));
    }
    work.#given = kept;
    return work;
  }

  get #kept(): Kept {
    return this.#given!;
  }

  private constructor(engine: Engine, packing: Packing, kept: Kept) {
    [this.#engine, this.#packing] = [engine, packing];
    const { plan, given } = kept;
    const { rows, steps, size } = plan.most;
    const { gate, sums, outputSize, sizes } = packing;
    const hOut = padded(outputSize);
    const features = padded(Math.max(packing.features(0), packing.features(sizes.numLayers - 1)));
    const projected = sizes.projSize > 0 ? 1 : 0;
    const commands = 6 * steps + 8 * (2 + sumsOf(rows));
    const threads = threadsFor(packing, given.batch, plan.rows, engine.threads);
    const beyond = structFeatures * panelWidth; // structs are filled as a whole
    const floats: Record<Region, number> = {
      turnedIh: sums * features + beyond,
      turnedHh: sums * hOut + beyond,
      turnedHr: projected * hOut * gate + beyond,
      dIh: sums * features, // from here on zeros at first
      dHh: sums * hOut,
      dHr: projected * hOut * gate,
      dBias: sums,
      dNew: gate,
      zeros: Math.max(features, gate, hOut),
      x: rows * features, // padding beyond the last feature stays 0, here and in the next three
      hBefore: rows * hOut,
      dOut: rows * hOut,
      hAfter: sizes.kind === "tanh" || sizes.kind === "relu" ? rows * gate : 0,
      dx: rows * features, // not zeros
      gates: rows * sums,
      extra: extras[sizes.kind] * rows * gate,
      full: projected * rows * gate,
      dFull: projected * size * gate,
      dh: size * hOut, // zeros where sequences end
      dc: size * gate,
      gatePanels: rows * sums, // not zeros
      newPanels: sizes.kind === "gru" ? rows * gate : 0,
      xPanels: rows * features,
      hPanels: rows * hOut,
      dOutPanels: projected * rows * hOut,
      fullPanels: projected * rows * gate,
      program: 0,
    };
    const layout = new Layout();
    const places = Object.entries(floats).map(([name, count]) =>
      [name, layout.take(count)] as const
    );
    const program = layout.commands(commands * threads);
    this.#place = placeOf(engine, layout.bytes + 256);
    const { base } = this.#place;
    this.#at = Object.fromEntries(
      [...places, ["program", program] as const].map(([name, place]) => [name, base + place]),
    ) as Record<Region, number>;
    this.#crew = new Crew(engine, threads, this.#at.program, commands);
    const useStructs = plan.rows >= structsFrom && engine.structs !== null;
    this.#structs = useStructs ? new StructSet(engine.structs!) : null;
  }

  /** Gives back what is not scratch, and lets go of what was kept. */
  end(): void {
    this.#structs?.clear();
    this.#given = null;
  }

  /** Fills with zeros from one region to before another. */
  #fill(from: Region, to: Region): void {
    this.#engine.heap.floats.fill(0, this.#at[from] / 4, this.#at[to] / 4);
  }

  /** Runs one direction of one layer. */
  run(
    layer: number,
    direction: number,
    weights: Weights,
    input: Float32Array,
    dOut: FloatArray | undefined,
    final: readonly (FloatArray | undefined)[],
    dInput: Float32Array | null,
    gradients: Gradients,
  ): void {
    const { floats } = this.#engine.heap;
    const packing = this.#packing;
    const at = this.#at;
    const { given, plan, layers } = this.#kept;
    const { outputSize, sizes } = packing;
    const { numLayers, numDirections, hiddenSize, kind } = sizes;
    const index = layer * numDirections + direction;
    const features = packing.features(layer);
    const [xRow, hRow] = [padded(features), padded(outputSize)];
    const own = gradients.weights[index];
    this.#structs?.clear();
    this.#fill("dIh", "dx");
    const turned = this.#turn(weights, features, dInput !== null);
    const column = { start: direction * outputSize, stride: numDirections * outputSize };
    const side = layers[layer].sides[direction];
    const top = layer === numLayers - 1;
    for (const group of plan.groups) {
      this.#fill("dh", "gatePanels");
      final.forEach((state, k) => {
        const [place, width] = k === 0 ? [at.dh, outputSize] : [at.dc, hiddenSize];
        if (state) moveState(floats, place / 4, state, index, group, given, width, false);
      });
      const { pieces } = group;
      for (let k = 0; k < pieces.length; k++) {
        const piece = pieces[direction ? k : pieces.length - 1 - k];
        const outside = layer === 0 ? piece.outside : piece.inside;
        const x: Matrix = { data: input, start: 0, stride: features };
        load(floats, at.x / 4, xRow, features, x, outside);
        if (dOut) {
          const runs = top ? piece.outside : piece.inside;
          load(floats, at.dOut / 4, hRow, outputSize, { data: dOut, ...column }, runs);
        } else this.#fill("dOut", "hAfter");
        const outputs = { data: layers[layer].output, ...column };
        if (kind === "tanh" || kind === "relu") {
          load(floats, at.hAfter / 4, hRow, outputSize, outputs, piece.inside);
        }
        this.#loadBefore(group, piece, direction, index, outputs);
        this.#loadKept(side, piece);
        const last = k === pieces.length - 1;
        const through = !last || gradients.initial[0] !== null;
        this.#steps(group, piece, direction, turned, through);
        this.#products(piece, xRow, turned, dInput !== null && direction > 0, own, () => {
          const matrix = { data: dInput!, start: 0, stride: features };
          load(floats, at.dx / 4, xRow, features, matrix, outside);
        });
        this.#crew.run();
        if (dInput) {
          const matrix = { data: dInput, start: 0, stride: features };
          store(floats, at.dx / 4, xRow, features, matrix, outside);
        }
      }
      gradients.initial.forEach((state, k) => {
        if (state === null) return;
        const [place, width] = k === 0 ? [at.dh, outputSize] : [at.dc, hiddenSize];
        moveState(floats, place / 4, state, index, group, given, width, true);
      });
    }
    this.#take(own, features);
  }

  /** Puts the weights on the heap in panels of their columns. */
  #turn(weights: Weights, features: number, input: boolean) {
    const { gate, sums, outputSize, sizes } = this.#packing;
    const { hiddenSize, kind } = sizes;
    const at = this.#at;
    const { floats } = this.#engine.heap;
    const together = kind === "gru" ? 2 * gate : sums;
    const gateRow = (row: number) => Math.floor(row / hiddenSize) * gate + row % hiddenSize;
    const rows = weights.weightHh.length / outputSize;
    const first = kind === "gru" ? 2 * hiddenSize : rows;
    const turn = (
      place: number,
      w: Float32Array,
      rows: readonly [number, number],
      columns: number,
      k: number,
      rowOf: (row: number) => number,
    ): Turned => {
      const panels = padded(columns) / panelWidth;
      turnWeights(floats, place, w, rows, columns, k, rowOf);
      const structs = this.#structs?.add(place, k, panels) ?? 0;
      return { at: place, structs, k, panels };
    };
    const { turnedIh, turnedHh, turnedHr } = at;
    const newHh = turnedHh + 4 * together * padded(outputSize);
    return {
      ih: input ? turn(turnedIh, weights.weightIh, [0, rows], features, sums, gateRow) : null,
      hh: turn(turnedHh, weights.weightHh, [0, first], outputSize, together, gateRow),
      hn: kind === "gru"
        ? turn(newHh, weights.weightHh, [first, rows], outputSize, gate, (row) => row - first)
        : null,
      hr: weights.weightHr
        ? turn(turnedHr, weights.weightHr, [0, outputSize], hiddenSize, padded(outputSize), same)
        : null,
    };
  }

  /** The state before each step. */
  #loadBefore(group: Group, piece: Piece, direction: number, index: number, outputs: Matrix): void {
    const { floats } = this.#engine.heap;
    const { given: { batch, order }, initial, plan } = this.#kept;
    const { outputSize } = this.#packing;
    const hRow = padded(outputSize);
    const before = plan.before(group, piece, direction === 1);
    const to = this.#at.hBefore / 4;
    load(floats, to, hRow, outputSize, outputs, before.output);
    for (const { from, at, rows } of before.initial) {
      if (initial === null) floats.fill(0, to + at * hRow, to + (at + rows) * hRow);
      else {
        const runs = Array.from({ length: rows }, (_, n): Run => {
          const sequence = group.first + from + n;
          return { from: order ? order[sequence] : sequence, at: at + n, rows: 1, step: 1 };
        });
        const state = { data: initial[0], start: index * batch * outputSize, stride: outputSize };
        load(floats, to, hRow, outputSize, state, runs);
      }
    }
  }

  #loadKept({ gates, extra }: KeptSide, { offset, rows }: Piece): void {
    const { floats } = this.#engine.heap;
    const { sums, gate } = this.#packing;
    const put = (data: Float32Array, width: number, at: number) =>
      floats.set(data.subarray(offset * width, (offset + rows) * width), at / 4);
    put(gates, sums, this.#at.gates);
    extra.forEach((data, k) => put(data, gate, this.#extra(k)));
  }

  #extra(k: number): number {
    return this.#at.extra + 4 * k * this.#kept.plan.most.rows * this.#packing.gate;
  }

  /** Each step's gates, and what flows to the step before; `through`: before the first one, too. */
  #steps(
    group: Group,
    piece: Piece,
    direction: number,
    { hh, hn, hr }: { hh: Turned; hn: Turned | null; hr: Turned | null },
    through: boolean,
  ): void {
    const at = this.#at;
    const { gate, sums, outputSize, sizes } = this.#packing;
    const { kind } = sizes;
    const [row, width, hRow] = [4 * sums, 4 * gate, 4 * padded(outputSize)];
    if (hr) {
      this.#crew.split(piece.rows, (program, from, to) => {
        const [o, tanhC] = [at.gates + from * row + 3 * width, this.#extra(1) + from * width];
        program.add("multiply", [o, row, tanhC, at.full + from * width, to - from, width]);
      });
      this.#crew.barrier();
    }
    this.#crew.split(group.size, (program, first, end) => {
      const [dh, dc] = [at.dh + first * hRow, at.dc + first * width];
      program.steps(piece, direction === 0, first, end, (place, count, last) => {
        const gates = at.gates + place * row;
        const dOut = at.dOut + place * hRow;
        const extra = (k: number) => this.#extra(k) + place * width;
        const cell = [gates, row, count, width] as const;
        const back = (w: Turned, from: number, fromRow: number, start: number, startRow: number) =>
          program.add("linear", [from, fromRow, count], told(w), [start, startRow, dh, hRow]);
        if (hr) {
          const dFull = at.dFull + first * width;
          program.add("add", [dh, dOut, count, hRow]);
          program.add("linear", [dOut, hRow, count], told(hr), [at.zeros, 0, dFull, width]);
          program.add("lstmBackward", cell, [dFull, at.zeros, 0, extra(0), extra(1), dc]);
        } else if (kind === "lstm") {
          program.add("lstmBackward", cell, [dOut, dh, width, extra(0), extra(1), dc]);
        } else if (kind === "gru") {
          program.add("gruBackward", cell, [dOut, dh, at.hBefore + place * hRow, extra(0)]);
        } else {
          program.add(`${kind}Backward`, cell, [dOut, dh, at.hAfter + place * hRow]);
        }
        if (last && !through) return;
        if (kind === "gru") {
          back(hh, gates, row, dh, hRow);
          back(hn!, extra(0), width, dh, hRow);
        } else back(hh, gates, row, at.zeros, 0);
      });
    });
    this.#crew.barrier();
  }

  /** The products with the input and with the state before, for all rows of a piece. */
  #products(
    piece: Piece,
    xRow: number,
    { ih }: { ih: Turned | null },
    more: boolean,
    own: EachWeight<Float32Array | null>,
    loadMore: () => void,
  ): void {
    const at = this.#at;
    const crew = this.#crew;
    const { gate, sums, outputSize, sizes } = this.#packing;
    const { rows } = piece;
    const hRow = padded(outputSize);
    const gru = sizes.kind === "gru";
    if (ih) {
      if (more) loadMore();
      crew.split(rows, (program, from, to) => {
        const dx = at.dx + 4 * from * xRow;
        const [row, start] = [4 * sums, more ? [dx, 4 * xRow] : [at.zeros, 0]];
        const gates = [at.gates + from * row, row, to - from];
        program.add("linear", gates, told(ih), start, [dx, 4 * xRow]);
      });
    }
    const { weightIh, weightHh, weightHr, biasIh, biasHh } = own;
    if (weightIh || weightHh) toPanels(crew, at.gates, sums, rows, at.gatePanels);
    if (weightIh) toPanels(crew, at.x, xRow, rows, at.xPanels);
    if (weightHh) toPanels(crew, at.hBefore, hRow, rows, at.hPanels);
    if (weightHh && gru) toPanels(crew, this.#extra(0), gate, rows, at.newPanels);
    if (weightHr) {
      toPanels(crew, at.dOut, hRow, rows, at.dOutPanels);
      toPanels(crew, at.full, gate, rows, at.fullPanels);
    }
    if (biasIh || biasHh) addColumns(crew, at.gates, sums, rows, at.dBias);
    if (biasHh && gru) addColumns(crew, this.#extra(0), gate, rows, at.dNew);
    crew.barrier();
    if (weightIh) addOuter(crew, rows, at.gatePanels, sums, at.xPanels, xRow, at.dIh);
    if (weightHh) {
      const together = gru ? 2 * gate : sums;
      addOuter(crew, rows, at.gatePanels, together, at.hPanels, hRow, at.dHh);
      if (gru) {
        addOuter(crew, rows, at.newPanels, gate, at.hPanels, hRow, at.dHh + 4 * together * hRow);
      }
    }
    if (weightHr) addOuter(crew, rows, at.dOutPanels, hRow, at.fullPanels, gate, at.dHr);
  }

  /** Takes the gradients of the parameters from the heap. */
  #take(own: EachWeight<Float32Array | null>, features: number): void {
    const { floats } = this.#engine.heap;
    const { gate, outputSize, sizes } = this.#packing;
    const { hiddenSize, kind } = sizes;
    const at = this.#at;
    const take = (to: Gradient, from: number, columns: number, row: number) => {
      if (!to) return;
      const rows = to.length / columns;
      for (let j = 0; j < rows; j += hiddenSize) {
        const runs = [{ from: j, at: j / hiddenSize * gate, rows: Math.min(hiddenSize, rows - j) }];
        store(floats, from / 4, row, columns, { data: to, start: 0, stride: columns }, [
          { ...runs[0], step: 1 },
        ]);
      }
    };
    take(own.weightIh, at.dIh, features, padded(features));
    take(own.weightHh, at.dHh, outputSize, padded(outputSize));
    take(own.weightHr, at.dHr, hiddenSize, gate);
    take(own.biasIh, at.dBias, 1, 1);
    take(own.biasHh, at.dBias, 1, 1);
    if (own.biasHh && kind === "gru") {
      const to = own.biasHh.subarray(2 * hiddenSize);
      take(to, at.dNew, 1, 1);
    }
  }
}

/** What `linear` is told of a matrix. */
function told({ at, structs, k, panels }: Turned): number[] {
  return [at, structs, k, panels];
}

function same(row: number): number {
  return row;
}

type Region =
  | ("turnedIh" | "turnedHh" | "turnedHr" | "dIh" | "dHh" | "dHr" | "dBias" | "dNew" | "zeros")
  | ("x" | "dx" | "gates" | "extra" | "hBefore" | "hAfter" | "dOut" | "full" | "dFull")
  | ("dh" | "dc" | "gatePanels" | "newPanels" | "xPanels" | "hPanels" | "dOutPanels")
  | ("fullPanels" | "program");
