/** PyTorch's CPU random number generator: mt19937, the 32-bit Mersenne Twister. */

import { any, bytes, check, checkCount, type Kind } from "../call.ts";
import { RuntimeError, ValueError } from "../errors.ts";
import { pythonType } from "../python.ts";

/** The twister keeps 624 words and mixes each with the one 397 places on. */
const N = 624, M = 397;

/** The seed of a PyTorch generator that nobody has seeded. */
const DEFAULT_SEED = 67280421310721n;

/** A seed as the unsigned 64-bit integer PyTorch stores: negative ones count down from 2^64. */
function toUint64(seed: number | bigint): bigint {
  if (typeof seed !== "bigint" && !Number.isInteger(seed)) {
    throw new RuntimeError(`manual_seed expected a long, but got ${pythonType(seed)}`);
  }
  if (seed < -(2n ** 63n) || seed >= 2n ** 64n) {
    throw new ValueError("Overflow when unpacking long long");
  }
  // A larger number may already have been rounded, and would silently be another seed.
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new ValueError(
      `the seed ${seed} is beyond the integers a number holds exactly; write it as a bigint: ${
        BigInt(seed)
      }n`,
    );
  }
  return BigInt.asUintN(64, BigInt(seed));
}

/** Python's `int(seed)`, which `torch.manual_seed` applies first and `Generator.manual_seed` not. */
function toInteger(seed: unknown): number | bigint {
  if (typeof seed === "bigint") return seed;
  if (typeof seed === "number") {
    if (Number.isNaN(seed)) throw new ValueError("cannot convert float NaN to integer");
    // Python's OverflowError; RangeError is what JavaScript has for it.
    if (!Number.isFinite(seed)) throw new RangeError("cannot convert float infinity to integer");
    return Math.trunc(seed);
  }
  if (typeof seed === "boolean") return Number(seed);
  if (typeof seed === "string") {
    if (/^\s*[+-]?\d+\s*$/.test(seed)) return BigInt(seed);
    throw new ValueError(`invalid literal for int() with base 10: '${seed}'`);
  }
  throw new TypeError(
    `int() argument must be a string, a bytes-like object or a real number, not '${
      pythonType(seed)
    }'`,
  );
}

/** How long a state is, and where in it the kept normal draw stands. */
const [STATE_SIZE, NORMAL] = [5056, 5024];

/**
 * A stream of random numbers, as `torch.Generator()` on the CPU gives: mt19937 (Matsumoto and
 * Nishimura, 1998; the seeding of 2002). The same seed gives PyTorch's numbers, bit for bit.
 *
 * @example
 * ```ts
 * import { Generator } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 * const generator = new Generator(0);
 * assertEquals(generator.random(), 2357136044);
 * assertEquals(generator.manualSeed(-1).initialSeed(), 18446744073709551615n);
 * ```
 * @category Random numbers
 */
export class Generator {
  readonly #words = new Uint32Array(N);
  #left = 1; // how many draws, and one more, until the words are renewed
  #next = 0; // the word of the next draw
  #seed = DEFAULT_SEED;

  /**
   * The second value of the last pair of normal draws, kept for the next draw. There is one for both
   * dtypes: PyTorch's scalar path draws float32 normals as doubles too.
   */
  nextNormal: number | undefined;

  /**
   * A generator in the state that {@linkcode Generator.manualSeed} leaves.
   *
   * @param seed as for `manualSeed`; PyTorch's own default when left out
   */
  constructor(seed: number | bigint = DEFAULT_SEED) {
    check(["Generator", { "seed?": any }], arguments);
    this.manualSeed(seed);
  }

