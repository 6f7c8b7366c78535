/**
 * What PyTorch draws from its CPU generator: uniform and normal numbers. Each fill takes from the
 * generator exactly as many draws as PyTorch does, so that whatever is drawn next agrees too.
 */

import { check, dtype, ints, type Options } from "../call.ts";
import { RuntimeError } from "../errors.ts";
import { allocateSize } from "../tensor/create.ts";
import { type FloatArray, type FloatDType, words } from "../tensor/dtype.ts";
import { formatExponential } from "../tensor/format.ts";
import { Tensor } from "../tensor/tensor.ts";
import { fma32, fma64 } from "./fma.ts";
import { aGenerator, defaultGenerator, type Generator } from "./generator.ts";

const randomOptions: Options<RandomOptions> = {
  dtype,
  generator: aGenerator,
};

/**
 * The options of {@linkcode rand} and {@linkcode randn}.
 * @category Random numbers
 */
export interface RandomOptions {
  /** The type of the elements; float32 when left out. */
  dtype?: FloatDType;
  /** Where the draws come from; {@linkcode defaultGenerator} when left out. */
  generator?: Generator;
}

/** A number as C++ prints it in PyTorch's messages: six significant digits, `%g`. */
function printed(x: number): string {
  const scientific = formatExponential(x, 5);
  const power = Number(scientific.split("e")[1]);
  return power >= -4 && power < 6
    ? String(Number(x.toPrecision(6)))
    : scientific.replace(/\.?0+e/, "e");
}

/** How numbers of a dtype are rounded, and multiplied and added at once. */
export function arithmeticOf(data: FloatArray): [round: (x: number) => number, fma: typeof fma64] {
  return data instanceof Float32Array ? [Math.fround, fma32] : [(x) => x, fma64];
}

/** Refuses the bounds that `uniform_` refuses, in its order and words. */
function checkBounds(data: FloatArray, from: number, to: number): void {
  const single = data instanceof Float32Array;
  const [Type, type] = words[single ? "float32" : "float64"];
  const largest = single ? 0xffffff * 2 ** 104 : Number.MAX_VALUE;
  for (const [name, bound] of [["from", from], ["to", to]] as const) {
    if (!(Math.abs(bound) <= largest)) {
      throw new RuntimeError(`${name} is out of bounds for ${type}`);
    }
  }
  const found = `found from=${printed(from)} > to=${printed(to)}`;
  if (from > to) {
    throw new RuntimeError(`uniform_ expects to return a [from, to) range, but ${found}`);
  }
  if (to - from > largest) {
    throw new RuntimeError(
      `uniform_ expects to-from <= std::numeric_limits<${Type}>::max(), but found to=${
        printed(to)
      } and from=${printed(from)} which result in to-from to exceed the limit`,
    );
  }
}

/** A float64 in [0, 1). */
export function unit(generator: Generator): number {
  return generator.random53() * 2 ** -53;
}

/**
 * Fills `data` with draws from [0, 1). A float takes as many bits as its significand has, so that
 * every draw is exact: 24 of one 32-bit draw, or 53 of two. They are the low bits.
 */
function fillUnit(data: FloatArray, start: number, generator: Generator): void {
  if (data instanceof Float32Array) {
    for (let i = start; i < data.length; i++) data[i] = (generator.random() & 0xffffff) * 2 ** -24;
  } else {
    for (let i = start; i < data.length; i++) data[i] = unit(generator);
  }
}

/**
 * Fills `data` with uniform draws from [from, to), as `tensor.uniform_(from, to)`, bit for bit:
 * `x * (to - from) + from` for x from [0, 1), in the arithmetic of `data`, the product and the sum
 * rounded together, and `from` where that rounds up to `to`. (On an x86 processor older than AVX2
 * PyTorch rounds them apart; PyTorch 1.13 let `to` stand.)
 *
 * @param data the storage to fill; it decides the dtype
 * @param from the lower bound
 * @param to the upper bound, itself never drawn
 * @param generator where the draws come from
 * @throws {RuntimeError} if the bounds are reversed, not finite, or too far apart for the dtype
 * @example
 * ```ts
 * import { Generator } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 * const data = new Float32Array(2);
 * uniform(data, -0.5, 0.5, new Generator(0));
 * assertEquals([...data], [-0.0037434101104736328, 0.26822179555892944]);
 * ```
 */
export function uniform(
  data: FloatArray,
  from: number,
  to: number,
  generator: Generator = defaultGenerator,
): void {
  const [round, fma] = arithmeticOf(data);
  checkBounds(data, from, to);
  fillUnit(data, 0, generator);
  const [low, high] = [round(from), round(to)];
  const width = round(high - low);
  for (let i = 0; i < data.length; i++) {
    const value = fma(data[i], width, low);
    data[i] = value === high ? low : value;
  }
}

