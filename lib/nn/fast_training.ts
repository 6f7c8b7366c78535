/**
 * A recorded forward pass on the kernels: one node of the graph for a stack of layers, whose output
 * and final states are parts of its one result.
 */

import { type Keeps, recordFlow, recordPart } from "../autograd/graph.ts";
import { anyEngine, type Engine } from "../kernels/engine.ts";
import type { Packing, Weights } from "../kernels/packing.ts";
import type { KeptWeights } from "../kernels/weights.ts";
import type { Batch } from "../kernels/shard.ts";
import { backward, type EachWeight } from "../kernels/training/backward.ts";
import type { Plan } from "../kernels/training/pieces.ts";
import { record, type Spare } from "../kernels/training/record.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { CellTensors, State } from "./cell.ts";

/** What a forward pass is given, and the names and shapes of what it gives. */
export interface Call {
  readonly engine: Engine;
  readonly packing: Packing;
  readonly kept: KeptWeights;
  readonly weights: readonly Weights[];
  readonly parameters: readonly CellTensors[];
  readonly input: Tensor;
  readonly hx: State | null;
  readonly given: Batch;
  readonly plan: Plan;
  /** Arrays to be used again. */
  readonly spare: Spare;
  readonly maskOf: (layer: number) => Float32Array | null;
  /** The shapes of the output and of the states. */
  readonly shapes: readonly (readonly number[])[];
  /** PyTorch's names of the nodes of the output and of the states. */
  readonly names: readonly [output: string, states: string];
}

/** Runs a stack of layers and records it; the output and the final states. */
export function runRecording(call: Call): Tensor[] {
  const { engine, packing, weights, parameters, input, hx, given, plan, shapes } = call;
  const initial = hx && hx.map((part) => part.data as Float32Array);
  const { output, final, buffer, kept } = record(
    engine,
    packing,
    call.kept,
    weights,
    given,
    plan,
    initial,
    call.spare,
    call.maskOf,
  );
  const own = parameters.flatMap((one) => Object.values(one).filter((part) => part !== null));
  const inputs = [input, ...hx ?? [], ...own];
  const parts = [output, ...final];
  const whole = recordFlow(
    new Tensor(buffer, [buffer.length]),
    "RnnBackward0",
    inputs,
    (
      grad,
      wanted,
    ) => {
      const single = grad instanceof Float32Array ? grad : Float32Array.from(grad);
      let at = 0;
      const [dOutput, ...dFinal] = parts.map(({ length }) => single.subarray(at, at += length));
      let next = 1 + (hx?.length ?? 0);
      const each = parameters.map((one): EachWeight<boolean> =>
        Object.fromEntries(
          Object.entries(one).map(([name, part]) => [name, part !== null && wanted[next++]]),
        )
      );
      const states = parts.slice(1).map((_, k) => hx !== null && wanted[1 + k]);
      const given = backward(anyEngine(), packing, weights, kept, dOutput, dFinal, {
        input: wanted[0],
        initial: states,
        weights: each,
      });
      return [
        given.input ?? undefined,
        ...hx ? given.initial.map((one) => one ?? undefined) : [],
        ...given.weights.flatMap((one, k) =>
          Object.entries(parameters[k]).flatMap(([name, part]) =>
            part === null ? [] : [one[name as keyof Weights] ?? undefined]
          )
        ),
      ];
    },
    keptBy(call),
    () => call.spare.give(kept),
  );
  let start = 0;
  return parts.map((data, k) => {
    const from = start;
    start += data.length;
    const name = call.names[k === 0 ? 0 : 1];
    return recordPart(new Tensor(data, shapes[k]), name, whole, from);
  });
}

/**
 * What PyTorch's nodes keep of what was given, in the order in which a backward pass comes to them:
 * from the last layer down, the weights that a gradient flows back through, and what they met.
 */
function keptBy({ parameters, input, hx, given, packing, weights }: Call): Keeps[] {
  const { numDirections } = packing.sizes;
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
    if (own.weightHr && (reads || states || wants(own))) kept.push(turned(own.weightHr));
    if (given.length > 1 ? reads || states || wants(own) : states) kept.push(turned(weightHh));
    if (layer === 0 && weightIh.requiresGrad) kept.push(flat(input, packing.sizes.inputSize));
    if (reads) kept.push(turned(weightIh));
  }
  return kept;
}
