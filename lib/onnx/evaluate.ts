/** What ONNX's operators RNN, LSTM and GRU compute. */

import { any, check, checkOptions, type Options, record } from "../call.ts";
import { ValueError } from "../errors.ts";
import { allocate, type FloatArray, numel, sameShape } from "../tensor/dtype.ts";
import { aTensor, Tensor, tensorOrNone } from "../tensor/tensor.ts";
import { activationOf } from "./activations.ts";
import type { OnnxRecurrence } from "./recurrence.ts";

/** The inputs of a recurrent node, in the order of ONNX's operators; all of one dtype. */
export interface OnnxRecurrentInputs {
  /** The sequences: shape `(L, N, H_in)`; in layout 1, `(N, L, H_in)`. */
  readonly X: Tensor;
  /** The weights of the input: shape `(D, gates · H, H_in)`. */
  readonly W: Tensor;
  /** The weights of the state: shape `(D, gates · H, H)`. */
  readonly R: Tensor;
  /** The biases of the input, then of the state: shape `(D, 2 · gates · H)`; none are 0. */
  readonly B?: Tensor | null;
  /** How many steps each sequence has, N numbers; all L where left out. */
  readonly sequenceLens?: ArrayLike<number> | null;
  /** The first hidden state: shape `(D, N, H)`; in layout 1, `(N, D, H)`; 0 where left out. */
  readonly initialH?: Tensor | null;
  /** An LSTM's first cell state, likewise. */
  readonly initialC?: Tensor | null;
  /** An LSTM's peepholes of the gates i, o and f: shape `(D, 3 · H)`; none are 0. */
  readonly P?: Tensor | null;
}

/** The outputs of a recurrent node. */
export interface OnnxRecurrentOutputs {
  /** Every hidden state: shape `(L, D, N, H)`; in layout 1, `(N, L, D, H)`; 0 past a sequence's end. */
  readonly Y: Tensor;
  /** Each direction's last hidden state: shape `(D, N, H)`; in layout 1, `(N, D, H)`. */
  readonly Yh: Tensor;
  /** An LSTM's last cell state, likewise; `null` of the others. */
  readonly Yc: Tensor | null;
}

const inputKinds: Options<OnnxRecurrentInputs> = {
  X: aTensor,
  W: aTensor,
  R: aTensor,
  B: tensorOrNone,
  sequenceLens: any,
  initialH: tensorOrNone,
  initialC: tensorOrNone,
  P: tensorOrNone,
};

/** The number of gates, and where each stands in W, R and B. */
const gates = { RNN: 1, GRU: 3, LSTM: 4 } as const;

/** Rows of numbers: the product of row `k` with a vector, in float64. */
type Product = (row: number, vector: FloatArray, at?: number) => number;

function productOf(matrix: FloatArray, from: number, width: number): Product {
  return (row, vector, at = 0) => {
    let sum = 0;
    const start = from + row * width;
    for (let k = 0; k < width; k++) sum += matrix[start + k] * vector[at + k];
    return sum;
  };
}

/** One direction's weights, and how it takes a step. */
interface Direction {
  readonly H: number;
  readonly w: Product;
  readonly r: Product;
  /** The bias of row k, of the input and of the state. */
  readonly b: (row: number) => number;
  readonly rb: (row: number) => number;
  readonly p: (row: number) => number;
  readonly activations: readonly ((x: number) => number)[];
}

/** Takes a step: reads X at a place, and changes the states. */
type Step = (x: FloatArray, at: number, h: Float64Array, c: Float64Array) => void;

/** The steps of the operators: ONNX-4, ONNX-5, ONNX-6. */
const steps: Readonly<
  Record<OnnxRecurrence["opType"], (direction: Direction, told: OnnxRecurrence) => Step>
> = {
  RNN: ({ H, w, r, b, rb, activations: [f] }) => {
    const next = new Float64Array(H);
    return (x, at, h) => {
      for (let j = 0; j < H; j++) next[j] = f(w(j, x, at) + r(j, h) + b(j) + rb(j));
      h.set(next);
    };
  },
  GRU: ({ H, w, r, b, rb, activations: [f, g] }, { linearBeforeReset }) => {
    const [z, reset, kept, next] = [H, H, H, H].map((n) => new Float64Array(n));
    return (x, at, h) => {
      for (let j = 0; j < H; j++) {
        z[j] = f(w(j, x, at) + r(j, h) + b(j) + rb(j));
        const k = H + j;
        reset[j] = f(w(k, x, at) + r(k, h) + b(k) + rb(k));
        kept[j] = reset[j] * h[j];
      }
      for (let j = 0; j < H; j++) {
        const k = 2 * H + j;
        const state = linearBeforeReset ? reset[j] * (r(k, h) + rb(k)) : r(k, kept) + rb(k);
        next[j] = (1 - z[j]) * g(w(k, x, at) + state + b(k)) + z[j] * h[j];
      }
      h.set(next);
    };
  },
  LSTM: ({ H, w, r, b, rb, p, activations: [f, g, h] }, { inputForget }) => {
    const next = new Float64Array(H);
    return (x, at, before, c) => {
      const sum = (gate: number, j: number) => {
        const k = gate * H + j;
        return w(k, x, at) + r(k, before) + b(k) + rb(k);
      };
      for (let j = 0; j < H; j++) {
        const i = f(sum(0, j) + p(j) * c[j]);
        const forget = inputForget ? 1 - i : f(sum(2, j) + p(2 * H + j) * c[j]);
        c[j] = forget * c[j] + i * g(sum(3, j));
        next[j] = f(sum(1, j) + p(H + j) * c[j]) * h(c[j]);
      }
      before.set(next);
    };
  },
};

