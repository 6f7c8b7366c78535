/** What an ONNX file is held against: the layers of a checkpoint, or of another ONNX file. */

import { detectModules } from "../detect/detect.ts";
import { GRU } from "../nn/gru.ts";
import { type PackedSequence, packPaddedSequence, padPackedSequence } from "../nn/packed.ts";
import { LSTM } from "../nn/lstm.ts";
import { type Nonlinearity, RNN } from "../nn/rnn.ts";
import { noGrad } from "../autograd/graph.ts";
import { eachOf, endOf, gated, gateOrder, parameterName } from "../parameters.ts";
import { numel } from "../tensor/dtype.ts";
import type { LayerKind } from "../layouts/layout.ts";
import { type StateDict, Tensor } from "../tensor/tensor.ts";
import { onnxOrder, type RecurrentNode } from "./recurrent.ts";
import type { Value } from "./value.ts";

/** The parameters of one direction, in PyTorch's order of gates. */
export interface Weights {
  /** W_ih, (G · H, H_in), row by row. */
  readonly weightIh: Float64Array;
  /** W_hh, (G · H, H). */
  readonly weightHh: Float64Array;
  /** b_ih, (G · H); `null` without biases. */
  readonly biasIh: Float64Array | null;
  /** b_hh. */
  readonly biasHh: Float64Array | null;
}

/** One layer that a node may be. */
export interface ReferenceLayer {
  /** The module's name; empty where it is the whole checkpoint. */
  readonly module: string;
  readonly layer: number;
  /** How many layers the module has. */
  readonly layers: number;
  readonly kind: LayerKind;
  /** Whether it is a cell, which takes one step. */
  readonly cell: boolean;
  /** H_in. */
  readonly inputSize: number;
  /** H. */
  readonly hiddenSize: number;
  /** Forward, then perhaps reverse. */
  readonly directions: readonly Weights[];
  /** The node that it was read from, where the reference is another ONNX file. */
  readonly node?: RecurrentNode;
}

/**
 * The layers of a checkpoint.
 *
 * @returns them, and what of the checkpoint no ONNX node can be
 */
export function layersOf(state: StateDict): { layers: ReferenceLayer[]; beyond: string[] } {
  const layers: ReferenceLayer[] = [];
  const beyond: string[] = [];
  for (const module of detectModules(state).modules) {
    const { prefix, inputSize, hiddenSize, numLayers, bidirectional, projSize } = module;
    if (module.kind === "Linear") continue;
    const name = prefix.replace(/\.$/, "");
    if (projSize > 0) {
      beyond.push(`${name || "the LSTM"} has a projection, which ONNX's LSTM has not`);
      continue;
    }
    const cell = module.kind.endsWith("Cell");
    const kind = module.kind.replace("Cell", "") as LayerKind;
    for (let layer = 0; layer < numLayers; layer++) {
      const ends = cell ? [""] : (bidirectional ? [0, 1] : [0]).map((way) => endOf(layer, way));
      const directions = ends.map((end) =>
        eachOf(gated(gateOrder[kind]), (key) => {
          const x = state[prefix + parameterName(key, end)];
          return x ? Float64Array.from(x.data) : null;
        }) as Weights
      );
      const width = layer === 0 ? inputSize : hiddenSize * directions.length;
      layers.push({
        ...{ module: name, layer, layers: numLayers, kind, cell, inputSize: width, hiddenSize },
        directions,
      });
    }
  }
  return { layers, beyond };
}

/** A node's layer, in PyTorch's order of gates. */
export function layerOf(node: RecurrentNode): ReferenceLayer {
  const { kind, hiddenSize, inputSize, weights: { W, R, B }, path } = node;
  const rows = onnxOrder[kind].length * hiddenSize;
  const order = [...gateOrder[kind]].map((gate) => onnxOrder[kind].indexOf(gate));
  const part = (x: Value, d: number, from: number, width: number) => {
    const all = x.data.subarray(d * (x.data.length / W.shape[0]) + from);
    const size = hiddenSize * width;
    const result = new Float64Array(rows * width);
    order.forEach((gate, k) => result.set(all.subarray(gate * size, (gate + 1) * size), k * size));
    return result;
  };
  return {
    ...{ module: path, layer: 0, layers: 1, kind, cell: false, inputSize, hiddenSize },
    directions: Array.from({ length: W.shape[0] }, (_, d) => ({
      weightIh: part(W, d, 0, inputSize),
      weightHh: part(R, d, 0, hiddenSize),
      biasIh: B && part(B, d, 0, 1),
      biasHh: B && part(B, d, rows, 1),
    })),
  };
}

