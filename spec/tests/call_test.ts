/** Chapter errors: what a call may be given (ERROR-8), tried on calls made for it. */

import { assertEquals } from "@std/assert";
import {
  any,
  bool,
  bytes,
  type Call,
  callable,
  camelCase,
  check,
  checkCount,
  checkNames,
  dtype,
  int,
  ints,
  isPlain,
  list,
  number,
  numberOrList,
  record,
  refuseUnknown,
  settle,
  snakeCase,
  text,
} from "../../lib/call.ts";
import {
  pythonClass,
  pythonFloat,
  pythonNumber,
  pythonStr,
  pythonText,
  pythonType,
} from "../../lib/python.ts";
import { endOf, gateOrder, kindOf } from "../../lib/parameters.ts";
import { zeros } from "../../mod.ts";
import { describe, fact, readablePath } from "./law.ts";

/** The message of the TypeError that a call refuses these with; nothing if it takes them. */
function told(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assertEquals((error as Error).constructor, TypeError);
    return (error as Error).message;
  }
  return "";
}

const four: Call = ["LSTM", { inputSize: int, hiddenSize: int, third: int, fourth: int }];
const method: Call = ["Layer.forwardAll", { input: any, "hx?": list }, {
  keepDim: bool,
  rate: number,
}];
const plain: Call = ["padAll", { first: any, second: int }, { fill: any, on: bool }];
const python: Call = ["padAll", { first: any, second: int, third: int }, undefined, true];
const none: Call = ["none", {}];
const shaped: Call = ["shaped", { "size?": ints, "mode?": text, "rest?": any }];
const many = "many";

