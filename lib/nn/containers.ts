/** Modules that hold others in an order. */

import { check, checkCount, int, isPlain } from "../call.ts";
import { IndexError, NotImplementedError } from "../errors.ts";
import { pythonType } from "../python.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/**
 * The base of {@linkcode Sequential} and {@linkcode ModuleList}: modules by number.
 * @category Modules
 */
export abstract class Container extends Module implements Iterable<Module> {
  /** Takes modules in, each under its number. */
  constructor(modules: Iterable<Module>) {
    super();
    for (const module of modules) this.append(module);
  }

  /** How many modules there are. */
  get length(): number {
    return this.#all().length;
  }

  #all(): Module[] {
    return Array.from(this.registered(), ([, module]) => module);
  }

  /** Iterates over the modules; one that stands in two places comes twice. */
  [Symbol.iterator](): Iterator<Module> {
    return this.#all()[Symbol.iterator]();
  }

  /**
   * Returns one module; whoever knows its class says it: `list.at<Linear>(0)`.
   *
   * @param index its number; negative ones count from the last
   * @throws {IndexError} if there is none
   */
  at<T extends Module = Module>(index: number): T {
    check(["at", { index: int }], arguments);
    const module = this.#all().at(index);
    if (!module) throw new IndexError(`index ${index} is out of range`);
    return module as T;
  }

  /**
   * Takes another module in at the end, under the next number.
   *
   * @param module the module
   * @returns the container itself
   * @throws {TypeError} if it is no module
   */
  append(module: Module): this {
    checkCount("append", 1, arguments);
    this.register(String(this.length), module);
    return this;
  }
}

/**
 * Modules one after the other, each reading what the one before puts out (`torch.nn.Sequential`;
 * MODULE-3). An RNN, LSTM or GRU puts out a pair, so that one module between it and the next has
 * to take the output.
 *
 * @example
 * ```ts
 * import { Linear, Sequential, Tanh, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const head = new Sequential(new Linear(4, 8), new Tanh(), new Linear(8, 1));
 * assertEquals(head.forward(zeros([2, 4])).shape, [2, 1]);
 * assertEquals(Object.keys(head.stateDict()), ["0.weight", "0.bias", "2.weight", "2.bias"]);
 * ```
 * @category Modules
 */
export class Sequential extends Container {
  /**
   * Takes the modules in, in order.
   *
   * @param modules the modules, or one object of modules by name
   * @throws {TypeError} if one is no module
   */
  constructor(...modules: Module[] | [Readonly<Record<string, Module>>]) {
    const [first] = modules;
    const named = modules.length === 1 && isPlain(first);
    super(named ? [] : modules as Module[]);
    if (named) { for (const [name, module] of Object.entries(first)) this.register(name, module); }
  }

  /**
   * Applies one module after the other.
   *
   * @param input what the first module reads
   * @returns what the last one puts out
   * @throws {TypeError} in PyTorch's words, if a module puts out a pair and the next reads a tensor
   */
  override forward(input: Tensor): Tensor {
    checkCount("Sequential.forward", 1, arguments);
    let [x, before] = [input, ""];
    for (const module of this) {
      try {
        x = (module as Sequential).forward(x);
      } catch (error) {
        if (Array.isArray(x) && error instanceof TypeError) {
          error.message = error.message.replace(/not list$/, "not tuple") +
            `; ${before} returns a tuple: put a module behind it that takes the output`;
        }
        throw error;
      }
      before = String(module).split("(")[0];
    }
    return x;
  }

  /** Returns `Sequential`. */
  protected override getName(): string {
    return "Sequential";
  }
}

/**
 * A list of modules, whose parameters are its own (`torch.nn.ModuleList`; MODULE-3); a plain array
 * in a field registers nothing.
 *
 * @example
 * ```ts
 * import { Linear, ModuleList } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const layers = new ModuleList([new Linear(4, 4), new Linear(4, 4)]);
 * assertEquals([layers.length, layers.parameters().length], [2, 4]);
 * assertEquals(
 *   String(layers),
 *   "ModuleList(\n  (0-1): 2 x Linear(in_features=4, out_features=4, bias=True)\n)",
 * );
 * ```
 * @category Modules
 */
export class ModuleList extends Container {
  /**
   * Takes the modules in, in order.
   *
   * @param modules the modules; by default none
   * @throws {TypeError} if one is no module, or they are no list
   */
  constructor(modules: Iterable<Module> = []) {
    checkCount("ModuleList", 1, arguments);
    if (typeof modules?.[Symbol.iterator] !== "function") {
      throw new TypeError(
        `ModuleList.extend should be called with an iterable, but got ${pythonType(modules)}`,
      );
    }
    super(modules);
  }

  /**
   * A list computes nothing: its owner calls what is in it.
   *
   * @throws {NotImplementedError} always
   */
  override forward(): never {
    throw new NotImplementedError(
      'Module [ModuleList] is missing the required "forward" function',
    );
  }

  /** Returns `ModuleList`. */
  protected override getName(): string {
    return "ModuleList";
  }

  /** Returns a line for each run of modules that print alike. */
  protected override listed(children: readonly (readonly [string, Module])[]): string[] {
    const runs: { text: string; count: number }[] = [];
    for (const [, child] of children) {
      const text = String(child);
      if (runs.at(-1)?.text === text) runs.at(-1)!.count++;
      else runs.push({ text, count: 1 });
    }
    let end = 0;
    return runs.map(({ text, count }) => {
      end += count;
      return count > 1
        ? `(${end - count}-${end - 1}): ${count} x ${text}`
        : `(${end - 1}): ${text}`;
    });
  }
}
