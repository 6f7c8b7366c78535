/** Chapter proj: an LSTM whose hidden state is projected. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  GRU,
  linear,
  LSTM,
  LSTMCell,
  mul,
  narrow,
  packPaddedSequence,
  RNN,
  select,
  slice,
  tensor,
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
  normals,
  ragged,
  run,
  stateOf,
  step,
  tame,
  timeDim,
} from "./arbitrary.ts";
import { describe, fact, law, readablePath } from "./law.ts";

const projected = {
  kind: fc.constant("LSTM" as const),
  hiddenSize: fc.integer({ min: 2, max: 5 }),
  projSize: fc.constant(1),
};

/** A projected configuration, H_proj any size below H. */
function projections(fixed: Parameters<typeof configs>[0] = {}): fc.Arbitrary<Config> {
  return fc.tuple(configs({ ...projected, ...fixed }), fc.nat(59)).map(([c, draw]) => ({
    ...c,
    projSize: 1 + draw % (c.hiddenSize - 1),
  }));
}
const single = { numLayers: fc.constant(1), bidirectional: fc.constant(false) };

/** The cell of a single layer without its projection, for use from h = 0. */
function cellOf(c: Config, state: ReturnType<LSTM["stateDict"]>): LSTMCell {
  const cell = new LSTMCell(c.inputSize, c.hiddenSize, { bias: c.bias, dtype: c.dtype });
  const names = ["weight_ih", ...(c.bias ? ["bias_ih", "bias_hh"] : [])];
  const own = Object.fromEntries(names.map((name) => [name, state[`${name}_l0`]]));
  const none = zeros([4 * c.hiddenSize, c.hiddenSize], { dtype: c.dtype });
  cell.loadStateDict({ ...own, weight_hh: none }); // h = 0 makes W_hh h = 0
  return cell;
}

