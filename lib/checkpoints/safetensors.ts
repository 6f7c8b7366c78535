/** The safetensors format: a length, a JSON header, and the tensors' bytes one after the other. */

import { bytes as bytesKind, type Call, check, isPlain, type Kind, type Options } from "../call.ts";
import { Tensor } from "../tensor/tensor.ts";
import { safetensorsNames, stored, type StoredDType } from "./dtype.ts";
import { CheckpointError, quote } from "./error.ts";
import { StoredTensor } from "./stored_tensor.ts";
import { joined } from "./source.ts";
import { type HeaderEntry, parseHeader } from "./safetensors_header.ts";

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
  check(readSafetensorsCall, arguments);
  const fail = (what: string): never => {
    throw new CheckpointError(`safetensors: ${what}`);
  };
  if (bytes.length < 8) {
    fail(`the file ends after ${bytes.length} bytes, before its header's length`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > MAX_HEADER) {
    fail(`the header claims ${length} bytes, more than the ${MAX_HEADER} that the format allows`);
  }
  if (length > bytes.length - 8) {
    fail(`the header claims ${length} bytes, the file has ${bytes.length - 8} after its length`);
  }
  let text = "";
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    text = decoder.decode(bytes.subarray(8, 8 + length));
  } catch {
    fail("the header is not UTF-8");
  }
  const { metadata, entries } = parseHeader(text, 2 ** 19 + 8 * bytes.length);
  const data = bytes.subarray(8 + length);
  let [last, ordered] = [{ begin: 0, end: 0 }, true];
  for (const entry of entries.values()) {
    ordered &&= byPlace(last, entry) <= 0;
    last = entry;
  }
  const tensors = new Map<string, StoredTensor>();
  let end = 0;
  for (const [name, entry] of ordered ? entries : inOrder(entries)) {
    const dtype = checkEntry(name, entry, end, fail);
    ({ end } = entry);
    if (end > data.length) {
      fail(`tensor ${quote(name)} ends at byte ${end} of ${data.length} after the header`);
    }
    tensors.set(name, new StoredTensor(dtype, entry.shape, data, { byteOffset: entry.begin }));
    if (ordered) entries.delete(name); // what is read need not be kept twice
  }
  if (end !== data.length) fail(`${data.length - end} bytes at the end belong to no tensor`);
  return { metadata: metadata && Object.fromEntries(metadata), tensors };
}

/** The tensors in the order of their bytes, where the header has another. */
function inOrder(entries: ReadonlyMap<string, HeaderEntry>): [string, HeaderEntry][] {
  return [...entries].sort(([, a], [, b]) => byPlace(a, b));
}

/** A tensor of no bytes comes before one that begins where it does. */
function byPlace(a: { begin: number; end: number }, b: { begin: number; end: number }): number {
  return a.begin - b.begin || a.end - b.end;
}

/** Refuses what the header says of a tensor that should begin at a byte. */
function checkEntry(
  name: string,
  { dtype, shape, begin, end }: HeaderEntry,
  expected: number,
  fail: (what: string) => never,
): StoredDType {
  const known = safetensorsNames.get(dtype);
  const who = `tensor ${quote(name)}`;
  if (known === undefined) return fail(`${who} has the unknown dtype ${quote(dtype)}`);
  if (begin !== expected) {
    const what = begin < expected ? "overlaps the one before" : "leaves a hole before it";
    fail(`${who} ${what}: it begins at byte ${begin}, not ${expected}`);
  }
  let count = 1;
  for (const extent of shape) {
    if (!Number.isSafeInteger(count *= extent)) {
      fail(`${who} of shape [${shape.join(", ")}] has more elements than numbers count`);
    }
  }
  const bits = count * stored[known].bits;
  if (bits % 8 !== 0) fail(`${who} does not fill whole bytes`);
  if (end - begin !== bits / 8) {
    const size = `${bits / 8} bytes of ${dtype} in shape [${shape.join(", ")}]`;
    fail(`${who} takes ${size}, but has ${end - begin}`);
  }
  return known;
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

const readSafetensorsCall: Call = ["readSafetensors", { bytes: bytesKind }];
const writeSafetensorsCall: Call = [
  "writeSafetensors",
  { tensors: tensorsByName },
  safetensorsOptions,
];

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
  check(writeSafetensorsCall, arguments);
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
  const utf8 = new TextEncoder();
  const order = [...safetensorsNames];
  const given = tensors instanceof Map ? [...tensors] : Object.entries(tensors);
  const sorted = given.map(([name, value]: [string, Tensor | StoredTensor]) => {
    if (/\p{Surrogate}/u.test(name) || name === "__metadata__") {
      throw new CheckpointError(`safetensors: ${quote(name)} cannot name a tensor`);
    }
    const tensor = value instanceof Tensor ? StoredTensor.from(value) : value;
    const rank = order.findIndex(([, dtype]) => dtype === tensor.dtype);
    if (rank < 0) {
      throw new CheckpointError(
        `safetensors: tensor ${quote(name)} is ${tensor.dtype}, for which the format has no name`,
      );
    }
    return { name, tensor, rank, key: utf8.encode(name) };
  }).sort((a, b) => b.rank - a.rank || compareBytes(a.key, b.key));

  let end = 0;
  const fields = sorted.map(({ name, tensor, rank }) => {
    const begin = end;
    end += tensor.byteLength;
    return `${JSON.stringify(name)}:{"dtype":"${order[rank][0]}","shape":[${
      tensor.shape.join(",")
    }],"data_offsets":[${begin},${end}]}`;
  });
  if (metadata) fields.unshift(`"__metadata__":${metadataText(metadata)}`);
  const header = utf8.encode(`{${fields.join(",")}}`);
  const padded = Math.ceil(header.length / 8) * 8;
  if (padded > MAX_HEADER) {
    throw new CheckpointError(
      `safetensors: a header of ${padded} bytes is more than ${MAX_HEADER}`,
    );
  }
  const first = new Uint8Array(8 + padded).fill(0x20);
  new DataView(first.buffer).setBigUint64(0, BigInt(padded), true);
  first.set(header, 8);
  yield first;
  for (const { tensor } of sorted) yield tensor.bytes();
}

function metadataText(metadata: Readonly<Record<string, string>>): string {
  const fields = Object.entries(metadata).map(([name, value]) => {
    if (typeof value !== "string" || /\p{Surrogate}/u.test(name + "\n" + value)) {
      throw new CheckpointError(`safetensors: metadata ${quote(name)} must be text`);
    }
    return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
  });
  return `{${fields.join(",")}}`;
}

/** By code point, as Rust and Python compare text. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
