/** Batches: their order, and what is made of them. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  DataLoader,
  defaultCollate,
  defaultGenerator,
  Generator,
  manualSeed,
  ones,
  packPaddedSequence,
  packSequence,
  padCollate,
  rand,
  RuntimeError,
  type Tensor,
  tensor,
  ValueError,
  zeros,
} from "../../mod.ts";
import { describe, it, law } from "./law.ts";

const plan = fc.record({
  n: fc.integer({ min: 1, max: 40 }),
  batchSize: fc.integer({ min: 1, max: 12 }),
  dropLast: fc.boolean(),
  seed: fc.nat(),
});
const range = (n: number) => [...Array(n).keys()];
const listOf = <T>(items: T[]) => items;
const int64 = (data: unknown) => tensor(data as number[], { dtype: "int64" });

describe("batches", () => {
  law(
    ["DATA-1"],
    "a shuffled epoch has every item once, in batches of one size but for the last",
    plan,
    ({ n, batchSize, dropLast, seed }) => {
      const generator = new Generator(seed);
      const options = { batchSize, dropLast, shuffle: true, generator, collateFn: listOf<number> };
      const loader = new DataLoader(range(n), options);
      const [first, second] = [[...loader], [...loader]];
      assertEquals([first.length, second.length], [loader.length, loader.length]);
      const kept = dropLast ? n - n % batchSize : n;
      for (const epoch of [first, second]) {
        assert(epoch.slice(0, -1).every((batch) => batch.length === batchSize));
        const items = epoch.flat();
        assertEquals([items.length, new Set(items).size], [kept, kept]);
        assert(items.every((k) => k >= 0 && k < n));
      }
      generator.manualSeed(seed);
      assertEquals([...loader], first); // the seed decides it
      assertEquals([...loader], second);
    },
  );

  law(
    ["DATA-1"],
    "an epoch takes 2 draws, and two permutations of a generator that it was given",
    plan,
    ({ n, batchSize, seed }) => {
      const [own, other] = [new Generator(seed), new Generator(seed)];
      const options = { batchSize, shuffle: true, generator: own, collateFn: listOf<number> };
      const order = [...new DataLoader(range(n), options)].flat();
      const draws = Array.from({ length: 2 + 2 * (n - 1) }, () => other.random());
      assertEquals(own.getState(), other.getState());
      const p = range(n);
      for (let i = 0; i < n - 1; i++) {
        const j = i + draws[2 + i] % (n - i);
        [p[i], p[j]] = [p[j], p[i]];
      }
      assertEquals(order, p);
    },
  );

  law(
    ["DATA-1"],
    "without a generator the order is that of one seeded from the default; in order, 2 draws",
    plan,
    ({ n, seed }) => {
      manualSeed(seed);
      const options = { batchSize: n, shuffle: true, collateFn: listOf<number> };
      const [order] = [...new DataLoader(range(n), options)];
      const after = defaultGenerator.getState();
      manualSeed(seed);
      const [, , , word] = Array.from({ length: 4 }, () => defaultGenerator.random());
      assertEquals(defaultGenerator.getState(), after);
      const generator = new Generator(word);
      const p = range(n);
      for (let i = 0; i < n - 1; i++) {
        const j = i + generator.random() % (n - i);
        [p[i], p[j]] = [p[j], p[i]];
      }
      assertEquals(order, p);
      manualSeed(seed);
      assertEquals([...new DataLoader(range(n), { batchSize: n, collateFn: listOf<number> })], [
        range(n),
      ]);
      const next = rand([1]).item();
      manualSeed(seed);
      assertEquals(rand([3]).data[2], next);
    },
  );

  it("DATA-1: an epoch that is left half way has not drawn the rest; items may come and go", () => {
    const generator = new Generator(3);
    const items = range(5);
    const loader = new DataLoader(items, { shuffle: true, generator });
    for (const _ of loader) break;
    const other = new Generator(3);
    for (let k = 0; k < 2 + 4; k++) other.random();
    assertEquals(generator.getState(), other.getState());
    items.push(5);
    assertEquals([loader.length, [...loader].length], [6, 6]);
    assertEquals([...new DataLoader([])], []);
  });

  it("DATA-1: refuses what PyTorch refuses", () => {
    const make = (options: Record<string, unknown>, items: number[] = [1]) => () =>
      new DataLoader(items, options);
    for (const batchSize of [0, -1, 1.5, true, null, "2"]) {
      const text = { true: "True", null: "None", 2: "'2'" }[String(batchSize)] ?? batchSize;
      assertThrows(
        make({ batchSize }),
        ValueError,
        `batch_size should be a positive integer value, but got batch_size=${text}`,
      );
    }
    const wrong = "drop_last should be a boolean value, but got drop_last=3";
    assertThrows(make({ dropLast: 3 }), ValueError, wrong);
    const none = "num_samples should be a positive integer value, but got num_samples=0";
    assertThrows(make({ shuffle: true }, []), ValueError, none);
  });
});

describe("collating", () => {
  it("DATA-2: tensors are stacked, numbers become a tensor, lists go place by place", () => {
    const nested = defaultCollate([[[tensor([1]), 2], 3], [[tensor([4]), 5], 6.5]]) as unknown as [
      [Tensor, Tensor],
      Tensor,
    ];
    assertEquals(nested[0].map((x) => x.tolist()), [[[1], [4]], [2, 5]]);
    assertEquals([nested[0][1].dtype, nested[1].dtype], ["int64", "float64"]);
    assertEquals([...new DataLoader([1, 2, 3], { batchSize: 2 })].map(String), [
      "tensor([1, 2])",
      "tensor([3])",
    ]);
    assertThrows(() => defaultCollate([zeros([1]), zeros([2])]), RuntimeError, "equal size");
    assertThrows(() => defaultCollate(["a"]), TypeError, "found str");
    assertThrows(() => defaultCollate([[1, 2], [1]]), ValueError, "of equal size");
  });

  it("DATA-2: what has no padding of its own is padded with 0", () => {
    const items = [[ones([1]), ones([1])], [ones([2]), ones([2])]];
    const [first, second] = padCollate(items, { batchFirst: true, paddingValue: [7] });
    assertEquals([first, second].map((x) => (x as Tensor).tolist()), [
      [[1, 7], [1, 1]],
      [[1, 0], [1, 1]],
    ]);
  });

  law(
    ["DATA-2", "PACK-3"],
    "a padded batch, packed by its lengths, is the sequences packed",
    fc.record({
      lengths: fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 5 }),
      batchFirst: fc.boolean(),
      paddingValue: fc.integer({ min: -5, max: 5 }),
    }),
    ({ lengths, batchFirst, paddingValue }) => {
      const sequences = lengths.map((length) => rand([length, 2]));
      const items = sequences.map((x, k) => [x, int64(range(lengths[k])), k]);
      const options = { batchFirst, paddingValue: [paddingValue, -100] };
      const [x, tags, numbers, given] = padCollate(items, options) as [
        Tensor,
        Tensor,
        Tensor,
        number[],
      ];
      assertEquals(given, lengths);
      assertEquals(numbers.tolist(), range(lengths.length));
      const packed = packPaddedSequence(x, given, { batchFirst, enforceSorted: false });
      const wanted = packSequence(sequences, { enforceSorted: false });
      assertEquals(packed.data.tolist(), wanted.data.tolist());
      const most = Math.max(...lengths);
      const padding = lengths.reduce((sum, length) => sum + most - length, 0);
      assertEquals(tags.data.filter((tag) => tag === -100).length, padding);
      assertEquals(tags.dtype, "int64");
      assertEquals(x.shape, batchFirst ? [lengths.length, most, 2] : [most, lengths.length, 2]);
      const [alone, own] = padCollate(sequences, { paddingValue }) as [Tensor, number[]];
      assertEquals([alone.shape, own], [[most, lengths.length, 2], lengths]);
    },
  );
});
