/** Chapter print: tensors, sizes and modules as text. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import {
  Dropout,
  type FloatDType,
  formatExponential,
  formatFixed,
  formatSize,
  formatTensor,
  GRUCell,
  Linear,
  LSTM,
  noGrad,
  RNN,
  RNNCell,
  SimpleRNN,
  Size,
  tanh,
  Tensor,
  tensor,
  to,
  zeros,
} from "../../mod.ts";
import { build, configs } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const dtypes = fc.constantFrom<FloatDType>("float32", "float64");
const magnitudes = [
  fc.integer({ min: -999, max: 999 }),
  fc.double({ min: -2, max: 2, noNaN: true }),
  fc.double({ min: -3000, max: 3000, noNaN: true }),
  fc.double({ min: -1e12, max: 1e12, noNaN: true }),
  fc.double({ min: -1e-3, max: 1e-3, noNaN: true }),
];

/** Tensors whose elements are of one magnitude, so that every style occurs. */
function tensors(maxRank: number, extent: number, others: fc.Arbitrary<number>[] = []) {
  return fc.tuple(fc.nat(magnitudes.length - 1), dtypes).chain(([k, dtype]) =>
    fc.array(fc.integer({ min: 1, max: extent }), { minLength: 1, maxLength: maxRank }).chain(
      (shape) => {
        const count = shape.reduce((product, n) => product * n, 1);
        const values = fc.oneof({ arbitrary: magnitudes[k], weight: 9 }, ...others);
        return fc.array(values, { minLength: count, maxLength: count }).map((list) => {
          const storage = dtype === "float32" ? Float32Array : Float64Array;
          return new Tensor(storage.from(list), shape);
        });
      },
    )
  );
}
const anything = tensors(3, 4, [fc.constantFrom(0, -0, NaN, Infinity, -Infinity)]);
const vectors = tensors(1, 40);

const number = /-?(?:inf|nan|\d+\.\d*(?:e[+-]\d+)?)/g;

/** The text without its prefix and suffixes: the brackets and what is in them. */
function brackets(text: string): string {
  return text.slice(text.indexOf("["), text.lastIndexOf("]") + 1);
}

/** The numbers that a text shows, in order. */
function numbers(text: string): number[] {
  return (text.match(number) ?? []).map((token) =>
    Number(token.replace("inf", "Infinity").replace("nan", "NaN"))
  );
}

/** A tensor of whole numbers from 1 to 999. */
function counting(shape: number[]): Tensor {
  const x = zeros(shape);
  x.data.forEach((_, k) => x.data[k] = 1 + k % 999);
  return x;
}

