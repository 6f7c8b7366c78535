/** What every layer is: named parameters, perhaps other modules inside it, and a forward pass. */

import {
  any,
  bool,
  type Call,
  check,
  checkCount,
  dtype as dtypeKind,
  isPlain,
  list,
  text,
} from "../call.ts";
import { AttributeError, RuntimeError, ValueError } from "../errors.ts";
import { pythonClass, pythonText } from "../python.ts";
import { allocate, type DType, type FloatDType, numel, sameShape } from "../tensor/dtype.ts";
import {
  aTensor,
  countChange,
  replaceData,
  shareVersion,
  type StateDict,
  Tensor,
  wantGradient,
} from "../tensor/tensor.ts";
import { detach } from "../autograd/graph.ts";
import { uniform } from "../random/distributions.ts";
import { defaultGenerator } from "../random/generator.ts";

/** What each may be given. */
const calls = {
  Parameter: ["Parameter", { data: aTensor }],
  IncompatibleKeys: ["IncompatibleKeys", { missingKeys: list, unexpectedKeys: list }],
  getParameter: ["Module.getParameter", { target: text }],
  loadStateDict: ["Module.loadStateDict", { stateDict: any }, { strict: bool }],
  to: ["Module.to", { dtype: dtypeKind }],
  train: ["Module.train", { "mode?": any }],
} satisfies Record<string, Call>;

/** A tensor that a module owns and training changes. It requires a gradient from the start. */
export class Parameter extends Tensor {
  /**
   * Wraps a tensor's storage as a parameter.
   *
   * @param values the tensor; its storage is kept, not copied
   */
  constructor(values: Tensor) {
    check(calls.Parameter, arguments);
    super(values.data, values.shape, values.dtype);
    shareVersion(this, values);
    wantGradient(this);
  }

  /** Returns the text that PyTorch prints for a parameter. */
  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
}

/** What {@linkcode Module.loadStateDict} found that did not fit; prints as in PyTorch. */
export class IncompatibleKeys {
  /** Names that the module has and the state lacks. */
  readonly missingKeys: string[];
  /** Names that the state has and the module lacks. */
  readonly unexpectedKeys: string[];

  /**
   * Notes the names that did not match.
   *
   * @param missingKeys names that the module has and the state lacks
   * @param unexpectedKeys names that the state has and the module lacks
   */
  constructor(missingKeys: string[], unexpectedKeys: string[]) {
    check(calls.IncompatibleKeys, arguments);
    this.missingKeys = missingKeys;
    this.unexpectedKeys = unexpectedKeys;
  }

  /** Returns `<All keys matched successfully>` or the names, as PyTorch prints them. */
  toString(): string {
    if (this.missingKeys.length + this.unexpectedKeys.length === 0) {
      return "<All keys matched successfully>";
    }
    return `_IncompatibleKeys(missing_keys=${pythonText(this.missingKeys)}, ` +
      `unexpected_keys=${pythonText(this.unexpectedKeys)})`;
  }
}

/**
 * The base of all layers (`torch.nn.Module`). A subclass registers its parameters and the modules
 * inside it in its constructor and computes in `forward`.
 *
 * @example
 * ```ts
 * import { Linear, Module, relu, type Tensor, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * class Head extends Module {
 *   readonly fc = this.register("fc", new Linear(4, 1));
 *   override forward(x: Tensor): Tensor {
 *     return relu(this.fc.forward(x));
 *   }
 * }
 * const head = new Head();
 * assertEquals(Object.keys(head.stateDict()), ["fc.weight", "fc.bias"]);
 * assertEquals(
 *   String(head),
 *   "Head(\n  (fc): Linear(in_features=4, out_features=1, bias=True)\n)",
 * );
 * assertEquals(head.forward(zeros([2, 4])).shape, [2, 1]);
 * ```
 */
export abstract class Module {
  /** Whether layers that behave differently in training, such as dropout, do so now. */
  training = true;
  readonly #parameters = new Map<string, Parameter>();
  readonly #children = new Map<string, Module>();

  /** Computes the module's function; see each module for its inputs and outputs. */
  abstract forward(...inputs: never[]): unknown;

  /**
   * Takes a module in under a name.
   *
   * @param name the name; it becomes the first part of the names of the module's parameters
   * @param module the module
   * @returns the module
   */
  protected register<T extends Module>(name: string, module: T): T {
    this.#children.set(name, module);
    return module;
  }

