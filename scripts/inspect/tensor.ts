/**
 * A tensor of a checkpoint in one line: name, dtype, shape, range, and a picture of its numbers.
 */

import type { StoredTensor } from "../../mod.ts";
import { quote } from "../../lib/checkpoints/refuse.ts";

const COLUMNS = 20;

const heights = " ▁▂▃▄▅▆▇█";

/** What is told of a tensor's numbers. */
export interface Summary {
  /** The smallest and the largest finite number. */
  range: string;
  /** Their mean and their standard deviation. */
  mean: string;
  /** How many fall where between the smallest and the largest: columns of text. */
  picture: string;
  /** What is not finite. */
  odd: string;
}

export function summarise(values: ArrayLike<number | bigint>): Summary {
  let [low, high, sum, count] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const x = Number(values[i]);
    if (!Number.isFinite(x)) continue;
    if (x < low) low = x;
    if (x > high) high = x;
    sum += x;
    count++;
  }
  const odd = count < values.length ? `${values.length - count} not finite` : "";
  if (count === 0) return { range: "", mean: "", picture: "", odd };
  const mean = sum / count;
  const counts = new Array<number>(COLUMNS).fill(0);
  let squares = 0;
  const scale = high > low ? COLUMNS / (high - low) : 0;
  for (let i = 0; i < values.length; i++) {
    const x = Number(values[i]);
    if (!Number.isFinite(x)) continue;
    squares += (x - mean) ** 2;
    counts[Math.min(COLUMNS - 1, Math.floor((x - low) * scale))]++;
  }
  const most = Math.max(...counts);
  const picture = high > low
    ? counts.map((n) => heights[Math.ceil(n / most * (heights.length - 1))]).join("")
    : "all the same";
  return {
    range: high > low ? `${short(low)} … ${short(high)}` : short(low),
    mean: `${short(mean)} ± ${short(Math.sqrt(squares / count))}`,
    picture,
    odd,
  };
}

/** What is told of a tensor; nothing of one whose numbers JavaScript has not. */
export function summarised(tensor: StoredTensor): Summary {
  return summarise(/^(complex|float[468]_|float4)/.test(tensor.dtype) ? [] : tensor.values());
}

/** A number in few digits. */
function short(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x);
  const size = Math.abs(x);
  return size >= 1e-3 && size < 1e6 ? x.toPrecision(3) : x.toExponential(1);
}

/** A name as it is, or quoted where a terminal would make something else of it. */
export function plainName(name: string): string {
  return /^[\w.\-/]{1,80}$/.test(name) ? name : quote(name);
}

export function table(tensors: Readonly<Record<string, StoredTensor>>): string[] {
  const rows = [["name", "dtype", "shape", "range", "mean ± deviation", "distribution"]];
  for (const [name, tensor] of Object.entries(tensors)) {
    const head = [plainName(name), tensor.dtype, `(${tensor.shape.join(", ")})`];
    const { range, mean, picture, odd } = summarised(tensor);
    rows.push([...head, range, mean, [picture, odd].filter(Boolean).join("  ")]);
  }
  const widths = rows[0].map((_, k) => Math.max(...rows.map((row) => row[k].length)));
  return rows.map((row) =>
    `  ${row.map((text, k) => text.padEnd(widths[k])).join("  ")}`.trimEnd()
  );
}
