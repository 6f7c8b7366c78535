/** Chapter tensor: sizes, numbers of each dtype, and where elements stand. */

import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  cat,
  type DType,
  full,
  linspace,
  ones,
  Size,
  tanh,
  Tensor,
  tensor,
  type TensorLike,
  zeros,
} from "../../mod.ts";
import {
  blocksOf,
  broadcastShape,
  placeIn,
  placesBy,
  placesIn,
  placesOf,
  resized,
  spreadPlaces,
  stridesOf,
  wrapDims,
} from "../../lib/tensor/blocks.ts";
import { allocate, convert, element, numel, sameShape, typeName } from "../../lib/tensor/dtype.ts";
import { visitElements } from "../../lib/tensor/create.ts";
import { sharesVersion, shareVersion } from "../../lib/tensor/tensor.ts";
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

const refusals = (rows: readonly (readonly [() => unknown, string])[]) =>
  rows.forEach(([run, message]) => assertEquals(told(run), message));

describe("tensor facts", () => {
  fact(["TENSOR-1", "TENSOR-8"], "where elements stand", () => {
    assertEquals(stridesOf([2, 3, 4]), [12, 4, 1]);
    assertEquals(stridesOf([]), []);
    assertEquals([...placesBy([2, 3], [1, 2])], [0, 2, 4, 1, 3, 5]);
    assertEquals([...placesBy([2], [3], 5)], [5, 8]);
    assertEquals([...placesBy([], [], 7)], [7]);
    assertEquals([...placesOf([2, 3, 2], 1, [2, 0])], [4, 0, 10, 6]);
    assertEquals([...placesOf([3], 0, [1])], [1]);
    assertEquals([...spreadPlaces([3], [2, 3])], [0, 1, 2, 0, 1, 2]);
    assertEquals([...spreadPlaces([2, 1], [2, 3])], [0, 0, 0, 1, 1, 1]);
    assertEquals([...spreadPlaces([2, 1, 2], [2, 2, 2])], [0, 1, 0, 1, 2, 3, 2, 3]);
    assertEquals([...spreadPlaces([1, 2], [2, 2, 2])], [0, 1, 0, 1, 0, 1, 0, 1]);
    assertEquals(placesIn([], [3]), [null, 0]);
    assertEquals(placesIn([1, 1], [3, 2]), [null, 0]);
    assertEquals(placesIn([3, 2], [3, 2]), [null, 1]);
    const places = placesIn([2], [2, 2]);
    assertEquals([places[0] && [...places[0]], places[1]], [[0, 1, 0, 1], 1]);
    assertEquals([placeIn(places, 3), placeIn([null, 1], 3), placeIn([null, 0], 3)], [1, 3, 0]);
    assertEquals(blocksOf([2, 3, 4], 1), [2, 3, 4]);
    assertEquals(blocksOf([2, 3, 4, 5], 2), [6, 4, 5]);
    assertEquals(blocksOf([], 0), [1, 1, 1]);
    assertEquals([resized([2, 3, 4], 1), resized([2, 3, 4], 1, 7, 8)], [[2, 4], [2, 7, 8, 4]]);
    assertEquals(wrapDims([-1, 0], 3), [2, 0]);
    assertEquals(
      told(() => wrapDims([2, 1, -2], 3)),
      "RuntimeError: dim 1 appears multiple times in the list of dims",
    );
  }, readablePath);

  fact(["TENSOR-8", "ERROR-5"], "shapes that broadcast, and that do not", () => {
    const pairs: [number[], number[], number[]][] = [
      [[], [2, 3], [2, 3]],
      [[3], [2, 3], [2, 3]],
      [[2, 1], [3], [2, 3]],
      [[1], [0], [0]],
      [[2, 1, 4], [5, 1], [2, 5, 4]],
      [[1, 1], [1], [1, 1]],
    ];
    for (const [a, b, shape] of pairs) {
      assertEquals([broadcastShape(a, b), broadcastShape(b, a)], [shape, shape]);
    }
    const same = [2, 3];
    assertStrictEquals(broadcastShape(same, [2, 3]), same);
    const refused = (m: number, n: number, dim: number) =>
      `RuntimeError: The size of tensor a (${m}) must match the size of tensor b (${n}) at ` +
      `non-singleton dimension ${dim}`;
    refusals([
      [() => broadcastShape([2], [3]), refused(2, 3, 0)],
      [() => broadcastShape([0], [2]), refused(0, 2, 0)],
      [() => broadcastShape([4, 2, 5], [3, 5]), refused(2, 3, 1)],
      [() => broadcastShape([2, 3], [4, 3, 3]), refused(2, 3, 1)],
    ]);
    assertEquals([sameShape(same, same), sameShape([2, 3], same)], [true, true]);
    assertEquals([sameShape([2], same), sameShape([2, 4], same), sameShape([3, 3], same)], [
      false,
      false,
      false,
    ]);
    assertEquals([numel([]), numel([2, 3]), numel([2, 0])], [1, 6, 0]);
  }, readablePath);

  fact(["TENSOR-7", "ERROR-5"], "numbers of each dtype", () => {
    const given = [-0.5, 2.5, 0, 1];
    assertEquals([...convert(given, "int64")], [0, 2, 0, 1]);
    assertEquals([...convert(given, "bool")], [1, 1, 0, 1]);
    assertEquals([...convert([0.1], "float32")], [Math.fround(0.1)]);
    assertEquals([...convert([0.1, -0], "float64")], [0.1, -0]);
    assertEquals([element(3n, "int64"), element(true, "float32"), element(NaN, "bool")], [3, 1, 1]);
    assertEquals([element(0n, "bool"), element(false, "int64")], [0, 0]);
    assertEquals(
      (["float32", "float64", "int64", "bool"] as const).map(typeName),
      ["torch.FloatTensor", "torch.DoubleTensor", "torch.LongTensor", "torch.BoolTensor"],
    );
    const most = 2 ** 53 - 1;
    assertEquals([element(most, "int64"), element(-most, "int64")], [most, -most]);
    const beyond = (x: unknown) =>
      `ValueError: int64 holds whole numbers up to 2^53 - 1 here, which ${x} is not`;
    const of = (x: number, dtype?: DType) => new Tensor(Float64Array.of(x), [1], dtype);
    const storage = (name: string, dtype: string) =>
      `RuntimeError: ${name} is no storage for ${dtype}`;
    refusals([
      [() => element(2 ** 53, "int64"), beyond(2 ** 53)],
      [() => element(NaN, "int64"), beyond(NaN)],
      [() => of(-Infinity, "int64"), beyond(-Infinity)],
      [() => of(0.5, "int64"), "ValueError: 0.5 is no element of int64"],
      [() => of(2, "bool"), "ValueError: 2 is no element of bool"],
      [() => of(-1, "bool"), "ValueError: -1 is no element of bool"],
      [() => of(2 ** 32, "bool"), "ValueError: 4294967296 is no element of bool"],
      [() => of(NaN, "bool"), "ValueError: NaN is no element of bool"],
      [() => of(1, "float32"), storage("Float64Array", "float32")],
      [() => new Tensor(Float32Array.of(1), [1], "int64"), storage("Float32Array", "int64")],
      [() => new Tensor(Float32Array.of(1), [1], "float64"), storage("Float32Array", "float64")],
      [
        () => allocate("float16" as DType, 1),
        'TypeError: dtype must be "float32", "float64", "int64" or "bool", not \'float16\'',
      ],
    ]);
    const dtypes = [of(1), of(1, "float64"), of(-1, "int64"), of(1, "bool"), of(0, "bool")];
    assertEquals(dtypes.map(({ dtype }) => dtype), ["float64", "float64", "int64", "bool", "bool"]);
    assertEquals([of(1, "bool").item<boolean>(), of(0, "bool").item<boolean>()], [true, false]);
    assertEquals(of(1, "bool").tolist<boolean[]>(), [true]);
    assertEquals([allocate("float32", 2), allocate("bool", 1)], [
      new Float32Array(2),
      new Float64Array(1),
    ]);
  });

  fact(["TENSOR-1", "ERROR-5", "ERROR-8"], "sizes and storage that do not fit", () => {
    const invalid = (shape: string, size: number) =>
      `RuntimeError: shape '[${shape}]' is invalid for input of size ${size}`;
    const data = new Float32Array(2);
    const of = (run: (size: number[]) => Tensor, ...size: unknown[]) => () => run(size as number[]);
    const first = (name: string) =>
      `TypeError: ${name}(): argument 'size' (position 1) must be tuple of ints, but found element ` +
      "of type float at pos 0";
    refusals([
      [() => new Tensor(data, [3]), invalid("3", 2)],
      [() => new Tensor(data, []), invalid("", 2)],
      [() => new Tensor(data, [-1, -2]), invalid("-1, -2", 2)],
      [() => new Tensor(data, [0.5, 4]), invalid("0.5, 4", 2)],
      [of(zeros, -1), "RuntimeError: zeros: Dimension size must be non-negative."],
      [
        of(ones, 2, -3),
        "RuntimeError: Trying to create tensor with negative dimension -3: [2, -3]",
      ],
      [
        () => full([-1], 0),
        "RuntimeError: Trying to create tensor with negative dimension -1: [-1]",
      ],
      [of(zeros, 0.5), first("zeros")],
      [of(ones, 0.5, 1), first("ones")],
      [
        of(zeros, 1, 2, "3"),
        "TypeError: zeros(): argument 'size' failed to unpack the object at pos 3 with error " +
        '"type must be tuple of ints,but got str"',
      ],
      [() => linspace(0, 1, -1), "RuntimeError: number of steps must be non-negative"],
    ]);
    assertEquals([zeros([0, 2]).shape, new Tensor(new Float32Array(0), [0]).dim()], [[0, 2], 1]);
    assertEquals([zeros([2]).numel(), zeros([2, 3]).dim(), zeros([]).numel()], [2, 2, 1]);
    const given = [2];
    const x = new Tensor(data, given);
    given[0] = 5;
    assertEquals([x.shape, Object.isFrozen(x.shape)], [[2], true]);
    const text = (run: () => unknown) => told(run).replace(/;[^]*/, "");
    for (const name of ["dim", "numel", "item", "tolist", "version"] as const) {
      const run = () => Reflect.apply(x[name], x, [1]);
      assertEquals(
        text(run),
        `TypeError: Tensor.${name}() takes 0 positional arguments but 1 was given`,
      );
    }
    for (const wrong of [[[1], [1]], [data, 2], [data, [2], "int8"], [data, [2], undefined, 1]]) {
      assertThrows(() => Reflect.construct(Tensor, wrong), TypeError, "Tensor");
    }
    const one = "RuntimeError: a Tensor with";
    assertEquals(
      told(() => x.item()),
      `${one} 2 elements cannot be converted to Scalar`,
    );
    assertEquals(
      told(() => zeros([0]).item()),
      `${one} 0 elements cannot be converted to Scalar`,
    );
    assertEquals(
      told(() => zeros([]).size(0)),
      "IndexError: Dimension specified as 0 but tensor has no dimensions",
    );
    assertEquals(Size.from([1, 2]).map((k) => k).constructor, Array);
  });

  fact(["TENSOR-1", "TENSOR-7", "ERROR-5"], "lists, their dtypes and what is no list", () => {
    const kinds: [TensorLike, DType, number[]][] = [
      [[1, 2], "float32", [2]],
      [[1n], "int64", [1]],
      [[[true], [false]], "bool", [2, 1]],
      [new Float64Array(2), "float64", [2]],
      [new Float32Array(2), "float32", [2]],
      [new BigInt64Array(0), "int64", [0]],
      [[], "float32", [0]],
      [[[], []], "float32", [2, 0]],
      [true, "bool", []],
    ];
    for (const [data, dtype, shape] of kinds) {
      const x = tensor(data);
      assertEquals([x.dtype, x.shape, x.requiresGrad], [dtype, shape, false]);
    }
    assertEquals(tensor([1n, true, 2.5], { dtype: "int64" }).tolist(), [1, 1, 2]);
    assertEquals(tensor([0, 0.5, 1n], { dtype: "bool" }).tolist<boolean[]>(), [false, true, true]);
    const no = (wanted: string, given: string) => `TypeError: must be ${wanted}, not ${given}`;
    const of = (data: unknown, dtype?: DType) => () => tensor(data as TensorLike, { dtype });
    refusals([
      [() => tensor(null as never), no("real number", "NoneType")],
      [() => tensor({} as never), no("real number", "dict")],
      [() => tensor([1, "2"] as never), no("real number", "str")],
      [() => tensor([true, 1]), no("bool", "int")],
      [() => tensor([1n, 0.5]), no("int", "float")],
      [() => tensor([1, true]), no("real number", "bool")],
      [of(["1"], "int64"), no("real number", "str")],
      [of([1n], "float32"), no("real number", "int")],
      [
        () => tensor([[1, 2], [3]]),
        "ValueError: expected sequence of length 2 at dim 1 (got 1)",
      ],
      [() => tensor([[1], 2]), "TypeError: not a sequence"],
      [
        () => visitElements([1], [2], () => {}),
        "ValueError: expected sequence of length 2 at dim 0 (got 1)",
      ],
    ]);
    assertEquals([full([1], -0).data[0], full([2], 0).tolist()], [-0, [0, 0]]);
    assertEquals(full([2], 2.5, { dtype: "int64" }).tolist(), [2, 2]);
    assertEquals([ones([1], { requiresGrad: true }), zeros([1])].map((x) => x.requiresGrad), [
      true,
      false,
    ]);
  });

  fact(["TENSOR-5"], "evenly spaced numbers count from both ends", () => {
    const of = (start: number, end: number, steps: number) =>
      linspace(start, end, steps, { dtype: "float64" }).tolist();
    assertEquals(of(0.1, 0.9, 10), [
      ...[0.1, 0.18888888888888888, 0.2777777777777778, 0.3666666666666667, 0.4555555555555556],
      ...[0.5444444444444445, 0.6333333333333333, 0.7222222222222222, 0.8111111111111111, 0.9],
    ]);
    for (const steps of [2, 4, 6, 8, 10, 26]) { // each half is counted from its own end
      for (const [start, end] of [[0.1, 0.7], [-0.3, 0.9], [1e-3, 2.3]]) {
        assertEquals(of(start, end, steps), (of(end, start, steps) as number[]).reverse());
      }
    }
    assertEquals([of(3, 9, 1), of(-0, 9, 1), of(0, 1, 2), of(0, 1, 0)], [[3], [-0], [0, 1], []]);
    assertEquals(linspace(0, 1, 3).dtype, "float32");
    assertEquals(linspace(0, 1, 3, { requiresGrad: true }).requiresGrad, true);
  });

  fact(["GRAD-1", "GRAD-5", "ERROR-5"], "gradients that a tensor may have", () => {
    const x = zeros([2], { requiresGrad: true });
    const set = (value: unknown) => () => x.grad = value as Tensor;
    const dtype = (given: string, wanted: string) =>
      `RuntimeError: attempting to assign a gradient with dtype '${given}' to a tensor with ` +
      `grad_dtype '${wanted}'. The gradient must match the tensor's grad_dtype (defaults to the ` +
      "tensor's dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or " +
      "None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and " +
      "its gradient may break downstream systems that assume they match.";
    const y = tanh(x);
    const leaf = "RuntimeError: you can only change requires_grad flags of leaf variables.";
    refusals([
      [
        set([0, 0]),
        "TypeError: assigned grad expected to be a Tensor or None but got grad of type " +
        "list",
      ],
      [set(x), "RuntimeError: can't assign Variable as its own grad"],
      [set(zeros([2], { dtype: "float64" })), dtype("double", "Float")],
      [
        set(zeros([3])),
        "RuntimeError: attempting to assign a gradient of size '[3]' to a tensor of size '[2]'. " +
        "Please ensure that the gradient and the tensor are the same size",
      ],
      [() => y.requiresGrad = true, leaf],
      [
        () => y.requiresGrad = false,
        `${leaf} If you want to use a computed variable in a subgraph that doesn't require ` +
        "differentiation use var_no_grad = var.detach().",
      ],
      [() => x.requiresGrad = 1 as never, "RuntimeError: requires_grad must be a bool"],
      [
        () => cat(["a" as never]),
        "TypeError: expected Tensor as element 0 in argument 0, but got str",
      ],
    ]);
    assertEquals(x.grad, null);
    const given = zeros([2]);
    set(given)();
    assertStrictEquals(x.grad, given);
    set(null)();
    assertEquals([x.grad, x.isLeaf, y.isLeaf, y.requiresGrad], [null, true, false, true]);
    x.requiresGrad = false;
    assertEquals([x.requiresGrad, tanh(x).requiresGrad], [false, false]);
    const [a, b] = [zeros([1]), zeros([1])];
    assertEquals([sharesVersion(a, b), a.version()], [false, 0]);
    shareVersion(a, b);
    assertEquals([sharesVersion(a, b), sharesVersion(a, x)], [true, false]);
  });
});
