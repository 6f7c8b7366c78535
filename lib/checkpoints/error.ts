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
