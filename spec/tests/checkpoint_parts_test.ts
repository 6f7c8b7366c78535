/** Chapter checkpoints: what a file is told to be, which part of it is wanted, where it comes from. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CheckpointError,
  loadCheckpoint,
  readCheckpoint,
  saveSafetensors,
  selectPrefix,
  stateDictOf,
  storedStateDictOf,
  StoredTensor,
  stripPrefix,
  tensor,
  TorchObject,
  type TorchValue,
  writeSafetensors,
} from "../../mod.ts";
import { parse } from "../../lib/checkpoints/checkpoint.ts";
import { parseCheckpoint, writeTorchFile } from "../../lib/checkpoints/mod.ts";
import { looksLikeOnnx } from "../../lib/checkpoints/onnx_file.ts";
import { quote } from "../../lib/checkpoints/refuse.ts";
import { beside, joined, readSource, sourceName } from "../../lib/checkpoints/source.ts";
import { describe, fact } from "./law.ts";

const w = StoredTensor.from(tensor([1, 2]));

/** Each call and the whole of its message. */
function refuse(...cases: readonly (readonly [() => unknown, string])[]) {
  for (const [call, reason] of cases) {
    assertEquals(assertThrows(call, CheckpointError, undefined, reason).message, reason);
  }
}

describe("checkpoints: what a file is", () => {
  fact(["CKPT-1"], "a file is told by its first bytes", () => {
    const empty = writeSafetensors({});
    assertEquals(parseCheckpoint(empty), {
      format: "safetensors",
      value: new Map(),
      metadata: null,
    });
    const torch = parseCheckpoint(writeTorchFile([1]));
    assertEquals(torch, { format: "torch", value: [1], metadata: null });
    const neither = "neither a safetensors file nor one of torch.save (PyTorch 1.6 or later)";
    const onnx = [8, 9, 0x12, 7, 0x70, 0x79];
    const bytes = (...values: number[]) => () => parseCheckpoint(Uint8Array.from(values));
    refuse(
      [bytes(), "the file is empty"],
      [bytes(0x80, 2), "a file of torch.save before PyTorch 1.6; load it there and save it again"],
      [bytes(0x80, 3), neither],
      [bytes(0x81, 2), neither],
      [bytes(0x80), neither],
      [bytes(0x50, 0x4b, 3, 5), neither],
      [bytes(0x50, 0x4b, 4, 4), neither],
      [bytes(0x50, 0x4c, 3, 4), neither],
      [bytes(0x51, 0x4b, 3, 4), neither],
      [bytes(0), neither],
      [bytes(...onnx), "an ONNX file, whose weights readCheckpoint and loadCheckpoint read"],
    );
    const four = Uint8Array.of(0x50, 0x4b, 3, 4);
    assertEquals(parse(four, (bytes) => bytes.length).value, 4);
  });

  fact(["CKPT-1"], "an ONNX file begins with a version and another field", () => {
    const like = (...bytes: number[]) => looksLikeOnnx(Uint8Array.from(bytes));
    const tags: number[] = [];
    const versions: number[] = [];
    const firsts: number[] = [];
    for (let byte = 0; byte < 256; byte++) {
      if (like(8, 1, byte, 1, 1)) tags.push(byte);
      if (like(8, byte, 0x12, 0, 1)) versions.push(byte);
      if (like(byte, 1, 0x12, 0, 1)) firsts.push(byte);
    }
    assertEquals(tags, [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72]);
    assertEquals([versions.length, versions[0], versions.at(-1)], [127, 1, 127]);
    assertEquals(firsts, [8]);
    // The length of a safetensors file has zeros there.
    assert(
      !like(8, 1, 0x12, 1) && !like(8, 1, 0x12, 1, 0, 0, 0, 0) &&
        !like(8, 1, 0x12, 1, 0, 0, 0, 0, 1),
    );
    for (const at of [4, 5, 6, 7]) assert(like(...[8, 1, 0x12, 0, 0, 0, 0, 0, 0].with(at, 1)));
  });

  fact(["CKPT-1", "CKPT-5"], "names in messages are cut and have no control characters", () => {
    assertEquals(quote("a".repeat(80)), `"${"a".repeat(80)}"`);
    assertEquals(quote("a".repeat(81)), `"${"a".repeat(79)}…"`);
    assertEquals(quote('"\n\x7f\x9f\xa0\u2028\u2029'), '"\\"\\n\\u007f\\u009f\xa0\\u2028\\u2029"');
  });
});

