/**
 * Writes the goldens as ONNX models with inputs and expected outputs, in the layout of ONNX's own backend
 * tests, so that any runtime's test runner takes them.
 *
 * ```sh
 * deno task vectors --onnx -o vectors
 * ```
 */

import { parseArgs } from "node:util";
import { run } from "./command/run.ts";
import { decode, type JsonTensor, levels, select, type Task } from "../lib/conformance/mod.ts";
import { type FloatDType, Tensor } from "../mod.ts";
import { modelOf } from "./adapters/onnx/case.ts";
import { encodeTensor } from "./adapters/onnx_model.ts";

const usage = `deno task vectors --onnx -o DIR [flags]

  --onnx          ONNX models: DIR/<case>/model.onnx, test_data_set_0/input_0.pb … output_0.pb …
  -o, --output    the folder, which must not be there yet
  --packed        lists of integers packed, as ONNX's proto3 file has them; else one by one, as the onnx
                  package writes them. Some readers take only one of the two
  --opset N       13 to 17 (17)
  --level NAMES   ${Object.keys(levels).join(", ")}; several with commas (forward)
  --help          this text

What ONNX cannot say (projections, dropout in training) is left out.`;

const options = {
  onnx: { type: "boolean", default: false },
  output: { type: "string", short: "o" },
  packed: { type: "boolean", default: false },
  opset: { type: "string", default: "17" },
  level: { type: "string", default: "forward" },
  help: { type: "boolean", short: "h", default: false },
} as const;

/** The bytes of a tensor or of lengths. */
function bytesOf(name: string, x: Tensor | Int32Array): Uint8Array {
  return x instanceof Tensor
    ? encodeTensor({ name, type: x.dtype as FloatDType, dims: x.shape, data: x.data })
    : encodeTensor({ name, type: "int32", dims: [x.length], data: x });
}

/** Writes one case; whether ONNX can say it. */
async function write(task: Task, folder: string, packed: boolean, opset: number): Promise<boolean> {
  const { request, expect } = task;
  let found: ReturnType<typeof modelOf>;
  try {
    found = modelOf(request);
  } catch {
    return false;
  }
  const own = `${folder}/${task.id.replaceAll("/", "__")}`;
  const data = `${own}/test_data_set_0`;
  await Deno.mkdir(data, { recursive: true });
  await Deno.writeFile(`${own}/model.onnx`, found.graph.encode(packed, opset));
  for (const [k, [name, x]] of Object.entries(found.feeds).entries()) {
    await Deno.writeFile(`${data}/input_${k}.pb`, bytesOf(name, x));
  }
  for (const [k, [name, json]] of Object.entries(expect.outputs!).entries()) {
    const x = decode(json as JsonTensor, request.dtype ?? "float32");
    await Deno.writeFile(`${data}/output_${k}.pb`, bytesOf(name, x));
  }
  return true;
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const { output, packed, opset: text } = values;
  if (!values.onnx) throw new RangeError("--onnx is the format there is");
  if (output === undefined) throw new RangeError("-o wants a folder");
  const opset = Number(text);
  if (!(opset >= 13 && opset <= 17)) throw new RangeError(`--opset wants 13 to 17, not ${text}`);
  const tasks = select({ levels: ["forward", ...values.level.split(",")] });
  await Deno.mkdir(output);
  let count = 0;
  for (const task of tasks) count += Number(await write(task, output, packed, opset));
  console.log(`${count} of ${tasks.length} cases in ${output}`);
  return 0;
}

if (import.meta.main) await run("vectors", main, "\n(--help shows how it is used)");
