/** What is unusual about a node, and each node as a file of its own (JUDGE-6). */

import { assertEquals } from "@std/assert";
import { judge, type OnnxModel, probes, readOnnx, type WireField } from "../../lib/onnx/mod.ts";
import type { Runtime } from "../../lib/onnx/notes.ts";
import { nodeWeights, stateOf } from "../../lib/onnx/reference.ts";
import type { LayerKind } from "../../lib/layouts/layout.ts";
import { attribute, Graph, type More, plain, types } from "./judged/file.ts";
import { layerWith, numbers } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

/** The notes on the first node of a file. */
const notesOf = (model: OnnxModel) => judge(model, null).nodes[0].notes;

/** Each note: its name, then its words. */
const saidOf = (model: OnnxModel) => notesOf(model).map(({ id, says }) => `${id}: ${says}`);

/** A file of one node whose states are inputs of the file. */
function file(kind: LayerKind, more: More = {}, directions = 1, options = {}): OnnxModel {
  const inputs = kind === "LSTM" ? ["", "h", "c"] : ["", "h"];
  const layer = layerWith(kind, [2, 3], { directions });
  return new Graph().recurrent(layer, "x", { inputs, ...more }).read(options);
}

/** The names of runtimes, each with what it does. */
const known = (runtimes: readonly Runtime[]) =>
  runtimes.map(({ name, does, upstream }) => [name.split(" ")[0], does, upstream ?? ""]);

