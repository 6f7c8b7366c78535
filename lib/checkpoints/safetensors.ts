/** The safetensors format: a length, a JSON header, and the tensors' bytes one after the other. */

import { bytes as bytesKind, check, isPlain, type Kind, type Options } from "../call.ts";
import { Tensor } from "../tensor/tensor.ts";
import { listed } from "../tensor/dtype.ts";
import { countOf, dtypes, stored } from "./dtype.ts";
import { decoder, encoder, quote } from "./refuse.ts";
import { StoredTensor } from "./stored_tensor.ts";
import { joined } from "./source.ts";
import { type HeaderEntry, parseHeader, refuse } from "./safetensors_header.ts";

/** The largest header that the Python library reads. */
const MAX_HEADER = 100_000_000;

/**
 * What a safetensors file holds.
 * @category Checkpoints
 */
export interface SafetensorsFile {
  /** Free text by name; `null` where the file has none. */
  readonly metadata: Readonly<Record<string, string>> | null;
  /** The tensors by name, in the order of their bytes. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

/**
 * Whether bytes begin as a safetensors file does.
 *
 * @param bytes the file, or its first nine bytes
 */
export function looksLikeSafetensors(bytes: Uint8Array): boolean {
  return bytes.length >= 9 && (bytes[8] === 0x7b || bytes[8] === 0x20) && bytes[7] === 0 &&
    bytes[6] === 0;
}

/**
 * Reads a safetensors file. The tensors are views on the bytes given, which are not copied.
 *
 * Stricter than the Python library in one point: a name that comes twice is refused.
 *
 * @param bytes the file
 * @returns its metadata and its tensors, of any dtype that the format has
 * @throws {CheckpointError} if the file is not sound: truncated, with sizes that do not fit, with
 * tensors that overlap or leave holes
 *
 * @example
 * ```ts
 * import { readSafetensors, tensor, writeSafetensors } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = writeSafetensors({ w: tensor([[1, 2]]) }, { metadata: { format: "pt" } });
 * const { metadata, tensors } = readSafetensors(bytes);
 * assertEquals(metadata, { format: "pt" });
 * assertEquals(tensors.get("w")?.toTensor().tolist(), [[1, 2]]);
 * ```
 * @category Checkpoints
 */
export function readSafetensors(bytes: Uint8Array): SafetensorsFile {
  check(["readSafetensors", { bytes: bytesKind }], arguments);
  if (bytes.length < 8) {
    refuse(`the file ends after ${bytes.length} bytes, before its header's length`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const most = Math.min(MAX_HEADER, bytes.length - 8);
  if (length > most) refuse(`the header claims ${length} bytes; it may have ${most} here`);
  let text = "";
  try {
    text = decoder.decode(bytes.subarray(8, 8 + length));
  } catch {
    refuse("the header is not UTF-8");
  }
  const { metadata, entries } = parseHeader(text, 2 ** 19 + 8 * bytes.length);
  const data = bytes.subarray(8 + length);
  const given = [...entries.values()];
  const ordered = given.every((entry, k) => k === 0 || byPlace(given[k - 1], entry) <= 0);
  const tensors = new Map<string, StoredTensor>();
  let expected = 0;
  for (const [name, entry] of ordered ? entries : inOrder(entries)) {
    const { dtype: word, shape, begin, end } = entry;
    const who = `tensor ${quote(name)}`;
    const dtype = dtypes.find((dtype) => stored[dtype].name === word) ??
      refuse(`${who} has the unknown dtype ${quote(word)}`);
    if (begin !== expected) {
      const what = begin < expected ? "overlaps the one before" : "leaves a hole before it";
      refuse(`${who} ${what}: it begins at byte ${begin}, not ${expected}`);
    }
    const size = countOf(shape, `safetensors: ${who}`) * stored[dtype].bits / 8;
    if (!Number.isInteger(size)) refuse(`${who} does not fill whole bytes`);
    if (end - begin !== size) {
      const wanted = `${size} bytes of ${word} in shape ${listed(shape)}`;
      refuse(`${who} takes ${wanted}, but has ${end - begin}`);
    }
    if (end > data.length) {
      refuse(`${who} ends at byte ${end} of ${data.length} after the header`);
    }
    expected = end;
    tensors.set(name, new StoredTensor(dtype, shape, data, { byteOffset: begin }));
    if (ordered) entries.delete(name); // what is read need not be kept twice
  }
  if (expected !== data.length) {
    refuse(`${data.length - expected} bytes at the end belong to no tensor`);
  }
  return { metadata: metadata && Object.fromEntries(metadata), tensors };
}

/** The tensors in the order of their bytes, where the header has another. */
function inOrder(entries: ReadonlyMap<string, HeaderEntry>): [string, HeaderEntry][] {
  return [...entries].sort(([, a], [, b]) => byPlace(a, b));
}

/** A tensor of no bytes comes before one that begins where it does. */
function byPlace(a: HeaderEntry, b: HeaderEntry): number {
  return a.begin - b.begin || a.end - b.end;
}

/**
 * What {@linkcode writeSafetensors} takes: tensors by name.
 * @category Checkpoints
 */
export type TensorsByName =
  | Readonly<Record<string, Tensor | StoredTensor>>
  | ReadonlyMap<string, Tensor | StoredTensor>;

/**
 * What goes into a safetensors file besides the tensors.
 * @category Checkpoints
 */
export interface SafetensorsOptions {
  /** Free text by name; the PyTorch side of the Python library writes `{ format: "pt" }`. */
  readonly metadata?: Readonly<Record<string, string>> | null;
}

export const safetensorsOptions: Options<SafetensorsOptions> = {
  metadata: { word: "dict", is: (value) => value === null || isPlain(value) },
};

/** Tensors by name; the writer looks at what they are. */
export const tensorsByName: Kind = {
  word: "dict",
  is: (value) => value instanceof Map || isPlain(value),
};

/**
 * Writes a safetensors file, byte for byte as the Python library does: the tensors sorted by dtype,
 * the widest first, then by name; the header padded with spaces to a multiple of eight. (Where there
 * are several metadata, Python's order of them changes from run to run; here it is the order given.)
 *
 * @param tensors tensors by name
 * @param options the metadata
 * @returns the file
 * @throws {CheckpointError} if the format cannot hold a name or a dtype
 *
 * @example
 * ```ts
 * import { Linear, readSafetensors, writeSafetensors } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = writeSafetensors(new Linear(3, 2).stateDict());
 * assertEquals([...readSafetensors(bytes).tensors.keys()], ["bias", "weight"]);
 * ```
 * @category Checkpoints
 */
export function writeSafetensors(
  tensors: TensorsByName,
  options: SafetensorsOptions = {},
): Uint8Array {
  check([
    "writeSafetensors",
    { tensors: tensorsByName },
    safetensorsOptions,
  ], arguments);
  return joined([...safetensorsParts(tensors, options)]);
}

/**
 * The parts of a safetensors file, in order: the header, then each tensor's bytes, which are not
 * copied where they need not be.
 *
 * @throws {CheckpointError} if the format cannot hold a name or a dtype
 */
export function* safetensorsParts(
  tensors: TensorsByName,
  { metadata }: SafetensorsOptions = {},
): Generator<Uint8Array> {
  const given = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  const sorted = given.map(([name, value]: [string, Tensor | StoredTensor]) => {
    if (/\p{Surrogate}/u.test(name) || name === "__metadata__") {
      refuse(`${quote(name)} cannot name a tensor`);
    }
    const tensor = value instanceof Tensor ? StoredTensor.from(value) : value;
    const dtype = stored[tensor.dtype].name ??
      refuse(`tensor ${quote(name)} is ${tensor.dtype}, for which the format has no name`);
    return { name, tensor, dtype, rank: dtypes.indexOf(tensor.dtype), key: encoder.encode(name) };
  }).sort((a, b) => b.rank - a.rank || compareBytes(a.key, b.key));

  let end = 0;
  const fields = sorted.map(({ name, tensor: { shape, byteLength }, dtype }) => {
    const data_offsets = [end, end += byteLength];
    return `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets })}`;
  });
  for (const [name, value] of Object.entries(metadata ?? {})) {
    if (typeof value !== "string" || /\p{Surrogate}/u.test(name + "\n" + value)) {
      refuse(`metadata ${quote(name)} must be text`);
    }
  }
  if (metadata) fields.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  const header = encoder.encode(`{${fields.join(",")}}`);
  const padded = Math.ceil(header.length / 8) * 8;
  if (padded > MAX_HEADER) refuse(`a header of ${padded} bytes is more than ${MAX_HEADER}`);
  const first = new Uint8Array(8 + padded).fill(0x20);
  new DataView(first.buffer).setBigUint64(0, BigInt(padded), true);
  first.set(header, 8);
  yield first;
  for (const { tensor } of sorted) yield tensor.bytes();
}

/** By code point, as Rust and Python compare text. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const k = a.findIndex((byte, k) => byte !== b[k]);
  return k in b ? a[k] - b[k] : a.length - b.length;
}
