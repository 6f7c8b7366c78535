/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** The page "Your file": a checkpoint or an ONNX file is read, named, run and converted here. */

import {
  detectModules,
  modelFromStateDict,
  noGrad,
  reshape,
  type StateDict,
  stateDictOf,
  storedStateDictOf,
  type StoredTensor,
  type Tensor,
  tensor,
  writeSafetensors,
} from "../../mod.ts";
import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import { judge, looksLikeOnnx, type OnnxModel, readOnnx } from "../../lib/onnx/mod.ts";
import { kerasProgram, kerasWeights } from "../convert/keras.ts";
import { type Network, networkOf, type NetworkOptions, runReference } from "../convert/network.ts";
import { toOnnxModel } from "../convert/onnx.ts";
import { toWebnnFile } from "../convert/webnn.ts";
import { summarised } from "../inspect/tensor.ts";
import { reportLines } from "../judge/report.ts";
import { stateOfOnnx } from "./onnx_state.ts";

const get = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

/** What a file holds: its tensors, and perhaps weights that a module can take. */
interface Contents {
  /** What wrote it, and where in it the weights are. */
  readonly about: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly state: StateDict | null;
  readonly options: NetworkOptions;
  /** What is to be said of it besides, in lines. */
  readonly lines: readonly string[];
}

/** Something that runs. */
interface Running {
  readonly name: string;
  readonly assumed: readonly string[];
  /** H_in; `null` where it reads numbers of rows of a table. */
  readonly features: number | null;
  readonly network: Network | null;
  run(rows: number[][]): Record<string, Tensor>;
}

