/** The recurrent nodes of an ONNX file: which there are, what leads to each, and their weights. */

import { assertEquals, assertThrows } from "@std/assert";
import { LSTM, type Tensor, toOnnx } from "../../mod.ts";
import { readOnnx, type WireField, writeMessage } from "../../lib/onnx/mod.ts";
import { allNodes, fixedBatch, readNode, recurrentNodes } from "../../lib/onnx/recurrent.ts";
import type { Value } from "../../lib/onnx/value.ts";
import { Scope, worldOf } from "../../lib/onnx/values.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";
import { attribute, float64, Graph, names, node, numbers, rnn, small } from "./onnx_graph.ts";

const fact = (claim: string, holds: () => void, clauses = ["JUDGE-1"]) =>
  onEveryPath(clauses, claim, holds, readablePath);

type Fields = WireField[];
const bytes = (...values: number[]) => Uint8Array.from(values);

/** The recurrent nodes of a graph. */
const found = (graph: Graph, ...more: Fields) => recurrentNodes(readOnnx(graph.encode(...more)));
const reasons = (graph: Graph, ...more: Fields) =>
  found(graph, ...more).unknown.map(({ path, why, loop }) => [path, why, loop]);

const noConstants = "its weights are no constants of the file";

describe("recurrent nodes of a file", () => {
  fact("what leads to a node is the nodes around it, by name or by what they make", () => {
    const inner: Fields = [node("Relu", [3, "deep"])];
    const graph = new Graph();
    graph.fields.push(
      node("If", [3, "choice"], [5, [[1, "then_branch"], [6, inner], [20, 5]]]),
      node("Own", [2, ""], [2, "a"], [2, "b"], [5, [[1, "several"], [11, inner], [11, inner], [
        20,
        10,
      ]]]),
      node("Call", [3, "call"], [7, "mine"]),
      node("Tanh"),
    );
    const body: Fields = [[1, "Call"], [10, "mine"], [7, node("Call2", [7, "mine"], [2, "z"])[1]]];
    const last: Fields = [[1, "Call2"], [10, "mine"], [7, node("Sigmoid", [3, "end"])[1]]];
    const model = readOnnx(graph.encode([25, body], [25, last]));
    const world = worldOf(model);
    const all = allNodes(model, new Scope(world, model.graph), world);
    assertEquals(all.map(({ path }) => path), [
      "choice",
      "choice → then_branch → deep",
      "Own that makes a",
      "Own that makes a → several → deep",
      "Own that makes a → several → deep",
      "call",
      "call → Call2 that makes z",
      "call → Call2 that makes z → end",
      "Tanh that makes nothing",
    ]);
    const [, deep, , , , , called] = all;
    assertEquals([deep.within === model.graph, called.within === model.functions[0]], [
      false,
      true,
    ]);
  });

  fact("as many nodes are visited as a quarter of the file's bytes, and 4096", () => {
    const [calls, steps] = [100, 100];
    const graph = new Graph();
    for (let k = 0; k < calls; k++) graph.fields.push(node("f", [7, "m"]));
    const body: Fields = [
      [1, "f"],
      [10, "m"],
      ...numbers(steps).map((): WireField => [7, [[4, "A"]]]),
    ];
    const visits = calls * (steps + 1);
    const length = 4 * (visits - 4096);
    const padded = (length: number) => {
      const bare = graph.encode([25, body]).length;
      const file = graph.encode([25, body], [6, "x".repeat(length - bare - 4)]);
      assertEquals(file.length, length);
      return readOnnx(file);
    };
    const counted = (length: number) => {
      const model = padded(length);
      const world = worldOf(model);
      return allNodes(model, new Scope(world, model.graph), world).length;
    };
    assertEquals([length, length - 4, length - 40].map(counted), [visits, visits, visits - 9]);
    assertEquals(recurrentNodes(padded(length)).unknown, []);
    const why = "its functions call each other more often than a file of this size may";
    assertEquals(recurrentNodes(padded(length - 4)).unknown, [{
      path: "the file",
      why,
      loop: false,
    }]);
  });

  fact("RNN, LSTM and GRU are ONNX's own, DynamicQuantizeLSTM is ONNX Runtime's", () => {
    for (
      const [type, domain, is] of [
        ["RNN", "", true],
        ["LSTM", "ai.onnx", true],
        ["GRU", "", true],
        ["DynamicQuantizeLSTM", "com.microsoft", true],
        ["DynamicQuantizeLSTM", "", false],
        ["LSTM", "com.microsoft", false],
        ["Gemm", "", false],
      ] as const
    ) {
      const graph = new Graph();
      graph.fields.push(node(type, [3, "own"], [7, domain]));
      assertEquals(reasons(graph), is ? [["own", noConstants, false]] : [], `${domain} ${type}`);
    }
  });

  fact("a loop of products and activations is out of reach, and is said to be", () => {
    const loop = (type: string, domain: string, ...inner: string[]) => {
      const graph = new Graph();
      const body: Fields = inner.map((type) => node(type));
      graph.fields.push(
        node(type, [3, "own"], [7, domain], [5, [[1, "body"], [6, body], [20, 5]]]),
      );
      return reasons(graph);
    };
    const why = "a recurrence as a loop of products, which is no recurrent node";
    const out = [["own", why, true]];
    for (const type of ["Loop", "Scan"]) {
      for (const product of ["MatMul", "Gemm"]) {
        for (const f of ["Tanh", "Sigmoid", "Relu"]) {
          assertEquals(loop(type, "", "Add", product, f), out);
        }
        assertEquals(loop(type, "", "Add", product), []);
      }
      assertEquals(loop(type, "", "Add", "Tanh"), []);
      assertEquals(loop(type, "own", "MatMul", "Tanh"), []);
    }
    assertEquals(loop("If", "", "MatMul", "Tanh"), []);
  });

  fact("inputs that no node reads and that are no outputs are named", () => {
    const graph = new Graph();
    graph.stored("weight", 1, [0], bytes());
    for (const name of ["read", "unread", "out", "weight", "inner"]) {
      graph.fields.push([11, [[1, name]]]);
    }
    const body: Fields = [node("Relu", [1, "inner"])];
    graph.fields.push(
      node("Relu", [1, "read"], [2, "y"]),
      node("If", [5, [[1, "then_branch"], [6, body], [20, 5]]]),
      [12, [[1, "out"]]],
      [12, [[1, "y"]]],
    );
    assertEquals(found(graph).unread, ["unread"]);
  });

  fact("a Dropout that is told to be in training drops", () => {
    const graph = new Graph();
    graph.stored("true", 9, [], bytes(1));
    graph.stored("false", 9, [], bytes(0));
    for (
      const [name, type, ...inputs] of [
        ["drops", "Dropout", "x", "", "true"],
        ["told not to", "Dropout", "x", "", "false"],
        ["not told", "Dropout", "x", "true"],
        ["told without a name", "Dropout", "x", "true", ""],
        ["told by an input", "Dropout", "x", "", "x"],
        ["another", "Where", "x", "x", "true"],
      ]
    ) graph.fields.push(node(type, [3, name], ...names(inputs)));
    assertEquals(found(graph).dropping, ["drops"]);
  });
});

