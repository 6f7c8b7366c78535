/** The verdict on a file, with what is out of reach (JUDGE-1 to JUDGE-4). */

import { assertEquals } from "@std/assert";
import type { StateDict } from "../../mod.ts";
import { GRU, LSTM, type Tensor } from "../../mod.ts";
import { judge, type Judgement, type WireField } from "../../lib/onnx/mod.ts";
import { recurrentNodes } from "../../lib/onnx/recurrent.ts";
import { layerOf, type ReferenceLayer, stateOf } from "../../lib/onnx/reference.ts";
import { Graph, type More, types } from "./judged/file.ts";
import { changedIn, layerWith, negated, numbers, wide } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

/** A checkpoint of several modules. */
const stateWith = (modules: Record<string, readonly ReferenceLayer[]>): StateDict =>
  Object.fromEntries(
    Object.entries(modules).flatMap(([module, layers]) =>
      Object.entries(stateOf(layers)).map(([name, x]) => [`${module}.${name}`, x])
    ),
  );

/** The modules together: the verdict, the part, then the mistakes. */
const wholes = ({ whole }: Judgement) =>
  whole.map(({ verdict, part, mistakes }) =>
    [verdict, part, ...mistakes.map(({ id }) => id)].join(" ")
  );

/** The nodes, likewise. */
const nodesOf = ({ nodes }: Judgement) =>
  nodes.map(({ verdict, mistakes }) => [verdict, ...mistakes.map(({ id }) => id)].join(" "));

const gru = layerWith("GRU", [2, 3]);

/** Two layers, with a node for each; the second reads the first, or something else. */
const layersOf = (inputSize: number, seed: number): ReferenceLayer[] => [
  { ...layerWith("GRU", [inputSize, 3], { seed }), layers: 2 },
  { ...layerWith("GRU", [3, 3], { seed: seed + 1 }), layers: 2, layer: 1 },
];
function stacked(
  graph: Graph,
  [first, second]: readonly ReferenceLayer[],
  { name = "a", reads = "" } = {},
): Graph {
  const one = (k: number): More => ({ name: `${name}${k}`, outputs: [`${name}.Y${k}`] });
  graph.recurrent(first, "x", one(0)).sideBySide(`${name}.Y0`, `${name}.mid`);
  return graph.recurrent(second, reads || `${name}.mid`, one(1)).sideBySide(
    `${name}.Y1`,
    `${name}.out`,
  );
}

