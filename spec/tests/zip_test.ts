/** Chapter checkpoints: the archives under files of torch.save, field by field. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CheckpointError } from "../../mod.ts";
import { joined } from "../../lib/checkpoints/source.ts";
import { crc32, readZip } from "../../lib/checkpoints/zip.ts";
import { zipParts } from "../../lib/checkpoints/zip_writer.ts";
import { archive, ascii, type Ends, type Fields, type Given, little, record } from "./archive.ts";
import { describe, fact } from "./law.ts";

const text = (bytes: Uint8Array | undefined) => bytes && String.fromCharCode(...bytes);

/** The entries, in the order of their bytes. */
const read = (bytes: Uint8Array) =>
  [...readZip(bytes)].map(([name, data]) => `${name}=${text(data)}`).join(" ");

const refused = (bytes: Uint8Array, reason: string) => {
  const error = assertThrows(() => read(bytes), CheckpointError, undefined, reason);
  assertEquals(error.message, `zip: ${reason}`);
};

const WIDE = 0xffffffff;
const two: readonly Given[] = [{ name: "a", data: "one" }, { name: "b", data: "second" }];
/** The field of 64-bit numbers. */
const wideField = (...values: number[]) => [
  ...little(1, 2),
  ...little(8 * values.length, 2),
  ...values.flatMap((value) => little(value, 8)),
];

