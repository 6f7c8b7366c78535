/**
 * ONNX Runtime's side of the conformance protocol. An ONNX model is built for each request, in the
 * layout of `lib/layouts/onnx.ts`.
 *
 * ```sh
 * deno task conform --level forward -- deno run -A scripts/adapters/onnxruntime.ts
 * deno task conform --level forward -- deno run -A scripts/adapters/onnxruntime.ts --web
 * ```
 *
 * What ONNX leaves open is answered as unsupported; with `--all` it is put to ONNX Runtime, too.
 */

import type { InferenceSession, Tensor as OrtTensor } from "npm:onnxruntime-common@1.30.0";
import {
  type Answer,
  encode,
  type JsonTensor,
  type Request,
  serve,
  Unsupported,
} from "../../lib/conformance/mod.ts";
import { stdio } from "./stdio.ts";
import { type FloatArray, Tensor } from "../../mod.ts";
import { modelOf } from "./onnx/case.ts";

/** What the two packages have in common. */
interface Runtime {
  InferenceSession: { create(model: Uint8Array, options: object): Promise<InferenceSession> };
  Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
  env: { versions: Record<string, string>; wasm: { numThreads?: number }; logLevel?: string };
}

const all = Deno.args.includes("--all");
const web = Deno.args.includes("--web");
const name = web ? "npm:onnxruntime-web@1.30.0" : "npm:onnxruntime-node@1.30.0";
// Not named literally, so that only who runs this downloads the package.
const runtime: Runtime = await import(name);
runtime.env.wasm.numThreads = 1;

const feed = (x: Tensor | Int32Array) =>
  x instanceof Tensor
    ? new runtime.Tensor(x.dtype, x.data, x.shape)
    : new runtime.Tensor("int32", x, [x.length]);

/** All numbers that a request gives. */
function numbers({ inputs = {}, state_dict = {} }: Request): JsonTensor[] {
  return [...Object.values(inputs), ...Object.values(state_dict)]
    .filter((x): x is JsonTensor => "data" in x);
}

const isEmpty = (request: Request) => numbers(request).some(({ shape }) => shape.includes(0));
const isFinite = (request: Request) =>
  numbers(request).every(({ data }) => data.every(Number.isFinite));

/** Whether the layer's activations clip NaN away; tanh does not, alone. */
const clips = ({ module = "", args }: Request) =>
  /LSTM|GRU/.test(module) || args?.nonlinearity === "relu";
const clipped = "NaN or infinity in an LSTM, a GRU or a relu: ONNX does not say what becomes of " +
  "it, and ONNX Runtime makes NaN finite (--all puts it there all the same)";

async function answer(request: Request): Promise<Answer> {
  const { module = "", dtype } = request;
  const { graph, feeds } = modelOf(request);
  if (dtype === "float64" && module !== "Linear") {
    throw new Unsupported("float64: ONNX Runtime has RNN, LSTM and GRU in float32 only");
  }
  if (module !== "Linear" && isEmpty(request)) {
    throw new Unsupported("an empty dimension: ONNX Runtime ends the process");
  }
  if (!all && clips(request) && !isFinite(request)) throw new Unsupported(clipped);
  const session = await runtime.InferenceSession.create(graph.encode(), {
    ...{ executionProviders: [web ? "wasm" : "cpu"], intraOpNumThreads: 1, logSeverityLevel: 4 },
  });
  try {
    const given = Object.entries(feeds).map(([name, x]) => [name, feed(x)] as const);
    const results = await session.run(Object.fromEntries(given));
    const read = ({ data, dims }: OrtTensor) => encode(new Tensor(data as FloatArray, dims));
    const outputs = Object.entries(results).map(([name, x]) => [name, read(x)] as const);
    if (!all && clips(request) && outputs.some(([, { data }]) => !data.every(Number.isFinite))) {
      throw new Unsupported(clipped);
    }
    return { outputs: Object.fromEntries(outputs) };
  } finally {
    await session.release();
  }
}

if (Deno.args.includes("--version")) {
  const version = runtime.env.versions[web ? "web" : "node"];
  console.log(`ONNX Runtime${web ? " Web" : ""} ${version}`);
} else await serve(answer, stdio);