describe("several modules", () => {
  const [a, b] = [layersOf(3, 1), [layerWith("GRU", [3, 3], { seed: 9 })]];
  const state = stateWith({ a, b });
  it("JUDGE-4: each is judged by its own nodes", () => {
    const file = (reads: string, other: ReferenceLayer) => {
      const graph = stacked(new Graph(), a, { reads });
      graph.recurrent(other, "x", { name: "b", outputs: ["b.Y"] });
      return judge(graph.input("x", ["t", "n", 3]).output("a.out").output("b.Y").read(), state);
    };
    const right = file("a.mid", b[0]);
    assertEquals([right.verdict, wholes(right)], ["right", ["right nodes", "right nodes"]]);
    assertEquals(right.whole.map(({ module }) => module), ["a", "b"]);
    assertEquals(right.nodes.map(({ layer }) => layer), ["a, layer 0", "a, layer 1", "b"]);
    const wrong = file("x", negated(b[0], 0));
    assertEquals(wholes(wrong), ["wrong nodes every-layer-reads-x", "wrong nodes"]);
    assertEquals(nodesOf(wrong), ["right", "right", "wrong negated-weight_hh"]);
    assertEquals(wrong.verdict, "wrong");
    assertEquals(wholes(file("a.mid", negated(b[0], 0))), ["right nodes", "wrong nodes"]);
  });
  it("JUDGE-1: a module is judged where each of its layers is a node", () => {
    const file = (graph: Graph) => {
      const { verdict, whole, beyond } = judge(graph.input("x", null).read(), state);
      return [verdict, whole.map(({ module }) => module), beyond];
    };
    const out = { name: "b", outputs: ["Y"] };
    const alone = new Graph().recurrent(b[0], "x", out);
    assertEquals(file(alone), ["unknown", ["b"], [
      "a, layer 0: no recurrent node has its weights",
      "a, layer 1: no recurrent node has its weights",
    ]]);
    const half = new Graph().recurrent(b[0], "x", out).recurrent(a[0], "x", { name: "a" });
    assertEquals(file(half), ["unknown", ["b"], ["a, layer 1: no recurrent node has its weights"]]);
    const may = "; it may be unrolled into products, which are not judged";
    for (
      const [product, bend, unrolled] of [
        ["MatMul", "Tanh", may],
        ["Gemm", "Relu", may],
        ["MatMul", "Sigmoid", ""],
        ["Add", "Tanh", ""],
      ]
    ) {
      const graph = stacked(new Graph(), a).node(product, ["p", "q"], ["r"]).node(bend, ["r"], [
        "s",
      ]);
      assertEquals(file(graph), ["unknown", ["a"], [
        `b: no recurrent node has its weights${unrolled}`,
      ]]);
    }
    assertEquals(file(new Graph().node("Tanh", ["x"], ["y"]))[1], []);
  });
  it("JUDGE-2: a node that is no layer's, beside one that is", () => {
    const other = layerWith("GRU", [3, 3], { seed: 20 });
    const file = new Graph().recurrent(b[0], "x", { outputs: ["Y"] });
    const both = judge(file.recurrent(other, "x", { name: "o" }).read(), stateWith({ b }));
    const [first, { layer, verdict, mistakes, off, remark }] = both.nodes;
    assertEquals([first.verdict, first.layer], ["right", "b"]);
    assertEquals([layer, verdict, mistakes, off, remark], [
      ...[null, "unknown", [], null],
      "its weights are in no layer of the checkpoint",
    ]);
    const alone = judge(new Graph().recurrent(other, "x").read(), stateWith({ b }));
    assertEquals([nodesOf(alone), alone.nodes[0].layer], [["wrong other-weights"], "b"]);
  });
  it("JUDGE-2: a node that is there twice is judged as its own layer", () => {
    const one = b[0];
    const two = changedIn(one, ({ biasIh }) => ({ biasIh: numbers(biasIh!.length, 5) }));
    const file = (...nodes: ReferenceLayer[]) =>
      nodes.reduce(
        (graph, own, k) => graph.recurrent(own, "x", { name: `n${k}`, outputs: [`${k}`] }),
        new Graph(),
      ).read();
    const found = (nodes: ReferenceLayer[], layers: ReferenceLayer[]) =>
      nodesOf(
        judge(
          file(...nodes),
          stateWith(Object.fromEntries(layers.map((own, k) => [`l${k}`, [own]]))),
        ),
      );
    assertEquals(found([one, one], [one]), ["right", "right"]);
    assertEquals(found([one, one], [one, two]), ["right", "wrong"]);
    assertEquals(found([one, two], [one, two]), ["right", "right"]);
    const near = changedIn(one, ({ weightIh }) => ({ weightIh: weightIh.map((x) => 1.01 * x) }));
    assertEquals(found([one, near], [one]), ["right", "wrong other-weights"]);
    assertEquals(found([near, one], [one]), ["wrong other-weights", "right"]);
  });
});

