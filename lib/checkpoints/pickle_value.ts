/**
 * What a pickle holds, and the check that it can be walked.
 *
 * @module
 */

import { CheckpointError } from "./error.ts";

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
  | ReadonlyMap<string | number, PickleValue>
  | object;

/** So deep may lists and dicts lie in each other. */
const MAX_DEPTH = 100;

/**
 * Whether a value is a Python tuple.
 *
 * @param value any value of a pickle
 */
export function isTuple(value: PickleValue): value is readonly PickleValue[] {
  return Array.isArray(value) && Object.isFrozen(value);
}

/** What is known of a value: how deep it nests, and how large it would be written out. */
interface Extent {
  height: number;
  size: number;
}

const leaf: Extent = { height: 0, size: 1 };

/**
 * Refuses a value that contains itself, nests too deep, would grow beyond measure were it written
 * out, as lists of lists of the same list do, or holds an object that is no data.
 *
 * @param value the value
 * @param name what the pickle is called in messages
 * @param limit how many parts it may have, written out
 * @param isData whether an object may be a part of it
 * @throws {CheckpointError} if it is such a value
 */
export function checkResult(
  value: PickleValue,
  name: string,
  limit: number,
  isData: (part: object) => boolean,
): void {
  const known = new Map<object, Extent>();
  const fail = (what: string): never => {
    throw new CheckpointError(`${name}: ${what}`);
  };
  const visit = (node: PickleValue, depth: number): Extent => {
    if (typeof node !== "object" || node === null) return leaf;
    if (!Array.isArray(node) && !(node instanceof Map)) {
      if (!isData(node)) fail("a class or a storage stands where a value should");
      return leaf;
    }
    const seen = known.get(node);
    if (depth + (seen?.height ?? 0) >= MAX_DEPTH) {
      fail(`lists and dicts nest more than ${MAX_DEPTH} deep, or contain themselves`);
    }
    if (seen) return seen;
    const extent = { height: 0, size: 1 };
    for (const child of node.values()) {
      const { height, size } = visit(child, depth + 1);
      extent.height = Math.max(extent.height, height + 1);
      extent.size += size;
      if (extent.size > limit) fail("the same lists over and over, too many to be data");
    }
    known.set(node, extent);
    return extent;
  };
  visit(value, 0);
}
