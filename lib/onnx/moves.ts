/** ONNX's operators that move numbers and compute none. */

import {
  axisOf,
  broadcast,
  expanded,
  int,
  integers,
  list,
  product,
  stridesOf,
  taken,
  type Use,
} from "./use.ts";
import type { Value } from "./value.ts";

/** The same numbers in another shape; one that they do not fill is refused with what it makes. */
export const reshaped = (x: Value, shape: readonly number[]): Value => ({ ...x, shape });

export function squeezed(use: Use): readonly Value[] {
  const x = use.inputs[0]!;
  const axes = list(use, "axes", 1)?.map((axis) => axisOf(axis, x.shape.length));
  return [reshaped(x, x.shape.filter((extent, k) => axes ? !axes.includes(k) : extent !== 1))];
}

export function unsqueezed(use: Use): readonly Value[] | null {
  const x = use.inputs[0]!;
  const axes = list(use, "axes", 1);
  if (!axes) return null;
  const rank = x.shape.length + axes.length;
  const places = axes.map((axis) => axisOf(axis, rank));
  const left = [...x.shape];
  const shape = Array.from({ length: rank }, (_, k) => places.includes(k) ? 1 : left.shift()!);
  return [reshaped(x, shape)];
}

export function reshape(use: Use): readonly Value[] | null {
  const x = use.inputs[0]!;
  const wanted = list(use, "shape", 1);
  if (!wanted) return null;
  const zero = int(use, "allowzero", 0) === 1;
  const shape = wanted.map((extent, k) => extent === 0 && !zero ? x.shape[k] : extent);
  const open = shape.indexOf(-1);
  if (open >= 0) shape[open] = x.data.length / -product(shape);
  return [reshaped(x, shape)];
}

export function concat(use: Use): readonly Value[] | null {
  const parts = use.inputs as Value[];
  if (parts.includes(undefined!)) return null;
  const axis = axisOf(int(use, "axis", 1), parts[0].shape.length);
  const extent = parts.reduce((sum, { shape }) => sum + shape[axis], 0);
  const shape = parts[0].shape.map((own, k) => k === axis ? extent : own);
  if (!use.fits(shape)) return null;
  const data = new Float64Array(product(shape));
  const rows = product(shape.slice(0, axis));
  const width = data.length / rows;
  let at = 0;
  for (const part of parts) {
    const own = product(part.shape.slice(axis));
    const fits = String(part.shape.with(axis, extent)) === String(shape);
    if (!fits) throw new RangeError("shapes that do not fit");
    for (let r = 0; r < rows; r++) {
      data.set(part.data.subarray(r * own, (r + 1) * own), r * width + at);
    }
    at += own;
  }
  return [{ shape, data, whole: parts[0].whole }];
}

export function slice(use: Use): readonly (Value | null)[] | null {
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
    if (step === 0) throw new RangeError("a step of 0");
    const forwards = step > 0;
    const within = (place: number, low: number, high: number) =>
      Math.min(Math.max(place < 0 ? place + extent : place, low), high);
    const last = forwards ? extent : extent - 1;
    const [start, end] = [within(starts[k], 0, last), within(ends[k], forwards ? 0 : -1, last)];
    shape[axis] = Math.max(0, Math.ceil((end - start) / step));
    first += start * strides[axis];
    strides[axis] *= step;
  });
  return [taken(use, x, shape, strides, first)];
}

export function gather(use: Use): readonly Value[] | null {
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

export function split(use: Use): readonly (Value | null)[] | null {
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

export function transpose(use: Use): readonly (Value | null)[] | null {
  const x = use.inputs[0]!;
  const perm = list(use, "perm", Infinity) ?? x.shape.map((_, k) => x.shape.length - 1 - k);
  const strides = stridesOf(x.shape);
  return [taken(use, x, perm.map((k) => x.shape[k]), perm.map((k) => strides[k]))];
}

export function where(use: Use): readonly (Value | null)[] | null {
  const [c, a, b] = use.inputs as Value[];
  const shape = broadcast(broadcast(c.shape, a.shape), b.shape);
  const all = [c, a, b].map((value) => expanded(use, value, shape));
  if (all.includes(null)) return null;
  const [t, x, y] = all as Value[];
  return [{ shape, data: t.data.map((own, k) => own ? x.data[k] : y.data[k]), whole: a.whole }];
}

/** Turns each sequence around within its own length. */
export function reverseSequence(use: Use): readonly (Value | null)[] | null {
  const [x, lengths] = use.inputs as Value[];
  const [batch, time] = [int(use, "batch_axis", 1), int(use, "time_axis", 0)];
  if (batch + time !== 1 || !use.fits(x.shape)) return null;
  const width = product(x.shape.slice(2));
  const place = (t: number, n: number) =>
    (time === 0 ? t * x.shape[1] + n : n * x.shape[1] + t) * width;
  const data = x.data.slice();
  lengths.data.forEach((length, n) => {
    for (let t = 0; t < length; t++) {
      const from = place(length - 1 - t, n);
      data.set(x.data.subarray(from, from + width), place(t, n));
    }
  });
  return [{ ...x, data }];
}

/** The largest or smallest numbers of the last dimension, in order, and where they stood. */
export function topK(use: Use): readonly Value[] | null {
  const [x, count] = use.inputs as Value[];
  const k = count ? count.data[0] : int(use, "k", -1);
  const [rank, width] = [x.shape.length, x.shape.at(-1)];
  if (width === undefined || axisOf(int(use, "axis", -1), rank) !== rank - 1) return null;
  if (!(k >= 0 && k <= width)) return null;
  const sign = int(use, "largest", 1) ? -1 : 1;
  const places: number[] = [];
  for (let row = 0; row < x.data.length; row += width) {
    const order = Array.from({ length: width }, (_, at) => at);
    order.sort((a, b) => sign * (x.data[row + a] - x.data[row + b]));
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
export function scatter(use: Use): readonly Value[] {
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
