/**
 * How a batch goes through the kernels: which sequences at a time, on which threads, in bounded
 * memory.
 */

import type { Packing } from "./packing.ts";
import { type BatchShape, Shard } from "./shard.ts";

/** How a batch goes through the kernels. */
export interface Plan {
  /** What it was made for. */
  readonly given: BatchShape;
  readonly threads: number;
  /** Rounds of shards: one for each thread, which run at the same time. */
  readonly rounds: readonly (readonly Shard[])[];
  /** The bytes of scratch memory that the largest round needs. */
  readonly bytes: number;
  /** How many rows the input has. */
  readonly rows: number;
  /** Whether the output of a layer has to wait, as a whole, for the next layer. */
  readonly oneByOne: boolean;
}

/** Work of fewer multiplications than this is not split among threads. */
export const splitFrom = 2 ** 20;

/** How many threads share the work on a batch. */
export function threadsFor(packing: Packing, batch: number, rows: number, threads: number): number {
  const products = packing.sums * (packing.features(0) + packing.outputSize);
  return rows * products < splitFrom ? 1 : Math.min(threads, batch);
}

/**
 * Plans how a batch is computed.
 *
 * @param most how many bytes of scratch memory there should be at most; a single step of a single
 * sequence may need more
 */
export function plan(packing: Packing, given: BatchShape, threads: number, most: number): Plan {
  const { batchSizes, length, batch, batchFirst, order } = given;
  given = { batchSizes, length, batch, batchFirst, order }; // a plan does not hold on to an input
  const rows = batchSizes ? batchSizes.reduce((sum, size) => sum + size) : length * batch;
  const parts = threadsFor(packing, batch, rows, threads);
  const queues = shares(given, rows, parts).map(([first, end]) =>
    shardsOf(packing, given, first, end - first, most / parts)
  );
  const rounds: Shard[][] = [];
  let bytes = 0;
  for (let round = 0; queues.some((queue) => round < queue.length); round++) {
    let offset = 0;
    rounds.push(queues.filter((queue) => round < queue.length).map((queue) => queue[round]));
    for (const shard of rounds[round]) {
      shard.offset = offset;
      offset += shard.bytes;
    }
    bytes = Math.max(bytes, offset);
  }
  const oneByOne = rounds.flat().some((shard) => shard.oneByOne);
  return { given, threads, rounds, bytes, rows, oneByOne };
}

/** Shares the sequences among threads, about as many rows for each: from which to before which. */
function shares(
  { batch, length, batchSizes }: BatchShape,
  rows: number,
  parts: number,
): number[][] {
  if (parts === 1) return [[0, batch]];
  const lengths = Array<number>(batch).fill(batchSizes ? 0 : length);
  for (const size of batchSizes ?? []) for (let n = 0; n < size; n++) lengths[n]++;
  const found: number[][] = [];
  let [first, done] = [0, 0];
  for (let part = 1; part <= parts; part++) {
    let end = first;
    // As many sequences as bring this part and those before to their share, and at least one: as the
    // longest come first, each part to come has one left.
    do done += lengths[end++]; while (done + lengths[end] / 2 <= rows * part / parts);
    found.push([first, end]);
    first = end;
  }
  return found;
}

/** Some sequences as one shard, or, where that would need too much memory, as two halves. */
function shardsOf(
  packing: Packing,
  given: BatchShape,
  first: number,
  batch: number,
  most: number,
): Shard[] {
  const shard = new Shard(packing, given, first, batch, most);
  if (shard.bytes <= most || batch === 1) return [shard];
  const half = Math.ceil(batch / 2);
  return [
    ...shardsOf(packing, given, first, half, most),
    ...shardsOf(packing, given, first + half, batch - half, most),
  ];
}