describe("checkpoints: which part", () => {
  const value: TorchValue = new Map<string | number | null, TorchValue>([
    ["epoch", 3],
    ["model", new Map<string | number, TorchValue>([["a.w", w], ["a.n", 4], [5, w]])],
    ["list", [new Map([["w", w]]), "x"]],
    [null, new Map([[1, new Map([["w", w]])]])],
  ]);
  const names = (...at: (string | number)[]) => Object.keys(storedStateDictOf(value, { at }));

  fact(["CKPT-8"], "keys of dicts and places in lists lead to a state_dict", () => {
    assertEquals(names("list", 0), ["w"]);
    assertEquals(names("list", "0"), ["w"]);
    assertEquals(Object.keys(storedStateDictOf(value, { at: "model", tensorsOnly: true })), [
      "5",
      "a.w",
    ]);
    assertEquals(storedStateDictOf(value, { at: "model", prefix: "a.", tensorsOnly: true }), { w });
    assertEquals(stateDictOf(value, { at: ["list", 0] }).w.tolist(), [1, 2]);
    assertEquals(Object.keys(storedStateDictOf(value, { tensorsOnly: true })), []);
    assertEquals(Object.keys(storedStateDictOf(new Map())), []);
  });

  fact(["CKPT-8"], "what is there instead is told", () => {
    const of = (value: TorchValue, options?: object) => () => storedStateDictOf(value, options);
    const whole = 'a dict of "epoch" (a number), "model" (3 entries), "list" (a list of 2), ' +
      "None (1 entry)";
    const other = (inner: TorchValue) => of(new Map([["x", inner]]));
    const is = (what: string) =>
      `the checkpoint is no state_dict but a dict of "x" (${what}); "x" is ${what} ` +
      "(tensorsOnly: true passes over it)";
    const module = new TorchObject("nets.Tagger", 3);
    module.isModule = true;
    const many = (count: number) =>
      new Map(Array.from({ length: count }, (_, k) => [k, k] as const));
    const shown = Array.from({ length: 8 }, (_, k) => `${k} (a number)`).join(", ");
    const over = '; "0" is a number (tensorsOnly: true passes over it)';
    refuse(
      [of(value), `the checkpoint is no state_dict but ${whole}; say which part with { at: … }`],
      [of(value, { at: "x" }), `the checkpoint has no "x"; it is ${whole}`],
      [of(value, { at: ["list", 2] }), 'the checkpoint → "list" has no 2; it is a list of 2'],
      [of(value, { at: ["list", 1] }), 'the checkpoint → "list" → 1 is no state_dict but text'],
      [of(value, { at: ["epoch", "y"] }), 'the checkpoint → "epoch" has no "y"; it is a number'],
      [of(value, { at: "epoch" }), '"epoch" is no state_dict but a number'],
      [
        of(value, { at: "model" }),
        '"model" is no state_dict but a dict of "a.w" (a tensor), "a.n" (a number), 5 (a tensor); "a.n" is a number (tensorsOnly: true passes over it)',
      ],
      [
        of(value, { at: "model", prefix: "a." }),
        '"model" is no state_dict but a dict of "a.w" (a tensor), "a.n" (a number), 5 (a tensor); "n" is a number (tensorsOnly: true passes over it)',
      ],
      [of(null), "the checkpoint is no state_dict but None"],
      [of(true), "the checkpoint is no state_dict but a boolean"],
      [of(2n ** 60n), "the checkpoint is no state_dict but a bigint"],
      [of("x"), "the checkpoint is no state_dict but text"],
      [of(w), "the checkpoint is no state_dict but a tensor"],
      [of([]), "the checkpoint is no state_dict but a list of 0"],
      [of(new TorchObject("set")), "the checkpoint is no state_dict but an object of set"],
      [
        of(module),
        "the checkpoint is no state_dict but a whole model, an object of nets.Tagger; in PyTorch, torch.save(model.state_dict(), …) writes its weights",
      ],
      [other(null), is("None")],
      [other("text"), is("text")],
      [
        of(new Map([["x", new Map()]]), { at: ["x", "y"] }),
        'the checkpoint → "x" has no "y"; it is an empty dict',
      ],
      [
        of(new Map([["x", new Map([["w", w]])]])),
        'the checkpoint is no state_dict but a dict of "x" (1 tensor); say which part with { at: … }',
      ],
      [
        of(new Map([["x", new Map([["v", w], ["w", w]])]])),
        'the checkpoint is no state_dict but a dict of "x" (2 tensors); say which part with { at: … }',
      ],
      [
        of(new Map([["x", new Map()]])),
        'the checkpoint is no state_dict but a dict of "x" (0 entries); say which part with { at: … }',
      ],
      [
        of(new Map([["y", new Map([["x", new Map()]])]]), { at: "y" }),
        '"y" is no state_dict but a dict of "x" (0 entries); "x" is 0 entries (tensorsOnly: true passes over it)',
      ],
      [of(many(8)), `the checkpoint is no state_dict but a dict of ${shown}${over}`],
      [of(many(9)), `the checkpoint is no state_dict but a dict of ${shown}, …${over}`],
      [
        of(new Map<string | number, TorchValue>([["1", w], [1, w]])),
        'the checkpoint has two keys that would both be named "1"',
      ],
      [
        () => stateDictOf(new Map([["h", new StoredTensor("int8", [1], new Uint8Array(1))]])),
        'tensor "h": dtype int8 is none of "float32", "float64", "int64" or "bool"',
      ],
    );
  });

  fact(["CKPT-8"], "names and what stands before them", () => {
    const state = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, k) => [`m${k}.w.x`, k]));
    const heads = Array.from({ length: 8 }, (_, k) => `"m${k}."`).join(", ");
    refuse(
      [() => selectPrefix({}, "a."), 'no name begins with "a."; there are no names'],
      [() => selectPrefix(state(8), "a."), `no name begins with "a."; names begin with ${heads}`],
      [
        () => selectPrefix(state(9), "a."),
        `no name begins with "a."; names begin with ${heads}, …`,
      ],
      [
        () => selectPrefix({ "b.c": 1, "b.d": 2, e: 3, ".f": 4 }, "a"),
        'no name begins with "a"; names begin with "b.", "e", "."',
      ],
      [() => stripPrefix({ b: 1, "a.b": 2 }, "a."), 'without "a." there would be two "b"'],
    );
    assertEquals(selectPrefix({ "a.b": 1, b: 2 }, "a."), { b: 1 });
    assertEquals(stripPrefix({ "a.b": 1, "a.a.c": 2 }, "a."), { b: 1, "a.c": 2 });
  });
});

