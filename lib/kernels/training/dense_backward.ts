/** The gradients of `y = x Wᵀ + b` for many rows: arrays in, arrays out. */

import type { Engine } from "../engine.ts";
import { panelWidth } from "../linear.ts";
import { padded } from "../packing.ts";
import { StructSet } from "../struct_table.ts";
import { structFeatures } from "../structs.ts";
import { Crew, Layout } from "./crew.ts";
import { type DenseSizes, inPieces, pieceFloats, threadsFor } from "./dense.ts";
import { load, store } from "./pieces.ts";
import { addColumns, addOuter, sumsOf, toPanels, turnWeights } from "./sums.ts";

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
          const rows = [dys + 4 * from * yRow, 4 * yRow, to - from];
          const matrix = [turned, block, yRow, xRow / panelWidth];
          program.add("linear", rows, matrix, [zeros, 0, dxs + 4 * from * xRow, 4 * xRow]);
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
