/** What makes a tensor is recorded here, and from here gradients flow back. */

import {
  any,
  bool,
  type Call,
  callable,
  check,
  checkCount,
  type Kind,
  type Options,
} from "../call.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { allocate, type FloatArray, listed, sameShape, typeName } from "../tensor/dtype.ts";
import {
  aTensor,
  type Backward,
  checkTensors,
  countChange,
  type Flow,
  type GradFn,
  type SavedTensor,
  sharesVersion,
  shareVersion,
  Tensor,
  tensorOrNone,
  tensors,
} from "../tensor/tensor.ts";

const passOptions: Options<BackwardOptions> = { retainGraph: bool, createGraph: bool };

const aState: Kind = {
  word: "Tensor or tuple of Tensors",
  is: (value) => [value].flat().every((part) => part instanceof Tensor),
};

const calls = {
  noGrad: ["noGrad", { run: callable }],
  detach: ["detach", { input: aTensor }],
  detachState: ["detachState", { state: aState }],
  incrementVersion: ["incrementVersion", { tensor: any }],
  backward: [
    "backward",
    { tensor: aTensor, "gradient?": tensorOrNone },
    passOptions,
  ],
  grad: [
    "grad",
    { outputs: tensors, inputs: tensors, "gradOutputs?": tensors },
    { ...passOptions, allowUnused: bool } satisfies Options<GradOptions>,
  ],
} satisfies Record<string, Call>;

let enabled = true;
let recorded = 0;

/**
 * Tells whether operations record what made their results.
 *
 * @returns false inside {@linkcode noGrad}
 *
 * @example
 * ```ts
 * import { isGradEnabled, noGrad } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals([isGradEnabled(), noGrad(isGradEnabled)], [true, false]);
 * ```
 * @category Gradients
 */
export function isGradEnabled(): boolean;
export function isGradEnabled(surplus?: unknown): boolean {
  if (surplus !== undefined) checkCount("isGradEnabled", 0, [surplus]);
  return enabled;
}

/**
 * Runs a function without recording (`with torch.no_grad():`). The function runs at once; what it
 * awaits runs after recording is back on.
 *
 * @param run what to run
 * @returns what it returns
 *
 * @example
 * ```ts
 * import { noGrad, ones, tanh } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = ones([2], { requiresGrad: true });
 * assertEquals(noGrad(() => tanh(x)).requiresGrad, false);
 * assertEquals(tanh(x).requiresGrad, true);
 * ```
 * @category Gradients
 */
export function noGrad<T>(run: () => T): T {
  check(calls.noGrad, arguments);
  const before = enabled;
  enabled = false;
  try {
    return run();
  } finally {
    enabled = before;
  }
}

/** Whether an operation on these inputs would be recorded now. */
export function wouldRecord(inputs: readonly (Tensor | null | undefined)[]): boolean {
  return enabled && inputs.some((input) => input?.requiresGrad);
}

/** What an operation keeps: a tensor, or a view of one in another shape, such as `weight.t()`. */
export type Keeps = Tensor | { readonly viewOf: Tensor; readonly shape: readonly number[] };

/**
 * Records what made a tensor, if recording is on and a gradient may be wanted.
 *
 * An operation names in `keeps` each tensor of the forward pass that its backward reads, or that
 * PyTorch's node saves: an input where another input's gradient needs it, or the output. A backward
 * pass first looks whether one of them has been changed in place since (GRAD-6), in this order, and
 * uses them up (GRAD-4). An operation that names none may run backwards again and again.
 *
 * @param output the tensor made
 * @param name PyTorch's name of the node
 * @param inputs the tensors it was made from
 * @param backward how a gradient flows from the output to them
 * @param keeps what PyTorch's node saves, in the order in which it looks at them
 * @returns `output`
 */
export function record(
  output: Tensor,
  name: string,
  inputs: readonly Tensor[],
  backward: Backward,
  keeps: readonly Keeps[] = [],
): Tensor {
  if (wouldRecord(inputs)) {
    output.gradFn = { name, order: recorded++, inputs, saved: keeps.map(saved), backward };
  }
  return output;
}

