/**
 * The values of a graph, as far as they can be computed: from constants alone, or from some values
 * that are given. Exporters hide weights behind slices, joins and transpositions; what lies between
 * two recurrent nodes is of the same operators.
 */

import type { OnnxAttribute, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode } from "./model.ts";
import { numel } from "../tensor/dtype.ts";
import type { OnnxTensor } from "./tensor.ts";
import { needed, operators } from "./operators.ts";
import { type Value, valueOf } from "./value.ts";

/** Carries out a node that is none of the {@linkcode operators}; `null` where it cannot. */
export type Extra = (
  node: OnnxNode,
  scope: Scope,
  inputs: readonly (Value | null)[],
) => readonly (Value | null)[] | null;

/** What the scopes of one file share. */
export interface World {
  readonly model: OnnxModel;
  /** How recurrent nodes are carried out. */
  readonly extra: Extra;
  /** How many elements may still be made. */
  left: number;
}

/**
 * What the scopes of a file share.
 *
 * @param extra carries out the nodes that are none of the operators; by default they are not
 */
export function worldOf(model: OnnxModel, extra: Extra = () => null): World {
  // A hostile file asks for more numbers than there is room for.
  return { model, extra, left: 2 ** 22 + 4 * model.bytes.length };
}

/** The function that a node calls; `undefined` where it is an operator's. */
export function functionOf(node: OnnxNode, { functions }: OnnxModel): OnnxFunction | undefined {
  return functions.find(({ name, domain, overload }) =>
    name === node.opType && domain === node.domain && overload === node.overload
  );
}

/** The most rounds of a loop. */
const ROUNDS = 1000;

/** Whether a value has as many elements as its shape says; what a hostile file asks for may have not. */
function isSound({ shape, data }: Value): boolean {
  return shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0) &&
    numel(shape) === data.length;
}

/** The nodes of a graph or function with all that they can see: a graph within sees those around it. */
export class Scope {
  readonly nodes: readonly OnnxNode[];
  /** The graph or function around them; `null` for the outermost. */
  readonly around: Scope | null;
  readonly #world: World;
  readonly #initializers: ReadonlyMap<string, OnnxTensor>;
  readonly #makers = new Map<string, OnnxNode>();
  readonly #known = new Map<string, Value | null>();
  readonly #call: ReadonlyMap<string, OnnxAttribute> | null;

  /**
   * Begins with nothing computed.
   *
   * @param around the graph around it, whose values it sees; `null` for none
   * @param given values by name that are known already; `null` for one that must stay unknown
   * @param call the attributes that a function is called with
   */
  constructor(
    world: World,
    within: OnnxGraph | OnnxFunction,
    around: Scope | null = null,
    given: Iterable<readonly [string, Value | null]> = [],
    call: ReadonlyMap<string, OnnxAttribute> | null = null,
  ) {
    this.nodes = within.nodes;
    this.around = around;
    if (around) this.#depth = around.#depth;
    this.#world = world;
    this.#call = call;
    this.#initializers = "initializers" in within ? within.initializers : new Map();
    for (const node of within.nodes) for (const name of node.outputs) this.#makers.set(name, node);
    for (const [name, value] of given) this.#known.set(name, value);
  }

  /** The attribute of a node, through the call of the function that the node is in. */
  attribute(node: OnnxNode, name: string): OnnxAttribute | undefined {
    const own = node.attributes.get(name);
    return own?.type === "reference" ? this.#call?.get(own.value) : own;
  }

  /** The node that puts out a value, with the scope that it is in. */
  maker(name: string): { node: OnnxNode; scope: Scope } | null {
    const node = this.#makers.get(name);
    if (node) return { node, scope: this };
    return this.#initializers.has(name) ? null : this.around?.maker(name) ?? null;
  }

