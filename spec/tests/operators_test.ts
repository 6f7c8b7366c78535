/**
 * The operators that exporters put around recurrent nodes, as ONNX's own documentation states them:
 * what a file's constants give through them is what a node is judged by.
 */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Nested, Tensor, tensor } from "../../mod.ts";
import { readOnnx, type WireField, writeMessage } from "../../lib/onnx/mod.ts";
import { carryOut } from "../../lib/onnx/run.ts";
import { operators } from "../../lib/onnx/operators.ts";
import { Scope, worldOf } from "../../lib/onnx/values.ts";
import { describe, fact as onEveryPath, law as onPaths, readablePath } from "./law.ts";

// Nothing of this depends on the path.
const fact = (claim: string, holds: () => void) =>
  onEveryPath(["JUDGE-1"], claim, holds, readablePath);
const law = <T>(claim: string, arbitrary: fc.Arbitrary<T>, holds: (given: T) => void, runs = 100) =>
  onPaths(["JUDGE-1"], claim, arbitrary, holds, runs, readablePath);

/** A tensor of a file: of float64, or where `whole`, of int64. */
interface Given {
  readonly x: Tensor;
  readonly whole: boolean;
}

const float64 = { dtype: "float64" } as const;
/** Numbers of float64. */
const f = (x: Nested): Given => ({ x: tensor(x, float64), whole: false });
/** Integers. */
const i = (x: Nested): Given => ({ x: tensor(x, float64), whole: true });
const shaped = (x: readonly number[], shape: readonly number[]): Given => (
  { x: new Tensor(Float64Array.from(x), shape), whole: false }
);

function initializer(name: string, { x, whole }: Given): WireField[] {
  const data = whole ? BigInt64Array.from(x.data, BigInt) : Float64Array.from(x.data);
  const dims = x.shape.map((extent): WireField => [1, extent]);
  return [...dims, [2, whole ? 7 : 11], [8, name], [9, new Uint8Array(data.buffer)]];
}

type Attribute = number | { float: number } | number[] | { floats: number[] } | Given | string;

function attribute(name: string, value: Attribute): WireField {
  const fields: WireField[] = typeof value === "number"
    ? [[3, value], [20, 2]]
    : typeof value === "string"
    ? [[4, value], [20, 3]]
    : Array.isArray(value)
    ? [...value.map((x): WireField => [8, x]), [20, 7]]
    : "float" in value
    ? [[2, value], [20, 1]]
    : "floats" in value
    ? [...value.floats.map((float): WireField => [7, { float }]), [20, 6]]
    : [[5, initializer("", value)], [20, 4]];
  return [5, [[1, name], ...fields]];
}

type Attributes = Readonly<Record<string, Attribute>>;

/** A node of constants: the name of each output is `y` and its number. */
function node(
  type: string,
  inputs: readonly (Given | null)[],
  attributes: Attributes,
  outputs: number,
): WireField[] {
  return [
    [1, [
      ...inputs.map((x, k): WireField => [1, x ? `x${k}` : ""]),
      ...Array.from({ length: outputs }, (_, k): WireField => [2, `y${k}`]),
      [4, type],
      ...Object.entries(attributes).map((own) => attribute(...own)),
    ]],
    ...inputs.flatMap((x, k): WireField[] => x ? [[5, initializer(`x${k}`, x)]] : []),
  ];
}

/** What a file's graph gives, by name. */
function values(graph: readonly WireField[], names: readonly string[]) {
  const model = readOnnx(writeMessage([[1, 8], [7, graph], [8, [[2, 17]]]]));
  const scope = new Scope(worldOf(model, carryOut(model)), model.graph);
  return names.map((name): Given | null => {
    const value = scope.get(name);
    return value && { x: new Tensor(value.data, value.shape), whole: value.whole };
  });
}

function run(
  type: string,
  inputs: readonly (Given | null)[],
  attributes: Attributes = {},
  outputs = 1,
): (Given | null)[] {
  const names = Array.from({ length: outputs }, (_, k) => `y${k}`);
  return values(node(type, inputs, attributes, outputs), names);
}

const plain = (given: Given | null | undefined) =>
  given && [given.x.shape, [...given.x.data], given.whole];

type Row = [inputs: (Given | null)[], attributes: Attributes, ...wanted: (Given | null)[]];