describe("a checkpoint", () => {
  const file = new Graph().recurrent(gru, "x").read();
  it("JUDGE-1: may hold tensors of any name", () => {
    const state = stateOf([gru]);
    const some = (more: Record<string, Tensor>) => judge(file, { ...state, ...more }).verdict;
    assertEquals(some({}), "right");
    assertEquals(some({ graph: wide([1], 0) }), "right");
    assertEquals(some({ opsets: wide([1], 0) }), "right");
    assertEquals(some({ graph: wide([1], 0), opsets: wide([1], 0) }), "right");
  });
  it("JUDGE-4: of a projection is one for an LSTM's node only", () => {
    const state = {
      ...Object.fromEntries(
        Object.entries(new LSTM(7, 9, { projSize: 2 }).stateDict()).map(([k, x]) => [`a.${k}`, x]),
      ),
      ...Object.fromEntries(
        Object.entries(new GRU(7, 9).stateDict()).map(([k, x]) => [`b.${k}`, x]),
      ),
    };
    const said = (own: ReferenceLayer, state: StateDict) => {
      const { nodes: [{ verdict, mistakes, layer, off }], beyond } = judge(
        new Graph().recurrent(own, "x").read(),
        state,
      );
      return [verdict, layer, off, ...mistakes.map(({ id, says }) => `${id}: ${says}`), ...beyond];
    };
    const shape = "other-shape: no layer of the checkpoint has its kind and shape";
    const beyond = "a has a projection, which ONNX's LSTM has not";
    const missing = "b: no recurrent node has its weights";
    assertEquals(said(gru, state), ["wrong", null, null, shape, beyond, missing]);
    const projection = "projection: the layer has a projection, which ONNX's LSTM has not";
    const lstm = layerWith("LSTM", [2, 3]);
    assertEquals(said(lstm, state), ["wrong", null, null, projection, beyond, missing]);
    const other = stateWith({ b: [layerWith("LSTM", [3, 3])] });
    assertEquals(said(lstm, other), ["wrong", null, null, shape, missing]);
  });
  it("JUDGE-1: may be another file, with what is out of reach in it", () => {
    const other = new Graph().recurrent(gru, "x").node("GRU", ["x", "u", "v"], ["z"], {}, "lost");
    const { verdict, beyond, whole } = judge(file, other.read());
    assertEquals([verdict, whole, beyond], ["unknown", [], [
      "in the other file, lost: its weights are no constants of the file",
    ]]);
    const more = new Graph().recurrent(gru, "x").recurrent(layerWith("LSTM", [2, 3]), "x", {
      ...{ name: "more", outputs: ["z"] },
    });
    assertEquals(judge(file, more.read()).beyond, ["more: no recurrent node has its weights"]);
    assertEquals(judge(more.read(), null).verdict, "unknown");
    const producer: WireField[] = [[2, "maker"], [3, "1.2"]];
    assertEquals(judge(new Graph().read({ more: producer }), null).producer, "maker 1.2");
    assertEquals(judge(new Graph().read({ more: producer.slice(0, 1) }), null).producer, "maker");
  });
});

/** A layer of one step as products: `x` (1, N, 2) to `out`. */
function products(graph: Graph, { directions: [own] }: ReferenceLayer): Graph {
  const turned = Float64Array.from(
    { length: 6 },
    (_, k) => own.weightIh[(k % 3) * 2 + (k / 3 | 0)],
  );
  graph.constant("Wt", [2, 3], turned);
  graph.constant("b", [3], own.biasIh!.map((x, k) => x + own.biasHh![k]));
  graph.node("MatMul", ["x", "Wt"], ["p"]).node("Add", ["p", "b"], ["s"]);
  return graph.node("Tanh", ["s"], ["out"]).input("x", [1, "n", 2]).output("out");
}

describe("a recurrence that is no node", () => {
  const rnn = layerWith("RNN", [2, 3]);
  const state = stateOf([rnn]);
  const loop = (graph: Graph) => {
    const body = new Graph().node("MatMul", ["u", "v"], ["w"]).node("Tanh", ["w"], ["z"]);
    return graph.node("Loop", ["", ""], ["l"], { body }, "loop");
  };
  const why = "loop: a recurrence as a loop of products, which is no recurrent node";
  it("JUDGE-1: is judged by its numbers", () => {
    const right = judge(products(new Graph(), rnn).read(), state);
    assertEquals([right.verdict, wholes(right), right.beyond], ["right", ["right file"], []]);
    const wrong = judge(
      products(new Graph(), negated(layerWith("RNN", [2, 3], { seed: 3 }), 0)).read(),
      state,
    );
    assertEquals([wrong.verdict, wholes(wrong), wrong.beyond], ["wrong", ["wrong file"], []]);
    // A loop is then told by the numbers, too; a node that is not known is not.
    const looped = judge(loop(products(new Graph(), rnn)).read(), state);
    assertEquals([looped.verdict, looped.beyond], ["right", []]);
    const lost = products(new Graph(), rnn).node("GRU", ["x", "u", "v"], ["z"], {}, "lost");
    const { verdict, beyond } = judge(lost.read(), state);
    assertEquals([verdict, beyond], ["unknown", [
      "lost: its weights are no constants of the file",
    ]]);
  });
  it("JUDGE-1: is out of reach where it cannot be computed", () => {
    const words = "its recurrence is no node, and what the file does instead is not computed here";
    const graph = loop(new Graph()).input("x", ["t", "n", 2]).node("Mystery", ["x"], ["y"]);
    const { verdict, whole, beyond } = judge(graph.output("y").read(), state);
    assertEquals([verdict, whole[0].verdict, whole[0].part, whole[0].remark], [
      ...["unknown", "unknown", "nodes", words],
    ]);
    assertEquals(beyond, [why, "the module: no recurrent node has its weights"]);
    // Of several modules, or of none, nothing is computed.
    const two = judge(graph.read(), stateWith({ a: [rnn], b: [gru] }));
    assertEquals([two.verdict, two.whole], ["unknown", []]);
    const none = judge(new Graph().read(), {});
    assertEquals([none.verdict, none.whole, none.beyond], ["unknown", [], []]);
  });
  it("JUDGE-1: a loop beside recurrent nodes is out of reach", () => {
    const graph = loop(new Graph().recurrent(rnn, "x", { outputs: ["Y"] }).sideBySide("Y", "out"));
    const { verdict, beyond } = judge(graph.input("x", null).output("out").read(), state);
    assertEquals([verdict, beyond], ["unknown", [why]]);
  });
});

