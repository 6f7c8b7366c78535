/** Chapter init: how many draws each fill takes, and the exact numbers that come of them. */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import {
  constant_,
  Dropout,
  dropout,
  Embedding,
  Generator,
  manualSeed,
  multinomial,
  orthogonal_,
  rand,
  randint,
  randn,
  randperm,
  tensor,
  xavierNormal_,
  xavierUniform_,
  zeros,
  zeros_,
} from "../../mod.ts";
import { normal, uniform } from "../../lib/random/distributions.ts";
import { fma64 } from "../../lib/random/fma.ts";
import { exchange } from "../../lib/random/integers.ts";
import { describe, fact, readablePath } from "./law.ts";

/** The class and the message of what a call throws; nothing if it returns. */
function told(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "";
}

/** How many 32-bit draws something takes, and whether half of a normal pair is kept. */
function taken(run: (generator: Generator) => unknown): [draws: number, kept: boolean] {
  const [own, other] = [new Generator(1), new Generator(1)];
  run(own);
  const kept = own.nextNormal !== undefined;
  own.nextNormal = undefined;
  let draws = 0;
  for (; String(own.getState()) !== String(other.getState()); draws++) other.random();
  return [draws, kept];
}

describe("draws of each fill", () => {
  fact(["INIT-3", "INIT-5"], "as many as PyTorch's", () => {
    const fill = (count: number, double: boolean) =>
      taken((g) => normal(double ? new Float64Array(count) : new Float32Array(count), 0, 1, g));
    assertEquals([0, 1, 2, 3, 15].map((count) => fill(count, false)), [
      [0, false],
      [4, true],
      [4, false],
      [8, true],
      [32, true],
    ]);
    assertEquals([16, 17, 32].map((count) => fill(count, false)[0]), [16, 33, 32]);
    assertEquals([16, 17, 32].map((count) => fill(count, true)[0]), [32, 66, 64]);
    assertEquals(taken((g) => uniform(new Float32Array(3), 0, 1, g)), [3, false]);
    assertEquals(taken((generator) => rand([3], { dtype: "float64", generator })), [6, false]);
    assertEquals(taken((generator) => randn([2, 8], { generator })), [16, false]);
    const p = tensor([1, 2, 3]);
    const drawn = (numSamples: number, replacement: boolean) =>
      taken((generator) => multinomial(p, numSamples, { replacement, generator }))[0];
    // A race draws for each category, a choice once; of one sample each is a race.
    assertEquals([drawn(1, false), drawn(1, true), drawn(2, true)], [6, 6, 4]);
  }, readablePath);

  fact(["INIT-2"], "just at the ends of the range a product and a sum round twice", () => {
    const [up, down] = [1 + 2 ** -52, 1 - 2 ** -53];
    // 2^-900 · up · down rounds to 2^-900 and loses nearly 2^-953.
    assertEquals(fma64(2 ** -900 * up, down, -(2 ** -900)), 0);
    // 2^900 · down · up rounds to 2^900 and loses nearly 2^847.
    assertEquals(fma64(2 ** 900 * down, up, -(2 ** 900)), 0);
    assertEquals(fma64(2 ** 899 * down, up, -(2 ** 899)), 2 ** 846 - 2 ** 794);
  }, readablePath);

  fact(["INIT-6"], "the least number beyond float32 is no bound", () => {
    const fill = () => uniform(new Float32Array(1), 0, 2 ** 128);
    assertEquals(told(fill), "RuntimeError: to is out of bounds for float");
    const long = "RuntimeError: manual_seed expected a long, but got float";
    assertEquals(told(() => new Generator(1.5)), long);
    assertEquals(told(() => new Generator(NaN)), long);
  }, readablePath);

  fact(["INIT-4"], "a new seed leaves no normal draw; a state goes on in the middle", () => {
    const generator = new Generator(7);
    assertEquals(generator.getState().slice(5024), new Uint8Array(32));
    generator.nextNormal = 1.5;
    const view = new DataView(generator.getState().buffer);
    assertEquals([view.getFloat64(5024, true), view.getInt32(5040, true)], [1.5, 1]);
    assertEquals([view.getUint32(0, true), generator.clone().initialSeed()], [7, 7n]);
    assertEquals(generator.clone().nextNormal, 1.5);
    assertEquals(generator.manualSeed(7).nextNormal, undefined);
    for (let k = 0; k < 300; k++) generator.random();
    const clone = generator.clone();
    assertEquals(clone.nextNormal, undefined);
    for (let k = 0; k < 700; k++) assertEquals(clone.random(), generator.random());
  }, readablePath);
});

