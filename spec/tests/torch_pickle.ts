/** Instructions of the pickles in files of torch.save: tensors, storages, calls. */

import { StoredTensor } from "../../mod.ts";

/** `text` as the pickle has it: BINUNICODE. */
export const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
export const int = (value: number) => `K${String.fromCharCode(value)}`;
export const tuple = (...items: string[]) => `(${items.join("")}t`;
export const call = (path: string, ...args: string[]) => {
  const at = path.lastIndexOf(".");
  return `c${path.slice(0, at)}\n${path.slice(at + 1)}\n${tuple(...args)}R`;
};
/** Four bytes of an integer. */
export const wide = (value: number) =>
  `J${String.fromCharCode(...[0, 8, 16, 24].map((by) => value >> by & 255))}`;

export const hooks = call("collections.OrderedDict");
export const storageOf = (type = "FloatStorage", count = int(4), key = "0", module = "torch") =>
  `${tuple(text("storage"), `c${module}\n${type}\n`, text(key), text("cpu"), count)}Q`;
export const [yes, no] = ["\x88", "\x89"];
export const half = "G?\xe0\0\0\0\0\0\0";
export const two = "G@\0\0\0\0\0\0\0"; // the float 2.0
export const minus = "J\xff\xff\xff\xff"; // -1
export const filled = `}${text("conj")}${yes}s`;

export const v2 = "torch._utils._rebuild_tensor_v2";
export const v3 = "torch._utils._rebuild_tensor_v3";
export const usual = {
  storage: storageOf(),
  offset: int(0),
  shape: tuple(int(4)),
  strides: tuple(int(1)),
  gradient: no,
  hooks,
};
export type Parts = { [part in keyof typeof usual]?: string };
export const tensorOf = (parts: Parts = {}, ...more: string[]) =>
  call(v2, ...Object.values({ ...usual, ...parts }), ...more);

export const storage = Uint8Array.from({ length: 16 }, (_, k) => k);
/** A stored tensor; an error where it is none. */
export function storedIn(value: unknown): StoredTensor {
  if (value instanceof StoredTensor) return value;
  throw new Error(`no tensor: ${value}`);
}