/**
 * Records, as {@linkcode record} does, an operation whose gradients are made as a whole.
 *
 * @param output the tensor made
 * @param name the node's name
 * @param inputs the tensors it was made from
 * @param flow how the gradients of the inputs follow from that of the output
 * @param keeps what PyTorch's nodes save
 * @param release called when a backward pass has freed the node
 * @returns `output`
 */
export function recordFlow(
  output: Tensor,
  name: string,
  inputs: readonly Tensor[],
  flow: Flow,
  keeps: readonly Keeps[],
  release?: () => void,
): Tensor {
  if (wouldRecord(inputs)) {
    const all = keeps.map(saved);
    const node = { name, order: recorded++, inputs, saved: all, backward: () => {} };
    output.gradFn = { ...node, flow, release };
  }
  return output;
}

/**
 * Records a tensor whose values are some of another one's, float32 ones; no two parts overlap.
 *
 * @param output the part
 * @param name PyTorch's name of the node
 * @param input the whole
 * @param partOf the number of its first value among those of the whole
 * @returns `output`
 */
export function recordPart(output: Tensor, name: string, input: Tensor, partOf: number): Tensor {
  if (wouldRecord([input])) {
    const node = { name, order: recorded++, inputs: [input], saved: [], backward: () => {} };
    output.gradFn = { ...node, partOf };
  }
  return output;
}

/**
 * Records a tensor that PyTorch makes a view of another one: what changes one in place, changes
 * the other (GRAD-6).
 *
 * @param output the tensor made
 * @param name PyTorch's name of the node
 * @param input the tensor that it is a view of
 * @param backward how a gradient flows from the output to the input
 * @returns `output`
 */
export function recordView(
  output: Tensor,
  name: string,
  input: Tensor,
  backward: Backward,
): Tensor {
  shareVersion(output, input);
  return record(output, name, [input], backward);
}

/** Records, as {@linkcode recordView} does, a view of the same values in another shape. */
export function recordShape(output: Tensor, name: string, input: Tensor): Tensor {
  shareVersion(output, input);
  return recordFlow(output, name, [input], (grad) => [grad], []);
}

function saved(kept: Keeps): SavedTensor {
  const { tensor, shape } = kept instanceof Tensor
    ? { tensor: kept, shape: kept.shape }
    : { tensor: kept.viewOf, shape: kept.shape };
  return { tensor, shape, version: tensor.version() };
}

/** Refuses to run a node backwards that kept what has been changed in place since. */
function checkSaved({ saved }: GradFn): void {
  for (const { tensor, shape, version } of saved) {
    if (tensor.version() === version) continue;
    const { gradFn } = tensor;
    const isView = shape !== tensor.shape || (gradFn && sharesVersion(tensor, gradFn.inputs[0]));
    const maker = isView && tensor.requiresGrad ? "AsStrided" : gradFn?.name.split("Backward")[0];
    throw new RuntimeError(
      "one of the variables needed for gradient computation has been modified by an inplace " +
        `operation: [${typeName(tensor.dtype)} ${listed(shape)}]` +
        `${maker ? `, which is output 0 of ${maker},` : ""} is at version ${tensor.version()}; ` +
        `expected version ${version} instead. Hint: enable anomaly detection to find the ` +
        "operation that failed to compute its gradient, with " +
        "torch.autograd.set_detect_anomaly(True, check_nan=False).",
    );
  }
}

/**
 * Says that the values of tensors have been changed in place
 * (`torch.autograd.graph.increment_version`): for code that writes into `data`, such as an
 * optimiser of your own, and wants a backward pass that still needs the old values to be refused.
 *
 * @param tensors one tensor, or several
 * @throws {RuntimeError} if something is not a tensor
 *
 * @example
 * ```ts
 * import { backward, incrementVersion, sin, sum, tensor } from "@rnn-spec/rnn-spec";
 * import { assertThrows } from "@std/assert";
 *
 * const x = tensor([1, 2], { requiresGrad: true });
 * const y = sum(sin(x));
 * x.data[0] = 5;
 * incrementVersion(x);
 * assertThrows(() => backward(y), Error, "[torch.FloatTensor [2]] is at version 1");
 * ```
 * @category Gradients
 */
