/**
 * Fused multiply-add: `a * b + c` with one rounding. PyTorch's compiled loops use the processor's
 * instruction for it wherever there is one, and its last bit decides whether weights are bitwise
 * PyTorch's. JavaScript has no such instruction, so it is computed from exact error terms.
 */

const double = new DataView(new ArrayBuffer(8));

/** What `sum = fl(a + b)` lost: `a + b - sum`, exactly (Knuth's TwoSum). */
function lost(a: number, b: number, sum: number): number {
  const bRounded = sum - a;
  return (a - (sum - bRounded)) + (b - bRounded);
}

/**
 * `sum`, moved to the neighbour with an odd last bit when something was lost. An odd value can never
 * be halfway for a later, coarser rounding, so rounding twice gives what rounding once would.
 */
function toOdd(sum: number, rest: number): number {
  if (rest === 0) return sum;
  double.setFloat64(0, sum);
  const low = double.getUint32(4);
  if ((low & 1) === 1) return sum;
  const away = (rest > 0) === (sum > 0);
  double.setUint32(4, away ? low + 1 : low - 1);
  if (!away && low === 0) double.setUint32(0, double.getUint32(0) - 1);
  return double.getFloat64(0);
}

/** The upper 26 bits of a number's significand. */
function upperHalf(a: number): number {
  const shifted = a * 134217729; // 2^27 + 1
  return shifted - (shifted - a);
}

/**
 * Float32 `a * b + c`, rounded once.
 *
 * @param a a float32 value
 * @param b a float32 value
 * @param c a float32 value
 * @returns the float32 nearest to the exact result
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const a = 1 + 2 ** -12; // the exact square is 1 + 2^-11 + 2^-24, one bit too long for a float32
 * assertEquals(fma32(a, a, -1), 2 ** -11 + 2 ** -24);
 * assertEquals(Math.fround(Math.fround(a * a) - 1), 2 ** -11);
 * ```
 */
export function fma32(a: number, b: number, c: number): number {
  const product = a * b; // exact: 24 bits times 24 bits fit in a double's 53
  const sum = product + c;
  return Math.fround(toOdd(sum, lost(product, c, sum)));
}

/**
 * Float64 `a * b + c`, rounded once (the method of Boldo and Melquiond). Where exact error terms
 * would overflow or underflow, beyond about 1e270 and below 1e-270, it rounds twice instead.
 *
 * @param a a number
 * @param b a number
 * @param c a number
 * @returns the float64 nearest to the exact result
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * const a = 1 + 2 ** -27; // the exact square is 1 + 2^-26 + 2^-54, too long for a float64
 * assertEquals(fma64(a, a, -1), 2 ** -26 + 2 ** -54);
 * assertEquals(a * a - 1, 2 ** -26);
 * ```
 */
export function fma64(a: number, b: number, c: number): number {
  const product = a * b;
  const size = Math.abs(product);
  const largest = Math.max(Math.abs(a), Math.abs(b), Math.abs(c), size);
  if (!(size > 2 ** -900 && largest < 2 ** 900)) return product + c;
  // Dekker: halves of at most 26 bits multiply exactly, so what the product lost is exact too.
  const aHigh = upperHalf(a), aLow = a - aHigh;
  const bHigh = upperHalf(b), bLow = b - bHigh;
  const rest = aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
  const small = rest + c;
  const sum = product + small;
  const tail = lost(rest, c, small), sumTail = lost(product, small, sum);
  const both = tail + sumTail;
  return sum + toOdd(both, lost(tail, sumTail, both));
}
