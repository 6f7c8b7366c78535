/** Chapter around: what stands beside a recurrent layer; and the dtypes that it reads. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  add,
  backward,
  cat,
  CheckpointError,
  crossEntropy,
  Embedding,
  embedding,
  expand,
  indexSelect,
  LayerNorm,
  linear,
  mean,
  mul,
  narrow,
  type Nested,
  ones,
  reshape,
  select,
  stack,
  stateDictOf,
  StoredTensor,
  sum,
  Tensor,
  tensor,
  type TensorLike,
  to,
  transpose,
  unsqueeze,
  ValueError,
  writeSafetensors,
  zeros,
} from "../../mod.ts";
import { parseCheckpoint, writeTorchFile } from "../../lib/checkpoints/mod.ts";
import { assertBitwise, assertClose } from "./alike.ts";
import { describe, fact, law } from "./law.ts";

/** Whole numbers that a number holds exactly, its ends among them. */
const integers = fc.oneof(
  fc.integer({ min: -9, max: 9 }),
  fc.maxSafeInteger(),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
);

/** Tensors of int64 and bool. */
const whole = fc.tuple(
  fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
  fc.constantFrom("int64" as const, "bool" as const),
  fc.infiniteStream(integers),
).map(([shape, dtype, numbers]) => {
  const count = shape.reduce((product, n) => product * n, 1);
  const values = [...numbers.take(count)].map((x) => dtype === "bool" ? x & 1 : x);
  return new Tensor(Float64Array.from(values), shape, dtype);
});

/** A table, and the numbers of some of its rows. */
const lookups = fc.tuple(
  fc.integer({ min: 1, max: 6 }),
  fc.integer({ min: 0, max: 3 }),
  fc.array(fc.nat(59), { maxLength: 12 }),
  fc.infiniteStream(fc.integer({ min: -64, max: 64 })),
  fc.constantFrom("float32" as const, "float64" as const),
).map(([rows, features, draws, numbers, dtype]) => {
  const storage = dtype === "float32" ? Float32Array : Float64Array;
  const take = (count: number) => storage.from([...numbers.take(count)]);
  const places = draws.map((draw) => draw % rows);
  return {
    weight: new Tensor(take(rows * features), [rows, features]),
    input: tensor(places, { dtype: "int64" }),
    grad: new Tensor(take(places.length * features), [places.length, features]),
    places,
  };
});

describe("int64 and bool", () => {
  law(
    ["TENSOR-7"],
    "what takes apart and puts together keeps the dtype, and does what it does to floats",
    whole,
    (x) => {
      const wide = new Tensor(x.data.slice(), x.shape);
      const same = (f: (x: Tensor) => Tensor) => {
        const [given, wanted] = [f(x), f(wide)];
        assertEquals([given.dtype, given.shape, given.data], [x.dtype, wanted.shape, wanted.data]);
      };
      same((x) => unsqueeze(x, 0));
      same((x) => reshape(x, [x.numel()]));
      same((x) => expand(x, [2, ...x.shape]));
      same((x) => stack([x, x]));
      same((x) => transpose(x, 0, -1));
      if (x.dim() === 0) return;
      same((x) => cat([x, x]));
      same((x) => narrow(x, 0, 0, 0));
      if (x.shape[0] === 0) return;
      same((x) => select(x, 0, -1));
      same((x) => indexSelect(x, -1, tensor([], { dtype: "int64" })));
    },
  );

  law(["TENSOR-7"], "tolist gives truth values and numbers, and tensor takes them", whole, (x) => {
    const list = x.tolist<Nested>();
    const again = tensor(list as TensorLike, { dtype: x.dtype });
    if (x.numel() > 0) assertEquals([again.dtype, again.tolist()], [x.dtype, list]);
    const all = (part: Nested): boolean =>
      typeof part === "object"
        ? part.every(all)
        : (typeof part === "boolean") === (x.dtype === "bool");
    assert(all(list));
  });

  law(["TENSOR-7", "CKPT-12"], "checkpoints keep both, bit for bit", whole, (x) => {
    for (const file of [writeTorchFile({ x }), writeSafetensors({ x })]) {
      const { x: read } = stateDictOf(parseCheckpoint(file).value);
      assertEquals([read.dtype, read.shape, read.data], [x.dtype, x.shape, x.data]);
    }
  });

  law(
    ["TENSOR-7"],
    "a number loses its fraction, or is refused",
    fc.oneof(fc.double(), integers, fc.double({ min: -9, max: 9 })),
    (x) => {
      if (!Number.isSafeInteger(Math.trunc(x))) {
        assertThrows(() => tensor([x], { dtype: "int64" }), ValueError);
        assertThrows(() => to(tensor([x], { dtype: "float64" }), "int64"), ValueError);
        assertThrows(() => new Tensor(Float64Array.of(x), [1], "int64"), ValueError);
        return;
      }
      const wanted = Math.trunc(x) + 0;
      assertEquals(tensor([x], { dtype: "int64" }).tolist(), [wanted]);
      assertEquals(to(tensor([x], { dtype: "float64" }), "int64").tolist(), [wanted]);
      assertEquals(to(tensor([x], { dtype: "float64" }), "bool").tolist<boolean[]>(), [x !== 0]);
    },
  );

  fact(["TENSOR-7"], "what int64 does not hold is refused wherever it comes from", () => {
    const beyond = new BigInt64Array([2n ** 53n]);
    assertThrows(() => tensor(beyond), ValueError, "9007199254740992");
    assertThrows(() => new Tensor(Float64Array.of(0.5), [1], "int64"), ValueError, "0.5");
    assertThrows(() => new Tensor(Float64Array.of(2), [1], "bool"), ValueError, "2");
    assertThrows(() => new Tensor(Float32Array.of(2), [1], "int64"), Error, "Float32Array");
    assertThrows(() => new Tensor(Float64Array.of(2), [1], "float32"), Error, "Float64Array");
    const stored = new StoredTensor("int64", [1], new Uint8Array(beyond.buffer));
    assertThrows(() => stored.toTensor(), ValueError, "9007199254740992");
    const file = writeSafetensors({ x: stored });
    const read = () => stateDictOf(parseCheckpoint(file).value);
    assertThrows(read, CheckpointError, 'tensor "x": int64 holds');
  });

  fact(["TENSOR-7", "LOSS-3"], "a target may be an int64 tensor", () => {
    const logits = tensor([[0.5, 1, 2], [3, 1, 0.25]]);
    const target = tensor([2, 0], { dtype: "int64" });
    assertBitwise(crossEntropy(logits, target), crossEntropy(logits, [2, 0]));
  });
});

