/**
 * What Python calls and writes things, for messages and printing that are to be PyTorch's.
 *
 * @module
 */

/**
 * The name of a value's Python type.
 *
 * @param value any value
 * @returns `int`, `float`, `bool`, `str`, `list`, `dict` or `NoneType`
 */
export function pythonType(value: unknown): string {
  if (value === null || value === undefined) return "NoneType";
  if (Array.isArray(value)) return "list";
  const names: Record<string, string> = { string: "str", boolean: "bool", object: "dict" };
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  return names[typeof value] ?? typeof value;
}

/**
 * A number as Python writes a `float`: `0.5`, `1.0`, `1e-05`.
 *
 * @param x the number
 * @returns its text
 */
export function pythonFloat(x: number): string {
  if (Number.isInteger(x)) return x.toFixed(1);
  if (Number.isNaN(x)) return "nan";
  if (Math.abs(x) >= 1e-4) return String(x);
  return x.toExponential().replace(/e-(\d)$/, "e-0$1");
}

/**
 * A number as Python writes it where an `int` stays an `int`: `1`, `0.5`, `1e-05`.
 *
 * @param x the number
 * @returns its text
 */
export function pythonNumber(x: number): string {
  return Number.isInteger(x) ? String(x) : pythonFloat(x);
}
