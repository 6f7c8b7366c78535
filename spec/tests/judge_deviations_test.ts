/** The mistakes of a node, each with its words and its clause (JUDGE-4). */

import { assertEquals } from "@std/assert";
import {
  type FileMistake,
  fileMistake,
  misreadings,
  roundings,
  toldOtherwise,
  unitOrder,
  wantedActivations,
} from "../../lib/onnx/deviations.ts";
import type { OnnxActivation } from "../../lib/onnx/activations.ts";
import { type OnnxAttributes, recurrenceOf } from "../../lib/onnx/mod.ts";
import type { ReferenceLayer, Weights } from "../../lib/onnx/reference.ts";
import type { LayerKind } from "../../lib/layouts/layout.ts";
import { changedIn, layerWith } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

const kinds = ["RNN", "LSTM", "GRU"] as const;

describe("the clause of a mistake", () => {
  it("JUDGE-4: is that of the mistake's name, by the kind of layer", () => {
    const same = (clause: string) => [clause, clause, clause];
    const own = (k: number) => kinds.map((kind) => `${kind}-${k}`);
    const clauses: Record<string, string[]> = {
      "gates-zrn": own(1),
      "bias-gates-zrn": own(1),
      "reset-before": same("GRU-3"),
      "swapped-biases": same("GRU-3"),
      "one-bias": ["RNN-1", "LSTM-3", "GRU-2"],
      "relu-rnn": same("RNN-2"),
      "tanh-for-relu": same("RNN-2"),
      "reverse-weights": same("STACK-3"),
      direction: same("STACK-3"),
      "units-permuted": same("STACK-4"),
      "layers-top": same("STACK-5"),
      "backward-h-n": same("STACK-6"),
      "every-layer": same("STACK-2"),
      "h-0-ignored": same("STACK-8"),
      "fixed-batch": same("BATCH-4"),
      "batch-first-state": same("BATCH-2"),
      "batch-first": same("BATCH-1"),
      layout: same("BATCH-1"),
      "dropout-in-eval": same("DROP-1"),
      "lengths-ignored": same("PACK-4"),
      clip: same("LAYOUT-6"),
      "float16-weights": same("NUM-1"),
      "anything-else": ["RNN-1", "LSTM-2", "GRU-2"],
    };
    for (const [id, wanted] of Object.entries(clauses)) {
      const found = kinds.map((kind) => fileMistake(id, "words", kind));
      assertEquals(found, wanted.map((clause) => ({ id, says: "words", clause })), id);
    }
  });
});

/** The mistakes of what a node is told. */
function mistakesOf(
  kind: LayerKind,
  attributes: OnnxAttributes,
  nonlinearity: "tanh" | "relu" = "tanh",
): FileMistake[] {
  const usual = kind === "GRU" ? { linear_before_reset: 1 } : {};
  const told = recurrenceOf(kind, { ...usual, ...attributes }, 22);
  return toldOtherwise(told, nonlinearity).map(({ mistake }) => mistake);
}

/** The mistake of some activations, its words after its name. */
function activationsOf(
  kind: LayerKind,
  names: string,
  nonlinearity: "tanh" | "relu" = "tanh",
  more: OnnxAttributes = {},
): string | undefined {
  const told = { activations: names.split(" "), ...more };
  const [mistake] = mistakesOf(kind, told, nonlinearity);
  return mistake && `${mistake.id}: ${mistake.says}`;
}

