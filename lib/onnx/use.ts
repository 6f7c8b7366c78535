/** What operators share: how one is used, and arithmetic on shapes. */

import type { OnnxAttribute } from "./model.ts";
import type { Value } from "./value.ts";

/** One use of an operator. */
export interface Use {
  /** What goes in; `undefined` for an input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  readonly attribute: (name: string) => OnnxAttribute | undefined;
  /** How many outputs the node names. */
  readonly outputs: number;
  /** Whether a value of that shape may be made. */
  readonly fits: (shape: readonly number[]) => boolean;
}

export type Operator = (use: Use) => readonly (Value | null)[] | null;

export const product = (shape: readonly number[]) => shape.reduce((all, extent) => all * extent, 1);

export const integers = (
  values: readonly number[],
  shape: readonly number[] = [values.length],
): Value => (
  { shape, data: Float64Array.from(values), whole: true }
);

export function int({ attribute }: Use, name: string, otherwise: number): number {
  const own = attribute(name);
  return own?.type === "int" ? Number(own.value) : otherwise;
}

export function float({ attribute }: Use, name: string, otherwise: number): number {
  const own = attribute(name);
  return own?.type === "float" ? own.value : otherwise;
}

/** Integers that older operators take as an attribute, and newer ones as an input. */
export function list(
  { attribute, inputs }: Use,
  name: string,
  input: number,
): number[] | undefined {
  const own = attribute(name);
  if (own?.type === "ints") return own.value.map(Number);
  return inputs[input] && [...inputs[input].data];
}

/** How many elements lie from one to the next along each dimension. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let k = shape.length - 2; k >= 0; k--) strides[k] = strides[k + 1] * shape[k + 1];
  return strides;
}

/** A value of another's elements: from place `first` on, a stride for each dimension. */
export function taken(
  use: Use,
  x: Value,
  shape: readonly number[],
  strides: readonly number[],
  first = 0,
): Value | null {
  if (!use.fits(shape)) return null;
  const data = new Float64Array(product(shape));
  const at = shape.map(() => 0);
  let from = first;
  for (let k = 0; k < data.length; k++) {
    data[k] = x.data[from];
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d];
      if (++at[d] < shape[d]) break;
      from -= strides[d] * shape[d];
      at[d] = 0;
    }
  }
  return { shape, data, whole: x.whole };
}

/** The shape of two shapes together; throws where they do not fit. */
export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, k) => {
    const [x, y] = [a[k - rank + a.length] ?? 1, b[k - rank + b.length] ?? 1];
    if (x !== y && x !== 1 && y !== 1) throw new RangeError("shapes that do not fit");
    return x === 1 ? y : x;
  });
}

/** A value spread out to a shape that its own fits. */
export function expanded(use: Use, x: Value, shape: readonly number[]): Value | null {
  const own = stridesOf(x.shape);
  const strides = shape.map((_, k) => {
    const d = k - shape.length + x.shape.length;
    return d < 0 || x.shape[d] === 1 ? 0 : own[d];
  });
  return taken(use, x, shape, strides);
}

/** A place counted from the end where it is negative. */
export const axisOf = (axis: number, rank: number) => axis < 0 ? axis + rank : axis;
