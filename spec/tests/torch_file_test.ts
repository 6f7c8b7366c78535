/** Chapter checkpoints: what a file of torch.save may hold beside tensors, and what misleads. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  CheckpointError,
  loadCheckpoint,
  readSafetensors,
  stateDictOf,
  storedStateDictOf,
  StoredTensor,
  type TorchKey,
  TorchObject,
  type TorchValue,
  writeSafetensors,
  zeros,
} from "../../mod.ts";
import { parseCheckpoint, readTorchFile } from "../../lib/checkpoints/mod.ts";
import { type Record as Entry, seal } from "../../scripts/hostile/archive.ts";
import { safetensorsFile, torchFile } from "../../scripts/hostile/bombs.ts";
import { copies } from "../../scripts/hostile/copies.ts";
import { inspect } from "../../scripts/inspect.ts";
import { describe, fact, law } from "./law.ts";

/** `text` as the pickle has it: BINUNICODE. */
function text(value: string): string {
  const length = String.fromCharCode(value.length & 255, value.length >> 8, 0, 0);
  return `X${length}${value}`;
}

/** What rebuilds a tensor of record 0; each part can be replaced. */
function tensorOf(given: { [part in keyof typeof parts]?: string } = {}): string {
  const { storage, count, offset, shape, strides, gradient } = { ...parts, ...given };
  return "ctorch._utils\n_rebuild_tensor_v2\n(" +
    `(${text("storage")}ctorch\n${storage}\n${text("0")}${text("cpu")}${count}tQ` +
    `${offset}${shape}${strides}${gradient}ccollections\nOrderedDict\n)RtR`;
}
const parts = {
  storage: "FloatStorage",
  count: "K\x04",
  offset: "K\x00",
  shape: "K\x04\x85",
  strides: "K\x01\x85",
  gradient: "\x89",
};

/** A dict of pairs of key and value, each as the pickle has it. */
function dict(...pairs: (readonly [string, string])[]): string {
  return `}(${pairs.flat().join("")}u`;
}

const read = (pickle: string, storage?: Uint8Array<ArrayBuffer>) =>
  readTorchFile(torchFile(pickle, storage)) as ReadonlyMap<TorchKey, TorchValue>;

const refuse = (pickle: string, reason: string, storage?: Uint8Array<ArrayBuffer>) =>
  assertThrows(() => read(pickle, storage), CheckpointError, reason);

