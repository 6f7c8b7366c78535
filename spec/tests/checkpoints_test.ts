/** Chapter checkpoints: files from Python in, the same files out, and models from their weights. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { goldenFile } from "../../lib/conformance/mod.ts";
import {
  CheckpointError,
  constructModule,
  detectModules,
  Embedding,
  GRU,
  GRUCell,
  LayerNorm,
  Linear,
  loadCheckpoint,
  LSTM,
  LSTMCell,
  modelFromStateDict,
  type Module,
  readCheckpoint,
  readSafetensors,
  RNN,
  RNNCell,
  saveSafetensors,
  selectPrefix,
  Sequential,
  SimpleRNN,
  stateDictOf,
  storedStateDictOf,
  StoredTensor,
  stripPrefix,
  tensor,
  writeSafetensors,
  zeros,
} from "../../mod.ts";
import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import { bytesOf } from "../../scripts/adapters/checkpoints.ts";
import { inspect } from "../../scripts/inspect.ts";
import { summarise } from "../../scripts/inspect/tensor.ts";
import { describe, fact, law } from "./law.ts";

const torch = goldenFile("checkpoints/torch.json").cases;
const safetensors = goldenFile("checkpoints/safetensors.json").cases;

/** The bytes of a golden checkpoint. */
function golden(id: string): Uint8Array {
  const found = [...torch, ...safetensors].find((one) => one.id === `checkpoints/${id}`);
  if (!found?.request.file) throw new Error(`there is no golden checkpoint ${id}`);
  return bytesOf(found.request.file);
}

const all = (id: string) => storedStateDictOf(parseCheckpoint(golden(id)).value);

/** A stream of small pieces. */
function stream(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.slice(at, at += size));
    },
  });
}

describe("checkpoints: sources", () => {
  fact(["CKPT-1"], "bytes, buffers, blobs, streams and addresses give the same", async () => {
    for (const id of ["torch/state-dict", "safetensors/plain"]) {
      const bytes = golden(id);
      const wanted = await loadCheckpoint(bytes);
      const odd = new Uint8Array(bytes.length + 1); // one byte off every alignment
      odd.set(bytes, 1);
      const address = `data:application/octet-stream;base64,${btoa(String.fromCharCode(...bytes))}`;
      const buffer = bytes.slice().buffer;
      const blob = new Blob([buffer]);
      const sources = [buffer, blob, stream(bytes, 7), address, new URL(address), odd.subarray(1)];
      for (const source of sources) assertEquals(await loadCheckpoint(source), wanted);
    }
  });

  fact(["CKPT-1"], "what is no checkpoint is refused, with the name of the source", async () => {
    await assertRejects(
      () => loadCheckpoint("data:,hello"),
      CheckpointError,
      "data:…: neither a safetensors file nor one of torch.save",
    );
    await assertRejects(() => loadCheckpoint(stream(new Uint8Array(), 1)), Error, "file is empty");
    await assertRejects(() => loadCheckpoint(3 as never), TypeError, "a path, a URL, bytes");
  });

  fact(["CKPT-3"], "what goes out through a stream is what is written at once", async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const state = new LSTM(3, 4).stateDict();
    const saved = saveSafetensors(writable, state, { metadata: { format: "pt" } });
    const bytes = new Uint8Array(await new Response(readable as BodyInit).arrayBuffer());
    await saved;
    assertEquals(bytes, writeSafetensors(state, { metadata: { format: "pt" } }));
    assertEquals((await readCheckpoint(bytes)).metadata, { format: "pt" });
  });
});

