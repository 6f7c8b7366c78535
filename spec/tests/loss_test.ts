/** Chapter training: the losses. */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  abs,
  add,
  BCEWithLogitsLoss,
  binaryCrossEntropyWithLogits,
  cat,
  crossEntropy,
  CrossEntropyLoss,
  type FloatDType,
  grad,
  l1Loss,
  logSoftmax,
  mean,
  mseLoss,
  mul,
  NLLLoss,
  nllLoss,
  noGrad,
  type Reduction,
  reshape,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  zeros,
} from "../../mod.ts";
import { assertBitwise, assertClose } from "./alike.ts";
import { normals } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

function leaf(given: { seed: number; dtype: FloatDType }, size: number[], salt = 0): Tensor {
  const x = normals(given, size, salt);
  x.requiresGrad = true;
  return x;
}

describe("losses", () => {
  const pairs = fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
    seed: fc.nat(),
    dtype: fc.constantFrom<FloatDType>("float32", "float64"),
  });

  law(["LOSS-1", "LOSS-2", "LOSS-4"], "mean and sum are those of the elements", pairs, (given) => {
    const [x, y] = [0, 1].map((salt) => normals(given, given.shape, salt));
    for (const loss of [mseLoss, l1Loss, binaryCrossEntropyWithLogits]) {
      const elements = loss(x, y, { reduction: "none" });
      assertEquals(elements.shape, x.shape);
      assertClose(loss(x, y), mean(elements));
      assertClose(loss(x, y, { reduction: "sum" }), sum(elements));
    }
  });

  law(["LOSS-1", "LOSS-2"], "are those of the equations, with both gradients", pairs, (given) => {
    const [x, y] = [0, 1].map((salt) => leaf(given, given.shape, salt));
    const [dx, dy] = grad([mseLoss(x, y, { reduction: "sum" })], [x, y]) as Tensor[];
    assertClose(dx, noGrad(() => mul(sub(x, y), 2)));
    assertBitwise(add(dx, dy), zeros(given.shape, { dtype: given.dtype }));
    const [ex, ey] = grad([l1Loss(x, y, { reduction: "sum" })], [x, y]) as Tensor[];
    assertEquals([...ex.data], [...x.data].map((value, i) => Math.sign(value - y.data[i])));
    assertBitwise(add(ex, ey), zeros(given.shape, { dtype: given.dtype }));
    const [by] = grad([binaryCrossEntropyWithLogits(x, y, { reduction: "sum" })], [y]) as Tensor[];
    assertClose(by, noGrad(() => mul(x, -1)));
  });

  law(["LOSS-3", "LOSS-4"], "two classes, one logit at 0, are yes and no", pairs, (given) => {
    const x = normals(given, [4]);
    const logits = transpose(reshape(cat([zeros([4], { dtype: given.dtype }), x]), [2, 4]), 0, 1);
    const yes = tensor([1, 0, 1, 0], { dtype: given.dtype });
    assertClose(crossEntropy(logits, [1, 0, 1, 0]), binaryCrossEntropyWithLogits(x, yes));
  });

  law(["LOSS-3"], "time after the classes is time before them, moved", pairs, (given) => {
    const x = leaf(given, [2, 3, 4]);
    const target = [[0, 2, 1, -100], [2, 2, -100, 0]];
    const flat = reshape(transpose(x, 1, 2), [8, 3]);
    for (const reduction of ["none", "mean", "sum"] as const) {
      const whole = crossEntropy(x, target, { reduction });
      const rows = crossEntropy(flat, target.flat(), { reduction });
      assertBitwise(reshape(rows, [...whole.shape]), whole);
      const both = [whole, rows].map((loss) =>
        grad([sum(loss)], [x], [], { retainGraph: true })[0]
      );
      assertBitwise(both[0]!, both[1]!);
    }
  });

  law(["LOSS-3"], "a number added to all logits changes nothing", pairs, (given) => {
    const x = normals({ ...given, dtype: "float64" }, [3, 4]);
    assertClose(crossEntropy(add(x, 300), [0, 3, 1]), crossEntropy(x, [0, 3, 1]));
  });

  fact(["LOSS-3"], "classes may stand in any list of integers", () => {
    const x = tensor([[1, 2, 3], [3, 2, 1]]);
    const wanted = crossEntropy(x, [2, 1]);
    for (
      const target of [new Int32Array([2, 1]), new Uint8Array([2, 1]), new BigInt64Array([2n, 1n])]
    ) {
      assertBitwise(crossEntropy(x, target), wanted);
    }
    assertBitwise(
      new CrossEntropyLoss({ ignoreIndex: 1 }).forward(x, [2, 1]),
      crossEntropy(x, [2, -100]),
    );
    assertThrows(() => crossEntropy(x, [0.5, 1]), Error, "Long or Byte, but got Float");
    assertThrows(() => crossEntropy(x, [[0], [1, 2]]), RangeError, "expected sequence of length 1");
  });

  fact(["LOSS-1", "LOSS-2", "LOSS-4", "LOSS-5"], "each gradient has its tensor's dtype", () => {
    for (const loss of [mseLoss, l1Loss, binaryCrossEntropyWithLogits, crossEntropy]) {
      for (const dtypes of [["float32", "float64"], ["float64", "float32"]] as const) {
        const [x, y] = dtypes.map((dtype) => tensor([[1, 0.5]], { dtype, requiresGrad: true }));
        const error = loss(x, y);
        assertEquals(error.dtype, loss === binaryCrossEntropyWithLogits ? dtypes[1] : "float64");
        assertEquals(grad([error], [x, y]).map((one) => one?.dtype), dtypes);
      }
    }
  });
});

