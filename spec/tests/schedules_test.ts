/** ExponentialLR and ReduceLROnPlateau; other initial weights; gradients of gradients. */

import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  backward,
  constant_,
  defaultGenerator,
  ExponentialLR,
  Generator,
  grad,
  KeyError,
  manualSeed,
  mul,
  NotImplementedError,
  orthogonal_,
  Parameter,
  rand,
  ReduceLROnPlateau,
  type ReduceLROnPlateauOptions,
  RuntimeError,
  SGD,
  sum,
  tensor,
  ValueError,
  xavierNormal_,
  xavierUniform_,
  ZeroDivisionError,
  zeros,
  zeros_,
} from "../../mod.ts";
import { describe, fact, it, law } from "./law.ts";

const optimizer = (...lrs: number[]) =>
  new SGD(lrs.map((lr) => ({ params: zeros([1], { requiresGrad: true }), lr })));

describe("schedules", () => {
  law(
    ["OPTIM-8"],
    "ExponentialLR multiplies at every step, and goes on after being saved",
    fc.record({
      gamma: fc.double({ min: 0.1, max: 2, noNaN: true }),
      steps: fc.integer({ min: 1, max: 20 }),
    }),
    ({ gamma, steps }) => {
      const own = optimizer(0.5);
      own.step();
      const schedule = new ExponentialLR(own, gamma);
      let wanted = 0.5;
      for (let k = 0; k < steps; k++) {
        schedule.step();
        assertEquals(own.paramGroups[0].lr, wanted *= gamma);
      }
      const other = new ExponentialLR(own, 7);
      other.loadStateDict(schedule.stateDict());
      assertEquals(other.stateDict(), schedule.stateDict());
      assertEquals([other.gamma, other.lastEpoch], [gamma, steps]);
      own.paramGroups[0].initialLr = 0.5;
      const later = new ExponentialLR(own, gamma, { lastEpoch: steps });
      assertEquals([later.lastEpoch, own.paramGroups[0].lr], [steps + 1, wanted]);
    },
  );

  law(
    ["OPTIM-8"],
    "a plateau is a count of steps without a better metric",
    fc.record({
      metrics: fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 30 }),
      patience: fc.integer({ min: 0, max: 3 }),
      cooldown: fc.integer({ min: 0, max: 3 }),
      mode: fc.constantFrom("min", "max"),
    }),
    ({ metrics, patience, cooldown, mode }) => {
      const own = optimizer(1);
      const schedule = new ReduceLROnPlateau(own, {
        ...{ patience, cooldown, mode, factor: 0.5, threshold: 0, eps: 0 },
      });
      let [best, bad, rest, lr] = [Infinity, 0, 0, 1];
      for (const metric of metrics) {
        schedule.step(metric);
        const value = mode === "min" ? metric : -metric;
        bad = value < best ? 0 : bad + 1;
        best = Math.min(best, value);
        if (rest > 0) [rest, bad] = [rest - 1, 0];
        if (bad > patience) [lr, bad, rest] = [lr / 2, 0, cooldown];
        assertEquals(own.paramGroups[0].lr, lr);
      }
      const { best: kept, num_bad_epochs, cooldown_counter, last_epoch } = schedule.stateDict();
      assertEquals(Math.abs(kept as number), Math.abs(best));
      assertEquals([num_bad_epochs, cooldown_counter, last_epoch], [bad, rest, metrics.length]);
      const other = new ReduceLROnPlateau(own, { mode: "max" });
      other.loadStateDict(new Map(Object.entries(schedule.stateDict())));
      assertEquals(other.stateDict(), schedule.stateDict());
    },
  );

  it("OPTIM-8: thresholds, least rates, changes too small, tensors", () => {
    const rates = (options: ReduceLROnPlateauOptions, metrics: number[], ...lrs: number[]) => {
      const own = optimizer(...lrs);
      const schedule = new ReduceLROnPlateau(own, { patience: 0, factor: 0.5, ...options });
      for (const metric of metrics) schedule.step(tensor([metric]));
      assertEquals(schedule.getLastLr(), own.paramGroups.map(({ lr }) => lr));
      return schedule.getLastLr();
    };
    assertEquals(rates({ threshold: 0.25 }, [4, 3], 1), [0.5]); // 3 is not less than 3
    assertEquals(rates({ threshold: 0.25 }, [4, 2.875], 1), [1]);
    assertEquals(rates({ threshold: 1, thresholdMode: "abs" }, [4, 3], 1), [0.5]);
    assertEquals(rates({ threshold: 0.5, thresholdMode: "abs" }, [4, 3], 1), [1]);
    assertEquals(rates({ mode: "max", threshold: 0.5 }, [4, 6], 1), [0.5]);
    assertEquals(rates({ mode: "max", threshold: 2, thresholdMode: "abs" }, [4, 6.5], 1), [1]);
    assertEquals(rates({ minLr: [0.75, 0] }, [1, 1], 1, 2), [0.75, 1]);
    assertEquals(rates({ eps: 0.5 }, [1, 1], 1), [1]);
    assertEquals(rates({}, [NaN, NaN], 1), [0.25]); // never better
    assertEquals(optimizer(1).paramGroups[0].initialLr, undefined);
  });

  it("OPTIM-8: refuses what PyTorch refuses, and keeps what it had", () => {
    const own = optimizer(1);
    const make = (options: unknown) => () =>
      new ReduceLROnPlateau(own, options as ReduceLROnPlateauOptions);
    assertThrows(make({ factor: 1 }), ValueError, "Factor should be < 1.0.");
    assertThrows(make({ mode: "x" }), ValueError, "mode x is unknown!");
    assertThrows(make({ thresholdMode: "x" }), ValueError, "threshold mode x is unknown!");
    assertThrows(make({ minLr: [1, 2] }), ValueError, "expected 1 min_lrs, got 2");
    assertThrows(() => new ReduceLROnPlateau(3 as never), TypeError, "int is not an Optimizer");
    assertThrows(() => new ExponentialLR(3 as never, 1), TypeError, "int is not an Optimizer");
    const lists = new ReduceLROnPlateau(own, { minLr: [0], patience: 0 });
    const numbers = new ReduceLROnPlateau(own, { patience: 0 });
    const before = lists.stateDict();
    assertThrows(() => lists.step("a" as never), TypeError, "float() argument must be");
    assertThrows(() => lists.step(zeros([2])), RuntimeError, "2 elements");
    for (const [name, value] of Object.entries({ best: "x", mode: "y", min_lrs: 3 })) {
      assertThrows(() => lists.loadStateDict({ ...before, [name]: value }), Error);
    }
    assertThrows(() => lists.loadStateDict({ best: 1 }), KeyError, "'factor'");
    assertEquals(lists.stateDict(), before);
    own.addParamGroup({ params: zeros([1], { requiresGrad: true }), lr: 1 });
    for (const schedule of [lists, numbers]) schedule.step(1);
    assertThrows(() => lists.step(1), RuntimeError, "The number of param groups");
    assertEquals(lists.stateDict().last_epoch, 1);
    numbers.step(1);
    assertEquals(own.paramGroups.map(({ lr }) => lr), [0.1, 0.1]);
  });
});

