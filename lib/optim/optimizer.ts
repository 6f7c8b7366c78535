/**
 * What every optimiser is: groups of parameters with their options, a state for each parameter, and
 * a step.
 */

import {
  any,
  type Call,
  camelCase,
  check,
  checkCount,
  checkOptions,
  isPlain,
  settle,
  snakeCase,
} from "../call.ts";
import { KeyError, RuntimeError, ValueError } from "../errors.ts";
import { pythonClass, pythonType } from "../python.ts";
import { allocate, typeName } from "../tensor/dtype.ts";
import { useTraining } from "../nn/fast_training.ts";
import { whyEmpty } from "../nn/module.ts";
import { countChange, Tensor } from "../tensor/tensor.ts";
import {
  checkRate,
  describe,
  optimizerCall,
  type OptimizerOptions,
  optionsOf,
  type OptionValue,
  type OptionValues,
  type ParamGroup,
  type ParamGroupOptions,
  requireOptions,
  setOption,
} from "./param_group.ts";
import {
  dictOf,
  type OptimizerState,
  type ParamState,
  readGroups,
  readParamState,
  type StateLike,
  valueOf,
} from "./state.ts";

/**
 * The parameters that an optimiser is made with.
 * @category Optimisers and schedules
 */
export type OptimizerParams<O> =
  | Iterable<Tensor>
  | Iterable<readonly [string, Tensor]>
  | Iterable<ParamGroupOptions<O>>;

/** The optimisers that have taken a step; a schedule that is stepped before one warns. */
export const stepped = new WeakSet<Optimizer>();

/**
 * The base of the optimisers (`torch.optim.Optimizer`). A subclass says how one parameter takes one
 * step; groups, state and state dicts are here.
 * @category Optimisers and schedules
 */
export abstract class Optimizer<O extends OptimizerOptions = OptimizerOptions> {
  /** The groups of parameters; their options may be changed between steps, as schedules do. */
  readonly paramGroups: ParamGroup<O>[] = [];
  readonly #call: Call<Record<string, unknown>>;
  readonly #defaults: Readonly<OptionValues>;
  #state = new Map<Tensor, ParamState>();
  /** What was loaded for parameters that are in no group; kept, as PyTorch keeps it. */
  #others: Record<string, ParamState> = {};

