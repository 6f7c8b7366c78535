/** The weights of ONNX's operators RNN, LSTM and GRU. */

import {
  any,
  type Call,
  check as checkCall,
  checkOptions,
  int,
  list,
  type Options,
  record,
} from "../call.ts";
import { noGrad } from "../autograd/graph.ts";
import { cat, stack } from "../autograd/join.ts";
import { chunk, select } from "../autograd/slices.ts";
import { ValueError } from "../errors.ts";
import { gateOrder } from "../parameters.ts";
import { aTensor, type StateDict, type Tensor, tensorOrNone } from "../tensor/tensor.ts";
import {
  checkActivations,
  checkPeepholes,
  checkShape,
  type FromLayoutOptions,
  fromLayoutOptions,
  type GatedTensors,
  type LayerKind,
  readLayers,
  refuseReset,
  reorder,
  writeLayers,
  zeroBias,
} from "./layout.ts";

/** ONNX's gate orders by PyTorch's letters: ONNX calls the LSTM's g "c" and the GRU's n "h". */
const orders: Readonly<Record<LayerKind, string>> = { RNN: "h", LSTM: "iofg", GRU: "zrn" };

/**
 * One ONNX node RNN, LSTM or GRU: one layer, one or both directions.
 * @category Weights of other frameworks
 */
export interface OnnxLayer {
  /** The operator. */
  readonly opType: LayerKind;
  /** The attribute `direction`; {@linkcode toOnnx} writes no `reverse`. */
  readonly direction: "forward" | "reverse" | "bidirectional";
  /** The attribute `hidden_size`: H. */
  readonly hiddenSize: number;
  /** A GRU's attribute `linear_before_reset`; 1 is PyTorch's GRU, 0 another function. */
  readonly linearBeforeReset?: 0 | 1;
  /** W, shape `(D, gates · H, H_in)`. */
  readonly W: Tensor;
  /** R, shape `(D, gates · H, H)`. */
  readonly R: Tensor;
  /** B, shape `(D, 2 · gates · H)`: the input's biases, then the state's; `null` for none. */
  readonly B: Tensor | null;
  /** P, an LSTM's peepholes, shape `(D, 3 · H)`; PyTorch has none, so they must be 0. */
  readonly P?: Tensor | null;
  /** The attribute `activations`; an RNN's may be `Relu`. */
  readonly activations?: readonly string[];
  /** The attribute `activation_alpha`; PyTorch's activations have no such number. */
  readonly activationAlpha?: readonly number[];
  /** The attribute `activation_beta`; PyTorch's activations have no such number. */
  readonly activationBeta?: readonly number[];
  /** The attribute `clip`; PyTorch has none. */
  readonly clip?: number | null;
  /** An LSTM's attribute `input_forget`; 0 is PyTorch's LSTM. */
  readonly inputForget?: 0 | 1;
  /** The attribute `layout`; 0 is the order of dimensions that is meant here. */
  readonly layout?: 0 | 1;
}

/** For each direction, forward and reverse, where it stands in W, R and B. */
const places: Readonly<Record<OnnxLayer["direction"], readonly (number | null)[]>> = {
  forward: [0],
  reverse: [null, 0],
  bidirectional: [0, 1],
};

/** What each may be given; a node's attributes and inputs are as options. */
const toOnnxCall: Call = ["toOnnx", { stateDict: record }];
const fromOnnxCall: Call = ["fromOnnx", { nodes: list }, fromLayoutOptions];
const nodeCall: Call = [
  "fromOnnx",
  {},
  {
    opType: any,
    direction: any,
    hiddenSize: int,
    linearBeforeReset: any,
    W: aTensor,
    R: aTensor,
    B: tensorOrNone,
    P: tensorOrNone,
    activations: list,
    activationAlpha: list,
    activationBeta: list,
    clip: any,
    inputForget: any,
    layout: any,
  } satisfies Options<OnnxLayer>,
];

/**
 * The weights of a PyTorch layer as ONNX nodes have them (LAYOUT-2): gates in the orders i, o, f, c
 * and z, r, h, directions stacked, both biases one after the other. Nothing is lost.
 *
 * @param state the `state_dict` of an RNN, LSTM or GRU
 * @returns for each layer, from the lowest, one node
 * @throws {ValueError} if it is no such `state_dict`, or has a projection
 *
 * @example
 * ```ts
 * import { GRU, toOnnx } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const gru = new GRU(3, 4, { bidirectional: true });
 * const [{ opType, W, R, B, linearBeforeReset }] = toOnnx(gru.stateDict());
 * assertEquals([opType, linearBeforeReset], ["GRU", 1]);
 * assertEquals([W.shape, R.shape, B?.shape], [[2, 12, 3], [2, 12, 4], [2, 24]]);
 * ```
 * @category Weights of other frameworks
 */
