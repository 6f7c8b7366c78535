/** Chapter tensor: the values that flow, and what changes their shape. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  add,
  cat,
  chunk,
  type FloatDType,
  full,
  indexSelect,
  linspace,
  mean,
  mul,
  narrow,
  neg,
  type NestedNumbers,
  ones,
  relu,
  reshape,
  select,
  sigmoid,
  sin,
  slice,
  squeeze,
  stack,
  sub,
  sum,
  tanh,
  Tensor,
  tensor,
  type TensorLike,
  to,
  transpose,
  unsqueeze,
  ValueError,
  zeros,
} from "../../mod.ts";
import { assertAllBitwise, assertBitwise, assertClose } from "./alike.ts";
import { extremes } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const dtypes = fc.constantFrom<FloatDType>("float32", "float64");
const numbers = fc.oneof(fc.double(), fc.integer({ min: -9, max: 9 }), extremes);

/** Tensors of a rank from `minRank` on, each with a dimension and an index of it. */
function tensors(minRank: number, maxRank = 4, extent = 4) {
  return fc.tuple(
    fc.array(fc.integer({ min: 1, max: extent }), { minLength: minRank, maxLength: maxRank }),
    dtypes,
    fc.infiniteStream(numbers),
    fc.nat(59),
    fc.nat(59),
  ).map(([shape, dtype, values, d, i]) => {
    const count = shape.reduce((product, n) => product * n, 1);
    const storage = dtype === "float32" ? Float32Array : Float64Array;
    const x = new Tensor(storage.from([...values.take(count)]), shape);
    const dim = shape.length ? d % shape.length : 0;
    return { x, dim, index: shape.length ? i % shape[dim] : 0, draw: i };
  });
}

type Nested = Exclude<NestedNumbers, number>;
const lists = (x: Tensor) => x.tolist() as Nested;
const like = (data: NestedNumbers, { dtype }: Tensor) => tensor(data as TensorLike, { dtype });

/** Applies a function to the lists that stand at a depth. */
function atDepth(data: Nested, depth: number, f: (list: Nested) => NestedNumbers): NestedNumbers {
  return depth === 0 ? f(data) : data.map((inner) => atDepth(inner as Nested, depth - 1, f));
}

/** The same dimension counted from the last. */
const fromLast = (dim: number, x: Tensor) => dim - x.dim();

