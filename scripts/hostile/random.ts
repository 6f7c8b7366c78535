/** A small generator of random choices, so that a campaign can be run again from its seed. */

/** Random choices from a seed (mulberry32). */
export class Choices {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /**
   * A random integer.
   *
   * @returns an integer from 0 to `end - 1`
   */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor(((t ^ (t >>> 14)) >>> 0) / 2 ** 32 * end);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)];
  }
}
