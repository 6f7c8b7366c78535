/** What the goldens tell apart: arithmetic of fewer bits, and every mistake that the kit knows. */

import { assert, assertEquals } from "@std/assert";
import {
  type Answer,
  commit,
  compare,
  type Deviation,
  explain,
  type JsonNumber,
  type JsonTensor,
  type Mistake,
  mistakes,
  type Outputs,
  type Parameters,
  select,
  type Task,
} from "../../lib/conformance/mod.ts";
import { cat, linear, Tensor, to, zeros } from "../../mod.ts";
import { answer } from "../../scripts/adapters/reference.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";

// What is asked here is asked of the goldens, whichever path computes.
const fact = (clauses: readonly string[], claim: string, holds: () => void) =>
  onEveryPath(clauses, claim, holds, readablePath);

// The six modules of the adapter in numpy. Cases of a thousand units would only take time.
const layers = select({ levels: ["forward"] }).filter(({ id, request }) =>
  /^(RNN|LSTM|GRU)(Cell)?$/.test(request.module ?? "") && !/units-1000|steps-5000/.test(id) &&
  !(request.args?.dropout && request.training)
);
const double = layers.filter(({ request }) => request.dtype === "float64");
const core = layers.filter(({ level }) => level === "core");

/** The share of cases that such an answer fails; a mistake that does not apply answers rightly. */
function failing(tasks: readonly Task[], answerTo: (task: Task) => Answer | null): number {
  const failed = tasks.filter((task) => {
    const given = answerTo(task);
    return given && compare(task.request, task.expect, given).differences.length > 0;
  });
  return failed.length / tasks.length;
}

/**
 * A mistake: the product with W_ih, alone, in float32, its operands rounded first. What a layer reads
 * is replaced by that product, and W_ih by the matrix that hands each direction its own rows on.
 *
 * @param round how operands are rounded
 * @param changed told whether the product is another number than the exact one
 */
function inputProduct(round: (x: number) => number, changed: () => void): Mistake {
  const each = ({ data, shape }: Tensor) => new Tensor(data.map(round), shape);
  const product = (x: Tensor, directions: readonly Parameters[]) => {
    const weight = cat(directions.map(({ weightIh }) => weightIh), 0);
    const exact = linear(x, weight);
    const given = to(linear(to(each(x), "float32"), to(each(weight), "float32")), x.dtype);
    if (exact.data.some((value, i) => value - given.data[i] !== 0)) changed();
    return given;
  };
  const deviation: Deviation = {
    setting: (setting) => ({ ...setting, input: product(setting.input, setting.parameters[0]) }),
    layer: (own, layer, { parameters }) => {
      const above = parameters[layer + 1];
      return above ? { ...own, output: product(own.output, above) } : own;
    },
    parameters: (own, { layer, direction, setting }) => {
      const [rows] = own.weightIh.shape;
      const width = rows * setting.parameters[layer].length;
      const chosen = zeros([rows, width], { dtype: own.weightIh.dtype });
      for (let i = 0; i < rows; i++) chosen.data[i * width + direction * rows + i] = 1;
      return { ...own, weightIh: chosen };
    },
  };
  return { id: "input-product", says: "the product with W_ih has fewer bits", deviation };
}

/** Of the cases in which that product is another number, the share that fails, and how many. */
function failingProduct(tasks: readonly Task[], round: (x: number) => number): [number, number] {
  let changed = false;
  const mistake = inputProduct(round, () => changed = true);
  const affected = tasks.map((task) => {
    changed = false;
    return { failed: commit(mistake, task) !== null, changed };
  }).filter((one) => one.changed);
  return [affected.filter(({ failed }) => failed).length / affected.length, affected.length];
}

/** The nearest number of TF32, which has ten bits behind the point and the range of float32. */
function tf32(x: number): number {
  const scale = 2 ** (10 - Math.floor(Math.log2(Math.abs(x))));
  return Number.isFinite(scale) ? Math.round(x * scale) / scale : x;
}

/** An answer's numbers as float32 holds them: the shortest decimals may be those of a float64. */
function held({ outputs }: Answer): Answer {
  return { outputs: outputs && numbersOf(outputs, Math.fround) };
}