describe("what a node is told", () => {
  it("JUDGE-4: activations that are PyTorch's are no mistake", () => {
    assertEquals(wantedActivations("RNN", "tanh"), ["Tanh"]);
    assertEquals(wantedActivations("RNN", "relu"), ["Relu"]);
    for (const bend of ["tanh", "relu"] as const) {
      assertEquals(wantedActivations("LSTM", bend), ["Sigmoid", "Tanh", "Tanh"]);
      assertEquals(wantedActivations("GRU", bend), ["Sigmoid", "Tanh"]);
      for (const kind of kinds) {
        const names = wantedActivations(kind, bend).join(" ");
        assertEquals(activationsOf(kind, names, bend), undefined);
      }
    }
  });
  it("JUDGE-4: other activations have the name of the port that uses them", () => {
    const relu = "relu-for-tanh: relu is used for tanh";
    const sigmoid = "sigmoid-for-tanh: the sigmoid is used for tanh";
    const line = "linear-rnn: no nonlinearity is applied";
    const hard = "hard-sigmoid: the gates use HardSigmoid, max(0, min(1, 0.2 x + 0.5))";
    const outer = "no-outer-tanh: h is o ⊙ c, without tanh";
    const others = (list: string, wanted: string) =>
      `activations: the activations are ${list}, not ${wanted}`;
    const lstm = "Sigmoid, Tanh, Tanh";
    const affine = (alpha: number, beta: number) => (
      { activation_alpha: [alpha], activation_beta: [beta] }
    );
    const table: [string, LayerKind, string, ("tanh" | "relu")?, OnnxAttributes?][] = [
      [relu, "RNN", "Relu"],
      [sigmoid, "RNN", "Sigmoid"],
      ["tanh-for-relu: tanh is used for relu", "RNN", "Tanh", "relu"],
      [sigmoid, "RNN", "Sigmoid", "relu"],
      [line, "RNN", "Affine", "tanh", affine(1, 0)],
      [line, "RNN", "Affine", "relu", affine(1, 0)],
      [others("Affine(2, 0)", "Tanh"), "RNN", "Affine", "tanh", affine(2, 0)],
      [others("Affine(1, 0.25)", "Relu"), "RNN", "Affine", "relu", affine(1, 0.25)],
      [others("Affine(0.3333, 0)", "Tanh"), "RNN", "Affine", "tanh", affine(1 / 3, 0)],
      [others("HardSigmoid(0.2, 0.5)", "Tanh"), "RNN", "HardSigmoid"],
      [others("Softsign", "Tanh"), "RNN", "Softsign"],
      [others("LeakyRelu(0.01)", "Tanh"), "RNN", "LeakyRelu"],
      [hard, "GRU", "HardSigmoid Tanh"],
      [hard, "LSTM", "HardSigmoid Tanh Tanh"],
      [others("HardSigmoid(0.2, 0.5), Relu", "Sigmoid, Tanh"), "GRU", "HardSigmoid Relu"],
      [others("Tanh, Tanh", "Sigmoid, Tanh"), "GRU", "Tanh Tanh"],
      [others("Relu, Tanh", "Sigmoid, Tanh"), "GRU", "Relu Tanh"],
      [relu, "GRU", "Sigmoid Relu"],
      [sigmoid, "GRU", "Sigmoid Sigmoid"],
      [others("Sigmoid, HardSigmoid(0.2, 0.5)", "Sigmoid, Tanh"), "GRU", "Sigmoid HardSigmoid"],
      [others("Sigmoid, Affine(1, 0)", "Sigmoid, Tanh"), "GRU", "Sigmoid Affine", , affine(1, 0)],
      [
        others("Softsign, Tanh, Affine(1, 0)", lstm),
        "LSTM",
        "Softsign Tanh Affine",
        ,
        affine(1, 0),
      ],
      [others("Tanh, Relu, Tanh", lstm), "LSTM", "Tanh Relu Tanh"],
      [
        others("HardSigmoid(0.2, 0.5), HardSigmoid(0.2, 0.5)", "Sigmoid, Tanh"),
        "GRU",
        "HardSigmoid HardSigmoid",
      ],
      [relu, "LSTM", "Sigmoid Relu Relu"],
      [relu, "LSTM", "Sigmoid Relu Tanh"],
      [relu, "LSTM", "Sigmoid Tanh Relu"],
      [sigmoid, "LSTM", "Sigmoid Sigmoid Sigmoid"],
      [others("Sigmoid, Relu, Sigmoid", lstm), "LSTM", "Sigmoid Relu Sigmoid"],
      [outer, "LSTM", "Sigmoid Tanh Affine", , affine(1, 0)],
      [others("Sigmoid, Affine(1, 0), Tanh", lstm), "LSTM", "Sigmoid Affine Tanh", , affine(1, 0)],
      [others("Sigmoid, Tanh, Affine(2, 0)", lstm), "LSTM", "Sigmoid Tanh Affine", , affine(2, 0)],
      [others("Tanh, Sigmoid, Tanh", lstm), "LSTM", "Tanh Sigmoid Tanh"],
    ];
    for (const [wanted, ...given] of table) {
      assertEquals(activationsOf(...given), wanted, JSON.stringify(given));
    }
  });
  it("JUDGE-4: a HardSigmoid has a name by its numbers, α within 1e-6", () => {
    const found = (alpha: number, beta: number) => {
      const own: OnnxActivation = { name: "HardSigmoid", alpha, beta };
      const rest: OnnxActivation = { name: "Tanh", alpha: null, beta: null };
      const told = { ...recurrenceOf("LSTM", {}, 22), activations: [[own, rest, rest]] };
      return toldOtherwise(told, "tanh")[0].mistake.id;
    };
    for (const [slope, id] of [[0.2, "hard-sigmoid"], [1 / 6, "hard-sigmoid-6"]] as const) {
      for (const off of [0, 9e-7, -9e-7]) assertEquals(found(slope + off, 0.5), id);
      for (const off of [1.1e-6, -1.1e-6, 0.05, 1]) {
        assertEquals(found(slope + off, 0.5), "activations");
      }
      assertEquals(found(slope, 0.25), "activations");
    }
    const six = mistakesOf("GRU", {
      activations: ["HardSigmoid", "Tanh"],
      activation_alpha: [1 / 6],
      activation_beta: [0.5],
    });
    assertEquals(six, [{
      id: "hard-sigmoid-6",
      says: "the gates use HardSigmoid, max(0, min(1, x / 6 + 0.5))",
      clause: "GRU-2",
    }]);
  });
  it("JUDGE-4: one direction of two is enough", () => {
    const usual = ["Sigmoid", "Tanh"];
    const both = (...activations: string[]) =>
      mistakesOf("GRU", { direction: "bidirectional", activations }).map(({ id }) => id);
    assertEquals(both(...usual, ...usual), []);
    assertEquals(both(...usual, "Sigmoid", "Relu"), ["relu-for-tanh"]);
    assertEquals(both("Sigmoid", "Relu", ...usual), ["relu-for-tanh"]);
  });
  it("JUDGE-4: all that is told otherwise, with the attributes and what it is without", () => {
    const told = recurrenceOf("GRU", { activations: ["Sigmoid", "Relu"], clip: 1 / 3 }, 22);
    const found = toldOtherwise(told, "tanh");
    assertEquals(found.map(({ mistake, attributes }) => [mistake, attributes]), [
      [{
        id: "reset-before",
        says: "the reset gate is applied to h before the product with W_hn: " +
          "linear_before_reset is 0 or left out",
        clause: "GRU-3",
      }, ["linear_before_reset"]],
      [{ id: "relu-for-tanh", says: "relu is used for tanh", clause: "GRU-2" }, [
        "activations",
        "activation_alpha",
        "activation_beta",
      ]],
      [{
        id: "clip",
        says: "what goes into each activation is clipped to ±0.3333",
        clause: "LAYOUT-6",
      }, ["clip"]],
    ]);
    const plain = recurrenceOf("GRU", { linear_before_reset: 1 }, 22);
    assertEquals(found.reduce((own, { mended }) => mended(own), told), plain);
    const lstm = recurrenceOf("LSTM", { input_forget: 1 }, 22);
    const others = toldOtherwise(lstm, "tanh", true);
    assertEquals(others.map(({ mistake, attributes }) => [mistake, attributes]), [
      [{
        id: "input-forget",
        says: "the forget gate is 1 - i (input_forget)",
        clause: "LAYOUT-6",
      }, ["input_forget"]],
      [{
        id: "peepholes",
        says: "the gates see c through peepholes (P)",
        clause: "LAYOUT-6",
      }, []],
    ]);
    const usual = recurrenceOf("LSTM", {}, 22);
    assertEquals(others.reduce((own, { mended }) => mended(own), lstm), usual);
    assertEquals(toldOtherwise(usual, "tanh"), []);
    assertEquals(mistakesOf("RNN", { clip: 0 }).map(({ says }) => says), [
      "what goes into each activation is clipped to ±0",
    ]);
  });
});