describe("calls", () => {
  fact(["ERROR-8"], "missing arguments are counted and named as Python or C++ does it", () => {
    const rows: [Call, unknown[], string][] = [
      [
        four,
        [],
        "missing 4 required positional arguments: 'input_size', 'hidden_size', 'third', and 'fourth'",
      ],
      [four, [1], "missing 3 required positional arguments: 'hidden_size', 'third', and 'fourth'"],
      [
        four,
        [1, undefined, 3],
        "missing 2 required positional arguments: 'hidden_size' and 'fourth'",
      ],
      [four, [1, 2, 3], "missing 1 required positional argument: 'fourth'"],
      [four, [1, 2, 3, 4], ""],
      [four, [undefined, 2, 3, 4], "missing 1 required positional argument: 'input_size'"],
    ];
    for (const row of rows) row[2] &&= `LSTM.__init__() ${row[2]}`;
    rows.push(
      [plain, [], 'pad_all() missing 2 required positional arguments: "first", "second"'],
      [plain, [1], 'pad_all() missing 1 required positional arguments: "second"'],
      [
        python,
        [],
        "pad_all() missing 3 required positional arguments: 'first', 'second', and 'third'",
      ],
      [python, [1, 2], "pad_all() missing 1 required positional argument: 'third'"],
      [method, [], "Layer.forward_all() missing 1 required positional argument: 'input'"],
      [
        [four[0], four[1], undefined, "Base.__init__"],
        [1, 2, 3],
        "Base.__init__() missing 1 required positional argument: 'fourth'",
      ],
      [none, [], ""],
      [shaped, [], ""],
    );
    for (const [call, given, message] of rows) {
      assertEquals(told(() => check(call, given)), message);
    }
  }, readablePath);

  fact(["ERROR-8"], "surplus arguments are counted; undefined ones at the end are not", () => {
    const rows: [Call, unknown[], string][] = [
      [none, [1], "none() takes 0 positional arguments but 1 was given"],
      [none, [undefined, 1], "none() takes 0 positional arguments but 2 were given"],
      [none, [undefined, undefined], ""],
      [
        shaped,
        [undefined, undefined, 1, 2],
        "shaped() takes from 0 to 3 positional arguments but 4 were given",
      ],
      [["one", { x: any }], [1, 2], "one() takes 1 positional argument but 2 were given"],
      [
        ["one", { "x?": any }],
        [1, 2],
        "one() takes from 0 to 1 positional argument but 2 were given",
      ],
      [plain, [1, 2, {}, 4], "pad_all() takes from 2 to 3 positional arguments but 4 were given"],
      [
        plain,
        [1, 2, undefined, 4],
        "pad_all() takes from 2 to 3 positional arguments but 4 were given",
      ],
      [plain, [1, 2, {}, undefined], ""],
      [plain, [1, 2, undefined, undefined], ""],
      [plain, [1, 2], ""],
    ];
    for (const [call, given, message] of rows) {
      assertEquals(told(() => check(call, given)), message);
    }
    const three = "many() takes from 0 to 2 positional arguments but 3 were given";
    assertEquals(told(() => checkCount(many, 2, [1, 2])), "");
    assertEquals(told(() => checkCount(many, 2, [1, 2, undefined])), "");
    assertEquals(told(() => checkCount(many, 2, [1, 2, 3])), three);
    assertEquals(told(() => checkCount(many, 2, [undefined, undefined, 3])), three);
  }, readablePath);

  fact(
    ["ERROR-8"],
    "an argument of another kind is refused, and the likely way to write it told",
    () => {
      const rows: [Call, unknown[], string][] = [
        [plain, [1, 2.5], "pad_all(): argument 'second' (position 2) must be int, not float"],
        [plain, [1, null], "pad_all(): argument 'second' (position 2) must be int, not NoneType"],
        [
          shaped,
          [2],
          "shaped(): argument 'size' (position 1) must be tuple of ints, not int; write shaped([2])",
        ],
        [
          shaped,
          [2, 3, "x", 4],
          "shaped(): argument 'size' (position 1) must be tuple of ints, not int; write shaped([2, 3, 4])",
        ],
        [
          ["reshape", { input: any, shape: ints }],
          [zeros([2]), 1, 2],
          "reshape(): argument 'shape' (position 2) must be tuple of ints, not int; write reshape(input, [1, 2])",
        ],
        [shaped, ["2"], "shaped(): argument 'size' (position 1) must be tuple of ints, not str"],
        [
          ["other", { "names?": list }],
          [2],
          "other(): argument 'names' (position 1) must be list, not int",
        ],
        [
          plain,
          [zeros([1]), { second: 3 }],
          "pad_all(): argument 'second' (position 2) must be int, not dict; write padAll(first, 3)",
        ],
        [
          plain,
          ["a", { second: 3 }],
          `pad_all(): argument 'second' (position 2) must be int, not dict; write padAll("a", 3)`,
        ],
        [
          plain,
          [true, { second: "3" }],
          "pad_all(): argument 'second' (position 2) must be int, not dict",
        ],
        [
          plain,
          [true, { third: 3 }],
          "pad_all(): argument 'second' (position 2) must be int, not dict",
        ],
        [
          ["DType", { kind: dtype }],
          ["half"],
          `DType.__init__(): argument 'kind' (position 1) must be "float32" or "float64", not 'half'`,
        ],
        [
          ["DType", { kind: dtype }],
          [16],
          `DType.__init__(): argument 'kind' (position 1) must be "float32" or "float64", not 16`,
        ],
        [
          ["DType", { kind: dtype }],
          [[16]],
          `DType.__init__(): argument 'kind' (position 1) must be "float32" or "float64", not list`,
        ],
      ];
      for (const [call, given, message] of rows) {
        assertEquals(
          told(() => check(call, given)),
          message,
        );
      }
    },
    readablePath,
  );

  fact(["ERROR-8"], "options: unknown, no such thing, left out", () => {
    const rows: [unknown, string][] = [
      [{ fill: undefined, on: undefined }, ""],
      [{ on: false }, ""],
      [{ on: 1 }, "pad_all(): argument 'on' must be bool, not int"],
      [{ on: null }, "pad_all(): argument 'on' must be bool, not NoneType"],
      [
        { file: undefined },
        "pad_all() got an unexpected keyword argument 'file'; did you mean fill?",
      ],
      [{ toString: 1 }, "pad_all() got an unexpected keyword argument 'to_string'"],
    ];
    for (const [options, message] of rows) {
      assertEquals(told(() => check(plain, [1, 2, options])), message);
    }
    assertEquals(told(() => checkNames(plain, { on: "anything" })), "");
    assertEquals(
      told(() => checkNames(plain, { onn: 1 })),
      "pad_all() got an unexpected keyword argument 'onn'",
    );
  }, readablePath);

  fact(
    ["ERROR-8"],
    "values in place of the options: each is shown for the first that it fits",
    () => {
      const rest = (...given: unknown[]) => told(() => check(plain, [0, 1, ...given]));
      const so = "padAll takes its options as an object: padAll(0, 1, ";
      assertEquals(rest(true), `${so}{ on: true })`); // not `fill`, which takes anything
      assertEquals(rest(3), `${so}{ fill: 3 })`);
      assertEquals(rest("x"), `${so}{ fill: "x" })`);
      assertEquals(rest(true, 3), `${so}{ on: true, fill: 3 })`);
      assertEquals(rest(false, true), `${so}{ on: false, fill: true })`);
      assertEquals(rest([1]), `${so}{ fill: … })`);
      assertEquals(rest(null), `${so}{ fill: … })`);
      assertEquals(rest(1, 2, 3), `${so}{ fill: 1 })`);
      const strict: Call = ["Strict", { x: any }, { deep: bool, wide: bool }];
      const start = "Strict takes its options as an object: new Strict(x, ";
      assertEquals(told(() => check(strict, [[], 3])), `${start}{ deep: … })`);
      assertEquals(told(() => check(strict, [[], 3, false])), `${start}{ deep: false })`);
    },
    readablePath,
  );

  fact(
    ["ERROR-8"],
    "the option that was meant: at most two letters apart, and a third of it",
    () => {
      const meant = (name: string, known: string[]) => {
        const message = told(() => refuseUnknown("f", name, known));
        const start = `f() got an unexpected keyword argument '${snakeCase(name)}'`;
        assertEquals(message.slice(0, start.length), start);
        return message.slice(start.length).replace(/^; did you mean (.*)\?$/, "$1");
      };
      const rows: [given: string, known: string[], meant: string][] = [
        ["weight_decay", ["weightDecay"], "weightDecay"],
        ["WEIGHTDECAY", ["weightDecay"], "weightDecay"],
        ["weightDecays", ["weightDecay"], "weightDecay"], // one too many
        ["weightDcay", ["weightDecay"], "weightDecay"], // one too few
        ["weightDexay", ["weightDecay"], "weightDecay"], // another
        ["wieghtDecya", ["weightDecay"], "weightDecay"], // two swapped, twice
        ["wXightDXcay", ["weightDecay"], "weightDecay"], // two others
        ["XXweightDecay", ["weightDecay"], "weightDecay"],
        ["weightDecayXX", ["weightDecay"], "weightDecay"],
        ["ightDecay", ["weightDecay"], "weightDecay"],
        ["weightDec", ["weightDecay"], "weightDecay"],
        ["wXightDXcaX", ["weightDecay"], ""], // three others
        ["wXightDXcyaX", ["weightDecay"], ""],
        ["weightDecayXXX", ["weightDecay"], ""],
        ["ghtDecay", ["weightDecay"], ""],
        ["wieghtDceya", ["weightDecay"], ""], // three swapped
        ["wieghtDceyaX", ["weightDecay"], ""],
        ["eiwghtDecay", ["weightDecay"], "weightDecay"],
        ["moda", ["mode"], "mode"], // one letter of four
        ["mada", ["mode"], ""], // two of four
        ["lrs", ["lr"], ""], // two letters: none may differ
        ["epd", ["eps"], "eps"], // three letters: one may
        ["abcdxx", ["abcdef"], "abcdef"], // six: two may
        ["abcxx", ["abcde"], ""], // five: one may
        ["alpha", ["alphb", "alpha_"], "alpha_"], // the nearest of them
        ["beta", ["betas", "eta"], "betas"], // of two as near the first
        ["x", [], ""],
      ];
      for (const [given, known, wanted] of rows) assertEquals(meant(given, known), wanted, given);
    },
    readablePath,
  );

  fact(["ERROR-8"], "kinds take what they say", () => {
    class Own {}
    const values: Record<string, unknown> = {
      int: 3,
      float: 0.5,
      nan: NaN,
      text: "a",
      yes: true,
      null: null,
      undefined,
      list: [1],
      texts: ["a"],
      plain: {},
      bare: Object.create(null),
      own: new Own(),
      bytes: new Uint8Array(1),
      floats: new Float32Array(1),
      function: () => 1,
      f32: "float32",
      f64: "float64",
      f16: "float16",
      date: new Date(0),
      empty: [],
    };
    const taken = Object.entries({
      int,
      number,
      numberOrList,
      bool,
      text,
      list,
      ints,
      record,
      bytes,
      callable,
      dtype,
    })
      .map((
        [kind, { is }],
      ) => [kind, Object.keys(values).filter((name) => is(values[name])).join(" ")]);
    assertEquals(Object.fromEntries(taken), {
      int: "int",
      number: "int float nan",
      numberOrList: "int float nan list empty",
      bool: "yes",
      text: "text f32 f64 f16",
      list: "list texts empty",
      ints: "list texts empty",
      record: "plain bare",
      bytes: "bytes",
      callable: "function",
      dtype: "f32 f64",
    });
    assertEquals(Object.values(values).every((value) => any.is(value)), true);
    assertEquals(isPlain(values.own), false);
    assertEquals(["weight_decay", "a_b_c", "x"].map(camelCase), ["weightDecay", "aBC", "x"]);
    assertEquals(["weightDecay", "aB", "l0Reverse"].map(snakeCase), [
      "weight_decay",
      "a_b",
      "l0_reverse",
    ]);
    assertEquals(settle({ a: 1, b: 2 }, { a: undefined, b: null }), { a: 1, b: null } as never);
  }, readablePath);
});

