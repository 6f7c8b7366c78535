/**
 * What training asks of the kernels: lists of commands, each a function and its arguments, written
 * on the heap and carried out in order without leaving WebAssembly.
 */

import { type Assembler, type Func, type Madd, repeat, when } from "../assembler.ts";
import * as i32 from "../i32.ts";

const names = [
  "linear",
  "outer",
  "panels",
  "columns",
  "copy",
  "add",
  "multiply",
  "lstm",
  "lstmBackward",
  "gru",
  "gruBackward",
  "tanh",
  "tanhBackward",
  "relu",
  "reluBackward",
] as const;

/** A function that a command calls; its arguments are those of the kernel of that name. */
export type Name = typeof names[number];

const numbers = /* @__PURE__ */ numbered();

/** The number of each function. */
function numbered(): Record<Name, number> {
  return Object.fromEntries(names.map((name, k) => [name, k])) as Record<Name, number>;
}

/** The integers of a command: the number of its function, then up to 15 arguments. */
const length = 16;

/** The bytes of `count` commands. */
export function commandBytes(count: number): number {
  return 4 * length * count;
}

/**
 * Adds `train`, which carries out commands. Its parameters: where they begin, and how many.
 *
 * @param linear the kernel of that name, which other kernels use, too
 * @param others those of the other commands, where they are to be carried out
 */
export function addCommands(
  m: Assembler,
  _: Madd,
  linear: Func,
  others: Partial<Record<Name, Func>> = {},
): void {
  const kernels = { ...others, linear };
  m.func(2, (f, at, count) => {
    const name = f.local("i32");
    f.emit(repeat([
      name.set(i32.load(at)),
      ...names.flatMap((own, k) => {
        const kernel = kernels[own];
        if (!kernel) return [];
        const args = Array.from({ length: kernel.params }, (_, j) => i32.load(at, 4 + 4 * j));
        return [when(i32.eq(name, k), [kernel.call(...args)])];
      }),
      at.add(4 * length),
      count.sub(1),
    ], count));
  }, "train");
}

/** A list of commands being written. */
export class Program {
  /** How many there are. */
  count = 0;
  readonly #integers: Int32Array;
  /** Where it begins, in bytes. */
  readonly at: number;

  /** An empty list at an address. */
  constructor(integers: Int32Array, at: number) {
    this.#integers = integers;
    this.at = at;
  }

  /** Appends a command. */
  add(name: Name, ...args: number[]): void {
    const integers = this.#integers;
    let to = this.at / 4 + length * this.count++;
    integers[to++] = numbers[name];
    for (let k = 0; k < args.length; k++) integers[to++] = args[k];
  }
}
