/** How results are compared: to the bit, or to the closeness of NUM-2. */

import { AssertionError } from "@std/assert";
import { tolerance } from "../../lib/conformance/mod.ts";
import type { FloatDType, Values } from "../../mod.ts";

export { tolerance };

/** Fails with a list of what differs. */
function report(what: string, given: Values, wanted: Values, wrong: number[]): void {
  if (wrong.length === 0) return;
  const shown = wrong.slice(0, 6).map((i) =>
    `  [${i}]: given ${given.data[i]}, wanted ${wanted.data[i]}`
  );
  throw new AssertionError(
    `${what}: ${wrong.length} of ${given.data.length} elements differ, shape ` +
      `[${given.shape}]\n${shown.join("\n")}`,
  );
}

function checkAlike(what: string, given: Values, wanted: Values): void {
  const text = ({ dtype, shape }: Values) => `${dtype} [${shape.join(", ")}]`;
  if (text(given) === text(wanted)) return;
  throw new AssertionError(`${what}: given ${text(given)}, wanted ${text(wanted)}`);
}

/** Asserts that two tensors agree in dtype, shape and every bit; all NaNs count as one. */
export function assertBitwise(given: Values, wanted: Values, what = "bitwise"): void {
  checkAlike(what, given, wanted);
  const indices = [...given.data.keys()];
  const wrong = indices.filter((i) => !Object.is(given.data[i], wanted.data[i]));
  report(what, given, wanted, wrong);
}

/** Asserts bitwise agreement of lists of tensors, such as states. */
export function assertAllBitwise(
  given: readonly Values[],
  wanted: readonly Values[],
  what = "bitwise",
): void {
  if (given.length !== wanted.length) {
    throw new AssertionError(`${what}: given ${given.length} tensors, wanted ${wanted.length}`);
  }
  given.forEach((part, k) => assertBitwise(part, wanted[k], `${what}, part ${k}`));
}

/** Asserts that two tensors agree in shape and, within a tolerance, in every element. */
export function assertClose(
  given: Values,
  wanted: Values,
  { rtol, atol } = tolerance[given.dtype as FloatDType],
  what = "close",
): void {
  checkAlike(what, { shape: given.shape, data: given.data, dtype: wanted.dtype }, wanted);
  const close = (a: number, b: number) =>
    Object.is(a, b) || a === b || Math.abs(a - b) <= atol + rtol * Math.abs(b);
  const indices = [...given.data.keys()];
  report(what, given, wanted, indices.filter((i) => !close(given.data[i], wanted.data[i])));
}
