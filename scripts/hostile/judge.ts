/** What a reader may do with a broken checkpoint: load it soundly, or refuse it in one line. */

import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import { goldenFile } from "../../lib/conformance/mod.ts";
import { bytesOf } from "../adapters/checkpoints.ts";
import { copies } from "./copies.ts";
import type { Seed } from "./mutate.ts";
import { type Outcome, refusal } from "./outcome.ts";

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
