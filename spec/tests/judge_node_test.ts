/** One node held against its layer: what it is called, what is wrong with it, how far off (JUDGE-3, JUDGE-4). */

import { assert, assertEquals } from "@std/assert";
import type { Tensor } from "../../mod.ts";
import { evaluateRecurrence, type OnnxAttributes } from "../../lib/onnx/mod.ts";
import { alike, bendOf, inWords, layerName, nodeCase, sameNode } from "../../lib/onnx/node.ts";
import { close, drawn, draws, scaleOf } from "../../lib/onnx/numbers.ts";
import type { RecurrentNode } from "../../lib/onnx/recurrent.ts";
import { expected } from "../../lib/onnx/reference.ts";
import { asTensor } from "../../lib/onnx/value.ts";
import type { LayerKind } from "../../lib/layouts/layout.ts";
import {
  changedIn,
  ids,
  judged,
  layerWith,
  mistakesOf,
  negated,
  nodeOf,
  peepholesOf,
} from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

const kinds = ["RNN", "LSTM", "GRU"] as const;

/** Other activations than PyTorch's, for each direction. */
const relu = { activations: ["Sigmoid", "Relu"] };

describe("a node in words", () => {
  it("JUDGE-1: kind, sizes, direction, and what is unusual", () => {
    const words: [string, LayerKind, OnnxAttributes, object?][] = [
      ["RNN 2 → 3, tanh", "RNN", {}],
      ["RNN 2 → 3, relu", "RNN", { activations: ["Relu"] }],
      ["LSTM 2 → 3", "LSTM", {}],
      ["GRU 2 → 3, from the end", "GRU", { direction: "reverse" }],
      ["LSTM 2 → 3, weights of 8 bits", "LSTM", {}, { quantised: { bits: 8, step: 1 } }],
    ];
    for (const [wanted, kind, told, more] of words) {
      assertEquals(inWords(nodeOf(layerWith(kind, [2, 3]), told, more)), wanted);
    }
    const both = layerWith("RNN", [4, 1], { directions: 2, bias: false });
    assertEquals(inWords(nodeOf(both)), "RNN 4 → 1, tanh, both directions, no biases");
  });
  it("JUDGE-2: a layer by its module, its place and its directions", () => {
    const layer = layerWith("GRU", [2, 3]);
    assertEquals(layerName(layer), "the module");
    assertEquals(layerName({ ...layer, module: "a.b" }), "a.b");
    assertEquals(layerName({ ...layer, layers: 2, layer: 0 }), "the module, layer 0");
    const both = layerWith("GRU", [2, 3], { directions: 2, module: "a" });
    assertEquals(layerName(both), "a, both directions");
    assertEquals(layerName({ ...both, layers: 3, layer: 2 }), "a, layer 2, both directions");
  });
  it("JUDGE-2: an RNN's nonlinearity is the one told, or else the node's", () => {
    const node = (name: string) => nodeOf(layerWith("RNN", [1, 1]), { activations: [name] });
    assertEquals(bendOf(node("Relu"), {}), "relu");
    assertEquals(bendOf(node("Tanh"), {}), "tanh");
    assertEquals(bendOf(node("Sigmoid"), {}), "tanh");
    assertEquals(bendOf(undefined, {}), "tanh");
    assertEquals(bendOf(node("Relu"), { nonlinearity: "tanh" }), "tanh");
    assertEquals(bendOf(undefined, { nonlinearity: "relu" }), "relu");
  });
  it("JUDGE-2: a node of one direction is that direction of its layer", () => {
    const both = layerWith("GRU", [2, 3], { directions: 2 });
    const match = { layer: both, direction: 1, relation: "same", apart: 0 } as const;
    assertEquals(alike(nodeOf(both), match), both);
    const alone = { ...both, directions: [both.directions[1]] };
    assertEquals(alike(nodeOf(alone), match), alone);
  });
  it("JUDGE-2: two nodes are the same that are told the same and hold the same", () => {
    const layer = layerWith("LSTM", [2, 3]);
    const node = nodeOf(layer);
    const P = peepholesOf(layer);
    assert(sameNode(node, nodeOf(layer)));
    assert(sameNode(nodeOf(layer, {}, { path: "other" }), node));
    assert(!sameNode(node, nodeOf(layer, { clip: 1 })));
    const others = [
      nodeOf(layerWith("LSTM", [2, 3], { bias: false })),
      { ...node, weights: { ...node.weights, P } },
      ...(["W", "R", "B"] as const).map((name): RecurrentNode => {
        const { shape, data } = node.weights[name]!;
        const changed = data.map((x, k) => k === data.length - 1 ? x + 1 : x);
        const weights = { ...node.weights, [name]: { shape, data: changed, whole: false } };
        return { ...node, weights };
      }),
    ];
    for (const other of others) {
      assert(!sameNode(node, other));
      assert(!sameNode(other, node));
      assert(sameNode(other, { ...other }));
    }
  });
});

