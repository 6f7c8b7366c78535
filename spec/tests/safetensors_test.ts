/** Chapter checkpoints: the safetensors format, character by character and byte by byte. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CheckpointError, readSafetensors, StoredTensor, writeSafetensors } from "../../mod.ts";
import { looksLikeSafetensors } from "../../lib/checkpoints/safetensors.ts";
import { parseHeader } from "../../lib/checkpoints/safetensors_header.ts";
import { safetensorsFile } from "../../scripts/hostile/bombs.ts";
import { describe, fact } from "./law.ts";

/** The field of one tensor. */
const field = (name: string, dtype: string, shape: string, offsets: string) =>
  `"${name}":{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${offsets}]}`;

const plain = (text: string, budget?: number) => {
  const { metadata, entries } = parseHeader(text, budget);
  return { metadata: metadata && [...metadata], entries: [...entries] };
};

describe("safetensors: the header", () => {
  fact(["CKPT-2"], "fields in any order, spaces and escapes are read", () => {
    const a = ["a", { dtype: "F32", shape: [2, 3], begin: 0, end: 24 }];
    assertEquals(plain("{}"), { metadata: null, entries: [] });
    assertEquals(plain(`{${field("a", "F32", "2,3", "0,24")}}`), { metadata: null, entries: [a] });
    const spaced =
      ' {\n"a"\t:\r{ "shape" : [ 2 , 3 ] , "data_offsets":[0 ,24\n], "dtype" : "F32" } } \n\r\t ';
    assertEquals(plain(spaced), { metadata: null, entries: [a] });
    assertEquals(plain('{"__metadata__":{}}'), { metadata: [], entries: [] });
    const noted = `{"__metadata__" : {"k":"v" , "l":""} , ${field("a", "F32", "2,3", "0,24")}}`;
    assertEquals(plain(noted), { metadata: [["k", "v"], ["l", ""]], entries: [a] });
    const names = ['\\"', "\\\\", "\\u0041\\n", "\\ud83d\\ude00", "\x7f é", " "];
    const text = `{${names.map((name) => field(name, "I8", "", "0,1")).join()}}`;
    const entries = [...parseHeader(text).entries];
    assertEquals(entries.map(([name]) => name), ['"', "\\", "A\n", "😀", "\x7f é", " "]);
    assertStrictEquals(entries[0][1].shape, entries[1][1].shape); // one for all single numbers
    const dims = Array<number>(64).fill(1);
    assertEquals(plain(`{${field("a", "F", dims.join(), "0,1")}}`).entries[0][1].shape, dims);
    const most = 2 ** 53 - 1;
    const vast = plain(`{${field("a", "F", `${most},0,10`, `0,${most}`)}}`).entries[0][1];
    assertEquals([vast.shape, vast.end], [[most, 0, 10], most]);
  });

  fact(["CKPT-2"], "what is not of the form is refused at its character", () => {
    const start = '{"a":{"shape":['; // 15 characters
    const whole = "shape must be of non-negative integers";
    const cases: [string, number, string][] = [
      ["", 0, 'expected "{", found the end'],
      ["  ", 2, 'expected "{", found the end'],
      ["[", 0, 'expected "{", found "["'],
      ["😀", 0, 'expected "{", found "😀"'],
      ["{", 1, 'expected "\\"", found the end'],
      ["{,", 1, 'expected "\\"", found ","'],
      ["{} x", 3, "something after the header's end"],
      ["{}}", 2, "something after the header's end"],
      ['{"a"', 4, 'expected ":", found the end'],
      ['{"a":1', 5, 'expected "{", found "1"'],
      ['{"a', 3, "a string without end"],
      ['{"a\\', 5, "a string without end"],
      ['{"a\\"', 5, "a string without end"],
      ['{"a\x1f"', 3, "a control character"],
      ['{"a\\\n"', 1, "a string with an escape that JSON does not have"],
      ['{"a\\x"', 1, "a string with an escape that JSON does not have"],
      ['{ "\\ud800"', 2, "a string with an escape that JSON does not have"],
      ['{"a":{"shape":[]}}', 1, 'tensor "a" lacks a dtype, a shape or two data_offsets'],
      [`{"a":{}}`, 1, 'tensor "a" lacks a dtype, a shape or two data_offsets'],
      [
        `{"a":{"data_offsets":[0,1],"shape":[]}}`,
        1,
        'tensor "a" lacks a dtype, a shape or two data_offsets',
      ],
      [
        `{ ${field("a", "F32", "", "1")}}`,
        2,
        'tensor "a" lacks a dtype, a shape or two data_offsets',
      ],
      [
        `{${field("a", "F32", "", "")}}`,
        1,
        'tensor "a" lacks a dtype, a shape or two data_offsets',
      ],
      [`{${field("a", "F32", "", "0,1,2")}}`, 51, "data_offsets has more than 2 numbers"],
      ['{"a":{ "b":1}}', 7, 'tensor "a" has a field "b" that the format does not'],
      ['{"a":{"dtype":"F32", "dtype":"F32"}}', 21, '"dtype" comes twice'],
      [`{${field("a", "F", "", "0,1")}, ${field("a", "F", "", "0,1")}}`, 52, '"a" comes twice'],
      ['{"__metadata__":{},"__metadata__":{}}', 19, '"__metadata__" comes twice'],
      ['{"__metadata__":{"a":"1","a":"2"}}', 25, '"a" comes twice'],
      ['{"__metadata__":{"a":1}}', 21, 'expected "\\"", found "1"'],
      ['{"__metadata__":[]}', 16, 'expected "{", found "["'],
      [`${start} -1]`, 16, whole],
      [`${start}1.5]`, 15, whole],
      [`${start}1e5]`, 15, whole],
      [`${start}1E5]`, 15, whole],
      [`${start}01]`, 15, whole],
      [`${start}1,]`, 17, whole],
      [`${start}/]`, 15, whole],
      [`${start}:]`, 15, whole],
      [`${start}9007199254740992]`, 15, "shape has a number beyond 2^53"],
      [`${start}1 2]`, 17, 'expected ",", found "2"'],
      [`${start}1`, 16, 'expected ",", found the end'],
      [`${start}${"1,".repeat(64)}22]`, 15 + 128, "shape has more than 64 numbers"],
      [`{${field("a", "F", "", "0,1")},}`, 51, 'expected "\\"", found "}"'],
    ];
    for (const [text, at, what] of cases) {
      const error = assertThrows(() => parseHeader(text), CheckpointError, undefined, text);
      assertEquals(error.message, `safetensors: header character ${at}: ${what}`, text);
    }
  });

  fact(["CKPT-11"], "each tensor, its extents and each text count against the budget", () => {
    const costs: [string, number][] = [
      ["{}", 0],
      [`{${field("a", "F", "", "0,1")}}`, 340],
      [`{${field("a", "F", "1,1,1", "0,1")},${field("b", "F", "", "0,1")}}`, 2 * 340 + 24],
      ['{"__metadata__":{}}', 0],
      ['{"__metadata__":{"a":"","b":"x"}}', 2 * 180],
    ];
    for (const [text, cost] of costs) {
      parseHeader(text, cost);
      if (cost === 0) continue;
      assertThrows(
        () => parseHeader(text, cost - 1),
        CheckpointError,
        "the header has more entries than a file of this size can need",
      );
    }
    // Of a file: 512 KiB and eight times its size.
    const texts = Array.from({ length: 6000 }, (_, k) => `"${k}":""`).join();
    const size = (6000 * 180 - 2 ** 19) / 8;
    const header = (length: number) => `{"__metadata__":{${texts}}}`.padEnd(length - 8);
    assertEquals(readSafetensors(safetensorsFile(header(size))).tensors.size, 0);
    assertThrows(
      () => readSafetensors(safetensorsFile(header(size - 1))),
      CheckpointError,
      "more entries",
    );
  });
});

