/** Chapter checkpoints: what the pickle of a file of torch.save may call, and with what. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { CheckpointError, TorchObject } from "../../mod.ts";
import { readTorchFile } from "../../lib/checkpoints/mod.ts";
import { torchFile } from "../../scripts/hostile/bombs.ts";
import { describe, fact } from "./law.ts";
import {
  call,
  filled,
  half,
  hooks,
  int,
  minus,
  no,
  type Parts,
  storage,
  storageOf,
  storedIn,
  tensorOf,
  text,
  tuple,
  two,
  usual,
  v2,
  v3,
  yes,
} from "./torch_pickle.ts";

const read = (pickle: string, bytes = storage) => readTorchFile(torchFile(pickle, bytes));
const bytesOf = (pickle: string, bytes = storage) => {
  const value = read(pickle, bytes);
  return [...storedIn(value).bytes()];
};
const refused = (pickle: string, reason: string, bytes = storage) => {
  const error = assertThrows(() => read(pickle, bytes), CheckpointError, reason);
  assert(error.message.startsWith("data.pkl: byte "), error.message);
};
const unknown = (path: string) => `a call of ${path} with arguments that PyTorch does not write`;

describe("torch.save: calls", () => {
  fact(["CKPT-7"], "a tensor is what its arguments say", () => {
    assertEquals(bytesOf(tensorOf()), [...storage]);
    assertEquals(
      bytesOf(tensorOf({ offset: int(1), shape: tuple(int(3)) })),
      [...storage].slice(4),
    );
    const halves = {
      storage: storageOf("HalfStorage", int(8)),
      offset: int(5),
      shape: tuple(int(3)),
    };
    assertEquals(bytesOf(tensorOf(halves)), [...storage].slice(10));
    assertEquals(bytesOf(tensorOf({ gradient: yes })), [...storage]);
    assertEquals(bytesOf(tensorOf({ shape: ")", strides: ")" })), [0, 1, 2, 3]);
    for (const more of ["}", "N", int(1)]) assertEquals(bytesOf(tensorOf({}, more)).length, 16);
    const [made] = read(`]${tensorOf({}, filled)}a`) as TorchObject[];
    assertEquals(String(made), "<a tensor to be conjugated or negated when read>");
  });

  fact(["CKPT-6", "CKPT-7"], "a tensor with other arguments is refused", () => {
    const dims = (count: number, extra = 0) => ({
      shape: tuple(...Array<string>(count).fill(int(1))),
      strides: tuple(...Array<string>(count + extra).fill(int(1))),
    });
    assertEquals(bytesOf(tensorOf(dims(64))), [0, 1, 2, 3]);
    const wrong: Parts[] = [
      { hooks: "N" },
      { hooks: ")" },
      { storage: "N" },
      { storage: text("0") },
      { storage: storageOf("UntypedStorage", int(16), "0", "torch.storage") },
      { storage: storageOf("QUInt8Storage", int(4)) },
      ...["N", minus, half, two, text("0")].map((offset) => ({ offset })),
      ...["N", "]", int(4), tuple(minus), tuple(half), tuple(two), tuple("N")].flatMap((sizes) => [
        { shape: sizes },
        { strides: sizes },
      ]),
      { shape: tuple(int(2), int(2)) },
      { strides: ")" },
      { strides: tuple(int(1), int(1)) },
      dims(65),
      dims(2, 1),
      ...["N", int(0), text("False")].map((gradient) => ({ gradient })),
    ];
    for (const parts of wrong) refused(tensorOf(parts), unknown(v2));
    refused(tensorOf({}, "}", "}"), unknown(v2));
    refused(call(v2), unknown(v2));
    refused(call(v2, ...Object.values(usual).slice(0, 5)), unknown(v2));
  });

  fact(
    ["CKPT-6", "CKPT-7"],
    "a tensor that names its dtype has a storage of that, or of bytes",
    () => {
      const of = (dtype: string, parts: Parts = {}, ...more: string[]) =>
        call(v3, ...Object.values({ ...usual, ...parts }), dtype, ...more);
      const named = (dtype: string) => `ctorch\n${dtype}\n`;
      const bare = storageOf("UntypedStorage", int(16), "0", "torch.storage");
      const untyped = { storage: bare, shape: tuple(int(8)) };
      const found = storedIn(
        read(of(named("uint16"), { ...untyped, offset: int(1), shape: tuple(int(7)) })),
      );
      assertEquals([found.dtype, [...found.bytes()]], ["uint16", [...storage].slice(2)]);
      assertEquals(bytesOf(of(named("float32"))), [...storage]);
      assertEquals(bytesOf(of(named("float32"), {}, "}")), [...storage]);
      refused(of(named("float64"), { shape: tuple(int(2)) }), unknown(v3));
      refused(of(named("int32")), unknown(v3));
      for (const dtype of ["N", text("uint16"), named("float")]) {
        refused(of(dtype, untyped), unknown(v3));
      }
      refused(of(named("float32"), {}, "}", "}"), unknown(v3));
      refused(call(v3, ...Object.values(untyped)), unknown(v3));
      assertEquals(
        String(read(`]${of(named("float32"), {}, filled)}a`)),
        "<a tensor to be conjugated or negated when read>",
      );
    },
  );

  fact(
    ["CKPT-6", "CKPT-7"],
    "a parameter is its tensor, an object that is not made stays one",
    () => {
      for (
        const path of [
          "torch._utils._rebuild_parameter",
          "torch._utils._rebuild_parameter_with_state",
        ]
      ) {
        assertEquals(bytesOf(call(path, tensorOf(), yes, hooks)), [...storage]);
        assertEquals(bytesOf(call(path, tensorOf(), no, hooks, "}")), [...storage]);
        const [inner] = read(`]${call(path, "cx\ny\n)R", yes, hooks)}a`) as unknown[];
        assert(inner instanceof TorchObject && inner.type === "x.y");
        refused(call(path, tensorOf(), yes), unknown(path));
        refused(call(path, tensorOf(), yes, hooks, "}", "}"), unknown(path));
        for (const gradient of ["N", int(1)]) {
          refused(
            call(path, tensorOf(), gradient, hooks),
            unknown(path),
          );
        }
        for (const data of ["N", "}", int(1)]) refused(call(path, data, yes, hooks), unknown(path));
      }
    },
  );

  fact(["CKPT-6"], "an object that is not made is a type and a place", () => {
    const one = new TorchObject("x.y", 3);
    assertEquals([one.type, one.at, String(one), new TorchObject("set").at], [
      "x.y",
      3,
      "<x.y>",
      null,
    ]);
    const Loose = TorchObject as unknown as new (...args: unknown[]) => TorchObject;
    assertThrows(() => new Loose("x.y", 3, 4), TypeError, "3 were given");
  });

  fact(["CKPT-7"], "only numbers with a point, or complex ones, require gradients", () => {
    const types: [string, number, boolean][] = [
      ["BFloat16Storage", 8, true],
      ["BoolStorage", 16, false],
      ["ByteStorage", 16, false],
      ["CharStorage", 16, false],
      ["ComplexDoubleStorage", 1, true],
      ["ComplexFloatStorage", 2, true],
      ["DoubleStorage", 2, true],
      ["FloatStorage", 4, true],
      ["HalfStorage", 8, true],
      ["IntStorage", 4, false],
      ["LongStorage", 2, false],
      ["ShortStorage", 8, false],
    ];
    for (const [type, count, may] of types) {
      const own = { storage: storageOf(type, int(count)), shape: tuple(int(count)) };
      assertEquals(bytesOf(tensorOf(own)), [...storage], type);
      const reason = "only Tensors of floating point dtype can require gradients";
      const parameter = call("torch._utils._rebuild_parameter", tensorOf(own), yes, hooks);
      for (const pickle of [tensorOf({ ...own, gradient: yes }), parameter]) {
        if (may) bytesOf(pickle);
        else refused(pickle, reason);
      }
      for (const other of [count - 1, count + 1]) {
        const length = other * 16 / count;
        refused(
          tensorOf({ ...own, storage: storageOf(type, int(other)) }),
          `storage "0" is to have ${length} bytes, its record has 16`,
        );
      }
    }
  });

  fact(["CKPT-6"], "each other call has its own arguments", () => {
    const path = "torch._tensor._rebuild_from_type_v2";
    const typed = (...args: string[]) => call(path, ...args);
    const [build, type] = ["ctorch._utils\n_rebuild_tensor_v2\n", "ctorch\nTensor\n"];
    const own = tuple(...Object.values(usual));
    assertEquals(bytesOf(typed(build, type, own, "}")), [...storage]);
    const values: [string, unknown][] = [
      ["collections.OrderedDict", new Map()],
      ["collections.Counter", new Map()],
    ];
    for (const [path, value] of values) assertEquals(read(call(path)), value);
    assertEquals(read(call("collections.Counter", "}N" + int(1) + "s")), new Map([[null, 1]]));
    assertEquals(read(call("torch.Size", tuple(int(3), int(0)))), [3, 0]);
    assertEquals(
      read(call("torch.serialization._get_layout", text("torch.strided"))),
      "torch.strided",
    );
    const device = (...args: string[]) => call("torch.device", ...args);
    for (const name of ["cpu", "cuda:0", "cuda:123", "a".repeat(20)]) {
      assertEquals(read(device(text(name))), name);
    }
    assertEquals(read(device(text("cuda"), int(0))), "cuda:0");
    const dict = "}N" + int(1) + "s";
    const wrong: [string, string[]][] = [
      [path, [build, type, own]],
      [path, [build, type, own, "}", "}"]],
      [path, ["N", type, own, "}"]],
      [path, ["ccollections\nOrderedDict\n", type, own, "}"]],
      [path, ["cx\ny._rebuild_tensor_v\n", type, own, "}"]],
      [path, [build, "N", own, "}"]],
      [path, [build, type, "]", "}"]],
      [path, [build, type, ")", "}"]],
      ["collections.OrderedDict", ["]"]],
      ["collections.Counter", [dict, dict]],
      ["collections.Counter", ["N"]],
      ["collections.Counter", ["]"]],
      ["torch.Size", []],
      ["torch.Size", ["]"]],
      ["torch.Size", [tuple(minus)]],
      ["torch.Size", [tuple(int(1)), int(1)]],
      ["torch.device", []],
      ["torch.device", ["N"]],
      ["torch.device", [text("CPU")]],
      ["torch.device", [text("a".repeat(21))]],
      ["torch.device", [text("cuda:1234")]],
      ["torch.device", [text("cuda:")]],
      ["torch.device", [text("cuda"), "N"]],
      ["torch.device", [text("cuda"), minus]],
      ["torch.device", [text("cuda"), two]],
      ["torch.device", [text("cuda"), half]],
      ["torch.device", [text("cuda"), int(1), int(1)]],
      ["torch.serialization._get_layout", []],
      ["torch.serialization._get_layout", ["N"]],
      ["torch.serialization._get_layout", [text("a"), text("b")]],
      ["torch.storage.UntypedStorage", []],
      ["torch.FloatStorage", []],
    ];
    for (const [path, args] of wrong) refused(call(path, ...args), unknown(path));
  });

  fact(["CKPT-7"], "a persistent id is a storage, and nothing else", () => {
    const parts = [text("storage"), "ctorch\nFloatStorage\n", text("0"), text("cpu"), int(4)];
    const id = (at: number, other: string) => `${tuple(...parts.with(at, other))}Q`;
    const wrong = [
      "NQ",
      ")Q",
      id(0, text("module")),
      id(0, "N"),
      id(1, "N"),
      id(1, text("torch.FloatStorage")),
      id(1, "ccollections\nOrderedDict\n"),
      id(1, "ctorch\nSize\n"),
      id(1, "cx\nFloatStorage\n"),
      id(2, int(0)),
      id(2, "N"),
      id(3, "N"),
      id(3, int(1)),
      id(4, "N"),
      id(4, minus),
      id(4, two),
      `${tuple(...parts, "N")}Q`,
      `${tuple(...parts.slice(0, 4))}Q`,
      `](${parts.join("")}eQ`,
    ];
    for (const pickle of wrong) {
      refused(tensorOf({ storage: pickle }), "a persistent id that is no storage");
    }
    refused(tensorOf({ storage: id(2, text("1")) }), 'the archive has no record "data/1"');
    refused(
      `]${storageOf("UntypedStorage", int(15), "0", "torch.storage")}a`,
      'storage "0" is to have 15 bytes, its record has 16',
    );
    const kinds = [["QUInt8Storage", "torch"], ["FloatStorage", "torch.cuda"]];
    for (const [type, module] of kinds) {
      const [found] = read(`]${storageOf(type, int(4), "0", module)}a`) as TorchObject[];
      assertEquals([found.type, found.at], [`${module}.${type}`, null]);
    }
    const [one, other] = [storageOf(), storageOf("IntStorage")];
    read(`](${one}${one}e`);
    refused(`](${one}${other}e`, 'storage "0" is given two dtypes');
    refused(
      `](${storageOf("UntypedStorage", int(16), "0", "torch.storage")}${other}e`,
      'storage "0" is given two dtypes',
    );
    assertThrows(
      () => read(one),
      CheckpointError,
      'data.pkl: a class or a storage stands where a value should: "torch.FloatStorage"',
    );
  });
});
