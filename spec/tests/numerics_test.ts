/** Chapter numerics: dtypes, closeness, and values that arithmetic treats in ways of their own. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  chunk,
  type FloatDType,
  Linear,
  linear,
  narrow,
  rand,
  relu,
  RNN,
  select,
  sigmoid,
  slice,
  tanh,
  tensor,
  to,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise, assertClose, tolerance } from "./alike.ts";
import {
  build,
  buildCell,
  type Config,
  configs,
  inputOf,
  normals,
  type Recurrent,
  reversed,
  run,
  runRecorded,
  stateOf,
  step,
  tame,
  timeDim,
} from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const single = { dtype: fc.constant<FloatDType>("float32") };
const oneWay = { bidirectional: fc.constant(false) };

/** The float64 module of the same, float32, weights. */
function doubled(c: Config): Recurrent {
  const double = build({ ...c, dtype: "float64" });
  double.loadStateDict(build(c).stateDict());
  return double;
}

/** The input with row 0, from step `at` to just before `end`, replaced by a value. */
function spoiled(c: Config, at: number, end: number, value: number) {
  const x = inputOf(c);
  for (let t = at; t < end; t++) {
    const place = (c.batchFirst ? t : t * c.batch) * c.inputSize;
    x.data.fill(value, place, place + c.inputSize);
  }
  return x;
}

