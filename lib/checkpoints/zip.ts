/** The zip archives that `torch.save` writes: every entry stored as it is, none compressed. */

import { CheckpointError } from "./error.ts";
import { decoder, quote } from "./refuse.ts";

const methods: Record<number, string> = { 8: "deflate", 9: "deflate64", 12: "bzip2", 14: "lzma" };

/** What begins an entry's own header, and its place in the list of entries. */
const [OWN, LISTED] = [0x04034b50, 0x02014b50];

/** What a field of 32 bits holds where the number stands in another, of 64. */
const WIDE = 0xffffffff;

function fail(what: string): never {
  throw new CheckpointError(`zip: ${what}`);
}

/**
 * Reads an archive of stored entries. Nothing is unpacked: the bytes are views on the archive.
 *
 * @param check takes the names of all entries before one is looked at, and throws where it knows more
 * @returns each entry's bytes by its name
 * @throws {CheckpointError} if the archive is not sound, or an entry is compressed, encrypted, points
 * outside, overlaps another, or does not have the checksum that the archive says
 */
export function readZip(
  bytes: Uint8Array,
  check: (names: readonly string[]) => void = () => {},
): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u16 = (at: number) => view.getUint16(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => Number(view.getBigUint64(at, true));

  /** Finds the list of entries from the record that ends the archive. */
  const findList = () => {
    const last = bytes.length - 22;
    let at = last;
    while (at >= 0 && u32(at) !== 0x06054b50) {
      if (--at < last - 0xffff) at = -1; // a comment is no longer than that
    }
    if (at < 0) fail("no end of the archive found; the file is truncated, or not an archive");
    if (at + 22 + u16(at + 20) !== bytes.length) fail("something after the archive's end");
    let [count, size, start, end] = [u16(at + 10), u32(at + 12), u32(at + 16), at];
    let several = u32(at + 4) !== 0 || u16(at + 8) !== count;
    // PyTorch writes the 64-bit record in every archive.
    if (at >= 20 && u32(at - 20) === 0x07064b50) {
      end = u64(at - 12);
      if (end + 56 > at - 20 || u32(end) !== 0x06064b50) {
        fail("the 64-bit end of the archive is not where the archive says");
      }
      const [fullCount, fullSize, fullStart] = [32, 40, 48].map((offset) => u64(end + offset));
      if (
        (count !== 0xffff && count !== fullCount) || (size !== WIDE && size !== fullSize) ||
        (start !== WIDE && start !== fullStart)
      ) fail("the two ends of the archive contradict each other");
      if (u64(end + 4) + 12 + end !== at - 20) fail("a gap before the archive's end");
      several ||= u32(at - 16) + u32(end + 16) + u32(end + 20) !== 0 || u32(at - 4) !== 1 ||
        u64(end + 24) !== fullCount;
      [count, size, start] = [fullCount, fullSize, fullStart];
    }
    if (several) fail("an archive in several parts");
    if (start + size !== end) {
      fail(`the list of entries, ${size} bytes from byte ${start}, does not end at byte ${end}`);
    }
    return { count, start, end };
  };

  /** Replaces the sizes that 32 bits do not hold by those of the 64-bit field before byte `end`. */
  const widen = (narrow: number[], at: number, end: number): number[] => {
    if (!narrow.includes(WIDE)) return narrow;
    for (let stop = at; at < end; at = stop) { // field by field
      stop = at + 4 + u16(at + 2);
      if (u16(at) !== 1) continue;
      if (stop > end) break;
      let from = at + 4;
      return narrow.map((value) => {
        if (value !== WIDE) return value;
        from += 8;
        return from > stop ? NaN : u64(from - 8);
      });
    }
    return [NaN];
  };

  /**
   * What the list of entries or an entry's own header says of it. In the list the same fields stand
   * two bytes later.
   *
   * @param who what it is called where it is not sound
   * @param limit where it must have ended
   */
  const readHeader = (who: string, at: number, limit: number, signature: number) => {
    const shift = signature === LISTED ? 2 : 0;
    const start = at + (shift ? 46 : 30);
    if (start > limit || u32(at) !== signature) fail(`${who} is not at byte ${at}`);
    const from = at + shift;
    const extra = start + u16(from + 26);
    const end = extra + u16(from + 28);
    const next = end + (shift && u16(from + 30));
    if (next > limit) fail(`${who} reaches beyond byte ${limit}`);
    const name = nameOf(bytes.subarray(start, extra));
    const sizes = [from + 22, from + 18, ...(shift ? [from + 40] : [])].map(u32);
    const [size, packed, header] = widen(sizes, extra, end);
    if (!Number.isSafeInteger(size + packed + (header ?? 0))) {
      fail(`entry ${quote(name)} lacks the 64-bit sizes that it refers to`);
    }
    const [flags, method, crc] = [u16(from + 6), u16(from + 8), u32(from + 14)];
    return { name, flags, method, crc, size, packed, header, end, next };
  };

  const { count, start, end } = findList();
  const entries = [];
  for (let at = start; at < end;) {
    const entry = readHeader(`entry ${entries.length} of the list`, at, end, LISTED);
    const { name, flags, method, size, packed } = entry;
    const refuse = (what: string) => fail(`entry ${quote(name)} ${what}`);
    if (flags & 0x2061) refuse("is encrypted or a patch");
    if (u32(at + 38) & 0x10) refuse("is a directory");
    if (u16(at + 34) !== 0) refuse("is in another file");
    if (method === 0 && size !== packed) refuse("is stored, yet has two sizes");
    entries.push(entry);
    at = entry.next;
  }
  if (entries.length !== count) {
    fail(`the archive claims ${count} entries and lists ${entries.length}`);
  }
  check(entries.map(({ name }) => name));
  // PyTorch can be told to leave the checksums out; it then writes 0 for all.
  const checked = entries.some(({ crc }) => crc !== 0);
  const result = new Map<string, Uint8Array>();
  let last = 0;
  for (const entry of entries.sort((a, b) => a.header - b.header)) {
    const { name, method, header, size, crc, flags } = entry;
    const who = `entry ${quote(name)}`;
    if (method !== 0) {
      fail(
        `${who} is compressed (${methods[method] ?? `method ${method}`}); ` +
          "torch.save stores its entries as they are",
      );
    }
    if (header < last) fail(`${who} overlaps the one before it`);
    const own = readHeader(who, header, start, OWN);
    last = own.end + size;
    if (last > start) fail(`${who} claims ${size} bytes, more than there are`);
    const data = bytes.subarray(own.end, last);
    if (checked && crc32(data) !== crc) {
      fail(`${who} is damaged: its bytes do not have its checksum`);
    }
    // With this flag the checksum and the sizes stand behind the bytes, with zeros in the header.
    const later = (flags & 8) !== 0;
    const agrees = own.crc === crc && own.size === size && own.packed === size;
    if (
      own.name !== name || own.method !== method || own.flags !== flags ||
      !(agrees || (later && own.crc + own.size + own.packed === 0))
    ) fail(`${who} has another name, method, size, checksum or other flags in its own header`);
    if (
      later && (last + 16 > start || u32(last) !== 0x08074b50 || u32(last + 4) !== crc ||
        (u32(last + 8) ^ size) !== 0) // of a size, 32 bits
    ) fail(`${who} has another size or checksum behind its bytes`);
    if (result.has(name)) fail(`${who} comes twice`);
    result.set(name, data);
  }
  return result;
}

