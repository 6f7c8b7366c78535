/** Chapter checkpoints: files that are read and written, with a file system that stands in. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CheckpointError,
  loadCheckpoint,
  saveSafetensors,
  saveTorchFile,
  tensor,
  writeSafetensors,
} from "../../mod.ts";
import { writeTorchFile } from "../../lib/checkpoints/mod.ts";
import { joined, readSource } from "../../lib/checkpoints/source.ts";
import { describe, fact } from "./law.ts";

/** Files in memory, of which at most three bytes are written at a time; `fails` refuses a call. */
function fileSystem(fails: (call: string) => boolean = () => false) {
  const files = new Map<string, Uint8Array>();
  const calls: string[] = [];
  const note = (call: string) => {
    calls.push(call);
    if (fails(call)) throw new Error(`no ${call}`);
  };
  const name = (path: string | URL) => path instanceof URL ? `<${path.href}>` : path;
  // deno-lint-ignore require-await -- the real ones take time
  const later = async <T>(give: () => T): Promise<T> => give();
  const module = {
    readFile: (path: string | URL) =>
      later(() => {
        note(`read ${name(path)}`);
        return files.get(name(path));
      }),
    open: (path: string | URL, flags: string) =>
      later(() => {
        note(`open ${name(path)} ${flags}`);
        files.set(name(path), new Uint8Array());
        return {
          write: (bytes: Uint8Array, at: number, length: number) =>
            later(() => {
              note("write");
              assertEquals(at + length, bytes.length);
              const bytesWritten = Math.min(3, length);
              const more = bytes.subarray(at, at + bytesWritten);
              files.set(name(path), joined([files.get(name(path))!, more]));
              return { bytesWritten };
            }),
          close: () => later(() => note("close")),
        };
      }),
    rename: (from: string | URL, to: string | URL) =>
      later(() => {
        note(`rename ${name(from)} ${name(to)}`);
        files.set(name(to), files.get(name(from))!);
        files.delete(name(from));
      }),
    rm: (path: string | URL, options: object) =>
      later(() => {
        note(`rm ${name(path)} ${JSON.stringify(options)}`);
        files.delete(name(path));
      }),
  };
  return { files, calls, module };
}

/** Carries `act` out where the runtime's module of files is `module`. */
async function where<T>(module: unknown, act: () => Promise<T>): Promise<T> {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule: (name: string) => unknown };
  };
  const kept = process.getBuiltinModule;
  process.getBuiltinModule = (name) => name === "node:fs/promises" ? module : kept(name);
  try {
    return await act();
  } finally {
    process.getBuiltinModule = kept;
  }
}

const state = { w: tensor([1, 2]), v: tensor([3]) };

describe("checkpoints: files", () => {
  fact(["CKPT-3", "CKPT-13"], "a file is written beside its place, then put there", async () => {
    for (
      const [target, draft, place] of [
        ["a/m.pt", "a/m.pt.part", "a/m.pt"],
        [new URL("file:///a/m.pt"), "<file:///a/m.pt.part>", "<file:///a/m.pt>"],
        ["file:///a/m.pt", "<file:///a/m.pt.part>", "<file:///a/m.pt>"],
      ] as const
    ) {
      const { files, calls, module } = fileSystem();
      await where(module, () => saveSafetensors(target, state));
      assertEquals([...files], [[place, writeSafetensors(state)]]);
      const others = calls.filter((call) => call !== "write");
      assertEquals(others, [`open ${draft} w`, "close", `rename ${draft} ${place}`]);
      await where(module, () => saveTorchFile(target, state));
      assertEquals([...files], [[place, writeTorchFile(state)]]);
      assertEquals((await where(module, () => loadCheckpoint(target))).w.tolist(), [1, 2]);
      assertEquals(calls.at(-1), `read ${place}`);
    }
  });

  fact(["CKPT-3"], "what fails leaves no file, and what was there stays", async () => {
    for (const step of ["write", "close", "rename m.st.part m.st"]) {
      let left = step === "write" ? 4 : 1; // the first three writes go well
      const { files, calls, module } = fileSystem((call) => call === step && --left === 0);
      files.set("m.st", Uint8Array.of(7));
      const error = await assertRejects(() => where(module, () => saveSafetensors("m.st", state)));
      assertEquals((error as Error).message, `no ${step}`);
      assertEquals([...files], [["m.st", Uint8Array.of(7)]]);
      assertEquals(calls.slice(-2), ["close", 'rm m.st.part {"force":true}']);
    }
    const { files, module } = fileSystem((call) => call.startsWith("open"));
    await assertRejects(
      () => where(module, () => saveSafetensors("m.st", state)),
      Error,
      "no open",
    );
    assertEquals(files.size, 0);
  });

  fact(["CKPT-1"], "where there are no files, that is said", async () => {
    const reason = "there are no files here: give bytes, a Blob or a URL";
    for (const path of ["m.pt", "./data:x", new URL("file:///m.pt"), "FILE:///m.pt"]) {
      const act = () => where(undefined, () => readSource(path));
      const error: Error = await assertRejects(act, CheckpointError);
      assertEquals(error.message, reason);
    }
    await assertRejects(() => where(undefined, () => saveSafetensors("m", state)), Error, reason);
    for (const target of [3, null, new Uint8Array()]) {
      const act = () => saveSafetensors(target as never, state);
      await assertRejects(act, TypeError, "path, URL or WritableStream");
    }
    assert((await readSource("DATA:,abc")).length === 3);
  });

  fact(["CKPT-14"], "an ONNX file that is none is refused with its own reason", async () => {
    const bytes = Uint8Array.of(8, 9, 0x12, 0xff, 0xff, 0xff, 0xff, 0xff);
    await assertRejects(() => loadCheckpoint(bytes), CheckpointError, "onnx: ");
  });
});