describe("a node's own question", () => {
  it("JUDGE-3, JUDGE-6: nine steps of two sequences of the layer's scale, with a state", () => {
    for (const kind of kinds) {
      const layer = layerWith(kind, [4, 3], { directions: 2 });
      const next = draws(7);
      const lengths = (told: OnnxAttributes) => nodeCase(nodeOf(layer, told), null, {});
      const { given, computed, wanted, tolerance } = lengths({});
      const scale = scaleOf(layer);
      assert(scale !== 1);
      assertEquals(Object.entries(given), [
        ["input", drawn(next, [9, 2, 4], scale)],
        ["h_0", drawn(next, [2, 2, 3])],
        ...(kind === "LSTM" ? [["c_0", drawn(next, [2, 2, 3])] as [string, Tensor]] : []),
      ]);
      assertEquals([wanted, tolerance], [null, 1e-4]);
      const shapes = Object.entries(computed).map(([name, { shape }]) => [name, shape]);
      const last = kind === "LSTM" ? ["Y_h", "Y_c"] : ["Y_h"];
      assertEquals(shapes, [["Y", [9, 2, 2, 3]], ...last.map((name) => [name, [2, 2, 3]])]);
      // Time is first, whatever the layout.
      assertEquals(lengths({ layout: 1 }).computed, computed);
    }
  });
  it("JUDGE-6: what the layer computes, in the node's form", () => {
    const layer = layerWith("GRU", [2, 3]);
    const match = { layer, direction: 0, relation: "same", apart: 0 } as const;
    const plain = nodeCase(nodeOf(layer), match, {});
    assertEquals(plain.wanted, plain.computed);
    const node = nodeOf(changedIn(layer, ({ biasIh }) => ({ biasIh: biasIh!.map((x) => x + 1) })), {
      linear_before_reset: 0,
      clip: 0.5,
    });
    const told = nodeCase(node, match, {});
    assertEquals(told.wanted, plain.computed);
    assert(told.computed.Y.data.some((x, k) => x !== plain.computed.Y.data[k]));
    const lstm = layerWith("LSTM", [2, 3]);
    const holes = nodeOf(lstm);
    const peepholes = { ...holes, weights: { ...holes.weights, P: peepholesOf(lstm) } };
    const own = nodeCase(peepholes, { ...match, layer: lstm }, {});
    assertEquals(own.wanted, nodeCase(holes, null, {}).computed);
    assert(own.computed.Y.data.some((x, k) => x !== own.wanted!.Y.data[k]));
    // An RNN's nonlinearity is the one told.
    const rnn = layerWith("RNN", [2, 3]);
    const bent = nodeCase(nodeOf(rnn), { ...match, layer: rnn }, { nonlinearity: "relu" });
    const relus = nodeCase(nodeOf(rnn, { activations: ["Relu"] }), null, {});
    assertEquals(bent.wanted, relus.computed);
  });
  it("JUDGE-6: with quantised weights, a runtime may be off by ten times what 8 bits make", () => {
    const layer = layerWith("LSTM", [2, 3]);
    const node = nodeOf(layer, {}, { quantised: { bits: 8, step: 0.01 } });
    const { given: { input, h_0, c_0 }, computed, tolerance } = nodeCase(node, null, {});
    // 255 steps from the smallest to the largest number.
    const [low, high] = [Math.min(...input.data), Math.max(...input.data)];
    const step = (high - low) / 255;
    const X = drawn(() => 0, input.shape);
    input.data.forEach((x, k) => X.data[k] = Math.round(x / step) * step);
    const { W, R, B } = node.weights;
    const run = (X: Tensor) =>
      evaluateRecurrence(node.told, {
        ...{ X, W: asTensor(W), R: asTensor(R), B: asTensor(B), initialH: h_0, initialC: c_0 },
      });
    const { Y, Yh, Yc } = run(X);
    const apart = [[Y, computed.Y], [Yh, computed.Y_h], [Yc!, computed.Y_c]].flatMap(([a, b]) =>
      Array.from(a.data, (x, k) => Math.abs(x - b.data[k]))
    );
    assert(Math.max(...apart) > 0);
    assertEquals(tolerance, 10 * Math.max(...apart));
  });
});