/**
 * Computes what a recurrent node computes (ONNX-4 to ONNX-9): sums and states in float64, the outputs
 * rounded to the dtype of the inputs.
 *
 * @param recurrence what the node is told, as `recurrenceOf` reads it
 * @throws {ValueError} if the inputs do not fit each other
 *
 * @example
 * ```ts
 * import { full, zeros } from "@rnn-spec/rnn-spec";
 * import { evaluateRecurrence, recurrenceOf } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals } from "@std/assert";
 *
 * const rnn = recurrenceOf("RNN", { activations: ["Relu"], direction: "reverse" }, 17);
 * const inputs = { X: full([3, 1, 1], 2), W: full([1, 1, 1], 1), R: full([1, 1, 1], 1) };
 * const { Y, Yh } = evaluateRecurrence(rnn, inputs);
 * assertEquals([...Y.data], [6, 4, 2]); // from the last step to the first
 * assertEquals(Yh.item(), 6);
 * ```
 */
export function evaluateRecurrence(
  recurrence: OnnxRecurrence,
  inputs: OnnxRecurrentInputs,
): OnnxRecurrentOutputs {
  check(["evaluateRecurrence", { recurrence: record, inputs: record }], arguments);
  checkOptions(["evaluateRecurrence", {}, inputKinds], inputs);
  const { opType, layout, direction, clip } = recurrence;
  const { X, W, R, B, P, initialH, initialC } = inputs;
  const lstm = opType === "LSTM";
  if (X?.dim() !== 3 || R?.dim() !== 3) throw new ValueError("X and R have three dimensions");
  const [length, N] = layout === 1 ? [X.shape[1], X.shape[0]] : X.shape;
  const width = X.shape[2];
  const [D, H] = [direction === "bidirectional" ? 2 : 1, recurrence.hiddenSize ?? R.shape[2]];
  const rows = gates[opType] * H;
  const states = layout === 1 ? [N, D, H] : [D, N, H];
  const wanted: [name: string, x: Tensor | null | undefined, shape: readonly number[]][] = [
    ["W", W, [D, rows, width]],
    ["R", R, [D, rows, H]],
    ["B", B, [D, 2 * rows]],
    ["initial_h", initialH, states],
    ["initial_c", initialC, states],
    ["P", P, [D, 3 * H]],
  ];
  for (const [name, x, shape] of wanted) {
    if (!x) continue;
    if (!lstm && (name === "initial_c" || name === "P")) {
      throw new ValueError(`${opType} has no input ${name}`);
    }
    if (!sameShape(x.shape, shape)) {
      throw new ValueError(`${name} has the shape [${x.shape}], wanted [${shape}]`);
    }
    if (x.dtype !== X.dtype) throw new ValueError(`${name} is ${x.dtype}, X is ${X.dtype}`);
  }
  const lens = Array.from(inputs.sequenceLens ?? Array(N).fill(length), Number);
  const isLength = (value: number) => Number.isInteger(value) && value >= 0 && value <= length;
  if (lens.length !== N || !lens.every(isLength)) {
    throw new ValueError(`sequence_lens must be ${N} integers from 0 to ${length}, not [${lens}]`);
  }
  const make = (shape: number[]) => new Tensor(allocate(X.dtype, numel(shape)), shape);
  const Y = make(layout === 1 ? [N, length, D, H] : [length, D, N, H]);
  const [Yh, Yc] = [make(states), lstm ? make(states) : null];
  const [h, c, none] = [H, H, H].map((n) => new Float64Array(n));
  for (let d = 0; d < D; d++) {
    const bias = (from: number) => (row: number) => B ? B.data[(2 * d) * rows + from + row] : 0;
    const step = steps[opType]({
      H,
      w: productOf(W.data, d * rows * width, width),
      r: productOf(R.data, d * rows * H, H),
      b: bias(0),
      rb: bias(rows),
      p: (row) => P ? P.data[3 * d * H + row] : 0,
      activations: recurrence.activations[d].map((one) => activationOf(one, clip)),
    }, recurrence);
    const back = direction === "reverse" || d === 1;
    for (let n = 0; n < N; n++) {
      const place = (layout === 1 ? n * D + d : d * N + n) * H;
      h.set(initialH?.data.subarray(place, place + H) ?? none);
      c.set(initialC?.data.subarray(place, place + H) ?? none);
      for (let k = 0; k < lens[n]; k++) {
        const t = back ? lens[n] - 1 - k : k;
        step(X.data, (layout === 1 ? n * length + t : t * N + n) * width, h, c);
        Y.data.set(h, (layout === 1 ? (n * length + t) * D + d : (t * D + d) * N + n) * H);
      }
      Yh.data.set(h, place);
      Yc?.data.set(c, place);
    }
  }
  return { Y, Yh, Yc };
}