describe("checkpoints: safetensors", () => {
  for (const { id, request: { file } } of safetensors) {
    fact(["CKPT-2", "CKPT-3"], `${id} is written again byte for byte`, () => {
      const bytes = bytesOf(file!);
      const { metadata, tensors } = readSafetensors(bytes);
      assertEquals(writeSafetensors(new Map([...tensors].reverse()), { metadata }), bytes);
    });
  }

  fact(["CKPT-2"], "aligned tensors are views on the file", () => {
    const bytes = golden("safetensors/run-lstm").slice();
    for (const tensor of readSafetensors(bytes).tensors.values()) {
      assert(tensor.toTensor().data.buffer === bytes.buffer);
    }
  });

  const letters = fc.constantFrom(...'abz.09_"\\/ \n\u0001\u007fé中\u2028\uffff', "😀");
  const names = fc.string({ unit: letters, maxLength: 12 })
    .filter((name) => name !== "__metadata__");
  const values = fc.array(fc.float(), { maxLength: 9 }).map((list) => tensor(list));
  law(
    ["CKPT-2", "CKPT-3"],
    "what is written comes back, under any names",
    fc.dictionary(names, values, { noNullPrototype: true }),
    (state) => {
      const bytes = writeSafetensors(state);
      assertEquals(bytes.length % 4, 0);
      const back = stateDictOf(parseCheckpoint(bytes).value);
      assertEquals(Object.keys(back).sort(), Object.keys(state).sort());
      for (const [name, { data }] of Object.entries(state)) assertEquals(back[name].data, data);
    },
  );

  fact(["CKPT-3", "CKPT-4"], "each dtype has the format's name for it", () => {
    const names = "BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ " +
      "I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64";
    const dtypes = "bool float4 float6_e2m3 float6_e3m2 uint8 int8 float8_e5m2 float8_e4m3fn " +
      "float8_e8m0fnu float8_e4m3fnuz float8_e5m2fnuz int16 uint16 float16 bfloat16 int32 uint32 " +
      "float32 complex64 float64 int64 uint64";
    const file = writeSafetensors(
      new Map(
        dtypes.split(" ").map((dtype) => {
          const bits = dtype === "bool" ? 8 : Number(/\d+/.exec(dtype));
          const bytes = new Uint8Array(4 * bits / 8);
          return [dtype, new StoredTensor(dtype as StoredTensor["dtype"], [4], bytes)];
        }),
      ),
    );
    const header = new TextDecoder().decode(file);
    const written = [...header.matchAll(/"([a-z0-9_]+)":{"dtype":"([A-Z0-9_]+)"/g)];
    assertEquals(written.map(([, , name]) => name).reverse().join(" "), names);
    assertEquals(written.map(([, dtype]) => dtype).reverse().join(" "), dtypes);
    const { tensors } = readSafetensors(file);
    assertEquals([...tensors.values()].map((one) => one.dtype).reverse().join(" "), dtypes);
  });

  fact(["CKPT-3"], "what the format cannot hold is refused", () => {
    const refuse = (state: Record<string, StoredTensor>, reason: string, metadata?: object) =>
      assertThrows(
        () => writeSafetensors(state, { metadata: metadata as Record<string, string> }),
        CheckpointError,
        reason,
      );
    const one = StoredTensor.from(zeros([1]));
    refuse({ "__metadata__": one }, "cannot name a tensor");
    refuse({ "\ud800": one }, "cannot name a tensor");
    refuse({ a: new StoredTensor("complex128", [1], new Uint8Array(16)) }, "is complex128");
    refuse({ a: one }, "must be text", { a: 1 });
    refuse({ a: one }, "must be text", { "\ud800": "x" });
    refuse({ a: one }, "must be text", { a: "x\udc00" });
  });
});

describe("checkpoints: tensors", () => {
  fact(["CKPT-4"], "float32, float64, bool and int64 load, the rest is refused by name", () => {
    for (const { id } of torch.filter(({ id }) => id.includes("/dtype-"))) {
      const dtype = id.split("/dtype-")[1];
      const value = parseCheckpoint(golden(id.replace("checkpoints/", ""))).value;
      if (["float32", "float64", "bool", "int64"].includes(dtype)) {
        assertEquals(stateDictOf(value).x.dtype, dtype);
        continue;
      }
      assertThrows(() => stateDictOf(value), CheckpointError, `tensor "x": dtype ${dtype} is`);
      if (dtype.endsWith("float16")) {
        assertEquals(stateDictOf(value, { widen: true }).x.dtype, "float32");
      }
    }
  });

  fact(["CKPT-4"], "every float16 and bfloat16 widens exactly", () => {
    const bits = Uint16Array.from({ length: 65536 }, (_, k) => k);
    const bytes = new Uint8Array(bits.buffer);
    const halves = new StoredTensor("float16", [65536], bytes).values();
    const brains = new StoredTensor("bfloat16", [65536], bytes).values();
    const upper = new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer);
    for (const half of bits) {
      const [exponent, fraction] = [(half >> 10) & 31, half & 1023];
      const magnitude = exponent === 31
        ? (fraction ? NaN : Infinity)
        : exponent
        ? (1 + fraction / 1024) * 2 ** (exponent - 15)
        : fraction * 2 ** -24;
      const wanted = half & 0x8000 ? -magnitude : magnitude;
      assert(Object.is(halves[half], wanted), `float16 ${half}: ${halves[half]}, not ${wanted}`);
      assert(Object.is(brains[half], upper[half]), `bfloat16 ${half}`);
    }
  });

  fact(["CKPT-7"], "names of one storage share it; a tensor's copy is its own", () => {
    const bytes = golden("torch/tied").slice();
    const { "encoder.weight": a, "decoder.weight": b, other } = stateDictOf(
      parseCheckpoint(bytes).value,
    );
    assert(a.data.buffer === b.data.buffer && a.data.byteOffset === b.data.byteOffset);
    assert(a.data.byteOffset !== other.data.byteOffset);
    const { transposed, whole } = all("torch/views");
    assert(whole.isView && !transposed.isView);
    assertEquals(transposed.shape, [6, 4]);
  });

  fact(["CKPT-7"], "a layout beyond its storage is refused", () => {
    const bytes = new Uint8Array(16);
    const reach = (shape: number[], layout: object) => () =>
      new StoredTensor("float32", shape, bytes, layout);
    reach([2, 2], {})();
    reach([2], { strides: [3] })();
    for (
      const wrong of [reach([5], {}), reach([2], { strides: [4] }), reach([1], { byteOffset: 13 })]
    ) {
      assertThrows(wrong, Error, "reaches beyond the 16 bytes of its storage");
    }
  });
});

