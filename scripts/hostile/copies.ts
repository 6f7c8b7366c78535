/** How much memory the tensors of a checkpoint take beside its bytes. */

import { StoredTensor } from "../../lib/checkpoints/stored_tensor.ts";
import type { TorchValue } from "../../lib/checkpoints/torch_object.ts";

/**
 * Makes all tensors of a value, half precision widened, and keeps them.
 *
 * @param file the file's bytes
 * @returns how many bytes they take beside the file's own
 */
export function copies(value: TorchValue, file: Uint8Array): number {
  const made = new Map<ArrayBufferLike | StoredTensor, number>();
  gather(value, file, made);
  return [...made.values()].reduce((sum, size) => sum + size, 0);
}

/** Notes the size of each buffer made. */
function gather(
  value: TorchValue,
  file: Uint8Array,
  made: Map<ArrayBufferLike | StoredTensor, number>,
): void {
  if (value instanceof StoredTensor && !made.has(value)) {
    const bytes = value.bytes();
    if (bytes.length !== value.byteLength) throw new Error("a tensor of another length");
    made.set(value, 0);
    if (/^(b?float16|float32|float64)$/.test(value.dtype)) {
      const { buffer } = value.toTensor({ widen: true }).data;
      if (buffer !== file.buffer) made.set(buffer, buffer.byteLength);
    } else if (!value.isView) made.set(bytes.buffer, bytes.length);
  }
  const items = value instanceof Map || Array.isArray(value) ? value.values() : [];
  for (const item of items) gather(item, file, made);
}
