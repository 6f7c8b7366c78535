/** Chapter checkpoints: files that `torch.load(…, weights_only=True)` opens, written here. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { goldenFile } from "../../lib/conformance/mod.ts";
import {
  Adam,
  backward,
  CheckpointError,
  GRU,
  saveTorchFile,
  stateDictOf,
  StoredTensor,
  sum,
  Tensor,
  tensor,
  type TorchKey,
  TorchObject,
  type TorchValue,
  type TorchWritable,
  zeros,
} from "../../mod.ts";
import { parseCheckpoint, readTorchFile, writeTorchFile } from "../../lib/checkpoints/mod.ts";
import { joined } from "../../lib/checkpoints/source.ts";
import { readZip } from "../../lib/checkpoints/zip.ts";
import { zipParts } from "../../lib/checkpoints/zip_writer.ts";
import { bytesOf } from "../../scripts/adapters/checkpoints.ts";
import { describe, fact, law, readablePath } from "./law.ts";

const keys = fc.oneof(fc.string(), fc.integer({ min: 2 }), fc.constant(null), fc.boolean());
const numbers = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 255, 256, 65535, 65536, -1, -128, 2 ** 31, -(2 ** 31), 2 ** 53 - 1),
);
const tensors = fc.tuple(fc.array(fc.float(), { maxLength: 6 }), fc.boolean()).map(([list, wide]) =>
  tensor(list, { dtype: wide ? "float64" : "float32" })
);
const { value: values } = fc.letrec<{ value: TorchWritable }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: "value" },
    fc.constantFrom(null, true, false),
    numbers,
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 2000n }),
    fc.bigInt({ max: -(2n ** 53n), min: -(2n ** 2000n) }),
    fc.string({ unit: "grapheme" }),
    tensors,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.array(tie("value"), { maxLength: 5 }).map((items) => Object.freeze(items)),
    fc.dictionary(fc.string(), tie("value"), { maxKeys: 5 }),
    fc.uniqueArray(fc.tuple(keys, tie("value")), { maxLength: 5, selector: ([key]) => key })
      .map((pairs) => new Map(pairs)),
  ),
}));

/** What a value comes back as. */
function wanted(value: TorchWritable): unknown {
  if (value instanceof Tensor) return { dtype: value.dtype, data: value.data };
  if (Array.isArray(value)) return { tuple: Object.isFrozen(value), items: value.map(wanted) };
  if (typeof value !== "object" || value === null) return value;
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return { dict: entries.map(([key, item]) => [key, wanted(item)]) };
}

/** Stored tensors as tensors, all else as it is. */
function revived(value: TorchValue): TorchWritable {
  if (value instanceof StoredTensor) return value.toTensor();
  if (Array.isArray(value)) {
    const items = value.map(revived);
    return Object.isFrozen(value) ? Object.freeze(items) : items;
  }
  if (!(value instanceof Map)) return value as TorchWritable;
  return new Map(
    [...value as ReadonlyMap<TorchKey, TorchValue>].map(([key, item]) => [key, revived(item)]),
  ) as TorchWritable;
}

