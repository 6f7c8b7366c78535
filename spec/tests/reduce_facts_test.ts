/** Chapters tensor, around and gradients: what makes few numbers of many, at its borders. */

import { assertEquals } from "@std/assert";
import {
  argmax,
  backward,
  type DType,
  grad,
  logSoftmax,
  max,
  mean,
  mul,
  ones,
  softmax,
  sum,
  type Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { layerNorm } from "../../lib/autograd/layer_norm.ts";
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
const rounded = (x: Tensor) => [...x.data].map((value) => Number(value.toFixed(12)) + 0);

describe("reduction facts", () => {
  fact(["TENSOR-9", "GRAD-1", "ERROR-5"], "sums and means", () => {
    const x = tensor([[1, 2], [3, 4], [5, 6]], asked);
    const of = (made: Tensor) => {
      const dy = tensor(made.dim() === 0 ? 6 : made.shape.length === 1 ? [6, 12, 18] : [[6, 12]]);
      const [dx] = grad([made], [x], [dy]);
      return [made.gradFn!.name, made.tolist(), dx!.tolist()];
    };
    const all = (value: number) => Array.from({ length: 3 }, () => [value, value]);
    assertEquals(of(sum(x)), ["SumBackward0", 21, all(6)]);
    assertEquals(of(mean(x)), ["MeanBackward0", 3.5, all(1)]);
    assertEquals(of(sum(x, [])), ["SumBackward1", 21, all(6)]);
    assertEquals(of(sum(x, [0, 1])), ["SumBackward1", 21, all(6)]);
    assertEquals(of(sum(x, 1)), ["SumBackward1", [3, 7, 11], [[6, 6], [12, 12], [18, 18]]]);
    assertEquals(of(mean(x, -1)), ["MeanBackward1", [1.5, 3.5, 5.5], [[3, 3], [6, 6], [9, 9]]]);
    const columns = [[6, 12], [6, 12], [6, 12]];
    assertEquals(of(sum(x, 0, { keepdim: true })), ["SumBackward1", [[9, 12]], columns]);
    const thirds = columns.map((row) => row.map((value) => value / 3));
    assertEquals(of(mean(x, 0, { keepdim: true })), ["MeanBackward1", [[3, 4]], thirds]);
    assertEquals([sum(tensor(3), 0).item(), mean(tensor(3), -1).item()], [3, 3]);
    assertEquals([sum(mask).dtype, sum(mask).item(), sum(whole([1, 2]), 0).item()], [
      "int64",
      1,
      3,
    ]);
    assertEquals(sum(tensor([[true], [true]]), 0).tolist(), [2]);
    assertEquals([mean(zeros([0])).item(), sum(zeros([0])).item()], [NaN, 0]);
    assertEquals([mean(zeros([2, 0]), 1).tolist(), sum(zeros([2, 0]), 1).tolist()], [
      [NaN, NaN],
      [0, 0],
    ]);
    assertEquals(sum(tensor([[1], [2]]), 1).tolist(), [1, 2]);
    const kind = "NotImplementedError: mean(): could not infer output dtype. Input dtype must be " +
      "either a floating point or complex dtype. Got: ";
    const range = "IndexError: Dimension out of range (expected to be in range of ";
    refusals([
      [() => mean(whole([1])), `${kind}Long`],
      [() => mean(mask), `${kind}Bool`],
      [() => sum(x, [1, -1]), "RuntimeError: dim 1 appears multiple times in the list of dims"],
      [() => sum(x, 2), `${range}[-2, 1], but got 2)`],
      [() => mean(tensor(1), -2), `${range}[-1, 0], but got -2)`],
    ]);
    const text = (run: () => unknown) => told(run).replace(/;[^]*/, "");
    assertEquals(
      text(() => sum(x, "0" as unknown as number)),
      "TypeError: sum(): argument 'dim' (position 2) must be tuple of ints, not str",
    );
  });

  fact(["TENSOR-9", "GRAD-1", "ERROR-5"], "the largest, the first and the shared", () => {
    const cases: [number[], number, number[]][] = [
      [[1, 3, 3], 1, [0, 0.5, 0.5]],
      [[1, NaN, NaN, 5], 1, [0, 0.5, 0.5, 0]],
      [[2, 1, 2], 0, [0.5, 0, 0.5]],
      [[-Infinity, -Infinity], 0, [0.5, 0.5]],
      [[5, NaN], 1, [0, 1]],
    ];
    for (const [list, at, shared] of cases) {
      const x = tensor(list, asked);
      const [best, [values, indices]] = [max(x), max(x, 0)];
      assertEquals([best.item(), values.item()], [list[at], list[at]]);
      assertEquals([argmax(x).item(), argmax(x, 0).item(), indices.item()], [at, at, at]);
      assertEquals([best.gradFn?.name, values.gradFn?.name, indices.gradFn], [
        "MaxBackward1",
        "MaxBackward0",
        null,
      ]);
      assertEquals(grad([best], [x])[0]!.tolist(), shared);
      assertEquals(grad([values], [x])[0]!.tolist(), list.map((_, k) => Number(k === at)));
    }
    const cube = tensor([[[1, 9], [8, 2]], [[7, 3], [4, 6]]], asked);
    const [middle, places] = max(cube, 1);
    assertEquals([middle.tolist(), places.tolist()], [[[8, 9], [7, 6]], [[1, 0], [0, 1]]]);
    backward(middle, tensor([[1, 2], [3, 4]]));
    assertEquals(cube.grad!.tolist(), [[[0, 2], [1, 0]], [[3, 0], [0, 4]]]);
    assertEquals(argmax(cube, 0).tolist(), [[1, 0], [0, 1]]);
    assertEquals([argmax(cube).item(), argmax(cube, -1).tolist()], [1, [[1, 0], [0, 1]]]);
    assertEquals(argmax(cube, undefined, { keepdim: true }).shape, [1, 1, 1]);
    assertEquals([max(tensor(5)).item(), argmax(tensor(5), 0).item()], [5, 0]);
    assertEquals(max(tensor(5), -1).map((one) => one.tolist()), [5, 0]);
    assertEquals([max(mask).item(), max(mask).dtype, max(whole([-2, -1])).dtype], [
      true,
      "bool",
      "int64",
    ]);
    assertEquals(max(zeros([2, 0]), 0).map((one) => [one.shape, one.dtype]), [
      [[0], "float32"],
      [[0], "int64"],
    ]);
    const dim = (name: string, k: number) =>
      `IndexError: ${name}(): Expected reduction dim ${k} to have non-zero size.`;
    const none = (name: string) =>
      `${name}(): Expected reduction dim to be specified for input.numel() == 0.`;
    refusals([
      [
        () => max(zeros([0])),
        `RuntimeError: ${none("max")} Specify the reduction dim with the 'dim' argument.`,
      ],
      [() => argmax(zeros([2, 0])), `IndexError: ${none("argmax")}`],
      [() => max(zeros([2, 0]), 1), dim("max", 1)],
      [() => argmax(zeros([2, 0]), -1), dim("argmax", 1)],
      [() => argmax(mask), "NotImplementedError: argmax(): does not support bool input"],
    ]);
  });

  fact(["TENSOR-10", "GRAD-1", "ERROR-5"], "shares of 1 and 3, in each dimension", () => {
    const ln3 = Math.log(3);
    const x = tensor([[0, 0], [ln3, 0]], { ...asked, ...double });
    const down = softmax(x, 0);
    assertEquals([rounded(down), down.gradFn?.name], [[0.25, 0.5, 0.75, 0.5], "SoftmaxBackward0"]);
    assertEquals(rounded(softmax(x, -1)), [0.5, 0.5, 0.75, 0.25]);
    const dy = tensor([[1, 2], [0, 4]], double);
    // y (dy - Σ y dy): the sums are 0.25 and 3
    const wanted = [0.1875, -0.5, -0.1875, 0.5];
    assertEquals(rounded(grad([down], [x], [dy])[0]!), wanted);
    const logs = logSoftmax(x, 0);
    assertEquals(logs.gradFn?.name, "LogSoftmaxBackward0");
    assertEquals(
      rounded(logs),
      [-2 * Math.LN2, -Math.LN2, ln3 - 2 * Math.LN2, -Math.LN2]
        .map((value) => Number(value.toFixed(12))),
    );
    // dy - exp(y) Σ dy: the sums are 1 and 6
    assertEquals(rounded(grad([logs], [x], [dy])[0]!), [0.75, -1, -0.75, 1]);
    const large = tensor([1000, 1000], double);
    assertEquals(rounded(softmax(large, 0)), [0.5, 0.5]);
    assertEquals([softmax(tensor(7), 0).item(), logSoftmax(tensor(7), -1).item()], [1, 0]);
    assertEquals([softmax(zeros([2, 0]), 1).shape, logSoftmax(zeros([0, 2]), 1).shape], [
      [2, 0],
      [0, 2],
    ]);
    const made = (kernel: string, type: string) =>
      `NotImplementedError: "${kernel}_impl" not implemented for '${type}'`;
    const table = ones([2, 2], { dtype: "int64" });
    refusals([
      [() => softmax(table, 1), made("softmax_lastdim_kernel", "Long")],
      [() => softmax(table, -1), made("softmax_lastdim_kernel", "Long")],
      [() => softmax(table, 0), made("softmax_kernel", "Long")],
      [() => softmax(tensor(true), 0), made("softmax_lastdim_kernel", "Bool")],
      [() => logSoftmax(mask, 0), made("log_softmax_lastdim_kernel", "Bool")],
      [() => logSoftmax(table, 0), made("log_softmax_kernel", "Long")],
    ]);
  });

  fact(["NORM-1", "NORM-2", "ERROR-5"], "normalized_shape and dtypes that do not fit", () => {
    const given = (sizes: string, extents: string, size: string) =>
      `RuntimeError: Given normalized_shape=${sizes}, expected input with shape [*, ${extents}], ` +
      `but got input of size${size}`;
    const x = zeros([2, 3]);
    refusals([
      [
        () => layerNorm(x, [], null, null, 0),
        "RuntimeError: Expected normalized_shape to be at least 1-dimensional, i.e., containing " +
        "at least one element, but got normalized_shape = []",
      ],
      [() => layerNorm(x, [2], null, null, 0), given("[2]", "2", "[2, 3]")],
      [
        () => layerNorm(zeros([2, 3, 4]), [2, 4], null, null, 0),
        given("[2, 4]", "2, 4", "[2, 3, 4]"),
      ],
      [() => layerNorm(zeros([3]), [1, 3], null, null, 0), given("[1, 3]", "1, 3", "[3]")],
      [
        () => layerNorm(whole([1, 2, 3]), [3], null, null, 0),
        "NotImplementedError: \"LayerNormKernelImpl\" not implemented for 'Long'",
      ],
    ]);
    // As PyTorch 2.15 answers: input, weight, bias.
    const [same, float] = [
      "RuntimeError: mixed dtype (CPU): all inputs must share same datatype.",
      "RuntimeError: mixed dtype (CPU): expect parameter to have scalar type of Float",
    ];
    const found = (wanted: string, other: string) =>
      `RuntimeError: expected scalar type ${wanted} but found ${other}`;
    const dtypes: Record<string, DType> = { f: "float32", d: "float64" };
    const answers: Record<string, string> = {
      "fnn": "",
      "fnf": "",
      "fnd": float,
      "ffn": "",
      "fff": "",
      "ffd": found("Float", "Double"),
      "fdn": float,
      "fdf": float,
      "fdd": float,
      "dnn": "",
      "dnf": same,
      "dnd": "",
      "dfn": same,
      "dff": same,
      "dfd": float,
      "ddn": "",
      "ddf": found("Double", "Float"),
      "ddd": "",
    };
    for (const [letters, answer] of Object.entries(answers)) {
      const [one, weight, bias] = [...letters].map((letter) =>
        letter === "n" ? null : ones([3], { dtype: dtypes[letter] })
      );
      assertEquals(told(() => layerNorm(one!, [3], weight, bias, 1)), answer, letters);
    }
  });

  fact(["NORM-1", "NORM-2", "GRAD-1"], "two rows of two, with weight, bias and eps", () => {
    const x = tensor([[1, 3], [2, 10]], { ...asked, ...double });
    const w = tensor([2, 3], { ...asked, ...double });
    const b = tensor([10, 20], { ...asked, ...double });
    const dy = tensor([[1, 2], [3, 5]], double);
    const y = layerNorm(x, [2], w, b, 3);
    assertEquals(y.gradFn?.name, "NativeLayerNormBackward0");
    const z = 4 / Math.sqrt(19); // the second row is 4 around its mean, with variance 16
    const near = (list: number[]) => list.map((value) => Number(value.toFixed(12)) + 0);
    assertEquals(rounded(y), near([9, 21.5, 10 - 2 * z, 20 + 3 * z]));
    const [dx, dw, db] = grad([y], [x, w, b], [dy]) as Tensor[];
    assertEquals(rounded(dx), near([-0.75, 0.75, -0.16300591617118876, 0.16300591617118876]));
    assertEquals([rounded(dw), db.tolist()], [near([-0.5 - 3 * z, 1 + 5 * z]), [4, 7]]);
    const only = layerNorm(x, [2], null, b, 3);
    assertEquals(grad([only], [b], [dy])[0]!.tolist(), [4, 7]);
    assertEquals(rounded(only), near([9.5, 20.5, 10 - z, 20 + z]));
    const scaled = layerNorm(x, [2], w, null, 3);
    assertEquals(rounded(grad([scaled], [w], [dy])[0]!), near([-0.5 - 3 * z, 1 + 5 * z]));
    const plain = layerNorm(x, [2, 2], null, null, 0);
    const root = Math.sqrt(12.5); // mean 4, variance (9 + 1 + 4 + 36) / 4
    assertEquals(rounded(plain), near([-3, -1, -2, 6].map((value) => value / root)));
    assertEquals(
      rounded(grad([plain], [x], [dy])[0]!),
      near([
        -0.17253405460951765,
        -0.10465180361560905,
        0.28567113959936513,
        -0.008485281374238707,
      ]),
    );
    const fixed = layerNorm(ones([1, 2], double), [2], w, b, 1);
    assertEquals(grad([fixed], [b], [tensor([[1, 2]], double)])[0]!.tolist(), [1, 2]);
    assertEquals(layerNorm(zeros([2, 0]), [0], null, null, 1).shape, [2, 0]);
    assertEquals(mul(layerNorm(ones([3]), [3], null, null, 1), 1).tolist(), [0, 0, 0]);
  });
});
