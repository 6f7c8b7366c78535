/**
 * Tensors and numbers as text, character for character what Python prints.
 *
 * PyTorch's default print options hold throughout: 4 decimals, 80 columns, and past 1000 elements
 * only the 3 at each edge of every dimension.
 */

import { bool, check, ints, type Kind, number, type Options, text } from "../call.ts";
import { pythonFloat, pythonText } from "../python.ts";
import { type DType, isFloat, numel, type Values } from "./dtype.ts";

const textOrNone: Kind = { word: "str", is: (value) => value === null || text.is(value) };

/** A tensor, or what has its shape and its numbers. */
const someValues: Kind = {
  word: "Tensor",
  is: (value) => ArrayBuffer.isView((value as Partial<Values> | null)?.data),
};

const formatOptions: Options<FormatOptions> = {
  requiresGrad: bool,
  gradFn: textOrNone,
  prefix: text,
};

const PRECISION = 4;
const LINE_WIDTH = 80;
const THRESHOLD = 1000;
const EDGE_ITEMS = 3;

/**
 * What a printed tensor says beyond its values.
 * @category Tensors
 */
export interface FormatOptions {
  /** Whether the tensor asks for gradients; adds `requires_grad=True`. */
  requiresGrad?: boolean;
  /** What made the tensor; adds `grad_fn=<name>`, in place of `requires_grad=True`. */
  gradFn?: string | null;
  /** What stands before the values (`tensor(` if left out); its length indents later lines. */
  prefix?: string;
}

/**
 * The text of a tensor: Python's `repr(tensor)`, which is also what `print(tensor)` writes.
 *
 * All elements share one style, chosen from those that are shown: whole numbers (`1.`), fixed
 * (`1.5000`) or scientific (`1.5000e+00`).
 *
 * @param values a tensor of any shape
 * @param options what to say beyond the values
 * @returns the text, over several lines if need be, with no line break at its end
 *
 * @example
 * ```ts
 * import { formatTensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const data = new Float32Array([0.5, -1, 2, 10]);
 * assertEquals(
 *   formatTensor({ dtype: "float32", shape: [2, 2], data }),
 *   "tensor([[ 0.5000, -1.0000],\n        [ 2.0000, 10.0000]])",
 * );
 * ```
 * @category Tensors
 */
export function formatTensor(values: Values, options: FormatOptions = {}): string {
  check(["formatTensor", { values: someValues }, formatOptions], arguments);
  const prefix = options.prefix ?? "tensor(";
  const text = prefix + formatValues(values, prefix.length);
  return appendSuffixes(text, suffixesOf(values, options), prefix.length) + ")";
}

/**
 * The text of a list of integers, as Python prints an int64 tensor of one dimension.
 *
 * @returns for example `tensor([12,  5,  1])`
 */
export function formatIntegers(integers: readonly number[]): string {
  const data = Float64Array.from(integers);
  return formatTensor({ dtype: "int64", shape: [integers.length], data });
}

/**
 * The text of a shape, as Python prints a `torch.Size`.
 *
 * @param shape the extent of each dimension
 * @returns for example `torch.Size([2, 3])`
 *
 * @example
 * ```ts
 * import { formatSize } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatSize([1, 10, 1]), "torch.Size([1, 10, 1])");
 * ```
 * @category Tensors
 */
export function formatSize(shape: readonly number[]): string {
  check(["formatSize", { shape: ints }], arguments);
  return `torch.Size([${shape.join(", ")}])`;
}

/**
 * A number with a fixed count of decimals: Python's `f"{x:.4f}"`.
 *
 * The exact binary value is rounded, a tie to the even digit. (JavaScript's `toFixed` rounds ties
 * away from zero, drops the sign of -0, and changes notation at 1e21.)
 *
 * @param x any number; the others are written `nan`, `inf` and `-inf`
 * @param digits how many decimals, a whole number from 0
 * @returns the text
 * @throws {RangeError} if `digits` is not a whole number from 0
 *
 * @example
 * ```ts
 * import { formatFixed } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatFixed(0.03125, 4), "0.0312");
 * assertEquals(formatFixed(-0, 4), "-0.0000");
 * ```
 * @category Tensors
 */