describe("what lies between nodes", () => {
  const layers = layersOf(2, 1);
  const state = stateOf(layers);
  /** Two layers between which a Reshape knows the length and the batch. */
  const fixed = (length: number, ...inputs: [string, (string | number)[]][]) => {
    const graph = new Graph().recurrent(layers[0], "x", { name: "a", outputs: ["Ya"] });
    graph.constant("shape", [3], [length, 3, 3], types.int64);
    graph.node("Reshape", ["Ya", "shape"], ["mid"]);
    graph.recurrent(layers[1], "mid", { name: "b", outputs: ["Yb"] }).sideBySide("Yb", "out");
    for (const [name, shape] of inputs) graph.input(name, shape);
    return judge(graph.output("out").read(), state);
  };
  it("JUDGE-3: is run with the lengths that the file's inputs name, the first four", () => {
    const unknown = "what lies between its nodes is not computed here";
    const said = (judgement: Judgement) =>
      judgement.whole.map(({ verdict, part, remark }) => [verdict, part, remark]);
    const more = (...extents: (string | number)[]): [string, (string | number)[]] => ["m", extents];
    assertEquals(said(fixed(9, more("t"))), [["right", "nodes", null]]);
    assertEquals(said(fixed(7, more("t"))), [["unknown", "nodes", unknown]]);
    assertEquals(said(fixed(7, more(7, "n"))), [["right", "nodes", null]]);
    assertEquals(said(fixed(7, more(7, 4))), [["right", "nodes", null]]);
    assertEquals(said(fixed(7, more(2, 4), ["n", [5, 7]])), [["right", "nodes", null]]);
    assertEquals(said(fixed(7, more(2, 4), ["n", [5, 6, 7]])), [["unknown", "nodes", unknown]]);
    assertEquals(fixed(7, more("t")).verdict, "right"); // by its nodes alone
  });
  it("JUDGE-4: dropout that drops, where nothing else can be computed", () => {
    const file = (training: number, first = layers[0]) => {
      const graph = new Graph().recurrent(first, "x", { name: "a", outputs: ["Ya"] });
      graph.constant("training", [], [training], types.uint8);
      graph.node("Dropout", ["Ya", "", "training"], ["dropped"]).sideBySide("dropped", "mid");
      graph.recurrent(layers[1], "mid", { name: "b", outputs: ["Yb"] }).sideBySide("Yb", "out");
      return judge(graph.input("x", ["t", "n", 2]).output("out").read(), state).whole;
    };
    assertEquals(file(1), [{
      ...{ module: "", verdict: "wrong", part: "nodes", batchFirst: null, off: null, remark: null },
      mistakes: [{
        id: "dropout-in-eval",
        says: "dropout is active: a Dropout node is told to be in training",
        clause: "DROP-1",
      }],
    } as object]);
    assertEquals(file(0)[0].verdict, "right");
    assertEquals([file(1, negated(layers[0], 0))[0].verdict], ["unknown"]);
  });
});

