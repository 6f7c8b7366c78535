/**
 * Recording on the kernels, forward and backward, and what makes a program that trains use it. A
 * program that only asks its models does without, and a bundler leaves it out.
 */

import { anyEngine, type Engine, useTrainingKernels } from "../kernels/engine.ts";
import type { Packing } from "../kernels/packing.ts";
import type { Batch } from "../kernels/shard.ts";
import { backward } from "../kernels/training/backward.ts";
import type { Gradients } from "../kernels/training/backward_layer.ts";
import type { Plan } from "../kernels/training/pieces.ts";
import { planOf, record, Spare } from "../kernels/training/record.ts";
import type { KeptWeights } from "../kernels/weights.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Recorder, recordWith } from "./fast.ts";
import { type Differentiate, type Masks, recordRun, type Run } from "./recorded_run.ts";

/** Has forward passes record on the kernels from now on. */
export function useTraining(): void {
  recordWith((packing, weights) => new KernelRecorder(packing, weights));
  useTrainingKernels();
}

/** Records on the kernels. */
class KernelRecorder implements Recorder {
  readonly #packing: Packing;
  readonly #weights: KeptWeights;
  #plan: { given: Batch; plan: Plan } | null = null;
  /** Arrays to be used again. */
  readonly #spare = new Spare();

  /** With the packed weights of a module. */
  constructor(packing: Packing, weights: KeptWeights) {
    [this.#packing, this.#weights] = [packing, weights];
  }

  run(engine: Engine, run: Run, masks: Masks): Tensor[] {
    const { output, final, kept } = this.#record(engine, run, masks);
    return recordRun(
      run,
      [output, ...final],
      (...given) => backward(anyEngine(), run.packing, run.weights, kept, ...given),
      () => this.#spare.give(kept),
    );
  }

  differentiate(run: Run, masks: Masks, ...given: Parameters<Differentiate>): Gradients {
    const engine = anyEngine();
    const { kept } = this.#record(engine, run, masks);
    const gradients = backward(engine, run.packing, run.weights, kept, ...given);
    this.#spare.give(kept);
    return gradients;
  }

  #record(engine: Engine, { hx, given, weights }: Run, masks: Masks) {
    return record(
      engine,
      this.#packing,
      this.#weights,
      weights,
      given,
      this.#planOf(given),
      hx && hx.map((part) => part.data as Float32Array),
      this.#spare,
      (layer) => masks && masks(layer),
    );
  }

  /** The pieces of a batch: those of the call before, where it was laid out alike. */
  #planOf(given: Batch): Plan {
    const last = this.#plan;
    if (
      last?.given.length === given.length && last.given.batch === given.batch &&
      !last.given.batchSizes && !given.batchSizes
    ) return last.plan;
    const plan = planOf(this.#packing, given);
    this.#plan = { given: { ...given, x: new Float32Array(0) }, plan };
    return plan;
  }
}
