/** A tensor of an ONNX file. */

import { check, checkCount } from "../call.ts";
import { stored, type StoredDType } from "../checkpoints/dtype.ts";
import { CheckpointError } from "../checkpoints/error.ts";
import { quote } from "../checkpoints/refuse.ts";
import { StoredTensor, type WidenOptions, widenOptions } from "../checkpoints/stored_tensor.ts";
import { numel } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Message, readVarints } from "./wire.ts";

/** The type of a tensor's elements: PyTorch's name, or ONNX's where PyTorch has none. */
export type OnnxDType = StoredDType | "string" | "uint4" | "int4" | "uint2" | "int2";

/** ONNX's types by their numbers. */
const dtypes: readonly (OnnxDType | null)[] = [
  ...[null, "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool"],
  ...["float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"],
  ...["float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "uint4", "int4"],
  ...["float4", "float8_e8m0fnu", "uint2", "int2"],
] as (OnnxDType | null)[];

/**
 * The type of a number of ONNX's.
 *
 * @returns its name, or `null` where there is none
 */
export function dtypeOf(number: number): OnnxDType | null {
  return dtypes[number] ?? null;
}

/** Where a tensor's bytes are, if they are in another file. */
export interface OnnxExternal {
  /** The file, relative to the model's folder; never one outside it. */
  readonly location: string;
  /** The first byte. */
  readonly offset: number;
  /** How many bytes; those that the tensor needs, where the file does not say. */
  readonly length: number;
}

/**
 * Finds the bytes of a file beside the model's.
 *
 * @param location the file, relative to the model's folder
 * @returns all of its bytes
 */
export type OnnxExternalData = (location: string) => Uint8Array;

/** How the elements stand in the file. */
interface Source {
  /** Their bytes, row-major, the low byte of each first; or each an integer of variable length. */
  readonly parts: readonly Uint8Array[];
  readonly coded: boolean;
}

/**
 * A tensor as it stands in an ONNX file. Its numbers are decoded each time they are asked for; raw
 * bytes are not copied: they are a view on the file.
 */
export class OnnxTensor {
  /** The name; `""` where a node's attribute holds the tensor. */
  readonly name: string;
  /** The type of the elements. */
  readonly dtype: OnnxDType;
  /** The extent of each dimension; `[]` for a single number. */
  readonly shape: readonly number[];
  /** Where its bytes are, if not in the model's file. */
  readonly external: OnnxExternal | null;
  /** The tensor's message in the file. */
  readonly bytes: Uint8Array;
  readonly #source: Source;
  readonly #files: OnnxExternalData;

  /** Only {@linkcode readTensor} makes tensors. */
  constructor(
    told: Pick<OnnxTensor, "name" | "dtype" | "shape" | "external" | "bytes">,
    source: Source,
    files: OnnxExternalData,
  ) {
    ({ name: this.name, dtype: this.dtype, shape: this.shape } = told);
    ({ external: this.external, bytes: this.bytes } = told);
    this.#source = source;
    this.#files = files;
  }

  /** The number of elements. */
  get numel(): number {
    return numel(this.shape);
  }

  /**
   * The tensor, as other checkpoints store theirs.
   *
   * @returns it, on the file's own bytes where they are plain
   * @throws {CheckpointError} if its elements are no numbers, or four bits wide, or in another file
   * that cannot be had
   */
  stored(): StoredTensor {
    checkCount("OnnxTensor.stored", 0, arguments);
    const { dtype, shape } = this;
    if (!isNumeric(dtype)) {
      throw new CheckpointError(`tensor ${quote(this.name)}: dtype ${dtype} has no numbers here`);
    }
    return new StoredTensor(dtype, shape, this.#bytes(dtype));
  }

  /**
   * The tensor, to compute with.
   *
   * @param options whether half precision is to be widened to float32
   * @returns a float32 or float64 tensor
   * @throws {CheckpointError} if its dtype is another, or its bytes cannot be had
   */
  toTensor(options: WidenOptions = {}): Tensor {
    check(["OnnxTensor.toTensor", {}, widenOptions], arguments);
    return this.stored().toTensor(options);
  }

  /**
   * The elements of a tensor of integers or truths.
   *
   * @returns them, row-major; a bigint where an integer is not exact otherwise
   * @throws {CheckpointError} if it is of another type, or its bytes cannot be had
   */
  integers(): (number | bigint)[] {
    checkCount("OnnxTensor.integers", 0, arguments);
    if (!/^(u?int\d+|bool)$/.test(this.dtype)) {
      throw new CheckpointError(`tensor ${quote(this.name)}: dtype ${this.dtype}, not of integers`);
    }
    return Array.from(
      this.stored().values() as ArrayLike<number | bigint>,
      (value) => Number.isSafeInteger(Number(value)) ? Number(value) : value,
    );
  }

  #bytes(dtype: StoredDType): Uint8Array {
    const { external, name } = this;
    if (external) {
      const { location, offset, length } = external;
      const file = this.#files(location);
      if (offset + length > file.length) {
        throw new CheckpointError(
          `tensor ${quote(name)}: bytes ${offset} to ${offset + length} of ${quote(location)}, ` +
            `which has ${file.length}`,
        );
      }
      return file.subarray(offset, offset + length);
    }
    const { parts, coded } = this.#source;
    if (!coded && parts.length === 1) return parts[0];
    const size = stored[dtype].bits / 8;
    const result = new Uint8Array(this.numel * size);
    const view = new DataView(result.buffer);
    let at = 0;
    for (const part of parts) {
      if (!coded) {
        result.set(part, at);
        at += part.length;
      } else {
        readVarints(part, (low, high) => {
          if (size === 1) view.setUint8(at, low);
          else if (size === 2) view.setUint16(at, low, true);
          else view.setUint32(at, low, true);
          if (size === 8) view.setUint32(at + 4, high, true);
          at += size;
        });
      }
    }
    return result;
  }
}

function isNumeric(dtype: OnnxDType): dtype is StoredDType {
  return Object.hasOwn(stored, dtype) && stored[dtype as StoredDType].bits >= 8;
}

/** The field of a tensor's message in which elements of a dtype stand, unless as raw bytes. */
function fieldOf(dtype: OnnxDType): number {
  if (dtype === "float32" || dtype === "complex64") return 4;
  if (dtype === "string") return 6;
  if (dtype === "int64") return 7;
  if (dtype === "float64" || dtype === "complex128") return 10;
  return dtype === "uint32" || dtype === "uint64" ? 11 : 5;
}

const REPEATED = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 11 | 1 << 13 | 1 << 16;
const fieldNames: Readonly<Record<number, string>> = {
  4: "float_data",
  5: "int32_data",
  6: "string_data",
  7: "int64_data",
  9: "raw_data",
  10: "double_data",
  11: "uint64_data",
};

/**
 * Reads a tensor's message, and checks that it holds as many elements as its shape says.
 *
 * @param files where the bytes of other files are
 */
export function readTensor(message: Message, files: OnnxExternalData): OnnxTensor {
  const { bytes } = message;
  const dims: (number | bigint)[] = [];
  const given = new Map<number, { parts: Uint8Array[]; count: number }>();
  const place = new Map<string, string>();
  let [name, type, elsewhere] = ["", 0, false];
  const add = ({ bytes, count }: { bytes: Uint8Array; count: number }) => {
    const own = given.get(message.field) ?? { parts: [], count: 0 };
    given.set(message.field, own);
    own.parts.push(bytes);
    own.count += count;
    message.charge(160);
  };
  message.charge(520); // with what decoding it makes
  while (message.next(REPEATED)) {
    const { field } = message;
    if (field === 1) message.integers(dims);
    else if (field === 2) type = message.number();
    else if (field === 3) message.refuse("a segment of a tensor");
    else if (field === 4 || field === 10) add(message.fixed(field === 4 ? 4 : 8));
    else if (field === 5 || field === 7 || field === 11) add(message.varints());
    else if (field === 6) add({ bytes: message.content(), count: 1 });
    else if (field === 8) name = message.text();
    else if (field === 9) {
      const bytes = message.content();
      add({ bytes, count: bytes.length });
    } else if (field === 13) place.set(...readEntry(message.message("external_data")));
    else if (field === 14) elsewhere = message.number() === 1;
    else message.skip();
  }
  const what = `tensor ${quote(name)}`;
  const dtype = dtypeOf(type) ?? message.refuse(`${what}: the data type ${type}`);
  const shape = dims.map((extent) =>
    typeof extent === "number" && extent >= 0 ? extent : message.refuse(`${what}: size ${extent}`)
  );
  const count = numel(shape);
  const bits = bitsOf(dtype);
  const size = Math.ceil(count * bits / 8);
  if (!Number.isSafeInteger(count * 8)) message.refuse(`${what}: more elements than numbers count`);
  let external: OnnxExternal | null = null;
  if (elsewhere) {
    if (given.size) message.refuse(`${what}: data both here and in another file`);
    external = readPlace(message, what, place, size);
  }
  const fields = [...given].filter(([field, { parts }]) =>
    field === 6 || parts.some(({ length }) => length > 0)
  );
  if (fields.length > 1) message.refuse(`${what}: data in ${fields.map(nameOf).join(" and ")}`);
  const [[field, { parts, count: found }] = [9, { parts: [new Uint8Array()], count: 0 }]] = fields;
  if (!elsewhere) {
    const wanted = fieldOf(dtype);
    // Two elements of four bits stand in one integer; a complex number takes two.
    const perElement = dtype.startsWith("complex") ? 2 : Math.min(bits / 8 || 1, 1);
    const due = field === 9 ? size : Math.ceil(count * perElement);
    if (field !== 9 && field !== wanted) {
      message.refuse(`${what}: elements of ${dtype} in ${fieldNames[field]}`);
    }
    if (dtype === "string" && field === 9 && count > 0) message.refuse(`${what}: text as raw_data`);
    if (found !== due) {
      message.refuse(
        `${what}: ${found} ${field === 9 ? "bytes" : "elements"} of ${dtype} in ` +
          `${fieldNames[field]}, the shape [${shape.join(", ")}] has ${due}`,
      );
    }
  }
  const coded = field === 5 || field === 7 || field === 11;
  return new OnnxTensor({ name, dtype, shape, external, bytes }, { parts, coded }, files);
}

const nameOf = ([field]: readonly [number, unknown]) => fieldNames[field];

/** How many bits an element takes as raw bytes. */
function bitsOf(dtype: OnnxDType): number {
  if (Object.hasOwn(stored, dtype)) return stored[dtype as StoredDType].bits;
  return dtype === "string" ? 0 : Number(dtype.replace(/\D/g, ""));
}

/** Reads an entry of names and texts. */
export function readEntry(message: Message): readonly [key: string, value: string] {
  let [key, value] = ["", ""];
  message.charge(150);
  while (message.next()) {
    if (message.field === 1) key = message.text();
    else if (message.field === 2) value = message.anyText();
    else message.skip();
  }
  return [key, value];
}

/** Where a tensor's bytes are in another file. */
function readPlace(
  message: Message,
  what: string,
  place: ReadonlyMap<string, string>,
  size: number,
): OnnxExternal {
  const location = place.get("location") ?? "";
  const whole = (key: string, otherwise: number) => {
    const text = place.get(key) ?? String(otherwise);
    const value = Number(text);
    return /^\d{1,16}$/.test(text) && Number.isSafeInteger(value)
      ? value
      : message.refuse(`${what}: external data with ${key} ${quote(text)}`);
  };
  // The model's folder and what is below it, nothing else.
  const outside = /^([/\\]|[a-z]:)|^$|\p{Cc}|(^|[/\\])\.\.([/\\]|$)/iu;
  if (outside.test(location)) {
    message.refuse(`${what}: external data in ${quote(location)}, outside the model's folder`);
  }
  const [offset, length] = [whole("offset", 0), whole("length", size)];
  if (length !== size) {
    message.refuse(`${what}: ${length} bytes of external data, the shape and dtype need ${size}`);
  }
  return { location, offset, length };
}
