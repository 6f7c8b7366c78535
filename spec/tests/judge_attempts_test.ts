/** A file run from its inputs to its outputs, beside the module (JUDGE-3). */

import { assertEquals } from "@std/assert";
import {
  attemptOff,
  exchanged,
  type Inputs,
  inputsOf,
  type Module,
  runFile,
} from "../../lib/onnx/attempts.ts";
import type { OnnxModel } from "../../lib/onnx/mod.ts";
import { drawn, draws, offBy, scaleOf } from "../../lib/onnx/numbers.ts";
import { recurrentNodes } from "../../lib/onnx/recurrent.ts";
import { expected, type ReferenceLayer, stateOf } from "../../lib/onnx/reference.ts";
import { carryOut } from "../../lib/onnx/run.ts";
import { Graph, shapes, types } from "./judged/file.ts";
import { layerWith, numbers, wide } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

const moduleOf = (model: OnnxModel, layers: readonly ReferenceLayer[]): Module => (
  { name: "", layers, nodes: recurrentNodes(model, carryOut(model)).nodes }
);

const gru = layerWith("GRU", [2, 3]);

describe("a file's inputs", () => {
  const layer = layerWith("GRU", [2, 3]);
  /** The names of a file's inputs as arguments: the input, the states, the lengths. */
  const named = (graph: Graph, layers = [layer]) => {
    const model = graph.read();
    const found = inputsOf(model, { name: "", layers, nodes: [] });
    return found && [found.input, ...found.states, found.lengths].map((one) => one?.name ?? "");
  };
  const one = (shape: Parameters<Graph["input"]>[1], type = types.float32) =>
    new Graph().input("x", shape, type);
  it("JUDGE-3: are the sequences, the states, and the lengths, in this order", () => {
    assertEquals(named(one(["t", "n", 2])), ["x", ""]);
    assertEquals(named(one(null)), ["x", ""]);
    assertEquals(named(one([null, null, null], types.float64)), ["x", ""]);
    assertEquals(named(one([9, 3, "f"])), ["x", ""]);
    const full = new Graph().input("n", ["b"], types.int64).input("x", null).input("h", [
      1,
      "n",
      3,
    ]);
    assertEquals(named(full), ["x", "h", "n"]);
    assertEquals(named(one(null).input("n", [3], types.int32)), ["x", "n"]);
    // A constant that is listed among the inputs is none.
    const graph = one(null).input("W", [1, 9, 2]);
    graph.constant("W", [1, 9, 2], numbers(18, 1));
    assertEquals(named(graph), ["x", ""]);
  });
  it("JUDGE-3: more than a module's are no module's", () => {
    const lstm = [layerWith("LSTM", [2, 3])];
    const states = (count: number) => {
      const graph = one(null);
      for (let k = 0; k < count; k++) graph.input(`s${k}`, null);
      return graph;
    };
    assertEquals(named(states(1)), ["x", "s0", ""]);
    assertEquals(named(states(2)), null);
    assertEquals(named(states(2), lstm), ["x", "s0", "s1", ""]);
    assertEquals(named(states(3), lstm), null);
    const ints = new Graph().input("n", ["b"], types.int64);
    assertEquals(named(ints), null);
    assertEquals(
      named(one(null).input("n", ["b"], types.int64).input("m", ["b"], types.int64)),
      null,
    );
  });
  it("JUDGE-3: have three dimensions, a cell's two, and the layer's width", () => {
    assertEquals(named(one(["n", 2])), null);
    assertEquals(named(one(["t", "n", 2, 1])), null);
    assertEquals(named(one(["t", "n", 3])), null);
    assertEquals(named(one(["t", "n", 2]).input("h", [1, 3])), null);
    const cell = { ...layer, cell: true };
    assertEquals(named(one(["n", 2]), [cell]), ["x", ""]);
    assertEquals(named(one(["t", "n", 2]), [cell]), null);
    assertEquals(named(one(["n", 2]), [cell, cell]), null);
    assertEquals(named(one(["t", "n", 2]), [cell, cell]), ["x", ""]);
    assertEquals(named(one(["n", 3]), [cell]), null);
  });
  it("JUDGE-3: lengths are integers, one for each sequence", () => {
    assertEquals(named(one(null).input("n", ["b"], types.int64)), ["x", "n"]);
    for (const type of [types.uint8, types.float16]) {
      assertEquals(named(one(null).input("n", ["b"], type)), null);
    }
    assertEquals(named(one(null).input("n", ["b", 1], types.int64)), null);
    assertEquals(named(one(null).input("n", [], types.int64)), null);
    assertEquals(named(one(null).input("n", null, types.int64)), null);
  });
});

