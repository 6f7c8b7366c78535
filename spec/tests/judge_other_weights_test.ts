/** Nodes whose weights are other than their layer's: rounded, quantised, misread, in another order (JUDGE-4). */

import { assertEquals } from "@std/assert";
import type { OnnxAttributes } from "../../lib/onnx/mod.ts";
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

describe("other weights", () => {
  it("JUDGE-4: those of none of the layers, and those that are only near", () => {
    const layer = layerWith("GRU", [2, 3]);
    const other = layerWith("GRU", [2, 3], { seed: 5 });
    const none = "other-weights: its weights are none of the checkpoint's";
    assertEquals(mistakesOf(nodeOf(other), layer, { relation: "other" }), [none]);
    assertEquals(ids(nodeOf(other, relu), layer, { relation: "other" }), [
      "relu-for-tanh",
      "other-weights",
    ]);
    const grown = changedIn(layer, ({ weightIh }) => ({ weightIh: weightIh.map((x) => 1.2 * x) }));
    const percent = (apart: number) =>
      mistakesOf(nodeOf(grown), layer, { relation: "near", apart })[0];
    const words = (share: string) =>
      `other-weights: its weights are ${share} % apart from the checkpoint's`;
    assertEquals(percent(0.12345), words("12"));
    assertEquals(percent(0.01266), words("1.3"));
    assertEquals(percent(0.01249), words("1.2"));
    assertEquals(percent(0.2), words("20"));
    assertEquals(percent(0), words("0"));
  });
  it("JUDGE-4: rounded ones are near, and known by what they compute", () => {
    const layer = layerWith("LSTM", [2, 3], { directions: 2 });
    const rounded = changedIn(layer, ({ weightIh, weightHh, biasIh, biasHh }) => {
      const half = (x: Float64Array) => x.map(Math.f16round);
      return {
        ...{ weightIh: half(weightIh), weightHh: half(weightHh) },
        ...{ biasIh: half(biasIh!), biasHh: half(biasHh!) },
      };
    });
    assertEquals(ids(nodeOf(rounded), layer, { relation: "near" }), ["float16-weights"]);
    assertEquals(ids(nodeOf(rounded, { clip: 0.1 }), layer, { relation: "near" }), [
      "clip",
      "float16-weights",
    ]);
  });
  it("JUDGE-3: quantised ones are right within half a step, which is said", () => {
    const layer = changedIn(layerWith("LSTM", [2, 3]), ({ weightIh, weightHh }) => (
      { weightIh: weightIh.fill(0, 0, 1), weightHh: weightHh.fill(0, 0, 1) }
    ));
    const step = 0.01234;
    const node = (steps: number, key: "weightIh" | "weightHh", told: OnnxAttributes = {}) =>
      nodeOf(
        changedIn(layer, (own) => ({ [key]: own[key].map((x, k) => k ? x : x + steps) })),
        told,
        { quantised: { bits: 8, step } },
      );
    for (const key of ["weightIh", "weightHh"] as const) {
      for (const sign of [1, -1]) {
        const within = judged(node(sign * step * 0.51, key), layer, { relation: "near" });
        assertEquals([within.verdict, within.mistakes], ["right", []]);
        const error = within.off!.error.toPrecision(2);
        assertEquals(
          within.remark,
          "quantised: every weight is within half a step of the layer's (0.012), " +
            `and its outputs are off by ${error} for it`,
        );
        const outside = node(sign * step * 0.52, key);
        assertEquals(ids(outside, layer, { relation: "near" }), ["other-weights"]);
        assertEquals(judged(outside, layer, { relation: "near" }).remark, null);
      }
      // What it is told is wrong all the same.
      const clipped = judged(node(step / 2, key, { clip: 0.1 }), layer, { relation: "near" });
      assertEquals([clipped.verdict, clipped.mistakes.map(({ id }) => id)], ["wrong", ["clip"]]);
      const plain = judged(node(step / 2, key), layer, { relation: "near" });
      assertEquals(clipped.remark, plain.remark);
    }
    const other = judged(node(step / 2, "weightIh"), layer, { relation: "other" });
    assertEquals([other.verdict, other.remark], ["wrong", null]);
  });
  it("JUDGE-3: a quantised node may make no difference but for its clip", () => {
    const layer = layerWith("GRU", [2, 3]);
    const quantised = { bits: 8, step: 0.5 };
    const node = nodeOf(layer, { clip: 0.1, ...relu }, { quantised });
    const { verdict, mistakes, remark } = judged(node, layer);
    assertEquals([verdict, mistakes.map(({ id }) => id), remark], [
      "wrong",
      ["relu-for-tanh", "clip"],
      null,
    ]);
  });
  it("JUDGE-4: weights that ports misread, and negated ones", () => {
    for (const kind of kinds) {
      for (const directions of [1, 2]) {
        const layer = layerWith(kind, [2, 3], { directions });
        const all = negated(layer, 0, 1);
        assertEquals(ids(nodeOf(all), layer), ["negated-weight_hh"]);
        assertEquals(ids(nodeOf(all, { clip: 0.1 }), layer), ["clip", "negated-weight_hh"]);
      }
    }
    const gru = layerWith("GRU", [2, 3]);
    const swapped = changedIn(gru, ({ biasIh, biasHh }) => ({ biasIh: biasHh, biasHh: biasIh }));
    assertEquals(ids(nodeOf(swapped, relu), gru), ["relu-for-tanh", "swapped-biases"]);
  });
  it("JUDGE-4: units in another order, the first eight of them", () => {
    const turned = (H: number, ...directions: number[]) => {
      const layer = layerWith("RNN", [2, H], { directions: 2 });
      const own = changedIn(layer, ({ weightIh, weightHh, biasIh, biasHh }, d) => {
        if (!directions.includes(d)) return {};
        const order = Array.from({ length: H }, (_, k) => (k + 3 - d) % H);
        return {
          weightIh: weightIh.map((_, k) => weightIh[order[k >> 1] * 2 + k % 2]),
          weightHh: weightHh.map((_, k) => weightHh[order[Math.floor(k / H)] * H + order[k % H]]),
          biasIh: biasIh!.map((_, k) => biasIh![order[k]]),
          biasHh: biasHh!.map((_, k) => biasHh![order[k]]),
        };
      });
      return mistakesOf(nodeOf(own, { clip: 0.1 }), layer);
    };
    const clip = "clip: what goes into each activation is clipped to ±0.1";
    const said = (list: string) => [
      clip,
      `units-permuted: the units stand in another order: ${list}`,
    ];
    assertEquals(turned(4, 0, 1), said("3, 0, 1, 2"));
    assertEquals(turned(8, 0, 1), said("3, 4, 5, 6, 7, 0, 1, 2"));
    assertEquals(turned(9, 0, 1), said("3, 4, 5, 6, 7, 8, 0, 1, …"));
    assertEquals(turned(4, 0), said("3, 0, 1, 2, in the forward direction only"));
    assertEquals(turned(4, 1), said("2, 3, 0, 1, in the reverse direction only"));
  });
  it("JUDGE-4: a mistake of one direction, or another of each", () => {
    const negatedHh = "negated-weight_hh: weight_hh is negated";
    for (const bias of [true, false]) {
      const layer = layerWith("GRU", [2, 3], { directions: 2, bias });
      const forward = `${negatedHh}, in the forward direction only`;
      const reverse = `${negatedHh}, in the reverse direction only`;
      assertEquals(mistakesOf(nodeOf(negated(layer, 0)), layer), [forward]);
      assertEquals(mistakesOf(nodeOf(negated(layer, 1)), layer), [reverse]);
      assertEquals(
        mistakesOf(nodeOf(negated(layer, 1), { clip: 0.1, linear_before_reset: 0 }), layer),
        [
          "reset-before: the reset gate is applied to h before the product with W_hn: " +
          "linear_before_reset is 0 or left out",
          "clip: what goes into each activation is clipped to ±0.1",
          reverse,
        ],
      );
      const different = changedIn(
        negated(layer, 1),
        ({ weightIh }, d) => d ? {} : { weightIh: weightIh.map((x) => -x) },
      );
      assertEquals(mistakesOf(nodeOf(different), layer), [
        "negated-weight_ih: weight_ih is negated, in the forward direction only",
        reverse,
      ]);
    }
    const lstm = layerWith("LSTM", [2, 3], { directions: 2 });
    const node = nodeOf(negated(lstm, 0));
    const holes = { ...node, weights: { ...node.weights, P: peepholesOf(lstm) } };
    assertEquals(ids(holes, lstm), ["peepholes", "negated-weight_hh"]);
  });
  it("JUDGE-4: numbers in no order that is known", () => {
    for (const directions of [1, 2]) {
      const layer = layerWith("GRU", [2, 3], { directions });
      const mixed = changedIn(layer, ({ weightIh }) => ({ weightIh: weightIh.toSorted() }));
      const words = "its weights are the layer's numbers, but in no order that is known";
      const { verdict, mistakes, remark } = judged(nodeOf(mixed, { clip: 0.1 }), layer);
      assertEquals([verdict, mistakes.map(({ id }) => id), remark], ["wrong", ["clip"], words]);
      assertEquals(judged(nodeOf(mixed), layer).mistakes, []);
    }
  });
});
