/**
 * How an answer is held against what PyTorch answered.
 *
 * @module
 */

import type { DType } from "../../mod.ts";
import type { Answer, JsonNumber, JsonTensor, Request } from "./pair.ts";

/**
 * The closeness of NUM-2: for float32 that of PyTorch's `torch.testing.assert_close`; for float64 one
 * that float32 arithmetic fails.
 */
export const tolerance: Readonly<Record<DType, { rtol: number; atol: number }>> = {
  float32: { rtol: 1.3e-6, atol: 1e-5 },
  float64: { rtol: 1e-10, atol: 1e-12 },
};

/** The closeness of what 200 steps of training lead to (TRAIN-2). */
export const trainingTolerance: typeof tolerance = {
  float32: { rtol: 1e-4, atol: 1e-6 },
  float64: { rtol: 1e-9, atol: 1e-15 },
};

/** One way in which an answer differs. */
export interface Difference {
  /** Where: `outputs.h_n[3]`, `error.message`. */
  where: string;
  /** What PyTorch answered. */
  wanted: string;
  /** What was answered. */
  given: string;
  /** How far off, in units of the tolerance; infinite where it is not a matter of degree. */
  units: number;
}

/** What a comparison found. */
export interface Comparison {
  /** The largest difference of any number, in units of the tolerance; 0 where all are equal. */
  units: number;
  /** All that is wrong; for each tensor, only its worst element. */
  differences: Difference[];
}

/** Operations whose numbers are PyTorch's bit for bit (NUM-5). */
const bitwise = new Set(["init", "rand", "load"]);

/**
 * Holds an answer against the expected one.
 *
 * @param request what was asked
 * @param wanted what PyTorch answered
 * @param given what was answered
 * @returns the worst difference and all that is wrong
 */
export function compare(request: Request, wanted: Answer, given: Answer): Comparison {
  const found: Comparison = { units: 0, differences: [] };
  // What a checkpoint holds is exact; what a model puts out that it was loaded into is not.
  const exact = bitwise.has(request.op) && !(request.op === "load" && request.module);
  const dtype = request.dtype ?? "float32";
  const { [dtype]: limits } = request.op === "train" ? trainingTolerance : tolerance;
  const far = (w: JsonNumber, g: JsonNumber) => distance(w, g, dtype, exact, limits);
  const walk = (w: unknown, g: unknown, where: string): void => {
    if (isTensor(w) && isTensor(g)) compareTensors(w, g, where, far, found);
    else if (Array.isArray(w) && Array.isArray(g) && w.length === g.length) {
      w.forEach((item, k) => walk(item, g[k], `${where}[${k}]`));
    } else if (isPlain(w) && isPlain(g)) {
      for (const key of new Set([...Object.keys(w), ...Object.keys(g)])) {
        walk(w[key], g[key], where ? `${where}.${key}` : key);
      }
    } else if (JSON.stringify(w) !== JSON.stringify(g)) {
      found.differences.push({ where, wanted: show(w), given: show(g), units: Infinity });
    }
  };
  walk(wanted, given, "");
  for (const { units } of found.differences) found.units = Math.max(found.units, units);
  return found;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTensor(value: unknown): value is JsonTensor {
  return isPlain(value) && Array.isArray(value.shape) && Array.isArray(value.data);
}

function show(value: unknown): string {
  if (value === undefined) return "nothing";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

function compareTensors(
  wanted: JsonTensor,
  given: JsonTensor,
  where: string,
  far: (wanted: JsonNumber, given: JsonNumber) => number,
  found: Comparison,
): void {
  const wrong = (what: string, w: unknown, g: unknown, units = Infinity) =>
    found.differences.push({ where: where + what, wanted: show(w), given: show(g), units });
  if (String(wanted.shape) !== String(given.shape) || wanted.data.length !== given.data.length) {
    wrong(".shape", wanted.shape, given.shape);
    return;
  }
  let [worst, at] = [0, -1];
  wanted.data.forEach((w, i) => {
    const units = far(w, given.data[i]);
    if (units > worst) [worst, at] = [units, i];
  });
  if (worst > 1) wrong(`[${at}]`, wanted.data[at], given.data[at], worst);
  found.units = Math.max(found.units, worst);
}

/**
 * How far a number is from the one wanted.
 *
 * @param wanted what PyTorch answered
 * @param given what was answered
 * @param dtype which tolerance applies
 * @param exact whether nothing but the very same number will do, sign of zero included
 * @param limits the tolerance, where it is not that of the dtype
 * @returns the distance in units of the tolerance: up to 1 is close
 */
export function distance(
  wanted: JsonNumber,
  given: JsonNumber,
  dtype: DType,
  exact = false,
  limits: { readonly rtol: number; readonly atol: number } = tolerance[dtype],
): number {
  const [w, g] = [Number(wanted), Number(given)];
  if (Object.is(w, g)) return 0;
  if (exact || typeof given === "object" || given === null) return Infinity;
  if (w === g) return 0;
  const { rtol, atol } = limits;
  const units = Math.abs(g - w) / (atol + rtol * Math.abs(w));
  return Number.isNaN(units) || !Number.isFinite(w) ? Infinity : units;
}
