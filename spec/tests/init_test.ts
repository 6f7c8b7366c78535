/** Chapter init: parameters, their first values, and the generator they are drawn from. */

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  defaultGenerator,
  type FloatDType,
  Generator,
  Linear,
  manualSeed,
  Parameter,
  rand,
  randn,
  RuntimeError,
  SimpleRNN,
  type Tensor,
  ValueError,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise, assertClose } from "./alike.ts";
import {
  build,
  buildCell,
  type Config,
  configs,
  directions,
  gates,
  outputSize,
  suffixes,
} from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const drawn = { scale: fc.constant(1) };
const dtypes = fc.constantFrom<FloatDType>("float32", "float64");
const seeds = fc.oneof(fc.nat(0xffffffff), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }));

/** The names and shapes that PyTorch documents, in its order. */
function documented(c: Config): [string, number[]][] {
  const rows = gates[c.kind] * c.hiddenSize;
  return [...Array(c.numLayers).keys()].flatMap((layer) =>
    suffixes(c, layer).flatMap((suffix) => {
      const features = layer === 0 ? c.inputSize : directions(c) * outputSize(c);
      const all: [string, number[]][] = [
        [`weight_ih_${suffix}`, [rows, features]],
        [`weight_hh_${suffix}`, [rows, outputSize(c)]],
        [`bias_ih_${suffix}`, c.bias ? [rows] : []],
        [`bias_hh_${suffix}`, c.bias ? [rows] : []],
        [`weight_hr_${suffix}`, c.projSize ? [c.projSize, c.hiddenSize] : []],
      ];
      return all.filter(([, shape]) => shape.length > 0);
    })
  );
}

/** Uniform draws in ±bound of the shapes given, made from draws in [0, 1). */
function assertDrawn(
  parameters: Tensor[],
  bounds: number[],
  dtype: FloatDType,
  generator: Generator,
) {
  parameters.forEach((parameter, k) => {
    const unit = rand(parameter.shape, { dtype, generator });
    unit.data.forEach((u, i) => unit.data[i] = u * 2 * bounds[k] - bounds[k]);
    const atol = bounds[k] * (dtype === "float32" ? 2 ** -22 : 2 ** -51);
    assertClose(parameter, unit, { rtol: 0, atol });
  });
}

