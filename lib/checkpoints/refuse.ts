/** What refuses a file, and how it is worded. */

import { RuntimeError, ValueError } from "../errors.ts";
import { CheckpointError } from "./error.ts";

/** Refuses a file, or what was asked of it. */
export function fail(what: string): never {
  throw new CheckpointError(what);
}

/** Gives what `read` gives; where that is refused, `place` stands before the reason. */
export function within<T>(place: () => string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const refused = [CheckpointError, RuntimeError, ValueError].some((kind) =>
      error instanceof kind
    );
    throw refused ? new CheckpointError(place() + (error as Error).message) : error;
  }
}

/** Writes UTF-8. */
export const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** Reads UTF-8; throws where it is none. */
export const decoder: TextDecoder = /* @__PURE__ */ new TextDecoder("utf-8", {
  fatal: true,
  ignoreBOM: true,
});

/**
 * A name from a file, fit for a message: quoted, and cut where it is long.
 *
 * @returns it in quotes, with control characters escaped
 */
export function quote(name: string): string {
  const text = JSON.stringify(name.length > 80 ? `${name.slice(0, 79)}…` : name);
  return text.replace(/[\u007f-\u009f\u2028\u2029]/g, (c) => `\\u${hex(c.charCodeAt(0), 4)}`);
}

/** A number in hexadecimal, of at least `digits` digits. */
export function hex(value: number, digits = 2): string {
  return value.toString(16).padStart(digits, "0");
}