  /**
   * Takes a parameter in under a name.
   *
   * @param name the name
   * @param parameter the parameter
   * @returns the parameter
   */
  protected registerParameter(name: string, parameter: Parameter): Parameter {
    this.#parameters.set(name, parameter);
    return parameter;
  }

  /**
   * Takes a parameter in under a name and draws it from the uniform distribution in
   * [-bound, bound), with PyTorch's generator.
   *
   * @param name the name
   * @param shape the extent of each dimension
   * @param bound the largest magnitude
   * @param dtype the type of the elements
   * @returns the parameter
   */
  protected drawParameter(
    name: string,
    shape: readonly number[],
    bound: number,
    dtype: DType,
  ): Parameter {
    const data = allocate(dtype, numel(shape), dtypeKind);
    uniform(data, -bound, bound, defaultGenerator);
    const parameter = this.registerParameter(name, new Parameter(new Tensor(data, shape)));
    countChange(parameter); // PyTorch draws into a tensor that is there already
    return parameter;
  }

  /** Returns the name that the module prints; a subclass that may be minified overrides it. */
  protected getName(): string {
    return this.constructor.name;
  }

  /** Returns the arguments that the module prints between its parentheses. */
  protected extraRepr(): string {
    return "";
  }

  /**
   * Returns an iterator over every parameter with its full name, this module's own first, then each
   * child's; one that stands under several names, under the first.
   */
  namedParameters(): Generator<[string, Parameter]> {
    checkCount("Module.namedParameters", 0, arguments);
    return this.#everyParameter();
  }