describe("numbers of draws", () => {
  fact(["INIT-7"], "randint over more than 2^28 is PyTorch's", () => {
    const drawn = (low: number, high: number) =>
      randint(low, high, [3], { generator: new Generator(0) }).tolist();
    assertEquals(drawn(0, 2 ** 40), [741280623151, 506137267392, 291447657211]);
    assertEquals(drawn(-5, 2 ** 45), [11736395462226, 7103205159218, 21182167004845]);
    assertEquals(drawn(0, 1), [0, 0, 0]);
    assertEquals(
      told(() => randint(3, 3, [1])),
      "RuntimeError: random_ expects 'from' to be less than 'to', but got from=3 >= to=3",
    );
    assertEquals([randperm(0).shape, randperm(1).tolist()], [[0], [0]]);
  }, readablePath);

  fact(
    ["INIT-8"],
    "an order of many numbers: each is exchanged with one before it, or itself",
    () => {
      const data = Float64Array.from({ length: 9 }, (_, k) => k);
      exchange(data, true, new Generator(2));
      const [generator, wanted] = [new Generator(2), [...Array(9).keys()]];
      for (let i = 0; i < 9; i++) {
        const high = BigInt(generator.random());
        const other = Number((high * 2n ** 32n + BigInt(generator.random())) % BigInt(i + 1));
        [wanted[i], wanted[other]] = [wanted[other], wanted[i]];
      }
      assertEquals([...data], wanted);
    },
    readablePath,
  );

  fact(["INIT-9"], "multinomial: a race of exponential times, and its refusals", () => {
    const p = [[0.1, 0.2, 0.7, 0.4], [5, 1, 2, 0.5]];
    const u = rand([8], { dtype: "float64", generator: new Generator(3) }).data;
    const wanted = p.map((row, k) => {
      const times = row.map((x, j) => -Math.log(1 - u[4 * k + j]) / x);
      return [...row.keys()].sort((a, b) => times[a] - times[b]);
    });
    const options = { generator: new Generator(3) };
    assertEquals(multinomial(tensor(p), 4, options).tolist(), wanted);
    const apart = tensor([[1, 0, 0], [0, 0, 1]]);
    assertEquals(multinomial(apart, 1).tolist(), [[0], [2]]);
    assertEquals(multinomial(apart, 2, { replacement: true }).tolist(), [[0, 0], [2, 2]]);
    // Where the sum is infinite, the last is taken.
    const large = tensor([3e38, 3e38]);
    assertEquals(multinomial(large, 2, { replacement: true }).tolist(), [1, 1]);
    const invalid = "RuntimeError: invalid multinomial distribution";
    const either = "RuntimeError: probability tensor contains either `inf`, `nan` or element < 0";
    const rows: [unknown, number, boolean, string][] = [
      [[1, -1], 1, false, either],
      [[1, Infinity], 1, true, either],
      [[1, NaN], 2, false, either],
      [[0, 0], 1, false, `${invalid} (sum of probabilities <= 0)`],
      [[1, -1], 2, true, `${invalid} (encountering probability entry < 0)`],
      [[NaN, 1], 2, true, `${invalid} (encountering probability entry < 0)`],
      [[1, Infinity], 2, true, `${invalid} (encountering probability entry = infinity or NaN)`],
      [[0, 0], 2, true, `${invalid} (sum of probabilities <= 0)`],
      [
        [1, 1],
        3,
        false,
        "RuntimeError: cannot sample n_sample > prob_dist.size(-1) samples without replacement",
      ],
      [[1, 1], 3, true, ""],
      [[1, 1], 0, true, "RuntimeError: cannot sample n_sample <= 0 samples"],
      [[[[1]]], 1, false, "RuntimeError: prob_dist must be 1 or 2 dim"],
      [1, 1, false, "RuntimeError: prob_dist must be 1 or 2 dim"],
    ];
    for (const [given, count, replacement, message] of rows) {
      const draw = () => multinomial(tensor(given as number[]), count, { replacement });
      assertEquals(told(draw), message, String(given));
    }
    assertEquals(
      told(() => multinomial(tensor([1], { dtype: "int64" }), 1)),
      "RuntimeError: multinomial only supports floating-point dtypes for input, got: Long",
    );
  }, readablePath);

  fact(["DROP-3", "DROP-1"], "a draw below p drops; p itself and more do not", () => {
    manualSeed(0);
    const p = rand([1]).item() as number;
    for (const [limit, wanted] of [[p, 1 / (1 - p)], [p + 2 ** -24, 0]]) {
      manualSeed(0);
      assertEquals(dropout(tensor([1]), limit, true).item(), Math.fround(wanted));
    }
    const x = tensor([1, -2]);
    assert(dropout(x, 0, true) === x && dropout(x, 1, false) === x);
    assertEquals([...dropout(x, 1, true).data].map(Math.abs), [0, 0]);
    assertEquals(String(new Dropout()), "Dropout(p=0.5, inplace=False)");
    const range = "ValueError: dropout probability has to be between 0 and 1, but got ";
    assertEquals(told(() => new Dropout(1.5)), `${range}1.5`);
    assertEquals(told(() => dropout(x, -1, true)), `${range}-1`);
    assertEquals(told(() => new Dropout(1)) + told(() => new Dropout(0)), "");
  }, readablePath);
});

