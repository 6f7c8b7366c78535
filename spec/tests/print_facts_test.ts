/** Chapter print: texts that PyTorch and Python wrote, where one style or line ends and another begins. */

import { assertEquals } from "@std/assert";
import {
  type DType,
  formatExponential,
  formatFixed,
  formatSize,
  formatTensor,
  Tensor,
  tensor,
  zeros,
} from "../../mod.ts";
import { formatIntegers } from "../../lib/tensor/format.ts";
import { describe, fact, readablePath } from "./law.ts";

/** The class and the message of what a call throws; nothing if it returns. */
function told(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
  return "";
}

/** The text of numbers from 0 up, in a shape. */
function counted(...shape: number[]): string {
  const x = zeros(shape);
  x.data.forEach((_, k) => x.data[k] = k);
  return String(x);
}

describe("printed facts", () => {
  fact(["PRINT-1"], "numbers with fixed decimals are Python's", () => {
    const rows: [number, string, string, string, string][] = [
      [0.5, "0.5000", "0", "0.5", "0.50"],
      [1.5, "1.5000", "2", "1.5", "1.50"],
      [2.5, "2.5000", "2", "2.5", "2.50"],
      [-0, "-0.0000", "-0", "-0.0", "-0.00"],
      [0, "0.0000", "0", "0.0", "0.00"],
      [5e-05, "0.0001", "0", "0.0", "0.00"],
      [0.00015, "0.0001", "0", "0.0", "0.00"],
      [9.99995, "10.0000", "10", "10.0", "10.00"],
      [99999.5, "99999.5000", "100000", "99999.5", "99999.50"],
      [1e-07, "0.0000", "0", "0.0", "0.00"],
      [5e-324, "0.0000", "0", "0.0", "0.00"],
      [-1234.5678, "-1234.5678", "-1235", "-1234.6", "-1234.57"],
      [0.1, "0.1000", "0", "0.1", "0.10"],
      [123456789.125, "123456789.1250", "123456789", "123456789.1", "123456789.12"],
      [NaN, "nan", "nan", "nan", "nan"],
      [-Infinity, "-inf", "-inf", "-inf", "-inf"],
    ];
    for (const [x, four, none, one, two] of rows) {
      assertEquals([4, 0, 1, 2].map((digits) => formatFixed(x, digits)), [four, none, one, two]);
    }
    assertEquals(formatFixed(1e22, 1), "10000000000000000000000.0");
  }, readablePath);

  fact(["PRINT-1"], "numbers with an exponent are Python's", () => {
    const rows: [number, string, string, string][] = [
      [0.5, "5.0000e-01", "5e-01", "5.0e-01"],
      [1.5, "1.5000e+00", "2e+00", "1.5e+00"],
      [2.5, "2.5000e+00", "2e+00", "2.5e+00"],
      [-0, "-0.0000e+00", "-0e+00", "-0.0e+00"],
      [0, "0.0000e+00", "0e+00", "0.0e+00"],
      [9.99995, "1.0000e+01", "1e+01", "1.0e+01"],
      [99999.5, "1.0000e+05", "1e+05", "1.0e+05"],
      [1e22, "1.0000e+22", "1e+22", "1.0e+22"],
      [5e-324, "4.9407e-324", "5e-324", "4.9e-324"],
      [-1234.5678, "-1.2346e+03", "-1e+03", "-1.2e+03"],
      [123456789.125, "1.2346e+08", "1e+08", "1.2e+08"],
      [1.7976931348623157e308, "1.7977e+308", "2e+308", "1.8e+308"],
      [NaN, "nan", "nan", "nan"],
      [Infinity, "inf", "inf", "inf"],
    ];
    for (const [x, ...texts] of rows) {
      assertEquals([4, 0, 1].map((digits) => formatExponential(x, digits)), texts);
    }
  }, readablePath);

  fact(["PRINT-1", "ERROR-5"], "decimals are counted in whole numbers from 0", () => {
    for (const write of [formatFixed, formatExponential]) {
      for (const digits of [-1, 0.5, -0.5, NaN, Infinity]) {
        const wanted = `RangeError: digits must be a whole number from 0, but is ${digits}`;
        assertEquals(told(() => write(1, digits)), wanted);
        assertEquals(told(() => write(NaN, digits)), wanted);
      }
      assertEquals(told(() => write(1, 0)), "");
    }
    const text = (run: () => unknown) => told(run).replace(/;[^]*/, "");
    assertEquals(
      text(() => formatTensor(null as never)),
      "TypeError: format_tensor(): argument 'values' (position 1) must be Tensor, not NoneType",
    );
    assertEquals(
      text(() => formatTensor({ data: [1] } as never)),
      "TypeError: format_tensor(): argument 'values' (position 1) must be Tensor, not dict",
    );
    assertEquals(
      text(() => formatTensor(zeros([1]), { gradFn: 1 as never })),
      "TypeError: format_tensor(): argument 'grad_fn' must be str, not int",
    );
    assertEquals(formatTensor(zeros([1]), { gradFn: null }), "tensor([0.])");
    assertEquals([formatSize([]), formatSize([2, 3])], ["torch.Size([])", "torch.Size([2, 3])"]);
    assertEquals(formatIntegers([12, 5, 1]), "tensor([12,  5,  1])");
  }, readablePath);

  fact(["PRINT-1"], "one style holds up to its border", () => {
    const rows: [number[], string, DType?][] = [
      [[1.5, 1500], "[   1.5000, 1500.0000]"],
      [[1.5, 1501], "[1.5000e+00, 1.5010e+03]"],
      [[1e8], "[100000000.]"],
      [[1e8 + 8], "[1.0000e+08]"],
      [[1e8 + 1], "[1.0000e+08], dtype=torch.float64", "float64"],
      [[0.0001], "[0.0001], dtype=torch.float64", "float64"],
      [[9.9e-5], "[9.9000e-05], dtype=torch.float64", "float64"],
      [[0.0001], "[1.0000e-04]"],
      [[0, Infinity], "[0., inf]"],
      [[NaN, 0], "[nan, 0.]"],
      [[NaN, 1.5], "[   nan, 1.5000]"],
      [[-Infinity, 1], "[-inf, 1.]"],
      [[NaN, 1e9], "[       nan, 1.0000e+09]"],
      [[1, 0], "[ True, False]", "bool"],
      [[100, -1], "[100,  -1]", "int64"],
      [[1000000, 1], "[1000000,       1]", "int64"],
      [[0, 0.5], "[0.0000, 0.5000]"],
      [[1, 1000], "[   1., 1000.]"],
      [[1, 1001], "[1.0000e+00, 1.0010e+03]"],
    ];
    for (const [list, text, dtype] of rows) {
      assertEquals(String(tensor(list, { dtype })), `tensor(${text})`);
    }
    assertEquals(String(tensor(-3, { dtype: "int64" })), "tensor(-3)");
    assertEquals(String(tensor(true)), "tensor(True)");
  }, readablePath);

  fact(["PRINT-4"], "what is empty shows what else it is", () => {
    const shown = (shape: number[], dtype: DType) => String(zeros(shape, { dtype }));
    assertEquals(shown([0], "int64"), "tensor([], dtype=torch.int64)");
    assertEquals(shown([2, 0], "int64"), "tensor([], size=(2, 0), dtype=torch.int64)");
    assertEquals(shown([0], "bool"), "tensor([], dtype=torch.bool)");
    assertEquals(shown([2, 0], "float64"), "tensor([], size=(2, 0), dtype=torch.float64)");
    assertEquals(shown([0], "float64"), "tensor([], dtype=torch.float64)");
    assertEquals(shown([2, 0], "float32"), "tensor([], size=(2, 0))");
    assertEquals(shown([1], "bool"), "tensor([False])");
  }, readablePath);

  fact(["PRINT-2"], "lines are as long as PyTorch makes them", () => {
    const zeros24 = Array(24).fill("0.").join(", ");
    assertEquals(String(zeros([24])), `tensor([${zeros24}])`);
    assertEquals(String(zeros([25])), `tensor([${zeros24},\n        0.])`);
    const nans = Array(24).fill("nan").join(", ");
    const all = new Tensor(new Float32Array(26).fill(NaN), [26]);
    assertEquals(String(all), `tensor([${nans},\n        nan, nan])`);
    assertEquals(
      counted(2, 2, 1, 2),
      "tensor([[[[0., 1.]],\n\n         [[2., 3.]]],\n\n\n        [[[4., 5.]],\n\n" +
        "         [[6., 7.]]]])",
    );
    const far = " ".repeat(90);
    assertEquals(formatTensor(zeros([2]), { prefix: far }), `${far}[0.,\n${far} 0.])`);
    assertEquals(formatTensor(tensor([[1], [2]]), { prefix: "" }), "[[1.],\n [2.]])");
  }, readablePath);

  fact(["PRINT-3"], "6 slices are all shown, 7 are not", () => {
    const row = (from: number) => {
      const text = (k: number) => formatExponential(k, 4);
      const [a, b, c, x, y, z] = [0, 1, 2, 197, 198, 199].map((k) => text(from + k));
      return `[${a}, ${b}, ${c},  ..., ${x}, ${y},\n         ${z}]`;
    };
    const rows = (...from: number[]) => from.map((k) => row(200 * k));
    const between = ",\n        ";
    assertEquals(counted(6, 200), `tensor([${rows(0, 1, 2, 3, 4, 5).join(between)}])`);
    assertEquals(
      counted(7, 200),
      `tensor([${[...rows(0, 1, 2), "...", ...rows(4, 5, 6)].join(between)}])`,
    );
    assertEquals(
      counted(8, 200),
      `tensor([${[...rows(0, 1, 2), "...", ...rows(5, 6, 7)].join(between)}])`,
    );
  }, readablePath);

  fact(["PRINT-4"], "a suffix stands on the last line up to column 80", () => {
    const made = (list: Parameters<typeof tensor>[0], dtype: DType, count: number) =>
      formatTensor(tensor(list, { dtype }), { gradFn: "X".repeat(count), requiresGrad: true });
    const node = (count: number) => `grad_fn=<${"X".repeat(count)}>)`;
    const [one, two] = ["tensor(1.", "tensor([[1.],\n        [2.]]"];
    const line = "\n       ";
    assertEquals(made(1, "float32", 57), `${one}, ${node(57)}`);
    assertEquals(made(1, "float32", 58), `${one},${line}${node(58)}`);
    assertEquals(made([[1], [2]], "float32", 53), `${two}, ${node(53)}`);
    assertEquals(made([[1], [2]], "float32", 54), `${two},${line}${node(54)}`);
    const wide = "dtype=torch.float64";
    assertEquals(made(1, "float64", 36), `${one}, ${wide}, ${node(36)}`);
    assertEquals(made(1, "float64", 37), `${one}, ${wide},${line}${node(37)}`);
    const halves = Array(8).fill(0.5);
    const row = `tensor([${Array(8).fill("0.5000").join(", ")}],${line}${wide},`;
    assertEquals(made(halves, "float64", 42), `${row} ${node(42)}`);
    assertEquals(made(halves, "float64", 43), `${row}${line}${node(43)}`);
    assertEquals(
      formatTensor(tensor(1), { requiresGrad: true }),
      "tensor(1., requires_grad=True)",
    );
    assertEquals(formatTensor(tensor(1), { requiresGrad: false }), "tensor(1.)");
  }, readablePath);
});
