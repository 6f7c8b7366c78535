/** What every layer is: named parameters, perhaps other modules inside it, and a forward pass. */

import {
  any,
  bool,
  callable,
  check,
  checkCount,
  dtype as dtypeKind,
  isPlain,
  type Kind,
  text,
} from "../call.ts";
import { AttributeError, KeyError, ValueError } from "../errors.ts";
import { pythonClass, pythonText, pythonType } from "../python.ts";
import {
  allocate,
  convert,
  type DType,
  type FloatDType,
  isFloat,
  numel,
  typeName,
} from "../tensor/dtype.ts";
import { countChange, replaceData, type StateDict, Tensor } from "../tensor/tensor.ts";
import { detach } from "../autograd/graph.ts";
import { Parameter } from "./parameter.ts";
import { copyState, type IncompatibleKeys, inOrder } from "./state.ts";
import { uniform } from "../random/distributions.ts";
import { defaultGenerator } from "../random/generator.ts";

/** What a module may register. */
type Registered = Parameter | Tensor | Module;
/** As what it does so. */
type SlotKind = "parameter" | "buffer" | "child module";

/** What may stand under a name, by what is registered there. */
const slotKinds: Record<SlotKind, Kind> = {
  parameter: { word: "torch.nn.Parameter", is: (value) => value instanceof Parameter },
  buffer: { word: "torch.nn.Buffer, torch.Tensor", is: (value) => value instanceof Tensor },
  "child module": { word: "torch.nn.Module", is: (value) => value instanceof Module },
};

/** How a field reads and writes what is registered under a name, the same for all modules. */
const slots: Record<string, PropertyDescriptor> = Object.create(null);
let slotOf: (name: string) => PropertyDescriptor;

/**
 * The base of all layers (`torch.nn.Module`; MODULE-1). A field that holds a module or a
 * {@linkcode Parameter} registers it, in the order of the fields; `forward` computes. Private fields
 * (`#fc`) cannot be seen: pass what they hold to `register`, too. A list of modules is a
 * {@linkcode ModuleList}.
 *
 * @example
 * ```ts
 * import { Linear, Module, relu, type Tensor, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * class Head extends Module {
 *   fc = new Linear(4, 1);
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
 * @category Modules
 */
export abstract class Module {
  /** Whether layers that behave differently in training, such as dropout, do so now. */
  training = true;
  /** What is registered under each name, and what kind of thing that is. */
  readonly #slots = new Map<string, { kind: SlotKind; value: Registered | null }>();
  /** The buffers that no state dict holds. */
  readonly #unsaved = new Set<string>();

  static {
    slotOf = (name) => ({
      configurable: true,
      enumerable: true,
      get(this: Module) {
        return this.#slots.get(name)?.value;
      },
      set(this: Module, value: unknown) {
        const before = this.#slots.get(name)!.kind;
        const kind = value instanceof Parameter
          ? "parameter"
          : value instanceof Module
          ? "child module"
          : before;
        this.put(kind, name, value as Registered | null);
      },
    });
  }

  /** Computes the module's function; see each module for its inputs and outputs. */
  abstract forward(...inputs: never[]): unknown;

  /**
   * Takes a module in under a name, as assigning it to a field does.
   *
   * @param name the name; it becomes the first part of the names of the module's parameters
   * @param module the module
   * @returns the module
   * @throws {KeyError} if the name is empty, holds a point, or is that of something else
   * @throws {TypeError} if it is no module
   */
  protected register<T extends Module>(name: string, module: T): T {
    if (!(module instanceof Module)) {
      throw new TypeError(`${pythonType(module)} is not a Module subclass`);
    }
    this.put("child module", name, module);
    return module;
  }

  /**
   * Takes a parameter in under a name, as assigning it to a field does; `null` keeps the name.
   *
   * @param name the name
   * @param parameter the parameter
   * @returns the parameter
   * @throws {KeyError} if the name is empty, holds a point, or is that of something else
   */
  protected registerParameter<T extends Parameter | null>(name: string, parameter: T): T {
    this.put("parameter", name, parameter);
    return parameter;
  }

