/** Batches: which items go together, in which order, and what is made of them. */

import { stack } from "../autograd/join.ts";
import { any, bool, callable, check, list, numberOrList, type Options } from "../call.ts";
import { ValueError } from "../errors.ts";
import { pythonText, pythonType } from "../python.ts";
import { aGenerator, defaultGenerator, Generator } from "../random/generator.ts";
import { randperm } from "../random/integers.ts";
import { tensor } from "../tensor/create.ts";
import { Tensor } from "../tensor/tensor.ts";
import { padSequence } from "./padding.ts";

/**
 * What {@linkcode defaultCollate} makes of items of a type.
 * @category Batches
 */
export type Collated<T> = T extends number | Tensor ? Tensor
  : { -readonly [K in keyof T]: Collated<T[K]> };

/**
 * How a {@linkcode DataLoader} makes batches.
 * @category Batches
 */
export interface DataLoaderOptions<T, B> {
  /** How many items a batch has. @default 1 */
  readonly batchSize?: number;
  /** Whether the items come in another order each time. @default false */
  readonly shuffle?: boolean;
  /** What makes a batch of a list of items. @default {@linkcode defaultCollate} */
  readonly collateFn?: (items: T[]) => B;
  /** Whether a last batch of fewer items is left out. @default false */
  readonly dropLast?: boolean;
  /** What the order is drawn from. @default a seed that the default generator draws */
  readonly generator?: Generator;
}

/**
 * How {@linkcode padCollate} pads.
 * @category Batches
 */
export interface PadCollateOptions {
  /** Whether what comes out has the batch first. @default false */
  readonly batchFirst?: boolean;
  /** What stands where a sequence has ended, one number or one for each place. @default 0 */
  readonly paddingValue?: number | readonly number[];
}

/**
 * Makes one of several items: tensors are stacked, numbers become a tensor (int64 where all are
 * whole, otherwise float64), and of lists each place is made one (`torch.utils.data.default_collate`;
 * DATA-2).
 *
 * @param batch the items, all alike
 * @returns a tensor, or a list of what was made of each place
 * @throws {RuntimeError} if tensors differ in shape
 * @throws {TypeError} if an item is nothing of this
 *
 * @example
 * ```ts
 * import { defaultCollate, tensor } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const [x, y] = defaultCollate([[tensor([1, 2]), 0], [tensor([3, 4]), 1]] as const);
 * assertEquals([x.tolist(), y.tolist(), y.dtype], [[[1, 2], [3, 4]], [0, 1], "int64"]);
 * ```
 * @category Batches
 */
export function defaultCollate<T>(batch: readonly T[]): Collated<T> {
  check(["defaultCollate", { batch: list }], arguments);
  return collate(batch) as Collated<T>;
}

function collate(batch: readonly unknown[]): unknown {
  const [first] = batch;
  if (first instanceof Tensor) return stack(batch as Tensor[]);
  if (batch.every((item) => typeof item === "number")) {
    return tensor(batch, { dtype: batch.every(Number.isInteger) ? "int64" : "float64" });
  }
  if (!Array.isArray(first)) {
    throw new TypeError(
      "default_collate: batch must contain tensors, numbers or lists; found " + pythonType(first),
    );
  }
  return places(batch).map(collate);
}

/** Of lists, a list for each place. */
function places(batch: readonly unknown[]): unknown[][] {
  const [first] = batch as unknown[][];
  if (batch.some((item) => !Array.isArray(item) || item.length !== first.length)) {
    throw new ValueError("each element in list of batch should be of equal size");
  }
  return first.map((_, k) => (batch as unknown[][]).map((item) => item[k]));
}

/**
 * Makes a padded batch of sequences of different lengths (DATA-2): sequences are padded as
 * `padSequence` does, whatever else an item holds is put together as {@linkcode defaultCollate} does,
 * and the lengths come last.
 *
 * @param batch the items: sequences of shape `(L, *)`, or lists whose first place is one
 * @param options the layout, and the padding
 * @returns a batch for each place, then how long each item's first sequence is
 *
 * @example
 * ```ts
 * import { padCollate, tensor, zeros } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const tags = tensor([1, 2], { dtype: "int64" });
 * const items = [[zeros([2, 3]), tags], [zeros([1, 3]), tensor([1], { dtype: "int64" })]];
 * const options = { batchFirst: true, paddingValue: [0, -100] };
 * const [x, y, lengths] = padCollate(items, options) as [typeof tags, typeof tags, number[]];
 * assertEquals([x.shape, y.tolist(), lengths], [[2, 2, 3], [[1, 2], [1, -100]], [2, 1]]);
 * ```
 * @category Batches
 */