describe("a node that reads from the end", () => {
  const file = (own: ReferenceLayer, length: string | number, more: string[] = []) => {
    const graph = new Graph();
    graph.constant("h", [1, 4, 3], new Float64Array(12));
    const told = { inputs: ["", ...more], attributes: { direction: "reverse" } };
    graph.recurrent(own, "x", { outputs: ["Y"], ...told }).sideBySide("Y", "out");
    return graph.input("x", [length, "n", 2]).output("out").read();
  };
  it("JUDGE-4: is a mistake of the whole, where that is wrong for no other reason", () => {
    const found = judge(file(gru, "t"), stateOf([gru]));
    assertEquals([nodesOf(found), wholes(found)], [["right"], ["wrong file direction"]]);
    assertEquals(found.whole[0].mistakes, [{
      id: "direction",
      says: "the node reads the sequence from its end (direction is reverse)",
      clause: "STACK-3",
    }]);
    // Of one step, both directions are the same.
    assertEquals(wholes(judge(file(gru, 1), stateOf([gru]))), ["right file"]);
    assertEquals(wholes(judge(file(gru, 1, ["h"]), stateOf([gru]))), ["wrong file fixed-batch"]);
  });
  it("JUDGE-4: of another module, or of both directions, is no reason", () => {
    const b = layersOf(2, 30);
    const graph = stacked(new Graph(), b, { name: "b", reads: "other" });
    graph.node("Neg", ["b.mid"], ["other"]);
    graph.recurrent(gru, "x", { outputs: ["Y"], attributes: { direction: "reverse" } });
    const two = judge(graph.input("x", null).output("Y").read(), stateWith({ a: [gru], b }));
    assertEquals(wholes(two), ["wrong nodes direction", "wrong nodes"]);
    const both = layerWith("GRU", [2, 3], { directions: 2 });
    const halves = new Graph();
    both.directions.forEach((own, d) => {
      const attributes = { direction: d ? "reverse" : "forward" };
      halves.recurrent({ ...both, directions: [own] }, "x", {
        name: `d${d}`,
        outputs: [`Y${d}`],
        attributes,
      });
      halves.sideBySide(`Y${d}`, `half${d}`);
    });
    halves.node("Concat", ["half0", "half1"], ["cat"], { axis: 2 }).node("Neg", ["cat"], ["out"]);
    const negative = judge(halves.input("x", null).output("out").read(), stateOf([both]));
    assertEquals([nodesOf(negative), wholes(negative)], [["right", "right"], ["wrong file"]]);
  });
});

describe("quantised weights", () => {
  const file = (clip: number, output = "out") => {
    const graph = new Graph();
    const ints = (count: number, seed: number) =>
      numbers(count, seed).map((x) => Math.round(99 * x));
    graph.constant("W", [1, 2, 12], ints(24, 1), types.int8);
    graph.constant("R", [1, 3, 12], ints(36, 2), types.int8);
    graph.constant("s", [1], [0.01]);
    graph.constant("z", [1], [0], types.int8);
    const inputs = ["x", "W", "R", "", "", "", "", "", "s", "z", "s", "z"];
    const own = { hidden_size: 3, clip: { float: clip } };
    graph.node("DynamicQuantizeLSTM", inputs, ["Y"], own, "q", "com.microsoft");
    graph.sideBySide("Y", "out").node("Neg", ["out"], ["neg"]).input("x", ["t", "n", 2]);
    return graph.output(output).read({ more: [[8, [[1, "com.microsoft"], [2, 1]]]] });
  };
  const layer = layerOf(recurrentNodes(file(1e6)).nodes[0]);
  const near = stateOf([changedIn(layer, ({ weightIh, weightHh }) => ({
    weightIh: weightIh.map((x) => x + 0.004),
    weightHh: weightHh.map((x) => x - 0.004),
  }))]);
  it("JUDGE-3: are right together where the node is, with how far off", () => {
    const found = judge(file(1e6), near);
    assertEquals([nodesOf(found), wholes(found), found.verdict], [
      ["right"],
      ["right file"],
      "right",
    ]);
    assertEquals(found.whole[0].off!.step, 0);
    const clipped = judge(file(0.1), near);
    assertEquals([nodesOf(clipped), wholes(clipped)], [["wrong clip"], ["wrong file"]]);
    assertEquals(wholes(judge(file(1e6), stateOf([layer]))), ["right file"]);
  });
});