  /**
   * Takes a tensor in that belongs to the module and is not trained: `stateDict` holds it, unless
   * told otherwise, and `to` converts it; {@linkcode Module.parameters} is without it.
   *
   * @param name the name
   * @param tensor the tensor; `null` keeps the name
   * @param options `persistent: false` leaves it out of the state dict
   * @returns the tensor
   * @throws {KeyError} if the name is empty, holds a point, or is that of something else
   * @throws {TypeError} if it is no tensor
   */
  protected registerBuffer<T extends Tensor | null>(
    name: string,
    tensor: T,
    options: { readonly persistent?: boolean } = {},
  ): T {
    check(["Module.registerBuffer", { name: text, tensor: any }, {
      persistent: bool,
    }], arguments);
    this.put("buffer", name, tensor);
    if (options.persistent === false) this.#unsaved.add(name);
    else this.#unsaved.delete(name);
    return tensor;
  }

  /** Keeps what a name stands for; a field of that name reads and writes it. */
  protected put(
    kind: "parameter" | "buffer" | "child module",
    name: string,
    value: Parameter | Tensor | Module | null,
  ): void {
    const key = keyOf(name);
    const fields = this as unknown as Record<string, unknown>;
    const own = Object.hasOwn(this, key);
    const held = own ? fields[key] : undefined;
    const what = kind.split(" ").at(-1);
    const wrong = name === ""
      ? `${what} name can't be empty string ""`
      : name.includes(".")
      ? `${what} name can't contain "."${what === "module" ? `, got: ${name}` : ""}`
      : !this.#slots.has(name) &&
          (own
            ? held !== null && held !== undefined && !isRegistered(held)
            : key in Module.prototype)
      ? `attribute '${name}' already exists`
      : null;
    if (wrong) throw new KeyError(pythonText(wrong));
    if (value !== null && !slotKinds[kind].is(value)) {
      const given = value instanceof Tensor ? typeName(value.dtype) : pythonType(value);
      throw new TypeError(
        `cannot assign '${given}' as ${kind} '${name}' (${slotKinds[kind].word} or None expected)`,
      );
    }
    if (held === undefined) delete fields[key]; // a field that is only declared: its place is here
    this.#slots.set(name, { kind, value });
    slots[name] ??= slotOf(name);
    Reflect.defineProperty(this, key, slots[name]);
  }

  /** What is registered, in the order of the fields; those of a kind. */
  *#every<T extends Registered = Parameter>(kind: SlotKind): Generator<[string, T]> {
    for (const key of Object.keys(this)) {
      const name = key.replace(/^#/, "");
      const own = Object.getOwnPropertyDescriptor(this, key)!;
      if ("value" in own) { // a field of a class, or one assigned to: from now on it is checked
        const { value } = own;
        if (isRegistered(value)) {
          this.put(value instanceof Module ? "child module" : "parameter", name, value);
        } else if (value instanceof Tensor && this.#slots.get(name)?.kind === "buffer") {
          this.put("buffer", name, value);
        } else this.#slots.delete(name);
      }
      const slot = this.#slots.get(name);
      if (slot?.kind === kind && slot.value) yield [name, slot.value as T];
    }
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

  /** This module and all inside it, each once, with their names. */
  *#everyModule(prefix = "", seen = new Set<Module>()): Generator<[string, Module]> {
    if (seen.has(this)) return;
    seen.add(this);
    yield [prefix, this];
    for (const [name, child] of this.#every<Module>("child module")) {
      yield* child.#everyModule(prefix + (prefix && ".") + name, seen);
    }
  }

