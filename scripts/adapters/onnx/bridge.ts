/**
 * Any ONNX runtime's side of the conformance protocol: a model is built for each request, and a small
 * program runs it, which reads lines of `{"model": path, "inputs": {name: {dtype, shape, data}}}` and
 * writes lines of `{"outputs": {name: {shape, data}}}` or `{"error": text}`.
 *
 * ```sh
 * deno task conform -- deno run -A scripts/adapters/onnx/bridge.ts uv run scripts/adapters/onnx/reference.py
 * ```
 *
 * `--opset N` before the program is for runtimes that take only older models.
 */

import {
  type Answer,
  encode,
  readLines,
  type Request,
  serve,
  toLine,
  Unsupported,
} from "../../../lib/conformance/mod.ts";
import { Tensor } from "../../../mod.ts";
import { stdio } from "../stdio.ts";
import { modelOf } from "./case.ts";

const older = Deno.args[0] === "--opset";
const opset = older ? Number(Deno.args[1]) : 17;
const [program, ...own] = Deno.args.slice(older ? 2 : 0);

if (own.includes("--version")) {
  const { stdout } = await new Deno.Command(program, { args: own, stderr: "null" }).output();
  console.log(new TextDecoder().decode(stdout).trim());
  Deno.exit();
}

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const runner = new Deno.Command(program, { args: own, stdin: "piped", stdout: "piped" }).spawn();
const writer = runner.stdin.getWriter();
const lines = readLines(runner.stdout.getReader(), 1 << 26);

/** One input, with its dtype. */
function feed(x: Tensor | Int32Array) {
  if (x instanceof Tensor) return { ...encode(x), dtype: x.dtype };
  return { shape: [x.length], data: [...x], dtype: "int32" };
}

/** The model of a request, as a file; what cannot be built, ONNX cannot say. */
async function build(request: Request) {
  try {
    const { graph, feeds } = modelOf(request);
    const model = `${folder}/model.onnx`;
    await Deno.writeFile(model, graph.encode(false, opset));
    const inputs = Object.entries(feeds).map(([name, x]) => [name, feed(x)]);
    return { model, inputs: Object.fromEntries(inputs) };
  } catch (error) {
    throw new Unsupported((error as Error).message);
  }
}

async function answer(request: Request): Promise<Answer> {
  const asked = toLine(await build(request));
  await writer.write(new TextEncoder().encode(`${asked}\n`));
  const { value, done } = await lines.next();
  if (done) {
    const { code } = await runner.status; // it died, and so does its adapter
    Deno.exit(code || 1);
  }
  const { outputs, error } = JSON.parse(value.text);
  if (error === undefined) return { outputs };
  return { error: { type: "Error", message: String(error) } };
}

await serve(answer, stdio);
await writer.close();
Deno.exit();