/** Each row: the inputs, the attributes, and what comes out; `null` where it cannot be computed. */
function table(type: string, ...rows: Row[]): void {
  fact(`${type} computes what ONNX says`, () => {
    for (const [inputs, attributes, ...wanted] of rows) {
      const found = run(type, inputs, attributes, wanted.length);
      assertEquals(found.map(plain), wanted.map(plain), JSON.stringify([type, attributes]));
    }
  });
}

const square = f([[1, 2, 3], [4, 5, 6]]);
const cube = f([[[1, 2], [3, 4]], [[5, 6], [7, 8]], [[9, 10], [11, 12]]]);

describe("constants", () => {
  table(
    "Constant",
    [[], { value: f([[1, 2]]) }, f([[1, 2]])],
    [[], { value: i([3]) }, i([3])],
    [[], { value_float: { float: 0.5 } }, f(0.5)],
    [[], { value_int: 7 }, i(7)],
    [[], { value_floats: { floats: [0.5, 2] } }, f([0.5, 2])],
    [[], { value_ints: [1, -2] }, i([1, -2])],
    [[], { value_string: "text" }, null],
  );
  table(
    "ConstantOfShape",
    [[i([2, 1])], { value: f([3]) }, f([[3], [3]])],
    [[i([2])], { value: i([4]) }, i([4, 4])],
    [[i([0])], {}, shaped([], [0])],
    [[i([2])], {}, f([0, 0])],
    [[i([-1])], {}, null],
    [[i([2, -1])], {}, null],
    [[i([2 ** 12, 2 ** 11])], {}, null], // more than a small file may ask for
  );
  table(
    "Range",
    [[i(1), i(7), i(3)], {}, i([1, 4])],
    [[i(1), i(8), i(3)], {}, i([1, 4, 7])],
    [[i(5), i(1), i(-2)], {}, i([5, 3])],
    [[i(5), i(5), i(1)], {}, i([])],
    [[i(5), i(1), i(1)], {}, i([])],
    [[i(0), i(2 ** 21), i(1)], {}, null],
  );
  table("Identity", [[square], {}, square], [[i([1])], {}, i([1])]);
  table(
    "Dropout",
    [[square], {}, square, null],
    [[square, f(0.5)], {}, square, null],
    [[square, f(0.5), i(0)], {}, square, null],
    [[square, f(0.5), i(1)], {}, null, null],
  );
  table(
    "Cast",
    [[f([1.7, -1.7, 0])], { to: 7 }, i([1, -1, -0])],
    [[f([1.7, -1.7, 0])], { to: 6 }, i([1, -1, -0])],
    [[f([0.5, -2, 0])], { to: 9 }, i([1, 1, 0])],
    ...[1, 10, 11, 16].map((to): Row => [[f([1.5])], { to }, f([1.5])]),
    ...[1, 10, 11, 16].map((to): Row => [[i([3])], { to }, f([3])]),
  );
  table("CastLike", [[i([1]), f([1])], {}, f([1])], [[f([2]), i([1])], {}, i([2])]);
});

describe("shapes", () => {
  table(
    "Shape",
    [[cube], {}, i([3, 2, 2])],
    [[f(1)], {}, i([])],
    [[cube], { start: 1 }, i([2, 2])],
    [[cube], { end: 1 }, i([3])],
    [[cube], { start: -3, end: -1 }, i([3, 2])],
    [[cube], { start: -9, end: 9 }, i([3, 2, 2])],
    [[cube], { start: 2, end: 1 }, i([])],
  );
  table("Size", [[cube], {}, i(12)], [[f(1)], {}, i(1)]);
  const line = f([1, 2, 3, 4, 5, 6]);
  table(
    "Reshape",
    [[line, i([2, 3])], {}, square],
    [[line, i([-1, 3])], {}, square],
    [[line, i([2, -1])], {}, square],
    [[square, i([0, -1])], {}, square],
    [[square, i([0, 0])], {}, square],
    [[line, i([1, 0])], {}, null],
    [[line, i([4])], {}, null],
    [[shaped([], [0, 3]), i([3, 0])], { allowzero: 1 }, shaped([], [3, 0])],
    [[square, i([3, 0])], { allowzero: 1 }, null],
    [[square], { shape: [6] }, line],
  );
  const one = f([[[1], [2]]]);
  table(
    "Squeeze",
    [[one], {}, f([1, 2])],
    [[one, i([0])], {}, f([[1], [2]])],
    [[one, i([-1])], {}, f([[1, 2]])],
    [[one], { axes: [0, 2] }, f([1, 2])],
    [[one, i([1])], {}, null],
  );
  table(
    "Unsqueeze",
    [[f([1, 2]), i([0])], {}, f([[1, 2]])],
    [[f([1, 2]), i([-1])], {}, f([[1], [2]])],
    [[f([1, 2])], { axes: [0, 2] }, one],
    [[f([1, 2])], { axes: [2, 0] }, one],
    [[f([1, 2])], {}, null],
  );
  table(
    "Flatten",
    [[cube], {}, f([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])],
    [[cube], { axis: 0 }, f([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]])],
    [[cube], { axis: -1 }, f([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]])],
  );
  table(
    "Expand",
    [[f([[1], [2]]), i([2, 2])], {}, f([[1, 1], [2, 2]])],
    [[f([1, 2]), i([2, 1])], {}, f([[1, 2], [1, 2]])],
    [[f([[1, 2]]), i([1])], {}, f([[1, 2]])],
    [[f([1, 2]), i([3])], {}, null],
    [[f([0]), i([2 ** 12, 2 ** 11])], {}, null],
  );
  table(
    "Transpose",
    [[square], {}, f([[1, 4], [2, 5], [3, 6]])],
    [[cube], { perm: [1, 0, 2] }, f([[[1, 2], [5, 6], [9, 10]], [[3, 4], [7, 8], [11, 12]]])],
    [[f([[[1, 2]], [[3, 4]]])], {}, f([[[1, 3]], [[2, 4]]])],
    [[i([[1], [2]])], {}, i([[1, 2]])],
  );
});

