/** What stands for a value of Python's that is not made here. */

import { checkCount } from "../call.ts";
import type { StoredTensor } from "./stored_tensor.ts";

/**
 * A value of a file that is neither a tensor nor a dict, list, number or text: a set, bytes, a
 * complex number, a NumPy scalar, an object of some class. It is not made here, nothing of it is run:
 * this only stands in its place, so that the tensors beside it load.
 *
 * @example
 * ```ts
 * import { TorchObject } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(String(new TorchObject("set")), "<set>");
 * ```
 * @category Checkpoints
 */
export class TorchObject {
  /** What it is, in Python's words: `set`, `bytes`, `argparse.Namespace`. */
  readonly type: string;
  /** The byte of the pickle that names its class or function; `null` for a type of Python's own. */
  readonly at: number | null;
  /** Whether it is a `torch.nn.Module`, saved whole: with its class instead of as a `state_dict`. */
  isModule = false;

  /** Stands for a value of `type` that the byte `at` names. */
  constructor(type: string, at: number | null = null) {
    checkCount("TorchObject", 2, arguments);
    this.type = type;
    this.at = at;
  }

  /** Returns what it is, in angle brackets. */
  toString(): string {
    return `<${this.type}>`;
  }
}

/**
 * What a dict's key may be: numbers are integers here, `float` keys and others are objects.
 * @category Checkpoints
 */
export type TorchKey = string | number | bigint | boolean | null | TorchObject;

/**
 * What a PyTorch file holds. A Python `dict` is a `Map`, a `list` an array, a `tuple` a frozen array,
 * a tensor a {@linkcode StoredTensor}, a `torch.dtype` or a `torch.device` its text; anything else is
 * a {@linkcode TorchObject}.
 * @category Checkpoints
 */
export type TorchValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | StoredTensor
  | TorchObject
  | readonly TorchValue[]
  | ReadonlyMap<TorchKey, TorchValue>;
