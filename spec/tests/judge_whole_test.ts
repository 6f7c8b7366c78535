/** All the nodes of a module together, and the verdict on a file (JUDGE-1, JUDGE-3, JUDGE-4). */

import { assertEquals } from "@std/assert";
import { judge, type JudgeOptions } from "../../lib/onnx/mod.ts";
import type { StateDict } from "../../mod.ts";
import { type ReferenceLayer, stateOf } from "../../lib/onnx/reference.ts";
import { Graph, type More } from "./judged/file.ts";
import { layerWith } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

/** A checkpoint of several modules. */
const stateWith = (modules: Record<string, readonly ReferenceLayer[]>): StateDict =>
  Object.fromEntries(
    Object.entries(modules).flatMap(([module, layers]) =>
      Object.entries(stateOf(layers)).map(([name, x]) => [`${module}.${name}`, x])
    ),
  );

/** The file of one layer, from `x` to the sequence and the last state. */
function file(
  layer: ReferenceLayer,
  x: (string | number | null)[] | null,
  more: More & { constant?: number[]; batchFirst?: boolean } = {},
): Graph {
  const graph = new Graph();
  const { constant, batchFirst, ...rest } = more;
  if (constant) graph.constant("h", constant, new Float64Array(constant.reduce((a, b) => a * b)));
  const perm = { perm: { ints: [1, 0, 2] } };
  if (batchFirst) graph.node("Transpose", ["x"], ["first"], perm);
  graph.recurrent(layer, batchFirst ? "first" : "x", {
    inputs: constant ? ["", "h"] : [],
    outputs: ["Y", "hn"],
    ...rest,
  });
  graph.sideBySide("Y", batchFirst ? "turned" : "out");
  if (batchFirst) graph.node("Transpose", ["turned"], ["out"], perm);
  return graph.input("x", x).output("out").output("hn");
}

const gru = layerWith("GRU", [2, 3]);
const state = stateOf([gru]);