/** A tensor of up to three dimensions, with its elements counted from 1. */
const anyTensor = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 })
  .map((shape) => {
    const size = shape.reduce((all, extent) => all * extent, 1);
    return shaped(Array.from({ length: size }, (_, k) => k + 1), shape);
  });

/** All places of a shape, in order. */
function places(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, extent) => all.flatMap((at) => Array.from({ length: extent }, (_, k) => [...at, k])),
    [[]],
  );
}

const at = ({ x }: Given, place: readonly number[]) =>
  x.data[place.reduce((row, k, d) => row * x.shape[d] + k, 0)];

/** The tensor that has at each place what a function says. */
function made(shape: readonly number[], element: (place: number[]) => number): Given {
  return shaped(places(shape).map(element), shape);
}

const equal = (found: Given | null, wanted: Given) => assertEquals(plain(found), plain(wanted));
const axisIn = (x: Given, k: number) => k % x.x.shape.length;

describe("moves", () => {
  const within = fc.integer({ min: -6, max: 6 });
  law(
    "Slice takes each step from its start to before its end, along any axis",
    fc.tuple(anyTensor, fc.nat(5), within, within, fc.integer({ min: -3, max: 3 }), fc.boolean()),
    ([x, k, start, end, by, negative]) => {
      const [axis, step] = [axisIn(x, k), by || 1];
      const extent = x.x.shape[axis];
      const high = step > 0 ? extent : extent - 1;
      const clamp = (place: number, low: number) =>
        Math.min(Math.max(place < 0 ? place + extent : place, low), high);
      const taken: number[] = [];
      const stop = clamp(end, step > 0 ? 0 : -1);
      for (let p = clamp(start, 0); step > 0 ? p < stop : p > stop; p += step) taken.push(p);
      const shape = x.x.shape.with(axis, taken.length);
      const wanted = made(shape, (place) => at(x, place.with(axis, taken[place[axis]])));
      const own = negative ? axis - x.x.shape.length : axis;
      const [found] = run("Slice", [x, i([start]), i([end]), i([own]), i([step])]);
      equal(found, wanted);
    },
  );
  table(
    "Slice",
    [[square, i([1]), i([9])], {}, f([[4, 5, 6]])],
    [[square, i([0, 1]), i([2, 3])], {}, f([[2, 3], [5, 6]])],
    [[square, i([1]), i([3]), i([1])], {}, f([[2, 3], [5, 6]])],
    [[square], { starts: [0], ends: [1] }, f([[1, 2, 3]])],
    [[square], { starts: [0], ends: [2], axes: [1] }, f([[1, 2], [4, 5]])],
    [[i([1, 2, 3]), i([2]), i([-4]), i([0]), i([-2])], {}, i([3, 1])],
    [[square, i([1])], {}, null],
    [[square], { ends: [1] }, null],
    [[square, i([1]), i([0]), i([0]), i([0])], {}, null],
  );
  law(
    "Gather takes places along any axis",
    fc.tuple(anyTensor, fc.nat(5), fc.array(fc.nat(11), { minLength: 1, maxLength: 4 })),
    ([x, k, some]) => {
      const axis = axisIn(x, k);
      const extent = x.x.shape[axis];
      const indices = some.map((one) => one % (2 * extent) - extent);
      const wanted = made(x.x.shape.with(axis, indices.length), (place) => {
        const index = indices[place[axis]];
        return at(x, place.with(axis, index < 0 ? index + extent : index));
      });
      equal(run("Gather", [x, i(indices)], { axis })[0], wanted);
    },
  );
  table(
    "Gather",
    [[square, i(1)], {}, f([4, 5, 6])],
    [[square, i([[0, 2]])], { axis: 1 }, f([[[1, 3]], [[4, 6]]])],
    [[square, i([2])], {}, null],
    [[square, i([-3])], {}, null],
    [[i([7, 8]), i([-1, -2])], {}, i([8, 7])],
  );
  law(
    "Split cuts, and Concat puts together again",
    fc.tuple(anyTensor, fc.nat(5), fc.nat(4)),
    ([x, k, cut]) => {
      const axis = axisIn(x, k);
      const extent = x.x.shape[axis];
      const sizes = [cut % (extent + 1), extent - cut % (extent + 1)];
      const parts = run("Split", [x, i(sizes)], { axis }, 2);
      parts.forEach((part, n) => {
        const from = n === 0 ? 0 : sizes[0];
        const shape = x.x.shape.with(axis, sizes[n]);
        equal(part, made(shape, (place) => at(x, place.with(axis, place[axis] + from))));
      });
      equal(run("Concat", parts, { axis })[0], x);
    },
  );
  table(
    "Split",
    [[f([1, 2, 3, 4, 5])], {}, f([1, 2, 3]), f([4, 5])],
    [[f([1, 2, 3, 4])], {}, f([1, 2]), f([3, 4])],
    [[square], { axis: -1, split: [1, 2] }, f([[1], [4]]), f([[2, 3], [5, 6]])],
  );
  table(
    "Concat",
    [[f([1]), f([2, 3]), f([4])], { axis: 0 }, f([1, 2, 3, 4])],
    [[square, square], { axis: -1 }, f([[1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]])],
    [[square, f([[7], [8]])], { axis: 1 }, f([[1, 2, 3, 7], [4, 5, 6, 8]])],
    [[square, f([[7], [8]])], { axis: 0 }, null],
    [[i([1]), i([2])], { axis: 0 }, i([1, 2])],
    [[square], { axis: 1 }, square],
    [[square, square], {}, f([[1, 2, 3, 1, 2, 3], [4, 5, 6, 4, 5, 6]])], // opset 1's default
  );
  law(
    "Transpose puts each element where perm says",
    fc.tuple(anyTensor, fc.array(fc.nat(9), { minLength: 3, maxLength: 3 })),
    ([x, keys]) => {
      const perm = x.x.shape.map((_, d) => d).sort((a, b) => keys[a] - keys[b] || a - b);
      const wanted = made(perm.map((d) => x.x.shape[d]), (place) => {
        const own: number[] = [];
        perm.forEach((d, n) => own[d] = place[n]);
        return at(x, own);
      });
      equal(run("Transpose", [x], { perm })[0], wanted);
    },
  );
  table(
    "Where",
    [[i([1, 0]), f([1, 2]), f([3, 4])], {}, f([1, 4])],
    [[i([[1], [0]]), f([1, 2]), f(9)], {}, f([[1, 2], [9, 9]])],
    [[i(0), f([[1], [2]]), f([3, 4])], {}, f([[3, 4], [3, 4]])],
    [[i(1), i(2), i(3)], {}, i(2)],
    [[i([1, 0]), f([1, 2, 3]), f(1)], {}, null],
    [[i([1, 0, 1]), f(1), f([1, 2])], {}, null],
  );
  law(
    "ReverseSequence turns each sequence around within its length, in both orders of the axes",
    fc.tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      fc.array(fc.nat(9), { minLength: 3, maxLength: 3 }),
      fc.boolean(),
    ),
    ([length, batch, width, some, batchFirst]) => {
      const lengths = some.slice(0, batch).map((one) => 1 + one % length);
      const shape = batchFirst ? [batch, length, width] : [length, batch, width];
      const x = made(shape, ([a, b, c]) => 100 * a + 10 * b + c);
      const wanted = made(shape, (place) => {
        const [t, n] = batchFirst ? [place[1], place[0]] : place;
        const from = t < lengths[n] ? lengths[n] - 1 - t : t;
        return at(x, batchFirst ? [n, from, place[2]] : [from, n, place[2]]);
      });
      const axes: Attributes = batchFirst ? { batch_axis: 0, time_axis: 1 } : {};
      equal(run("ReverseSequence", [x, i(lengths)], axes)[0], wanted);
      if (batchFirst) return;
      equal(run("ReverseSequence", [x, i(lengths)], { batch_axis: 1, time_axis: 0 })[0], wanted);
    },
  );
  table(
    "ReverseSequence",
    [[square, i([1, 1])], { batch_axis: 2, time_axis: 0 }, null],
    [[square, i([1, 1])], { batch_axis: 0, time_axis: 0 }, null],
  );
  table(
    "TopK",
    [[f([[3, 1, 2], [5, 6, 4]]), i([2])], {}, f([[3, 2], [6, 5]]), i([[0, 2], [1, 0]])],
    [[f([3, 1, 2]), i([3])], { largest: 0 }, f([1, 2, 3]), i([1, 2, 0])],
    [[f([1, 2, 1, 2]), i([4])], {}, f([2, 2, 1, 1]), i([1, 3, 0, 2])],
    [[i([1, 2]), i([1])], { axis: 0 }, i([2]), i([1])],
    [[i([[1, 2]]), i([1])], { axis: 1 }, i([[2]]), i([[1]])],
    [[f([3, 1])], { k: 1 }, f([3]), i([0])],
    [[f([3, 1]), i([0])], {}, f([]), i([])],
    [[f([3, 1]), i([3])], {}, null, null],
    [[f([3, 1]), i([-1])], {}, null, null],
    [[f([3, 1])], {}, null, null],
    [[square, i([1])], { axis: 0 }, null, null],
    [[f(3), i([1])], {}, null, null],
    [[f(3), i([0])], {}, null, null],
  );
  table(
    "ScatterElements",
    [[f([1, 2, 3]), i([2, 0]), f([8, 9])], {}, f([9, 2, 8])],
    [[f([1, 2, 3]), i([-1]), f([8])], {}, f([1, 2, 8])],
    [
      [f([[1, 2], [3, 4], [5, 6]]), i([[2, 0], [1, 2]]), f([[7, 8], [9, 10]])],
      {},
      f([[1, 8], [9, 4], [7, 10]]),
    ],
    [[square, i([[1], [-1]]), f([[7], [8]])], { axis: 1 }, f([[1, 7, 3], [4, 5, 8]])],
    [[i([[1, 2]]), i([[0]]), i([[7]])], { axis: -1 }, i([[7, 2]])],
    [[square, i([[2, 0], [1, 2]]), f([[7, 8], [9, 0]])], { axis: 1 }, f([[8, 2, 7], [4, 9, 0]])],
  );
});

