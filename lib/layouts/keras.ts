/** The weights of Keras' and TensorFlow.js' layers SimpleRNN, LSTM and GRU. */

import { any, bool, check, checkOptions, int, list, type Options, record, text } from "../call.ts";
import { noGrad } from "../autograd/graph.ts";
import { add } from "../autograd/arithmetic.ts";
import { transpose } from "../autograd/shape.ts";
import { stack } from "../autograd/join.ts";
import { select } from "../autograd/slices.ts";
import { ValueError } from "../errors.ts";
import { gateOrder } from "../parameters.ts";
import { zeros } from "../tensor/create.ts";
import { aTensor, type StateDict, type Tensor, tensorOrNone } from "../tensor/tensor.ts";
import {
  checkActivations,
  checkShape,
  type FromLayoutOptions,
  fromLayoutOptions,
  type GatedTensors,
  type LayerKind,
  readLayers,
  refuseLayer,
  refuseReset,
  reorder,
  writeLayers,
} from "./layout.ts";

/** Keras' names of the layers. */
const classNames = { RNN: "SimpleRNN", LSTM: "LSTM", GRU: "GRU" } as const;

/** Keras' gate orders by PyTorch's letters: Keras calls the LSTM's g "c" and the GRU's n "h". */
const orders: Readonly<Record<LayerKind, string>> = { RNN: "h", LSTM: "ifgo", GRU: "zrn" };

/**
 * One Keras layer: one layer and direction.
 * @category Weights of other frameworks
 */
export interface KerasLayer {
  /** The layer. */
  readonly className: "SimpleRNN" | "LSTM" | "GRU";
  /** Whether it reads the sequence from its end (`go_backwards`): PyTorch's reverse direction. */
  readonly goBackwards: boolean;
  /** The argument `units`: H. */
  readonly units: number;
  /** A GRU's argument `reset_after`; `true` is PyTorch's GRU, `false` another function. */
  readonly resetAfter?: boolean;
  /** `kernel`, shape `(H_in, gates · H)`. */
  readonly kernel: Tensor;
  /** `recurrent_kernel`, shape `(H, gates · H)`. */
  readonly recurrentKernel: Tensor;
  /**
   * `bias`, shape `(gates · H)`, and `(2, 3 · H)` in a GRU with `reset_after`; `null` without
   * (`use_bias=False`).
   */
  readonly bias: Tensor | null;
  /** The argument `activation`; a SimpleRNN's may be `"relu"`. @default "tanh" */
  readonly activation?: string;
  /** The argument `recurrent_activation` of LSTM and GRU. @default "sigmoid" */
  readonly recurrentActivation?: string;
}

/** What each may be given; a layer's arguments and weights are as options. */

/**
 * The weights of a PyTorch layer as Keras has them (LAYOUT-3, LAYOUT-4): matrices transposed, gates
 * in the orders i, f, c, o and z, r, h. SimpleRNN and LSTM have one bias, the sum of PyTorch's two:
 * which part was whose is lost. The GRU, with `reset_after`, keeps both.
 *
 * @param state the `state_dict` of an RNN, LSTM or GRU
 * @returns for each layer, from the lowest, one Keras layer for each direction; two belong into a
 * `Bidirectional`
 * @throws {ValueError} if it is no such `state_dict`, or has a projection
 *
 * @example
 * ```ts
 * import { LSTM, toKeras } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const [[layer]] = toKeras(new LSTM(3, 4).stateDict());
 * const { kernel, recurrentKernel, bias } = layer;
 * assertEquals([kernel.shape, recurrentKernel.shape, bias?.shape], [[3, 16], [4, 16], [16]]);
 * ```
 * @category Weights of other frameworks
 */
