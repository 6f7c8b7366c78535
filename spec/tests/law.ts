/**
 * A law: a claim of the specification that holds for all inputs, tried on generated ones and on
 * both paths, the readable one and the kernels.
 */

import * as bdd from "@std/testing/bdd";
import fc from "fast-check";
import { getKernels, type Kernels, setKernels } from "../../mod.ts";

/** The names of the tests that a file declares, while they are listed and not run; else `null`. */
let listed: string[] | null = null;

/**
 * Imports a test file and lists its tests, without running any.
 *
 * @param file the file, beside this one
 * @returns the names of its tests, in order
 */
export async function testsOf(file: string): Promise<string[]> {
  const names: string[] = listed = [];
  try {
    await import(`./${file}`);
  } finally {
    listed = null;
  }
  return names;
}

/** Groups tests under a heading. */
export function describe(heading: string, declare: () => void): void {
  if (listed) declare();
  else bdd.describe(heading, declare);
}

/** Runs something before the tests of the group, or after them. */
export function around(
  before: () => void | Promise<void>,
  after: () => void | Promise<void>,
): void {
  if (listed) return;
  bdd.before(before);
  bdd.after(after);
}

/** Declares a test; its name begins with the clauses that it checks. */
export function it(name: string, run: () => void | Promise<void>): void {
  if (listed) listed.push(name);
  else bdd.it(name, run);
}

/**
 * Declares a test that needs permissions: it starts a program, opens a port or reads a file. A
 * plain `deno test` ignores it, because it has none; `deno task test` and CI grant them.
 *
 * @param name its name, which begins with the clauses that it checks
 * @param wanted the permissions
 * @param run the test
 * @param options how strictly `Deno.test` looks for what is left open
 */
export function withPermission(
  name: string,
  wanted: readonly Deno.PermissionDescriptor[],
  run: () => void | Promise<void>,
  options: Partial<Deno.TestDefinition> = {},
): void {
  if (listed) return void listed.push(name);
  const granted = wanted.every((one) => Deno.permissions.querySync(one).state === "granted");
  Deno.test({ name, ignore: !granted, fn: run, ...options });
}

/** Does something on a path. */
export function onPath<T>(path: Kernels, run: () => T): T {
  const before = getKernels();
  setKernels(path);
  try {
    return run();
  } finally {
    setKernels(before);
  }
}

/** Every path that this engine has. */
export const everyPath: readonly Kernels[] = (["readable", "simd128", "relaxed"] as const)
  .filter((path) => {
    try {
      return onPath(path, () => true);
    } catch {
      return false;
    }
  });

/** For laws that compare, to the bit, what only the readable path computes with what both do. */
export const readablePath: readonly Kernels[] = ["readable"];

/**
 * Declares a law as a test. A failure prints the smallest counterexample found, with its path, and
 * the seed that finds it again.
 *
 * @param clauses the clauses of the specification that it checks
 * @param claim the law in words
 * @param arbitrary what to generate
 * @param holds throws where the law does not hold
 * @param runs how many inputs to try
 * @param paths which paths to try them on, by turns
 */
export function law<T>(
  clauses: readonly string[],
  claim: string,
  arbitrary: fc.Arbitrary<T>,
  holds: (given: T) => void,
  runs = 50,
  paths = everyPath,
): void {
  const given = fc.tuple(arbitrary, fc.constantFrom(...paths));
  it(`${clauses.join(", ")}: ${claim}`, () => {
    fc.assert(fc.property(given, ([one, path]) => onPath(path, () => holds(one))), {
      numRuns: runs,
    });
  });
}

/**
 * Declares a test of single facts that a clause states.
 *
 * @param clauses the clauses of the specification that it checks
 * @param claim the fact in words
 * @param holds throws where it does not hold
 * @param paths which paths to try it on, each in turn
 */
export function fact(
  clauses: readonly string[],
  claim: string,
  holds: () => void | Promise<void>,
  paths = everyPath,
): void {
  it(`${clauses.join(", ")}: ${claim}`, async () => {
    const before = getKernels();
    try {
      for (const path of paths) {
        setKernels(path);
        await holds(); // one after the other, each to its end
      }
    } finally {
      setKernels(before);
    }
  });
}
