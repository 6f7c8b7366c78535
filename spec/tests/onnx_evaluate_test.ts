/**
 * What RNN, LSTM and GRU compute, unit by unit from the operators' equations with all of their
 * inputs, and what is refused.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { Tensor, ValueError, zeros } from "../../mod.ts";
import {
  evaluateRecurrence,
  type OnnxRecurrence,
  type OnnxRecurrentInputs,
  recurrenceOf,
} from "../../lib/onnx/mod.ts";
import { draws } from "../../lib/onnx/numbers.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

const fact = (clauses: string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

type OpType = OnnxRecurrence["opType"];

const gates = { RNN: 1, GRU: 3, LSTM: 4 };
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const softsign = (x: number) => x / (1 + Math.abs(x));

/** Sizes that are all different: a place that is taken for another is outside, or another number. */
const [L, N, I, H] = [4, 3, 5, 2];

/** All inputs of a node. */
function inputsOf(opType: OpType, D: number, layout: 0 | 1): Required<OnnxRecurrentInputs> {
  const next = draws(7);
  const make = (...shape: number[]) =>
    new Tensor(Float64Array.from({ length: shape.reduce((a, b) => a * b) }, next), shape);
  const rows = gates[opType] * H;
  const states = layout === 1 ? [N, D, H] : [D, N, H];
  return {
    X: layout === 1 ? make(N, L, I) : make(L, N, I),
    W: make(D, rows, I),
    R: make(D, rows, H),
    B: make(D, 2 * rows),
    sequenceLens: [4, 1, 0],
    initialH: make(...states),
    initialC: opType === "LSTM" ? make(...states) : null,
    P: opType === "LSTM" ? make(D, 3 * H) : null,
  };
}

const at = ({ data, shape }: Tensor, ...place: number[]) => {
  place.forEach((k, d) => assert(k >= 0 && k < shape[d]));
  return data[place.reduce((row, k, d) => row * shape[d] + k, 0)];
};

/** What the operator's text says of one sequence in one direction: its states, step by step. */
function expected(
  { opType, layout, linearBeforeReset, inputForget }: OnnxRecurrence,
  { X, W, R, B, P, initialH, initialC }: OnnxRecurrentInputs,
  d: number,
  n: number,
  steps: readonly number[],
  functions: readonly ((x: number) => number)[],
) {
  const units = [...Array(H).keys()];
  const state = (x: Tensor | null | undefined) =>
    units.map((j) => !x ? 0 : layout === 1 ? at(x, n, d, j) : at(x, d, n, j));
  let [h, c] = [state(initialH), state(initialC)];
  const [f, g, last] = functions;
  const rows = gates[opType] * H;
  const all = steps.map((t) => {
    const x = (gate: number, j: number) => {
      let sum = B ? at(B, d, gate * H + j) : 0;
      for (let k = 0; k < I; k++) {
        sum += at(W, d, gate * H + j, k) * (layout === 1 ? at(X, n, t, k) : at(X, t, n, k));
      }
      return sum;
    };
    const bias = (gate: number, j: number) => B ? at(B, d, rows + gate * H + j) : 0;
    const r = (gate: number, j: number, from = h) =>
      units.reduce((sum, k) => sum + at(R, d, gate * H + j, k) * from[k], 0);
    const both = (gate: number, j: number) => x(gate, j) + r(gate, j) + bias(gate, j);
    const p = (gate: number, j: number) => P ? at(P, d, gate * H + j) : 0;
    if (opType === "RNN") {
      h = units.map((j) => f(both(0, j)));
    } else if (opType === "GRU") {
      const [z, reset] = [0, 1].map((gate) => units.map((j) => f(both(gate, j))));
      const gated = units.map((k) => reset[k] * h[k]);
      h = units.map((j) => {
        const own = linearBeforeReset
          ? reset[j] * (r(2, j) + bias(2, j))
          : r(2, j, gated) + bias(2, j);
        return (1 - z[j]) * g(x(2, j) + own) + z[j] * h[j];
      });
    } else {
      const i = units.map((j) => f(both(0, j) + p(0, j) * c[j]));
      const forget = units.map((j) => inputForget ? 1 - i[j] : f(both(2, j) + p(2, j) * c[j]));
      const cells = units.map((j) => forget[j] * c[j] + i[j] * g(both(3, j)));
      const o = units.map((j) => f(both(1, j) + p(1, j) * cells[j]));
      [h, c] = [units.map((j) => o[j] * last(cells[j])), cells];
    }
    return h;
  });
  return { all, h, c };
}

