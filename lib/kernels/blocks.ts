/**
 * `out = init + x Wᵀ` for a single row, on weights in blocks.
 *
 * A single row uses every weight once, so all that counts is how fast weights come in. Some engines,
 * Deno's among them, check each access to memory, at the cost of the access itself. A block is an
 * object of 48 vectors, 12 of outputs by 4 features, and the fields of an object need no check.
 * The sums are those of `linear.ts`, in the same order. Outputs that fill no block stay there.
 *
 * @module
 */

import {
  Assembler,
  blocks,
  type Code,
  during,
  type Func,
  i32,
  type Madd,
  repeat,
  v128,
  when,
} from "./assembler.ts";
import { panelWidth } from "./linear.ts";

/** How many vectors of outputs, and how many features, a block has. */
export const [blockVectors, blockFeatures] = [12, 4];

/** How many vectors a block has in all. */
export const blockFields = blockVectors * blockFeatures;

const [float, vector] = [4, 16];

/** The bytes of a panel from one feature to the next, and the panels side by side in a block. */
const panelRow = panelWidth * float;
const panels = blockVectors * vector / panelRow;

/** Whether an engine knows objects, and vectors in them. */
export function supportsBlocks(): boolean {
  const m = new Assembler(blockFields);
  addBlockTable(m);
  return WebAssembly.validate(m.encode());
}

/** One block's outputs: the address of x, where the blocks begin, the features, init and out. */
function addBlocks(m: Assembler, madd: Madd): Func {
  return m.func(5, (f, x, at, k, init, out) => {
    const table = f.let("table", blocks.table);
    const block = f.local("block");
    const [xv, quad] = f.locals("v128", 2);
    const sums = Array.from(
      { length: blockVectors },
      (_, c) => f.let("v128", v128.load(init, c * vector)),
    );
    const feature = (u: number, read: Code): Code[] => [
      xv.set(read),
      ...sums.map((sum, c) => sum.set(madd(blocks.get(block, u * blockVectors + c), xv, sum))),
    ];
    f.emit(
      during(i32.ge(k, blockFeatures), [
        block.set(blocks.at(table, at)),
        quad.set(v128.load(x)),
        ...[0, 1, 2, 3].flatMap((u) => feature(u, v128.lane(quad, u))),
        x.set(i32.add(x, blockFeatures * float)),
        at.set(i32.add(at, 1)),
        k.set(i32.sub(k, blockFeatures)),
      ]),
      when(k, [
        block.set(blocks.at(table, at)),
        ...[0, 1, 2].map((u) => when(i32.ge(k, u + 1), feature(u, v128.splat(x, u * float)))),
      ]),
      ...sums.map((sum, c) => v128.store(out, sum, c * vector)),
    );
  });
}

/**
 * Adds the kernel, exported as `row`. Its parameters: the address of x; where W's blocks begin in
 * the table; W in panels; how many features x has; how many vectors of four outputs there are; and
 * the addresses where the sums start from and end up.
 */
export function addRow(m: Assembler, madd: Madd, linear: Func): Func {
  const oneBlock = addBlocks(m, madd);
  return m.func(7, (f, x, at, w, k, vectors, init, out) => {
    const step = f.let("i32", i32.shrU(i32.add(k, blockFeatures - 1), 2)); // blocks for all of x
    const stride = f.let("i32", i32.mul(k, panelRow * panels));
    f.emit(
      during(i32.ge(vectors, blockVectors), [
        oneBlock.call(x, at, k, init, out),
        at.set(i32.add(at, step)),
        w.set(i32.add(w, stride)),
        ...[init, out].map((at) => at.set(i32.add(at, blockVectors * vector))),
        vectors.set(i32.sub(vectors, blockVectors)),
      ]),
      when(vectors, [linear.call(x, 0, 1, w, k, vectors, init, 0, out, 0)]),
    );
  }, "row");
}

/** Adds what makes and forgets blocks: `grow`, `fill` and `clear`. */
export function addBlockTable(m: Assembler): void {
  // How many blocks there were room for, and how many there shall be.
  m.func(2, (f, before, length) => {
    const table = f.let("table", blocks.newTable(length));
    f.emit(when(before, [blocks.copy(table, blocks.table, before)]), blocks.setTable(table));
  }, "grow");
  // Blocks from `at` on, of so many vectors of outputs and so many features, from W in panels.
  m.func(4, (f, at, w, k, vectors) => {
    const stride = f.let("i32", i32.mul(k, panelRow));
    const from = f.locals("i32", panels);
    const left = f.local("i32");
    const fields = Array.from({ length: blockFields }, (_, n) => {
      const [c, u] = [n % blockVectors, Math.floor(n / blockVectors)];
      const perPanel = blockVectors / panels;
      const panel = from[Math.floor(c / perPanel)];
      return v128.load(panel, u * panelRow + (c % perPanel) * vector);
    });
    f.emit(during(i32.ge(vectors, blockVectors), [
      ...from.map((panel, n) => panel.set(n === 0 ? w : i32.add(from[n - 1], stride))),
      left.set(k),
      repeat([ // what the last block has beyond the last feature is never read
        blocks.put(blocks.table, at, blocks.create(fields)),
        ...from.map((panel) => panel.set(i32.add(panel, blockFeatures * panelRow))),
        at.set(i32.add(at, 1)),
        left.set(i32.sub(left, blockFeatures)),
      ], i32.ge(left, 1)),
      w.set(i32.add(w, i32.mul(stride, panels))),
      vectors.set(i32.sub(vectors, blockVectors)),
    ]));
  }, "fill");
  m.func(2, (f, at, count) => {
    f.emit(during(count, [
      blocks.put(blocks.table, at, blocks.none),
      at.set(i32.add(at, 1)),
      count.set(i32.sub(count, 1)),
    ]));
  }, "clear");
}