describe("torch.save: beside tensors", () => {
  const latin1 = `${text("latin1")}\x86R`;
  const others: Record<string, string> = {
    "set": "c__builtin__\nset\n](K\x01K\x02e\x85R",
    "frozenset": "c__builtin__\nfrozenset\n]K\x01a\x85R",
    "bytes": `c_codecs\nencode\n${text("ab")}${latin1}`,
    "bytearray": `c__builtin__\nbytearray\nc_codecs\nencode\n${text("ab")}${latin1}\x85R`,
    "complex": "c__builtin__\ncomplex\nG?\xf0\0\0\0\0\0\0G@\0\0\0\0\0\0\0\x86R",
    "range": "c__builtin__\nxrange\nK\x00K\x03K\x01\x87R",
    "collections.deque": "ccollections\ndeque\n)R(K\x01K\x02e",
    "collections.defaultdict": `ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R${text("a")}]s`,
    "numpy._core.multiarray.scalar": "cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\n" +
      `${text("f8")}\x89\x88\x87R(K\x03${text("<")}NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb` +
      `c_codecs\nencode\n${text("\0\0\0\0\0\0\0\0")}${latin1}\x86R`,
    "argparse.Namespace": `cargparse\nNamespace\n)\x81}${text("lr")}K\x01sb`,
    "__main__.Colour": "c__main__\nColour\nK\x01\x85R",
    "torch.nn.modules.activation.ReLU": "ctorch.nn.modules.activation\nReLU\n",
    "torch._utils._rebuild_sparse_tensor": "ctorch._utils\n_rebuild_sparse_tensor\nN)\x86R",
    "int": `\x8b\x00\x08\0\0${"\x01".repeat(2048)}`,
  };
  for (const [type, pickle] of Object.entries(others)) {
    fact(["CKPT-6"], `${type} beside tensors keeps nobody from loading them`, () => {
      const file = torchFile(dict([text("x"), pickle], [text("w"), tensorOf()]));
      const value = readTorchFile(file) as ReadonlyMap<string, TorchValue>;
      const found = value.get("x") as TorchObject;
      assert(found instanceof TorchObject);
      assertEquals([found.type, String(found), found.isModule], [type, `<${type}>`, false]);
      assertEquals(Object.keys(stateDictOf(value, { tensorsOnly: true })), ["w"]);
      assertThrows(() => stateDictOf(value), CheckpointError, `"x" is an object of ${type}`);
      assert(inspect("x.pt", parseCheckpoint(file)).includes(`x: an object of ${type}`));
      assertThrows(() => readTorchFile(torchFile(pickle)), CheckpointError, "data.pkl");
    });
  }

  fact(
    ["CKPT-6"],
    "a Counter is a dict, an nn.Buffer and a tensor with attributes are tensors",
    () => {
      const counter = `ccollections\nCounter\n${dict([text("a"), "K\x02"])}\x85R`;
      const [call, args] = tensorOf().split("\n(").map((part, k) => k ? `(${part}` : `${part}\n`);
      assert(args.endsWith("tR"));
      const buffer = `ctorch._tensor\n_rebuild_from_type_v2\n(${call}ctorch\nTensor\n` +
        `${tensorOf().slice(call.length, -1)}}${text("persistent")}\x88stR`;
      const stateful = `ctorch._utils\n_rebuild_parameter_with_state\n(${tensorOf()}\x88` +
        `ccollections\nOrderedDict\n)R}tR`;
      const value = read(dict([text("c"), counter], [text("b"), buffer], [text("p"), stateful]));
      assertEquals(value.get("c"), new Map([["a", 2]]));
      const { b, p } = stateDictOf(value, { tensorsOnly: true });
      assertEquals([b.shape, p.shape], [[4], [4]]);
    },
  );

  fact(["CKPT-6"], "a tensor that is conjugated or negated when read is an object", () => {
    const noted = (...notes: string[]) =>
      tensorOf().replace(/tR$/, `${dict(...notes.map((note) => [text(note), "\x88"] as const))}tR`);
    const of = (...notes: string[]) => read(dict([text("w"), noted(...notes)])).get("w");
    assert(of() instanceof StoredTensor);
    for (const notes of [["conj"], ["conj", "neg"]]) {
      assertEquals(String(of(...notes)), "<a tensor to be conjugated or negated when read>");
    }
  });

  fact(["CKPT-5"], "half a surrogate pair may stand anywhere in a text", () => {
    const [high, low] = ["\xed\xa0\x80", "\xed\xbf\xbf"]; // U+D800, U+DFFF
    for (
      const parts of [["", high, "a"], ["a", low, ""], ["a", high, low], ["\xed\x9f\xbf", low, "b"]]
    ) {
      const [key] = read(dict([text(parts.join("")), "K\x01"])).keys();
      const known: Record<string, string> = {
        [high]: "\ud800",
        [low]: "\udfff",
        "\xed\x9f\xbf": "\ud7ff",
      };
      assertEquals(key, parts.map((part) => known[part] ?? part).join(""));
    }
  });

  fact(["CKPT-6"], "a whole model is recognised, and what to do is said", () => {
    const state = dict([text("_parameters"), "}"], [text("_modules"), "}"]);
    const model = `cnets\nTagger\n)\x81${state}b`;
    refuse(model, 'a whole model, an object of "nets.Tagger"');
    refuse(model, "torch.save(model.state_dict(), …)");
    const value = read(dict([text("model"), model], [text("w"), tensorOf()]));
    assertThrows(
      () => stateDictOf(value, { at: "model" }),
      CheckpointError,
      '"model" is no state_dict but a whole model, an object of nets.Tagger; in PyTorch, ' +
        "torch.save(model.state_dict(), …) writes its weights",
    );
    assertEquals(Object.keys(stateDictOf(value, { tensorsOnly: true })), ["w"]);
  });

  fact(["CKPT-1"], "TorchScript and torch.export are recognised, compressed entries or not", () => {
    const archive = (...names: string[]) =>
      seal(names.map((name) => ({ name, data: new Uint8Array(4) })));
    const script = archive("m/data.pkl", "m/code/__torch__.py", "m/constants.pkl");
    const view = new DataView(script.buffer);
    const at = script.findLastIndex((_, k) =>
      k + 4 <= script.length && view.getUint32(k, true) === 0x02014b50
    );
    script[at + 10] = 8; // deflated
    assertThrows(() => readTorchFile(script), CheckpointError, "torch.jit.load");
    const exported = archive("m/data/weights/w", "m/archive_format");
    assertThrows(() => readTorchFile(exported), CheckpointError, "torch.export.load");
  });
});

