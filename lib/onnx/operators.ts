/** ONNX's operators that stand around recurrent nodes in exported files, in float64. */

import {
  axisOf,
  broadcast,
  expanded,
  float,
  int,
  integers,
  list,
  type Operator,
  product,
  stridesOf,
  taken,
  type Use,
} from "./use.ts";
import {
  concat,
  gather,
  reshape,
  reshaped,
  reverseSequence,
  scatter,
  slice,
  split,
  squeezed,
  topK,
  transpose,
  unsqueezed,
  where,
} from "./moves.ts";
import { type Value, valueOf } from "./value.ts";

function pointwise(f: (x: number) => number): Operator {
  return (use) => {
    const x = use.inputs[0]!;
    return use.fits(x.shape) ? [{ ...x, data: x.data.map(f) }] : null;
  };
}

function binary(f: (x: number, y: number, whole: boolean) => number, truth = false): Operator {
  return (use) => {
    const [a, b, ...more] = use.inputs as Value[];
    if (more.length > 0) return null;
    const shape = broadcast(a.shape, b.shape);
    const [x, y] = [expanded(use, a, shape), expanded(use, b, shape)];
    if (!x || !y) return null;
    const data = x.data.map((value, k) => f(value, y.data[k], x.whole));
    return [{ shape, data, whole: truth || x.whole }];
  };
}

/** Products of the matrices in the last two dimensions. */
function matmul(use: Use): readonly (Value | null)[] | null {
  const [a, b] = use.inputs as Value[];
  if (a.shape.length < 2 || b.shape.length < 2) return null;
  const [m, inner, n] = [a.shape.at(-2)!, a.shape.at(-1)!, b.shape.at(-1)!];
  if (b.shape.at(-2) !== inner) throw new RangeError("shapes that do not fit");
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, m, n];
  if (!use.fits(shape) || !use.fits([product(shape), Math.ceil(inner / 64)])) return null;
  const x = expanded(use, a, [...batch, m, inner]);
  const y = expanded(use, b, [...batch, inner, n]);
  if (!x || !y) return null;
  const data = new Float64Array(product(shape));
  for (let p = 0; p < product(batch); p++) {
    for (let i = 0; i < m; i++) {
      const row = data.subarray((p * m + i) * n, (p * m + i + 1) * n);
      for (let k = 0; k < inner; k++) {
        const factor = x.data[(p * m + i) * inner + k];
        const from = (p * inner + k) * n;
        for (let j = 0; j < n; j++) row[j] += factor * y.data[from + j];
      }
    }
  }
  return [{ shape, data, whole: false }];
}

function turned(use: Use, x: Value, turn: number): Value | null {
  return turn ? taken(use, x, [x.shape[1], x.shape[0]], [1, x.shape[1]]) : x;
}

function gemm(use: Use): readonly (Value | null)[] | null {
  const [a, b, c] = use.inputs as (Value | undefined)[];
  const x = turned(use, a!, int(use, "transA", 0));
  const y = turned(use, b!, int(use, "transB", 0));
  const made = x && y && matmul({ ...use, inputs: [x, y] })?.[0];
  if (!made) return null;
  const bias = c && expanded(use, c, made.shape);
  if (bias === null) return null;
  const [alpha, beta] = [float(use, "alpha", 1), float(use, "beta", 1)];
  const data = made.data.map((value, k) => alpha * value + (bias ? beta * bias.data[k] : 0));
  return [{ ...made, data }];
}

/** Adds up along some dimensions, or takes their mean or largest. */
function reduce(f: (a: number, b: number) => number, start: number, mean = false): Operator {
  return (use) => {
    const x = use.inputs[0]!;
    const rank = x.shape.length;
    const axes = list(use, "axes", 1)?.map((axis) => axisOf(axis, rank)) ??
      x.shape.map((_, k) => k);
    const kept = x.shape.map((extent, k) => axes.includes(k) ? 1 : extent);
    if (!use.fits(kept)) return null;
    const strides = stridesOf(kept);
    const data = new Float64Array(product(kept)).fill(start);
    const places = stridesOf(x.shape);
    x.data.forEach((value, at) => {
      let to = 0;
      for (let d = 0; d < rank; d++) {
        if (kept[d] !== 1) to += (Math.floor(at / places[d]) % x.shape[d]) * strides[d];
      }
      data[to] = f(data[to], value);
    });
    const count = x.data.length / data.length;
    if (mean) data.forEach((value, k) => data[k] = value / count);
    const shape = int(use, "keepdims", 1) ? kept : x.shape.filter((_, k) => !axes.includes(k));
    return [{ shape, data, whole: x.whole }];
  };
}

function constant(use: Use): readonly (Value | null)[] | null {
  for (const name of ["value", "value_float", "value_int", "value_floats", "value_ints"]) {
    const own = use.attribute(name);
    if (own?.type === "tensor") return use.fits(own.value.shape) ? [valueOf(own.value)] : null;
    if (own?.type === "int") return [integers([Number(own.value)], [])];
    if (own?.type === "ints") return [integers(own.value.map(Number))];
    if (own?.type === "float") return [{ ...integers([own.value], []), whole: false }];
    if (own?.type === "floats") return [{ ...integers(own.value), whole: false }];
  }
  return null;
}

