/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** The page "Your file": a checkpoint is read, named, run and converted in the browser. */

import {
  constructModule,
  detectModules,
  GRU,
  Linear,
  LSTM,
  modelFromStateDict,
  noGrad,
  parseCheckpoint,
  RNN,
  SimpleRNN,
  type StateDict,
  stateDictOf,
  storedStateDictOf,
  type StoredTensor,
  tensor,
  toKeras,
  toWebnn,
  writeSafetensors,
} from "../../mod.ts";
import { networkOf } from "../convert/network.ts";
import { toOnnxModel } from "../convert/onnx.ts";
import { summarise } from "../inspect/tensor.ts";

const get = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;

/** Finds the state_dict in a checkpoint: the whole of it, or under a usual key. */
function weights(bytes: Uint8Array): [Record<string, StoredTensor>, StateDict, string] {
  const { value } = parseCheckpoint(bytes);
  let first: unknown;
  for (const at of [undefined, "model_state_dict", "state_dict", "model", "module"]) {
    try {
      const where = at ? { at } : {};
      const stored = storedStateDictOf(value, where);
      return [stored, stateDictOf(value, { ...where, widen: true }), at ?? ""];
    } catch (error) {
      first ??= error;
    }
  }
  throw first;
}

/** A number with four digits. */
const short = (x: number) => Number.isFinite(x) ? Number(x.toPrecision(4)).toString() : String(x);

/** The rows of the table of tensors. */
function fill(table: HTMLTableElement, tensors: Record<string, StoredTensor>): void {
  table.innerHTML =
    "<tr><th>name</th><th>type</th><th>shape</th><th>least</th><th>mean</th><th>greatest</th></tr>";
  for (const [name, stored] of Object.entries(tensors)) {
    const row = table.insertRow();
    const cells = [name, stored.dtype, `(${stored.shape.join(", ")})`];
    try {
      const { min, mean, max } = summarise(stored.values() as ArrayLike<number>) as unknown as {
        min: number;
        mean: number;
        max: number;
      };
      cells.push(short(min), short(mean), short(max));
    } catch {
      cells.push("", "", "");
    }
    for (const text of cells) row.insertCell().textContent = text;
  }
}

/** What can be run: a recurrent layer, a Linear, or the notebook's model. */
type Model = RNN | LSTM | GRU | Linear | SimpleRNN;

/** Offers bytes as a file. */
function save(name: string, bytes: Uint8Array | string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([bytes as BlobPart]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Runs a model on the input that is typed. */
function run(model: Model, features: number): void {
  const rows = get<HTMLTextAreaElement>("input").value.trim().split(/\n/)
    .map((line) => line.split(/[,;\s]+/).filter(Boolean).map(Number));
  const wrong = rows.findIndex((row) => row.length !== features || row.some(Number.isNaN));
  if (wrong >= 0) {
    get("ran").textContent = `Line ${wrong + 1} is not ${features} numbers.`;
    return;
  }
  const x = model instanceof SimpleRNN || (model instanceof RNN || model instanceof LSTM ||
        model instanceof GRU) && model.batchFirst
    ? tensor([rows])
    : tensor(rows);
  try {
    const start = performance.now();
    const given = noGrad(() => model.forward(x) as unknown);
    const took = performance.now() - start;
    const parts = Array.isArray(given) ? given.flat() : [given];
    const names = ["output", "h_n", "c_n"];
    get("ran").textContent = parts.map((part, k) => `${names[k]}\n${part}`).join("\n\n");
    get("speed").textContent = `${took.toFixed(2)} ms for ${rows.length} time steps`;
  } catch (error) {
    get("ran").textContent = (error as Error).message;
  }
}

function show(name: string, bytes: Uint8Array): void {
  get("problem").textContent = "";
  get("report").hidden = true;
  try {
    const [stored, state, at] = weights(bytes);
    fill(get<HTMLTableElement>("tensors"), stored);
    const { modules } = detectModules(state) as unknown as {
      modules: { kind: string; prefix: string }[];
    };
    let model: Model | null = null;
    let assumed: readonly string[] = [];
    try {
      const found = modelFromStateDict(state);
      [model, assumed] = [found.model as Model, found.assumed];
    } catch {
      if (modules.length === 1) model = constructModule(modules[0] as never) as unknown as Model;
    }
    const where = at ? `, under "${at}"` : "";
    get("is").textContent = `${name}${where}: ${Object.keys(stored).length} tensors. ${
      model
        ? `It is ${String(model).replaceAll(/\s+/g, " ")}${
          assumed.length ? `, if ${assumed.join(", ")}` : ""
        }.`
        : `Modules found: ${
          modules.map((one) => `${one.kind} at "${one.prefix}"`).join(", ") || "none"
        }.`
    }`;
    get("run-box").hidden = !model;
    if (model) {
      model.eval();
      const own = model instanceof SimpleRNN ? model.rnn : model;
      const features = own instanceof Linear ? own.inFeatures : own.inputSize;
      const line = Array.from({ length: features }, (_, k) => (Math.sin(k + 1)).toFixed(2)).join(
        ", ",
      );
      get<HTMLTextAreaElement>("input").value = [line, line, line].join("\n");
      const loaded = model;
      get("run").onclick = () => run(loaded, features);
      run(loaded, features);
    }
    const base = name.replace(/\.\w+$/, "");
    const targets: Record<string, () => void> = {
      safetensors: () => save(`${base}.safetensors`, writeSafetensors(state)),
      ONNX: () => save(`${base}.onnx`, toOnnxModel(networkOf(state, {}))),
      "Keras, as JSON": () => save(`${base}.keras.json`, plain(toKeras(state))),
      "WebNN, as JSON": () => save(`${base}.webnn.json`, plain(toWebnn(state, { layout: "iofg" }))),
    };
    const box = get("convert");
    box.innerHTML = "";
    for (const [target, make] of Object.entries(targets)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = target;
      button.addEventListener("click", () => {
        try {
          make();
          get("problem").textContent = "";
        } catch (error) {
          get("problem").textContent = `${target}: ${(error as Error).message}`;
        }
      });
      box.append(button);
    }
    get("report").hidden = false;
  } catch (error) {
    get("problem").textContent = `${name}: ${(error as Error).message}`;
  }
}

/** Layers as JSON, tensors as shape and data. */
function plain(layers: unknown): string {
  return JSON.stringify(
    layers,
    (_, value) =>
      value?.data instanceof Float32Array || value?.data instanceof Float64Array
        ? { shape: value.shape, data: [...value.data] }
        : value,
  );
}

export function file(): void {
  const take = async (given: File | undefined) => {
    if (given) show(given.name, new Uint8Array(await given.arrayBuffer()));
  };
  const drop = get("drop");
  get<HTMLInputElement>("pick").addEventListener(
    "change",
    (event) => take((event.target as HTMLInputElement).files?.[0]),
  );
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") take((event as DragEvent).dataTransfer?.files[0]);
    });
  }
}