describe("torch.save: dicts", () => {
  fact(["CKPT-6"], "keys are what they are in Python", () => {
    const half = "G?\xe0\0\0\0\0\0\0";
    const one = "G?\xf0\0\0\0\0\0\0";
    const keys = [
      "\x88",
      "N",
      "K\x05",
      half,
      text("one"),
      "K\x01\x85",
      `\x8a\x09${"\x01".repeat(9)}`,
    ];
    const value = read(dict(...keys.map((key, k) => [key, `K${String.fromCharCode(k)}`] as const)));
    assertEquals([...value.values()], [0, 1, 2, 3, 4, 5, 6]);
    assertEquals([...value.keys()].slice(0, 5), [true, null, 5, 0.5, "one"]);
    assertEquals(String([...value.keys()][5]), "<tuple>");
    const real = read(dict([one, "K\x07"]));
    assertEquals([...real.keys()].map(String), ["<float 1.0>"]);
    assertThrows(() => storedStateDictOf(value), CheckpointError, "None (a number)");
  });

  fact(["CKPT-6"], "True, 1 and 1.0 are one key, as in Python, and the first stays", () => {
    const one = "G?\xf0\0\0\0\0\0\0";
    const zero = "G\x80\0\0\0\0\0\0\0"; // -0.0
    for (
      const [first, second] of [["\x88", "K\x01"], ["K\x01", one], [one, "\x88"], [zero, "\x89"]]
    ) {
      const value = read(dict([first, "K\x07"], [second, "K\x08"]));
      assertEquals([value.size, ...value.values()], [1, 8]);
      assertEquals([...value.keys()], [...read(dict([first, "K\x07"])).keys()]);
    }
  });

  fact(["CKPT-8"], "1 and '1' are two keys, and one name for both is refused", () => {
    const value = read(dict(["K\x01", tensorOf()], [text("1"), tensorOf()]));
    assertEquals([...value.keys()], [1, "1"]);
    assertThrows(
      () => stateDictOf(value),
      CheckpointError,
      'two keys that would both be named "1"',
    );
    const shown = inspect("x.pt", { format: "torch", value, metadata: null });
    assert(shown.includes("[1]") || shown.includes('"1"'), shown);
  });

  fact(["CKPT-6"], "what is no dict takes no attributes and no items", () => {
    refuse(`}${dict([text("a"), "K\x01"])}b`, "BUILD sets attributes");
    refuse("]K\x01K\x02s", "SETITEM on no dict");
    refuse(")K\x01a", "APPEND to no list");
    assertEquals(read(`ccollections\nOrderedDict\n)R}${text("_metadata")}}sb`).size, 0);
  });

  law(
    ["CKPT-6"],
    "lists and tuples of any length come out whole",
    fc.tuple(fc.integer({ min: 0, max: 30_000 }), fc.boolean()),
    ([length, tuple]) => {
      const items = "K\x07".repeat(length);
      const value = readTorchFile(torchFile(tuple ? `(${items}t` : `](${items}e`));
      assertEquals(value, Array<number>(length).fill(7));
      assertEquals(Object.isFrozen(value), tuple);
    },
  );

  fact(["CKPT-6"], "a list that is kept is the same list wherever it stands", () => {
    const value = readTorchFile(torchFile("]q\0K\x01ah\0\x86q\x010](h\0h\0h\x01e"));
    const [a, b, [c]] = value as [unknown[], unknown[], unknown[][]];
    assertEquals(a, [1]);
    assert(a === b && a === c);
    // A list that is named before it is filled, and one that is kept twice.
    const early = readTorchFile(torchFile("]q\0h\0\x85q\x010h\0K\x01a0h\x01\x86"));
    assertEquals(early, [[1], [[1]]]);
    assertEquals(readTorchFile(torchFile("]q\0q\x01K\x01ah\0h\x01\x87")), [[1], [1], [1]]);
  });
});

