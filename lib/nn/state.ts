/** The tensors of a module by name: what one gives, and what it takes. */

import { check, list } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { pythonClass, pythonText } from "../python.ts";
import { convert, isFloat, sameShape } from "../tensor/dtype.ts";
import { countChange, type StateDict, Tensor } from "../tensor/tensor.ts";

/**
 * What `Module.loadStateDict` found that did not fit; prints as in PyTorch.
 * @category Modules
 */
export class IncompatibleKeys {
  /** Names that the module has and the state lacks. */
  readonly missingKeys: string[];
  /** Names that the state has and the module lacks. */
  readonly unexpectedKeys: string[];

  /**
   * Notes the names that did not match.
   *
   * @param missingKeys names that the module has and the state lacks
   * @param unexpectedKeys names that the state has and the module lacks
   */
  constructor(missingKeys: string[], unexpectedKeys: string[]) {
    check(["IncompatibleKeys", { missingKeys: list, unexpectedKeys: list }], arguments);
    this.missingKeys = missingKeys;
    this.unexpectedKeys = unexpectedKeys;
  }

  /** Returns `<All keys matched successfully>` or the names, as PyTorch prints them. */
  toString(): string {
    if (this.missingKeys.length + this.unexpectedKeys.length === 0) {
      return "<All keys matched successfully>";
    }
    return `_IncompatibleKeys(missing_keys=${pythonText(this.missingKeys)}, ` +
      `unexpected_keys=${pythonText(this.unexpectedKeys)})`;
  }
}

/**
 * Copies values into tensors of a module, all or none.
 *
 * @param unexpected the names of values that the module has no tensor for
 * @param strict whether a name that one side lacks is refused
 * @returns the names that only one side has
 * @throws {RuntimeError} if something does not fit; nothing is then changed
 */
export function copyState(
  module: string,
  own: ReadonlyMap<string, Tensor>,
  state: StateDict,
  unexpected: string[],
  strict: boolean,
): IncompatibleKeys {
  const missing = [...own.keys()].filter((name) => !Object.hasOwn(state, name));
  const problems: string[] = [];
  for (const [what, names] of [["Missing", missing], ["Unexpected", unexpected]] as const) {
    if (!strict || names.length === 0) continue;
    const quoted = names.map((name) => `"${name}"`);
    problems.push(`${what} key(s) in state_dict: ${quoted.join(", ")}. `);
  }
  const copies: [to: Tensor, from: Tensor][] = [];
  for (const [name, parameter] of own) {
    if (!Object.hasOwn(state, name)) continue;
    const value: unknown = state[name];
    if (!(value instanceof Tensor)) {
      problems.push(
        `While copying the parameter named "${name}", expected torch.Tensor or Tensor-like ` +
          `object from checkpoint but received ${pythonClass(value)}`,
      );
    } else if (!sameShape(value.shape, parameter.shape)) {
      problems.push(
        `size mismatch for ${name}: copying a param with shape ${value.size()} from ` +
          `checkpoint, the shape in current model is ${parameter.size()}.`,
      );
    } else copies.push([parameter, value]);
  }
  if (problems.length) {
    throw new RuntimeError(
      `Error(s) in loading state_dict for ${module}:\n\t${problems.join("\n\t")}`,
    );
  }
  const converted = copies.map(([to, { data }]) =>
    isFloat(to.dtype) ? data : convert(data, to.dtype) // may refuse
  );
  copies.forEach(([to], k) => {
    to.data.set(converted[k]);
    countChange(to);
  });
  return new IncompatibleKeys(missing, unexpected);
}

/**
 * A record that lists its names in the order given, also such as "10": those a plain object would
 * list first, by number.
 */
export function inOrder<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const plain: Record<string, T> = Object.fromEntries(entries);
  const listed = Object.keys(plain);
  if (entries.every(([name], k) => name === listed[k])) return plain;
  const names = new Set<string | symbol>(entries.map(([name]) => name));
  return new Proxy(plain, {
    ownKeys: (record) => {
      const now = new Set(Reflect.ownKeys(record));
      return [...names].filter((name) => now.delete(name)).concat(...now);
    },
  });
}
