/**
 * The weights of ONNX's operators RNN, LSTM and GRU.
 *
 * @module
 */

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
import { cat, chunk, select, stack } from "../autograd/slices.ts";
import { ValueError } from "../errors.ts";
import type { StateDict } from "../nn/module.ts";
import { gateOrder } from "../parameters.ts";
import { aTensor, type Tensor, tensorOrNone } from "../tensor/tensor.ts";
import {
  checkShape,
  type LayerKind,
  readLayers,
  reorder,
  writeLayers,
  zeroBias,
} from "./layout.ts";

/** ONNX's gate orders by PyTorch's letters: ONNX calls the LSTM's g "c" and the GRU's n "h". */
const orders: Readonly<Record<LayerKind, string>> = { RNN: "h", LSTM: "iofg", GRU: "zrn" };

/** One ONNX node RNN, LSTM or GRU: one layer, one or both directions. */
export interface OnnxLayer {
  /** The operator. */
  readonly opType: LayerKind;
  /** The attribute `direction`; a reverse direction alone is nothing that PyTorch has. */
  readonly direction: "forward" | "bidirectional";
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
  /** P, an LSTM's peepholes, shape `(D, 3 · H)`; PyTorch has none. */
  readonly P?: Tensor | null;
}

/** What each may be given; a node's attributes and inputs are as options. */
const calls = {
  toOnnx: ["toOnnx", { stateDict: record }],
  fromOnnx: ["fromOnnx", { nodes: list }],
  node: [
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
    } satisfies Options<OnnxLayer>,
  ],
} satisfies Record<string, Call>;

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
 */
export function toOnnx(state: StateDict): OnnxLayer[] {
  checkCall(calls.toOnnx, arguments);
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
 * nodes with one gets biases of zeros, as ONNX defines.
 *
 * @param nodes for each layer, from the lowest, one node
 * @returns the `state_dict`
 * @throws {ValueError} if a node computes what PyTorch's layer cannot (a GRU with
 * `linear_before_reset` 0, peepholes), or the shapes do not fit
 *
 * @example
 * ```ts
 * import { fromOnnx, LSTM, toOnnx } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const lstm = new LSTM(3, 4, { numLayers: 2 });
 * assertEquals(fromOnnx(toOnnx(lstm.stateDict())), lstm.stateDict());
 * ```
 */
export function fromOnnx(nodes: readonly OnnxLayer[]): StateDict {
  checkCall(calls.fromOnnx, arguments);
  const bias = nodes.some(({ B }) => B);
  const layers = nodes.map((node) => {
    check(node);
    const { opType, W, R, B } = node;
    const own = (x: Tensor) => reorder(x, orders[opType], gateOrder[opType]);
    return noGrad(() =>
      Array.from({ length: W.shape[0] }, (_, direction) => {
        const [weightIh, weightHh] = [W, R].map((x) => own(select(x, 0, direction)));
        const [biasIh, biasHh] = B
          ? chunk(select(B, 0, direction), 2, 0).map(own)
          : bias
          ? [zeroBias(weightIh), zeroBias(weightIh)]
          : [null, null];
        return { weightIh, weightHh, biasIh, biasHh };
      })
    );
  });
  return writeLayers(layers);
}

function check(node: OnnxLayer): void {
  checkOptions(calls.node, node);
  const { opType, direction, hiddenSize, linearBeforeReset, W, R, B, P } = node;
  if (!Object.hasOwn(orders, opType)) throw new ValueError(`PyTorch has no layer for ${opType}`);
  if (opType === "GRU" && linearBeforeReset !== 1) {
    throw new ValueError(
      "a GRU with linear_before_reset=0 applies the reset gate before the product: PyTorch has none",
    );
  }
  if (P) throw new ValueError("PyTorch's LSTM has no peepholes (P)");
  if (direction !== "forward" && direction !== "bidirectional") {
    throw new ValueError(`PyTorch has no layer of the direction ${direction} alone`);
  }
  const [directions, rows] = [direction === "forward" ? 1 : 2, orders[opType].length * hiddenSize];
  checkShape("W", W, [directions, rows, W?.shape[2]]);
  checkShape("R", R, [directions, rows, hiddenSize]);
  if (B) checkShape("B", B, [directions, 2 * rows]);
}