  /**
   * Takes the parameters and the options.
   *
   * @param params the tensors to optimise, perhaps each with its name, or groups of them with
   * options of their own
   * @param options the options for all groups that name no other
   * @param defaults all options in PyTorch's order, with their defaults
   * @param given what a subclass was given, where that may be more: `arguments`
   * @throws {ValueError} if there is no parameter, one is not a leaf, or one is in two groups
   * @throws {TypeError} if something is not a tensor, or there is no such option
   * @throws {RuntimeError} if options exclude each other
   */
  constructor(
    params: OptimizerParams<O>,
    options: O,
    defaults: Readonly<OptionValues>,
    given: ArrayLike<unknown> = [params, options],
  ) {
    useTraining();
    // As a method it would keep bundlers from leaving the class out.
    Object.defineProperty(this, Symbol.for("nodejs.util.inspect.custom"), {
      value: () => this.toString(),
    });
    check(this.#call = optimizerCall(this.getName(), defaults), given);
    this.#defaults = settle(defaults, options);
    checkRate(this.#defaults.lr);
    this.check(asGroup<O>(this.#defaults));
    const { foreach, fused, capturable, differentiable } = this.#defaults;
    if (params instanceof Tensor) {
      throw new TypeError(
        "params argument given to the optimizer should be an iterable of Tensors or dicts, but " +
          `got ${typeName(params.dtype)}`,
      );
    }
    const all = severalOf<Tensor | readonly [string, Tensor] | ParamGroupOptions<O>>(params);
    if (all.length === 0) {
      throw new ValueError(`optimizer got an empty parameter list${whyEmpty(params)}`);
    }
    const groups = isPlain(all[0]) ? all : [{ params: all }];
    for (const group of groups) this.addParamGroup(group as ParamGroupOptions<O>);
    if (fused && foreach) {
      throw new RuntimeError("`fused` and `foreach` cannot be `True` together.");
    }
    if (capturable || differentiable) {
      throw new RuntimeError(
        `${this.getName()} has no step that is captured or differentiated: leave out ` +
          (capturable ? "capturable" : "differentiable"),
      );
    }
  }

  /** Returns the class's name; a subclass that may be minified overrides it. */
  protected getName(): string {
    return this.constructor.name;
  }

  /** Refuses options that are out of range, in PyTorch's words. */
  protected abstract check(options: Readonly<ParamGroup<O>>): void;

  /**
   * Lets one parameter take one step.
   *
   * @param param the parameter; changed in place
   * @param grad its gradient, not to be changed; already negated where `maximize` is set
   * @param state what is remembered of the parameter; before the first step, what
   * {@linkcode Optimizer.stateNames} says, of zeros
   * @param group the options
   */
  protected abstract update(
    param: Tensor,
    grad: Tensor,
    state: ParamState,
    group: Readonly<ParamGroup<O>>,
  ): void;

  /**
   * Names what is remembered of a parameter from its first step on: `step`, which counts, and
   * tensors of its shape. What is missing later, after options were changed or another's state was
   * loaded, is refused.
   */
  protected stateNames(_group: Readonly<ParamGroup<O>>): readonly string[] {
    return [];
  }

  /**
   * Names the options that a step reads: those before it looks at what is remembered, then the
   * others, each in PyTorch's order, in which a missing one is noticed.
   */
  protected optionNames(): readonly [before: readonly string[], after: readonly string[]] {
    return [[], Object.keys(this.#defaults)];
  }

  /**
   * Completes the options of a loaded state.
   *
   * @param options the options
   * @returns them, with what PyTorch fills in where they lack it
   */
  protected completed(options: OptionValues): OptionValues {
    return options;
  }

  /**
   * Adds a group of parameters (`add_param_group`).
   *
   * @param group the tensors, and the options that differ from those of the constructor
   * @throws {ValueError} if one is not a leaf, or is in another group already
   * @throws {TypeError} if something is not a tensor, or there is no such option
   */
  addParamGroup(group: ParamGroupOptions<O>): void {
    check(["Optimizer.addParamGroup", { paramGroup: any }], arguments);
    if (!isPlain(group)) {
      throw new TypeError(`param_group must be a dict, but got ${pythonClass(group)}`);
    }
    const { params, ...own } = group;
    if (params === undefined) throw new KeyError("'params'");
    const { initialLr: _, ...options } = own as Record<string, unknown>; // a schedule's
    checkOptions(this.#call, options);
    const given = severalOf<Tensor | readonly [string, Tensor]>(params);
    const tensors = given.map((one) => Array.isArray(one) ? one[1] : one) as Tensor[];
    const names = given.flatMap((one) => Array.isArray(one) ? [one[0] as string] : []);
    if (names.length > 0 && names.length < tensors.length) {
      throw new ValueError(
        "all optimizer params should be with/without names. Some param names are missing",
      );
    }
    for (const param of tensors) {
      if (!(param instanceof Tensor)) {
        throw new TypeError(
          `optimizer can only optimize Tensors, but one of the params is ${pythonType(param)}`,
        );
      }
      if (!param.isLeaf) throw new ValueError("can't optimize a non-leaf Tensor");
    }
    if (new Set(tensors).size < tensors.length) {
      console.warn(
        "optimizer contains a parameter group with duplicate parameters; in future, this will " +
          "cause an error; see github.com/pytorch/pytorch/issues/40967 for more information",
      );
    }
    const settled = asGroup<O>({
      ...settle(this.#defaults, own),
      ...(names.length > 0 && { paramNames: names }),
    });
    const named = settled.paramNames !== undefined;
    if (this.paramGroups.some(({ paramNames }) => (paramNames !== undefined) !== named)) {
      throw new ValueError(
        "all optimizer param groups should be with/without names. cannot add param group " +
          `${named ? "with names" : "without names"} to the optimizer`,
      );
    }
    if (this.paramGroups.some((other) => other.params.some((param) => tensors.includes(param)))) {
      throw new ValueError("some parameters appear in more than one parameter group");
    }
    settled.params = tensors;
    this.paramGroups.push(settled);
  }

  /**
   * Lets every parameter that has a gradient take one step.
   *
   * @throws {KeyError} if an option or a tensor is missing that the step needs, as after another
   * kind of optimiser's state was loaded; nothing is then changed
   */
  step(): void {
    checkCount("Optimizer.step", 0, arguments);
    const work = this.paramGroups.map((group) => {
      const [before, after] = this.optionNames();
      requireOptions(group, before);
      const names = this.stateNames(group);
      const ready = group.params.filter(({ grad }) => grad !== null);
      for (const param of ready) {
        const own = this.#state.get(param) ?? {};
        const missing = names.find((name) => !Object.hasOwn(own, name));
        if (missing && Object.keys(own).length > 0) throw new KeyError(`'${missing}'`);
      }
      requireOptions(group, after);
      return { group, names, ready };
    });
    stepped.add(this);
    for (const { group, names, ready } of work) {
      const now = ready.map((param) => {
        const own = this.#state.get(param) ?? {};
        if (Object.keys(own).length === 0) {
          for (const name of names) own[name] = zeros(name, param);
        }
        this.#state.set(param, own);
        return { param, own, state: { ...own } }; // what is new counts from the next step on
      });
      for (const { param, state } of now) {
        const { data, shape } = param.grad!;
        const grad = group.maximize ? new Tensor(data.map((x) => -x), shape) : param.grad!;
        this.update(param, grad, state, group);
        countChange(param);
      }
      for (const { own, state } of now) Object.assign(own, state);
    }
  }

  /** Clears the gradient of every parameter. */
  zeroGrad(): void {
    checkCount("Optimizer.zeroGrad", 0, arguments);
    for (const { params } of this.paramGroups) for (const param of params) param.grad = null;
  }

  /**
   * Returns all that the optimiser remembers, by PyTorch's names. Tensors are the optimiser's own.
   */
  stateDict(): OptimizerState {
    checkCount("Optimizer.stateDict", 0, arguments);
    const numbers = new Map<Tensor, number>();
    let start = 0;
    const groups = this.paramGroups.map((group) => {
      const before = new Set(numbers.keys());
      group.params.forEach((param, k) => {
        if (!before.has(param)) numbers.set(param, start + k); // the last place, where it is twice
      });
      start += group.params.length;
      const options = Object.entries(optionsOf(group))
        .map(([name, value]) => [snakeCase(name), tupled(value)]);
      const params = group.params.map((param) => numbers.get(param)!);
      return { ...Object.fromEntries(options), params };
    });
    const state = Object.fromEntries(
      [...this.#state].filter(([, own]) => Object.keys(own).length > 0)
        .map(([param, own]) => [numbers.get(param)!, { ...own }]),
    );
    return { state: { ...state, ...this.#others }, param_groups: groups };
  }

  /**
   * Takes over what an optimiser of the same groups remembered, this library's or PyTorch's, read
   * from a `.pt` file. Tensors of their parameter's dtype are taken over as they are, so that two
   * optimisers may share them, as in PyTorch; others are converted.
   *
   * @param state what {@linkcode Optimizer.stateDict} gave, or the `Map` that `readTorchFile` gives
   * @throws {ValueError} if the groups differ in number or size
   * @throws {KeyError} if the state is of another kind of optimiser
   * @throws {TypeError | RuntimeError} if it is no state, or a tensor has another shape than its
   * parameter; nothing is then changed
   */
  loadStateDict(state: StateLike<OptimizerState>): void {
    check(["Optimizer.loadStateDict", { stateDict: any }], arguments);
    const given = dictOf(state, "the state of an optimiser");
    const groups = readGroups(given);
    if (groups.length !== this.paramGroups.length) {
      throw new ValueError("loaded state dict has a different number of parameter groups");
    }
    if (groups.some(({ params }, k) => params.length !== this.paramGroups[k].params.length)) {
      throw new ValueError(
        "loaded state dict contains a parameter group that doesn't match the size of optimizer's " +
          "group",
      );
    }
    const params = new Map(
      groups.flatMap((group, k) =>
        group.params.map((number, place): [string, Tensor] => [
          number,
          this.paramGroups[k].params[place],
        ])
      ),
    );
    const loaded = new Map<Tensor, ParamState>();
    const others: Record<string, ParamState> = {};
    for (const [key, value] of dictOf(valueOf(given, "state"), "state")) {
      const param = params.get(key);
      if (param === undefined) others[key] = value as ParamState;
      else loaded.set(param, readParamState(value, param, key));
    }
    const restored = groups.map(({ options }, k) => {
      const { params, paramNames } = this.paramGroups[k];
      const names = Object.entries(options).map(([name, value]) => [camelCase(name), value]);
      const group = asGroup<O>(this.completed(Object.fromEntries(names)));
      if (paramNames && !group.paramNames) group.paramNames = paramNames;
      group.params = params;
      if (this.stateNames(group).includes("step")) {
        for (const param of params) {
          const own = loaded.get(param);
          if (own && Object.keys(own).length > 0 && !own.step) throw new KeyError("'step'");
        }
      }
      return group;
    });
    this.paramGroups.splice(0, restored.length, ...restored);
    this.#state = loaded;
    this.#others = others;
  }

  /** Returns the text that PyTorch prints: the options of every group. */
  toString(): string {
    const groups = this.paramGroups.map((group, k) => `\nParameter Group ${k}\n${describe(group)}`);
    return `${this.getName()} (${groups.join("")})`;
  }
}

/**
 * A tensor alone, or several things, as a list.
 *
 * @throws {TypeError} in Python's words, if it is neither
 */
export function severalOf<T>(given: Tensor | Iterable<T>): (Tensor | T)[] {
  if (given instanceof Tensor) return [given];
  if (typeof given?.[Symbol.iterator] === "function") return [...given];
  throw new TypeError(`'${pythonType(given)}' object is not iterable`);
}

/** Options as a group has them: a learning rate that is a tensor reads as its number. */
function asGroup<O>(options: OptionValues): ParamGroup<O> {
  const group = {} as ParamGroup<O>;
  for (const [name, value] of Object.entries(options)) setOption(group, name, value);
  return group;
}

/** A list of numbers as a tuple, which is a frozen list here; anything else as it is. */
function tupled(value: OptionValue): OptionValue {
  return Array.isArray(value) && typeof value[0] === "number" ? Object.freeze([...value]) : value;
}

/** What is remembered before the first step. */
function zeros(name: string, param: Tensor): Tensor {
  if (name === "step") return new Tensor(new Float32Array(1), []);
  return new Tensor(allocate(param.dtype, param.numel()), param.shape);
}

/**
 * Counts a step in the state, where PyTorch counts it: in a float32 tensor without a dimension.
 *
 * @returns how many steps the parameter has taken, this one included
 */
export function countStep({ step }: ParamState): number {
  return step.data[0] += 1;
}
