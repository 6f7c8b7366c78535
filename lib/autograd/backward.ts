/** Gradients flow back from a tensor, along what `graph.ts` has recorded. */

import { bool, type Call, check, type Options } from "../call.ts";
import { NotImplementedError, RuntimeError } from "../errors.ts";
import { allocate, type FloatArray, sameShape } from "../tensor/dtype.ts";
import {
  aTensor,
  checkTensors,
  countChange,
  type GradFn,
  Tensor,
  tensorOrNone,
  tensors,
} from "../tensor/tensor.ts";
import { checkSaved } from "./graph.ts";

const passOptions: Options<BackwardOptions> = { retainGraph: bool, createGraph: bool };

const calls = {
  backward: ["backward", { tensor: aTensor, "gradient?": tensorOrNone }, passOptions],
  grad: [
    "grad",
    { outputs: tensors, inputs: tensors, "gradOutputs?": tensors },
    { ...passOptions, allowUnused: bool } satisfies Options<GradOptions>,
  ],
} satisfies Record<string, Call>;

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
