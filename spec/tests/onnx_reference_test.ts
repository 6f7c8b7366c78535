/** What ONNX's nodes are held against: a checkpoint's layers, nodes as layers, and back. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  GRU,
  GRUCell,
  Linear,
  LSTM,
  LSTMCell,
  noGrad,
  type PackedSequence,
  packPaddedSequence,
  padPackedSequence,
  randn,
  RNN,
  RNNCell,
  type StateDict,
  Tensor,
  toOnnx,
} from "../../mod.ts";
import {
  expected,
  hasBias,
  layerOf,
  layersOf,
  type Named,
  nodeWeights,
  type ReferenceLayer,
  stateOf,
  type Weights,
} from "../../lib/onnx/reference.ts";
import type { RecurrentNode } from "../../lib/onnx/recurrent.ts";
import { asValue } from "../../lib/onnx/value.ts";
import { describe, fact as onEveryPath, law, readablePath } from "./law.ts";

const fact = (claim: string, holds: () => void) =>
  onEveryPath(["JUDGE-2"], claim, holds, readablePath);

const kinds = { RNN, LSTM, GRU } as const;
const cells = { RNN: RNNCell, LSTM: LSTMCell, GRU: GRUCell } as const;
const float64 = { dtype: "float64" } as const;

const modules = fc.record({
  kind: fc.constantFrom("RNN" as const, "LSTM" as const, "GRU" as const),
  numLayers: fc.integer({ min: 1, max: 3 }),
  bidirectional: fc.boolean(),
  bias: fc.boolean(),
  width: fc.integer({ min: 1, max: 4 }),
  hidden: fc.integer({ min: 1, max: 4 }),
});
type Given = Parameters<Parameters<typeof modules.map>[0]>[0];

const moduleOf = ({ kind, numLayers, bidirectional, bias, width, hidden }: Given) =>
  new kinds[kind](width, hidden, { numLayers, bidirectional, bias, ...float64 });

const prefixed = (prefix: string, state: StateDict): StateDict =>
  Object.fromEntries(Object.entries(state).map(([name, x]) => [prefix + name, x]));
const numbers = (x: Tensor | undefined) => x ? [...x.data] : null;
const plain = ({ weightIh, weightHh, biasIh, biasHh }: Weights) =>
  [weightIh, weightHh, biasIh, biasHh].map((x) => x && [...x]);
const dataOf = (named: Named) =>
  Object.fromEntries(Object.entries(named).map(([name, { shape, data }]) => [name, [shape, data]]));

/** A node of a layer's weights. */
function nodeOf(layer: ReferenceLayer, path: string): RecurrentNode {
  const { kind, inputSize, hiddenSize } = layer;
  const weights = { ...nodeWeights(layer), P: null };
  return { kind, inputSize, hiddenSize, weights, path } as unknown as RecurrentNode;
}

