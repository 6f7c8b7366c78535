/** What a pickle holds, and the check that it can be walked. */

import { fail } from "./refuse.ts";
import { type TorchKey, TorchObject } from "./torch_object.ts";

/** Gives what a call with these arguments gives; nothing where PyTorch does not write such. */
export type Answer = (args: readonly PickleValue[]) => PickleValue | undefined;

/** A class or a function that a pickle names; `REDUCE` calls one, as a value it is inert. */
export class Named extends TorchObject {
  /** What answers its calls; `null` where it only stands for itself. */
  readonly answer: Answer | null;

  /** Stands for what has the path `type`, which the byte `at` names. */
  constructor(type: string, at: number | null, answer: Answer | null = null) {
    super(type, at);
    this.answer = answer;
  }
}

/** Whether a value stands for an object that is not made, of which nothing is kept. */
export function isUnmade(value: PickleValue): value is TorchObject {
  return value instanceof TorchObject && !(value instanceof Named);
}

/**
 * What a pickle holds. A Python `dict` is a `Map`; a `list` and a `tuple` are arrays, the tuple a
 * frozen one; integers that numbers do not hold exactly are bigints.
 */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly PickleValue[]
  | ReadonlyMap<TorchKey, PickleValue>
  | object;

/** How deep lists and dicts may nest. */
export const MAX_DEPTH = 100;

/** Whether a value is a Python tuple. */
export function isTuple(value: PickleValue | undefined): value is readonly PickleValue[] {
  return Array.isArray(value) && Object.isFrozen(value);
}

/** A `float` that is a whole number, until it is part of something. */
export class Float {
  /** The number. */
  readonly value: number;

  /** Stands for a number. */
  constructor(value: number) {
    this.value = value;
  }
}

/** A value as it may be a part of the result. */
export function plain(value: PickleValue): PickleValue {
  return value instanceof Float ? value.value : value;
}

/** Tuples with a `float` that is a whole number, which an array no longer tells from an `int`. */
export const withFloats: WeakSet<readonly PickleValue[]> = new WeakSet();

/** Whether a tuple holds a whole number as a `float`, such as `2.0`. */
export function holdsFloats(tuple: readonly PickleValue[]): boolean {
  return withFloats.has(tuple);
}

/**
 * Refuses a value that contains itself, nests too deep, or has more than `limit` parts when written
 * out, as lists of lists of the same list do.
 *
 * @throws {CheckpointError} if it is such a value
 */
export function checkResult(value: PickleValue, limit: number): void {
  let parts = 0;
  const visit = (node: PickleValue, depth: number): void => {
    if (!Array.isArray(node) && !(node instanceof Map)) return;
    if (depth >= MAX_DEPTH) {
      fail(`data.pkl: lists and dicts nest more than ${MAX_DEPTH} deep, or contain themselves`);
    }
    parts += Array.isArray(node) ? node.length : node.size;
    if (parts > limit) fail("data.pkl: the same lists over and over, too many to be data");
    for (const child of node.values()) visit(child, depth + 1);
  };
  visit(value, 0);
}