export function incrementVersion(tensors: Tensor | Iterable<Tensor>): void {
  check(calls.incrementVersion, arguments);
  const given: unknown = tensors;
  const several = typeof given === "object" && given !== null && Symbol.iterator in given;
  const all = several ? [...given as Iterable<unknown>] : [given];
  if (!all.every((x) => x instanceof Tensor)) {
    throw new RuntimeError("increment_version expect a Iterable[Tensor] as input");
  }
  all.forEach(countChange);
}

/**
 * The same values, cut off from what made them (`torch.detach`). The storage is shared, and so is
 * the count of its changes.
 *
 * @param input any tensor
 * @returns a leaf that requires no gradient
 *
 * @example
 * ```ts
 * import { detach, ones, tanh } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const y = tanh(ones([2], { requiresGrad: true }));
 * assertEquals([y.isLeaf, detach(y).isLeaf], [false, true]);
 * ```
 * @category Gradients
 */
export function detach(input: Tensor): Tensor {
  check(calls.detach, arguments);
  const same = new Tensor(input.data, input.shape, input.dtype);
  shareVersion(same, input);
  return same;
}

/**
 * A state cut off from what made it, as {@linkcode detach} does each of its parts: h of an RNN or a
 * GRU, the pair h, c of an LSTM, what a stream's `state` gives (TRAIN-4). Between two windows of a
 * long sequence it stops the gradient, and the graph of the first window is freed.
 *
 * @param state a tensor, or a list of tensors
 * @returns leaves that require no gradient, put together as the state is
 *
 * @example
 * ```ts
 * import { backward, detachState, LSTM, randn, slice, sum } from "@rnn-spec/rnn-spec";
 * import type { LSTMState, Tensor } from "@rnn-spec/rnn-spec";
 * import { assert } from "@std/assert";
 *
 * const lstm = new LSTM(2, 3);
 * const x = randn([100, 4, 2]); // (L, N, H_in)
 * let state: LSTMState | null = null;
 * for (let t = 0; t < 100; t += 20) {
 *   const [output, after]: [Tensor, LSTMState] = lstm.forward(slice(x, 0, t, t + 20), state);
 *   backward(sum(output)); // through 20 steps, however long the sequence
 *   state = detachState(after);
 * }
 * assert(state!.every((part) => part.isLeaf));
 * ```
 * @category Gradients
 */
export function detachState<S extends Tensor | readonly Tensor[]>(state: S): S {
  check(calls.detachState, arguments);
  if (state instanceof Tensor) return detach(state) as S;
  return state.map((part) => detach(part)) as unknown as S;
}

/**
 * How a backward pass is to run.
 * @category Gradients
 */
export interface BackwardOptions {
  /** Keep what the pass would free, so that it can run again. @default false */
  readonly retainGraph?: boolean;
  /** Whether gradients are to have gradients: only false, which is what holds where it is left out. */
  readonly createGraph?: boolean;
}

/**
 * Every tensor behind `roots` that a gradient flows through, latest first; where `ends` are given,
 * only those on the way to one of them.
 */
function tensorsBehind(roots: readonly Tensor[], ends: ReadonlySet<Tensor> | null): Tensor[] {
  const seen = new Set<Tensor>(roots);
  // A Set visits what is added while it is walked, so no recursion, however long the sequence.
  for (const x of seen) {
    if (x.gradFn === null) continue;
    if (x.gradFn.backward === null) {
      if (ends?.has(x)) continue; // nothing behind it is asked for
      throw new RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors " +
          "after they have already been freed). Saved intermediate values of the graph are freed " +
          "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to " +
          "backward through the graph a second time or if you need to access saved tensors after " +
          "calling backward.",
      );
    }
    for (const input of x.gradFn.inputs) if (input.requiresGrad) seen.add(input);
  }
  const order = [...seen].sort((a, b) => (b.gradFn?.order ?? -1) - (a.gradFn?.order ?? -1));
  if (ends === null) return order;
  const onTheWay = new Set<Tensor>();
  for (const x of [...order].reverse()) {
    if (ends.has(x) || x.gradFn?.inputs.some((input) => onTheWay.has(input))) onTheWay.add(x);
  }
  return order.filter((x) => onTheWay.has(x));
}

