/** Files that are small and would have a careless reader make something large of them. */

import { joined } from "../../lib/checkpoints/source.ts";
import { seal } from "./archive.ts";

export interface Bomb {
  /** What it tries. */
  readonly name: string;
  make(): Uint8Array;
}

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** A file of `torch.save` around a pickle's instructions. */
export function torchFile(pickle: string | Uint8Array, storage = new Uint8Array(16)): Uint8Array {
  const body = typeof pickle === "string" ? ascii(pickle) : pickle;
  return seal([
    { name: "archive/data.pkl", data: joined([ascii("\x80\x02"), body, ascii(".")]) },
    { name: "archive/byteorder", data: ascii("little") },
    { name: "archive/data/0", data: storage },
    { name: "archive/version", data: ascii("3\n") },
  ]);
}

/** A safetensors file of a header and as many bytes. */
export function safetensorsFile(header: string, data = 0): Uint8Array {
  const text = new TextEncoder().encode(header);
  const first = new Uint8Array(8);
  new DataView(first.buffer).setBigUint64(0, BigInt(text.length), true);
  return joined([first, text, new Uint8Array(data)]);
}

const tensorArguments = "ctorch._utils\n_rebuild_tensor_v2\nq\x00(" +
  "(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ" +
  "K\x00K\x02K\x02\x86K\x01K\x02\x86\x89ccollections\nOrderedDict\n)Rtq\x01";

/** A long integer of a pickle. */
function long(value: number): string {
  const digits = Array.from({ length: 7 }, (_, k) => chr(Math.floor(value / 256 ** k) % 256));
  return `\x8a\x07${digits.join("")}`;
}

/** A view with a stride of 0 of a storage of four floats. */
function expanded(size: string): string {
  return tensorArguments.replace("K\x02K\x02\x86K\x01K\x02\x86", `${size}\x85K\x00\x85`);
}

/** A number in four bytes. */
function little(value: number): string {
  return chr(value & 255) + chr((value >> 8) & 255) + chr((value >> 16) & 255) + chr(value >>> 24);
}

/** LONG_BINPUT. */
function put(index: number): string {
  return `r${little(index & 0xffffff)}`;
}

/**
 * Hostile files.
 *
 * @param size about how many bytes the larger ones are to have
 * @returns them all; none may be loaded as anything large
 */
