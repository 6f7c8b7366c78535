/**
 * What a function or constructor may be given. Each declares it once, as a {@linkcode Call}, and
 * hands what it was given to {@linkcode check}: nothing that is passed is ignored (ERROR-8).
 */

import { pythonText, pythonType } from "./python.ts";

/** What a value is to be. */
export interface Kind {
  /** In PyTorch's words: `"int"`, `"tuple of ints"`. */
  readonly word: string;
  /** Whether a value is that. */
  readonly is: (value: unknown) => boolean;
}

/** Whatever the function itself looks at. */
export const any: Kind = { word: "anything", is: () => true };
/** A whole number. */
export const int: Kind = { word: "int", is: Number.isInteger };
/** Any number. */
export const number: Kind = { word: "Number", is: (value) => typeof value === "number" };
/** Any number, or a list of them. */
export const numberOrList: Kind = {
  word: "Number or list of Numbers",
  is: (value) => [value].flat().every(number.is),
};
/** True or false. */
export const bool: Kind = { word: "bool", is: (value) => typeof value === "boolean" };
/** Text. */
export const text: Kind = { word: "str", is: (value) => typeof value === "string" };
/** A list; what it holds, the function looks at. */
export const list: Kind = { word: "list", is: Array.isArray };
/** A list of whole numbers; what it holds, the function looks at. */
export const ints: Kind = { word: "tuple of ints", is: Array.isArray };
/** An object of named values. */
export const record: Kind = { word: "dict", is: isPlain };
/** Bytes. */
export const bytes: Kind = { word: "Uint8Array", is: (value) => value instanceof Uint8Array };
/** A function. */
export const callable: Kind = { word: "function", is: (value) => typeof value === "function" };
/** A type of elements. */
export const dtype: Kind = {
  word: '"float32" or "float64"',
  is: (value) => value === "float32" || value === "float64",
};

/** What each option is to be. The type sees to it that none of `O` is forgotten. */
export type Options<O> = { readonly [K in keyof O]-?: Kind };

/**
 * What may be passed: the name as it is written in a program, `LSTM` or `LSTM.forward`; each
 * argument by name, those that may be left out with `?` behind it; the options, in the order in
 * which PyTorch takes them, where the last argument is an object of them; and PyTorch's name, where
 * that does not follow from the other, or `true`, where PyTorch's function is one of Python's, which
 * words some things in another way.
 */
export type Call<O = unknown> = readonly [
  name: string,
  takes: Readonly<Record<string, Kind>>,
  options?: Options<O>,
  python?: string | true,
];

/**
 * Refuses arguments that are missing, too many or no such thing, and options that are unknown or no
 * such thing. `undefined` counts as left out.
 *
 * @param given what was passed: `arguments`
 * @throws {TypeError} in PyTorch's words, with what to write instead
 */
// deno-lint-ignore no-explicit-any -- whichever options
export function check(call: Call<any>, given: ArrayLike<unknown>): void {
  const options = checkArguments(call, given);
  if (options !== undefined) checkOptions(call, options);
}

/**
 * Refuses as {@linkcode check} does, but for what stands in the options.
 *
 * @param given what was passed: `arguments`
 * @throws {TypeError} as `check` does
 */
export function checkArguments(
  // deno-lint-ignore no-explicit-any -- whichever options
  call: Call<any>,
  given: ArrayLike<unknown>,
): object | undefined {
  const takes = call[1];
  let k = 0;
  for (const name in takes) {
    const value = given[k++];
    if (value === undefined ? !name.endsWith("?") : !takes[name].is(value)) {
      refuseArgument(call, given, k - 1);
    }
  }
  let count = given.length;
  while (count > k && given[count - 1] === undefined) count--;
  if (count <= k) return undefined;
  const options = given[k];
  const plain = options === undefined || isPlain(options);
  if (!call[2] || (plain && count > k + 1)) refuseSurplus(call, count);
  return plain ? options : refusePositional(call, given, k);
}

/**
 * Refuses options that are unknown or no such thing.
 *
 * @throws {TypeError} in PyTorch's words, with what to write instead
 */
// deno-lint-ignore no-explicit-any -- whichever options
export function checkOptions(call: Call<any>, options: object): void {
  const known = call[2]!;
  for (const name in options) {
    if (!Object.hasOwn(known, name)) refuseUnknown(pythonName(call), name, Object.keys(known));
    const value = (options as Record<string, unknown>)[name];
    if (value !== undefined && !known[name].is(value)) refuseValue(call, name, known[name], value);
  }
}

/** Refuses options that are unknown, where the function looks at the others itself. */
// deno-lint-ignore no-explicit-any -- whichever options
export function checkNames(call: Call<any>, options: object): void {
  const known = Object.keys(call[2]!);
  for (const name in options) {
    if (!known.includes(name)) refuseUnknown(pythonName(call), name, known);
  }
}

/**
 * Refuses a surplus argument, where the function looks at the others itself.
 *
 * @param most how many arguments it takes at most
 * @param given what was passed: `arguments`
 * @throws {TypeError} if there are more
 */
export function checkCount(name: string, most: number, given: ArrayLike<unknown>): void {
  if (given.length <= most) return;
  const takes = Object.fromEntries(Array.from({ length: most }, (_, k) => [`${k}?`, any]));
  checkArguments([name, takes], given);
}

/**
 * Refuses a name that is no option.
 *
 * @throws {TypeError} always, with the name that was likely meant
 */
export function refuseUnknown(owner: string, name: string, known: readonly string[]): never {
  const meant = nearest(name, known);
  throw new TypeError(
    `${owner}() got an unexpected keyword argument '${snakeCase(name)}'` +
      (meant === undefined ? "" : `; did you mean ${meant}?`),
  );
}

