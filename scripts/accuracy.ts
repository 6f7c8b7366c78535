/**
 * How far float32 is from the truth: PyTorch's goldens and this implementation, chapter by chapter.
 * The truth is PyTorch's float64 answer to the same request. Exits with 1 where this implementation
 * is further off than PyTorch.
 *
 * ```sh
 * deno task accuracy
 * ```
 *
 * @module
 */

import { files } from "../golden/mod.ts";
import { type Answer, type Case, goldenFile, type JsonTensor } from "../golden/pair.ts";
import { answer } from "./adapters/reference.ts";

/** Operations whose answers are computed, not drawn or moved. */
const computed = new Set(["forward", "vjp"]);

/** The errors of one side: the largest and the root of the mean square. */
class Errors {
  #largest = 0;
  #squares = 0;
  #count = 0;

  /** Takes one number, and what it should be; the unit is the rounding of a float32 near 1. */
  add(given: number, truth: number): void {
    const error = Math.abs(given - truth) / (2 ** -24 * Math.max(1, Math.abs(truth)));
    this.#largest = Math.max(this.#largest, error);
    this.#squares += error * error;
    this.#count++;
  }

  /** How many numbers were taken. */
  get count(): number {
    return this.#count;
  }

  /** The largest error. */
  get largest(): number {
    return this.#largest;
  }

  /** The root of the mean square. */
  get typical(): number {
    return Math.sqrt(this.#squares / Math.max(this.#count, 1));
  }
}

/** The tensors of an answer, in order. */
function tensorsOf({ outputs = {}, grads }: Answer): JsonTensor[] {
  return [outputs, grads?.inputs ?? {}, grads?.state_dict ?? {}].flatMap((part) =>
    Object.values(part).flat()
  );
}

console.warn = () => {}; // some cases ask for what PyTorch, too, warns about
const chapters = new Map<string, { cases: number; torch: Errors; ours: Errors }>();
for (const path of Object.keys(files)) {
  const { chapter, cases } = goldenFile(path);
  const twins = new Map(cases.map((one): [string, Case] => [one.id, one]));
  for (const { id, request, expect } of cases) {
    const twin = twins.get(id.replace(/float32$/, "float64"));
    if (request.dtype !== "float32" || !computed.has(request.op) || !twin || expect.error) continue;
    const row = chapters.get(chapter) ?? { cases: 0, torch: new Errors(), ours: new Errors() };
    chapters.set(chapter, row);
    row.cases++;
    const ours = tensorsOf(answer(request));
    const torch = tensorsOf(expect);
    tensorsOf(twin.expect).forEach(({ data }, k) => {
      data.forEach((value, i) => {
        const truth = Number(value);
        const [t, o] = [Number(torch[k].data[i]), Number(ours[k].data[i])];
        if (![truth, t, o].every(Number.isFinite)) return; // beyond float32 there is no distance
        row.torch.add(t, truth);
        row.ours.add(o, truth);
      });
    });
  }
}

console.log("float32 against float64, in units of 2^-24 * max(1, |x|)\n");
console.log(
  "| chapter   | cases | numbers | PyTorch largest | ours largest | PyTorch rms | ours rms |",
);
console.log(
  "| --------- | ----: | ------: | --------------: | -----------: | ----------: | -------: |",
);
let further = 0;
for (const [chapter, { cases, torch, ours }] of chapters) {
  const cells = [
    chapter.padEnd(9),
    String(cases).padStart(5),
    String(ours.count).padStart(7),
    torch.largest.toFixed(2).padStart(15),
    ours.largest.toFixed(2).padStart(12),
    torch.typical.toFixed(3).padStart(11),
    ours.typical.toFixed(3).padStart(8),
  ];
  console.log(`| ${cells.join(" | ")} |`);
  if (ours.largest > torch.largest || ours.typical > torch.typical) further++;
}
if (further > 0) {
  console.error(`\nfurther from the truth than PyTorch in ${further} chapter(s)`);
  Deno.exit(1);
}
