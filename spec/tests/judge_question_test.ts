/** What a module is asked, and which mistake explains its answer (JUDGE-4). */

import { assert, assertEquals } from "@std/assert";
import { explanation, type Question, requestOf } from "../../lib/onnx/deviations.ts";
import { expected, type ReferenceLayer, stateOf } from "../../lib/onnx/reference.ts";
import type { LayerKind } from "../../lib/layouts/layout.ts";
import { changedIn, layerWith, numbers, wide } from "./judged/nodes.ts";
import { describe, it } from "./law.ts";

/** A question about layers, with what they put out. */
function asked(
  layers: readonly ReferenceLayer[],
  more: Partial<Question> = {},
): { question: Question; wanted: ReturnType<typeof expected> } {
  const [{ kind, inputSize, hiddenSize, directions }] = layers;
  const D = directions.length * layers.length;
  const state = (seed: number) => wide([D, 2, hiddenSize], ...numbers(D * 2 * hiddenSize, seed));
  const inputs = {
    input: wide([3, 2, inputSize], ...numbers(6 * inputSize, 5)),
    h_0: state(6),
    ...(kind === "LSTM" && { c_0: state(7) }),
  };
  const question: Question = {
    ...{ layers, inputs, nonlinearity: "tanh", state: stateOf(layers), ...more },
  };
  return { question, wanted: expected(layers, inputs, question.nonlinearity, question.lengths) };
}

describe("the question about a module", () => {
  const tiny = (kind: LayerKind, bias = true) =>
    changedIn(layerWith(kind, [1, 1], { bias }), ({ weightIh, weightHh, biasIh }) => {
      const put = (x: Float64Array, first: number) => x.map((_, k) => first + k);
      return {
        ...{ weightIh: put(weightIh, 1), weightHh: put(weightHh, 5) },
        ...(biasIh && { biasIh: put(biasIh, 9), biasHh: put(biasIh, 13) }),
      };
    });
  const question = (layers: ReferenceLayer[], more: Partial<Question> = {}): Question => ({
    ...{ layers, nonlinearity: "tanh", state: {}, inputs: { input: wide([1, 1, 1], 2) }, ...more },
  });
  it("JUDGE-4: is a request of the kit, in float32", () => {
    const layers = [tiny("RNN")];
    const given = question(layers, {
      state: stateOf(layers),
      inputs: { input: wide([3, 1, 1], 0.1, Infinity, NaN), h_0: wide([1, 1, 1], -Infinity) },
      nonlinearity: "relu",
      batchFirst: true,
      lengths: [3],
    });
    assertEquals(requestOf(given), {
      op: "forward",
      module: "RNN",
      args: {
        ...{ input_size: 1, hidden_size: 1, num_layers: 1, bias: true, bidirectional: false },
        ...{ nonlinearity: "relu", batch_first: true },
      },
      dtype: "float32",
      state_dict: {
        weight_ih_l0: { shape: [1, 1], data: [1] },
        weight_hh_l0: { shape: [1, 1], data: [5] },
        bias_ih_l0: { shape: [1], data: [9] },
        bias_hh_l0: { shape: [1], data: [13] },
      },
      inputs: {
        input: { shape: [3, 1, 1], data: [Math.fround(0.1), "Infinity", "NaN"] },
        h_0: { shape: [1, 1, 1], data: ["-Infinity"] },
        lengths: [3],
      },
    });
  });
  it("JUDGE-4: says what is not usual, and no more", () => {
    const both = layerWith("LSTM", [2, 3], { directions: 2, bias: false });
    const layers = [both, { ...both, inputSize: 6, layer: 1 }];
    assertEquals(requestOf(question(layers)), {
      op: "forward",
      module: "LSTM",
      args: {
        ...{ input_size: 2, hidden_size: 3, num_layers: 2, bias: false, bidirectional: true },
      },
      dtype: "float32",
      state_dict: {},
      inputs: { input: { shape: [1, 1, 1], data: [2] } },
    });
    assertEquals(requestOf(question([tiny("RNN", false)])).args, {
      ...{ input_size: 1, hidden_size: 1, num_layers: 1, bias: false, bidirectional: false },
      nonlinearity: "tanh",
    });
  });
});

describe("the mistake that explains outputs", () => {
  it("JUDGE-4: is the one that makes just these, with its clause", () => {
    const layer = layerWith("GRU", [2, 3]);
    const { question, wanted } = asked([layer]);
    const swapped = changedIn(layer, ({ biasIh, biasHh }) => ({ biasIh: biasHh, biasHh: biasIh }));
    const given = asked([swapped]).wanted;
    const found = explanation(question, wanted, given)!;
    assertEquals([found.id, found.clause], ["swapped-biases", "GRU-3"]);
    // A part of the outputs is enough.
    assertEquals(explanation(question, wanted, { h_n: given.h_n }), found);
    assertEquals(explanation(question, wanted, wanted), null);
    // What no port does.
    const strange = { ...given, h_n: wide(given.h_n.shape, ...given.h_n.data.map((x) => x / 2)) };
    assertEquals(explanation(question, wanted, strange), null);
  });
  it("JUDGE-4: none whose outputs are not all there", () => {
    const { question, wanted } = asked([layerWith("LSTM", [2, 3])]);
    const unknown = { output: wanted.output, more: wanted.h_n };
    assertEquals(explanation(question, wanted, unknown), null);
    assert(explanation(question, wanted, { h_n: wanted.c_n, c_n: wanted.h_n }));
  });
});