export function padCollate(
  batch: readonly unknown[],
  options: PadCollateOptions = {},
): [...Tensor[], number[]] {
  check([
    "padCollate",
    { batch: list },
    {
      batchFirst: bool,
      paddingValue: numberOrList,
    } satisfies Options<PadCollateOptions>,
  ], arguments);
  const { batchFirst, paddingValue = 0 } = options;
  const columns = Array.isArray(batch[0]) ? places(batch) : [[...batch]];
  const made = columns.map((column, k) => {
    const long = column.every((one) => one instanceof Tensor && one.dim() > 0);
    const value = typeof paddingValue === "number" ? paddingValue : paddingValue[k] ?? 0;
    return long
      ? padSequence(column as Tensor[], { batchFirst, paddingValue: value })
      : collate(column) as Tensor;
  });
  return [...made, (columns[0] as Tensor[]).map(({ shape }) => shape[0])];
}

/**
 * A list of items in batches (`torch.utils.data.DataLoader`; DATA-1). Each iteration is an epoch;
 * with `shuffle` the order of each is PyTorch's for the generator's seed.
 *
 * @example
 * ```ts
 * import { DataLoader, Generator } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * const generator = new Generator(5);
 * const loader = new DataLoader([0, 1, 2, 3, 4, 5, 6], { batchSize: 3, shuffle: true, generator });
 * assertEquals([...loader].map((batch) => batch.tolist()), [[2, 4, 3], [5, 0, 6], [1]]);
 * assertEquals(loader.length, 3);
 * ```
 * @category Batches
 */
export class DataLoader<T, B = Collated<T>> implements Iterable<B> {
  readonly #dataset: readonly T[];
  readonly #options: DataLoaderOptions<T, B>;
  readonly #size: number;

  /**
   * Takes the items.
   *
   * @param dataset the items
   * @param options how many a batch has, in which order, and what is made of them
   * @throws {ValueError} if the size of a batch is no positive integer, or nothing is to be shuffled
   * @throws {TypeError} if the items are no list, or there is no such option
   */
  constructor(dataset: readonly T[], options: DataLoaderOptions<T, B> = {}) {
    check([
      "DataLoader",
      { dataset: list },
      {
        batchSize: any,
        shuffle: bool,
        collateFn: callable,
        dropLast: any,
        generator: aGenerator,
      } satisfies Options<DataLoaderOptions<unknown, unknown>>,
    ], arguments);
    const { batchSize = 1, dropLast, shuffle = false } = options;
    if (shuffle && dataset.length === 0) refuse("num_samples", "a positive integer", 0);
    if (!(Number.isInteger(batchSize) && batchSize > 0)) {
      refuse("batch_size", "a positive integer", batchSize);
    }
    if (dropLast !== undefined && !bool.is(dropLast)) refuse("drop_last", "a boolean", dropLast);
    this.#dataset = dataset;
    this.#options = options;
    this.#size = batchSize;
  }

  /** How many batches an iteration gives (`len`). */
  get length(): number {
    const count = this.#dataset.length / this.#size;
    return this.#options.dropLast ? Math.floor(count) : Math.ceil(count);
  }

  /** Begins an epoch: gives the batches one after the other. */
  [Symbol.iterator](): Iterator<B> {
    draw64(this.#options.generator ?? defaultGenerator); // the seed that PyTorch's workers would get
    return this.#batches();
  }

  *#batches(): Generator_<B> {
    const { collateFn = defaultCollate as unknown as (items: T[]) => B, dropLast } = this.#options;
    let batch: T[] = [];
    for (const index of this.#order()) {
      batch.push(this.#dataset[index]);
      if (batch.length < this.#size) continue;
      yield collateFn(batch);
      batch = [];
    }
    if (batch.length > 0 && !dropLast) yield collateFn(batch);
  }

  *#order(): Generator_<number> {
    const { length } = this.#dataset;
    const { shuffle, generator } = this.#options;
    if (!shuffle) return yield* this.#dataset.keys();
    const own = generator ?? new Generator(draw64(defaultGenerator));
    yield* randperm(length, { generator: own }).data;
    randperm(length, { generator: own }); // PyTorch draws the next order, too, to take nothing of it
  }
}

/** An iterator that a function with `yield` gives; `Generator` is that of random numbers here. */
type Generator_<T> = IterableIterator<T, void>;

function refuse(name: string, wanted: string, given: unknown): never {
  throw new ValueError(`${name} should be ${wanted} value, but got ${name}=${pythonText(given)}`);
}

/** Two draws, and what reaches a generator that is seeded with them. */
function draw64(generator: Generator): number {
  generator.random();
  return generator.random();
}
