/** Chapters tensor and gradients: what the recorded operations refuse and do at their borders. */

import { assertEquals } from "@std/assert";
import {
  affine,
  backward,
  cat,
  chunk,
  embedding,
  incrementVersion,
  indexSelect,
  linear,
  narrow,
  oneHot,
  ones,
  select,
  slice,
  stack,
  sum,
  tanh,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { classesOf } from "../../lib/autograd/class_indices.ts";
import { describe, fact } from "./law.ts";

/** The class and the message of what a call throws; nothing if it returns. */
function told(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "";
}

const refusals = (rows: readonly (readonly [() => unknown, string])[]) =>
  rows.forEach(([run, message]) => assertEquals(told(run), message));

describe("recorded operations", () => {
  const [point, row] = [tensor(1), tensor([1, 2, 3, 4])];
  const matrix = tensor([[1, 2, 3], [4, 5, 6]]);
  const whole = (list: number | number[] | number[][]) => tensor(list, { dtype: "int64" });

  fact(["ERROR-5", "TENSOR-3", "TENSOR-4"], "slices stop at both ends", () => {
    refusals([
      [() => select(point, 0, 0), "IndexError: select() cannot be applied to a 0-dim tensor."],
      [() => slice(point, 0), "IndexError: slice() cannot be applied to a 0-dim tensor."],
      [
        () => narrow(point, 0, 0, 1),
        "RuntimeError: narrow() cannot be applied to a 0-dim tensor.",
      ],
      [
        () => chunk(point, 1),
        "RuntimeError: chunk expects at least a 1-dimensional tensor",
      ],
      [() => narrow(row, 0, 0, -1), "RuntimeError: narrow(): length must be non-negative."],
      [
        () => narrow(row, 0, 5, 0),
        "IndexError: start out of range (expected to be in range of [-4, 4], but got 5)",
      ],
      [
        () => narrow(row, 0, -5, 0),
        "IndexError: start out of range (expected to be in range of [-4, 4], but got -5)",
      ],
      [
        () => narrow(row, 0, 2, 3),
        "RuntimeError: start (2) + length (3) exceeds dimension size (4).",
      ],
      [
        () => select(matrix, 1, 3),
        "IndexError: select(): index 3 out of range for tensor of size [2, 3] at dimension 1",
      ],
      [
        () => select(matrix, -2, -3),
        "IndexError: select(): index -3 out of range for tensor of size [2, 3] at dimension 0",
      ],
      [() => chunk(row, 3), "RuntimeError: chunk(): extent 4 is not 3 equal parts"],
      [() => chunk(row, 0), "RuntimeError: chunk(): extent 4 is not 0 equal parts"],
      [() => chunk(row, -2), "RuntimeError: chunk(): extent 4 is not -2 equal parts"],
      [
        () => indexSelect(row, 0, whole([[0]])),
        "IndexError: index_select(): Index is supposed to be a vector",
      ],
      [
        () => indexSelect(row, 0, tensor([0])),
        "RuntimeError: index_select(): Expected dtype int32 or int64 for index",
      ],
      [() => indexSelect(row, 0, [4]), "IndexError: index out of range in self"],
      [() => indexSelect(row, 0, [-1]), "IndexError: index out of range in self"],
      [() => indexSelect(point, 0, [1]), "IndexError: index out of range in self"],
      [
        () => indexSelect(matrix, 1, [0, 3]),
        "RuntimeError: INDICES element is out of DATA bounds, id=3 axis_dim=3",
      ],
      [
        () => indexSelect(zeros([2, 0]), 1, [0]),
        "RuntimeError: index_select(): self indexing axis dim should be positive",
      ],
      [
        () => indexSelect(zeros([2, 0]), 0, [2]),
        "RuntimeError: INDICES element is out of DATA bounds, id=2 axis_dim=2",
      ],
    ]);
    assertEquals(narrow(row, 0, 4, 0).shape, [0]);
    assertEquals(narrow(row, 0, -4, 4).tolist(), [1, 2, 3, 4]);
    assertEquals([select(row, 0, -4).item(), select(row, 0, 3).item()], [1, 4]);
    assertEquals(indexSelect(matrix, 1, whole([2, 0, 2])).tolist(), [[3, 1, 3], [6, 4, 6]]);
    assertEquals(indexSelect(matrix, 0, whole(1)).tolist(), [[4, 5, 6]]);
    const ends: [from: number, to: number | undefined, left: number[]][] = [
      [-9, 9, [1, 2, 3, 4]],
      [0, -1, [1, 2, 3]],
      [-1, undefined, [4]],
      [3, 1, []],
      [1, 2, [2]],
      [4, 4, []],
      [0, 0, []],
    ];
    for (const [from, to, left] of ends) assertEquals(slice(row, 0, from, to).tolist(), left);
  });

  fact(["ERROR-5", "TENSOR-4"], "tensors join that agree, and each gets its own gradient", () => {
    const double = zeros([2], { dtype: "float64" });
    refusals([
      [() => cat([]), "ValueError: torch.cat(): expected a non-empty list of Tensors"],
      [() => stack([]), "RuntimeError: stack expects a non-empty TensorList"],
      [
        () => cat([row, point]),
        "RuntimeError: zero-dimensional tensor (at position 1) cannot be concatenated",
      ],
      [
        () => cat([matrix, row]),
        "RuntimeError: Tensors must have same number of dimensions: got 2 and 1",
      ],
      [
        () => cat([matrix, zeros([2, 4])]),
        "RuntimeError: Sizes of tensors must match except in dimension 0. Expected size 3 but got " +
        "size 4 for tensor number 1 in the list.",
      ],
      [
        () => cat([row, double]),
        "RuntimeError: expected tensors of one dtype, but got float32 and float64 at position 1",
      ],
      [
        () => stack([zeros([2]), double]),
        "RuntimeError: expected tensors of one dtype, but got float32 and float64 at position 1",
      ],
      [
        () => stack([matrix, matrix, row]),
        "RuntimeError: stack expects each tensor to be equal size, but got [2, 3] at entry 0 and " +
        "[4] at entry 2",
      ],
    ]);
    assertEquals(cat([zeros([0]), matrix], 1).tolist(), matrix.tolist());
    assertEquals(cat([zeros([0]), zeros([0])]).shape, [0]);
    assertEquals(stack([row, row], 1).shape, [4, 2]);
    assertEquals(stack([row, row], -1).tolist(), [[1, 1], [2, 2], [3, 3], [4, 4]]);
    const [a, b] = [[2, 1], [2, 2]].map((shape) => ones(shape, { requiresGrad: true }));
    const joined = cat([a, tensor([[9], [9]]), b], 1);
    assertEquals(joined.shape, [2, 4]);
    backward(joined, tensor([[1, 2, 3, 4], [5, 6, 7, 8]]));
    assertEquals([a.grad!.tolist(), b.grad!.tolist()], [[[1], [5]], [[3, 4], [7, 8]]]);
  });

  fact(["ERROR-5", "EMBED-1", "TENSOR-7"], "rows, classes and their numbers", () => {
    const table = tensor([[0, 1], [2, 3], [4, 5]], { requiresGrad: true });
    refusals([
      [() => embedding(whole([3]), table), "IndexError: index out of range in self"],
      [() => embedding(whole([-1]), table), "IndexError: index out of range in self"],
      [() => embedding(whole([0]), row), "RuntimeError: 'weight' must be 2-D"],
      [
        () => embedding(whole([0]), table, { paddingIdx: 3 }),
        "AssertionError: Padding_idx must be within num_embeddings",
      ],
      [
        () => embedding(whole([0]), table, { paddingIdx: -4 }),
        "AssertionError: Padding_idx must be within num_embeddings",
      ],
      [
        () => embedding(row, table),
        "RuntimeError: Expected tensor for argument #1 'indices' to have one of the following " +
        "scalar types: Long, Int; but got torch.FloatTensor instead (while checking arguments for " +
        "embedding)",
      ],
      [
        () => embedding(tensor([true]), table),
        "RuntimeError: Expected tensor for argument #1 'indices' to have one of the following " +
        "scalar types: Long, Int; but got CPUBoolType instead (while checking arguments for " +
        "embedding)",
      ],
      [
        () => oneHot(row),
        "RuntimeError: one_hot is only applicable to index tensor of type LongTensor.",
      ],
      [
        () => oneHot(whole([])),
        "RuntimeError: Can not infer total number of classes from empty tensor.",
      ],
      [
        () => oneHot(whole([]), 0),
        "RuntimeError: Can not infer total number of classes from empty tensor.",
      ],
      [() => oneHot(whole([0, -1])), "RuntimeError: Class values must be non-negative."],
      [
        () => oneHot(whole([0, 2]), 2),
        "RuntimeError: Class values must be smaller than num_classes.",
      ],
      [
        () => classesOf({ shape: [2, 2], data: [1, 2, 3] }),
        "RuntimeError: shape '[2, 2]' is invalid for input of size 3",
      ],
    ]);
    assertEquals(oneHot(whole([]), 1).shape, [0, 1]);
    assertEquals(oneHot(whole([0, 2])).tolist(), [[1, 0, 0], [0, 0, 1]]);
    for (const paddingIdx of [2, -1]) {
      table.grad = null;
      backward(sum(embedding(whole([2, 0, 0]), table, { paddingIdx })));
      assertEquals(table.grad!.tolist(), [[2, 2], [0, 0], [0, 0]]);
    }
    table.grad = null;
    backward(sum(embedding(whole([2, 0, 0]), table, { paddingIdx: -3 })));
    assertEquals(table.grad!.tolist(), [[0, 0], [0, 0], [1, 1]]);
    assertEquals(classesOf([[1, 2], [3, 4]]), [[2, 2], [1, 2, 3, 4], "Long"]);
    assertEquals(classesOf(BigInt64Array.of(7n)), [[1], [7], "Long"]);
    assertEquals(classesOf({ shape: [0, 2], data: [] }), [[0, 2], [], "Long"]);
    assertEquals(classesOf([0.5]), [[1], null, "Float"]);
    assertEquals(classesOf(whole([3])), [[1], [3], "Long"]);
    assertEquals(classesOf(tensor([3])), [[1], null, "Float"]);
    assertEquals(classesOf(tensor([3], { dtype: "float64" })), [[1], null, "Double"]);
  });

  fact(["ERROR-2", "ERROR-5", "FC-1"], "products that do not fit", () => {
    const [w, double] = [zeros([2, 3]), { dtype: "float64" } as const];
    refusals([
      [() => affine(), "RuntimeError: affine expects at least one term"],
      [
        () => linear(point, w),
        "RuntimeError: both arguments to linear need to be at least 1D, but they are 0D and 2D",
      ],
      [
        () => affine([matrix, row, null]),
        "RuntimeError: both arguments to linear need to be at least 1D, but they are 2D and 1D",
      ],
      [
        () => affine([matrix, w, zeros([2], double)]),
        "RuntimeError: self and mat2 must have the same dtype, but got Double and Float",
      ],
      [
        () => affine([zeros([1, 3], double), w, zeros([2])]),
        "RuntimeError: mat1 and mat2 must have the same dtype, but got Double and Float",
      ],
      [
        () => affine([zeros([1, 3], double), w, null]),
        "RuntimeError: expected m1 and m2 to have the same dtype, but got: double != float",
      ],
      [
        () => affine([zeros([2, 5, 4]), w, null]),
        "RuntimeError: mm: mat1 and mat2 shapes cannot be multiplied (10x4 and 3x2)",
      ],
      [
        () => affine([zeros([5, 4]), w, zeros([2])]),
        "RuntimeError: addmm: mat1 and mat2 shapes cannot be multiplied (5x4 and 3x2)",
      ],
      [
        () => affine([matrix, w, zeros([3])]),
        "RuntimeError: expected a bias of shape [2], got [3]",
      ],
      [
        () => affine([matrix, w, null], [matrix, zeros([4, 3]), null]),
        "RuntimeError: expected terms of shape [2, 2] and dtype float32, but got [2, 4] and float32",
      ],
      [
        () => affine([matrix, w, null], [zeros([2, 3], double), zeros([2, 3], double), null]),
        "RuntimeError: expected terms of shape [2, 2] and dtype float32, but got [2, 2] and float64",
      ],
    ]);
  });

  fact(["GRAD-4", "GRAD-5", "GRAD-6", "ERROR-5"], "a backward pass that cannot begin", () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const changedIn = (name: string, at = 1) =>
      "RuntimeError: one of the variables needed for gradient computation has been modified by an " +
      `inplace operation: [torch.FloatTensor [2]]${name} is at version ${at}; expected version 0 ` +
      "instead. Hint: enable anomaly detection to find the operation that failed to compute its " +
      "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).";
    const after = (given: (y: Tensor) => void) => {
      const y = tanh(x);
      const total = sum(y);
      given(y);
      return told(() => backward(total));
    };
    assertEquals(after(() => {}), "");
    assertEquals(after(incrementVersion), changedIn(", which is output 0 of Tanh,"));
    assertEquals(
      after((y) => incrementVersion([y, y])),
      changedIn(", which is output 0 of Tanh,", 2),
    );
    refusals([
      [
        () => backward(sum(tensor([1]))),
        "RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn",
      ],
      [
        () => backward(tanh(x)),
        "RuntimeError: grad can be implicitly created only for scalar outputs",
      ],
      [
        () => backward(tanh(x), zeros([3])),
        "RuntimeError: Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and " +
        "output[0] has a shape of torch.Size([2]).",
      ],
      [
        () => incrementVersion([1] as unknown as Tensor[]),
        "RuntimeError: increment_version expect a Iterable[Tensor] as input",
      ],
      [
        () => tensor([1], { dtype: "int64" }).requiresGrad = true,
        "RuntimeError: only Tensors of floating point and complex dtype can require gradients",
      ],
      [
        () => tensor([1], { dtype: "int64", requiresGrad: true }),
        "RuntimeError: Only Tensors of floating point and complex dtype can require gradients",
      ],
    ]);
    const whole = tensor([1], { dtype: "int64" });
    whole.requiresGrad = false;
    assertEquals(whole.requiresGrad, false);
  });

  fact(["GRAD-1", "GRAD-3"], "a pass of many sizes gives each tensor its own zeros", () => {
    for (const size of [1, 31, 32, 33, 63, 64, 65, 2048, 4095, 4096, 4097, 9000]) {
      const x = ones([size], { requiresGrad: true });
      const parts = cat([x, x, slice(x, 0, 0, 1)]);
      backward(sum(parts));
      const wanted = Array(size).fill(2);
      wanted[0] = 3;
      assertEquals(x.grad!.tolist(), wanted);
    }
  });
});
