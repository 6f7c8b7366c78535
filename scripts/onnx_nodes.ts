/**
 * Puts this evaluator of ONNX's recurrent nodes beside others: ONNX's own tests of RNN, LSTM and GRU,
 * and random nodes that ONNX Runtime answers (`onnx_nodes.py` makes both). Needs uv.
 *
 * ```sh
 * deno task nodes
 * deno task nodes --count 5000 --seed 7
 * ```
 */

import { command, type Given } from "./command/run.ts";
import { type LayerKind, Tensor } from "../mod.ts";
import { attributesOf, evaluateRecurrence, readOnnx, recurrenceOf } from "../lib/onnx/mod.ts";

interface Json {
  shape: number[];
  dtype: "float32" | "int32";
  data: number[];
}

/** A node with its inputs, and what another evaluator puts out. */
interface Case {
  name: string;
  source: "onnx" | "onnxruntime";
  /** The file, in base64. */
  model: string;
  inputs: Record<string, Json>;
  outputs: Record<string, Json>;
  /** Why the answer is known to be wrong, where it is. */
  wrong?: string;
}

/** What the operators call their inputs, in order, and what they are called here. */
const inputNames = ["X", "W", "R", "B", "sequenceLens", "initialH", "initialC", "P"] as const;

/** How far numbers are from others, at most, in units of float32's closeness at the largest. */
function units(data: ArrayLike<number>, from: ArrayLike<number>): number {
  let [largest, apart] = [1, 0];
  for (let i = 0; i < data.length; i++) {
    largest = Math.max(largest, Math.abs(data[i]));
    const own = Math.abs(data[i] - from[i]);
    apart = Number.isNaN(own) ? Infinity : Math.max(apart, own);
  }
  return apart / (1e-5 + 1.3e-6 * largest);
}

/**
 * How far an answer is off: in units of float32's closeness (NUM-2) at the output's largest number,
 * or, where that is more, of eight times what a change of every number given by its last bit makes.
 */
function distance({ model, inputs, outputs }: Case): number {
  const { graph, opsets } = readOnnx(Uint8Array.from(atob(model), (c) => c.charCodeAt(0)));
  const [node] = graph.nodes;
  const kind = node.opType as LayerKind;
  const recurrence = recurrenceOf(kind, attributesOf(node), opsets.get("")!);
  const given = Object.fromEntries(node.inputs.flatMap((name, k) => {
    if (name === "") return [];
    return [[inputNames[k], inputs[name]]];
  }));
  const run = (change: (x: number, k: number) => number) => {
    const tensors = Object.entries(given).map(([name, { shape, dtype, data }]) => [
      name,
      dtype === "int32" ? data : new Tensor(Float64Array.from(data, change), shape),
    ]);
    const { Y, Yh, Yc } = evaluateRecurrence(recurrence, Object.fromEntries(tensors));
    return [Y, Yh, Yc];
  };
  const [own, moved] = [run((x) => x), run((x, k) => x * (1 + (k % 2 ? 1 : -1) * 2 ** -23))];
  return Math.max(...node.outputs.map((name, k) => {
    if (name === "") return 0;
    const { shape, data } = outputs[name];
    if (own[k]?.shape.join() !== shape.join()) return Infinity;
    return units(data, own[k].data) / Math.max(1, 8 * units(own[k].data, moved[k]!.data));
  }));
}

/** The cases that the script in Python makes. */
async function* cases(args: readonly string[]): AsyncGenerator<Case> {
  const script = new URL("onnx_nodes.py", import.meta.url).pathname;
  const child = new Deno.Command("uv", {
    args: ["run", "--quiet", script, ...args],
    stdout: "piped",
  }).spawn();
  let rest = "";
  for await (const piece of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line);
  }
  if (!(await child.status).success) throw new Error("onnx_nodes.py did not end well");
}

const usage = `deno task nodes [options]

ONNX's own tests of RNN, LSTM and GRU, then random nodes that ONNX Runtime answers. The status is 0
where this evaluator agrees with all but those that are known to be wrong.

Options:
  --count N  how many random nodes (1000)
  --seed N   where the random choices begin
`;

async function main({ text }: Given): Promise<number> {
  const tally = new Map<string, { agree: number; worst: number; off: number; wrong: number }>();
  const reasons = new Map<string, number>();
  const args = Object.entries(text).flatMap(([name, value]) => [`--${name}`, value!]);
  for await (const one of cases(args)) {
    const row = tally.get(one.source) ?? { agree: 0, worst: 0, off: 0, wrong: 0 };
    tally.set(one.source, row);
    const units = distance(one);
    if (units <= 1) {
      row.agree++;
      row.worst = Math.max(row.worst, units);
    } else if (one.wrong) {
      row.wrong++;
      reasons.set(one.wrong, (reasons.get(one.wrong) ?? 0) + 1);
    } else {
      row.off++;
      console.log(
        `${one.source} differs: ${one.name}: ${units.toPrecision(3)} times the closeness`,
      );
    }
  }
  for (const [source, { agree, worst, off, wrong }] of tally) {
    const known = wrong ? `, ${wrong} where it is known to be wrong` : "";
    console.log(
      `${source}: ${agree} of ${agree + off + wrong} agree, the worst at ${worst.toPrecision(2)} ` +
        `of the closeness${known}`,
    );
  }
  for (const [reason, count] of reasons) console.log(`  ${count}: ${reason}`);
  return [...tally.values()].some(({ off }) => off > 0) ? 1 : 0;
}

if (import.meta.main) await command("nodes", usage, main);
