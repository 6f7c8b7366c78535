/** A forward pass that keeps what the backward pass needs: arrays in, arrays out. */

import type { FloatArray } from "../../tensor/dtype.ts";
import type { Engine } from "../engine.ts";
import type { Result } from "../forward.ts";
import { panelWidth } from "../linear.ts";
import { type Packing, padded, structsFrom, type Weights } from "../packing.ts";
import { threadsFor } from "../plan.ts";
import { slotsAt } from "../slots.ts";
import type { KeptWeights } from "../weights.ts";
import type { Batch } from "../shard.ts";
import { Crew, Layout } from "./crew.ts";
import { type Group, load, type Piece, Plan, store } from "./pieces.ts";

/**
 * What is kept of one direction of one layer, in the order of the plan's pieces, every row in whole
 * panels: all gates (none of an Elman network), and of an LSTM c before each step and tanh c after
 * it, of a GRU W_hn h + b_hn.
 */
export interface KeptSide {
  readonly gates: Float32Array;
  readonly extra: readonly Float32Array[];
}

/** What is kept of one layer. */
export interface KeptLayer {
  /** h of all directions at all steps, by step first, by sequence second. */
  readonly output: Float32Array;
  /** What the output was multiplied with on its way to the next layer, or `null`. */
  readonly mask: Float32Array | null;
  readonly sides: readonly KeptSide[];
}

/** What is kept of a forward pass. */
export interface Kept {
  readonly given: Batch;
  readonly plan: Plan;
  readonly initial: readonly Float32Array[] | null;
  readonly layers: readonly KeptLayer[];
}

/** The pieces of a batch. */
export function planOf(packing: Packing, given: Batch): Plan {
  const { numLayers } = packing.sizes;
  const features = Math.max(packing.features(0), packing.features(numLayers - 1));
  return new Plan(given, 2 * packing.sums + 6 * packing.gate + 3 * padded(features));
}

const none = /* @__PURE__ */ new Float32Array(0);

/** The arrays that a cell keeps beside its gates. */
export const extras = { tanh: 0, relu: 0, lstm: 2, gru: 1 };

/**
 * Runs a stack of layers.
 *
 * @param weights the weights of layer k and direction d at index `k · D + d`
 * @param initial the states before the first step, `[h]` or `[h, c]`; `null` for zeros
 * @param maskOf what the output of a layer, by its number, is multiplied with on its way to the next
 * @returns the output and the final states, and what is kept
 */
export function record(
  engine: Engine,
  packing: Packing,
  held: KeptWeights,
  weights: readonly Weights[],
  given: Batch,
  plan: Plan,
  initial: readonly Float32Array[] | null,
  spare: Spare,
  maskOf: (layer: number) => Float32Array | null,
): Result & { kept: Kept } {
  const { kind, hiddenSize, numDirections, numLayers } = packing.sizes;
  const { gate, outputSize } = packing;
  const packed = held.update(engine, weights);
  const { parts } = packed;
  if (plan.rows >= structsFrom) packing.makeStructs(engine, packed);
  const width = numDirections * outputSize;
  const states = parts.length * given.batch;
  const output = new Float32Array(plan.rows * width);
  const final = [new Float32Array(states * outputSize)];
  if (kind === "lstm") final.push(new Float32Array(states * hiddenSize));
  const work = Work.of(engine, packing, given, plan);
  const layers: KeptLayer[] = [];
  let input = given.x;
  for (let layer = 0; layer < numLayers; layer++) {
    const own = spare.take(plan.rows * width);
    const top = layer === numLayers - 1;
    const sides: KeptSide[] = [];
    for (let direction = 0; direction < numDirections; direction++) {
      const index = layer * numDirections + direction;
      const keep = (floats: number) => spare.take(plan.rows * floats);
      const side = {
        gates: kind === "tanh" || kind === "relu" ? none : keep(packing.sums),
        extra: Array.from({ length: extras[kind] }, () => keep(gate)),
      };
      sides.push(side);
      work.run(parts[index], layer, direction, input, initial, side, (floats, at, piece) => {
        const column = { start: direction * outputSize, stride: width };
        store(floats, at, padded(outputSize), outputSize, { data: own, ...column }, piece.inside);
        if (top) {
          store(
            floats,
            at,
            padded(outputSize),
            outputSize,
            { data: output, ...column },
            piece.outside,
          );
        }
      }, final);
    }
    const mask = top ? null : maskOf(layer);
    layers.push({ output: own, mask, sides });
    input = mask ? product(own, mask) : own;
  }
  work.end();
  return { output, final, kept: { given, plan, initial, layers } };
}

/** Arrays of so many floats are not held on to. */
const large = 4096;

