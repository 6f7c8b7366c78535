/** The memory that all kernels share, and who has which part of it. */

import { RuntimeError } from "../errors.ts";
import { FreeList } from "./free_list.ts";

/** The memory that kernels share cannot grow as far as a call needs. */
export class OutOfMemory extends RuntimeError {
  /** What was asked for, and why it was not to be had. */
  constructor(bytes: number, cause: unknown) {
    const size = (bytes / 2 ** 20).toFixed(1);
    super(`not enough memory: the kernels asked for ${size} MiB more`, { cause });
  }
}

/** A part of the heap that is in use. */
export interface Allocation {
  /** Where it begins, in bytes; 0 once it has been taken back. */
  at: number;
  /** How long it is, in bytes. */
  readonly bytes: number;
  /** When it was last used: a later use has a greater number. */
  used: number;
  /** What to do when it is taken back; its content is then still there. */
  readonly onRelease: (() => void)[];
}

/** The bytes of a page of WebAssembly memory. */
const page = 65536;

/** The bytes of a cache line; allocations begin at multiples of it. */
const line = 64;

/** The least pages of a memory that threads share: 64 MiB. */
const leastShared = 1024;

/**
 * A memory that threads share. The system reserves its maximum at once; where it refuses, half of
 * that is tried, and so on.
 */
function sharedMemory(maximum: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum, shared: true });
  } catch (error) {
    if (maximum <= leastShared) throw error;
    return sharedMemory(maximum / 2);
  }
}

/** One memory, given out in allocations. It grows to the most that was ever needed at once. */
export class Heap {
  /** The memory, as the kernels import it. */
  readonly memory: WebAssembly.Memory;
  /** The memory as floats; another array whenever it has grown. */
  floats: Float32Array;
  /** The memory as integers; another array whenever it has grown. */
  integers: Int32Array;
  readonly #free = new FreeList(line); // address 0 stays free, so that it can mean "none"
  readonly #kept = new Set<Allocation>();
  #keptBytes = 0;
  /** The most bytes that are kept; beyond, what was not used for longest is taken back. */
  mostKept = 128 * 2 ** 20;
  #clock = 0;
  #scratch: Allocation | null = null;

  /**
   * Nothing is allocated yet; `sharedPages` is how far the memory can grow if threads share it,
   * else 0.
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

  /** Grows the memory, if need be, until it has `end` bytes; throws if it cannot. */
  reach(end: number): void {
    const missing = end - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    this.memory.grow(Math.ceil(missing / page));
    this.floats = new Float32Array(this.memory.buffer);
    this.integers = new Int32Array(this.memory.buffer);
  }

  /**
   * Allocates memory until {@linkcode Heap.release}.
   *
   * @param bytes how many bytes
   * @param spared how many of the kept allocations, used last, must not be taken back for it
   * @throws {OutOfMemory} if the memory cannot grow that far, though it keeps nothing else
   */
  allocate(bytes: number, spared = 0): Allocation {
    bytes = Math.ceil(bytes / line) * line;
    for (;;) {
      const at = this.#free.take(bytes);
      try {
        this.reach(this.#free.end);
        return { at, bytes, used: 0, onRelease: [] };
      } catch (error) {
        this.#free.give(at, bytes);
        if (!this.#dropOldest(spared)) throw new OutOfMemory(bytes, error);
      }
    }
  }

  /** Takes an allocation back. */
  release(allocation: Allocation): void {
    if (allocation.at === 0) return;
    for (const act of allocation.onRelease.splice(0)) act();
    this.#free.give(allocation.at, allocation.bytes);
    allocation.at = 0;
  }

  /**
   * Allocates memory for what can be made again: it may be taken back at any later allocation, its
   * `at` is 0 then.
   *
   * @throws {OutOfMemory} as {@linkcode Heap.allocate} does
   */
  keep(bytes: number): Allocation {
    const allocation = this.allocate(bytes);
    this.#kept.add(allocation);
    this.#keptBytes += allocation.bytes;
    this.touch(allocation);
    while (this.#keptBytes > this.mostKept && this.#dropOldest(1));
    return allocation;
  }

  /** Takes a kept allocation back. */
  drop(allocation: Allocation): void {
    if (!this.#kept.delete(allocation)) return;
    this.#keptBytes -= allocation.bytes;
    this.release(allocation);
  }

  /** Notes that a kept allocation is in use. */
  touch(allocation: Allocation): void {
    allocation.used = ++this.#clock;
  }

  /** Takes the kept allocation back that was not used for longest, if more than `spared` are kept. */
  #dropOldest(spared: number): boolean {
    if (this.#kept.size <= spared) return false;
    let oldest: Allocation | null = null;
    for (const one of this.#kept) if (!oldest || one.used < oldest.used) oldest = one;
    this.drop(oldest!);
    return true;
  }

  /** Whether `scratch` has this many bytes without growing. */
  hasScratch(bytes: number): boolean {
    return (this.#scratch?.bytes ?? 0) >= bytes;
  }

  /**
   * Memory for one call while it runs; the next call gets the same memory.
   *
   * @throws {OutOfMemory} as {@linkcode Heap.allocate} does; the kept allocation that was used last,
   * the weights of the call, is not taken back for it
   */
  scratch(bytes: number): number {
    if (!this.hasScratch(bytes)) {
      const old = this.#scratch;
      this.#scratch = null;
      if (old) this.release(old);
      this.#scratch = this.allocate(bytes, 1);
    }
    return this.#scratch!.at;
  }
}
