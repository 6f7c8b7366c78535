/** Chapter checkpoints: the machine for pickles alone, instruction by instruction. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CheckpointError, TorchObject } from "../../mod.ts";
import { readPickle } from "../../lib/checkpoints/pickle.ts";
import { checkResult, Named, type PickleValue } from "../../lib/checkpoints/pickle_value.ts";
import { describe, fact } from "./law.ts";

const names = new Map<string, Named | string>([
  ["a.b", "a.b"],
  ["a.first", new Named("a.first", null, ([first]) => first)],
  ["a.dict", new Named("a.dict", null, () => new Map())],
]);

/** Reads what stands between the version and STOP; a letter is a byte. */
function read(body: string, budget = Infinity): PickleValue {
  const bytes = Uint8Array.from(`\x80\x02${body}.`, (letter) => letter.charCodeAt(0));
  return readPickle(bytes, { budget, names, persistent: (id) => ["kept", id] });
}

const refused = (body: string, reason: string) =>
  assertThrows(() => read(body), CheckpointError, reason, JSON.stringify(body.slice(0, 40)));

const LONG = "\0\0\0\0\0\0\0"; // seven of the eight bytes of a length below 256

describe("the machine for pickles", () => {
  fact(["CKPT-4"], "each instruction gives its value, of a length of 1, 4 or 8 bytes", () => {
    const values: [string, PickleValue][] = [
      [")", []],
      ["K\xff", 255],
      ["M\x02\x01", 258],
      ["J\x04\x03\x02\x01", 0x01020304],
      ["J\xfe\xff\xff\xff", -2],
      ["N", null],
      ["\x88", true],
      ["\x89", false],
      ["G?\xf8\0\0\0\0\0\0", 1.5],
      ["G@\0\0\0\0\0\0\0", 2],
      ["\x8a\0", 0],
      ["\x8a\x01\xff", -1],
      ["\x8a\x02\xff\0", 255],
      ["\x8b\x02\0\0\0\0\x80", -32768],
      ["\x8a\x07\xff\xff\xff\xff\xff\xff\x1f", 2 ** 53 - 1],
      ["\x8a\x07\0\0\0\0\0\0\x20", 2n ** 53n],
      [`\x8b\0\x04\0\0${"\0".repeat(1023)}\x40`, 2n ** 8190n],
      ["X\x03\0\0\0abc", "abc"],
      ["\x8c\x02ab", "ab"],
      [`\x8d\x02${LONG}ab`, "ab"],
      ["]", []],
      ["]Na", [null]],
      ["](K\x01K\x02e", [1, 2]],
      ["}", new Map()],
      ["}K\x01Ns", new Map([[1, null]])],
      ["}(K\x01NK\x02Nu", new Map([[1, null], [2, null]])],
      ["(K\x01K\x02t", [1, 2]],
      ["K\x01\x85", [1]],
      ["K\x01K\x02\x86", [1, 2]],
      ["K\x01K\x02K\x03\x87", [1, 2, 3]],
      ["NK\x050", null],
      ["NQ", ["kept", null]],
      ["ca\nb\n", "a.b"],
      ["\x8c\x01a\x8c\x01b\x93", "a.b"],
      ["ca\nfirst\nK\x07\x85R", 7],
      ["G@\0\0\0\0\0\0\0K\x01\x86", [2, 1]],
      ["NK\x01q\x000h\0\x86", [null, 1]],
      ["NK\x01r\0\0\0\x000j\0\0\0\0\x86", [null, 1]],
      ["NK\x01\x940h\0\x86", [null, 1]],
      [`\x95\x02${LONG}N`, null],
      ["ca\ndict\n)R}b", new Map()],
    ];
    for (const [body, value] of values) assertEquals(read(body), value, JSON.stringify(body));
  });

  fact(["CKPT-4"], "what is not made is named in Python's words", () => {
    const types: [string, string, number | null][] = [
      [`\x8b\x01\x04\0\0${"\0".repeat(1025)}`, "int", null],
      ["B\x02\0\0\0ab", "bytes", null],
      ["C\x02ab", "bytes", null],
      [`\x8e\x02${LONG}ab`, "bytes", null],
      [`\x96\x02${LONG}ab`, "bytearray", null],
      ["\x8f", "set", null],
      ["\x8f(NN\x90", "set", null],
      ["(NN\x91", "frozenset", null],
      ["cx\ny\n", "x.y", 2],
      ["c\ny\n", ".y", 2],
      ["cx\ny\n)\x81", "x.y", 2],
      ["cx\ny\n)}\x92", "x.y", 2],
      ["cx\ny\n)R", "x.y", 2],
      ["cx\ny\n)RNa", "x.y", 2],
      ["cx\ny\n)RNNs", "x.y", 2],
      ["N0cx\ny\n)R", "x.y", 4],
      ["c__builtin__\nxrange\n)R", "range", 2],
      ["c__builtin__\nset\n)R", "set", 2],
      ["cbuiltins\ncomplex\n)R", "complex", 2],
      ["c_codecs\nencode\n)R", "bytes", 2],
    ];
    for (const [body, type, at] of types) {
      const value = read(body);
      const found = value instanceof TorchObject && [value.type, value.at, value.isModule];
      assertEquals(found, [type, at, false], JSON.stringify(body));
    }
    const state = (keys: string[]) =>
      `cx\ny\n)R}${
        keys.map((key) => `X${String.fromCharCode(key.length)}\0\0\0${key}Ns`).join("")
      }b`;
    const modules = [["_parameters", "_modules"], ["_parameters"], ["_modules"]].map((keys) =>
      (read(state(keys)) as TorchObject).isModule
    );
    assertEquals(modules, [true, false, false]);
    const kept = read(`${state(["_parameters", "_modules"])}}b`) as TorchObject;
    assertEquals(kept.isModule, true, "a second state takes nothing back");
  });

  fact(
    ["CKPT-4"],
    "half a surrogate pair alone is text, and what is near it is UTF-8 or refused",
    () => {
      const texts: [string, string][] = [
        ["\xed\xa0\x80", "\ud800"],
        ["\xed\xbf\xbf", "\udfff"],
        ["a\xed\xa0\x81b\xed\xb0\x82c", "a\ud801b\udc02c"],
        ["\xed\x9f\xbf", "\ud7ff"],
        ["\xed\x80\x80", "\ud000"],
        ["\xef\xbb\xbfa", "\ufeffa"],
      ];
      const written = (bytes: string) => `\x8c${String.fromCharCode(bytes.length)}${bytes}`;
      for (const [bytes, value] of texts) assertEquals(read(written(bytes)), value);
      for (const bytes of ["\xed\xa0\xc0", "\xed\xc0\x80", "\xed\xa0", "\xff"]) {
        refused(written(bytes), "data.pkl: byte 2: text that is not UTF-8");
      }
    },
  );

  fact(["CKPT-4"], "a list that is kept stays one list, however it grows", () => {
    for (
      const body of [
        "]q\0(NNeh\0\x86",
        "]q\0q\x01(NNeh\0\x86",
        "]q\0q\x01(NNeh\x01\x86",
        "]q\0h\0(NNe\x86",
        "]q\0NaNah\0\x86",
        "]q\0h\0Na0Nah\0\x86",
        "]q\0]q\x010(NNeh\0\x86",
      ]
    ) {
      const [one, other] = read(body) as PickleValue[];
      assertStrictEquals(one, other, JSON.stringify(body));
      assertEquals(one, [null, null], JSON.stringify(body));
    }
    // A newer list is another one.
    assertEquals(read("]q\0](NNeh\0\x87"), [[], [null, null], []]);
    assertEquals(read("(]q\0]q\x01(NNeh\0h\x01t"), [[], [null, null], [], [null, null]]);
  });

  fact(["CKPT-4"], "numbers that Python holds to be equal are one key", () => {
    const [one, real, two] = ["K\x01", "G?\xf0\0\0\0\0\0\0", "G@\0\0\0\0\0\0\0"];
    const keys = (body: string) =>
      [...(read(body) as Map<unknown, PickleValue>)].map(([key, value]) => [String(key), value]);
    assertEquals(keys(`}(${one}N\x88K\x05u`), [["1", 5]]);
    assertEquals(keys(`}(\x88N${one}K\x05u`), [["true", 5]]);
    assertEquals(keys(`}(\x88N${real}K\x05u`), [["true", 5]]);
    assertEquals(keys(`}(\x89NK\0K\x05u`), [["false", 5]]);
    assertEquals(keys(`}(K\0N\x89K\x05u`), [["0", 5]]);
    assertEquals(keys(`}(K\x02N${two}K\x05u`), [["2", 5]]);
    assertEquals(keys(`}(${two}N${two}K\x05u`), [["<float 2.0>", 5]]);
    assertEquals(keys(`}(${two}NK\x02K\x05u`), [["<float 2.0>", 5]]);
    assertEquals(keys(`}(${one}NX\x01\0\0\x001NNNu`), [["1", null], ["1", null], ["null", null]]);
    const [vast, odd] = ["GC@\0\0\0\0\0\0", "\x8a\x07\x01\0\0\0\0\0\x20"]; // 2^53, 2^53 + 1
    assertEquals(keys(`}(${vast}N${odd}Nu`).length, 2);
    assertEquals(keys(`}(G?\xf8\0\0\0\0\0\0NNNu`).length, 2);
    assertEquals(keys(`}()N)Nu`), [["<tuple>", null], ["<tuple>", null]]);
  });

  fact(["CKPT-11"], "each kind of value counts against the budget", () => {
    const items = 100_000;
    const costs: [string, number][] = [
      ["N", 0],
      ["\x8c\x01a", 0],
      ["\x8c\x02ab", 24],
      ["G?\xf8\0\0\0\0\0\0", 16],
      ["\x8a\x03\0\0\0", 35],
      ["]", 32],
      ["](NNe", 32 + 16 + 16],
      ["](NNe(NNe", 32 + 16 + 16 + 24],
      ["]q\0h\0(NNe0", 32 + 12 + 128 + 24],
      [")", 0],
      ["N\x85", 48 + 8],
      ["(NNNt", 48 + 24],
      ["}", 192],
      ["}(K\0NK\x01NK\x02NK\x03Nu", 192],
      ["}(K\0NK\x01NK\x02NK\x03NK\x04Nu", 232],
      ["\x8f", 56],
      ["B\x02\0\0\0ab", 56],
      ["ca\nb\n", 112],
      ["ca\ndict\n)R", 24 + 112 + 192],
      ["NQ", 100],
      ["Nq\0", 12],
      ["Nq\0q\x01", 12 + 24],
      ["Nq\0K\x01q\x010", 12 + 12],
      [`(${"N".repeat(items)}t`, 48 + 8 * items],
      [`(${"N".repeat(items + 1)}t`, 48 + 8 * (items + 1) + 20],
    ];
    for (const [body, bytes] of costs) {
      const said = JSON.stringify(body.slice(0, 40));
      read(body, bytes);
      if (bytes > 0) {
        assertThrows(() => read(body, bytes - 1), CheckpointError, "more objects", said);
      }
    }
    assertThrows(
      () => read("]", 31),
      CheckpointError,
      "data.pkl: byte 2: the pickle makes more objects than a file of this size can need",
    );
  });

  fact(["CKPT-11"], "marks, names and what is written out have limits", () => {
    const marks = (count: number) => `${"(".repeat(count)}${"t0".repeat(count - 1)}t`;
    assertEquals(read(marks(20_000)), []);
    refused(marks(20_001), "data.pkl: byte 20002: too many marks at a time");
    const name = (length: number) => `cx\n${"y".repeat(length)}\n`;
    assertEquals((read(name(255)) as Named).type.length, 257);
    refused(name(256), "data.pkl: byte 2: a name without end");
    // So many times a list of so many; 4,096 parts more than the pickle has bytes are the most.
    const times = (times: number, items: number) =>
      `](](${"N".repeat(items)}eq\0${"h\0".repeat(times - 1)}e`;
    assertEquals((read(times(3, 2054)) as PickleValue[]).length, 3);
    refused(times(4, 1370), "data.pkl: the same lists over and over, too many to be data");
    const deep = (depth: number): PickleValue => depth ? [deep(depth - 1)] : null;
    checkResult(deep(100), 100);
    assertThrows(() => checkResult(deep(100), 99), CheckpointError, "the same lists");
    assertThrows(
      () => checkResult(new Map([[1, deep(99)]]), 99),
      CheckpointError,
      "the same lists",
    );
    assertThrows(
      () => checkResult(deep(101), 1000),
      CheckpointError,
      "data.pkl: lists and dicts nest more than 100 deep, or contain themselves",
    );
  });

  fact(["CKPT-11"], "what does not fit is refused at its byte", () => {
    const reasons: [string, string][] = [
      ["X\x05\0\0\0abc", "byte 2: the pickle ends in the middle"],
      ["0", "byte 2: a value is missing"],
      ["N(0", "byte 4: a value is missing"],
      ["N(N(0", "byte 6: a value is missing"],
      ["](NNeh\x01", "byte 7: nothing is kept under 1"],
      ["ca\nfirst\n}K\x01Ns\x85R}b", "BUILD sets attributes of something that is no state_dict"],
      ["Nt", "byte 3: a mark is missing"],
      ["NNa", "byte 4: APPEND to no list"],
      [")Na", "byte 4: APPEND to no list"],
      ["ca\nfirst\nNa", "APPEND to no list"],
      ["NNNs", "byte 5: SETITEM on no dict"],
      ["ca\nfirst\nNNs", "SETITEM on no dict"],
      ["}(Nu", "byte 5: a key without a value"],
      ["}]Ns", "a dict's key that is neither text nor an integer, nor any that Python hashes"],
      ["NN\x93", "byte 4: STACK_GLOBAL of something that is no name"],
      ["\x8c\x01aN\x93", "byte 6: STACK_GLOBAL of something that is no name"],
      ["N\x8c\x01a\x93", "byte 6: STACK_GLOBAL of something that is no name"],
      ["N)R", "byte 4: REDUCE calls something that is no name"],
      ["ca\nfirst\n]R", "REDUCE without a tuple of arguments"],
      ["ca\nfirst\n)R", "a call of a.first with arguments that PyTorch does not write"],
      ["}}b", "byte 4: BUILD sets attributes of something that is no state_dict"],
      ["ca\ndict\n)RNb", "BUILD sets attributes of something that is no state_dict"],
      ["N)\x81", "byte 4: instruction 0x81"],
      ["ca\nfirst\n)\x81", "byte 12: instruction 0x81"],
      ["h\0", "byte 2: nothing is kept under 0"],
      ["Nq\0h\x01", "byte 5: nothing is kept under 1"],
      ["Nq\x01", "byte 3: keeps a value under 1, out of turn"],
      ["](N\x90", "byte 5: ADDITEMS to no set"],
      [`\x95\x03${LONG}N`, "byte 2: a frame beyond the pickle's end"],
      ["NN", "byte 4: STOP leaves values behind"],
      ["N((t", "byte 6: STOP leaves values behind"],
      ["N.", "byte 3: something after STOP"],
      ["\x01", "byte 2: instruction 0x01 is not one that a state_dict needs"],
      ["I1\n", "byte 2: instruction 0x49 ("],
    ];
    for (const [body, reason] of reasons) {
      refused(body, reason.startsWith("byte") ? `data.pkl: ${reason}` : reason);
    }
    const versions: number[] = [];
    for (let version = 0; version < 256; version++) {
      const bytes = Uint8Array.of(0x80, version, 0x4e, 0x2e);
      try {
        readPickle(bytes, { budget: 0, names, persistent: () => null });
        versions.push(version);
      } catch (error) {
        assertEquals(
          (error as Error).message,
          "data.pkl: byte 0: a pickle of protocol 2 to 5 does not begin so",
        );
      }
    }
    assertEquals(versions.slice(-4), [2, 3, 4, 5]);
  });
});
