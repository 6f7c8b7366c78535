/** The operands of WebNN's `lstm` and `gru`. */

import { any, bool, check, checkOptions, int, list, type Options, record } from "../call.ts";
import { ValueError } from "../errors.ts";
import { pythonStr } from "../python.ts";
import { aTensor, type StateDict, type Tensor, tensorOrNone } from "../tensor/tensor.ts";
import {
  checkActivations,
  checkPeepholes,
  checkShape,
  fromStacked,
  placesOf,
  refuseLayer,
  refuseReset,
  toStacked,
} from "./layout.ts";

/**
 * The orders of gates that WebNN knows: the first two an LSTM's, the others a GRU's.
 * @category Weights of other frameworks
 */
export type WebnnLayout = "iofg" | "ifgo" | "zrn" | "rzn";

/**
 * The operands and options of one WebNN `lstm` or `gru`: one layer, one or both directions.
 * @category Weights of other frameworks
 */
export interface WebnnLayer {
  /** The method of `MLGraphBuilder`. */
  readonly op: "lstm" | "gru";
  /** The option `direction`; {@linkcode toWebnn} writes no `backward`. */
  readonly direction: "forward" | "backward" | "both";
  /** The argument `hiddenSize`: H. */
  readonly hiddenSize: number;
  /** The option `layout`: in which order the gates stand. */
  readonly layout: WebnnLayout;
  /** A GRU's option `resetAfter`; `true` is PyTorch's GRU, `false` another function. */
  readonly resetAfter?: boolean;
  /** The argument `weight`, shape `(D, gates · H, H_in)`. */
  readonly weight: Tensor;
  /** The argument `recurrentWeight`, shape `(D, gates · H, H)`. */
  readonly recurrentWeight: Tensor;
  /** The option `bias`, shape `(D, gates · H)`; `null` for none. */
  readonly bias: Tensor | null;
  /** The option `recurrentBias`, shape `(D, gates · H)`; `null` for none. */
  readonly recurrentBias: Tensor | null;
  /** An LSTM's option `peepholeWeight`, shape `(D, 3 · H)`; PyTorch has none, so it must be 0. */
  readonly peepholeWeight?: Tensor | null;
  /** The option `activations`; PyTorch's are WebNN's default. */
  readonly activations?: readonly string[];
}

/**
 * How {@linkcode toWebnn} writes.
 * @category Weights of other frameworks
 */
export interface WebnnOptions {
  /** The order of the gates. @default "iofg", "zrn" of a GRU: WebNN's own */
  readonly layout?: WebnnLayout;
}

/** What each may be given; an operator's operands are as options. */

/** The method for each layer, and the orders of each method, its default first. */
const methods = { LSTM: "lstm", GRU: "gru" } as const;
const layouts = { lstm: ["iofg", "ifgo"], gru: ["zrn", "rzn"] } as const;

function checkLayout(op: "lstm" | "gru", layout: WebnnLayout): void {
  if ((layouts[op] as readonly string[]).includes(layout)) return;
  throw new ValueError(
    `WebNN's ${op} has no layout ${pythonStr(layout)}: ${layouts[op].join(" or ")}`,
  );
}

/**
 * The weights of a PyTorch LSTM or GRU as WebNN's methods take them (LAYOUT-5). Nothing is lost.
 * The layouts `ifgo` and `rzn` are PyTorch's own orders.
 *
 * @param state the `state_dict` of an LSTM or GRU
 * @param options which order of gates to write
 * @returns for each layer, from the lowest, its operands and options
 * @throws {ValueError} if it is no such `state_dict`, has a projection or belongs to an RNN, which
 * WebNN has no method for; if the method has no such layout
 *
 * @example
 * ```ts
 * import { LSTM, toWebnn } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const [layer] = toWebnn(new LSTM(3, 4).stateDict());
 * assertEquals([layer.op, layer.layout, layer.direction], ["lstm", "iofg", "forward"]);
 * assertEquals([layer.weight.shape, layer.bias?.shape], [[1, 16, 3], [1, 16]]);
 * ```
 * @category Weights of other frameworks
 */
