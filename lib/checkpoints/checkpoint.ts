/** Checkpoints: from a file to a `state_dict`, whatever wrote the file. */

import { any, bool, check, type Options, text } from "../call.ts";
import { pythonStr } from "../python.ts";
import type { StateDict, Tensor } from "../tensor/tensor.ts";
import { CheckpointError } from "./error.ts";
import { fail, quote, within } from "./refuse.ts";
import { selectPrefix } from "./names.ts";
import { looksLikeOnnx } from "./onnx_file.ts";
import { type TorchKey, TorchObject, type TorchValue } from "./torch_object.ts";
import { looksLikeSafetensors, readSafetensors } from "./safetensors.ts";
import { beside, type CheckpointSource, readSource, sourceName } from "./source.ts";
import { StoredTensor, type WidenOptions } from "./stored_tensor.ts";

/**
 * A checkpoint as it stands in its file.
 * @category Checkpoints
 */
export interface Checkpoint {
  /** What wrote it. */
  readonly format: "safetensors" | "torch" | "onnx";
  /** What it holds; of a safetensors file or an ONNX file, a `Map` of its tensors. */
  readonly value: TorchValue;
  /** The free text of a safetensors file; `null` where there is none. */
  readonly metadata: Readonly<Record<string, string>> | null;
}

/**
 * Which part of a checkpoint is wanted, and how.
 * @category Checkpoints
 */
export interface StateDictOptions extends WidenOptions {
  /** The keys that lead to the `state_dict`, where it is not the whole: `"model"`. */
  readonly at?: string | readonly (string | number)[];
  /** Takes only the names that begin so, and takes this off them: `"module."`, `"rnn."`. */
  readonly prefix?: string;
  /** Whether to pass over entries that are no tensors, which are refused otherwise. @default false */
  readonly tensorsOnly?: boolean;
}

const stateDictOptions: Options<StateDictOptions> = {
  at: { word: "str or list", is: (value) => text.is(value) || Array.isArray(value) },
  prefix: text,
  tensorsOnly: bool,
  widen: bool,
};

/**
 * Reads a safetensors file, or one of `torch.save`.
 *
 * @param readTorch what reads the latter
 * @throws {CheckpointError} if it is neither, or not sound
 */
export function parse(
  bytes: Uint8Array,
  readTorch: ((bytes: Uint8Array) => TorchValue) | undefined,
): Checkpoint {
  if (looksLikeTorchFile(bytes)) {
    return { format: "torch", value: readTorch!(bytes), metadata: null };
  }
  if (looksLikeSafetensors(bytes)) {
    const { metadata, tensors } = readSafetensors(bytes);
    return { format: "safetensors", value: tensors, metadata };
  }
  fail(
    bytes.length === 0
      ? "the file is empty"
      : bytes[0] === 0x80 && bytes[1] === 2
      ? "a file of torch.save before PyTorch 1.6; load it there and save it again"
      : looksLikeOnnx(bytes)
      ? "an ONNX file, whose weights readCheckpoint and loadCheckpoint read"
      : "neither a safetensors file nor one of torch.save (PyTorch 1.6 or later)",
  );
}

/**
 * Reads a checkpoint whole, with all that is in it: an optimiser's state, numbers, text.
 *
 * @param source where it is
 * @returns what it holds
 * @throws {CheckpointError} if it is not a checkpoint, or not sound
 *
 * @example
 * ```ts
 * import { readCheckpoint, tensor, writeSafetensors } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const file = writeSafetensors({ w: tensor([1, 2]) }, { metadata: { epoch: "3" } });
 * const { metadata } = await readCheckpoint(file);
 * assertEquals(metadata, { epoch: "3" });
 * ```
 * @category Checkpoints
 */
export async function readCheckpoint(source: CheckpointSource): Promise<Checkpoint> {
  check(["readCheckpoint", { source: any }], arguments);
  return await named(source, (checkpoint) => checkpoint);
}

