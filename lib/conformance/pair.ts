/**
 * The pair: a request and what PyTorch answers. A golden case, a line of the conformance protocol
 * and a bug report are all this one object. Keys are PyTorch's own names.
 */

import type { StateDict } from "../tensor/tensor.ts";
import { convert, type DType, type FloatDType, isFloat } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";

/** A number as JSON can hold it: what is not finite is a string. */
export type JsonNumber = number | "NaN" | "Infinity" | "-Infinity";

/** A tensor: flat, row-major. Numbers are the shortest decimals that give the same float back. */
export interface JsonTensor {
  /** The extent of each dimension. */
  shape: number[];
  /** The elements. */
  data: JsonNumber[];
  /** Its dtype, where that is not the request's; `int64` for indices and lengths. */
  dtype?: DType;
}

/** A big tensor in short: its shape, the SHA-256 of its little-endian bytes, its first elements. */
export interface Digest {
  /** The extent of each dimension. */
  shape: number[];
  /** In hexadecimal. */
  sha256: string;
  /** At most four. */
  first: JsonNumber[];
}

/** A class or function by PyTorch's name, with its arguments. */
export interface Named {
  /** The name in `torch.optim`, `torch.optim.lr_scheduler`, `torch.nn` or `torch.nn.utils`. */
  name: string;
  /** Arguments by PyTorch's names. */
  args?: Record<string, unknown>;
}

/** A checkpoint, and which part of it is wanted. */
export interface JsonFile {
  /** What wrote it. */
  format: "torch" | "safetensors";
  /** The keys that lead to the weights, where they are not the whole. */
  at?: (string | number)[];
  /** Takes only the names that begin so, and takes this off them. */
  prefix?: string;
  /** Whether half precision becomes float32. */
  widen?: boolean;
  /** The pickle protocol, where it is not 2. */
  protocol?: number;
  /** The bytes. */
  base64: string;
}

/** What is asked: an operation, and what it needs. */
export interface Request {
  /**
   * `forward`, `vjp`, `init`, `repr`, `print`, `size`, `rand`, `randn`, `call`, `notebook`, `loss`,
   * `optim`, `train`, `example`, `line`, `load`, `inplace` or `node`.
   */
  op: string;
  /** The module's name in `torch.nn`, or `SimpleRNN`; for `node`, ONNX's operator. */
  module?: string;
  /** The name of the function of a `call`, `inplace` or `init`, or of the program of an `example`. */
  function?: string;
  /** Arguments by PyTorch's names; for `node`, attributes by ONNX's. */
  args?: Record<string, unknown>;
  /** For `node`, the version of ONNX's operators. */
  opset?: number;
  /** The dtype of every tensor that names no other. */
  dtype?: FloatDType;
  /** Whether the module is in training mode. */
  training?: boolean;
  /** For `manual_seed`; a decimal string where a number would not hold it. */
  seed?: number | string;
  /** How often the constructor runs after the seed, of an operation `init` or `notebook`. */
  constructions?: number;
  /** Whether an `init` is to be answered with digests. */
  digest?: boolean;
  /** The weights. */
  state_dict?: Record<string, JsonTensor>;
  /** Tensors by name, lists of them, and the integers of `lengths` or `sequence_lens`. */
  inputs?: Record<string, JsonTensor | JsonTensor[] | number[]>;
  /** For `inplace` and `print`, the names of the inputs that require a gradient. */
  requires_grad?: string[];
  /** For `inplace`, the names of what is said to have been changed after the forward pass. */
  changes?: string[];
  /** For `vjp` and `loss`, the gradient of what follows with respect to each output. */
  grad_outputs?: Record<string, JsonTensor>;
  /** For `loss`, the inputs whose gradient is wanted; `input` alone where it is missing. */
  wrt?: string[];
  /** For `optim`, the gradient of each parameter, the steps along a new first dimension. */
  gradients?: Record<string, JsonTensor>;
  /**
   * For `optim`, the names of each group's parameters, with arguments of the group's own and which
   * are given with their names; or the name of one that stands where a list should.
   */
  groups?: string | { params: string[]; args: Record<string, unknown>; named?: boolean[] }[];
  /** For `optim`, who takes the first steps; its state is then loaded into the optimiser. */
  before?: { optimizer: Named; steps: number };
  /** For `optim`, what is set in every group before the step `at`, counted from 0. */
  change?: { at: number; args: Record<string, unknown> };
  /** For `train`, the arguments of a Linear on what the module puts out at every step. */
  head?: Record<string, unknown>;
  /** For `train`, the time steps of a window, after each of which the optimiser steps, if not all. */
  window?: number;
  /** For `train`, the loss. */
  loss?: Named;
  /** For `optim` and `train`. */
  optimizer?: Named;
  /** For `optim` and `train`, what is done to the gradients before a step. */
  clip?: Named;
  /** For `optim` and `train`, the schedule; it steps after each step of the optimiser. */
  scheduler?: Named;
  /** For `optim`, what the schedule's step is given, after each step of the optimiser. */
  metrics?: JsonNumber[];
  /** For `train` and `example`, how many steps. */
  steps?: number;
  /**
   * For `load`, the checkpoint to read, or with a module to take its weights from; for `optim`, one
   * whose `optimizer` and `scheduler` the states are loaded from.
   */
  file?: JsonFile;
}

