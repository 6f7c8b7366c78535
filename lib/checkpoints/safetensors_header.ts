/** The header of a safetensors file: JSON of one fixed form, read strictly. */

import { CheckpointError } from "./error.ts";
import { quote } from "./refuse.ts";

/** What the header says of one tensor. */
export interface HeaderEntry {
  /** The name of the dtype. */
  readonly dtype: string;
  /** The extent of each dimension. */
  readonly shape: readonly number[];
  /** Where its bytes begin, counted from the end of the header. */
  readonly begin: number;
  /** Where they end. */
  readonly end: number;
}

/** What the header says. */
export interface Header {
  /** Free text by name. */
  readonly metadata: Map<string, string> | null;
  /** The tensors by name, in the header's order. */
  readonly entries: Map<string, HeaderEntry>;
}

/** The shape of a single number; there may be many of it. */
const single: readonly number[] = [];

/** As many as PyTorch has. */
const MAX_DIMS = 64;

/** About how many bytes of memory one text of the metadata takes, and one tensor, as measured. */
const [METADATA_COST, TENSOR_COST] = [180, 340];

/** Refuses a file. */
export function refuse(what: string): never {
  throw new CheckpointError(`safetensors: ${what}`);
}

/**
 * Reads a header. Unlike `JSON.parse` it refuses a name that comes twice, and it cannot nest
 * deeper than the form does.
 *
 * @param budget how many bytes of memory may be made of it
 * @throws {CheckpointError} at the first character that does not fit, or where the budget ends
 */
export function parseHeader(text: string, budget = Infinity): Header {
  let at = 0;
  let spent = 0;

  const fail = (what: string, where = at): never => refuse(`header character ${where}: ${what}`);
  const spend = (bytes: number) => {
    spent += bytes;
    if (spent > budget) fail("the header has more entries than a file of this size can need");
  };
  const space = () => {
    while (" \n\r\t".includes(text[at])) at++;
  };
  /** Takes a character where it comes next. */
  const take = (character: string): boolean => {
    space();
    if (text[at] !== character) return false;
    at++;
    return true;
  };
  const expect = (character: string) => {
    if (take(character)) return;
    const found = at < text.length ? quote(String.fromCodePoint(text.codePointAt(at)!)) : "the end";
    fail(`expected ${quote(character)}, found ${found}`);
  };
  const string = (): string => {
    expect('"');
    const start = at - 1;
    for (;; at++) {
      const code = text.charCodeAt(at); // NaN past the end
      if (!(code >= 0x20)) fail(at < text.length ? "a control character" : "a string without end");
      if (code === 0x22) break;
      if (code === 0x5c) at++;
    }
    at++;
    try {
      const value: string = JSON.parse(text.slice(start, at));
      if (!/\p{Surrogate}/u.test(value)) return value;
    } catch { /* the message below says it */ }
    return fail("a string with an escape that JSON does not have", start);
  };
  /** Calls `item` for each item of a list or object that `close` ends. */
  const items = (close: string, item: (index: number) => void) => {
    if (take(close)) return;
    for (let index = 0;; index++) {
      item(index);
      if (take(close)) return;
      expect(",");
    }
  };
  /** Reads an object; `value` reads what stands behind a name, which begins at character `start`. */
  const object = <T>(value: (name: string, start: number) => T): Map<string, T> => {
    const found = new Map<string, T>();
    expect("{");
    items("}", () => {
      space();
      const [start, name] = [at, string()];
      expect(":");
      if (found.has(name)) fail(`${quote(name)} comes twice`, start);
      found.set(name, value(name, start));
    });
    return found;
  };
  const integers = (what: string, limit: number): readonly number[] => {
    const values: number[] = [];
    expect("[");
    items("]", (index) => {
      space();
      const start = at;
      while (text[at] >= "0" && text[at] <= "9") at++;
      const digits = text.slice(start, at);
      if (!/^(0|[1-9][0-9]*)$/.test(digits) || /[.eE]/.test(text[at] ?? "")) {
        fail(`${what} must be of non-negative integers`, start);
      }
      if (!Number.isSafeInteger(Number(digits))) fail(`${what} has a number beyond 2^53`, start);
      if (index === limit) fail(`${what} has more than ${limit} numbers`, start);
      values.push(Number(digits));
    });
    return values.length ? values.slice() : single; // without places to grow into
  };
  const entry = (name: string, start: number): HeaderEntry => {
    const fields = object((key, where) =>
      key === "dtype"
        ? string()
        : key === "shape"
        ? integers(key, MAX_DIMS)
        : key === "data_offsets"
        ? integers(key, 2)
        : fail(`tensor ${quote(name)} has a field ${quote(key)} that the format does not`, where)
    );
    const [begin, end] = fields.get("data_offsets") as readonly number[] ?? [];
    if (end === undefined || fields.size < 3) {
      fail(`tensor ${quote(name)} lacks a dtype, a shape or two data_offsets`, start);
    }
    const shape = fields.get("shape") as readonly number[];
    spend(TENSOR_COST + 8 * shape.length);
    return { dtype: fields.get("dtype") as string, shape, begin, end };
  };

  let metadata: Map<string, string> | null = null;
  const entries = object((name, start) => {
    if (name !== "__metadata__") return entry(name, start);
    metadata = object(() => {
      spend(METADATA_COST);
      return string();
    });
    return null;
  });
  entries.delete("__metadata__");
  space();
  if (at < text.length) fail("something after the header's end");
  return { metadata, entries: entries as Map<string, HeaderEntry> };
}