describe("safetensors: the bytes", () => {
  const refused = (bytes: Uint8Array, reason: string) => {
    const error = assertThrows(() => readSafetensors(bytes), CheckpointError, undefined, reason);
    assertEquals(error.message, `safetensors: ${reason}`);
  };

  fact(["CKPT-1"], "a file begins with a length below 2^48 and a brace or a space", () => {
    const first = [2, 0, 0, 0, 0, 0, 0, 0, 0x7b];
    const like = (...bytes: number[]) => looksLikeSafetensors(Uint8Array.from(bytes));
    assert(like(...first) && like(...first.with(8, 0x20)) && like(...first.with(5, 1)));
    assert(like(...first, 0x7d));
    assert(!like(...first.slice(0, 8)) && !like(...first.with(8, 0x7d)));
    assert(!like(...first.with(7, 1)) && !like(...first.with(6, 1)));
  });

  fact(["CKPT-2"], "the header's length is checked before it is read", () => {
    refused(new Uint8Array(7), "the file ends after 7 bytes, before its header's length");
    refused(new Uint8Array(8), 'header character 0: expected "{", found the end');
    const file = safetensorsFile("{}", 0);
    assertEquals(readSafetensors(file), { metadata: null, tensors: new Map() });
    file[0] = 3;
    refused(file, "the header claims 3 bytes; it may have 2 here");
    const vast = new Uint8Array(8 + 100_000_001);
    new DataView(vast.buffer).setUint32(0, 100_000_001, true);
    refused(vast, "the header claims 100000001 bytes; it may have 100000000 here");
    const odd = safetensorsFile("{}");
    odd[9] = 0xff;
    refused(odd, "the header is not UTF-8");
    const moved = new Uint8Array(13).subarray(3);
    moved.set(safetensorsFile("{}"));
    assertEquals(readSafetensors(moved).tensors.size, 0);
  });

  fact(["CKPT-2"], "tensors fill the bytes, one behind the other, each of its size", () => {
    const file = (fields: string[], bytes: number) => safetensorsFile(`{${fields.join()}}`, bytes);
    const [a, b] = [field("a", "I8", "1", "0,1"), field("b", "I8", "1", "1,2")];
    assertEquals([...readSafetensors(file([b, a], 2)).tensors.keys()], ["a", "b"]);
    assertEquals([...readSafetensors(file([a, b], 2)).tensors.keys()], ["a", "b"]);
    const cases: [string[], number, string][] = [
      [[field("a", "I3", "1", "0,1")], 1, 'tensor "a" has the unknown dtype "I3"'],
      [
        [a, field("b", "I8", "2", "0,2")],
        2,
        'tensor "b" overlaps the one before: it begins at byte 0, not 1',
      ],
      [
        [a, field("b", "I8", "1", "2,3")],
        3,
        'tensor "b" leaves a hole before it: it begins at byte 2, not 1',
      ],
      [
        [field("b", "I8", "1", "1,2")],
        2,
        'tensor "b" leaves a hole before it: it begins at byte 1, not 0',
      ],
      [[field("a", "F4", "3", "0,2")], 2, 'tensor "a" does not fill whole bytes'],
      [
        [field("a", "F32", "2, 3", "0,23")],
        24,
        'tensor "a" takes 24 bytes of F32 in shape [2, 3], but has 23',
      ],
      [
        [field("a", "F32", "2", "0,12")],
        12,
        'tensor "a" takes 8 bytes of F32 in shape [2], but has 12',
      ],
      [[field("a", "F32", "2", "0,8")], 7, 'tensor "a" ends at byte 8 of 7 after the header'],
      [
        [a, field("b", "I8", "3", "1,3")],
        3,
        'tensor "b" takes 3 bytes of I8 in shape [3], but has 2',
      ],
      [[a], 3, "2 bytes at the end belong to no tensor"],
      [[], 1, "1 bytes at the end belong to no tensor"],
      [
        [field("a", "F32", "134217728,67108864", "0,4")],
        4,
        'tensor "a" of shape [134217728, 67108864] has more elements than numbers count',
      ],
    ];
    for (const [fields, bytes, reason] of cases) refused(file(fields, bytes), reason);
    const [w] = readSafetensors(file([field("w", "F4", "2,2", "0,2")], 2)).tensors.values();
    assertEquals([w.dtype, w.shape, w.byteLength], ["float4", [2, 2], 2]);
    const none = [field("d", "I8", "1", "1,2"), field("c", "I8", "0", "1,1")];
    for (const others of [none, none.toReversed()]) {
      assertEquals([...readSafetensors(file([a, ...others], 2)).tensors.keys()], ["a", "c", "d"]);
    }
    // Bytes are the file's own.
    const bytes = file([a, field("c", "I16", "", "1,3")], 3);
    bytes.set([7, 8, 9], bytes.length - 3);
    const both = [...readSafetensors(bytes).tensors.values()];
    assertEquals(both.map((one) => [...one.bytes()]), [[7], [8, 9]]);
    assertStrictEquals(both[1].bytes().buffer, bytes.buffer);
  });

  fact(["CKPT-3"], "a file is written so, byte for byte", () => {
    const of = (dtype: StoredTensor["dtype"], ...bytes: number[]) =>
      new StoredTensor(dtype, [1], Uint8Array.from(bytes));
    const state = {
      b: of("int8", 1),
      "a\0": of("int8", 2),
      ab: of("int8", 3),
      a: of("int8", 4),
      z: of("int16", 5, 6),
      "\uffff": of("int8", 7),
      "😀": of("int8", 8),
    };
    const header = (more: string) =>
      `{${more}${
        Object.entries({ z: 2, a: 1, "a\0": 1, ab: 1, b: 1, "\uffff": 1, "😀": 1 })
          .map(([name, size], k) => {
            const at = k === 0 ? 0 : k + 1;
            return `${JSON.stringify(name)}:{"dtype":"${size === 2 ? "I16" : "I8"}",` +
              `"shape":[1],"data_offsets":[${at},${at + size}]}`;
          }).join()
      }}`;
    const wanted = (text: string) => {
      const length = new TextEncoder().encode(text).length;
      const file = safetensorsFile(text + " ".repeat((8 - length % 8) % 8), 8);
      file.set([5, 6, 4, 2, 3, 1, 7, 8], file.length - 8);
      return file;
    };
    const entries = Object.entries(state);
    for (const order of [entries, entries.toReversed()]) {
      assertEquals(writeSafetensors(Object.fromEntries(order)), wanted(header("")));
      assertEquals(writeSafetensors(new Map(order)), wanted(header("")));
    }
    for (let length = 0; length < 9; length++) {
      const k = "x".repeat(length);
      assertEquals(
        writeSafetensors(state, { metadata: { k, l: "é" } }),
        wanted(header(`"__metadata__":{"k":"${k}","l":"é"},`)),
      );
    }
    assertEquals(writeSafetensors(state, { metadata: null }), wanted(header("")));
    assertEquals(
      writeSafetensors({}, { metadata: {} }),
      safetensorsFile('{"__metadata__":{}}     '),
    );
    assertEquals(writeSafetensors({}), safetensorsFile("{}      "));
    const [one] = readSafetensors(writeSafetensors(state)).tensors.values();
    assertEquals([...one.bytes()], [5, 6]);
  });

  fact(["CKPT-3"], "what the format cannot hold is refused word for word", () => {
    const state = { a: new StoredTensor("complex32", [1], new Uint8Array(4)) };
    const refuse = (write: () => unknown, reason: string) =>
      assertEquals(assertThrows(write, CheckpointError).message, `safetensors: ${reason}`);
    refuse(
      () => writeSafetensors(state),
      'tensor "a" is complex32, for which the format has no name',
    );
    const one = new StoredTensor("int8", [1], new Uint8Array(1));
    refuse(() => writeSafetensors({ __metadata__: one }), '"__metadata__" cannot name a tensor');
    refuse(() => writeSafetensors({ "a\udc00": one }), '"a\\udc00" cannot name a tensor');
    const wrong = (metadata: object) => () =>
      writeSafetensors({ a: one }, { metadata: metadata as Record<string, string> });
    refuse(wrong({ k: 1 }), 'metadata "k" must be text');
    refuse(wrong({ j: "", k: null }), 'metadata "k" must be text');
    refuse(wrong({ k: "\ud800" }), 'metadata "k" must be text');
    refuse(wrong({ "\ud800": "" }), 'metadata "\\ud800" must be text');
    // Halves of a pair in the name and in the text make no pair.
    refuse(wrong({ "k\ud83d": "\ude00" }), 'metadata "k\\ud83d" must be text');
  });
});