/** Hands out arrays of zeros, many from one allocation: a small array costs more than its use. */
function accumulators(): (length: number) => Float64Array {
  let block = new Float64Array(0);
  let used = 0;
  return (length) => {
    if (used + length > block.length) {
      block = new Float64Array(Math.max(length, Math.min(2 * block.length, 4096), 64));
      used = 0;
    }
    return block.subarray(used, used += length);
  };
}

/**
 * Runs the graph behind `outputs` backwards, as far as `ends` where they are given, and hands each
 * tensor's gradient to `visit`.
 */
function propagate(
  outputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null | undefined)[],
  ends: ReadonlySet<Tensor> | null,
  options: BackwardOptions,
  visit: (tensor: Tensor, grad: FloatArray) => void,
): void {
  if (options.createGraph) {
    throw new NotImplementedError(
      "create_graph: a backward pass computes plain numbers here and records nothing, so that " +
        "gradients have no gradients",
    );
  }
  const grads = new Map<Tensor, FloatArray>();
  const zeros = accumulators();
  /** The sum of what has come, to be added to: in float64. */
  const gradOf = (x: Tensor): Float64Array => {
    const grad = grads.get(x);
    if (grad instanceof Float64Array) return grad;
    const wide = grad ? Float64Array.from(grad) : zeros(x.data.length);
    grads.set(x, wide);
    return wide;
  };
  const give = (x: Tensor, given: FloatArray): void => {
    if (!grads.has(x)) grads.set(x, given);
    else {
      const sum = gradOf(x);
      for (let i = 0; i < sum.length; i++) sum[i] += given[i];
    }
  };
  const seeds = outputs.map((output, k) => seedOf(output, gradOutputs[k], k));
  const order = tensorsBehind(outputs, ends);
  const reached = new Set(order);
  for (const { gradFn } of order) {
    if (gradFn?.inputs.some((y) => reached.has(y))) checkSaved(gradFn);
  }
  outputs.forEach((output, k) => {
    if (!reached.has(output)) return;
    const grad = gradOf(output);
    seeds[k].forEach((value, i) => grad[i] += value);
  });
  const freed: GradFn[] = [];
  for (const x of order) {
    const node = x.gradFn;
    visit(x, grads.get(x) ?? gradOf(x));
    if (node?.inputs.some((y) => reached.has(y))) {
      if (node.partOf !== undefined) {
        const [whole] = node.inputs;
        let parts = grads.get(whole);
        if (parts === undefined) grads.set(whole, parts = new Float32Array(whole.data.length));
        parts.set(grads.get(x)!, node.partOf);
      } else if (node.flow) {
        const given = node.flow(grads.get(x)!, node.inputs.map((y) => reached.has(y)));
        given.forEach((one, k) => one && give(node.inputs[k], one));
      } else {
        const inputs = node.inputs.map((y) => reached.has(y) ? gradOf(y) : undefined);
        node.backward!(gradOf(x), ...inputs);
      }
      if (node.saved.length > 0) freed.push(node);
    }
    grads.delete(x);
  }
  if (options.retainGraph) return;
  for (const node of freed) {
    node.backward = null;
    node.release?.();
    if (node.flow) node.flow = node.release = null;
    node.saved = [];
    node.inputs = []; // no pass comes here again, so nothing need be kept alive for one
  }
}

/** The gradient that a backward pass starts from at one output. */
function seedOf(output: Tensor, given: Tensor | null | undefined, k: number): Float64Array {
  if (!output.requiresGrad) {
    throw new RuntimeError(
      `element ${k} of tensors does not require grad and does not have a grad_fn`,
    );
  }
  if (!given) {
    if (output.data.length !== 1) {
      throw new RuntimeError("grad can be implicitly created only for scalar outputs");
    }
    return Float64Array.of(1);
  }
  if (!sameShape(given.shape, output.shape)) {
    throw new RuntimeError(
      `Mismatch in shape: grad_output[${k}] has a shape of ${given.size()} and ` +
        `output[${k}] has a shape of ${output.size()}.`,
    );
  }
  return Float64Array.from(given.data);
}

