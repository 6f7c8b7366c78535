/**
 * What PyTorch draws of whole numbers from its CPU generator, bit for bit: integers of a range, a
 * permutation, and categories by their probability.
 */

import { bool, check, int, ints, type Options } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { allocateSize } from "../tensor/create.ts";
import { type FloatArray, isFloat, whole, words } from "../tensor/dtype.ts";
import { aTensor, Tensor } from "../tensor/tensor.ts";
import { arithmeticOf, unit } from "./distributions.ts";
import { aGenerator, defaultGenerator, type Generator } from "./generator.ts";

/**
 * The options of {@linkcode randint} and {@linkcode randperm}.
 * @category Random numbers
 */
export interface IntegerOptions {
  /** Where the draws come from; {@linkcode defaultGenerator} when left out. */
  readonly generator?: Generator;
}

/**
 * The options of {@linkcode multinomial}.
 * @category Random numbers
 */
export interface MultinomialOptions extends IntegerOptions {
  /** Whether a category may be drawn again. @default false */
  readonly replacement?: boolean;
}

const integerOptions: Options<IntegerOptions> = { generator: aGenerator };

// Options are listed and not spread, so that a bundler sees that making this does nothing.

/** PyTorch's 64-bit draw, two of 32 bits with the high half first, as a number of a range. */
function wide(generator: Generator, low: number, range: bigint): number {
  const high = BigInt(generator.random());
  return Number(BigInt(low) + (high << 32n | BigInt(generator.random())) % range);
}

/**
 * A tensor of whole numbers from `low` up to and without `high`, each as likely (`torch.randint`;
 * INIT-7), bit for bit.
 *
 * @param low the least
 * @param high one more than the largest
 * @param size the shape
 * @param options the generator
 * @returns an int64 tensor
 * @throws {RuntimeError} if there is no number between, or an extent is negative
 * @throws {ValueError} if a bound is beyond 2^53
 *
 * @example
 * ```ts
 * import { manualSeed, randint } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * manualSeed(0);
 * assertEquals(String(randint(0, 10, [5])), "tensor([4, 9, 3, 0, 3])");
 * ```
 * @category Random numbers
 */
export function randint(
  low: number,
  high: number,
  size: readonly number[],
  options: IntegerOptions = {},
): Tensor {
  check(["randint", { low: int, high: int, size: ints }, integerOptions], arguments);
  const { generator = defaultGenerator } = options;
  const data = allocateSize("randint", size, "float64");
  const range = BigInt(whole(high)) - BigInt(whole(low));
  if (range <= 0) {
    throw new RuntimeError(
      `random_ expects 'from' to be less than 'to', but got from=${low} >= to=${high}`,
    );
  }
  const small = range < 2 ** 28 ? Number(range) : 0;
  for (let i = 0; i < data.length; i++) {
    data[i] = small ? low + generator.random() % small : wide(generator, low, range);
  }
  return new Tensor(data, size, "int64");
}

/**
 * The numbers from 0 to n - 1 in an order drawn at random (`torch.randperm`; INIT-8), bit for bit:
 * the order in which PyTorch shuffles.
 *
 * @param n how many
 * @param options the generator
 * @returns an int64 tensor of shape `[n]`
 * @throws {RuntimeError} if n is negative
 *
 * @example
 * ```ts
 * import { manualSeed, randperm } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 *
 * manualSeed(0);
 * assertEquals(String(randperm(10)), "tensor([4, 1, 7, 5, 3, 9, 0, 8, 6, 2])");
 * ```
 * @category Random numbers
 */
export function randperm(n: number, options: IntegerOptions = {}): Tensor {
  check(["randperm", { n: int }, integerOptions], arguments);
  const { generator = defaultGenerator } = options;
  const data = allocateSize("randperm", [n], "float64");
  const many = n >= 214748364; // 2^32 / 20: there 32 bits are no longer even
  for (let i = 0; i < n; i++) data[i] = i;
  exchange(data, many, generator);
  return new Tensor(data, [n], "int64");
}

