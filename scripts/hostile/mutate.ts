/** Changes to checkpoints: blind ones, and ones that know what they change. */

import { readZip } from "../../lib/checkpoints/zip.ts";
import { joined } from "../../lib/checkpoints/source.ts";
import { seal } from "./archive.ts";
import { fieldwise } from "./onnx.ts";
import type { Choices } from "./random.ts";

/** A sound checkpoint to begin with. */
export interface Seed {
  readonly id: string;
  readonly format: "torch" | "safetensors" | "onnx";
  readonly bytes: Uint8Array;
}

export type Mutation = (bytes: Uint8Array, choices: Choices, others: readonly Seed[]) => Uint8Array;

/** Numbers at which readers go wrong. */
const edges = [0n, 1n, 0x7fn, 0xffn, 0xffffn, 0x7fffffffn, 0xffffffffn, 2n ** 53n, 2n ** 63n - 1n];

function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const result = bytes.slice();
  result.set(values.slice(0, Math.max(0, bytes.length - at)), at);
  return result;
}

function replaced(bytes: Uint8Array, at: number, end: number, by: Uint8Array): Uint8Array {
  return joined([bytes.subarray(0, at), by, bytes.subarray(end)]);
}

const blind: Record<string, Mutation> = {
  truncate: (bytes, choices) => bytes.slice(0, choices.below(bytes.length)),
  flip: (bytes, choices) => {
    const at = choices.below(bytes.length);
    return changed(bytes, at, bytes[at] ^ (1 << choices.below(8)));
  },
  set: (bytes, choices) => changed(bytes, choices.below(bytes.length), choices.below(256)),
  insert: (bytes, choices) => {
    const at = choices.below(bytes.length + 1);
    const piece = Uint8Array.from({ length: 1 + choices.below(8) }, () => choices.below(256));
    return replaced(bytes, at, at, piece);
  },
  remove: (bytes, choices) => {
    const at = choices.below(bytes.length);
    return replaced(
      bytes,
      at,
      Math.min(bytes.length, at + 1 + choices.below(16)),
      new Uint8Array(),
    );
  },
  repeat: (bytes, choices) => {
    const at = choices.below(bytes.length);
    const piece = bytes.subarray(at, at + 1 + choices.below(64));
    return replaced(bytes, at, at, piece);
  },
  move: (bytes, choices) => {
    const [from, to] = [choices.below(bytes.length), choices.below(bytes.length)];
    return changed(bytes, to, ...bytes.subarray(from, from + 1 + choices.below(64)));
  },
  splice: (bytes, choices, others) => {
    const other = choices.pick(others).bytes;
    const tail = other.subarray(choices.below(other.length));
    return joined([bytes.subarray(0, choices.below(bytes.length)), tail]);
  },
  edge: (bytes, choices) => {
    const width = choices.pick([2, 4, 8]);
    const value = choices.pick([...edges, BigInt(bytes.length), BigInt(bytes.length - 8)]);
    const field = new DataView(new ArrayBuffer(8));
    field.setBigUint64(0, value, true);
    return changed(bytes, choices.below(bytes.length), ...new Uint8Array(field.buffer, 0, width));
  },
};

/** Pieces of header, sound and not. */
const jsonPieces = [
  ...'{}[],:"\\ -.e0123456789',
  "null",
  "-1",
  "1e9",
  "9007199254740993",
  "18446744073709551616",
  '"__proto__"',
  '"__metadata__":{}',
  '"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},',
  '"shape":[4294967296,4294967296]',
  '"F64"',
  '"BF16"',
  "\\ud800",
  "[".repeat(200),
  '{"a":'.repeat(200),
];

/** Changes the JSON of a safetensors header, and its length with it. */
const header: Mutation = (bytes, choices) => {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  let text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  for (let k = choices.below(3); k >= 0; k--) {
    const numbers = [...text.matchAll(/\d+/g)];
    const at = choices.below(text.length);
    const kind = choices.below(5);
    if (kind === 0 && numbers.length > 0) { // another number
      const { index, 0: digits } = choices.pick(numbers);
      const near = Number(digits) + choices.below(9) - 4;
      text = text.slice(0, index) + choices.pick([near, 0, 2 ** 32, "9".repeat(20)]) +
        text.slice(index + digits.length);
    } else if (kind === 1) { // an entry twice
      const entry = text.match(/"[^"]*":\{[^}]*\},?/)?.[0] ?? "";
      text = `{${entry.replace(/,?$/, ",")}${text.slice(1)}`;
    } else if (kind === 2) text = text.slice(0, at) + text.slice(at + 1 + choices.below(6));
    else text = text.slice(0, at) + choices.pick(jsonPieces) + text.slice(at + choices.below(2));
  }
  const encoded = new TextEncoder().encode(text);
  const first = new Uint8Array(8);
  new DataView(first.buffer).setUint32(0, encoded.length, true);
  return joined([first, encoded, bytes.subarray(8 + length)]);
};