describe("weights of recurrent nodes", () => {
  fact("the weights are the inputs 1, 2, 3 and 7, and each that is there is a constant", () => {
    const [{ W, R, B }] = toOnnx(new LSTM(3, 2).stateDict());
    const graph = (inputs: readonly string[], P = numbers(6)) => {
      const own = new Graph();
      own.constant("W", W);
      own.constant("R", R);
      own.constant("B", B!);
      own.constant("P", float64([1, 6], ...P));
      own.fields.push(node("LSTM", ...names(inputs), [3, "own"]));
      return own;
    };
    const all = ["x", "W", "R", "B", "lens", "h", "c", "P"];
    const [{ weights, hiddenSize, inputSize, kind, quantised }] = found(graph(all)).nodes;
    assertEquals([hiddenSize, inputSize, kind, quantised], [2, 3, "LSTM", null]);
    const plain = (x: Value | null) => x && [x.shape, [...x.data]];
    const own = (x: Tensor) => [[...x.shape], [...x.data]];
    assertEquals(plain(weights.W), own(W));
    assertEquals(plain(weights.R), own(R));
    assertEquals(plain(weights.B), own(B!));
    assertEquals(plain(weights.P), [[1, 6], numbers(6)]);
    const few = found(graph(["x", "W", "R"])).nodes[0].weights;
    assertEquals([few.B, few.P], [null, null]);
    const without = (P: number[]) => found(graph(all, P)).nodes[0].weights.P?.data.length;
    assertEquals(without([0, 0, 0, 0, 0, 0]), undefined);
    for (const one of [[0, 0, 0, 0, 0, 2], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]]) {
      assertEquals(without(one), 6);
    }
    for (const place of [1, 2, 3, 7]) {
      assertEquals(reasons(graph(all.with(place, "unknown"))), [["own", noConstants, false]]);
    }
    for (const place of [1, 2]) {
      assertEquals(reasons(graph(all.with(place, ""))), [["own", noConstants, false]]);
    }
    for (const place of [3, 7]) assertEquals(reasons(graph(all.with(place, ""))), []);
  });

  fact("a node's sizes are its weights', or it is said to be none", () => {
    const shapes = (
      wanted: string | null,
      [w, r, b, p]: readonly (number[] | null)[],
      ...more: Fields
    ) => {
      const graph = new Graph();
      const inputs = [w, r, b, p].map((shape, k) => {
        if (!shape) return "";
        const size = shape.reduce((all, extent) => all * extent, 1);
        return graph.constant("WRBP"[k], float64(shape, ...numbers(size)));
      });
      const own = ["x", ...inputs.slice(0, 3), "", "", "", inputs[3]];
      graph.fields.push(node("LSTM", ...names(own), [3, "own"], ...more));
      const told = reasons(graph).map(([, why]) => why);
      assertEquals(told, wanted === null ? [] : [`weights of the shapes ${wanted}`]);
    };
    const size = attribute("hidden_size", 2, [3, 2]);
    const both = attribute("direction", 3, [4, "bidirectional"]);
    const none = null;
    shapes(null, [[1, 8, 3], [1, 8, 2], [1, 16], [1, 6]]);
    shapes(null, [[1, 8, 3], [1, 8, 2], [1, 16], [1, 6]], size);
    shapes(null, [[2, 8, 3], [2, 8, 2], [2, 16], [2, 6]], both);
    shapes(null, [[1, 4, 1], [1, 4, 1], [1, 8], [1, 3]]);
    const of = "are not those of 1 direction of 2 units";
    for (const w of [[2, 8, 3], [1, 7, 3], [8, 3]]) {
      shapes(`(${w}) and (1,8,2) ${of}`, [w, [1, 8, 2], none, none]);
    }
    for (const r of [[2, 8, 2], [1, 9, 2]]) {
      shapes(`(1,8,3) and (${r}) ${of}`, [[1, 8, 3], r, none, none]);
    }
    for (const b of [[1, 8], [2, 16], [16], [1, 4]]) {
      shapes(`(1,8,3) and (1,8,2) ${of}`, [[1, 8, 3], [1, 8, 2], b, none]);
    }
    for (const p of [[1, 8], [6], [1, 4], [2, 6]]) {
      shapes(`(1,8,3) and (1,8,2) ${of}`, [[1, 8, 3], [1, 8, 2], none, p]);
    }
    shapes(`(1,8,3) and (8,2) are not those of 1 direction of 0 units`, [
      [1, 8, 3],
      [8, 2],
      none,
      none,
    ]);
    shapes(`(1,8,3) and (1,8,3) ${of}`, [[1, 8, 3], [1, 8, 3], none, none], size);
    shapes(
      "(1,8,3) and (1,8,2) are not those of 2 directions of 2 units",
      [[1, 8, 3], [1, 8, 2], none, none],
      both,
    );
  });

  fact("what a node is told that its operator has not is the reason", () => {
    const layout = attribute("layout", 2, [3, 1]);
    const why = (opset: number) => `RNN has no attribute layout in opset ${opset}`;
    const file = (opset: Fields) =>
      recurrentNodes(readOnnx(writeMessage([[1, 2], [7, rnn(small(), layout).fields], ...opset])));
    assertEquals(file([]).unknown, [{ path: "own", why: why(1), loop: false }]);
    assertEquals(file([[8, [[2, 13]]]]).unknown.map(({ why }) => why), [why(13)]);
    assertEquals(file([[8, [[2, 14]]]]).nodes[0].told.layout, 1);
    const bare = recurrentNodes(readOnnx(writeMessage([[1, 2], [7, rnn(small()).fields]])));
    assertEquals([bare.nodes.length, bare.unknown], [1, []]);
    // An error that is none of a node's is passed on.
    assertThrows(() => readNode(bare.nodes[0], 1.5), TypeError, "opset");
  });

  fact("weights may be taken as often as the file's size allows", () => {
    const { nodes: [own], world } = found(rnn(small()));
    world.left = 6; // elements of W and R
    assertEquals(typeof readNode(own, 17), "object");
    assertEquals(world.left, 0);
    world.left = 5;
    assertEquals(readNode(own, 17), "more nodes than its weights are for");
  });

  fact("a state that is a constant is made for one batch", () => {
    const batch = (shape: number[] | null, layout = 0) => {
      const graph = small();
      if (shape) {
        const size = shape.reduce((all, extent) => all * extent, 1);
        graph.constant("h", float64(shape, ...numbers(size)));
      }
      const inputs = ["x", "W", "R", "", "", "h", "other"];
      const told = attribute("layout", 2, [3, layout]);
      graph.fields.push(node("RNN", ...names(inputs), [3, "own"], told));
      return fixedBatch(found(graph).nodes[0]);
    };
    assertEquals([batch([1, 5, 2]), batch([5, 1, 2], 1)], [5, 5]);
    assertEquals([batch(null), batch([5, 2]), batch([1, 1, 5, 2])], [null, null, null]);
    assertEquals(fixedBatch(found(rnn(small())).nodes[0]), null);
  }, ["JUDGE-4"]);
});
