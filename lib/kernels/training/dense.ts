/** `y = x Wᵀ + b` for many rows, forward and backward: arrays in, arrays out. */

import { StructSet } from "../struct_table.ts";
import { structFeatures } from "../structs.ts";
import type { Engine } from "../engine.ts";
import { panelWidth } from "../linear.ts";
import { padded } from "../packing.ts";
import { splitFrom } from "../plan.ts";
import { Crew, Layout } from "./crew.ts";
import { load, store } from "./pieces.ts";
import { addColumns, addOuter, sumsOf, toPanels, turnWeights } from "./sums.ts";

/** The sizes of a product. */
export interface DenseSizes {
  readonly rows: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** The floats that go through at a time, about. */
const pieceFloats = 2 ** 19;

/** Runs `visit` for some rows after the other. */
function inPieces(rows: number, most: number, visit: (from: number, count: number) => void): void {
  for (let from = 0; from < rows; from += most) visit(from, Math.min(most, rows - from));
}

function threadsFor(engine: Engine, { rows, inputs, outputs }: DenseSizes): number {
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
        program.add(
          "linear",
          ...[xs + 4 * from * inputs, 4 * inputs, to - from, panels, at, inputs],
          ...[width / panelWidth, bias, 0, ys + 4 * from * width, 4 * width],
        );
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

/**
 * The gradients of the product.
 *
 * @param x `(rows, inputs)`
 * @param w W, `(outputs, inputs)`
 * @param dy the gradient of the product
 * @param wanted whether those of x, W and b are wanted
 * @returns the gradients of x, W and b, `undefined` where not wanted
 */
export function denseBackward(
  engine: Engine,
  sizes: DenseSizes,
  x: Float32Array,
  w: Float32Array,
  dy: Float32Array,
  wanted: readonly boolean[],
): (Float32Array | undefined)[] {
  const { rows, inputs, outputs } = sizes;
  const [xRow, yRow] = [padded(inputs), padded(outputs)];
  const most = Math.min(rows, Math.max(96, Math.floor(pieceFloats / (3 * xRow + 2 * yRow))));
  const threads = threadsFor(engine, sizes);
  const layout = new Layout();
  const places = [
    yRow * xRow + structFeatures * panelWidth, // W in panels of its columns
    yRow * xRow, // dW
    yRow, // db
    xRow, // zeros
    ...[most * xRow, most * yRow, most * xRow], // x, dy, dx
    ...[most * xRow, most * yRow], // x and dy in panels
  ].map((floats) => layout.take(floats));
  const commands = 3 + 2 * sumsOf(most);
  places.push(layout.commands(threads * commands));
  const base = engine.heap.scratch(layout.bytes + 256);
  const at = places.map((place) => base + place);
  const [turned, dW, db, zeros, xs, dys, dxs, xPanels, dyPanels, program] = at;
  const { floats } = engine.heap;
  floats.fill(0, dW / 4, dyPanels / 4);
  const crew = new Crew(engine, threads, program, commands);
  const [dx, dw, dBias] = [rows * inputs, outputs * inputs, outputs]
    .map((length, k) => wanted[k] ? new Float32Array(length) : undefined);
  const structs = engine.structs && new StructSet(engine.structs);
  try {
    let block = 0;
    if (dx) {
      turnWeights(floats, turned, w, [0, outputs], inputs, yRow, (row) => row);
      block = structs?.add(turned, yRow, xRow / panelWidth) ?? 0;
    }
    inPieces(rows, most, (first, count) => {
      const runs = [{ from: first, at: 0, rows: count, step: 1 }];
      const matrix = (data: Float32Array, stride: number) => ({ data, start: 0, stride });
      load(floats, dys / 4, yRow, outputs, matrix(dy, outputs), runs);
      if (dx) {
        crew.split(count, (program, from, to) => {
          program.add(
            "linear",
            ...[dys + 4 * from * yRow, 4 * yRow, to - from, turned, block, yRow],
            ...[xRow / panelWidth, zeros, 0, dxs + 4 * from * xRow, 4 * xRow],
          );
        });
      }
      if (dBias) addColumns(crew, dys, yRow, count, db);
      if (dw) {
        load(floats, xs / 4, xRow, inputs, matrix(x, inputs), runs);
        toPanels(crew, dys, yRow, count, dyPanels);
        toPanels(crew, xs, xRow, count, xPanels);
        crew.barrier();
        addOuter(crew, count, dyPanels, yRow, xPanels, xRow, dW);
      }
      crew.run();
      if (dx) store(floats, dxs / 4, xRow, inputs, matrix(dx, inputs), runs);
    });
  } finally {
    structs?.clear();
  }
  const all = (count: number) => [{ from: 0, at: 0, rows: count, step: 1 }];
  if (dw) store(floats, dW / 4, xRow, inputs, { data: dw, start: 0, stride: inputs }, all(outputs));
  if (dBias) dBias.set(floats.subarray(db / 4, db / 4 + outputs));
  return [dx, dw, dBias];
}