describe("fewer bits", () => {
  fact(["NUM-2"], "float32 arithmetic fails at least 95 % of the float64 cases", () => {
    const share = failing(double, ({ request }) => held(answer({ ...request, dtype: "float32" })));
    assert(share >= 0.95, `${share} of ${double.length}`);
  });

  fact(["NUM-2"], "and so does float32 in the product with W_ih alone", () => {
    const [share, of] = failingProduct(double, (x) => x);
    assert(share >= 0.95 && of > 0.8 * double.length, `${share} of ${of}`);
  });

  for (const [name, round] of [["float16", Math.f16round], ["TF32", tf32]] as const) {
    fact(["NUM-2"], `${name} in the product with W_ih fails 80 % of the core cases`, () => {
      const [share, of] = failingProduct(core, round);
      assert(share >= 0.8 && of > 0.8 * core.length, `${share} of ${of}`);
    });
  }
});

// What needs more than one layer and direction, batched, time first, and finite: it cannot show in
// the core.
const beyond = new Set([
  ...["reverse-weights-forward", "directions-swapped", "direction-major", "h-n-swapped"],
  ...["backward-unreversed", "forward-for-backward", "halves-swapped", "halves-added"]
    .flatMap((id) => [id, `${id}-last`]),
  ...["reverse-runs-forward", "backward-h-n-from-end", "every-layer-reads-x", "layers-top-down"],
  ...["h-0-of-layer-0", "no-projection", "dropout-p-1", "no-dropout", "absent-peephole"],
  ...["zero-state-skipped", "batch-first-ignored", "batch-first-state", "batch-first-output-kept"],
  ...["lengths-ignored", "h-n-from-padding", "reverse-from-padding", "lengths-ignored-by-forward"],
  ...["lengths-ignored-by-reverse", "forward-through-padding", "padding-multiplied"],
  ...["h-n-from-padded-output", "batch-left-sorted", "output-uncut", "padding-multiplied-cut"],
  ...["past-end-computed", "past-end-kept", "nan-as-low", "nan-as-high"],
]);

/** The nearest bfloat16: the upper half of a float32. */
function bfloat16(x: number): number {
  const bits = new Uint32Array(Float32Array.of(x).buffer);
  bits[0] = (bits[0] + 0x7fff + ((bits[0] >> 16) & 1)) & 0xffff0000;
  return new Float32Array(bits.buffer)[0];
}

/** What mistakes that are only recognised make of right numbers. */
const rewritten: Record<string, (x: number) => number> = {
  "float16-arithmetic": Math.f16round,
  "bfloat16-arithmetic": bfloat16,
  "low-precision": (x) => x * (1 + 2 ** -11),
};

/** Outputs with every finite number changed. */
function numbersOf(outputs: Outputs, change: (x: number) => number): Outputs {
  const one = ({ shape, data }: JsonTensor) => ({
    shape,
    data: data.map((x): JsonNumber => typeof x === "number" ? change(x) : x),
  });
  return Object.fromEntries(
    Object.entries(outputs).map(([name, x]) => [name, one(x as JsonTensor)]),
  );
}

/** Three cases that fail a mistake and are explained by it, or as many as there are. */
function named(mistake: Mistake, tasks: readonly Task[]): Task[] {
  const found: Task[] = [];
  for (const task of tasks) {
    const given = mistake.id in rewritten
      ? { outputs: numbersOf(task.expect.outputs!, rewritten[mistake.id]) }
      : commit(mistake, task);
    if (!given || compare(task.request, task.expect, given).differences.length === 0) continue;
    if (explain(task, given).some(({ id }) => id === mistake.id)) found.push(task);
    if (found.length === 3) break;
  }
  return found;
}

describe("the kit's mistakes", () => {
  const all = select({ levels: ["forward"] }).filter(({ id }) => !/units-1000|steps-5000/.test(id));
  const cores = all.filter(({ level }) => level === "core");
  const single = all.filter(({ request }) => request.dtype === "float32");
  const made = mistakes.filter(({ id, deviation, restate }) =>
    deviation || restate || id in rewritten
  );

  fact(["CONFORM-7"], "each fails three cases of the core, or of all, and is named", () => {
    const few = made.map((mistake) => {
      const found = named(mistake, beyond.has(mistake.id) ? single : cores);
      return [mistake.id, found.length] as const;
    }).filter(([, count]) => count < 3);
    assertEquals(few, []);
  });

  fact(["CONFORM-7"], "those that the core cannot show are known mistakes", () => {
    const known = new Set(mistakes.map(({ id }) => id));
    assertEquals([...beyond].filter((id) => !known.has(id)), []);
  });
});