function filled(use: Use): readonly (Value | null)[] | null {
  const shape = [...use.inputs[0]!.data];
  if (shape.some((extent) => !(extent >= 0)) || !use.fits(shape)) return null;
  const own = use.attribute("value");
  const value = own?.type === "tensor" ? valueOf(own.value) : null;
  const data = new Float64Array(product(shape)).fill(value?.data[0] ?? 0);
  return [{ shape, data, whole: value?.whole ?? false }];
}

function shape(use: Use): readonly Value[] {
  const x = use.inputs[0]!;
  const rank = x.shape.length;
  const within = (place: number) => Math.min(Math.max(axisOf(place, rank), 0), rank);
  return [
    integers(x.shape.slice(within(int(use, "start", 0)), within(int(use, "end", rank)))),
  ];
}

/** What a quantised number stands for: (x - zero point) times scale, both perhaps by one dimension. */
function dequantize(use: Use): readonly (Value | null)[] | null {
  const [x, scale, zero] = use.inputs as [Value, Value, Value?];
  if (int(use, "block_size", 0) !== 0) return null;
  const axis = axisOf(int(use, "axis", 1), x.shape.length);
  const along = (value: Value) => {
    if (value.data.length === 1) return expanded(use, { ...value, shape: [] }, x.shape);
    return expanded(use, { ...value, shape: x.shape.map((e, k) => k === axis ? e : 1) }, x.shape);
  };
  const [s, z] = [along(scale), zero ? along(zero) : null];
  if (!s || (zero && !z)) return null;
  const data = x.data.map((value, k) => (value - (z ? z.data[k] : 0)) * s.data[k]);
  return [{ shape: x.shape, data, whole: false }];
}

/** To another type: float16 and bfloat16 are not rounded to, integers are. */
function cast(use: Use): readonly Value[] {
  const x = use.inputs[0]!;
  const to = int(use, "to", 1);
  if (to === 9) return [{ ...x, data: x.data.map((value) => value ? 1 : 0), whole: true }];
  const whole = ![1, 10, 11, 16].includes(to);
  return [{ ...x, data: whole ? x.data.map(Math.trunc) : x.data, whole }];
}

const same: Operator = ({ inputs: [x] }) => [x!];
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** The operators by their names. */
export const operators: Readonly<Record<string, Operator>> = {
  Constant: constant,
  ConstantOfShape: filled,
  Identity: same,
  Dropout: (use) => use.inputs[2]?.data[0] ? null : [use.inputs[0]!, null],
  Cast: cast,
  CastLike: (use) => [{ ...use.inputs[0]!, whole: use.inputs[1]!.whole }],
  Shape: shape,
  Size: ({ inputs: [x] }) => [integers([x!.data.length], [])],
  Transpose: transpose,
  Reshape: reshape,
  Squeeze: squeezed,
  Unsqueeze: unsqueezed,
  Flatten: (use) => {
    const x = use.inputs[0]!;
    const rows = product(x.shape.slice(0, axisOf(int(use, "axis", 1), x.shape.length)));
    return [reshaped(x, [rows, x.data.length / rows])];
  },
  Concat: concat,
  Slice: slice,
  Gather: gather,
  Split: split,
  Expand: (use) => {
    const [x, to] = use.inputs as Value[];
    const shape = broadcast(x.shape, [...to.data]);
    return [expanded(use, x, shape)];
  },
  Where: where,
  TopK: topK,
  ScatterElements: scatter,
  ReverseSequence: reverseSequence,
  DequantizeLinear: dequantize,
  MatMul: matmul,
  Gemm: gemm,
  Add: binary((x, y) => x + y),
  Sub: binary((x, y) => x - y),
  Mul: binary((x, y) => x * y),
  Div: binary((x, y, whole) => whole ? Math.trunc(x / y) : x / y),
  Min: binary((x, y) => Math.min(x, y)),
  Max: binary((x, y) => Math.max(x, y)),
  Equal: binary((x, y) => x === y ? 1 : 0, true),
  Less: binary((x, y) => x < y ? 1 : 0, true),
  Greater: binary((x, y) => x > y ? 1 : 0, true),
  And: binary((x, y) => x && y ? 1 : 0),
  Or: binary((x, y) => x || y ? 1 : 0),
  Not: pointwise((x) => x ? 0 : 1),
  Neg: pointwise((x) => -x),
  Tanh: pointwise(Math.tanh),
  Sigmoid: pointwise(sigmoid),
  Relu: pointwise((x) => Math.max(x, 0)),
  Sqrt: pointwise(Math.sqrt),
  ReduceSum: reduce((a, b) => a + b, 0),
  ReduceMean: reduce((a, b) => a + b, 0, true),
  ReduceProd: reduce((a, b) => a * b, 1),
  ReduceMax: reduce(Math.max, -Infinity),
  Range: (use) => {
    const [start, limit, delta] = use.inputs.slice(0, 3).map((x) => x!.data[0]);
    const count = Math.max(0, Math.ceil((limit - start) / delta));
    if (!(count < 2 ** 20)) return null;
    return [integers(Array.from({ length: count }, (_, k) => start + k * delta))];
  },
};

const three = /^(Where|ScatterElements|Range)$/;
const two =
  /^(CastLike|Expand|Gather|ReverseSequence|DequantizeLinear|MatMul|Gemm|Add|Sub|Mul|Div|Min|Max|Equal|Less|Greater|And|Or)$/;

/** How many inputs an operator needs; those after them may be left out. */
export const needed = (type: string): number =>
  three.test(type) ? 3 : two.test(type) ? 2 : type === "Constant" ? 0 : 1;