describe("notes", () => {
  it("JUDGE-6: nothing is unusual about PyTorch's layers with their states", () => {
    assertEquals(saidOf(file("LSTM")), []);
    assertEquals(saidOf(file("GRU")), []);
    assertEquals(saidOf(file("RNN")), ["rnn: an RNN without gates"]);
    assertEquals(saidOf(file("LSTM", { inputs: ["", ""] })), [
      "state-absent: it starts from zeros: no state is carried in",
    ]);
  });
  it("JUDGE-6: what a node is told", () => {
    const told: [LayerKind, More["attributes"], string[], number?][] = [
      ["RNN", { activations: ["Relu"] }, [
        "rnn: an RNN without gates",
        "activations: activations Relu",
      ]],
      ["GRU", { activations: ["Sigmoid", "Softsign"] }, [
        "activations: activations Sigmoid, Softsign",
      ]],
      ["GRU", { activations: ["Sigmoid", "Tanh", "Sigmoid", "Relu"] }, [
        "activations: activations Sigmoid, Tanh",
        "both-directions: both directions in one node",
      ], 2],
      ["GRU", { linear_before_reset: 0 }, [
        "reset-before: linear_before_reset is 0: the reset gate acts before the product, " +
        "as in no GRU of PyTorch's",
      ]],
      ["LSTM", { clip: { float: 1 / 3 } }, ["clip: clip 0.3333"]],
      ["LSTM", { input_forget: 1 }, ["input-forget: input_forget: the forget gate is 1 - i"]],
      ["GRU", { direction: "reverse" }, ["reverse: a reverse direction alone"]],
      ["LSTM", {}, ["both-directions: both directions in one node"], 2],
      ["GRU", { layout: 1 }, ["layout: layout 1: the batch comes first"]],
    ];
    for (const [kind, attributes, wanted, directions] of told) {
      assertEquals(saidOf(file(kind, { attributes }, directions)), wanted);
    }
    assertEquals(saidOf(file("LSTM", {}, 1, { opset: 1 })), ["opset: opset 1"]);
    assertEquals(saidOf(file("LSTM", {}, 1, { opset: 2 })), []);
  });
  it("JUDGE-6: what a node reads", () => {
    const read = (inputs: string[], constants: Record<string, [number[], number[]]>, type = 1) => {
      const graph = new Graph();
      for (const [name, [shape, data]] of Object.entries(constants)) {
        graph.constant(name, shape, data);
      }
      return saidOf(graph.recurrent(layerWith("LSTM", [2, 3]), "x", { inputs, type }).read());
    };
    assertEquals(read(["n", "h", "c"], {}), [
      "lengths: sequence_lens: each sequence has its own length",
    ]);
    assertEquals(read(["", "h", "c", "P"], { P: [[1, 9], [...numbers(9, 1)]] }), [
      "peepholes: peepholes",
    ]);
    const zeros = "state-zero: it starts from zeros: no state is carried in";
    const batch = (n: number) => `fixed-batch: its initial state is made for a batch of ${n}`;
    assertEquals(read(["", "h", "c"], { h: [[1, 4, 3], Array(12).fill(0)] }), [zeros, batch(4)]);
    assertEquals(read(["", "h", "c"], { h: [[1, 2, 3], [0, 0, 0, 1, 0, 0]] }), [
      "state-constant: it starts from a constant of the file",
      batch(2),
    ]);
    const graph = new Graph();
    graph.constant("h", [1, 1, 3], [0, 0, 1]);
    graph.recurrent(layerWith("GRU", [2, 3]), "x", { inputs: ["", "h"] });
    assertEquals(saidOf(graph.read()), [
      "state-constant: it starts from a constant of the file",
      batch(1),
    ]);
    assertEquals(read(["", "h", "c"], {}, types.float64), ["float64: float64"]);
    assertEquals(read(["", "h", "c"], {}, types.float16), ["half: weights of float16"]);
    assertEquals(read(["", "h", "c"], {}, types.bfloat16), ["half: weights of bfloat16"]);
  });
  it("JUDGE-6: quantised weights, with the operator that stores them", () => {
    assertEquals(saidOf(quantised().read({ more: microsoft })), [
      "quantised: quantised: weights of 8 bits, in steps of 0.013",
      "lengths: sequence_lens: each sequence has its own length",
    ]);
    assertEquals(saidOf(quantised("").read({ more: microsoft })), [
      "quantised: quantised: weights of 8 bits, in steps of 0.013",
    ]);
    const layer = layerWith("GRU", [2, 3]);
    const { W, R } = nodeWeights(layer);
    const graph = new Graph();
    graph.constant("q", W.shape, W.data.map((x) => Math.round(x * 100)), types.int8);
    graph.constant("s", [], [0.012345]);
    graph.constant("R", R.shape, R.data);
    graph.node("DequantizeLinear", ["q", "s"], ["W"]);
    graph.node("GRU", ["x", "W", "R", "", "", "h"], ["y"], { linear_before_reset: 1 });
    assertEquals(saidOf(graph.read()), [
      "dequantised: quantised: weights of 8 bits, in steps of 0.012",
    ]);
  });
  it("JUDGE-6: the runtimes that are known to get it wrong", () => {
    const runtimes = (model: OnnxModel, id: string) =>
      known(notesOf(model).find((note) => note.id === id)!.runtimes);
    const clip = { attributes: { clip: { float: 1 } } };
    const two = [["tract", "does not read clip", ""], ["onnx.reference", "ignores clip", ""]];
    assertEquals(runtimes(file("GRU", clip), "clip"), two);
    assertEquals(runtimes(file("RNN", clip), "clip"), two);
    assertEquals(runtimes(file("LSTM", clip), "clip"), [...two, [
      "ONNX",
      "does not clip what the last activation reads",
      "microsoft/onnxruntime#27224",
    ]]);
    assertEquals(runtimes(file("RNN"), "rnn"), [["rten", "has no RNN, and refuses the file", ""]]);
    assertEquals(runtimes(file("GRU", { attributes: { direction: "reverse" } }), "reverse"), []);
  });
});

/** ONNX Runtime's own operators, in their first version. */
const microsoft: WireField[] = [[8, [[1, "com.microsoft"], [2, 3]]]];

/** ONNX Runtime's quantised LSTM of 2 inputs and 3 units, in steps of 0.01 and 0.0125. */
function quantised(lengths = "n"): Graph {
  const graph = new Graph();
  const bytes = (count: number, seed: number) =>
    numbers(count, seed).map((x) => Math.round(99 * x));
  graph.constant("W", [1, 2, 12], bytes(24, 1), types.int8);
  graph.constant("R", [1, 3, 12], bytes(36, 2), types.uint8);
  graph.constant("B", [1, 24], numbers(24, 3));
  graph.constant("ws", [1], [0.01]);
  graph.constant("wz", [1], [0], types.int8);
  graph.constant("rs", [1], [0.0125]);
  graph.constant("rz", [1], [128], types.uint8);
  const inputs = ["x", "W", "R", "B", lengths, "h", "c", "", "ws", "wz", "rs", "rz"];
  return graph.node(
    "DynamicQuantizeLSTM",
    inputs,
    ["y"],
    { hidden_size: 3, direction: "forward" },
    "quantised",
    "com.microsoft",
  );
}