describe("python's texts", () => {
  fact(["ERROR-6", "ERROR-8"], "numbers, texts and types are written as Python writes them", () => {
    const floats: [number, string][] = [
      [1e16, "1e+16"],
      [1e15, "1000000000000000.0"],
      [9999999999999998, "9999999999999998.0"],
      [1e-4, "0.0001"],
      [9.9e-5, "9.9e-05"],
      [1e-5, "1e-05"],
      [1e22, "1e+22"],
      [1e100, "1e+100"],
      [-0, "-0.0"],
      [0, "0.0"],
      [2.5, "2.5"],
      [-1e-7, "-1e-07"],
      [-2, "-2.0"],
      [NaN, "nan"],
      [Infinity, "inf"],
      [-Infinity, "-inf"],
      [123456789012345680, "1.2345678901234568e+17"],
    ];
    for (const [x, text] of floats) assertEquals(pythonFloat(x), text);
    assertEquals([1, -3, -0, 0, 0.5, 2 ** 53].map(pythonNumber), [
      "1",
      "-3",
      "-0.0",
      "0",
      "0.5",
      "9007199254740992.0",
    ]);
    const texts: [string, string][] = [
      ["a\x7fb", String.raw`'a\x7fb'`],
      ["\xa0", String.raw`'\xa0'`],
      ["\u0378", String.raw`'\u0378'`],
      ["\u200b", String.raw`'\u200b'`],
      ["\uffff", String.raw`'\uffff'`],
      ["\0", String.raw`'\x00'`],
      ["\u{e0001}", String.raw`'\U000e0001'`],
      ["it's", `"it's"`],
      [`say "it's"`, String.raw`'say "it\'s"'`],
      [`say "it"`, `'say "it"'`],
      ["\n\r\t\\", String.raw`'\n\r\t\\'`],
      ["é Ā", "'é Ā'"],
      ["\u{10000}", "'\u{10000}'"],
    ];
    for (const [value, text] of texts) assertEquals(pythonText(value), text);
    assertEquals(
      pythonText([null, undefined, true, false, [1, "a"]]),
      "[None, None, True, False, [1, 'a']]",
    );
    class Own {}
    assertEquals(pythonText(new Own()), "<Own object>");
    assertEquals(pythonText(zeros([1])), "tensor([0.])");
    const types: [unknown, string][] = [
      [null, "NoneType"],
      [undefined, "NoneType"],
      [1, "int"],
      [1.5, "float"],
      [NaN, "float"],
      [[], "list"],
      ["", "str"],
      [true, "bool"],
      [1n, "int"],
      [() => 1, "function"],
      [zeros([1]), "Tensor"],
      [{}, "dict"],
      [Object.create(null), "dict"],
      [new Own(), "Own"],
    ];
    for (const [value, type] of types) assertEquals(pythonType(value), type);
    assertEquals(["it's", 1, true].map(pythonStr), ["it's", "1", "True"]);
    assertEquals([zeros([1]), 1].map(pythonClass), ["<class 'torch.Tensor'>", "<class 'int'>"]);
  }, readablePath);

  fact(
    ["PARAM-1"],
    "the number of gates tells the cell, and a name its layer and direction",
    () => {
      assertEquals([0, 1, 2, 3, 4, 5].map(kindOf), [null, "RNN", null, "GRU", "LSTM", null]);
      assertEquals(gateOrder.LSTM, "ifgo");
      assertEquals([endOf(0, 0), endOf(1, 1), endOf(2, 0)], ["_l0", "_l1_reverse", "_l2"]);
    },
    readablePath,
  );
});
