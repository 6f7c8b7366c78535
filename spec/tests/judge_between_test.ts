/** A file run from its first node to its last, beside the module (JUDGE-3). */

import { assertEquals } from "@std/assert";
import { attemptOff, runNodes } from "../../lib/onnx/attempts.ts";
import { drawn, draws, scaleOf } from "../../lib/onnx/numbers.ts";
import { recurrentNodes } from "../../lib/onnx/recurrent.ts";
import { expected, type ReferenceLayer, stateOf } from "../../lib/onnx/reference.ts";
import { carryOut } from "../../lib/onnx/run.ts";
import { Graph, shapes, types } from "./judged/file.ts";
import { layerWith, numbers, wide } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

describe("from the first node to the last", () => {
  /** Layers on top of each other, each with a node. */
  function stacked(
    layers: readonly ReferenceLayer[],
    more: { states?: boolean; lengths?: boolean; layout?: number; between?: string } = {},
  ): Graph {
    const graph = new Graph();
    layers.forEach((layer, k) => {
      const lstm = layer.kind === "LSTM";
      graph.recurrent(layer, k ? `out${k - 1}` : "start", {
        name: `rnn${k}`,
        inputs: [
          more.lengths ? "n" : "",
          ...more.states ? [`h${k}`, ...lstm ? [`c${k}`] : []] : [],
        ],
        outputs: [`Y${k}`, `hn${k}`, ...lstm ? [`cn${k}`] : []],
        attributes: more.layout ? { layout: 1 } : {},
      });
      if (k === layers.length - 1) return;
      if (more.between) graph.node(more.between, [`Y${k}`], [`between${k}`]);
      graph.sideBySide(more.between ? `between${k}` : `Y${k}`, `out${k}`);
    });
    return graph;
  }
  /** Two layers of a kind, one on top of the other. */
  const two = (kind: "RNN" | "LSTM" | "GRU", directions: number): ReferenceLayer[] => [
    { ...layerWith(kind, [2, 3], { directions, seed: 1 }), layers: 2 },
    { ...layerWith(kind, [3 * directions, 3], { directions, seed: 2 }), layers: 2, layer: 1 },
  ];
  const run = (graph: Graph, layers: readonly ReferenceLayer[], length = 9) => {
    const model = graph.read({ opset: 22 });
    const recurrence = recurrentNodes(model, carryOut(model));
    const module = { name: "", layers, nodes: recurrence.nodes };
    const attempt = runNodes(model, recurrence, module, "tanh", length);
    if (typeof attempt === "string") return attempt;
    const backs = layers[0].directions.length === 2 ? [false, true] : [false];
    return { ...attempt, off: attemptOff(attempt, backs) };
  };
  /** What must have been computed. */
  const done = (...given: Parameters<typeof run>) => {
    const attempt = run(...given);
    if (typeof attempt === "string") throw new Error(attempt);
    return attempt;
  };
  it("JUDGE-3: runs on drawn inputs, beside the module", () => {
    for (const kind of ["RNN", "LSTM", "GRU"] as const) {
      for (const directions of [1, 2]) {
        const layers = two(kind, directions);
        for (const states of [true, false]) {
          const next = draws(13);
          const input = drawn(next, [7, 3, 2], scaleOf(layers[0]));
          const state = () => drawn(states ? next : () => 0, [directions, 3, 3]);
          const drawnStates = layers.map(() => (
            { h_0: state(), ...(kind === "LSTM" && { c_0: state() }) }
          ));
          const both = (name: "h_0" | "c_0") =>
            wide([2 * directions, 3, 3], ...drawnStates.flatMap((own) => [...own[name]!.data]));
          const inputs = {
            ...{ input, h_0: both("h_0") },
            ...(kind === "LSTM" && { c_0: both("c_0") }),
          };
          const attempt = done(stacked(layers, { states }), layers, 7);
          assertEquals(attempt.question, {
            ...{ layers, inputs, nonlinearity: "tanh", state: stateOf(layers) },
          });
          assertEquals(attempt.wanted, expected(layers, inputs, "tanh"));
          assertEquals(shapes(attempt.given!), shapes(attempt.wanted));
          assertEquals(attempt.off, null);
        }
      }
    }
  });
  it("JUDGE-3: with lengths that go into the file", () => {
    const layers = two("GRU", 2);
    const attempt = done(stacked(layers, { lengths: true }), layers);
    assertEquals([attempt.question.lengths, attempt.off], [[5, 9, 7], null]);
    assertEquals(done(stacked(layers), layers).question.lengths, undefined);
    // They are divided without a rest.
    const halves = new Graph().node("Div", ["n", "two"], ["half"]);
    halves.constant("two", [1], [2], types.int64);
    halves.node("Mul", ["half", "two"], ["even"]);
    const names = { inputs: ["n"], outputs: ["Ya"] };
    halves.recurrent(layers[0], "start", { name: "a", ...names }).sideBySide("Ya", "mid");
    halves.recurrent(layers[1], "mid", { name: "b", inputs: ["even"], outputs: ["Yb"] });
    assertEquals(done(halves, layers).off!.step, 0);
    const odd = done(halves, layers).wanted.output;
    assertEquals(odd.shape, [9, 3, 6]);
    // Constant ones are the node's own.
    const graph = stacked(layers, { lengths: true });
    graph.constant("n", [3], [9, 9, 9], types.int32);
    assertEquals([done(graph, layers).question.lengths, done(graph, layers).off], [
      undefined,
      null,
    ]);
  });
  it("JUDGE-3: with a state that is a constant, and its batch", () => {
    const layers = two("LSTM", 1);
    const graph = stacked(layers, { states: true });
    graph.constant("h0", [1, 5, 3], numbers(15, 1));
    graph.constant("c1", [1, 5, 3], numbers(15, 2));
    const { question: { inputs: { input, h_0, c_0 } }, off } = done(graph, layers);
    assertEquals([input.shape, off], [[9, 5, 2], null]);
    assertEquals([...h_0.data.slice(0, 15)], [...Float32Array.from(numbers(15, 1))]);
    assertEquals([...c_0.data.slice(15)], [...Float32Array.from(numbers(15, 2))]);
    // A state that two nodes share is the same for both.
    const shared = new Graph();
    const gru = two("GRU", 1);
    shared.recurrent(gru[0], "start", { name: "a", inputs: ["", "h"], outputs: ["Ya", "ha"] });
    shared.sideBySide("Ya", "mid");
    shared.recurrent(gru[1], "mid", { name: "b", inputs: ["", "h"], outputs: ["Yb", "hb"] });
    const both = done(shared, gru);
    const { data } = both.question.inputs.h_0;
    assertEquals([data.slice(0, 9), both.off], [data.slice(9), null]);
  });
  it("JUDGE-3: in layout 1, where the batch comes first", () => {
    const layers = [layerWith("GRU", [2, 3], { directions: 2 })];
    for (const states of [true, false]) {
      const attempt = done(stacked(layers, { layout: 1, states }), layers);
      assertEquals([Object.keys(attempt.given!), attempt.off], [["output"], null]);
    }
  });
  it("JUDGE-3: of two layouts, each node is read in its own", () => {
    const layers = two("GRU", 2);
    const graph = new Graph().recurrent(layers[0], "start", { name: "a", outputs: ["Ya", "ha"] });
    graph.sideBySide("Ya", "mid").node("Transpose", ["mid"], ["first"], {
      perm: { ints: [1, 0, 2] },
    });
    const told = { outputs: ["Yb", "hb"], attributes: { layout: 1 } };
    const attempt = done(graph.recurrent(layers[1], "first", { name: "b", ...told }), layers);
    assertEquals([Object.keys(attempt.given!), attempt.off], [["output"], null]);
    // A last state that one of the nodes does not put out is not compared.
    const none = new Graph().recurrent(layers[0], "start", { name: "a", outputs: ["Ya"] });
    none.sideBySide("Ya", "mid").recurrent(layers[1], "mid", { name: "b", outputs: ["Yb", "hb"] });
    assertEquals(Object.keys(done(none, layers).given!), ["output"]);
  });
  it("JUDGE-3: what is not put out is not compared; without anything last, nothing is known", () => {
    const layers = two("GRU", 1);
    const graph = (outputs: string[]) =>
      new Graph().recurrent(layers[0], "start", { name: "a", outputs: ["Ya", "ha"] })
        .sideBySide("Ya", "mid").recurrent(layers[1], "mid", { name: "b", outputs });
    assertEquals(Object.keys(done(graph(["Yb"]), layers).given!), ["output"]);
    assertEquals(Object.keys(done(graph(["Yb", "hb"]), layers).given!), ["output", "h_n"]);
    assertEquals(
      run(graph(["", "hb"]), layers),
      "what lies between its nodes is not computed here",
    );
    const one = [layerWith("GRU", [2, 3])];
    const last = new Graph().recurrent(one[0], "start", { outputs: ["", "h"] });
    assertEquals([Object.keys(done(last, one).given!), done(last, one).off], [["h_n"], null]);
  });
  it("JUDGE-3: why it cannot be run", () => {
    const layers = two("GRU", 1);
    const unknown = "what lies between its nodes is not computed here";
    assertEquals(run(stacked(layers, { between: "Mystery" }), layers), unknown);
    assertEquals(done(stacked(layers, { between: "Identity" }), layers).off, null);
    const alone = layerWith("RNN", [1, 1]);
    assertEquals(run(stacked([alone]), [alone], 2 ** 22), "it is too large");
    const batch = (layer: ReferenceLayer, length: number) => {
      const graph = stacked([layer], { states: true });
      graph.constant("h0", [1, 2 ** 10, layer.hiddenSize], numbers(2 ** 10 * layer.hiddenSize, 1));
      return run(graph, [layer], length);
    };
    assertEquals(batch(alone, 2 ** 12), "it is too large");
    assertEquals(batch(layerWith("RNN", [1, 4]), 2 ** 10), "it is too large");
    assertEquals(batch(layerWith("RNN", [4, 1]), 2 ** 10), "it is too large");
    const both = layerWith("GRU", [2, 3], { directions: 2 });
    const one = { ...both, directions: [both.directions[0]] };
    assertEquals(run(stacked([one]), [both]), "its directions are nodes of their own");
    const inner = new Graph().recurrent(layers[0], "start");
    const graph = new Graph();
    graph.constant("true", [], [1], types.uint8);
    graph.node("If", ["true"], ["z"], { then_branch: inner, else_branch: inner });
    assertEquals(run(graph, layers), "its nodes lie in inner graphs");
    // One of them is enough.
    const half = new Graph().recurrent(layers[0], "start", { name: "a", outputs: ["Ya"] });
    const top = half.sideBySide("Ya", "mid");
    top.constant("true", [], [1], types.uint8);
    const branch = new Graph().recurrent(layers[1], "mid", { name: "b" });
    top.node("If", ["true"], ["z"], { then_branch: branch });
    assertEquals(run(top, layers), "its nodes lie in inner graphs");
    const [first, second] = two("GRU", 2);
    const part = { ...second, directions: [second.directions[0]] };
    assertEquals(
      run(stacked([first, part]), [first, second]),
      "its directions are nodes of their own",
    );
  });
});