describe("init", () => {
  law(["PARAM-1"], "names, order and shapes of the parameters, for all flags", configs(), (c) => {
    const module = build(c);
    const given = [...module.namedParameters()].map(([name, { shape }]) => [name, [...shape]]);
    assertEquals(given, documented(c));
    assertEquals(Object.keys(module.stateDict()), documented(c).map(([name]) => name));
    assertEquals(module.parameters().length, documented(c).length);
    for (const [name, parameter] of module.namedParameters()) {
      assert(parameter instanceof Parameter && parameter.requiresGrad && parameter.isLeaf);
      assertEquals(parameter.dtype, c.dtype);
      assert(module.getParameter(name) === parameter);
    }
  });

  law(
    ["PARAM-1", "INIT-1"],
    "a cell's parameters: names, order, shapes, draws",
    configs(drawn),
    (c) => {
      const cell = buildCell(c);
      const rows = gates[c.kind] * c.hiddenSize;
      const wanted: [string, number[]][] = [
        ["weight_ih", [rows, c.inputSize]],
        ["weight_hh", [rows, c.hiddenSize]],
        ...(c.bias ? [["bias_ih", [rows]], ["bias_hh", [rows]]] as [string, number[]][] : []),
      ];
      const given = [...cell.namedParameters()].map(([name, { shape }]) => [name, [...shape]]);
      assertEquals(given, wanted);
      const bounds = wanted.map(() => 1 / Math.sqrt(c.hiddenSize));
      assertDrawn(cell.parameters(), bounds, c.dtype, new Generator(c.seed));
    },
  );

  law(
    ["INIT-1"],
    "weights are uniform draws in ±1/√H from the seeded generator, in the parameters' order",
    configs(drawn),
    (c) => {
      const parameters = build(c).parameters();
      const bound = 1 / Math.sqrt(c.hiddenSize);
      for (const { data } of parameters) {
        const limit = c.dtype === "float32" ? Math.fround(bound) : bound;
        for (const value of data) assert(value >= -limit && value < limit);
      }
      assertDrawn(parameters, parameters.map(() => bound), c.dtype, new Generator(c.seed));
    },
  );

  law(
    ["INIT-1"],
    "the same seed gives the same weights; the next construction, others",
    configs(drawn),
    (c) => {
      const first = build(c);
      const after = rand([2]);
      assertAllBitwise(build(c).parameters(), first.parameters());
      assertBitwise(rand([2]), after);
      const other = build({ ...c, seed: c.seed ^ 1 });
      assertNotEquals(other.parameters()[0].data, first.parameters()[0].data);
    },
  );

  law(
    ["INIT-2", "PARAM-1"],
    "Linear draws weight and bias in ±1/√H_in",
    fc.record({
      inputs: fc.integer({ min: 1, max: 8 }),
      outputs: fc.integer({ min: 1, max: 5 }),
      bias: fc.boolean(),
      dtype: dtypes,
      seed: fc.nat(),
    }),
    ({ inputs, outputs, bias, dtype, seed }) => {
      manualSeed(seed);
      const fc = new Linear(inputs, outputs, { bias, dtype });
      const given = [...fc.namedParameters()].map(([name, { shape }]) => [name, [...shape]]);
      const wanted = [["weight", [outputs, inputs]], ["bias", [outputs]]];
      assertEquals(given, bias ? wanted : wanted.slice(0, 1));
      const bound = 1 / Math.sqrt(inputs);
      assertDrawn(fc.parameters(), [bound, bound], dtype, new Generator(seed));
    },
  );

  law(
    ["INIT-2", "INIT-1", "PARAM-1"],
    "SimpleRNN draws its recurrent layer first, then fc",
    fc.record({
      H: fc.integer({ min: 1, max: 5 }),
      layers: fc.integer({ min: 1, max: 3 }),
      seed: fc.nat(),
    }),
    ({ H, layers, seed }) => {
      manualSeed(seed);
      const model = new SimpleRNN(2, H, layers);
      const names = [...model.namedParameters()].map(([name]) => name);
      assertEquals(names.at(0), "rnn.weight_ih_l0");
      assertEquals(names.slice(-2), ["fc.weight", "fc.bias"]);
      assertEquals(names.length, 4 * layers + 2);
      const bounds = names.map(() => 1 / Math.sqrt(H));
      assertDrawn(model.parameters(), bounds, "float32", new Generator(seed));
    },
  );

  law(
    ["INIT-3"],
    "a generator is its seed; a clone goes on as the original would, apart from it",
    fc.tuple(seeds, fc.nat(700), fc.integer({ min: 1, max: 5 })),
    ([seed, skip, count]) => {
      const take = (generator: Generator, n: number) =>
        Array.from({ length: n }, () => generator.random());
      const [one, two] = [new Generator(seed), new Generator(0).manualSeed(seed)];
      assertEquals(take(one, skip), take(two, skip));
      const copy = one.clone();
      const ahead = take(one, count);
      assertEquals(take(copy, count), ahead);
      assertEquals(take(two, count), ahead);
      assertEquals(copy.initialSeed(), BigInt.asUintN(64, BigInt(seed)));
      for (const draw of ahead) assert(Number.isInteger(draw) && draw >= 0 && draw < 2 ** 32);
    },
  );

  law(
    ["INIT-3"],
    "rand is exact multiples of 2^-24 or 2^-53 in [0, 1): the low bits of one draw or of two",
    fc.tuple(fc.nat(), fc.integer({ min: 1, max: 40 }), dtypes),
    ([seed, n, dtype]) => {
      const { data } = rand([n], { dtype, generator: new Generator(seed) });
      const generator = new Generator(seed);
      const bits = dtype === "float32" ? 24 : 53;
      for (const value of data) {
        const draw = dtype === "float32"
          ? BigInt(generator.random())
          : BigInt(generator.random()) << 32n | BigInt(generator.random());
        assertEquals(value * 2 ** bits, Number(BigInt.asUintN(bits, draw)));
        assert(value >= 0 && value < 1);
      }
    },
  );

  law(
    ["INIT-3"],
    "drawing at once or in parts is the same",
    fc.tuple(fc.nat(), fc.nat(20), fc.nat(20), dtypes),
    ([seed, a, b, dtype]) => {
      const [whole, parts] = [new Generator(seed), new Generator(seed)];
      const together = rand([a + b], { dtype, generator: whole }).data;
      const first = rand([a], { dtype, generator: parts }).data;
      const second = rand([b], { dtype, generator: parts }).data;
      assertEquals([...first, ...second], [...together]);
    },
  );

  fact(["INIT-3"], "mt19937's own test values: the first and the 10000th draw of seed 5489", () => {
    const generator = new Generator(5489);
    assertEquals(generator.random(), 3499211612);
    for (let k = 2; k < 10000; k++) generator.random();
    assertEquals(generator.random(), 4123659995);
  });

  law(
    ["INIT-4"],
    "only a seed's low 32 bits count; a negative seed is itself plus 2^64",
    fc.tuple(
      fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }),
      fc.bigInt({ min: 1n, max: 2n ** 31n - 1n }),
    ),
    ([low, high]) => {
      const first = (seed: bigint) => new Generator(seed).random();
      assertEquals(first(low + (high << 32n)), first(low));
      const negative = new Generator(-low - 1n);
      assertEquals(negative.initialSeed(), 2n ** 64n - low - 1n);
      assertEquals(negative.random(), first(2n ** 64n - low - 1n));
      assertEquals(manualSeed(Number(low)).random(), first(low));
    },
  );

  fact(["INIT-4"], "seeds beyond 64 bits, or that a number cannot hold, are refused", () => {
    const message = "Overflow when unpacking long long";
    assertThrows(() => manualSeed(2n ** 64n), ValueError, message);
    assertThrows(() => manualSeed(-(2n ** 63n) - 1n), ValueError, message);
    assertThrows(() => manualSeed(2 ** 53), ValueError, "write it as a bigint");
    assertThrows(() => new Generator(0.5), RuntimeError, "manual_seed expected a long");
    assertEquals(manualSeed(2n ** 64n - 1n).initialSeed(), 2n ** 64n - 1n);
    assertEquals(manualSeed(-1).initialSeed(), 2n ** 64n - 1n);
    assertEquals(manualSeed(2.9).initialSeed(), 2n); // as Python's int()
    assert(manualSeed(3) === defaultGenerator);
  });

  law(
    ["INIT-5"],
    "fewer than 16 normal draws are Box and Muller's, in pairs, from float64 draws",
    fc.tuple(fc.nat(), fc.integer({ min: 1, max: 15 }), dtypes),
    ([seed, n, dtype]) => {
      const { data } = randn([n], { dtype, generator: new Generator(seed) });
      const uniform = rand([n + 1], { dtype: "float64", generator: new Generator(seed) }).data;
      data.forEach((value, k) => {
        const [u, v] = [uniform[k - k % 2], uniform[k - k % 2 + 1]];
        const radius = Math.sqrt(-2 * Math.log1p(-v));
        const wanted = radius * (k % 2 ? Math.sin : Math.cos)(2 * Math.PI * u);
        assert(Math.abs(value - wanted) < (dtype === "float32" ? 1e-6 : 1e-14));
      });
    },
  );

  law(
    ["INIT-5"],
    "normal draws have mean 0 and variance 1, and the seed decides them",
    fc.tuple(fc.nat(), fc.integer({ min: 16, max: 40 }), dtypes),
    ([seed, rest, dtype]) => {
      const n = 2000 + rest;
      const { data } = randn([n], { dtype, generator: new Generator(seed) });
      assertEquals(randn([n], { dtype, generator: new Generator(seed) }).data, data);
      const mean = [...data].reduce((sum, value) => sum + value, 0) / n;
      const variance = [...data].reduce((sum, value) => sum + value ** 2, 0) / n;
      assert(data.every(Number.isFinite));
      assert(Math.abs(mean) < 6 / Math.sqrt(n), `mean ${mean}`);
      assert(Math.abs(variance - 1) < 6 * Math.sqrt(2 / n), `variance ${variance}`);
    },
    20,
  );

  law(
    ["INIT-5"],
    "half of a pair is kept for the next draw, by a clone too, and forgotten by a new seed",
    fc.tuple(fc.nat(), fc.integer({ min: 1, max: 7 })),
    ([seed, n]) => {
      const generator = new Generator(seed);
      const draw = (
        count: number,
        from = generator,
      ) => [...randn([count], { dtype: "float64", generator: from }).data];
      const together = draw(2 * n);
      generator.manualSeed(seed);
      const first = draw(2 * n - 1);
      const copy = generator.clone();
      assertEquals([...first, ...draw(1)], together);
      assertEquals(draw(1, copy), together.slice(-1));
      generator.manualSeed(seed);
      draw(1);
      generator.manualSeed(seed);
      assertEquals(draw(2), together.slice(0, 2));
    },
  );
});