describe("weights and probabilities", () => {
  const given = fc.record({
    seed: fc.nat(),
    dtype: fc.constantFrom<FloatDType>("float32", "float64"),
    classes: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 5 }),
    smoothing: fc.double({ min: 0.01, max: 1, noNaN: true }),
    reduction: fc.constantFrom<Reduction>("none", "mean", "sum"),
  });
  type Given = typeof given extends fc.Arbitrary<infer T> ? T : never;
  const logits = (one: Given) => leaf(one, [one.classes.length, 3]);
  const positive = (one: Given, size: number[]) => noGrad(() => abs(normals(one, size, 9)));
  const hot = ({ classes, dtype, smoothing }: Given) =>
    tensor(
      classes.map((k) => [0, 1, 2].map((j) => (1 - smoothing) * Number(j === k) + smoothing / 3)),
      { dtype },
    );
  const gradient = (loss: Tensor, x: Tensor) => grad([sum(loss)], [x])[0]!;

  law(["LOSS-5"], "smoothed classes are probabilities", given, (one) => {
    const [x, { reduction }] = [logits(one), one];
    const numbers = crossEntropy(x, one.classes, { reduction, labelSmoothing: one.smoothing });
    const shares = crossEntropy(x, hot(one), { reduction });
    const again = crossEntropy(x, hot({ ...one, smoothing: 0 }), {
      reduction,
      labelSmoothing: one.smoothing,
    });
    for (const other of [shares, again]) {
      assertClose(other, numbers);
      assertClose(
        gradient(other, x),
        gradient(
          crossEntropy(x, one.classes, {
            reduction,
            labelSmoothing: one.smoothing,
          }),
          x,
        ),
      );
    }
  });

  law(
    ["LOSS-3", "LOSS-5"],
    "a weight for all classes alike drops out of the mean",
    given,
    (one) => {
      const [x, weight] = [logits(one), tensor([3, 3, 3], { dtype: one.dtype })];
      for (const labelSmoothing of [0, one.smoothing]) {
        const options = { labelSmoothing };
        const [plain, weighted] = [{}, { weight }].map((more) =>
          crossEntropy(x, one.classes, { ...options, ...more })
        );
        assertClose(weighted, plain);
        assertClose(
          crossEntropy(x, hot(one), { ...options, weight }),
          noGrad(() => mul(crossEntropy(x, hot(one), options), 3)), // there it stays
        );
      }
    },
  );

  law(["LOSS-3"], "the mean is the weighted sum over the sum of the weights", given, (one) => {
    const [x, weight] = [logits(one), positive(one, [3])];
    const total = one.classes.reduce((sum, k) => sum + weight.data[k], 0);
    const whole = nllLoss(x, one.classes, { weight, reduction: "sum" });
    assertClose(nllLoss(x, one.classes, { weight }), noGrad(() => mul(whole, 1 / total)));
  });

  law(["LOSS-3", "LOSS-4"], "a weight of the yes is a weight of its class", given, (one) => {
    const yes = one.classes.map((k) => Number(k > 0));
    const x = leaf(one, [yes.length, 1]);
    const pair = cat([zeros([yes.length, 1], { dtype: one.dtype }), x], 1);
    const q = positive(one, [1]);
    const weight = cat([tensor([1], { dtype: one.dtype }), q]);
    const classes = crossEntropy(pair, yes, { weight, reduction: "sum" });
    const target = tensor(yes.map((y) => [y]), { dtype: one.dtype });
    const logistic = binaryCrossEntropyWithLogits(x, target, { posWeight: q, reduction: "sum" });
    assertClose(logistic, classes);
    assertClose(gradient(logistic, x), gradient(classes, x));
  });

  fact(["LOSS-5"], "class weights get a gradient from probabilities, and are refused one", () => {
    const x = tensor([[1, 2], [3, -1]], { requiresGrad: true });
    const weight = tensor([1, 2], { requiresGrad: true });
    const y = tensor([[0.25, 0.75], [1, 0]]);
    const [dw] = grad([crossEntropy(x, y, { weight, reduction: "sum" })], [weight]);
    const logs = noGrad(() => logSoftmax(x, 1)).data;
    const wanted = [0, 1].map((k) => -logs[k] * y.data[k] - logs[2 + k] * y.data[2 + k]);
    assertClose(dw!, tensor(wanted));
    const refused = "is not differentiable with respect to argument 'weight'";
    assertThrows(() => crossEntropy(x, [0, 1], { weight }), Error, `'nll_loss_forward' ${refused}`);
    assertThrows(
      () => nllLoss(zeros([1, 2, 1]), [[0]], { weight }),
      Error,
      `'nll_loss2d_forward' ${refused}`,
    );
    assertThrows(
      () => binaryCrossEntropyWithLogits(x, y, { posWeight: weight }),
      Error,
      "'binary_cross_entropy_with_logits' is not differentiable with respect to argument " +
        "'pos_weight'",
    );
    noGrad(() => crossEntropy(x, [0, 1], { weight }));
  });

  fact(["LOSS-3", "LOSS-4", "LOSS-5"], "losses show PyTorch's node", () => {
    const x = zeros([2, 3], { requiresGrad: true });
    const y = zeros([2, 3]);
    const nodes = (loss: (options: { reduction: Reduction }) => Tensor) =>
      (["none", "mean", "sum"] as const).map((reduction) => loss({ reduction }).gradFn?.name);
    const all = (name: string) => [name, name, name];
    assertEquals(nodes((how) => crossEntropy(x, [0, 1], how)), all("NllLossBackward0"));
    assertEquals(
      nodes((how) => crossEntropy(x, [0, 1], { ...how, labelSmoothing: 0.1 })),
      all("AddBackward0"),
    );
    assertEquals(
      nodes((how) => crossEntropy(x, y, how)),
      ["NegBackward0", "DivBackward1", "NegBackward0"],
    );
    assertEquals(
      nodes((how) => binaryCrossEntropyWithLogits(x, y, { ...how, posWeight: tensor(2) })),
      all("BinaryCrossEntropyWithLogitsBackward0"),
    );
  });

  fact(["LOSS-3", "LOSS-5"], "a target may be given with its shape", () => {
    const x = tensor([[[1, 2]], [[3, 4]]]);
    const target = { shape: [2, 2], data: new BigInt64Array([0n, 0n, 0n, -100n]) };
    assertBitwise(crossEntropy(x, target), crossEntropy(x, [[0, 0], [0, -100]]));
    const wrong = { shape: [2, 2], data: [0] };
    assertThrows(() => crossEntropy(x, wrong), Error, "shape '[2, 2]' is invalid for input of");
    const soft = "class probabilities must be a tensor";
    assertThrows(() => crossEntropy(tensor([[1, 2]]), [[0.5, 0.5]]), TypeError, soft);
  });

  fact(["LOSS-3", "LOSS-4", "PRINT-6"], "modules keep their weights and do not print them", () => {
    const [weight, posWeight] = [tensor([1, 2]), tensor([3, 4])];
    const [x, target] = [tensor([[1, 2]]), [1]];
    const classes = new CrossEntropyLoss({ weight, ignoreIndex: 5, labelSmoothing: 0.5 });
    const { weight: kept, ignoreIndex, labelSmoothing } = classes;
    assertEquals([kept, ignoreIndex, labelSmoothing], [weight, 5, 0.5]);
    assertBitwise(
      classes.forward(x, target),
      crossEntropy(x, target, { weight, ignoreIndex, labelSmoothing }),
    );
    const likelihood = new NLLLoss({ weight, reduction: "sum" });
    assertBitwise(likelihood.forward(x, target), tensor(-4));
    const logistic = new BCEWithLogitsLoss({ weight, posWeight });
    assertBitwise(
      logistic.forward(x, tensor([[1, 0]])),
      binaryCrossEntropyWithLogits(x, tensor([[1, 0]]), { weight, posWeight }),
    );
    const printed = [classes, likelihood, logistic].map(String);
    assertEquals(printed, ["CrossEntropyLoss()", "NLLLoss()", "BCEWithLogitsLoss()"]);
    const list = "must be Tensor, not list";
    assertThrows(() => new NLLLoss({ weight: [1, 2] as never }), TypeError, `'weight' ${list}`);
    const none = { posWeight: [1] as never };
    assertThrows(() => new BCEWithLogitsLoss(none), TypeError, `'pos_weight' ${list}`);
  });
});

describe("targets", () => {
  fact(["LOSS-1"], "a broadcast target gets the sum of what it was compared with", () => {
    const { warn } = console;
    const warnings: string[] = [];
    console.warn = (text: string) => warnings.push(text);
    try {
      const [x, y] = [zeros([2, 3]), tensor([1, 2, 3], { requiresGrad: true })];
      const loss = mseLoss(x, y, { reduction: "sum" });
      assertEquals(loss.item(), 28);
      assertEquals(grad([loss], [y])[0]!.tolist(), [4, 8, 12]);
    } finally {
      console.warn = warn;
    }
    assertEquals(warnings, [
      "Using a target size (torch.Size([3])) that is different to the input size " +
      "(torch.Size([2, 3])). This will likely lead to incorrect results due to broadcasting. " +
      "Please ensure they have the same size.",
    ]);
  });
});