export function formatFixed(x: number, digits: number): string {
  check(["formatFixed", { x: number, digits: number }], arguments);
  requireDigits(digits);
  if (!Number.isFinite(x)) return pythonFloat(x);
  const [integer, scale] = exactDecimal(x);
  const rounded = dropDigits(integer, scale - digits).padStart(digits + 1, "0");
  return signOf(x) + withPoint(rounded, rounded.length - digits);
}

/**
 * A number in scientific notation: Python's `f"{x:.4e}"`.
 *
 * Rounds as {@linkcode formatFixed} does; the exponent has a sign and at least two digits.
 *
 * @param x any number; the others are written `nan`, `inf` and `-inf`
 * @param digits how many decimals, a whole number from 0
 * @returns the text
 * @throws {RangeError} if `digits` is not a whole number from 0
 *
 * @example
 * ```ts
 * import { formatExponential } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(formatExponential(12345.5, 4), "1.2346e+04");
 * assertEquals(formatExponential(0, 4), "0.0000e+00");
 * ```
 * @category Tensors
 */
export function formatExponential(x: number, digits: number): string {
  check(["formatExponential", { x: number, digits: number }], arguments);
  requireDigits(digits);
  if (!Number.isFinite(x)) return pythonFloat(x);
  const [integer, scale] = exactDecimal(x);
  const surplus = integer.toString().length - 1 - digits;
  const rounded = dropDigits(integer, surplus).padStart(digits + 1, "0");
  const exponent = surplus - scale + rounded.length - 1; // one more where 9.99996 became 10.0000
  const power = Math.abs(exponent).toString().padStart(2, "0");
  const significand = withPoint(rounded.slice(0, digits + 1), 1);
  return `${signOf(x)}${significand}e${exponent < 0 ? "-" : "+"}${power}`;
}

/** How the elements of one tensor are written: all alike, in columns of one width. */
type Style = readonly [write: (x: number) => string, width: number];

/** The brackets and the numbers between them. */
function formatValues({ shape, data, dtype }: Values, indent: number): string {
  const count = numel(shape);
  if (count === 0) return "[]";
  const shown = shownIndices(shape, count > THRESHOLD);
  const [write, width] = chooseStyle(
    shownOffsets(shape, shown).map((offset) => data[offset]),
    dtype,
  );
  const element = (offset: number) => write(data[offset]).padStart(width);

  const block = (dim: number, offset: number, indent: number): string => {
    if (dim === shape.length) return element(offset);
    const last = dim === shape.length - 1;
    const items = shown[dim].map((index) =>
      index === GAP
        ? (last ? " ..." : "...")
        : block(dim + 1, offset * shape[dim] + index, indent + 1)
    );
    if (last) return `[${wrap(items, width, indent)}]`;
    return `[${items.join("," + "\n".repeat(shape.length - 1 - dim) + " ".repeat(indent + 1))}]`;
  };
  return block(0, 0, indent);
}

/** Stands among the shown indices where others are left out. */
const GAP = -1;

/** The indices printed in each dimension, with {@linkcode GAP} where it is shortened. */
function shownIndices(shape: readonly number[], summarise: boolean): number[][] {
  return shape.map((extent) => {
    const indices = Array.from({ length: extent }, (_, index) => index);
    if (!summarise || extent <= 2 * EDGE_ITEMS) return indices;
    return [...indices.slice(0, EDGE_ITEMS), GAP, ...indices.slice(-EDGE_ITEMS)];
  });
}

/** Where the printed elements lie in the row-major data. */
function shownOffsets(shape: readonly number[], shown: readonly number[][]): number[] {
  return shown.reduce((offsets, indices, dim) => {
    const kept = indices.filter((index) => index !== GAP);
    return offsets.flatMap((offset) => kept.map((index) => offset * shape[dim] + index));
  }, [0]);
}

