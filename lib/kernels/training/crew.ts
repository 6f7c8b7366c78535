/** The threads that carry out a piece's commands, and the memory they work on. */

import type { Engine } from "../engine.ts";
import { padded } from "../packing.ts";
import { commandBytes, Program } from "./commands.ts";

/** Where regions of floats begin in one block of memory. */
export class Layout {
  /** The bytes of all regions so far. */
  bytes = 0;

  /** A region of `floats` floats; where it begins, in bytes from the start of the block. */
  take(floats: number): number {
    const at = this.bytes;
    this.bytes += 4 * padded(floats);
    return at;
  }

  /** Room for `count` commands. */
  commands(count: number): number {
    return this.take(commandBytes(count) / 4);
  }
}

/** Some threads, with a list of commands each. */
export class Crew {
  readonly #engine: Engine;
  readonly #programs: Program[];

  /** For `threads` threads; each one's commands follow from an address on. */
  constructor(engine: Engine, threads: number, at: number, commands: number) {
    this.#engine = engine;
    const { integers } = engine.heap;
    this.#programs = Array.from(
      { length: threads },
      (_, k) => new Program(integers, at + k * commandBytes(commands)),
    );
  }

  /** Has each thread do its part of `total`: `write` puts in commands for those in a range. */
  split(total: number, write: (program: Program, from: number, to: number) => void): void {
    const { length } = this.#programs;
    if (length === 1 && total > 0) return write(this.#programs[0], 0, total);
    for (let k = 0; k < length; k++) {
      const [from, to] = [Math.floor(total * k / length), Math.floor(total * (k + 1) / length)];
      if (from < to) write(this.#programs[k], from, to);
    }
  }

  /** What comes next needs all of what came before, whichever thread it was given to. */
  barrier(): void {
    if (this.#programs.length > 1) this.run();
  }

  /** Carries out all commands. */
  run(): void {
    const programs = this.#programs;
    let waiting = false;
    for (let k = 1; k < programs.length; k++) {
      if (programs[k].count === 0) continue;
      this.#engine.start(k, "train", programs[k].at, programs[k].count);
      waiting = true;
    }
    if (programs[0].count > 0) this.#engine.run.train(programs[0].at, programs[0].count);
    if (waiting) this.#engine.wait();
    for (const program of programs) program.count = 0;
  }
}