export function toKeras(state: StateDict): KerasLayer[][] {
  check(["toKeras", { stateDict: record }], arguments);
  const { kind, hiddenSize, layers } = readLayers(state);
  const own = (x: Tensor) => reorder(x, gateOrder[kind], orders[kind]);
  const bias = ({ biasIh, biasHh }: GatedTensors): Tensor | null => {
    if (!biasIh) return null;
    return kind === "GRU" ? stack([own(biasIh), own(biasHh!)]) : own(add(biasIh, biasHh!));
  };
  return noGrad(() =>
    layers.map((directions) =>
      directions.map((parameters, direction): KerasLayer => ({
        className: classNames[kind],
        goBackwards: direction === 1,
        units: hiddenSize,
        ...(kind === "GRU" && { resetAfter: true }),
        kernel: transpose(own(parameters.weightIh), 0, 1),
        recurrentKernel: transpose(own(parameters.weightHh), 0, 1),
        bias: bias(parameters),
      }))
    )
  );
}

/**
 * The PyTorch weights of Keras layers, the way back from {@linkcode toKeras}. A single bias
 * becomes `bias_ih`, and `bias_hh` zeros; the function computed is the same.
 *
 * @param layers for each layer, from the lowest, one Keras layer for each direction
 * @param options which nonlinearity an RNN that reads the weights has
 * @returns the `state_dict`
 * @throws {ValueError} if a layer computes what PyTorch's cannot (a GRU without `reset_after`, other
 * activations, a backward direction alone, whose output is the other way round), or the shapes do not
 * fit
 *
 * @example
 * ```ts
 * import { fromKeras, GRU, toKeras } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const gru = new GRU(3, 4, { bidirectional: true });
 * assertEquals(fromKeras(toKeras(gru.stateDict())), gru.stateDict());
 * ```
 * @category Weights of other frameworks
 */
export function fromKeras(
  layers: readonly (readonly KerasLayer[])[],
  options: FromLayoutOptions = {},
): StateDict {
  check(["fromKeras", { layers: list }, fromLayoutOptions], arguments);
  const biased = layers.some((directions) => directions.some(({ bias }) => bias));
  return writeLayers(layers.map((directions) => {
    const backwards = directions.map(({ goBackwards }) => goBackwards).join();
    if (backwards !== "false" && backwards !== "false,true") {
      throw new ValueError("wanted one layer that reads forward, and perhaps one backward");
    }
    return directions.map((layer) => parametersOf(layer, biased, options));
  }));
}

function parametersOf(
  layer: KerasLayer,
  biased: boolean,
  options: FromLayoutOptions,
): GatedTensors {
  checkOptions([
    "fromKeras",
    {},
    {
      className: any,
      goBackwards: bool,
      units: int,
      resetAfter: bool,
      kernel: aTensor,
      recurrentKernel: aTensor,
      bias: tensorOrNone,
      activation: text,
      recurrentActivation: text,
    } satisfies Options<KerasLayer>,
  ], layer);
  const { className, units, kernel, recurrentKernel, bias, resetAfter = true } = layer;
  const kind = (["RNN", "LSTM", "GRU"] as const).find((kind) => classNames[kind] === className);
  if (!kind) return refuseLayer(className);
  const { activation = "tanh", recurrentActivation } = layer;
  if (kind === "RNN" && recurrentActivation !== undefined) {
    throw new ValueError("a SimpleRNN has no recurrent_activation");
  }
  const gates = kind === "RNN" ? [] : [recurrentActivation ?? "sigmoid"];
  const others = kind === "LSTM" ? [activation, activation] : [activation];
  checkActivations(kind, [...gates, ...others], 1, options);
  const columns = orders[kind].length * units;
  if (kind === "GRU" && (!resetAfter || bias?.dim() === 1)) {
    refuseReset("a GRU with reset_after=False");
  }
  checkShape("kernel", kernel, [kernel?.shape[0], columns]);
  checkShape("recurrent_kernel", recurrentKernel, [units, columns]);
  if (bias) checkShape("bias", bias, kind === "GRU" ? [2, columns] : [columns]);
  const own = (x: Tensor) => reorder(x, orders[kind], gateOrder[kind]);
  return noGrad(() => {
    const weightIh = own(transpose(kernel, 0, 1));
    const zero = biased ? zeros([columns], { dtype: weightIh.dtype }) : null;
    return {
      weightIh,
      weightHh: own(transpose(recurrentKernel, 0, 1)),
      biasIh: bias ? own(kind === "GRU" ? select(bias, 0, 0) : bias) : zero,
      biasHh: bias && kind === "GRU" ? own(select(bias, 0, 1)) : zero,
    };
  });
}
