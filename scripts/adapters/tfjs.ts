/**
 * TensorFlow.js' side of the conformance protocol: its layers, with weights in the layout of
 * `lib/layouts/keras.ts`.
 *
 * ```sh
 * deno task conform --level forward -- deno run -A scripts/adapters/tfjs.ts
 * ```
 */

import {
  type Answer,
  decode,
  decodeStateDict,
  encode,
  type JsonTensor,
  type Request,
  serve,
  Unsupported,
} from "../../lib/conformance/mod.ts";
import { stdio } from "./stdio.ts";
import { type KerasLayer, type StateDict, Tensor, toKeras, transpose } from "../../mod.ts";

/** A tensor of TensorFlow.js, as far as it is used here. */
interface TfTensor {
  shape: number[];
  dataSync(): Float32Array;
  squeeze(axes: number[]): TfTensor;
  expandDims(axis: number): TfTensor;
  transpose(axes: number[]): TfTensor;
}

interface Layer {
  apply(x: TfTensor | TfTensor[], options?: object): TfTensor | TfTensor[];
}

interface Tf {
  version: { tfjs: string };
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(data: Float32Array, shape: number[]): TfTensor;
  concat(tensors: TfTensor[], axis: number): TfTensor;
  stack(tensors: TfTensor[], axis: number): TfTensor;
  reverse(x: TfTensor, axis: number): TfTensor;
  zeros(shape: number[]): TfTensor;
  tidy<T>(f: () => T): T;
  layers: Record<"simpleRNN" | "lstm" | "gru" | "dense", (options: object) => Layer>;
}

// Not named literally, so that only who runs this downloads the package. It greets on stdout.
const name = "npm:@tensorflow/tfjs@4.22.0";
const { log, warn } = console;
console.log = console.warn = () => {};
const tf: Tf = await import(name);
await tf.setBackend("cpu");
await tf.ready();
[console.log, console.warn] = [log, warn];

const toTf = ({ data, shape }: Tensor) => tf.tensor(Float32Array.from(data), [...shape]);
const fromTf = (x: TfTensor) => encode(new Tensor(Float32Array.from(x.dataSync()), x.shape));

const makers = { SimpleRNN: "simpleRNN", LSTM: "lstm", GRU: "gru" } as const;

/** One layer in one direction over `(N, L, features)`: its outputs in time, then its state. */
function runLayer(own: KerasLayer, x: TfTensor, initial: TfTensor[], phi: string): TfTensor[] {
  const { className, units, kernel, recurrentKernel, bias, goBackwards, resetAfter } = own;
  const layer = tf.layers[makers[className]]({
    ...{ units, goBackwards, useBias: bias !== null, returnSequences: true, returnState: true },
    ...{ kernelInitializer: "zeros", recurrentInitializer: "zeros" }, // the weights come next
    ...(className === "SimpleRNN" && { activation: phi }),
    ...(className !== "SimpleRNN" && { recurrentActivation: "sigmoid" }),
    ...(className === "GRU" && { resetAfter }),
    weights: [kernel, recurrentKernel, ...(bias ? [bias] : [])].map(toTf),
  });
  const [y, ...states] = layer.apply([x, ...initial]) as TfTensor[];
  return [goBackwards ? tf.reverse(y, 1) : y, ...states];
}

/** All layers over `(N, L, H_in)`: the last one's output, and the states, `(rows, N, H)`. */
function runLayers(
  { module = "", args = {} }: Request,
  state: StateDict,
  input: TfTensor,
  initial: Tensor[],
): TfTensor[] {
  const finals: TfTensor[][] = [];
  let x = input;
  for (const directions of toKeras(state)) {
    const halves = directions.map((own) => {
      const [batch, row] = [input.shape[0], finals.length];
      const count = module.startsWith("LSTM") ? 2 : 1;
      const start = Array.from({ length: count }, (_, k) => {
        if (!initial[k]) return tf.zeros([batch, own.units]);
        const size = batch * own.units;
        return tf.tensor(
          Float32Array.from(initial[k].data.subarray(row * size, (row + 1) * size)),
          [batch, own.units],
        );
      });
      const [y, ...final] = runLayer(own, x, start, String(args.nonlinearity ?? "tanh"));
      finals.push(final);
      return y;
    });
    x = halves.length === 2 ? tf.concat(halves, 2) : halves[0];
  }
  return [x, ...finals[0].map((_, k) => tf.stack(finals.map((final) => final[k]), 0))];
}