describe("reference layers", () => {
  law(
    ["JUDGE-2"],
    "a checkpoint's layers have its weights, by module and layer",
    modules,
    (given) => {
      const { kind, numLayers, bidirectional, bias, width, hidden } = given;
      const state = moduleOf(given).stateDict();
      for (const prefix of ["", "net.encoder."]) {
        const { layers, beyond } = layersOf(prefixed(prefix, state));
        assertEquals(beyond, []);
        assertEquals(
          layers.map(({ directions: _, ...about }) => about),
          Array.from({ length: numLayers }, (_, layer): Omit<ReferenceLayer, "directions"> => ({
            ...{ module: prefix.slice(0, -1), layer, layers: numLayers, kind, cell: false },
            inputSize: layer === 0 ? width : hidden * (bidirectional ? 2 : 1),
            hiddenSize: hidden,
          })),
        );
        layers.forEach(({ directions }, k) => {
          const ends = bidirectional ? [`_l${k}`, `_l${k}_reverse`] : [`_l${k}`];
          assertEquals(
            directions.map(plain),
            ends.map((end) =>
              ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map((name) =>
                numbers(state[name + end])
              )
            ),
          );
        });
        assertEquals(hasBias(layers), bias);
        assertEquals(stateOf(layers), state);
      }
    },
    40,
    readablePath,
  );

  law(
    ["JUDGE-2"],
    "a layer's node is the one that toOnnx writes, and is the layer again",
    modules,
    (given) => {
      const state = moduleOf(given).stateDict();
      const { layers } = layersOf(state);
      toOnnx(state).forEach(({ W, R, B }, k) => {
        const layer = layers[k];
        assertEquals(nodeWeights(layer), { W: asValue(W), R: asValue(R), B: B && asValue(B) });
        const back = layerOf(nodeOf(layer, "the path"));
        const { kind, inputSize, hiddenSize } = layer;
        assertEquals({ ...back, directions: [] }, {
          ...{ module: "the path", layer: 0, layers: 1, kind, cell: false, inputSize, hiddenSize },
          directions: [],
        });
        assertEquals(back.directions.map(plain), layer.directions.map(plain));
      });
    },
    40,
    readablePath,
  );

  fact("cells are layers of one step, a Linear is none, a projection is beyond ONNX", () => {
    for (const kind of ["RNN", "LSTM", "GRU"] as const) {
      const cell = new cells[kind](2, 3, float64);
      const state = {
        ...prefixed("cell.", cell.stateDict()),
        ...prefixed("fc.", new Linear(3, 1).stateDict()),
      };
      const { layers, beyond } = layersOf(state);
      assertEquals([layers.length, beyond], [1, []]);
      const { directions, ...about } = layers[0];
      assertEquals(about, {
        ...{ module: "cell", layer: 0, layers: 1, kind, cell: true, inputSize: 2, hiddenSize: 3 },
      });
      const { weight_ih, weight_hh, bias_ih, bias_hh } = cell.stateDict();
      assertEquals(directions.map(plain), [[weight_ih, weight_hh, bias_ih, bias_hh].map(numbers)]);
    }
    const projected = new LSTM(2, 3, { projSize: 1 }).stateDict();
    const beyond = (name: string) => [`${name} has a projection, which ONNX's LSTM has not`];
    assertEquals(layersOf(projected), { layers: [], beyond: beyond("the LSTM") });
    const both = { ...prefixed("a.b.", projected), ...prefixed("c.", new GRU(2, 3).stateDict()) };
    const found = layersOf(both);
    assertEquals(found.beyond, beyond("a.b"));
    assertEquals(found.layers.map(({ module, kind }) => [module, kind]), [["c", "GRU"]]);
  });

  fact("among directions and layers with biases, those without have biases of 0", () => {
    const weights = (seed: number, biased: boolean): Weights => {
      const make = (length: number) => Float64Array.from({ length }, (_, k) => seed + k);
      const bias = biased ? make(3) : null;
      return {
        weightIh: make(6),
        weightHh: make(9),
        biasIh: bias,
        biasHh: biased ? make(3) : null,
      };
    };
    const about = { module: "", layers: 2, kind: "RNN", cell: false, hiddenSize: 3 } as const;
    const of = (layer: number, ...biased: boolean[]): ReferenceLayer => ({
      ...{ ...about, layer, inputSize: 2 },
      directions: biased.map((own, d) => weights(10 * d + 1, own)),
    });
    assertEquals(hasBias([of(0, false), of(1, false, false)]), false);
    assertEquals(hasBias([of(0, false), of(1, false, true)]), true);
    assertEquals(hasBias([of(0, true), of(1, false)]), true);
    const [one, none] = [[1, 2, 3], [0, 0, 0]];
    const biases = (layer: ReferenceLayer) => {
      const { B } = nodeWeights(layer);
      return B && [B.shape, [...B.data]];
    };
    assertEquals(biases(of(0, false, false)), null);
    assertEquals(biases(of(0, true, false)), [[2, 6], [...one, ...one, ...none, ...none]]);
    const state = stateOf([of(0, true, false), of(1, false, false)]);
    assertEquals(Object.keys(state).length, 16);
    assertEquals(numbers(state.bias_ih_l0), one);
    for (const name of ["bias_ih_l0_reverse", "bias_hh_l0_reverse", "bias_ih_l1", "bias_hh_l1"]) {
      assertEquals(numbers(state[name]), none, name);
    }
  });
});

describe("what PyTorch's layers compute", () => {
  const runs = fc.tuple(modules, fc.boolean(), fc.boolean());

  law(
    ["JUDGE-3"],
    "a reference is the module, with states and lengths or without",
    runs,
    ([given, stated, packed]) => {
      const { kind, numLayers, bidirectional, bias, width, hidden } = given;
      const module = moduleOf(given);
      const { layers } = layersOf(module.stateDict());
      const input = randn([4, 3, width], float64);
      const size = [numLayers * (bidirectional ? 2 : 1), 3, hidden];
      const states = kind === "LSTM" ? ["h_0", "c_0"] : ["h_0"];
      const own: Named = stated
        ? Object.fromEntries(states.map((name) => [name, randn(size, float64)]))
        : {};
      const lengths = packed ? [2, 3, 1] : undefined;
      const found = expected(layers, { input, ...own }, "tanh", lengths);
      const reads = lengths ? packPaddedSequence(input, lengths, { enforceSorted: false }) : input;
      const [output, last] = noGrad(() =>
        module instanceof LSTM
          ? module.forward(reads as Tensor, stated ? [own.h_0, own.c_0] : undefined)
          : module.forward(reads as Tensor, own.h_0)
      );
      const whole = output as Tensor | PackedSequence;
      const wanted: Named = {
        output: whole instanceof Tensor ? whole : padPackedSequence(whole, { totalLength: 4 })[0],
        ...(last instanceof Tensor ? { h_n: last } : { h_n: last[0], c_n: last[1] }),
      };
      assertEquals(dataOf(found), dataOf(wanted));
      assertEquals(found.output.shape, [4, 3, hidden * (bidirectional ? 2 : 1)]);
      assertEquals([found.output.dtype, bias], ["float64", hasBias(layers)]);
    },
    60,
    readablePath,
  );

  fact("an RNN has the nonlinearity that it is given; an LSTM's states come both or not", () => {
    const rnn = new RNN(2, 3, { nonlinearity: "relu", ...float64 });
    const input = randn([2, 1, 2], float64);
    const { layers } = layersOf(rnn.stateDict());
    const relu = noGrad(() => rnn.forward(input)[0]);
    assertEquals(expected(layers, { input }, "relu").output.data, relu.data);
    assertEquals(
      expected(layers, { input }, "tanh").output.data.every((y) => Math.abs(y) < 1),
      true,
    );
    const lstm = new LSTM(2, 3, float64);
    const both = layersOf(lstm.stateDict()).layers;
    const state = randn([1, 1, 3], float64);
    const plain = dataOf(expected(both, { input }, "tanh"));
    assertEquals(dataOf(expected(both, { input, h_0: state }, "tanh")), plain);
    assertEquals(dataOf(expected(both, { input, c_0: state }, "tanh")), plain);
  });
});
