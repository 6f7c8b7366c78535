/** Which layer of a checkpoint a node is taken for, by its numbers (JUDGE-2). */

import { assertAlmostEquals, assertEquals } from "@std/assert";
import { matched } from "../../lib/onnx/match.ts";
import type { ReferenceLayer, Weights } from "../../lib/onnx/reference.ts";
import { changedIn, layerWith, nodeOf, numbers } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

/** What a node, and more nodes after it, are taken for: the layer's place, and the rest. */
function taken(nodes: readonly ReferenceLayer[], layers: readonly ReferenceLayer[]) {
  return matched(nodes.map((own) => nodeOf(own)), layers).map((match) =>
    match && [layers.indexOf(match.layer), match.direction, match.relation, match.apart]
  );
}

/** An RNN of one input and one unit. */
const tiny = (w: number, r: number): ReferenceLayer =>
  changedIn(layerWith("RNN", [1, 1], { bias: false }), () => ({
    weightIh: Float64Array.of(w),
    weightHh: Float64Array.of(r),
  }));

/** A layer whose first numbers of W_ih are replaced. */
const replaced = (layer: ReferenceLayer, count: number, by: number) =>
  changedIn(layer, ({ weightIh }) => ({
    weightIh: weightIh.map((x, k) => k < count ? by : x),
  }));

