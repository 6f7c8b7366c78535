/** Chapter tensor: arithmetic between shapes and dtypes, and what makes few numbers of many. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  add,
  argmax,
  backward,
  div,
  type DType,
  expand,
  flip,
  full,
  linear,
  logSoftmax,
  matmul,
  max,
  mean,
  mul,
  oneHot,
  ones,
  reshape,
  select,
  softmax,
  stack,
  sub,
  sum,
  Tensor,
  tensor,
  to,
  transpose,
  unsqueeze,
  ValueError,
} from "../../mod.ts";
import { assertBitwise, assertClose } from "./alike.ts";
import { extremes } from "./arbitrary.ts";
import { describe, fact, law } from "./law.ts";

const extents = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
const numbers = fc.oneof(
  fc.double({ min: -8, max: 8, noNaN: true }),
  fc.integer({ min: -3, max: 3 }),
);
const dtypes = fc.constantFrom("float32" as const, "float64" as const);

/** A tensor of a shape; no element is -0, which a sum loses. */
function of(shape: readonly number[], dtype: "float32" | "float64", values: fc.Stream<number>) {
  const storage = dtype === "float32" ? Float32Array : Float64Array;
  const data = new storage(shape.reduce((product, n) => product * n, 1));
  for (let k = 0; k < data.length; k++) data[k] = values.next().value + 0;
  return new Tensor(data.map((x) => x + 0), shape);
}

/** Two tensors that broadcast, and the shape that they broadcast to. */
const pairs = fc.tuple(
  extents,
  fc.array(fc.constantFrom("both", "a is 1", "b is 1"), { minLength: 4, maxLength: 4 }),
  fc.boolean(),
  dtypes,
  fc.infiniteStream(numbers),
).map(([shape, kinds, cut, dtype, values]) => {
  const without = (own: readonly number[]) => {
    const first = own.findIndex((extent) => extent !== 1);
    return cut ? own.slice(first < 0 ? own.length : first) : own;
  };
  const a = without(shape.map((extent, k) => kinds[k] === "a is 1" ? 1 : extent));
  const b = without(shape.map((extent, k) => kinds[k] === "b is 1" ? 1 : extent));
  const length = Math.max(a.length, b.length);
  return {
    shape: shape.slice(shape.length - length),
    a: of(a, dtype, values),
    b: of(b, dtype, values),
  };
});

/** A tensor with a dimension of it. */
const tensors = fc.tuple(
  fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
  fc.nat(59),
  dtypes,
  fc.infiniteStream(numbers),
).map(([shape, d, dtype, values]) => ({ x: of(shape, dtype, values), dim: d % shape.length }));

const operations = { add, sub, mul, div };