describe("print", () => {
  law(["PRINT-1"], "the text reads back as the numbers, to 4 decimals or digits", anything, (x) => {
    const given = numbers(brackets(String(x)));
    assertEquals(given.length, x.numel());
    const scientific = String(x).includes("e+") || String(x).includes("e-");
    given.forEach((value, k) => {
      const exact = x.data[k];
      const error = Math.abs(value - exact);
      if (!Number.isFinite(exact) || exact === 0) assert(Object.is(value, exact));
      else assert(error <= 0.50001e-4 * (scientific ? Math.abs(exact) : 1), `${value}, ${exact}`);
    });
  }, 100);

  law(
    ["PRINT-1"],
    "whole numbers have no decimals, wide ranges an exponent, the rest 4 decimals",
    anything,
    (x) => {
      const telling = [...x.data].filter((value) => Number.isFinite(value) && value !== 0);
      const sizes = telling.map(Math.abs);
      const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
      const finite = (brackets(String(x)).match(number) ?? []).filter((token) => /\d/.test(token));
      const style = most / least > 1000 || most > 1e8 || least < 1e-4
        ? /^-?\d\.\d{4}e[+-]\d{2,3}$/
        : telling.every(Number.isInteger)
        ? /^-?\d+\.$/
        : /^-?\d+\.\d{4}$/;
      for (const token of finite) assertMatch(token, style);
    },
    100,
  );

  law(
    ["PRINT-1"],
    "formatFixed is the nearest text, as toFixed but for ties and -0",
    fc.tuple(fc.double({ min: -1e15, max: 1e15, noNaN: true }), fc.nat(6)),
    ([x, digits]) => {
      const text = formatFixed(x, digits);
      assert(Math.abs(Number(text) - x) <= 0.5 * 10 ** -digits + 2 ** -50 * Math.abs(x));
      const doubled = Math.abs(x) * 2 * 10 ** digits;
      if (!Number.isInteger(doubled) && x !== 0) assertEquals(text, x.toFixed(digits));
    },
  );

  law(
    ["PRINT-1"],
    "formatExponential is the nearest text, at least two digits of exponent",
    fc.tuple(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat(6)),
    ([x, digits]) => {
      const text = formatExponential(x, digits);
      assertMatch(text, /^-?\d(\.\d+)?e[+-]\d{2,}$/);
      const wanted = Math.abs(x).toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
      const halfway = /5$/.test(Math.abs(x).toExponential(digits + 1));
      if (!halfway) assertEquals(text.replace(/^-/, ""), wanted);
      assertEquals(text.startsWith("-"), x < 0 || Object.is(x, -0));
    },
  );

  fact(["PRINT-1"], "ties go to the even digit; -0 keeps its sign", () => {
    assertEquals([0.03125, 0.09375, 0.5, 1.5].map((x) => formatFixed(x, 4).slice(0, 6)), [
      "0.0312",
      "0.0938",
      "0.5000",
      "1.5000",
    ]);
    assertEquals([0.5, 1.5, 2.5, -0.5].map((x) => formatFixed(x, 0)), ["0", "2", "2", "-0"]);
    assertEquals(String(tensor([-0, 0.5])), "tensor([-0.0000, 0.5000])");
  });

  law(
    ["PRINT-2"],
    "a vector's lines are at most 80 columns wide, suffixes included",
    vectors,
    (x) => {
      const plain = new Tensor(x.data.map((value) => value === 0 ? 1 : value), x.shape);
      plain.requiresGrad = true;
      for (const made of [plain, tanh(plain), to(plain, "float64")]) {
        for (const line of String(made).split("\n")) assert(line.length <= 80, line);
      }
    },
    100,
  );

  law(["PRINT-2"], "a line is filled before another begins", vectors, (x) => {
    const plain = new Tensor(x.data.map((value) => value === 0 ? 1 : value), x.shape);
    const lines = String(noGrad(() => to(plain, "float32"))).split("\n");
    const width = Math.max(...(lines.join().match(number) ?? []).map((token) => token.length));
    // The next element, a comma and a space would have passed column 80.
    for (const line of lines.slice(0, -1)) assert(line.length + 1 + width + 2 > 80, line);
  }, 100);

  law(
    ["PRINT-2"],
    "brackets nest as the shape does, elements in row-major order",
    tensors(4, 3),
    (x) => {
      let k = 0;
      const text = brackets(String(x)).replace(number, () => String(k++));
      const places = new Tensor(x.data.map((_, k) => k), x.shape);
      assertEquals(JSON.parse(text), places.tolist());
    },
  );

  law(
    ["PRINT-2"],
    "columns stand below each other; blank lines part matrices",
    tensors(3, 4),
    (x) => {
      const plain = new Tensor(x.data.map((value) => value || 1), x.shape);
      const text = brackets(String(plain));
      const rows = text.match(/\[[^[\]]*\]/g)!;
      assertEquals(new Set(rows.map(({ length }) => length)).size, 1, text);
      const [matrices, perMatrix] = [x.shape.at(-3) ?? 1, x.shape.at(-2) ?? 1];
      const breaks = matrices * (perMatrix - 1) + (matrices - 1) * 2;
      assertEquals(text.split("\n").length - 1, breaks);
    },
  );

  law(
    ["PRINT-2"],
    "printing is a function of the values: twice, or from a copy, the same",
    anything,
    (x) => {
      const copy = new Tensor(x.data.slice(), [...x.shape]);
      assertEquals(String(x), String(x));
      assertEquals(String(copy), String(x));
      assertEquals(formatTensor({ dtype: x.dtype, shape: x.shape, data: x.data }), String(x));
    },
  );

  law(
    ["PRINT-3"],
    "past 1000 elements only 3 at each edge of each dimension are shown",
    fc.tuple(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 1300 }),
    ),
    ([a, b, c]) => {
      const shape = [a, b, 1 + c % Math.max(1, Math.floor(1300 / (a * b)))];
      const x = counting(shape);
      const kept = shape.map((extent) => {
        const all = [...Array(extent).keys()];
        return x.numel() > 1000 && extent > 6 ? [...all.slice(0, 3), ...all.slice(-3)] : all;
      });
      const wanted = kept[0].flatMap((i) =>
        kept[1].flatMap((j) => kept[2].map((k) => x.data[(i * b + j) * shape[2] + k]))
      );
      const text = String(x);
      assertEquals(numbers(brackets(text.replaceAll("...", ""))), wanted);
      assertEquals(text.includes("..."), x.numel() > 1000);
    },
    30,
  );

  fact(
    ["PRINT-3"],
    "1000 elements are all shown, 1001 are not; the hidden ones have no say",
    () => {
      assertEquals(numbers(brackets(String(counting([1000])))).length, 1000);
      const shortened = "tensor([  1.,   2.,   3.,  ..., 999.,   1.,   2.])";
      assertEquals(String(counting([1001])), shortened);
      const [x, y] = [counting([2000]), counting([2000])];
      y.data.fill(1e-30, 3, 1997);
      assertEquals(String(y), String(x));
    },
  );

  law(
    ["PRINT-4"],
    "suffixes: dtype, then grad_fn or requires_grad; nothing for plain float32",
    tensors(2, 4),
    (x) => {
      const flat = (y: Tensor) => String(y).replaceAll(/,\s+/g, ", ");
      const dtype = x.dtype === "float32" ? "" : ", dtype=torch.float64";
      const body = flat(x).slice(0, -dtype.length - 1);
      assertEquals(flat(x), `${body}${dtype})`);
      assert(!/dtype|grad/.test(body));
      const leaf = new Tensor(x.data, x.shape);
      leaf.requiresGrad = true;
      assertEquals(flat(leaf), `${body}${dtype}, requires_grad=True)`);
      const made = tanh(leaf);
      assert(flat(made).endsWith(`${dtype}, grad_fn=<TanhBackward0>)`));
      assertEquals(flat(noGrad(() => tanh(leaf))).includes("grad"), false);
    },
  );

  fact(["PRINT-4"], "a suffix that does not fit stands on a line of its own", () => {
    const x = tensor(Array(8).fill(0.5), { requiresGrad: true });
    const values = "tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000]";
    assertEquals(String(x), `${values},\n       requires_grad=True)`);
    assertEquals(String(zeros([2, 0])), "tensor([], size=(2, 0))");
    assertEquals(String(zeros([0])), "tensor([])");
    assertEquals(String(zeros([])), "tensor(0.)");
  });

  law(["PRINT-5"], "a size is torch.Size([…])", fc.array(fc.nat(99), { maxLength: 5 }), (shape) => {
    const wanted = `torch.Size([${shape.join(", ")}])`;
    assertEquals(formatSize(shape), wanted);
    assertEquals(String(Size.from(shape)), wanted);
    assertEquals(`${zeros(shape.slice(0, 1)).size()}`, formatSize(shape.slice(0, 1)));
  });

  law(
    ["PRINT-6"],
    "a module prints its sizes and every argument not at its default",
    configs(),
    (c) => {
      const wanted = [
        `${c.inputSize}, ${c.hiddenSize}`,
        ...(c.projSize ? [`proj_size=${c.projSize}`] : []),
        ...(c.numLayers > 1 ? [`num_layers=${c.numLayers}`] : []),
        ...(c.bias ? [] : ["bias=False"]),
        ...(c.batchFirst ? ["batch_first=True"] : []),
        ...(c.bidirectional ? ["bidirectional=True"] : []),
      ];
      assertEquals(String(build(c)), `${c.kind.slice(0, 4).trim()}(${wanted.join(", ")})`);
    },
  );

  fact(["PRINT-6"], "cells, Linear, Dropout, and a model of them", () => {
    const made = [
      new RNNCell(1, 2, { nonlinearity: "relu" }),
      new GRUCell(1, 2, { bias: false }),
      new Linear(2, 1),
      new Dropout(0.25),
      new LSTM(1, 2, { numLayers: 2, dropout: 1 }),
      new RNN(1, 2, { numLayers: 2, dropout: 0.5, nonlinearity: "relu" }),
    ];
    assertEquals(made.map(String), [
      "RNNCell(1, 2, nonlinearity=relu)",
      "GRUCell(1, 2, bias=False)",
      "Linear(in_features=2, out_features=1, bias=True)",
      "Dropout(p=0.25, inplace=False)",
      "LSTM(1, 2, num_layers=2, dropout=1.0)",
      "RNN(1, 2, num_layers=2, dropout=0.5)",
    ]);
    const model = String(new SimpleRNN(1, 5, 1));
    assertStringIncludes(
      model,
      "SimpleRNN(\n  (rnn): RNN(1, 5, batch_first=True)\n  (fc): Linear(",
    );
  });
});