describe("checkpoints: where a file is", () => {
  fact(["CKPT-1"], "a source has a name in messages where it has one", () => {
    const response = new Response("");
    Object.defineProperty(response, "url", { value: "https://a/b" });
    assertEquals(sourceName("a/b.pt"), "a/b.pt");
    assertEquals(sourceName(new URL("https://a/b")), "https://a/b");
    assertEquals(sourceName(response), "https://a/b");
    assertEquals(sourceName("data:,abc"), "data:…");
    assertEquals(sourceName(new URL("data:,abc")), "data:…");
    for (const none of ["", new Response(""), new Uint8Array(), new Blob()]) {
      assertEquals(sourceName(none), null);
    }
  });

  fact(["CKPT-14"], "a file beside another is found from its path or address", () => {
    const response = new Response("");
    Object.defineProperty(response, "url", { value: "https://a/b/c.onnx?d" });
    assertEquals(String(beside(response, "e f/g")), "https://a/b/e%20f/g");
    assertEquals(String(beside(new URL("https://a/b/c"), "#d")), "https://a/b/%23d");
    assertEquals(String(beside("file:///a/b", "c")), "file:///a/c");
    assertEquals(beside("a/b.onnx", "c d/e"), "a/c d/e");
    assertEquals(beside("a\\b.onnx", "c"), "a\\c");
    assertEquals(beside("b.onnx", "c"), "c");
    const reason = 'a part of it is in the file "c": give a path or an address';
    refuse(
      [() => beside("", "c"), reason],
      [() => beside(new Response(""), "c"), reason],
      [() => beside(new Uint8Array(), "c"), reason],
    );
  });

  fact(
    ["CKPT-1"],
    "pieces of a stream are put together, and other than bytes refused",
    async () => {
      const stream = (...pieces: unknown[]) => {
        let canceled = false;
        const readable = new ReadableStream<Uint8Array>({
          pull(controller) {
            if (pieces.length) controller.enqueue(pieces.shift() as Uint8Array);
            else controller.close();
          },
          cancel() {
            canceled = true;
          },
        }, { highWaterMark: 0 });
        return { readable, canceled: () => canceled };
      };
      const [one, two] = [Uint8Array.of(1, 2), Uint8Array.of(3)];
      assert(await readSource(stream(one).readable) === one);
      assertEquals(await readSource(stream(one, two, one).readable), Uint8Array.of(1, 2, 3, 1, 2));
      assertEquals(await readSource(stream().readable), new Uint8Array());
      const wrong = stream(one, "text", two);
      const other = () => readSource(wrong.readable);
      await assertRejects(other, TypeError, "a stream of something else than bytes");
      assert(wrong.canceled());
      assertEquals(joined([]), new Uint8Array());
      const refused = new Response(stream(one, two).readable as BodyInit, { status: 500 });
      await assertRejects(() => readSource(refused), CheckpointError, "the server answered 500 ");
      const empty = new Response(null, { status: 404, statusText: "Gone" });
      await assertRejects(() => readSource(empty), CheckpointError, "the server answered 404 Gone");
      const url = "a checkpoint is a path, a URL, bytes, a Blob, a Response or a stream of bytes";
      for (const none of [3, null, undefined, {}, []]) {
        await assertRejects(() => readSource(none as never), TypeError, url);
      }
    },
  );

  fact(["CKPT-1"], "the name of the source stands before what is wrong with the file", async () => {
    const address = "data:,x";
    const fails = async (call: () => Promise<unknown>, reason: string) => {
      const error: Error = await assertRejects(call, CheckpointError);
      assertEquals(error.message, reason);
    };
    const neither = "neither a safetensors file nor one of torch.save (PyTorch 1.6 or later)";
    await fails(() => loadCheckpoint(address), `data:…: ${neither}`);
    await fails(() => readCheckpoint(new Uint8Array(3)), neither);
    const file = writeSafetensors({ w: tensor([1]) });
    const there = `data:;base64,${btoa(String.fromCharCode(...file))}`;
    await fails(
      () => loadCheckpoint(there, { prefix: "a." }),
      'data:…: no name begins with "a."; names begin with "w"',
    );
    assertEquals((await readCheckpoint(there)).format, "safetensors");
    assertEquals((await readCheckpoint(writeTorchFile(null))).format, "torch");
  });

  fact(["CKPT-3", "CKPT-13"], "a stream that fails is not closed as if it were whole", async () => {
    const seen: string[] = [];
    const writable = new WritableStream<Uint8Array>({
      write: () => {
        throw new Error("full");
      },
      close: () => void seen.push("closed"),
      abort: () => void seen.push("aborted"),
    });
    await assertRejects(() => saveSafetensors(writable, { w: tensor([1]) }), Error, "full");
    assertEquals(seen, []);
    const whole: (number | string)[] = [];
    const target = new WritableStream<Uint8Array>({
      write: ({ length }) => void whole.push(length),
      close: () => void whole.push("closed"),
      abort: () => void whole.push("aborted"),
    });
    await saveSafetensors(target, { w: tensor([1, 2]), v: tensor([1]) });
    assertEquals(whole.slice(1), [4, 8, "closed"]);
    const aborted: unknown[] = [];
    const refusing = new WritableStream<Uint8Array>({ abort: (error) => void aborted.push(error) });
    const wrong = { w: new StoredTensor("complex32", [1], new Uint8Array(4)) };
    const error = await assertRejects(() => saveSafetensors(refusing, wrong), CheckpointError);
    assertEquals(aborted, [error]);
  });
});
