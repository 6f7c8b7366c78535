/** The weights of ONNX files, loaded as checkpoints. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  CheckpointError,
  detectModules,
  GRU,
  Linear,
  loadCheckpoint,
  LSTM,
  type OnnxLayer,
  readCheckpoint,
  RNN,
  type StateDict,
  Tensor,
  toOnnx,
  transpose,
  zeros,
} from "../../mod.ts";
import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import type { WireField } from "../../lib/onnx/mod.ts";
import { describe, it } from "./law.ts";
import { attribute, Graph } from "./onnx_graph.ts";

const prefixed = (prefix: string, state: StateDict) =>
  Object.fromEntries(Object.entries(state).map(([name, x]) => [prefix + name, x]));

/** Names and numbers; the order of modules is the file's. */
const plain = (state: StateDict) =>
  Object.fromEntries(
    Object.entries(state).map(([name, { data, shape }]) => [name, [[...shape], data]]).sort(),
  );

describe("weights of ONNX files", () => {
  it("CKPT-14: a stack and a Linear are named as in PyTorch, and found again", async () => {
    for (const kind of [LSTM, GRU]) {
      for (const bidirectional of [false, true]) {
        const layer = new kind(3, 4, { numLayers: 3, bidirectional });
        const fc = new Linear(bidirectional ? 8 : 4, 2);
        const graph = new Graph();
        let x = "input";
        toOnnx(layer.stateDict()).forEach((one, k) => {
          const y = graph.recurrent(one, x, `y${k}`, `/net/rnn/${one.opType}${k ? `_${k}` : ""}`);
          x = graph.node("Reshape", [graph.node("Transpose", [y], `t${k}`), "shape"], `x${k}`);
        });
        graph.constant("fc.weight", fc.weight);
        graph.constant("fc.bias", fc.bias!);
        const turned = attribute("transB", 2, [3, 1]);
        graph.node("Gemm", [x, "fc.weight", "fc.bias"], "out", "/fc/Gemm", turned);
        const state = await loadCheckpoint(graph.encode());
        assertEquals(
          plain(state),
          plain({ ...prefixed("net.rnn.", layer.stateDict()), ...prefixed("fc.", fc.stateDict()) }),
        );
        const [found] = detectModules(state).modules.filter(({ kind }) => kind !== "Linear");
        assertEquals([found.numLayers, found.bidirectional], [3, bidirectional]);
        const own = await loadCheckpoint(graph.encode(), { prefix: "net.rnn." });
        assertEquals(plain(own), plain(layer.stateDict()));
      }
    }
  });

  it("CKPT-14: a product with a transposed constant is a Linear", async () => {
    const [rnn, fc] = [new RNN(2, 3, { nonlinearity: "relu" }), new Linear(3, 2)];
    const graph = new Graph();
    const [layer] = toOnnx(rnn.stateDict());
    const x = graph.recurrent({ ...layer, activations: ["Relu"] }, "input", "y", "/rnn/RNN");
    const { data, shape } = transpose(fc.weight, 0, 1);
    graph.constant("onnx::MatMul_7", new Tensor(Float32Array.from(data), shape));
    graph.constant("fc.bias", fc.bias!);
    const product = graph.node("MatMul", [x, "onnx::MatMul_7"], "product", "/fc/MatMul");
    graph.node("Add", ["fc.bias", product], "out", "/fc/Add");
    assertEquals(
      plain(await loadCheckpoint(graph.encode())),
      plain({ ...prefixed("rnn.", rnn.stateDict()), ...prefixed("fc.", fc.stateDict()) }),
    );
  });

  it("CKPT-14: what is added in another shape is no bias", async () => {
    const graph = new Graph();
    graph.recurrent(toOnnx(new RNN(2, 3).stateDict())[0], "x", "y", "/rnn/RNN");
    graph.constant("w", zeros([3, 2]));
    graph.constant("fc.bias", zeros([1]));
    graph.node(
      "Add",
      [graph.node("MatMul", ["y", "w"], "product", "/fc/MatMul"), "fc.bias"],
      "out",
    );
    const names = Object.keys(await loadCheckpoint(graph.encode()));
    assertEquals(names.filter((name) => name.startsWith("fc.")), ["fc.weight"]);
  });

  it("CKPT-14: weights that are put together from constants have the constants' names", async () => {
    const rnn = new RNN(2, 3, { dtype: "float64" });
    const { weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 } = rnn.stateDict();
    const graph = new Graph();
    const axes = (name: string) => {
      const raw = new Uint8Array(BigInt64Array.of(0n).buffer);
      graph.fields.push([5, [[1, 1], [2, 7], [8, name], [9, raw]]]);
      return name;
    };
    axes("zero");
    const lifted = (name: string, x: Tensor) =>
      graph.node("Unsqueeze", [graph.constant(name, x), "zero"], `${name}_lifted`);
    const parts = [
      graph.constant("encoder.bias_ih_l0", bias_ih_l0),
      graph.constant("encoder.bias_hh_l0", bias_hh_l0),
    ];
    const both = graph.node("Concat", parts, "both", "", attribute("axis", 2, [3, 0]));
    const inputs = [
      "x",
      lifted("encoder.weight_ih_l0", weight_ih_l0),
      lifted("encoder.weight_hh_l0", weight_hh_l0),
      graph.node("Unsqueeze", [both, "zero"], "biases"),
    ];
    graph.node("RNN", inputs, "y", "node_rnn_3");
    const state = await loadCheckpoint(graph.encode());
    assertEquals(plain(state), plain(prefixed("encoder.", rnn.stateDict())));
    assertEquals(state["encoder.weight_ih_l0"].dtype, "float64");
  });

  it("CKPT-14: modules that do not read each other have names of their own", async () => {
    const [one, two] = [new LSTM(3, 3, { bias: false }), new LSTM(3, 3, { bias: false })];
    const layers = [one, two].map((lstm) => toOnnx(lstm.stateDict())[0]);
    const both = async (names: string[]) => {
      const graph = new Graph();
      layers.forEach((layer, k) => graph.recurrent(layer, "x", `y${k}`, names[k]));
      return Object.keys(await loadCheckpoint(graph.encode()));
    };
    const weights = ["weight_ih_l0", "weight_hh_l0"];
    const under = (...prefixes: string[]) =>
      prefixes.flatMap((prefix) => weights.map((name) => prefix + name));
    assertEquals(await both(["a", "b"]), under("a.", "b."));
    assertEquals(await both(["", ""]), under("lstm.", "lstm_1."));
    assertEquals(await both(["/net/LSTM", "/net/LSTM_1"]), under("net.", "net_1."));
  });

  it("CKPT-14: the module that PyTorch's newer exporter notes is the name", async () => {
    const lstm = new LSTM(2, 3);
    const noted = async (scopes: string) => {
      const graph = new Graph();
      graph.recurrent(toOnnx(lstm.stateDict())[0], "x", "y", "node_LSTM_7");
      const [place, node] = graph.fields.at(-1)!;
      const note: WireField = [9, [[1, "pkg.torch.onnx.name_scopes"], [2, scopes]]];
      graph.fields.splice(-1, 1, [place, [...node as WireField[], note]]);
      return Object.keys(await loadCheckpoint(graph.encode()))[0];
    };
    assertEquals(await noted("['', 'encoder', 'encoder.rnn', 'lstm']"), "encoder.rnn.weight_ih_l0");
    assertEquals(await noted("['', 'lstm']"), "weight_ih_l0");
    assertEquals(await noted("nothing"), "weight_ih_l0");
  });

  it("CKPT-14: numbers in another file are read from beside the model", async () => {
    const lstm = new LSTM(2, 3);
    const graph = new Graph();
    graph.recurrent(toOnnx(lstm.stateDict())[0], "x", "y");
    const [place, tensor] = graph.fields[0];
    const fields = tensor as WireField[];
    const raw = fields.find(([field]) => field === 9)![1] as Uint8Array;
    const elsewhere: WireField[] = [[13, [[1, "location"], [2, "weights.data"]]], [14, 1]];
    graph.fields[0] = [place, [...fields.filter(([field]) => field !== 9), ...elsewhere]];
    const file = graph.encode();
    await assertRejects(() => loadCheckpoint(file), CheckpointError, 'in the file "weights.data"');
    const { fetch } = globalThis;
    const asked: string[] = [];
    const bodies: Record<string, Uint8Array> = { "model.onnx": file, "weights.data": raw };
    globalThis.fetch = (input) => {
      asked.push(String(input));
      return Promise.resolve(new Response(bodies[asked.at(-1)!.split("/").at(-1)!] as BodyInit));
    };
    try {
      const state = await loadCheckpoint("https://example.com/a/model.onnx");
      assertEquals(plain(state), plain(lstm.stateDict()));
      assertEquals(asked, [
        "https://example.com/a/model.onnx",
        "https://example.com/a/weights.data",
      ]);
    } finally {
      globalThis.fetch = fetch;
    }
  });

  it("CKPT-14: what PyTorch's layers do not compute is refused by name", async () => {
    const refused = async (change: Partial<OnnxLayer>, reason: string) => {
      const graph = new Graph();
      const [layer] = toOnnx(new GRU(2, 3).stateDict());
      graph.recurrent({ ...layer, ...change }, "x", "y", "/gru/GRU");
      const error = await assertRejects(() => loadCheckpoint(graph.encode()), CheckpointError);
      assert(error.message.includes(reason), error.message);
    };
    await refused({ linearBeforeReset: 0 }, '"/gru/GRU": a GRU with linear_before_reset=0');
    await refused({ activations: ["Sigmoid", "Relu"] }, '"/gru/GRU": ');
    const graph = new Graph();
    graph.node("GRU", ["x", "w", "r"], "y", "/gru/GRU");
    await assertRejects(() => loadCheckpoint(graph.encode()), Error, "no constants of the file");
    const none = new Graph();
    none.node("Relu", ["x"], "y");
    await assertRejects(
      () => loadCheckpoint(none.encode()),
      Error,
      "the file has no recurrent node",
    );
  });

  it("CKPT-1, CKPT-14: the bytes tell the format", async () => {
    const graph = new Graph();
    const lstm = new LSTM(2, 3);
    graph.recurrent(toOnnx(lstm.stateDict())[0], "x", "y");
    const file = graph.encode();
    const { format, value } = await readCheckpoint(new Blob([file as BlobPart]));
    assert(format === "onnx" && value instanceof Map && value.size === 4);
    assertEquals(plain(await loadCheckpoint(file)), plain(lstm.stateDict()));
    assertThrows(() => parseCheckpoint(file), CheckpointError, "readCheckpoint and loadCheckpoint");
    await assertRejects(() => loadCheckpoint(file.subarray(0, 40)), CheckpointError, "onnx: byte");
  });
});
