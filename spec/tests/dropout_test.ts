/** Chapter dropout: what training zeroes, and what never. */

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  defaultGenerator,
  Dropout,
  dropout,
  type FloatDType,
  GRU,
  LSTM,
  manualSeed,
  narrow,
  ones,
  packPaddedSequence,
  rand,
  RNN,
  select,
  Tensor,
  tensor,
  unpackSequence,
  ValueError,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise, assertClose } from "./alike.ts";
import {
  build,
  type Config,
  configs,
  directions,
  inputOf,
  layerOf,
  normals,
  outputSize,
  ragged,
  type Recurrent,
  run,
  stateOf,
  tame,
  timeDim,
} from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const deep = { numLayers: fc.integer({ min: 2, max: 3 }), ...tame };
const probability = fc.constantFrom(0.1, 0.25, 0.5, 0.75, 0.9);

/** The module of a configuration, with dropout and the same weights. */
function dropping(c: Config, p: number): Recurrent {
  const { numLayers, bias, batchFirst, bidirectional, dtype, projSize } = c;
  const options = { numLayers, bias, batchFirst, bidirectional, dtype, dropout: p };
  const module = c.kind === "LSTM"
    ? new LSTM(c.inputSize, c.hiddenSize, { ...options, projSize })
    : c.kind === "GRU"
    ? new GRU(c.inputSize, c.hiddenSize, options)
    : new RNN(c.inputSize, c.hiddenSize, {
      ...options,
      nonlinearity: c.kind === "RNN relu" ? "relu" : "tanh",
    });
  module.loadStateDict(build(c).stateDict());
  return module;
}

/** What `console.warn` is given while something runs. */
function warnings(run: () => unknown): unknown[][] {
  const calls: unknown[][] = [];
  const { warn } = console;
  console.warn = (...values: unknown[]) => calls.push(values);
  try {
    run();
  } finally {
    console.warn = warn;
  }
  return calls;
}

const vectors = fc.record({
  size: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
  dtype: fc.constantFrom<FloatDType>("float32", "float64"),
  p: fc.oneof(fc.constantFrom(0, 1), probability),
  seed: fc.nat(),
});