/** One normal draw by Box and Muller's method, and its twin kept for the next call. */
function nextNormal(generator: Generator): number {
  const kept = generator.nextNormal;
  generator.nextNormal = undefined;
  if (kept !== undefined) return kept;
  const angle = 2 * Math.PI * unit(generator);
  const radius = Math.sqrt(-2 * Math.log1p(-unit(generator)));
  generator.nextNormal = radius * Math.sin(angle);
  return radius * Math.cos(angle);
}

/** Turns the 16 uniform values from `start` on into normal ones: the first 8 with the last 8. */
function boxMuller16(data: FloatArray, start: number, mean: number, std: number): void {
  // Rounding each step to float32 follows PyTorch closely: a wrong last bit of the angle alone
  // shows in many bits of a cosine that is near 0.
  const [round, fma] = arithmeticOf(data);
  const turn = round(2 * Math.PI);
  for (let i = start; i < start + 8; i++) {
    // 1 - x is in (0, 1], where the logarithm is finite.
    const radius = round(Math.sqrt(-2 * round(Math.log(round(1 - data[i])))));
    const angle = round(turn * data[i + 8]);
    data[i] = fma(round(radius * round(Math.cos(angle))), std, mean);
    data[i + 8] = fma(round(radius * round(Math.sin(angle))), std, mean);
  }
}

/**
 * Fills `data` with normal draws, as `tensor.normal_(mean, std)`. Fewer than 16 numbers are drawn one
 * by one in float64; from 16 on they are made in blocks of 16, in the arithmetic of `data`. The last
 * bits are not PyTorch's: its logarithm and sine differ from one processor to the next.
 *
 * @param data the storage to fill; it decides the dtype
 * @param mean the mean
 * @param std the standard deviation
 * @param generator where the draws come from
 * @throws {RuntimeError} if the standard deviation is negative
 * @example
 * ```ts
 * import { Generator } from "@rnn-spec/rnn-spec";
 * import { assertAlmostEquals } from "@std/assert";
 * const data = new Float32Array(2);
 * normal(data, 0, 1, new Generator(0));
 * assertAlmostEquals(data[0], 1.5409961, 1e-6);
 * assertAlmostEquals(data[1], -0.2934289, 1e-6);
 * ```
 */
export function normal(
  data: FloatArray,
  mean: number,
  std: number,
  generator: Generator = defaultGenerator,
): void {
  if (!(std >= 0)) {
    throw new RuntimeError(`normal expects std >= 0.0, but found std ${printed(std)}`);
  }
  if (data.length < 16) {
    for (let i = 0; i < data.length; i++) data[i] = fma64(nextNormal(generator), std, mean);
    return;
  }
  const [round] = arithmeticOf(data);
  [mean, std] = [round(mean), round(std)];
  fillUnit(data, 0, generator);
  for (let i = 0; i + 16 <= data.length; i += 16) boxMuller16(data, i, mean, std);
  if (data.length % 16 !== 0) {
    // A rest does not fill a block, so PyTorch draws the last 16 anew, over what stands there.
    const tail = data.length - 16;
    fillUnit(data, tail, generator);
    boxMuller16(data, tail, mean, std);
  }
}

/**
 * A tensor of uniform draws from [0, 1), as `torch.rand`, bit for bit.
 *
 * @param size the shape
 * @param options dtype and generator
 * @returns a new tensor
 * @throws {RuntimeError} if an extent is negative
 * @throws {TypeError} if an extent is no integer
 * @example
 * ```ts
 * import { manualSeed, rand } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 * manualSeed(0);
 * const x = rand([1, 2]);
 * assertEquals(x.shape, [1, 2]);
 * assertEquals([...x.data], [0.49625658988952637, 0.7682217955589294]);
 * ```
 * @category Random numbers
 */
export function rand(size: readonly number[], options: RandomOptions = {}): Tensor {
  check(["rand", { size: ints }, randomOptions], arguments);
  const data = allocateSize("rand", size, options.dtype ?? "float32");
  fillUnit(data, 0, options.generator ?? defaultGenerator);
  return new Tensor(data, size);
}

/**
 * A tensor of standard normal draws, as `torch.randn`, close to PyTorch's but not bit for bit (see
 * {@linkcode normal}).
 *
 * @param size the shape
 * @param options dtype and generator
 * @returns a new tensor
 * @throws {RuntimeError} if an extent is negative
 * @throws {TypeError} if an extent is no integer
 * @example
 * ```ts
 * import { manualSeed, randn } from "@rnn-spec/rnn-spec";
 * import { assertAlmostEquals } from "@std/assert";
 * manualSeed(0);
 * assertAlmostEquals(randn([1, 2]).data[0], 1.5409961, 1e-6);
 * ```
 * @category Random numbers
 */
export function randn(size: readonly number[], options: RandomOptions = {}): Tensor {
  check(["randn", { size: ints }, randomOptions], arguments);
  const data = allocateSize("randn", size, options.dtype ?? "float32");
  normal(data, 0, 1, options.generator ?? defaultGenerator);
  return new Tensor(data, size);
}