describe("torch.save: written here", () => {
  law(["CKPT-13"], "what is written comes back, however it nests", values, (value) => {
    assertEquals(wanted(revived(readTorchFile(writeTorchFile(value)))), wanted(value));
  });

  for (const { id, request: { file } } of goldenFile("checkpoints/torch.json").cases) {
    fact(["CKPT-13"], `${id} is written again with the same in it`, () => {
      const bytes = bytesOf(file!);
      let value: TorchValue;
      try {
        value = parseCheckpoint(bytes).value;
        writeTorchFile(value as TorchWritable);
      } catch (error) {
        assert((error as Error).message.includes("which was not loaded"), String(error));
        return;
      }
      const again = parseCheckpoint(writeTorchFile(value as TorchWritable)).value;
      const told = (part: TorchValue): unknown =>
        part instanceof StoredTensor
          ? { dtype: part.dtype, shape: part.shape, bytes: part.bytes() }
          : part instanceof Map
          ? [...part].map(([key, item]) => [key, told(item)])
          : Array.isArray(part)
          ? { tuple: Object.isFrozen(part), items: part.map(told) }
          : part;
      assertEquals(told(again), told(value));
    });
  }

  fact(["CKPT-13"], "tensors on one memory share a storage, and one value is written once", () => {
    const data = new Float32Array(6).fill(0.5);
    const [a, b] = [new Tensor(data, [6]), new Tensor(data, [2, 3])];
    const list = [1, 2];
    const file = writeTorchFile({ weights: { a, b, again: a }, lists: [list, list] });
    assertEquals(new TextDecoder("latin1").decode(file).split("archive/data/").length, 3);
    const value = readTorchFile(file) as ReadonlyMap<string, TorchValue>;
    const state = stateDictOf(value, { at: "weights" });
    assert(state.a.data.buffer === state.b.data.buffer && state.a.data === state.again.data);
    const [first, second] = value.get("lists") as unknown[];
    assert(first === second);
  });

  fact(["CKPT-13"], "every storage begins at a multiple of 64 bytes, and is a view", () => {
    const state = new GRU(3, 5, { numLayers: 2 }).stateDict();
    const file = writeTorchFile(state);
    for (const [name, { data }] of Object.entries(stateDictOf(readTorchFile(file)))) {
      assert(data.buffer === file.buffer && data.byteOffset % 64 === 0, name);
      assertEquals(data, state[name].data);
    }
  });

  fact(["CKPT-13"], "an archive has as many entries as its form counts, and no more", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, k) => [`${k}`, none] as const);
    const none = new Uint8Array();
    assertEquals(readZip(joined(zipParts(many(65_534)))).size, 65_534);
    assertThrows(() => zipParts(many(65_535)), CheckpointError, "of 65,535 tensors");
  }, readablePath); // no kernel has a part in it

  fact(["CKPT-13"], "an optimiser's state is written as Python has it", () => {
    const gru = new GRU(2, 3);
    const adam = new Adam(gru.parameters(), { lr: 0.5 });
    backward(sum(gru.forward(zeros([4, 2]))[0]));
    adam.step();
    const value = readTorchFile(writeTorchFile(adam.stateDict() as unknown as TorchWritable));
    const [state, groups] = [...(value as ReadonlyMap<string, TorchValue>).values()];
    assertEquals([...(state as ReadonlyMap<TorchKey, TorchValue>).keys()], [0, 1, 2, 3]);
    const [group] = groups as ReadonlyMap<string, TorchValue>[];
    const [betas, params] = [group.get("betas"), group.get("params")];
    assertEquals([betas, Object.isFrozen(betas)], [[0.9, 0.999], true]);
    assertEquals([params, Object.isFrozen(params)], [[0, 1, 2, 3], false]);
    assertEquals(group.get("lr"), 0.5);
    const plain = {
      state: { 0: { step: zeros([]) } },
      param_groups: [{ betas: [0, 1], params: [0] }],
    };
    const again = readTorchFile(writeTorchFile(plain)) as ReadonlyMap<string, TorchValue>;
    const [own] = again.get("param_groups") as ReadonlyMap<string, TorchValue>[];
    assertEquals([...own.values()].map(Object.isFrozen), [true, false]);
    assertEquals([...(again.get("state") as ReadonlyMap<TorchKey, TorchValue>).keys()], [0]);
  });

  fact(["CKPT-13"], "a stream takes the same bytes", async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const saved = saveTorchFile(writable, { x: zeros([3]) });
    const bytes = new Uint8Array(await new Response(readable as BodyInit).arrayBuffer());
    await saved;
    assertEquals(bytes, writeTorchFile({ x: zeros([3]) }));
  });

  fact(
    ["CKPT-13"],
    "what has no place in such a file is refused, and where it stands is said",
    () => {
      const refuse = (value: unknown, reason: string) =>
        assertThrows(() => writeTorchFile(value as TorchWritable), CheckpointError, reason);
      const self: unknown[] = [];
      self.push(self);
      let deep: unknown = 1;
      for (let k = 0; k <= 100; k++) deep = [deep];
      refuse(undefined, "the value cannot be saved: it is undefined");
      refuse({ a: [1, () => 1] }, '"a" → 1 cannot be saved: it is a function');
      refuse({ a: { b: undefined } }, '"a" → "b" cannot be saved: it is undefined');
      refuse([new Float32Array(2)], "0 cannot be saved: it is a typed array; tensor(x) makes");
      refuse({ at: new Date(0) }, '"at" cannot be saved: it is an object of "Date"');
      refuse({ at: new Set([1]) }, '"at" cannot be saved: it is an object of "Set"');
      refuse([new TorchObject("set")], "0 cannot be saved: it is <set>, which was not loaded");
      refuse(self, "0 cannot be saved: it contains itself");
      refuse(deep, "it nests more than 100 deep");
      refuse("a\ud800", "half a surrogate pair");
      refuse(2n ** 2040n, "an integer of more than 255 bytes");
      refuse(new Map<unknown, unknown>([[1, 2], [true, 3]]), "two of its keys are one in Python");
      refuse(new Map([[[1], 2]]), "a dict's key is an object");
      refuse(new StoredTensor("float4", [2], new Uint8Array(1)), "PyTorch has no float4");
      assertEquals(readTorchFile(writeTorchFile([2n ** 2039n - 1n, -(2n ** 2039n)])), [
        2n ** 2039n - 1n,
        -(2n ** 2039n),
      ]);
    },
  );
});
