/** Writes zip archives as `torch.save` does: every entry stored as it is, its bytes aligned. */

import { encoder, fail } from "./refuse.ts";
import { crc32 } from "./zip.ts";

/** Each entry's bytes begin at a multiple of this, so that they can be used in place. */
const ALIGNMENT = 64;

/** What all headers begin with. */
const PK = 0x4b50;

/** Numbers of two bytes, the low byte first. */
function words(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(2 * values.length));
  values.forEach((value, k) => view.setUint16(2 * k, value, true));
  return new Uint8Array(view.buffer);
}

/** The two words of a number of four bytes. */
function long(value: number): [number, number] {
  return [value & 0xffff, value >>> 16];
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
    const text = encoder.encode(name);
    const [header, size, crc] = [at, data.length, crc32(data)];
    const start = at + 30 + text.length + 4; // an extra field of no bytes is 4 long
    const padding = (ALIGNMENT - start % ALIGNMENT) % ALIGNMENT;
    // 0x800 is the flag of names in UTF-8; method, time and date are 0.
    const common = [0x800, 0, 0, 0, ...long(crc), ...long(size), ...long(size), text.length];
    put(words(PK, 0x0403, 0, ...common, 4 + padding), text);
    put(words(0x4246, padding), new Uint8Array(padding), data); // "FB", as PyTorch marks it
    list.push(words(PK, 0x0201, 0, 0, ...common, 0, 0, 0, 0, 0, 0, ...long(header)), text);
  }
  const start = at;
  for (const piece of list) put(piece);
  const count = entries.length;
  if (at >= 0xffffffff || count >= 0xffff) {
    fail("a file of 4 GiB or more, or of 65,535 tensors, cannot be written");
  }
  put(words(PK, 0x0605, 0, 0, count, count, ...long(at - start), ...long(start), 0));
  return parts;
}