function dense(x: TfTensor, weight: Tensor, bias?: Tensor): TfTensor {
  const weights = [transpose(weight, 0, 1), ...(bias ? [bias] : [])].map(toTf);
  const options = { units: weight.shape[0], useBias: bias !== undefined, weights };
  return tf.layers.dense(options).apply(x) as TfTensor;
}

function compute(request: Request): Record<string, TfTensor> {
  const { module = "", args = {}, inputs = {} } = request;
  const state = decodeStateDict(request);
  const read = (name: string) => decode(inputs[name] as JsonTensor, "float32");
  const input = read("input");
  const initial = ["h_0", "c_0"].filter((name) => name in inputs).map(read);
  const x = toTf(input);
  if (module === "Linear") {
    if (input.dim() === 1) {
      return { output: dense(x.expandDims(0), state.weight, state.bias).squeeze([0]) };
    }
    return { output: dense(x, state.weight, state.bias) };
  }
  if (module === "SimpleRNN") {
    const { "fc.weight": weight, "fc.bias": bias, ...rest } = state;
    const own = Object.fromEntries(Object.entries(rest).map(([name, x]) => [name.slice(4), x]));
    const [, h_n] = runLayers(request, own, x, initial);
    const [layers, batch, features] = h_n.shape;
    const last = h_n.dataSync().subarray((layers - 1) * batch * features);
    return { output: dense(tf.tensor(last, [batch, features]), weight, bias) };
  }
  if (module.endsWith("Cell")) {
    const own = Object.fromEntries(Object.entries(state).map(([name, x]) => [`${name}_l0`, x]));
    const sequence = input.dim() === 2 ? x.expandDims(1) : x.expandDims(0).expandDims(0);
    const [, ...states] = runLayers(request, own, sequence, initial);
    const axes = input.dim() === 2 ? [0] : [0, 1];
    const [h_1, c_1] = states.map((one) => one.squeeze(axes));
    return c_1 ? { h_1, c_1 } : { h_1 };
  }
  const batched = input.dim() === 3;
  const batchFirst = !batched || args.batch_first === true;
  const sequence = batched ? batchFirst ? x : x.transpose([1, 0, 2]) : x.expandDims(0);
  const [y, ...states] = runLayers(request, state, sequence, initial);
  const output = batched ? batchFirst ? y : y.transpose([1, 0, 2]) : y.squeeze([0]);
  const [h_n, c_n] = states.map((one) => batched ? one : one.squeeze([1]));
  return c_n ? { output, h_n, c_n } : { output, h_n };
}

const modules = /^(Linear|SimpleRNN|(RNN|LSTM|GRU)(Cell)?)$/;

function answer(request: Request): Answer {
  const { op, module = "", args = {}, dtype, training, inputs = {} } = request;
  if (op !== "forward" || module === "Dropout") {
    throw new Unsupported("only layers with weights are put to it, and only forward passes");
  }
  if (!modules.test(module)) throw new Unsupported(`module ${module}`);
  if (dtype === "float64") throw new Unsupported("float64: TensorFlow.js computes in float32");
  if (module.startsWith("GRU")) {
    throw new Unsupported(
      "GRU: TensorFlow.js has only the one with the reset gate before the product (its GRU " +
        "refuses resetAfter: true)",
    );
  }
  if (args.proj_size) throw new Unsupported("proj_size: no layer has a projection");
  if (inputs.lengths) throw new Unsupported("lengths: there are no packed sequences");
  if (args.hidden_size === 0) throw new Unsupported("hidden_size 0");
  if (training && args.dropout) throw new Unsupported("dropout in training");
  return tf.tidy(() => ({
    outputs: Object.fromEntries(
      Object.entries(compute(request)).map(([name, x]) => [name, fromTf(x)]),
    ),
  }));
}

if (Deno.args.includes("--version")) console.log(`TensorFlow.js ${tf.version.tfjs}`);
else await serve(answer, stdio);
