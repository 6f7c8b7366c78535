/** Which numbers of a growing range are in use. */

/** Numbers from 0 on, given out in rows and taken back; what was taken back is given out first. */
export class FreeList {
  /** Rows of numbers that were taken back, in order; no two of them touch, none touches the end. */
  readonly #holes: { at: number; length: number }[] = [];
  #end: number;

  /** Gives out the numbers from `start` on. */
  constructor(start: number) {
    this.#end = start;
  }

  /** The number after the last one that is in use. */
  get end(): number {
    return this.#end;
  }

  /** Gives out `length` numbers in a row; returns the first. */
  take(length: number): number {
    const k = this.#holes.findIndex((hole) => hole.length >= length);
    if (k < 0) return (this.#end += length) - length;
    const hole = this.#holes[k];
    if (hole.length === length) this.#holes.splice(k, 1);
    hole.at += length;
    hole.length -= length;
    return hole.at - length;
  }

  /** Takes back `length` numbers from `at` on, as `take` gave them out. */
  give(at: number, length: number): void {
    if (length === 0) return;
    const holes = this.#holes;
    let k = holes.findIndex((hole) => hole.at > at);
    if (k < 0) k = holes.length;
    holes.splice(k, 0, { at, length });
    for (let n = Math.min(k, holes.length - 2); n >= Math.max(k - 1, 0); n--) {
      if (holes[n].at + holes[n].length < holes[n + 1].at) continue;
      holes[n].length += holes[n + 1].length;
      holes.splice(n + 1, 1);
    }
    const last = holes.at(-1)!;
    if (last.at + last.length === this.#end) this.#end = holes.pop()!.at;
  }
}
