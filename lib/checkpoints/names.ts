/** The names in a `state_dict`, and what stands before them. */

import { check, record, text } from "../call.ts";
import { fail, quote } from "./refuse.ts";

/**
 * Takes what is under a prefix, and takes the prefix off: the weights of one module inside another.
 *
 * @param state anything by name, such as a `state_dict`
 * @param prefix what the names begin with, its dot included: `rnn.`, or `module.` for a model that
 * was wrapped in `DataParallel`
 * @returns the entries under the prefix, without it
 * @throws {CheckpointError} if there is none
 *
 * @example
 * ```ts
 * import { GRU, selectPrefix, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const state = { "module.rnn.weight": zeros([1]), "module.fc.weight": zeros([1]) };
 * assertEquals(Object.keys(selectPrefix(state, "module.")), ["rnn.weight", "fc.weight"]);
 * assertEquals(Object.keys(selectPrefix(state, "module.rnn.")), ["weight"]);
 * ```
 * @category Checkpoints
 */
export function selectPrefix<T>(
  state: Readonly<Record<string, T>>,
  prefix: string,
): Record<string, T> {
  check(["selectPrefix", { state: record, prefix: text }], arguments);
  const under = Object.entries(state).filter(([name]) => name.startsWith(prefix));
  if (under.length === 0) {
    fail(`no name begins with ${quote(prefix)}; ${beginnings(state)}`);
  }
  return Object.fromEntries(under.map(([name, value]) => [name.slice(prefix.length), value]));
}

/**
 * Takes a prefix off the names that have it, and leaves the others as they are (PyTorch's
 * `consume_prefix_in_state_dict_if_present`).
 *
 * @param state anything by name, such as a `state_dict`
 * @param prefix the prefix, its dot included
 * @returns the same entries in the same order
 * @throws {CheckpointError} if two entries would get the same name
 *
 * @example
 * ```ts
 * import { stripPrefix, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const state = { "module.fc.weight": zeros([1]), "fc.bias": zeros([1]) };
 * assertEquals(Object.keys(stripPrefix(state, "module.")), ["fc.weight", "fc.bias"]);
 * ```
 * @category Checkpoints
 */
export function stripPrefix<T>(
  state: Readonly<Record<string, T>>,
  prefix: string,
): Record<string, T> {
  check(["stripPrefix", { state: record, prefix: text }], arguments);
  const result = new Map<string, T>();
  for (const [name, value] of Object.entries(state)) {
    const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    if (result.has(bare)) {
      fail(`without ${quote(prefix)} there would be two ${quote(bare)}`);
    }
    result.set(bare, value);
  }
  return Object.fromEntries(result);
}

/** What the names begin with, up to their first dot. */
function beginnings(state: Readonly<Record<string, unknown>>): string {
  const heads = new Set(Object.keys(state).map((name) => name.replace(/^([^.]*\.).*$/s, "$1")));
  const shown = [...heads].slice(0, 8).map(quote).join(", ");
  return heads.size === 0
    ? "there are no names"
    : `names begin with ${shown}${heads.size > 8 ? ", …" : ""}`;
}
