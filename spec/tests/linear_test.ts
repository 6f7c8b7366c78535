/** Chapter linear: the fully connected layer. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  add,
  affine,
  cat,
  type FloatDType,
  Linear,
  linear,
  manualSeed,
  mul,
  reshape,
  RuntimeError,
  select,
  stack,
  tensor,
  zeros,
} from "../../mod.ts";
import { assertBitwise, assertClose } from "./alike.ts";
import { normals } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const layers = fc.record({
  inputs: fc.integer({ min: 1, max: 6 }),
  outputs: fc.integer({ min: 1, max: 5 }),
  leading: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
  bias: fc.boolean(),
  dtype: fc.constantFrom<FloatDType>("float32", "float64"),
  seed: fc.nat(),
});
type Layer = typeof layers extends fc.Arbitrary<infer T> ? T : never;

function make({ inputs, outputs, leading, bias, dtype, seed }: Layer) {
  manualSeed(seed);
  const fc = new Linear(inputs, outputs, { bias, dtype });
  return { fc, x: normals({ seed, dtype }, [...leading, inputs]) };
}

describe("linear", () => {
  law(["LINEAR-1", "LINEAR-3"], "y_j = Σ_k W_jk x_k + b_j, written out", layers, (given) => {
    const { fc, x } = make(given);
    const { inputs, outputs } = given;
    const y = fc.forward(x);
    const rows = x.numel() / inputs;
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < outputs; j++) {
        let [sum, size] = [fc.bias ? fc.bias.data[j] : 0, 1];
        for (let k = 0; k < inputs; k++) {
          const product = fc.weight.data[j * inputs + k] * x.data[row * inputs + k];
          sum += product;
          size += Math.abs(product);
        }
        const unit = given.dtype === "float32" ? 2 ** -23 : 2 ** -50;
        const error = Math.abs(y.data[row * outputs + j] - sum);
        assert(error <= unit * size, `row ${row}, output ${j}: ${error}`);
      }
    }
  });

  law(["LINEAR-1"], "an input of zeros gives the bias, bitwise", layers, (given) => {
    const { fc, x } = make({ ...given, bias: true });
    const y = fc.forward(zeros(x.shape, { dtype: given.dtype }));
    const rows = Array(y.numel() / given.outputs).fill(fc.bias!);
    assertBitwise(reshape(y, [-1]), cat(rows));
  });

  law(["LINEAR-1"], "a unit vector picks a column of the weight, bitwise", layers, (given) => {
    const { fc } = make({ ...given, bias: false });
    for (let k = 0; k < given.inputs; k++) {
      const unit = zeros([given.inputs], { dtype: given.dtype });
      unit.data[k] = 1;
      assertBitwise(fc.forward(unit), select(fc.weight, 1, k));
    }
  });

  law(
    ["LINEAR-1"],
    "outputs do not depend on each other: one at a time is the same",
    layers,
    (given) => {
      const { fc, x } = make(given);
      const alone = [...Array(given.outputs).keys()].map((j) =>
        linear(
          x,
          reshape(select(fc.weight, 0, j), [1, -1]),
          fc.bias && reshape(select(fc.bias, 0, j), [1]),
        )
      );
      assertBitwise(fc.forward(x), cat(alone, -1));
    },
  );

  law(["LINEAR-1"], "linear in x: f(a) + f(b) = f(a + b) without a bias", layers, (given) => {
    const { fc, x } = make({ ...given, bias: false });
    const y = normals(given, [...x.shape], 1);
    assertClose(fc.forward(add(x, y)), add(fc.forward(x), fc.forward(y)));
  });

  law(
    ["LINEAR-2"],
    "leading dimensions are only rows: reshaping before or after is the same, bitwise",
    layers,
    (given) => {
      const { fc, x } = make(given);
      const y = fc.forward(x);
      assertEquals(y.shape, [...given.leading, given.outputs]);
      const flat = fc.forward(reshape(x, [-1, given.inputs]));
      assertBitwise(reshape(flat, y.shape), y);
    },
  );

  law(
    ["LINEAR-2", "BATCH-4"],
    "a row's result does not depend on other rows, bitwise",
    layers,
    (given) => {
      const { fc, x } = make({ ...given, leading: [3] });
      const together = fc.forward(x);
      const alone = [0, 1, 2].map((k) => fc.forward(select(x, 0, k)));
      assertBitwise(together, stack(alone));
      x.data[given.inputs] = NaN;
      const after = fc.forward(x);
      assertBitwise(select(after, 0, 0), alone[0]);
      assertBitwise(select(after, 0, 2), alone[2]);
      assert(select(after, 0, 1).data.every(Number.isNaN));
    },
  );

  law(["LINEAR-2"], "no row at all gives no row", layers, (given) => {
    const { fc } = make(given);
    const none = zeros([2, 0, given.inputs], { dtype: given.dtype });
    assertEquals(fc.forward(none).shape, [2, 0, given.outputs]);
  });

  law(["LINEAR-3"], "without a bias is with a bias of zeros, bitwise", layers, (given) => {
    const { fc, x } = make({ ...given, bias: false });
    assertEquals(fc.bias, null);
    assertEquals(Object.keys(fc.stateDict()), ["weight"]);
    assertBitwise(
      linear(x, fc.weight, null),
      linear(x, fc.weight, zeros([given.outputs], { dtype: given.dtype })),
    );
  });

  law(["LINEAR-3"], "without a bias, doubling x doubles y, bitwise", layers, (given) => {
    const { fc, x } = make({ ...given, bias: false });
    for (const factor of [2, -4, 0.125]) {
      assertBitwise(fc.forward(mul(x, factor)), mul(fc.forward(x), factor));
    }
  });

  fact(["LINEAR-1"], "terms of another shape or of another dtype are refused", () => {
    const term = (rows: number, dtype: FloatDType) =>
      [zeros([rows, 2], { dtype }), zeros([3, 2], { dtype }), null] as const;
    const first = term(4, "float32");
    for (const other of [term(5, "float32"), term(4, "float64"), term(5, "float64")]) {
      const wanted = "expected terms of shape [4, 3] and dtype float32, but got";
      assertThrows(() => affine(first, other), RuntimeError, wanted);
    }
    assertEquals(affine(first, term(4, "float32")).shape, [4, 3]);
  });

  fact(["LINEAR-1"], "the weight is (out, in): the rows are the outputs", () => {
    const fc = new Linear(2, 3);
    fc.loadStateDict({ weight: tensor([[1, 2], [3, 4], [5, 6]]), bias: tensor([10, 20, 30]) });
    assertEquals(fc.forward(tensor([1, 100])).tolist(), [211, 423, 635]);
  });
});
