/** The weights of ONNX's operators RNN, LSTM and GRU. */

import { any, check, checkOptions, int, list, type Options, record } from "../call.ts";
import { noGrad } from "../autograd/graph.ts";
import { cat } from "../autograd/join.ts";
import { chunk } from "../autograd/slices.ts";
import { ValueError } from "../errors.ts";
import { aTensor, type StateDict, type Tensor, tensorOrNone } from "../tensor/tensor.ts";
import {
  checkActivations,
  checkPeepholes,
  checkShape,
  type FromLayoutOptions,
  fromLayoutOptions,
  fromStacked,
  type LayerKind,
  placesOf,
  refuseLayer,
  refuseReset,
  toStacked,
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

/** What each may be given; a node's attributes and inputs are as options. */

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
  check(["toOnnx", { stateDict: record }], arguments);
  return toStacked(state, (kind) => orders[kind]).map((layer): OnnxLayer => {
    const { kind, hiddenSize, directions, weightIh, weightHh, biasIh, biasHh } = layer;
    return {
      opType: kind,
      direction: directions === 2 ? "bidirectional" : "forward",
      hiddenSize,
      ...(kind === "GRU" && { linearBeforeReset: 1 }),
      W: weightIh,
      R: weightHh,
      B: biasIh && noGrad(() => cat([biasIh, biasHh!], 1)),
    };
  });
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
  check(["fromOnnx", { nodes: list }, fromLayoutOptions], arguments);
  return fromStacked(nodes.map((node) => {
    checkOptions([
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
    ], node);
    const { opType: kind, direction, hiddenSize, linearBeforeReset, W, R, B, P } = node;
    if (!Object.hasOwn(orders, kind)) refuseLayer(kind);
    if (kind === "GRU" && linearBeforeReset !== 1) refuseReset("a GRU with linear_before_reset=0");
    const places = placesOf(direction, ["forward", "reverse", "bidirectional"]);
    const directions = direction === "bidirectional" ? 2 : 1;
    checkActivations(kind, node.activations, directions, options);
    const { activationAlpha, activationBeta, clip, inputForget = 0, layout = 0 } = node;
    const alien = {
      activation_alpha: activationAlpha?.length,
      activation_beta: activationBeta?.length,
      clip: clip !== undefined && clip !== null,
      input_forget: inputForget !== 0,
      layout: layout !== 0,
    };
    for (const [name, given] of Object.entries(alien)) {
      if (given) throw new ValueError(`PyTorch's ${kind} has nothing like the attribute ${name}`);
    }
    checkPeepholes(kind, P, [directions, 3 * hiddenSize]);
    const order = orders[kind];
    const rows = order.length * hiddenSize;
    checkShape("W", W, [directions, rows, W?.shape[2]]);
    checkShape("R", R, [directions, rows, hiddenSize]);
    if (B) checkShape("B", B, [directions, 2 * rows]);
    const [biasIh, biasHh] = B ? noGrad(() => chunk(B, 2, 1)) : [null, null];
    const tensors = { weightIh: W, weightHh: R, biasIh, biasHh };
    return { kind, order, places, ...tensors };
  }));
}