describe("tensor", () => {
  law(
    ["TENSOR-1"],
    "row-major: element [i][j]… of tolist stands at ((i · d1) + j) · d2 …",
    tensors(0),
    ({ x }) => {
      assertEquals(x.numel(), x.shape.reduce((product, n) => product * n, 1));
      assertEquals(x.dim(), x.shape.length);
      for (let at = 0; at < x.numel(); at++) {
        let [rest, element] = [at, x.tolist()];
        const indices = x.shape.map((_, k) => {
          const inner = x.shape.slice(k + 1).reduce((product, n) => product * n, 1);
          const index = Math.floor(rest / inner);
          rest %= inner;
          return index;
        });
        for (const index of indices) element = (element as Nested)[index];
        assert(Object.is(element, x.data[at]));
      }
    },
  );

  law(
    ["TENSOR-1", "PRINT-5"],
    "size() is the shape, prints as PyTorch's, and counts from both ends",
    tensors(1),
    ({ x, dim }) => {
      assertEquals([...x.size()], [...x.shape]);
      assertEquals(String(x.size()), `torch.Size([${x.shape.join(", ")}])`);
      assertEquals(x.size(dim), x.shape[dim]);
      assertEquals(x.size(fromLast(dim, x)), x.shape[dim]);
    },
  );

  law(
    ["TENSOR-2"],
    "tensor(x.tolist()) is x, bitwise; the numbers are copied",
    tensors(0),
    ({ x }) => {
      assertBitwise(like(x.tolist(), x), x);
      const copy = tensor(x.data);
      assertBitwise(copy, new Tensor(x.data, [x.numel()]));
      assert(copy.data !== x.data);
    },
  );

  law(
    ["TENSOR-2"],
    "lists nested unevenly are refused, wherever the gap is",
    tensors(2),
    ({ x, dim, index }) => {
      const data = lists(x);
      let list = data;
      for (let k = 0; k < dim; k++) list = list[list.length - 1] as Nested;
      if (dim === 0) list = list[index] as Nested; // its own siblings promise another length
      list.push(list[0]);
      if (x.shape.slice(0, Math.max(dim, 1)).some((n) => n > 1)) {
        assertThrows(() => like(data, x), ValueError, "expected sequence of length");
      } else {
        assertEquals(like(data, x).numel(), x.numel() + x.numel() / x.shape[Math.max(dim, 1)]);
      }
    },
  );

  law(
    ["TENSOR-2", "TENSOR-6"],
    "zeros, ones and full hold one value throughout, rounded to the dtype",
    fc.tuple(fc.array(fc.nat(3), { maxLength: 3 }), numbers, dtypes),
    ([size, value, dtype]) => {
      const round = dtype === "float32" ? Math.fround : (x: number) => x;
      const made = [zeros(size, { dtype }), ones(size, { dtype }), full(size, value, { dtype })];
      made.forEach((x, k) => {
        assertEquals([x.dtype, [...x.shape]], [dtype, size]);
        assert(x.data.every((element) => Object.is(element, round([0, 1, value][k]))));
      });
    },
  );

  law(
    ["TENSOR-3"],
    "negative indices and dimensions are the positive ones, counted from the last",
    tensors(1),
    ({ x, dim, index }) => {
      const [d, i, extent] = [fromLast(dim, x), index - x.shape[dim], x.shape[dim]];
      assertBitwise(select(x, d, i), select(x, dim, index));
      assertBitwise(narrow(x, d, i, extent - index), narrow(x, dim, index, extent - index));
      assertBitwise(slice(x, d, i), slice(x, dim, index));
      assertBitwise(indexSelect(x, d, [index]), indexSelect(x, dim, [index]));
      assertBitwise(cat([x, x], d), cat([x, x], dim));
      assertBitwise(stack([x, x], d - 1), stack([x, x], dim));
      assertBitwise(unsqueeze(x, d - 1), unsqueeze(x, dim));
    },
  );

  law(
    ["TENSOR-3", "TENSOR-4"],
    "select is one index of tolist; select(x, 1, -1) is x[:, -1]",
    tensors(1),
    ({ x, dim, index }) => {
      const wanted = atDepth(lists(x), dim, (list) => list[index]);
      assertBitwise(select(x, dim, index), like(wanted, x));
      if (x.dim() > 1) {
        assertBitwise(select(x, 1, -1), like(lists(x).map((row) => (row as Nested).at(-1)!), x));
      }
    },
  );

  law(
    ["TENSOR-4"],
    "narrow and slice are Array.slice at their depth",
    fc.tuple(tensors(1), fc.integer({ min: -7, max: 7 }), fc.integer({ min: -7, max: 7 })),
    ([{ x, dim, index }, from, until]) => {
      const model = (a: number, b: number) => atDepth(lists(x), dim, (list) => list.slice(a, b));
      const length = x.shape[dim] - index;
      assertBitwise(narrow(x, dim, index, length), like(model(index, x.shape[dim]), x));
      const cut = slice(x, dim, from, until);
      const kept = [...Array(x.shape[dim]).keys()].slice(from, until).length;
      assertEquals(cut.shape, x.shape.map((n, k) => k === dim ? kept : n));
      if (kept > 0) assertBitwise(cut, like(model(from, until), x));
    },
  );

  law(
    ["TENSOR-4"],
    "reshape keeps the elements and their order; -1 is found",
    tensors(1),
    ({ x, draw }) => {
      const flat = reshape(x, [-1]);
      assertEquals(flat.shape, [x.numel()]);
      assertBitwise(reshape(flat, x.shape), x);
      const holes = x.shape.map((n, k) => k === draw % x.dim() ? -1 : n);
      assertBitwise(reshape(flat, holes), x);
      assertBitwise(reshape(x, [...x.shape].reverse()), new Tensor(x.data, [...x.shape].reverse()));
    },
  );

  law(
    ["TENSOR-4"],
    "transpose exchanges two indices; twice is once too often",
    tensors(2),
    ({ x, dim, draw }) => {
      const other = draw % x.dim();
      const turned = transpose(x, dim, other);
      assertBitwise(transpose(turned, dim, other), x);
      assertBitwise(transpose(x, other, dim), turned);
      for (let i = 0; i < x.shape[dim]; i++) {
        const rest = select(x, dim, i);
        const same = select(turned, other, i);
        assertEquals(same.numel(), rest.numel());
        if (Math.abs(dim - other) <= 1) assertBitwise(same, rest);
      }
      if (x.dim() === 2) {
        const rows = lists(x) as number[][];
        const columns = rows[0].map((_, k) => rows.map((row) => row[k]));
        assertBitwise(transpose(x, 0, 1), like(columns, x));
      }
    },
  );

  law(
    ["TENSOR-4"],
    "stack and select, cat and narrow, cat and chunk undo each other",
    tensors(1),
    ({ x, dim, index }) => {
      const extent = x.shape[dim];
      const all = [...Array(extent).keys()];
      assertBitwise(stack(all.map((k) => select(x, dim, k)), dim), x);
      assertBitwise(cat([narrow(x, dim, 0, index), slice(x, dim, index)], dim), x);
      const parts = chunk(x, extent, dim);
      assertEquals(parts.length, extent);
      assertBitwise(cat(parts, dim), x);
      assertBitwise(select(stack([x, neg(x)], dim), dim, 1), neg(x));
    },
  );

  law(
    ["TENSOR-4"],
    "cat is Array.concat, stack a new list, at their depth",
    tensors(1),
    ({ x, dim }) => {
      const y = neg(x);
      const joined = atDepth(lists(x), dim, (list) => [...list, ...list]);
      assertBitwise(cat([x, x], dim), like(joined, x));
      assertAllBitwise(chunk(cat([x, y], dim), 2, dim), [x, y]);
      assertBitwise(stack([x, y]), like([x.tolist(), y.tolist()], x));
      assertEquals(stack([x, y], dim).shape, x.shape.toSpliced(dim, 0, 2));
      assertBitwise(stack([x, y], dim), cat([unsqueeze(x, dim), unsqueeze(y, dim)], dim));
    },
  );

  law(
    ["TENSOR-4"],
    "indexSelect picks slices in the order asked for; a permutation has its inverse",
    fc.tuple(tensors(1), fc.array(fc.nat(59), { minLength: 1, maxLength: 6 })),
    ([{ x, dim }, draws]) => {
      const extent = x.shape[dim];
      const index = draws.map((draw) => draw % extent);
      const wanted = atDepth(lists(x), dim, (list) => index.map((k) => list[k]));
      assertBitwise(indexSelect(x, dim, index), like(wanted, x));
      const order = [...Array(extent).keys()].sort((a, b) =>
        (draws[a % draws.length] - draws[b % draws.length]) || b - a
      );
      const inverse = order.map((_, k) => order.indexOf(k));
      assertBitwise(indexSelect(indexSelect(x, dim, order), dim, inverse), x);
    },
  );

  law(
    ["TENSOR-4"],
    "squeeze undoes unsqueeze and leaves other extents alone",
    tensors(1),
    ({ x, dim }) => {
      const wider = unsqueeze(x, dim);
      assertEquals(wider.shape, x.shape.toSpliced(dim, 0, 1));
      assertBitwise(squeeze(wider, dim), x);
      assertBitwise(unsqueeze(x, -1), reshape(x, [...x.shape, 1]));
      const kept = squeeze(x, dim);
      if (x.shape[dim] !== 1) assertBitwise(kept, x);
      else assertBitwise(kept, select(x, dim, 0));
    },
  );

  law(
    ["TENSOR-5"],
    "linspace has both ends exactly, and even steps between",
    fc.record({
      start: fc.double({ min: -1e3, max: 1e3, noNaN: true }),
      end: fc.double({ min: -1e3, max: 1e3, noNaN: true }),
      steps: fc.nat(30),
      dtype: dtypes,
    }),
    ({ start, end, steps, dtype }) => {
      const x = linspace(start, end, steps, { dtype });
      const round = dtype === "float32" ? Math.fround : (value: number) => value;
      assertEquals([x.dtype, [...x.shape]], [dtype, [steps]]);
      if (steps > 0) assertEquals(x.data[0], round(start) + 0);
      if (steps > 1) assertEquals(x.data[steps - 1], round(end) + 0);
      const unit = Math.max(Math.abs(start), Math.abs(end)) * (dtype === "float32" ? 2e-7 : 4e-16) +
        2 ** -149;
      x.data.forEach((value, k) => {
        const exact = steps > 1 ? start + (end - start) * k / (steps - 1) : start;
        assert(Math.abs(value - exact) <= 4 * unit, `${value}, not ${exact}`);
        if (k > 0 && start <= end) assert(value >= x.data[k - 1] - unit);
      });
    },
  );

  law(
    ["TENSOR-5", "NUM-1"],
    "arithmetic is JavaScript's, rounded once to the dtype",
    tensors(1),
    ({ x, draw }) => {
      const y = reshape(indexSelect(reshape(x, [-1]), 0, [...x.data.keys()].reverse()), x.shape);
      const wanted = (f: (a: number, b: number) => number) =>
        new Tensor(x.data.map((a, k) => f(a, y.data[k])), x.shape);
      assertBitwise(add(x, y), wanted((a, b) => a + b));
      assertBitwise(sub(x, y), wanted((a, b) => a - b));
      assertBitwise(mul(x, y), wanted((a, b) => a * b));
      assertBitwise(neg(x), wanted((a) => -a));
      assertBitwise(add(x, y), add(y, x));
      assertBitwise(mul(x, y), mul(y, x));
      const factor = draw / 8;
      assertBitwise(add(x, factor), wanted((a) => a + factor));
      assertBitwise(sub(x, factor), wanted((a) => a - factor));
      assertBitwise(sub(factor, x), wanted((a) => factor - a));
      assertBitwise(mul(x, factor), wanted((a) => a * factor));
    },
  );

  law(["TENSOR-5"], "sin, tanh, sigmoid and relu, element by element", tensors(1), ({ x }) => {
    const wanted = (f: (value: number) => number) => new Tensor(x.data.map(f), x.shape);
    const bend = x.dtype === "float32" ? undefined : { rtol: 1e-14, atol: 1e-300 };
    assertClose(sin(x), wanted(Math.sin), bend);
    assertClose(tanh(x), wanted(Math.tanh), bend);
    assertClose(sigmoid(x), wanted((value) => 1 / (1 + Math.exp(-value))), bend);
    assertBitwise(relu(x), wanted((value) => value < 0 ? 0 : value)); // NaN stays
    const bounded = (y: Tensor, low: number) =>
      y.data.every((value) => Number.isNaN(value) || (value >= low && value <= 1));
    assert(bounded(tanh(x), -1) && bounded(sigmoid(x), 0) && bounded(sin(x), -1));
    assertBitwise(tanh(neg(x)), neg(tanh(x)));
    assertClose(sigmoid(neg(x)), sub(1, sigmoid(x)));
  });

  law(["TENSOR-5"], "sum adds all, mean divides by how many", tensors(1), ({ x }) => {
    const tame = new Tensor(x.data.map((value) => Number.isFinite(value) ? value % 8 : 1), x.shape);
    const total = [...tame.data].reduce((all, value) => all + value, 0);
    assertEquals([sum(tame).dim(), mean(tame).dim()], [0, 0]);
    assert(Math.abs(sum(tame).item() - total) < 1e-4);
    assert(Math.abs(mean(tame).item() - total / tame.numel()) < 1e-5);
  });

  law(
    ["TENSOR-6"],
    "to float32 rounds to the nearest, to float64 and back is nothing",
    tensors(0),
    ({ x }) => {
      const double = to(x, "float64");
      const single = to(double, "float32");
      assertEquals([single.dtype, double.dtype], ["float32", "float64"]);
      assert(single.data.every((value, k) => Object.is(value, Math.fround(double.data[k]))));
      assertBitwise(to(to(single, "float64"), "float32"), single);
      assert(to(x, x.dtype) === x);
    },
  );

  law(
    ["TENSOR-4", "TENSOR-5"],
    "no operation changes its input",
    tensors(2),
    ({ x, dim, index }) => {
      const before = new Tensor(x.data.slice(), x.shape);
      [add(x, 1), mul(x, x), neg(x), tanh(x), sigmoid(x), relu(x), sin(x), sum(x), mean(x)];
      [transpose(x, 0, dim), cat([x, x], dim), stack([x, x]), indexSelect(x, dim, [index])];
      for (const y of [select(x, dim, index), slice(x, dim, index), narrow(x, dim, index, 1)]) {
        y.data.fill(7);
      }
      assertBitwise(x, before);
    },
  );

  fact(["TENSOR-1"], "no dimension is one number; an extent of 0 is none", () => {
    assertEquals([tensor(3).dim(), tensor(3).numel(), tensor(3).item()], [0, 1, 3]);
    assertEquals([zeros([2, 0]).numel(), zeros([2, 0]).tolist()], [0, [[], []]]);
    assertEquals(new Tensor(new Float64Array(1), []).tolist(), 0);
  });
});