describe("arithmetic", () => {
  law(
    ["TENSOR-8"],
    "broadcasting is expand, and its gradient expand's",
    pairs,
    ({ shape, a, b }) => {
      for (const f of Object.values(operations)) {
        const leaves = [a, b, a, b].map((x) => new Tensor(x.data.slice(), x.shape));
        for (const leaf of leaves) leaf.requiresGrad = true;
        const [p, q, r, s] = leaves;
        const given = f(p, q);
        const wanted = f(expand(r, shape), expand(s, shape));
        assertBitwise(given, wanted);
        const count = shape.reduce((product, n) => product * n, 1);
        const dy = new Tensor(Float64Array.from({ length: count }, (_, k) => (k + 1) / 4), shape);
        backward(sum(mul(given, dy)));
        backward(sum(mul(wanted, dy)));
        assertBitwise(p.grad!, r.grad!);
        assertBitwise(q.grad!, s.grad!);
      }
    },
  );

  law(
    ["TENSOR-8"],
    "a number is a tensor of no dimension, but for its dtype",
    fc.tuple(tensors, numbers),
    ([{ x }, n]) => {
      for (const f of Object.values(operations)) {
        const wanted = f(to(x, "float64"), tensor(n, { dtype: "float64" }));
        assertBitwise(f(x, n), to(wanted, x.dtype));
      }
    },
  );

  fact(["TENSOR-8"], "the dtype of a result does not depend on the order of its operands", () => {
    const every: (Tensor | number)[] = (["bool", "int64", "float32", "float64"] as DType[])
      .flatMap((dtype) => [ones([2], { dtype }), ones([], { dtype })]);
    for (const a of every) {
      for (const b of [...every, 2, 2.5]) {
        if (!(a instanceof Tensor)) continue;
        const given = mul(a, b).dtype;
        if (b instanceof Tensor) assertEquals(mul(b, a).dtype, given);
        assertEquals(add(a, b).dtype, given);
        const floats = [a, b].some((x) => x instanceof Tensor ? x.dtype[0] === "f" : x === 2.5);
        assertEquals(given[0] === "f", floats);
        assertEquals(div(a, b).dtype, floats ? given : "float32");
      }
    }
  });

  fact(["TENSOR-7", "TENSOR-8"], "whole numbers beyond 2^53 are refused, on the way too", () => {
    const large = tensor([2n ** 52n, 2n ** 52n, -(2n ** 52n)]);
    assertThrows(() => mul(large, 4), ValueError, "2^53");
    assertThrows(() => add(large, large), ValueError, "2^53");
    assertThrows(() => sum(large), ValueError, "2^53");
  });

  law(["TENSOR-9"], "a sum over a dimension adds up its slices", tensors, ({ x, dim }) => {
    const slices = Array.from({ length: x.shape[dim] }, (_, k) => to(select(x, dim, k), "float64"));
    const total = slices.reduce((sum, slice) => add(sum, slice));
    assertBitwise(sum(x, dim), to(total, x.dtype));
    assertBitwise(mean(x, dim), to(div(total, slices.length), x.dtype));
    assertBitwise(unsqueeze(sum(x, dim), dim), sum(x, dim, { keepdim: true }));
    assertBitwise(sum(x, dim - x.dim()), sum(x, dim));
    assertBitwise(sum(x, [...x.shape.keys()]), sum(x));
    assertBitwise(sum(x, undefined, { keepdim: true }), reshape(sum(x), x.shape.map(() => 1)));
    assertBitwise(mean(x, [...x.shape.keys()].reverse()), mean(x));
  });

  law(
    ["TENSOR-9"],
    "max along a dimension is its first largest, argmax its place",
    fc.tuple(tensors, fc.infiniteStream(fc.oneof(numbers, extremes))),
    ([{ x: { shape, dtype }, dim }, values]) => {
      const x = of(shape, dtype as "float32", values);
      const [best, at] = max(x, dim);
      assertEquals([at.dtype, argmax(x, dim)], ["int64", at]);
      const slices = Array.from({ length: shape[dim] }, (_, k) => select(x, dim, k));
      best.data.forEach((value, k) => {
        const along = slices.map((slice) => slice.data[k]);
        const nan = along.findIndex(Number.isNaN);
        const wanted = nan < 0 ? along.indexOf(Math.max(...along.map((n) => n + 0))) : nan;
        assert(Object.is(value, along[at.data[k]]));
        assert(at.data[k] === wanted || along[at.data[k]] === along[wanted]);
        assert(along.slice(0, at.data[k]).every((n) => n < value || (value !== value && n === n)));
      });
      const flat = argmax(x).item();
      assertBitwise(max(x), tensor(x.data[flat], { dtype: x.dtype }));
      assertEquals(argmax(x, dim, { keepdim: true }).shape, shape.with(dim, 1));
    },
  );

  law(
    ["TENSOR-10"],
    "softmax sums to one, and logSoftmax is its logarithm",
    tensors,
    ({ x, dim }) => {
      const y = softmax(x, dim);
      assertClose(sum(y, dim), ones(sum(x, dim).shape, { dtype: x.dtype }));
      assertClose(to(y, x.dtype), new Tensor(logSoftmax(x, dim).data.map(Math.exp), x.shape));
      assert(y.data.every((value) => value >= 0 && value <= 1));
      const shifted = add(to(x, "float64"), 8); // exact
      assertClose(softmax(shifted, dim), softmax(to(x, "float64"), dim));
    },
  );

  law(
    ["TENSOR-10"],
    "softmax of anything is shares or NaN",
    fc.array(fc.oneof(extremes, fc.double()), { minLength: 1, maxLength: 5 }),
    (values) => {
      const y = softmax(tensor(values, { dtype: "float64" }), 0).data;
      const bad = values.some((x) => x !== x || x === Infinity) ||
        values.every((x) => x === -Infinity);
      assert(y.every((value) => bad ? value !== value : value >= 0 && value <= 1));
    },
  );

  law(
    ["TENSOR-11"],
    "a product of matrices is linear with the second transposed, batch by batch",
    fc.tuple(
      fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 4, maxLength: 4 }),
      dtypes,
      fc.infiniteStream(numbers),
    ),
    ([[n, m, k, p], dtype, values]) => {
      const [a, b] = [of([n, m, k], dtype, values), of([n, k, p], dtype, values)];
      const [left, right] = [select(a, 0, 0), select(b, 0, 0)];
      assertBitwise(matmul(left, right), linear(left, transpose(right, 0, 1)));
      const each = Array.from({ length: n }, (_, i) => matmul(select(a, 0, i), select(b, 0, i)));
      assertBitwise(matmul(a, b), stack(each));
      assertBitwise(matmul(a, right), matmul(a, expand(right, [n, k, p])));
      assertBitwise(matmul(left, b), matmul(expand(left, [n, m, k]), b));
      const row = select(left, 0, 0);
      assertBitwise(matmul(row, b), select(matmul(reshape(row, [1, k]), b), 1, 0));
      assertBitwise(matmul(a, row), select(matmul(a, reshape(row, [k, 1])), 2, 0));
      const exact = to(row, "float64");
      assertBitwise(matmul(row, row), to(sum(mul(exact, exact)), dtype));
    },
  );

  law(
    ["TENSOR-11"],
    "oneHot has a 1 in each row, where argmax finds it",
    fc.tuple(fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }), fc.nat(3)),
    ([classes, more]) => {
      const x = tensor(classes, { dtype: "int64" });
      const hot = oneHot(x, Math.max(...classes) + 1 + more);
      assertEquals(argmax(hot, -1), x);
      assertEquals(sum(hot, -1), full([classes.length], 1, { dtype: "int64" }));
      assertEquals(oneHot(x).shape, [classes.length, Math.max(...classes) + 1]);
    },
  );

  law(
    ["TENSOR-4"],
    "flip twice is the tensor itself; once turns each index",
    tensors,
    ({ x, dim }) => {
      const turned = flip(x, [dim]);
      assertBitwise(flip(turned, [dim - x.dim()]), x);
      for (let k = 0; k < x.shape[dim]; k++) {
        assertBitwise(select(turned, dim, k), select(x, dim, x.shape[dim] - 1 - k));
      }
      const all = [...x.shape.keys()];
      assertEquals([...flip(x, all).data], [...x.data].reverse());
    },
  );
});