export function bombs(size: number): Bomb[] {
  const times = (text: string) => text.repeat(Math.ceil(size / text.length));
  const many = (make: (k: number) => string, each: number) =>
    Array.from({ length: Math.ceil(size / each) }, (_, k) => make(k)).join("");
  const doubled = Array.from({ length: 60 }, (_, k) => `0](h${chr(k)}h${chr(k)}eq${chr(k + 1)}`);
  const entry = '"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
  const pickles: Record<string, () => string> = {
    "marks without end": () => times("("),
    "lists without end": () => times("]"),
    "dicts without end": () => times("}"),
    "dicts in a list": () => `]${times("}a")}`,
    "kept dicts in a list": () => `]${many((k) => `}${put(k)}a`, 7)}`,
    "dicts of one item": () => `]${many((k) => `}${put(k)}K\x01Nsa`, 11)}`,
    "one value kept over and over": () => `N${times("\x94")}`,
    "a tuple in a tuple": () => `)${times("\x85")}`,
    "a list in a list": () => `${"]".repeat(19_000)}${"a".repeat(18_999)}`,
    "nothing in a list": () => `]${times("Na")}`,
    "reals in a list": () => `]${times("G@\x09!\xfbTD-\x18a")}`,
    "a list that is its own item": () => "]q\x00h\x00a",
    "a dict that is its own value": () => "}q\x00K\x01h\x00s",
    "lists that double": () => `]q\x00${doubled.join("")}`,
    "texts": () => `]${times("X\x01\x00\x00\x00aa")}`,
    "tensors of one storage": () => `${tensorArguments}0]${times("h\x00h\x01Ra")}`,
    "lists of one item": () => `]${times("]K\x01aa")}`,
    "kept lists of one item": () => `]${many((k) => `]${put(k)}K\x01aa`, 9)}`,
    "lists of two items": () => `](${many((k) => `]${put(k)}(K\x01K\x02e`, 11)}e`,
    "truths in one batch": () => `](${times("\x88")}e`,
    "one long tuple": () => `(${times("K\x01")}t`,
    "sets": () => `]${times("\x8fa")}`,
    "names": () => `]${times("ca\nb\na")}`,
    "objects": () => `ca\nb\nq\x000]${times("h\x00)\x81a")}`,
    "short texts": () => `](${times("\x8c\x02ab")}e`,
    "devices that double": () => {
      const lists = Array.from({ length: 60 }, (_, k) => `h${chr(k)}h${chr(k)}\x86q${chr(k + 1)}0`);
      return `(X\x03\x00\x00\x00cpuK\x01tq\x000${lists.join("")}ctorch\ndevice\nh\x3cR`;
    },
    "devices of one long text": () => {
      const text = `X${little(size >> 1)}${"c".repeat(size >> 1)}`;
      return `ctorch\ndevice\nq\x000${text}\x85q\x010]${"h\x00h\x01Ra".repeat(size >> 4)}`;
    },
    "long integers": () => `]${times(`\x8a\xff${"\x7f".repeat(255)}a`)}`,
    "an astronomical view": () => `${expanded(long(2 ** 47))}R`,
    "a large view of little": () => `${expanded("J\x00\x00\x00\x10")}R`,
    "views of a half": () => {
      const half = tensorArguments.replace("FloatStorage", "HalfStorage")
        .replace("K\x04t", "K\x08t").replace("K\x02K\x02\x86K\x01K\x02\x86", "K\x04\x85K\x01\x85");
      return `]${times(`${half.replaceAll(/q[^a-zA-Z]/g, "")}Ra`)}`;
    },
    "views that add up": () =>
      `]${times(`${expanded("J\x00\x10\x00\x00")}Ra`.replace("q\x00", "").replace("q\x01", ""))}`,
  };
  const inside = (make: (k: number) => string, each: number) =>
    `{${many(make, each).slice(0, -1)}}`;
  const metadata = (text: string) => `{"__metadata__":${text}}`;
  const far = entry.replace("[0]", `[0${",9".repeat(63)}]`);
  const one = (shape: string) => `{"a":{"dtype":"F32","shape":[${shape}],"data_offsets":[0,4]}}`;
  const file = safetensorsFile;
  const files: Record<string, () => Uint8Array> = {
    "a header of empty tensors": () => file(inside((k) => `"${k}":{${entry},`, 52)),
    "a header of short metadata": () =>
      file(metadata(inside((k) => `"\\u00${k % 10}1${k}":"",`, 14))),
    "a header of 64 dimensions": () => file(inside((k) => `"${k}":{${far},`, 180)),
    "a header of many dimensions": () => file(one(`${times("1,")}1`), 4),
    "a header that nests": () => file(`{"a":${times('{"a":')}`),
    "a header of lists": () => file(times("[")),
    "a header that claims 2^63": () => ascii("\xff\xff\xff\xff\xff\xff\xff\x7f{}"),
    "an astronomical shape": () => file(one("94906267,94906267"), 4),
    "a header of metadata": () => file(metadata(inside((k) => `"${k}":"",`, 9))),
    "an archive of empty entries": () => {
      const count = Math.min(Math.ceil(size / 90), 65_534);
      const data = new Uint8Array();
      return seal(Array.from({ length: count }, (_, k) => ({ name: `archive/data/${k}`, data })));
    },
  };
  return [
    ...Object.entries(pickles).map(([name, pickle]) => ({ name, make: () => torchFile(pickle()) })),
    ...Object.entries(files).map(([name, make]) => ({ name, make })),
  ];
}

function chr(code: number): string {
  return String.fromCharCode(code);
}