/** The weights of a layer of one input and one unit, each as its numbers. */
const weights = (ih: number[], hh: number[], bih?: number[], bhh?: number[]): Weights => ({
  ...{ weightIh: Float64Array.from(ih), weightHh: Float64Array.from(hh) },
  ...{ biasIh: bih ? Float64Array.from(bih) : null, biasHh: bhh ? Float64Array.from(bhh) : null },
});

describe("weights that are misread", () => {
  it("JUDGE-4: rounded ones", () => {
    const [half, brain] = roundings("RNN");
    const own = weights([1 + 2 ** -10 + 2 ** -13], [1 + 2 ** -7 + 2 ** -9], [3 + 2 ** -12]);
    assertEquals(half.mistake, {
      id: "float16-weights",
      says: "the weights are rounded to float16",
      clause: "NUM-1",
    });
    assertEquals(half.weights(own), weights([1 + 2 ** -10], [1 + 2 ** -7 + 2 ** -9], [3]));
    assertEquals(brain.mistake, {
      id: "bfloat16-weights",
      says: "the weights are rounded to bfloat16",
      clause: "NUM-1",
    });
    assertEquals(brain.weights(own), weights([1], [1 + 2 ** -7], [3]));
  });
  it("JUDGE-4: negated ones", () => {
    const own = weights([1, 2], [3], [4], [5]);
    assertEquals(
      misreadings("GRU").map((one) => [one.mistake.id, one.mistake.says, one.weights(own)]),
      [
        ["negated-weight_ih", "weight_ih is negated", weights([-1, -2], [3], [4], [5])],
        ["negated-weight_hh", "weight_hh is negated", weights([1, 2], [-3], [4], [5])],
        [
          "negated-weights",
          "weight_ih and weight_hh are negated",
          weights([-1, -2], [-3], [4], [5]),
        ],
        ["negated-biases", "the biases are negated", weights([1, 2], [3], [-4], [-5])],
      ],
    );
    assertEquals(misreadings("LSTM")[3].weights(weights([1], [2])), weights([1], [2]));
  });
});

