/** ONNX's operators that stand around recurrent nodes in exported files, in float64. */

import type { OnnxAttribute } from "./model.ts";
import { type Value, valueOf } from "./value.ts";

/** One use of an operator. */
export interface Use {
  /** What goes in; `undefined` for an input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** The attributes. */
  readonly attribute: (name: string) => OnnxAttribute | undefined;
  /** How many outputs the node names. */
  readonly outputs: number;
  /** Whether a value of that shape may be made. */
  readonly fits: (shape: readonly number[]) => boolean;
}

type Operator = (use: Use) => readonly (Value | null)[] | null;

const product = (shape: readonly number[]) => shape.reduce((all, extent) => all * extent, 1);

const integers = (values: readonly number[], shape: readonly number[] = [values.length]): Value => (
  { shape, data: Float64Array.from(values), whole: true }
);

function int({ attribute }: Use, name: string, otherwise: number): number {
  const own = attribute(name);
  return own?.type === "int" ? Number(own.value) : otherwise;
}

function float({ attribute }: Use, name: string, otherwise: number): number {
  const own = attribute(name);
  return own?.type === "float" ? own.value : otherwise;
}

/** Integers that older operators take as an attribute, and newer ones as an input. */
function list({ attribute, inputs }: Use, name: string, input: number): number[] | undefined {
  const own = attribute(name);
  if (own?.type === "ints") return own.value.map(Number);
  return inputs[input] && [...inputs[input].data];
}

/** How far apart the elements of each dimension stand. */
function stridesOf(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let k = shape.length - 2; k >= 0; k--) strides[k] = strides[k + 1] * shape[k + 1];
  return strides;
}

/** A value whose elements are taken from another's, by a first place and a stride a dimension. */
function taken(
  use: Use,
  x: Value,
  shape: readonly number[],
  strides: readonly number[],
  first = 0,
): Value | null {
  if (!use.fits(shape)) return null;
  const data = new Float64Array(product(shape));
  const at = shape.map(() => 0);
  let from = first;
  for (let k = 0; k < data.length; k++) {
    data[k] = x.data[from];
    for (let d = shape.length - 1; d >= 0; d--) {
      from += strides[d];
      if (++at[d] < shape[d]) break;
      from -= strides[d] * shape[d];
      at[d] = 0;
    }
  }
  return { shape, data, whole: x.whole };
}

/** The shape of two shapes together; throws where they do not fit. */
function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, k) => {
    const [x, y] = [a[k - rank + a.length] ?? 1, b[k - rank + b.length] ?? 1];
    if (x !== y && x !== 1 && y !== 1) throw new RangeError("shapes that do not fit");
    return x === 1 ? y : x;
  });
}

/** A value spread out to a shape that its own fits. */
function expanded(use: Use, x: Value, shape: readonly number[]): Value | null {
  const own = stridesOf(x.shape);
  const strides = shape.map((_, k) => {
    const d = k - shape.length + x.shape.length;
    return d < 0 || x.shape[d] === 1 ? 0 : own[d];
  });
  return taken(use, x, shape, strides);
}

function pointwise(f: (x: number, use: Use) => number, whole = false): Operator {
  return (use) => {
    const x = use.inputs[0]!;
    const data = x.data.map((value) => f(value, use));
    return use.fits(x.shape) ? [{ shape: x.shape, data, whole: whole || x.whole }] : null;
  };
}

function binary(f: (x: number, y: number, whole: boolean) => number, truth = false): Operator {
  return (use) => {
    const [a, b] = use.inputs as Value[];
    const shape = broadcast(a.shape, b.shape);
    const [x, y] = [expanded(use, a, shape), expanded(use, b, shape)];
    if (!x || !y) return null;
    const data = x.data.map((value, k) => f(value, y.data[k], x.whole));
    return [{ shape, data, whole: truth || x.whole }];
  };
}

/** A place counted from the end where it is negative. */
const axisOf = (axis: number, rank: number) => axis < 0 ? axis + rank : axis;

function reshaped(x: Value, shape: readonly number[]): Value {
  if (product(shape) !== x.data.length) throw new RangeError("shapes that do not fit");
  return { ...x, shape };
}

function squeezed(use: Use): readonly Value[] {
  const x = use.inputs[0]!;
  const axes = list(use, "axes", 1)?.map((axis) => axisOf(axis, x.shape.length));
  return [reshaped(x, x.shape.filter((extent, k) => axes ? !axes.includes(k) : extent !== 1))];
}

function unsqueezed(use: Use): readonly Value[] | null {
  const x = use.inputs[0]!;
  const axes = list(use, "axes", 1);
  if (!axes) return null;
  const rank = x.shape.length + axes.length;
  const places = axes.map((axis) => axisOf(axis, rank));
  const left = [...x.shape];
  const shape = Array.from({ length: rank }, (_, k) => places.includes(k) ? 1 : left.shift()!);
  return [reshaped(x, shape)];
}