/** A layer's weights as a node has them: W, R and B. */
export function nodeWeights(
  { kind, inputSize, hiddenSize, directions }: ReferenceLayer,
): { W: Value; R: Value; B: Value | null } {
  const order = [...onnxOrder[kind]].map((gate) => gateOrder[kind].indexOf(gate));
  const rows = order.length * hiddenSize;
  const put = (x: Float64Array, width: number) => {
    const size = hiddenSize * width;
    return order.flatMap((gate) => [...x.subarray(gate * size, (gate + 1) * size)]);
  };
  const stacked = (shape: number[], parts: number[][]): Value => (
    { shape: [directions.length, ...shape], data: Float64Array.from(parts.flat()), whole: false }
  );
  const biased = directions.some(({ biasIh }) => biasIh);
  return {
    W: stacked([rows, inputSize], directions.map(({ weightIh }) => put(weightIh, inputSize))),
    R: stacked([rows, hiddenSize], directions.map(({ weightHh }) => put(weightHh, hiddenSize))),
    B: biased
      ? stacked(
        [2 * rows],
        directions.map(({ biasIh, biasHh }) =>
          [biasIh, biasHh].flatMap((x) => put(x ?? new Float64Array(rows), 1))
        ),
      )
      : null,
  };
}

/** Whether some of the layers have biases: then those without have biases of 0. */
export function hasBias(layers: readonly ReferenceLayer[]): boolean {
  return layers.some(({ directions }) => directions.some(({ biasIh }) => biasIh));
}

/** Layers as a `state_dict` of one module, in float64. */
export function stateOf(layers: readonly ReferenceLayer[]): StateDict {
  const state: StateDict = {};
  const bias = hasBias(layers);
  layers.forEach(({ directions, inputSize: input, hiddenSize: hidden, kind }, k) =>
    directions.forEach((own, d) =>
      eachOf(gated(gateOrder[kind]), (key, shapeOf) => {
        const shape = shapeOf({ input, hidden, output: hidden, bias });
        const data = shape && (own[key] ?? new Float64Array(numel(shape)));
        if (data) state[parameterName(key, endOf(k, d))] = new Tensor(data, shape);
      })
    )
  );
  return state;
}

/** Inputs and outputs of a module by PyTorch's names. */
export type Named = Record<string, Tensor>;

/**
 * What PyTorch's module of some layers computes, in float64.
 *
 * @param inputs `input` (L, N, H_in), `h_0`, and of an LSTM `c_0`
 * @param lengths how long each sequence is, where they are packed
 * @returns `output` (L, N, D · H), `h_n`, and of an LSTM `c_n`
 */
export function expected(
  layers: readonly ReferenceLayer[],
  { input, h_0, c_0 }: Named,
  nonlinearity: Nonlinearity,
  lengths?: readonly number[],
): Named {
  const [{ kind, inputSize, hiddenSize, directions }] = layers;
  const options = {
    numLayers: layers.length,
    bias: hasBias(layers),
    bidirectional: directions.length === 2,
    dtype: "float64",
  } as const;
  const reads = lengths ? packPaddedSequence(input, [...lengths], { enforceSorted: false }) : input;
  const padded = (x: Tensor | PackedSequence) =>
    x instanceof Tensor ? x : padPackedSequence(x, { totalLength: input.shape[0] })[0];
  return noGrad((): Named => {
    if (kind === "LSTM") {
      const lstm = new LSTM(inputSize, hiddenSize, options);
      lstm.loadStateDict(stateOf(layers));
      const hx = h_0 && c_0 ? [h_0, c_0] as const : undefined;
      const [output, [h_n, c_n]] = lstm.forward(reads as Tensor, hx);
      return { output: padded(output), h_n, c_n };
    }
    const module = kind === "GRU"
      ? new GRU(inputSize, hiddenSize, options)
      : new RNN(inputSize, hiddenSize, { ...options, nonlinearity });
    module.loadStateDict(stateOf(layers));
    const [output, h_n] = module.forward(reads as Tensor, h_0);
    return { output: padded(output), h_n };
  });
}
