/** Chapter gradients: derivatives of operations and modules, against central differences. */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  abs,
  add,
  affine,
  binaryCrossEntropyWithLogits,
  cat,
  chunk,
  clone,
  crossEntropy,
  detach,
  div,
  dropout,
  embedding,
  exp,
  expand,
  flip,
  grad,
  indexSelect,
  l1Loss,
  LayerNorm,
  Linear,
  linear,
  log,
  logSoftmax,
  manualSeed,
  matmul,
  max,
  mean,
  mseLoss,
  mul,
  narrow,
  neg,
  nllLoss,
  noGrad,
  packPaddedSequence,
  padPackedSequence,
  padSequence,
  relu,
  reshape,
  select,
  sigmoid,
  SimpleRNN,
  sin,
  slice,
  softmax,
  squeeze,
  stack,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  to,
  transpose,
  unpadSequence,
  unsqueeze,
} from "../../mod.ts";
import { assertBitwise } from "./alike.ts";
import { normals, ragged, recording, runRecorded, small, timeDim } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const shapes = fc.record({
  shape: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 3 }),
  dim: fc.nat(59),
  index: fc.nat(59),
  seed: fc.nat(),
}).map(({ shape, dim, index, seed }) => {
  const at = dim % shape.length;
  return { shape, dim: at, extent: shape[at], index: index % shape[at], seed };
});
type Given = typeof shapes extends fc.Arbitrary<infer T> ? T : never;

/** A leaf of normal numbers in float64. */
function leaf(seed: number, shape: readonly number[], salt = 0): Tensor {
  const x = normals({ seed, dtype: "float64" }, [...shape], salt);
  x.requiresGrad = true;
  return x;
}

/** Moves all elements away from 0, where relu and abs have a kink. */
function awayFrom0(x: Tensor): Tensor {
  x.data.forEach((value, k) => x.data[k] = value + (value < 0 ? -0.1 : 0.1));
  return x;
}

/**
 * Asserts, for each leaf, that `dy · dx` as the backward pass finds it is the change of y along a
 * direction, by central differences of fourth order.
 */
function assertDerivative(
  run: () => Tensor[],
  leaves: Tensor[],
  seed: number,
  every: boolean,
): void {
  const outputs = run();
  const weights = outputs.map(({ shape }, k) =>
    normals({ seed, dtype: "float64" }, [...shape], 50 + k)
  );
  const value = () =>
    noGrad(run).reduce((total, y, k) => total + inner(y.data, weights[k].data), 0);
  const size = outputs.reduce(
    (total, y, k) => total + inner(y.data.map(Math.abs), weights[k].data.map(Math.abs)),
    1,
  );
  const wanted = outputs.filter((y) => y.requiresGrad);
  const seeds = weights.filter((_, k) => outputs[k].requiresGrad);
  const gradients = grad(wanted, leaves, seeds, { allowUnused: true });
  leaves.forEach((x, k) => {
    const analytic = gradients[k]?.data ?? new Float64Array(x.numel());
    assert(gradients[k] === null || String(gradients[k]!.shape) === String(x.shape));
    const directions = every
      ? [...x.data.keys()].map((i) => x.data.map((_, j) => Number(i === j)))
      : [normals({ seed, dtype: "float64" }, [...x.shape], 80 + k).data];
    for (const direction of directions) {
      const before = x.data.slice();
      const at = (step: number) => {
        direction.forEach((d, i) => x.data[i] = before[i] + step * d);
        return value();
      };
      const h = 1e-4;
      const numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      x.data.set(before);
      const given = inner(analytic, direction);
      const error = Math.abs(given - numeric);
      assert(
        error <= 1e-6 * Math.max(Math.abs(given), Math.abs(numeric)) + 1e-10 * size,
        `leaf ${k}, shape [${x.shape}]: backward gives ${given}, differences ${numeric}`,
      );
    }
  });
}

function inner(a: Tensor["data"], b: Tensor["data"]): number {
  let total = 0;
  for (let k = 0; k < a.length; k++) total += a[k] * b[k];
  return total;
}

/** One law for one operation: its leaves, and what is made of them. */
function derivative(
  name: string,
  leaves: (given: Given) => Tensor[],
  run: (given: Given, ...leaves: Tensor[]) => Tensor | Tensor[],
): void {
  law(["GRAD-1"], `the derivative of ${name}`, shapes, (given) => {
    const all = leaves(given);
    assertDerivative(() => [run(given, ...all)].flat(), all, given.seed, true);
  }, 20);
}

