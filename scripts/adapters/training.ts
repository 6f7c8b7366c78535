/** The protocol's operations that need gradients: `vjp`, `loss`, `optim` and `train`. */

import {
  type Answer,
  decode,
  decodeStateDict,
  encode,
  type JsonTensor,
  type Named,
  type Request,
} from "../../lib/conformance/mod.ts";
import { readTorchFile } from "../../lib/checkpoints/mod.ts";
import * as rnn from "../../mod.ts";
import * as characters from "../examples/programs/characters.ts";
import * as forecaster from "../examples/programs/forecaster.ts";
import * as tagger from "../examples/programs/tagger.ts";
import { computations, named, optionsOf } from "./functions.ts";

// deno-lint-ignore no-explicit-any -- the arguments come from outside; the modules check them
type Arguments = any;

type Tensors = Record<string, rnn.Tensor>;

/** What the adapter lends to these operations. */
export interface Tools {
  /** Makes the module that a request describes. */
  build(request: Request): rnn.Module;
  /** Calls a module as its kind is called. */
  run(module: rnn.Module, inputs: Arguments): Tensors;
  inputsOf(request: Request): Arguments;
  /** Says that there is no answer, and why. */
  unsupported(what: string): Error;
}

function encodeAll(tensors: Tensors): Record<string, JsonTensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, x]) => [name, encode(x)]));
}

/** The gradients of what has one, by name. */
export function gradsOf(tensors: Tensors): Record<string, JsonTensor> {
  const found = Object.entries(tensors).flatMap(([name, x]) => x.grad ? [[name, x.grad]] : []);
  return encodeAll(Object.fromEntries(found));
}

function vjp(request: Request, tools: Tools): Answer {
  const { dtype = "float32", grad_outputs = {} } = request;
  if (request.function !== undefined) return functionVjp(request, tools);
  const module = tools.build(request);
  if (request.state_dict) module.loadStateDict(decodeStateDict(request));
  module.train(request.training ?? false);
  const { lengths, ...leaves } = tools.inputsOf(request);
  const numbers = Object.values(leaves as Tensors).filter(({ dtype }) => dtype.startsWith("float"));
  for (const leaf of numbers) leaf.requiresGrad = true;
  const outputs = tools.run(module, lengths ? { ...leaves, lengths } : leaves);
  const weights = Object.fromEntries(module.namedParameters());
  const wanted = [...numbers, ...Object.values(weights)];
  const found = rnn.grad(
    Object.keys(grad_outputs).map((name) => outputs[name]),
    wanted,
    Object.values(grad_outputs).map((grad) => decode(grad, dtype)),
    { allowUnused: true },
  );
  wanted.forEach((x, k) => x.grad = found[k]);
  return { grads: { inputs: gradsOf(leaves), state_dict: gradsOf(weights) } };
}

/** The gradients of a function's inputs. */
function functionVjp(request: Request, tools: Tools): Answer {
  const { function: name = "", args, grad_outputs = {}, dtype = "float32" } = request;
  if (!Object.hasOwn(computations, name)) throw tools.unsupported(`function ${name}`);
  const inputs = tools.inputsOf(request);
  for (const x of Object.values(inputs as Tensors)) {
    if (x.dtype === "float32" || x.dtype === "float64") x.requiresGrad = true;
  }
  const outputs = named(computations[name](inputs, optionsOf(args)));
  for (const [key, grad] of Object.entries(grad_outputs)) {
    rnn.backward(outputs[key], decode(grad, dtype));
  }
  return { grads: { inputs: gradsOf(inputs), state_dict: {} } };
}

const losses: Record<string, new (options: Arguments) => rnn.Loss> = {
  BCEWithLogitsLoss: rnn.BCEWithLogitsLoss,
  CrossEntropyLoss: rnn.CrossEntropyLoss,
  L1Loss: rnn.L1Loss,
  MSELoss: rnn.MSELoss,
  NLLLoss: rnn.NLLLoss,
};

/**
 * A loss by its name in `torch.nn`.
 *
 * @returns the loss, or `null` where there is none of that name
 */
