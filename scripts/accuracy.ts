/**
 * How far float32 is from the truth: PyTorch's goldens and this implementation, its readable path
 * and its kernels, chapter by chapter. The truth is the float64 answer of the readable path to
 * the same numbers; the float64 goldens hold that path to PyTorch's.
 * Exits with 1 where the readable path is further off than PyTorch.
 *
 * ```sh
 * deno task accuracy
 * deno task accuracy --networks    gradients of generated networks, beside PyTorch's
 * ```
 */

import { files } from "../golden/mod.ts";
import { type Answer, goldenFile, type JsonTensor, type Request } from "../lib/conformance/mod.ts";
import { type Kernels, setKernels } from "../mod.ts";
import { answer } from "./adapters/reference.ts";

/** Operations whose answers are computed, not drawn or moved. */
const computed = new Set(["forward", "vjp"]);

/** The errors of one side, in units of the rounding of a float32 near 1. */
class Errors {
  largest = 0;
  count = 0;
  #squares = 0;

  /** Takes one number, and what it should be. */
  add(given: number, truth: number): void {
    const error = Math.abs(given - truth) / (2 ** -24 * Math.max(1, Math.abs(truth)));
    this.largest = Math.max(this.largest, error);
    this.#squares += error * error;
    this.count++;
  }

  /** The root of the mean square. */
  get typical(): number {
    return Math.sqrt(this.#squares / Math.max(this.count, 1));
  }
}

/** The tensors of an answer, in order. */
function tensorsOf({ outputs = {}, grads }: Answer): JsonTensor[] {
  return [outputs, grads?.inputs ?? {}, grads?.state_dict ?? {}].flatMap((part) =>
    Object.values(part).flat()
  );
}

if (Deno.args.includes("--networks")) {
  const { networks } = await import("./accuracy/networks.ts");
  Deno.exit(await networks() ? 0 : 1);
}

console.warn = () => {}; // some cases ask for what PyTorch, too, warns about
const sides = ["torch", "readable", "kernels"] as const;
type Row = Record<typeof sides[number], Errors> & { cases: number };

function answerOn(path: Kernels, request: Request): JsonTensor[] {
  setKernels(path);
  return tensorsOf(answer(request));
}

/** The same question in float64: every number as float32 holds it. */
function widened(request: Request): Request {
  const text = JSON.stringify(
    { ...request, dtype: "float64" },
    (key, value) =>
      key === "data" && Array.isArray(value)
        ? value.map((x) => typeof x === "number" ? Math.fround(x) : x)
        : value,
  );
  return JSON.parse(text);
}

const chapters = new Map<string, Row>();
for (const path of Object.keys(files)) {
  const { chapter, cases } = goldenFile(path);
  for (const { request, expect } of cases) {
    if (request.dtype !== "float32" || !computed.has(request.op) || expect.error) continue;
    const row = chapters.get(chapter) ??
      { cases: 0, torch: new Errors(), readable: new Errors(), kernels: new Errors() };
    chapters.set(chapter, row);
    row.cases++;
    const given = {
      torch: tensorsOf(expect),
      readable: answerOn("readable", request),
      kernels: answerOn("auto", request),
    };
    answerOn("readable", widened(request)).forEach(({ data }, k) => {
      data.forEach((value, i) => {
        const truth = Number(value);
        const numbers = sides.map((side) => Number(given[side][k].data[i]));
        if (![truth, ...numbers].every(Number.isFinite)) return; // infinities have no distance
        sides.forEach((side, s) => row[side].add(numbers[s], truth));
      });
    });
  }
}

const columns = ["chapter", "cases", "numbers", ...sides.flatMap((side) => [`${side} max`, "rms"])];
const rows = [...chapters].map(([chapter, row]) => [
  chapter,
  String(row.cases),
  String(row.torch.count),
  ...sides.flatMap((side) => [row[side].largest.toFixed(2), row[side].typical.toFixed(3)]),
]);
const widths = columns.map((column, k) =>
  Math.max(column.length, ...rows.map((row) => row[k].length))
);
const line = (cells: string[]) =>
  `| ${
    cells.map((cell, k) => k ? cell.padStart(widths[k]) : cell.padEnd(widths[k])).join(" | ")
  } |`;
console.log("float32 against float64, in units of 2^-24 * max(1, |x|)\n");
console.log(line(columns));
console.log(
  `| ${widths.map((width, k) => "-".repeat(width - (k ? 1 : 0)) + (k ? ":" : "")).join(" | ")} |`,
);
for (const row of rows) console.log(line(row));
const further = [...chapters].filter(([, { torch, readable }]) =>
  readable.largest > torch.largest || readable.typical > torch.typical
);
if (further.length > 0) {
  console.error(
    `\nfurther from the truth than PyTorch: ${further.map(([name]) => name).join(", ")}`,
  );
  Deno.exit(1);
}
