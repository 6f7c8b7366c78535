/** The zip archives that `torch.save` writes: every entry stored as it is, none compressed. */

import { CheckpointError, hex, quote } from "./error.ts";

/** One entry: where its bytes lie, and what they should add up to. */
interface Entry {
  readonly name: string;
  /** Where its local header begins. */
  readonly header: number;
  readonly size: number;
  readonly crc: number;
  /** How it is compressed; 0 for not. */
  readonly method: number;
  readonly flags: number;
}

const NAMES: Record<number, string> = { 8: "deflate", 9: "deflate64", 12: "bzip2", 14: "lzma" };

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
  const directory = findDirectory(view);
  const entries = readDirectory(bytes, view, directory);
  check(entries.map(({ name }) => name));
  // PyTorch can be told to leave the checksums out; it then writes 0 for all.
  const checked = entries.some(({ crc }) => crc !== 0);
  const result = new Map<string, Uint8Array>();
  let end = 0;
  for (const entry of [...entries].sort((a, b) => a.header - b.header)) {
    const { name, method } = entry;
    if (method !== 0) {
      fail(
        `entry ${quote(name)} is compressed (${NAMES[method] ?? `method ${method}`}); ` +
          "torch.save stores its entries as they are",
      );
    }
    if (entry.header < end) fail(`entry ${quote(entry.name)} overlaps the one before it`);
    const start = localData(bytes, view, entry, directory.start);
    end = start + entry.size;
    if (end > directory.start) {
      fail(`entry ${quote(entry.name)} claims ${entry.size} bytes, more than there are`);
    }
    const data = bytes.subarray(start, end);
    if (checked && crc32(data) !== entry.crc) {
      fail(`entry ${quote(entry.name)} is damaged: its bytes do not have its checksum`);
    }
    checkOwn(view, entry, start, end, directory.start);
    if (result.has(entry.name)) fail(`entry ${quote(entry.name)} comes twice`);
    result.set(entry.name, data);
  }
  return result;
}

interface Directory {
  readonly start: number;
  readonly end: number;
  readonly count: number;
}

/** Finds the list of entries from the record that ends the archive. */
function findDirectory(view: DataView): Directory {
  const last = view.byteLength - 22;
  let at = last;
  while (at >= 0 && view.getUint32(at, true) !== 0x06054b50) {
    if (--at < last - 0xffff) at = -1; // a comment is no longer than that
  }
  if (at < 0) fail("no end of the archive found; the file is truncated, or not an archive");
  if (at + 22 + view.getUint16(at + 20, true) !== view.byteLength) {
    fail("something after the archive's end");
  }
  let count = view.getUint16(at + 10, true);
  let size = view.getUint32(at + 12, true);
  let start = view.getUint32(at + 16, true);
  if (view.getUint32(at + 4, true) !== 0) fail("an archive in several parts");
  if (view.getUint16(at + 8, true) !== count) fail("an archive in several parts");
  let end = at;
  // PyTorch writes the 64-bit record in every archive.
  if (at >= 20 && view.getUint32(at - 20, true) === 0x07064b50) {
    const record = Number(view.getBigUint64(at - 12, true));
    if (record + 56 > at - 20 || view.getUint32(record, true) !== 0x06064b50) {
      fail("the 64-bit end of the archive is not where the archive says");
    }
    const wide = (offset: number) => Number(view.getBigUint64(record + offset, true));
    const same = (narrow: number, full: number, all: number) => narrow === all || narrow === full;
    const [fullCount, fullSize, fullStart] = [wide(32), wide(40), wide(48)];
    if (
      !same(count, fullCount, 0xffff) || !same(size, fullSize, 0xffffffff) ||
      !same(start, fullStart, 0xffffffff)
    ) fail("the two ends of the archive contradict each other");
    if (wide(4) + 12 + record !== at - 20) fail("a gap before the archive's end");
    const disks = [at - 16, record + 16, record + 20].map((part) => view.getUint32(part, true));
    if (
      disks.some((disk) => disk !== 0) || view.getUint32(at - 4, true) !== 1 ||
      wide(24) !== fullCount
    ) {
      fail("an archive in several parts");
    }
    [count, size, start, end] = [fullCount, fullSize, fullStart, record];
  }
  if (start + size !== end) {
    fail(`the list of entries, ${size} bytes from byte ${start}, does not end at byte ${end}`);
  }
  return { start, end, count };
}

