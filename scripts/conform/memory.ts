/** What was answered, kept in a file, so that an examination can go on where it was ended. */

import type { Circumstances, Result, Task } from "../../lib/conformance/mod.ts";

/** A result as it is kept: the case by its id, an infinity as text. */
type Kept = Omit<Result, "task" | "units"> & { id: string; units: number | string };

export class Memory {
  readonly #file: string | URL;
  readonly #about: Circumstances;
  readonly #kept: Map<string, Kept>;
  #saved = 0;

  /** Begins with what a file holds. */
  private constructor(file: string | URL, about: Circumstances, kept: readonly Kept[]) {
    this.#file = file;
    this.#about = about;
    this.#kept = new Map(kept.map((one) => [one.id, one]));
  }

  /**
   * Opens a file, which need not be there yet.
   *
   * @throws {RangeError} if it is of another command or other goldens, or no such file at all
   */
  static open(file: string | URL, about: Circumstances): Memory {
    let text: string;
    try {
      text = Deno.readTextFileSync(file);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Memory(file, about, []);
      throw error;
    }
    const wrong = (why: string) =>
      new RangeError(`--resume ${file}: ${why}; take another file, or remove this one`);
    let found: { about?: Circumstances; results?: Kept[] };
    try {
      found = JSON.parse(text);
    } catch {
      throw wrong("this is no file of an examination");
    }
    if (!found?.about || !Array.isArray(found.results)) {
      throw wrong("this is no file of an examination");
    }
    for (const key of ["command", "goldens"] as const) {
      const [own, now] = [found.about[key], about[key]];
      if (own !== now) throw wrong(`it was made with ${key} ${own}, not ${now}`);
    }
    return new Memory(file, about, found.results);
  }

  results(tasks: readonly Task[]): Map<string, Result> {
    const known = new Map<string, Result>();
    for (const task of tasks) {
      const kept = this.#kept.get(task.id);
      if (!kept) continue;
      const { id, ...rest } = kept;
      const differences = kept.differences.map((one) => ({ ...one, units: Number(one.units) }));
      known.set(id, { ...rest, differences, units: Number(kept.units), task });
    }
    return known;
  }

  /** Takes results, and writes them every few seconds. */
  note(results: ReadonlyMap<string, Result>): void {
    if (performance.now() - this.#saved > 3000) this.save(results);
  }

  /** Takes results, and writes all that there are. */
  save(results: ReadonlyMap<string, Result>): void {
    this.#saved = performance.now();
    for (const [id, { task: _, ...rest }] of results) {
      this.#kept.set(id, { ...rest, id, units: String(rest.units) });
    }
    const plain = (_: string, x: unknown) => x === Infinity ? "Infinity" : x;
    const kept = { about: this.#about, results: [...this.#kept.values()] };
    const part = `${this.#file instanceof URL ? this.#file.pathname : this.#file}.part`;
    Deno.writeTextFileSync(part, JSON.stringify(kept, plain));
    Deno.renameSync(part, this.#file);
  }
}