describe("torch.save: tensors", () => {
  fact(["CKPT-7"], "a slice of nothing loads, wherever it begins", () => {
    const none = {
      count: "K\x00",
      shape: "K\x02K\x00\x86",
      strides: "K\x01K\x01\x86",
      offset: "K\x01",
    };
    const { w } = storedStateDictOf(read(dict([text("w"), tensorOf(none)]), new Uint8Array()));
    assertEquals([w.shape, w.bytes().length], [[2, 0], 0]);
    const beyond = tensorOf({ offset: "K\x09", shape: "K\x00\x85" });
    assertEquals(storedStateDictOf(read(dict([text("w"), beyond]))).w.toTensor().shape, [0]);
    const vast = new StoredTensor("float32", [2 ** 50, 0], new Uint8Array(), {
      littleEndian: false,
    });
    assertEquals(vast.bytes().length, 0); // at once
    const deep = new StoredTensor("bool", Array<number>(500_000).fill(1), new Uint8Array(1));
    assert(deep.isView); // in time that grows no faster than the shape
  });

  fact(
    ["CKPT-7"],
    "floats for extents, strides, offsets and counts are refused, as PyTorch does",
    () => {
      const two = "G@\0\0\0\0\0\0\0";
      const zero = "G\x80\0\0\0\0\0\0\0";
      for (
        const wrong of [{ shape: `${two}\x85` }, { strides: `${two}\x85` }, { offset: zero }, {
          count: two,
        }]
      ) refuse(tensorOf(wrong), "count" in wrong ? "no storage" : "PyTorch does not write");
      refuse(`ctorch\nSize\n${two}\x85\x85R`, "PyTorch does not write");
    },
  );

  fact(["CKPT-7"], "integers do not require gradients", () => {
    const wanted = "only Tensors of floating point dtype can require gradients";
    const whole = { storage: "IntStorage", gradient: "\x88" };
    refuse(tensorOf(whole), wanted);
    const parameter = (storage: string) =>
      `ctorch._utils\n_rebuild_parameter\n${
        tensorOf({ storage })
      }\x88ccollections\nOrderedDict\n)R\x87R`;
    refuse(parameter("IntStorage"), wanted);
    assert(readTorchFile(torchFile(parameter("FloatStorage"))) instanceof StoredTensor);
  });

  fact(["CKPT-4"], "a bool is 0 or 1, whatever byte stands for it", () => {
    const storage = Uint8Array.of(0, 1, 0x37, 255);
    const bools = tensorOf({ storage: "BoolStorage" });
    const { w } = storedStateDictOf(read(dict([text("w"), bools]), storage));
    assertEquals(w.values(), Uint8Array.of(0, 1, 1, 1));
    assertEquals(w.bytes(), storage);
  });

  fact(["CKPT-6"], "a device is one of PyTorch's; its arguments are not joined blindly", () => {
    const device = (args: string) => `]ctorch\ndevice\n${args}Ra`;
    assertEquals(read(device(`${text("cuda")}K\x01\x86`)) as unknown, ["cuda:1"]);
    assertEquals(read(device(`${text("cuda:1")}\x85`)) as unknown, ["cuda:1"]);
    for (const wrong of [`${text("cpu")}]\x86`, `${text("c".repeat(9999))}\x85`, `]\x85`, ")"]) {
      refuse(device(wrong), "PyTorch does not write");
    }
  });

  fact(["CKPT-7", "CKPT-11"], "many views of one storage are no copies of it", () => {
    const count = 500;
    const views = (storage: string, bits: string) =>
      dict(
        ...Array.from({ length: count }, (_, k) =>
          [text(`w${k}`), tensorOf({ storage, count: bits, shape: `${bits}\x85` })] as const),
      );
    const size = 100_000;
    for (const [storage, each] of [["FloatStorage", 4], ["HalfStorage", 2]] as const) {
      const elements = size / each;
      const number = `J${
        String.fromCharCode(elements & 255, (elements >> 8) & 255, (elements >> 16) & 255, 0)
      }`;
      const file = torchFile(views(storage, number), new Uint8Array(size));
      for (const shift of [0, 1, 2, 3]) {
        const moved = new Uint8Array(file.length + shift).subarray(shift);
        moved.set(file);
        const value = parseCheckpoint(moved).value;
        assert(copies(value, moved) <= 2 * size + 65536, `${storage}, ${shift}`);
        const state = stateDictOf(value, { widen: true });
        assert(new Set(Object.values(state).map(({ data }) => data.buffer)).size === 1);
      }
    }
  });

  fact(["CKPT-7"], "a tensor with two names is gathered once", () => {
    const across = tensorOf({ shape: "K\x02K\x02\x86", strides: "K\x01K\x02\x86" });
    const { a, b } = stateDictOf(read(`}(${text("a")}${across}q\x00${text("b")}h\x00u`));
    assert(a.data === b.data);
  });
});