/** An entry's name, which must not lead anywhere. */
function nameOf(bytes: Uint8Array): string {
  let name = "";
  try {
    name = decoder.decode(bytes);
  } catch {
    fail(`an entry's name is not UTF-8: bytes ${bytes.slice(0, 8)}`);
  }
  // deno-lint-ignore no-control-regex -- names with control characters are what is looked for
  if (/^$|^\/|[\u0000-\u001f\\:]|(^|\/)\.\.(\/|$)/.test(name)) {
    fail(`entry ${quote(name)} points outside the archive`);
  }
  return name;
}

/** Tables for eight bytes at a time; made when first needed. */
let tables: Int32Array[] | undefined;

function makeTables(): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });
  const result = [first];
  for (let k = 1; k < 8; k++) {
    result.push(result[k - 1].map((n) => first[n & 255] ^ (n >>> 8)));
  }
  return result;
}

/**
 * The checksum of zip archives (CRC-32).
 *
 * @returns an integer from 0 to 2^32 - 1
 */
export function crc32(bytes: Uint8Array): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables ??= makeTables();
  let crc = -1;
  let i = 0;
  for (; i + 8 <= bytes.length; i += 8) {
    crc = t7[(crc ^ bytes[i]) & 255] ^ t6[((crc >>> 8) ^ bytes[i + 1]) & 255] ^
      t5[((crc >>> 16) ^ bytes[i + 2]) & 255] ^ t4[(crc >>> 24) ^ bytes[i + 3]] ^
      t3[bytes[i + 4]] ^ t2[bytes[i + 5]] ^ t1[bytes[i + 6]] ^ t0[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) crc = t0[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return (crc ^ -1) >>> 0;
}