const one = ({ seed, shape }: Given) => [leaf(seed, shape)];
const two = ({ seed, shape }: Given) => [leaf(seed, shape), leaf(seed, shape, 1)];
const bent = ({ seed, shape }: Given) => [awayFrom0(leaf(seed, shape))];
/** A constant of the same shape. */
const like = ({ seed, shape }: Given) => normals({ seed, dtype: "float64" }, shape, 9);
/** Rows of three classes, and a class for each row. */
const logits = ({ seed, shape }: Given) => [leaf(seed, [shape[0], 3])];
const classes = ({ shape, index }: Given) =>
  Array.from({ length: shape[0] }, (_, k) => (k + index) % 3);
const reductions = ["none", "mean", "sum"] as const;
const reduction = ({ index }: Given) => reductions[index % 3];

describe("gradients", () => {
  derivative("tanh", one, (_, x) => tanh(x));
  derivative("sigmoid", one, (_, x) => sigmoid(x));
  derivative("sin", one, (_, x) => sin(x));
  derivative("relu, away from 0", bent, (_, x) => relu(x));
  derivative("abs, away from 0", bent, (_, x) => abs(x));
  derivative("neg", one, (_, x) => neg(x));
  derivative("add, of tensors, of itself and of a number", two, (_, a, b) => [
    add(a, b),
    add(a, a),
    add(b, 2.5),
  ]);
  derivative("sub, of tensors, and with a number on either side", two, (_, a, b) => [
    sub(a, b),
    sub(a, a),
    sub(a, 2),
    sub(2, b),
  ]);
  derivative("mul, of tensors, of itself and by a number", two, (_, a, b) => [
    mul(a, b),
    mul(a, a),
    mul(b, -1.5),
  ]);
  derivative("exp", one, (_, x) => exp(x));
  derivative("log, of what is above 0", one, (_, x) => log(add(mul(x, x), 0.5)));
  derivative("div, by tensors, by itself and by a number", two, (_, a, b) => [
    div(a, add(mul(b, b), 1)),
    div(b, add(mul(b, b), 1)),
    div(a, -1.5),
  ]);
  derivative(
    "add, sub, mul and div, broadcast both ways",
    (
      { seed, shape },
    ) => [leaf(seed, [...shape, 1]), leaf(seed, [2, 1, ...shape.map(() => 1), 3], 1)],
    (_, a, b) => [add(a, b), sub(b, a), mul(a, b), div(a, add(mul(b, b), 1))],
  );
  derivative("clone and flip", one, ({ dim }, x) => [tanh(clone(x)), tanh(flip(x, [dim]))]);
  derivative("sum and mean along dimensions", one, ({ dim, shape }, x) => [
    tanh(sum(x, dim)),
    tanh(mean(x, dim, { keepdim: true })),
    tanh(sum(x, [...shape.keys()].filter((k) => k !== dim).concat(dim), { keepdim: true })),
  ]);
  derivative("max, of all and along a dimension", one, ({ dim }, x) => [
    tanh(max(x)),
    tanh(max(x, dim)[0]),
    tanh(max(x, dim, { keepdim: true })[0]),
  ]);
  derivative("softmax", one, ({ dim }, x) => softmax(x, dim));
  for (
    const [name, a, b] of [
      ["two vectors", [3], [3]],
      ["a vector and a matrix", [3], [3, 2]],
      ["a matrix and a vector", [2, 3], [3]],
      ["two matrices", [2, 3], [3, 4]],
      ["batches, one broadcast", [2, 1, 2, 3], [4, 3, 2]],
      ["a batch and a vector", [2, 2, 3], [3]],
      ["a vector and a batch", [3], [2, 3, 2]],
    ] as const
  ) {
    derivative(
      `matmul of ${name}`,
      ({ seed }) => [leaf(seed, a), leaf(seed, b, 1)],
      (_, x, y) => matmul(x, y),
    );
  }
  derivative(
    "embedding, with repeats and gaps",
    ({ seed }) => [leaf(seed, [4, 2])],
    (_, w) => tanh(embedding(tensor([[3n, 1n], [3n, 0n]]), w)),
  );
  derivative(
    "LayerNorm: input, weight and bias",
    (
      { seed, shape },
    ) => [leaf(seed, [2, ...shape, 2]), leaf(seed, [...shape, 2], 1), leaf(seed, [...shape, 2], 2)],
    ({ shape }, x, weight, bias) => {
      const norm = new LayerNorm([...shape, 2], { dtype: "float64", eps: 0.1 });
      const apart = new LayerNorm([...shape, 2], { elementwiseAffine: false, eps: 0.1 });
      // What the module's own parameters do, seen from leaves of this test.
      const z = norm.forward(x);
      assertBitwise(z, apart.forward(x));
      return [z, add(mul(apart.forward(x), weight), bias)];
    },
  );
  derivative("to", one, (_, x) => [mul(to(x, "float64"), x)]);
  derivative(
    "linear: input, weight and bias",
    ({ seed, shape }) => [leaf(seed, shape), leaf(seed, [2, shape.at(-1)!], 1), leaf(seed, [2], 2)],
    (given, x, w, b) => [linear(x, w, b), linear(x, w), linear(like(given), w)],
  );
  derivative(
    "affine: every input, weight and bias, and an input that is in it twice",
    ({ seed, shape }) => [
      leaf(seed, shape),
      leaf(seed, [2, shape.at(-1)!], 1),
      leaf(seed, [2], 2),
      leaf(seed, [...shape.slice(0, -1), 3], 3),
      leaf(seed, [2, 3], 4),
    ],
    (_, x, w, b, h, u) => [affine([x, w, b], [h, u, b]), affine([x, w, null], [x, w, b])],
  );
  derivative("sum", one, (_, x) => [sum(x), sum(mul(x, x))]);
  derivative("mean", one, (_, x) => [mean(x), mean(mul(x, x))]);
  derivative("reshape", one, (_, x) => tanh(reshape(x, [-1])));
  derivative("unsqueeze", one, ({ dim }, x) => tanh(unsqueeze(x, dim)));
  derivative(
    "squeeze",
    one,
    ({ dim }, x) => [tanh(squeeze(unsqueeze(x, dim), dim)), squeeze(x, dim)],
  );
  derivative("expand", one, ({ shape }, x) => [
    expand(x, [2, ...shape]),
    expand(unsqueeze(x, -1), [...shape, 3]),
  ]);
  derivative("transpose", one, ({ dim }, x) => [tanh(transpose(x, dim, 0)), transpose(x, 0, -1)]);
  derivative(
    "select",
    one,
    ({ dim, index }, x) => [select(x, dim, index), tanh(select(x, dim, -1))],
  );
  derivative("narrow", one, ({ dim, index, extent }, x) => [
    narrow(x, dim, index, extent - index),
    tanh(narrow(x, dim, 0, index)),
  ]);
  derivative("slice", one, ({ dim, index }, x) => [slice(x, dim, index), slice(x, dim, 0, -1)]);
  derivative(
    "chunk",
    one,
    ({ dim, extent }, x) => chunk(x, extent, dim).map((part, k) => mul(part, k + 1)),
  );
  derivative(
    "indexSelect, with repeats and gaps",
    one,
    ({ dim, index, extent }, x) => tanh(indexSelect(x, dim, [index, extent - 1, index])),
  );
  derivative("cat, of a tensor with itself too", two, ({ dim }, a, b) => tanh(cat([a, b, a], dim)));
  derivative(
    "stack, of a tensor with itself too",
    two,
    ({ dim }, a, b) => tanh(stack([a, b, a], dim)),
  );
  derivative("dropout in training, with the mask of the forward pass", one, ({ seed }, x) => {
    manualSeed(seed);
    return dropout(tanh(x), 0.5, true);
  });
  derivative("mseLoss", two, (given, a, b) => mseLoss(a, b, { reduction: reduction(given) }));
  derivative(
    "l1Loss, away from 0",
    bent,
    (given, x) => l1Loss(add(x, like(given)), like(given), { reduction: reduction(given) }),
  );
  derivative(
    "binaryCrossEntropyWithLogits",
    two,
    (given, x, y) => binaryCrossEntropyWithLogits(x, sigmoid(y), { reduction: reduction(given) }),
  );
  derivative("logSoftmax", one, ({ dim }, x) => logSoftmax(x, dim));
  derivative(
    "nllLoss",
    logits,
    (given, x) => nllLoss(tanh(x), classes(given), { reduction: reduction(given) }),
  );
  derivative(
    "crossEntropy",
    logits,
    (given, x) => crossEntropy(x, classes(given), { reduction: reduction(given) }),
  );
  derivative(
    "packing and padding, of what is in the sequences",
    ({ seed, shape }) => [leaf(seed, [3, 2, shape[0]])],
    ({ index }, x) => {
      const lengths = [1 + index, 3];
      const packed = packPaddedSequence(x, lengths, { enforceSorted: false });
      const rows = unpadSequence(x, lengths);
      return [
        packed.data,
        padPackedSequence(packed, { totalLength: 4 })[0],
        tanh(padSequence(rows)),
      ];
    },
  );

  fact(["GRAD-1"], "relu at 0 has the gradient 0; abs, too", () => {
    const x = tensor([-1, 0, 2], { requiresGrad: true });
    const dy = tensor([5, 6, 7]);
    assertEquals(grad([relu(x)], [x], [dy])[0]!.tolist(), [0, 0, 7]);
    assertEquals(grad([abs(x)], [x], [dy])[0]!.tolist(), [-5, 0, 7]);
  });

  law(
    ["GRAD-1"],
    "a conversion hands the gradient back in the input's dtype",
    shapes,
    ({ seed, shape }) => {
      const x = leaf(seed, shape);
      const dy = normals({ seed, dtype: "float32" }, shape, 1);
      assertBitwise(grad([to(x, "float32")], [x], [dy])[0]!, to(dy, "float64"));
      const single = to(detach(x), "float32");
      single.requiresGrad = true;
      const [back] = grad([to(single, "float64")], [single], [to(dy, "float64")]);
      assertBitwise(back!, dy);
    },
  );

  law(["GRAD-1"], "what was not taken gets exactly 0", shapes, ({ seed, shape, dim, index }) => {
    const x = leaf(seed, shape);
    const [dx] = grad([sum(select(x, dim, index))], [x]);
    const ones = sum(select(dx!, dim, index)).item();
    assertEquals([ones, sum(dx!).item()], [x.numel() / shape[dim], ones]);
  });

  /** What relu was given, anywhere behind a tensor, is away from 0. */
  function smooth(output: Tensor): boolean {
    const seen = new Set<Tensor>([output]);
    for (const { gradFn } of seen) {
      if (
        gradFn?.name === "ReluBackward0" && gradFn.inputs[0].data.some((a) => Math.abs(a) < 0.02)
      ) {
        return false;
      }
      gradFn?.inputs.forEach((input) => seen.add(input));
    }
    return true;
  }

  law(
    ["GRAD-2"],
    "output, h_n and c_n of every kind and flag, by input, state and every parameter",
    ragged(small),
    (c) => {
      const { module, x, state, leaves } = recording(c);
      const run = () => {
        const [output, final] = runRecorded(module, x, state);
        return [output, ...final];
      };
      fc.pre(run().every(smooth));
      assertDerivative(run, leaves, c.seed, false);
    },
    40,
  );

  law(["GRAD-2", "PACK-4"], "packed, too; padding gets exactly 0", ragged(small), (c) => {
    const { module, x, state, leaves } = recording(c);
    const run = () => {
      const options = { batchFirst: c.batchFirst, enforceSorted: false };
      const [{ data }, final] = runRecorded(
        module,
        packPaddedSequence(x, c.lengths, options),
        state,
      );
      return [data, ...final];
    };
    const outputs = run();
    fc.pre(outputs.every(smooth));
    assertDerivative(run, leaves, c.seed, false);
    const [dx] = grad([sum(outputs[0])], [x]);
    c.lengths.forEach((length, n) => {
      const padding = slice(select(dx!, 1 - timeDim(c), n), 0, length);
      assert(padding.data.every((value) => value === 0));
    });
  }, 30);

  law(
    ["GRAD-2", "FC-2"],
    "the notebook's model, and Linear, by every parameter",
    fc.nat(),
    (seed) => {
      manualSeed(seed);
      const model = new SimpleRNN(2, 3, 2, { dtype: "float64" });
      const x = leaf(seed, [2, 4, 2]);
      assertDerivative(() => [model.forward(x)], [x, ...model.parameters()], seed, false);
      const layer = new Linear(2, 3, { dtype: "float64" });
      assertDerivative(() => [layer.forward(x)], [x, ...layer.parameters()], seed, true);
    },
    10,
  );
});