export function makeLoss(name: string, args: Record<string, unknown> = {}): rnn.Loss | null {
  return Object.hasOwn(losses, name) ? new losses[name](optionsOf(args)) : null;
}

/** Runs without the warnings that PyTorch gives, too: the protocol has no place for them. */
function quietly<T>(run: () => T): T {
  const { warn } = console;
  console.warn = () => {};
  try {
    return run();
  } finally {
    console.warn = warn;
  }
}

function loss(request: Request, tools: Tools): Answer {
  const { module = "", args, dtype = "float32", inputs = {}, grad_outputs, wrt = ["input"] } =
    request;
  const read = (name: string) => {
    const json = inputs[name] as JsonTensor | undefined;
    if (json?.dtype !== "int64") return json && decode(json, dtype);
    return { shape: json.shape, data: json.data.map(Number) };
  };
  const { input, target, ...weights } = Object.fromEntries(
    Object.keys(inputs).map((name) => [name, read(name)]),
  ) as Arguments;
  const measure = makeLoss(module, { ...args, ...weights });
  if (!measure) throw tools.unsupported(`loss ${module}`);
  const leaves: Tensors = { input, target };
  for (const name of wrt) leaves[name].requiresGrad = true;
  const output = quietly(() => measure.forward(input, target));
  rnn.backward(output, grad_outputs && decode(grad_outputs.output, output.dtype));
  return {
    outputs: { output: encode(output) },
    grads: {
      inputs: gradsOf(Object.fromEntries(wrt.map((name) => [name, leaves[name]]))),
      state_dict: {},
    },
  };
}

const optimizers: Record<string, new (params: Arguments, options: Arguments) => rnn.Optimizer> = {
  Adam: rnn.Adam,
  AdamW: rnn.AdamW,
  RMSprop: rnn.RMSprop,
  SGD: rnn.SGD,
};

/** Arguments of an optimiser: numbers that JSON has no numeral for, and tensors, read. */
function argumentsOf(args: Record<string, unknown> = {}, dtype: rnn.FloatDType): Arguments {
  const read = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(read);
    if (typeof value === "string") return Number(value);
    const tensor = typeof value === "object" && value !== null && "shape" in value;
    return tensor ? decode(value as JsonTensor, dtype) : value;
  };
  return optionsOf(
    Object.fromEntries(Object.entries(args).map(([name, value]) => [name, read(value)])),
  );
}

function makeOptimizer(
  { name, args }: Named,
  params: Arguments,
  tools: Tools,
  dtype: rnn.FloatDType = "float32",
): rnn.Optimizer {
  if (!Object.hasOwn(optimizers, name)) throw tools.unsupported(`optimizer ${name}`);
  return new optimizers[name](params, argumentsOf(args, dtype));
}

/** What `print` shows of an optimiser or, where the request names none, of a module. */
function repr(request: Request, tools: Tools): Answer {
  const params = [rnn.zeros([1], { requiresGrad: true })];
  if (!request.optimizer) return { repr: String(tools.build(request)) };
  const optimizer = makeOptimizer(request.optimizer, params, tools);
  const scheduler = request.scheduler && makeScheduler(request.scheduler, optimizer, tools);
  for (let k = 0; k < (request.steps ?? 0); k++) {
    optimizer.step();
    (scheduler as rnn.LRScheduler).step();
  }
  return { repr: String(optimizer) };
}

function makeScheduler(
  { name, args }: Named,
  optimizer: rnn.Optimizer,
  tools: Tools,
): rnn.LRScheduler | rnn.ReduceLROnPlateau {
  const { step_size, T_max, ...rest } = args as Arguments;
  if (name === "StepLR") return new rnn.StepLR(optimizer, step_size, optionsOf(rest));
  if (name === "CosineAnnealingLR") {
    return new rnn.CosineAnnealingLR(optimizer, T_max, optionsOf(rest));
  }
  const { gamma, ...more } = optionsOf(args);
  if (name === "ExponentialLR") return new rnn.ExponentialLR(optimizer, gamma, more);
  if (name === "ReduceLROnPlateau") return new rnn.ReduceLROnPlateau(optimizer, optionsOf(args));
  throw tools.unsupported(`scheduler ${name}`);
}

