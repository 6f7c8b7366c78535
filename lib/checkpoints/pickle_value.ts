/** What a pickle holds, and the check that it can be walked. */

import { checkCount } from "../call.ts";
import { fail } from "./error.ts";

/**
 * A value of a file that is neither a tensor nor a dict, list, number or text: a set, bytes, a
 * complex number, a NumPy scalar, an object of some class. It is not made here, nothing of it is run:
 * this only stands in its place, so that the tensors beside it load.
 *
 * @example
 * ```ts
 * import { TorchObject } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(String(new TorchObject("set")), "<set>");
 * ```
 * @category Checkpoints
 */
export class TorchObject {
  /** What it is, in Python's words: `set`, `bytes`, `argparse.Namespace`. */
  readonly type: string;
  /** The byte of the pickle that names its class or function; `null` for a type of Python's own. */
  readonly at: number | null;
  /** Whether it is a `torch.nn.Module`, saved whole: with its class instead of as a `state_dict`. */
  isModule = false;

  /** Stands for a value of `type` that the byte `at` names. */
  constructor(type: string, at: number | null = null) {
    checkCount("TorchObject", 2, arguments);
    this.type = type;
    this.at = at;
  }

  /** Returns what it is, in angle brackets. */
  toString(): string {
    return `<${this.type}>`;
  }
}

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

/**
 * What a dict's key may be: numbers are integers here, `float` keys and others are objects.
 * @category Checkpoints
 */
export type TorchKey = string | number | bigint | boolean | null | TorchObject;

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

/** Tuples with a `float` that is a whole number, which an array no longer tells from an `int`. */
const withFloats = new WeakSet<readonly PickleValue[]>();

/** Notes that a tuple holds a whole number as a `float`. */
export function noteFloats(tuple: readonly PickleValue[]): void {
  withFloats.add(tuple);
}

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
