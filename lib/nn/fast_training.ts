/**
 * Recording on the kernels, forward and backward, and what makes a program that trains use it. A
 * program that only asks its models does without, and a bundler leaves it out.
 */

import { anyEngine, type Engine, useTrainingKernels } from "../kernels/engine.ts";
import type { Packing } from "../kernels/packing.ts";
import type { Batch } from "../kernels/shard.ts";
import { backward, type Gradients } from "../kernels/training/backward.ts";
import type { Plan } from "../kernels/training/pieces.ts";
import { planOf, record, Spare } from "../kernels/training/record.ts";
import type { KeptWeights } from "../kernels/weights.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { dropoutMask } from "./dropout.ts";
import { type Recorder, recordWith } from "./fast.ts";
import { type Differentiate, recordRun, type Run } from "./recorded_run.ts";

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

  run(engine: Engine, run: Run, p: number): Tensor[] {
    const { output, final, buffer, kept } = this.#record(engine, run, p);
    return recordRun(
      run,
      [output, ...final],
      buffer,
      (...given) => backward(anyEngine(), run.packing, run.weights, kept, ...given),
      () => this.#spare.give(kept),
    );
  }

  differentiate(run: Run, ...given: Parameters<Differentiate>): Gradients {
    const engine = anyEngine();
    const { kept } = this.#record(engine, run, 0);
    const gradients = backward(engine, run.packing, run.weights, kept, ...given);
    this.#spare.give(kept);
    return gradients;
  }

  #record(engine: Engine, { hx, given, weights }: Run, p: number) {
    const { numDirections } = this.#packing.sizes;
    const { batch, length, batchSizes } = given;
    const rows = batchSizes ?? Array(p > 0 ? length : 0).fill(batch);
    return record(
      engine,
      this.#packing,
      this.#weights,
      weights,
      given,
      this.#planOf(given),
      hx && hx.map((part) => part.data as Float32Array),
      this.#spare,
      () => p > 0 ? maskOf(rows, numDirections * this.#packing.outputSize, p) : null,
    );
  }

  /** The pieces of a batch: those of the call before, where it was laid out alike. */
  #planOf(given: Batch): Plan {
    const last = this.#plan;
    if (
      last?.given.length === given.length && last.given.batch === given.batch &&
      last.given.batchFirst === given.batchFirst && !last.given.batchSizes && !given.batchSizes
    ) return last.plan;
    const plan = planOf(this.#packing, given);
    this.#plan = { given: { ...given, x: new Float32Array(0) }, plan };
    return plan;
  }
}

/** A mask of dropout for every step, in the order in which the readable path draws them. */
function maskOf(rows: readonly number[], width: number, p: number): Float32Array {
  const masks = rows.map((count) => dropoutMask({ shape: [count, width], dtype: "float32" }, p));
  const all = new Float32Array(masks.reduce((sum, { data }) => sum + data.length, 0));
  let at = 0;
  for (const { data } of masks) {
    all.set(data, at);
    at += data.length;
  }
  return all;
}