describe("numerics", () => {
  law(["NUM-1"], "what goes in decides the dtype of all that comes out", configs(), (c) => {
    const [output, final] = run(build(c), inputOf(c), stateOf(c));
    for (const x of [output, ...final, ...step(buildCell(c), normals(c, [c.inputSize]))]) {
      assertEquals(x.dtype, c.dtype);
    }
    const fc = new Linear(c.inputSize, 2, { dtype: c.dtype });
    assertEquals(fc.forward(inputOf(c)).dtype, c.dtype);
  });

  law(
    ["NUM-1", "TENSOR-6"],
    "a module converted to float64 and back is as before, bitwise",
    configs(single),
    (c) => {
      const [module, x] = [build(c), inputOf(c)];
      const [output] = run(module, x);
      module.to("float64");
      assert(module.parameters().every(({ dtype }) => dtype === "float64"));
      assertBitwise(run(module, to(x, "float64"))[0], run(doubled(c), to(x, "float64"))[0]);
      module.to("float32");
      assertBitwise(run(module, x)[0], output);
    },
  );

  law(
    ["NUM-2"],
    "float32 is close to float64 of the same numbers",
    configs({ ...single, ...tame, scale: fc.constantFrom(0.25, 1) }),
    (c) => {
      const [x, state] = [inputOf(c), stateOf(c)];
      const [output, final] = run(build(c), x, state);
      const [wanted, wantedFinal] = run(
        doubled(c),
        to(x, "float64"),
        state.map((part) => to(part, "float64")),
      );
      const close = tolerance.float32;
      assertClose(to(output, "float64"), wanted, close, "output");
      final.forEach((part, k) => assertClose(to(part, "float64"), wantedFinal[k], close, "final"));
    },
    100,
  );

  law(
    ["NUM-3", "NUM-2"],
    "the order of the input's features is free: turned round with the weights, close",
    configs({ ...tame, scale: fc.constantFrom(0.25, 1) }),
    (c) => {
      const [module, x] = [build(c), inputOf(c)];
      const [output] = run(module, x);
      for (const [name, weight] of Object.entries(module.stateDict())) {
        if (/^weight_ih_l0/.test(name)) weight.data.set(reversed(weight, 1).data);
      }
      assertClose(run(module, reversed(x, 2))[0], output);
    },
  );

  law(
    ["NUM-4"],
    "one direction: NaN spoils its row from its step on, nothing before, no other row",
    fc.tuple(configs({ ...tame, ...oneWay }), fc.nat()),
    ([c, draw]) => {
      const at = draw % c.length;
      const [module, time, batch] = [build(c), timeDim(c), 1 - timeDim(c)];
      const [clean] = run(module, inputOf(c));
      const [output] = run(module, spoiled(c, at, at + 1, NaN));
      const own = narrow(output, batch, 0, 1);
      assert(slice(own, time, at).data.every(Number.isNaN));
      assertBitwise(slice(own, time, 0, at), slice(narrow(clean, batch, 0, 1), time, 0, at));
      assertBitwise(slice(output, batch, 1), slice(clean, batch, 1));
    },
  );

  law(
    ["NUM-4", "STACK-3"],
    "two directions: the reverse half is spoiled at that step and before it; a second layer, throughout",
    fc.tuple(configs({ ...tame, bidirectional: fc.constant(true) }), fc.nat()),
    ([c, draw]) => {
      const at = draw % c.length;
      const time = timeDim(c);
      const row = (module: Recurrent, x: ReturnType<typeof inputOf>) =>
        chunk(narrow(run(module, x)[0], 1 - time, 0, 1), 2, -1);
      const module = build(c);
      const [ahead, back] = row(module, spoiled(c, at, at + 1, NaN));
      assert(slice(ahead, time, at).data.every(Number.isNaN));
      assert(slice(back, time, 0, at + 1).data.every(Number.isNaN));
      if (c.numLayers > 1) {
        assert([...ahead.data, ...back.data].every(Number.isNaN));
      } else {
        const [cleanAhead, cleanBack] = row(module, inputOf(c));
        assertBitwise(slice(ahead, time, 0, at), slice(cleanAhead, time, 0, at));
        assertBitwise(slice(back, time, at + 1), slice(cleanBack, time, at + 1));
      }
    },
  );

  law(
    ["NUM-4"],
    "an infinite input saturates tanh to the sign of its weight, and LSTM and GRU stay bounded",
    configs({
      ...tame,
      ...oneWay,
      kind: fc.constantFrom("RNN tanh", "LSTM", "GRU"),
      numLayers: fc.constant(1),
      inputSize: fc.constant(1),
      projSize: fc.constant(0),
    }),
    (c) => {
      const [module, x] = [build(c), spoiled(c, 0, c.length, Infinity)];
      const [output, [hn]] = run(module, x);
      for (const value of [...output.data, ...hn.data]) assert(Math.abs(value) <= 1);
      if (c.kind === "RNN tanh") {
        const { data } = module.stateDict().weight_ih_l0;
        assertEquals([...select(hn, 1, 0).data], [...data].map(Math.sign));
      }
    },
  );

  fact(["NUM-4"], "at the ends: σ is 0 and 1, tanh ±1, relu 0 and ∞; NaN stays NaN", () => {
    const ends = tensor([-Infinity, Infinity, NaN, -1000, 1000], { dtype: "float64" });
    assertEquals(sigmoid(ends).tolist(), [0, 1, NaN, 0, 1]);
    assertEquals(tanh(ends).tolist(), [-1, 1, NaN, -1, 1]);
    assertEquals(relu(ends).tolist(), [0, Infinity, NaN, 0, 1000]);
    const [x, one] = [tensor([[Infinity, -Infinity], [Infinity, 0]]), tensor([[1, 1]])];
    assertEquals(linear(x, one).tolist(), [[NaN], [Infinity]]);
    assertEquals(linear(x, tensor([[1, 0]])).tolist(), [[NaN], [Infinity]]); // ∞ · 0 is NaN
  });

  law(
    ["NUM-5"],
    "a result depends on weights, input and state alone, not on what ran before; bitwise",
    fc.tuple(configs(), configs()),
    ([c, other]) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, state);
      run(module, inputOf(c, 1));
      const between = build(other);
      run(between, inputOf(other), stateOf(other));
      rand([7]);
      for (const again of [run(module, x, state), run(build(c), x, state)]) {
        assertBitwise(again[0], output);
        assertAllBitwise(again[1], final);
      }
    },
  );

  law(
    ["NUM-5", "GRAD-5"],
    "recording what gradients need does not change a bit",
    configs(),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, state);
      const [recorded, recordedFinal] = runRecorded(module, x, state);
      assert(recorded.requiresGrad && !output.requiresGrad);
      assertBitwise(recorded, output);
      assertAllBitwise(recordedFinal, final);
    },
  );

  law(
    ["NUM-5"],
    "the caller's input, state and weights are left as they were, bitwise",
    configs(),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const [output] = run(module, x, state);
      output.data.fill(9); // what is returned is the caller's, too
      assertBitwise(x, inputOf(c));
      assertAllBitwise(state, stateOf(c));
      assertAllBitwise(module.parameters(), build(c).parameters());
    },
  );

  law(
    ["NUM-6"],
    "finite inputs of any size give finite outputs, but for relu",
    fc.tuple(
      configs({
        ...tame,
        kind: fc.constantFrom("RNN tanh", "LSTM", "GRU"),
        numLayers: fc.constant(1),
      }),
      fc.constantFrom(2 ** 100, -(2 ** 126), 1e4),
    ),
    ([c, value]) => {
      const [output, final] = run(build(c), spoiled(c, 0, c.length, value));
      for (const x of [output, ...final]) assert(x.data.every(Number.isFinite));
    },
  );

  law(
    ["NUM-6"],
    "the smallest numbers are kept: h = relu(1 · x) is x, bitwise",
    fc.tuple(fc.constantFrom<FloatDType>("float32", "float64"), fc.integer({ min: 1, max: 1000 })),
    ([dtype, count]) => {
      const smallest = dtype === "float32" ? 2 ** -149 : 2 ** -1074;
      const module = new RNN(1, 1, { nonlinearity: "relu", bias: false, dtype });
      module.loadStateDict({ weight_ih_l0: tensor([[1]]), weight_hh_l0: tensor([[1]]) });
      const x = tensor([[count * smallest], [count * smallest]], { dtype });
      const [output] = module.forward(x);
      assertEquals([...output.data], [count * smallest, 2 * count * smallest]);
      assert(tanh(x).data.every((value) => value === count * smallest));
    },
  );
});