const shapes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 3 });
const dtypes = fc.constantFrom("float32", "float64");

describe("initial weights", () => {
  law(
    ["INIT-6"],
    "a xavier_uniform_ is rand between its bounds, and takes as many draws",
    fc.record({
      shape: shapes,
      dtype: dtypes,
      seed: fc.nat(),
      gain: fc.integer({ min: 0, max: 9 }),
    }),
    ({ shape, dtype, seed, gain }) => {
      const [a, b] = [new Generator(seed), new Generator(seed)];
      const w = xavierUniform_(zeros(shape, { dtype }), { gain, generator: a });
      const u = rand(shape, { dtype, generator: b });
      assertEquals(a.getState(), b.getState());
      const size = shape.slice(2).reduce((product, extent) => product * extent, 1);
      const bound = gain * Math.sqrt(6 / ((shape[0] + shape[1]) * size));
      w.data.forEach((x, k) => assert(Math.abs(x - bound * (2 * u.data[k] - 1)) <= 1e-6 * bound));
      assertEquals(w.version(), 1);
    },
  );

  law(
    ["INIT-6"],
    "the rows or columns of orthogonal_ are orthogonal and of length gain",
    fc.record({ shape: shapes, dtype: dtypes, seed: fc.nat() }),
    ({ shape, dtype, seed }) => {
      const w = orthogonal_(zeros(shape, { dtype }), { gain: 2, generator: new Generator(seed) });
      const [rows, columns] = [shape[0], w.numel() / shape[0]];
      const [count, length] = rows < columns ? [rows, columns] : [columns, rows];
      const at = (k: number, i: number) =>
        w.data[rows < columns ? k * columns + i : i * columns + k];
      for (let j = 0; j < count; j++) {
        for (let k = 0; k <= j; k++) {
          let product = 0;
          for (let i = 0; i < length; i++) product += at(j, i) * at(k, i);
          assert(Math.abs(product - (j === k ? 4 : 0)) < (dtype === "float32" ? 1e-5 : 1e-12));
        }
      }
    },
  );

  it("INIT-6: a large orthogonal_ is as orthogonal as float64 can be", () => {
    const n = 80;
    const { data } = orthogonal_(zeros([n, n], { dtype: "float64" }), {
      generator: new Generator(1),
    });
    let worst = 0;
    for (let j = 0; j < n; j++) {
      for (let k = 0; k < j; k++) {
        let product = 0;
        for (let i = 0; i < n; i++) product += data[i * n + j] * data[i * n + k];
        worst = Math.max(worst, Math.abs(product));
      }
    }
    assert(worst < 5e-15, String(worst));
  });

  fact(["INIT-6"], "parameters are changed in place, and not recorded", () => {
    const p = new Parameter(zeros([2, 2]));
    manualSeed(1);
    for (const init of [zeros_, xavierUniform_, xavierNormal_, orthogonal_]) {
      const before = p.version();
      assertStrictEquals(init(p), p);
      assert(p.version() > before && p.requiresGrad && p.isLeaf);
    }
    assertEquals(constant_(p, 3).tolist(), [[3, 3], [3, 3]]);
    assertEquals(constant_(zeros([1], { dtype: "int64" }), 1.5).tolist(), [1]);
    assertEquals(constant_(zeros([1], { dtype: "bool" }), 2).tolist(), [true]);
    assertEquals(orthogonal_(zeros([0, 3])).shape, [0, 3]);
    manualSeed(1);
    xavierNormal_(zeros([4, 4]));
    const after = defaultGenerator.getState();
    manualSeed(1);
    orthogonal_(zeros([4, 4]));
    assertEquals(defaultGenerator.getState(), after);
  });

  it("INIT-6: refuses what PyTorch refuses", () => {
    const [flat, whole] = [zeros([3]), zeros([2, 3], { dtype: "int64" })];
    const fans = "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions";
    assertThrows(() => xavierUniform_(flat), ValueError, fans);
    assertThrows(() => xavierNormal_(flat), ValueError, fans);
    assertThrows(() => orthogonal_(flat), ValueError, "Only tensors with 2 or more dimensions");
    assertThrows(() => xavierUniform_(zeros([0, 0])), ZeroDivisionError, "float division by zero");
    assertThrows(
      () => xavierUniform_(zeros([1, 5]), { gain: -1 }),
      RuntimeError,
      "uniform_ expects",
    );
    assertThrows(() => xavierNormal_(zeros([1, 5]), { gain: -1 }), RuntimeError, "normal expects");
    const missing = (kernel: string) => `"${kernel}" not implemented for 'Long'`;
    assertThrows(() => xavierUniform_(whole), NotImplementedError, missing("check_uniform_bounds"));
    assertThrows(() => xavierNormal_(whole), NotImplementedError, missing("normal_kernel_cpu"));
    assertThrows(() => orthogonal_(whole), NotImplementedError, missing("normal_kernel_cpu"));
    assertEquals([flat.tolist(), whole.version()], [[0, 0, 0], 0]);
  });
});

fact(["GRAD-8"], "create_graph is refused, and nothing is used up", () => {
  const x = tensor([1, 2], { requiresGrad: true });
  const y = sum(mul(x, x));
  assertThrows(() => backward(y, null, { createGraph: true }), NotImplementedError, "create_graph");
  assertThrows(() => grad([y], [x], [], { createGraph: true }), NotImplementedError);
  backward(y, null, { createGraph: false });
  assertEquals(x.grad?.tolist(), [2, 4]);
});