describe("a module as a whole", () => {
  it("JUDGE-3: what is said of a file that is the module", () => {
    const model = file(gru, ["t", "n", 2]).read();
    const right = judge(model, state);
    assertEquals(right, {
      ...{ verdict: "right", producer: "", opset: 17, beyond: [], unread: [] },
      nodes: [{
        ...{ path: "rnn", operator: "GRU", computes: "GRU 2 → 3", layer: "the module" },
        ...{ verdict: "right", mistakes: [], off: null, remark: null },
        notes: [{
          id: "state-absent",
          says: "it starts from zeros: no state is carried in",
          runtimes: [],
        }],
      }],
      whole: [{
        ...{ module: "", batchFirst: false, part: "file", verdict: "right", mistakes: [] },
        ...{ off: null, remark: null },
      }],
    });
    const named = judge(model, stateWith({ "a.b": [gru] }));
    assertEquals([named.whole[0].module, named.nodes[0].layer], ["a.b", "a.b"]);
    const first = file(gru, null, { batchFirst: true }).read();
    assertEquals(judge(first, state).whole[0].batchFirst, true);
    assertEquals(judge(first, state, { batchFirst: true }).whole[0].batchFirst, true);
    assertEquals(judge(first, state, { batchFirst: false }).verdict, "wrong");
    assertEquals(judge(model, state, { batchFirst: true }).verdict, "wrong");
    // Against another file, what lies between is not judged.
    assertEquals([judge(model, model).verdict, judge(model, model).whole], ["right", []]);
  });
  it("JUDGE-3: what is wrong with a file is said with the first step of a direction", () => {
    for (const [directions, steps] of [[1, { 4: 4 }], [2, { 4: 4, 6: 3, 9: 2 }]] as const) {
      const layer = layerWith("GRU", [2, 3], { directions });
      for (const [at, step] of Object.entries(steps)) {
        // Wrong at a time: in the forward direction from 4 on, in the other up to 5 or 6.
        const graph = file(layer, ["t", "n", 2]);
        graph.fields.splice(-2);
        const mask = Array.from(
          { length: 9 },
          (_, t) =>
            Array.from({ length: 3 * directions }, (_, k) => {
              if (at === "4") return k < 3 && t >= 4 ? 0 : 1;
              return k >= 3 && t <= (at === "6" ? 5 : 6) ? 0 : 1;
            }),
        );
        graph.constant("mask", [9, 1, 3 * directions], mask.flat());
        graph.node("Mul", ["out", "mask"], ["cut"]).output("cut");
        const wrong = judge(graph.read(), stateOf([layer]));
        const [{ off, mistakes, part, batchFirst }] = wrong.whole;
        assertEquals([off!.step, mistakes, part, batchFirst], [step, [], "file", false]);
        assertEquals([wrong.verdict, wrong.nodes[0].verdict], ["wrong", "right"]);
      }
    }
  });
  it("JUDGE-2: an RNN's nonlinearity is its node's, or the one told", () => {
    const layer = layerWith("RNN", [2, 3]);
    const model = file(layer, null, { attributes: { activations: ["Relu"] } }).read();
    const verdict = (options: JudgeOptions) => {
      const { whole: [{ verdict }], nodes: [node] } = judge(model, stateOf([layer]), options);
      return [verdict, node.verdict];
    };
    assertEquals(verdict({}), ["right", "right"]);
    assertEquals(verdict({ nonlinearity: "relu" }), ["right", "right"]);
    assertEquals(verdict({ nonlinearity: "tanh" }), ["wrong", "wrong"]);
  });
  it("JUDGE-4: an initial state for one batch, where any may come in", () => {
    const words = (batch: number) =>
      `the initial state is a constant for a batch of ${batch}, though the file's input may have any`;
    const said = (graph: Graph, options: JudgeOptions = {}) => {
      const [{ verdict, mistakes, part }] = judge(graph.read(), state, options).whole;
      return [verdict, part, ...mistakes.map(({ says, clause }) => `${clause}: ${says}`)];
    };
    const constant = [1, 4, 3];
    const wrong = ["wrong", "file", `BATCH-4: ${words(4)}`];
    const right = ["right", "file"];
    assertEquals(said(file(gru, ["t", "n", 2], { constant })), wrong);
    assertEquals(said(file(gru, null, { constant })), wrong);
    assertEquals(said(file(gru, ["t", 4, 2], { constant })), right);
    assertEquals(said(file(gru, [5, "n", 2], { constant })), wrong);
    assertEquals(said(file(gru, ["n", "t", 2], { constant, batchFirst: true })), wrong);
    assertEquals(said(file(gru, ["n", 5, 2], { constant, batchFirst: true })), wrong);
    assertEquals(said(file(gru, [4, "t", 2], { constant, batchFirst: true })), right);
    // In a file that is more than the module, of its first input two extents are free.
    const more = (x: (string | number | null)[] | null) =>
      said(file(gru, x, { constant }).input("other", ["k"]));
    const nodes = ["wrong", "nodes", `BATCH-4: ${words(4)}`];
    assertEquals(more(["t", "n", 2]), nodes);
    assertEquals(more(null), nodes);
    assertEquals(more(["t", null, "f"]), nodes);
    assertEquals(more(["t", 4, 2]), ["right", "nodes"]);
    assertEquals(more([9, 4, 2]), ["right", "nodes"]);
    // A constant among the inputs is no input.
    const listed = new Graph().input("h", [1, 4, 3]);
    listed.fields.push(...file(gru, ["t", 4, 2], { constant }).fields);
    assertEquals(said(listed), right);
    const other = new Graph().input("h", [1, "n", "m"]);
    other.fields.push(...file(gru, ["t", 4, 2], { constant }).input("other", ["k"]).fields);
    assertEquals(said(other), ["right", "nodes"]);
  });
  it("JUDGE-4: layout 1 of a node that reads time first", () => {
    const model = file(gru, ["t", "n", 2], { attributes: { layout: 1 } });
    const [whole] = judge(model.read({ opset: 22 }), state).whole;
    assertEquals(whole, {
      ...{ module: "", verdict: "wrong", part: "file", batchFirst: false, remark: null },
      mistakes: [{
        id: "layout",
        says: "the node has layout 1, yet what it reads has time first",
        clause: "BATCH-1",
      }],
      off: { error: Infinity, step: null },
    } as object);
    // With a state that does not fit then, too.
    const given = new Graph();
    given.recurrent(gru, "x", { inputs: ["", "h"], outputs: ["Y"], attributes: { layout: 1 } });
    given.sideBySide("Y", "out").input("x", null).input("h", [1, "n", 3]).output("out");
    assertEquals(judge(given.read({ opset: 22 }), state).whole, [whole]);
    // One node of two is enough.
    const layers = [0, 1].map((layer) => (
      { ...layerWith("GRU", [layer ? 3 : 2, 3], { seed: layer + 1 }), layers: 2, layer }
    ));
    const two = (layout: number) => {
      const graph = new Graph().recurrent(layers[0], "x", { name: "a", outputs: ["Ya"] });
      const told = { name: "b", outputs: ["Yb"], attributes: { layout } };
      graph.sideBySide("Ya", "mid").recurrent(layers[1], "mid", told).sideBySide("Yb", "out");
      return judge(graph.input("x", null).output("out").read({ opset: 22 }), stateOf(layers)).whole;
    };
    assertEquals(two(1), [whole]);
    assertEquals(two(0)[0].verdict, "right");
    // Read with the batch first, layout 1 is right.
    const right = new Graph().node("Transpose", ["x"], ["first"], { perm: { ints: [1, 0, 2] } });
    right.recurrent(gru, "first", { outputs: ["Y"], attributes: { layout: 1 } });
    right.node("Transpose", ["Y"], ["turned"], { perm: { ints: [1, 2, 0, 3] } });
    right.sideBySide("turned", "out").input("x", null).output("out");
    assertEquals(judge(right.read({ opset: 22 }), state).verdict, "right");
  });
});