/** The file of one layer: `x` and its states in, the sequence and the last states out. */
function file(
  layer: ReferenceLayer,
  {
    x = ["t", "n", null] as (string | number | null)[] | null,
    states = true,
    lengths = false,
    batchFirst = false,
    names = ["out", "hn", "cn"],
  } = {},
): Graph {
  const graph = new Graph();
  const lstm = layer.kind === "LSTM";
  const own = states ? ["h", ...lstm ? ["c"] : []] : [];
  const reads = batchFirst ? "turned" : "x";
  if (batchFirst) graph.node("Transpose", ["x"], ["turned"], { perm: { ints: [1, 0, 2] } });
  graph.recurrent(layer, reads, {
    inputs: [lengths ? "n" : "", ...own],
    outputs: ["Y", names[1], ...lstm ? [names[2]] : []],
  });
  graph.sideBySide("Y", batchFirst ? "between" : names[0]);
  if (batchFirst) graph.node("Transpose", ["between"], [names[0]], { perm: { ints: [1, 0, 2] } });
  graph.input("x", x);
  for (const name of own) graph.input(name, null);
  if (lengths) graph.input("n", ["n"], types.int64);
  for (const name of lstm ? names : names.slice(0, 2)) graph.output(name);
  return graph;
}

/** The file run as a whole. */
function ran(graph: Graph, layer: ReferenceLayer, batchFirst = false) {
  const model = graph.read();
  const module = moduleOf(model, [layer]);
  const inputs: Inputs = inputsOf(model, module)!;
  return runFile(model, module, inputs, batchFirst, "tanh");
}