/**
 * Arrays of a graph that a backward pass has used up, for the next one: making arrays takes time, and
 * collecting them too. Nothing holds on to large ones: they are collected when nobody trains.
 */
export class Spare {
  #small: Float32Array[] = [];
  #large = new WeakRef(this.#small);

  /** An array of `length` floats, of any values. */
  take(length: number): Float32Array {
    const arrays = length < large ? this.#small : this.#large.deref() ?? [];
    const place = arrays.findIndex((one) => one.length === length);
    return place < 0 ? new Float32Array(length) : arrays.splice(place, 1)[0];
  }

  /** Takes over what was kept; nobody else may read it any more. */
  give({ layers }: Kept): void {
    const arrays: Float32Array[] = [];
    for (const { output, sides } of layers) {
      for (const { gates, extra } of sides) arrays.push(gates, ...extra);
      arrays.push(output);
    }
    this.#small = arrays.filter(({ length }) => length < large);
    if (this.#small.length < arrays.length) this.#large = new WeakRef(arrays);
  }
}

/** The product of two arrays, element by element. */
export function product(a: Float32Array, b: Float32Array): Float32Array {
  const out = new Float32Array(a.length);
  for (let k = 0; k < out.length; k++) out[k] = a[k] * b[k];
  return out;
}

/** A stretch of scratch memory. */
export interface Place {
  readonly engine: Engine;
  readonly bytes: number;
  /** Where it begins. */
  readonly base: number;
  /** The memory as it was when that was found. */
  readonly floats: Float32Array;
}

/** So much scratch memory. */
export function placeOf(engine: Engine, bytes: number): Place {
  const base = engine.heap.scratch(bytes);
  return { engine, bytes, base, floats: engine.heap.floats };
}

/** Whether there is still as much scratch memory in the same place. */
export function holds({ engine, bytes, base, floats }: Place, now: Engine): boolean {
  return engine === now && now.heap.scratch(bytes) === base && now.heap.floats === floats;
}

/** Where everything lies in scratch memory while one direction of one layer runs. */
class Work {
  /** That of each plan: a small network takes longer to lay out than to run. */
  static readonly #last = new WeakMap<Plan, Work>();
  readonly #engine: Engine;
  readonly #packing: Packing;
  #given: Batch | null = null;
  readonly #plan: Plan;
  readonly #place: Place;
  readonly #crew: Crew;
  readonly #x: number;
  readonly #sums: number;
  readonly #extra: readonly number[];
  readonly #hOut: number;
  readonly #h: number;
  readonly #c: number;
  readonly #full: number;

