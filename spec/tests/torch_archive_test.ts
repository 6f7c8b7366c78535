/** Chapter checkpoints: the archive of a file of torch.save, and what it may cost. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CheckpointError, StoredTensor } from "../../mod.ts";
import { readTorchFile } from "../../lib/checkpoints/mod.ts";
import { seal } from "../../scripts/hostile/archive.ts";
import { torchFile } from "../../scripts/hostile/bombs.ts";
import { describe, fact } from "./law.ts";
import { int, storage, storageOf, storedIn, tensorOf, text, tuple, wide } from "./torch_pickle.ts";

describe("torch.save: memory", () => {
  /** A file, made so long by a comment. */
  const padded = (file: Uint8Array, size: number) => {
    assert(size - file.length >= 0 && size - file.length < 65536, `${size - file.length}`);
    const bytes = new Uint8Array(size);
    bytes.set(file);
    new DataView(bytes.buffer).setUint16(file.length - 2, size - file.length, true);
    return bytes;
  };

  fact(["CKPT-11"], "a file may become a dozen times its size, not more", () => {
    // A dict costs 192 bytes; of small files half a MiB is free.
    const dicts = (count: number, size: number) =>
      readTorchFile(
        padded(
          torchFile(`${"}0".repeat(count)}N`, new Uint8Array(Math.max(0, size - 260_000))),
          size,
        ),
      );
    let count = 5000;
    while ((192 * count - 2 ** 19) % 17 !== 0) count++;
    const small = (192 * count - 2 ** 19) / 8.5;
    assertEquals(dicts(count, small), null);
    assertThrows(() => dicts(count, small - 1), CheckpointError, "makes more objects");
    const large = 192 * 105_000 / 9;
    assert(large > 2 ** 20);
    assertEquals(dicts(105_000, large), null);
    assertThrows(() => dicts(105_000, large - 1), CheckpointError, "makes more objects");
  });

  fact(["CKPT-11"], "views that repeat a storage may take four times the file, and 64 KiB", () => {
    for (
      const [type, bits, factor] of [["ByteStorage", 8, 1], ["ShortStorage", 16, 1], [
        "HalfStorage",
        16,
        2,
      ], ["BFloat16Storage", 16, 2]] as const
    ) {
      const of = (extent: number) =>
        torchFile(
          tensorOf({
            storage: storageOf(type, int(128 / bits)),
            shape: tuple(wide(extent)),
            strides: tuple(int(0)),
          }),
          storage,
        );
      const most = (2 ** 16 + 4 * of(1).length) * 8 / bits / factor;
      assert(readTorchFile(of(most)) instanceof StoredTensor);
      assertThrows(
        () => readTorchFile(of(most + 1)),
        CheckpointError,
        `a tensor of shape [${
          most + 1
        }] that repeats a storage of 16 bytes, too much for a file of this size`,
      );
    }
  });

  fact(
    ["CKPT-7"],
    "a storage is a view where it is aligned to 8 bytes, and copied once otherwise",
    () => {
      const file = torchFile(`](${tensorOf()}${tensorOf({ shape: tuple(int(2)) })}e`, storage);
      for (let shift = 0; shift < 9; shift++) {
        const moved = new Uint8Array(file.length + shift).subarray(shift);
        moved.set(file);
        const [a, b] = (readTorchFile(moved) as StoredTensor[]).map((one) => one.bytes().buffer);
        assertStrictEquals(a, b);
        assertEquals(a === moved.buffer, shift % 8 === 0, `${shift}`);
      }
    },
  );
});

describe("torch.save: the archive", () => {
  const ascii = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const archive = (records: Readonly<Record<string, string | Uint8Array>>) =>
    seal(
      Object.entries(records).map(([name, data]) => ({
        name,
        data: typeof data === "string" ? ascii(data) : data,
      })),
    );
  const plain = { "m/data.pkl": "\x80\x02N.", "m/version": "3\n" };
  const told = (records: Readonly<Record<string, string | Uint8Array>>, reason: string) =>
    assertEquals(
      assertThrows(() => readTorchFile(archive(records)), CheckpointError).message,
      reason,
    );

  fact(["CKPT-5"], "versions up to 10 are read, and numbers in either order", () => {
    for (const version of ["1", "2", "3\n", "9", "10", "10\n"]) {
      assertEquals(readTorchFile(archive({ ...plain, "m/version": version })), null);
    }
    for (const version of ["0", "11", "", "3\n\n", " 3", "x".repeat(80)]) {
      told(
        { ...plain, "m/version": version },
        `torch: version ${JSON.stringify(version)} of the format, not one up to 10`,
      );
    }
    told({ "m/data.pkl": "\x80\x02N." }, 'torch: version "" of the format, not one up to 10');
    const long = new TextEncoder().encode("é".repeat(60)); // of which 100 bytes are looked at
    told(
      { ...plain, "m/version": long },
      `torch: version "${"é".repeat(50)}" of the format, not one up to 10`,
    );
    for (const order of ["little", "big"]) {
      const records = {
        ...plain,
        "m/byteorder": order,
        "m/data.pkl": `\x80\x02${tensorOf()}.`,
        "m/data/0": storage,
      };
      const value = readTorchFile(archive(records));
      assertEquals(
        [...storedIn(value).bytes()].slice(0, 4),
        order === "big" ? [3, 2, 1, 0] : [0, 1, 2, 3],
      );
    }
    told(
      { ...plain, "m/byteorder": "little\n" },
      'torch: byteorder is "little\\n", neither little nor big',
    );
    told({ ...plain, "m/byteorder": "" }, 'torch: byteorder is "", neither little nor big');
  });

  fact(["CKPT-1", "CKPT-5"], "one folder with a pickle in it, and no program's archive", () => {
    const none = "torch: the archive has no data.pkl, so torch.save did not write it";
    told({ "m/version": "3" }, none);
    told({ "data.pkl": "\x80\x02N." }, none);
    told({ "m/n/data.pkl": "\x80\x02N." }, none);
    told({ ...plain, "n/data.pkl": "\x80\x02N." }, none);
    told({ ...plain, "n/x": "" }, 'torch: entry "n/x" lies outside "m/"');
    for (const name of ["DATA.pkl", "Version", "ByteOrder", "DATA/0"]) {
      told(
        { ...plain, [`m/${name}`]: "" },
        `torch: entry "m/${name}" should be "m/${name.toLowerCase()}"`,
      );
    }
    assertEquals(readTorchFile(archive({ ...plain, "m/Versions": "", "m/data/x/y": "" })), null);
  });

  fact(["CKPT-6"], "a file that is one object is refused, with what it is", () => {
    const whole = (pickle: string) => ({ ...plain, "m/data.pkl": `\x80\x02${pickle}.` });
    const state = `}${text("_parameters")}}s${text("_modules")}}s`;
    told(
      whole(`cnets\nTagger\n)\x81${state}b`),
      'data.pkl: a whole model, an object of "nets.Tagger", whose code is not in the file; in PyTorch, ' +
        "torch.save(model.state_dict(), …) writes its weights",
    );
    told(whole("\x8f"), 'data.pkl: a class or a storage stands where a value should: "set"');
    told(
      whole("N0cx\nz\n)R"),
      'data.pkl: byte 4: "x.z" is not one of the names that a state_dict needs; nothing was run',
    );
  });
});