function reshape(use: Use): readonly Value[] | null {
  const x = use.inputs[0]!;
  const wanted = list(use, "shape", 1);
  if (!wanted) return null;
  const zero = int(use, "allowzero", 0) === 1;
  const shape = wanted.map((extent, k) => extent === 0 && !zero ? x.shape[k] : extent);
  const open = shape.indexOf(-1);
  if (open >= 0) shape[open] = x.data.length / -product(shape);
  return [reshaped(x, shape)];
}

function concat(use: Use): readonly Value[] | null {
  const parts = use.inputs as Value[];
  const axis = axisOf(int(use, "axis", 1), parts[0].shape.length);
  const extent = parts.reduce((sum, { shape }) => sum + shape[axis], 0);
  const shape = parts[0].shape.map((own, k) => k === axis ? extent : own);
  if (!use.fits(shape)) return null;
  const data = new Float64Array(product(shape));
  const rows = product(shape.slice(0, axis));
  const width = data.length / Math.max(rows, 1);
  let at = 0;
  for (const part of parts) {
    const own = product(part.shape.slice(axis));
    if (part.data.length !== own * rows) throw new RangeError("shapes that do not fit");
    for (let r = 0; r < rows; r++) {
      data.set(part.data.subarray(r * own, (r + 1) * own), r * width + at);
    }
    at += own;
  }
  return [{ shape, data, whole: parts[0].whole }];
}

function slice(use: Use): readonly (Value | null)[] | null {
  const x = use.inputs[0]!;
  const [starts, ends] = [list(use, "starts", 1), list(use, "ends", 2)];
  if (!starts || !ends) return null;
  const axes = list(use, "axes", 3) ?? starts.map((_, k) => k);
  const steps = list(use, "steps", 4) ?? starts.map(() => 1);
  const [shape, strides] = [[...x.shape], stridesOf(x.shape)];
  let first = 0;
  axes.forEach((given, k) => {
    const axis = axisOf(given, x.shape.length);
    const [extent, step] = [x.shape[axis], steps[k]];
    const within = (place: number, low: number, high: number) =>
      Math.min(Math.max(place < 0 ? place + extent : place, low), high);
    const start = step > 0 ? within(starts[k], 0, extent) : within(starts[k], 0, extent - 1);
    const end = step > 0 ? within(ends[k], 0, extent) : within(ends[k], -1, extent - 1);
    shape[axis] = Math.max(0, Math.ceil((end - start) / step));
    first += start * strides[axis];
    strides[axis] *= step;
  });
  return [taken(use, x, shape, strides, first)];
}

function gather(use: Use): readonly Value[] | null {
  const [x, indices] = use.inputs as Value[];
  const axis = axisOf(int(use, "axis", 0), x.shape.length);
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const shape = [...before, ...indices.shape, ...after];
  if (!use.fits(shape)) return null;
  const [rows, width, extent] = [product(before), product(after), x.shape[axis]];
  const data = new Float64Array(product(shape));
  let at = 0;
  for (let r = 0; r < rows; r++) {
    for (const index of indices.data) {
      const place = axisOf(index, extent);
      if (!(place >= 0 && place < extent)) throw new RangeError("an index out of range");
      const from = (r * extent + place) * width;
      data.set(x.data.subarray(from, from + width), at);
      at += width;
    }
  }
  return [{ shape, data, whole: x.whole }];
}

function split(use: Use): readonly (Value | null)[] | null {
  const x = use.inputs[0]!;
  const axis = axisOf(int(use, "axis", 0), x.shape.length);
  const chunk = Math.ceil(x.shape[axis] / use.outputs);
  const sizes = list(use, "split", 1) ?? Array.from(
    { length: use.outputs },
    (_, k) => Math.min(chunk, x.shape[axis] - k * chunk),
  );
  const strides = stridesOf(x.shape);
  let at = 0;
  return sizes.map((size) => {
    const part = taken(use, x, x.shape.with(axis, size), strides, at * strides[axis]);
    at += size;
    return part;
  });
}

