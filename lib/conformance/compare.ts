/** How an answer is held against what PyTorch answered. */

import type { FloatDType } from "../tensor/dtype.ts";
import type { Answer, JsonNumber, JsonTensor, Request } from "./pair.ts";

/** Two numbers are close if `|given - wanted| <= atol + rtol * |wanted|`. */
export interface Tolerance {
  /** Relative to the number wanted. */
  readonly rtol: number;
  /** Whatever the number wanted. */
  readonly atol: number;
}

/**
 * The closeness of NUM-2: for float32 that of PyTorch's `torch.testing.assert_close`; for float64 one
 * that float32 arithmetic fails.
 */
export const tolerance: Readonly<Record<FloatDType, Tolerance>> = {
  float32: { rtol: 1.3e-6, atol: 1e-5 },
  float64: { rtol: 1e-10, atol: 1e-12 },
};

/** The closeness of what 200 steps of training lead to (TRAIN-2). */
export const trainingTolerance: Readonly<Record<FloatDType, Tolerance>> = {
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

/** Operations that train, whose numbers are those of many steps. */
const learning = new Set(["train", "example"]);

/** What comes from outside may be nested without end; no golden answer is nested this deep. */
const deepest = 1000;

/**
 * Holds an answer against the expected one. The answer comes from outside: whatever it is, this
 * does not throw.
 *
 * @returns the worst difference and all that is wrong
 *
 * @example
 * ```ts
 * import { compare } from "@rnn-spec/rnn-spec/conformance";
 * import { assertEquals } from "@std/assert";
 *
 * const output = (x: number) => ({ outputs: { output: { shape: [1], data: [x] } } });
 * assertEquals(compare({ op: "forward" }, output(1), output(1.00001)).differences, []);
 * const [{ where, given }] = compare({ op: "forward" }, output(1), output(1.1)).differences;
 * assertEquals([where, given], ["outputs.output[0]", "1.1"]);
 * ```
 */
export function compare(request: Request, wanted: Answer, given: Answer): Comparison {
  const found: Comparison = { units: 0, differences: [] };
  // What a checkpoint holds is exact; what a model puts out that it was loaded into is not.
  const drawn = request.module === "Embedding"; // normal draws, whose last bits are free (INIT-5)
  const exact = bitwise.has(request.op) && !(request.op === "load" && request.module) && !drawn;
  const dtype = request.dtype ?? "float32";
  const { [dtype]: limits } = learning.has(request.op) ? trainingTolerance : tolerance;
  const far = (w: JsonNumber, g: unknown, whole: boolean) =>
    distance(w, g, dtype, exact || whole, limits);
  const walk = (w: unknown, g: unknown, where: string, depth: number): void => {
    if (isTensor(w) && isTensor(g)) compareTensors(w, g, where, far, found);
    else if (depth < deepest && Array.isArray(w) && Array.isArray(g) && w.length === g.length) {
      w.forEach((item, k) => walk(item, g[k], `${where}[${k}]`, depth + 1));
    } else if (depth < deepest && isPlain(w) && isPlain(g)) {
      for (const key of new Set([...Object.keys(w), ...Object.keys(g)])) {
        walk(own(w, key), own(g, key), where ? `${where}.${key}` : key, depth + 1);
      }
    } else if (w !== g) {
      found.differences.push({ where, wanted: show(w), given: show(g), units: Infinity });
    }
  };
  walk(wanted, given, "", 0);
  for (const { units } of found.differences) found.units = Math.max(found.units, units);
  return found;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const own = (value: Record<string, unknown>, key: string): unknown =>
  Object.hasOwn(value, key) ? value[key] : undefined;

function isTensor(value: unknown): value is JsonTensor {
  return isPlain(value) && Array.isArray(own(value, "shape")) && Array.isArray(own(value, "data"));
}

/** Whether two shapes are equal; what is given may be anything. */
export function sameShape(wanted: readonly number[], given: readonly unknown[]): boolean {
  return wanted.length === given.length && wanted.every((extent, k) => extent === given[k]);
}

/**
 * A value in short, whatever it is.
 *
 * @returns JSON of at most 400 characters; a text as it is
 */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  let text: string;
  try {
    text = typeof value === "string" ? value : JSON.stringify(value);
  } catch {
    text = "something nested too deeply";
  }
  return text.length > 400 ? `${text.slice(0, 400)}…` : text;
}

function compareTensors(
  wanted: JsonTensor,
  given: JsonTensor,
  where: string,
  far: (wanted: JsonNumber, given: unknown, whole: boolean) => number,
  found: Comparison,
): void {
  const wrong = (what: string, w: unknown, g: unknown, units = Infinity) =>
    found.differences.push({ where: where + what, wanted: show(w), given: show(g), units });
  if (!sameShape(wanted.shape, given.shape)) return void wrong(".shape", wanted.shape, given.shape);
  if (wanted.data.length !== given.data.length) {
    return void wrong(".data.length", wanted.data.length, given.data.length);
  }
  const [own, other] = [wanted, given].map(({ dtype }) =>
    dtype === "int64" || dtype === "bool" ? dtype : "float"
  );
  if (own !== other) return void wrong(".dtype", own, other);
  let [worst, at] = [0, -1];
  wanted.data.forEach((w, i) => {
    const units = far(w, given.data[i], own !== "float");
    if (units > worst) [worst, at] = [units, i];
  });
  if (worst > 1) wrong(`[${at}]`, wanted.data[at], given.data[at], worst);
  found.units = Math.max(found.units, worst);
}

/** A number of the protocol, or `undefined` for what is none: `true`, `""`, `"1"`, `[1]`, `null`. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  return value === "NaN" || value === "Infinity" || value === "-Infinity"
    ? Number(value)
    : undefined;
}

/**
 * How far a number is from the one wanted.
 *
 * @param dtype which tolerance applies
 * @param exact whether nothing but the very same number will do, sign of zero included
 * @param limits the tolerance, where it is not that of the dtype
 * @returns the distance in units of the tolerance: up to 1 is close
 */
export function distance(
  wanted: JsonNumber,
  given: unknown,
  dtype: FloatDType,
  exact = false,
  limits: Tolerance = tolerance[dtype],
): number {
  const [w, g] = [Number(wanted), numberOf(given)];
  if (g === undefined) return Infinity;
  if (Object.is(w, g)) return 0;
  if (exact) return Infinity;
  if (w === g) return 0;
  const { rtol, atol } = limits;
  const units = Math.abs(g - w) / (atol + rtol * Math.abs(w));
  return Number.isNaN(units) || !Number.isFinite(w) ? Infinity : units;
}
