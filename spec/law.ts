/**
 * A law: a claim of the specification that holds for all inputs, tried on generated ones.
 *
 * @module
 */

import { it } from "@std/testing/bdd";
import fc from "fast-check";

/**
 * Declares a law as a test. A failure prints the smallest counterexample found and the seed that
 * finds it again.
 *
 * @param clauses the clauses of the specification that it checks
 * @param claim the law in words
 * @param arbitrary what to generate
 * @param holds throws where the law does not hold
 * @param runs how many inputs to try
 */
export function law<T>(
  clauses: readonly string[],
  claim: string,
  arbitrary: fc.Arbitrary<T>,
  holds: (given: T) => void,
  runs = 50,
): void {
  it(`${clauses.join(", ")}: ${claim}`, () => {
    fc.assert(fc.property(arbitrary, holds), { numRuns: runs });
  });
}

/**
 * Declares a test of single facts that a clause states.
 *
 * @param clauses the clauses of the specification that it checks
 * @param claim the fact in words
 * @param holds throws where it does not hold
 */
export function fact(clauses: readonly string[], claim: string, holds: () => void): void {
  it(`${clauses.join(", ")}: ${claim}`, holds);
}