describe("checkpoints: parts", () => {
  const { value } = parseCheckpoint(golden("torch/optimiser"));

  fact(["CKPT-8"], "a checkpoint with an optimiser gives its model's weights", () => {
    const model = new SimpleRNN(2, 3, 1);
    model.loadStateDict(stateDictOf(value, { at: "model_state_dict" }));
    model.rnn.loadStateDict(stateDictOf(value, { at: ["model_state_dict"], prefix: "rnn." }));
    const steps = storedStateDictOf(value, { at: ["optimizer_state_dict", "state", 0] });
    assertEquals([...steps.step.values()], [2]);
  });

  fact(["CKPT-8"], "what is not there is told, with what there is", () => {
    const refuse = (reason: string, options?: object) =>
      assertThrows(() => stateDictOf(value, options), CheckpointError, reason);
    refuse('a dict of "epoch" (a number), "model_state_dict" (6 tensors), "optimizer_state_dict"');
    refuse('the checkpoint has no "model"; it is a dict of "epoch"', { at: "model" });
    refuse('"epoch" is no state_dict but a number', { at: "epoch" });
    refuse('"history" is no state_dict but a list of 4', { at: "history" });
    refuse('no name begins with "lstm."; names begin with "rnn.", "fc."', {
      at: "model_state_dict",
      prefix: "lstm.",
    });
  });

  fact(["CKPT-8"], "prefixes come off", () => {
    const state = { "module.a": 1, "module.b.c": 2, d: 3 };
    assertEquals(selectPrefix(state, "module."), { a: 1, "b.c": 2 });
    assertEquals(stripPrefix(state, "module."), { a: 1, "b.c": 2, d: 3 });
    assertThrows(() => stripPrefix({ "module.a": 1, a: 2 }, "module."), Error, 'two "a"');
  });

  fact(["CKPT-9"], "all that does not fit is told at once, and nothing is changed", () => {
    const model = new SimpleRNN(2, 4, 1);
    const before = writeSafetensors(model.stateDict());
    const state = stateDictOf(value, { at: "model_state_dict" });
    const { "fc.bias": _, ...rest } = state;
    const error = assertThrows(() => model.loadStateDict({ ...rest, extra: zeros([1]) }), Error);
    for (const part of ['Missing key(s) in state_dict: "fc.bias"', '"extra"', "rnn.weight_hh_l0"]) {
      assert(error.message.includes(part), error.message);
    }
    assertEquals(error.message.match(/size mismatch/g)?.length, 5);
    assertEquals(writeSafetensors(model.stateDict()), before);
  });
});

