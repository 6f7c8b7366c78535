/** Chapter init, whole numbers: what is drawn from the generator besides weights. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Generator, multinomial, rand, randint, randperm, select, tensor } from "../../mod.ts";
import { fma32, fma64 } from "../../lib/random/fma.ts";
import { describe, fact, law } from "./law.ts";

const seeds = fc.nat();

describe("chance", () => {
  law(
    ["INIT-7"],
    "randint stays between its bounds, and takes one draw or two of each number",
    fc.tuple(
      seeds,
      fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
      fc.oneof(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 2 ** 52 }),
        fc.constantFrom(2 ** 28 - 1, 2 ** 28),
      ),
    ),
    ([seed, low, range]) => {
      const [generator, other] = [new Generator(seed), new Generator(seed)];
      const drawn = randint(low, low + range, [2, 5], { generator });
      assertEquals([drawn.dtype, drawn.shape], ["int64", [2, 5]]);
      assert(drawn.data.every((x) => x >= low && x < low + range));
      for (let k = 0; k < (range < 2 ** 28 ? 10 : 20); k++) other.random();
      assertEquals(generator.random(), other.random());
    },
  );

  law(
    ["INIT-8"],
    "randperm is a permutation, and takes n - 1 draws",
    fc.tuple(seeds, fc.nat(700)),
    ([seed, n]) => {
      const [generator, other] = [new Generator(seed), new Generator(seed)];
      const order = randperm(n, { generator });
      assertEquals([order.dtype, order.shape], ["int64", [n]]);
      assertEquals([...order.data].sort((a, b) => a - b), [...Array(n).keys()]);
      for (let k = 0; k < n - 1; k++) other.random();
      assertEquals(generator.random(), other.random());
    },
  );

  law(
    ["INIT-9"],
    "multinomial draws what has a probability; without replacement, nothing twice",
    fc.tuple(
      seeds,
      fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 }).filter((weights) =>
        weights.some((w) => w > 0)
      ),
      fc.boolean(),
      fc.constantFrom("float32" as const, "float64" as const),
    ),
    ([seed, weights, replacement, dtype]) => {
      const generator = new Generator(seed);
      const possible = weights.filter((w) => w > 0).length;
      const p = tensor([weights, weights], { dtype });
      const drawn = multinomial(p, possible, { replacement, generator });
      assertEquals([drawn.dtype, drawn.shape], ["int64", [2, possible]]);
      assert(drawn.data.every((k) => weights[k] > 0));
      for (const row of [0, 1]) {
        const own = [...select(drawn, 0, row).data];
        if (!replacement) assertEquals(new Set(own).size, possible);
      }
    },
  );

  fact(["INIT-2"], "a product and a sum are rounded once, at the ends of the range too", () => {
    assertEquals(fma64(2 ** 1000, 2 ** -500, 1), 2 ** 500); // halves of the first would overflow
    assertEquals(fma64(1, 2 ** 1000, 2 ** 1000), 2 ** 1001);
    assertEquals(fma64(2 ** -600, 2 ** -600, 1), 1);
    assertEquals(fma64(1 + 2 ** -27, 1 + 2 ** -27, -1), 2 ** -26 + 2 ** -54);
    assertEquals(fma32(1 + 2 ** -12, 1 + 2 ** -12, -1), Math.fround(2 ** -11 + 2 ** -24));
  });

  fact(["INIT-9"], "the dtype rounds what is compared, and the draws are the same", () => {
    for (const dtype of ["float32", "float64"] as const) {
      const [generator, other] = [new Generator(3), new Generator(3)];
      multinomial(tensor([1, 2, 3], { dtype }), 2, { generator });
      rand([3], { dtype: "float64", generator: other });
      assertEquals(generator.random(), other.random());
      multinomial(tensor([1, 2, 3], { dtype }), 5, { generator, replacement: true });
      rand([5], { dtype: "float64", generator: other });
      assertEquals(generator.random(), other.random());
    }
  });

  fact(
    ["INIT-9", "INIT-4"],
    "a category ends where its sum does: what is equal still belongs to it",
    () => {
      // A state whose first draws are 2^20 and 0, and so on: u = 2^20 · 2^32 · 2^-53 = 0.5, exactly.
      const state = new Generator(1).getState();
      const view = new DataView(state.buffer);
      view.setInt32(8, 625, true); // all words are left
      [2 ** 20, 0, 2 ** 20, 0].forEach((draw, k) =>
        view.setUint32(24 + 8 * k, untempered(draw), true)
      );
      const generator = new Generator().setState(state);
      assertEquals(generator.clone().random(), 2 ** 20);
      const drawn = multinomial(tensor([1, 1, 1, 1]), 2, { replacement: true, generator });
      assertEquals(drawn.tolist(), [1, 1]);
    },
  );

  fact(["INIT-9"], "each category comes as often as its probability says", () => {
    const generator = new Generator(1);
    const p = [0.1, 0.2, 0.7];
    for (const replacement of [true, false]) {
      const counts = [0, 0, 0];
      for (let k = 0; k < 2000; k++) {
        counts[multinomial(tensor(p), replacement ? 2 : 1, { replacement, generator }).data[0]]++;
      }
      counts.forEach((count, k) => assert(Math.abs(count / 2000 - p[k]) < 0.04, `${counts}`));
    }
  });
});

/** The word that the generator tempers into a draw (INIT-3). */
function untempered(draw: number): number {
  const undo = (y: number, mix: (x: number) => number) => {
    let x = y;
    for (let k = 0; k < 32; k++) x = y ^ mix(x);
    return x;
  };
  let y = undo(draw, (x) => x >>> 18);
  y = undo(y, (x) => (x << 15) & 0xefc60000);
  y = undo(y, (x) => (x << 7) & 0x9d2c5680);
  return undo(y, (x) => x >>> 11) >>> 0;
}
