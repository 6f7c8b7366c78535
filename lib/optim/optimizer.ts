/**
 * What every optimiser is: groups of parameters with their options, a state for each parameter, and
 * a step.
 *
 * @module
 */

import {
  any,
  bool,
  type Call,
  check,
  checkCount,
  checkOptions,
  type Kind,
  number,
  record,
  snakeCase,
} from "../call.ts";
import { ValueError } from "../errors.ts";
import { pythonClass, pythonText, pythonType } from "../python.ts";
import { allocate, type DType } from "../tensor/dtype.ts";
import { countChange, Tensor } from "../tensor/tensor.ts";

/** The options that every optimiser has. */
export interface OptimizerOptions {
  /** The learning rate; a tensor of one element counts as its number. */
  readonly lr?: number | Tensor;
  /** How much of each parameter is added to its gradient; 0 unless told otherwise. */
  readonly weightDecay?: number;
  /** Whether to climb instead of to descend; false unless told otherwise. */
  readonly maximize?: boolean;
}

/** Parameters, with options of their own. */
export type ParamGroupOptions<O> = O & {
  /** The tensors to optimise. */
  readonly params: Iterable<Tensor> | Tensor;
};

/** Parameters, with the options in force for them; the options may be changed between steps. */
export type ParamGroup<O> =
  & { -readonly [K in keyof O]-?: Exclude<O[K], Tensor> }
  & {
    /** The tensors to optimise. */
    params: Tensor[];
    /** The learning rate that a schedule started from. */
    initialLr?: number;
  };

/** What an optimiser remembers of a parameter, by PyTorch's names. */
export type ParamState = Record<string, Tensor>;

/** A hyperparameter as a state dict holds it. */
export type OptionValue = number | boolean | null | readonly number[];

/** All that an optimiser remembers, by PyTorch's names (`torch.optim.Optimizer.state_dict`). */
export interface OptimizerState {
  /** What is remembered of each parameter, by the parameter's number, counted over all groups. */
  state: Record<string, ParamState>;
  /** The options of each group, and the numbers of its parameters. */
  // deno-lint-ignore camelcase -- PyTorch's name
  param_groups: Record<string, OptionValue>[];
}

/** `weight_decay` to `weightDecay`. */
function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** A learning rate. */
const rate: Kind = {
  word: "Number",
  is: (value) => typeof value === "number" || value instanceof Tensor,
};

/** True, false, or `null` for PyTorch's own choice. */
const flag: Kind = { word: "bool", is: (value) => value === null || bool.is(value) };

/** A number for the first moment, and one for the second. */
const pair: Kind = {
  word: "pair of Numbers",
  is: (value) => Array.isArray(value) && value.length === 2 && value.every(number.is),
};

/** What an optimiser's constructor may be given: an option is to be what its default is. */
export function optimizerCall(
  name: string,
  defaults: Readonly<Record<string, OptionValue>>,
): Call<Record<string, unknown>> {
  const kinds = Object.entries(defaults).map(([option, value]): [string, Kind] => [
    option,
    option === "lr"
      ? rate
      : typeof value === "number"
      ? number
      : Array.isArray(value)
      ? pair
      : flag,
  ]);
  return [name, { params: any }, Object.fromEntries(kinds)];
}

const loadCall: Call = ["Optimizer.loadStateDict", { stateDict: record }];

/**
 * How a number becomes one of a dtype: what PyTorch's kernels do after each operation.
 *
 * @param dtype the dtype
 * @returns the rounding to it
 */
export function roundingTo(dtype: DType): (x: number) => number {
  return dtype === "float32" ? Math.fround : (x) => x;
}

/**
 * The base of the optimisers (`torch.optim.Optimizer`). A subclass says how one parameter takes one
 * step; groups, state and state dicts are here.
 */
export abstract class Optimizer<O extends OptimizerOptions = OptimizerOptions> {
  /** The groups of parameters; their options may be changed between steps, as schedules do. */
  readonly paramGroups: ParamGroup<O>[] = [];
  readonly #call: Call<Record<string, unknown>>;
  readonly #defaults: Readonly<Record<string, OptionValue>>;
  #state = new Map<Tensor, ParamState>();

