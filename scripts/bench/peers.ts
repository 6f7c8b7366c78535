/** Who takes part in the measurement: this library by its paths, and other runtimes. */

import type { InferenceSession, Tensor as OrtTensor } from "npm:onnxruntime-common@1.30.0";
import {
  type Kernels,
  LSTM,
  setKernels,
  type Tensor,
  toKeras,
  toOnnx,
  transpose,
} from "../../mod.ts";
import { Graph } from "../adapters/onnx_model.ts";
import { forward, inputOf, moduleOf, type Work } from "./work.ts";

/** A work made ready to run. */
export interface Job {
  /** Runs it once; the output, `(L, N, H)`, flat. */
  run(): Float32Array | Promise<Float32Array>;
  /** Runs it some times and tells how many milliseconds one took, where it keeps time itself. */
  time?(times: number): Promise<number>;
  close?(): void;
}

export interface Peer {
  /** Its name in the tables. */
  readonly name: string;
  /** Whether it runs in JavaScript or WebAssembly, rather than natively. */
  readonly script: boolean;
  /** Makes a work ready; `null` where it cannot express it. */
  prepare(work: Work): Promise<Job | null>;
}

export function ours(path: Kernels): Peer {
  return {
    name: `ours, ${path}`,
    script: true,
    prepare: (work) => {
      const [module, x] = [moduleOf(work), inputOf(work)];
      if (!work.stream) {
        return Promise.resolve({
          run: () => {
            setKernels(path);
            return forward(module, x).data as Float32Array;
          },
        });
      }
      setKernels(path);
      const stream = module.stream();
      const [row, out] = [x.data as Float32Array, new Float32Array(work.hiddenSize)];
      const run = () => {
        stream.reset();
        stream.step(row, out);
        return out;
      };
      return Promise.resolve({ run, close: () => stream.dispose() });
    },
  };
}

/** What onnxruntime-web and onnxruntime-node have in common. */
interface Runtime {
  InferenceSession: { create(model: Uint8Array, options: object): Promise<InferenceSession> };
  Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
  env: { wasm: { numThreads?: number } };
}

/** ONNX Runtime on one thread. */
export async function onnx(name: "onnxruntime-web" | "onnxruntime-node"): Promise<Peer> {
  const runtime: Runtime = await import(`npm:${name}@1.30.0`);
  runtime.env.wasm.numThreads = 1;
  return {
    name,
    script: name === "onnxruntime-web",
    async prepare(work) {
      const [{ opType, W, R, B }] = toOnnx(moduleOf(work).stateDict());
      const graph = new Graph();
      const constants = [W, R, B].map((one) => one ? graph.constant(one) : "");
      const start = work.stream
        ? ["h", ...(work.kind === "LSTM" ? ["c"] : [])].map((state) => graph.input(state, 3))
        : [];
      const attributes = { hidden_size: work.hiddenSize, linear_before_reset: 1 };
      if (work.kind !== "GRU") Reflect.deleteProperty(attributes, "linear_before_reset");
      const outputs = graph.node(
        opType,
        [graph.input("x", 3), ...constants, ...(work.stream ? ["", ...start] : [])],
        attributes,
        work.kind === "LSTM" ? 3 : 2,
      );
      graph.output("y", outputs[0], 4);
      const session = await runtime.InferenceSession.create(graph.encode(), {
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        executionProviders: [name === "onnxruntime-web" ? "wasm" : "cpu"],
      });
      const { data, shape } = inputOf(work);
      const zeros = new Float32Array(work.batch * work.hiddenSize);
      const state = () => new runtime.Tensor("float32", zeros, [1, work.batch, work.hiddenSize]);
      const feeds = {
        x: new runtime.Tensor("float32", data, shape),
        ...Object.fromEntries(start.map((name) => [name, state()])),
      };
      return {
        run: async () => (await session.run(feeds)).y.data as Float32Array,
        close: () => void session.release(),
      };
    },
  };
}

/** A tensor of TensorFlow.js, as far as it is used here. */
interface TfTensor {
  dataSync(): Float32Array;
}

interface Tf {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  tensor(data: Float32Array, shape: number[]): TfTensor;
  tidy<T>(f: () => T): T;
  layers: Record<string, (options: object) => { apply(x: TfTensor): TfTensor }>;
}

