/**
 * The operation `load` of the conformance protocol: reads a checkpoint, and answers with what it
 * holds, or with what the model that it is of puts out.
 */

import { type Answer, encode, type JsonFile, type Request } from "../../lib/conformance/mod.ts";
import {
  noGrad,
  stateDictOf,
  type StateDictOptions,
  StoredTensor,
  tensor,
  TorchObject,
  type TorchValue,
} from "../../mod.ts";
import { parseCheckpoint } from "../../lib/checkpoints/mod.ts";
import type { Tools } from "./training.ts";

/**
 * The bytes of a checkpoint of a request.
 *
 * @returns its bytes
 */
export function bytesOf(file: JsonFile): Uint8Array {
  return Uint8Array.from(atob(file.base64), (character) => character.charCodeAt(0));
}

/** A tensor of any dtype; only its size where JavaScript has no numbers of it. */
function encodeStored(stored: StoredTensor): object {
  const { dtype } = stored;
  const shape = [...stored.shape];
  if (/^(complex|float[468]_)/.test(dtype)) return { dtype, size: shape };
  const values = stored.values();
  const { data } = values instanceof Float32Array || values instanceof Float64Array
    ? encode(tensor(values))
    : { data: Array.from(values as Iterable<number | bigint>, Number) };
  return { dtype, tensor: { shape, data } };
}

/**
 * Writes what a checkpoint holds, as the goldens have it: dicts as pairs, since their keys may be
 * integers.
 */
export function encodeValue(value: TorchValue): unknown {
  if (value instanceof StoredTensor) return encodeStored(value);
  if (value instanceof Map) {
    return { dict: [...value].map(([key, item]) => [key, encodeValue(item)]) };
  }
  if (value instanceof TorchObject) return { object: value.type };
  if (Array.isArray(value)) return { list: value.map(encodeValue) };
  if (typeof value === "bigint") return { integer: String(value) };
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function load(request: Request, tools: Tools): Answer {
  if (!request.file) throw tools.unsupported("a load without a file");
  const { value, metadata } = parseCheckpoint(bytesOf(request.file));
  if (!request.module) {
    return { value: encodeValue(value), ...(metadata && { metadata: { ...metadata } }) };
  }
  const module = tools.build(request);
  const { at, prefix, widen } = request.file as StateDictOptions;
  module.loadStateDict(stateDictOf(value, { at, prefix, widen }));
  module.train(request.training ?? false);
  const outputs = noGrad(() => tools.run(module, tools.inputsOf(request)));
  return {
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, x]) => [name, encode(x)])),
  };
}

export function checkpointOperations(tools: Tools): Record<string, (request: Request) => Answer> {
  return { load: (request) => load(request, tools) };
}