  /**
   * Takes the parameters and the options.
   *
   * @param params the tensors to optimise, or groups of them with options of their own
   * @param options the options for all groups that name no other
   * @param defaults all options in PyTorch's order, with their defaults, checked against
   * @throws {ValueError} if there is no parameter, one is not a leaf, or one is in two groups
   * @throws {TypeError} if something is not a tensor, or there is no such option
   */
  constructor(
    params: Iterable<Tensor> | Iterable<ParamGroupOptions<O>>,
    options: O,
    defaults: Readonly<Record<string, OptionValue>>,
  ) {
    checkOptions(this.#call = optimizerCall(this.getName(), defaults), options);
    this.#defaults = settle(defaults, options);
    this.check(this.#defaults as unknown as ParamGroup<O>);
    if (params instanceof Tensor) {
      throw new TypeError(
        "params argument given to the optimizer should be an iterable of Tensors or dicts, but " +
          `got torch.${params.dtype === "float32" ? "Float" : "Double"}Tensor`,
      );
    }
    checkIterable(params);
    const given: (Tensor | ParamGroupOptions<O>)[] = [...params];
    if (given.length === 0) throw new ValueError("optimizer got an empty parameter list");
    const groups = isGroup(given[0]) ? given : [{ params: given }];
    for (const group of groups) this.addParamGroup(group as ParamGroupOptions<O>);
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
   * @param state what is remembered of the parameter; empty before the first step
   * @param group the options
   */
  protected abstract update(
    param: Tensor,
    grad: Tensor,
    state: ParamState,
    group: Readonly<ParamGroup<O>>,
  ): void;

  /**
   * Adds a group of parameters (`add_param_group`).
   *
   * @param group the tensors, and the options that differ from those of the constructor
   * @throws {ValueError} if one is not a leaf, or is in another group already
   * @throws {TypeError} if something is not a tensor
   */
  addParamGroup(group: ParamGroupOptions<O>): void {
    checkCount("Optimizer.addParamGroup", 1, arguments);
    if (!record.is(group)) {
      throw new TypeError(`param_group must be a dict, but got ${pythonClass(group)}`);
    }
    const { params, ...own } = group;
    const { initialLr: _, ...options } = own as Record<string, unknown>; // a schedule's
    checkOptions(this.#call, options);
    if (!(params instanceof Tensor)) checkIterable(params);
    const tensors: Tensor[] = params instanceof Tensor ? [params] : [...params];
    for (const param of tensors) {
      if (!(param instanceof Tensor)) {
        throw new TypeError(
          `optimizer can only optimize Tensors, but one of the params is ${pythonType(param)}`,
        );
      }
      if (!param.isLeaf) throw new ValueError("can't optimize a non-leaf Tensor");
    }
    if (this.paramGroups.some((other) => other.params.some((param) => tensors.includes(param)))) {
      throw new ValueError("some parameters appear in more than one parameter group");
    }
    this.paramGroups.push(
      { ...settle(this.#defaults, own), params: tensors } as unknown as ParamGroup<O>,
    );
  }

  /** Lets every parameter that has a gradient take one step. */
  step(): void {
    checkCount("Optimizer.step", 0, arguments);
    for (const group of this.paramGroups) {
      for (const param of group.params) {
        if (param.grad === null) continue;
        let state = this.#state.get(param);
        if (state === undefined) this.#state.set(param, state = {});
        const { data, shape } = param.grad;
        const grad = group.maximize ? new Tensor(data.map((x) => -x), shape) : param.grad;
        this.update(param, grad, state, group);
        countChange(param);
      }
    }
  }

  /** Clears the gradient of every parameter. */
  zeroGrad(): void {
    checkCount("Optimizer.zeroGrad", 0, arguments);
    for (const { params } of this.paramGroups) for (const param of params) param.grad = null;
  }

  /**
   * Returns all that the optimiser remembers, by PyTorch's names. Tensors share storage with the
   * optimiser's.
   */
  stateDict(): OptimizerState {
    checkCount("Optimizer.stateDict", 0, arguments);
    const all = this.paramGroups.flatMap(({ params }) => params);
    const state = Object.fromEntries(
      all.flatMap((param, k): [number, ParamState][] => {
        const own = this.#state.get(param);
        return own && Object.keys(own).length > 0 ? [[k, { ...own }]] : [];
      }),
    );
    const groups = this.paramGroups.map(({ params, ...options }) => ({
      ...Object.fromEntries(
        Object.entries(options).map(([name, value]) => [snakeCase(name), value as OptionValue]),
      ),
      params: params.map((param) => all.indexOf(param)),
    }));
    return { state, param_groups: groups };
  }

  /**
   * Takes over what another optimiser of the same kind and parameters remembered. Tensors are
   * copied, in the dtype of their parameter.
   *
   * @param state what {@linkcode Optimizer.stateDict} gave
   * @throws {ValueError} if the groups differ in number or size
   */
  loadStateDict(state: OptimizerState): void {
    check(loadCall, arguments);
    const groups = state.param_groups;
    if (groups.length !== this.paramGroups.length) {
      throw new ValueError("loaded state dict has a different number of parameter groups");
    }
    const numbers = groups.map(({ params }) => params as readonly number[]);
    if (numbers.some((own, k) => own.length !== this.paramGroups[k].params.length)) {
      throw new ValueError(
        "loaded state dict contains a parameter group that doesn't match the size of optimizer's " +
          "group",
      );
    }
    const loaded = new Map<Tensor, ParamState>();
    this.paramGroups.forEach((group, k) => {
      const { params: _, ...options } = groups[k];
      for (const [name, value] of Object.entries(options)) {
        (group as Record<string, unknown>)[camelCase(name)] = value;
      }
      group.params.forEach((param, place) => {
        const own = state.state[numbers[k][place]];
        if (own) loaded.set(param, copyState(own, param.dtype));
      });
    });
    this.#state = loaded;
  }

  /** Returns the text that PyTorch prints: the options of every group. */
  toString(): string {
    const groups = this.paramGroups.map(({ params: _, ...options }, k) => {
      const lines = Object.entries(options)
        .map(([name, value]) => `    ${snakeCase(name)}: ${optionText(value)}\n`).sort();
      return `\nParameter Group ${k}\n${lines.join("")}`;
    });
    return `${this.getName()} (${groups.join("")})`;
  }

  /** Lets `console.log` show what PyTorch would print, in Deno and in Node. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

/** A hyperparameter as Python prints it; a list is a tuple there. */
function optionText(value: unknown): string {
  return pythonText(value).replace(/^\[(.*)\]$/, "($1)");
}

/** Refuses what is no list of things, in Python's words. */
export function checkIterable(value: unknown): void {
  if (typeof (value as Iterable<unknown> | null)?.[Symbol.iterator] !== "function") {
    throw new TypeError(`'${pythonType(value)}' object is not iterable`);
  }
}

function isGroup(value: unknown): boolean {
  return typeof value === "object" && value !== null && "params" in value;
}

/** The options given, over the defaults. */
function settle(
  defaults: Readonly<Record<string, OptionValue>>,
  options: object,
): Record<string, OptionValue> {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, value instanceof Tensor ? onlyElement(value) : value]);
  return { ...defaults, ...Object.fromEntries(given) };
}

function onlyElement(lr: Tensor): number {
  if (lr.numel() !== 1) throw new ValueError("Tensor lr must be 1-element");
  return lr.item();
}

/** A copy of a parameter's state; all but the count of steps takes the parameter's dtype. */
function copyState(state: ParamState, dtype: DType): ParamState {
  return Object.fromEntries(
    Object.entries(state).map(([name, value]) => {
      const data = allocate(name === "step" ? value.dtype : dtype, value.data.length);
      data.set(value.data);
      return [name, new Tensor(data, value.shape)];
    }),
  );
}

/**
 * The state's tensor of this name, made of zeros in the shape of the parameter where there is none.
 *
 * @param state what is remembered of the parameter
 * @param name the tensor's name
 * @param like the parameter
 * @returns the tensor
 */
export function remembered(state: ParamState, name: string, like: Tensor): Tensor {
  return state[name] ??= new Tensor(allocate(like.dtype, like.numel()), like.shape);
}

/**
 * Counts a step in the state, where PyTorch counts it: in a float32 tensor without a dimension.
 *
 * @param state what is remembered of the parameter
 * @returns how many steps the parameter has taken, this one included
 */
export function countStep(state: ParamState): number {
  const step = state.step ??= new Tensor(new Float32Array(1), []);
  return step.data[0] += 1;
}