describe("dropout", () => {
  law(
    ["DROP-1"],
    "in evaluation nothing happens, bitwise, and nothing is drawn",
    vectors,
    (given) => {
      const x = normals(given, given.size);
      manualSeed(given.seed);
      const before = defaultGenerator.clone();
      assertBitwise(dropout(x, given.p, false), x);
      assertBitwise(new Dropout(given.p).eval().forward(x), x);
      assertBitwise(rand([3]), rand([3], { generator: before }));
    },
  );

  law(
    ["DROP-1"],
    "in evaluation a stack with dropout is the stack without, bitwise",
    fc.tuple(configs(deep), fc.constantFrom(0.5, 1)),
    ([c, p]) => {
      const [module, x, state] = [dropping(c, p).eval(), inputOf(c), stateOf(c)];
      const [output, final] = run(build(c), x, state);
      const [given, givenFinal] = run(module, x, state);
      assertBitwise(given, output);
      assertAllBitwise(givenFinal, final);
      assertBitwise(run(build(c).train(), x, state)[0], run(build(c).eval(), x, state)[0]);
    },
  );

  law(
    ["DROP-1"],
    "train and eval reach what is inside, and back",
    fc.tuple(configs(deep), fc.array(fc.boolean(), { minLength: 1 })),
    ([c, modes]) => {
      const module = dropping(c, 0.5);
      assertEquals(module.training, true);
      for (const mode of modes) {
        module.train(mode);
        assertEquals(module.training, mode);
      }
      module.eval();
      assertBitwise(run(module, inputOf(c))[0], run(build(c), inputOf(c))[0]);
    },
    20,
  );

  law(
    ["DROP-2"],
    "at p = 1 every layer but the first reads zeros, and no layer's own output is touched",
    configs(deep),
    (c) => {
      const [module, x, state] = [dropping(c, 1), inputOf(c), stateOf(c)];
      const [output, final] = run(module, x, state);
      for (let layer = 0; layer < c.numLayers; layer++) {
        const D = directions(c);
        const features = layer === 0 ? c.inputSize : D * outputSize(c);
        const below = layer === 0
          ? x
          : zeros([...x.shape.slice(0, 2), features], { dtype: c.dtype });
        const own = state.map((part) => narrow(part, 0, layer * D, D));
        const [y, last] = run(layerOf(c, module, layer), below, own);
        assertAllBitwise(final.map((part) => narrow(part, 0, layer * D, D)), last);
        if (layer === c.numLayers - 1) assertBitwise(output, y);
      }
    },
  );

  law(
    ["DROP-2"],
    "never on the last layer's output: in training, too, h_n is its last step",
    fc.tuple(configs({ ...deep, bidirectional: fc.constant(false) }), probability),
    ([c, p]) => {
      const [output, [hn]] = run(dropping(c, p), inputOf(c), stateOf(c));
      assertBitwise(select(hn, 0, -1), select(output, timeDim(c), -1));
      if (c.kind !== "RNN relu") assert(output.data.every((value) => value !== 0));
    },
  );

  law(
    ["DROP-2"],
    "never on the input, never on the state: the first layer is as without, bitwise",
    fc.tuple(configs(deep), probability),
    ([c, p]) => {
      const [x, state, D] = [inputOf(c), stateOf(c), directions(c)];
      const first = (module: Recurrent) =>
        run(module, x, state)[1].map((part) => narrow(part, 0, 0, D));
      assertAllBitwise(first(dropping(c, p)), first(build(c)));
    },
  );

  law(
    ["DROP-2", "DROP-4"],
    "one layer has nothing between: training with dropout is without, bitwise",
    configs({ ...tame, numLayers: fc.constant(1) }),
    (c) => {
      let module = build(c);
      warnings(() => module = dropping(c, 0.9));
      assertBitwise(run(module, inputOf(c))[0], run(build(c), inputOf(c))[0]);
    },
  );

  law(
    ["DROP-2", "PACK-4"],
    "between the layers of a packed batch, too",
    ragged(deep),
    (c) => {
      const packed = packPaddedSequence(inputOf(c), c.lengths, {
        batchFirst: c.batchFirst,
        enforceSorted: false,
      });
      const module = dropping(c, 1);
      const outputs = unpackSequence(run(module, packed)[0]);
      const last = layerOf(c, module, c.numLayers - 1);
      c.lengths.forEach((length, n) => {
        const nothing = zeros([length, directions(c) * outputSize(c)], { dtype: c.dtype });
        assertBitwise(outputs[n], run(last, nothing)[0]);
      });
    },
  );

  law(["DROP-3"], "each element is 0 or x / (1 - p), and nothing else", vectors, (given) => {
    const x = normals(given, given.size);
    manualSeed(given.seed);
    const y = dropout(x, given.p, true);
    assertEquals([...y.shape], given.size);
    const scale = given.p === 1 ? 0 : 1 / (1 - given.p);
    const wanted = new Tensor(
      x.data.map((value, k) => y.data[k] === 0 ? 0 : value * scale),
      x.shape,
    );
    assertClose(y, wanted, { rtol: given.dtype === "float32" ? 2.4e-7 : 4.5e-16, atol: 0 });
  });

  law(
    ["DROP-3"],
    "about p of all are zeroed, and the mean stays",
    fc.record({ p: probability, seed: fc.nat() }),
    ({ p, seed }) => {
      manualSeed(seed);
      const [n, y] = [4000, dropout(ones([4000]), p, true)];
      const dropped = y.data.filter((value) => value === 0).length;
      const deviation = Math.sqrt(n * p * (1 - p));
      assert(Math.abs(dropped - n * p) < 6 * deviation, `${dropped} of ${n} at p = ${p}`);
      const total = [...y.data].reduce((sum, value) => sum + value, 0);
      assert(Math.abs(total - n) < 6 * deviation / (1 - p));
    },
    20,
  );

  law(
    ["DROP-3"],
    "the same seed drops the same elements; the next call, others",
    fc.nat(),
    (seed) => {
      const draw = () => dropout(ones([64]), 0.5, true);
      manualSeed(seed);
      const [first, second] = [draw(), draw()];
      manualSeed(seed);
      assertBitwise(draw(), first);
      assertNotEquals(first.data, second.data);
    },
  );

  law(
    ["DROP-2", "DROP-3"],
    "what reaches the next layer is scaled, and each step and unit is drawn for itself",
    fc.record({ p: probability, seed: fc.nat() }),
    ({ p, seed }) => {
      // The second layer hands on what it reads: h = relu(I x).
      const [H, L] = [4, 50];
      const module = new RNN(1, H, {
        numLayers: 2,
        nonlinearity: "relu",
        bias: false,
        dropout: p,
        dtype: "float64",
      });
      const eye = tensor(
        [...Array(H).keys()].map((j) => [...Array(H).keys()].map((k) => Number(j === k))),
      );
      module.loadStateDict({
        weight_ih_l0: ones([H, 1]),
        weight_hh_l0: zeros([H, H]),
        weight_ih_l1: eye,
        weight_hh_l1: zeros([H, H]),
      });
      manualSeed(seed);
      const [{ data }] = module.forward(ones([L, 1, 1], { dtype: "float64" }));
      const scale = 1 / (1 - p);
      for (const value of data) assert(value === 0 || Math.abs(value - scale) < 1e-14 * scale);
      // 200 fair draws: were whole steps or whole units drawn together, they would show.
      const dropped = (from: number, by: number, count: number) =>
        Array.from({ length: count }, (_, k) => data[from + k * by]).filter((x) => x === 0).length;
      const mixedSteps = [...Array(L).keys()].filter((t) => dropped(t * H, 1, H) % H !== 0);
      const mixedUnits = [...Array(H).keys()].filter((j) => dropped(j, H, L) % L !== 0);
      assert(mixedSteps.length > 0 && mixedUnits.length > 0);
    },
    30,
  );

  fact(
    ["DROP-4"],
    "dropout with one layer warns in PyTorch's words; with more or none, not",
    () => {
      for (const Recurrent of [RNN, LSTM, GRU]) {
        assertEquals(warnings(() => new Recurrent(1, 2, { dropout: 0.5 })), [[
          "dropout option adds dropout after all but last recurrent layer, so non-zero dropout " +
          "expects num_layers greater than 1, but got dropout=0.5 and num_layers=1",
        ]]);
        assertEquals(warnings(() => new Recurrent(1, 2, { dropout: 0.5, numLayers: 2 })), []);
        assertEquals(warnings(() => new Recurrent(1, 2, { dropout: 0 })), []);
        assertEquals(warnings(() => new Recurrent(1, 2)), []);
      }
    },
  );

  fact(["DROP-3", "ERROR-1"], "a probability outside 0 … 1 is refused", () => {
    for (const p of [-0.1, 1.1]) {
      const message = `dropout probability has to be between 0 and 1, but got ${p}`;
      assertThrows(() => new Dropout(p), ValueError, message);
      assertThrows(() => dropout(ones([1]), p, false), ValueError, message);
    }
  });
});
