/** What a reader may do with a broken checkpoint: load it soundly, or refuse it in one line. */

import { CheckpointError, type TorchValue } from "../../mod.ts";
import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import { goldenFile } from "../../lib/conformance/mod.ts";
import { bytesOf } from "../adapters/checkpoints.ts";
import { copies } from "./copies.ts";
import type { Seed } from "./mutate.ts";

/** What came of a file. */
export interface Outcome {
  /** What it holds, where it was loaded. */
  readonly value?: TorchValue;
  /** The reason, where it was refused. */
  readonly refused?: string;
  /** What the reader may not do, where it did. */
  readonly fault?: string;
}

/** The checkpoints of the goldens. */
export function seeds(): Seed[] {
  return ["checkpoints/torch.json", "checkpoints/safetensors.json"].flatMap((path) =>
    goldenFile(path).cases.map(({ id, request: { file } }) => ({
      id,
      format: file!.format,
      bytes: bytesOf(file!),
    }))
  );
}

/** Reads a file that may be broken. */
export function judge(bytes: Uint8Array): Outcome {
  try {
    const { value } = parseCheckpoint(bytes);
    const shifted = new Uint8Array(bytes.length + 1); // no tensor begins where it could be a view
    shifted.set(bytes, 1);
    for (const file of [bytes, shifted.subarray(1)]) {
      const size = copies(file === bytes ? value : parseCheckpoint(file).value, file);
      if (size > 9 * bytes.length + 2 ** 18) return { fault: `${size} bytes of copies` };
    }
    return { value };
  } catch (error) {
    return refusal(error);
  }
}

/** Whether a message is one line of a sensible length. */
export function isClear(message: string): boolean {
  return message.length > 10 && message.length < 600 && !message.includes("\n");
}

/** What a reader's error amounts to. */
export function refusal(error: unknown): Outcome {
  if (!(error instanceof CheckpointError)) return { fault: String((error as Error).stack) };
  const { message } = error;
  return isClear(message) ? { refused: message } : { fault: `no clear message: ${message}` };
}