/** Puts numbers in another order; many of them with draws of 64 bits, the other way round. */
export function exchange(data: FloatArray, many: boolean, generator: Generator): void {
  const n = data.length;
  for (let i = 0; i < (many ? n : n - 1); i++) {
    const other = many ? wide(generator, 0, BigInt(i + 1)) : i + generator.random() % (n - i);
    const kept = data[i];
    data[i] = data[other];
    data[other] = kept;
  }
}

/**
 * Categories drawn by their probability (`torch.multinomial`; INIT-9).
 *
 * @param input how likely each category is, shape `(C)` or `(N, C)`; a row need not sum to 1
 * @param numSamples how many to draw from each row
 * @param options whether a category may be drawn again, and the generator
 * @returns an int64 tensor, shape `(numSamples)` or `(N, numSamples)`
 * @throws {RuntimeError} if the input is no probability, or has too few categories
 *
 * @example
 * ```ts
 * import { multinomial, softmax, tensor } from "@rnn-spec/rnn-spec";
 * import { assert } from "@std/assert";
 *
 * const logits = tensor([0.1, 2, -1]);
 * const next = multinomial(softmax(logits, 0), 1).item();
 * assert([0, 1, 2].includes(next));
 * ```
 * @category Random numbers
 */
export function multinomial(
  input: Tensor,
  numSamples: number,
  options: MultinomialOptions = {},
): Tensor {
  check([
    "multinomial",
    { input: aTensor, numSamples: int },
    { replacement: bool, generator: aGenerator },
  ], arguments);
  const { replacement = false, generator = defaultGenerator } = options;
  const { shape, data: p, dtype } = input;
  const categories = shape.at(-1)!;
  const rows = shape.length > 1 ? shape[0] : 1;
  const fail = (what: string) => {
    throw new RuntimeError(what);
  };
  if (shape.length !== 1 && shape.length !== 2) fail("prob_dist must be 1 or 2 dim");
  if (!isFloat(dtype)) {
    fail(
      `multinomial only supports floating-point dtypes for input, got: ${words[dtype][0]}`,
    );
  }
  if (numSamples <= 0) fail("cannot sample n_sample <= 0 samples");
  if (!replacement && numSamples > categories) {
    fail("cannot sample n_sample > prob_dist.size(-1) samples without replacement");
  }
  const races = !replacement || numSamples === 1;
  if (races && !p.every((x) => x >= 0 && x < Infinity)) {
    fail("probability tensor contains either `inf`, `nan` or element < 0");
  }
  const invalid = (what: string) => fail(`invalid multinomial distribution (${what})`);
  const [round] = arithmeticOf(p);
  const ends = Array.from({ length: rows }, (_, row) => { // how likely it is to be at most each
    let sum = 0;
    const own = Array.from(p.subarray(row * categories, (row + 1) * categories), (x) => {
      if (!(x >= 0)) invalid("encountering probability entry < 0");
      if (x === Infinity) invalid("encountering probability entry = infinity or NaN");
      return sum = round(sum + x);
    });
    if (!(sum > 0)) invalid("sum of probabilities <= 0");
    return own.map((end) => round(end / sum));
  });
  const drawn = new Float64Array(rows * numSamples);
  ends.forEach((own, row) => {
    // The least of exponential times whose rates are the probabilities comes first.
    const speeds = races
      ? own.map((_, k) => round(p[row * categories + k] / round(-Math.log1p(-unit(generator)))))
      : [];
    const order = [...speeds.keys()].sort((a, b) => speeds[b] - speeds[a]);
    const pick = (u: number) => own.findIndex((end, k) => k === categories - 1 || end >= u);
    for (let k = 0; k < numSamples; k++) {
      drawn[row * numSamples + k] = races ? order[k] : pick(unit(generator));
    }
  });
  return new Tensor(drawn, [...shape.slice(0, -1), numSamples], "int64");
}