describe("arithmetic", () => {
  const two: [Given, Given] = [f([[6], [-7]]), f([2, -4])];
  const by = (g: (x: number, y: number) => number) =>
    f([6, -7].map((x) => [2, -4].map((y) => g(x, y))));
  table("Add", [[...two], {}, by((x, y) => x + y)], [[i([1]), i(2)], {}, i([3])]);
  table("Sub", [[...two], {}, by((x, y) => x - y)], [[f([[1, 2]]), f([1])], {}, f([[0, 1]])]);
  table("Mul", [[...two], {}, by((x, y) => x * y)], [[f([1, 2]), f([1, 2, 3])], {}, null]);
  table("Div", [[...two], {}, by((x, y) => x / y)], [[i([7, -7]), i(2)], {}, i([3, -3])]);
  table("Min", [[...two], {}, by(Math.min)]);
  table("Max", [[...two], {}, by(Math.max)], [[...two, f(9)], {}, null]);
  const truths = (wanted: number[]): Row[] => [
    [[f([1, 2, 3]), f(2)], {}, i(wanted)],
    [[i([1, 2, 3]), i(2)], {}, i(wanted)],
  ];
  table("Equal", ...truths([0, 1, 0]));
  table("Less", ...truths([1, 0, 0]));
  table("Greater", ...truths([0, 0, 1]));
  const logic: [Given, Given] = [i([0, 0, 1, 1]), i([0, 1, 0, 1])];
  table("And", [[...logic], {}, i([0, 0, 0, 1])]);
  table("Or", [[...logic], {}, i([0, 1, 1, 1])]);
  table("Not", [[i([0, 1])], {}, i([1, 0])]);
  table("Neg", [[f([1, -2])], {}, f([-1, 2])], [[i([3])], {}, i([-3])]);
  table("Relu", [[f([-1, 0, 2])], {}, f([0, 0, 2])]);
  table("Sqrt", [[f([4, 9])], {}, f([2, 3])]);
  fact("Tanh and Sigmoid compute what ONNX says", () => {
    const [t] = run("Tanh", [f([0.5, -1])]);
    const [s] = run("Sigmoid", [f([Math.log(3), -Math.log(3)])]);
    [Math.tanh(0.5), -Math.tanh(1)].forEach((x, k) => assertAlmostEquals(t!.x.data[k], x, 1e-15));
    [0.75, 0.25].forEach((x, k) => assertAlmostEquals(s!.x.data[k], x, 1e-15));
    assertEquals([t!.whole, s!.whole], [false, false]);
  });
  const identity = f([[1, 0], [0, 1]]);
  table(
    "MatMul",
    [[square, f([[1], [10], [100]])], {}, f([[321], [654]])],
    [[f([[2]]), f([[3, 4]])], {}, f([[6, 8]])],
    [
      [cube, f([[1, 10, 100], [1000, 0, 1]])],
      {},
      made([3, 2, 3], ([b, r, c]) => {
        const [p, q] = [4 * b + 2 * r + 1, 4 * b + 2 * r + 2];
        return [p + 1000 * q, 10 * p, 100 * p + q][c];
      }),
    ],
    [[identity, cube], {}, cube],
    [[f([[[1], [2], [3]]]), f([[[4, 5]]])], {}, f([[[4, 5], [8, 10], [12, 15]]])],
    [
      [cube, made([3, 2, 2], ([b, r, c]) => r === c ? b + 1 : 0)],
      {},
      made([3, 2, 2], ([b, r, c]) => (b + 1) * (4 * b + 2 * r + c + 1)),
    ],
    [
      [cube, f([[[1, 2, 3], [4, 5, 6]]])],
      {},
      made([3, 2, 3], ([b, r, c]) => {
        const p = 4 * b + 2 * r + 1;
        return p * (c + 1) + (p + 1) * (c + 4);
      }),
    ],
    [
      [made([64, 64], ([r, c]) => r === c ? 1 : 0), made([64, 64], ([r, c]) => r - c)],
      {},
      made([64, 64], ([r, c]) => r - c),
    ],
    [[square, square], {}, null],
    [[square, f([1, 2, 3])], {}, null],
    [[f([1, 2]), square], {}, null],
  );
  const turned = f([[1, 4], [2, 5], [3, 6]]);
  const ones = f([[1, 2], [3, 4], [5, 6]]);
  const product = f([[22, 28], [49, 64]]);
  table(
    "Gemm",
    [[square, ones], {}, product],
    [[turned, ones], { transA: 1 }, product],
    [[square, f([[1, 3, 5], [2, 4, 6]])], { transB: 1 }, product],
    [[square, ones, f([1, 2])], {}, f([[23, 30], [50, 66]])],
    [[square, ones, f([[1], [2]])], {}, f([[23, 29], [51, 66]])],
    [[square, ones, f(1)], { alpha: { float: 2 } }, f([[45, 57], [99, 129]])],
    [[square, ones, f(1)], { beta: { float: 0.5 } }, f([[22.5, 28.5], [49.5, 64.5]])],
    [[square, square], {}, null],
  );
  table(
    "ReduceSum",
    [[square], {}, f([[21]])],
    [[square, i([0])], {}, f([[5, 7, 9]])],
    [[square, i([-1])], {}, f([[6], [15]])],
    [[square], { axes: [1], keepdims: 0 }, f([6, 15])],
    [[square], { keepdims: 0 }, f(21)],
    [[cube, i([1])], { keepdims: 0 }, f([[4, 6], [12, 14], [20, 22]])],
    [[cube, i([0, 2])], {}, f([[[33], [45]]])],
    [[i([[1], [2]]), i([0])], {}, i([[3]])],
  );
  table("ReduceMean", [[square, i([0])], {}, f([[2.5, 3.5, 4.5]])], [[square], {}, f([[3.5]])]);
  table("ReduceProd", [[square, i([1])], {}, f([[6], [120]])], [[i([2, 3])], {}, i([6])]);
  table("ReduceMax", [[square, i([0])], {}, f([[4, 5, 6]])], [[f([-2, -1])], {}, f([-1])]);
  table(
    "DequantizeLinear",
    [[i([1, 3]), f(0.5)], {}, f([0.5, 1.5])],
    [[i([1, 3]), f(0.5), i(1)], {}, f([0, 1])],
    [[i([[1, 2], [3, 4]]), f([1, 10])], {}, f([[1, 20], [3, 40]])],
    [[i([[1, 2], [3, 4]]), f([1, 10])], { axis: 0 }, f([[1, 2], [30, 40]])],
    [[i([[1, 2], [3, 4]]), f([1, 10]), i([1, 2])], { axis: -1 }, f([[0, 0], [2, 20]])],
    [[i([[1, 2]]), f([[3]])], {}, f([[3, 6]])],
    [[i([1, 2]), f([1, 2])], { axis: 0, block_size: 1 }, null],
  );
});

