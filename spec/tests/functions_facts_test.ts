/** Chapters tensor and gradients: functions of each element, products and joins, at their borders. */

import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  abs,
  add,
  affine,
  backward,
  cat,
  div,
  type DType,
  exp,
  grad,
  linear,
  log,
  matmul,
  mul,
  neg,
  ones,
  relu,
  sigmoid,
  sin,
  stack,
  sub,
  tanh,
  type Tensor,
  tensor,
  to,
  zeros,
} from "../../mod.ts";
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

const asked = { requiresGrad: true } as const;
const double = { dtype: "float64" } as const;
const whole = (list: number[]) => tensor(list, { dtype: "int64" });
const mask = tensor([true, false]);

/** What a function of each element makes, and the gradient where that of the result is 1. */
function both(f: (x: Tensor) => Tensor, list: number[]): [number[], number[], string | undefined] {
  const x = tensor(list, { ...asked, ...double });
  const y = f(x);
  backward(y, ones(x.shape, double));
  return [[...y.data], [...x.grad!.data], y.gradFn?.name];
}

describe("function facts", () => {
  fact(
    ["TENSOR-5", "GRAD-1"],
    "each function has PyTorch's value and gradient at its borders",
    () => {
      const edges = [-0, NaN, 0, -2, 2];
      assertEquals(both(relu, edges), [[-0, NaN, 0, 0, 2], [0, 1, 0, 0, 1], "ReluBackward0"]);
      assertEquals(both(abs, edges), [[0, NaN, 0, 2, 2], [0, 0, 0, -1, 1], "AbsBackward0"]);
      assertEquals(both(neg, edges), [[0, NaN, -0, 2, -2], [-1, -1, -1, -1, -1], "NegBackward0"]);
      assertEquals(both(tanh, [0, Infinity]), [[0, 1], [1, 0], "TanhBackward0"]);
      assertEquals(both(sigmoid, [0, Infinity, -Infinity]), [
        [0.5, 1, 0],
        [0.25, 0, 0],
        "SigmoidBackward0",
      ]);
      assertEquals(both(sin, [0]), [[0], [1], "SinBackward0"]);
      assertEquals(both(exp, [0, 1]), [[1, Math.E], [1, Math.E], "ExpBackward0"]);
      assertEquals(both(log, [1, 4]), [[0, Math.log(4)], [1, 0.25], "LogBackward0"]);
      const half = Math.atanh(0.5);
      const [[y], [dx]] = both(tanh, [half]);
      assertEquals([y, dx].map(Math.fround), [0.5, 0.75]);
    },
  );

  fact(["TENSOR-7", "ERROR-5"], "functions keep whole numbers, or make fractions of them", () => {
    const advice = "If you are trying to invert a mask, use the `~` or `logical_not()` operator " +
      "instead.";
    refusals([
      [() => relu(mask), "NotImplementedError: Boolean inputs not supported for relu"],
      [() => abs(mask), "NotImplementedError: \"abs_cpu\" not implemented for 'Bool'"],
      [
        () => neg(mask),
        "NotImplementedError: Negation, the `-` operator, on a bool tensor is not supported. " +
        advice,
      ],
    ]);
    for (const [f, wanted] of [[relu, [0, 0]], [abs, [0, 2]], [neg, [0, 2]]] as const) {
      const y = f(whole([0, -2]));
      assertEquals([y.dtype, [...y.data]], ["int64", wanted as unknown as number[]]);
    }
    for (const f of [sin, exp, log, tanh, sigmoid]) {
      assertEquals([f(whole([1])).dtype, f(mask).dtype], ["float32", "float32"]);
      assertEquals(f(tensor([1], double)).dtype, "float64");
    }
    assertEquals(exp(mask).data[1], 1);
    const x = tensor([1.5], asked);
    assertStrictEquals(to(x, "float32"), x);
    assertEquals([to(x, "float64").gradFn?.name, to(x, "int64").gradFn], ["ToCopyBackward0", null]);
    assertEquals(to(x, "bool").requiresGrad, false);
    assertEquals(to(tensor([-1.5, 0.5]), "int64").tolist(), [-1, 0]);
    assertEquals(to(tensor([0.5, 0, NaN]), "bool").tolist<boolean[]>(), [true, false, true]);
  });

  fact(["TENSOR-8"], "the dtype of each two operands", () => {
    const letters = { bool: "b", int64: "i", float32: "f", float64: "d" };
    const all = (Object.keys(letters) as DType[]).flatMap((dtype) => [
      ones([2], { dtype }),
      ones([], { dtype }),
    ]);
    const rows = all.map((a) =>
      [...all, 2, 2.5].map((b) => letters[mul(a, b as Tensor).dtype]).join("")
    );
    assertEquals(rows, [
      "bbiiffddif",
      "bbiiffddif",
      "iiiiffddif",
      "iiiiffddif",
      "ffffffdfff",
      "ffffffddff",
      "dddddddddd",
      "ddddfddddd",
    ]);
  });

  fact(["TENSOR-8", "ERROR-5", "ERROR-8"], "numbers and masks as operands", () => {
    const advice = "If you are trying to invert a mask, use the `~` or `logical_not()` operator " +
      "instead.";
    const minus = "NotImplementedError: Subtraction, the `-` operator, with ";
    const one = `${minus}a bool tensor is not supported. ${advice}`;
    refusals([
      [
        () => sub(mask, mask),
        `${minus}two bool tensors is not supported. Use the \`^\` or \`logical_xor()\` operator ` +
        "instead.",
      ],
      [() => sub(mask, 1), one],
      [() => sub(1, mask), one],
      [() => sub(whole([1, 2]), mask), one],
    ]);
    const text = (run: () => unknown) => told(run).replace(/;[^]*/, "");
    for (const [name, f] of Object.entries({ add, mul, div })) {
      assertEquals(
        text(() => f(1 as unknown as Tensor, ones([1]))),
        `TypeError: ${name}(): argument 'input' (position 1) must be Tensor, not int`,
      );
    }
    assertEquals(
      text(() => sub(1, 2 as unknown as Tensor)),
      "TypeError: sub(): argument 'input' (position 1) must be Tensor, not int",
    );
    assertEquals(
      text(() => sub(ones([1]), "1" as unknown as Tensor)),
      "TypeError: sub(): argument 'other' (position 2) must be Tensor, not str",
    );
    const sums: [Tensor, DType, unknown][] = [
      [add(mask, mask), "bool", [true, false]],
      [mul(mask, mask), "bool", [true, false]],
      [add(mask, 1), "int64", [2, 1]],
      [add(mask, 1.5), "float32", [2.5, 1.5]],
      [div(mask, ones([1])), "float32", [1, 0]],
      [div(whole([1, 3]), 2), "float32", [0.5, 1.5]],
      [mul(whole([-1, 0]), whole([0, -1])), "int64", [0, 0]],
      [sub(1, whole([1, 3])), "int64", [0, -2]],
    ];
    for (const [y, dtype, list] of sums) {
      assertEquals([y.dtype, y.tolist()], [dtype, list as number[]]);
    }
  });

  fact(["TENSOR-8", "GRAD-1"], "arithmetic of two numbers, with its node and its gradients", () => {
    const [x, y] = [tensor([6], asked), tensor([4], asked)];
    const of = (made: Tensor) => {
      const grads = grad([made], [x, y], [tensor([3])], { allowUnused: true });
      return [made.gradFn!.name, made.item(), ...grads.map((one) => one?.item())];
    };
    assertEquals(of(add(x, y)), ["AddBackward0", 10, 3, 3]);
    assertEquals(of(sub(x, y)), ["SubBackward0", 2, 3, -3]);
    assertEquals(of(mul(x, y)), ["MulBackward0", 24, 12, 18]);
    assertEquals(of(div(x, y)), ["DivBackward0", 1.5, 0.75, -1.125]);
    assertEquals(of(sub(1, y)), ["RsubBackward1", -3, undefined, -3]);
    assertEquals(of(sub(x, 1)), ["SubBackward0", 5, 3, undefined]);
    assertEquals(of(mul(x, tensor([5]))), ["MulBackward0", 30, 15, undefined]);
    assertEquals(of(div(tensor([8]), y)), ["DivBackward0", 2, undefined, -1.5]);
  });

  fact(
    ["TENSOR-11", "ERROR-5", "GRAD-1"],
    "each two ranks have their product, node and refusals",
    () => {
      const mm = (a: string) => `mm: mat1 and mat2 shapes cannot be multiplied (${a} and 2x4)`;
      const mv = (n: number) => `size mismatch, got input (${n}), mat (${n}x3), vec (2)`;
      const bmm = (n: number) =>
        "Expected size for first two dimensions of batch2 tensor to be: " +
        `[${n}, 3] but got: [${n}, 2].`;
      const dots = "inconsistent tensor size, expected tensor [3] and src [2] to have the same " +
        "number of elements, but got 3 and 2 elements respectively";
      const [view, m1m2] = [
        "UnsafeView",
        "expected m1 and m2 to have the same dtype, but got: " +
        "float != double",
      ];
      const vector =
        "addmv input tensors must have the same dtype, but got Double, Float, and Double";
      const scalar = "expected scalar type Float but found Double";
      const dot = "dot : expected both vectors to have same dtype, but found Float and Double";
      const rows: [number[], number[], string, number[], string, string, string][] = [
        [[3], [2], dots, [], "Dot", dot, "dot"],
        [[3], [2, 4], mm("1x3"), [4], "Squeeze", m1m2, "addmm_impl_cpu_"],
        [[5, 3], [2], mv(5), [5], "Mv", vector, "addmv_impl_cpu"],
        [[5, 3], [2, 4], mm("5x3"), [5, 4], "Mm", m1m2, "addmm_impl_cpu_"],
        [[7, 5, 3], [2], mv(35), [7, 5], view, vector, "addmv_impl_cpu"],
        [[7, 5, 3], [2, 4], mm("35x3"), [7, 5, 4], view, m1m2, "addmm_impl_cpu_"],
        [[6, 7, 5, 3], [2], mv(210), [6, 7, 5], view, vector, "addmv_impl_cpu"],
        [[6, 7, 5, 3], [2, 4], mm("210x3"), [6, 7, 5, 4], view, m1m2, "addmm_impl_cpu_"],
        [[3], [7, 2, 4], bmm(7), [7, 4], view, scalar, "bmm"],
        [[7, 5, 3], [7, 2, 4], bmm(7), [7, 5, 4], view, scalar, "bmm"],
        [[6, 7, 5, 3], [7, 2, 4], bmm(42), [6, 7, 5, 4], view, scalar, "bmm"],
      ];
      for (const [a, b, message, shape, node, mixed, kernel] of rows) {
        assertEquals(told(() => matmul(zeros(a), zeros(b))), `RuntimeError: ${message}`);
        const fits = b.with(Math.max(0, b.length - 2), 3);
        const made = matmul(ones(a, asked), ones(fits, asked));
        assertEquals(made.shape, shape);
        assertEquals(made.data.every((value) => value === 3), true);
        assertEquals(made.gradFn!.name, `${node}Backward${node === "Squeeze" ? 4 : 0}`);
        assertEquals(
          told(() => matmul(zeros(a), zeros(fits, double))),
          `RuntimeError: ${mixed}`,
        );
        assertEquals(
          told(() => matmul(zeros(a, { dtype: "bool" }), zeros(fits, { dtype: "bool" }))),
          `NotImplementedError: "${kernel}" not implemented for 'Bool'`,
        );
      }
      const ranks = "RuntimeError: both arguments to matmul need to be at least 1D, but they are ";
      refusals([
        [() => matmul(zeros([]), zeros([3])), `${ranks}0D and 1D`],
        [() => matmul(zeros([3, 3]), zeros([])), `${ranks}2D and 0D`],
        [
          () => matmul(zeros([6, 5, 3]), zeros([7, 3, 4])),
          "RuntimeError: The size of tensor a (6) must match the size of tensor b (7) at " +
          "non-singleton dimension 0",
        ],
      ]);
    },
  );

  fact(["TENSOR-11", "GRAD-1"], "a product and the gradients of both", () => {
    const a = tensor([[1, 2, 3], [4, 5, 6]], asked);
    const b = tensor([[1, 0], [2, 1], [0, 3]], asked);
    const y = matmul(a, b);
    assertEquals(y.tolist(), [[5, 11], [14, 23]]);
    const [da, db] = grad([y], [a, b], [tensor([[1, 10], [100, 1000]])]) as Tensor[];
    assertEquals(da.tolist(), [[1, 12, 30], [100, 1200, 3000]]);
    assertEquals(db.tolist(), [[401, 4010], [502, 5020], [603, 6030]]);
    const row = tensor([1, 2, 3], asked);
    const dot = matmul(row, row);
    assertEquals([dot.item(), grad([dot], [row])[0]!.tolist()], [14, [2, 4, 6]]);
  });

  fact(["TENSOR-4", "ERROR-5", "GRAD-1"], "joins put each part in its place", () => {
    const [a, b] = [tensor([[1, 2]], asked), tensor([[3, 4]])];
    const beside = cat([b, a, zeros([1, 0])], -1);
    assertEquals([beside.tolist(), beside.gradFn?.name], [[[3, 4, 1, 2]], "CatBackward0"]);
    assertEquals(grad([beside], [a], [tensor([[1, 2, 3, 4]])])[0]!.tolist(), [[3, 4]]);
    const between = stack([a, b], 1);
    assertEquals([between.tolist(), between.shape], [[[[1, 2], [3, 4]]], [1, 2, 2]]);
    assertEquals(between.gradFn?.name, "StackBackward0");
    assertEquals(grad([between], [a], [tensor([[[1, 2], [3, 4]]])])[0]!.tolist(), [[1, 2]]);
    assertEquals(stack([a, b], 2).tolist(), [[[1, 3], [2, 4]]]);
    const range = "IndexError: Dimension out of range (expected to be in range of ";
    const [u, v] = [zeros([2]), zeros([2])];
    refusals([
      [() => stack([u, v], 2), `${range}[-2, 1], but got 2)`],
      [() => stack([u, v], -3), `${range}[-2, 1], but got -3)`],
      [() => cat([u, v], 1), `${range}[-1, 0], but got 1)`],
      [
        () => cat([zeros([2, 3]), zeros([2, 3]), zeros([1, 3])], 1),
        "RuntimeError: Sizes of tensors must match except in dimension 1. Expected size 2 but got " +
        "size 1 for tensor number 2 in the list.",
      ],
      [
        () => cat([zeros([]), zeros([1])]),
        "RuntimeError: zero-dimensional tensor (at position 0) cannot be concatenated",
      ],
      [
        () => cat([u, 1 as unknown as Tensor]),
        "TypeError: expected Tensor as element 1 in argument 0, but got int",
      ],
      [
        () => stack([u, [1] as unknown as Tensor]),
        "TypeError: expected Tensor as element 1 in argument 0, but got list",
      ],
    ]);
    const [wide, thin] = [tensor([[1, 2], [3, 4]], asked), tensor([[5], [6]])];
    const rows = cat([zeros([0]), thin, wide], 1);
    assertEquals(rows.tolist(), [[5, 1, 2], [6, 3, 4]]);
    const dy = tensor([[1, 2, 3], [4, 5, 6]]);
    assertEquals(grad([rows], [wide], [dy])[0]!.tolist(), [[2, 3], [5, 6]]);
    assertEquals([cat([zeros([0]), zeros([0])]).shape, cat([zeros([1]), zeros([0])]).shape], [
      [0],
      [1],
    ]);
    assertEquals(cat([zeros([2, 0]), zeros([2, 1])], 1).shape, [2, 1]);
    assertEquals(cat([whole([1]), whole([2])]).dtype, "int64");
    assertEquals(stack([mask, mask]).dtype, "bool");
  });

  fact(["FC-1", "TENSOR-11", "GRAD-1"], "an affine map and the gradients of its three", () => {
    const x = tensor([[[1, 2]], [[3, 4]]], asked);
    const [w, b] = [tensor([[5, 6], [7, 8], [9, 10]], asked), tensor([1, 2, 3], asked)];
    const y = linear(x, w, b);
    assertEquals(y.tolist(), [[[18, 25, 32]], [[40, 55, 70]]]);
    const dy = tensor([[[1, 10, 100]], [[2, 20, 200]]]);
    const grads = grad([y], [x, w, b], [dy]) as Tensor[];
    assertEquals(grads.map((one) => one.tolist()), [
      [[[975, 1086]], [[1950, 2172]]],
      [[7, 10], [70, 100], [700, 1000]],
      [3, 30, 300],
    ]);
    const two = affine([x, w, null], [tensor([[[1]], [[2]]]), ones([3, 1]), b]);
    assertEquals(two.tolist(), [[[19, 26, 33]], [[42, 57, 72]]]);
    assertEquals([two.gradFn?.name, y.gradFn?.name], ["AddBackward0", "UnsafeViewBackward0"]);
    const [dw, db] = grad([two], [w, b], [dy]) as Tensor[];
    assertEquals([dw.tolist(), db.tolist()], [grads[1].tolist(), [3, 30, 300]]);
    const flat = zeros([1, 2]);
    assertEquals(
      [linear(flat, w).gradFn?.name, linear(flat, w, b).gradFn?.name],
      ["MmBackward0", "AddmmBackward0"],
    );
    const mixed = "and dtype float32, but got ";
    refusals([
      [
        () => affine([x, w, null], [zeros([1, 2]), w, null]),
        `RuntimeError: expected terms of shape [2, 1, 3] ${mixed}[1, 3] and float32`,
      ],
      [
        () => affine([flat, w, null], [zeros([1, 2], double), zeros([3, 2], double), null]),
        `RuntimeError: expected terms of shape [1, 3] ${mixed}[1, 3] and float64`,
      ],
      [
        () => linear(flat, ones([3, 2, 1])),
        "RuntimeError: both arguments to linear need to be at least 1D, but they are 2D and 3D",
      ],
    ]);
    const list = "must be list of an input, a weight, and a bias or null, not list";
    const terms = [[x, w], [x, w, b, b], [x, w, 1], [1, w, b], [x, 1, b]] as unknown as never[];
    for (const one of terms) {
      assertEquals(
        told(() => affine(one)).replace(/;[^]*/, ""),
        `TypeError: affine(): argument 'term' (position 1) ${list}`,
      );
    }
  });
});