describe("proj", () => {
  law(["PROJ-2"], "shapes of parameters, output, h_n and c_n", projections(), (c) => {
    const module = build(c);
    const [H, P, D] = [c.hiddenSize, c.projSize, directions(c)];
    for (const [name, { shape }] of Object.entries(module.stateDict())) {
      const [, kind, layer] = /^(.*)_l(\d)/.exec(name)!;
      const features = layer === "0" ? c.inputSize : D * P;
      const wanted: Record<string, number[]> = {
        weight_ih: [4 * H, features],
        weight_hh: [4 * H, P],
        bias_ih: [4 * H],
        bias_hh: [4 * H],
        weight_hr: [P, H],
      };
      assertEquals(shape, wanted[kind], name);
    }
    const [output, [hn, cn]] = run(module, inputOf(c));
    const [N, L] = [c.batch, c.length];
    assertEquals(output.shape, c.batchFirst ? [N, L, D * P] : [L, N, D * P]);
    assertEquals(hn.shape, [c.numLayers * D, N, P]);
    assertEquals(cn.shape, [c.numLayers * D, N, H]);
    const [alone, [h1, c1]] = run(module, normals(c, [L, c.inputSize]));
    assertEquals([alone.shape, h1.shape, c1.shape], [
      [L, D * P],
      [c.numLayers * D, P],
      [c.numLayers * D, H],
    ]);
  });

  law(
    ["PROJ-1"],
    "from h = 0, a step is the plain cell's, its h then multiplied by W_hr, its c left alone",
    projections({ ...single, length: fc.constant(1) }),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      state[0].data.fill(0);
      const [output, [hn, cn]] = run(module, x, state);
      const cell = cellOf(c, module.stateDict());
      const zero = zeros([c.batch, c.hiddenSize], { dtype: c.dtype });
      const input = select(x, timeDim(c), 0);
      const [h1, c1] = step(cell, input, [zero, select(state[1], 0, 0)]);
      const wanted = linear(h1, module.stateDict().weight_hr_l0);
      assertBitwise(select(output, timeDim(c), 0), wanted);
      assertBitwise(select(hn, 0, 0), wanted);
      assertBitwise(select(cn, 0, 0), c1);
    },
    50,
    readablePath,
  );

  law(
    ["PROJ-1"],
    "W_hr of unit rows picks units of o ⊙ tanh(c), and W_hh reads what was picked",
    projections({ ...single, ...tame, dtype: fc.constant("float64") }),
    (c) => {
      // The plain LSTM that reads only the first H_proj units of its own state.
      const [module, plain] = [build(c), build({ ...c, projSize: 0 })];
      const { weight_hr_l0: W, weight_hh_l0: narrow1, ...rest } = module.stateDict();
      W.data.fill(0);
      for (let k = 0; k < c.projSize; k++) W.data[k * c.hiddenSize + k] = 1;
      const wide = zeros([4 * c.hiddenSize, c.hiddenSize], { dtype: c.dtype });
      narrow1.data.forEach((value, k) => {
        wide.data[Math.floor(k / c.projSize) * c.hiddenSize + k % c.projSize] = value;
      });
      plain.loadStateDict({ ...rest, weight_hh_l0: wide });
      const x = inputOf(c);
      const [output, [hn, cn]] = run(module, x);
      const [whole, [wholeH, wholeC]] = run(plain, x);
      const tight = { rtol: 1e-13, atol: 1e-14 };
      assertClose(output, slice(whole, 2, 0, c.projSize), tight);
      assertClose(hn, slice(wholeH, 2, 0, c.projSize), tight);
      assertClose(cn, wholeC, tight);
    },
  );

  law(
    ["PROJ-1"],
    "projected to 0, h is 0 throughout and W_hh reads nothing",
    projections({ ...single, ...tame }),
    (c) => {
      const [module, x, state] = [build(c), inputOf(c), stateOf(c)];
      const { weight_hr_l0, weight_hh_l0 } = module.stateDict();
      weight_hr_l0.data.fill(0);
      state[0].data.fill(0);
      const [output, [hn, cn]] = run(module, x, state);
      assert([...output.data, ...hn.data].every((value) => value === 0));
      weight_hh_l0.data.fill(1);
      assertBitwise(run(module, x, state)[1][1], cn);
    },
  );

  law(
    ["PROJ-1", "LSTM-2"],
    "doubling W_hr and halving W_hh doubles the output and leaves c alone, bitwise",
    projections({ ...single, ...tame, scale: fc.constant(1) }),
    (c) => {
      const [module, x] = [build(c), inputOf(c)];
      const [output, [hn, cn]] = run(module, x);
      const { weight_hr_l0, weight_hh_l0 } = module.stateDict();
      weight_hr_l0.data.forEach((value, k, data) => data[k] = value * 2);
      weight_hh_l0.data.forEach((value, k, data) => data[k] = value / 2);
      const [twice, [twiceH, sameC]] = run(module, x);
      assertBitwise(twice, mul(output, 2));
      assertBitwise(twiceH, mul(hn, 2));
      assertBitwise(sameC, cn);
    },
  );

  law(
    ["PROJ-2", "PACK-4", "PACK-5"],
    "packed: each sequence as alone, h_n of H_proj and c_n of H features, bitwise",
    ragged(projected),
    (c) => {
      const [module, x] = [build(c), inputOf(c)];
      const packed = packPaddedSequence(x, c.lengths, {
        batchFirst: c.batchFirst,
        enforceSorted: false,
      });
      const [, final] = run(module, packed);
      c.lengths.forEach((length, n) => {
        const alone = narrow(select(x, 1 - timeDim(c), n), 0, 0, length);
        assertAllBitwise(final.map((part) => select(part, 1, n)), run(module, alone)[1]);
      });
    },
  );

  fact(["PROJ-1"], "one unit, one number: h = w_hr σ(o) tanh(c)", () => {
    const lstm = new LSTM(1, 2, { projSize: 1, bias: false, dtype: "float64" });
    for (const { data } of Object.values(lstm.stateDict())) data.fill(0);
    lstm.stateDict().weight_hr_l0.data.set([3, 5]);
    const state = [
      zeros([1, 1, 1], { dtype: "float64" }),
      tensor([[[0.2, 0.4]]], {
        dtype: "float64",
      }),
    ];
    const [output] = run(lstm, zeros([1, 1, 1], { dtype: "float64" }), state);
    // All gates are σ(0) = 0.5 and g is 0, so c is halved.
    const wanted = 3 * 0.5 * Math.tanh(0.1) + 5 * 0.5 * Math.tanh(0.2);
    assert(Math.abs(output.item() - wanted) < 1e-15);
  });

  fact(["PROJ-2", "ERROR-1"], "only for LSTM, and smaller than the hidden state", () => {
    for (const Recurrent of [RNN, GRU]) {
      assertThrows(
        () => new Recurrent(2, 3, { projSize: 1 } as object),
        ValueError,
        "proj_size argument is only supported for LSTM, not RNN or GRU",
      );
    }
    assertThrows(
      () => new LSTM(2, 3, { projSize: 3 }),
      ValueError,
      "proj_size has to be smaller than hidden_size",
    );
  });
});
