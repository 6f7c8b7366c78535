/** Chapter init: how a draw is rounded, and what a fill and a seed refuse. */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Generator, manualSeed, RuntimeError, ValueError } from "../../mod.ts";
import { normal, uniform } from "../../lib/random/distributions.ts";
import { fma32, fma64 } from "../../lib/random/fma.ts";
import { describe, fact, law, readablePath } from "./law.ts";

/** A number as `whole / 2^scale`, exactly. */
function exact(x: number): [whole: bigint, scale: number] {
  let scale = 0;
  for (; !Number.isInteger(x); scale++) x *= 2;
  return [BigInt(x), scale];
}

/** The nearest number of so many bits to `whole / 2^scale`, a tie to the even one. */
function nearest(whole: bigint, scale: number, bits: number): number {
  const size = whole < 0n ? -whole : whole;
  const cut = BigInt(Math.max(size.toString(2).length - bits, 0));
  const [kept, half] = [size >> cut, cut ? 1n << (cut - 1n) : 0n];
  const rest = size - (kept << cut);
  const up = cut > 0n && (rest > half || (rest === half && kept % 2n === 1n));
  const rounded = Number(kept + (up ? 1n : 0n)) * 2 ** (Number(cut) - scale);
  return whole < 0n ? -rounded : rounded;
}

/** `a · b + c`, rounded once, in whole numbers. */
function fused(a: number, b: number, c: number, bits: number): number {
  const [[p, pScale], [q, qScale], [r, rScale]] = [exact(a), exact(b), exact(c)];
  const scale = Math.max(pScale + qScale, rScale);
  const whole = (p * q << BigInt(scale - pScale - qScale)) + (r << BigInt(scale - rScale));
  return nearest(whole, scale, bits);
}

/** Numbers with few and with many bits, so that sums fall on ties and just beside them. */
const factor = (bits: number) =>
  fc.tuple(
    fc.oneof(fc.bigInt({ min: -(2n ** BigInt(bits)) + 1n, max: 2n ** BigInt(bits) - 1n })),
    fc.integer({ min: -60, max: 20 }),
  ).map(([whole, power]) => Number(whole) * 2 ** power);
const near = (bits: number) =>
  fc.tuple(
    fc.integer({ min: -3, max: 3 }),
    fc.integer({ min: -2 * bits - 4, max: 4 }),
    fc.integer({ min: -2 * bits - 4, max: -bits }),
    fc.boolean(),
  ).map(([whole, power, small, sign]) => whole * 2 ** power + (sign ? -1 : 1) * 2 ** small);

