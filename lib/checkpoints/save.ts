/** Writes files of weights, of any size without a copy in memory. */

import { any, type Call, check, type Kind, text } from "../call.ts";
import {
  type SafetensorsOptions,
  safetensorsOptions,
  safetensorsParts,
  type TensorsByName,
  tensorsByName,
} from "./safetensors.ts";
import { writeParts } from "./source.ts";
import type { TorchWritable } from "./torch_writer.ts";

const target: Kind = {
  word: "path, URL or WritableStream",
  is: (value) => text.is(value) || value instanceof URL || value instanceof WritableStream,
};

const saveSafetensorsCall: Call = [
  "saveSafetensors",
  { target, tensors: tensorsByName },
  safetensorsOptions,
];
const saveTorchFileCall: Call = ["saveTorchFile", { target, value: any }];

/**
 * Writes a safetensors file, byte for byte as the Python library does, without a copy in memory.
 *
 * @param target a path or a `file:` address, which need permission to write; or a stream
 * @param tensors tensors by name
 * @param options the metadata
 * @throws {CheckpointError} if the format cannot hold a name or a dtype
 *
 * @example
 * ```ts
 * import { GRU, loadCheckpoint, saveSafetensors } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const gru = new GRU(3, 4);
 * const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
 * const saved = saveSafetensors(writable, gru.stateDict());
 * const state = await loadCheckpoint(readable);
 * await saved;
 * assertEquals(state.weight_hh_l0.data, gru.stateDict().weight_hh_l0.data);
 * ```
 * @category Checkpoints
 */
export async function saveSafetensors(
  target: string | URL | WritableStream<Uint8Array>,
  tensors: TensorsByName,
  options: SafetensorsOptions = {},
): Promise<void> {
  check(saveSafetensorsCall, arguments);
  await writeTo(target, safetensorsParts(tensors, options));
}

/**
 * Writes a file that `torch.load(…, weights_only=True)` opens, as `torch.save` would.
 *
 * An optimiser's `stateDict()`, an object of `state` and `param_groups`, is written as Python has it:
 * the parameters' numbers are integers, `betas` and their like tuples. Tensors on the same memory
 * share a storage; a tensor that requires gradients requires them in Python.
 *
 * @param target a path or a `file:` address, which need permission to write; or a stream
 * @param value what to write: tensors, numbers, text, and lists, `Map`s and objects of them
 * @throws {CheckpointError} if something in it has no place in such a file; the message says where
 *
 * @example
 * ```ts
 * import { Adam, GRU, loadCheckpoint, saveTorchFile } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const gru = new GRU(3, 4);
 * const adam = new Adam(gru.parameters(), { lr: 0.01 });
 * const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
 * const value = { model: gru.stateDict(), optimizer: adam.stateDict(), epoch: 3 };
 * const saved = saveTorchFile(writable, value); // "checkpoint.pt"
 * const state = await loadCheckpoint(readable, { at: "model" });
 * await saved;
 * assertEquals(state.weight_hh_l0.data, gru.stateDict().weight_hh_l0.data);
 * ```
 * @category Checkpoints
 */
export async function saveTorchFile(
  target: string | URL | WritableStream<Uint8Array>,
  value: TorchWritable,
): Promise<void> {
  check(saveTorchFileCall, arguments);
  const { torchFileParts } = await import("./torch.ts"); // loaded where it is wanted
  await writeTo(target, torchFileParts(value));
}

/** Writes a file part by part. */
async function writeTo(
  target: string | URL | WritableStream<Uint8Array>,
  parts: Iterable<Uint8Array>,
): Promise<void> {
  if (!(target instanceof WritableStream)) return await writeParts(target, parts);
  const writer = target.getWriter();
  try {
    for (const part of parts) await writer.write(part);
    await writer.close();
  } catch (error) {
    await writer.abort(error).catch(() => {});
    throw error;
  }
}