/** `weight_decay` to `weightDecay`. */
export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `weightDecay` to `weight_decay`. */
export function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z\d])[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The options that were given, and what stands for the others. */
export function settle<O extends object>(defaults: O, options: object): O {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(given) };
}

/** Whether a value is an object written as `{ … }`. */
export function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function namesOf(call: Call): string[] {
  return Object.keys(call[1]).map((name) => name.replace("?", ""));
}

function pythonName([name, , , python]: Call): string {
  if (typeof python === "string") return python;
  return /^[A-Z]\w*$/.test(name) ? `${name}.__init__` : name.replace(/\w+$/, snakeCase);
}

function refuseArgument(call: Call, given: ArrayLike<unknown>, k: number): never {
  const name = namesOf(call)[k];
  const kind = Object.values(call[1])[k];
  const value = given[k];
  if (value === undefined) {
    const missing = Object.keys(call[1]).filter((other, at) =>
      !other.endsWith("?") && given[at] === undefined
    );
    const inPython = call[3] || pythonName(call).includes(".");
    const quote = inPython ? "'" : '"';
    const names = missing.map((other) => `${quote}${snakeCase(other)}${quote}`);
    throw new TypeError(
      `${pythonName(call)}() missing ${missing.length} required positional argument` +
        `${inPython && missing.length === 1 ? "" : "s"}: ` +
        (inPython && names.length > 1
          ? `${names.slice(0, -1).join(", ")}${names.length > 2 ? "," : ""} and ${names.at(-1)}`
          : names.join(", ")),
    );
  }
  let advice = "";
  if (kind === ints && typeof value === "number") {
    const sizes = Array.from(given).slice(k).filter((item) => typeof item === "number");
    const before = namesOf(call).slice(0, k).map((other) => `${other}, `).join("");
    advice = `; write ${call[0]}(${before}[${sizes.join(", ")}])`;
  } else if (isPlain(value) && Object.hasOwn(value, name)) {
    const own = (value as Record<string, unknown>)[name];
    if (kind.is(own)) advice = `; write ${callText(call, [...Array.from(given).slice(0, k), own])}`;
  }
  refuseValue(call, name, kind, value, k, advice);
}

function refuseValue(
  call: Call,
  name: string,
  kind: Kind,
  value: unknown,
  position?: number,
  advice = "",
): never {
  const where = position === undefined ? "" : ` (position ${position + 1})`;
  const named = kind.word.includes('"') && typeof value !== "object"; // then the value is told
  const what = named ? pythonText(value) : pythonType(value);
  throw new TypeError(
    `${pythonName(call)}(): argument '${snakeCase(name)}'${where} must be ${kind.word}, not ` +
      `${what}${advice}`,
  );
}

function refuseSurplus(call: Call, given: number): never {
  const names = Object.keys(call[1]);
  const most = names.length + (call[2] ? 1 : 0);
  const least = names.filter((name) => !name.endsWith("?")).length;
  throw new TypeError(
    `${pythonName(call)}() takes ${least < most ? `from ${least} to ` : ""}${most} positional ` +
      `argument${most === 1 ? "" : "s"} but ${given} ${given === 1 ? "was" : "were"} given`,
  );
}

/** Refuses what stands where the options should, and says which it may have been meant for. */
function refusePositional(call: Call, given: ArrayLike<unknown>, k: number): never {
  const left = Object.entries(call[2]! as Options<Record<string, unknown>>);
  const pairs = Array.from(given).slice(k).flatMap((value) => {
    const sure = left.findIndex(([, kind]) => kind !== any && kind.is(value));
    const fits = sure < 0 ? left.findIndex(([, kind]) => kind === any) : sure;
    if (fits < 0) return [];
    const [[name]] = left.splice(fits, 1);
    return [`${name}: ${shown(value) ?? "…"}`];
  });
  if (pairs.length === 0) pairs.push(`${left[0][0]}: …`);
  throw new TypeError(
    `${call[0]} takes its options as an object: ` +
      callText(call, Array.from(given).slice(0, k), `{ ${pairs.join(", ")} }`),
  );
}

/** A call as it would be written. */
function callText(call: Call, given: readonly unknown[], options?: string): string {
  const names = namesOf(call);
  const parts = given.map((value, k) => shown(value) ?? names[k]);
  if (options) parts.push(options);
  return `${/^[A-Z]\w*$/.test(call[0]) ? "new " : ""}${call[0]}(${parts.join(", ")})`;
}

/** A number, a truth value or text as it would be written; `undefined` for anything else. */
function shown(value: unknown): string | undefined {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "number" || typeof value === "boolean" ? String(value) : undefined;
}

/** The known name that was likely meant; `undefined` where none is near. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.replaceAll("_", "").toLowerCase();
  const [best] = known.map((other) => ({ other, apart: distance(plain(name), plain(other)) }))
    .sort((a, b) => a.apart - b.apart);
  return best && best.apart <= Math.min(2, best.other.length / 3) ? best.other : undefined;
}

/**
 * How many letters have to be put in, taken out, changed or swapped with the next; infinitely many
 * where more than `most` would have to be.
 */
function distance(a: string, b: string, most = 2): number {
  if (most < 0) return Infinity;
  if (!a || !b) return a.length + b.length;
  const [c, d] = [a.slice(1), b.slice(1)];
  if (a[0] === b[0]) return distance(c, d, most);
  const ways = [[c, d], [c, b], [a, d]];
  if (a[0] === d[0] && c[0] === b[0]) ways.push([c.slice(1), d.slice(1)]);
  return 1 + Math.min(...ways.map(([x, y]) => distance(x, y, most - 1)));
}
