/** What ONNX's operators RNN, LSTM and GRU are told by a node's attributes. */

import { any, check, int, record } from "../call.ts";
import { quote } from "../checkpoints/refuse.ts";
import { ValueError } from "../errors.ts";
import type { LayerKind } from "../layouts/layout.ts";
import { type OnnxActivation, readActivations } from "./activations.ts";
import type { OnnxNode } from "./model.ts";

/** A recurrent node's attributes by ONNX's names. */
export type OnnxAttributes = Readonly<Record<string, unknown>>;

/** What a recurrent node computes: its attributes, and what holds where they are left out. */
export interface OnnxRecurrence {
  /** The operator. */
  readonly opType: LayerKind;
  /** H; `null` where the node leaves it to the shape of R. */
  readonly hiddenSize: number | null;
  /** Which way the node reads the sequence. */
  readonly direction: "forward" | "reverse" | "bidirectional";
  /** For each direction, f; f and g of a GRU; f, g and h of an LSTM. */
  readonly activations: readonly (readonly OnnxActivation[])[];
  /** What the input of every activation is clipped to, or `null`. */
  readonly clip: number | null;
  /** Whether a GRU resets after the product, as PyTorch's does. */
  readonly linearBeforeReset: boolean;
  /** Whether an LSTM's forget gate is 1 − i. */
  readonly inputForget: boolean;
  /** 0: time first; 1: batch first. */
  readonly layout: 0 | 1;
}

/** The activations of each operator where a node names none. */
const usual: Readonly<Record<LayerKind, readonly string[]>> = {
  RNN: ["Tanh"],
  LSTM: ["Sigmoid", "Tanh", "Tanh"],
  GRU: ["Sigmoid", "Tanh"],
};

/** Where an attribute is there: its first opset, its last, and its only operator; else everywhere. */
interface Known {
  readonly first?: number;
  readonly last?: number;
  readonly only?: LayerKind;
}

const known: Readonly<Record<string, Known>> = {
  hidden_size: {},
  direction: {},
  activations: {},
  activation_alpha: {},
  activation_beta: {},
  clip: {},
  output_sequence: { last: 6 },
  linear_before_reset: { first: 3, only: "GRU" },
  input_forget: { only: "LSTM" },
  layout: { first: 14 },
};

/** What a file says, fit for a message: without control characters, and cut where it is long. */
function shown(value: unknown): string {
  return quote(String(value)).slice(1, -1);
}

/** Whether a node is one of ONNX's recurrent operators. */
export function isRecurrent(node: Pick<OnnxNode, "opType" | "domain">): boolean {
  return node.domain === "" && Object.hasOwn(usual, node.opType);
}

/**
 * A node's attributes, by name.
 *
 * @throws {ValueError} if one is that of the function's caller, whose value must be put in first
 */
export function attributesOf(node: OnnxNode): Record<string, unknown> {
  check(["attributesOf", { node: record }], arguments);
  return Object.fromEntries(
    [...node.attributes].map(([name, { type, value }]) => {
      if (type !== "reference") return [name, value];
      const told = `${shown(name)} is the attribute ${shown(value)}`;
      throw new ValueError(`${told} of the node that calls the function`);
    }),
  );
}

/**
 * Reads what a recurrent node is to compute (ONNX-3).
 *
 * @param attributes the node's attributes, by ONNX's names
 * @param opset which version of ONNX's operators is meant
 * @returns the same with defaults filled in
 * @throws {ValueError} if the operator has no such attribute in that opset, or a value is not allowed
 *
 * @example
 * ```ts
 * import { recurrenceOf } from "@rnn-spec/rnn-spec/onnx";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const gru = recurrenceOf("GRU", { hidden_size: 4 }, 17);
 * assertEquals([gru.direction, gru.linearBeforeReset], ["forward", false]);
 * assertEquals(gru.activations[0].map(({ name }) => name), ["Sigmoid", "Tanh"]);
 * assertThrows(() => recurrenceOf("GRU", { layout: 1 }, 13), Error, "no attribute layout");
 * ```
 */
export function recurrenceOf(
  opType: LayerKind,
  attributes: OnnxAttributes,
  opset: number,
): OnnxRecurrence {
  check(["recurrenceOf", { opType: any, attributes: record, opset: int }], arguments);
  if (!Object.hasOwn(usual, opType)) throw new ValueError(`${opType} is no recurrent operator`);
  if (!(opset >= 1)) throw new ValueError(`there is no opset ${opset}`);
  for (const name of Object.keys(attributes)) {
    const own: Known = Object.hasOwn(known, name) ? known[name] : { last: 0 };
    const { first = opset, last = opset, only = opType } = own;
    if (only !== opType || opset < first || opset > last) {
      throw new ValueError(`${opType} has no attribute ${shown(name)} in opset ${opset}`);
    }
  }
  const take = <T>(name: string, word: string, is: (value: unknown) => boolean, usual: T): T => {
    const value = attributes[name];
    if (value === undefined) return usual;
    if (!is(value)) {
      throw new ValueError(`${opType}: ${name} must be ${word}, not ${shown(value)}`);
    }
    return value as T;
  };
  const listOf = (type: string) => (value: unknown) =>
    Array.isArray(value) && value.every((one) => typeof one === type);
  const flag = (name: string) =>
    take<0 | 1>(name, "0 or 1", (value) => value === 0 || value === 1, 0);
  const isWay = (value: unknown) => ["forward", "reverse", "bidirectional"].includes(String(value));
  const direction = take<OnnxRecurrence["direction"]>(
    "direction",
    "forward, reverse or bidirectional",
    isWay,
    "forward",
  );
  const directions = direction === "bidirectional" ? 2 : 1;
  const each = usual[opType];
  const none: readonly number[] = [];
  const count = each.length * directions;
  const names = take<readonly string[]>(
    "activations",
    `a list of ${count} names`,
    (value) =>
      listOf("string")(value) &&
      // An RNN's own default is a list of two, whatever the direction.
      [count, opType === "RNN" ? 2 : count].includes((value as unknown[]).length),
    directions === 2 ? [...each, ...each] : each,
  );
  const activations = readActivations(
    names.slice(0, count),
    take("activation_alpha", "a list of numbers", listOf("number"), none),
    take("activation_beta", "a list of numbers", listOf("number"), none),
  );
  const size = (value: unknown) => Number.isInteger(value) && (value as number) > 0;
  const isBound = (value: unknown) => typeof value === "number" && value >= 0;
  const clip = take<number | null>("clip", "0 or more", isBound, null);
  flag("output_sequence");
  return {
    opType,
    hiddenSize: take<number | null>("hidden_size", "a positive integer", size, null),
    direction,
    activations: Array.from(
      { length: directions },
      (_, k) => activations.slice(k * each.length, (k + 1) * each.length),
    ),
    clip: clip === null ? null : Math.fround(clip),
    linearBeforeReset: take("linear_before_reset", "an integer", Number.isInteger, 0) !== 0,
    inputForget: flag("input_forget") === 1,
    layout: flag("layout"),
  };
}
