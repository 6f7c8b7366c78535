/** What makes a tensor is recorded here; `backward.ts` lets gradients flow back from it. */

import { any, callable, check, checkCount, type Kind } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import {
  aTensor,
  type Backward,
  countChange,
  type Flow,
  type SavedTensor,
  shareVersion,
  Tensor,
  versionOf,
} from "../tensor/tensor.ts";

const aState: Kind = {
  word: "Tensor or tuple of Tensors",
  is: (value) => [value].flat().every(aTensor.is),
};

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
export function isGradEnabled(): boolean {
  checkCount("isGradEnabled", 0, arguments);
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
export function noGrad<T>(run: () => T): T;
export function noGrad<T>(run: () => T, surplus?: unknown): T {
  // Whoever asks a small network often calls it often: the whole check only where it will refuse.
  if (surplus !== undefined || !callable.is(run)) {
    check(["noGrad", { run: callable }], [run, surplus]);
  }
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

/** What an operation may keep: what is false or `null`, it does not. */
export type MayKeep = Keeps | false | null;

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
  keeps: readonly MayKeep[] = [],
): Tensor {
  if (wouldRecord(inputs)) {
    output.gradFn = { name, order: recorded++, inputs, saved: saved(keeps), backward };
  }
  return output;
}

/** What a node whose gradients are made as a whole does instead: nothing. */
const nothing: Backward = () => {};

/**
 * Records, as {@linkcode record} does, an operation whose gradients are made as a whole.
 *
 * @param output the tensor made
 * @param name the node's name
 * @param inputs the tensors it was made from
 * @param flow how the gradients of the inputs follow from that of the output
 * @param keeps what PyTorch's nodes save; as a function, it is called when a backward pass comes, and
 * names some of the inputs
 * @param release called when a backward pass has freed the node
 * @returns `output`
 */
export function recordFlow(
  output: Tensor,
  name: string,
  inputs: readonly Tensor[],
  flow: Flow,
  keeps: readonly MayKeep[] | (() => readonly MayKeep[]),
  release?: () => void,
): Tensor {
  const { gradFn } = record(output, name, inputs, nothing);
  if (gradFn === null) return output;
  const versions = inputs.map(versionOf);
  gradFn.saved = typeof keeps !== "function"
    ? saved(keeps)
    : () =>
      saved(keeps()).map((now) => ({ ...now, version: versions[inputs.indexOf(now.tensor)] }));
  gradFn.flow = flow;
  gradFn.release = release;
  return output;
}

/** Records a view of the same values in another shape: a change counts for both. */
export function recordShape(output: Tensor, name: string, input: Tensor): Tensor {
  shareVersion(output, input);
  return recordFlow(output, name, [input], (grad) => [grad], []);
}

/** What is kept, with the versions of now. */
function saved(keeps: readonly MayKeep[]): SavedTensor[] {
  const all: SavedTensor[] = [];
  for (const kept of keeps) {
    if (!kept) continue;
    const tensor = kept instanceof Tensor ? kept : kept.viewOf;
    all.push({ tensor, shape: kept.shape, version: versionOf(tensor) });
  }
  return all;
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
  check(["incrementVersion", { tensor: any }], arguments);
  const given: unknown = tensors;
  const several = typeof given === "object" && given !== null && Symbol.iterator in given;
  const all = several ? [...given as Iterable<Tensor>] : [tensors as Tensor];
  if (!all.every(aTensor.is)) {
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
  check(["detach", { input: aTensor }], arguments);
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
  check(["detachState", { state: aState }], arguments);
  if (state instanceof Tensor) return detach(state) as S;
  return state.map((part) => detach(part)) as unknown as S;
}
