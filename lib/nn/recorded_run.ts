/**
 * A stack of layers that the kernels run, in the graph: one node, and behind it one for the output and
 * one for each final state, which are done before it in a backward pass.
 */

import { type Keeps, recordFlow } from "../autograd/graph.ts";
import { eachWeight, type Packing, type Weights } from "../kernels/packing.ts";
import type { Batch } from "../kernels/shard.ts";
import type { Wanted } from "../kernels/training/backward.ts";
import type { Gradients } from "../kernels/training/backward_layer.ts";
import type { FloatArray } from "../tensor/dtype.ts";
import { type Flow, Tensor } from "../tensor/tensor.ts";
import type { CellTensors, State } from "./cell.ts";

/** What a forward pass is given, and the names and shapes of what it gives. */
export interface Run {
  readonly packing: Packing;
  readonly weights: readonly Weights[];
  readonly parameters: readonly CellTensors[];
  /** All tensors among them. */
  readonly tensors: readonly Tensor[];
  readonly input: Tensor;
  readonly hx: State | null;
  readonly given: Batch;
  /** The shapes of the output and of the states. */
  readonly shapes: readonly (readonly number[])[];
  /** PyTorch's names of the nodes of the output and of the states. */
  readonly names: readonly [output: string, states: string];
}

/** What the output of a layer, by its number, is multiplied with on its way to the next; or `null`. */
export type Masks = ((layer: number) => Float32Array) | null;

/**
 * The gradients of what is wanted, from those of the output and of the final states, `undefined` where
 * none came.
 */
export type Differentiate = (
  output: FloatArray | undefined,
  final: readonly (FloatArray | undefined)[],
  wanted: Wanted,
) => Gradients;

/**
 * Records a forward pass.
 *
 * @param parts the output and the final states
 * @param release called when a backward pass has freed the node; left out where the forward pass runs
 * again, so that nothing it reads may have changed
 * @returns the output and the final states
 */
export function recordRun(
  run: Run,
  parts: readonly Float32Array[],
  differentiate: Differentiate,
  release?: () => void,
): Tensor[] {
  const { parameters, input, hx, shapes, names } = run;
  const came: (FloatArray | undefined)[] = parts.map(() => undefined);
  const whole = recordFlow(
    new Tensor(new Float32Array(0), [0]),
    "RnnBackward0",
    [input, ...hx ?? [], ...run.tensors],
    (_, wanted) => {
      const [output, ...final] = came;
      came.fill(undefined);
      let next = 1 + (hx?.length ?? 0);
      const weights = parameters.map((one) => eachWeight(one, (x) => x !== null && wanted[next++]));
      const initial = final.map((_, k) => hx !== null && wanted[1 + k]);
      const given = differentiate(output, final, { input: wanted[0], initial, weights });
      const all = [given.input, ...hx ? given.initial : []];
      parameters.forEach((one, k) => {
        eachWeight(one, (x, name) => x && all.push(given.weights[k][name]!));
      });
      return all;
    },
    () =>
      release ? keptBy(run) : [...keptBy(run), ...[input, ...hx ?? [], ...run.tensors].map(asIs)],
    release,
  );
  return parts.map((data, k) => {
    const name = names[k === 0 ? 0 : 1];
    return recordFlow(new Tensor(data, shapes[k]), name, [whole], bring(came, k), []);
  });
}

/** Brings the gradient of a part. It stands apart to hold on to nothing else than where that goes. */
function bring(came: (FloatArray | undefined)[], part: number): Flow {
  return (grad) => {
    came[part] = grad;
    return [];
  };
}

/** A tensor, kept in its own shape. */
function asIs(x: Tensor): Keeps {
  return { viewOf: x, shape: x.shape };
}

/**
 * What PyTorch's nodes keep of what was given, in the order in which a backward pass comes to them:
 * from the last layer down, the weights that a gradient flows back through, and what they met. The
 * initial h of a GRU, and any where a packed batch was sorted, is read here and not there.
 */
function keptBy({ parameters, input, hx, given, packing, weights }: Run): Keeps[] {
  const { numDirections, kind } = packing.sizes;
  const flat = (x: Tensor, features: number) =>
    x.dim() === 2 ? x : { viewOf: x, shape: [x.numel() / features, features] };
  const turned = (w: Tensor) => ({ viewOf: w, shape: w.shape.toReversed() });
  const wants = (own: CellTensors) => Object.values(own).some((part) => part?.requiresGrad);
  const states = hx?.some((part) => part.requiresGrad) ?? false;
  const kept: Keeps[] = [];
  for (let index = weights.length - 1; index >= 0; index--) {
    const own = parameters[index];
    const [weightIh, weightHh] = [own.weightIh!, own.weightHh!];
    const layer = Math.floor(index / numDirections);
    const below = parameters.slice(0, layer * numDirections).some(wants);
    const reads = input.requiresGrad || below || (states && layer > 0);
    const gates = reads || states || wants(own);
    if (own.weightHr && gates) kept.push(turned(own.weightHr));
    if (given.length > 1 ? gates : states) kept.push(turned(weightHh));
    const readsState = [
      weightHh.requiresGrad || (kind === "gru" && gates),
      gates && given.order === null, // c
    ];
    hx?.forEach((part, k) => {
      if (readsState[k]) kept.push({ viewOf: part, shape: [given.batch, part.shape.at(-1)!] });
    });
    if (layer === 0 && weightIh.requiresGrad) kept.push(flat(input, packing.sizes.inputSize));
    if (reads) kept.push(turned(weightIh));
  }
  return kept;
}
