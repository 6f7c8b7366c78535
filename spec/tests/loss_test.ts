/** Chapter training: the losses. */

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  add,
  binaryCrossEntropyWithLogits,
  cat,
  crossEntropy,
  CrossEntropyLoss,
  type DType,
  grad,
  l1Loss,
  mean,
  mseLoss,
  mul,
  noGrad,
  reshape,
  sub,
  sum,
  type Tensor,
  tensor,
  to,
  transpose,
  zeros,
} from "../../mod.ts";
import { assertBitwise, assertClose } from "./alike.ts";
import { normals } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

function leaf(given: { seed: number; dtype: DType }, size: number[], salt = 0): Tensor {
  const x = normals(given, size, salt);
  x.requiresGrad = true;
  return x;
}

describe("losses", () => {
  const pairs = fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
    seed: fc.nat(),
    dtype: fc.constantFrom<DType>("float32", "float64"),
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

  fact(["LOSS-1", "LOSS-4"], "two dtypes are refused", () => {
    const [a, b] = [tensor([1]), to(tensor([1]), "float64")];
    for (const loss of [mseLoss, l1Loss, binaryCrossEntropyWithLogits]) {
      assertThrows(() => loss(a, b), Error, "expected both tensors to have the same dtype");
    }
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