/** All that an optimiser remembers, as `torch.optim.Optimizer.state_dict` has it. */
export interface JsonOptimizerState {
  /** Tensors by name, by the number of their parameter. */
  state: Record<string, Record<string, JsonTensor>>;
  /**
   * The options of each group and the numbers of its parameters. Options for speed alone (`foreach`,
   * `fused`, `capturable`, `differentiable`) and `decoupled_weight_decay` are left out.
   */
  param_groups: Record<string, unknown>[];
}

/** What is answered: one of these. */
export interface Answer {
  /** Output tensors by name; some outputs are lists of tensors. */
  outputs?: Record<string, JsonTensor | JsonTensor[]>;
  /** Gradients, of the inputs and of the weights. */
  grads?: { inputs: Record<string, JsonTensor>; state_dict: Record<string, JsonTensor> };
  /** What an optimiser remembers after the last step. */
  optimizer_state?: JsonOptimizerState;
  /** What a schedule that was given metrics remembers after the last step. */
  scheduler_state?: Record<string, unknown>;
  /** Weights by name, or their digests; of an `optim`, the steps along a new first dimension. */
  state_dict?: Record<string, JsonTensor | Digest>;
  /**
   * What a checkpoint holds: a tensor as `{"dtype", "tensor"}`, a dict as `{"dict": [[key, value]]}`,
   * a list or tuple as `{"list": []}`, a long integer as `{"integer": "…"}`.
   */
  value?: unknown;
  /** The free text that a safetensors file has besides. */
  metadata?: Record<string, string>;
  /** What `print(module)` shows. */
  repr?: string;
  /** What `print(...)` shows. */
  print?: string;
  /** What PyTorch refuses, with Python's class and the message. */
  error?: { type: string; message: string };
  /** Why an implementation has no answer. */
  unsupported?: string;
}

/**
 * How far from the ordinary a case is: `core` (one layer or cell, batched, time first, finite,
 * float32), `family` (all that PyTorch's modules do) or `edge` (empty, NaN, projections, other
 * dtypes, errors, words, ONNX's nodes).
 */
export type Level = "core" | "family" | "edge";

/** One golden case. */
export interface Case {
  /** `chapter/name/dtype`; unique. */
  id: string;
  /** Why the case exists. */
  reason: string;
  /** How far from the ordinary it is; `edge` where it does not say. */
  level?: Level;
  /** The clauses of the specification that it bears on. */
  clauses: string[];
  /** Who answers so, where it is not PyTorch. */
  sources?: string[];
  /** What is asked. */
  request: Request;
  /** What PyTorch answers. */
  expect: Answer;
}

/** One golden file. */
export interface GoldenFile {
  /** The chapter of the specification. */
  chapter: string;
  /** What the cases have in common. */
  about: string;
  /** The cases. */
  cases: Case[];
}

/**
 * Reads a tensor of a pair.
 *
 * @param dtype its dtype where it names none
 */
export function decode(json: JsonTensor, dtype: DType): Tensor {
  const own = json.dtype ?? dtype;
  return new Tensor(convert(json.data.map(Number), own), json.shape, own);
}

/**
 * Writes a tensor for a pair.
 *
 * @returns it, with the shortest decimals that give the same floats back, and its dtype where that is
 * int64 or bool
 */
export function encode(tensor: Tensor): JsonTensor {
  const shortest = tensor.dtype === "float32" ? shortestFloat32 : (x: number) => x;
  const data = Array.from(
    tensor.data,
    (x) => Number.isFinite(x) ? shortest(x) : String(x) as JsonNumber,
  );
  const { dtype } = tensor;
  return { shape: [...tensor.shape], data, ...(isFloat(dtype) ? {} : { dtype }) };
}

/** The number with the fewest digits that rounds to the same float32. */
function shortestFloat32(x: number): number {
  if (x === 0) return x; // of either sign
  for (let digits = 1;; digits++) { // 9 are always enough
    const short = Number(x.toPrecision(digits));
    if (Math.fround(short) === x) return short;
  }
}

/** Reads the weights of a request. */
export function decodeStateDict(request: Request): StateDict {
  const { state_dict = {}, dtype = "float32" } = request;
  return Object.fromEntries(
    Object.entries(state_dict).map(([name, json]) => [name, decode(json, dtype)]),
  );
}

/**
 * Writes an object as one line of JSON. Unlike `JSON.stringify`, keeps the sign of a negative zero.
 *
 * @returns the line, without its end
 */
export function toLine(value: unknown): string {
  // Asking each number on the way to the text takes many times as long as looking for one before.
  if (!hasNegativeZero(value)) return JSON.stringify(value);
  const mark = "\u0000-0";
  const text = JSON.stringify(value, (_, x) => Object.is(x, -0) ? mark : x);
  return text.replaceAll(JSON.stringify(mark), "-0.0");
}

function hasNegativeZero(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return Object.is(value, -0);
  return (Array.isArray(value) ? value : Object.values(value)).some(hasNegativeZero);
}