describe("initial weights", () => {
  fact(["INIT-6", "EMBED-1", "EMBED-2"], "each is its draws, times what it says", () => {
    const options = () => ({ generator: new Generator(3) });
    const z = randn([3, 3], options()).data;
    const std = Math.sqrt(2 / 6);
    xavierNormal_(zeros([3, 3]), options()).data
      .forEach((x, k) => assertAlmostEquals(x, z[k] * std, 1e-6));
    const twice = xavierNormal_(zeros([3, 3]), { ...options(), gain: 2 }).data;
    twice.forEach((x, k) => assertAlmostEquals(x, 2 * z[k] * std, 1e-6));
    const square = orthogonal_(zeros([3, 3]), options()).data;
    const size = Math.hypot(z[0], z[3], z[6]);
    for (const k of [0, 3, 6]) assertAlmostEquals(square[k], z[k] / size, 1e-6); // a column
    assertEquals(Math.abs(orthogonal_(zeros([1, 1])).item() as number), 1);
    assertEquals(orthogonal_(zeros([0, 3])).version(), 0);
    const u = rand([2, 4], options()).data;
    const own = xavierUniform_(zeros([2, 4]), options()).data; // within ±√(6 / 6)
    own.forEach((x, k) => assertAlmostEquals(x, 2 * u[k] - 1, 1e-6));
    assertEquals(xavierUniform_(zeros([1, 0])).shape, [1, 0]);
    assertEquals(zeros_(constant_(zeros([2]), 3)).tolist(), [0, 0]);
    manualSeed(4);
    const table = randn([3, 2]).tolist() as number[][];
    for (const paddingIdx of [undefined, 1, -1]) {
      manualSeed(4);
      const row = paddingIdx === -1 ? 2 : paddingIdx;
      const embedding = new Embedding(3, 2, { paddingIdx });
      const wanted = table.map((values, k) => k === row ? [0, 0] : values);
      assertEquals(embedding.weight.tolist(), wanted);
      const padding = row === undefined ? "" : `, padding_idx=${row}`;
      assertEquals(String(embedding), `Embedding(3, 2${padding})`);
      assertEquals(embedding.weight.dtype, "float32");
    }
  }, readablePath);
});