/** All of a file but its numbers. */
function described({ graph, opsets, irVersion }: OnnxModel) {
  return {
    irVersion,
    name: graph.name,
    opsets: [...opsets],
    nodes: graph.nodes.map(plain),
    domains: graph.nodes.map(({ domain }) => domain),
    inputs: graph.inputs,
    outputs: graph.outputs,
    constants: [...graph.initializers.values()].map((
      { name, dtype, shape },
    ) => [name, dtype, shape]),
  };
}

const value = (name: string, dims: number) => ({
  ...{ name, dtype: "float32", shape: Array(dims).fill(null) },
});

describe("a node as a file of its own", () => {
  it("JUDGE-6: has the node's weights and what it is told, time first", () => {
    const graph = new Graph();
    graph.constant("P", [2, 9], numbers(18, 1));
    const layer = layerWith("LSTM", [2, 3], { directions: 2 });
    const own = graph.recurrent(layer, "x", {
      inputs: ["n", "h", "c", "P"],
      outputs: ["", "a", "b"],
      attributes: { layout: 1, clip: { float: 0.5 }, hidden_size: 3 },
    }).read({ opset: 22 });
    const [probe] = probes(own, null);
    assertEquals(described(readOnnx(probe.bytes)), {
      ...{ irVersion: 8, name: "node" },
      opsets: [["", 22]],
      nodes: [{
        opType: "LSTM",
        inputs: ["X", "input_1", "input_2", "input_3", "", "initial_h", "initial_c", "input_7"],
        outputs: ["Y", "Y_h", "Y_c"],
        attributes: { direction: "bidirectional", clip: 0.5, hidden_size: 3 },
      }],
      domains: [""],
      inputs: [value("X", 3), value("initial_h", 3), value("initial_c", 3)],
      outputs: [value("Y", 4), value("Y_h", 3), value("Y_c", 3)],
      constants: [
        ["input_1", "float32", [2, 12, 2]],
        ["input_2", "float32", [2, 12, 3]],
        ["input_3", "float32", [2, 24]],
        ["input_7", "float32", [2, 9]],
      ],
    } as object);
    assertEquals([probe.path, probe.wanted], ["rnn", null]);
    const shapes = Object.entries(probe.inputs).map(([name, { shape }]) => [name, shape]);
    assertEquals(shapes, [["X", [9, 2, 2]], ["initial_h", [2, 2, 3]], ["initial_c", [2, 2, 3]]]);
    const { W } = nodeWeights(layer);
    const [W1] = readOnnx(probe.bytes).graph.initializers.values();
    assertEquals([...W1.toTensor().data], [...Float32Array.from(W.data)]);
    const numbersOf = (
      name: string,
    ) => [...readOnnx(probe.bytes).graph.initializers.get(name)!.toTensor().data];
    assertEquals(numbersOf("input_7"), [...Float32Array.from(numbers(18, 1))]);
  });
  it("JUDGE-6: of a node that reads and puts out little", () => {
    const layer = layerWith("GRU", [2, 3], { bias: false });
    const { W, R } = nodeWeights(layer);
    for (const opset of [3, 7, 8]) {
      const graph = new Graph();
      graph.constant("W", W.shape, W.data, types.float64);
      graph.constant("R", R.shape, R.data, types.float64);
      const own = graph.node("GRU", ["x", "W", "R"], ["y"]).read({ opset });
      const [{ bytes, inputs, wanted }] = probes(own, stateOf([layer]));
      assertEquals(described(readOnnx(bytes)), {
        ...{ irVersion: 8, name: "node" },
        opsets: [["", Math.max(opset, 7)]],
        nodes: [{
          opType: "GRU",
          inputs: ["X", "input_1", "input_2", "", "", "initial_h"],
          outputs: ["Y", "Y_h"],
          attributes: {},
        }],
        domains: [""],
        inputs: [value("X", 3), value("initial_h", 3)],
        outputs: [value("Y", 4), value("Y_h", 3)],
        constants: [["input_1", "float32", [1, 9, 2]], ["input_2", "float32", [1, 9, 3]]],
      } as object);
      assertEquals([Object.keys(inputs), Object.keys(wanted!)], [["X", "initial_h"], ["Y", "Y_h"]]);
    }
    // A file that names only ONNX Runtime's version means 17.
    const bare = quantised().read({ opset: 0, more: microsoft });
    const versions = readOnnx(probes(bare, null)[0].bytes).opsets;
    assertEquals([...versions], [["", 17], ["com.microsoft", 3]]);
    assertEquals(judge(bare, null).opset, 0);
  });
  it("JUDGE-6: of a node whose fields stand in another order", () => {
    const graph = new Graph();
    for (const [name, x] of Object.entries(nodeWeights(layerWith("LSTM", [2, 3])))) {
      graph.constant(name, x!.shape, x!.data);
    }
    const inputs = ["x", "W", "R", "B"].map((name): WireField => [1, name]);
    const clip = attribute("clip", { float: 0.5 });
    graph.fields.push([1, [clip, [4, "LSTM"], [2, "y"], attribute("layout", 1), ...inputs]]);
    const own = readOnnx(probes(graph.read(), null)[0].bytes);
    assertEquals(plain(own.graph.nodes[0]), {
      opType: "LSTM",
      inputs: ["X", "input_1", "input_2", "input_3", "", "initial_h", "initial_c"],
      outputs: ["Y", "Y_h", "Y_c"],
      attributes: { clip: 0.5 },
    });
  });
  it("JUDGE-6: of ONNX Runtime's quantised LSTM, with its integers as they stand", () => {
    const model = quantised().read({ more: [...microsoft, [8, [[1, "other"], [2, 5]]]] });
    const [{ bytes }] = probes(model, null);
    const own = readOnnx(bytes);
    const found = described(own);
    assertEquals(found.opsets, [["", 17], ["com.microsoft", 3]]);
    assertEquals(found.domains, ["com.microsoft"]);
    assertEquals(found.nodes[0].inputs, [
      ...["X", "input_1", "input_2", "input_3", "", "initial_h", "initial_c", ""],
      ...["input_8", "input_9", "input_10", "input_11"],
    ]);
    assertEquals(found.constants, [
      ["input_1", "int8", [1, 2, 12]],
      ["input_2", "uint8", [1, 3, 12]],
      ["input_3", "float32", [1, 24]],
      ["input_8", "float32", [1]],
      ["input_9", "int8", [1]],
      ["input_10", "float32", [1]],
      ["input_11", "uint8", [1]],
    ]);
    for (const [k, name] of [[1, "W"], [2, "R"], [9, "wz"], [11, "rz"]] as const) {
      const [mine, its] = [own, model].map(({ graph }, i) =>
        graph.initializers.get(i ? name : `input_${k}`)!.stored().bytes()
      );
      assertEquals(mine, its);
    }
  });
  it("JUDGE-6: not of a node that leaves an attribute to the call of its function", () => {
    const layer = layerWith("LSTM", [2, 3]);
    const file = (own: WireField[]) => {
      const graph = new Graph();
      const { W, R } = nodeWeights(layer);
      graph.constant("W", W.shape, W.data);
      graph.constant("R", R.shape, R.data);
      graph.node("layer", ["x", "W", "R"], ["y"], { clip: { float: 1 } }, "call", "own");
      const names = ["x", "W", "R"];
      return graph.read({
        more: [[8, [[1, "own"], [2, 1]]], [25, [
          [1, "layer"],
          ...names.map((name): WireField => [4, name]),
          ...[[5, "y"], [6, "clip"]] as WireField[],
          [7, [
            ...names.map((name): WireField => [1, name]),
            ...[[2, "y"], [4, "LSTM"]] as WireField[],
            ...own,
          ]],
          ...[[9, [[2, 17]]], [10, "own"]] as WireField[],
        ]]],
      });
    };
    const left: WireField = [5, [[1, "clip"], [21, "clip"], [20, 1]]];
    const size: WireField = [5, [[1, "hidden_size"], [3, 3], [20, 2]]];
    assertEquals(judge(file([left, size]), null).nodes.length, 1);
    assertEquals(probes(file([left, size]), null), []);
    assertEquals(probes(file([size]), null).length, 1);
  });
});