  /** What is of a kind here and inside, with its full name. */
  *#everyTensor(kind: SlotKind): Generator<[string, Parameter]> {
    for (const [prefix, module] of this.#everyModule()) {
      for (const [name, tensor] of module.#every(kind)) {
        yield [prefix + (prefix && ".") + name, tensor];
      }
    }
  }

  /**
   * Returns an iterator over every parameter with its full name, this module's own first, then each
   * child's; one that stands under several names, under the first.
   */
  namedParameters(): Generator<[string, Parameter]> {
    checkCount("Module.namedParameters", 0, arguments);
    const found = once(this.#everyTensor("parameter"));
    sources.set(found, this);
    return found;
  }

  /** Returns every parameter once, in the order of {@linkcode Module.namedParameters}. */
  parameters(): Parameter[] {
    checkCount("Module.parameters", 0, arguments);
    const found = valuesOf(this.#everyTensor("parameter"));
    sources.set(found, this);
    return found;
  }

  /** Returns an iterator over every buffer with its full name, as of the parameters. */
  namedBuffers(): Generator<[string, Tensor]> {
    checkCount("Module.namedBuffers", 0, arguments);
    return once(this.#everyTensor("buffer"));
  }

  /** Returns every buffer once. */
  buffers(): Tensor[] {
    checkCount("Module.buffers", 0, arguments);
    return valuesOf(this.#everyTensor("buffer"));
  }

  /** Returns an iterator over the modules right inside this one, each once, with their names. */
  namedChildren(): Generator<[string, Module]> {
    checkCount("Module.namedChildren", 0, arguments);
    return once(this.#every<Module>("child module"));
  }

  /** Returns the modules right inside this one, each once. */
  children(): Module[] {
    checkCount("Module.children", 0, arguments);
    return valuesOf(this.#every<Module>("child module"));
  }

  /** Returns an iterator over this module, under no name, and all inside it, each once. */
  namedModules(): Generator<[string, Module]> {
    checkCount("Module.namedModules", 0, arguments);
    return this.#everyModule();
  }

  /** Returns this module and all inside it, each once. */
  modules(): Module[] {
    checkCount("Module.modules", 0, arguments);
    return valuesOf(this.#everyModule());
  }

  /**
   * Calls a function with every module inside this one, then with this one.
   *
   * @param fn the function, such as one that sets weights
   * @returns the module itself
   */
  apply(fn: (module: Module) => void): this {
    check(["Module.apply", { fn: callable }], arguments);
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  /**
   * Sets whether gradients are to flow to the parameters, here and inside: `false` freezes them.
   *
   * @param requiresGrad whether they are to
   * @returns the module itself
   */
  requiresGrad_(requiresGrad = true): this {
    check(["Module.requiresGrad_", { "requiresGrad?": bool }], arguments);
    for (const parameter of this.parameters()) parameter.requiresGrad = requiresGrad;
    return this;
  }

  /** Every name of every tensor that a state dict holds. */
  *#everyName(): Generator<[string, Parameter]> {
    yield* this.#every("parameter");
    for (const one of this.#every("buffer")) if (!this.#unsaved.has(one[0])) yield one;
    for (const [name, child] of this.#every<Module>("child module")) {
      for (const [rest, tensor] of child.#everyName()) yield [`${name}.${rest}`, tensor];
    }
  }

  /**
   * Returns one parameter by its full name, such as `rnn.weight_ih_l0`.
   *
   * @param target the name
   * @throws {AttributeError} if there is none of that name, or it is none
   */
  getParameter(target: string): Parameter {
    check(["Module.getParameter", { target: text }], arguments);
    const [head, ...rest] = target.split(".");
    const own = (this as unknown as Record<string, unknown>)[keyOf(head)];
    const wanted = rest.length > 0 ? "Module" : "Parameter";
    if (wanted === "Module" && own instanceof Module) return own.getParameter(rest.join("."));
    if (wanted === "Parameter" && own instanceof Parameter) return own;
    throw new AttributeError(
      own === undefined
        ? `${this.getName()} has no attribute \`${head}\``
        : `\`${head}\` is not an nn.${wanted}`,
    );
  }

  /** Returns a parameter of this module itself, or `null` where it has none of that name. */
  protected ownParameter(name: string): Parameter | null {
    return (this.#slots.get(name)?.value ?? null) as Parameter | null;
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
    check(["Module.loadStateDict", { stateDict: any }, { strict: bool }], arguments);
    const { strict = true } = options;
    if (!isPlain(state)) {
      throw new TypeError(`Expected state_dict to be dict-like, got ${pythonClass(state)}.`);
    }
    const own = new Map(this.#everyName());
    return copyState(this.getName(), own, state, this.#unexpected(Object.keys(state)), strict);
  }

  /** The names that belong to no parameter: this module's own first, then each child's. */
  #unexpected(names: readonly string[]): string[] {
    const childOf = (name: string) => name.includes(".") ? name.split(".", 1)[0] : "";
    const children = new Map(this.#every<Module>("child module"));
    const known = new Map(this.#everyName());
    const own = names.filter((name) => !known.has(name) && !children.has(childOf(name)));
    const below = [...children].flatMap(([prefix, child]) => {
      const inside = names.filter((name) => childOf(name) === prefix);
      return child.#unexpected(inside.map((name) => name.slice(prefix.length + 1)))
        .map((name) => `${prefix}.${name}`);
    });
    return [...own, ...below];
  }

  /**
   * Converts the parameters, their gradients and the buffers to another dtype, in place: they stay
   * the same objects, so that whatever holds one (an optimiser, another module, a state dict's reader) goes
   * on with the converted values.
   *
   * @param dtype the dtype wanted
   * @returns the module itself
   * @throws {TypeError} if there is no such dtype
   */
  to(dtype: FloatDType): this {
    check(["Module.to", { dtype: dtypeKind }], arguments);
    const tensors = [...this.parameters(), ...this.buffers()].filter((x) => isFloat(x.dtype))
      .flatMap((x) => x.grad ? [x, x.grad] : [x]);
    const converted = tensors.map((x) => x.dtype === dtype ? x.data : convert(x.data, dtype));
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
    check(["Module.train", { "mode?": any }], arguments);
    if (typeof mode !== "boolean") {
      throw new ValueError("training mode is expected to be boolean");
    }
    this.training = mode;
    for (const child of this.children()) child.train(mode);
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

  /** Returns the text that PyTorch prints for the module: its arguments, and its children. */
  toString(): string {
    const own = this.extraRepr();
    const children = this.listed(this.registered());
    if (children.length === 0 && !own.includes("\n")) return `${this.getName()}(${own})`;
    const lines = [...own ? own.split("\n") : [], ...children];
    return `${this.getName()}(\n  ${lines.join("\n").replaceAll("\n", "\n  ")}\n)`;
  }

  /** Returns the modules right inside this one, with their names, under each of them. */
  protected registered(): [string, Module][] {
    return [...this.#every<Module>("child module")];
  }

  /** Returns what is printed of each child. */
  protected listed(children: readonly (readonly [name: string, child: Module])[]): string[] {
    return children.map(([name, child]) => `(${name}): ${child}`);
  }

  /** Lets `console.log` show what PyTorch would print, in Deno and in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** The property that holds what stands under a name; one that is a number has its place in line. */
function keyOf(name: string): string {
  return /^\d+$/.test(name) ? `#${name}` : name;
}

/** Entries, those with a value that came before left out. */
function* once<T>(entries: Iterable<[string, T]>): Generator<[string, T]> {
  const seen = new Set<T>();
  for (const entry of entries) {
    if (!seen.has(entry[1])) yield entry;
    seen.add(entry[1]);
  }
}

/** The values of entries, each once. */
function valuesOf<T>(entries: Iterable<[string, T]>): T[] {
  return Array.from(once(entries), ([, value]) => value);
}

function isRegistered(value: unknown): value is Parameter | Module {
  return value instanceof Parameter || value instanceof Module;
}

/** The module that a list of parameters is of. */
const sources = new WeakMap<object, Module>();

/**
 * Why a module has no parameters, where a list of them came out empty.
 *
 * @param list what `parameters` or `namedParameters` gave
 * @returns what its fields hold that is not registered; nothing where the list is of no module
 */
export function whyEmpty(list: object): string {
  const module = sources.get(list);
  if (!module) return "";
  const found = [...module.namedModules()].flatMap(([prefix, one]) =>
    Object.entries(Object.getOwnPropertyDescriptors(one)).flatMap(([key, { value }]) => {
      const inside = isPlain(value) || Array.isArray(value) ? Object.values(value) : [value];
      const cure = inside.some((x) => x instanceof Module)
        ? "ModuleList([…])"
        : inside.some((x) => x instanceof Tensor)
        ? "Parameter(…)"
        : null;
      return cure ? [`${prefix + (prefix && ".") + key}: write new ${cure}`] : [];
    })
  );
  const { name } = module.constructor;
  return found.length
    ? `; ${name} registers nothing of what it holds in ${found.join(", in ")}`
    : `; no field of ${name} holds a Parameter, and private fields (#name) cannot be seen`;
}
