/** Chapter checkpoints: the pickles that are written here, byte for byte as Python's pickler has them. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  CheckpointError,
  type StoredDType,
  StoredTensor,
  Tensor,
  tensor,
  type TorchWritable,
  zeros,
} from "../../mod.ts";
import { writeTorchFile } from "../../lib/checkpoints/mod.ts";
import { readZip } from "../../lib/checkpoints/zip.ts";
import { describe, fact } from "./law.ts";

/** The instructions between the version and STOP; a letter is a byte. */
function pickled(value: unknown): string {
  const bytes = readZip(writeTorchFile(value as TorchWritable)).get("archive/data.pkl")!;
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  assert(text.startsWith("\x80\x02") && text.endsWith("."));
  return text.slice(2, -1);
}

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
const nests = (depth: number): unknown => depth === 0 ? null : [nests(depth - 1)];

describe("torch.save: what is written", () => {
  fact(["CKPT-13"], "each value in as few bytes as Python takes", () => {
    const values: [unknown, string][] = [
      [null, "N"],
      [true, "\x88"],
      [false, "\x89"],
      [0, "K\0"],
      [255, "K\xff"],
      [256, "M\0\x01"],
      [65535, "M\xff\xff"],
      [65536, "J\0\0\x01\0"],
      [0x12345678, "J\x78\x56\x34\x12"],
      [2 ** 31 - 1, "J\xff\xff\xff\x7f"],
      [-1, "J\xff\xff\xff\xff"],
      [-(2 ** 31), "J\0\0\0\x80"],
      [2 ** 31, "\x8a\x05\0\0\0\x80\0"],
      [-(2 ** 31) - 1, "\x8a\x05\xff\xff\xff\x7f\xff"],
      [2 ** 53 - 1, "\x8a\x07\xff\xff\xff\xff\xff\xff\x1f"],
      [2 ** 53, "GC@\0\0\0\0\0\0"],
      [1.5, "G?\xf8\0\0\0\0\0\0"],
      [-0, "G\x80\0\0\0\0\0\0\0"],
      [Infinity, "G\x7f\xf0\0\0\0\0\0\0"],
      [0n, "\x8a\x01\0"],
      [127n, "\x8a\x01\x7f"],
      [128n, "\x8a\x02\x80\0"],
      [255n, "\x8a\x02\xff\0"],
      [-1n, "\x8a\x01\xff"],
      [-128n, "\x8a\x01\x80"],
      [-129n, "\x8a\x02\x7f\xff"],
      [2n ** 64n, `\x8a\x09${"\0".repeat(8)}\x01`],
      ["", "X\0\0\0\0"],
      ["é", "X\x02\0\0\0\xc3\xa9"],
      ["a".repeat(300), `X\x2c\x01\0\0${"a".repeat(300)}`],
      [[], "]q\0"],
      [[1, null], "]q\0(K\x01Ne"],
      [Object.freeze([]), ")q\0"],
      [Object.freeze([1, null]), "(K\x01Ntq\0"],
      [{}, "}q\0"],
      [new Map(), "}q\0"],
      [Object.assign(Object.create(null), { a: 1 }), `}q\0(${text("a")}K\x01u`],
      [
        new Map<unknown, unknown>([[1, 2], [null, 3], [false, 4], ["1", 5]]),
        `}q\0(K\x01K\x02NK\x03\x89K\x04${text("1")}K\x05u`,
      ],
    ];
    for (const [value, wanted] of values) assertEquals(pickled(value), wanted, wanted);
  });

  fact(["CKPT-13"], "items go in batches of a thousand, a tuple's in one", () => {
    const nulls = (count: number) => Array<null>(count).fill(null);
    const batch = (count: number) => `(${"N".repeat(count)}e`;
    assertEquals(pickled(nulls(1000)), `]q\0${batch(1000)}`);
    assertEquals(pickled(nulls(1001)), `]q\0${batch(1000)}${batch(1)}`);
    assertEquals(pickled(nulls(2000)), `]q\0${batch(1000)}${batch(1000)}`);
    assertEquals(pickled(Object.freeze(nulls(2001))), `(${"N".repeat(2001)}tq\0`);
    const dict = (count: number) =>
      new Map(Array.from({ length: count }, (_, k) => [k + 256, null]));
    const items = (from: number, to: number) => {
      let all = "(";
      for (let k = from; k < to; k++) all += `M${String.fromCharCode(k & 255, k >> 8)}N`;
      return `${all}u`;
    };
    assertEquals(pickled(dict(1000)), `}q\0${items(256, 1256)}`);
    assertEquals(pickled(dict(1001)), `}q\0${items(256, 1256)}${items(1256, 1257)}`);
  });

  fact(["CKPT-13"], "what was written is named by its number, of one byte or of four", () => {
    const list: unknown[] = [];
    const pair = Object.freeze([1]);
    assertEquals(pickled([list, list]), "]q\0(]q\x01h\x01e");
    assertEquals(pickled([pair, pair]), "]q\0((K\x01tq\x01h\x01e");
    const many = Array.from({ length: 257 }, () => []);
    let wanted = "]q\0(";
    for (let k = 1; k <= 255; k++) wanted += `]q${String.fromCharCode(k)}`;
    wanted += "]r\0\x01\0\0]r\x01\x01\0\0h\xffj\0\x01\0\0e";
    assertEquals(pickled([...many, many[254], many[255]]), wanted);
  });

  const ordered = "ccollections\nOrderedDict\nq";
  /** A tensor whose names are written for the first time; `first` is their first number. */
  const written = (
    type: string,
    count: string,
    shape: string,
    strides: string,
    gradient = "\x89",
  ) =>
    `ctorch._utils\n_rebuild_tensor_v2\nq\0((${text("storage")}ctorch\n${type}\nq\x01${text("0")}` +
    `${text("cpu")}${count}tQK\0(${shape}t(${strides}t${gradient}${ordered}\x02)RtRq\x03`;

  fact(["CKPT-13"], "a tensor is a view of the whole of its storage", () => {
    const types: Partial<Record<StoredDType, string>> = {
      bfloat16: "BFloat16Storage",
      bool: "BoolStorage",
      uint8: "ByteStorage",
      int8: "CharStorage",
      complex128: "ComplexDoubleStorage",
      complex64: "ComplexFloatStorage",
      float64: "DoubleStorage",
      float32: "FloatStorage",
      float16: "HalfStorage",
      int32: "IntStorage",
      int64: "LongStorage",
      int16: "ShortStorage",
    };
    for (const [dtype, type] of Object.entries(types)) {
      const one = new StoredTensor(dtype as StoredDType, [2, 3], new Uint8Array(96));
      const strides = "K\x03K\x01";
      assertEquals(pickled(one), written(type, "K\x06", "K\x02K\x03", strides), dtype);
    }
    assertEquals(pickled(zeros([])), written("FloatStorage", "K\x01", "", ""));
    assertEquals(
      pickled(zeros([2, 0, 3])),
      written("FloatStorage", "K\0", "K\x02K\0K\x03", "K\x03K\x03K\x01"),
    );
    const wanting = zeros([1], { requiresGrad: true });
    assertEquals(pickled(wanting), written("FloatStorage", "K\x01", "K\x01", "K\x01", "\x88"));
    const short = new StoredTensor("uint16", [3], new Uint8Array(6));
    assertEquals(
      pickled(short),
      `ctorch._utils\n_rebuild_tensor_v3\nq\0((${
        text("storage")
      }ctorch.storage\nUntypedStorage\nq\x01` +
        `${text("0")}${
          text("cpu")
        }K\x06tQK\0(K\x03t(K\x01t\x89${ordered}\x02)Rctorch\nuint16\nq\x03tRq\x04`,
    );
    for (const dtype of ["float4", "float6_e2m3", "float6_e3m2"] as const) {
      const one = new StoredTensor(dtype, [4], new Uint8Array(3));
      const error = assertThrows(() => pickled({ a: one }), CheckpointError);
      assertEquals(error.message, `"a" cannot be saved: PyTorch has no ${dtype}`);
    }
  });

  fact(["CKPT-13"], "a dict of nothing but tensors is an OrderedDict", () => {
    const w = zeros([1]);
    const first = pickled({ w });
    assert(
      first.startsWith(
        `${ordered}\0)Rq\x01(${text("w")}ctorch._utils\n_rebuild_tensor_v2\nq\x02((`,
      ),
    );
    assert(first.endsWith("h\0)RtRq\x04u"));
    assert(pickled(new Map([["w", w]])) === first);
    assert(pickled({ w, n: 1 }).startsWith("}q\0("));
  });

  fact(["CKPT-13"], "tensors of the same bytes have one storage, others their own", () => {
    const data = new Float32Array(4);
    const bytes = new Uint8Array(data.buffer);
    const stored = (dtype: StoredDType, from: number, to: number) => {
      const part = bytes.subarray(from, to);
      return new StoredTensor(dtype, [part.length / 4], part);
    };
    const storages = (...all: (Tensor | StoredTensor)[]) => {
      const records = readZip(writeTorchFile(all));
      const lengths = [...records].filter(([name]) => name.startsWith("archive/data/"))
        .map(([name, { length }]) => [name.slice("archive/data/".length), length]);
      return lengths;
    };
    const whole = stored("float32", 0, 16);
    assertEquals(storages(whole, new Tensor(data, [2, 2]), stored("float32", 0, 16)), [["0", 16]]);
    assertEquals(storages(whole, stored("int32", 0, 16)), [["0", 16], ["1", 16]]);
    assertEquals(storages(whole, stored("float32", 0, 8)), [["0", 16], ["1", 8]]);
    assertEquals(storages(stored("float32", 0, 8), stored("float32", 8, 16)), [["0", 8], ["1", 8]]);
    assertEquals(storages(tensor([1]), tensor([1]), whole), [["0", 4], ["1", 4], ["2", 16]]);
    const records = [...readZip(writeTorchFile([whole])).keys()];
    assertEquals(records, [
      "archive/data.pkl",
      "archive/byteorder",
      "archive/data/0",
      "archive/version",
    ]);
    const ends = readZip(writeTorchFile(null));
    const told = ["byteorder", "version"].map((name) =>
      new TextDecoder().decode(ends.get(`archive/${name}`))
    );
    assertEquals(told, ["little", "3\n"]);
  });

  fact(["CKPT-13"], "an optimiser's state is told by its two names", () => {
    const group = { betas: [0.5, 2], names: ["a"], none: [], params: [0, 1], lr: 1, one: [7] };
    const groups =
      `]q\x02(}q\x03(${text("betas")}(G?\xe0\0\0\0\0\0\0K\x02tq\x04${text("names")}]q\x05(` +
      `${text("a")}e${text("none")}]q\x06${text("params")}]q\x07(K\0K\x01e${text("lr")}K\x01${
        text("one")
      }(K\x07tq\x08ue`;
    const state = { 0: 1, 12: 2, x: 3, "1x": 4 };
    assertEquals(
      pickled({ state, param_groups: [group] }),
      `}q\0(${text("state")}}q\x01(K\0K\x01K\x0cK\x02${text("x")}K\x03${text("1x")}K\x04u` +
        `${text("param_groups")}${groups}u`,
    );
    const plain = [
      { state: { 0: 1 }, param_groups: [group], more: 1 },
      { state: { 0: 1 }, groups: [group] },
      { state: { 0: 1 }, param_groups: { group } },
      { state: null, param_groups: [group] },
      { state: 3, param_groups: [group] },
      { state: new Map([["0", 1]]), param_groups: [group] },
    ];
    for (const value of plain) {
      const found = pickled(value);
      assert(!found.includes("K\0K\x01u"), found);
      assert(found.includes(`${text("betas")}]q`), found);
    }
  });

  fact(["CKPT-13"], "how deep, how long, and which keys", () => {
    const refused = (value: unknown, reason: string) => {
      const error = assertThrows(() => pickled(value), CheckpointError, undefined, reason);
      assertEquals(error.message, reason);
    };
    assertEquals(pickled(nests(100)).length, 100 * 5 + 1);
    const place = Array<string>(100).fill("0").join(" → ");
    refused(nests(101), `${place} cannot be saved: it nests more than 100 deep`);
    const beside = [nests(99), nests(99)]; // what is closed does not count
    pickled(beside);
    assertEquals(pickled(2n ** 2039n - 1n).length, 2 + 255);
    refused(2n ** 2039n, "the value cannot be saved: it is an integer of more than 255 bytes");
    refused({ k: "\ud800" }, '"k" cannot be saved: its text has half a surrogate pair');
    const one = "the value cannot be saved: two of its keys are one in Python, as 1 and true are";
    const keys = (...all: unknown[]) => new Map(all.map((key) => [key, null]));
    for (const two of [[1, true], [0, false], [1, 1n], [1n, true], [2, 3, 2n]]) {
      refused(keys(...two), one);
    }
    for (const two of [[1, "1"], [null, "null"], [true, false], [true, "true"], [0, true]]) {
      pickled(keys(...two));
    }
    refused(keys({}), "the value cannot be saved: a dict's key is an object");
    refused(new Map([["a", keys([])]]), '"a" cannot be saved: a dict\'s key is an object');
    refused(undefined, "the value cannot be saved: it is undefined");
    refused([Symbol("s")], "0 cannot be saved: it is a symbol");
    refused(new Map([[1, [() => 1]]]), "1 → 0 cannot be saved: it is a function");
    class Own {}
    refused([1, new Own()], '1 cannot be saved: it is an object of "Own"');
    const bare = Object.create(Object.create({}, { constructor: { value: undefined } }));
    refused(bare, 'the value cannot be saved: it is an object of "?"');
    refused(
      new DataView(new ArrayBuffer(1)),
      "the value cannot be saved: it is a typed array; tensor(x) makes a tensor of it",
    );
    const self: Record<string, unknown> = {};
    self.a = [self];
    refused(self, '"a" → 0 cannot be saved: it contains itself');
  });

  fact(["CKPT-13"], "a pickle grows as it must", () => {
    for (const length of [1000, 1011, 1012, 1013, 1014, 1015, 1016, 1017, 1018, 5000]) {
      const value = "x".repeat(length);
      const head = `X${String.fromCharCode(length & 255, length >> 8)}\0\0`;
      assertEquals(pickled([value, value]), `]q\0(${head}${value}${head}${value}e`);
    }
  });
});