/** TensorFlow.js on one of its backends. */
export async function tfjs(backend: "cpu" | "wasm"): Promise<Peer> {
  const { log, warn } = console; // it greets
  console.log = console.warn = () => {};
  const tf: Tf = await import("npm:@tensorflow/tfjs@4.22.0" as string);
  if (backend === "wasm") await import("npm:@tensorflow/tfjs-backend-wasm@4.22.0" as string);
  if (!await tf.setBackend(backend)) throw new Error(`TensorFlow.js has no backend ${backend}`);
  await tf.ready();
  [console.log, console.warn] = [log, warn];
  const toTf = ({ data, shape }: Tensor) => tf.tensor(Float32Array.from(data), [...shape]);
  return {
    name: `tfjs ${backend}`,
    script: true,
    async prepare(work) {
      await tf.setBackend(backend);
      if (work.kind === "GRU" || work.stream) return null; // its GRU resets before the product
      const [[own]] = toKeras(moduleOf(work).stateDict());
      const maker = { RNN: "simpleRNN", LSTM: "lstm", GRU: "gru" }[work.kind];
      const layer = tf.layers[maker]({
        ...{ units: work.hiddenSize, returnSequences: true, recurrentInitializer: "zeros" },
        ...(work.kind !== "RNN" && { recurrentActivation: "sigmoid" }),
        weights: [own.kernel, own.recurrentKernel, own.bias!].map(toTf),
      });
      // Keras has the batch first; its output is turned for the check alone.
      const x = toTf(transpose(inputOf(work), 0, 1));
      const { batch, length, hiddenSize } = work;
      let turned = false;
      return {
        run: () => {
          const y = tf.tidy(() => layer.apply(x).dataSync());
          if (turned || batch === 1) return y;
          turned = true;
          return y.map((_, k) => {
            const [row, feature] = [Math.floor(k / hiddenSize), k % hiddenSize];
            return y[((row % batch) * length + Math.floor(row / batch)) * hiddenSize + feature];
          });
        },
      };
    },
  };
}

/** A process that answers lines of JSON with lines of JSON, and keeps the time itself. */
export class Child {
  readonly #command: Deno.Command;
  #process: Deno.ChildProcess | null = null;
  #writer: WritableStreamDefaultWriter | null = null;
  #reader: ReadableStreamDefaultReader<string> | null = null;
  #rest = "";

  /** Starts it when it is first asked. */
  constructor(command: string, args: string[], env: Record<string, string> = {}) {
    this.#command = new Deno.Command(command, { args, stdin: "piped", stdout: "piped", env });
  }

  async ask(request: object) {
    if (this.#process === null) {
      this.#process = this.#command.spawn();
      this.#writer = this.#process.stdin.getWriter();
      this.#reader = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
    }
    await this.#writer!.write(new TextEncoder().encode(JSON.stringify(request) + "\n"));
    while (!this.#rest.includes("\n")) {
      const { value, done } = await this.#reader!.read();
      if (done) throw new Error("a participant's process ended");
      this.#rest += value;
    }
    const end = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + 1);
    return JSON.parse(line);
  }

  readonly job: Job = {
    run: async () => Float32Array.from((await this.ask({ op: "run" })).output),
    time: async (times) => (await this.ask({ op: "time", times })).milliseconds,
  };

  async close(): Promise<void> {
    await this.#writer?.close();
    await this.#process?.status;
  }
}

/** PyTorch on one thread. */
export function pytorch(python: string): Peer & { close(): Promise<void> } {
  const script = new URL("./pytorch.py", import.meta.url).pathname;
  const child = new Child(python, [script], { OMP_NUM_THREADS: "1", MKL_NUM_THREADS: "1" });
  return {
    name: "PyTorch",
    script: false,
    async prepare(work) {
      const plain = ({ shape, data }: Tensor) => ({ shape, data: [...data] });
      const module = moduleOf(work);
      const state = Object.entries(module.stateDict()).map(([name, x]) => [name, plain(x)]);
      await child.ask({
        op: "prepare",
        work,
        states: module instanceof LSTM ? 2 : 1,
        state: Object.fromEntries(state),
        input: plain(inputOf(work)),
      });
      return child.job;
    },
    close: () => child.close(),
  };
}

/** This library on two threads, where there is a batch to split. */
export function together(): Peer & { close(): Promise<void> } {
  const script = new URL("./threads.ts", import.meta.url).pathname;
  const child = new Child(Deno.execPath(), ["run", "--no-lock", "-A", script, "2"]);
  return {
    name: "ours, 2 threads",
    script: true,
    async prepare(work) {
      if (work.batch < 2) return null;
      await child.ask({ op: "prepare", work });
      return child.job;
    },
    close: () => child.close(),
  };
}
