/** The recurrent nodes of an ONNX file: which there are, what leads to each, and their weights. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type FloatArray, LSTM, Tensor, toOnnx, ValueError } from "../../mod.ts";
import {
  evaluateRecurrence,
  type OnnxRecurrence,
  readOnnx,
  type WireField,
  writeMessage,
} from "../../lib/onnx/mod.ts";
import {
  allNodes,
  fixedBatch,
  readNode,
  type RecurrentNode,
  recurrentNodes,
} from "../../lib/onnx/recurrent.ts";
import { carryOut } from "../../lib/onnx/run.ts";
import { asTensor, asValue, type Value } from "../../lib/onnx/value.ts";
import { Scope, worldOf } from "../../lib/onnx/values.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";
import { attribute, Graph } from "./onnx_graph.ts";

const fact = (claim: string, holds: () => void, clauses = ["JUDGE-1"]) =>
  onEveryPath(clauses, claim, holds, readablePath);

type Fields = WireField[];

const names = (inputs: readonly string[], outputs: readonly string[] = ["y"]): Fields => [
  ...inputs.map((name): WireField => [1, name]),
  ...outputs.map((name): WireField => [2, name]),
];
const node = (type: string, ...fields: Fields): WireField => [1, [[4, type], ...fields]];
const float64 = (shape: number[], ...data: number[]) => new Tensor(Float64Array.from(data), shape);
const numbers = (count: number, from = 1) => Array.from({ length: count }, (_, k) => from + k);
const bytes = (...values: number[]) => Uint8Array.from(values);

/** The recurrent nodes of a graph. */
const found = (graph: Graph, ...more: Fields) => recurrentNodes(readOnnx(graph.encode(...more)));
const reasons = (graph: Graph, ...more: Fields) =>
  found(graph, ...more).unknown.map(({ path, why, loop }) => [path, why, loop]);

/** A graph with the weights of an RNN of two units that reads one number. */
function small(): Graph {
  const graph = new Graph();
  graph.constant("W", float64([1, 2, 1], 1, 2));
  graph.constant("R", float64([1, 2, 2], 3, 4, 5, 6));
  return graph;
}
const rnn = (graph: Graph, ...more: Fields) => {
  graph.fields.push(node("RNN", ...names(["x", "W", "R"]), [3, "own"], ...more));
  return graph;
};
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