describe("zip: the end of the archive", () => {
  fact(["CKPT-5"], "an archive of no, one or many entries is read, its bytes not copied", () => {
    assertEquals(read(archive([])), "");
    assertEquals(read(archive(two)), "a=one b=second");
    assertEquals(read(archive(two, { wide: {} })), "a=one b=second");
    const bytes = archive(two);
    const moved = new Uint8Array(bytes.length + 3).subarray(3);
    moved.set(bytes);
    assertEquals(read(moved), "a=one b=second");
    assertStrictEquals(readZip(moved).get("a")!.buffer, moved.buffer);
    const names: (readonly string[])[] = [];
    readZip(archive(two, { order: [1, 0] }), (all) => void names.push(all));
    assertEquals(names, [["b", "a"]]);
    assertEquals(read(archive(two, { order: [1, 0] })), "a=one b=second");
  });

  fact(["CKPT-5"], "a comment may have 65,535 bytes; what it does not count is refused", () => {
    const zeros = (count: number) => Array<number>(count).fill(0);
    assertEquals(read(archive(two, { comment: zeros(1) })), "a=one b=second");
    assertEquals(read(archive(two, { comment: zeros(0xffff) })), "a=one b=second");
    const none = "no end of the archive found; the file is truncated, or not an archive";
    const after = "something after the archive's end";
    refused(archive(two, { comment: zeros(0xffff), end: { comment: 0 } }), after);
    refused(archive(two, { comment: zeros(0x10000), end: { comment: 0 } }), none);
    refused(archive(two, { comment: zeros(2), end: { comment: 1 } }), after);
    refused(archive(two, { end: { comment: 1 } }), after);
    refused(archive(two).slice(0, -1), none);
    refused(new Uint8Array(21), none);
    refused(new Uint8Array(), none);
    refused(new Uint8Array(100), none);
  });

  fact(["CKPT-5"], "what the end says is compared with what there is", () => {
    const part = "an archive in several parts";
    const cases: [Ends, string][] = [
      [{ end: { disk: 1 } }, part],
      [{ end: { listDisk: 1 } }, part],
      [{ end: { here: 1 } }, part],
      [{ end: { here: 3 } }, part],
      [{ end: { here: 1, count: 1 } }, "the archive claims 1 entries and lists 2"],
      [{ end: { here: 3, count: 3 } }, "the archive claims 3 entries and lists 2"],
      [
        { end: { size: 93 } },
        "the list of entries, 93 bytes from byte 71, does not end at byte 165",
      ],
      [
        { end: { size: 95 } },
        "the list of entries, 95 bytes from byte 71, does not end at byte 165",
      ],
      [
        { end: { start: 70 } },
        "the list of entries, 94 bytes from byte 70, does not end at byte 165",
      ],
      [{ end: { size: 95, start: 70 } }, "entry 0 of the list is not at byte 70"],
      [{ end: { size: 47, start: 118 } }, "the archive claims 2 entries and lists 1"],
    ];
    assertEquals(archive(two).length, 71 + 94 + 22);
    for (const [ends, reason] of cases) refused(archive(two, ends), reason);
  });

  fact(["CKPT-5"], "the 64-bit end counts where there is one, and is compared, too", () => {
    const lost = "the 64-bit end of the archive is not where the archive says";
    const other = "the two ends of the archive contradict each other";
    const part = "an archive in several parts";
    const gap = "a gap before the archive's end";
    for (
      const ends of [
        { wide: {}, more: [1, 2, 3] },
        { wide: {}, end: { here: 0xffff, count: 0xffff } },
        { wide: {}, end: { size: WIDE } },
        { wide: {}, end: { start: WIDE } },
        { wide: {}, end: { here: 0xffff, count: 0xffff, size: WIDE, start: WIDE } },
      ]
    ) assertEquals(read(archive(two, ends)), "a=one b=second", JSON.stringify(ends));
    const at = 71 + 94;
    const cases: [Ends, string][] = [
      [{ wide: { signature: 0x06064b51 } }, lost],
      [{ locator: { at: at + 1 } }, lost],
      [{ locator: { at: at - 1 } }, lost],
      [{ locator: { at: 2 ** 40 } }, lost],
      // A record that would reach beyond, and one in the comment.
      [{
        wide: {},
        gap: record("wide", { signature: 0x06064b50 }).slice(0, 16),
        locator: { at: at + 56 },
      }, lost],
      [{
        wide: {},
        comment: record("wide", { signature: 0x06064b50 }),
        locator: { at: at + 56 + 20 + 22 },
      }, lost],
      [{ wide: { count: 3, here: 3 } }, other],
      [{ wide: { size: 93 } }, other],
      [{ wide: { start: 70 } }, other],
      [{ end: { here: 0xffff, count: 0xffff }, wide: { count: 3 } }, part],
      [
        { end: { here: 0xffff, count: 0xffff }, wide: { count: 3, here: 3 } },
        "the archive claims 3 entries and lists 2",
      ],
      [
        { end: { size: WIDE }, wide: { size: 95 } },
        "the list of entries, 95 bytes from byte 71, does not end at byte 165",
      ],
      [
        { end: { start: WIDE }, wide: { start: 70 } },
        "the list of entries, 94 bytes from byte 70, does not end at byte 165",
      ],
      [{ wide: {}, gap: [0] }, gap],
      [{ wide: { length: 43 } }, gap],
      [{ wide: { length: 45 } }, gap],
      [{ wide: { disk: 1 } }, part],
      [{ wide: { listDisk: 1 } }, part],
      [{ wide: { disk: 1, listDisk: 1 } }, part],
      [{ wide: { disk: 1 }, locator: { disk: 1 } }, part],
      [{ wide: { listDisk: 1 }, locator: { disk: 1 } }, part],
      [{ wide: { here: 1 } }, part],
      [{ wide: {}, locator: { disk: 1 } }, part],
      [{ wide: {}, locator: { disks: 0 } }, part],
      [{ wide: {}, locator: { disks: 2 } }, part],
      [{ wide: {}, end: { disk: 1 } }, part],
      [{ wide: {}, end: { here: 1 } }, part],
    ];
    for (const [ends, reason] of cases) refused(archive(two, ends), reason);
    // A locator at the file's very beginning, before the end of an archive of nothing.
    const locator = record("locator", { signature: 0x07064b50, at: 0, disks: 1 });
    const end = record("end", { signature: 0x06054b50, start: 20 });
    refused(Uint8Array.from([...locator, ...end]), lost);
    assertEquals(
      read(
        Uint8Array.from([
          ...locator.slice(1),
          ...record("end", { signature: 0x06054b50, start: 19 }),
        ]),
      ),
      "",
    );
  });
});