  /** For a batch of a plan, as it was laid out last, if that still holds. */
  static of(engine: Engine, packing: Packing, given: Batch, plan: Plan): Work {
    let work = Work.#last.get(plan);
    if (!work || !holds(work.#place, engine)) {
      Work.#last.set(plan, work = new Work(engine, packing, given, plan));
    }
    work.#given = given;
    return work;
  }

  /** Lets go of the batch. */
  end(): void {
    this.#given = null;
  }

  private constructor(engine: Engine, packing: Packing, given: Batch, plan: Plan) {
    [this.#engine, this.#packing, this.#plan] = [engine, packing, plan];
    const { rows, steps, size } = plan.most;
    const { gate, sums, outputSize, sizes } = packing;
    const layout = new Layout();
    const features = Math.max(packing.features(0), packing.features(sizes.numLayers - 1));
    const commands = 2 + 4 * steps;
    const threads = threadsFor(packing, given.batch, plan.rows, engine.threads);
    const places = [
      layout.take(rows * features),
      layout.take(rows * sums),
      layout.take(rows * padded(outputSize)),
      layout.take(size * padded(outputSize)),
      layout.take(size * gate),
      layout.take(sizes.projSize ? size * gate : 0),
      layout.commands(commands * threads),
      ...Array.from({ length: extras[sizes.kind] }, () => layout.take(rows * gate)),
    ];
    const place = this.#place = placeOf(engine, layout.bytes + 256);
    const { base } = place;
    const [x, sumsAt, hOut, h, c, full, program, ...extra] = places.map((from) => base + from);
    [this.#x, this.#sums, this.#hOut, this.#h, this.#c, this.#full] = [x, sumsAt, hOut, h, c, full];
    this.#extra = extra;
    this.#crew = new Crew(engine, threads, program, commands);
  }

  /** Runs one direction of one layer; hands h at all steps of each piece to `put`. */
  run(
    part: number,
    layer: number,
    direction: number,
    input: Float32Array,
    initial: readonly Float32Array[] | null,
    kept: KeptSide,
    put: (floats: Float32Array, at: number, piece: Piece) => void,
    final: readonly Float32Array[],
  ): void {
    const { floats } = this.#engine.heap;
    const packing = this.#packing;
    const { gate, sums, outputSize, sizes } = packing;
    const features = packing.features(layer);
    const index = layer * sizes.numDirections + direction;
    const moveStates = (group: Group, states: readonly Float32Array[], out: boolean) => {
      const places = [this.#h / 4, this.#c / 4];
      states.forEach((state, k) => {
        const own = k === 0 ? outputSize : sizes.hiddenSize;
        moveState(floats, places[k], state, index, group, this.#given!, own, out);
      });
    };
    for (const group of this.#plan.groups) {
      floats.fill(0, this.#h / 4, this.#h / 4 + group.size * padded(outputSize));
      floats.fill(0, this.#c / 4, this.#c / 4 + group.size * gate);
      if (initial) moveStates(group, initial, false);
      const { pieces } = group;
      for (let k = 0; k < pieces.length; k++) {
        const piece = pieces[direction ? pieces.length - 1 - k : k];
        const runs = layer === 0 ? piece.outside : piece.inside;
        load(floats, this.#x / 4, features, features, {
          data: input,
          start: 0,
          stride: features,
        }, runs);
        this.#write(part, group, piece, direction);
        this.#crew.run();
        const keep = (to: Float32Array, at: number, width: number) =>
          to.set(floats.subarray(at / 4, at / 4 + piece.rows * width), piece.offset * width);
        if (kept.gates !== none) keep(kept.gates, this.#sums, sums);
        for (let e = 0; e < kept.extra.length; e++) keep(kept.extra[e], this.#extra[e], gate);
        put(floats, this.#hOut / 4, piece);
      }
      moveStates(group, final, true);
    }
  }

  /** Writes the commands for one piece. */
  #write(part: number, group: Group, piece: Piece, direction: number): void {
    const { integers } = this.#engine.heap;
    const told = slotsAt(integers, part);
    const { kind } = this.#packing.sizes;
    const features = 4 * told.features;
    const [row, width, hRow] = [4 * this.#packing.sums, told.width, told.hRow];
    const [input, inputStructs] = [told.input, told.inputStructs];
    const { k } = told;
    const crew = this.#crew;
    crew.split(piece.rows, (program, from, to) => {
      const x = [this.#x + from * features, features, to - from];
      const w = [input, inputStructs, told.features, told.panels];
      program.add("linear", x, w, [told.bias, 0, this.#sums + from * row, row]);
    });
    crew.barrier();
    crew.split(group.size, (program, first, end) => {
      const h = this.#h + first * hRow;
      const c = this.#c + first * width;
      program.steps(piece, direction === 1, first, end, (at, count) => {
        const sums = this.#sums + at * row;
        const hOut = this.#hOut + at * hRow;
        const matrix = [told.w, told.wStructs, k, told.wPanels];
        program.add("linear", [h, hRow, count], matrix, [sums, row, sums, row]);
        const cell = [sums, row, count, width] as const;
        if (kind === "lstm") {
          const [cBefore, tanhC] = this.#extra.map((place) => place + at * width);
          if (told.projection === 0) {
            program.add("lstm", cell, [h, width, c, width, hOut, cBefore, tanhC]);
            return;
          }
          const full = this.#full + first * width;
          program.add("lstm", cell, [full, width, c, width, full, cBefore, tanhC]);
          const w = [told.projection, told.projectionStructs, told.fullK, hRow / (4 * panelWidth)];
          program.add("linear", [full, width, count], w, [told.zero, 0, h, hRow]);
          program.add("copy", [h, hOut, count, hRow]);
        } else if (kind === "gru") {
          const hn = this.#extra[0] + at * width;
          const w = [told.newW, told.newStructs, k, told.newPanels];
          program.add("linear", [h, hRow, count], w, [told.newBias, 0, hn, width]);
          program.add("gru", cell, [h, width, hn, hOut]);
        } else program.add(kind, cell, [h, width, hOut]);
      });
    });
  }
}

/** Moves the state of one direction of one layer between the heap and `(layers · D, N, features)`. */
export function moveState(
  floats: Float32Array,
  at: number,
  state: FloatArray,
  index: number,
  { first, size }: Group,
  { batch, order }: Batch,
  features: number,
  out: boolean,
): void {
  for (let n = 0; n < size; n++, at += padded(features)) {
    const own = order ? order[first + n] : first + n;
    const there = (index * batch + own) * features;
    if (out) { for (let k = 0; k < features; k++) state[there + k] = floats[at + k]; }
    else for (let k = 0; k < features; k++) floats[at + k] = state[there + k];
  }
}
