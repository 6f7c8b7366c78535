/** The types of element that checkpoints hold: more than tensors here compute with. */

import { fail } from "./error.ts";

/**
 * The type of a stored tensor's elements, by PyTorch's name; the last three have none there and are
 * only recognised.
 * @category Checkpoints
 */
export type StoredDType =
  | "bool"
  | "uint8"
  | "int8"
  | "float8_e5m2"
  | "float8_e4m3fn"
  | "float8_e8m0fnu"
  | "float8_e4m3fnuz"
  | "float8_e5m2fnuz"
  | "int16"
  | "uint16"
  | "float16"
  | "bfloat16"
  | "int32"
  | "uint32"
  | "float32"
  | "complex32"
  | "complex64"
  | "complex128"
  | "float64"
  | "int64"
  | "uint64"
  | "float4"
  | "float6_e2m3"
  | "float6_e3m2";

/** What is known of a type. */
interface Known {
  readonly bits: number;
  /** How many bytes are reversed together where the byte order is the other. */
  readonly swap: number;
}

const one = (bits: number, swap = bits / 8): Known => ({ bits, swap });

/** How wide the elements of each type are. */
export const stored: Readonly<Record<StoredDType, Known>> = {
  bool: one(8),
  uint8: one(8),
  int8: one(8),
  float8_e5m2: one(8),
  float8_e4m3fn: one(8),
  float8_e8m0fnu: one(8),
  float8_e4m3fnuz: one(8),
  float8_e5m2fnuz: one(8),
  int16: one(16),
  uint16: one(16),
  float16: one(16),
  bfloat16: one(16),
  int32: one(32),
  uint32: one(32),
  float32: one(32),
  complex32: one(32, 2),
  complex64: one(64, 4),
  complex128: one(128, 8),
  float64: one(64),
  int64: one(64),
  uint64: one(64),
  float4: one(4, 1),
  float6_e2m3: one(6, 1),
  float6_e3m2: one(6, 1),
};

/**
 * The names that safetensors has, in the order in which it sorts tensors, the last first. Complex
 * numbers of other sizes have no name there.
 */
export const safetensorsNames: ReadonlyMap<string, StoredDType> = new Map([
  ["BOOL", "bool"],
  ["F4", "float4"],
  ["F6_E2M3", "float6_e2m3"],
  ["F6_E3M2", "float6_e3m2"],
  ["U8", "uint8"],
  ["I8", "int8"],
  ["F8_E5M2", "float8_e5m2"],
  ["F8_E4M3", "float8_e4m3fn"],
  ["F8_E8M0", "float8_e8m0fnu"],
  ["F8_E4M3FNUZ", "float8_e4m3fnuz"],
  ["F8_E5M2FNUZ", "float8_e5m2fnuz"],
  ["I16", "int16"],
  ["U16", "uint16"],
  ["F16", "float16"],
  ["BF16", "bfloat16"],
  ["I32", "int32"],
  ["U32", "uint32"],
  ["F32", "float32"],
  ["C64", "complex64"],
  ["F64", "float64"],
  ["I64", "int64"],
  ["U64", "uint64"],
]);

/**
 * How many elements a shape in a file has.
 *
 * @throws {CheckpointError} if they are more than numbers count
 */
export function countOf(shape: readonly number[]): number {
  return shape.reduce(
    (count, extent) =>
      Number.isSafeInteger(count * extent)
        ? count * extent
        : fail(`a tensor of shape [${shape.join(", ")}] has more elements than numbers count`),
    1,
  );
}

/** Whether this machine keeps the low byte of a number first, as nearly all do. */
export const hostIsLittle: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * Widens IEEE 754 half precision; exact.
 *
 * @param halves the 16 bits of each number
 * @returns the same numbers in float32
 */
export function widenFloat16(halves: Uint16Array): Float32Array {
  const result = new Float32Array(halves.length);
  const bits = new Uint32Array(result.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const [sign, exponent, fraction] = [half & 0x8000, (half >> 10) & 31, half & 0x3ff];
    if (exponent === 0) result[i] = (sign ? -1 : 1) * fraction * 2 ** -24;
    else {
      const wide = exponent === 31 ? 255 : exponent + 112;
      bits[i] = (sign << 16) | (wide << 23) | (fraction << 13);
    }
  }
  return result;
}

/**
 * Widens bfloat16, the upper half of a float32; exact.
 *
 * @param halves the 16 bits of each number
 * @returns the same numbers in float32
 */
export function widenBFloat16(halves: Uint16Array): Float32Array {
  const result = new Float32Array(halves.length);
  const bits = new Uint32Array(result.buffer);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return result;
}
