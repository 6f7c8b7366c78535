/**
 * Groups of parameters and their options: as they are given, as they are kept, as they are printed.
 */

import { any, bool, type Call, type Kind, number, snakeCase } from "../call.ts";
import { KeyError, ValueError } from "../errors.ts";
import { pythonFloat, pythonNumber, pythonText } from "../python.ts";
import { Tensor } from "../tensor/tensor.ts";

/**
 * The options that every optimiser has.
 * @category Optimisers and schedules
 */
export interface OptimizerOptions {
  /**
   * The learning rate; a tensor of one number is kept, so that changing its value changes the rate.
   */
  readonly lr?: number | Tensor;
  /** The part of each parameter that is added to its gradient. @default 0 */
  readonly weightDecay?: number;
  /** Whether to step along the gradient, not against it. @default false */
  readonly maximize?: boolean;
}

/**
 * Parameters, with options of their own.
 * @category Optimisers and schedules
 */
export type ParamGroupOptions<O> = O & {
  /** The tensors to optimise: one, several, or several with their names. */
  readonly params: Tensor | Iterable<Tensor> | Iterable<readonly [string, Tensor]>;
};

/**
 * Parameters, with the options in force for them; the options may be changed between steps.
 * @category Optimisers and schedules
 */
export type ParamGroup<O> =
  & { -readonly [K in keyof O]-?: Exclude<O[K], Tensor | undefined> }
  & {
    /** The tensors to optimise. */
    params: Tensor[];
    /** Their names, where they were given with names. */
    paramNames?: string[];
    /** The learning rate that a schedule started from. */
    initialLr?: number;
  };

/**
 * A hyperparameter as a state dict holds it.
 * @category Optimisers and schedules
 */
export type OptionValue = number | boolean | null | Tensor | readonly (number | string)[];

/**
 * Options by name, in PyTorch's order.
 * @category Optimisers and schedules
 */
export type OptionValues = Record<string, OptionValue>;

/** A learning rate. */
const rate: Kind = {
  word: "Number",
  is: (value) => typeof value === "number" || value instanceof Tensor,
};

/** True, false, or `null` for PyTorch's own choice. */
const flag: Kind = { word: "bool", is: (value) => value === null || bool.is(value) };

/** A number for the first moment, and one for the second; tensors, which PyTorch takes, are seen to. */
const pair: Kind = {
  word: "pair of Numbers",
  is: (value) => Array.isArray(value) && value.length === 2 && value.every(rate.is),
};

/** What an optimiser's constructor may be given: an option is to be what its default is. */
export function optimizerCall(
  name: string,
  defaults: Readonly<OptionValues>,
): Call<Record<string, unknown>> {
  const kinds = Object.entries(defaults).map(([option, value]): [string, Kind] => [
    option,
    option === "lr"
      ? rate
      : typeof value === "number"
      ? number
      : Array.isArray(value)
      ? pair
      : flag,
  ]);
  return [name, { params: any }, Object.fromEntries(kinds)];
}

/** A learning rate that is a tensor, by the group that has it and the option's name. */
const held = new WeakMap<object, Map<string, Tensor>>();
/** Learning rates that a schedule computed: Python's are then floats, whatever they were. */
const computed = new WeakMap<object, number>();

/**
 * Sets an option of a group. A tensor stays the group's: the option reads and writes its number.
 */
export function setOption(group: object, name: string, value: OptionValue): void {
  if (!(value instanceof Tensor)) {
    (group as Record<string, unknown>)[name] = value;
    return;
  }
  const tensors = held.get(group) ?? new Map<string, Tensor>();
  held.set(group, tensors.set(name, value));
  Object.defineProperty(group, name, {
    configurable: true,
    enumerable: true,
    get: () => value.data[0],
    set: (next: number) => value.data[0] = next,
  });
}

/** The options of a group, a tensor where the group has one. */
export function optionsOf(group: object): OptionValues {
  const { params: _, ...options } = group as Record<string, OptionValue>;
  for (const [name, tensor] of held.get(group) ?? []) options[name] = tensor;
  return options;
}

/** Sets a learning rate that a schedule computed. */
export function setComputedRate(group: { lr: number }, lr: number): void {
  group.lr = lr;
  computed.set(group, group.lr);
}

/** Keeps the learning rate that a schedule starts from, where none is kept yet. */
export function keepInitialRate(group: { lr: number; initialLr?: number }): void {
  if (group.initialLr !== undefined) return;
  const tensor = held.get(group)?.get("lr");
  const { lr } = group;
  setOption(group, "initialLr", tensor ? new Tensor(tensor.data.slice(), tensor.shape) : lr);
}

/** The lines that PyTorch prints for a group. */
export function describe(group: object): string {
  const textOf = (name: string, value: OptionValue): string => {
    if (name === "lr" && typeof value === "number" && computed.get(group) === value) {
      return pythonFloat(value);
    }
    if (value instanceof Tensor && value.dim() === 0) return pythonFloat(value.data[0]);
    if (!Array.isArray(value)) return pythonText(value);
    if (value.every((item) => typeof item === "string")) return pythonText(value);
    return `(${value.map(pythonFloat).join(", ")})`; // betas, which Python wants as floats
  };
  return Object.entries(optionsOf(group))
    .map(([name, value]) => `    ${snakeCase(name)}: ${textOf(name, value)}\n`)
    .sort().join("");
}

/**
 * Refuses a group that lacks an option.
 *
 * @param names the options that are about to be read, in PyTorch's order
 * @throws {KeyError} if one is missing, as after a foreign state was loaded
 */
export function requireOptions(group: object, names: readonly string[]): void {
  for (const name of names) if (!(name in group)) throw new KeyError(pythonText(snakeCase(name)));
}

/**
 * Refuses options that are negative.
 *
 * @param group the options
 * @param names which of them
 * @param nan whether NaN is refused, too
 * @throws {ValueError} in PyTorch's words
 */
export function checkSigns(group: object, names: readonly string[], nan = true): void {
  for (const name of names) {
    const value = (group as Record<string, number>)[name];
    if (nan ? value >= 0 : !(value < 0)) continue;
    const words: Record<string, string> = { lr: "learning rate", eps: "epsilon value" };
    const word = words[name] ?? `${snakeCase(name)} value`;
    throw new ValueError(`Invalid ${word}: ${pythonNumber(value)}`);
  }
}

/**
 * A learning rate of more or less than one number is none.
 *
 * @throws {ValueError} in PyTorch's words
 */
export function checkRate(lr: OptionValue): void {
  if (lr instanceof Tensor && lr.numel() !== 1) {
    throw new ValueError("Tensor lr must be 1-element");
  }
}
