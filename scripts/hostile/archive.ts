/**
 * Takes the archives of `torch.save` apart and seals them again, so that a change inside passes the
 * checksums and meets the reader behind them.
 */

import { crc32 } from "../../lib/checkpoints/zip.ts";

/** One entry of an archive. */
export interface Record {
  /** Its name. */
  name: string;
  /** Its bytes. */
  data: Uint8Array;
}

/**
 * Puts pieces together.
 *
 * @param pieces bytes
 */
export function join(pieces: readonly Uint8Array[]): Uint8Array {
  const result = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    result.set(piece, at);
    at += piece.length;
  }
  return result;
}

/** Writes a plain archive of stored entries. */
export function seal(records: readonly Record[]): Uint8Array {
  const local: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const { name, data } of records) {
    const text = new TextEncoder().encode(name);
    const fields = new DataView(new ArrayBuffer(46));
    fields.setUint32(0, 0x02014b50, true);
    fields.setUint16(8, 0x800, true);
    fields.setUint32(16, crc32(data), true);
    fields.setUint32(20, data.length, true);
    fields.setUint32(24, data.length, true);
    fields.setUint16(28, text.length, true);
    fields.setUint32(42, at, true);
    const head = new DataView(new ArrayBuffer(30));
    head.setUint32(0, 0x04034b50, true);
    head.setUint16(6, 0x800, true);
    for (let k = 0; k < 14; k += 2) head.setUint16(14 + k, fields.getUint16(16 + k, true), true);
    local.push(new Uint8Array(head.buffer), text, data);
    central.push(new Uint8Array(fields.buffer), text);
    at += 30 + text.length + data.length;
  }
  const list = join(central);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, records.length, true);
  end.setUint16(10, records.length, true);
  end.setUint32(12, list.length, true);
  end.setUint32(16, at, true);
  return join([...local, list, new Uint8Array(end.buffer)]);
}
