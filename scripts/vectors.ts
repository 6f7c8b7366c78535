/**
 * Writes the goldens in forms that others read without a line of code from here: as ONNX models with
 * inputs and expected outputs, in the layout of ONNX's own backend tests; or as arrays of NumPy or
 * safetensors, with a manifest.
 *
 * ```sh
 * deno task vectors --onnx -o vectors
 * deno task vectors --npz -o vectors
 * ```
 */

import config from "../deno.json" with { type: "json" };
import { circumstances, levels, select, type Task } from "../lib/conformance/mod.ts";
import { command, type Given } from "./command/run.ts";
import { arraysOf, type Entry, entryOf, forms } from "./vectors/arrays.ts";
import { onnxFiles } from "./vectors/onnx.ts";

const usage = `deno task vectors --onnx|--npz|--safetensors -o DIR [flags]

  --onnx          ONNX models: DIR/<case>/model.onnx, test_data_set_0/input_0.pb … output_0.pb …
                  What ONNX cannot say (projections, dropout in training) is left out
  --npz           DIR/<case>.npz of arrays named state_dict.*, inputs.* and outputs.*, and
                  DIR/manifest.json, which says of each case its file, module, arguments, dtype,
                  closeness, level, clauses and reason
  --safetensors   the same as DIR/<case>.safetensors
  -o, --output DIR the folder, which must not be there yet
  --packed        --onnx: lists of integers packed, as ONNX's proto3 file has them; else one by one, as
                  the onnx package writes them. Some readers take only one of the two
  --opset N       --onnx: 13 to 17 (17)
  --level NAMES   ${Object.keys(levels).join(", ")}; several with commas (forward)
  --chapter NAMES only these chapters, with commas
  --help          this text

Only forward passes are written. scripts/vectors/check.py reads a folder again.`;

const formats = ["onnx", "npz", "safetensors"] as const;

const nameOf = (task: Task) => task.id.replaceAll("/", "__");

/** Writes the cases as ONNX models; how many ONNX can say. */
async function writeOnnx(tasks: readonly Task[], folder: string, packed: boolean, opset: number) {
  let count = 0;
  for (const task of tasks) {
    const files = onnxFiles(task, packed, opset);
    if (!files) continue;
    const own = `${folder}/${nameOf(task)}`;
    await Deno.mkdir(`${own}/test_data_set_0`, { recursive: true });
    for (const [path, bytes] of Object.entries(files)) {
      await Deno.writeFile(`${own}/${path}`, bytes);
    }
    count++;
  }
  return count;
}

/** Writes the cases as arrays, and the manifest; how many are arrays throughout. */
async function writeArrays(tasks: readonly Task[], folder: string, form: keyof typeof forms) {
  const cases: Entry[] = [];
  for (const task of tasks) {
    const arrays = arraysOf(task);
    if (!arrays) continue;
    const file = `${nameOf(task)}.${form}`;
    await Deno.writeFile(`${folder}/${file}`, forms[form](arrays));
    cases.push(entryOf(task, file));
  }
  const { version, goldens, pytorch } = await circumstances(config.version, "");
  const manifest = { version, goldens, pytorch, cases };
  await Deno.writeTextFile(`${folder}/manifest.json`, `${JSON.stringify(manifest, null, 1)}\n`);
  return cases.length;
}

async function main({ text, flag }: Given): Promise<void> {
  const { output, opset: version, level = "forward", chapter } = text;
  const { packed } = flag;
  const asked = formats.filter((name) => flag[name]);
  if (asked.length !== 1) throw new RangeError("one of --onnx, --npz and --safetensors is wanted");
  const [format] = asked;
  if (output === undefined) throw new RangeError("-o wants a folder");
  if (format !== "onnx" && (packed !== undefined || version !== undefined)) {
    throw new RangeError("--packed and --opset go with --onnx");
  }
  const opset = Number(version ?? 17);
  if (!(Number.isInteger(opset) && opset >= 13 && opset <= 17)) {
    throw new RangeError(`--opset wants 13 to 17, not ${version}`);
  }
  const names = (list: string) => list.split(",").map((name) => name.trim());
  const tasks = select({
    levels: ["forward", ...names(level)],
    chapters: chapter === undefined ? undefined : names(chapter),
  }).filter(({ request, expect }) => request.op === "forward" && !expect.error);
  await Deno.mkdir(output);
  const count = format === "onnx"
    ? await writeOnnx(tasks, output, packed ?? false, opset)
    : await writeArrays(tasks, output, format);
  console.log(`${count} of ${tasks.length} cases in ${output}`);
}

if (import.meta.main) await command("vectors", usage, main, "\n(--help shows how it is used)");