export function toOnnx(state: StateDict): OnnxLayer[] {
  checkCall(toOnnxCall, arguments);
  const { kind, hiddenSize, layers } = readLayers(state);
  const own = (x: Tensor) => reorder(x, gateOrder[kind], orders[kind]);
  return noGrad(() =>
    layers.map((directions): OnnxLayer => ({
      opType: kind,
      direction: directions.length === 2 ? "bidirectional" : "forward",
      hiddenSize,
      ...(kind === "GRU" && { linearBeforeReset: 1 }),
      W: stack(directions.map(({ weightIh }) => own(weightIh))),
      R: stack(directions.map(({ weightHh }) => own(weightHh))),
      B: directions[0].biasIh &&
        stack(directions.map(({ biasIh, biasHh }) => cat([own(biasIh!), own(biasHh!)], 0))),
    }))
  );
}

/**
 * The PyTorch weights of ONNX nodes, the way back from {@linkcode toOnnx}. A node without B among
 * nodes with one gets biases of zeros, as ONNX defines. Where a node has the direction `reverse`, or
 * some are bidirectional and others not, the layer is bidirectional: a direction that is missing is
 * made of zeros, so that its half of the output is 0.
 *
 * @param nodes for each layer, from the lowest, one node
 * @param options which nonlinearity an RNN that reads the weights has
 * @returns the `state_dict`
 * @throws {ValueError} if a node computes what PyTorch's layer cannot (a GRU with
 * `linear_before_reset` 0, peepholes that are not 0, other activations, `clip`, `input_forget`, a
 * `layout` of 1), or the shapes do not fit
 *
 * @example
 * ```ts
 * import { fromOnnx, LSTM, toOnnx } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const lstm = new LSTM(3, 4, { numLayers: 2 });
 * assertEquals(fromOnnx(toOnnx(lstm.stateDict())), lstm.stateDict());
 * ```
 * @category Weights of other frameworks
 */
export function fromOnnx(nodes: readonly OnnxLayer[], options: FromLayoutOptions = {}): StateDict {
  checkCall(fromOnnxCall, arguments);
  const bias = nodes.some(({ B }) => B);
  const layers = nodes.map((node) => {
    check(node, options);
    const { opType, direction, W, R, B } = node;
    const own = (x: Tensor) => reorder(x, orders[opType], gateOrder[opType]);
    return noGrad(() =>
      places[direction].map((place): GatedTensors | null => {
        if (place === null) return null;
        const [weightIh, weightHh] = [W, R].map((x) => own(select(x, 0, place)));
        const [biasIh, biasHh] = B
          ? chunk(select(B, 0, place), 2, 0).map(own)
          : bias
          ? [zeroBias(weightIh), zeroBias(weightIh)]
          : [null, null];
        return { weightIh, weightHh, biasIh, biasHh };
      })
    );
  });
  return writeLayers(layers);
}

function check(node: OnnxLayer, options: FromLayoutOptions): void {
  checkOptions(nodeCall, node);
  const { opType, direction, hiddenSize, linearBeforeReset, W, R, B, P } = node;
  if (!Object.hasOwn(orders, opType)) throw new ValueError(`PyTorch has no layer for ${opType}`);
  if (opType === "GRU" && linearBeforeReset !== 1) refuseReset("a GRU with linear_before_reset=0");
  if (!Object.hasOwn(places, direction)) {
    throw new ValueError(`direction must be ${Object.keys(places).join(", ")}, not ${direction}`);
  }
  const { activations, activationAlpha, activationBeta, clip, inputForget = 0, layout = 0 } = node;
  const directions = direction === "bidirectional" ? 2 : 1;
  checkActivations(opType, activations, directions, options);
  const alien: [string, boolean][] = [
    ["activation_alpha", Boolean(activationAlpha?.length)],
    ["activation_beta", Boolean(activationBeta?.length)],
    ["clip", clip !== undefined && clip !== null],
    ["input_forget", inputForget !== 0],
    ["layout", layout !== 0],
  ];
  for (const [name, given] of alien) {
    if (given) throw new ValueError(`PyTorch's ${opType} has nothing like the attribute ${name}`);
  }
  checkPeepholes(opType, P, [directions, 3 * hiddenSize]);
  const rows = orders[opType].length * hiddenSize;
  checkShape("W", W, [directions, rows, W?.shape[2]]);
  checkShape("R", R, [directions, rows, hiddenSize]);
  if (B) checkShape("B", B, [directions, 2 * rows]);
}
