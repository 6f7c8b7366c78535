/** Writes zip archives as `torch.save` does: every entry stored as it is, its bytes aligned. */

import { CheckpointError } from "./error.ts";
import { crc32 } from "./zip.ts";

/** Each entry's bytes begin at a multiple of this, so that they can be used in place. */
const ALIGNMENT = 64;

/** Sets numbers of two and four bytes: [offset, value, width]. */
function fields(size: number, values: readonly (readonly [number, number, 2 | 4])[]): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  for (const [at, value, width] of values) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }
  return bytes;
}

/**
 * The parts of an archive, in order; the entries' bytes are not copied.
 *
 * @param entries each entry's name and bytes
 * @throws {CheckpointError} if it would have 4 GiB or 65,535 entries, which this form does not count
 */
export function zipParts(entries: readonly (readonly [string, Uint8Array])[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  const list: Uint8Array[] = [];
  let at = 0;
  const put = (...pieces: Uint8Array[]) => {
    for (const piece of pieces) at += piece.length;
    parts.push(...pieces);
  };
  for (const [name, data] of entries) {
    const text = new TextEncoder().encode(name);
    const [header, size, crc] = [at, data.length, crc32(data)];
    const start = at + 30 + text.length + 4; // an extra field of no bytes is 4 long
    const padding = (ALIGNMENT - start % ALIGNMENT) % ALIGNMENT;
    // Flag 0x800: names are UTF-8. "FB" marks the padding, as PyTorch does.
    const common = [[6, 0x800, 2], [14, crc, 4], [18, size, 4], [22, size, 4], [
      26,
      text.length,
      2,
    ]] as const;
    put(fields(30, [[0, 0x04034b50, 4], ...common, [28, 4 + padding, 2]]), text);
    put(fields(4 + padding, [[0, 0x4246, 2], [2, padding, 2]]), data);
    const shifted = common.map(([place, value, width]) => [place + 2, value, width] as const);
    list.push(fields(46, [[0, 0x02014b50, 4], ...shifted, [42, header, 4]]), text);
  }
  const start = at;
  for (const piece of list) put(piece);
  const count = entries.length;
  if (at >= 0xffffffff || count >= 0xffff) {
    throw new CheckpointError("a file of 4 GiB or more, or of 65,535 tensors, cannot be written");
  }
  put(fields(22, [
    [0, 0x06054b50, 4],
    [8, count, 2],
    [10, count, 2],
    [12, at - start, 4],
    [16, start, 4],
  ]));
  return parts;
}
