/**
 * What training asks of the kernels: lists of commands, each a function and its arguments, written
 * on the heap and carried out in order without leaving WebAssembly.
 */

import {
  type Assembler,
  type Code,
  type Func,
  type Local,
  type Madd,
  repeat,
  when,
} from "../assembler.ts";
import * as i32 from "../i32.ts";
import * as i32x4 from "../i32x4.ts";
import { vector } from "../linear.ts";
import * as v128 from "../v128.ts";

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

/** The number of a command that begins a loop; see {@linkcode Program.steps}. */
const loop = names.length;

const numbers = /* @__PURE__ */ numbered();

/** The number of each function. */
function numbered(): Record<Name, number> {
  return Object.fromEntries(names.map((name, k) => [name, k])) as Record<Name, number>;
}

/** The integers of a command: the number of its function, then up to 15 arguments. */
const commandLength = 16;

/** The bits that the number of a command is shifted by to be one of bytes. */
const shift = 6;

/** The bytes of `count` commands. */
export function commandBytes(count: number): number {
  return 4 * commandLength * count;
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
    const [name, first, bytes, times, here, there] = f.locals("i32", 6);
    /** For all integers of the commands of a loop's first turn, and those of its second turn. */
    const each = (
      to: Local,
      change: (a: Code<"v128">, b: Code<"v128">) => Code<"v128">,
    ): Code[] => [
      ...[here.set(first), there.set(i32.add(first, bytes))],
      repeat([
        v128.store(to, change(v128.load(there), v128.load(here))),
        ...[here.add(vector), there.add(vector)],
      ], i32.sub(i32.add(first, bytes), here)),
    ];
    f.emit(repeat([
      name.set(i32.load(at)),
      when(i32.eq(name, loop), [
        bytes.set(i32.shl(i32.load(at, 4), shift)),
        times.set(i32.load(at, 8)),
        first.set(i32.add(at, 4 * commandLength)),
        ...each(there, i32x4.sub),
        repeat([
          f.call(first, i32.shrU(bytes, shift)),
          ...each(here, i32x4.add),
          times.sub(1),
        ], times),
        at.set(i32.add(first, bytes)),
        count.sub(i32.shrU(bytes, shift - 1)),
        at.add(i32.sub(bytes, 4 * commandLength)),
      ]),
      ...names.flatMap((own, k) => {
        const kernel = kernels[own];
        if (!kernel) return [];
        const args = Array.from({ length: kernel.params }, (_, j) => i32.load(at, 4 + 4 * j));
        return [when(i32.eq(name, k), [kernel.call(...args)])];
      }),
      at.add(4 * commandLength),
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

  /** Appends a command; its arguments come in lists, which take less time than spreading them. */
  add(name: Name | "loop", ...args: readonly (readonly number[])[]): void {
    const integers = this.#integers;
    let to = this.at / 4 + commandLength * this.count++;
    integers[to++] = name === "loop" ? loop : numbers[name];
    for (const some of args) for (const one of some) integers[to++] = one;
  }

  /**
   * Appends the commands of a piece's steps, for some of its sequences. Steps of as many rows have the
   * same commands, whose arguments grow by as much from each step to the next: a loop holds those of
   * two steps.
   *
   * @param starts before which row each step begins
   * @param reverse whether the last step comes first
   * @param first the first sequence
   * @param end the one after the last
   * @param write appends a step's commands, given its first row, how many there are, and whether the
   * step is the last one to come
   */
  steps(
    { starts }: { readonly starts: readonly number[] },
    reverse: boolean,
    first: number,
    end: number,
    write: (row: number, rows: number, last: boolean) => void,
  ): void {
    const length = starts.length - 1;
    const startOf = (k: number) => starts[reverse ? length - 1 - k : k];
    const rowsOf = (k: number) =>
      reverse ? starts[length - k] - startOf(k) : starts[k + 1] - starts[k];
    for (let k = 0; k < length;) {
      const rows = Math.min(rowsOf(k), end) - first;
      let next = k + 1; // the last step is apart
      while (next < length - 1 && rowsOf(next) === rowsOf(k)) next++;
      const times = next - k;
      if (rows <= 0) k = next;
      else if (times > 2) {
        const header = this.count;
        this.add("loop", [0, times]);
        for (const stop = k + 2; k < stop; k++) write(startOf(k) + first, rows, false);
        const each = (this.count - header - 1) / 2;
        this.#integers[this.at / 4 + commandLength * header + 1] = each;
        k = next;
      } else for (; k < next; k++) write(startOf(k) + first, rows, k === length - 1);
    }
  }
}