const ascii = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** Instructions, sound and not. */
const pickled = [
  ..."()N0}]asteub.RQ12IFKMJ",
  "\x85",
  "\x86",
  "\x87",
  "\x88",
  "\x89",
  "\x8a\x09",
  "\x94",
  "\x81",
  "\x93",
  "cos\nsystem\n",
  "c__builtin__\neval\n",
  "cposix\nsystem\n(X\x04\x00\x00\x00idtq\x01R",
  "ccollections\nOrderedDict\n",
  "ctorch._utils\n_rebuild_tensor_v2\n",
  "ctorch\nFloatStorage\n",
  "ctorch\nuint16\n",
  "h\x00",
  "h\x05",
  "q\x01",
  "r\xff\xff\xff\x7f",
  "j\x00\x00\x00\x00",
  "X\x01\x00\x00\x00a",
  "X\xff\xff\xff\xff",
  "X\x09\x00\x00\x00__proto__",
  "K\x01",
  "M\xff\xff",
  "J\xff\xff\xff\xff",
  "J\xff\xff\xff\x7f",
  "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
  "2".repeat(50),
  "]".repeat(200) + "a".repeat(199),
  ")" + "\x85".repeat(200),
].map(ascii);

/** Changes what is in one entry of an archive, or its name, and seals the archive again. */
const inside: Mutation = (bytes, choices, others) => {
  const records = [...readZip(bytes)].map(([name, data]) => ({ name, data }));
  const record = choices.below(8) > 0
    ? records.find(({ name }) => name.endsWith("/data.pkl"))!
    : choices.pick(records);
  for (let k = choices.below(3); k >= 0; k--) {
    const { data } = record;
    const kind = choices.below(6);
    const at = choices.below(data.length + 1);
    if (kind < 3) {
      const end = kind === 0 ? at : Math.min(data.length, at + 1 + choices.below(4));
      record.data = replaced(data, at, end, choices.pick(pickled));
    } else if (kind < 5 && data.length > 0) {
      record.data = choices.pick(Object.values(blind))(data, choices, others);
    } else {
      const other = choices.pick(records);
      const names = [other.name, `${other.name}/..`, "/etc/passwd", "archive/data/0", "archive/x"];
      other.name = choices.pick(names);
    }
  }
  if (choices.below(16) === 0) records.push(choices.pick(records));
  return seal(records);
};

/** Changes a field of an archive's own headers. */
const archive: Mutation = (bytes, choices) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const marks: number[] = [];
  for (let at = 0; at + 4 <= bytes.length; at++) {
    if (view.getUint16(at, true) === 0x4b50) marks.push(at);
  }
  const at = choices.pick(marks) + choices.below(56);
  const by = choices.pick([
    [0],
    [1],
    [8, 0],
    [255, 255],
    [255, 255, 255, 255],
    [255, 255, 255, 127],
    [choices.below(256)],
    [choices.below(256), choices.below(8)],
  ]);
  return at < bytes.length ? changed(bytes, at, ...by) : bytes.slice(1);
};

export function mutate(
  seed: Seed,
  choices: Choices,
  others: readonly Seed[],
): { kind: string; bytes: Uint8Array } {
  const knowing: Record<string, Mutation> = seed.format === "torch"
    ? { inside, archive }
    : seed.format === "onnx"
    ? { fieldwise }
    : { header };
  const all = { ...blind, ...knowing };
  // Half of all changes know what they change: blind ones rarely get past the first check.
  const kind = choices.pick(Object.keys(choices.below(2) === 0 ? blind : knowing));
  return { kind: `${seed.format} ${kind}`, bytes: all[kind](seed.bytes, choices, others) };
}