describe("what a node is told, and whether it matters", () => {
  it("JUDGE-3: what computes the same is right", () => {
    for (const kind of kinds) {
      for (const directions of [1, 2]) {
        const layer = layerWith(kind, [2, 3], { directions });
        const right = { verdict: "right", mistakes: [], off: null, remark: null };
        assertEquals(judged(nodeOf(layer), layer), right);
        assertEquals(judged(nodeOf(layer, { clip: 1e6 }), layer), right);
        // Which way a single direction reads is judged with the whole.
        if (directions > 1) continue;
        assertEquals(judged(nodeOf(layer, { direction: "reverse" }), layer), right);
      }
    }
  });
  it("JUDGE-4: the fewest mistakes that explain it, in the order in which they are told", () => {
    const gru = layerWith("GRU", [2, 3]);
    const lbr = { linear_before_reset: 0 };
    assertEquals(ids(nodeOf(gru, { ...lbr, clip: 1e6 }), gru), ["reset-before"]);
    assertEquals(ids(nodeOf(gru, { ...lbr, clip: 0.1 }), gru), ["reset-before", "clip"]);
    assertEquals(ids(nodeOf(gru, { ...lbr, ...relu, clip: 1e6 }), gru), [
      "reset-before",
      "relu-for-tanh",
    ]);
    const lstm = layerWith("LSTM", [2, 3]);
    const three = { activations: ["Sigmoid", "Relu", "Tanh"], input_forget: 1 };
    assertEquals(ids(nodeOf(lstm, { ...three, clip: 1e6 }), lstm), [
      "relu-for-tanh",
      "input-forget",
    ]);
    assertEquals(ids(nodeOf(lstm, { clip: 0.2, input_forget: 1 }), lstm), ["clip", "input-forget"]);
    const node = nodeOf(lstm, { clip: 1e6, input_forget: 1 });
    const peepholes = { ...node, weights: { ...node.weights, P: peepholesOf(lstm) } };
    assertEquals(ids(peepholes, lstm), ["input-forget", "peepholes"]);
  });
  it("JUDGE-4: beside other weights, only what makes a difference is said", () => {
    const gru = layerWith("GRU", [2, 3]);
    const other = negated(gru, 0);
    assertEquals(ids(nodeOf(other, { clip: 1e6 }), gru), ["negated-weight_hh"]);
    assertEquals(ids(nodeOf(other, { clip: 0.1 }), gru), ["clip", "negated-weight_hh"]);
    const lbr = { linear_before_reset: 0, clip: 1e6 };
    assertEquals(ids(nodeOf(other, lbr), gru), ["reset-before", "negated-weight_hh"]);
    // Where W_hn is 0, it makes none where the reset gate acts.
    const none = changedIn(gru, ({ weightHh, biasHh }) => (
      {
        weightHh: weightHh.map((x, k) => k < 18 ? x : 0),
        biasHh: biasHh!.map((x, k) => k < 6 ? x : 0),
      }
    ));
    const bent = changedIn(none, ({ weightIh }) => ({ weightIh: weightIh.map((x) => -x) }));
    assertEquals(ids(nodeOf(bent, { linear_before_reset: 0 }), none), ["negated-weight_ih"]);
  });
  it("JUDGE-4: how far off, and the first step of the direction that shows it", () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 20; seed++) {
      const layer = layerWith("RNN", [2, 1], { directions: 2, seed });
      for (const clip of [1, 1.5, 2, 2.5]) {
        const node = nodeOf(layer, { clip });
        const { given, computed } = nodeCase(node, null, {});
        const wanted = expected([layer], given, "tanh");
        const steps = [Infinity, Infinity];
        let error = 0;
        computed.Y.data.forEach((y, k) => {
          const [t, d, n] = [k >> 2, (k >> 1) % 2, k % 2]; // of (9, 2, 2, 1)
          const right = wanted.output.data[t * 4 + n * 2 + d];
          error = Math.max(error, Math.abs(y - right));
          if (!close(y, right)) steps[d] = Math.min(steps[d], d ? 8 - t : t);
        });
        const step = Math.min(...steps);
        if (step === Infinity) continue;
        if (steps[0] !== steps[1]) found.add(steps[0] < steps[1] ? "forward" : "reverse");
        assertEquals(judged(node, layer).off, { error, step });
        // The first direction alone.
        const alone = { ...layer, directions: [layer.directions[0]] };
        const first = judged(nodeOf(alone, { clip }), alone).off?.step ?? Infinity;
        assertEquals(first, steps[0]);
        found.add(String(first));
      }
    }
    for (const one of ["forward", "reverse", "0", "1"]) assert(found.has(one), one);
  });
  it("JUDGE-2: a layer out of another file is what its own node computes", () => {
    const layer = layerWith("GRU", [2, 3]);
    const clipped = nodeOf(layer, { clip: 0.1 });
    const own = { ...layer, node: clipped };
    const right = { verdict: "right", mistakes: [], off: null, remark: null };
    assertEquals(judged(clipped, own), right);
    assertEquals(judged(nodeOf(layer, { clip: 0.1, direction: "reverse" }), own), right);
    assertEquals(judged(nodeOf(layer, { clip: 0.1 }), layer).verdict, "wrong");
    assertEquals(mistakesOf(nodeOf(layer), own), [
      "no-clip: not as in the other file: what goes into each activation is clipped to ±0.1",
    ]);
    assertEquals(mistakesOf(nodeOf(layer, { clip: 0.2, linear_before_reset: 0 }), own), [
      "reset-before: the reset gate is applied to h before the product with W_hn: " +
      "linear_before_reset is 0 or left out",
      "clip: what goes into each activation is clipped to ±0.2",
      "no-clip: not as in the other file: what goes into each activation is clipped to ±0.1",
    ]);
    const both = nodeOf(layer, { clip: 0.1, linear_before_reset: 0 });
    assertEquals(ids(both, own), ["reset-before"]);
    const lstm = layerWith("LSTM", [2, 3]);
    const plain = nodeOf(lstm);
    const holes = { ...plain, weights: { ...plain.weights, P: peepholesOf(lstm) } };
    assertEquals(judged(holes, { ...lstm, node: holes }), right);
    assertEquals(ids(plain, { ...lstm, node: holes }), ["no-peepholes"]);
    assertEquals(ids(holes, { ...lstm, node: plain }), ["peepholes"]);
    // What explains PyTorch's layer explains no other node.
    const swapped = changedIn(layer, ({ biasIh, biasHh }) => ({ biasIh: biasHh, biasHh: biasIh }));
    assertEquals(ids(nodeOf(swapped), { ...layer, node: nodeOf(layer) }), ["swapped-biases"]);
    const { mistakes, remark } = judged(nodeOf(swapped, { clip: 0.1 }), own);
    const large = nodeOf(swapped, { clip: 1e6 });
    assertEquals(ids(large, { ...layer, node: nodeOf(layer, { clip: 1e6 }) }), ["swapped-biases"]);
    const words = "its weights are the layer's numbers, but in no order that is known";
    assertEquals([mistakes, remark], [[], words]);
  });
});