export function toWebnn(state: StateDict, options: WebnnOptions = {}): WebnnLayer[] {
  check([
    "toWebnn",
    { stateDict: record },
    { layout: any } satisfies Options<WebnnOptions>,
  ], arguments);
  let { layout } = options;
  const layers = toStacked(state, (kind) => {
    if (kind === "RNN") throw new ValueError("WebNN has no method for an RNN, only lstm and gru");
    layout ??= layouts[methods[kind]][0];
    checkLayout(methods[kind], layout);
    return layout;
  });
  return layers.map((layer): WebnnLayer => ({
    op: methods[layer.kind as keyof typeof methods],
    direction: layer.directions === 2 ? "both" : "forward",
    hiddenSize: layer.hiddenSize,
    layout: layout!,
    ...(layer.kind === "GRU" && { resetAfter: true }),
    weight: layer.weightIh,
    recurrentWeight: layer.weightHh,
    bias: layer.biasIh,
    recurrentBias: layer.biasHh,
  }));
}

/**
 * The PyTorch weights of WebNN operands, the way back from {@linkcode toWebnn}. Where only some of
 * the biases are there, the others become zeros, as WebNN defines. Where a layer has the direction
 * `backward`, or some have both and others not, the PyTorch layer is bidirectional: a direction that
 * is missing is made of zeros, so that its half of the output is 0.
 *
 * @param operands for each layer, from the lowest, its operands and options
 * @returns the `state_dict`
 * @throws {ValueError} if a layer computes what PyTorch's cannot (`resetAfter: false`, peepholes that
 * are not 0, other activations), or the shapes do not fit
 *
 * @example
 * ```ts
 * import { fromWebnn, GRU, toWebnn } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const gru = new GRU(3, 4, { bidirectional: true });
 * assertEquals(fromWebnn(toWebnn(gru.stateDict(), { layout: "rzn" })), gru.stateDict());
 * ```
 * @category Weights of other frameworks
 */
export function fromWebnn(operands: readonly WebnnLayer[]): StateDict {
  check(["fromWebnn", { operands: list }], arguments);
  return fromStacked(operands.map((layer) => {
    checkOptions([
      "fromWebnn",
      {},
      {
        op: any,
        direction: any,
        hiddenSize: int,
        layout: any,
        resetAfter: bool,
        weight: aTensor,
        recurrentWeight: aTensor,
        bias: tensorOrNone,
        recurrentBias: tensorOrNone,
        peepholeWeight: tensorOrNone,
        activations: list,
      } satisfies Options<WebnnLayer>,
    ], layer);
    const { op, direction, hiddenSize, layout, resetAfter = true } = layer;
    if (!Object.hasOwn(layouts, op)) refuseLayer(op);
    checkLayout(op, layout);
    if (!resetAfter) refuseReset("a gru with resetAfter=false");
    const places = placesOf(direction, ["forward", "backward", "both"]);
    const kind = op === "lstm" ? "LSTM" : "GRU";
    checkActivations(kind, layer.activations, 1);
    const [directions, rows] = [direction === "both" ? 2 : 1, layout.length * hiddenSize];
    checkPeepholes(kind, layer.peepholeWeight, [directions, 3 * hiddenSize]);
    const { weight, recurrentWeight, bias, recurrentBias } = layer;
    checkShape("weight", weight, [directions, rows, weight?.shape[2]]);
    checkShape("recurrentWeight", recurrentWeight, [directions, rows, hiddenSize]);
    if (bias) checkShape("bias", bias, [directions, rows]);
    if (recurrentBias) checkShape("recurrentBias", recurrentBias, [directions, rows]);
    const weights = { weightIh: weight, weightHh: recurrentWeight };
    const biases = { biasIh: bias, biasHh: recurrentBias };
    return { kind, order: layout, places, ...weights, ...biases };
  }));
}
