/** A forward pass on the fast path: arrays in, arrays out. */

import { RuntimeError } from "../errors.ts";
import type { Engine } from "./engine.ts";
import { type Heap, OutOfMemory } from "./heap.ts";
import { Packing, type StackSizes, structsFrom, type Weights } from "./packing.ts";
import { type Plan, plan } from "./plan.ts";
import type { Batch, Shard } from "./shard.ts";
import { KeptWeights } from "./weights.ts";

/** What comes out. */
export interface Result {
  /** The hidden states of the last layer, in the order of the input's rows. */
  readonly output: Float32Array;
  /** The final states, `[h]` or `[h, c]`, each `(layers · D, N, features)`. */
  readonly final: Float32Array[];
}

/** The most bytes of scratch memory of a plan: in all, or, where that is more, for each thread. */
const [scratchOfAll, scratchOfEach] = [2 ** 25, 2 ** 22];

/** Where a plan with this many bytes of scratch memory does not fit, no smaller one is tried. */
const leastScratch = 2 ** 16;

/** The forward pass of one stack of layers. */
export class Forward {
  /** How the weights lie. */
  readonly packing: Packing;
  /** The packed weights. */
  readonly weights: KeptWeights;
  readonly #scratch: number;
  /** The plan made last. */
  #plan: Plan | null = null;

  /** For layers of these sizes; `scratch` is the most scratch memory of a plan, in bytes. */
  constructor(sizes: StackSizes, scratch = scratchOfAll) {
    this.packing = new Packing(sizes);
    this.#scratch = scratch;
    this.weights = new KeptWeights(this.packing);
  }

  /**
   * Runs the layers.
   *
   * @param weights the weights of layer k and direction d at index `k · D + d`
   * @param initial the states before the first step, `[h]` or `[h, c]`; `null` for zeros
   * @throws {OutOfMemory} if the kernels' memory cannot hold the weights and one step of one sequence
   * @throws {RuntimeError} if there is no memory for the result
   */
  run(
    engine: Engine,
    weights: readonly Weights[],
    given: Batch,
    initial: readonly Float32Array[] | null,
  ): Result {
    const { heap, threads } = engine;
    const { sizes, outputSize } = this.packing;
    const packed = this.weights.update(engine, weights);
    const found = this.#planFor(heap, given, threads);
    const { rounds, rows, bytes, oneByOne } = found;
    const base = heap.scratch(bytes);
    if (rows >= structsFrom) this.packing.makeStructs(engine, packed);

    const isLSTM = sizes.kind === "lstm";
    const states = packed.parts.length * given.batch;
    const length = rows * sizes.numDirections * outputSize;
    const [hLength, cLength] = [states * outputSize, isLSTM ? states * sizes.hiddenSize : 0];
    // All in one buffer: a JavaScript engine takes longer to make one than to compute little.
    const buffer = bufferOf(length + hLength + cLength);
    const output = new Float32Array(buffer, 0, length);
    const h = new Float32Array(buffer, 4 * length, hLength);
    const c = isLSTM ? new Float32Array(buffer, 4 * (length + hLength)) : null;
    // Where whole layers wait for each other, they write by turns here and to the output.
    const between = oneByOne && sizes.numLayers > 1 ? new Float32Array(bufferOf(length)) : none;
    const work: Work = { engine, base, parts: packed.parts, x: given.x, output, between };
    for (const shards of rounds) {
      for (const shard of shards) shard.begin(heap, base + shard.offset, given.order, initial);
      let passes = 0;
      for (const shard of shards) passes = Math.max(passes, shard.passes);
      for (let number = 0; number < passes; number++) this.#pass(work, shards, number);
      for (const shard of shards) shard.finish(heap, base + shard.offset, given.order, h, c);
    }
    return { output, final: c ? [h, c] : [h] };
  }

  /** Runs the pass of a number of each shard that has one: the first shard's on this thread. */
  #pass({ engine, base, parts, x, output, between }: Work, shards: readonly Shard[], k: number) {
    const { heap, run } = engine;
    const { kind, numLayers } = this.packing.sizes;
    const some = shards.length === 1 ? shards : shards.filter(({ passes }) => k < passes);
    let own!: number; // counted for the first shard
    try {
      for (let thread = 0; thread < some.length; thread++) {
        const shard = some[thread];
        const at = base + shard.offset;
        const pass = shard.pass(k);
        const from = pass.layer === 0 ? x : (numLayers - pass.layer) % 2 ? between : output;
        shard.load(heap, at, pass, from);
        const count = shard.write(heap, at, pass, parts);
        if (thread === 0) own = count;
        else engine.start(thread, kind, at + shard.program, count);
      }
      run[kind](base + some[0].offset + some[0].program, own);
    } finally {
      if (some.length > 1) engine.wait();
    }
    for (const shard of some) {
      const pass = shard.pass(k);
      const toOutput = !shard.oneByOne || (numLayers - pass.layer) % 2;
      shard.store(heap, base + shard.offset, pass, toOutput ? output : between);
    }
  }

  /** The plan for a batch, of so little scratch memory that the heap has it. */
  #planFor(heap: Heap, given: Batch, threads: number): Plan {
    const last = this.#plan;
    if (
      last !== null && given.batchSizes === null && last.threads === threads &&
      last.given.batchSizes === null && last.given.length === given.length &&
      last.given.batch === given.batch && last.given.batchFirst === given.batchFirst &&
      heap.hasScratch(last.bytes)
    ) return last;
    const full = Math.max(this.#scratch, threads * Math.min(this.#scratch, scratchOfEach));
    for (let most = full;; most /= 4) {
      const found = plan(this.packing, given, threads, most);
      try {
        heap.scratch(found.bytes);
      } catch (error) {
        if (error instanceof OutOfMemory && most > leastScratch) continue;
        throw error;
      }
      if (most === full) this.#plan = found;
      return found;
    }
  }
}

/** What the passes of one call have in common. */
interface Work {
  readonly engine: Engine;
  /** Where the scratch memory begins. */
  readonly base: number;
  /** Where the slots of each direction of each layer begin. */
  readonly parts: readonly number[];
  readonly x: Float32Array;
  readonly output: Float32Array;
  /** The output of layers that do not write to the output, where whole layers wait. */
  readonly between: Float32Array;
}

const none = new Float32Array(0);

/** A buffer for a count of floats. */
function bufferOf(floats: number): ArrayBuffer {
  try {
    return new ArrayBuffer(4 * floats);
  } catch (cause) {
    const size = (floats / 2 ** 18).toFixed(1);
    throw new RuntimeError(`not enough memory: the result takes ${size} MiB`, { cause });
  }
}
