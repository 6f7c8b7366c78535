/** Zip archives made field by field, to be told apart from sound ones. */

import { crc32 } from "../../lib/checkpoints/zip.ts";

/** The fields of each record, with how many bytes they have. */
const layouts = {
  own: "signature 4 version 2 flags 2 method 2 time 2 date 2 crc 4 packed 4 size 4 name 2 extra 2",
  listed:
    "signature 4 by 2 version 2 flags 2 method 2 time 2 date 2 crc 4 packed 4 size 4 name 2 " +
    "extra 2 comment 2 disk 2 internal 2 external 4 header 4",
  end: "signature 4 disk 2 listDisk 2 here 2 count 2 size 4 start 4 comment 2",
  wide: "signature 4 length 8 by 2 version 2 disk 4 listDisk 4 here 8 count 8 size 8 start 8",
  locator: "signature 4 disk 4 at 8 disks 4",
};
/** Values of fields, by name. */
export type Fields = Readonly<Record<string, number | undefined>>;

/** A number, the low byte first. */
export function little(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, k) => Math.floor(value / 256 ** k) % 256);
}

/** A record of these fields; the others are 0. */
export function record(kind: keyof typeof layouts, fields: Fields): number[] {
  const words = layouts[kind].split(" ");
  return words.flatMap((word, k) =>
    k % 2 === 0 ? little(fields[word] ?? 0, Number(words[k + 1])) : []
  );
}

/** One entry; `own` and `listed` replace fields of its headers. */
export interface Given {
  readonly name?: string;
  readonly data?: string;
  readonly own?: Fields;
  readonly listed?: Fields;
  readonly ownExtra?: readonly number[];
  readonly extra?: readonly number[];
  readonly comment?: string;
  readonly behind?: readonly number[];
}

/** What stands at the end; `wide` replaces fields of the 64-bit record, which stands there then. */
export interface Ends {
  readonly end?: Fields;
  readonly wide?: Fields;
  readonly locator?: Fields;
  readonly more?: readonly number[];
  readonly gap?: readonly number[];
  readonly comment?: readonly number[];
  readonly order?: readonly number[];
}

/** The code of each character. */
export const ascii = (text: string) => [...text].map((letter) => letter.charCodeAt(0));

/** An archive of stored entries; whatever a field is to say can be given. */
export function archive(given: readonly Given[], ends: Ends = {}): Uint8Array<ArrayBuffer> {
  const bytes: number[] = [];
  const listed = given.map((one) => {
    const [name, data] = [ascii(one.name ?? "n"), ascii(one.data ?? "data")];
    const same = {
      version: 20,
      crc: crc32(Uint8Array.from(data)),
      packed: data.length,
      size: data.length,
      name: name.length,
    };
    const { ownExtra = [], extra = [], comment = "" } = one;
    const header = bytes.length;
    const own = { signature: 0x04034b50, ...same, extra: ownExtra.length, ...one.own };
    bytes.push(...record("own", own), ...name, ...ownExtra, ...data, ...one.behind ?? []);
    const lengths = { extra: extra.length, comment: comment.length };
    return [
      ...record("listed", { signature: 0x02014b50, ...same, ...lengths, header, ...one.listed }),
      ...name,
      ...extra,
      ...ascii(comment),
    ];
  });
  const { order = given.map((_, k) => k), comment = [] } = ends;
  const list = order.flatMap((k) => listed[k]);
  const [start, count] = [bytes.length, given.length];
  const counts = { here: count, count, size: list.length, start };
  bytes.push(...list);
  if (ends.wide || ends.locator) {
    const at = bytes.length;
    const more = ends.more ?? [];
    const wide = { signature: 0x06064b50, length: 44 + more.length, ...counts, ...ends.wide };
    bytes.push(...record("wide", wide), ...more, ...ends.gap ?? []);
    bytes.push(...record("locator", { signature: 0x07064b50, at, disks: 1, ...ends.locator }));
  }
  const end = { signature: 0x06054b50, ...counts, comment: comment.length, ...ends.end };
  return Uint8Array.from([...bytes, ...record("end", end), ...comment]);
}