describe("the layer of a node", () => {
  it("JUDGE-2: no order and no sign makes other numbers of them", () => {
    const layer = layerWith("LSTM", [3, 2]);
    const mixed = ({ weightIh, weightHh }: Weights) => {
      const all = [...weightIh, ...weightHh].reverse().map((x, k) => k % 2 ? x : -x);
      const cut = weightIh.length;
      return {
        weightIh: Float64Array.from(all.slice(0, cut)),
        weightHh: Float64Array.from(all.slice(cut)),
      };
    };
    assertEquals(taken([changedIn(layer, mixed)], [layer]), [[0, 0, "same", 0]]);
    // The biases have no part in it.
    const other = changedIn(layer, ({ biasIh }) => ({ biasIh: biasIh!.map((x) => x + 1) }));
    assertEquals(taken([other], [layer]), [[0, 0, "same", 0]]);
  });
  it("JUDGE-2: more than 999 numbers of 1000 in common are the same numbers", () => {
    const relations = (inputSize: number, by: number) => {
      const layer = layerWith("RNN", [inputSize, 20]);
      return [1, 2].map((count) => taken([replaced(layer, count, by)], [layer])[0]![2]);
    };
    for (const by of [0, 5, -5]) {
      assertEquals(relations(30, by / 10), ["near", "near"]); // 999 and 998 of 1000
      assertEquals(relations(31, by / 10), ["same", "near"]); // 1019 and 1018 of 1020
    }
  });
  it("JUDGE-2: numbers are near within 0.3 of their size, and others from there on", () => {
    const relation = (w: number, r: number) => taken([tiny(w, r)], [tiny(10, 0)])[0];
    assertEquals(relation(7, 0)!.slice(0, 3), [0, 0, "other"]);
    assertEquals(relation(13, 0)![2], "other");
    assertEquals(relation(10, 3)![2], "other");
    assertEquals(relation(7.01, 0)![2], "near");
    assertEquals(relation(12.99, 0)![2], "near");
    assertAlmostEquals(relation(12, 0)![3] as number, 0.2, 1e-12);
    assertAlmostEquals(relation(12, 1)![3] as number, Math.sqrt(0.05), 1e-12);
    assertEquals(relation(25, 0)!.slice(2), ["other", 1]);
    assertEquals(taken([tiny(1, 0)], [tiny(0, 0)])[0]!.slice(2), ["other", 1]);
    // Too little apart for float64, and yet not the same numbers.
    assertEquals(taken([tiny(1, 1e-20)], [tiny(1, 2e-20)])[0]!.slice(2), ["near", 0]);
    // A number that is there once is no partner for two.
    assertEquals(taken([tiny(1, 1)], [tiny(1, 2)])[0]![2], "other");
    assertEquals(taken([tiny(0, 0)], [tiny(0, 0)])[0]!.slice(2), ["same", 0]);
  });
  it("JUDGE-2: kind, sizes and number of directions must fit", () => {
    const layer = layerWith("GRU", [3, 2]);
    const both = layerWith("GRU", [3, 2], { directions: 2 });
    const strange = [
      layerWith("LSTM", [3, 2]),
      layerWith("GRU", [2, 2]),
      layerWith("GRU", [3, 3]),
      layerWith("GRU", [2, 3]),
      both,
    ];
    for (const own of strange) assertEquals(taken([own], [layer]), [null]);
    assertEquals(taken([layer], [...strange.slice(0, 4), layer]), [[4, 0, "same", 0]]);
    assertEquals(taken([layer], []), [null]);
    assertEquals(taken([both], [both]), [[0, 0, "same", 0]]);
  });
  it("JUDGE-2: a node of one direction may be either of a layer of two", () => {
    const both = layerWith("LSTM", [2, 3], { directions: 2 });
    const alone = (d: number) => ({ ...both, directions: [both.directions[d]] });
    assertEquals(taken([alone(0), alone(1)], [both]), [[0, 0, "same", 0], [0, 1, "same", 0]]);
    const near = changedIn(alone(1), ({ weightHh }) => ({
      weightHh: weightHh.map((x) => 1.1 * x),
    }));
    assertEquals(taken([near], [both])[0]!.slice(0, 3), [0, 1, "near"]);
  });
  it("JUDGE-2: of both directions, the one that is furthest says how near they are", () => {
    const both = layerWith("RNN", [4, 3], { directions: 2 });
    const grown = (...factors: number[]) =>
      changedIn(both, ({ weightIh, weightHh }, d) => ({
        weightIh: weightIh.map((x) => factors[d] * x),
        weightHh: weightHh.map((x) => factors[d] * x),
      }));
    const found = (...factors: number[]) => taken([grown(...factors)], [both])[0]!;
    assertEquals(found(1, 1.2)[2], "near");
    assertAlmostEquals(found(1, 1.2)[3] as number, 0.2, 1e-9);
    assertAlmostEquals(found(1.2, 1.1)[3] as number, 0.2, 1e-9);
    assertEquals(found(1, 1.4)[2], "other");
    assertEquals(found(1.4, 1)[2], "other");
    // In the other order, too, they are the layer's.
    const turned = { ...both, directions: [...both.directions].reverse() };
    assertEquals(taken([turned], [both]), [[0, 0, "same", 0]]);
  });
  it("JUDGE-2: it is the layer that fits best", () => {
    const layer = layerWith("RNN", [31, 20]);
    const [near, nearer] = [30, 3].map((count) => replaced(layer, count, 0.5));
    const almost = replaced(layer, 1, 0.5); // 1019 of 1020
    for (
      const [layers, best] of [
        [[near, nearer], 1],
        [[nearer, near], 0],
        [[near, almost, layer], 2],
        [[layer, almost, near], 0],
        [[layerWith("RNN", [31, 20], { seed: 5 }), near], 1],
      ] as const
    ) {
      assertEquals(taken([layer], layers)[0]![0], best);
    }
    // Of both directions, by both.
    const both = layerWith("RNN", [4, 3], { directions: 2 });
    const half = changedIn(both, (own, d) => d ? { weightIh: numbers(12, 99) } : own);
    assertEquals(taken([both], [half, both])[0]!.slice(0, 3), [1, 0, "same"]);
    assertEquals(taken([both], [both, half])[0]!.slice(0, 3), [0, 0, "same"]);
  });
  it("JUDGE-2: of two layers with the same numbers, the one that no node is yet", () => {
    const [a, b] = [layerWith("GRU", [2, 2]), layerWith("GRU", [2, 2])];
    const places = (...nodes: ReferenceLayer[]) => taken(nodes, [a, b]).map((one) => one![0]);
    assertEquals(places(a), [0]);
    assertEquals(places(a, a), [0, 1]);
    assertEquals(places(a, a, a), [0, 1, 0]);
    // A node of other numbers is none of them; one of near numbers is.
    const far = layerWith("GRU", [2, 2], { seed: 9 });
    assertEquals(places(far, a, a), [0, 0, 1]);
    const near = changedIn(a, ({ weightIh }) => ({ weightIh: weightIh.map((x) => 1.01 * x) }));
    assertEquals(places(near, a), [0, 1]);
    // What fits a little better is preferred to what no node is yet.
    const better = changedIn(a, ({ weightIh }) => ({
      weightIh: weightIh.map((x) => 1.00001 * x),
    }));
    assertEquals(taken([a, a], [a, better]).map((one) => one![0]), [0, 0]);
    assertEquals(taken([near, near], [a, better]).map((one) => one![0]), [1, 1]);
  });
  it("JUDGE-2: a layer without units is the layer without units", () => {
    const none = layerWith("RNN", [0, 0]);
    assertEquals(taken([none], [none]), [[0, 0, "same", 0]]);
  });
});
