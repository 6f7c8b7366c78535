/** The first state of a mended node, and what a quantised one keeps (JUDGE-5). */

import { assertEquals } from "@std/assert";
import { mend, readOnnx } from "../../lib/onnx/mod.ts";
import { recurrentNodes } from "../../lib/onnx/recurrent.ts";
import { layerOf, stateOf } from "../../lib/onnx/reference.ts";
import { Graph, nodeIn, types } from "./judged/file.ts";
import { mended, weightsIn, weightsOf } from "./judged/mended.ts";
import { changedIn, layerWith, numbers } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

const kinds = ["RNN", "LSTM", "GRU"] as const;

describe("a node's first state", () => {
  const layer = layerWith("LSTM", [2, 3]);
  const state = stateOf([layer]);
  /** A file whose node starts from constants for a batch of 2, of any batch. */
  const fixed = (h: ArrayLike<number>, c: ArrayLike<number>, more: string[] = []) => {
    const graph = new Graph();
    graph.constant("h", [1, 2, 3], h);
    graph.constant("c", [1, 2, 3], c);
    const inputs = ["", "h", "c", ...more];
    graph.recurrent(layer, "x", { inputs, outputs: ["y", "yh", "yc"] });
    graph.sideBySide("y", "out").input("x", ["t", "n", 2]);
    return graph.output("out").output("yh").output("yc");
  };
  const zeros = new Float64Array(6);
  const ones = numbers(6, 4);
  it("JUDGE-5: made for one batch, is left out where it is zeros", () => {
    const model = fixed(zeros, zeros).read();
    assertEquals(nodeIn(mended(model, state)).inputs, ["x", "rnn.W", "rnn.R", "rnn.B"]);
    const last = zeros.map((_, k) => k === 5 ? 1 : 0);
    for (const [h, c] of [[ones, zeros], [zeros, ones], [ones, ones], [last, zeros]]) {
      // In a file that is more than the module, the state is taken as it is.
      const { bytes, judgement } = mend(fixed(h, c).input("other", ["t"]).read(), state);
      assertEquals(judgement.whole.map(({ mistakes }) => mistakes.map(({ id }) => id)), [[
        "fixed-batch",
      ]]);
      const { inputs } = nodeIn(readOnnx(bytes));
      assertEquals(inputs, ["x", "rnn.W", "rnn.R", "rnn.B", "", "h", "c"]);
    }
    // Where no other batch may come in, it stays, whatever else is mended.
    const own = new Graph();
    own.constant("h", [1, 2, 3], zeros);
    own.constant("c", [1, 2, 3], zeros);
    const attributes = { clip: { float: 0.1 } };
    own.recurrent(layer, "x", { inputs: ["", "h", "c"], outputs: ["y", "yh"], attributes });
    own.sideBySide("y", "out").input("x", ["t", 2, 2]).output("out").output("yh");
    const { inputs } = nodeIn(mended(own.read(), state));
    assertEquals(inputs, ["x", "rnn.W", "rnn.R", "rnn.B", "", "h", "c"]);
    const gru = layerWith("GRU", [2, 3]);
    const graph = new Graph();
    graph.constant("h", [1, 2, 3], zeros);
    graph.recurrent(gru, "x", { inputs: ["", "h"], outputs: ["y", "yh"] });
    graph.sideBySide("y", "out").input("x", ["t", "n", 2]);
    const made = graph.output("out").output("yh").read();
    assertEquals(nodeIn(mended(made, stateOf([gru]))).inputs, ["x", "rnn.W", "rnn.R", "rnn.B"]);
  });
  it("JUDGE-5: that the file is given unused, is given to the node", () => {
    for (const kind of kinds) {
      for (const directions of [1, 2]) {
        const own = layerWith(kind, [2, 3], { directions });
        const graph = new Graph().recurrent(own, "x", { outputs: ["y", "yh", "yc"] });
        graph.constant("const", [directions, 1, 3], new Float64Array(3 * directions));
        const names = kind === "LSTM" ? ["h0", "c0"] : ["h0"];
        graph.input("x", ["t", "n", 2]).input("const", [directions, 1, 3]);
        for (const name of names) graph.input(name, [directions, "n", 3]);
        graph.sideBySide("y", "out").output("out").output("yh");
        if (kind === "LSTM") graph.output("yc");
        const model = graph.read();
        const { bytes } = mend(model, stateOf([own]));
        const { inputs } = nodeIn(readOnnx(bytes));
        assertEquals(inputs, ["x", "rnn.W", "rnn.R", "rnn.B", "", ...names]);
      }
    }
  });
  it("JUDGE-5: of a module of more layers stays as it is", () => {
    const layers = [0, 1].map((layer) => (
      { ...layerWith("GRU", [layer ? 3 : 2, 3], { seed: layer + 1 }), layers: 2, layer }
    ));
    const graph = new Graph().recurrent(layers[0], "x", { name: "a", outputs: ["ya", "ha"] });
    graph.sideBySide("ya", "mid").recurrent(layers[1], "mid", { name: "b", outputs: ["yb", "hb"] });
    graph.sideBySide("yb", "out").input("x", null).input("h", [1, "n", 3]).output("out");
    const { bytes, judgement } = mend(graph.read(), stateOf(layers));
    assertEquals(judgement.whole[0].mistakes.map(({ id }) => id), ["h-0-ignored"]);
    const after = readOnnx(bytes);
    assertEquals(nodeIn(after).inputs, ["x", "a.W", "a.R", "a.B"]);
  });
  it("JUDGE-5: that is no state, or is read already, is not given", () => {
    const own = layerWith("LSTM", [2, 3], { bias: false });
    const file = (more: (graph: Graph) => Graph) => {
      const graph = new Graph().recurrent(own, "x", { outputs: ["y", "yh"] });
      more(graph.sideBySide("y", "out").input("x", ["t", "n", 2])).output("out").output("yh");
      const { bytes } = mend(graph.read(), stateOf([own]));
      return nodeIn(readOnnx(bytes)).inputs;
    };
    const bare = ["x", "rnn.W", "rnn.R"];
    assertEquals(file((graph) => graph.input("h", [1, "n", 3]).input("c", [1, "n", 3])), [
      ...[...bare, "", "", "h", "c"],
    ]);
    assertEquals(file((graph) => graph.input("h", [1, "n", 4]).input("c", [2, "n", 3])), bare);
    assertEquals(file((graph) => graph.input("h", null).input("c", [1, "n", 3])), [
      ...[...bare, "", "", "c"],
    ]);
  });
});