describe("torch.save: archives that mislead", () => {
  const entries = (): Entry[] => [
    { name: "a/data.pkl", data: Uint8Array.from("\x80\x02}.", (c) => c.charCodeAt(0)) },
    { name: "a/version", data: Uint8Array.of(0x33, 10) },
  ];

  fact(["CKPT-5"], "an entry's own header that contradicts the list is refused", () => {
    const file = seal(entries());
    readTorchFile(file);
    const own = (at: number, value: number) => {
      const copy = file.slice();
      copy[at] = value;
      return copy;
    };
    for (const at of [6, 14, 15, 17, 18, 22, 25]) {
      assertThrows(
        () => readTorchFile(own(at, file[at] ^ 1)),
        CheckpointError,
        "another name, method, size, checksum or other flags in its own header",
      );
    }
  });

  fact(["CKPT-5"], "an entry outside the folder, or of another case, is refused", () => {
    const data = new TextEncoder().encode("big");
    for (
      const [name, reason] of [
        ["b/other", 'entry "b/other" lies outside "a/"'],
        ["loose", 'entry "loose" lies outside "a/"'],
        ["a/BYTEORDER", 'entry "a/BYTEORDER" should be "a/byteorder"'],
        ["a/Data/0", 'entry "a/Data/0" should be "a/data/0"'],
      ]
    ) {
      const file = seal([...entries(), { name, data }]);
      assertThrows(() => readTorchFile(file), CheckpointError, reason);
    }
    readTorchFile(seal([...entries(), { name: "a/Notes", data }]));
  });
});

describe("safetensors: what Python's library loads", () => {
  const entry = (shape: string, offsets: string) =>
    `{"dtype":"F32","shape":[${shape}],"data_offsets":[${offsets}]}`;

  law(
    ["CKPT-2"],
    "tensors of nothing may stand anywhere in the header",
    fc.shuffledSubarray([["a", "1", "0,4"], ["b", "0", "0,0"], ["c", "0", "4,4"], [
      "d",
      "1",
      "4,8",
    ]], {
      minLength: 4,
    }),
    (fields) => {
      const header = fields.map(([name, shape, offsets]) => `"${name}":${entry(shape, offsets)}`);
      const { tensors } = readSafetensors(safetensorsFile(`{${header.join(",")}}`, 8));
      assertEquals([...tensors.keys()], ["b", "a", "c", "d"]);
    },
  );

  fact(["CKPT-11"], "a flood of metadata is refused, what a file can need is not", () => {
    const flood = (count: number) =>
      `{"__metadata__":{${Array.from({ length: count }, (_, k) => `"${k}":""`).join()}}}`;
    assertEquals(Object.keys(readSafetensors(safetensorsFile(flood(2000))).metadata!).length, 2000);
    assertThrows(
      () => readSafetensors(safetensorsFile(flood(100_000))),
      CheckpointError,
      "more entries than a file of this size can need",
    );
  });
});

describe("checkpoints: a Response", () => {
  fact(["CKPT-1"], "what fetch gave is read, and what a server refuses is told", async () => {
    const file = writeSafetensors({ w: zeros([2]) });
    assertEquals((await loadCheckpoint(new Response(file as BodyInit))).w.shape, [2]);
    await assertRejects(
      () => loadCheckpoint(new Response("", { status: 404, statusText: "Not Found" })),
      CheckpointError,
      "the server answered 404 Not Found",
    );
  });
});
