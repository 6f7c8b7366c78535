/**
 * What Python calls and writes things, for messages and printing that are to be PyTorch's. Nothing
 * else spells a number or the type of a value as Python does.
 */

/**
 * The name of a value's Python type.
 *
 * @returns `int`, `float`, `bool`, `str`, `list`, `dict`, `NoneType`, `Tensor`, or the name that
 * JavaScript has for what Python has not
 */
export function pythonType(value: unknown): string {
  if (value === null || value === undefined) return "NoneType";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  if (Array.isArray(value)) return "list";
  const names: Record<string, string> = { string: "str", boolean: "bool", bigint: "int" };
  if (typeof value !== "object") return names[typeof value] ?? typeof value;
  if ("gradFn" in value) return "Tensor"; // its class may have another name in a smaller file
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? "Object";
  return name === "Object" ? "dict" : name;
}

/** The type of a value as Python prints it: `<class 'int'>`. */
export function pythonClass(value: unknown): string {
  const type = pythonType(value);
  return `<class '${type === "Tensor" ? "torch.Tensor" : type}'>`;
}

/** A number as Python writes a `float`: `0.5`, `1.0`, `1e-05`, `nan`, `-inf`. */
export function pythonFloat(x: number): string {
  if (!Number.isFinite(x)) return x > 0 ? "inf" : x < 0 ? "-inf" : "nan";
  const magnitude = Math.abs(x);
  if (magnitude !== 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
    return x.toExponential().replace(/(?<=e.)(?=.$)/, "0"); // two digits at least
  }
  return `${Object.is(x, -0) ? "-" : ""}${x}${Number.isInteger(x) ? ".0" : ""}`;
}

/** A number as Python writes it where an `int` stays an `int`: `1`, `0.5`, `1e-05`. */
export function pythonNumber(x: number): string {
  return Number.isSafeInteger(x) && !Object.is(x, -0) ? String(x) : pythonFloat(x);
}

/**
 * Refuses what Python's `float` makes no number of.
 *
 * @throws {TypeError} in Python's words
 */
export function refuseFloat(value: unknown): never {
  throw new TypeError(
    `float() argument must be a string or a real number, not '${pythonType(value)}'`,
  );
}

/** A character that Python's `repr` writes as it is. */
const printable = /[^\p{C}\p{Z}]| /u;

/** Text as Python's `repr` writes it: `'a'`, `"it's"`, `'\n'`. */
function pythonString(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inside = Array.from(text, (character) => {
    if (character === quote) return `\\${quote}`;
    if ("\n\r\t\\".includes(character)) return JSON.stringify(character).slice(1, -1);
    if (printable.test(character)) return character;
    const code = character.codePointAt(0)!;
    const [letter, digits] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
    return `\\${letter}${code.toString(16).padStart(digits, "0")}`;
  });
  return quote + inside.join("") + quote;
}

/**
 * A value as Python's `repr` writes it: `True`, `None`, `[1, 0.5]`, `"it's"`.
 *
 * @param value nothing, a truth value, a number, text, a list of them, or what has a text of its own
 */
export function pythonText(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (Array.isArray(value)) return `[${value.map(pythonText).join(", ")}]`;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return pythonNumber(value);
  if (typeof value === "string") return pythonString(value);
  const own = String(value);
  return own.startsWith("[object ") ? `<${pythonType(value)} object>` : own;
}

/** A value as Python's `str` writes it: text as it is, all else as {@linkcode pythonText}. */
export function pythonStr(value: unknown): string {
  return typeof value === "string" ? value : pythonText(value);
}