/** The state_dict in a checkpoint: the whole of it, or under a usual key. */
function checkpoint(bytes: Uint8Array): Contents {
  const { format, value } = parseCheckpoint(bytes);
  let first: unknown;
  for (const at of [undefined, "model_state_dict", "state_dict", "model", "module"]) {
    try {
      const where = at ? { at } : {};
      const tensors = new Map(Object.entries(storedStateDictOf(value, where)));
      const by = format === "torch" ? "saved by PyTorch" : "safetensors";
      return {
        about: at ? `${by}, under "${at}"` : by,
        tensors,
        state: stateDictOf(value, { ...where, widen: true }),
        options: {},
        lines: [],
      };
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

/** An ONNX file, judged, and its recurrent nodes as a module's weights. */
function onnxFile(name: string, bytes: Uint8Array, against: Kept | null): Contents {
  const model: OnnxModel = readOnnx(bytes);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of model.graph.initializers) {
    try {
      tensors.set(name, tensor.stored());
    } catch { /* numbers that are in another file, or none */ }
  }
  const judgement = judge(model, against?.state ?? null);
  const report = { name, against: against?.name ?? null, judgement, runtime: null };
  const { state, options, why } = stateOfOnnx(model);
  const lines = [...reportLines(report, false), ...why ? ["", why] : []];
  return { about: `ONNX, opset ${judgement.opset}`, tensors, state, options, lines };
}

/** The weights that an ONNX file is held against: those of the file before it. */
interface Kept {
  readonly name: string;
  readonly state: StateDict;
}
let kept: Kept | null = null;

/** What weights are, as something that runs; `null` where they are nothing known. */
function open(state: StateDict, options: NetworkOptions): Running | null {
  let whole: ReturnType<typeof modelFromStateDict> | null = null;
  try {
    whole = modelFromStateDict(state);
  } catch { /* more than one module, or none */ }
  try {
    const network = networkOf(state, { ...options, ignoreOthers: true });
    const { embedding, layer, norm, head, notes } = network;
    const parts = [embedding, layer, norm, head].filter((part) => part !== null);
    const simple = /^SimpleRNN/.test(String(whole?.model));
    return {
      name: simple ? String(whole!.model) : parts.join(" → "),
      assumed: notes.map((note) => note.replace(/^assumed /, "")),
      features: embedding ? null : layer.inputSize,
      network,
      run: (rows) => {
        const steps = embedding ? tensor(rows.map(([k]) => k), { dtype: "int64" }) : tensor(rows);
        const [length, ...rest] = steps.shape;
        const shape = options.batchFirst ? [1, length, ...rest] : [length, 1, ...rest];
        return runReference(network, { input: reshape(steps, shape) });
      },
    };
  } catch { /* no recurrent module */ }
  if (!whole) return null;
  const model = whole.model as unknown as { forward(x: Tensor): Tensor; inFeatures?: number };
  const features = model.inFeatures ?? Object.values(state)[0].shape.at(-1)!;
  return {
    name: String(whole.model),
    assumed: whole.assumed,
    features,
    network: null,
    run: (rows) => ({ output: noGrad(() => model.forward(tensor(rows))) }),
  };
}

function row(table: HTMLTableElement, cells: readonly string[], head = false): void {
  const made = table.insertRow();
  cells.forEach((text, k) => {
    const cell = document.createElement(head || k === 0 ? "th" : "td");
    cell.textContent = text;
    if (head || k === 0) cell.scope = head ? "col" : "row";
    made.append(cell);
  });
}

/** The table of tensors, as `deno task inspect` prints it. */
function fill(table: HTMLTableElement, tensors: Contents["tensors"]): void {
  table.innerHTML = "";
  row(table, ["name", "dtype", "shape", "range", "mean ± deviation", "distribution"], true);
  for (const [name, stored] of tensors) {
    const { range, mean, picture, odd } = summarised(stored);
    const shown = [picture, odd].filter(Boolean).join(" ");
    row(table, [name, stored.dtype, `(${stored.shape.join(", ")})`, range, mean, shown]);
  }
}

/** Offers bytes as a file. */
function save(name: string, bytes: Uint8Array | string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes as BlobPart]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** The numbers that are typed: a line for each step. */
function typed(features: number | null): number[][] {
  const rows = get<HTMLTextAreaElement>("input").value.trim().split(/\n/)
    .map((line) => line.split(/[,;\s]+/).filter(Boolean).map(Number));
  const wrong = rows.findIndex((row) => row.length !== (features ?? 1) || row.some(Number.isNaN));
  if (wrong >= 0) {
    const wanted = features === null ? "one number of a row" : `${features} numbers`;
    throw new Error(`Line ${wrong + 1} is not ${wanted}.`);
  }
  return rows;
}

/** Runs on what is typed. */
function run({ features, run }: Running): void {
  get("speed").textContent = "";
  try {
    const parts = Object.entries(run(typed(features)));
    get("ran").textContent = parts.map(([name, x]) => `${name} ${shapeOf(x)}\n${x}`).join("\n\n");
  } catch (error) {
    get("ran").textContent = (error as Error).message;
  }
}

const shapeOf = ({ shape }: Tensor) => `(${shape.join(", ")})`;

/** Runs for a quarter of a second, and says how fast that is. */
function measure({ features, run }: Running): void {
  try {
    const rows = typed(features);
    for (let k = 0; k < 20; k++) run(rows); // until the kernels are made and the code is warm
    const start = performance.now();
    let runs = 0;
    while (performance.now() - start < 250) run(rows), runs++;
    const one = (performance.now() - start) / runs; // milliseconds
    get("speed").textContent = `${one.toPrecision(3)} ms a run of ${rows.length} time steps, ${
      Math.round(1000 * rows.length / one).toLocaleString("en-US")
    } steps a second, over ${runs} runs`;
  } catch (error) {
    get("speed").textContent = (error as Error).message;
  }
}

/** A Keras model's weights, in the order of `set_weights`, with the Python that reads them. */
function forKeras(network: Network, name: string): [string, string[]] {
  const weights = kerasWeights(network).map(({ shape, data }) => ({ shape, data: [...data] }));
  const program = kerasProgram(network, name).map((line) =>
    line.startsWith("model.load_weights")
      ? `model.set_weights([np.float32(w["data"]).reshape(w["shape"]) for w in json.load(open(${
        JSON.stringify(name)
      }))])`
      : line
  );
  return [JSON.stringify(weights), ["import json, keras, numpy as np", ...program]];
}

/** The buttons that convert. */
function offer(base: string, state: StateDict, network: Network | null): void {
  const box = get("convert");
  box.innerHTML = "";
  get("how").textContent = "";
  const target = (text: string, make: () => void) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = text;
    button.addEventListener("click", () => {
      get("how").textContent = "";
      try {
        make();
      } catch (error) {
        get("how").textContent = `${text}: ${(error as Error).message}`;
      }
    });
    box.append(button);
  };
  target("safetensors", () => save(`${base}.safetensors`, writeSafetensors(state)));
  if (!network) return;
  target("ONNX", () => save(`${base}.onnx`, toOnnxModel(network)));
  target("Keras", () => {
    const [text, program] = forKeras(network, `${base}.keras.json`);
    save(`${base}.keras.json`, text);
    get("how").textContent = program.join("\n");
  });
  target("WebNN", () => {
    save(`${base}.webnn.safetensors`, toWebnnFile(network));
    get("how").textContent = "The operands of MLGraphBuilder's methods, and in the metadata " +
      "webnn each layer's method and options.";
  });
}

/** An input to begin with: three steps. */
function sample({ features }: Running): string {
  const line = (t: number) =>
    features === null
      ? `${t}`
      : Array.from({ length: features }, (_, k) => Math.sin(k + t + 1).toFixed(2)).join(", ");
  return [0, 1, 2].map(line).join("\n");
}

function show(name: string, bytes: Uint8Array): void {
  get("problem").textContent = "";
  get("report").hidden = true;
  try {
    const isOnnx = looksLikeOnnx(bytes);
    const contents = isOnnx ? onnxFile(name, bytes, kept) : checkpoint(bytes);
    const { about, tensors, state, lines } = contents;
    if (!isOnnx && state) kept = { name, state };
    fill(get<HTMLTableElement>("tensors"), tensors);
    get("judged").textContent = lines.join("\n");
    get("judged").hidden = lines.length === 0;
    const isRnn = state !== null && /\bRNN/.test(open(state, contents.options)?.name ?? "");
    get("relu").parentElement!.hidden = !isRnn;
    get<HTMLInputElement>("relu").checked = contents.options.nonlinearity === "relu";
    get<HTMLInputElement>("first").checked = false;
    const again = (fresh: boolean) => {
      const options: NetworkOptions = {
        ...contents.options,
        ...isRnn && { nonlinearity: get<HTMLInputElement>("relu").checked ? "relu" : "tanh" },
        batchFirst: get<HTMLInputElement>("first").checked,
      };
      const running = state && open(state, options);
      const what = running
        ? `It is ${running.name}${
          running.assumed.length ? `, if ${running.assumed.join(", ")}` : ""
        }. ${costOf(state)}`
        : "It is no module known here.";
      get("is").textContent = `${name}: ${about}, ${tensors.size} tensors. ${what}`;
      get("run-box").hidden = get("convert-box").hidden = !running;
      if (!running) return;
      if (fresh) get<HTMLTextAreaElement>("input").value = sample(running);
      get("run").onclick = () => run(running);
      get("measure").onclick = () => measure(running);
      run(running);
      offer(name.replace(/\.\w+$/, ""), state, running.network);
    };
    for (const id of ["relu", "first"]) get(id).onchange = () => again(false);
    again(true);
    get("report").hidden = false;
  } catch (error) {
    get("problem").textContent = `${name}: ${(error as Error).message}`;
  }
}

/** What the modules of weights hold and cost. */
function costOf(state: StateDict): string {
  const { modules } = detectModules(state);
  const sum = (key: "parameters" | "multiplyAdds") =>
    modules.reduce((sum, one) => sum + one[key], 0).toLocaleString("en-US");
  return `${sum("parameters")} parameters, ${sum("multiplyAdds")} multiply-adds a time step.`;
}

export function file(): void {
  const take = async (given: Iterable<File> | ArrayLike<File> | undefined | null) => {
    // A checkpoint first: an ONNX file beside it is held against it.
    const files = Array.from(given ?? []).sort((a, b) =>
      Number(a.name.endsWith(".onnx")) - Number(b.name.endsWith(".onnx"))
    );
    for (const one of files) show(one.name, new Uint8Array(await one.arrayBuffer()));
  };
  const drop = get("drop");
  get<HTMLInputElement>("pick").addEventListener(
    "change",
    (event) => take((event.target as HTMLInputElement).files),
  );
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take((event as DragEvent).dataTransfer?.files);
    });
  }
}