/**
 * Loads the weights of a model: `model.loadStateDict(await loadCheckpoint("model.pt"))`. Of an ONNX
 * file, those of its recurrent nodes, as PyTorch names them, and of its products with constants
 * (CKPT-14).
 *
 * @param source a path (needs permission to read), an address, bytes, a `Blob`, a `Response` or a
 * stream
 * @param options which part of the checkpoint, and whether half precision becomes float32
 * @returns tensors by name; where the file's bytes allow it they are views on them, so names that
 * share a storage in the file share it here
 * @throws {CheckpointError} if it is not a checkpoint, or not sound, or what is wanted is not a dict
 * of float32 and float64 tensors
 *
 * @example
 * ```ts
 * import { loadCheckpoint, SimpleRNN, writeSafetensors } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const file = writeSafetensors(new SimpleRNN(1, 5, 1).stateDict());
 * const model = new SimpleRNN(1, 5, 1);
 * const keys = model.loadStateDict(await loadCheckpoint(file));
 * assertEquals(String(keys), "<All keys matched successfully>");
 * model.rnn.loadStateDict(await loadCheckpoint(file, { prefix: "rnn." }));
 * ```
 * @category Checkpoints
 */
export async function loadCheckpoint(
  source: CheckpointSource,
  options: StateDictOptions = {},
): Promise<StateDict> {
  check(["loadCheckpoint", { source: any }, stateDictOptions], arguments);
  return await named(source, ({ value }) => stateDictOf(value, options));
}

/**
 * Whether bytes begin as a file of `torch.save` does, which is a zip archive.
 *
 * @param bytes the file, or its first four bytes
 */
export function looksLikeTorchFile(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4;
}

/** Reads a checkpoint, and puts the source's name before what is wrong with it. */
async function named<T>(
  source: CheckpointSource,
  take: (checkpoint: Checkpoint) => T,
): Promise<T> {
  const name = sourceName(source);
  const bytes = await readSource(source);
  try {
    if (looksLikeOnnx(bytes)) return take(await parseOnnx(bytes, source));
    // What reads files of torch.save is loaded where there is one.
    const torch = looksLikeTorchFile(bytes) ? await import("./torch.ts") : undefined;
    return take(parse(bytes, torch?.readTorch));
  } catch (error) {
    if (!(error instanceof CheckpointError) || name === null) throw error;
    throw new CheckpointError(`${name}: ${error.message}`);
  }
}

/** The weights of an ONNX file, whose reader is loaded where there is such a file. */
async function parseOnnx(bytes: Uint8Array, source: CheckpointSource): Promise<Checkpoint> {
  const { onnxWeights } = await import("../onnx/weights.ts");
  const files = new Map<string, Uint8Array>();
  for (;;) {
    const found = onnxWeights(bytes, files);
    if (typeof found === "string") fail(found);
    if (Array.isArray(found)) {
      const value = new Map(found.map(([name, ...stored]) => [name, new StoredTensor(...stored)]));
      return { format: "onnx", value, metadata: null };
    }
    files.set(found.missing, await readSource(beside(source, found.missing)));
  }
}

/**
 * Takes a `state_dict` out of what a checkpoint holds.
 *
 * @param value what the checkpoint holds
 * @param options where in it, and whether half precision becomes float32
 * @returns tensors by name
 * @throws {CheckpointError} if there is no dict of float32 and float64 tensors there; the message
 * tells what there is
 *
 * @example
 * ```ts
 * import { stateDictOf, StoredTensor, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const weights = new Map([["w", StoredTensor.from(tensor([1, 2]))]]);
 * const checkpoint = new Map<string, typeof weights | number>([["epoch", 3], ["model", weights]]);
 * assertEquals(stateDictOf(checkpoint, { at: "model" }).w.tolist(), [1, 2]);
 * assertThrows(() => stateDictOf(checkpoint), Error, '"epoch" (a number), "model" (1 tensor)');
 * ```
 * @category Checkpoints
 */
export function stateDictOf(value: TorchValue, options: StateDictOptions = {}): StateDict {
  check(["stateDictOf", { value: any }, stateDictOptions], arguments);
  const stored = storedStateDictOf(value, options);
  const made = new Map<StoredTensor, Tensor>(); // two names of one tensor share it
  return Object.fromEntries(
    Object.entries(stored).map(([name, tensor]) => {
      const own = within(
        () => `tensor ${quote(name)}: `,
        () => made.get(tensor) ?? tensor.toTensor({ widen: options.widen }),
      );
      made.set(tensor, own);
      return [name, own];
    }),
  );
}

