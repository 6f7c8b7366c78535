/** What an optimiser remembers, in the shape of PyTorch's `state_dict`, from wherever it comes. */

import { number } from "../call.ts";
import { KeyError, RuntimeError } from "../errors.ts";
import { pythonText, pythonType } from "../python.ts";
import { convert, type DType, sameShape } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { OptionValue, OptionValues } from "./param_group.ts";

/**
 * What an optimiser remembers of a parameter, by PyTorch's names.
 * @category Optimisers and schedules
 */
export type ParamState = Record<string, Tensor>;

/**
 * All that an optimiser remembers, by PyTorch's names (`torch.optim.Optimizer.state_dict`).
 * @category Optimisers and schedules
 */
export interface OptimizerState {
  /** What is remembered of each parameter, by the parameter's number, counted over all groups. */
  state: Record<string, ParamState>;
  /** The options of each group, and the numbers of its parameters. */
  // deno-lint-ignore camelcase -- PyTorch's name
  param_groups: OptionValues[];
}

/**
 * A state as it may be given: an object, or the `Map` that a PyTorch file holds.
 * @category Optimisers and schedules
 */
export type StateLike<T> = T | ReadonlyMap<unknown, unknown>;

/**
 * What a Python dict holds, given as a `Map` or as an object.
 *
 * @throws {TypeError} if it is none
 */
export function dictOf(dict: unknown, what: string): Map<string, unknown> {
  if (dict instanceof Map) return new Map([...dict].map(([name, value]) => [String(name), value]));
  if (typeof dict === "object" && dict !== null && !Array.isArray(dict)) {
    return new Map(Object.entries(dict));
  }
  throw new TypeError(`${what} must be a dict, not ${pythonType(dict)}`);
}

/** A value of a dict, which must be there. */
export function valueOf(dict: ReadonlyMap<string, unknown>, name: string): unknown {
  if (!dict.has(name)) throw new KeyError(pythonText(name));
  return dict.get(name);
}

/** A list, which must be one. */
function listOf(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new TypeError(`${what} must be a list, not ${pythonType(value)}`);
}

/** A tensor, also one as a file holds it; `null` for what is none. */
export function tensorOf(value: unknown): Tensor | null {
  if (value instanceof Tensor) return value;
  if (typeof value !== "object" || value === null || !("toTensor" in value)) return null;
  return (value as { toTensor(options: { widen: boolean }): Tensor }).toTensor({ widen: true });
}

/** An option as a group has it; lists are copied. */
function optionOf(value: unknown, name: string): OptionValue {
  const tensor = tensorOf(value);
  if (tensor) return tensor;
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return [...value];
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  throw new TypeError(
    `param_groups: ${name} is of no type that an option has: ${pythonType(value)}`,
  );
}

/** A group of a state: its options, and the numbers of its parameters. */
export interface LoadedGroup {
  /** The options by PyTorch's names. */
  readonly options: OptionValues;
  /** The numbers, as the keys of the state. */
  readonly params: readonly string[];
}

/**
 * Reads the groups of a state.
 *
 * @throws {KeyError | TypeError} if it is no state of an optimiser
 */
export function readGroups(state: ReadonlyMap<string, unknown>): LoadedGroup[] {
  return listOf(valueOf(state, "param_groups"), "param_groups").map((given, k) => {
    const { params, ...options } = Object.fromEntries(dictOf(given, `param_groups[${k}]`));
    if (params === undefined) throw new KeyError("'params'");
    return {
      params: listOf(params, "params").map(String),
      options: Object.fromEntries(
        Object.entries(options).map(([name, value]) => [name, optionOf(value, name)]),
      ),
    };
  });
}

/**
 * Reads what a state remembers of a parameter. A tensor of the dtype wanted is taken over as it is,
 * not copied; all but the count of steps takes the parameter's dtype.
 *
 * @throws {TypeError | RuntimeError} if something is no tensor, or not of the parameter's shape
 */
export function readParamState(given: unknown, param: Tensor, key: string): ParamState {
  const own: ParamState = {};
  for (const [name, value] of dictOf(given, `the state of parameter ${key}`)) {
    if (value === null) continue; // as older releases wrote of a buffer that is not there yet
    const number = name === "step" && (typeof value === "number" || typeof value === "bigint");
    const tensor = number ? new Tensor(Float32Array.of(Number(value)), []) : tensorOf(value);
    if (tensor === null) {
      throw new TypeError(
        `the state of parameter ${key}: ${name} must be a tensor, not ${pythonType(value)}`,
      );
    }
    if (name !== "step" && !sameShape(tensor.shape, param.shape)) {
      throw new RuntimeError(
        `the state of parameter ${key}: ${name} has the shape ${tensor.size()}, the parameter ` +
          `${param.size()}`,
      );
    }
    own[name] = name === "step" ? tensor : inDType(tensor, param.dtype);
  }
  return own;
}

function inDType(tensor: Tensor, dtype: DType): Tensor {
  if (tensor.dtype === dtype) return tensor;
  return new Tensor(convert(tensor.data, dtype), tensor.shape);
}

/**
 * Reads what a schedule remembered.
 *
 * @param before what is remembered now, by PyTorch's names: a number or a list of numbers is to be
 * one again
 * @param required the names that must be there
 * @throws {TypeError | KeyError} if it is no state of such a schedule
 */
export function readSchedule<T extends Record<string, unknown>>(
  state: unknown,
  before: T,
  required: readonly string[],
): T {
  const given = dictOf(state, "the state of a schedule");
  const found: Record<string, unknown> = {};
  for (const [name, old] of Object.entries(before)) {
    let value = given.get(name);
    if (value === undefined && required.includes(name)) throw new KeyError(pythonText(name));
    value ??= old;
    if (Array.isArray(value)) value = value.map((one) => tensorOf(one)?.data[0] ?? one);
    const [list, numbers] = [Array.isArray(old), [value].flat().every(number.is)];
    if ((list || number.is(old)) && !(numbers && Array.isArray(value) === list)) {
      throw new TypeError(
        `the state of a schedule: ${name} must be ${
          list ? "a list of numbers" : "a number"
        }, not ` +
          pythonType(value),
      );
    }
    found[name] = value;
  }
  return found as T;
}