describe("graphs", () => {
  const constant = (name: string, x: Given): WireField => [5, initializer(name, x)];
  const simple = (type: string, ins: string[], outs: string[], ...more: WireField[]): WireField => [
    1,
    [
      ...ins.map((name): WireField => [1, name]),
      ...outs.map((name): WireField => [2, name]),
      [4, type],
      ...more,
    ],
  ];
  const graph = (name: string, ...fields: WireField[]): WireField => [
    5,
    [[1, name], [6, fields], [20, 5]],
  ];
  const named = (field: number, name: string): WireField => [field, [[1, name]]];

  fact("what is not known makes unknown what is computed from it, but not its shape's use", () => {
    const found = values([
      constant("a", f([1])),
      simple("Strange", ["a"], ["b"]),
      simple("Add", ["a", "b"], ["c"]),
      simple("Shape", ["b"], ["d"]),
      simple("Size", ["b"], ["e"]),
      simple("Add", ["a", "round"], ["round"]),
      simple("Add", ["a", "a"], ["good"]),
    ], ["b", "c", "d", "e", "round", "missing", "good"]);
    assertEquals(found.map(plain), [null, null, null, null, null, null, plain(f([2]))]);
  });

  fact("a node with fewer inputs than its operator takes is not known, and ends nothing", () => {
    for (const type of Object.keys(operators)) {
      for (
        const given of [[], [null], [square], [square, null], [null, square], [i([9]), i([9])]]
      ) {
        const [found] = run(type, given);
        assert(found === null || found.x instanceof Tensor, type);
      }
    }
    for (const type of ["Relu", "Add", "Where", "Gemm", "Slice", "Gather", "DequantizeLinear"]) {
      assertEquals([type, run(type, [])[0]], [type, null]);
    }
    assertEquals(run("DequantizeLinear", [square])[0], null);
  });

  const value = fc.constantFrom(square, cube, f(2), f([1, 2]), i([0, 1]), i(-1), f([[[]]]), null);
  const small = fc.integer({ min: -3, max: 3 });
  law(
    "whatever a node is given, its value is sound or not known",
    fc.record({
      type: fc.constantFrom(...Object.keys(operators)),
      inputs: fc.array(value, { maxLength: 5 }),
      attributes: fc.dictionary(
        fc.constantFrom("axis", "axes", "perm", "starts", "ends", "split", "to", "k", "transA"),
        fc.oneof(small, fc.array(small, { maxLength: 3 })),
        { maxKeys: 2 },
      ),
    }),
    ({ type, inputs, attributes }) => {
      for (const found of run(type, inputs, attributes, 2)) {
        if (!found) continue;
        const { shape, data } = found.x;
        assertEquals(data.length, shape.reduce((all, extent) => all * extent, 1));
      }
    },
    200,
  );

  fact("what an operator cannot compute takes nothing from the others", () => {
    const [bad, good] = values([
      constant("a", f([1, 2])),
      constant("b", square),
      simple("MatMul", ["a", "b"], ["bad"]),
      simple("Neg", ["b"], ["good"]),
    ], ["bad", "good"]);
    assertEquals([bad, plain(good)], [null, plain(f([[-1, -2, -3], [-4, -5, -6]]))]);
  });

  fact("If takes the branch that its condition says", () => {
    const branch = (name: string, x: number) =>
      graph(name, simple("Constant", [], ["out"], attribute("value", f([x]))), named(12, "out"));
    for (const truth of [0, 1]) {
      const [found] = values([
        constant("c", i([truth])),
        simple("If", ["c"], ["y"], branch("then_branch", 5), branch("else_branch", 6)),
      ], ["y"]);
      assertEquals(plain(found), plain(f([truth ? 5 : 6])));
    }
    const [two] = values([
      constant("c", i([1, 1])),
      simple("If", ["c"], ["y"], branch("then_branch", 5), branch("else_branch", 6)),
    ], ["y"]);
    assertEquals(two, null);
  });

  /** A loop that adds its round to a sum, and collects the sums; it goes on below a limit. */
  const loop = (rounds: Given | null, goesOn: Given | null, limit: number) =>
    values([
      ...rounds ? [constant("rounds", rounds)] : [],
      ...goesOn ? [constant("goes", goesOn)] : [],
      constant("start", i([10])),
      constant("limit", i(limit)),
      simple(
        "Loop",
        [rounds ? "rounds" : "", goesOn ? "goes" : "", "start"],
        ["last", "all"],
        graph(
          "body",
          ...["round", "on", "sum"].map((name) => named(11, name)),
          simple("Add", ["sum", "round"], ["next"]),
          simple("Less", ["round", "limit"], ["more"]),
          ...["more", "next", "next"].map((name) => named(12, name)),
        ),
      ),
    ], ["last", "all"]).map(plain);

  fact("Loop goes on for its rounds and as long as its condition holds", () => {
    assertEquals(loop(i(3), i(1), 99), [i([13]), i([[10], [11], [13]])].map(plain));
    assertEquals(loop(i(1), null, 99), [i([10]), i([[10]])].map(plain));
    assertEquals(loop(null, i(1), 2), [i([13]), i([[10], [11], [13]])].map(plain));
    assertEquals(loop(i(9), i(1), 0), [i([10]), i([[10]])].map(plain));
    assertEquals(loop(i(3), i(0), 99)[0], plain(i([10])));
    assertEquals(loop(null, null, 10 ** 6), [null, null]); // it has no end that is near
  });

  fact("a graph within sees the values around it, and has its own by the same names", () => {
    const inner = (...fields: WireField[]) => graph("then_branch", ...fields, named(12, "out"));
    const [around, hidden] = values([
      constant("c", i([1])),
      constant("x", f([2])),
      simple("Neg", ["x"], ["minus"]),
      simple("If", ["c"], ["y"], inner(simple("Add", ["minus", "x"], ["out"]))),
      simple(
        "If",
        ["c"],
        ["z"],
        inner(constant("minus", f([7])), simple("Add", ["minus", "x"], ["out"])),
      ),
    ], ["y", "z"]);
    assertEquals([around, hidden].map(plain), [f([0]), f([9])].map(plain));
  });

  fact("a file may make so many numbers as its size is worth, and no more", () => {
    const most = 2 ** 20;
    const expand = (k: number): WireField[] => [
      simple("Expand", ["one", "size"], [`y${k}`]),
    ];
    const names = Array.from({ length: 8 }, (_, k) => `y${k}`);
    const found = values([
      constant("one", f([1])),
      constant("size", i([most])),
      ...names.flatMap((_, k) => expand(k)),
    ], names);
    const kept = found.filter((one) => one !== null).length;
    assert(kept > 0 && kept < 8, String(kept));
    // Where there is room for some of what an operator spreads out, but not for all of it.
    const spread = (type: string, ...shapes: number[][]) =>
      values([
        ...shapes.map((shape, k) =>
          constant(`x${k}`, shaped(Array(shape.reduce((a, b) => a * b)).fill(1), shape))
        ),
        simple(type, shapes.map((_, k) => `x${k}`), ["y"], attribute("axis", 0)),
      ], ["y"])[0];
    const [rows, columns] = [2 ** 11, 2 ** 10];
    assertEquals(spread("Add", [rows, 1], [1, rows]), null);
    assertEquals(spread("Where", [rows, 1], [1, columns], [1]), null);
    assertEquals(spread("MatMul", [rows, 1, 1], [1, 1, columns]), null);
    assertEquals(spread("Gemm", [rows, 1], [1, columns], [1]), null);
    // A product of many numbers counts by its work, not by what it makes.
    const [product] = values([
      constant("a_size", i([2 ** 10, 2 ** 9])),
      constant("b_size", i([2 ** 9, 2 ** 10])),
      simple("ConstantOfShape", ["a_size"], ["a"]),
      simple("ConstantOfShape", ["b_size"], ["b"]),
      simple("MatMul", ["a", "b"], ["y"]),
    ], ["y"]);
    assertEquals(product, null);
  });
});
