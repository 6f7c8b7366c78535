/**
 * The memory that all kernels share, and who has which part of it.
 *
 * @module
 */

/** A part of the heap. */
export interface Block {
  /** Where it begins, in bytes; 0 once it has been taken back. */
  at: number;
  /** How long it is, in bytes. */
  readonly bytes: number;
  /** When it was last used, by the heap's clock. */
  used: number;
}

const page = 65536;

/** Blocks begin on a cache line. */
const line = 64;

/** What packed weights may hold before the ones unused for longest are taken back. */
const keep = 256 * 2 ** 20;

/** One memory, given out in blocks. It grows to the most that was ever needed at once. */
export class Heap {
  /** The memory, as the kernels import it. */
  readonly memory = new WebAssembly.Memory({ initial: 1 });
  /** The memory as floats; another array whenever it has grown. */
  floats = new Float32Array(this.memory.buffer);
  /** The memory as integers; another array whenever it has grown. */
  integers = new Int32Array(this.memory.buffer);
  /** Holes between blocks, in the order of their addresses. */
  readonly #holes: { at: number; bytes: number }[] = [];
  readonly #kept = new Set<Block>();
  #keptBytes = 0;
  #end = line; // address 0 stays free, so that it can mean "none"
  #clock = 0;
  #scratch: Block = { at: 0, bytes: 0, used: 0 };

  /** A block of its own, until {@linkcode Heap.release}. */
  allocate(bytes: number): Block {
    bytes = Math.ceil(bytes / line) * line;
    const hole = this.#holes.find((hole) => hole.bytes >= bytes);
    if (hole) {
      hole.at += bytes;
      hole.bytes -= bytes;
      return { at: hole.at - bytes, bytes, used: 0 };
    }
    const missing = this.#end + bytes - this.memory.buffer.byteLength;
    if (missing > 0) {
      this.memory.grow(Math.ceil(missing / page));
      this.floats = new Float32Array(this.memory.buffer);
      this.integers = new Int32Array(this.memory.buffer);
    }
    this.#end += bytes;
    return { at: this.#end - bytes, bytes, used: 0 };
  }

  /** Takes a block back. */
  release(block: Block): void {
    if (block.at === 0) return;
    this.#holes.push({ at: block.at, bytes: block.bytes });
    this.#holes.sort((a, b) => a.at - b.at);
    block.at = 0;
    for (let k = this.#holes.length - 2; k >= 0; k--) {
      const [hole, next] = [this.#holes[k], this.#holes[k + 1]];
      if (hole.bytes === 0) this.#holes.splice(k, 1);
      else if (hole.at + hole.bytes === next.at) {
        hole.bytes += next.bytes;
        this.#holes.splice(k + 1, 1);
      }
    }
    const last = this.#holes.at(-1);
    if (last && last.at + last.bytes === this.#end) {
      this.#end = last.at;
      this.#holes.pop();
    }
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
      this.release(this.#scratch);
      this.#scratch = this.allocate(bytes);
    }
    return this.#scratch.at;
  }
}