/** Reads the list of entries, and refuses those that are not plain stored files. */
function readDirectory(bytes: Uint8Array, view: DataView, directory: Directory): Entry[] {
  const entries: Entry[] = [];
  let at = directory.start;
  while (at < directory.end) {
    if (at + 46 > directory.end || view.getUint32(at, true) !== 0x02014b50) {
      fail(`no entry at byte ${at} of the list of entries`);
    }
    const nameLength = view.getUint16(at + 28, true);
    const extraLength = view.getUint16(at + 30, true);
    const next = at + 46 + nameLength + extraLength + view.getUint16(at + 32, true);
    if (next > directory.end) fail(`the entry at byte ${at} reaches beyond the list of entries`);
    const name = entryName(bytes.subarray(at + 46, at + 46 + nameLength));
    const method = view.getUint16(at + 10, true);
    const flags = view.getUint16(at + 8, true);
    if (flags & 0x2061) fail(`entry ${quote(name)} is encrypted or a patch`);
    if (view.getUint32(at + 38, true) & 0x10) fail(`entry ${quote(name)} is a directory`);
    if (view.getUint16(at + 34, true) !== 0) fail(`entry ${quote(name)} is in another file`);
    const narrow = [24, 20, 42].map((offset) => view.getUint32(at + offset, true));
    const [size, packed, header] = widen(view, narrow, at + 46 + nameLength, extraLength, name);
    if (method === 0 && size !== packed) fail(`entry ${quote(name)} is stored, yet has two sizes`);
    entries.push({ name, header, size, crc: view.getUint32(at + 16, true), method, flags });
    at = next;
  }
  if (entries.length !== directory.count) {
    fail(`the archive claims ${directory.count} entries and lists ${entries.length}`);
  }
  return entries;
}

/** Replaces the sizes that 32 bits do not hold by those of the 64-bit field. */
function widen(
  view: DataView,
  narrow: number[],
  start: number,
  length: number,
  name: string,
): number[] {
  if (!narrow.includes(0xffffffff)) return narrow;
  for (let at = start; at + 4 <= start + length;) {
    const [id, size] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    at += 4;
    if (at + size > start + length) break;
    if (id === 1) {
      let next = at;
      const wide = narrow.map((value) => {
        if (value !== 0xffffffff) return value;
        next += 8;
        return next > at + size ? NaN : Number(view.getBigUint64(next - 8, true));
      });
      if (wide.every(Number.isSafeInteger)) return wide;
      break;
    }
    at += size;
  }
  return fail(`entry ${quote(name)} lacks the 64-bit sizes that it refers to`);
}

/** An entry's name, which must not lead anywhere. */
function entryName(bytes: Uint8Array): string {
  let name = "";
  try {
    name = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    fail(`an entry's name is not UTF-8: bytes ${Array.from(bytes.subarray(0, 8), (b) => hex(b))}`);
  }
  // deno-lint-ignore no-control-regex -- names with control characters are what is looked for
  const odd = /[\u0000-\u001f\\:]/.test(name) || name.startsWith("/") || name === "";
  if (odd || name.split("/").includes("..")) {
    fail(`entry ${quote(name)} points outside the archive`);
  }
  return name;
}

/** Where an entry's bytes begin, once its own header agrees with the list. */
function localData(
  bytes: Uint8Array,
  view: DataView,
  { name, header }: Entry,
  limit: number,
): number {
  if (header + 30 > limit || view.getUint32(header, true) !== 0x04034b50) {
    fail(`entry ${quote(name)} is not at byte ${header}, where the list says`);
  }
  const nameLength = view.getUint16(header + 26, true);
  const start = header + 30 + nameLength + view.getUint16(header + 28, true);
  if (start > limit) fail(`entry ${quote(name)} reaches beyond the entries`);
  if (
    view.getUint16(header + 8, true) !== 0 ||
    entryName(bytes.subarray(header + 30, header + 30 + nameLength)) !== name
  ) fail(`entry ${quote(name)} has another name or method in its own header`);
  return start;
}

/** Refuses an entry whose own header, or what stands behind its bytes, contradicts the list. */
function checkOwn(view: DataView, entry: Entry, start: number, end: number, limit: number): void {
  const { name, header, size, crc, flags } = entry;
  const own = [14, 22, 18].map((offset) => view.getUint32(header + offset, true));
  const extra = header + 30 + view.getUint16(header + 26, true);
  const sizes = widen(view, own.slice(1), extra, start - extra, name);
  // With this flag the checksum and the sizes stand behind the bytes, with zeros in their place here.
  const later = (flags & 8) !== 0;
  const agrees = own[0] === crc && sizes.every((own) => own === size);
  if (
    view.getUint16(header + 6, true) !== flags || !(agrees || (later && own.every((x) => x === 0)))
  ) fail(`entry ${quote(name)} has other flags, sizes or another checksum in its own header`);
  if (
    later && (end + 16 > limit || view.getUint32(end, true) !== 0x08074b50 ||
      view.getUint32(end + 4, true) !== crc || view.getUint32(end + 8, true) !== size % 2 ** 32)
  ) fail(`entry ${quote(name)} has another size or checksum behind its bytes`);
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