describe("draws", () => {
  for (const [bits, fma] of [[24, fma32], [53, fma64]] as const) {
    const round = bits === 24 ? Math.fround : (x: number) => x;
    const one = fc.oneof(factor(bits), near(bits).map(round));
    law(
      ["INIT-2"],
      `a product and a sum are rounded once, to ${bits} bits`,
      fc.tuple(one, one, one),
      ([a, b, c]) => assertEquals(fma(a, b, c) + 0, fused(a, b, c, bits) + 0),
      2000,
      readablePath,
    );

    fact(["INIT-2"], `what lies beside a tie is not taken for one, of ${bits} bits`, () => {
      const last = 2 ** (1 - bits);
      for (const sign of [1, -1]) {
        for (const whole of [1, 1 + last, 1 + 2 * last, 1 + 3 * last, 2 - last]) {
          for (const tiny of [2 ** -80, 2 ** -100, 2 ** -120]) {
            for (const side of [1, 0, -1]) {
              // whole + last / 2 is a tie; the product moves it to one side by very little.
              const [a, b] = [side * tiny, tiny];
              const tie = sign * (whole + last / 2);
              if (bits === 24) assertEquals(fma(a, b, tie), fused(a, b, tie, bits));
              const [p, q] = [last / 2, 1 + side * 2 ** (3 - bits)];
              assertEquals(fma(p, q, sign * whole), fused(p, q, sign * whole, bits));
              assertEquals(fma(-p, q, sign * whole), fused(-p, q, sign * whole, bits));
            }
          }
        }
      }
    }, readablePath);
  }

  fact(["INIT-2"], "beyond the range of exact error terms a product and a sum round twice", () => {
    const square = 1 + 2 ** -27; // its square is one bit too long
    const times = (power: number) => [2 ** power * square, square, -(2 ** power)] as const;
    for (const [power, once] of [[0, true], [899, true], [900, false], [-899, true]] as const) {
      const rest = once ? 2 ** -54 : 0;
      assertEquals(fma64(...times(power)) / 2 ** power, 2 ** -26 + rest, `2^${power}`);
    }
    assertEquals(fma64(2 ** -900, 1, 1), 1);
    assertEquals(fma64(2 ** -901 * square, square, -(2 ** -901)) / 2 ** -901, 2 ** -26);
  }, readablePath);

  const fills: [data: () => Float32Array | Float64Array, from: number, to: number, why: string][] =
    [
      [() => new Float32Array(1), NaN, 1, "from is out of bounds for float"],
      [() => new Float32Array(1), 0, NaN, "to is out of bounds for float"],
      [() => new Float32Array(1), -4e38, 1, "from is out of bounds for float"],
      [() => new Float32Array(1), 0, 4e38, "to is out of bounds for float"],
      [() => new Float64Array(1), -Infinity, 0, "from is out of bounds for double"],
      [() => new Float64Array(1), 0, Infinity, "to is out of bounds for double"],
      [
        () => new Float32Array(1),
        -3e38,
        3e38,
        "uniform_ expects to-from <= std::numeric_limits<Float>::max(), but found to=3e+38 and " +
        "from=-3e+38 which result in to-from to exceed the limit",
      ],
      [
        () => new Float64Array(1),
        -1e308,
        1e308,
        "uniform_ expects to-from <= std::numeric_limits<Double>::max(), but found to=1e+308 and " +
        "from=-1e+308 which result in to-from to exceed the limit",
      ],
      ...([
        [2, 1, "from=2 > to=1"],
        [1e6, 1e-5, "from=1e+06 > to=1e-05"],
        [123456.7, 1.5, "from=123457 > to=1.5"],
        [1e-4, 1.5e-5, "from=0.0001 > to=1.5e-05"],
        [1234567, -1234567, "from=1.23457e+06 > to=-1.23457e+06"],
      ] as const).map(([from, to, found]) =>
        [
          () => new Float32Array(1),
          from,
          to,
          `uniform_ expects to return a [from, to) range, but found ${found}`,
        ] as [() => Float32Array, number, number, string]
      ),
    ];
  fact(["INIT-6", "INIT-3"], "bounds that no uniform fill takes, in PyTorch's words", () => {
    for (const [data, from, to, why] of fills) {
      const [generator, other] = [new Generator(1), new Generator(1)];
      const error = assertThrows(() => uniform(data(), from, to, generator), RuntimeError);
      assertEquals(error.message, why);
      assertEquals(generator.random(), other.random()); // nothing was drawn
    }
  }, readablePath);

  fact(
    ["INIT-6", "INIT-3"],
    "the largest bounds and the widest range are taken, and a point",
    () => {
      const largest = 0xffffff * 2 ** 104;
      for (const [from, to] of [[-largest, 0], [0, largest], [3, 3], [-largest / 2, largest / 2]]) {
        const data = new Float32Array(4);
        uniform(data, from, to, new Generator(1));
        assertEquals(data.every((x) => x >= from && (x < to || from === to)), true);
      }
      uniform(new Float64Array(1), -Number.MAX_VALUE, 0, new Generator(1));
      uniform(new Float64Array(1), 0, Number.MAX_VALUE, new Generator(1));
    },
    readablePath,
  );

  fact(
    ["INIT-5", "INIT-6"],
    "a standard deviation of 0 gives the mean; a negative one none",
    () => {
      for (const count of [3, 16, 17]) {
        const data = new Float64Array(count);
        normal(data, 2.5, 0, new Generator(1));
        assertEquals([...data], Array(count).fill(2.5));
      }
      for (const [std, text] of [[-0.5, "-0.5"], [-1e-5, "-1e-05"], [NaN, "nan"]] as const) {
        const error = assertThrows(() => normal(new Float32Array(3), 0, std), RuntimeError);
        assertEquals(error.message, `normal expects std >= 0.0, but found std ${text}`);
      }
    },
    readablePath,
  );

  fact(["INIT-4", "ERROR-5"], "a seed is read as Python's int() reads it", () => {
    const seeds: [unknown, bigint][] = [
      [true, 1n],
      [false, 0n],
      ["12", 12n],
      ["-3", 2n ** 64n - 3n],
      [" 7 ", 7n],
      ["+5", 5n],
      [1.9, 1n],
      [-1.9, 2n ** 64n - 1n],
      [2n ** 64n - 1n, 2n ** 64n - 1n],
      [-(2n ** 63n), 2n ** 63n],
      [Number.MAX_SAFE_INTEGER, 2n ** 53n - 1n],
    ];
    try {
      for (const [seed, stored] of seeds) {
        assertEquals(manualSeed(seed as number).initialSeed(), stored, String(seed));
      }
      // deno-lint-ignore no-explicit-any -- any class of error
      const refused: [unknown, any, string][] = [
        [NaN, ValueError, "cannot convert float NaN to integer"],
        [Infinity, RangeError, "cannot convert float infinity to integer"],
        [-Infinity, RangeError, "cannot convert float infinity to integer"],
        ["abc", ValueError, "invalid literal for int() with base 10: 'abc'"],
        ["1.5", ValueError, "invalid literal for int() with base 10: '1.5'"],
        [
          [1],
          TypeError,
          "int() argument must be a string, a bytes-like object or a real number, not 'list'",
        ],
        [2n ** 64n, ValueError, "Overflow when unpacking long long"],
        [-(2n ** 63n) - 1n, ValueError, "Overflow when unpacking long long"],
        [
          2 ** 53,
          ValueError,
          "the seed 9007199254740992 is beyond the integers a number holds exactly; write it as a " +
          "bigint: 9007199254740992n",
        ],
      ];
      manualSeed(11);
      for (const [seed, type, message] of refused) {
        assertEquals(assertThrows(() => manualSeed(seed as number), type).message, message);
      }
      assertEquals(manualSeed(11).initialSeed(), 11n);
    } finally {
      manualSeed(0);
    }
  }, readablePath);

  fact(["INIT-4"], "a state says where the stream is; what says otherwise is refused", () => {
    const generator = new Generator(5);
    const read = (state: Uint8Array) => {
      const view = new DataView(state.buffer);
      return [view.getInt32(8, true), view.getInt32(12, true), view.getUint32(16, true)];
    };
    assertEquals(read(generator.getState()), [1, 1, 0]);
    const first = generator.random();
    assertEquals(read(generator.getState()), [624, 1, 1]);
    for (let k = 1; k < 624; k++) generator.random();
    assertEquals(read(generator.getState()), [1, 1, 624]);
    const ends = generator.getState();
    const changed = (change: (view: DataView) => void, from = ends) => {
      const state = from.slice();
      change(new DataView(state.buffer));
      return () => generator.setState(state);
    };
    for (
      const refused of [
        changed((view) => view.setInt32(12, 0, true)),
        changed((view) => view.setInt32(12, 2, true)),
        changed((view) => view.setInt32(8, 0, true)),
        changed((view) => view.setInt32(8, 2, true)), // with 624 drawn
        changed((view) => view.setUint32(20, 1, true)), // the high half of `next`
      ]
    ) assertEquals(assertThrows(refused, RuntimeError).message, "Invalid mt19937 state");
    const sizes = [0, 5055, 5057].map((size) => () => generator.setState(new Uint8Array(size)));
    sizes.forEach((refused, k) =>
      assertEquals(
        assertThrows(refused, RuntimeError).message,
        "Expected a CPUGeneratorImplState of size 5056 but found the input RNG state size to be " +
          [0, 5055, 5057][k],
      )
    );
    assertEquals(generator.getState(), ends);
    const within = new Uint8Array(6000);
    within.set(new Generator(5).getState(), 100);
    assertEquals(generator.setState(within.subarray(100, 5156)).random(), first);
  }, readablePath);
});
