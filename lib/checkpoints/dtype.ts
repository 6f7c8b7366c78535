/** The types of element that checkpoints hold: more than tensors here compute with. */

import { listed } from "../tensor/dtype.ts";
import { fail } from "./refuse.ts";

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
  /** Its name in a safetensors file; `null` for complex numbers that have none there. */
  readonly name: string | null;
}

/** All types, in the order in which safetensors sorts tensors, the last first. */
export const dtypes: readonly StoredDType[] = [
  "bool",
  "float4",
  "float6_e2m3",
  "float6_e3m2",
  "uint8",
  "int8",
  "float8_e5m2",
  "float8_e4m3fn",
  "float8_e8m0fnu",
  "float8_e4m3fnuz",
  "float8_e5m2fnuz",
  "int16",
  "uint16",
  "float16",
  "bfloat16",
  "int32",
  "uint32",
  "float32",
  "complex32",
  "complex64",
  "complex128",
  "float64",
  "int64",
  "uint64",
];

/** What the name of a type tells: how wide its elements are, and what safetensors shortens it to. */
function known(dtype: StoredDType): Known {
  const bits = dtype === "bool" ? 8 : parseInt(dtype.replace(/^\D+/, ""));
  const complex = dtype.startsWith("complex");
  const name = complex && bits !== 64
    ? null
    : dtype.toUpperCase().replace(/(?<=U)INT|NT|LOAT|OMPLEX|FNU?$/g, ""); // F32, U8, F8_E4M3
  return { bits, swap: Math.max(1, bits / (complex ? 16 : 8)), name };
}

/** What is known of each type. */
export const stored: Readonly<Record<StoredDType, Known>> = /* @__PURE__ */ Object.fromEntries(
  /* @__PURE__ */ dtypes.map((dtype) => [dtype, known(dtype)]),
) as Record<StoredDType, Known>;

/**
 * How many elements a shape in a file has.
 *
 * @param who what has it
 * @throws {CheckpointError} if they are more than numbers count
 */
export function countOf(shape: readonly number[], who = "a tensor"): number {
  return shape.reduce(
    (count, extent) =>
      Number.isSafeInteger(count * extent)
        ? count * extent
        : fail(`${who} of shape ${listed(shape)} has more elements than numbers count`),
    1,
  );
}

/** Whether this machine keeps the low byte of a number first, as nearly all do. */
export const hostIsLittle: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * Widens half precision to float32; exact.
 *
 * @param halves the 16 bits of each number
 * @param brain whether they are a bfloat16, the upper half of a float32; otherwise IEEE 754's float16
 */
export function widened(halves: Uint16Array, brain: boolean): Float32Array {
  const result = new Float32Array(halves.length);
  const bits = new Uint32Array(result.buffer);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    bits[i] = brain ? half << 16 : (half & 0x8000) << 16 | (half & 0x7fff) << 13;
    if (brain) continue;
    if ((half & 0x7c00) === 0x7c00) bits[i] |= 0x7f800000; // infinite or NaN
    else result[i] *= 2 ** 112; // the exponents of float32 begin so much lower
  }
  return result;
}