/** Clips; the norm before, where one is measured. */
function clip({ name, args }: Named, params: rnn.Tensor[], tools: Tools): rnn.Tensor | null {
  const { maxNorm, clipValue, ...rest } = argumentsOf(args, "float32");
  if (name === "clip_grad_norm_") return rnn.clipGradNorm(params, maxNorm, rest);
  if (name !== "clip_grad_value_") throw tools.unsupported(`function ${name}`);
  rnn.clipGradValue(params, clipValue);
  return null;
}

function optim(request: Request, tools: Tools): Answer {
  const { dtype = "float32", gradients = {}, groups, before, change } = request;
  const params = decodeStateDict(request);
  for (const param of Object.values(params)) param.requiresGrad = true;
  const make = (wanted: Named) =>
    makeOptimizer(
      wanted,
      typeof groups === "string"
        ? params[groups]
        : groups?.map(({ params: names, args, named }) => ({
          params: names.map((name, k) => named?.[k] ? [name, params[name]] : params[name]),
          ...argumentsOf(args, dtype),
        })) ?? Object.values(params),
      tools,
      dtype,
    );
  let optimizer = quietly(() => make(before?.optimizer ?? request.optimizer!));
  const scheduler = request.scheduler && makeScheduler(request.scheduler, optimizer, tools);
  if (request.file) {
    const bytes = Uint8Array.from(atob(request.file.base64), (text) => text.charCodeAt(0));
    const saved = readTorchFile(bytes) as ReadonlyMap<unknown, Arguments>;
    optimizer.loadStateDict(saved.get("optimizer"));
    scheduler?.loadStateDict(saved.get("scheduler"));
  }
  const steps: Tensors[] = [];
  const [rates, norms]: [number[], rnn.Tensor[]] = [[], []];
  const given = Object.entries(gradients).map(([name, all]) => [name, decode(all, dtype)] as const);
  for (let k = 0; k < (given[0]?.[1].shape[0] ?? 0); k++) {
    if (before?.steps === k) {
      const state = optimizer.stateDict();
      optimizer = make(request.optimizer!);
      optimizer.loadStateDict(state);
    }
    if (change?.at === k) {
      for (const group of optimizer.paramGroups) Object.assign(group, optionsOf(change.args));
    }
    optimizer.zeroGrad();
    for (const [name, all] of given) params[name].grad = rnn.select(all, 0, k);
    const norm = request.clip && clip(request.clip, Object.values(params), tools);
    if (norm) norms.push(norm);
    rates.push(optimizer.paramGroups[0].lr);
    optimizer.step();
    if (scheduler instanceof rnn.ReduceLROnPlateau) scheduler.step(Number(request.metrics?.[k]));
    else scheduler?.step();
    steps.push(
      rnn.noGrad(() =>
        Object.fromEntries(Object.entries(params).map(([name, x]) => [name, rnn.mul(x, 1)]))
      ),
    );
  }
  const names = Object.keys(params);
  const stacked = names.map((name) => [name, rnn.stack(steps.map((step) => step[name]))]);
  const outputs: Record<string, JsonTensor> = {};
  if (scheduler) outputs.lr = { shape: [rates.length], data: rates };
  if (norms.length > 0) outputs.norm = encode(rnn.stack(norms));
  return {
    ...(Object.keys(outputs).length > 0 && { outputs }),
    state_dict: encodeAll(Object.fromEntries(stacked)),
    // After a schedule, the last digits of a learning rate are the cosine's own.
    ...(!scheduler && { optimizer_state: encodeState(optimizer.stateDict()) }),
    ...(scheduler instanceof rnn.ReduceLROnPlateau && {
      scheduler_state: encodeOptions(scheduler.stateDict()),
    }),
  };
}

/** Options for PyTorch's speed alone, and one that the optimiser's name says. */
const leftOut = ["foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay"];

function encodeOption(value: unknown): unknown {
  if (value instanceof rnn.Tensor) return encode(value);
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

function encodeOptions(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => [name, encodeOption(value)]),
  );
}

