/** The classes of PyTorch's storages, which tell the dtype of what they hold. */

import type { StoredDType } from "./dtype.ts";

/** The dtype of each class; a dtype that has none is written as bytes, its name beside them. */
export const storageTypes: Readonly<Record<string, StoredDType>> = {
  BFloat16Storage: "bfloat16",
  BoolStorage: "bool",
  ByteStorage: "uint8",
  CharStorage: "int8",
  ComplexDoubleStorage: "complex128",
  ComplexFloatStorage: "complex64",
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  IntStorage: "int32",
  LongStorage: "int64",
  ShortStorage: "int16",
};

/** The class of each dtype that has one. */
export const storageNames: ReadonlyMap<StoredDType, string> = new Map(
  Object.entries(storageTypes).map(([name, dtype]) => [dtype, name]),
);
