/** Files mended: what the node is told afterwards, what it reads, and all that stays (JUDGE-5). */

import { assertEquals, assertThrows } from "@std/assert";
import { CheckpointError } from "../../mod.ts";
import { mend, readOnnx, type WireField } from "../../lib/onnx/mod.ts";
import { nodeWeights, type ReferenceLayer, stateOf } from "../../lib/onnx/reference.ts";
import { attribute, Graph, nodeIn, plain, types } from "./judged/file.ts";
import { constantIn, mended, single, weightsIn, weightsOf } from "./judged/mended.ts";
import { changedIn, layerWith, numbers } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

const kinds = ["RNN", "LSTM", "GRU"] as const;

/** A layer with other weights of the state, in its first direction. */
const moved = (layer: ReferenceLayer) =>
  changedIn(layer, ({ weightHh }, d) => d ? {} : { weightHh: weightHh.map((x) => x + 0.1) });

describe("what a node is told", () => {
  it("JUDGE-5: nothing that PyTorch's layers have not", () => {
    const wrong = { clip: { float: 0.1 }, hidden_size: 3 };
    const told = {
      RNN: { ...wrong, activations: ["Relu"], activation_alpha: { floats: [1] } },
      LSTM: { ...wrong, input_forget: 1 },
      GRU: {
        ...{ ...wrong, linear_before_reset: 0, activations: ["Sigmoid", "Affine"] },
        ...{ activation_alpha: { floats: [2] }, activation_beta: { floats: [0] } },
      },
    };
    const right = {
      RNN: { hidden_size: 3, activations: ["Relu"] },
      LSTM: { hidden_size: 3 },
      GRU: { hidden_size: 3, linear_before_reset: 1 },
    };
    for (const kind of kinds) {
      const layer = layerWith(kind, [2, 3]);
      const attributes = told[kind] as Parameters<Graph["node"]>[3];
      const model = new Graph().recurrent(layer, "x", { attributes }).read();
      const after = mended(model, stateOf([layer]));
      assertEquals(nodeIn(after), { ...nodeIn(model), attributes: right[kind] });
      assertEquals(weightsIn(after), weightsIn(model));
      assertEquals(after.graph.nodes[0].name, "rnn");
    }
  });
  it("JUDGE-5: an RNN has the nonlinearity of its node, or the one that is said, in each direction", () => {
    for (const directions of [1, 2]) {
      const layer = layerWith("RNN", [2, 3], { directions });
      const model = new Graph().recurrent(layer, "x", {
        attributes: { clip: { float: 0.1 }, activations: Array(directions).fill("Relu") },
      }).read();
      const activations = (nonlinearity?: "tanh" | "relu") => {
        const { bytes, judgement } = mend(model, stateOf([layer]), { nonlinearity });
        assertEquals(judgement.verdict, "right");
        return nodeIn(readOnnx(bytes)).attributes.activations;
      };
      assertEquals(activations(), Array(directions).fill("Relu"));
      assertEquals(activations("relu"), Array(directions).fill("Relu"));
      assertEquals(activations("tanh"), undefined);
    }
  });
  it("JUDGE-5: in whatever order its fields stand", () => {
    const layer = layerWith("LSTM", [2, 3]);
    const graph = new Graph();
    for (const [name, x] of Object.entries(nodeWeights(layer))) {
      graph.constant(name, x!.shape, x!.data);
    }
    const inputs = ["x", "W", "R", "B"].map((name): WireField => [1, name]);
    const [size, clip] = [attribute("hidden_size", 3), attribute("clip", { float: 0.1 })];
    graph.fields.push([1, [size, [4, "LSTM"], clip, ...inputs, [2, "y"]]]);
    assertEquals(nodeIn(mended(graph.read(), stateOf([layer]))), {
      ...{ opType: "LSTM", inputs: ["x", "W", "R", "B"], outputs: ["y"] },
      attributes: { hidden_size: 3 },
    });
  });
  it("JUDGE-5: no peepholes, and no input that is left out at its end", () => {
    const layer = layerWith("LSTM", [2, 3]);
    const graph = new Graph();
    graph.constant("P", [1, 9], numbers(9, 3));
    const inputs = ["", "", "", "P"];
    const model = graph.recurrent(layer, "x", { inputs, outputs: ["y", "", "c"] }).read();
    const after = nodeIn(mended(model, stateOf([layer])));
    assertEquals(after.inputs, ["x", "rnn.W", "rnn.R", "rnn.B"]);
    assertEquals(after.outputs, ["y", "", "c"]);
  });
  it("JUDGE-5: a right file is the same bytes, and so is a right node beside a wrong one", () => {
    const [a, b] = ["a", "b"].map((module, k) => layerWith("GRU", [2, 3], { module, seed: k + 1 }));
    const state = Object.fromEntries(
      [a, b].flatMap((own) =>
        Object.entries(stateOf([own])).map(([name, x]) => [`${own.module}.${name}`, x])
      ),
    );
    const file = (wrong: ReferenceLayer[]) =>
      [a, b].reduce((graph, own) =>
        graph.recurrent(own, "x", {
          ...{ name: own.module, outputs: [`${own.module}.y`] },
          attributes: wrong.includes(own) ? { linear_before_reset: 0 } : {},
        }), new Graph()).read();
    const right = file([]);
    assertEquals(mend(right, state).bytes, right.bytes);
    for (const wrong of [[a], [b], [a, b]]) {
      const after = mended(file(wrong), state);
      assertEquals([0, 1].map((k) => nodeIn(after, k)), [0, 1].map((k) => nodeIn(right, k)));
    }
    // One without a layer of its shape stays, the other is mended.
    const strange = layerWith("GRU", [2, 4]);
    const both = new Graph().recurrent(strange, "x", { name: "s", outputs: ["s.y"] })
      .recurrent(a, "x", { name: "a", outputs: ["a.y"], attributes: { linear_before_reset: 0 } });
    const after = mended(both.read(), stateOf([a]), "wrong");
    assertEquals(nodeIn(after), nodeIn(both.read()));
    assertEquals(nodeIn(after, 1), nodeIn(right));
  });
});