function encodeState({ state, param_groups }: rnn.OptimizerState): Answer["optimizer_state"] {
  return {
    state: Object.fromEntries(Object.entries(state).map(([k, own]) => [k, encodeAll(own)])),
    param_groups: param_groups.map((group) =>
      Object.fromEntries(
        Object.entries(group).filter(([name]) => !leftOut.includes(name))
          .map(([name, value]) => [name, encodeOption(value)]),
      )
    ),
  };
}

/** A recurrent module, and a Linear on what it puts out at every step. */
class Headed extends rnn.Module {
  readonly rnn: rnn.Module;
  readonly fc: rnn.Linear;

  constructor(rnn: rnn.Module, head: () => rnn.Linear) {
    super();
    this.rnn = rnn;
    this.fc = head();
  }
  override forward(x: rnn.Tensor): rnn.Tensor {
    return this.window(x, null)[0];
  }

  /** The head on some steps that begin with a state, and the state after them. */
  window(x: rnn.Tensor, state: rnn.State | null): [rnn.Tensor, rnn.State] {
    const given = state && (state.length > 1 ? state : state[0]);
    const [output, after] = (this.rnn as rnn.GRU).forward(x, given as rnn.Tensor | null);
    return [this.fc.forward(output), after instanceof rnn.Tensor ? [after] : after];
  }
}

const programs = { characters, tagger, forecaster };

/** The losses before the first steps of a program of scripts/examples/. */
function example({ function: name = "", args, dtype, steps = 0 }: Request, tools: Tools): Answer {
  if (!Object.hasOwn(programs, name)) throw tools.unsupported(`program ${name}`);
  const { training } = programs[name as keyof typeof programs];
  const { losses } = training(args as Arguments, dtype);
  const data = Array.from({ length: steps }, () => losses.next().value);
  return { outputs: { loss: { shape: [steps], data } } };
}

/** Trains as a request says; `visit` sees the model, and the loss before each step. */
export function train(request: Request, tools: Tools): Answer {
  const { dtype = "float32", inputs = {}, head, steps = 0 } = request;
  rnn.manualSeed(Number(request.seed ?? 0));
  const body = tools.build(request);
  const { in_features, out_features, ...rest } = (head ?? {}) as Arguments;
  const model = head
    ? new Headed(body, () => new rnn.Linear(in_features, out_features, { ...rest, dtype }))
    : body;
  if (request.state_dict) model.loadStateDict(decodeStateDict(request));
  const input = decode(inputs.input as JsonTensor, dtype);
  const target = decode(inputs.target as JsonTensor, dtype);
  const params = model.parameters();
  const optimizer = makeOptimizer(request.optimizer!, params, tools);
  const scheduler = request.scheduler && makeScheduler(request.scheduler, optimizer, tools);
  const measure = makeLoss(request.loss!.name, request.loss!.args);
  if (!measure) throw tools.unsupported(`loss ${request.loss!.name}`);
  const curve: rnn.Tensor[] = [];
  const step = (error: rnn.Tensor) => {
    optimizer.zeroGrad();
    rnn.backward(error);
    if (request.clip) clip(request.clip, params, tools);
    optimizer.step();
    (scheduler as rnn.LRScheduler | undefined)?.step();
    curve.push(rnn.detach(error));
  };
  for (let k = 0; k < steps; k++) {
    const { window } = request;
    if (window === undefined) {
      step(measure.forward((model as rnn.SimpleRNN).forward(input), target));
      continue;
    }
    let state: rnn.State | null = null;
    for (let start = 0; start < input.shape[1]; start += window) {
      const [x, y] = [input, target].map((all) => rnn.slice(all, 1, start, start + window));
      const [output, after] = (model as Headed).window(x, state);
      step(measure.forward(output, y));
      state = rnn.detachState(after);
    }
  }
  return { outputs: { loss: encode(rnn.stack(curve)) }, state_dict: encodeAll(model.stateDict()) };
}

export function trainingOperations(tools: Tools): Record<string, (request: Request) => Answer> {
  return Object.fromEntries(
    Object.entries({ example, loss, optim, repr, train, vjp }).map(([name, operation]) => [
      name,
      (request: Request) => operation(request, tools),
    ]),
  );
}