describe("a quantised node", () => {
  /** ONNX Runtime's quantised LSTM in steps of 0.01, with what it reads beside its weights. */
  const file = (states: string[], attributes: Parameters<Graph["node"]>[3] = {}) => {
    const graph = new Graph();
    const ints = (count: number, seed: number) =>
      numbers(count, seed).map((x) => Math.round(99 * x));
    graph.constant("W", [1, 2, 12], ints(24, 1), types.int8);
    graph.constant("R", [1, 3, 12], ints(36, 2), types.int8);
    graph.constant("biases", [1, 24], numbers(24, 3));
    graph.constant("s", [1], [0.01]);
    graph.constant("z", [1], [0], types.int8);
    for (const name of ["h", "c"]) graph.constant(name, [1, 2, 3], new Float64Array(6));
    const inputs = ["x", "W", "R", "biases", "", ...states, "", "s", "z", "s", "z"];
    const own = { hidden_size: 3, ...attributes };
    return graph.node("DynamicQuantizeLSTM", inputs, ["y", "yh"], own, "q", "com.microsoft")
      .sideBySide("y", "out").input("x", ["t", "n", 2]).output("out").output("yh")
      .read({ more: [[8, [[1, "com.microsoft"], [2, 1]]]] });
  };
  const layer = layerOf(recurrentNodes(file(["", ""])).nodes[0]);
  const state = stateOf([layer]);
  it("JUDGE-5: keeps its weights and their scales, and loses a state of zeros for one batch", () => {
    assertEquals(nodeIn(mended(file(["h", "c"]), state)), nodeIn(file(["", ""])));
    const clipped = file(["", ""], { clip: { float: 0.1 } });
    assertEquals(nodeIn(mended(clipped, state)), nodeIn(file(["", ""])));
  });
  it("JUDGE-5: gets the layer's biases, and no other weights", () => {
    const near = changedIn(layer, ({ weightIh, biasIh }) => ({
      weightIh: weightIh.map((x, k) => x + (k % 2 ? 0.003 : -0.003)),
      biasIh: biasIh!.map((x) => x + 1),
    }));
    const model = file(["", ""], { clip: { float: 0.1 } });
    const after = mended(model, stateOf([near]));
    assertEquals(nodeIn(after), nodeIn(file(["", ""])));
    assertEquals(weightsIn(after, ["biases"]), [weightsOf(near)[2]]);
    for (const name of ["W", "R"]) {
      const [a, b] = [after, model].map(({ graph }) => graph.initializers.get(name)!.bytes);
      assertEquals(a, b);
    }
  });
});