describe("units in another order", () => {
  const gates = { RNN: 1, LSTM: 4, GRU: 3 };
  /** A layer's weights with the units of each gate in another order. */
  const ordered = (layer: ReferenceLayer, order: readonly number[]): Weights => {
    const { kind, inputSize: width, hiddenSize: H, directions: [own] } = layer;
    const rows = Array.from({ length: gates[kind] }, (_, gate) => order.map((j) => gate * H + j))
      .flat();
    const cut = (x: Float64Array, row: number, size: number) =>
      [...x].slice(row * size, row * size + size);
    const bias = (x: Float64Array | null) => x && Float64Array.from(rows, (row) => x[row]);
    return {
      weightIh: Float64Array.from(rows.flatMap((row) => cut(own.weightIh, row, width))),
      weightHh: Float64Array.from(rows.flatMap((row) => {
        const line = cut(own.weightHh, row, H);
        return order.map((j) => line[j]);
      })),
      biasIh: bias(own.biasIh),
      biasHh: bias(own.biasHh),
    };
  };
  const found = (layer: ReferenceLayer, own: Weights) =>
    unitOrder(own, layer.directions[0], layer.hiddenSize);

  it("JUDGE-4: are said, for every kind, with biases and without", () => {
    for (const kind of kinds) {
      for (const bias of [true, false]) {
        for (const [inputs, order] of [[3, [2, 0, 1]], [1, [1, 0]], [2, [0, 2, 1, 3]]] as const) {
          const layer = layerWith(kind, [inputs, order.length], { bias });
          assertEquals(found(layer, ordered(layer, order)), [...order]);
        }
      }
    }
  });
  it("JUDGE-4: no order where there is none, or the usual one", () => {
    const layer = layerWith("GRU", [2, 3]);
    const other = ordered(layer, [1, 2, 0]);
    assertEquals(found(layer, other), [1, 2, 0]);
    assertEquals(found(layer, layer.directions[0]), null);
    // Any number that is otherwise.
    for (const key of ["weightIh", "weightHh", "biasIh", "biasHh"] as const) {
      other[key]!.forEach((_, at) => {
        const data = other[key]!.map((x, k) => k === at ? x + 0.25 : x);
        assertEquals(found(layer, { ...other, [key]: data }), null, `${key} ${at}`);
      });
    }
    // The same unit twice.
    assertEquals(found(layer, ordered(layer, [1, 1, 0])), null);
    const twice = changedIn(layer, () => ordered(layer, [0, 0, 1]));
    assertEquals(found(twice, ordered(twice, [2, 1, 0])), null);
    const none = layerWith("RNN", [0, 0]);
    assertEquals(found(none, none.directions[0]), null);
  });
  it("JUDGE-4: the sums of biases may be 1e-6 apart", () => {
    const layer = changedIn(layerWith("RNN", [1, 2]), () => (
      { biasIh: new Float64Array(2), biasHh: new Float64Array(2) }
    ));
    const own = ordered(layer, [1, 0]);
    const moved = (bih: number, bhh: number) =>
      found(layer, { ...own, biasIh: Float64Array.of(0, bih), biasHh: Float64Array.of(0, bhh) });
    for (const by of [1e-6, -1e-6]) {
      assertEquals(moved(by, 0), [1, 0]);
      assertEquals(moved(0, by), [1, 0]);
      assertEquals(moved(1.01 * by, 0), null);
      assertEquals(moved(by, by), null);
    }
    assertEquals(moved(0.5, -0.5), [1, 0]);
    assertEquals(found(layer, { ...own, biasIh: null, biasHh: null }), [1, 0]);
    assertEquals(found(layer, { ...own, biasIh: null, biasHh: Float64Array.of(1, 0) }), null);
  });
});
