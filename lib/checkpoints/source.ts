/**
 * Where checkpoints come from and go to: bytes, files, streams, addresses. Files are opened only
 * inside these functions, so that importing the library needs no permission.
 */

import { fail } from "./refuse.ts";

/**
 * Where a checkpoint is: a path, an address, its bytes, what `fetch` gave, or a stream of bytes.
 * @category Checkpoints
 */
export type CheckpointSource =
  | string
  | URL
  | Uint8Array
  | ArrayBuffer
  | Blob
  | Response
  | ReadableStream<Uint8Array>;

/** Whether text is an address rather than a path. */
function isAddress(text: string): boolean {
  return /^(https?|file|data|blob):/i.test(text);
}

/**
 * What a source is called in messages.
 *
 * @returns its path or address; `null` for bytes and streams
 */
export function sourceName(source: CheckpointSource): string | null {
  const name = typeof source === "string"
    ? source
    : source instanceof URL
    ? source.href
    : source instanceof Response
    ? source.url
    : null;
  return name?.startsWith("data:") ? "data:…" : name || null;
}

/**
 * Where a file in the folder of another is.
 *
 * @param source the other
 * @param name the file's path from its folder
 * @throws {CheckpointError} if the other is no path and no address
 */
export function beside(source: CheckpointSource, name: string): string | URL {
  const place = source instanceof Response ? source.url : source;
  if (place instanceof URL || (typeof place === "string" && isAddress(place))) {
    return new URL(name.split("/").map(encodeURIComponent).join("/"), place);
  }
  if (typeof place === "string" && place) return place.replace(/[^/\\]*$/, "") + name;
  fail(`a part of it is in the file "${name}": give a path or an address`);
}

/**
 * Reads a source whole.
 *
 * @param source a path or a `file:` address, which need permission to read; another address, which
 * is fetched; what `fetch` gave; bytes, which are not copied; a `Blob`, a file of a browser among them;
 * or a stream
 * @returns the bytes
 * @throws {CheckpointError} if a server answers that there is no such thing
 */
export async function readSource(source: CheckpointSource): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (source instanceof Blob) return new Uint8Array(await source.arrayBuffer());
  if (source instanceof Response) return await readResponse(source);
  if (source instanceof ReadableStream) return await readStream(source);
  if (typeof source !== "string" && !(source instanceof URL)) {
    throw new TypeError(
      "a checkpoint is a path, a URL, bytes, a Blob, a Response or a stream of bytes",
    );
  }
  const url = typeof source === "string" && isAddress(source) ? new URL(source) : source;
  if (url instanceof URL && url.protocol !== "file:") {
    return await readResponse(await fetch(url));
  }
  return await fileSystem().readFile(url);
}

/** The body of what a server answered, unless it says that there is none. */
async function readResponse(response: Response): Promise<Uint8Array> {
  if (response.ok) return new Uint8Array(await response.arrayBuffer());
  await response.body?.cancel();
  fail(`the server answered ${response.status} ${response.statusText}`);
}

/** As much of the module `node:fs/promises` as is used here. */
interface FileSystem {
  readFile(path: string | URL): Promise<Uint8Array>;
  open(path: string | URL, flags: "w"): Promise<{
    write(bytes: Uint8Array, at: number, length: number): Promise<{ bytesWritten: number }>;
    close(): Promise<void>;
  }>;
  rename(from: string | URL, to: string | URL): Promise<void>;
  rm(path: string | URL, options: { force: boolean }): Promise<void>;
}

/** The files of Deno and Node; not imported, so that a browser can load this module, too. */
function fileSystem(): FileSystem {
  const { process } = globalThis as unknown as {
    process?: { getBuiltinModule?(name: string): FileSystem };
  };
  const found = process?.getBuiltinModule?.("node:fs/promises");
  if (!found) fail("there are no files here: give bytes, a Blob or a URL");
  return found;
}

/** Gathers a stream; its pieces are copied once, into their place. */
async function readStream(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!(value instanceof Uint8Array)) {
      await reader.cancel();
      throw new TypeError("a stream of something else than bytes");
    }
    pieces.push(value);
  }
  return pieces.length === 1 ? pieces[0] : joined(pieces);
}

/**
 * Puts pieces together.
 *
 * @param pieces bytes
 */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/**
 * Writes a file whole or not at all: into another file beside it, which is then renamed.
 *
 * @param parts the bytes, in order
 */
export async function writeParts(path: string | URL, parts: Iterable<Uint8Array>): Promise<void> {
  const { open, rename, rm } = fileSystem();
  const target = typeof path === "string" && isAddress(path) ? new URL(path) : path;
  const draft = target instanceof URL ? new URL(`${target.href}.part`) : `${target}.part`;
  const file = await open(draft, "w");
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length;) {
        at += (await file.write(part, at, part.length - at)).bytesWritten;
      }
    }
    await file.close();
    await rename(draft, target);
  } catch (error) {
    await file.close().catch(() => {});
    await rm(draft, { force: true });
    throw error;
  }
}
