/**
 * The memory that all kernels share, and who has which part of it.
 *
 * @module
 */

import { RuntimeError } from "../errors.ts";

/** The memory that kernels share cannot grow as far as a call needs. */
export class OutOfMemory extends RuntimeError {
  /** What was asked for, and why it was not to be had. */
  constructor(bytes: number, cause: unknown) {
    const size = (bytes / 2 ** 20).toFixed(1);
    super(`not enough memory: the kernels asked for ${size} MiB more`, { cause });
  }
}

/** A part of the heap. */
export interface Block {
  /** Where it begins, in bytes; 0 once it has been taken back. */
  at: number;
  /** How long it is, in bytes. */
  readonly bytes: number;
  /** When it was last used, by the heap's clock. */
  used: number;
  /** Told when it is taken back. */
  released?: () => void;
}

/** Ranges of numbers, given out and taken back; what was taken back is given out first. */
export class Ranges {
  /** Holes between what is given out, in order. */
  readonly #holes: { at: number; length: number }[] = [];

  end: number;

  /** No number from `end` on has been given out. */
  constructor(end: number) {
    this.end = end;
  }

  /** Gives out so many numbers in a row, and tells the first. */
  take(length: number): number {
    const hole = this.#holes.find((hole) => hole.length >= length);
    if (!hole) return (this.end += length) - length;
    hole.at += length;
    hole.length -= length;
    return hole.at - length;
  }

  /** Takes a range back. */
  give(at: number, length: number): void {
    this.#holes.push({ at, length });
    this.#holes.sort((a, b) => a.at - b.at);
    for (let k = this.#holes.length - 2; k >= 0; k--) {
      const [hole, next] = [this.#holes[k], this.#holes[k + 1]];
      if (hole.length === 0) this.#holes.splice(k, 1);
      else if (hole.at + hole.length === next.at) {
        hole.length += next.length;
        this.#holes.splice(k + 1, 1);
      }
    }
    const last = this.#holes.at(-1);
    if (last && last.at + last.length === this.end) this.end = this.#holes.pop()!.at;
  }
}

const page = 65536;

/** Blocks begin on a cache line. */
const line = 64;

/** What packed weights may hold before the ones unused for longest are taken back. */
const keep = 128 * 2 ** 20;

/** A memory that threads share. All it can ever have is reserved at once; else half, and so on. */
function sharedMemory(maximum: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum, shared: true });
  } catch (error) {
    if (maximum <= leastShared) throw error;
    return sharedMemory(maximum / 2);
  }
}

/** Less than so many pages for all threads, 64 MiB, is not worth having. */
const leastShared = 1024;

/** One memory, given out in blocks. It grows to the most that was ever needed at once. */
export class Heap {
  /** The memory, as the kernels import it. */
  readonly memory: WebAssembly.Memory;
  /** The memory as floats; another array whenever it has grown. */
  floats: Float32Array;
  /** The memory as integers; another array whenever it has grown. */
  integers: Int32Array;
  readonly #ranges = new Ranges(line); // address 0 stays free, so that it can mean "none"
  readonly #kept = new Set<Block>();
  #keptBytes = 0;
  #clock = 0;
  #scratch: Block = { at: 0, bytes: 0, used: 0 };

  /**
   * Nothing yet; `sharedPages` is how far the memory can grow if threads share it, else 0.
   *
   * @throws {RangeError} if there is no such memory
   */
  constructor(sharedPages = 0) {
    this.memory = sharedPages > 0
      ? sharedMemory(sharedPages)
      : new WebAssembly.Memory({ initial: 1 });
    this.floats = new Float32Array(this.memory.buffer);
    this.integers = new Int32Array(this.memory.buffer);
  }

  /**
   * A block of its own, until {@linkcode Heap.release}.
   *
   * @throws {OutOfMemory} if the memory cannot grow that far; the heap is then as it was
   */
  allocate(bytes: number): Block {
    bytes = Math.ceil(bytes / line) * line;
    const at = this.#ranges.take(bytes);
    try {
      this.reach(this.#ranges.end);
    } catch (error) {
      this.#ranges.give(at, bytes);
      throw new OutOfMemory(bytes, error);
    }
    return { at, bytes, used: 0 };
  }

  /** Grows the memory, if need be, until it has `end` bytes; throws if it cannot. */
  reach(end: number): void {
    const missing = end - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    this.memory.grow(Math.ceil(missing / page));
    this.floats = new Float32Array(this.memory.buffer);
    this.integers = new Int32Array(this.memory.buffer);
  }

  /** Takes a block back. */
  release(block: Block): void {
    if (block.at === 0) return;
    this.#ranges.give(block.at, block.bytes);
    block.at = 0;
    block.released?.();
  }

  /** A block to keep something in that can be made again: it may be taken back, `at` is 0 then. */
  cache(bytes: number): Block {
    const block = this.allocate(bytes);
    this.#kept.add(block);
    this.#keptBytes += block.bytes;
    this.touch(block);
    while (this.#keptBytes > keep && this.#kept.size > 1) {
      let oldest = block;
      for (const other of this.#kept) if (other.used < oldest.used) oldest = other;
      this.drop(oldest);
    }
    return block;
  }

  /** Takes back a block of the cache. */
  drop(block: Block): void {
    if (!this.#kept.delete(block)) return;
    this.#keptBytes -= block.bytes;
    this.release(block);
  }

  /** Notes that a block of the cache is in use. */
  touch(block: Block): void {
    block.used = ++this.#clock;
  }

  /** Room for what one call needs while it runs; the next call gets the same. */
  scratch(bytes: number): number {
    if (this.#scratch.bytes < bytes) {
      const old = this.#scratch;
      this.#scratch = { at: 0, bytes: 0, used: 0 };
      this.release(old);
      this.#scratch = this.allocate(bytes);
    }
    return this.#scratch.at;
  }
}
