/** `y = x Wᵀ + b` for many rows: arrays in, arrays out. */

import { StructSet } from "../struct_table.ts";
import { structFeatures } from "../structs.ts";
import type { Engine } from "../engine.ts";
import { panelWidth } from "../linear.ts";
import { padded } from "../packing.ts";
import { splitFrom } from "../plan.ts";
import { Crew, Layout } from "./crew.ts";
import { store } from "./pieces.ts";

/** The sizes of a product. */
export interface DenseSizes {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** The floats that go through at a time, about. */
export const pieceFloats = 2 ** 19;

/** Runs `visit` for some rows after the other. */
export function inPieces(
  rows: number,
  most: number,
  visit: (from: number, count: number) => void,
): void {
  for (let from = 0; from < rows; from += most) visit(from, Math.min(most, rows - from));
}

export function threadsFor(engine: Engine, { rows, inputs, outputs }: DenseSizes): number {
  return rows * inputs * outputs < splitFrom ? 1 : engine.threads;
}

/**
 * The product.
 *
 * @param x `(rows, inputs)`
 * @param w W, `(outputs, inputs)`
 * @param b b, `(outputs)`, or `null`
 * @returns `(rows, outputs)`
 */
export function denseForward(
  engine: Engine,
  sizes: DenseSizes,
  x: Float32Array,
  w: Float32Array,
  b: Float32Array | null,
): Float32Array {
  const { rows, inputs, outputs } = sizes;
  const width = padded(outputs);
  const most = Math.min(rows, Math.max(96, Math.floor(pieceFloats / (inputs + width))));
  const threads = threadsFor(engine, sizes);
  const layout = new Layout();
  const places = [
    width * inputs + structFeatures * panelWidth,
    width,
    most * inputs,
    most * width,
  ].map((floats) => layout.take(floats));
  places.push(layout.commands(threads));
  const base = engine.heap.scratch(layout.bytes + 256);
  const [panels, bias, xs, ys, program] = places.map((place) => base + place);
  const { floats } = engine.heap;
  floats.fill(0, panels / 4, panels / 4 + width * inputs);
  for (let row = 0; row < outputs; row++) {
    let to = panels / 4 + (row - row % panelWidth) * inputs + row % panelWidth;
    for (let k = row * inputs; k < (row + 1) * inputs; k++, to += panelWidth) floats[to] = w[k];
  }
  floats.fill(0, bias / 4, bias / 4 + width);
  if (b) floats.set(b, bias / 4);
  const crew = new Crew(engine, threads, program, 1);
  const structs = engine.structs && new StructSet(engine.structs);
  const y = new Float32Array(rows * outputs);
  try {
    const at = structs?.add(panels, inputs, width / panelWidth) ?? 0;
    inPieces(rows, most, (first, count) => {
      floats.set(x.subarray(first * inputs, (first + count) * inputs), xs / 4);
      crew.split(count, (program, from, to) => {
        const rows = [xs + 4 * from * inputs, 4 * inputs, to - from];
        const matrix = [panels, at, inputs, width / panelWidth];
        program.add("linear", rows, matrix, [bias, 0, ys + 4 * from * width, 4 * width]);
      });
      crew.run();
      const run = { from: first, at: 0, rows: count, step: 1 };
      store(floats, ys / 4, width, outputs, { data: y, start: 0, stride: outputs }, [run]);
    });
  } finally {
    structs?.clear();
  }
  return y;
}