  /**
   * Starts the stream over, as `torch.Generator.manual_seed`. Only the low 32 bits of the seed reach
   * the twister, so 0 and 2^32 give the same numbers.
   *
   * @param seed an integer from -2^63 to 2^64 - 1; a negative one stands for itself plus 2^64
   * @returns this generator
   * @throws {RuntimeError} if the seed is no integer
   * @throws {ValueError} if it does not fit in 64 bits, or is a number too large to be exact
   */
  manualSeed(seed: number | bigint): this {
    check(["Generator.manualSeed", { seed: any }], arguments);
    this.#seed = toUint64(seed);
    const words = this.#words;
    words[0] = Number(BigInt.asUintN(32, this.#seed));
    for (let k = 1; k < N; k++) {
      words[k] = Math.imul(1812433253, words[k - 1] ^ (words[k - 1] >>> 30)) + k;
    }
    [this.#left, this.#next] = [1, 0];
    // Otherwise the first normal draw after seeding would belong to the stream before it.
    this.nextNormal = undefined;
    return this;
  }

  /**
   * The seed this stream began with, as `torch.Generator.initial_seed`.
   *
   * @returns the seed as an unsigned 64-bit integer
   */
  initialSeed(): bigint {
    checkCount("Generator.initialSeed", 0, arguments);
    return this.#seed;
  }

  /**
   * The next draw.
   *
   * @returns an integer from 0 to 2^32 - 1
   */
  random(): number {
    checkCount("Generator.random", 0, arguments);
    if (--this.#left === 0) this.#twist();
    let y = this.#words[this.#next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /**
   * The low 53 bits of PyTorch's 64-bit draw: two 32-bit draws, the high half first. No draw here
   * needs the upper 11 bits, and 53 are what a number holds exactly.
   *
   * @returns an integer from 0 to 2^53 - 1
   */
  random53(): number {
    checkCount("Generator.random53", 0, arguments);
    const high = this.random() & 0x1fffff;
    return high * 2 ** 32 + this.random();
  }

  /**
   * A second generator that continues exactly as this one would.
   *
   * @returns the copy; the two do not affect each other
   */
  clone(): Generator {
    checkCount("Generator.clone", 0, arguments);
    return new Generator().setState(this.getState());
  }

  /**
   * Where the stream is, in the bytes of `torch.Generator.get_state`, for
   * {@linkcode Generator.setState} here or `torch.set_rng_state` there.
   *
   * @returns 5056 bytes
   */
  getState(): Uint8Array {
    checkCount("Generator.getState", 0, arguments);
    const view = new DataView(new ArrayBuffer(STATE_SIZE));
    view.setBigUint64(0, this.#seed, true);
    view.setInt32(8, this.#left, true);
    view.setInt32(12, 1, true); // seeded
    view.setUint32(16, this.#next, true);
    this.#words.forEach((word, k) => view.setUint32(24 + 8 * k, word, true));
    view.setFloat64(NORMAL, this.nextNormal ?? 0, true);
    view.setInt32(NORMAL + 16, this.nextNormal === undefined ? 0 : 1, true);
    return new Uint8Array(view.buffer);
  }

  /**
   * Goes on where {@linkcode Generator.getState}, or PyTorch's, was taken.
   *
   * @param state 5056 bytes
   * @returns this generator
   * @throws {RuntimeError} if it is no state of an mt19937; the generator is left as it was
   * @throws {TypeError} if it is not bytes
   */
  setState(state: Uint8Array): this {
    check(["Generator.setState", { newState: bytes }], arguments);
    if (state.length !== STATE_SIZE) {
      throw new RuntimeError(
        `Expected a CPUGeneratorImplState of size ${STATE_SIZE} but found the input RNG state ` +
          `size to be ${state.length}`,
      );
    }
    const view = new DataView(state.buffer, state.byteOffset, state.length);
    const [left, next] = [view.getInt32(8, true), Number(view.getBigUint64(16, true))];
    if (view.getInt32(12, true) !== 1 || left < 1 || next + left > N + 1) {
      throw new RuntimeError("Invalid mt19937 state");
    }
    this.#seed = view.getBigUint64(0, true);
    [this.#left, this.#next] = [left, next];
    for (let k = 0; k < N; k++) this.#words[k] = view.getUint32(24 + 8 * k, true);
    this.nextNormal = view.getInt32(NORMAL + 16, true) ? view.getFloat64(NORMAL, true) : undefined;
    return this;
  }

  /** Replaces all 624 words by the next 624. */
  #twist(): void {
    const words = this.#words;
    for (let k = 0; k < N; k++) {
      const y = (words[k] & 0x80000000) | (words[(k + 1) % N] & 0x7fffffff);
      words[k] = words[(k + M) % N] ^ (y >>> 1) ^ ((y & 1) === 1 ? 0x9908b0df : 0);
    }
    [this.#left, this.#next] = [N, 0];
  }
}

/** A generator, as an argument. */
export const aGenerator: Kind = {
  word: "Generator",
  is: (value) => value instanceof Generator,
};

/**
 * The generator that weights, dropout, {@linkcode rand} and {@linkcode randn} draw from unless given
 * another. PyTorch seeds its own at random; this one starts from the default seed, so that a program
 * that never seeds is repeatable.
 *
 * @example
 * ```ts
 * import { defaultGenerator } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 * assertEquals(defaultGenerator.manualSeed(42).initialSeed(), 42n);
 * ```
 * @category Random numbers
 */
export const defaultGenerator: Generator = new Generator();

/**
 * Seeds {@linkcode defaultGenerator}, as `torch.manual_seed`: like Python's `int()`, it first drops
 * the fraction of a number.
 *
 * @param seed an integer from -2^63 to 2^64 - 1; a negative one stands for itself plus 2^64; a bigint
 * where a number would not be exact
 * @returns the default generator
 * @throws {ValueError} if the seed does not fit in 64 bits, is a number too large to be exact, or NaN
 * @throws {RangeError} if the seed is infinite
 * @throws {TypeError} if the seed is nothing like a number
 * @example
 * ```ts
 * import { manualSeed, rand } from "@rnn-spec/rnn-spec";
 * import { assertEquals } from "@std/assert";
 * manualSeed(0);
 * const first = rand([3]).data;
 * manualSeed(0);
 * assertEquals(rand([3]).data, first);
 * ```
 * @category Random numbers
 */
export function manualSeed(seed: number | bigint): Generator {
  check(["manualSeed", { seed: any }], arguments);
  return defaultGenerator.manualSeed(toInteger(seed));
}