describe("checkpoints: a model from its weights", () => {
  const sizes = fc.integer({ min: 1, max: 4 });
  const configs = fc.record({
    kind: fc.constantFrom("RNN", "LSTM", "GRU"),
    inputSize: sizes,
    hiddenSize: fc.integer({ min: 2, max: 4 }),
    numLayers: fc.integer({ min: 1, max: 3 }),
    bidirectional: fc.boolean(),
    bias: fc.boolean(),
    batchFirst: fc.boolean(),
    projSize: fc.integer({ min: 0, max: 1 }),
  });
  law(["CKPT-10"], "any recurrent module is found again", configs, (config) => {
    const { kind, inputSize, hiddenSize, projSize, ...options } = config;
    const { batchFirst } = options;
    const module = kind === "RNN"
      ? new RNN(inputSize, hiddenSize, options)
      : kind === "GRU"
      ? new GRU(inputSize, hiddenSize, options)
      : new LSTM(inputSize, hiddenSize, { ...options, projSize });
    const { model, assumed } = modelFromStateDict(module.stateDict(), { batchFirst });
    assertEquals(String(model), String(module));
    assertEquals(model.stateDict(), module.stateDict());
    assertEquals(assumed.includes('nonlinearity "tanh"'), kind === "RNN");
    assertEquals(assumed.includes("batch_first False"), false);
    const [{ parameters }] = detectModules(module.stateDict()).modules;
    assertEquals(parameters, module.parameters().reduce((sum, x) => sum + x.numel(), 0));
  });

  fact(["CKPT-10"], "cells, a Linear and the notebook's model are found, too", () => {
    const modules = [
      new RNNCell(2, 3, { bias: false }),
      new LSTMCell(2, 3),
      new GRUCell(2, 3),
      new Linear(2, 3),
      new Linear(2, 3, { bias: false }),
      new SimpleRNN(2, 3, 2),
    ];
    for (const module of modules) {
      assertEquals(String(modelFromStateDict(module.stateDict()).model), String(module));
    }
    const [cell] = detectModules(new RNNCell(2, 3).stateDict()).modules;
    assertEquals(
      String(constructModule(cell, { nonlinearity: "relu" })),
      "RNNCell(2, 3, nonlinearity=relu)",
    );
  });

  fact(["CKPT-10"], "tables and norms are told from what else they might be", () => {
    const kinds = (parts: Record<string, Module>) =>
      detectModules(new Sequential(parts).stateDict()).modules.map(({ kind }) => kind).join(" ");
    const bare = (inputs: number, outputs: number) => new Linear(inputs, outputs, { bias: false });
    const gru = new GRU(3, 4);
    assertEquals(kinds({ a: new Embedding(9, 3), gru }), "Embedding GRU"); // 9 rows of 3
    assertEquals(kinds({ gru, a: new Embedding(9, 3) }), "GRU Linear"); // nothing reads it
    assertEquals(kinds({ a: bare(9, 3), gru }), "Linear GRU"); // 3 rows of 9
    assertEquals(kinds({ a: bare(3, 3), gru }), "Linear GRU"); // it may be either
    assertEquals(kinds({ embed: new Embedding(3, 3), gru }), "Embedding GRU");
    assertEquals(kinds({ a: new Linear(3, 9), gru }), "Linear GRU"); // a table has no bias
    assertEquals(kinds({ gru, tied_emb: bare(4, 9) }), "GRU Embedding");
    assertEquals(
      kinds({ norm: new LayerNorm(4), plain: new LayerNorm(4, { bias: false }) }),
      [
        "LayerNorm LayerNorm",
      ].join(" "),
    );
    const batch = { "bn.weight": zeros([4]), "bn.running_mean": zeros([4]), "bn.bias": zeros([4]) };
    assertEquals(detectModules(batch), {
      modules: [],
      others: ["bn.running_mean", "bn.weight", "bn.bias"],
    });
    for (const module of [new LayerNorm(4), new LayerNorm(4, { bias: false })]) {
      assertEquals(String(modelFromStateDict(module.stateDict()).model), String(module));
    }
    const [table] = detectModules({ "emb.weight": zeros([9, 3]) }).modules;
    assertEquals(String(constructModule(table)), "Embedding(9, 3)");
    assertEquals([table.parameters, table.multiplyAdds], [27, 0]);
  });

  fact(["CKPT-10"], "one layer of the LSTM costs its two products", () => {
    const [lstm] = detectModules(new LSTM(3, 4, { bidirectional: true }).stateDict()).modules;
    assertEquals(lstm.multiplyAdds, 2 * 16 * (3 + 4));
  });

  fact(["CKPT-10"], "weights that fit no module are refused", () => {
    const { weight_hh_l0, ...rest } = new GRU(3, 4).stateDict();
    const refuse = (state: Parameters<typeof modelFromStateDict>[0], reason: string) =>
      assertThrows(() => modelFromStateDict(state), CheckpointError, reason);
    refuse(rest, "weight_hh_l0 is missing");
    refuse({ ...rest, weight_hh_l0: zeros([12, 5]) }, "neither 1, 3 nor 4 gates");
    refuse({ ...rest, weight_hh_l0, weight_ih_l2: zeros([1, 1]) }, "weight_ih_l2 is one too many");
    refuse({ ...rest, weight_hh_l0, bias_hh_l0: zeros([11]) }, "bias_hh_l0 has shape (11)");
    refuse({ "conv.weight": zeros([4, 1, 1]) }, 'not that of one module: "conv.weight"');
    refuse({ "norm.weight": zeros([4]) }, 'not that of one module: LayerNorm under "norm."');
    refuse(
      { "a.weight": zeros([4, 4]), "b.weight": zeros([4, 4]) },
      'Linear under "a.", Linear under "b."; selectPrefix takes the weights of one',
    );
    refuse({}, "it is empty");
  });
});