function transpose(use: Use): readonly (Value | null)[] | null {
  const x = use.inputs[0]!;
  const perm = list(use, "perm", 99) ?? x.shape.map((_, k) => x.shape.length - 1 - k);
  const strides = stridesOf(x.shape);
  return [taken(use, x, perm.map((k) => x.shape[k]), perm.map((k) => strides[k]))];
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
    const count = x.data.length / Math.max(data.length, 1);
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
    if (own?.type === "float") {
      return [{ shape: [], data: Float64Array.of(own.value), whole: false }];
    }
    if (own?.type === "floats") {
      return [{ shape: [own.value.length], data: Float64Array.from(own.value), whole: false }];
    }
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

function shape(use: Use): readonly Value[] | null {
  const x = use.inputs[0];
  if (!x) return null;
  const rank = x.shape.length;
  const within = (place: number) => Math.min(Math.max(axisOf(place, rank), 0), rank);
  return [
    integers(x.shape.slice(within(int(use, "start", 0)), within(int(use, "end", rank)))),
  ];
}

function where(use: Use): readonly (Value | null)[] | null {
  const [c, a, b] = use.inputs as Value[];
  const shape = broadcast(broadcast(c.shape, a.shape), b.shape);
  const [t, x, y] = [c, a, b].map((value) => expanded(use, value, shape));
  if (!t || !x || !y) return null;
  return [{ shape, data: t.data.map((own, k) => own ? x.data[k] : y.data[k]), whole: a.whole }];
}

/** Turns each sequence around within its own length. */
function reverseSequence(use: Use): readonly (Value | null)[] | null {
  const [x, lengths] = use.inputs as Value[];
  const [batch, time] = [int(use, "batch_axis", 1), int(use, "time_axis", 0)];
  if (batch + time !== 1 || !use.fits(x.shape)) return null;
  const width = product(x.shape.slice(2));
  const place = (t: number, n: number) =>
    (time === 0 ? [t, n] : [n, t]).reduce((row, k, d) => d === 0 ? k : row * x.shape[1] + k) *
    width;
  const data = x.data.slice();
  for (let n = 0; n < x.shape[batch]; n++) {
    for (let t = 0; t < lengths.data[n]; t++) {
      const from = place(lengths.data[n] - 1 - t, n);
      data.set(x.data.subarray(from, from + width), place(t, n));
    }
  }
  return [{ ...x, data }];
}

/** The largest or smallest numbers of the last dimension, in order, and where they stood. */
function topK(use: Use): readonly Value[] | null {
  const [x, count] = use.inputs as Value[];
  const k = count ? count.data[0] : int(use, "k", -1);
  const [rank, width] = [x.shape.length, x.shape.at(-1) ?? 0];
  if (axisOf(int(use, "axis", -1), rank) !== rank - 1 || !(k >= 0 && k <= width)) return null;
  const sign = int(use, "largest", 1) ? -1 : 1;
  const places: number[] = [];
  for (let row = 0; row < x.data.length; row += width) {
    const order = Array.from({ length: width }, (_, at) => at);
    order.sort((a, b) => sign * (x.data[row + a] - x.data[row + b]) || a - b);
    places.push(...order.slice(0, k));
  }
  const shape = [...x.shape.slice(0, -1), k];
  const from = (place: number, at: number) => x.data[Math.floor(at / k) * width + place];
  return [
    { shape, data: Float64Array.from(places, from), whole: x.whole },
    integers(places, shape),
  ];
}

/** Puts numbers at given places along a dimension. */
function scatter(use: Use): readonly Value[] {
  const [x, indices, updates] = use.inputs as Value[];
  const axis = axisOf(int(use, "axis", 0), x.shape.length);
  const [strides, own] = [stridesOf(x.shape), stridesOf(indices.shape)];
  const data = x.data.slice();
  indices.data.forEach((index, at) => {
    let to = 0;
    strides.forEach((stride, d) => {
      const place = Math.floor(at / own[d]) % indices.shape[d];
      to += stride * (d === axis ? axisOf(index, x.shape[d]) : place);
    });
    data[to] = updates.data[at];
  });
  return [{ ...x, data }];
}

/** What a quantised number stands for: (x - zero point) times scale, both perhaps by one dimension. */
function dequantize(use: Use): readonly (Value | null)[] | null {
  const [x, scale, zero] = use.inputs as (Value | undefined)[];
  if (!x || !scale || int(use, "block_size", 0) !== 0) return null;
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
  Size: ({ inputs: [x] }) => x ? [integers([x.data.length], [])] : null,
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
  And: binary((x, y) => x && y ? 1 : 0, true),
  Or: binary((x, y) => x || y ? 1 : 0, true),
  Not: pointwise((x) => x ? 0 : 1, true),
  Neg: pointwise((x) => -x),
  Tanh: pointwise(Math.tanh),
  Sigmoid: pointwise(sigmoid),
  Relu: pointwise((x) => x < 0 ? 0 : x),
  Sqrt: pointwise(Math.sqrt),
  ReduceSum: reduce((a, b) => a + b, 0),
  ReduceMean: reduce((a, b) => a + b, 0, true),
  ReduceProd: reduce((a, b) => a * b, 1),
  ReduceMax: reduce(Math.max, -Infinity),
  Range: (use) => {
    const [start, limit, delta] = use.inputs.map((x) => x!.data[0]);
    const count = Math.max(0, Math.ceil((limit - start) / delta));
    if (!(count < 2 ** 20)) return null;
    return [integers(Array.from({ length: count }, (_, k) => start + k * delta))];
  },
};