  *#everyParameter(): Generator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    for (const [name, parameter] of this.#everyName()) {
      if (!seen.has(parameter)) yield [name, parameter];
      seen.add(parameter);
    }
  }

  /** Every name of every parameter. */
  *#everyName(): Generator<[string, Parameter]> {
    yield* this.#parameters;
    for (const [name, child] of this.#children) {
      for (const [rest, parameter] of child.#everyName()) yield [`${name}.${rest}`, parameter];
    }
  }

  /** Returns every parameter once, in the order of {@linkcode Module.namedParameters}. */
  parameters(): Parameter[] {
    checkCount("Module.parameters", 0, arguments);
    return [...new Set([...this.#everyName()].map(([, parameter]) => parameter))];
  }

  /**
   * Returns one parameter by its full name, such as `rnn.weight_ih_l0`.
   *
   * @param target the name
   * @throws {AttributeError} if there is none of that name
   */
  getParameter(target: string): Parameter {
    const own = this.#parameters.get(target);
    if (own && arguments.length === 1) return own;
    check(calls.getParameter, arguments);
    if (own) return own;
    const [head, ...rest] = target.split(".");
    const child = rest.length > 0 ? this.#children.get(head) : undefined;
    if (child) return child.getParameter(rest.join("."));
    throw new AttributeError(`${this.getName()} has no attribute \`${head}\``);
  }

  /** Returns a parameter of this module itself, or `null` where it has none of that name. */
  protected ownParameter(name: string): Parameter | null {
    return this.#parameters.get(name) ?? null;
  }

  /**
   * Returns the parameters by name, detached; they share storage with the module's. A parameter
   * that stands under several names comes under each.
   */
  stateDict(): StateDict {
    checkCount("Module.stateDict", 0, arguments);
    return inOrder([...this.#everyName()].map(([name, x]) => [name, detach(x)]));
  }

  /**
   * Copies values into the module's parameters, converting their dtype. Either all fit and all
   * are copied, or an error tells everything that does not fit and nothing is changed.
   *
   * @param state tensors by name
   * @param options `strict: false` passes over names that only one side has
   * @returns the names that only one side has
   * @throws {RuntimeError} if a name is missing or unexpected (unless not strict), or a shape
   * differs
   * @throws {TypeError} if `state` is not an object
   */
  loadStateDict(state: StateDict, options: { readonly strict?: boolean } = {}): IncompatibleKeys {
    check(calls.loadStateDict, arguments);
    const { strict = true } = options;
    if (!isPlain(state)) {
      throw new TypeError(`Expected state_dict to be dict-like, got ${pythonClass(state)}.`);
    }
    const own = new Map(this.#everyName());
    const missing = [...own.keys()].filter((name) => !Object.hasOwn(state, name));
    const unexpected = this.#unexpected(Object.keys(state));
    const quoted = (names: string[]) => names.map((name) => `"${name}"`).join(", ");
    const problems: string[] = [];
    if (strict && missing.length) {
      problems.push(`Missing key(s) in state_dict: ${quoted(missing)}. `);
    }
    if (strict && unexpected.length) {
      problems.push(`Unexpected key(s) in state_dict: ${quoted(unexpected)}. `);
    }
    for (const [name, parameter] of own) {
      if (!Object.hasOwn(state, name)) continue;
      const value: unknown = state[name];
      if (!(value instanceof Tensor)) {
        problems.push(
          `While copying the parameter named "${name}", expected torch.Tensor or Tensor-like ` +
            `object from checkpoint but received ${pythonClass(value)}`,
        );
      } else if (!sameShape(value.shape, parameter.shape)) {
        problems.push(
          `size mismatch for ${name}: copying a param with shape ${value.size()} from ` +
            `checkpoint, the shape in current model is ${parameter.size()}.`,
        );
      }
    }
    if (problems.length) {
      throw new RuntimeError(
        `Error(s) in loading state_dict for ${this.getName()}:\n\t${problems.join("\n\t")}`,
      );
    }
    for (const [name, parameter] of own) {
      if (!Object.hasOwn(state, name)) continue;
      parameter.data.set(state[name].data);
      countChange(parameter);
    }
    return new IncompatibleKeys(missing, unexpected);
  }

  /** The names that belong to no parameter: this module's own first, then each child's. */
  #unexpected(names: readonly string[]): string[] {
    const childOf = (name: string) => name.includes(".") ? name.split(".", 1)[0] : "";
    const own = names.filter((name) =>
      !this.#parameters.has(name) && !this.#children.has(childOf(name))
    );
    const below = [...this.#children].flatMap(([prefix, child]) => {
      const inside = names.filter((name) => childOf(name) === prefix);
      return child.#unexpected(inside.map((name) => name.slice(prefix.length + 1)))
        .map((name) => `${prefix}.${name}`);
    });
    return [...own, ...below];
  }

  /**
   * Converts the parameters, and their gradients, to another dtype, in place: they stay the same
   * objects, so that whatever holds one (an optimiser, another module, a state dict's reader) goes
   * on with the converted values.
   *
   * @param dtype the dtype wanted
   * @returns the module itself
   * @throws {TypeError} if there is no such dtype
   */
  to(dtype: FloatDType): this {
    check(calls.to, arguments);
    const tensors = this.parameters().flatMap((x) => x.grad ? [x, x.grad] : [x]);
    const converted = tensors.map((x) => {
      if (x.dtype === dtype) return x.data;
      const data = allocate(dtype, x.numel());
      data.set(x.data);
      return data;
    });
    tensors.forEach((x, k) => replaceData(x, converted[k]));
    return this;
  }

  /**
   * Sets the module and all inside it to training, or back.
   *
   * @param mode whether to train
   * @returns the module itself
   */
  train(mode = true): this {
    check(calls.train, arguments);
    if (typeof mode !== "boolean") {
      throw new ValueError("training mode is expected to be boolean");
    }
    this.training = mode;
    for (const child of this.#children.values()) child.train(mode);
    return this;
  }

  /** Sets the module and all inside it to evaluation, where dropout does nothing. */
  eval(): this {
    checkCount("Module.eval", 0, arguments);
    return this.train(false);
  }

  /** Clears the gradient of every parameter. */
  zeroGrad(): void {
    checkCount("Module.zeroGrad", 0, arguments);
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /** Returns the text that PyTorch prints for the module: its arguments, or its children. */
  toString(): string {
    const children = [...this.#children].map(([name, child]) =>
      `  (${name}): ${String(child).replaceAll("\n", "\n  ")}\n`
    );
    const inside = children.length ? `\n${children.join("")}` : this.extraRepr();
    return `${this.getName()}(${inside})`;
  }

  /** Lets `console.log` show what PyTorch would print, in Deno and in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/**
 * A record that lists its names in the order given, also such as "10": those a plain object would
 * list first, by number.
 */
function inOrder<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const plain: Record<string, T> = Object.fromEntries(entries);
  const listed = Object.keys(plain);
  if (entries.every(([name], k) => name === listed[k])) return plain;
  const names = new Set<string | symbol>(entries.map(([name]) => name));
  return new Proxy(plain, {
    ownKeys: (record) => {
      const now = new Set(Reflect.ownKeys(record));
      return [...names].filter((name) => now.delete(name)).concat(...now);
    },
  });
}