describe("recurrent operators", () => {
  // Another function for each place; the second direction has others than the first.
  const activations = {
    RNN: [[Math.tanh], [softsign]],
    GRU: [[sigmoid, Math.tanh], [softsign, sigmoid]],
    LSTM: [[sigmoid, Math.tanh, softsign], [softsign, sigmoid, Math.tanh]],
  };
  const names = new Map([[Math.tanh, "Tanh"], [sigmoid, "Sigmoid"], [softsign, "Softsign"]]);

  const tries: [OpType, Record<string, number>][] = [
    ["RNN", {}],
    ["GRU", {}],
    ["GRU", { linear_before_reset: 1 }],
    ["LSTM", {}],
    ["LSTM", { input_forget: 1 }],
  ];
  for (const [opType, told] of tries) {
    const clauses = [{ RNN: "ONNX-4", LSTM: "ONNX-5", GRU: "ONNX-6" }[opType], "ONNX-9"];
    fact(clauses, `${opType} with ${JSON.stringify(told)} is its equations`, () => {
      for (const direction of ["forward", "reverse", "bidirectional"]) {
        for (const layout of [0, 1] as const) {
          const D = direction === "bidirectional" ? 2 : 1;
          const chosen = activations[opType].slice(0, D);
          const recurrence = recurrenceOf(opType, {
            ...told,
            activations: chosen.flat().map((own) => names.get(own)!),
            direction,
            layout,
          }, 17);
          const whole = inputsOf(opType, D, layout);
          const { X, W, R } = whole;
          for (const inputs of [whole, { X, W, R }] as OnnxRecurrentInputs[]) {
            const { Y, Yh, Yc } = evaluateRecurrence(recurrence, inputs);
            assertEquals(Y.shape, layout === 1 ? [N, L, D, H] : [L, D, N, H]);
            assertEquals(
              [Yh, ...Yc ? [Yc] : []].map(({ shape }) => shape),
              Array(Yc ? 2 : 1).fill(layout === 1 ? [N, D, H] : [D, N, H]),
            );
            assertEquals(Yc !== null, opType === "LSTM");
            for (let d = 0; d < D; d++) {
              for (let n = 0; n < N; n++) {
                const length = inputs.sequenceLens?.[n] ?? L;
                const steps = [...Array(length).keys()];
                if (d === 1 || direction === "reverse") steps.reverse();
                const wanted = expected(recurrence, inputs, d, n, steps, chosen[d]);
                const last = (x: Tensor, j: number) =>
                  layout === 1 ? at(x, n, d, j) : at(x, d, n, j);
                for (let j = 0; j < H; j++) {
                  for (let t = 0; t < L; t++) {
                    const y = layout === 1 ? at(Y, n, t, d, j) : at(Y, t, d, n, j);
                    const own = wanted.all[steps.indexOf(t)]?.[j] ?? 0;
                    assert(
                      Math.abs(y - own) < 1e-12,
                      `Y of ${direction} ${layout} at ${[t, d, n, j]}`,
                    );
                  }
                  assert(Math.abs(last(Yh, j) - wanted.h[j]) < 1e-12, `Y_h at ${[d, n, j]}`);
                  if (Yc) {
                    assert(Math.abs(last(Yc, j) - wanted.c[j]) < 1e-12, `Y_c at ${[d, n, j]}`);
                  }
                }
              }
            }
          }
        }
      }
    });
  }

  fact(["ONNX-3"], "inputs that do not fit are refused, with the shapes that were wanted", () => {
    const refused = (
      opType: OpType,
      changes: Partial<Record<keyof OnnxRecurrentInputs, unknown>>,
      message: string,
      told: Record<string, string | number> = {},
    ) => {
      const inputs = { ...inputsOf(opType, told.direction ? 2 : 1, 0), ...changes };
      const run = () =>
        evaluateRecurrence(recurrenceOf(opType, told, 17), inputs as OnnxRecurrentInputs);
      assertEquals(assertThrows(run, ValueError).message, message);
    };
    const dimensions = "X and R have three dimensions";
    refused("RNN", { X: zeros([4, 3]) }, dimensions);
    refused("RNN", { R: zeros([2, 2]) }, dimensions);
    refused("RNN", { X: zeros([4, 3, 5, 1]), R: zeros([2, 2]) }, dimensions);
    const f64 = { dtype: "float64" } as const;
    const shapes: [OpType, keyof OnnxRecurrentInputs, string, number[]][] = [
      ["RNN", "W", "W", [1, 2, 5]],
      ["GRU", "W", "W", [1, 6, 5]],
      ["LSTM", "W", "W", [1, 8, 5]],
      ["LSTM", "R", "R", [1, 8, 2]],
      ["LSTM", "B", "B", [1, 16]],
      ["LSTM", "initialH", "initial_h", [1, 3, 2]],
      ["LSTM", "initialC", "initial_c", [1, 3, 2]],
      ["LSTM", "P", "P", [1, 6]],
    ];
    for (const [opType, key, name, shape] of shapes) {
      const other = key === "R" ? [2, ...shape.slice(1)] : shape.with(-1, 9);
      const says = `${name} has the shape [${other}], wanted [${shape}]`;
      refused(opType, { [key]: zeros(other, f64) }, says);
      refused(opType, { [key]: zeros(shape) }, `${name} is float32, X is float64`);
    }
    const two = { direction: "bidirectional" };
    refused("RNN", { W: zeros([1, 2, 5], f64) }, "W has the shape [1,2,5], wanted [2,2,5]", two);
    refused("RNN", {}, "W has the shape [1,2,5], wanted [1,3,5]", { hidden_size: 3 });
    for (const opType of ["RNN", "GRU"] as const) {
      refused(opType, { initialC: zeros([1, 3, 2], f64) }, `${opType} has no input initial_c`);
      refused(opType, { P: zeros([1, 6], f64) }, `${opType} has no input P`);
    }
    for (const lens of [[4, 4], [4, 4, 4, 4], [4, -1, 4], [4, 4, 5], [4, 1.5, 4], [NaN, 1, 1]]) {
      const says = `sequence_lens must be 3 integers from 0 to 4, not [${lens}]`;
      refused("RNN", { sequenceLens: lens }, says);
    }
  });
});
