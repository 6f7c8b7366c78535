/** Quantised weights of ONNX's recurrent nodes, and nodes carried out where a graph's values are computed. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type FloatArray, LSTM, type Tensor, toOnnx, ValueError } from "../../mod.ts";
import {
  evaluateRecurrence,
  type OnnxRecurrence,
  readOnnx,
  type WireField,
  writeMessage,
} from "../../lib/onnx/mod.ts";
import { type RecurrentNode, recurrentNodes } from "../../lib/onnx/recurrent.ts";
import { carryOut } from "../../lib/onnx/run.ts";
import { asTensor, asValue, type Value } from "../../lib/onnx/value.ts";
import { Scope, worldOf } from "../../lib/onnx/values.ts";
import { describe, fact as onEveryPath, readablePath } from "./law.ts";
import { attribute, float64, Graph, names, node, numbers, rnn, small } from "./onnx_graph.ts";

const fact = (claim: string, holds: () => void, clauses = ["JUDGE-1"]) =>
  onEveryPath(clauses, claim, holds, readablePath);

const bytes = (...values: number[]) => Uint8Array.from(values);

/** The recurrent nodes of a graph. */
const found = (graph: Graph) => recurrentNodes(readOnnx(graph.encode()));
const reasons = (graph: Graph) =>
  found(graph).unknown.map(({ path, why, loop }) => [path, why, loop]);

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
      // The node's inputs behind the last that is there need not be named.
      const last = given.findLastIndex((x) => x !== null);
      assertEquals(run(own, given.slice(0, last + 1)), [Y, Yh, Yc!].map(asValue));
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
    const file = (...opset: WireField[]) => writeMessage([[1, 2], [7, layout.fields], ...opset]);
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