describe("quantised weights", () => {
  interface Quantised {
    count?: number;
    shape?: number[];
    scale?: number[];
    zero?: number[];
    change?: (inputs: string[]) => string[];
  }
  /** A quantised LSTM: weights of one byte, scales and zero points as they are given. */
  const graph = (
    { count = 1, shape, scale = [0.5], zero = [], change = (inputs) => inputs }: Quantised,
    weights = numbers(4 * count),
  ) => {
    const own = new Graph();
    own.stored("W", 2, shape ?? [count, 1, 4], bytes(...weights));
    own.stored("R", 2, [count, 1, 4], bytes(...numbers(4 * count, 20)));
    own.constant("scale", float64([scale.length], ...scale));
    own.constant("other", float64([1], 4));
    own.stored("zero", 2, [zero.length], bytes(...zero));
    const inputs = [
      "x",
      "W",
      "R",
      "",
      "",
      "",
      "",
      "",
      "scale",
      zero.length ? "zero" : "",
      "other",
      "",
    ];
    const told = attribute("direction", 3, [4, count === 2 ? "bidirectional" : "forward"]);
    own.fields.push(
      node("DynamicQuantizeLSTM", ...names(change(inputs)), [3, "own"], [7, "com.microsoft"], told),
    );
    return own;
  };
  const W = (own: Graph) => [...found(own).nodes[0].weights.W.data];

  fact(
    "ONNX Runtime's are turned: (number - zero point) times scale, of all, a direction or a column",
    () => {
      const [{ weights: { R, W: all }, quantised, kind, inputSize, hiddenSize }] =
        found(graph({})).nodes;
      assertEquals([[...all.data], all.shape, all.whole], [[0.5, 1, 1.5, 2], [1, 4, 1], false]);
      assertEquals([[...R.data], R.shape], [[80, 84, 88, 92], [1, 4, 1]]);
      assertEquals([quantised, kind, inputSize, hiddenSize], [{ bits: 8, step: 4 }, "LSTM", 1, 1]);
      assertEquals(found(graph({ scale: [8, 9, 2, 1] })).nodes[0].quantised?.step, 9);
      assertEquals(W(graph({ zero: [2] })), [-0.5, 0, 0.5, 1]);
      assertEquals(W(graph({ scale: [1, 2, 3, 4] })), [1, 4, 9, 16]);
      assertEquals(W(graph({ scale: [1, 2, 3, 4], zero: [1, 1, 1, 2] })), [0, 2, 6, 8]);
      assertEquals(W(graph({ count: 2, scale: [1, 10] })), [1, 2, 3, 4, 50, 60, 70, 80]);
      const columns = { count: 2, scale: [1, 2, 3, 4, 10, 20, 30, 40] };
      assertEquals(W(graph(columns)), [1, 4, 9, 16, 50, 120, 210, 320]);
      assertEquals(W(graph({ count: 2, scale: [3] })), numbers(8).map((x) => 3 * x));
      assertEquals(W(graph({ count: 2, zero: [1, 5] })), [0, 0.5, 1, 1.5, 0, 0.5, 1, 1.5]);
      // Two inputs: stored a row for each input, computed with a row for each gate.
      const two = { shape: [1, 2, 4], scale: [1, 10, 100, 1000] };
      assertEquals(W(graph(two, numbers(8))), [1, 5, 20, 60, 300, 700, 4000, 8000]);
      const both = { count: 2, shape: [2, 2, 4], scale: [1, 2] };
      const turned = [1, 5, 2, 6, 3, 7, 4, 8];
      assertEquals(W(graph(both, numbers(16))), [...turned, ...turned.map((x) => 2 * (x + 8))]);
      const [{ weights: { W: wide } }] = found(graph(both, numbers(16))).nodes;
      assertEquals(wide.shape, [2, 4, 2]);
    },
  );

  fact("scales and zero points that are no constants are the reason", () => {
    const why = [["own", "the scales of its weights are no constants of the file", false]];
    for (const place of [8, 9, 10, 11]) {
      const change = (inputs: string[]) => inputs.with(place, "unknown");
      assertEquals(reasons(graph({ change })), why, String(place));
    }
    for (const place of [8, 10]) {
      assertEquals(reasons(graph({ change: (inputs) => inputs.with(place, "") })), why);
    }
    assertEquals(reasons(graph({ shape: [1, 4] })), why);
    assertEquals(reasons(graph({ shape: [1, 1, 4, 1] })), why);
    assertEquals(reasons(graph({ change: (inputs) => inputs.slice(0, 8) })), why);
  });

  fact("W or R through a DequantizeLinear is of its bits, and of its coarsest step", () => {
    const through = (at: "W" | "R", type: number, between: number, scale = [0.5]) => {
      const own = small();
      const size = at === "W" ? 2 : 4;
      const width = type === 3 || type === 2 ? 1 : type === 6 ? 4 : 2;
      own.stored("stored", type, [1, 2, size / 2], new Uint8Array(size * width));
      own.constant(
        "scale",
        scale.length > 1 ? float64([scale.length], ...scale) : float64([], ...scale),
      );
      let x = own.node(
        "DequantizeLinear",
        ["stored", "scale"],
        "plain",
        "",
        attribute("axis", 2, [3, 1]),
      );
      for (let k = 0; k < between; k++) x = own.node("Identity", [x], `i${k}`);
      own.node("RNN", ["x", at === "W" ? x : "W", at === "R" ? x : "R"], "y", "own");
      return found(own).nodes[0].quantised;
    };
    assertEquals(found(rnn(small())).nodes[0].quantised, null);
    for (const at of ["W", "R"] as const) {
      for (const between of [0, 1, 7]) {
        assertEquals(through(at, 3, between), { bits: 8, step: 0.5 });
      }
      assertEquals(through(at, 3, 8), null);
      assertEquals(through(at, 2, 0, [0.25, 2]), { bits: 8, step: 2 });
      assertEquals(through(at, 2, 0, [3, 2]), { bits: 8, step: 3 });
      for (const type of [4, 5]) assertEquals(through(at, type, 0), { bits: 16, step: 0.5 });
      assertEquals(through(at, 6, 0), { bits: 32, step: 0.5 });
    }
    // Where it is not stored as a constant, of one byte.
    const own = small();
    own.stored("bytes", 3, [1, 2, 1], new Uint8Array(2));
    own.constant("scale", float64([], 2));
    own.node("Identity", ["bytes"], "stored");
    own.node("DequantizeLinear", ["stored", "scale"], "plain");
    own.node("RNN", ["x", "plain", "R"], "y", "own");
    assertEquals(found(own).nodes[0].quantised, { bits: 8, step: 2 });
  }, ["JUDGE-6"]);
});