/** The style that suits these elements; zeros, infinities and NaN have no say in it. */
function chooseStyle(elements: readonly number[], dtype: DType): Style {
  const float = isFloat(dtype);
  const telling = float ? elements.filter((x) => Number.isFinite(x) && x !== 0) : elements;
  const sizes = Float64Array.from(telling, Math.abs).sort();
  const [smallest, largest] = [sizes[0], sizes[sizes.length - 1]];
  const scientific = largest / smallest > 1000 || largest > 1e8 || smallest < 1e-4;
  const write = !float
    ? (x: number) => pythonText(dtype === "bool" ? x === 1 : x)
    : scientific
    ? (x: number) => formatExponential(x, PRECISION)
    : telling.every(Number.isInteger)
    ? (x: number) => formatFixed(x, 0) + (Number.isFinite(x) ? "." : "")
    : (x: number) => formatFixed(x, PRECISION);
  return [write, telling.reduce((most, x) => Math.max(most, write(x).length), 1)];
}

/** One row of elements, broken into lines. */
function wrap(items: readonly string[], width: number, indent: number): string {
  // A comma and a space follow each element. One alone may still be too wide for its line.
  const perLine = Math.max(1, Math.floor((LINE_WIDTH - indent) / (width + 2)));
  const lines: string[] = [];
  for (let start = 0; start < items.length; start += perLine) {
    lines.push(items.slice(start, start + perLine).join(", "));
  }
  return lines.join(",\n" + " ".repeat(indent + 1));
}

/** What the values alone do not tell, in the order it is printed. */
function suffixesOf({ dtype, shape }: Values, { requiresGrad, gradFn }: FormatOptions): string[] {
  const suffixes: string[] = [];
  if (numel(shape) === 0 && shape.length !== 1) suffixes.push(`size=(${shape.join(", ")})`);
  if (dtype === "float64" || (!isFloat(dtype) && numel(shape) === 0)) {
    suffixes.push(`dtype=torch.${dtype}`);
  }
  if (typeof gradFn === "string") suffixes.push(`grad_fn=<${gradFn}>`);
  else if (requiresGrad) suffixes.push("requires_grad=True");
  return suffixes;
}

/** Adds each suffix to the last line, or to a new one where it would not fit. */
function appendSuffixes(text: string, suffixes: readonly string[], indent: number): string {
  // PyTorch takes the last line of the values to be two columns longer than it is.
  let column = text.length - (text.lastIndexOf("\n") + 1) + 2;
  for (const suffix of suffixes) {
    const fits = column + 2 + suffix.length <= LINE_WIDTH;
    text += (fits ? ", " : ",\n" + " ".repeat(indent)) + suffix;
    column = (fits ? column + 2 : indent) + suffix.length;
  }
  return text;
}

/** Refuses a count of decimals that makes no sense. */
function requireDigits(digits: number): void {
  if (!Number.isInteger(digits) || digits < 0) {
    throw new RangeError(`digits must be a whole number from 0, but is ${digits}`);
  }
}

/** The minus of a negative number, negative zero included. */
function signOf(x: number): string {
  return x < 0 || Object.is(x, -0) ? "-" : "";
}

/** Digits with a decimal point before the one at `position`, if there is one. */
function withPoint(digits: string, position: number): string {
  return position === digits.length
    ? digits
    : `${digits.slice(0, position)}.${digits.slice(position)}`;
}

/** |x| as `integer / 10^scale`, exactly: every finite binary fraction is a finite decimal one. */
function exactDecimal(x: number): [integer: bigint, scale: number] {
  let [whole, scale] = [Math.abs(x), 0];
  for (; !Number.isInteger(whole); scale++) whole *= 2; // which is exact; |x| = whole / 2^scale
  return [BigInt(whole) * 5n ** BigInt(scale), scale];
}

/** `integer / 10^count` as text, rounded to the nearest whole number, a tie to the even one. */
function dropDigits(integer: bigint, count: number): string {
  if (count <= 0) return String(integer * 10n ** BigInt(-count));
  const divisor = 10n ** BigInt(count);
  const quotient = integer / divisor;
  const twice = 2n * (integer % divisor);
  const up = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  return String(up ? quotient + 1n : quotient);
}
