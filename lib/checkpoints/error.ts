/** What is wrong with a checkpoint. */

/**
 * A checkpoint that cannot be read, or holds what was not asked for. The message is one line that
 * says where in the file and what; nothing was executed, and nothing is half loaded.
 *
 * @example
 * ```ts
 * import { CheckpointError, readSafetensors } from "@rnn-spec/rnn-spec";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(
 *   () => readSafetensors(new Uint8Array(4)),
 *   CheckpointError,
 *   "safetensors: the file ends after 4 bytes, before its header's length",
 * );
 * ```
 * @category Checkpoints
 */
export class CheckpointError extends Error {
  /** The name of the class. */
  override readonly name = "CheckpointError";
}

/**
 * A name from a file, fit for a message: quoted, and cut where it is long.
 *
 * @returns it in quotes, with control characters escaped
 */
export function quote(name: string): string {
  const text = JSON.stringify(name.length > 80 ? `${name.slice(0, 79)}…` : name);
  return text.replace(/[\u007f-\u009f\u2028\u2029]/g, (c) => `\\u${hex(c.charCodeAt(0), 4)}`);
}

/** A number in hexadecimal, of at least `digits` digits. */
export function hex(value: number, digits = 2): string {
  return value.toString(16).padStart(digits, "0");
}