describe("recurrent nodes carried out", () => {
  const value = (shape: number[], data: ArrayLike<number>): Value => (
    { shape, data: Float64Array.from(data), whole: false }
  );
  /** What a graph's last node puts out, from what is given. */
  const run = (
    graph: Graph,
    given: readonly (Value | null)[],
    change?: (told: OnnxRecurrence) => OnnxRecurrence,
    file = graph.encode(),
  ) => {
    const model = readOnnx(file);
    const scope = new Scope(worldOf(model), model.graph);
    return carryOut(model, change)(model.graph.nodes.at(-1)!, scope, given);
  };
  const X = value([3, 2, 1], numbers(6, -3));

  fact("a node puts out what ONNX says, from its input, lengths and states", () => {
    const [{ W, R, B }] = toOnnx(new LSTM(1, 2, { dtype: "float64" }).stateDict());
    const P = float64([1, 6], ...numbers(6));
    const graph = new Graph();
    graph.constant("W", W);
    graph.constant("R", R);
    graph.constant("B", B!);
    graph.constant("P", P);
    const inputs = ["x", "W", "R", "B", "lens", "h", "c", "P"];
    const told = attribute("clip", 1, [2, { float: 2 }]);
    const lens = value([2], [3, 1]);
    const [h, c] = [value([1, 2, 2], numbers(4)), value([1, 2, 2], numbers(4, 5))];
    const weights = { W, R, B, P };
    const outside: [place: number, name: string, own: Value, as: Value | FloatArray][] = [
      [4, "sequenceLens", lens, lens.data],
      [5, "initialH", h, h],
      [6, "initialC", c, c],
    ];
    for (const left of [[], [4], [5], [6], [4, 5], [4, 6], [5, 6], [4, 5, 6]]) {
      const own = new Graph();
      own.fields.push(...graph.fields);
      own.fields.push(
        node("LSTM", ...names(inputs.map((name, k) => left.includes(k) ? "" : name)), told),
      );
      const given: (Value | null)[] = [X, null, null, null, null, null, null, null];
      const states: Record<string, Tensor | FloatArray> = {};
      for (const [place, name, x, as] of outside) {
        if (left.includes(place)) continue;
        given[place] = x;
        states[name] = "shape" in as ? asTensor(as) : as;
      }
      const recurrence = found(own).nodes[0].told;
      assertEquals(recurrence.clip, 2);
      const wanted = evaluateRecurrence(recurrence, { X: asTensor(X), ...weights, ...states });
      const { Y, Yh, Yc } = wanted;
      assertEquals(run(own, given), [asValue(Y), asValue(Yh), asValue(Yc!)]);
      assertEquals(
        run(
          own,
          given.slice(0, left.includes(6) ? left.includes(5) ? left.includes(4) ? 1 : 5 : 6 : 7),
        ),
        [
          ...[Y, Yh, Yc!].map(asValue),
        ],
      );
      const changed = evaluateRecurrence({ ...recurrence, clip: null }, {
        ...{ X: asTensor(X), ...weights, ...states },
      });
      assertEquals(run(own, given, (told) => ({ ...told, clip: null }))?.[0], asValue(changed.Y));
      // A state that is named, and is not known, leaves the outputs unknown; so does an unknown input.
      for (const [place] of outside) {
        if (!left.includes(place)) assertEquals(run(own, given.with(place, null)), null);
      }
      assertEquals(run(own, given.with(0, null)), null);
    }
    const plain = rnn(small());
    const found1 = run(plain, [X]);
    assertEquals([found1?.length, found1?.[0]?.shape, found1?.[2]], [3, [3, 1, 2, 2], null]);
  });

  fact("what is no recurrent node, or none whose function is known, is not carried out", () => {
    const graph = small();
    graph.fields.push(node("Relu", ...names(["x", "W", "R"])));
    assertEquals(run(graph, [X]), null);
    const unknown = new Graph();
    unknown.fields.push(node("RNN", ...names(["x", "W", "R"])));
    assertEquals(run(unknown, [X]), null);
    const layout = rnn(small(), attribute("layout", 2, [3, 1]));
    const file = (...opset: Fields) => writeMessage([[1, 2], [7, layout.fields], ...opset]);
    assertEquals(run(layout, [X], undefined, file()), null);
    assertEquals(run(layout, [X], undefined, file([8, [[2, 13]]])), null);
    assert(run(layout, [X], undefined, file([8, [[2, 14]]])));
    const bare = writeMessage([[1, 2], [7, rnn(small()).fields]]);
    assert(run(rnn(small()), [X], undefined, bare));
  });

  fact("inputs that do not fit make it unknown, other errors are passed on", () => {
    assertEquals(run(rnn(small()), [value([3, 2, 2], numbers(12))]), null);
    const throwing = (error: Error) => () => {
      throw error;
    };
    assertEquals(run(rnn(small()), [X], throwing(new ValueError("own"))), null);
    assertThrows(() => run(rnn(small()), [X], throwing(new TypeError("own"))), TypeError, "own");
  });

  fact("a node of 2^30 products or more is left out", () => {
    const graph = new Graph();
    graph.constant("W", float64([1, 1, 3], 1, 2, 3));
    graph.constant("R", float64([1, 1, 1], 1));
    graph.fields.push(node("RNN", ...names(["x", "W", "R"])));
    let asked = 0;
    const steps = (count: number) => {
      asked = 0;
      const data = { length: 3 * count } as Float64Array; // as large as that, and not there
      const found = run(graph, [{ shape: [count, 1, 3], data, whole: false }], () => {
        asked++;
        throw new ValueError("own");
      });
      assertEquals(found, null);
      return asked;
    };
    assertEquals([steps(2 ** 28 - 1), steps(2 ** 28)], [1, 0]);
    // Of no number read there are no steps to count.
    const empty = new Graph();
    empty.constant("W", float64([1, 1, 0]));
    empty.constant("R", float64([1, 1, 1], 1));
    empty.fields.push(node("RNN", ...names(["x", "W", "R"])));
    assertEquals(run(empty, [value([3, 2, 0], [])])?.[0]?.shape, [3, 1, 2, 1]);
  }, ["ONNX-2"]);

  fact("a quantised LSTM is one with the weights that it stands for", () => {
    const [{ W, R }] = toOnnx(new LSTM(1, 1, { bias: false, dtype: "float64" }).stateDict());
    const [w, r] = [W, R].map(({ data }) => data.map((x) => Math.round(10 * x)));
    const graph = new Graph();
    graph.stored("W", 3, [1, 1, 4], new Uint8Array(Int8Array.from(w).buffer));
    graph.stored("R", 3, [1, 1, 4], new Uint8Array(Int8Array.from(r).buffer));
    graph.constant("scale", float64([1], 0.125));
    const inputs = ["x", "W", "R", "", "", "", "", "", "scale", "", "scale", ""];
    graph.fields.push(node("DynamicQuantizeLSTM", ...names(inputs), [7, "com.microsoft"]));
    const [{ told }]: readonly RecurrentNode[] = found(graph).nodes;
    const [own, state] = [w, r].map((x) => float64([1, 4, 1], ...x.map((y) => y * 0.125)));
    const wanted = evaluateRecurrence(told, { X: asTensor(X), W: own, R: state });
    assertEquals(run(graph, [X])?.[0], asValue(wanted.Y));
  });
});