describe("checkpoints: what inspect shows", () => {
  fact(["CKPT-10"], "every golden checkpoint can be shown", () => {
    for (const { id, request } of [...torch, ...safetensors]) {
      const text = inspect(id, parseCheckpoint(bytesOf(request.file!)));
      assert(text.startsWith(id) && !/undefined|\[object/.test(text), text);
      // deno-lint-ignore no-control-regex -- a name must not speak to the terminal
      assert(!/[\u0000-\u0009\u000b-\u001f\u007f]/.test(text), JSON.stringify(text));
    }
  });

  fact(["CKPT-10"], "weights are shown with their module and its cost", () => {
    const text = inspect("x.pt", parseCheckpoint(golden("torch/optimiser")));
    for (
      const part of [
        "epoch: 2",
        "At model_state_dict:",
        "rnn: RNN(2, 3)",
        "21 parameters, 15 multiply-adds for each time step",
        'nonlinearity "tanh", batch_first False',
        "fc: Linear(in_features=3, out_features=1, bias=True)",
        "together 18 multiply-adds",
        "At optimizer_state_dict → state → 0:",
      ]
    ) assert(text.includes(part), `${part}\n${text}`);
  });

  fact(["CKPT-10"], "the picture of a distribution", () => {
    const { picture, range, odd } = summarise([0, 0, 0, 0, 1, NaN]);
    assertEquals(picture, `█${" ".repeat(18)}▂`);
    assertEquals([range, odd], ["0 … 1", "1 not finite"]);
    assertEquals(summarise([2, 2]).picture, "all the same");
  });
});
