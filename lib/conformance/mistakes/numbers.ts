/** Mistakes in the numbers themselves, and those that can be recognised but not recomputed. */

import { lstmParameters } from "../../nn/lstm.ts";
import { eachOf } from "../../parameters.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { distance, numberOf, sameShape } from "../compare.ts";
import type { Answer, JsonNumber, JsonTensor } from "../pair.ts";
import type { Task } from "../cases.ts";
import { map, type Parameters } from "../equations.ts";
import type { Mistake } from "./mistake.ts";

/** The nearest float16. */
const half = (x: number) => Math.f16round(x);

/** The nearest bfloat16: the upper half of a float32, ties to even. */
export function bfloat16(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  if (Number.isFinite(x)) bits[0] += 0x7fff + ((bits[0] >> 16) & 1);
  bits[0] &= 0xffff0000;
  return new Float32Array(bits.buffer)[0];
}

/** A mistake that rounds the weights and computes on as usual. */
function rounded(name: string, round: (x: number) => number): Mistake {
  const one = (x: Tensor) => map(x, round);
  return {
    id: `${name}-weights`,
    says: `the weights are rounded to ${name}`,
    deviation: {
      parameters: (own) => eachOf(lstmParameters, (key) => own[key] && one(own[key])) as Parameters,
    },
  };
}

/** The pairs of numbers, wanted and given, where all shapes agree; otherwise none. */
function pairs(task: Task, answer: Answer): [number, number][] {
  const [wanted, given] = [task.expect.outputs ?? {}, answer.outputs ?? {}];
  const found: [number, number][] = [];
  for (const [name, tensor] of Object.entries(wanted)) {
    const [w, g] = [tensor as JsonTensor, given[name] as JsonTensor | undefined];
    if (!w.shape || !Array.isArray(g?.shape) || !Array.isArray(g.data)) return [];
    if (!sameShape(w.shape, g.shape)) return [];
    for (const [i, x] of w.data.entries()) {
      const number = numberOf(g.data[i]);
      if (number === undefined) return [];
      found.push([Number(x), number]);
    }
  }
  return found;
}

/** Whether all numbers are off by no more than a few steps of a type's precision. */
function near(all: [number, number][], precision: number): boolean {
  return all.length > 0 && all.every(([wanted, given]) => {
    if (!Number.isFinite(wanted)) return Object.is(wanted, given);
    return Math.abs(wanted - given) <= precision * (1 + Math.abs(wanted));
  });
}

/**
 * A mistake that computes in a type of fewer bits: all numbers of the answer are of that type.
 *
 * @param off how far from a number of the type, relative to it, one may be that stands for it
 */
function computedIn(
  name: string,
  round: (x: number) => number,
  precision: number,
  off: number,
): Mistake {
  return {
    id: `${name}-arithmetic`,
    says: `it is computed in ${name}`,
    recognise(task, answer) {
      const all = pairs(task, answer);
      const isOf = (x: number) => Math.abs(round(x) - x) <= Math.abs(x) * off;
      const own = task.request.dtype === "float64" ? (x: number) => x : Math.fround;
      return near(all, precision) && all.every(([, g]) => isOf(g)) &&
        !all.every(([w]) => isOf(own(w)));
    },
  };
}

/** Dropout in evaluation: the first layer is right, those above are not. */
function isDropout(task: Task, answer: Answer): boolean {
  const { args: { dropout, num_layers } = {}, training } = task.request;
  const h_n = task.expect.outputs?.h_n as JsonTensor | undefined;
  if (!dropout || !num_layers || training || !h_n) return false;
  const only = { ...task, expect: { outputs: { h_n } } };
  const right = pairs(only, answer).map((pair) => unitsOf(pair, task) <= 1);
  const rows = right.length / Number(num_layers);
  return right.slice(0, rows).every(Boolean) && !right.slice(rows).every(Boolean);
}

/** How far off a pair is, in units of the tolerance. */
function unitsOf([wanted, given]: [number, number], { request }: Task): number {
  const json = (x: number) => Number.isFinite(x) ? x : String(x) as JsonNumber;
  return distance(json(wanted), json(given), request.dtype ?? "float32");
}

/** Whether a finite number stands where NaN is wanted, and all else is right. */
function isNanLost(task: Task, answer: Answer): boolean {
  const wrong = pairs(task, answer).filter((pair) => unitsOf(pair, task) > 1);
  return wrong.length > 0 && wrong.every(([w, g]) => Number.isNaN(w) && Number.isFinite(g));
}

export const numbers: Mistake[] = [
  rounded("float16", half),
  rounded("bfloat16", bfloat16),
  // The shortest decimal of a number of 16 bits may differ from it by half a step of float32.
  computedIn("float16", half, 2 ** -6, 2 ** -24),
  computedIn("bfloat16", bfloat16, 2 ** -3, 2 ** -24),
  computedIn("float32", Math.fround, 2 ** -16, 0),
  {
    id: "float32-products",
    says: "float64 is computed in float32 somewhere, in a product, say: all is off by little",
    recognise: (task, answer) =>
      task.request.dtype === "float64" && near(pairs(task, answer), 2 ** -16),
    besides: true,
  },
  {
    id: "nan-made-finite",
    says: "NaN is made a finite number somewhere; all else is right",
    recognise: isNanLost,
  },
  {
    id: "dropout-in-eval",
    says: "dropout is active although the module is in evaluation mode " +
      "(the first layer is right, those above are not)",
    recognise: isDropout,
  },
  {
    id: "low-precision",
    says: "numbers of fewer bits (float16, bfloat16, TF32) or approximate functions are used " +
      "somewhere: all is off by little",
    recognise: (task, answer) => near(pairs(task, answer), 2 ** -8),
    vague: true,
  },
];
