/**
 * Writes spec/EXPORTERS.md: what exporters make of recurrent layers, feature by feature. Each exports
 * its modules in Python, and every file is judged here.
 *
 * ```sh
 * deno task exporters                 # exports with uv, judges, writes the page
 * deno task exporters --from DIR      # judges what was exported there before
 * deno task exporters --right 500     # exports so many files of all kinds: each must be right
 * ```
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { fromKeras, type KerasLayer, loadCheckpoint, type StateDict } from "../mod.ts";
import { judge, type Judgement, readOnnx } from "../lib/onnx/mod.ts";
import { printed } from "./command/files.ts";
import { type Outcome, page } from "./exporters/page.ts";

/** An exporter: the folder of its files, which of them are its own, how it runs, and its title. */
interface Exporter {
  readonly id: string;
  readonly only: string;
  /** The program in Python, and its options. */
  readonly run: readonly [program: string, ...options: string[]];
  title(made: Record<string, string>): string;
}

const dynamo: Pick<Exporter, "only" | "title"> = {
  only: "dynamo",
  title: ({ torch, onnxscript }) => `PyTorch ${torch}, dynamo, onnxscript ${onnxscript}`,
};

const exporters: readonly Exporter[] = [
  {
    ...{ id: "now", run: ["torch_export.py"], only: "torchscript" },
    title: ({ torch }) => `PyTorch ${torch}, TorchScript`,
  },
  { id: "now", run: ["torch_export.py"], ...dynamo },
  { id: "before", run: ["torch_export_before.py", "--exporter", "dynamo"], ...dynamo },
  {
    ...{ id: "keras", run: ["keras_export.py"], only: "keras" },
    title: ({ keras, tf2onnx }) => `Keras ${keras}, TensorFlow, tf2onnx ${tf2onnx}`,
  },
];

/** A line of an index.json. */
interface Exported {
  name: string;
  feature?: string;
  exporter: string;
  module: string;
  opset?: number | null;
  args: { nonlinearity?: "tanh" | "relu"; batch_first?: boolean };
  error?: string;
  /** Of Keras: the class names of each layer's directions. */
  layers?: string[][];
}

const here = new URL("exporters/", import.meta.url);

async function run([program, ...options]: Exporter["run"], folder: string): Promise<void> {
  await printed(".", "uv", "run", new URL(program, here).pathname, folder, ...options);
}

async function indexOf(
  folder: string,
): Promise<{ made: Record<string, string>; files: Exported[] }> {
  return JSON.parse(await Deno.readTextFile(join(folder, "index.json")));
}

/** Keras' arrays as PyTorch has them. */
function kerasState(arrays: StateDict, { layers, args }: Exported): StateDict {
  const own = layers!.map((names, k) =>
    names.map((className, d) => {
      const at = (name: string) => arrays[`${k}.${d}.${name}`];
      const recurrentKernel = at("recurrentKernel");
      return {
        ...{ className, goBackwards: d === 1, units: recurrentKernel.shape[0] },
        ...{ kernel: at("kernel"), recurrentKernel, bias: at("bias") ?? null },
        ...(args.nonlinearity && { activation: args.nonlinearity }),
      } as KerasLayer;
    })
  );
  return fromKeras(own, args.nonlinearity ? { nonlinearity: args.nonlinearity } : {});
}

async function judged(folder: string, exported: Exported): Promise<Judgement> {
  const { name, args, layers } = exported;
  const arrays = await loadCheckpoint(join(folder, `${name}.safetensors`));
  const state = layers ? kerasState(arrays, exported) : arrays;
  const model = readOnnx(await Deno.readFile(join(folder, `${name}.onnx`)));
  return judge(model, state, {
    nonlinearity: args.nonlinearity ?? "tanh",
    batchFirst: layers ? true : args.batch_first === true,
  });
}

/** What became of a file, in a word or two. */
async function outcome(folder: string, exported: Exported): Promise<Outcome> {
  const { feature = "", module, args } = exported;
  const kind = args.nonlinearity && !module.endsWith("Cell") ? `RNN ${args.nonlinearity}` : module;
  if (exported.error) {
    return { feature, kind, says: "refused", why: exported.error, off: 0, opset: null };
  }
  const { verdict, nodes, whole, beyond, opset } = await judged(folder, exported);
  const mistakes = [...nodes, ...whole].flatMap(({ mistakes }) => mistakes);
  const off = Math.max(...nodes.map(({ off }) => off?.error ?? 0), 0);
  const about = { feature, kind, off, opset };
  if (verdict === "right") {
    return { ...about, says: nodes.length > 0 ? "✓" : "✓ as products", why: null };
  }
  const [first] = mistakes;
  if (first) return { ...about, says: first.id, why: first.says };
  return { ...about, says: verdict === "wrong" ? "wrong" : "not told", why: beyond.join("; ") };
}

async function table(from: string): Promise<string> {
  const columns = [];
  for (const { id, only, title } of exporters) {
    const folder = join(from, id);
    const { made, files } = await indexOf(folder);
    const own = files.filter(({ exporter }) => exporter === only);
    const outcomes = [];
    for (const file of own) outcomes.push(await outcome(folder, file));
    columns.push({ title: title(made), outcomes });
  }
  return page(columns);
}

/** Judges files that are right; how many are, and what is said of the others. */
async function allRight(folder: string): Promise<{ right: number; others: string[] }> {
  const { files } = await indexOf(folder);
  const others: string[] = [];
  let right = 0;
  for (const file of files) {
    if (file.error) continue;
    const { verdict, nodes, whole } = await judged(folder, file);
    if (verdict === "right") right++;
    else {
      const ids = [...nodes, ...whole].flatMap(({ mistakes }) => mistakes.map(({ id }) => id));
      others.push(`${file.name}: ${verdict} ${ids.join(", ")}`);
    }
  }
  return { right, others };
}

if (import.meta.main) {
  const text = { type: "string" } as const;
  const { values } = parseArgs({ args: Deno.args, options: { from: text, right: text } });
  const folder = values.from ?? await Deno.makeTempDir();
  if (values.right !== undefined) {
    const own = join(folder, "right");
    if (!values.from) await run(["torch_export.py", "--right", values.right], own);
    const { right, others } = await allRight(own);
    console.log([...others, `${right} right, ${others.length} others`].join("\n"));
    Deno.exitCode = others.length > 0 ? 1 : 0;
  } else {
    const programs = new Map(values.from ? [] : exporters.map((one) => [one.id, one.run]));
    for (const [id, program] of programs) await run(program, join(folder, id));
    const target = new URL("../spec/EXPORTERS.md", import.meta.url);
    await Deno.writeTextFile(target, await table(folder));
    await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", target.pathname] }).output();
  }
  if (!values.from) await Deno.remove(folder, { recursive: true });
}