describe("a node's weights", () => {
  it("JUDGE-5: are replaced in place where nothing else reads them", () => {
    for (const kind of kinds) {
      for (const directions of [1, 2]) {
        const layer = layerWith(kind, [2, 3], { directions });
        const other = changedIn(moved(layer), ({ biasIh }) => (
          { biasIh: biasIh!.map((x) => x + 1) }
        ));
        const graph = new Graph().recurrent(other, "x").node("Tanh", ["y"], ["z"]);
        graph.constant("more", [2], [1, 2]);
        const model = graph.read();
        const after = mended(model, stateOf([layer]));
        assertEquals(weightsIn(after), weightsOf(layer));
        assertEquals(nodeIn(after), nodeIn(model));
        // Nothing else is changed: the file is as long, and W, which was right, and what follows.
        assertEquals(after.bytes.length, model.bytes.length);
        assertEquals([...after.graph.initializers.keys()], [...model.graph.initializers.keys()]);
        assertEquals(nodeIn(after, 1), nodeIn(model, 1));
        assertEquals(constantIn(after, "more"), [1, 2]);
      }
    }
  });
  it("JUDGE-5: in float64 stay in float64; those of half precision are refused", () => {
    const layer = layerWith("GRU", [2, 3]);
    const file = (type: number) =>
      new Graph().recurrent(moved(layer), "x", { type, name: "own" }).read();
    const after = mended(file(types.float64), stateOf([layer]));
    const { R } = nodeWeights(layer);
    assertEquals(constantIn(after, "own.R"), [...R.data]);
    assertEquals(after.graph.initializers.get("own.R")!.dtype, "float64");
    assertThrows(
      () => mend(file(types.float16), stateOf([layer])),
      CheckpointError,
      "own: its weights are float16",
    );
  });
  it("JUDGE-5: are new constants where others read them, with a name that is free", () => {
    const layer = layerWith("GRU", [2, 3]);
    const wrong = moved(layer);
    for (const name of ["rnn", "abcdef", "n".repeat(120), "n".repeat(126), "n".repeat(300)]) {
      const R = `${name}.R`;
      const all = [`${R}_mended`, `${R}_mended1`];
      for (const count of name === "rnn" ? [0, 1, 2] : [1]) {
        const taken = all.slice(0, count);
        const graph = new Graph().recurrent(wrong, "x", { name }).node("Neg", [R], ["other"]);
        for (const one of taken) graph.constant(one, [1], [0]);
        const model = graph.read();
        const after = mended(model, stateOf([layer]));
        const called = `${R}_mended${["", 1, 2][taken.length]}`;
        assertEquals(nodeIn(after).inputs, ["x", `${name}.W`, called, `${name}.B`]);
        assertEquals(constantIn(after, called), single(nodeWeights(layer).R.data));
        assertEquals(constantIn(after, R), constantIn(model, R));
        assertEquals(nodeIn(after, 1).inputs, [R]);
      }
      // Alone, it is replaced however long its name is.
      const alone = new Graph().recurrent(wrong, "x", { name }).read();
      const after = mended(alone, stateOf([layer]));
      assertEquals([nodeIn(after), after.graph.initializers.size], [nodeIn(alone), 3]);
    }
  });
  it("JUDGE-5: two nodes that share wrong weights get constants of their own", () => {
    const layer = layerWith("GRU", [2, 3]);
    const wrong = moved(layer);
    const graph = new Graph().recurrent(wrong, "x");
    graph.node("GRU", ["x", "rnn.W", "rnn.R", "rnn.B"], ["z"], { linear_before_reset: 1 }, "b");
    const after = mended(graph.read(), stateOf([layer]));
    assertEquals(nodeIn(after).inputs[2], "rnn.R_mended");
    assertEquals(nodeIn(after, 1).inputs[2], "rnn.R");
    assertEquals(constantIn(after, "rnn.R"), single(nodeWeights(layer).R.data));
  });
  it("JUDGE-5: biases are added, or taken away; zeros are none", () => {
    const layer = layerWith("GRU", [2, 3]);
    const none = changedIn(layer, () => ({ biasIh: null, biasHh: null }));
    const zeros = changedIn(layer, ({ biasIh, biasHh }) => (
      { biasIh: biasIh!.map(() => 0), biasHh: biasHh!.map(() => 0) }
    ));
    const without = new Graph().recurrent(none, "x").read();
    const added = mended(without, stateOf([layer]));
    assertEquals(nodeIn(added).inputs, ["x", "rnn.W", "rnn.R", "rnn_3_mended"]);
    assertEquals(constantIn(added, "rnn_3_mended"), weightsOf(layer)[2]);
    const exact = new Graph().recurrent(none, "x", { type: types.float64 }).read();
    const more = mended(exact, stateOf([layer])).graph.initializers.get("rnn_3_mended")!;
    assertEquals([more.dtype, [...more.toTensor().data]], [
      "float64",
      [...nodeWeights(layer).B!.data],
    ]);
    const taken = mended(new Graph().recurrent(layer, "x").read(), stateOf([none]));
    assertEquals(nodeIn(taken).inputs, ["x", "rnn.W", "rnn.R"]);
    const states = new Graph().recurrent(layer, "x", { inputs: ["", "h"] });
    const kept = mended(states.input("h", [1, "n", 3]).read(), stateOf([none]));
    assertEquals(nodeIn(kept).inputs, ["x", "rnn.W", "rnn.R", "", "", "h"]);
    // One that is not 0 is enough.
    const last = changedIn(zeros, ({ biasHh }) => (
      { biasHh: biasHh!.map((_, k) => k === 8 ? 1 : 0) }
    ));
    const other = mended(new Graph().recurrent(last, "x").read(), stateOf([none]));
    assertEquals(nodeIn(other).inputs, ["x", "rnn.W", "rnn.R"]);
    // A wrong node of zero biases keeps them.
    const clipped = { attributes: { clip: { float: 0.1 } } };
    for (const [file, state] of [[zeros, none], [none, zeros]] as const) {
      const model = new Graph().recurrent(file, "x", clipped).read();
      const inputs = nodeIn(model).inputs.filter(Boolean);
      assertEquals(nodeIn(mended(model, stateOf([state]))).inputs, inputs);
    }
  });
  it("JUDGE-5: those that a node computes are constants afterwards, in float32", () => {
    const layer = layerWith("GRU", [2, 3]);
    const { W, R, B } = nodeWeights(layer);
    const graph = new Graph();
    graph.constant("W", W.shape, W.data);
    graph.constant("R", R.shape, R.data);
    graph.constant("B", B!.shape, B!.data);
    graph.node("Neg", ["R"], ["minus"]);
    const attributes = { linear_before_reset: 1 };
    const model = graph.node("GRU", ["x", "W", "minus", "B"], ["y"], attributes).read();
    const after = mended(model, stateOf([layer]));
    assertEquals(nodeIn(after, 1).inputs, ["x", "W", "minus_mended", "B"]);
    assertEquals(constantIn(after, "minus_mended"), single(R.data));
    assertEquals(nodeIn(after), nodeIn(model));
  });
  it("JUDGE-5: those of a function's call are refused, and its attributes mended", () => {
    const layer = layerWith("GRU", [2, 3]);
    const file = (own: ReferenceLayer, lbr: number, extra: string[] = []) => {
      const { W, R, B } = nodeWeights(own);
      const graph = new Graph();
      graph.constant("W", W.shape, W.data);
      graph.constant("R", R.shape, R.data);
      if (B) graph.constant("B", B.shape, B.data);
      const names = B ? ["W", "R", "B"] : ["W", "R"];
      graph.node("layer", ["x", ...names], ["y"], {}, "call", "own");
      const inner = (fields: WireField[]): WireField => [7, fields];
      const more: WireField[] = [[8, [[1, "own"], [2, 1]]], [25, [
        [1, "layer"],
        ...["x", ...names].map((name): WireField => [4, name]),
        [5, "y"],
        inner([
          ...["x", ...names, ...extra].map((name): WireField => [1, name]),
          ...[[2, "y"], [3, "own"], [4, "GRU"]] as WireField[],
          attribute("linear_before_reset", lbr),
        ]),
        ...[[9, [[2, 17]]], [10, "own"]] as WireField[],
      ]]];
      return graph.read({ more });
    };
    const after = mended(file(layer, 0), stateOf([layer]));
    assertEquals(plain(after.functions[0].nodes[0]), {
      opType: "GRU",
      inputs: ["x", "W", "R", "B"],
      outputs: ["y"],
      attributes: { linear_before_reset: 1 },
    });
    const words = "call → own: its weights are arguments of a function";
    const without = changedIn(layer, () => ({ biasIh: null, biasHh: null }));
    for (const other of [moved(layer), without]) {
      assertThrows(() => mend(file(other, 1), stateOf([layer])), CheckpointError, words);
    }
    // A bias may be left out of its inputs.
    const bare = mended(file(layer, 1), stateOf([without]));
    assertEquals(plain(bare.functions[0].nodes[0]).inputs, ["x", "W", "R"]);
  });
});
