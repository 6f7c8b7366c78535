/**
 * Reproductions of what other implementations compute otherwise, in `spec/bugs/`.
 *
 * @module
 */

/** One reproduction. */
export interface Bug {
  /** Its file in `spec/bugs/`. */
  file: string;
  /** The implementations that it is of, by their short names. */
  only: readonly string[];
  /** What it shows, in a sentence. */
  says: string;
}

/** The reproductions. */
export const bugs: readonly Bug[] = [];