describe("embedding", () => {
  law(
    ["EMBED-1"],
    "is indexSelect of rows, and the rows of a one-hot product",
    lookups,
    (given) => {
      const { weight, input, places } = given;
      const y = embedding(input, weight);
      assertBitwise(y, indexSelect(weight, 0, places));
      const hot = zeros([places.length, weight.shape[0]], { dtype: weight.dtype });
      places.forEach((row, place) => hot.data[place * weight.shape[0] + row] = 1);
      if (weight.shape[1] > 0) assertClose(y, linear(hot, transpose(weight, 0, 1)));
    },
  );

  law(
    ["EMBED-1"],
    "its gradient adds up repeated rows, and is 0 for the padding",
    fc.tuple(lookups, fc.nat(59)),
    ([{ weight, input, grad, places }, draw]) => {
      const paddingIdx = draw % weight.shape[0];
      const features = weight.shape[1];
      for (const padding of [null, paddingIdx, paddingIdx - weight.shape[0]]) {
        const table = new Tensor(weight.data.slice(), weight.shape);
        table.requiresGrad = true;
        backward(sum(mul(embedding(input, table, { paddingIdx: padding }), grad)));
        const wanted = zeros(weight.shape, { dtype: weight.dtype });
        places.forEach((row, place) => {
          if (padding !== null && row === paddingIdx) return;
          for (let k = 0; k < features; k++) {
            wanted.data[row * features + k] += grad.data[place * features + k];
          }
        });
        assertBitwise(table.grad!, wanted);
      }
    },
  );

  fact(["EMBED-2"], "the module reads its weight, of any shape of numbers", () => {
    const words = new Embedding(5, 2, { paddingIdx: 1 });
    assertEquals(words.weight.version(), 2);
    assertEquals(select(words.weight, 0, 1).tolist(), [0, 0]);
    const input = tensor([[0, 1], [4, 4]], { dtype: "int64" });
    assertBitwise(words.forward(input), embedding(input, words.weight));
    assertEquals(words.forward(tensor(3, { dtype: "int64" })).shape, [2]);
    words.loadStateDict({ weight: ones([5, 2]) });
    assertEquals(words.forward(tensor(1, { dtype: "int64" })).tolist(), [1, 1]);
  });
});

describe("LayerNorm", () => {
  law(
    ["NORM-1"],
    "brings each group to mean 0 and variance 1, wherever it stood and however wide it was",
    fc.tuple(
      fc.array(fc.integer({ min: -64, max: 64 }), { minLength: 12, maxLength: 12 }),
      fc.constantFrom([2], [3, 2], [2, 3, 2]),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: -9, max: 9 }),
    ),
    ([values, shape, scale, shift]) => {
      const norm = new LayerNorm(shape, { elementwiseAffine: false, eps: 0, dtype: "float64" });
      const x = new Tensor(Float64Array.from(values), [12 / numelOf(shape), ...shape]);
      const z = reshape(norm.forward(x), [-1, numelOf(shape)]);
      for (let row = 0; row < z.shape[0]; row++) {
        const group = select(reshape(x, [-1, numelOf(shape)]), 0, row).data;
        if (group.every((value) => value === group[0])) continue; // 0 / 0
        const own = select(z, 0, row);
        assertClose(mean(own), zeros([], { dtype: "float64" }));
        assertClose(mean(mul(own, own)), ones([], { dtype: "float64" }));
        const moved = norm.forward(add(mul(x, scale), shift));
        assertClose(select(reshape(moved, [-1, numelOf(shape)]), 0, row), own);
      }
    },
  );

  fact(["NORM-1"], "one element to a group is 0, and eps keeps a flat group at 0", () => {
    const flat = tensor([[3], [-2]]);
    assertEquals(new LayerNorm(1).forward(flat).tolist(), [[0], [0]]);
    assertEquals(new LayerNorm(2).forward(tensor([[5, 5]])).tolist(), [[0, 0]]);
  });

  fact(["NORM-2"], "weight and bias scale and shift; each may be missing", () => {
    const x = tensor([[1, 3]]);
    const norm = new LayerNorm(2, { eps: 0 });
    assertEquals(norm.parameters().map((p) => p.version()), [1, 1]);
    norm.loadStateDict({ weight: tensor([2, 3]), bias: tensor([10, 20]) });
    assertEquals(norm.forward(x).tolist(), [[8, 23]]);
    const unbiased = new LayerNorm([2], { eps: 0, bias: false });
    assertEquals([unbiased.bias, Object.keys(unbiased.stateDict())], [null, ["weight"]]);
    assertEquals(new LayerNorm(2, { elementwiseAffine: false }).parameters(), []);
    const bad = tensor([[1, 2, 3]]);
    assertThrows(() => norm.forward(bad), Error, "expected input with shape [*, 2]");
  });
});

function numelOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
