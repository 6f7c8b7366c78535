/**
 * A golden case as named arrays: its weights, inputs and expected outputs, in one file; and what the
 * manifest says of it.
 */

import {
  decode,
  type JsonTensor,
  type Request,
  type Task,
  tolerance,
} from "../../lib/conformance/mod.ts";
import { joined } from "../../lib/checkpoints/source.ts";
import { zipParts } from "../../lib/checkpoints/zip_writer.ts";
import { StoredTensor, type Tensor, tensor, writeSafetensors } from "../../mod.ts";

/** Arrays by name: `state_dict.weight_ih_l0`, `inputs.input`, `outputs.h_n`. */
export type Arrays = Record<string, Tensor>;

/**
 * The arrays of a case.
 *
 * @returns `null` where an input or output of it is no array
 */
export function arraysOf({ request, expect }: Task): Arrays | null {
  const { dtype = "float32", state_dict = {}, inputs = {} } = request;
  const parts = { state_dict, inputs, outputs: expect.outputs ?? {} };
  const found: Arrays = {};
  for (const [part, named] of Object.entries(parts)) {
    for (const [name, value] of Object.entries(named)) {
      const integers = Array.isArray(value) && value.every((x) => typeof x === "number");
      if (!integers && !("data" in value)) return null;
      found[`${part}.${name}`] = integers
        ? tensor(value as number[], { dtype: "int64" })
        : decode(value as JsonTensor, dtype);
    }
  }
  return found;
}

/** What the manifest says of a case: all but the arrays. */
export interface Entry extends Pick<Request, "op" | "module" | "args" | "dtype" | "training"> {
  id: string;
  file: string;
  reason: string;
  level: string;
  clauses: readonly string[];
  /** A number is right when |given - wanted| <= atol + rtol * |wanted|. */
  rtol: number;
  atol: number;
}

export function entryOf(task: Task, file: string): Entry {
  const { id, reason, level = "edge", clauses, request } = task;
  const { op, module, args = {}, dtype = "float32", training = false } = request;
  const about = { op, module, args, dtype, training, ...tolerance[dtype] };
  return { id, file, reason, level, clauses, ...about };
}

const types: Readonly<Record<string, string>> = {
  ...{ float32: "<f4", float64: "<f8", int64: "<i8", bool: "|b1" },
};

/** An array in NumPy's format, version 1.0: a header of a multiple of 64 bytes, then the numbers. */
function npy(x: Tensor): Uint8Array {
  const shape = `(${x.shape.join(", ")}${x.shape.length === 1 ? "," : ""})`;
  const text = `{'descr': '${types[x.dtype]}', 'fortran_order': False, 'shape': ${shape}, }`;
  const size = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const header = new TextEncoder().encode(`\0NUMPY\x01\0\0\0${text.padEnd(size - 1)}\n`);
  header.set([0x93]);
  header.set([size & 255, size >> 8], 8);
  return joined([header, StoredTensor.from(x).bytes()]);
}

/** The forms in which arrays are written: the end of a file's name, and its bytes. */
export const forms: Readonly<Record<"npz" | "safetensors", (arrays: Arrays) => Uint8Array>> = {
  npz(arrays) {
    const entries = Object.entries(arrays).map(([name, x]) => [`${name}.npy`, npy(x)] as const);
    return joined(zipParts(entries));
  },
  safetensors: (arrays) => writeSafetensors(arrays),
};
