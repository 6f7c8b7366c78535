/** Chapter fc: a recurrent layer with a fully connected layer on its last time step. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  cat,
  type FloatDType,
  GRU,
  Linear,
  LSTM,
  Module,
  noGrad,
  reshape,
  RNN,
  select,
  SimpleRNN,
  slice,
  type Tensor,
  transpose,
  zeros,
} from "../../mod.ts";
import { assertBitwise } from "./alike.ts";
import {
  build,
  configs,
  directions,
  inputOf,
  outputSize,
  type Recurrent,
  run,
  timeDim,
} from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

/** A model as a user writes it: any recurrent layer, then a Linear on the last time step. */
class LastStep extends Module {
  readonly fc: Linear;
  readonly rnn: Recurrent;
  private readonly time: number;

  constructor(rnn: Recurrent, features: number, time: number) {
    super();
    this.rnn = rnn;
    this.time = time;
    this.register("rnn", rnn);
    const { dtype } = rnn.parameters()[0];
    this.fc = this.register("fc", new Linear(features, 2, { dtype: dtype as FloatDType }));
  }
  override forward(x: Tensor): Tensor {
    const [output] = run(this.rnn, x);
    return this.fc.forward(select(output, this.time, -1));
  }
}

const sizes = fc.record({
  inputSize: fc.integer({ min: 1, max: 3 }),
  hiddenSize: fc.integer({ min: 1, max: 6 }),
  numLayers: fc.integer({ min: 1, max: 3 }),
  dtype: fc.constantFrom("float32" as const, "float64" as const),
  batch: fc.integer({ min: 1, max: 4 }),
  length: fc.integer({ min: 1, max: 10 }),
  seed: fc.nat(),
  extreme: fc.oneof({ arbitrary: fc.constant(null), weight: 5 }, fc.constantFrom(NaN, Infinity)),
});

/** The notebook's model for the sizes, and an input. */
function notebook(given: typeof sizes extends fc.Arbitrary<infer T> ? T : never) {
  const c = {
    ...given,
    kind: "RNN tanh",
    bias: true,
    batchFirst: true,
    bidirectional: false,
    projSize: 0,
    scale: 1,
  } as const;
  const model = new SimpleRNN(c.inputSize, c.hiddenSize, c.numLayers, { dtype: c.dtype });
  model.rnn.loadStateDict(build(c).stateDict());
  return { c, model, x: inputOf(c) };
}

describe("fc", () => {
  law(["FC-1"], "every shape that the notebook prints, whatever the sizes", sizes, (given) => {
    const { c, model, x } = notebook(given);
    const h0 = zeros([c.numLayers, c.batch, c.hiddenSize], { dtype: c.dtype });
    const [output, hn] = noGrad(() => model.rnn.forward(x, h0));
    const last = select(output, 1, -1);
    assertEquals(x.shape, [c.batch, c.length, c.inputSize]);
    assertEquals(output.shape, [c.batch, c.length, c.hiddenSize]);
    assertEquals(hn.shape, [c.numLayers, c.batch, c.hiddenSize]);
    assertEquals(last.shape, [c.batch, c.hiddenSize]);
    assertEquals(model.fc.forward(last).shape, [c.batch, 1]);
    assertEquals(model.forward(x).shape, [c.batch, 1]);
  });

  law(["FC-2"], "the model is fc on the last time step of rnn, bitwise", sizes, (given) => {
    const { c, model, x } = notebook(given);
    const h0 = zeros([c.numLayers, c.batch, c.hiddenSize], { dtype: c.dtype });
    const whole = model.forward(x);
    for (const state of [null, h0]) {
      const [output] = model.rnn.forward(x, state);
      assertBitwise(model.fc.forward(select(output, 1, -1)), whole);
    }
  });

  law(["FC-2", "STACK-6"], "the model is fc on the last row of h_n, bitwise", sizes, (given) => {
    const { model, x } = notebook(given);
    const [, hn] = model.rnn.forward(x);
    assertBitwise(model.fc.forward(select(hn, 0, -1)), model.forward(x));
  });

  law(["FC-2"], "fc on every time step, then the last, is the same", sizes, (given) => {
    const { model, x } = notebook(given);
    const [output] = model.rnn.forward(x);
    assertBitwise(select(model.fc.forward(output), 1, -1), model.forward(x));
  });

  law(
    ["FC-2", "FC-1"],
    "a model around any kind, depth and direction is its parts in a row, bitwise",
    configs(),
    (c) => {
      const [rnn, x] = [build(c), inputOf(c)];
      const features = outputSize(c) * directions(c);
      const model = new LastStep(rnn, features, timeDim(c));
      const [output] = run(rnn, x);
      const last = select(output, timeDim(c), -1);
      assertEquals(last.shape, [c.batch, features]);
      assertEquals(model.forward(x).shape, [c.batch, 2]);
      assertBitwise(model.forward(x), model.fc.forward(last));
    },
    80,
  );

  law(
    ["FC-2", "BATCH-4"],
    "each row of a batch is decoded as if alone, bitwise",
    sizes,
    (given) => {
      const { model, x } = notebook(given);
      const alone = [...Array(x.shape[0]).keys()].map((k) => model.forward(slice(x, 0, k, k + 1)));
      assertBitwise(model.forward(x), cat(alone));
    },
  );

  law(["FC-2", "FC-1"], "only the state after the last step decides", sizes, (given) => {
    const { c, model, x } = notebook({ ...given, extreme: null });
    // Start again from the state before the last step: nothing else of the past is needed.
    const past = slice(x, 1, 0, c.length - 1);
    const h = c.length > 1 ? model.rnn.forward(past)[1] : null;
    const [output] = model.rnn.forward(slice(x, 1, c.length - 1), h);
    assertBitwise(model.fc.forward(reshape(output, [c.batch, -1])), model.forward(x));
  });

  fact(
    ["FC-2"],
    "the equivalence is not trivial: another time step decodes to something else",
    () => {
      const { model, x } = notebook({
        inputSize: 1,
        hiddenSize: 5,
        numLayers: 1,
        dtype: "float32",
        batch: 1,
        length: 10,
        seed: 1,
        extreme: null,
      });
      const [output] = model.rnn.forward(x);
      const whole = model.forward(x).item();
      for (let t = 0; t < 9; t++) {
        assert(model.fc.forward(select(output, 1, t)).item() !== whole);
      }
    },
  );

  fact(["FC-1"], "batch first or not, RNN, LSTM or GRU: fc sees (N, H)", () => {
    const x = zeros([2, 7, 3]);
    for (const Recurrent of [RNN, LSTM, GRU]) {
      const first = new Recurrent(3, 4, { batchFirst: true }).forward(x)[0];
      const second = new Recurrent(3, 4).forward(transpose(x, 0, 1))[0];
      assertEquals([first.shape, second.shape], [[2, 7, 4], [7, 2, 4]]);
      assertEquals(select(first, 1, -1).shape, select(second, 0, -1).shape);
    }
  });
});
