/**
 * Checkpoints read and written at once, from bytes to bytes. `readCheckpoint`, `loadCheckpoint` and
 * `saveTorchFile` of the library itself do the same, and load what knows PyTorch's files only when
 * they meet one.
 *
 * @example
 * ```ts
 * import { stateDictOf, tensor } from "@rnn-spec/rnn-spec";
 * import { readTorchFile, writeTorchFile } from "@rnn-spec/rnn-spec/checkpoints";
 * import { assertEquals } from "@std/assert";
 *
 * const file = writeTorchFile({ w: tensor([1, 2]) });
 * assertEquals(stateDictOf(readTorchFile(file)).w.tolist(), [1, 2]);
 * ```
 *
 * @module
 */

import { any, bytes as bytesKind, type Call, check } from "../call.ts";
import { type Checkpoint, parse } from "./checkpoint.ts";
import { joined } from "./source.ts";
import type { TorchValue } from "./torch_object.ts";
import { readTorch, torchFileParts } from "./torch.ts";
import type { TorchWritable } from "./torch_writer.ts";

export type { Checkpoint, TorchValue, TorchWritable };

const writeTorchFileCall: Call = ["writeTorchFile", { "value?": any }]; // which says itself what it cannot save

/**
 * Reads a checkpoint, a safetensors file or one of `torch.save`; its first bytes tell which.
 *
 * @param bytes the file
 * @returns what it holds; tensors are views on the bytes
 * @throws {CheckpointError} if it is neither, or not sound
 *
 * @example
 * ```ts
 * import { StoredTensor, tensor, writeSafetensors } from "@rnn-spec/rnn-spec";
 * import { parseCheckpoint } from "@rnn-spec/rnn-spec/checkpoints";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const { format, value } = parseCheckpoint(writeSafetensors({ w: tensor([1, 2]) }));
 * assertEquals(format, "safetensors");
 * assert(value instanceof Map && value.get("w") instanceof StoredTensor);
 * ```
 * @category Checkpoints
 */
export function parseCheckpoint(bytes: Uint8Array): Checkpoint {
  check(["parseCheckpoint", { bytes: bytesKind }], arguments);
  return parse(bytes, readTorch);
}

/**
 * Reads a file that `torch.save` wrote: a state_dict, or dicts and lists of tensors, numbers and
 * text, such as a checkpoint with an optimiser. Executes nothing: a file that names anything but the
 * few constructors of such data is refused.
 *
 * @param bytes the file, in the zip format of PyTorch 1.6 and later
 * @returns what it holds; the tensors are views on the bytes given
 * @throws {CheckpointError} if the file is not sound, or holds something else
 *
 * @example
 * ```ts
 * import { CheckpointError } from "@rnn-spec/rnn-spec";
 * import { readTorchFile } from "@rnn-spec/rnn-spec/checkpoints";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => readTorchFile(new Uint8Array(100)), CheckpointError, "zip: no end");
 * ```
 * @category Checkpoints
 */
export function readTorchFile(bytes: Uint8Array): TorchValue {
  check(["readTorchFile", { bytes: bytesKind }], arguments);
  return readTorch(bytes);
}

/**
 * The bytes that {@linkcode saveTorchFile} writes.
 *
 * @param value what to write
 * @returns the file
 * @throws {CheckpointError} if something in it has no place in such a file; the message says where
 *
 * @example
 * ```ts
 * import { tensor } from "@rnn-spec/rnn-spec";
 * import { readTorchFile, writeTorchFile } from "@rnn-spec/rnn-spec/checkpoints";
 * import { assertEquals } from "@std/assert";
 *
 * const file = writeTorchFile({ losses: [0.5, 0.25], best: null, step: tensor(2) });
 * const value = readTorchFile(file) as ReadonlyMap<string, unknown>;
 * assertEquals(value.get("losses"), [0.5, 0.25]);
 * ```
 * @category Checkpoints
 */
export function writeTorchFile(value: TorchWritable): Uint8Array {
  check(writeTorchFileCall, arguments);
  return joined(torchFileParts(value));
}
