/**
 * What makes a tensor is recorded here, and from here gradients flow back.
 *
 * @module
 */

import { RuntimeError } from "../errors.ts";
import { allocate } from "../tensor/dtype.ts";
import { type Backward, type GradFn, Tensor } from "../tensor/tensor.ts";

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
 */
export function isGradEnabled(): boolean {
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
 */
export function noGrad<T>(run: () => T): T {
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

/**
 * Records what made a tensor, if recording is on and a gradient may be wanted.
 *
 * @param output the tensor made
 * @param name PyTorch's name of the node
 * @param inputs the tensors it was made from
 * @param backward how a gradient flows from the output to them
 * @param saves whether `backward` needs values of the forward pass, as PyTorch's node does
 * @returns `output`
 */
export function record(
  output: Tensor,
  name: string,
  inputs: readonly Tensor[],
  backward: Backward,
  saves: boolean,
): Tensor {
  if (wouldRecord(inputs)) {
    output.gradFn = { name, order: recorded++, inputs, saves, backward };
  }
  return output;
}

/**
 * The same values, cut off from what made them (`torch.detach`). The storage is shared.
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
 */
export function detach(input: Tensor): Tensor {
  return new Tensor(input.data, input.shape);
}

/** How a backward pass is to run. */
export interface BackwardOptions {
  /** Keep what the pass would free, so that it can run again; false unless told otherwise. */
  readonly retainGraph?: boolean;
}

/** Every tensor behind `roots` that a gradient flows through, latest first. */
function tensorsBehind(roots: readonly Tensor[]): Tensor[] {
  const seen = new Set<Tensor>(roots);
  // A Set visits what is added while it is walked, so no recursion, however long the sequence.
  for (const { gradFn } of seen) {
    if (gradFn === null) continue;
    if (gradFn.backward === null) {
      throw new RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors " +
          "after they have already been freed). Saved intermediate values of the graph are freed " +
          "when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to " +
          "backward through the graph a second time or if you need to access saved tensors after " +
          "calling backward.",
      );
    }
    for (const input of gradFn.inputs) if (input.requiresGrad) seen.add(input);
  }
  return [...seen].sort((a, b) => (b.gradFn?.order ?? -1) - (a.gradFn?.order ?? -1));
}

/** Runs the graph behind `outputs` backwards and hands each tensor's gradient to `visit`. */
function propagate(
  outputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null | undefined)[],
  options: BackwardOptions,
  visit: (tensor: Tensor, grad: Float64Array) => void,
): void {
  const grads = new Map<Tensor, Float64Array>();
  const gradOf = (x: Tensor): Float64Array => {
    let grad = grads.get(x);
    if (grad === undefined) grads.set(x, grad = new Float64Array(x.data.length));
    return grad;
  };
  const seeds = outputs.map((output, k) => seedOf(output, gradOutputs[k], k));
  const order = tensorsBehind(outputs);
  outputs.forEach((output, k) => {
    const grad = gradOf(output);
    seeds[k].forEach((value, i) => grad[i] += value);
  });
  const freed: GradFn[] = [];
  for (const x of order) {
    const grad = gradOf(x);
    visit(x, grad);
    const node = x.gradFn;
    if (node !== null) {
      node.backward!(grad, ...node.inputs.map((y) => y.requiresGrad ? gradOf(y) : undefined));
      if (node.saves) freed.push(node);
    }
    grads.delete(x);
  }
  if (!options.retainGraph) { for (const node of freed) node.backward = null; }
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
  if (String(given.shape) !== String(output.shape)) {
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
 * single number and `gradient` is missing, or if the graph has been freed by an earlier pass
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
 */
export function backward(
  output: Tensor,
  gradient?: Tensor | null,
  options: BackwardOptions = {},
): void {
  propagate([output], [gradient], options, (x, grad) => {
    if (x.gradFn !== null) return;
    x.grad ??= new Tensor(allocate(x.dtype, x.data.length), x.shape);
    const { data } = x.grad;
    for (let i = 0; i < grad.length; i++) data[i] += grad[i];
  });
}

/**
 * The gradients of `outputs` with respect to `inputs`, without touching any `grad`
 * (`torch.autograd.grad` with `allow_unused`).
 *
 * @param outputs what to differentiate
 * @param inputs the tensors to differentiate by
 * @param gradOutputs the gradient of whatever follows with respect to each output; a missing one
 * counts as 1 for a single number
 * @param options whether to keep the graph for another pass
 * @returns one tensor for each input, in its shape and dtype; `null` where no output depends on it
 * @throws {RuntimeError} as {@linkcode backward} does
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
 */
export function grad(
  outputs: readonly Tensor[],
  inputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null | undefined)[] = [],
  options: BackwardOptions = {},
): (Tensor | null)[] {
  const found = new Map<Tensor, Tensor>();
  propagate(outputs, gradOutputs, options, (x, values) => {
    if (!inputs.includes(x)) return;
    const data = allocate(x.dtype, values.length);
    data.set(values);
    found.set(x, new Tensor(data, x.shape));
  });
  return inputs.map((input) => found.get(input) ?? null);
}