/**
 * Adds the gradient of `output` to the `grad` of every leaf behind it (`Tensor.backward`).
 *
 * @param output what to differentiate
 * @param gradient the gradient of whatever follows with respect to `output`, in its shape; may be
 * left out where `output` is a single number
 * @param options whether to keep the graph for another pass
 * @throws {RuntimeError} if nothing behind `output` requires a gradient, if `output` is not a
 * single number and `gradient` is missing, if the graph has been freed by an earlier pass, or if
 * something that it kept has been changed in place; nothing is then added to any `grad`
 *
 * @example
 * ```ts
 * import { backward, mul, sum, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([1, 2, 3], { requiresGrad: true });
 * backward(sum(mul(x, x)));
 * assertEquals(x.grad?.tolist(), [2, 4, 6]);
 * ```
 * @category Gradients
 */
export function backward(
  output: Tensor,
  gradient?: Tensor | null,
  options: BackwardOptions = {},
): void {
  check(calls.backward, arguments);
  propagate([output], [gradient], null, options, (x, grad) => {
    if (x.gradFn !== null) return;
    if (x.grad === null && grad instanceof Float32Array && x.dtype === "float32") {
      x.grad = new Tensor(grad, x.shape);
      return;
    }
    if (x.grad === null) x.grad = new Tensor(allocate(x.dtype, x.data.length), x.shape);
    else countChange(x.grad);
    const { data } = x.grad;
    for (let i = 0; i < grad.length; i++) data[i] += grad[i];
  });
}

/**
 * How {@linkcode grad} is to run.
 * @category Gradients
 */
export interface GradOptions extends BackwardOptions {
  /** Answer `null` for an input that no output depends on; false, the default, refuses it. */
  readonly allowUnused?: boolean;
}

/**
 * The gradients of `outputs` with respect to `inputs`, without touching any `grad`
 * (`torch.autograd.grad`).
 *
 * @param outputs what to differentiate
 * @param inputs the tensors to differentiate by
 * @param gradOutputs the gradient of whatever follows with respect to each output; a missing one
 * counts as 1 for a single number
 * @param options whether to keep the graph for another pass, and what to do where no output
 * depends on an input
 * @returns one tensor for each input, in its shape and dtype
 * @throws {RuntimeError} as {@linkcode backward} does, or if an input requires no gradient, or if
 * no output depends on it, unless that is allowed
 *
 * @example
 * ```ts
 * import { grad, mul, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const x = tensor([3], { requiresGrad: true });
 * const [dx] = grad([mul(x, x)], [x]);
 * assertEquals(dx?.tolist(), [6]);
 * ```
 * @category Gradients
 */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null | undefined)[] = [],
  options: GradOptions = {},
): (Tensor | null)[] {
  check(calls.grad, arguments);
  if (inputs.length === 0) {
    throw new RuntimeError("`inputs` argument to `grad()` cannot be empty.");
  }
  checkTensors(outputs);
  checkTensors(inputs);
  if (!inputs.every((input) => input.requiresGrad)) {
    throw new RuntimeError("One of the differentiated Tensors does not require grad");
  }
  if (gradOutputs.length > 0 && gradOutputs.length !== outputs.length) {
    throw new RuntimeError(
      `got ${outputs.length} tensors and ${gradOutputs.length} gradients`,
    );
  }
  const found = new Map<Tensor, Tensor>();
  const ends = new Set(inputs);
  propagate(outputs, gradOutputs, ends, options, (x, values) => {
    if (!ends.has(x)) return;
    const data = allocate(x.dtype, values.length);
    data.set(values);
    found.set(x, new Tensor(data, x.shape));
  });
  return inputs.map((input, k) => {
    const gradient = found.get(input) ?? null;
    if (gradient === null && !options.allowUnused) {
      throw new RuntimeError(
        `The differentiated Tensor at index ${k} appears to not have been used in the graph. Set ` +
          "allow_unused=True if this is the desired behavior.",
      );
    }
    return gradient;
  });
}