  /** The constant of that name, of this graph or one around it. */
  initializer(name: string): OnnxTensor | null {
    if (this.#makers.has(name)) return null;
    return this.#initializers.get(name) ?? this.around?.initializer(name) ?? null;
  }

  /** The value of that name; `null` where it cannot be computed. */
  get(name: string): Value | null {
    const stack = [name];
    const waiting = new Set<string>(); // a name that waits for itself is in a circle
    while (stack.length > 0) {
      const wanted = stack[stack.length - 1];
      if (this.#known.has(wanted)) {
        stack.pop();
        continue;
      }
      const node = this.#makers.get(wanted);
      if (!node) {
        this.#known.set(wanted, this.#outside(wanted));
        continue;
      }
      const missing = node.inputs.filter((input) => input !== "" && !this.#known.has(input));
      if (missing.length && !waiting.has(wanted)) {
        waiting.add(wanted);
        stack.push(...missing);
        continue;
      }
      // Carrying out costs time, however little it makes: loops within loops are much of it.
      const outputs = missing.length > 0 || !this.#fits([64]) ? null : this.#carryOut(node);
      node.outputs.forEach((output, k) => this.#known.set(output, outputs?.[k] ?? null));
    }
    return this.#known.get(name)!;
  }

  #outside(name: string): Value | null {
    const tensor = this.#initializers.get(name);
    if (!tensor) return this.around?.get(name) ?? null;
    return this.#fits(tensor.shape) ? valueOf(tensor) : null;
  }

  /** Whether this many more elements may be made, of all that the file may make. */
  charge(count: number): boolean {
    return this.#fits([count]);
  }

  #fits(shape: readonly number[]): boolean {
    const size = numel(shape);
    return size >= 0 && (this.#world.left -= size) >= 0;
  }

  #carryOut(node: OnnxNode): readonly (Value | null)[] | null {
    const inputs = node.inputs.map((name) => name === "" ? null : this.#known.get(name) ?? null);
    const attribute = (name: string) => this.attribute(node, name);
    if (node.opType === "If" && node.domain === "") return this.#branch(node, inputs[0]);
    if (node.opType === "Loop" && node.domain === "") return this.#loop(node, inputs);
    if (node.domain === "" && Object.hasOwn(operators, node.opType)) {
      // An input may be left out; one that is unknown makes the outputs unknown.
      if (inputs.some((x, k) => x === null && node.inputs[k] !== "")) return null;
      for (let k = 0; k < needed(node.opType); k++) if (!inputs[k]) return null;
      try {
        const given = inputs.map((x) => x ?? undefined);
        const fits = (shape: readonly number[]) => this.#fits(shape);
        const use = { inputs: given, attribute, fits, outputs: node.outputs.length };
        const made = operators[node.opType](use);
        return made && made.map((value) => value && isSound(value) ? value : null);
      } catch (error) {
        if (error instanceof RangeError) return null;
        throw error;
      }
    }
    const called = functionOf(node, this.#world.model);
    if (!called) return this.#world.extra(node, this, inputs);
    const inner = this.inside(node, called);
    return inner && called.outputs.map((name) => inner.get(name));
  }

  /**
   * The scope of a function that a node calls.
   *
   * @returns it; `null` where functions call each other without end
   */
  inside(node: OnnxNode, called: OnnxFunction): Scope | null {
    if (this.#depth > 16) return null;
    const call = new Map(called.defaults);
    for (const [name] of node.attributes) {
      const own = this.attribute(node, name);
      if (own) call.set(name, own);
    }
    const given = called.inputs.map((name, k): [string, Value | null] => {
      const own = node.inputs[k];
      return [name, own ? this.get(own) : null];
    });
    const inner = new Scope(this.#world, called, null, given, call);
    inner.#depth = this.#depth + 1;
    return inner;
  }

  /** How many calls of functions lie around this scope. */
  #depth = 0;

  #branch(node: OnnxNode, condition: Value | null): readonly (Value | null)[] | null {
    if (condition?.data.length !== 1) return null;
    const branch = this.attribute(node, condition.data[0] ? "then_branch" : "else_branch");
    if (branch?.type !== "graph") return null;
    const inner = new Scope(this.#world, branch.value, this);
    return branch.value.outputs.map(({ name }) => inner.get(name));
  }

  /** A loop: some values go from each round to the next, others are collected. */
  #loop(node: OnnxNode, inputs: readonly (Value | null)[]): readonly (Value | null)[] | null {
    const body = this.attribute(node, "body");
    if (body?.type !== "graph" || [0, 1].some((k) => node.inputs[k] && !inputs[k])) return null;
    const rounds = inputs[0]?.data[0] ?? Infinity;
    let goesOn = inputs[1] ?? one(1);
    let carried = inputs.slice(2);
    const collected: (Value | null)[][] = [];
    for (let round = 0; round < rounds && goesOn.data[0]; round++) {
      if (round > ROUNDS) return null;
      const values = [one(round), goesOn, ...carried];
      const given = body.value.inputs.map(({ name }, k) => [name, values[k] ?? null] as const);
      const inner = new Scope(this.#world, body.value, this, given);
      const [next, ...rest] = body.value.outputs.map(({ name }) => inner.get(name));
      if (!next) return null;
      goesOn = next;
      carried = rest.slice(0, carried.length);
      collected.push(rest.slice(carried.length));
    }
    const stacked = (collected[0] ?? []).map((_, k) => {
      const parts = collected.map((values) => values[k]);
      return parts.every((part) => part !== null) ? this.#stacked(parts) : null;
    });
    return [...carried, ...stacked];
  }

  /** Values of one shape, one after the other along a new first dimension. */
  #stacked(parts: readonly Value[]): Value | null {
    const [{ shape, whole }] = parts;
    const width = parts[0].data.length;
    if (!this.#fits([parts.length, width])) return null;
    if (parts.some(({ data }) => data.length !== width)) return null;
    const data = new Float64Array(parts.length * width);
    parts.forEach((part, k) => data.set(part.data, k * width));
    return { shape: [parts.length, ...shape], data, whole };
  }
}

const one = (value: number): Value => ({ shape: [], data: Float64Array.of(value), whole: true });