/**
 * Takes a `state_dict` out of what a checkpoint holds, each tensor as it is stored, of any dtype.
 *
 * @param value what the checkpoint holds
 * @param options where in it
 * @returns stored tensors by name
 * @throws {CheckpointError} if there is no dict of tensors there; the message tells what there is
 *
 * @example
 * ```ts
 * import { storedStateDictOf, tensor, writeSafetensors } from "@rnn-spec/rnn-spec";
 * import { parseCheckpoint } from "@rnn-spec/rnn-spec/checkpoints";
 * import { assertEquals } from "@std/assert";
 *
 * const { value } = parseCheckpoint(writeSafetensors({ "rnn.w": tensor([1, 2]) }));
 * const { w } = storedStateDictOf(value, { prefix: "rnn." });
 * assertEquals([w.dtype, w.shape], ["float32", [2]]);
 * ```
 * @category Checkpoints
 */
export function storedStateDictOf(
  value: TorchValue,
  options: StateDictOptions = {},
): Record<string, StoredTensor> {
  check(["storedStateDictOf", { value: any }, stateDictOptions], arguments);
  const { at = [], prefix = "", tensorsOnly = false } = options;
  const path = typeof at === "string" ? [at] : at;
  let [part, place] = [value, "the checkpoint"];
  for (const key of path) {
    const next = part instanceof Map
      ? part.get(key)
      : Array.isArray(part)
      ? part[Number(key)]
      : undefined;
    if (next === undefined) {
      fail(`${place} has no ${quoteKey(key)}; it is ${describe(part, true)}`);
    }
    [part, place] = [next, path.length === 1 ? quoteKey(key) : `${place} → ${quoteKey(key)}`];
  }
  const refuse = (hint = "") =>
    fail(`${place} is no state_dict but ${describe(part, true)}${hint}`);
  if (!(part instanceof Map)) return refuse();
  const entries = new Map<string, TorchValue>();
  for (const [key, value] of part) {
    const name = pythonStr(key);
    if (entries.has(name)) {
      fail(`${place} has two keys that would both be named ${quote(name)}`);
    }
    if (!tensorsOnly || value instanceof StoredTensor) entries.set(name, value);
  }
  const named = Object.fromEntries(entries);
  const wanted = Object.entries(prefix ? selectPrefix(named, prefix) : named);
  const other = wanted.find(([, value]) => !(value instanceof StoredTensor));
  if (other !== undefined) {
    refuse(
      path.length === 0 && [...part.values()].some((inner) => inner instanceof Map)
        ? "; say which part with { at: … }"
        : `; ${quote(other[0])} is ${describe(other[1])} (tensorsOnly: true passes over it)`,
    );
  }
  return Object.fromEntries(wanted as [string, StoredTensor][]);
}

/** A key in Python's words: `None`, `True`, `1`; text quoted. */
function quoteKey(key: TorchKey): string {
  return typeof key === "string" ? quote(key) : pythonStr(key);
}

/** What a value is, in few words; a dict with its keys where `full`. */
function describe(value: TorchValue, full = false): string {
  if (value === null) return "None";
  if (value instanceof StoredTensor) return "a tensor";
  if (value instanceof TorchObject) {
    const { type, isModule } = value;
    return isModule
      ? `a whole model, an object of ${type}; in PyTorch, torch.save(model.state_dict(), …) writes ` +
        "its weights"
      : `an object of ${type}`;
  }
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (!(value instanceof Map)) return typeof value === "string" ? "text" : `a ${typeof value}`;
  const tensors = [...value.values()].filter((item) => item instanceof StoredTensor).length;
  if (!full) {
    const count = tensors > 0 && tensors === value.size ? "tensor" : "entry";
    return value.size === 1 ? `1 ${count}` : `${value.size} ${count.replace(/y$/, "ie")}s`;
  }
  const shown = [...value].slice(0, 8).map(([key, item]) => `${quoteKey(key)} (${describe(item)})`);
  if (value.size > shown.length) shown.push("…");
  return value.size === 0 ? "an empty dict" : `a dict of ${shown.join(", ")}`;
}
