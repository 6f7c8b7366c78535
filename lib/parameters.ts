/**
 * How the parameters of a recurrent cell are declared: their names, their order, and their shapes
 * in gates and sizes. Constructors, checks, streams, kernels, layouts and detection iterate over
 * what a cell declares.
 */

import { type Call, check, snakeCase, text } from "./call.ts";

const gatedCall: Call = ["gated", { gates: text }];

/**
 * The gates of PyTorch's cells, one letter each, in the order in which they stand below each other in
 * a weight: the steps in nn/rnn.ts, nn/lstm.ts and nn/gru.ts take them apart in this order.
 */
export const gateOrder = { RNN: "h", LSTM: "ifgo", GRU: "rzn" } as const;

/**
 * Which of PyTorch's cells has this number of gates.
 *
 * @returns the cell, or `null` for none
 */
export function kindOf(count: number): keyof typeof gateOrder | null {
  const kinds = Object.keys(gateOrder) as (keyof typeof gateOrder)[];
  return kinds.find((kind) => gateOrder[kind].length === count) ?? null;
}

/**
 * What the shapes of a cell's parameters and state are made of.
 * @category Cells of your own
 */
export interface CellSizes {
  /** H_in, the features that the cell reads; above the first layer, all that the one below gives. */
  readonly input: number;
  /** H, the features of a gate. */
  readonly hidden: number;
  /** H_out, the features of h: H_proj with a projection, otherwise H. */
  readonly output: number;
  /** Whether there are biases. */
  readonly bias: boolean;
}

/**
 * The shape of a parameter in a cell of some sizes; `null` where the cell is without it.
 * @category Cells of your own
 */
export type ShapeOf = (sizes: CellSizes) => readonly number[] | null;

/**
 * The shape of each parameter by its name in the equation, in the order in which they are drawn.
 * @category Cells of your own
 */
export type Declared<P> = { readonly [K in keyof P]: ShapeOf };

/**
 * The four parameters of a cell whose gates read the input and the state through one weight each:
 * W_ih, W_hh, b_ih, b_hh, in which the gates stand below each other.
 *
 * @param gates the gates in their order, one letter each
 * @returns the declarations
 *
 * @example
 * ```ts
 * import { gated } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const { weightIh, biasIh } = gated("ifgo");
 * const sizes = { input: 3, hidden: 4, output: 4, bias: false };
 * assertEquals([weightIh(sizes), biasIh(sizes)], [[16, 3], null]);
 * ```
 * @category Cells of your own
 */
export function gated(
  gates: string,
): Declared<Record<"weightIh" | "weightHh" | "biasIh" | "biasHh", unknown>> {
  check(gatedCall, arguments);
  const { length } = gates;
  return {
    weightIh: ({ hidden, input }) => [length * hidden, input],
    weightHh: ({ hidden, output }) => [length * hidden, output],
    biasIh: ({ hidden, bias }) => bias ? [length * hidden] : null,
    biasHh: ({ hidden, bias }) => bias ? [length * hidden] : null,
  };
}

/**
 * What the names of a layer's parameters end with.
 *
 * @param layer the layer, from 0
 * @param direction 0 for forward, 1 for reverse
 * @returns for example `_l0` or `_l1_reverse`
 */
export function endOf(layer: number, direction: number): string {
  return `_l${layer}${direction === 0 ? "" : "_reverse"}`;
}

/**
 * A parameter's name in a `state_dict`.
 *
 * @param key its name in the equation, such as `weightIh`
 * @param end what a layer's names end with; nothing for a cell's
 * @returns for example `weight_ih_l0`
 */
export function parameterName(key: string, end = ""): string {
  return snakeCase(key) + end;
}

/**
 * Makes something of each of what has names, such as the declared parameters of a cell.
 *
 * @param make from a name and what it stands for
 * @returns what was made, by the same names in the same order
 */
export function eachOf<K extends string, V, T>(
  named: { readonly [key in K]: V },
  make: (key: K, value: V) => T,
): Record<K, T> {
  const made = {} as Record<K, T>;
  for (const key in named) made[key] = make(key, named[key]);
  return made;
}