describe("a file as a whole", () => {
  it("JUDGE-3: runs on drawn inputs of the layer's scale, beside the module", () => {
    for (const kind of ["RNN", "LSTM", "GRU"] as const) {
      for (const directions of [1, 2]) {
        const layer = layerWith(kind, [4, 3], { directions });
        const next = draws(11);
        const inputs = {
          input: drawn(next, [9, 3, 4], scaleOf(layer)),
          h_0: drawn(next, [directions, 3, 3]),
          ...(kind === "LSTM" && { c_0: drawn(next, [directions, 3, 3]) }),
        };
        const attempt = ran(file(layer), layer)!;
        assertEquals(attempt.question, {
          ...{ layers: [layer], nonlinearity: "tanh", batchFirst: false, inputs },
          state: stateOf([layer]),
        });
        assertEquals(attempt.wanted, expected([layer], inputs, "tanh"));
        assertEquals(shapes(attempt.given!), shapes(attempt.wanted));
        const backs = directions === 2 ? [false, true] : [false];
        assertEquals(attemptOff(attempt, backs), null);
      }
    }
  });
  it("JUDGE-3: of the sizes that the file allows, or else of 9 steps and 3 sequences", () => {
    const layer = layerWith("GRU", [2, 3]);
    const size = (x: (string | number | null)[] | null, batchFirst = false) =>
      ran(file(layer, { x, batchFirst }), layer, batchFirst)!.question.inputs.input.shape;
    assertEquals(size(null), [9, 3, 2]);
    assertEquals(size([5, "n", 2]), [5, 3, 2]);
    assertEquals(size(["t", 4, 2]), [9, 4, 2]);
    assertEquals(size([5, 4, 2], true), [5, 4, 2]);
    assertEquals(size(["n", 4, 2], true), [3, 4, 2]);
    assertEquals(size([5, "t", 2], true), [5, 9, 2]);
    // A state made for one batch is asked with it.
    const graph = new Graph();
    graph.constant("h", [1, 5, 3], numbers(15, 1));
    graph.recurrent(layer, "x", { inputs: ["", "h"], outputs: ["Y", "hn"] });
    graph.input("x", null).output("hn");
    assertEquals(ran(graph, layer)!.question.inputs.input.shape, [9, 5, 2]);
  });
  it("JUDGE-3: not of 2^22 numbers or more", () => {
    const tiny = layerWith("RNN", [1, 1]);
    assertEquals(ran(file(tiny, { x: [2 ** 11, 2 ** 11, 1] }), tiny), null);
    const wider = layerWith("RNN", [1, 4]);
    assertEquals(ran(file(wider, { x: [2 ** 10, 2 ** 10, 1] }), wider), null);
    const wide = layerWith("RNN", [4, 1]);
    assertEquals(ran(file(wide, { x: [2 ** 12, 2 ** 8, 4] }), wide), null);
  });
  it("JUDGE-3: with the batch first, input and output are turned", () => {
    const layer = layerWith("LSTM", [2, 3], { directions: 2 });
    const plain = ran(file(layer), layer)!;
    const turned = ran(file(layer, { batchFirst: true }), layer, true)!;
    const { input, ...states } = plain.question.inputs;
    assertEquals(turned.question.inputs, { input: exchanged(input), ...states });
    assertEquals(turned.question.batchFirst, true);
    const { output, ...last } = plain.wanted;
    assertEquals(turned.wanted, { output: exchanged(output), ...last });
    assertEquals(attemptOff(turned, [false, true]), null);
    // Taken the other way, neither is right.
    const first = ran(file(layer, { batchFirst: true, x: [3, 3, 2] }), layer)!;
    assertEquals(attemptOff(first, [false, true])!.step, 0);
    const other = ran(file(layer, { x: [3, 3, 2] }), layer, true)!;
    assertEquals(attemptOff(other, [false, true])!.step, 0);
  });
  it("JUDGE-3: the first step that is off is one of time, in both orders", () => {
    const masked = (batchFirst: boolean, x: (string | number | null)[]) => {
      const graph = file(gru, { batchFirst, x });
      graph.fields.splice(-2);
      const shape = batchFirst ? [1, 9, 1] : [9, 1, 1];
      graph.constant("mask", shape, Array.from({ length: 9 }, (_, t) => t < 4 ? 1 : 0));
      return graph.node("Mul", ["out", "mask"], ["cut"]).output("cut");
    };
    assertEquals(attemptOff(ran(masked(false, ["t", "n", 2]), gru)!, [false])!.step, 4);
    assertEquals(attemptOff(ran(masked(true, ["n", "t", 2]), gru, true)!, [false])!.step, 4);
    // What has no such order is taken as it is.
    const last = file(gru, { batchFirst: true, names: ["output", "h_n"] });
    last.fields.splice(-2);
    assertEquals(attemptOff(ran(last.output("h_n"), gru, true)!, [false]), null);
    const raw = file(gru, { batchFirst: true });
    raw.fields.splice(-2);
    const off = attemptOff(ran(raw.output("Y"), gru, true)!, [false]);
    assertEquals(off, { error: Infinity, step: null });
  });
  it("JUDGE-3: dimensions exchanged are the first two", () => {
    const x = wide([2, 3, 2], ...[0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);
    const turned = wide([3, 2, 2], ...[0, 1, 100, 101, 10, 11, 110, 111, 20, 21, 120, 121]);
    assertEquals(exchanged(x), turned);
    assertEquals(exchanged(turned), x);
  });
  it("JUDGE-3: with lengths, the longest whole and not in order", () => {
    const layer = layerWith("GRU", [2, 3]);
    const lengths = (t: number | string, n: number | string) => {
      const attempt = ran(file(layer, { x: [t, n, 2], lengths: true }), layer)!;
      assertEquals(attemptOff(attempt, [false]), null);
      const { question: { inputs, lengths }, wanted } = attempt;
      assertEquals(wanted, expected([layer], inputs, "tanh", lengths));
      return lengths;
    };
    assertEquals(lengths("t", "n"), [5, 9, 7]);
    assertEquals(lengths(4, 5), [1, 4, 2, 1, 1]);
    assertEquals(lengths(3, 1), [3]);
    assertEquals(ran(file(layer), layer)!.question.lengths, undefined);
  });
  it("JUDGE-3: outputs are known by PyTorch's names, or else by their order", () => {
    const layer = layerWith("LSTM", [2, 3]);
    const given = (names: string[], outputs: string[]) => {
      const graph = file(layer, { names });
      graph.fields.splice(-3);
      for (const name of outputs) graph.output(name);
      const { given, wanted } = ran(graph, layer)!;
      return given && Object.entries(given).map(([name, x]) => {
        const same = Object.keys(wanted).filter((other) =>
          !offBy({ x }, { x: wanted[other] }, [false])
        );
        return [name, ...same].join();
      });
    };
    const right = ["output,output", "h_n,h_n", "c_n,c_n"];
    assertEquals(given(["a", "b", "k"], ["a", "b", "k"]), right);
    assertEquals(given(["output", "h_n", "c_n"], ["c_n", "output"]), ["c_n,c_n", "output,output"]);
    assertEquals(given(["output", "h_n", "k"], ["output", "h_n", "k"]), right);
    assertEquals(given(["output", "h_n", "k"], ["k", "output"]), ["output,c_n", "h_n,output"]);
    assertEquals(given(["a", "b", "k"], ["a"]), right.slice(0, 1));
    assertEquals(given(["a", "b", "k"], ["a", "b", "k", "a"]), null);
    assertEquals(given(["a", "b", "k"], ["a", "nothing", "k"]), null);
    assertEquals(given(["a", "b", "k"], ["a", "nothing"]), null);
  });
  it("JUDGE-3: an output in another form is one, with other numbers of numbers it is none", () => {
    const layer = layerWith("RNN", [2, 3]);
    const graph = file(layer);
    graph.fields.splice(-2);
    const raw = ran(graph.output("Y").output("hn"), layer)!;
    assertEquals(raw.given!.output.shape, [9, 1, 3, 3]);
    assertEquals(attemptOff(raw, [false]), { error: Infinity, step: null });
    // A Linear of its own on top.
    const linear = file(layer);
    linear.fields.splice(-2);
    linear.constant("to", [2], [-1, 3], types.int64);
    linear.constant("L", [3, 2], numbers(6, 1));
    linear.node("Reshape", ["out", "to"], ["rows"]).node("MatMul", ["rows", "L"], ["scores"]);
    assertEquals(ran(linear.output("scores"), layer)!.given, null);
    // One that reads every step is no output either; of a layer's width it may be one.
    const both = layerWith("GRU", [2, 3], { directions: 2 });
    for (const [width, wanted] of [[2, null], [3, "9,3,3"], [6, "9,3,6"], [7, null]] as const) {
      const every = file(both);
      every.fields.splice(-2);
      every.constant("L", [6, width], numbers(6 * width, 1));
      every.node("MatMul", ["out", "L"], ["scores"]);
      const { given } = ran(every.output("scores"), both)!;
      assertEquals(given && given.output.shape.join(), wanted);
    }
  });
  it("JUDGE-3: lengths are divided without a rest", () => {
    const graph = new Graph().node("Div", ["n", "two"], ["half"]);
    graph.constant("two", [1], [2], types.int64);
    graph.node("Mul", ["half", "two"], ["even"]);
    graph.recurrent(gru, "x", { inputs: ["even"], outputs: ["Y"] }).sideBySide("Y", "out");
    graph.input("x", null).input("n", ["n"], types.int64).output("out");
    const { question: { inputs }, given } = ran(graph, gru)!;
    assertEquals(offBy(given!, expected([gru], inputs, "tanh", [4, 8, 6]), [false]), null);
  });
  it("JUDGE-3: an LSTM that is given h alone is not run", () => {
    const layer = layerWith("LSTM", [2, 3]);
    const graph = new Graph();
    graph.recurrent(layer, "x", { inputs: ["", "h"], outputs: ["Y", "hn", "cn"] });
    graph.sideBySide("Y", "out").input("x", null).input("h", null).output("out");
    assertEquals(ran(graph, layer)!.given, null);
    const none = file(layer, { states: false });
    assertEquals(attemptOff(ran(none, layer)!, [false]), null);
    assertEquals(attemptOff(ran(file(gru), gru)!, [false]), null);
  });
  it("JUDGE-3: a cell has no time, and puts out its states", () => {
    for (const kind of ["RNN", "LSTM", "GRU"] as const) {
      const layer = { ...layerWith(kind, [2, 3]), cell: true };
      const names = kind === "LSTM" ? ["h", "c"] : ["h"];
      const graph = new Graph();
      graph.constant("axes", [1], [0], types.int64);
      for (const name of ["x", ...names]) graph.node("Unsqueeze", [name, "axes"], [`${name}1`]);
      graph.recurrent(layer, "x1", {
        inputs: ["", ...names.map((name) => `${name}1`)],
        outputs: ["", ...names.map((name) => `${name}n`)],
      });
      for (const name of names) graph.node("Squeeze", [`${name}n`, "axes"], [`${name}2`]);
      const read = (batch: number | string, flat = true) => {
        const own = new Graph();
        own.fields.push(...graph.fields);
        own.input("x", [batch, 2]);
        for (const name of names) own.input(name, [batch, 3]);
        for (const name of names) own.output(flat ? `${name}2` : `${name}n`);
        return ran(own, layer)!;
      };
      for (const [batch, size] of [["n", 3], [4, 4]] as const) {
        for (const flat of [true, false]) {
          const attempt = read(batch, flat);
          const { question, wanted, given } = attempt;
          assertEquals(question.inputs.input.shape, [1, size, 2]);
          assertEquals(Object.keys(wanted), names.map((name) => `${name}_n`));
          assertEquals(shapes(given!), shapes(wanted));
          assertEquals(attemptOff(attempt, [false]), null);
        }
      }
    }
  });
});
