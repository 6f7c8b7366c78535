/**
 * Seals the entries of an archive again as `torch.save` would, so that a change inside passes the
 * checksums and meets the reader behind them.
 */

import { joined } from "../../lib/checkpoints/source.ts";
import { zipParts } from "../../lib/checkpoints/zip_writer.ts";

/** An entry of an archive. */
export interface Record {
  name: string;
  data: Uint8Array;
}

/** Writes an archive of stored entries. */
export function seal(records: readonly Record[]): Uint8Array {
  return joined(zipParts(records.map(({ name, data }) => [name, data])));
}