describe("zip: entries", () => {
  const one = (given: Given, ends?: Ends) => archive([{ name: "n", data: "data", ...given }], ends);

  fact(["CKPT-5"], "what says nothing of the bytes is passed over", () => {
    for (
      const given of [
        { own: { time: 1, date: 2, version: 45 } },
        { listed: { by: 3, version: 45, time: 1, date: 2, internal: 1, external: 0x20 } },
        { listed: { external: 0xffff0000 } },
        { listed: { external: 1 } },
        { own: { flags: 0x800 }, listed: { flags: 0x800 } },
        { own: { flags: 0xd716 }, listed: { flags: 0xd716 } },
        { ownExtra: [9, 9, 1, 0, 7], extra: [8, 8, 0, 0], comment: "note" },
        { behind: [1, 2, 3] },
      ]
    ) assertEquals(read(one(given)), "n=data", JSON.stringify(given));
    assertEquals(read(one({ data: "" })), "n=");
  });

  fact(["CKPT-5"], "what is encrypted, elsewhere, no file or of two sizes is refused", () => {
    for (const flags of [1, 0x20, 0x40, 0x2000]) {
      refused(one({ own: { flags }, listed: { flags } }), 'entry "n" is encrypted or a patch');
    }
    refused(one({ listed: { external: 0x10 } }), 'entry "n" is a directory');
    refused(one({ listed: { external: 0x30 } }), 'entry "n" is a directory');
    refused(one({ listed: { disk: 1 } }), 'entry "n" is in another file');
    refused(one({ listed: { size: 5 } }), 'entry "n" is stored, yet has two sizes');
    refused(one({ listed: { packed: 5 } }), 'entry "n" is stored, yet has two sizes');
    const methods = {
      1: "method 1",
      8: "deflate",
      9: "deflate64",
      12: "bzip2",
      14: "lzma",
      93: "method 93",
    };
    for (const [method, name] of Object.entries(methods)) {
      for (const packed of [3, 4]) {
        refused(
          one({
            own: { method: Number(method), packed },
            listed: { method: Number(method), packed },
          }),
          `entry "n" is compressed (${name}); torch.save stores its entries as they are`,
        );
      }
    }
  });

  fact(["CKPT-5"], "each entry is where the list says, and ends before the next", () => {
    refused(one({ listed: { signature: 0x02014b51 } }), "entry 0 of the list is not at byte 35");
    refused(one({ own: { signature: 0x04034b51 } }), 'entry "n" is not at byte 0');
    refused(one({ listed: { header: 1 } }), 'entry "n" is not at byte 1');
    // A list that ends within its entry: within the fixed part, the name, the extra field, the comment.
    const cut = (at: number) => {
      const bytes = one({ extra: [8, 8, 0, 0], comment: "note" });
      const end = record("end", { signature: 0x06054b50, here: 1, count: 1, size: at, start: 35 });
      return Uint8Array.from([...bytes.slice(0, 35 + at), ...end]);
    };
    assertEquals(read(cut(55)), "n=data");
    refused(cut(45), "entry 0 of the list is not at byte 35");
    for (const at of [46, 47, 50, 54]) {
      refused(cut(at), `entry 0 of the list reaches beyond byte ${35 + at}`);
    }
    refused(
      archive([two[0], two[1]], { end: { size: 93, start: 72 } }),
      "entry 0 of the list is not at byte 72",
    );
    // An entry that has no room before the list.
    const late = (header: number) =>
      one({ listed: { header }, behind: record("own", { signature: 0x04034b50, name: 1 }) });
    assertEquals(late(35).length, 65 + 47 + 22);
    refused(late(35), 'entry "n" reaches beyond byte 65');
    refused(
      one({
        listed: { header: 35 },
        behind: record("own", { signature: 0x04034b50 }).slice(0, 29),
      }),
      'entry "n" is not at byte 35',
    );
    refused(
      one({ listed: { size: 5, packed: 5 } }),
      'entry "n" claims 5 bytes, more than there are',
    );
    refused(
      archive([two[0], { ...two[1], listed: { header: 0 } }]),
      'entry "b" overlaps the one before it',
    );
    refused(
      archive(
        [{ ...two[0], listed: { size: 4, packed: 4 }, own: { size: 4, packed: 4, crc: 0 } }, two[1]]
          .map((x) => ({ ...x, listed: { ...x.listed, crc: 0 }, own: { ...x.own, crc: 0 } })),
      ),
      'entry "b" overlaps the one before it',
    );
    refused(archive([two[0], two[0]]), 'entry "a" comes twice');
  });

  fact(["CKPT-5"], "an entry's own header agrees with the list", () => {
    const reason =
      'entry "n" has another name, method, size, checksum or other flags in its own header';
    for (
      const own of [{ flags: 2 }, { method: 8 }, { crc: 0 }, { packed: 3 }, { size: 3 }, {
        crc: 0,
        size: 0,
        packed: 0,
      }]
    ) {
      refused(one({ own }), reason);
    }
    const named = one({});
    named[30]++;
    refused(named, reason);
    refused(
      one({ own: { crc: 1 }, listed: { crc: 1 } }),
      'entry "n" is damaged: its bytes do not have its checksum',
    );
  });

  fact(["CKPT-5"], "checksums may be left out of all entries, not of one", () => {
    const crc = { crc: 0 };
    const without = two.map((given) => ({ ...given, own: crc, listed: crc }));
    assertEquals(read(archive(without)), "a=one b=second");
    for (const mixed of [[without[0], two[1]], [two[0], without[1]]]) {
      assertThrows(() => read(archive(mixed)), CheckpointError, "is damaged");
    }
  });

  fact(["CKPT-5"], "sizes may stand behind the bytes, where a flag says so", () => {
    const crc = crc32(Uint8Array.from(ascii("data")));
    const flags = 8;
    const zeros = { flags, crc: 0, size: 0, packed: 0 };
    const later = (own: Fields, ...behind: [number, number, number, number]) =>
      one({ own, listed: { flags }, behind: behind.flatMap((value) => little(value, 4)) });
    const [mark, reason] = [0x08074b50, 'entry "n" has another size or checksum behind its bytes'];
    assertEquals(read(later(zeros, mark, crc, 4, 4)), "n=data");
    assertEquals(read(later({ flags }, mark, crc, 4, 4)), "n=data");
    refused(later(zeros, mark + 1, crc, 4, 4), reason);
    refused(later(zeros, mark, crc ^ 1, 4, 4), reason);
    refused(later(zeros, mark, crc, 5, 4), reason);
    refused(later({ flags }, mark, crc, 5, 4), reason);
    refused(
      one({
        own: zeros,
        listed: { flags },
        behind: [mark, crc, 4, 4].flatMap((value) => little(value, 4)).slice(0, 15),
      }),
      reason,
    );
    const parts = ["crc", "size", "packed"];
    for (const [k, part] of parts.entries()) {
      for (const more of [{}, { [parts[(k + 1) % 3]]: 1 }]) {
        refused(
          later({ ...zeros, [part]: 1, ...more }, mark, crc, 4, 4),
          'entry "n" has another name, method, size, checksum or other flags in its own header',
        );
      }
    }
  });

  fact(["CKPT-5"], "sizes and places that 32 bits do not hold stand in a field of 64", () => {
    const sizes = { size: WIDE, packed: WIDE };
    const others = [2, 0, 3, 0, 7, 7, 7];
    for (
      const given of [
        { own: sizes, ownExtra: wideField(4, 4) },
        { listed: sizes, extra: wideField(4, 4) },
        { listed: { ...sizes, header: WIDE }, extra: wideField(4, 4, 0) },
        { listed: { header: WIDE }, extra: wideField(0) },
        { listed: { size: WIDE }, extra: wideField(4) },
        { listed: { packed: WIDE }, extra: wideField(4) },
        { listed: { size: WIDE, header: WIDE }, extra: wideField(4, 0) },
        { listed: sizes, extra: [...others, ...wideField(4, 4)] },
        { listed: sizes, extra: [...wideField(4, 4), ...others] },
        { listed: sizes, extra: wideField(4, 4, 9) },
        { own: sizes, ownExtra: [...others, ...wideField(4, 4)] },
      ]
    ) assertEquals(read(one(given)), "n=data", JSON.stringify(given));
    const lacks = 'entry "n" lacks the 64-bit sizes that it refers to';
    const short = wideField(4, 4);
    const tooLong = [1, 0, 17, 0, ...short.slice(4)];
    for (
      const given of [
        { listed: sizes },
        { listed: sizes, extra: others },
        { listed: sizes, extra: [1] },
        { listed: sizes, extra: [1, 0, 16] },
        { listed: sizes, extra: wideField(4) },
        { listed: sizes, extra: short.slice(0, -1) },
        { listed: sizes, extra: tooLong },
        { listed: sizes, extra: [1, 0, 15, 0, ...short.slice(4)], comment: "x" },
        { listed: { header: WIDE }, extra: [1, 0, 0, 0] },
        { listed: { header: WIDE }, extra: [1, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
        { own: sizes, ownExtra: wideField(4) },
        { own: sizes },
        { listed: sizes, extra: wideField(2 ** 52, 2 ** 52) },
        { listed: { header: WIDE }, extra: wideField(2 ** 53) },
      ]
    ) refused(one(given), lacks);
    refused(
      one({ own: sizes, ownExtra: wideField(2 ** 52, 2 ** 52 - 1) }),
      'entry "n" has another name, method, size, checksum or other flags in its own header',
    );
    refused(one({ own: sizes, ownExtra: wideField(2 ** 52, 2 ** 52) }), lacks);
    refused(
      one({ listed: sizes, extra: wideField(2 ** 51, 2 ** 51) }),
      `entry "n" claims ${2 ** 51} bytes, more than there are`,
    );
  });

  fact(["CKPT-5"], "a name is UTF-8 and leads nowhere", () => {
    for (const name of ["a/b", "..a", "a..", "a/..b/c", ".", "a b", "\x7f", "\xc3\xa9", "..."]) {
      assertEquals([...readZip(one({ name })).keys()].length, 1, name);
    }
    assertEquals([...readZip(one({ name: "\xc3\xa9" })).keys()], ["é"]);
    for (const name of ["", "/a", "..", "../a", "a/..", "a/../b", "a\\b", "a:b", "\0", "a\x1f"]) {
      refused(one({ name }), `entry ${JSON.stringify(name)} points outside the archive`);
    }
    refused(one({ name: "\xff" }), "an entry's name is not UTF-8: bytes 255");
    refused(
      one({ name: "abcdefg\xfe\xff" }),
      "an entry's name is not UTF-8: bytes 97,98,99,100,101,102,103,254",
    );
  });
});

describe("zip: written here", () => {
  fact(["CKPT-5", "CKPT-13"], "the checksum is CRC-32, of any number of bytes", () => {
    const of = (text: string) => crc32(Uint8Array.from(ascii(text)));
    assertEquals(of("123456789"), 0xcbf43926);
    assertEquals(of(""), 0);
    assertEquals(of("The quick brown fox jumps over the lazy dog"), 0x414fa339);
    // Bit by bit, as the polynomial has it.
    const slow = (bytes: Uint8Array) => {
      let crc = 0xffffffff;
      for (const byte of bytes) {
        crc ^= byte;
        for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
      }
      return (crc ^ 0xffffffff) >>> 0;
    };
    const all = Uint8Array.from({ length: 4096 }, (_, k) => (k * 167 + (k >> 8) * 31) & 255);
    for (let length = 0; length <= 40; length++) {
      assertEquals(crc32(all.subarray(3, 3 + length)), slow(all.subarray(3, 3 + length)));
    }
    assertEquals(crc32(all), slow(all));
  });

  fact(["CKPT-13"], "an archive is written so, byte for byte", () => {
    const padded = (before: number, length: number) => {
      const count = (64 - (before + 30 + length + 4) % 64) % 64;
      return [0x46, 0x42, ...little(count, 2), ...Array<number>(count).fill(0)];
    };
    for (const [first, second] of [["a/é", "b"], ["n".repeat(30), "m"], ["n".repeat(29), "m"]]) {
      const names = [first, second].map((name) =>
        String.fromCharCode(...new TextEncoder().encode(name))
      );
      const datas = ["x".repeat(70_000), ""];
      const ownExtra = [padded(0, names[0].length)];
      const after = 30 + names[0].length + ownExtra[0].length + datas[0].length;
      ownExtra.push(padded(after, names[1].length));
      assert(after > 65536);
      const fixed = { version: 0, flags: 0x800 };
      const wanted = archive(names.map((name, k) => ({
        name,
        data: datas[k],
        ownExtra: ownExtra[k],
        own: fixed,
        listed: fixed,
      })));
      const made = joined(zipParts([
        [first, Uint8Array.from(ascii(datas[0]))],
        [second, new Uint8Array()],
      ]));
      assertEquals(made.findIndex((byte, k) => byte !== wanted[k]), -1);
      assertEquals(made.length, wanted.length);
    }
    assertEquals(joined(zipParts([])), archive([]));
  });
});
