/** How gradients flow back through a graph (GRAD-3 to GRAD-6). */

import { NotImplementedError, RuntimeError } from "../errors.ts";
import { type FloatArray, listed, sameShape, typeName } from "../tensor/dtype.ts";
import { type GradFn, sharesVersion, type Tensor, versionOf } from "../tensor/tensor.ts";

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

/** Refuses to run a node backwards that kept what has been changed in place since. */
function checkSaved(node: GradFn): void {
  if (typeof node.saved === "function") node.saved = node.saved();
  for (const { tensor, shape, version } of node.saved) {
    if (versionOf(tensor) === version) continue;
    const { gradFn } = tensor;
    const isView = shape !== tensor.shape || (gradFn && sharesVersion(tensor, gradFn.inputs[0]));
    const maker = isView && tensor.requiresGrad
      ? "AsStrided"
      : gradFn?.name.replace(/Backward0?/, "");
    throw new RuntimeError(
      "one of the variables needed for gradient computation has been modified by an inplace " +
        `operation: [${typeName(tensor.dtype)} ${listed(shape)}]` +
        `${maker ? `, which is output 0 of ${maker},` : ""} is at version ${versionOf(tensor)}; ` +
        `expected version ${version} instead. Hint: enable anomaly detection to find the ` +
        "operation that failed to compute its gradient, with " +
        "torch.autograd.set_detect_anomaly(True, check_nan=False).",
    );
  }
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
  const orderOf = (x: Tensor) => x.gradFn?.order ?? -1;
  const order = [...seen].sort((a, b) => orderOf(b) - orderOf(a));
  if (ends === null) return order;
  const onTheWay = new Set<Tensor>();
  for (const x of order.toReversed()) {
    if (ends.has(x) || x.gradFn?.inputs.some((input) => onTheWay.has(input))) onTheWay.add(x);
  }
  return order.filter((x) => onTheWay.has(x));
}

/** The most numbers that are handed out from one allocation. */
const mostNumbers = 4096;

/**
 * Hands out arrays of zeros, many from one allocation, which the next pass uses again: a small array
 * costs more than its use.
 */
class Zeros {
  static #spare: Float64Array | null = null;
  #block = Zeros.#spare ?? new Float64Array(64);
  #used = 0;

  constructor() {
    Zeros.#spare = null; // a pass that fails gives nothing back
  }

  take(length: number): Float64Array {
    if (this.#used + length > this.#block.length) {
      const next = Math.min(2 * this.#block.length, mostNumbers);
      this.#block = new Float64Array(Math.max(length, next));
      this.#used = 0;
    }
    return this.#block.subarray(this.#used, this.#used += length);
  }

  /** Takes back all that was handed out. */
  end(): void {
    if (this.#block.length <= mostNumbers) Zeros.#spare = this.#block.fill(0, 0, this.#used);
  }
}

/**
 * Runs the graph behind `outputs` backwards, as far as `ends` where they are given, and hands each
 * tensor's gradient to `visit`.
 */
export function propagate(
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
  const zeros = new Zeros();
  /** The sum of what has come, to be added to: in float64. */
  const gradOf = (x: Tensor): Float64Array => {
    const grad = grads.get(x);
    if (grad instanceof Float64Array) return grad;
    const wide = grad ? Float64Array.from(grad) : zeros.take(x.data.length);
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
    if (reached.has(output)) give(output, seeds[k]);
  });
  const freed: GradFn[] = [];
  for (const x of order) {
    const node = x.gradFn;
    visit(x, grads.get(x) ?? gradOf(x));
    if (node?.inputs.some((y) => reached.has(y))) {
      if (node.flow) {
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
  zeros.end();
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
